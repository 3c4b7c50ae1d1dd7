"""Simulate plain networks: draw them, send a batch forward and the gradient back, and measure every layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from initviz.core.arrays import Array
from initviz.core.batches import Batch
from initviz.core.buffers import Buffers, borrowed_buffers
from initviz.core.network import Network
from initviz.core.propagation import LOSSES, QUIET, backward, check_shapes, check_targets, forward
from initviz.core.simulation.quantities import (
    LAYER_STATISTICS,
    NEURON_QUANTITIES,
    QUANTITIES,
    SAMPLE_NEURONS,
    SAMPLE_ROWS,
    SAMPLE_SCALES,
    SCALES,
    TOGETHER,
    bins_of,
    border_of,
    errors_cancel,
    units_of,
)
from initviz.core.simulation.run import Run
from initviz.core.statistics import (
    NAN,
    Diversity,
    Moments,
    dead_share,
    distinct_weights,
    diversity_of_each,
    has_equal_rows,
    moments_of_each,
    participation_baseline,
    sample_scales_of_each,
    saturated_share,
)
from initviz.core.threads import second_thread
from initviz.core.validation import Interval, check


def simulate_each(networks: Sequence[Network], batch: Batch, *, scale: str = "linear",
                  counted: Sequence[str] = QUANTITIES, correlations: bool = True, sample: int = 0) -> list[Run]:
    """``simulate`` for each of some networks, small ones of one shape and activation together.

    NumPy's cost of a call is then shared; large layers would only push each other out of the processor's cache.
    Without ``correlations`` the statistics that take a product of all neurons of a layer are NaN. ``sample`` is the
    row of the batch of which every neuron's value is kept.
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
            parameters = [networks[index].parameters() for index in group]
            group_runs = _summarize_each([networks[index] for index in group], [weights for weights, _ in parameters],
                                    [biases for _, biases in parameters], batch, scale, counted, correlations, sample)
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
                 batch: Batch, x: Array, scale: str, counted: Sequence[str], correlations: bool, sample: int) -> None:
        self.phi, _ = network.activation_entry()
        self.count, self.depth, self.correlations, self.sample = len(weights), network.depth, correlations, sample
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
        """Moments, counted bins and one sample's neurons of a quantity; returns the moments, one row per network."""
        moments = self.measured[quantity][:, layer] = moments_of_each(values)
        if quantity in self.neurons:
            self.neurons[quantity][layer] = values[:, self.sample].copy()
        if quantity in self.counts:
            bins, unit = self.bins[quantity], self.units[quantity][layer]
            for index, (of_network, (low, high)) in enumerate(zip(values, moments[:, 2:4].tolist(), strict=True)):
                self.counts[quantity][index, layer] = bins.count_values(of_network, unit, (low, high))
        return moments

    def forward(self, layer: int, z: Array, h: Array, buffers: Buffers) -> None:
        """Measure a layer's preactivations and activations."""
        of_z, of_h = self.measure(layer, "preactivation", z), self.measure(layer, "activation", h)
        diversity = diversity_of_each(h, of_h, buffers, correlations=self.correlations)
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
        for name, share, measured, (values, of_values) in (
                ("dead_share", dead_share, self.phi.dies, before),
                ("saturated_share", lambda h: saturated_share(h, self.phi.lower, self.phi.upper), self.phi.saturates,
                 after)):
            if measured:
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
        """Measure a layer's deltas and weight gradients."""
        self.measure(layer, "delta", delta)
        self.measure(layer, "weight_gradient", gradient)

    def columns(self, index: int) -> dict[str, Array]:
        """Every statistic of one of the networks, by its column."""
        return {f"{q}_{name}": self.measured[q][index, :, i].copy()
                for q in QUANTITIES for i, name in enumerate(Moments._fields)} | {
            name: values[index].copy() for name, values in self.special.items()}


def _summarize_each(networks: Sequence[Network], weights: Sequence[Sequence[Array]], biases: Sequence[Sequence[Array]],
                    batch: Batch, scale: str, counted: Sequence[str], correlations: bool, sample: int) -> list[Run]:
    """``summarize`` for networks of one shape and activation, stacked: arrays are (networks, batch, width)."""
    first = networks[0]
    with np.errstate(**QUIET):
        x = batch.x.astype(first.dtype, copy=False)
    check("scale", scale, SCALES)
    _check_fits(networks, weights, biases, batch, x)
    check("sample", sample, Interval(0, len(x) - 1, integer=True))
    layers = _Layers(first, weights, biases, batch, x, scale, counted, correlations, sample)
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

    Returns one row per network: the loss, whether the hidden gradient is round-off, a few activations of each layer.
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
