"""The tables' formulas in Unicode, for the cells of a table, which draw no LaTeX."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

SYMBOLS: Mapping[str, str] = MappingProxyType({
    "sim": " ∼ ", "sigma": "σ", "pm": "±", "omega": "ω", "lambda": "λ", "alpha": "α", "Phi": "Φ", "pi": "π", "le": "≤",
    "quad": " ", "top": "T", ",": " ", " ": " "})
RAISED, LOWERED = str.maketrans("0123456789-zT", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻ᶻᵀ"), str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


def plain_formula(latex: str) -> str:
    """A formula of the tables without LaTeX: ``\\tfrac{2}{n_{in}}`` is 2/n_in."""
    text = re.sub(r"\\(left|right)\b|\\!", "", latex).replace(r"\\", ", ")
    before = ""
    while text != before:  # from the innermost braces outwards
        before = text
        text = re.sub(r"\\(?:text|mathrm)\{([^{}]*)\}", r"\1", text)
        text = re.sub(r"_\{([^{}]*)\}", r"_\1", text)
        text = re.sub(r"\^(?:\{([^{}]*)\}|(\w)|\\(top))", _raised, text)
        text = re.sub(r"\\sqrt\{([^{}]*)\}", lambda root: f"√{_grouped(root[1])}", text)
        text = re.sub(r"\\t?frac\{([^{}]*)\}\{([^{}]*)\}", _fraction, text)
    text = re.sub(r"\\([A-Za-z]+|[ ,])", lambda symbol: SYMBOLS.get(symbol[1], symbol[1]), text)
    text = re.sub(r"(/\w+)\(", r"\1 (", text)
    text = re.sub(r"_(\d)", lambda sign: sign[1].translate(LOWERED), text)
    return re.sub(r"\( | \)|(?<=\w) (?=[,;])", lambda gap: gap[0].strip(), " ".join(text.split()))


def _fraction(part: re.Match[str]) -> str:
    return f"{_grouped(part[1])}/{_grouped(part[2])}"


def _raised(power: re.Match[str]) -> str:
    return (power[1] or power[2] or "T").replace("−", "-").translate(RAISED)


def _grouped(text: str) -> str:
    """In parentheses where it holds more than one sign."""
    return f"({text})" if re.search(r"[^\w\\]", text.replace("√", "")) else text
