"""Arithmetic that a recipe writes down, such as "0.02 / sqrt(2 * L)": parsed, never run as code."""

from __future__ import annotations

import ast
import functools
import math
import operator
from collections.abc import Callable, Mapping

MOST_LETTERS = 200
OPERATORS: Mapping[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.Pow: math.pow}
FUNCTIONS: Mapping[str, Callable[..., float]] = {"sqrt": math.sqrt, "min": min, "max": max}


@functools.lru_cache(maxsize=1024)
def _parsed(text: str) -> ast.expr:
    try:
        return ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ValueError(f"an expression must be arithmetic such as 0.02 / sqrt(2 * L), got {text!r}") from None


def value(text: str, names: Mapping[str, float]) -> float:
    """The number that an expression of ``names``, numbers, + - * / ** and sqrt, min, max stands for.

    Raises ValueError for anything else, and where there is no such number.
    """
    if len(text) > MOST_LETTERS:
        raise ValueError(f"an expression must have at most {MOST_LETTERS} letters, got {len(text)}")
    try:
        return _value(_parsed(text), names, text)
    except (ArithmeticError, TypeError):
        raise ValueError(f"{text!r} must be a number for {dict(names)}") from None


def _value(node: ast.expr, names: Mapping[str, float], text: str) -> float:
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float) and not isinstance(node.value, bool):
        return float(node.value)
    if isinstance(node, ast.Name) and node.id in names:
        return float(names[node.id])
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_value(node.operand, names, text)
    if isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
        return OPERATORS[type(node.op)](_value(node.left, names, text), _value(node.right, names, text))
    if (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in FUNCTIONS
            and not node.keywords and node.args):
        return FUNCTIONS[node.func.id](*(_value(argument, names, text) for argument in node.args))
    raise ValueError(f"an expression may use {', '.join(names)}, numbers, + - * / ** and {', '.join(FUNCTIONS)}, "
                     f"got {text!r}")
