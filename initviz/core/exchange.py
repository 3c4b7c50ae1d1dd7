"""Which neurons of a network of blocks may change places: those with equal parameters in all that touches them.

Exchanging two such neurons leaves the network as it is, so their gradients are equal in every step, and training never
parts them. The stream is one layer of neurons that every block reads and writes; a branch has neurons of its own.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence

import numpy as np

from initviz.core.architecture import KINDS, Architecture
from initviz.core.arrays import Array
from initviz.core.layers import Dense, Layer, Residual
from initviz.core.layers.chain import Parameters, path_of
from initviz.core.statistics import distinct_neurons, has_equal_rows

Place = tuple[str, int]  # a parameter's name, and its axis along which the neurons lie: -1, or -2 of what reads them


def _written(names: Container[str], path: str) -> Iterator[Place]:
    """What makes a layer's neurons: the weights that a dense layer reads into them, a normalization's, their biases."""
    for name in ("weight", "bias"):
        if f"{path}.{name}" in names:
            yield f"{path}.{name}", -1


def _dense_layers(layers: Sequence[Layer]) -> list[int]:
    return [index for index, layer in enumerate(layers) if isinstance(layer, Dense)]


def _stream_in_branch(branch: Sequence[Layer], path: str, names: Container[str]) -> Iterator[Place]:
    """What touches the stream in a branch: its first dense layer reads it, its last writes it, norms before and after.
    """
    dense = _dense_layers(branch)
    yield f"{path_of(path, dense[0])}.weight", -2
    for index in [*range(dense[0]), *range(dense[-1], len(branch))]:
        yield from _written(names, path_of(path, index))


def stream_places(network: Architecture, names: Container[str]) -> Iterator[Place]:
    """All parameters, of those names, that write into the neurons of the stream or read them."""
    last = len(network.layers) - 1
    for index, layer in enumerate(network.layers):
        if isinstance(layer, Residual):
            yield from _stream_in_branch(layer.branch, str(index), names)
        elif index == last:
            yield f"{index}.weight", -2
        else:
            yield from _written(names, str(index))


def layer_places(network: Architecture, names: Container[str], stage: int) -> Iterator[Place]:
    """All parameters that touch the neurons of a stage of a network without skips: its own, and the next stage's."""
    for path in network.stages[stage]:
        yield from _written(names, path)
    yield f"{network.stages[stage + 1][0]}.weight", -2


def branch_places(network: Architecture, names: Container[str], block: int) -> Iterator[Place]:
    """All parameters that touch the neurons between a branch's two dense layers; empty if it has one dense layer."""
    path = network.block_paths[block][0]
    residual = network.layers[int(path)]
    assert isinstance(residual, Residual)
    dense = _dense_layers(residual.branch)
    if len(dense) < 2:
        return
    first, last = dense
    for index in range(first, last):
        yield from _written(names, path_of(path, index))
    yield f"{path_of(path, last)}.weight", -2


def layers_of_neurons(network: Architecture, names: Container[str]) -> Iterator[list[Place]]:
    """The places of each layer of hidden neurons: of the stream and of each branch, or of each stage."""
    if KINDS[network.kind].skips:
        yield list(stream_places(network, names))
        for block in range(network.blocks):
            yield list(branch_places(network, names, block))
    else:
        for stage in range(network.depth - 1):
            yield list(layer_places(network, names, stage))


def parts(parameters: Parameters, places: Iterable[Place]) -> Iterator[Array]:
    """The parameters at some places, each as (numbers, neurons)."""
    for name, axis in places:
        array = parameters[name]
        yield array[None] if array.ndim == 1 else array if axis == -1 else array.T


def all_alike(parameters: Parameters, places: Iterable[Place]) -> bool:
    """Whether any two of the neurons at these places may change places."""
    return all(has_equal_rows(part.T) for part in parts(parameters, places))


def kinds(parameters: Parameters, places: Iterable[Place]) -> int:
    """Number of classes of exchangeable neurons; 0 where there are no neurons, or where
    parameters are not finite. Differences of round-off are none.
    """
    scaled = []
    for values in parts(parameters, places):
        largest = np.abs(values).max()
        scaled.append(values / largest if 0 < largest < np.inf else values)
    return distinct_neurons(np.concatenate(scaled)) if scaled else 0
