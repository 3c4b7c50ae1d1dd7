"""What the names of arrays say: which layer, weight or bias, and the order of layers that are numbered."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from initviz.core.arrays import Array
from initviz.core.wording import MOST_NAMED, shown

ROLES = re.compile(
    r"(?P<before>(?:.*(?:[._/\-]|(?<=[0-9])))?)(?:(?P<weight>weights?|kernel|w|coefs?|theta)|(?P<bias>bias(?:es)?|b|"
    r"intercepts?))(?P<after>[_.\-]{0,2}[0-9]*(?:_[a-z]+[0-9]*){0,3})", re.IGNORECASE)


def _spelled(name: str) -> str:
    """A name as most files have it: without TensorFlow's :0, brackets as points, W_h for Wh, Keras's vars/0 as kernel.
    """
    name = re.sub(r"\[([0-9]+)\]", r".\1", name.removesuffix(":0"))
    name = re.sub(r"(?<![a-zA-Z])([Wb])((?!n[0-9])[a-z]{1,2}[0-9]*)$", r"\1_\2", name)
    return re.sub(r"(?<=[./])vars[./]([01])$", lambda match: "kernel" if match[1] == "0" else "bias", name)


def role(name: str) -> str:
    """What an array is by its name: "weight", "bias", or "" where it says neither."""
    match = ROLES.fullmatch(_spelled(name))
    return "" if match is None else "weight" if match["weight"] else "bias"


def layer_of(name: str) -> str:
    """The layer whose array this is: fc1 of fc1.weight, fc1.bias, fc1_w or fc1/kernel:0, 1 of W1, out of W_out."""
    match = ROLES.fullmatch(_spelled(name))
    if match is None:
        return re.split(r"[./](?=[^./]*$)", name)[0] if re.search(r"[./]", name) else ""
    before, after = match["before"].rstrip("._/-"), match["after"].lstrip("_.-")
    return f"{before}.{after}" if before and after else before or after


def listed(names: Sequence[str], arrays: Mapping[str, Array] | None = None) -> str:
    """Names, and where arrays are given their shapes, the first few."""
    return few([shown(name) + (f" {arrays[name].shape}" if arrays else "") for name in names])


def few(names: Sequence[str]) -> str:
    """The first few parts, and how many more there are."""
    return ", ".join(names[:MOST_NAMED]) + (f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else "")


def split(name: str) -> tuple[str, tuple[int, ...]]:
    """A name without its numbers, and these; a run of ten digits or more is no number of a layer."""
    parts = re.split(r"(?<![0-9])([0-9]{1,9})(?![0-9])", name)
    return "\0".join(parts[::2]), tuple(int(part) for part in parts[1::2])


def by_template(names: Sequence[str], digits: bool = False) -> list[list[int]]:
    """Indices of the names that are equal but for their numbers together, in the order of these, or of their digits.

    Of dense, dense_1 and dense_2, as Keras counts, the first has the number 0.
    """
    templates = {split(name)[0] for name in names}
    counted = [_as_zeroth(name, templates) for name in names]

    def order(index: int) -> tuple[Any, ...]:
        numbers = split(counted[index])[1]
        return tuple(map(str, numbers)) if digits else numbers

    groups: dict[str, list[int]] = {}
    for index in sorted(range(len(names)), key=order):
        groups.setdefault(split(counted[index])[0], []).append(index)
    return list(groups.values())


def _as_zeroth(name: str, templates: Collection[str]) -> str:
    """A name with the number 0 where others of these templates have one after a low line: dense_0 of dense."""
    steps = re.split(r"([./])", name)
    for place in range(0, len(steps), 2):
        numbered = "".join((*steps[:place], f"{steps[place]}_0", *steps[place + 1:]))
        if steps[place] and split(numbered)[0] in templates:
            return numbered
    return name


def keeps_numbers(names: Sequence[str]) -> bool:
    """Whether names that are equal but for their numbers come in the order of these."""
    return all(group == sorted(group) for group in by_template(names))
