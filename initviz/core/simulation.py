"""Simulate: draw a network, send a batch forward and the gradient back, and keep what the layers' numbers say."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from initviz.core.activations import Activation
from initviz.core.architecture import Architecture
from initviz.core.arrays import Array
from initviz.core.batches import Batch
from initviz.core.buffers import Buffers, borrowed_buffers
from initviz.core.network import Network
from initviz.core.propagation import LOSSES, QUIET, backward, check_shapes, check_targets, forward
from initviz.core.statistics import (
    NAN,
    ROUND_OFF,
    Bins,
    Diversity,
    Moments,
    SampleScales,
    dead_share,
    distinct_weights,
    diversity_of_each,
    has_equal_rows,
    moments,
    moments_of_each,
    participation_baseline,
    ratio,
    sample_scales_of_each,
    saturated_share,
)
from initviz.core.threads import second_thread
from initviz.core.validation import Interval, check

if TYPE_CHECKING:
    import pandas as pd  # half of what importing initviz would take: loaded by the first table

    from initviz.core.block_simulation import BlockRun

QUANTITIES = ("activation", "preactivation", "delta", "weight", "weight_gradient")
NEURON_QUANTITIES = ("activation", "preactivation", "delta")  # of which a sample has one value for each neuron
SCALES = ("linear", "symlog")
SAMPLE_NEURONS, SAMPLE_ROWS = 32, 32  # of each layer's activations, kept for a look at single neurons
SAMPLE_SCALES = tuple(f"activation_{name}_rms" for name in SampleScales._fields)
LAYER_STATISTICS = (*Diversity._fields, "participation_baseline", "dead_share", "saturated_share", *SAMPLE_SCALES,
                    "distinct_weights", "equal_outgoing", "equal_samples")
REACH = 4.0  # a linear axis shows +-4 units
TOGETHER = 1 << 17  # values of a layer: up to so many stay in the processor's cache, and NumPy's cost of a call counts


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


def units_of(sizes: tuple[int, ...], x: Array, targets: Array, loss: str) -> dict[str, list[float]]:
    """Per quantity and layer, the root mean square where every layer keeps the scale of what it is given.

    Preactivations: the inputs'. Weights: 1/sqrt(fan_in) (LeCun et al. 1998). Deltas: the gradient at an output of
    zeros, passed back with its length. Weight gradients: what those make for independent samples. Activations are
    shown as they are.
    """
    signal = moments(x).rms or 1.0
    rows = 1 if loss == "softmax_ce" else len(x)  # of an output of zeros, every sample's error is equally long
    error = LOSSES[loss](np.zeros((rows, sizes[-1])), targets[:rows])[1] * (rows / len(x))
    length = math.sqrt(float((error * error).sum()) / rows) or 1.0
    delta = [length / math.sqrt(fan_out) for fan_out in sizes[1:]]
    return {
        "activation": [1.0] * len(delta),
        "preactivation": [signal] * len(delta),
        "delta": delta,
        "weight": [1 / math.sqrt(fan_in) for fan_in in sizes[:-1]],
        "weight_gradient": [signal * math.sqrt(len(x)) * unit for unit in delta]}
SHRUNK, GROWN = 0.1, 10.0  # conventions: a tenth or tenfold over the hidden layers


@dataclass(frozen=True, eq=False)
class Run:
    """What one simulation found; small, whatever the size of the network.

    ``columns`` maps a statistic's name to its value per layer, ``counts`` a quantity to its histograms (layers,
    bins + 2), ``samples`` holds the first activations of each layer: one (rows, neurons) array each.
    ``neurons`` holds what the sample of row ``sample`` gives every neuron: of each counted quantity of
    NEURON_QUANTITIES an array (fan_out,) for each layer.
    ``hidden_gradient_is_round_off`` says that the error cancels exactly at the output layer's input. ``input_rms`` and
    ``input_median_rms`` are the inputs' root mean square, and the median over samples of a sample's; ``zero_loss`` is
    the loss of an output of zeros.
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
    input_rms: float
    input_median_rms: float
    zero_loss: float
    sample: int = 0
    neurons: dict[str, list[Array]] = field(default_factory=dict)

    @cached_property
    def layers(self) -> pd.DataFrame:
        """A row a weight layer; statistics of each quantity as ``{quantity}_{mean,std,min,max,rms,zero_share}``.

        ``activation_{median,p10,p90}_rms`` are quantiles over samples of a sample's root mean square;
        ``distinct_weights`` counts neurons that differ in an incoming weight or the bias; ``equal_outgoing`` is 1 where
        all outgoing weights of a layer's neurons are equal, ``equal_samples`` where its output is the same for every
        sample, bit by bit.
        """
        import pandas as pd

        return pd.DataFrame(self.columns)

    def column(self, name: str) -> Array:
        """One statistic per layer, first layer first."""
        return self.columns[name]

    def histogram(self, quantity: str) -> pd.DataFrame:
        """Counted bins: a row a layer and bin, ends included: layer, left, right (in units), unit, count, share.

        ValueError for a quantity that was not counted.
        """
        import pandas as pd

        check("quantity", quantity, self.counts.keys())
        bins, counts = self.bins[quantity], self.counts[quantity]
        edges = np.concatenate([[-np.inf], bins.edge_values, [np.inf]])
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


def border_of(x: Array, batch: Batch, outputs: int) -> dict[str, float]:
    """``input_rms``, ``input_median_rms`` and ``zero_loss`` of a Run on this batch, whose inputs are cast to ``x``."""
    with np.errstate(**QUIET):
        entering = moments(x)
        scales = sample_scales_of_each(x[None], np.array([max(-entering.min, entering.max)]))
        nothing = float(LOSSES[batch.loss](np.zeros((len(x), outputs)), batch.targets)[0])
    return {"input_rms": entering.rms, "input_median_rms": float(scales[0, 0]), "zero_loss": nothing}


def errors_cancel(delta: Array, weight: Array) -> bool:
    """Whether delta @ weight.T is round-off: as softmax's errors sum to 0, equal output weights pass nothing back."""
    round_off = ROUND_OFF * float(np.finfo(delta.dtype).eps)
    bound = delta.shape[1] * float(max(delta.max(), -delta.min())) * float(max(weight.max(), -weight.min()))
    if np.abs(delta[:1] @ weight.T).max() > round_off * bound:  # one sample is enough to say no
        return False
    passed = np.abs(delta @ weight.T).max()
    parts = (np.abs(delta) @ np.abs(weight).T).max()
    return bool(0 < passed <= round_off * parts)


@overload
def simulate(network: Network, batch: Batch, *, scale: str = ..., counted: Sequence[str] = ...) -> Run: ...


@overload
def simulate(network: Architecture, batch: Batch, *, scale: str = ..., counted: Sequence[str] = ...) -> BlockRun: ...


def simulate(network: Network | Architecture, batch: Batch, *, scale: str = "linear",
             counted: Sequence[str] = QUANTITIES) -> Run | BlockRun:
    """Draw the network's parameters, propagate the batch, summarize every layer, or of an Architecture every block.

    ``scale`` is that of the histograms' axes, "linear" or "symlog"; ``counted`` names the quantities that get one.
    Raises ValueError where the batch does not fit.
    """
    if isinstance(network, Architecture):
        from initviz.core.block_simulation import simulate_blocks  # which is built on this module

        return simulate_blocks(network, batch, scale=scale, counted=counted)
    return summarize(network, *network.parameters(), batch, scale=scale, counted=counted)


def simulate_each(networks: Sequence[Network], batch: Batch, *, scale: str = "linear",
                  counted: Sequence[str] = QUANTITIES, pairs: bool = True, sample: int = 0) -> list[Run]:
    """``simulate`` for each of some networks, small ones of one shape and activation together.

    NumPy's cost of a call is then shared; large layers would only push each other out of the processor's cache.
    Without ``pairs`` the statistics that take a product of all neurons of a layer are NaN. ``sample`` is the row of the
    batch of which every neuron's value is kept.
    """
    runs: dict[int, Run] = {}
    alike: dict[tuple[Any, ...], list[int]] = {}
    for index, network in enumerate(networks):
        kind = network.sizes, network.activation, network.activation_params, network.dtype
        alike.setdefault(kind, []).append(index)
    for members in alike.values():
        together = max(1, TOGETHER // (len(batch.x) * max(networks[members[0]].sizes)))
        for start in range(0, len(members), together):
            group = members[start:start + together]
            drawn = [networks[index].parameters() for index in group]
            group_runs = _summarize_each([networks[index] for index in group], [weights for weights, _ in drawn],
                                    [biases for _, biases in drawn], batch, scale, counted, pairs, sample)
            runs |= dict(zip(group, group_runs, strict=True))
    return [runs[index] for index in range(len(networks))]


def summarize(network: Network, weights: Sequence[Array], biases: Sequence[Array], batch: Batch, *,
              scale: str = "linear", counted: Sequence[str] = QUANTITIES, sample: int = 0) -> Run:
    """Propagate the batch through a network with these parameters, and summarize every layer; see ``simulate``.

    Raises ValueError where the shapes do not fit.
    """
    return _summarize_each([network], [weights], [biases], batch, scale, counted, True, sample)[0]


class _Layers:
    """Measures every layer of some networks of one shape and activation, stacked: (networks, batch, width)."""

    def __init__(self, network: Network, weights: Sequence[Sequence[Array]], biases: Sequence[Sequence[Array]],
                 batch: Batch, x: Array, scale: str, counted: Sequence[str], pairs: bool, sample: int) -> None:
        self.phi, _ = network.activation_entry()
        self.count, self.depth, self.pairs, self.sample = len(weights), network.depth, pairs, sample
        alone = self.count == 1
        self.weights = [w[0][None] if alone else np.stack(w) for w in zip(*weights, strict=True)]
        self.biases = [b[0][None, None] if alone else np.stack(b)[:, None] for b in zip(*biases, strict=True)]
        self.bins = {q: bins_of(q, self.phi, scale) for q in QUANTITIES}
        self.units = units_of(network.sizes, x, batch.targets, batch.loss)
        shape = self.count, self.depth
        self.counts = {check("counted", q, QUANTITIES): np.zeros((*shape, self.bins[q].count + 2), np.int64)
                       for q in counted}
        self.measured = {q: np.full((*shape, len(Moments._fields)), NAN) for q in QUANTITIES}
        self.special = {name: np.full(shape, NAN) for name in LAYER_STATISTICS}
        self.neurons: dict[str, list[Array]] = {
            q: [np.empty(0)] * self.depth for q in NEURON_QUANTITIES if q in self.counts}

    def measure(self, layer: int, quantity: str, values: Array) -> Array:
        """Moments, counted bins and one sample's neurons of a quantity; returns the moments, a row a network."""
        moments = self.measured[quantity][:, layer] = moments_of_each(values)
        if quantity in self.neurons:
            self.neurons[quantity][layer] = values[:, self.sample].copy()
        if quantity in self.counts:
            bins, unit = self.bins[quantity], self.units[quantity][layer]
            for index, (of_network, (low, high)) in enumerate(zip(values, moments[:, 2:4].tolist(), strict=True)):
                self.counts[quantity][index, layer] = bins.count_values(of_network, unit, (low, high))
        return moments

    def forward(self, layer: int, z: Array, h: Array, buffers: Buffers) -> None:
        """What a layer's preactivations and activations have to be asked."""
        of_z, of_h = self.measure(layer, "preactivation", z), self.measure(layer, "activation", h)
        diversity = diversity_of_each(h, of_h, buffers, pairs=self.pairs)
        scales = sample_scales_of_each(h, np.maximum(np.abs(of_h[:, 2]), np.abs(of_h[:, 3])))
        for names, table in ((Diversity._fields, diversity), (SAMPLE_SCALES, scales)):
            for name, values in zip(names, table.T, strict=True):
                self.special[name][:, layer] = values
        self.special["participation_baseline"][:, layer] = participation_baseline(*h.shape[1:])
        self._count_equals(layer, h)
        if layer < self.depth - 1:
            self._measure_activation(layer, (z, of_z), (h, of_h))

    def _measure_activation(self, layer: int, before: tuple[Array, Array], after: tuple[Array, Array]) -> None:
        """Shares of dead and of saturated neurons, of those networks whose values are finite."""
        for name, share, wanted, (values, of_values) in (
                ("dead_share", dead_share, self.phi.dies, before),
                ("saturated_share", lambda h: saturated_share(h, self.phi.lower, self.phi.upper), self.phi.saturates,
                 after)):
            if wanted:
                for index in np.flatnonzero(np.isfinite(of_values[:, 2:4]).all(axis=1)):
                    self.special[name][index, layer] = share(values[index])

    def _count_equals(self, layer: int, h: Array) -> None:
        """Neurons with equal weights, samples with equal outputs, equal outgoing weights."""
        special = self.special
        distinct, spread = special["distinct_neurons"][:, layer], special["sample_spread"][:, layer]
        for index, values in enumerate(h):
            special["distinct_weights"][index, layer] = values.shape[1] if distinct[index] == values.shape[1] else (
                distinct_weights(self.weights[layer][index], self.biases[layer][index, 0]))
            special["equal_samples"][index, layer] = spread[index] == 0 and (values == values[:1]).all()
            special["equal_outgoing"][index, layer] = layer + 1 < self.depth and has_equal_rows(
                self.weights[layer + 1][index])

    def backward(self, layer: int, delta: Array, gradient: Array) -> None:
        """The same of a layer's deltas and weight gradients."""
        self.measure(layer, "delta", delta)
        self.measure(layer, "weight_gradient", gradient)

    def columns(self, index: int) -> dict[str, Array]:
        """Every statistic of one of the networks, by its column."""
        return {f"{q}_{name}": self.measured[q][index, :, i].copy()
                for q in QUANTITIES for i, name in enumerate(Moments._fields)} | {
            name: values[index].copy() for name, values in self.special.items()}


def _summarize_each(networks: Sequence[Network], weights: Sequence[Sequence[Array]], biases: Sequence[Sequence[Array]],
                    batch: Batch, scale: str, counted: Sequence[str], pairs: bool, sample: int) -> list[Run]:
    """``summarize`` for networks of one shape and activation, stacked: arrays are (networks, batch, width)."""
    first = networks[0]
    with np.errstate(**QUIET):
        x = batch.x.astype(first.dtype, copy=False)
    check("scale", scale, SCALES)
    _check_fits(networks, weights, biases, batch, x)
    check("sample", sample, Interval(0, len(x) - 1, integer=True))
    layers = _Layers(first, weights, biases, batch, x, scale, counted, pairs, sample)
    loss, round_off, samples = _pass_through(layers, first, batch, x)
    shape: dict[str, Array] = {"layer": np.arange(1, first.depth + 1), "fan_in": np.array(first.sizes[:-1]),
                               "fan_out": np.array(first.sizes[1:])}
    border = border_of(x, batch, first.sizes[-1])
    return [Run(network, len(x), float(loss[index]), network.sizes[-1], shape | layers.columns(index), layers.bins,
                layers.units, {q: of_all[index].copy() for q, of_all in layers.counts.items()}, samples[index],
                round_off[index], sample=sample, neurons={
                    q: [values[index] for values in of_layers] for q, of_layers in layers.neurons.items()}, **border)
            for index, network in enumerate(networks)]


def _check_fits(networks: Sequence[Network], weights: Sequence[Sequence[Array]], biases: Sequence[Sequence[Array]],
                batch: Batch, x: Array) -> None:
    """Raise ValueError where data, targets or parameters do not fit the networks."""
    first = networks[0]
    if x.ndim == 2 and x.shape[1] != first.sizes[0]:
        raise ValueError(f"sizes must begin with {x.shape[1]}, as many inputs as the data has, got {first.sizes[0]}")
    for network, its_weights, its_biases in zip(networks, weights, biases, strict=True):
        check_shapes(its_weights, its_biases, x)
        sizes = (x.shape[1], *(w.shape[1] for w in its_weights))
        if sizes != network.sizes:
            raise ValueError(f"weights must be those of the network's sizes {network.sizes}, got {sizes}")
    check_targets(batch.targets, batch.loss, len(x), first.sizes[-1])


def _pass_through(layers: _Layers, network: Network, batch: Batch,
                  x: Array) -> tuple[Array, list[bool], list[list[Array]]]:
    """Send the batch forward and the gradient back while every layer is measured.

    Returns, a row a network, the loss, whether the hidden gradient is round-off, and a few activations of each layer.
    """
    _, params = network.activation_entry()
    preactivations, activations = [], []
    large = layers.count * len(x) * max(network.sizes) > TOGETHER  # a small step would wait longer for another thread
    with np.errstate(**QUIET), borrowed_buffers() as buffers, second_thread(large) as do:
        for layer, (z, h) in enumerate(forward(layers.weights, layers.biases, x, network.activation, (), buffers,
                                               **params)):
            preactivations.append(z)
            activations.append(h)
            do(layers.forward, layer, z, h, buffers)
            layers.measure(layer, "weight", layers.weights[layer])
        loss, delta = LOSSES[batch.loss](activations[-1], batch.targets)
        round_off = [layers.depth > 1 and errors_cancel(errors, w)
                     for errors, w in zip(delta, layers.weights[-1], strict=True)]
        backwards = backward(layers.weights, x, preactivations, activations, delta, network.activation, (), buffers,
                             keep=False, **params)
        for layer, (delta, gradient) in zip(reversed(range(layers.depth)), backwards, strict=True):
            do(layers.backward, layer, delta, gradient)
        samples = [[h[index, :SAMPLE_ROWS, :SAMPLE_NEURONS].copy() for h in activations]
                   for index in range(layers.count)]
    return loss, round_off, samples


def signal_ratio(run: Run) -> float:
    """Root mean square of the last hidden layer's activations over the first's; NaN where there is no signal."""
    rms = run.column("activation_rms")[:-1]
    return ratio(float(rms[-1]), float(rms[0])) if rms.size else math.nan


def gradient_return(run: Run) -> float:
    """Length of the first hidden layer's delta over the last hidden layer's; NaN where there is none."""
    length = (run.column("delta_rms") * np.sqrt(run.column("fan_out")))[:-1]
    if not length.size or run.hidden_gradient_is_round_off:
        return math.nan
    return ratio(float(length[0]), float(length[-1]))


def layer_table(runs: Sequence[Run]) -> pd.DataFrame:
    """A row an initializer and layer: every statistic."""
    import pandas as pd

    return pd.concat([run.layers.assign(initializer=run.network.initializer) for run in runs],
                     ignore_index=True).set_index(["initializer", "layer"]).reset_index()


def histogram_table(runs: Sequence[Run], quantity: str) -> pd.DataFrame:
    """A row an initializer, layer and bin of one quantity."""
    import pandas as pd

    return pd.concat([run.histogram(quantity).assign(initializer=run.network.initializer, quantity=quantity)
                      for run in runs], ignore_index=True).set_index(["initializer", "quantity", "layer"]).reset_index()
