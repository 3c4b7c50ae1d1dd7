import ast
import re
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
GIVEN = ("streamlit", "numpy", "altair", "pandas", "pytest")
IMPORTED_AS = {"Pillow": "PIL", "vl-convert-python": "vl_convert"}


def required(lines):
    """Requirement lines by name, without their comments."""
    plain = [line.split("#")[0].strip() for line in lines]
    return {re.match(r"[\w-]+", line)[0]: line for line in plain if line and not line.startswith("-r")}


COMPLETE = required((ROOT / "requirements.txt").read_text().splitlines())
PACKAGE = required(PROJECT["dependencies"])
APP = required(PROJECT["optional-dependencies"]["app"])


def imported(*folders):
    """Names of the packages of others that Python files import anywhere in them."""
    found = set()
    for path in (path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                found.add(node.module.split(".")[0])
    return found - set(sys.stdlib_module_names) - {"initviz"}


def test_what_the_host_installs_is_what_the_package_and_its_app_need():
    assert PACKAGE | APP | {"pytest": COMPLETE["pytest"]} == COMPLETE
    assert set(GIVEN) <= set(COMPLETE)
    assert not set(PACKAGE) & set(APP)


@pytest.mark.parametrize("name", sorted(PACKAGE))
def test_the_package_imports_what_it_depends_on(name):
    rooms = [path.relative_to(ROOT) for path in (ROOT / "initviz").iterdir() if path.is_dir() and path.name != "app"]
    assert IMPORTED_AS.get(name, name) in imported(*rooms)


def test_whatever_is_imported_is_named():
    named = {IMPORTED_AS.get(name, name) for name in PACKAGE}
    rooms = [path.relative_to(ROOT) for path in (ROOT / "initviz").iterdir() if path.is_dir() and path.name != "app"]
    recorders = Path("initviz/record")  # run where the model is, with its framework; the package needs none
    assert imported(*(room for room in rooms if room != recorders)) <= named
    assert imported(recorders) == {"torch", "jax", "flax", "numpy"}
    assert imported("initviz/app", "pages") <= named | {IMPORTED_AS.get(name, name) for name in APP}
