"""The rooms of the package: what stands at the top, and that imports run one way."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from importlib import import_module
from pathlib import Path

import pytest

import initviz

PACKAGE = Path(__file__).parents[1] / "initviz"
# A room may import those it lists, and itself.
ROOMS = {
    "record": (),
    "core": (),
    "theory": ("core",),
    "training": ("core",),
    "files": ("core",),
    "charts": ("core", "theory", "training", "files"),
    "diagnosis": ("core", "theory", "training", "files", "charts"),
    "claims": ("core", "theory", "training", "files", "charts", "diagnosis"),
    "cli": ("core", "theory", "training", "files", "charts", "diagnosis", "claims"),
    "app": ("core", "theory", "training", "files", "charts", "diagnosis", "claims"),
}
LIBRARIES = {"streamlit": {"app"}, "altair": {"charts", "diagnosis", "claims", "app"}}  # and the rooms that import them


def modules():
    for path in sorted(PACKAGE.rglob("*.py")):
        room = path.relative_to(PACKAGE).parts[0]
        if room in ROOMS:
            yield pytest.param(room, path, id=str(path.relative_to(PACKAGE)))


def imported(path):
    """Dotted names of everything that a module imports, at its top or inside a function."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def dependencies():
    """The modules of the app and the package, and which of them each imports, inside functions too."""
    root = PACKAGE.parent
    paths = {".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): path
             for path in (root / "app.py", *(root / "pages").glob("*.py"), *PACKAGE.rglob("*.py"))}
    return {module: {name if name in paths else name.rpartition(".")[0] for name in imported(path)} & paths.keys()
            for module, path in paths.items()}


def circle(graph):
    """Modules each of which imports the next, and the last the first; none where there is no circle."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return error.args[1]
    return []


def test_no_module_imports_one_that_imports_it():
    graph = dependencies()
    assert not circle(graph)
    assert circle(graph | {"initviz.core.network": {"initviz.app.settings"}})


def test_nothing_stands_beside_the_rooms():
    entries = {path.name for path in PACKAGE.iterdir() if path.name != "__pycache__"}
    assert entries <= {*ROOMS, "data", "__init__.py", "__main__.py", "py.typed"}


def test_the_readme_lists_the_rooms_in_an_order_in_which_none_imports_one_above_it():
    section = (PACKAGE.parent / "README.md").read_text().split("## How it is built")[1].split("Beside them:")[0]
    listed = re.findall(r"^- `(\w+)/`: ", section, re.MULTILINE)
    assert sorted(listed) == sorted(set(ROOMS) - {"record"})
    assert all(set(ROOMS[room]) <= set(listed[place + 1:]) for place, room in enumerate(listed))


@pytest.mark.parametrize(("room", "path"), list(modules()))
def test_imports_run_one_way(room, path):
    for name in imported(path):
        top, _, rest = name.partition(".")
        if top == "initviz":
            target = rest.split(".")[0]
            assert target == room or target in ROOMS[room], f"{room} imports {name}"
        elif top in LIBRARIES:
            assert room in LIBRARIES[top], f"{room} imports {name}"


def test_public_names_are_those_that_type_checkers_see_and_are_imported_when_they_are_used():
    tree = ast.parse((PACKAGE / "__init__.py").read_text())
    seen = {alias.name: node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)
            and node.module.startswith("initviz.") for alias in node.names}
    assert seen == initviz._MODULE_OF
    assert sorted(initviz.__all__) == sorted(seen)
    assert all(getattr(initviz, name) is getattr(import_module(module), name) for name, module in seen.items())
    assert set(initviz.__all__) <= set(dir(initviz))
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        initviz.nothing  # noqa: B018
    subprocess.run([sys.executable, "-c", "import sys, initviz; sys.exit('numpy' in sys.modules)"], check=True)
