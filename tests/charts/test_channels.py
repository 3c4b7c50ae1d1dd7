"""Channels are objects: of a string Altair makes one by trying all its schemas, which a first visit waits for."""

import ast
from pathlib import Path

import pytest

import initviz.charts

MODULES = sorted(Path(initviz.charts.__file__).parent.glob("*.py"))


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.stem)
def test_no_channel_is_a_string(module):
    calls = [node for node in ast.walk(ast.parse(module.read_text()))
             if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "encode"]
    strings = [ast.unparse(keyword.value) for call in calls for keyword in call.keywords
               if isinstance(keyword.value, ast.Constant) and isinstance(keyword.value.value, str)]
    assert not strings
