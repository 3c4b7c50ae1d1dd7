"""Numbers and lists in words."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

Item = TypeVar("Item")
MOST_SHOWN, MOST_NAMED = 80, 10  # letters of a name that comes from outside, and names in a list
SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def number(value: float, digits: int = 2) -> str:
    """A number as a person reads it: 0.63, −2.5, 1,234, 1.4 × 10⁻⁷, 0, overflow, not defined."""
    if math.isnan(value):
        return "not defined"
    if math.isinf(value):
        return "overflow" if value > 0 else "negative overflow"
    if value == 0:
        return "0"
    if 1e-3 <= abs(value) < 9999.5:
        text = f"{value:.{digits + 1}g}"
        return (f"{value:,.0f}" if "e" in text or abs(value) >= 1000 else text).replace("-", "−")
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    return f"{mantissa} × 10{str(int(exponent)).translate(SUPERSCRIPT)}".replace("-", "−")


def percent(share: float) -> str:
    """A share as a percentage; small ones are not rounded to 0."""
    if math.isnan(share):
        return "not defined"
    return f"{100 * share:.0f} %" if share == 0 or share >= 0.01 else "under 1 %"


def ranges(layers: list[int]) -> str:
    """1, 2, 3, 7 as "1-3, 7"."""
    runs: list[list[int]] = []
    for layer in layers:
        if runs and runs[-1][-1] == layer - 1:
            runs[-1].append(layer)
        else:
            runs.append([layer])
    return ", ".join(f"{run[0]}–{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


def listed(items: Sequence[str]) -> str:
    """Items as prose: a, b and c."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


def first_few(items: Sequence[str], most: int) -> str:
    """The first ``most`` items as prose, and how many more there are: a, b and 3 more."""
    more = len(items) - most
    return listed([*items[:most], *([f"{more:,} more"] if more > 0 else [])])


def counted(count: int, one: str, many: str = "") -> str:
    """A count with its noun: "1 remedy", "1,200 tensors"; ``many`` is the plural where it is not ``one`` and an s."""
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"


def is_unicode(text: str) -> bool:
    """Whether a text from outside can be written at all: escapes in JSON may hold halves of letters (surrogates)."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def cut(name: str) -> str:
    """A name from a file or a user, shortened if it is long."""
    return name if len(name) <= MOST_SHOWN else f"{name[:MOST_SHOWN - 3]}..."


def shown(name: str) -> str:
    """A name from a file or a user in a sentence: in quotation marks, shortened if it is long."""
    return repr(cut(name))


def named(names: Sequence[str]) -> str:
    """Names from a file or a user in a sentence, the first ten: 'a', 'b' and 1,990 more."""
    more = f" and {len(names) - MOST_NAMED:,} more" if len(names) > MOST_NAMED else ""
    return ", ".join(shown(name) for name in names[:MOST_NAMED]) + more


def grouped(items: Iterable[Item], name: Callable[[Item], str], say: Callable[[Item], str]) -> str:
    """One text for many items, those with the same words together: "A and B 0; C 0.3"."""
    groups: dict[str, list[str]] = {}
    for item in items:
        groups.setdefault(say(item), []).append(name(item))
    return "; ".join(f"{listed(names)} {text}" for text, names in groups.items())
