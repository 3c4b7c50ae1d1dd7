"""Simulate: draw a network, send a batch forward and the gradient back, and keep what the layers' numbers say."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from initviz.activations import Activation
from initviz.inputs import Batch
from initviz.network import Network
from initviz.propagation import LOSSES, QUIET, backward, check_shapes, check_targets, forward
from initviz.statistics import (
    NAN,
    ROUND_OFF,
    Bins,
    Diversity,
    Moments,
    dead_share,
    diversity,
    moments,
    participation_baseline,
    ratio,
    saturated_share,
)

Array = NDArray[Any]

QUANTITIES = ("activation", "preactivation", "delta", "weight", "weight_gradient")
SCALES = ("linear", "symlog")
SAMPLE_NEURONS, SAMPLE_ROWS = 32, 32  # of each layer's activations, kept for a look at single neurons
LAYER_STATISTICS = (*Diversity.__dataclass_fields__, "participation_baseline", "dead_share", "saturated_share")
REACH = 4.0  # a linear axis shows +-4 units

# NumPy lets go of the interpreter inside its loops: two layers are summarised at once where that outweighs the hand-over.
_POOL = ThreadPoolExecutor(2, "initviz")
WORTH_A_THREAD = 1 << 16


def bins_of(quantity: str, activation: Activation, scale: str = "linear") -> Bins:
    """The axis on which a quantity is counted. It depends on nothing that is drawn, so that runs share it."""
    if scale == "symlog":
        return Bins(-12, 12, 49, "symlog")
    if quantity == "activation":
        low = max(activation.lower, -REACH)
        high = min(activation.upper, REACH)
        margin = 0.06 * (high - low)
        return Bins(low - margin, high + margin)
    return Bins(-REACH, REACH)


def units_of(quantity: str, sizes: tuple[int, ...], x: Array, error: Array) -> list[float]:
    """Per layer, the root mean square that a quantity has where every layer keeps the scale of what it is given.

    Preactivations: the inputs'. Weights: 1/sqrt(fan_in) (LeCun et al. 1998). Deltas: ``error``, the gradient at an
    output of zeros, passed back with its length. Weight gradients: what those make for independent samples.
    Activations are shown as they are.
    """
    signal = math.sqrt(float(np.mean(np.square(x, dtype=float)))) or 1.0
    length = math.sqrt(float(np.mean(np.sum(np.square(error, dtype=float), axis=1)))) or 1.0
    fans = list(zip(sizes[:-1], sizes[1:], strict=True))
    if quantity == "activation":
        return [1.0] * len(fans)
    if quantity == "preactivation":
        return [signal] * len(fans)
    if quantity == "weight":
        return [1 / math.sqrt(fan_in) for fan_in, _ in fans]
    delta = [length / math.sqrt(fan_out) for _, fan_out in fans]
    return delta if quantity == "delta" else [signal * math.sqrt(len(x)) * unit for unit in delta]


@dataclass(frozen=True, eq=False)
class Run:
    """What one simulation found; small, whatever the size of the network.

    ``columns`` maps a statistic's name to its value per layer, ``counts`` a quantity to its histograms (layers,
    bins + 2), ``samples`` holds the first activations of each layer: one (rows, neurons) array each.
    ``hidden_gradient_is_round_off`` says that the error cancels exactly at the output layer's input.
    """

    network: Network
    batch: int
    loss: float
    outputs: int
    columns: dict[str, Array]
    bins: dict[str, Bins]
    units: dict[str, list[float]]
    counts: dict[str, Array]
    samples: list[Array]
    hidden_gradient_is_round_off: bool

    @cached_property
    def layers(self) -> pd.DataFrame:
        """A row a weight layer; statistics of each quantity as ``{quantity}_{mean,std,min,max,rms,zero_share}``."""
        return pd.DataFrame(self.columns)

    def column(self, name: str) -> Array:
        """One statistic per layer, first layer first."""
        return self.columns[name]

    def histogram(self, quantity: str) -> pd.DataFrame:
        """Counted bins: a row a layer and bin, ends included: layer, left, right (in units), count, share."""
        bins, counts = self.bins[quantity], self.counts[quantity]
        edges = np.concatenate([[-np.inf], bins.edges, [np.inf]])
        layers, cells = counts.shape
        total = counts.sum(axis=1, keepdims=True)
        return pd.DataFrame({
            "layer": np.repeat(np.arange(1, layers + 1), cells),
            "left": np.tile(edges[:-1], layers), "right": np.tile(edges[1:], layers),
            "unit": np.repeat(self.units[quantity], cells),
            "count": counts.ravel(), "share": (counts / np.maximum(total, 1)).ravel()})

    @property
    def gradient_ratio(self) -> float:
        """Root mean square of the first layer's weight gradient over the last's; NaN where there is no gradient."""
        rms = self.columns["weight_gradient_rms"]
        return ratio(0.0 if self.hidden_gradient_is_round_off else float(rms[0]), float(rms[-1]))

    @property
    def overflow_layer(self) -> int | None:
        """The first layer whose preactivations are not all finite numbers; None where all are."""
        lost = np.flatnonzero(~np.isfinite(self.columns["preactivation_rms"]))
        return int(lost[0]) + 1 if lost.size else None


def _cancels(delta: Array, weight: Array) -> bool:
    """Whether delta @ weight.T is round-off: as softmax's errors sum to 0, equal output weights pass nothing back."""
    passed = np.abs(delta @ weight.T).max()
    parts = (np.abs(delta) @ np.abs(weight).T).max()
    return bool(0 < passed <= ROUND_OFF * np.finfo(delta.dtype).eps * parts)


def simulate(network: Network, batch: Batch, *, scale: str = "linear") -> Run:
    """Draw the network's parameters, propagate the batch, summarise every layer.

    ``scale`` is that of the histograms' axes, "linear" or "symlog". Raises ValueError where the batch does not fit.
    """
    weights, biases = network.parameters()
    phi, params = network.apply_activation()
    x = batch.x.astype(network.dtype, copy=False)
    check_shapes(weights, biases, x)
    check_targets(batch.targets, batch.loss, len(x), network.sizes[-1])

    silent = LOSSES[batch.loss](np.zeros((len(x), network.sizes[-1])), batch.targets)[1]
    bins = {q: bins_of(q, phi, scale) for q in QUANTITIES}
    units = {q: units_of(q, network.sizes, x, silent) for q in QUANTITIES}
    depth = network.depth
    counts = {q: np.zeros((depth, bins[q].count + 2), np.int64) for q in QUANTITIES}
    columns: dict[str, Array] = {"layer": np.arange(1, depth + 1), "fan_in": np.array(network.sizes[:-1]),
                                 "fan_out": np.array(network.sizes[1:])}
    columns |= {f"{q}_{name}": np.full(depth, NAN) for q in QUANTITIES for name in Moments.__dataclass_fields__}
    columns |= {name: np.full(depth, NAN) for name in LAYER_STATISTICS}

    def summarise(task: tuple[int, str, Array]) -> None:
        layer, quantity, values = task
        with np.errstate(**QUIET):
            found = moments(values)
            for name, value in vars(found).items():
                columns[f"{quantity}_{name}"][layer] = value
            counts[quantity][layer] = bins[quantity].count_values(values, units[quantity][layer])
            if quantity == "activation":
                compare_neurons(layer, values, found)
            elif quantity == "preactivation" and phi.dies and layer < depth - 1 and found.finite:
                columns["dead_share"][layer] = dead_share(values)

    def compare_neurons(layer: int, h: Array, found: Moments) -> None:
        for name, value in vars(diversity(h, (found.min, found.max))).items():
            columns[name][layer] = value
        columns["participation_baseline"][layer] = participation_baseline(*h.shape)
        if phi.bounded and layer < depth - 1 and found.finite:
            columns["saturated_share"][layer] = saturated_share(h, phi.lower, phi.upper)

    each = _POOL.map if len(x) * max(network.sizes) >= WORTH_A_THREAD else map
    with np.errstate(**QUIET):
        forwards = list(forward(weights, biases, x, network.activation, **params))
        preactivations, activations = [z for z, _ in forwards], [h for _, h in forwards]
        del forwards
        list(each(summarise, [(layer, quantity, values[layer]) for layer in range(depth) for quantity, values in (
            ("activation", activations), ("preactivation", preactivations), ("weight", weights))]))
        samples = [h[:SAMPLE_ROWS, :SAMPLE_NEURONS].copy() for h in activations]
        loss, delta = LOSSES[batch.loss](activations[-1], batch.targets)
        round_off = depth > 1 and _cancels(delta, weights[-1])
        backwards = backward(weights, x, preactivations, activations, delta, network.activation, **params)
        for layer, (delta, gradient) in zip(reversed(range(depth)), backwards, strict=True):
            list(each(summarise, [(layer, "delta", delta), (layer, "weight_gradient", gradient)]))
    return Run(network, len(x), loss, network.sizes[-1], columns, bins, units, counts, samples, round_off)
