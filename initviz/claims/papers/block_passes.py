"""Passes through stacks of networks of blocks, with the mean square of every signal and gradient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from initviz.core.arrays import Array
from initviz.core.layers import Activation, Dense, Layer, draw_parameters
from initviz.core.layers.chain import LayerContext, chain_backward, chain_forward
from initviz.core.network import INPUT_STREAM, stream
from initviz.core.propagation import LOSSES, QUIET

INPUT = "input"  # the path of the inputs' mean square
MOST_BYTES = 16_000_000  # of the weights of the networks that pass at once
SURE = 4  # standard errors: what a check leaves to the draw


def mean_square(values: Array) -> Array:
    """Over batch and width, network by network: (networks, batch, width) to (networks,)."""
    squares: Array = np.square(values, dtype=float).mean(axis=(-2, -1))
    return squares


@dataclass
class MeanSquares:
    """An observer of a pass: mean square of each layer's output, and of the gradient with respect to it, by
    path, and of the gradient of each parameter, by name: arrays (networks,).
    """

    signal: dict[str, Array] = field(default_factory=dict)
    gradient: dict[str, Array] = field(default_factory=dict)
    weights: Mapping[str, Array] = field(default_factory=dict)  # of the gradients of the parameters

    def forward(self, path: str, layer: Layer, x: Array, y: Array, saved: Any) -> None:
        self.signal[path] = mean_square(y)

    def backward(self, path: str, layer: Layer, dy: Array) -> None:
        self.gradient[path] = mean_square(dy)

    def signals(self, layers: Sequence[Layer], kind: type[Layer]) -> Array:
        """Those at the outputs of all layers of one kind, not inside of branches: (layers, networks)."""
        return np.array([self.signal[str(index)] for index, layer in enumerate(layers) if isinstance(layer, kind)])

    def gradients(self, layers: Sequence[Layer], kind: type[Layer]) -> Array:
        """The gradients' of the same."""
        return np.array([self.gradient[str(index)] for index, layer in enumerate(layers) if isinstance(layer, kind)])


def passed(layers: Sequence[Layer], width: int, networks: int, batch: int, seed: int, *,
           back: bool = False) -> MeanSquares:
    """Mean squares of so many networks, each on standard normal inputs of its own (batch, width).

    ``back`` also sends a gradient back, that of softmax cross-entropy on random classes.
    """
    rng = stream(seed, INPUT_STREAM)
    x = rng.standard_normal((networks, batch, width), np.float32)
    classes = next((layer.width for layer in reversed(layers) if isinstance(layer, Dense)), width)
    targets = rng.integers(0, classes, batch) if back else None
    batches, begun, together = [], 0, 1
    while begun < networks:
        initial = [draw_parameters(layers, width, seed=seed + 1000 * (begun + network), dtype="float32")
                   for network in range(min(together, networks - begun))]
        parameters = {name: np.stack([of_network[name] for of_network in initial]) for name in initial[0]}
        batches.append(_passed(layers, parameters, x[begun:begun + len(initial)], targets))
        begun += len(initial)
        together = max(1, MOST_BYTES * len(initial) // sum(array.nbytes for array in parameters.values()))
    return MeanSquares(*({path: np.concatenate([part[path] for part in held]) for path in held[0]}
                         for held in zip(*((part.signal, part.gradient, part.weights) for part in batches),
                                         strict=True)))


def _passed(layers: Sequence[Layer], parameters: Mapping[str, Array], x: Array,
            targets: Array | None) -> MeanSquares:
    squares = MeanSquares({INPUT: mean_square(x)})
    context = LayerContext(observer=squares)
    with np.errstate(**QUIET):
        output, saved = chain_forward(layers, parameters, x, context)
        if targets is not None:
            error = LOSSES["softmax_ce"](output, targets)[1]
            gradients = chain_backward(layers, parameters, saved, error, context)[1]
            squares.weights = {name: np.square(values, dtype=float).mean(axis=tuple(range(1, values.ndim)))
                               for name, values in gradients.items()}
    return squares


def branch(width: int, first: str, activation: str = "relu") -> tuple[Layer, ...]:
    """Two dense layers of one width, LeCun's the second, with an activation between them."""
    return Dense(width, first), Activation(activation), Dense(width, "lecun_normal")
