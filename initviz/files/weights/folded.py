"""Biases that are a column or row of their matrix, whose input is always 1: found by the shapes, and taken apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from types import MappingProxyType
from typing import Any

from initviz.core.arrays import Array
from initviz.files.weights.layer_arrays import LayerArrays, Stored
from initviz.files.weights.names import by_template

# Where the biases stand, and the part of a matrix that they are. Whether first or last, shapes cannot tell.
PLACES: Mapping[str, tuple[int, int]] = MappingProxyType({  # axis, index
    "last-column": (1, -1), "first-column": (1, 0), "last-row": (0, -1), "first-row": (0, 0)})
PLACE_LABELS = MappingProxyType({place: place.replace("-", " ") for place in PLACES})


def places(layers: LayerArrays) -> list[str]:
    """Where biases may be folded in: [] where matrices chain as they are, or not with one input more each either.

    A single place where the values there are constant in each matrix, as biases are at first, and nowhere else.
    """
    arrays = layers.arrays
    if len(arrays) < 2 or any(array.ndim != 2 for array in arrays.values()):
        return []
    names = list(arrays)
    numbered = [index for group in by_template(names) for index in group]
    orders = [[names[index] for index in order] for order in (range(len(names)), numbered)]
    if any(_chain(arrays, order, axis, 0) for order in orders for axis in (0, 1)):
        return []
    fitting = [place for place, (axis, _) in PLACES.items() if any(_chain(arrays, order, axis, 1) for order in orders)]
    constant = [place for place in fitting if all(_are_constant(array, place) for array in arrays.values())]
    return constant if len(constant) == 1 else fitting


def _chain(arrays: Mapping[str, Array], order: Sequence[str], axis: int, more: int) -> bool:
    """Whether each matrix, whose inputs run along ``axis``, takes what the one before gives and ``more``."""
    shapes = [arrays[name].shape for name in order]
    return all(b[axis] == a[1 - axis] + more for a, b in pairwise(shapes)) and min(s[axis] for s in shapes) > more


def _parts(place: str) -> tuple[Any, Any]:
    """The indices of the weights and of the biases in a matrix."""
    axis, index = PLACES[place]
    inputs = slice(0, -1) if index else slice(1, None)
    return ((inputs, slice(None)), (index, slice(None))) if axis == 0 else ((slice(None), inputs), (slice(None), index))


def _are_constant(array: Array, place: str) -> bool:
    biases = array[_parts(place)[1]]
    return len(biases) > 1 and bool((biases == biases[0]).all())


def unfolded(layers: LayerArrays, place: str) -> LayerArrays:
    """The matrices without the biases that stand in that place of each, and these biases."""
    weights, biases = _parts(place)
    arrays: dict[str, Array] = {}
    stored: dict[str, Stored] = {}
    owned: dict[str, str] = {}
    for name, array in layers.arrays.items():
        owned[name] = f"{name} ({PLACE_LABELS[place]})"
        for parameter_name, index in ((name, weights), (owned[name], biases)):
            arrays[parameter_name] = array[index]
            stored[parameter_name] = Stored(name, array.shape, index=index)
    return replace(layers, arrays=MappingProxyType(arrays), stored=MappingProxyType(stored),
                   owned=MappingProxyType(owned), folded=place,
                   dtypes=MappingProxyType({name: layers.dtypes[source.name] for name, source in stored.items()}))
