"""What is left to chance in a ReLU network of finite width: Hanin and Rolnick 2018, Lu et al. 2020."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from initviz.charts.plots import Line, Plot
from initviz.claims.experiment import Check, Experiment, Result
from initviz.core.arrays import Array
from initviz.core.network import INPUT_STREAM, WEIGHT_STREAM, stream
from initviz.core.validation import Interval, Parameter
from initviz.core.wording import number, percent
from initviz.theory.dead_neurons import born_dead

# ---------------------------------------------------------------------------------------------- Hanin and Rolnick 2018

DEPTH, WIDTH = 20, 100
NETWORKS, REAL_NETWORKS = 20_000, 250
LOG_MEAN, LOG_VARIANCE = -0.51, 1.04
SUMS, SUM = (0.05, 0.1, 0.2, 0.4), 0.2  # of 1 / width over the layers, and the one of DEPTH layers of WIDTH


def alike(layers: int, total: float) -> tuple[int, ...]:
    """The widths of so many layers, all alike, whose reciprocals add up to ``total``."""
    return (round(layers / total),) * layers


def in_turn(layers: int, total: float) -> tuple[int, ...]:
    """Widths whose reciprocals have that sum, of narrow layers and ones five times as wide in turn."""
    narrow = round(0.6 * layers / total)
    return (narrow, 5 * narrow) * (layers // 2)


SHAPES: Mapping[str, Callable[[float], tuple[int, ...]]] = MappingProxyType({
    "20 layers": functools.partial(alike, 20), "10 layers": functools.partial(alike, 10),
    "20, 1 : 5 in turn": functools.partial(in_turn, 20)})


def squared_lengths(widths: Sequence[int], networks: int, seed: int) -> Array:
    """Mean square of the activations per neuron, |h_l|^2 / n_l over |h_0|^2 / n_0, in ReLU networks under He normal
    weights: an array (layers, networks).

    Exact: for whatever a layer is given its preactivations are independent normals, so that |h|^2 is multiplied by
    2/n times a chi-square of as many degrees of freedom as neurons are on.
    """
    rng = stream(seed, WEIGHT_STREAM, *widths[:2])
    # Twice a gamma of k/2 is a chi-square of k, which NumPy refuses to draw for k = 0: a layer that is off.
    factors = [4 / n * rng.standard_gamma(rng.binomial(n, 0.5, networks) / 2) for n in widths]
    return np.cumprod(factors, axis=0)


def multiplied_lengths(networks: int, depth: int, width: int, seed: int) -> Array:
    """Squared lengths by matrix products, under He uniform weights, for layers of one width."""
    h = stream(seed, INPUT_STREAM).standard_normal((networks, 1, width), dtype=np.float32)
    h /= np.linalg.norm(h, axis=-1, keepdims=True)
    bound, lengths = np.float32(2 * math.sqrt(6 / width)), []
    for layer in range(depth):
        w = stream(seed, WEIGHT_STREAM, layer).random((networks, width, width), dtype=np.float32)
        w -= np.float32(0.5)
        h = np.maximum(h @ w, 0) * bound
        lengths.append(np.square(h, dtype=float).sum(axis=-1)[:, 0])
    return np.array(lengths)


def expected_variance(widths: Sequence[int]) -> float:
    """The mean over networks of the variance of |h_l|^2 over their layers.

    The squared length keeps its mean from layer to layer, so that E M_i M_j is E M_k^2 = prod (1 + 5/n_l) over the
    layers up to k, the smaller of i and j.
    """
    squares = np.cumprod([1 + 5 / n for n in widths])
    layers = np.arange(len(widths))
    return float(squares.mean() - squares[np.minimum.outer(layers, layers)].mean())


def _hanin(seed: int, depth: float) -> Result:
    """The mean squared length by the scale of the weights, and how it varies over the layers of a network."""
    layers = int(depth)
    ratios = squared_lengths((WIDTH,) * max(layers, DEPTH), NETWORKS, seed)
    logs = np.log(ratios[DEPTH - 1])
    real = np.log(multiplied_lengths(REAL_NETWORKS, DEPTH, WIDTH, seed)[-1])
    margin = 3.5 * math.sqrt(LOG_VARIANCE / REAL_NETWORKS)
    varied = {name: np.array([float(squared_lengths(shape(total), NETWORKS, seed).var(axis=0).mean())
                              for total in SUMS]) for name, shape in SHAPES.items()}
    at_sum, at_double = SUMS.index(SUM), SUMS.index(2 * SUM)
    checks = [
        Check(f"Mean of ln |h|², {DEPTH} layers of {WIDTH}", float(logs.mean()), LOG_MEAN - 0.1, LOG_MEAN + 0.1,
              LOG_MEAN, "Derived: −5L/2n and the next order."),
        Check(f"Variance of ln |h|², {DEPTH} layers of {WIDTH}", float(logs.var()), LOG_VARIANCE - 0.2,
              LOG_VARIANCE + 0.2, LOG_VARIANCE, "Derived: 5L/n and the next order."),
        Check("Mean of ln |h|² by matrix products", float(real.mean()), LOG_MEAN - margin, LOG_MEAN + margin, LOG_MEAN,
              f"The same; 3.5 standard errors of {REAL_NETWORKS} networks."),
        Check("Mean of |h|² over networks, layer 5", float(ratios[4].mean()), 0.9, 1.1, 1.0,
              "Published: Var W = 2/fan_in keeps the mean.")]
    checks += [Check.within(f"Variance of |h|² over the layers, Σ 1/n = {SUM:g}: {name}", float(varied[name][at_sum]),
                            expected_variance(shape(SUM)), 0.2, "Derived from E |h|⁴ = ∏ (1 + 5/n). 20 % is four "
                            "standard errors: few networks carry the mean.") for name, shape in SHAPES.items()]
    checks.append(Check.least("The same for 20 layers at twice the sum, over that", float(
        varied["20 layers"][at_double] / varied["20 layers"][at_sum]), 2, "Derived: 3.4; more than in proportion, "
        "as published: exponentially."))
    axis = np.arange(1, layers + 1)
    plots = [
        Plot("Mean squared length over networks against the layer, log axis", "layer", [
            Line(f"n Var W = {name}", axis, ratios[:layers].mean(axis=1) * (kappa / 2) ** axis, (kappa / 2) ** axis,
                 key)
            for name, kappa, key in (("2", 2.0, "he_normal"), ("1", 1.0, "lecun_normal"),
                                     ("1/3", 1 / 3, "torch_linear"))], log=True),
        Plot("Variance of |h|² over the layers, mean over networks, log axis", "Σ 1/n over the layers", [
            Line(name, np.array(SUMS), values, np.array([expected_variance(SHAPES[name](total)) for total in SUMS]))
            for name, values in varied.items()], log=True)]
    low, middle, high = (float(np.quantile(ratios[layers - 1], share)) for share in (0.05, 0.5, 0.95))
    return Result(checks, plots, f"At depth {layers} half of {NETWORKS:,} networks have a squared length below "
                   f"{number(middle)} of the input's; the middle 90 % lie between {number(low)} and {number(high)}. At "
                   f"Σ 1/n = {SUM:g} its variance over the layers is "
                   + ", ".join(f"{number(float(values[at_sum]))} ({name})" for name, values in varied.items()) + ".")


# ---------------------------------------------------------------------------------------------- Lu et al. 2020

BORN_WIDTHS, BORN_DEPTH, BORN_NETWORKS = (2, 3, 5, 10), 10, 10_000
BORN = {2: 0.9437, 3: 0.7369, 5: 0.2720, 10: 0.0097}
# By width, what summaries of the paper say of ten layers: least and most share, and the number named
ON_A_LINE = {2: (0.9, 1.0, None), 3: (0.55, 0.65, 0.6), 5: (0.1, 1.0, None), 10: (0.0, 0.01, None)}


def dead_shares(width: int, depth: int, networks: int, seed: int) -> tuple[Array, Array]:
    """Share of networks (depth,) some layer of which is off at x = 1, and at x = 1 as well as -1: one input, no bias.

    Without biases a network of one input is linear on either side of 0, so that two points stand for the whole line.
    """
    rng = stream(seed, WEIGHT_STREAM, width)
    h = np.broadcast_to(np.array([[1.0], [-1.0]], np.float32), (networks, 2, 1))
    alive = np.ones((networks, 2), bool)
    single, pairs = [], []
    for _ in range(depth):
        w = rng.standard_normal((networks, h.shape[-1], width), dtype=np.float32)
        h = np.maximum(h @ w, 0)
        alive &= (h > 0).any(axis=-1)
        single.append(float(1 - alive[:, 0].mean()))
        pairs.append(float(1 - alive.any(axis=1).mean()))
        largest = h.max(axis=-1, keepdims=True)
        h = h / np.where(largest > 0, largest, 1)  # a scale does not switch a neuron
    return np.array(single), np.array(pairs)


def _lu(seed: int, depth: float) -> Result:
    """Dead networks at birth by depth, for four widths."""
    layers = max(int(depth), BORN_DEPTH)
    dead_by_width = {width: dead_shares(width, layers, BORN_NETWORKS, seed) for width in BORN_WIDTHS}
    axis = np.arange(1, int(depth) + 1)
    checks = [Check(f"Width {width}: dead for one input, {BORN_DEPTH} layers",
                    float(dead_by_width[width][0][BORN_DEPTH - 1]), target - room, target + room, target,
                    "Derived: 1 − ∏(1 − 2^(−width)), exactly; 3.5 standard errors of so many networks.")
              for width, target in BORN.items() for room in [3.5 * math.sqrt(target * (1 - target) / BORN_NETWORKS)]]
    checks += [Check(f"Width {width}: dead on the whole line, {BORN_DEPTH} layers",
                     float(dead_by_width[width][1][BORN_DEPTH - 1]), low, high, target,
                     "Published, known from summaries: " + (f"about {target:.0%}, read as ±5 points." if target else
                     f"{'less than' if high < 0.5 else 'more than'} {high if high < 0.5 else low:.0%}."))
               for width, (low, high, target) in ON_A_LINE.items()]
    plots = [
        Plot("Share of networks dead for one input against the depth", "hidden layers", [
            Line(f"width {width}", axis, single[:len(axis)],
                 np.array([born_dead((width,) * int(layer)) for layer in axis]))
            for width, (single, _) in dead_by_width.items()], ordered=True),
        Plot("Share of networks dead on the whole line against the depth", "hidden layers", [
            Line(f"width {width}", axis, pairs[:len(axis)])
            for width, (_, pairs) in dead_by_width.items()], ordered=True)]
    return Result(checks, plots, f"Of {BORN_NETWORKS:,} networks of {len(axis)} layers dead on the whole line: "
                   + ", ".join(f"{percent(float(pairs[len(axis) - 1]))} at width {width}"
                               for width, (_, pairs) in dead_by_width.items()) + ".")


FIGURES: Mapping[str, Experiment] = MappingProxyType({
    "hanin_rolnick": Experiment(
        "Hanin and Rolnick 2018, two failure modes",
        "The mean squared length of ReLU activations is kept for Var W = 2/fan_in alone; over the layers of a network "
        "it varies the more, the larger the sum of 1/width, whatever the depth.",
        f"{NETWORKS:,} ReLU networks of each shape, one input each, by the exact law of a layer under normal weights; "
        f"and {REAL_NETWORKS} by matrix products, under uniform ones. The lines of n Var W = 1 and 1/3 are those of 2 "
        "times 1/2 and 1/6 a layer, as ReLU passes factors through. Replaced: the paper's own networks, and their "
        "training is left out.",
        "A layer multiplies the squared length by a random number of mean 1 whose logarithm has a variance of about "
        "5/n. The products keep their mean, but the variances add up to 5 Σ 1/n: a typical network shrinks while a few "
        "grow.",
        "Hanin and Rolnick 2018, \"How to start training: the effect of initialization and architecture\"; Hanin and "
        "Nica 2018 for the law of the logarithm", _hanin,
        MappingProxyType({"depth": Parameter("Layers of the first picture", DEPTH, Interval(2, 40, integer=True),
                                             "The checks are of 20 layers.")})),
    "lu": Experiment(
        "Lu et al. 2020, dying ReLU",
        "A deep, narrow ReLU network is dead at initialization with a probability that goes to 1 with its depth: of "
        "ten layers, over 90 % at width 2, about 60 % at 3, over 10 % at 5, under 1 % at 10.",
        "10,000 networks of each width on one input feature, normal weights, no biases; dead where some layer is off. "
        "The law is exact for a single input and bounds the share on the whole line from above.",
        "For one input every neuron is on or off like a fair coin, and one layer of tails ends the signal. On the line "
        "a network must fail on both sides of 0, which is the rarer beside one side the wider the layers are.",
        "Lu, Shin, Su and Karniadakis 2020, \"Dying ReLU and initialization: theory and numerical examples\"", _lu,
        MappingProxyType({"depth": Parameter("Hidden layers of the pictures", 20, Interval(2, 40, integer=True),
                                             "The checks are of ten.")}),
        unchecked="The published shares are from summaries of the paper."),
})
