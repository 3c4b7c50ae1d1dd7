"""What is left to chance in a ReLU network of finite width: Hanin and Rolnick 2018, Lu et al. 2020."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from initviz.diagnosis import number, percent
from initviz.experiments import Check, Experiment, Finding, Line, Numbers, Plot
from initviz.limits import Interval
from initviz.meanfield import born_dead
from initviz.network import INPUT_STREAM, WEIGHT_STREAM, stream
from initviz.settings import Control

# ---------------------------------------------------------------------------------------------- Hanin and Rolnick 2018

NETWORKS, DEPTH, WIDTH = 1000, 20, 100
LOG_MEAN, LOG_VARIANCE = -0.51, 1.04
BINS = 40


def squared_lengths(networks: int, depth: int, width: int, seed: int) -> Numbers:
    """|h_l|^2 over |h_0|^2 in ReLU networks under He uniform weights: an array (depth, networks)."""
    h = stream(seed, INPUT_STREAM).standard_normal((networks, 1, width), dtype=np.float32)
    h /= np.linalg.norm(h, axis=-1, keepdims=True)
    bound, found = np.float32(2 * math.sqrt(6 / width)), []
    for layer in range(depth):
        w = stream(seed, WEIGHT_STREAM, layer).random((networks, width, width), dtype=np.float32)
        w -= np.float32(0.5)
        h = np.maximum(h @ w, 0) * bound
        found.append(np.square(h, dtype=float).sum(axis=-1)[:, 0])
    return np.array(found)


def _hanin(seed: int, depth: float) -> Finding:
    """How the length of one input varies between networks, and the mean by the scale of the weights."""
    layers = int(depth)
    ratios = squared_lengths(NETWORKS, max(layers, DEPTH), WIDTH, seed)
    logs = np.log(ratios)
    mean, variance = float(logs[DEPTH - 1].mean()), float(logs[DEPTH - 1].var())
    average = float(ratios[4].mean())
    checks = [
        Check(f"Mean of ln |h|², depth {DEPTH}", mean, LOG_MEAN - 0.1, LOG_MEAN + 0.1, LOG_MEAN,
              "Derived: −5L/2n and the next order; ±0.1 is three standard errors of 1000 networks."),
        Check(f"Variance of ln |h|², depth {DEPTH}", variance, LOG_VARIANCE - 0.2, LOG_VARIANCE + 0.2, LOG_VARIANCE,
              "Derived: 5L/n and the next order; ±0.2 is four standard errors."),
        Check("Mean of |h|² over networks, depth 5", average, 0.9, 1.1, 1.0,
              "Published: Var W = 2/fan_in keeps the mean; ±10 % is six standard errors of 1000 networks.")]
    edges = np.linspace(-6, 4, BINS + 1)
    middles = (edges[1:] + edges[:-1]) / 2
    counts, _ = np.histogram(logs[layers - 1], edges)
    centre, spread = -5 * layers / (2 * WIDTH), math.sqrt(5 * layers / WIDTH)
    normal = np.exp(-(((middles - centre) / spread) ** 2) / 2) / (spread * math.sqrt(2 * math.pi))
    at = np.arange(1, layers + 1)
    plots = [
        Plot("Density of ln of the squared length over networks, at the last layer", "ln |h|²", [
            Line("networks", middles, counts / (NETWORKS * (edges[1] - edges[0])), normal)], points=False),
        Plot("Mean squared length over networks against the layer, log axis", "layer", [
            Line(f"n Var W = {kappa:g}", at, ratios[:layers].mean(axis=1) * (kappa / 2) ** at, (kappa / 2) ** at, key)
            for kappa, key in ((2.0, "he_uniform"), (1.0, "lecun_uniform"), (1 / 3, "torch_linear"))], log=True)]
    return Finding(checks, plots, f"At depth {layers} half of {NETWORKS} networks have a squared length below "
                   f"{number(float(np.median(ratios[layers - 1])))} of the input's; the middle 90 % lie between "
                   f"{number(float(np.quantile(ratios[layers - 1], 0.05)))} and "
                   f"{number(float(np.quantile(ratios[layers - 1], 0.95)))}.")


# ---------------------------------------------------------------------------------------------- Lu et al. 2020

BORN_WIDTHS, BORN_DEPTH, BORN_NETWORKS = (2, 3, 5, 10), 10, 10_000
BORN = {2: 0.9437, 3: 0.7369, 5: 0.2720, 10: 0.0097}
# By width, what summaries of the paper say of ten layers: least and most share, and the number named
ON_A_LINE = {2: (0.9, 1.0, None), 3: (0.55, 0.65, 0.6), 5: (0.1, 1.0, None), 10: (0.0, 0.01, None)}


def dead_shares(width: int, depth: int, networks: int, seed: int) -> tuple[Numbers, Numbers]:
    """Share of networks (depth,) some layer of which is off at x = 1, and at x = 1 as well as -1: one input, no bias.

    Without biases a network of one input is linear on either side of 0, so that two points stand for the whole line.
    """
    rng = stream(seed, WEIGHT_STREAM, width)
    h = np.broadcast_to(np.array([[1.0], [-1.0]], np.float32), (networks, 2, 1))
    alive = np.ones((networks, 2), bool)
    single, both = [], []
    for _ in range(depth):
        w = rng.standard_normal((networks, h.shape[-1], width), dtype=np.float32)
        h = np.maximum(h @ w, 0)
        alive &= (h > 0).any(axis=-1)
        single.append(float(1 - alive[:, 0].mean()))
        both.append(float(1 - alive.any(axis=1).mean()))
        largest = h.max(axis=-1, keepdims=True)
        h = h / np.where(largest > 0, largest, 1)  # a scale does not switch a neuron
    return np.array(single), np.array(both)


def _lu(seed: int, depth: float) -> Finding:
    """Dead networks at birth by depth, for four widths."""
    layers = max(int(depth), BORN_DEPTH)
    found = {width: dead_shares(width, layers, BORN_NETWORKS, seed) for width in BORN_WIDTHS}
    at = np.arange(1, int(depth) + 1)
    checks = [Check(f"Width {width}: dead for one input, {BORN_DEPTH} layers", float(found[width][0][BORN_DEPTH - 1]),
                    target - room, target + room, target,
                    "Derived: 1 − ∏(1 − 2^(−width)), exactly; 3.5 standard errors of so many networks.")
              for width, target in BORN.items() for room in [3.5 * math.sqrt(target * (1 - target) / BORN_NETWORKS)]]
    checks += [Check(f"Width {width}: dead on the whole line, {BORN_DEPTH} layers",
                     float(found[width][1][BORN_DEPTH - 1]), low, high, target,
                     "Published, known from summaries: " + (f"about {target:.0%}, read as ±5 points." if target else
                     f"{'less than' if high < 0.5 else 'more than'} {high if high < 0.5 else low:.0%}."))
               for width, (low, high, target) in ON_A_LINE.items()]
    plots = [
        Plot("Share of networks dead for one input against the depth", "hidden layers", [
            Line(f"width {width}", at, single[:len(at)], np.array([born_dead((width,) * int(layer)) for layer in at]))
            for width, (single, _) in found.items()]),
        Plot("Share of networks dead on the whole line against the depth", "hidden layers", [
            Line(f"width {width}", at, both[:len(at)]) for width, (_, both) in found.items()])]
    return Finding(checks, plots, f"Of {BORN_NETWORKS:,} networks of {len(at)} layers dead on the whole line: "
                   + ", ".join(f"{percent(float(both[len(at) - 1]))} at width {width}"
                               for width, (_, both) in found.items()) + ".")


FIGURES: Mapping[str, Experiment] = MappingProxyType({
    "hanin_rolnick": Experiment(
        "Hanin and Rolnick 2018, two failure modes",
        "The mean squared length of ReLU activations is kept for Var W = 2/fan_in alone; between networks it varies "
        "the more, the larger the sum of 1/width over the layers.",
        "1000 networks of 20 layers of 100 ReLU neurons, one input each, real matrix products; He uniform weights "
        "(bounded draws are faster, and to this order only the variance counts). Replaced: the paper's own networks; "
        "only its abstract was checked, the logarithm's law is Hanin and Nica's.",
        "A layer multiplies the squared length by a random number of mean 1 whose logarithm has the variance 5/n. The "
        "products keep their mean, but spread, and a typical network shrinks while a few grow.",
        "Hanin and Rolnick 2018, \"How to start training: the effect of initialization and architecture\"; Hanin and "
        "Nica 2018 for the law of the logarithm", _hanin,
        MappingProxyType({"depth": Control("Layers of the pictures", DEPTH, Interval(2, 40, integer=True),
                                           "The checks are of 20 layers.")})),
    "lu": Experiment(
        "Lu et al. 2020, dying ReLU",
        "A deep, narrow ReLU network is dead from the start with a probability that goes to 1 with its depth: of ten "
        "layers, over 90 % at width 2, about 60 % at 3, over 10 % at 5, under 1 % at 10.",
        "10,000 networks of each width on one input feature, normal weights, no biases; dead where some layer is off. "
        "The law is exact for a single input and bounds the share on the whole line from above.",
        "For one input every neuron is on or off like a fair coin, and one layer of tails ends the signal. On the line "
        "a network must fail on both sides of 0, which is a little rarer.",
        "Lu, Shin, Su and Karniadakis 2020, \"Dying ReLU and initialization: theory and numerical examples\" (numbers "
        "from summaries, not checked against the paper's text)", _lu,
        MappingProxyType({"depth": Control("Hidden layers of the pictures", 20, Interval(2, 40, integer=True),
                                           "The checks are of ten.")})),
})
