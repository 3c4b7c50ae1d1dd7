"""Layers of one network that share a place: the two heads of a policy or of a variational autoencoder."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import combinations

from initviz.files.weights.networks import Ends, Part
from initviz.files.weights.orders import Shape
from initviz.files.weights.vocabulary import are_exclusive

MOST_HEADS = 6  # layers among which heads are looked for


def heads(layers: Sequence[str], members: Sequence[int], shapes: Sequence[Shape], ends: Ends, *,
          chained: bool) -> list[Part]:
    """Networks that have one of several layers in the same place: by their names, or the most alike in shape first.

    A network with two heads, of the mean and of the variance, or of a policy and of a value; none where none fit.
    Shapes alone tell no heads in the first place, where layers may share one output. ``shapes`` and ``ends`` are of one
    layout; ``chained`` says that in some layout the layers follow one another: then only names tell heads.
    """
    def with_each(candidates: Sequence[Sequence[int]]) -> list[Part]:
        trunk = [index for index in members if not any(index in head for head in candidates)]
        fit = all(head and ends([*trunk, *head]) for head in candidates)
        return [Part(layers[head[-1]], tuple(sorted((*trunk, *head)))) for head in candidates] if fit else []

    if named := with_each(_exclusive_sides(layers, members)):
        return named
    if chained:
        return []

    def is_first(head: int, trunk: Sequence[int]) -> bool:
        fan_in, fan_out = shapes[head]
        return bool(trunk) and any(before == fan_out and after != fan_in for before, after in ends(trunk))

    by_shape: dict[Shape, list[int]] = {}
    by_fan_in: dict[int, list[int]] = {}
    for index in members:
        by_shape.setdefault(shapes[index], []).append(index)
        by_fan_in.setdefault(shapes[index][0], []).append(index)
    groups = [group for group in (*by_shape.values(), *by_fan_in.values()) if len(group) > 1]
    for size in range(2, MOST_HEADS + 1):
        for group in groups:
            for candidates in combinations(group, size) if len(group) <= 2 * MOST_HEADS else ():
                trunk = [index for index in members if index not in candidates]
                if not is_first(candidates[0], trunk) and (networks := with_each([[head] for head in candidates])):
                    return networks
    return []


def _exclusive_sides(layers: Sequence[str], members: Sequence[int]) -> list[list[int]]:
    """The layers on the two sides of two that exclude each other by their names; empty lists where none are."""
    first, second = next((pair for pair in combinations(members, 2) if are_exclusive(layers[pair[0]], layers[pair[1]])),
                         (None, None))
    if first is None or second is None:
        return [[index] for index in _of_one_place(layers, members)] or [[], []]
    return [[index for index in members if index == one or (
        are_exclusive(layers[index], layers[other]) and not are_exclusive(layers[index], layers[one]))]
        for one, other in ((first, second), (second, first))]


def _of_one_place(layers: Sequence[str], members: Sequence[int]) -> list[int]:
    """The layers that share a place by two digits, as fc21 and fc22 after fc1 where there is no fc2; [] without such.
    """
    named = {index: re.fullmatch(r"(.*[a-zA-Z])([1-9])([1-9]?)", layers[index]) for index in members}
    places = {(match[1], int(match[2])) for match in named.values() if match and not match[3]}
    shared: dict[tuple[str, int], list[int]] = {}
    for index, match in named.items():
        if match and match[3]:
            shared.setdefault((match[1], int(match[2])), []).append(index)
    return next((names for (stem, place), names in shared.items() if len(names) > 1 and (stem, place - 1) in places
                 and (stem, place) not in places), [])
