"""From a file's arrays to a network's layers: which matrix follows which, in which layout, and whose each bias is."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePath
from types import MappingProxyType
from typing import Any

import numpy as np

from initviz.core.arrays import Array
from initviz.core.validation import check
from initviz.files.weights import containers as formats
from initviz.files.weights.orders import Shape, chained, find_orders
from initviz.files.weights.tensors import ITEM_BYTES, Content, shown

MOST_PARAMETERS = 20_000_000
NORMALIZATION = re.compile(  # what PyTorch and Keras keep of a batch normalization
    r"(?:^|[./])(?:running_mean|running_var|num_batches_tracked|moving_mean|moving_variance)(?::0)?$")
MOST_NAMED = 6  # arrays in a sentence
LAYOUT_LABELS = MappingProxyType({"torch": "PyTorch, (out, in)", "keras": "Keras and Flax, (in, out)"})
NORMALIZATION_WEIGHTS = ("weight", "gamma", "scale")


@dataclass(frozen=True)
class Reading:
    """One way to read a file: the layout of its matrices and the names of each layer's matrix and bias, first to last.

    "torch" is (out, in), "keras" (in, out); ``sizes`` run from the inputs to the outputs, and a bias that a layer does
    not have is None.
    """

    layout: str
    sizes: tuple[int, ...]
    matrices: tuple[str, ...]
    biases: tuple[str | None, ...]

    def settings(self, file: str) -> dict[str, Any]:
        """How a file of that name is read, for a report: its layout, and the names of each layer's matrix and bias."""
        return {"file": file, "layout": self.layout,
                "arrays": [list(pair) for pair in zip(self.matrices, self.biases, strict=True)]}


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """The arrays of a file by name, in its order, as they are there, but for bfloat16, which float32 holds exactly.

    ``dtypes`` are the names of the file's own number formats, ``metadata`` what a .safetensors says of itself.
    """

    suffix: str
    arrays: Mapping[str, Array]
    dtypes: Mapping[str, str]
    metadata: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def layouts(self) -> list[str]:
        """The layouts in which the shapes chain from inputs to outputs, at least one; ValueError where none does."""
        found = list(self._found)
        kernels = any(name.endswith(("kernel", "kernel:0")) for name in self.arrays)
        return found[::-1] if kernels else found

    def readings(self, layout: str) -> list[Reading]:
        """The orders in which the matrices chain, the likeliest first and at most 24; none in a layout that does not.

        Numbers in names that are equal but for them are kept in order. An .npz keeps the order of definition, which
        comes first where it chains.
        """
        check("layout", layout, LAYOUT_LABELS.keys())
        return self._found[layout][0] if layout in self._found else []

    def order_is_known(self, layout: str) -> bool:
        """Whether the first reading is sure: by the file's own order, the numbers in the names or the shapes alone."""
        return layout in self._found and self._found[layout][1]

    def reading(self, layout: str, matrices: Sequence[str]) -> Reading:
        """The reading with the matrices in an order that somebody chose; ValueError where it is none."""
        check("layout", layout, LAYOUT_LABELS.keys())
        if sorted(matrices) != sorted(self._matrices):
            raise ValueError(f"order must name each of {_listed(self._matrices)} once, got {_listed(matrices)}")
        order = [self._matrices.index(name) for name in matrices]
        found = self._fitting(layout, [order])
        if not found:
            raise ValueError(f"order must chain, each matrix taking what the one before gives, got {_listed(matrices)}")
        return found[0]

    def parameters(self, reading: Reading) -> tuple[list[Array], list[Array]]:
        """Weights (fan_in, fan_out) and biases (fan_out,), all float64 where any is, else float32; no bias is zeros."""
        dtype = np.float64 if "float64" in self.dtypes.values() else np.float32
        weights = [np.ascontiguousarray(self._turned(name, reading.layout), dtype) for name in reading.matrices]
        return weights, [np.zeros(size, dtype) if name is None else self.arrays[name].astype(dtype)
                         for name, size in zip(reading.biases, reading.sizes[1:], strict=True)]

    def write(self, weights: Sequence[Array], biases: Sequence[Array], reading: Reading) -> bytes:
        """A file with these parameters under the names, shapes, number formats and metadata of this one."""
        arrays = dict(self.arrays)
        for name, weight in zip(reading.matrices, weights, strict=True):
            arrays[name] = weight.T if reading.layout == "torch" else weight
        arrays |= {name: bias for name, bias in zip(reading.biases, biases, strict=True) if name is not None}
        return formats.write(Content(arrays, self.dtypes, self.metadata), self.suffix)

    def _turned(self, name: str, layout: str) -> Array:
        return self.arrays[name].T if layout == "torch" else self.arrays[name]

    def _shapes(self, layout: str) -> list[Shape]:
        return [self._turned(name, layout).shape for name in self._matrices]

    @cached_property
    def _matrices(self) -> list[str]:
        return [name for name, array in self.arrays.items() if array.ndim == 2]

    @cached_property
    def _vectors(self) -> list[str]:
        """The biases, where only their order says whose they are: the file's, unless their numbers say another."""
        vectors = [name for name, array in self.arrays.items() if array.ndim == 1]
        return vectors if self.suffix == ".npz" and _keeps_numbers(vectors) else sorted(vectors, key=_split)

    @cached_property
    def _owned(self) -> dict[str, str] | None:
        """The bias of each matrix, by the names before the last point or slash; None where these say nothing."""
        by_owner = {_owner(name): name for name in self._matrices}
        owners = [_owner(name) for name in self._vectors]
        if not owners:
            return {}
        if len(by_owner) < len(self._matrices) or len(set(owners)) < len(owners) or not set(owners) <= by_owner.keys():
            return None
        return {by_owner[owner]: name for owner, name in zip(owners, self._vectors, strict=True)}

    @cached_property
    def _found(self) -> dict[str, tuple[list[Reading], bool]]:
        """Readings by layout and whether the first is sure: those that keep the numbers in the names, if any do."""
        each_alone = [[index] for index in range(len(self._matrices))]
        found = self._keeping(_by_template(self._matrices)) or self._keeping(each_alone)
        if not found:
            raise ValueError(self._why_nothing_fits())
        return found

    def _keeping(self, groups: Sequence[Sequence[int]]) -> dict[str, tuple[list[Reading], bool]]:
        """Readings by layout in which each group of matrices keeps its order, and whether the first is sure."""
        file_order = range(len(self._matrices))
        filed = {layout: self._fitting(layout, [file_order]) for layout in LAYOUT_LABELS} if (
            self.suffix == ".npz" and all(list(group) == sorted(group) for group in groups)) else {}
        found = {}
        for layout in [layout for layout, first in filed.items() if first] or LAYOUT_LABELS:
            first = filed.get(layout, [])
            searched, complete = self._searched(layout, groups)
            if readings := first + [reading for reading in searched if reading not in first]:
                found[layout] = readings, bool(first) or (complete and len(readings) == 1)
        return found

    def _searched(self, layout: str, groups: Sequence[Sequence[int]]) -> tuple[list[Reading], bool]:
        ends = [len(self.arrays[name]) for name in self._vectors]
        by_order = self._owned is None
        if by_order and len(ends) != len(self._matrices):
            return [], True
        orders, complete = find_orders(self._shapes(layout), groups, ends if by_order else None)
        return self._fitting(layout, orders), complete

    def _fitting(self, layout: str, orders: Sequence[Sequence[int]]) -> list[Reading]:
        """The readings of these orders, where matrices chain and biases fit."""
        shapes = self._shapes(layout)
        found = []
        for order in orders:
            names = [self._matrices[index] for index in order]
            biases: list[str | None] = list(self._vectors) if self._owned is None else [
                self._owned.get(name) for name in names]
            if len(biases) == len(names) and chained(shapes, order) and all(
                    bias is None or len(self.arrays[bias]) == shapes[index][1]
                    for bias, index in zip(biases, order, strict=True)):
                sizes = (shapes[order[0]][0], *(shapes[index][1] for index in order))
                found.append(Reading(layout, sizes, tuple(names), tuple(biases)))
        return found

    def _why_nothing_fits(self) -> str:
        single = [[index] for index in range(len(self._matrices))]
        chaining = [layout for layout in LAYOUT_LABELS if find_orders(self._shapes(layout), single)[0]]
        if not chaining:
            matrices = _listed(self._matrices, self.arrays)
            return (f"these matrices do not chain: {matrices}: each must take as many values as the one before gives, "
                    "in one layout")
        strange = self._vectors
        if self._owned is not None:  # their lengths are wrong
            of = {bias: name for name, bias in self._owned.items()}
            strange = min(([name for name in self._vectors if len(self.arrays[name]) != self._turned(
                of[name], layout).shape[1]] for layout in chaining), key=len)
        elif ownerless := [name for name in strange if _owner(name) not in map(_owner, self._matrices)]:
            strange = ownerless
        return (f"these vectors belong to no matrix: {_listed(strange, self.arrays)}: a layer has at most one bias, of "
                "as many values as it gives")


def read(data: bytes, name: str) -> Checkpoint:
    """The arrays of a file's content; its name says by its end what it is. ValueError for all that cannot be used."""
    suffix = PurePath(name).suffix.lower()
    found = formats.container(io.BytesIO(data), name)
    _check_names(tensor.name for tensor in found)
    for tensor in found:
        if tensor.dtype not in ITEM_BYTES:
            tensor.load()  # says what it is
    total = sum(tensor.size for tensor in found)
    if total > MOST_PARAMETERS:
        raise ValueError(f"there must be at most {MOST_PARAMETERS:,} parameters, got {total:,}")
    content = formats.loaded(formats.checked(found))
    for key, array in content.arrays.items():
        if array.ndim not in (1, 2):
            kind = "a convolution's weights or a larger block" if array.ndim > 2 else "a single number"
            raise ValueError(f"the array {shown(key)} of shape {array.shape} must be a matrix or a bias, and is "
                             f"{kind}: only multilayer perceptrons are examined here")
        if not array.size:
            raise ValueError(f"the array {shown(key)} of shape {array.shape} must not be empty")
        if bad := int(array.size - np.isfinite(array).sum()):
            raise ValueError(f"the array {shown(key)} must hold finite numbers, and {bad:,} of {array.size:,} are NaN "
                             "or infinite")
    matrices = [key for key, array in content.arrays.items() if array.ndim == 2]
    owners = {_owner(key) for key in matrices}
    for key in [key for key in content.arrays if key not in matrices]:
        last = re.split(r"[./]", key.removesuffix(":0"))[-1]
        if last in NORMALIZATION_WEIGHTS and _owner(key) not in owners:
            raise ValueError(f"the array {shown(key)} of shape {content.arrays[key].shape} must be a matrix, and is a "
                             "row of weights, as in a normalization layer: only multilayer perceptrons without "
                             "normalization are examined here")
    if not matrices:
        raise ValueError("the file must hold at least one matrix of weights")
    return Checkpoint(suffix, MappingProxyType(dict(content.arrays)), MappingProxyType(dict(content.dtypes)),
                      MappingProxyType(dict(content.metadata)))


def _check_names(names: Iterable[str]) -> None:
    """Raise ValueError for a normalization layer, before its counter is said to be no float."""
    for name in names:
        if NORMALIZATION.search(name):
            raise ValueError(f"the array {shown(name)} must belong to a layer of weights, and is a batch "
                             "normalization's: only multilayer perceptrons without normalization are examined here")


def told_apart(readings: Sequence[Reading]) -> list[str]:
    """In one line each, what is where only some readings have it: "2 fc2.weight, 3 bottleneck.weight"."""
    rows = [reading.matrices for reading in readings]
    places = [place for place, names in enumerate(zip(*rows, strict=True)) if len(set(names)) > 1]
    return [", ".join(f"{place + 1} {row[place]}" for place in places) or "as in the file" for row in rows]


def _listed(names: Sequence[str], arrays: Mapping[str, Array] | None = None) -> str:
    """Names, and where arrays are given their shapes, the first few."""
    said = [shown(name) + (f" {arrays[name].shape}" if arrays else "") for name in names[:MOST_NAMED]]
    return ", ".join(said) + (f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else "")


def _owner(name: str) -> str:
    return re.split(r"[./](?=[^./]*$)", name)[0] if re.search(r"[./]", name) else ""


def _split(name: str) -> tuple[str, tuple[int, ...]]:
    """A name without its numbers, and these; a run of ten digits or more is no number of a layer."""
    parts = re.split(r"(?<![0-9])([0-9]{1,9})(?![0-9])", name)
    return "\0".join(parts[::2]), tuple(int(part) for part in parts[1::2])


def _by_template(names: Sequence[str]) -> list[list[int]]:
    """Indices of the names that are equal but for their numbers together, in the order of these."""
    groups: dict[str, list[int]] = {}
    for index in sorted(range(len(names)), key=lambda index: _split(names[index])[1]):
        groups.setdefault(_split(names[index])[0], []).append(index)
    return list(groups.values())


def _keeps_numbers(names: Sequence[str]) -> bool:
    """Whether names that are equal but for their numbers come in the order of these."""
    return all(group == sorted(group) for group in _by_template(names))
