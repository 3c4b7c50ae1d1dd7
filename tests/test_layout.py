"""The rooms of the package: what stands at the top, and that imports run one way."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

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


def test_nothing_stands_beside_the_rooms():
    entries = {path.name for path in PACKAGE.iterdir() if path.name != "__pycache__"}
    assert entries <= {*ROOMS, "data", "__init__.py", "__main__.py", "py.typed"}


@pytest.mark.parametrize(("room", "path"), list(modules()))
def test_imports_run_one_way(room, path):
    for name in imported(path):
        top, _, rest = name.partition(".")
        if top == "initviz":
            target = rest.split(".")[0]
            assert target == room or target in ROOMS[room], f"{room} imports {name}"
        elif top in LIBRARIES:
            assert room in LIBRARIES[top], f"{room} imports {name}"
