"""Orthogonal against Gaussian weights: Saxe et al. 2014 on learning time, Pennington et al. 2017 on the Jacobian."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from initviz.charts.plots import Line, Plot
from initviz.claims.experiment import Check, Experiment, Result
from initviz.core.arrays import Array
from initviz.core.initializers import initialize
from initviz.core.network import INPUT_STREAM, WEIGHT_STREAM, Network, stream
from initviz.core.propagation import QUIET
from initviz.core.validation import Interval, Parameter
from initviz.core.wording import number
from initviz.theory.correlation import two_inputs
from initviz.theory.jacobian import spectrum

COMPARED = MappingProxyType({"orthogonal": "orthogonal", "lecun_normal": "Gaussian"})

# ---------------------------------------------------------------------------------------------- Saxe et al. 2014

DEPTHS = (3, 6, 12, 24, 48)
STRENGTHS = (2.0, 1.5, 1.2, 1.0)  # singular values of what is to be learned
RATES = (0.1, 0.2, 0.5, 1.0)  # divided by the depth; smaller ones are never the best
LEARNED, MOST_STEPS = 0.1, 300  # of the loss at initialization
HIDDEN, DRAWS = 32, 3


def steps_to_learn(key: str, depth: int, width: int, seed: int) -> Array:
    """Steps until a deep linear network has learned, at the best of RATES and MOST_STEPS at most: an array (DRAWS,).

    On white inputs the loss is |W_1 ... W_L - target|^2 / 2. All draws and rates run side by side: arrays
    (draws, rates, fan_in, fan_out).
    """
    outputs = len(STRENGTHS)
    sizes = (*[width] * depth, outputs)
    target = initialize("orthogonal", width, outputs, rng=stream(seed, INPUT_STREAM)) * STRENGTHS
    weights = [np.stack([initialize(key, *fans, rng=stream(seed + 1000 * draw, WEIGHT_STREAM, layer))
                         for draw in range(DRAWS)])[:, None].repeat(len(RATES), axis=1)
               for layer, fans in enumerate(zip(sizes[:-1], sizes[1:], strict=True))]
    rates = np.array(RATES)[:, None, None] / depth
    steps_needed = np.full(DRAWS, MOST_STEPS)
    with np.errstate(**QUIET):  # rates that are too high explode, and are not the best
        for step in range(MOST_STEPS):
            above = [np.broadcast_to(np.eye(outputs), (DRAWS, len(RATES), outputs, outputs))]
            for w in weights[::-1]:  # W_l ... W_L: a few columns, however wide the layers
                above.append(w @ above[-1])
            below = above.pop() - target
            loss = np.square(below).sum(axis=(2, 3))
            if step == 0:
                goal = LEARNED * loss
            steps_needed = np.where((loss <= goal).any(axis=1), np.minimum(steps_needed, step), steps_needed)
            if (steps_needed < MOST_STEPS).all():
                break
            for layer, w in enumerate(weights):
                gradient = below @ above.pop().swapaxes(2, 3)
                below = w.swapaxes(2, 3) @ below
                weights[layer] = w - rates * gradient
    return steps_needed


def _saxe(seed: int, width: float) -> Result:
    """Steps to learn, by depth, from both initializations."""
    steps_of = {key: np.array([steps_to_learn(key, depth, int(width), seed) for depth in DEPTHS]) for key in COMPARED}
    means = {key: steps.mean(axis=1) for key, steps in steps_of.items()}
    gaussian, orthogonal = means["lecun_normal"], means["orthogonal"]
    checks = [
        Check.most("Orthogonal: steps of the slowest depth and draw", float(steps_of["orthogonal"].max()), 8,
                   "Derived: in theory the number does not depend on the depth; 8 is twice what is common here."),
        Check.least("Gaussian: steps at depth 48 over those at depth 3", float(gaussian[-1] / max(gaussian[0], 1)), 10,
                    "Derived: in theory it grows with the depth; at least tenfold from 3 to 48.")]
    plot = Plot("Steps until a tenth of the loss is left against the depth, log axis", "depth", [
        Line(name, np.array(DEPTHS), means[key], initializer=key) for key, name in COMPARED.items()], log=True)
    most = f"{number(float(gaussian[-1]), 3)}" if steps_of["lecun_normal"].max() < MOST_STEPS else \
        f"{number(float(gaussian[-1]), 3)} or more"
    return Result(checks, [plot], f"From depth 3 to 48 the orthogonal initialization takes "
                   f"{number(float(orthogonal[0]))} and {number(float(orthogonal[-1]))} steps, the "
                   f"Gaussian one {number(float(gaussian[0]))} and {most}, on average over {DRAWS} draws.")


# ---------------------------------------------------------------------------------------------- Pennington et al. 2017

WIDTH, TANH_DEPTH, RELU_DEPTH = 200, 30, 10
POINT = (1.05, 2.01e-5)  # sigma_w^2, sigma_b^2: critical for tanh
Q_STAR = 0.025919
SHOWN, LEAST = 60, 1e-8  # ranks in the picture, and the smallest singular value


def _critical(activation: str, key: str, depth: int, seed: int) -> Network:
    gain, bias_std = {"tanh": (POINT[0] ** 0.5, POINT[1] ** 0.5), "relu": (2**0.5, 0.0)}[activation]
    return Network((*[WIDTH] * (depth + 1), 1), activation, key, gain, bias_std=bias_std, seed=seed, dtype="float64")


def _pennington(seed: int, depth: float) -> Result:
    """Singular values of the end-to-end Jacobian at criticality, and how their squares spread with depth."""
    layers = int(depth)
    x = two_inputs(WIDTH, 0.0, seed)[0]
    shown = sorted({*np.linspace(1, layers, min(layers, 6)).round().astype(int).tolist()})
    spectra = {(phi, key): spectrum(_critical(phi, key, layers, seed), Q_STAR**0.5 * x if phi == "tanh" else x, shown)
             for phi in ("tanh", "relu") for key in COMPARED}
    last = {case: of_case.values[-1] for case, of_case in spectra.items()}
    at_ten = {key: spectrum(_critical("relu", key, RELU_DEPTH, seed), x, [RELU_DEPTH]).values[0] for key in COMPARED}
    linear = spectrum(Network((*[WIDTH] * (layers + 1), 1), "linear", "orthogonal", seed=seed, dtype="float64"), x,
                      [layers]).values[0]
    orthogonal, gaussian = last["tanh", "orthogonal"], last["tanh", "lecun_normal"]
    predicted = float(spectra["tanh", "orthogonal"].variance[-1])
    checks = [
        Check.most("Linear, orthogonal: |s − 1|, largest", float(np.abs(linear - 1).max()), 1e-10,
                   "Derived: all s are 1, exactly; round-off in float64."),
        Check.within(f"tanh, orthogonal: variance of s², {layers} layers", float(np.square(orthogonal).var()),
                     predicted, 0.3, "Derived: L·(E φ'⁴/(E φ'²)² − 1) at q*; 30 % for one network of 200 neurons."),
        Check.most("tanh, orthogonal: largest s", float(orthogonal[0]), 1.5,
                   "Derived: near isometry no direction is stretched much."),
        Check.least("tanh: spread of s (largest over median), Gaussian over orthogonal",
                    float(gaussian[0] / np.median(gaussian) / (orthogonal[0] / np.median(orthogonal))), 100,
                    "Derived: the Gaussian variance of s² is larger by L, most s being near 0; a robust sign of that."),
        Check("ReLU, orthogonal, 10 layers: share of s below 0.001", float((at_ten["orthogonal"] < 1e-3).mean()),
              0.45, 0.75, 0.58, "Derived by simulation: half of the neurons are off in each layer, so that isometry is "
              "out of reach.")]
    share = np.linspace(0, 1, SHOWN)
    rank = np.linspace(0, WIDTH - 1, SHOWN).round().astype(int)
    plots = [
        Plot("Singular values of the Jacobian, tanh, in falling order, log axis, down to 10⁻⁸", "rank ÷ width", [
            Line(name, share, np.where(values > LEAST, values, math.nan), initializer=key)
            for key, name in COMPARED.items() for values in [last["tanh", key][rank]]],
            log=True, points=False, guides=[(1.0, "isometry")]),
        Plot("Variance of the squared singular values against the layer, log axis", "layer", [
            Line(f"{'tanh' if phi == 'tanh' else 'ReLU'}, {COMPARED[key]}", np.array(shown),
                 np.square(of_case.values).var(axis=1), of_case.variance)
            for (phi, key), of_case in spectra.items()], log=True)]
    return Result(checks, plots, f"After {layers} layers of tanh orthogonal weights leave s between "
                   f"{number(float(orthogonal[-1]))} and {number(float(orthogonal[0]))}; under Gaussian ones the "
                   f"largest is {number(float(gaussian[0]))}, and half are below {number(float(np.median(gaussian)))}.")


FIGURES: Mapping[str, Experiment] = MappingProxyType({
    "saxe": Experiment(
        "Saxe et al. 2014, depth-independent learning time",
        "From orthogonal weights a deep linear network learns in a number of steps that does not grow with its depth; "
        "from scaled Gaussian ones it takes longer the deeper it is.",
        "Deep linear networks of 32 neurons on white inputs, a target of rank 4, the whole batch, the best of four "
        "rates divided by the depth; steps until a tenth of the loss is left, three draws. Replaced: the paper "
        "trains on MNIST.",
        "Orthogonal weights pass every direction with its length, at any depth. A product of Gaussian matrices has a "
        "few large and many tiny singular values, and what lies along the tiny ones is learned late.",
        "Saxe, McClelland and Ganguli 2014, \"Exact solutions to the nonlinear dynamics of learning in deep linear "
        "neural networks\", ICLR", _saxe,
        MappingProxyType({"width": Parameter("Width", HIDDEN, Interval(16, 48, integer=True),
                                             "Neurons in each hidden layer.", 8)}),
        unchecked="The paper's setting on MNIST."),
    "pennington": Experiment(
        "Pennington et al. 2017, dynamical isometry",
        "With orthogonal weights near σ_w = 1 a deep tanh network keeps all singular values of its Jacobian near 1. "
        "With Gaussian weights, or with ReLU, most of them fall to 0.",
        "Networks of 200 neurons at criticality: tanh at σ_w² 1.05, σ_b² 2.01·10⁻⁵, ReLU at σ_w² 2; one input. "
        "Replaced: the paper's infinitely wide limit by one draw, and its densities of s by the values in falling "
        "order, which show the small ones.",
        "Each layer adds to the variance of s² as much as the squared slopes vary, and Gaussian weights 1 more, "
        "whatever the activation. For tanh the first goes to 0 with q*; for ReLU, half of whose slopes are 0, it is 1.",
        "Pennington, Schoenholz and Ganguli 2017, \"Resurrecting the sigmoid in deep learning through dynamical "
        "isometry\", NeurIPS; Saxe et al. 2014 for linear networks", _pennington,
        MappingProxyType({"depth": Parameter("Layers", TANH_DEPTH, Interval(12, 50, integer=True),
                                             "Of the tanh networks and of the pictures. In fewer than 12 Gaussian "
                                             "weights have not spread s a hundredfold yet.")}),
        unchecked="The paper's own settings of σ_w and σ_b."),
})
