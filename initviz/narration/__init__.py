"""Beside each picture, in a sentence or two, what to see in it: with the numbers of this very run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

Item = TypeVar("Item")


def listed(parts: Sequence[str]) -> str:
    """The parts as prose: a, b and c."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def grouped(items: Iterable[Item], name: Callable[[Item], str], say: Callable[[Item], str]) -> str:
    """What is said of each item, items of which the same is said together: "A and B 0; C 0.3"."""
    groups: dict[str, list[str]] = {}
    for item in items:
        groups.setdefault(say(item), []).append(name(item))
    return "; ".join(f"{listed(names)} {said}" for said, names in groups.items())
