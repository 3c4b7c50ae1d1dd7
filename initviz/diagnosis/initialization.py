"""An initialization under examination: the parameters with which a network begins, and the batch that it meets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import numpy as np

from initviz.core.arrays import Array
from initviz.core.batches import Batch
from initviz.core.network import Network


@dataclass(frozen=True, eq=False)
class Initialization:
    """The initial parameters of a network, and a batch: weights (fan_in, fan_out), biases (fan_out,).

    ``network`` holds the sizes and the activation; ``drawn`` is False where the parameters are given and not drawn by
    its initializer. ``file`` and ``data`` hold what else was chosen, by name, so that a report can be repeated: the
    layout and the arrays of an uploaded file; where the batch comes from.
    """

    network: Network
    weights: Sequence[Array]
    biases: Sequence[Array]
    batch: Batch
    name: str
    drawn: bool = True
    file: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    data: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


def initialization_of(network: Network, batch: Batch, name: str) -> Initialization:
    """The parameters that a network's initializer draws."""
    return Initialization(network, *network.parameters(), batch, name)


def initialization_from(weights: Sequence[Array], biases: Sequence[Array], network: Network, batch: Batch,
                        name: str) -> Initialization:
    """Given weights (fan_in, fan_out) and biases as an initialization; ``network`` says activation and seed."""
    sizes = (len(weights[0]), *(w.shape[1] for w in weights))
    network_of_weights = replace(network, sizes=sizes, dtype=np.result_type(*weights, *biases).name)
    return Initialization(network_of_weights, weights, biases, batch, name, drawn=False)
