"""How the variance of a layer's sums follows from that of its weights: there, through ReLU, and on the way back."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from initviz.charts.plots import Line, Plot
from initviz.core.activations import ACTIVATIONS
from initviz.core.arrays import Array
from initviz.core.batches import make_batch
from initviz.core.initializers import label_of
from initviz.core.network import Network
from initviz.core.simulation import Run, simulate
from initviz.core.wording import number

WIDTH, LAYERS, SAMPLES, CLASSES = 250, 10, 128, 10
SUMS = 6  # neurons whose sums are drawn as they grow
KEPT = {"linear": 1.0, "relu": 0.5}  # E phi(z)² / E z² for z symmetric around 0: ReLU drops half (He et al. 2015)
NARROWING = (256, 181, 128, 91, 64, 45, 32, CLASSES)
RULES = (("1 / n_in", "lecun_normal", 1.0, ()), ("1 / n_out", "he_normal", math.sqrt(0.5), (("mode", "fan_out"),)),
         ("Xavier", "xavier_normal", 1.0, ()))  # label, initializer, gain and parameters


def _run(network: Network, features: int) -> Run:
    return simulate(network, make_batch("normal", SAMPLES, seed=network.seed, features=features), counted=())


def _square(run: Run, name: str) -> Array:
    """The mean square of a quantity in each layer, the last left out."""
    return np.square(run.column(f"{name}_rms")[:-1])


def _network(activation: str, variance: float, seed: int) -> Network:
    return Network((*[WIDTH] * (LAYERS + 1), CLASSES), activation, "normal", seed=seed,
                   initializer_params={"std": math.sqrt(variance)})


def variance_of_a_sum(seed: int) -> float:
    """The measured mean square of sums of WIDTH inputs of mean square 1, times weights of variance 1."""
    return float(_square(_run(_network("linear", 1.0, seed), WIDTH), "preactivation")[0])


def growing_sums(seed: int) -> Plot:
    """Some neurons' sums of WIDTH inputs of variance 1 times weights of variance 1, after each of their terms."""
    network = _network("linear", 1.0, seed)
    weights = network.parameters()[0][0][:, :SUMS]
    inputs = make_batch("normal", SAMPLES, seed=seed, features=WIDTH).x[0]
    sums = np.cumsum(inputs[:, None] * weights, axis=0)
    return Plot(f"How the sums of {SUMS} neurons grow with their {WIDTH} terms", "terms added", [
        Line(f"neuron {place + 1}", np.arange(1, WIDTH + 1), sums[:, place]) for place in range(SUMS)], points=False)


def predicted(activation: str, variance: float) -> Array:
    """The expected mean square of each layer's sums, for inputs of mean square 1."""
    first = WIDTH * variance
    return first * (KEPT[activation] * first) ** np.arange(LAYERS)


def forward(variance: float, seed: int) -> tuple[Plot, str]:
    """The mean square of each layer's sums, measured and predicted, with no activation and with ReLU; what to see."""
    layers, lines, ends = np.arange(1, LAYERS + 1), [], []
    for activation in KEPT:
        measured = _square(_run(_network(activation, variance, seed), WIDTH), "preactivation")
        label = "no activation" if activation == "linear" else ACTIVATIONS[activation].label
        lines.append(Line(label, layers, measured, predicted(activation, variance)))
        ends.append(float(measured[-1]))
    factor = WIDTH * variance
    text = (f"n Var W = {WIDTH} × {variance:.3f} = {number(factor)}. Without an activation each layer multiplies the "
            f"variance by {number(factor)}; with ReLU, which drops half of the mean square, by {number(factor / 2)}. "
            f"After layer {LAYERS}: {number(ends[0])} and {number(ends[1])}.")
    return Plot("Variance of the sums z in each layer (log axis)", "layer", lines, log=True), text


def _networks(seed: int) -> list[Network]:
    return [Network(NARROWING, "linear", key, gain, seed=seed, initializer_params=dict(params))
            for _, key, gain, params in RULES]


def _variances(network: Network) -> list[float]:
    return [network.gain_of(layer)**2 * network.law_of(layer).variance(fan_in, fan_out)
            for layer, (fan_in, fan_out) in enumerate(pairwise(network.sizes))]


def there_and_back(seed: int) -> tuple[Plot, Plot]:
    """In a network that narrows: the mean square of z there, that of the deltas on the way back, under three rules.

    Deltas are relative to those of the last hidden layer.
    """
    forward_lines: list[Line] = []
    back: list[Line] = []
    for (rule, key, _, params), network in zip(RULES, _networks(seed), strict=True):
        run, variances = _run(network, NARROWING[0]), _variances(network)
        layers = np.arange(1, network.depth)
        label = f"{label_of(key)}: {rule}" if not params and rule != "Xavier" else rule
        shared = None if params else key
        forwards = np.cumprod([n * v for n, v in zip(network.sizes, variances, strict=False)])[:-1]
        backwards = np.cumprod([1.0, *(n * v for n, v in zip(
            network.sizes[-2:1:-1], variances[-2:0:-1], strict=True))])[::-1]
        deltas = _square(run, "delta")
        forward_lines.append(Line(label, layers, _square(run, "preactivation"), forwards, shared))
        back.append(Line(label, layers, deltas / deltas[-1], backwards, shared))
    return (Plot("There: variance of z (log axis)", "layer", forward_lines, log=True),
            Plot("Back: variance of δ, the last hidden layer's as 1 (log axis)", "layer", back, log=True))
