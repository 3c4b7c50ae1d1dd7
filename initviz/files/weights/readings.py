"""From a file's arrays to a network's layers: which matrix follows which, in which layout, and whose each bias is."""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import PurePath
from types import MappingProxyType
from typing import Any

import numpy as np

from initviz.core.arrays import Array
from initviz.core.validation import check
from initviz.core.wording import MOST_NAMED, cut, shown
from initviz.files.weights import containers
from initviz.files.weights.folded import PLACE_LABELS, places, unfolded
from initviz.files.weights.heads import heads
from initviz.files.weights.layer_arrays import (
    EMBEDDING,
    NORM,
    LayerArrays,
    beside_networks,
    check_names,
    is_unrelated,
    layer_arrays,
)
from initviz.files.weights.names import by_template, few, keeps_numbers, layer_of, listed, role, split
from initviz.files.weights.networks import Part, parts, parts_in_order, together
from initviz.files.weights.orders import Shape, chained, find_orders
from initviz.files.weights.tensors import ITEM_BYTES, Container, Content
from initviz.files.weights.vocabulary import NOISE, words

MOST_PARAMETERS = 20_000_000
UNORDERED = (".safetensors",)  # formats that do not keep the order in which layers were defined
LAYOUT_LABELS = MappingProxyType({"torch": "PyTorch, (out, in)", "keras": "Keras and Flax, (in, out)"})
BLOCK = re.compile(r"(?:^|[._/])(?:[a-z]*blocks?|branch(?:es)?|fn|ffn|feed_?forward)[._/]?[0-9]*[._/]", re.IGNORECASE)
PARENT = re.compile(r"(?:[0-9]|(?i:block|branch|ffn|feed_?forward))[./]")  # the end of a part's name


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
    """A network's matrices and biases by name, in the order of their file, and the whole file that they come from.

    ``layers`` has the products of weight normalization and flat biases in the place of what the file keeps; numbers are
    as they are there, but for bfloat16, which float32 holds exactly. ``named`` is the network's name among those of the
    file, "" where it is the only one.
    """

    suffix: str
    layers: LayerArrays
    file: Content
    named: str = ""

    @property
    def arrays(self) -> Mapping[str, Array]:
        """Matrices (2 axes) and biases (1 axis) by name."""
        return self.layers.arrays

    @property
    def dtypes(self) -> Mapping[str, str]:
        """The names of the file's own number formats."""
        return self.layers.dtypes

    @property
    def metadata(self) -> Mapping[str, str]:
        """What a .safetensors says of itself."""
        return self.file.metadata

    def folds(self) -> list[str]:
        """Where each matrix may hold its biases, of PLACES, in each network of the file; [] where it holds none."""
        first, *others = (places(network.layers) for network in self._networks.values())
        return places(self.layers) or [place for place in first if all(place in other for other in others)]

    def unfolded(self, place: str) -> Checkpoint:
        """The same with the biases taken out of that place of each matrix; ValueError where they cannot stand there."""
        if not (folds := self.folds()):
            raise ValueError(f"folded biases must not be named, as these matrices hold none, got {place!r}")
        return replace(self, layers=unfolded(self.layers, check("folded biases", place, folds)))

    def networks(self) -> dict[str, Checkpoint]:
        """The networks of the file by name: one of them is examined. Of a single one the name is ""."""
        return dict(self._networks)

    def network(self, name: str) -> Checkpoint:
        """The network of that name; raises ValueError if there is no such network."""
        return self._networks[check("network", name, self._networks.keys())]

    def sizes(self) -> str:
        """The sizes of the likeliest reading, as 4-64-64-2; a question mark where nothing can be read."""
        try:
            return "-".join(map(str, self.readings(self.layouts()[0])[0].sizes))
        except ValueError:
            return "?"

    def notes(self) -> list[str]:
        """Sentences on what of the file is not examined, or may be more than a chain of layers."""
        left = [*(f"{shown(name)} {self.arrays[name].shape}" for name in self._all_vectors
                  if name not in self._vectors), *self.layers.left]
        notes = [f"{few(left)} of the file {'belongs' if len(left) == 1 else 'belong'} to no layer and "
                 f"{'is' if len(left) == 1 else 'are'} left out."] if left else []
        if self.layers.folded:
            notes.append(f"The biases are the {PLACE_LABELS[self.layers.folded]} of each matrix.")
        if self.named:
            notes.append(f"Of the networks in the file, {shown(self.named)} is examined.")
        if blocks := self._in_blocks():
            notes.append(f"{listed(blocks)} may stand in residual blocks, and are read as plain layers one after "
                         "another: a connection around them is not examined.")
        return notes

    def _in_blocks(self) -> list[str]:
        """The matrices around which a connection may lead, by their names: of repeated parts that give what they take.
        """
        if not self._in_order:
            return []
        reading = next(iter(self._in_order.values()))[0][0]
        shapes = {name: self._turned(name, reading.layout).shape for name in reading.matrices}
        parents: dict[str, list[str]] = {}
        for name in reading.matrices:
            for step in PARENT.finditer(layer_of(name)):
                parents.setdefault(name[:step.end()], []).append(name)
        blocks = {parent: names for parent, names in parents.items() if len(names) > 1 and (
            shapes[names[0]][0] == shapes[names[-1]][1])}
        like = Counter(split(parent)[0] for parent in blocks)
        return [name for name in reading.matrices if (BLOCK.search(name) and len({*shapes[name]}) == 1) or any(
            name in names and (like[split(parent)[0]] > 1 or BLOCK.search(parent)) for parent, names in blocks.items())]

    def layouts(self) -> list[str]:
        """The layouts in which the shapes chain from inputs to outputs, at least one; ValueError where none does."""
        layouts = list(self._readings_by_layout)
        kernels = any(name.endswith(("kernel", "kernel:0")) for name in self.arrays)
        return layouts[::-1] if kernels else layouts

    def readings(self, layout: str) -> list[Reading]:
        """The orders in which the matrices chain, the likeliest first and at most 24; none in a layout that does not.

        Numbers in names that are equal but for them are kept in order. An .npz keeps the order of definition, which
        comes first where it chains.
        """
        check("layout", layout, LAYOUT_LABELS.keys())
        return self._readings_by_layout[layout][0] if layout in self._readings_by_layout else []

    def order_is_known(self, layout: str) -> bool:
        """Whether the first reading is sure: by the file's own order, the numbers in the names or the shapes alone."""
        return layout in self._readings_by_layout and self._readings_by_layout[layout][1]

    def reading(self, layout: str, matrices: Sequence[str]) -> Reading:
        """The reading with the matrices in the given order; raises ValueError if they do not chain so."""
        check("layout", layout, LAYOUT_LABELS.keys())
        if sorted(matrices) != sorted(self._matrices):
            raise ValueError(f"order must name each of {listed(self._matrices)} once, got {listed(matrices)}")
        order = [self._matrices.index(name) for name in matrices]
        readings = self._fitting(layout, [order])
        if not readings:
            raise ValueError(f"order must chain, each matrix taking what the one before gives, got {listed(matrices)}")
        return readings[0]

    def parameters(self, reading: Reading) -> tuple[list[Array], list[Array]]:
        """Weights (fan_in, fan_out) and biases (fan_out,), all float64 where any is, else float32; no bias is zeros."""
        dtype = np.float64 if "float64" in self.dtypes.values() else np.float32
        weights = [np.ascontiguousarray(self._turned(name, reading.layout), dtype) for name in reading.matrices]
        return weights, [np.zeros(size, dtype) if name is None else self.arrays[name].astype(dtype)
                         for name, size in zip(reading.biases, reading.sizes[1:], strict=True)]

    def write(self, weights: Sequence[Array], biases: Sequence[Array], reading: Reading) -> bytes:
        """A file with these parameters under the names, shapes, number formats and metadata of this one."""
        arrays = dict(self.file.arrays)
        for name, weight in zip(reading.matrices, weights, strict=True):
            arrays |= self._stored(name, weight.T if reading.layout == "torch" else weight, arrays)
        for bias_name, bias in zip(reading.biases, biases, strict=True):
            arrays |= {} if bias_name is None else self._stored(bias_name, bias, arrays)
        return containers.write(Content(arrays, self.file.dtypes, self.metadata), self.suffix)

    def _stored(self, name: str, array: Array, arrays: Mapping[str, Array]) -> dict[str, Array]:
        """The arrays of the file that hold this one."""
        stored = self.layers.stored.get(name)
        return {name: array} if stored is None else stored.write(array, arrays[stored.name])

    def _turned(self, name: str, layout: str) -> Array:
        return self.arrays[name].T if layout == "torch" else self.arrays[name]

    def _shapes(self, layout: str) -> list[Shape]:
        return [self._turned(name, layout).shape for name in self._matrices]

    @cached_property
    def _matrices(self) -> list[str]:
        return [name for name, array in self.arrays.items() if array.ndim == 2]

    @cached_property
    def _all_vectors(self) -> list[str]:
        return [name for name, array in self.arrays.items() if array.ndim == 1]

    @cached_property
    def _vectors(self) -> list[str]:
        """The biases, in the file's order unless their numbers say another, without what belongs to no layer by name.
        """
        layers = {layer_of(name) for name in self._matrices}
        candidates = [name for name in self._all_vectors if role(name) == "bias" or (
            layer_of(name) in layers and not words(re.split(r"[./]", name)[-1]) & NOISE)]
        of_layers = [name for name in candidates if layer_of(name) in layers]
        if len(of_layers) == len(layers) == len(self._matrices):  # what is named otherwise, as action_bias, is none
            alike = {split(name)[0] for name in of_layers}
            candidates = [name for name in candidates if split(name)[0] in alike or NORM.search(name)]
        vectors = candidates if candidates and any(role(name) == "bias" for name in candidates) else self._all_vectors
        return vectors if self._keeps_order and keeps_numbers(vectors) else sorted(vectors, key=split)

    @property
    def _keeps_order(self) -> bool:
        return self.suffix not in UNORDERED

    @cached_property
    def _owned(self) -> dict[str, str] | None:
        """The bias of each matrix, by the names of their layers; None where these say nothing."""
        if self.layers.owned is not None:
            return dict(self.layers.owned)
        by_layer = {layer_of(name): name for name in self._matrices}
        layers = [layer_of(name) for name in self._vectors]
        if not layers:
            return {}
        if len(by_layer) < len(self._matrices) or len(set(layers)) < len(layers) or not set(layers) <= by_layer.keys():
            return None
        return {by_layer[layer]: name for layer, name in zip(layers, self._vectors, strict=True)}

    @cached_property
    def _networks(self) -> dict[str, Checkpoint]:
        if self._owned is None:
            return {"": self}
        layers = [layer_of(name) or name for name in self._matrices]
        if len(set(layers)) < len(layers):
            layers = list(self._matrices)
        checkpoints: dict[str, Checkpoint] = {}
        for part in parts(layers, self._ends):
            for network in self._heads(layers, part) or [part]:
                name = network.name or "main"
                name = f"{part.name} by {name}" if name in checkpoints else name
                checkpoints[name] = self._only(network.layers, name)
        if len(checkpoints) > 1:
            return checkpoints
        only = next(iter(checkpoints.values()))
        return {"": self if len(only._matrices) == len(self._matrices) else replace(only, named="")}

    def _heads(self, layers: Sequence[str], part: Part) -> list[Part]:
        """The networks of a part that has one of several layers in the same place, as its names or shapes say."""
        for layout in LAYOUT_LABELS if len(part.layers) > 2 else ():
            if networks := heads(layers, part.layers, self._shapes(layout), partial(self._ends, layouts=(layout,)),
                              chained=bool(self._ends(part.layers))):
                return networks
        return []

    def _only(self, members: Sequence[int], name: str = "") -> Checkpoint:
        """The network of these matrices and their biases."""
        names = {self._matrices[index] for index in members}
        owned = self._owned or {}
        names |= {owned[matrix] for matrix in names if matrix in owned}
        left = self.layers.left
        if len(members) == len(self._matrices):
            names |= set(self.arrays)
        else:
            left += tuple(f"{shown(key)} {self.arrays[key].shape}" for key in self._all_vectors
                          if key not in owned.values())
        arrays = {key: array for key, array in self.arrays.items() if key in names}
        return replace(self, layers=replace(self.layers, arrays=MappingProxyType(arrays), left=left), named=name)

    def _ends(self, members: Sequence[int], layouts: Collection[str] = LAYOUT_LABELS) -> list[tuple[int, int]]:
        """The numbers of inputs and outputs that these matrices chain to in the order of the file or their names."""
        by_layout = self._only(members)._in_order
        return [(by_layout[layout][0][0].sizes[0], by_layout[layout][0][0].sizes[-1]) for layout in by_layout
                if layout in layouts]

    @cached_property
    def _in_order(self) -> dict[str, tuple[list[Reading], bool]]:
        """Readings by layout that keep the numbers in the names, as numbers or digit by digit, as fc21 before fc3."""
        return self._keeping(by_template(self._matrices)) or self._keeping(by_template(self._matrices, digits=True))

    @cached_property
    def _readings_by_layout(self) -> dict[str, tuple[list[Reading], bool]]:
        """Readings by layout and whether the first is sure: those that keep the numbers in the names, if any do."""
        if not self.named and len(self._networks) > 1:
            raise ValueError(f"network must be chosen, as the file holds {len(self._networks)} networks: "
                             f"{listed(list(self._networks))}")
        by_layout = self._in_order or self._keeping([[index] for index in range(len(self._matrices))])
        if not by_layout:
            raise ValueError(self._why_nothing_fits())
        return by_layout

    def _keeping(self, groups: Sequence[Sequence[int]]) -> dict[str, tuple[list[Reading], bool]]:
        """Readings by layout in which each group of matrices keeps its order, and whether the first is sure."""
        file_order = range(len(self._matrices))
        filed = {layout: self._fitting(layout, [file_order]) for layout in LAYOUT_LABELS} if (
            self._keeps_order and all(list(group) == sorted(group) for group in groups)) else {}
        by_layout = {}
        for layout in [layout for layout, first in filed.items() if first] or LAYOUT_LABELS:
            first = filed.get(layout, [])
            searched, complete = self._searched(layout, groups)
            readings = first + [reading for reading in searched if reading not in first]
            readings = [reading for reading in readings if parts_in_order(reading.matrices)] or readings
            readings = [reading for reading in readings if together(reading.matrices)] or readings
            if readings:
                by_layout[layout] = readings, bool(first) or (complete and len(readings) == 1)
        return by_layout

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
        readings = []
        for order in orders:
            names = [self._matrices[index] for index in order]
            biases: list[str | None] = list(self._vectors) if self._owned is None else [
                self._owned.get(name) for name in names]
            if len(biases) == len(names) and chained(shapes, order) and all(
                    bias is None or len(self.arrays[bias]) == shapes[index][1]
                    for bias, index in zip(biases, order, strict=True)):
                sizes = (shapes[order[0]][0], *(shapes[index][1] for index in order))
                readings.append(Reading(layout, sizes, tuple(names), tuple(biases)))
        return readings

    def _why_nothing_fits(self) -> str:
        single = [[index] for index in range(len(self._matrices))]
        chaining = [layout for layout in LAYOUT_LABELS if find_orders(self._shapes(layout), single)[0]]
        if not chaining:
            return self._why_no_chain()
        ownerless = self._vectors
        if self._owned is not None:  # their lengths are wrong
            matrix_of = {bias: name for name, bias in self._owned.items()}
            ownerless = min(([name for name in self._vectors if len(self.arrays[name]) != self._turned(
                matrix_of[name], layout).shape[1]] for layout in chaining), key=len)
        elif of_no_matrix := [name for name in ownerless if layer_of(name) not in map(layer_of, self._matrices)]:
            ownerless = of_no_matrix
        return (f"these vectors belong to no matrix: {listed(ownerless, self.arrays)}: a layer has at most one bias, "
                "of as many values as it gives")

    def _why_no_chain(self) -> str:
        why = (f"these matrices do not chain: {listed(self._matrices, self.arrays)}: each must take as many values as "
               "the one before gives, in one layout")
        if folds := self.folds():
            return f"{why}; each takes one more, as where its {folds[0]} holds the biases".replace("-", " ")
        if embedding := next(filter(EMBEDDING.search, self._matrices), ""):
            return f"{why}; {shown(embedding)} is by its name an embedding, and no layer: leave it out of the file"
        return why


def read(data: bytes, name: str) -> Checkpoint:
    """The arrays of a file's content; its name says by its end what it is. ValueError for all that cannot be used."""
    suffix = PurePath(name).suffix.lower()
    tensors = containers.container(io.BytesIO(data), name)
    names = [tensor.name for tensor in tensors]
    of_no_network = beside_networks(names)
    check_names(name for name in names if name not in of_no_network)
    unread = [tensor for tensor in tensors if tensor.name in of_no_network or tensor.dtype not in ITEM_BYTES]
    for tensor in unread:
        if tensor.name not in of_no_network and not is_unrelated(tensor.name, names):
            tensor.load()  # says what it is
    weights = Container(tuple(tensor for tensor in tensors if tensor not in unread), tensors.metadata)
    total = sum(tensor.size for tensor in weights)
    if total > MOST_PARAMETERS:
        raise ValueError(f"there must be at most {MOST_PARAMETERS:,} parameters, got {total:,}")
    content = containers.loaded(containers.checked(weights))
    layers = layer_arrays(content.arrays, content.dtypes)
    return Checkpoint(suffix, replace(layers, left=(
        *(f"{shown(tensor.name)} {tensor.shape}" + ("" if tensor.dtype in ITEM_BYTES else f" of {tensor.dtype}")
          for tensor in unread), *layers.left)), content)


def told_apart(readings: Sequence[Reading]) -> list[str]:
    """In one line each, what is where only some readings have it: "2 fc2.weight, 3 bottleneck.weight"."""
    rows = [reading.matrices for reading in readings]
    places = [place for place, names in enumerate(zip(*rows, strict=True)) if len(set(names)) > 1]
    more = f" and {len(places) - MOST_NAMED:,} more" if len(places) > MOST_NAMED else ""
    return [", ".join(f"{place + 1} {cut(row[place])}" for place in places[:MOST_NAMED]) + more or "as in the file"
            for row in rows]
