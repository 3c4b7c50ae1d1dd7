"""What an argument's text may be: types for argparse, whose errors are one sentence each."""

from __future__ import annotations

import argparse
from typing import Any

from initviz.core.network import read_numbers


def threshold(text: str) -> tuple[str, float]:
    """A threshold's name and number, from NAME=NUMBER."""
    name, _, value = text.partition("=")
    try:
        return name, float(value)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be NAME=NUMBER, got {text!r}") from None


def numbers(text: str) -> float | tuple[float, ...]:
    """One number, or several with commas between them."""
    try:
        return read_numbers("", text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error).strip()) from None


def parameter(text: str) -> tuple[str, Any]:
    """A parameter's name and value, from NAME=VALUE."""
    name, _, value = text.partition("=")
    return name, number_or_word(value)


def number_or_word(text: str) -> Any:
    """A number where the text is one, else the text."""
    try:
        return float(text)
    except ValueError:
        return text
