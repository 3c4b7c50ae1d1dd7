"""Which neurons of a network of blocks may change places: those with equal parameters in all that touches them.

Exchanging two such neurons leaves the network as it is, so their gradients are equal in every step, and training never
parts them. The stream is one layer of neurons that every block reads and writes; a branch has neurons of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from initviz.core.architecture import Architecture
from initviz.core.arrays import Array
from initviz.core.layers import Dense, Layer, Residual
from initviz.core.layers.chain import Parameters, path_of
from initviz.core.statistics import distinct_neurons


def _vectors(parameters: Parameters, path: str) -> Iterator[Array]:
    """A layer's biases and, of a normalization, its weights: a number a neuron, as rows (1, neurons)."""
    for name in ("weight", "bias"):
        values = parameters.get(f"{path}.{name}")
        if values is not None and values.ndim == 1:
            yield values[None]


def _stream_in_branch(branch: Sequence[Layer], path: str, parameters: Parameters) -> Iterator[Array]:
    """What touches the stream in a branch: its first dense layer reads it, its last writes it, norms before and after.
    """
    dense = [index for index, layer in enumerate(branch) if isinstance(layer, Dense)]
    yield parameters[f"{path_of(path, dense[0])}.weight"].T
    yield parameters[f"{path_of(path, dense[-1])}.weight"]
    for index in [*range(dense[0]), *range(dense[-1], len(branch))]:
        yield from _vectors(parameters, path_of(path, index))


def stream_parts(network: Architecture, parameters: Parameters) -> Iterator[Array]:
    """All parameters that write into the neurons of the stream or read them, each as (numbers, neurons)."""
    last = len(network.layers) - 1
    for index, layer in enumerate(network.layers):
        if isinstance(layer, Residual):
            yield from _stream_in_branch(layer.branch, str(index), parameters)
        elif index == last:
            yield parameters[f"{index}.weight"].T
        else:
            if isinstance(layer, Dense):
                yield parameters[f"{index}.weight"]
            yield from _vectors(parameters, str(index))


def layer_parts(network: Architecture, parameters: Parameters, stage: int) -> Iterator[Array]:
    """All parameters that touch the neurons of a stage of a network without skips: its own, and the next stage's."""
    paths = network.stages[stage]
    yield parameters[f"{paths[0]}.weight"]
    for path in paths:
        yield from _vectors(parameters, path)
    yield parameters[f"{network.stages[stage + 1][0]}.weight"].T


def branch_parts(network: Architecture, parameters: Parameters, block: int) -> Iterator[Array]:
    """All parameters that touch the neurons between a branch's two dense layers; empty if it has one dense layer."""
    path = network.block_paths[block][0]
    residual = network.layers[int(path)]
    assert isinstance(residual, Residual)
    dense = [index for index, layer in enumerate(residual.branch) if isinstance(layer, Dense)]
    if len(dense) < 2:
        return
    first, last = dense
    yield parameters[f"{path_of(path, first)}.weight"]
    for index in range(first, last):
        yield from _vectors(parameters, path_of(path, index))
    yield parameters[f"{path_of(path, last)}.weight"].T


def kinds(parts: Iterator[Array]) -> int:
    """Number of classes of exchangeable neurons; 0 where there are no neurons, or where
    parameters are not finite. Differences of round-off are none.
    """
    scaled = []
    for part in parts:
        largest = np.abs(part).max()
        scaled.append(part / largest if 0 < largest < np.inf else part)
    return distinct_neurons(np.concatenate(scaled)) if scaled else 0
