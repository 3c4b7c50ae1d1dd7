"""Claims 5 to 9: why the same non-zero value for all weights is still a problem."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from initviz.diagnosis import number, percent
from initviz.experiments import Check, Experiment, Finding, Line, Numbers, Plot
from initviz.initializers import initialize
from initviz.inputs import make_batch
from initviz.limits import Interval, Ladder
from initviz.network import INPUT_STREAM, WEIGHT_STREAM, Network, stream
from initviz.notes import zeros
from initviz.notes.zeros import SAMPLES, WIDTH, activation_knob, depth_knob, digits
from initviz.propagation import LOSSES, forward, propagate
from initviz.settings import CONTROLS, OPTIMIZER_LABELS, Control
from initviz.simulation import errors_cancel
from initviz.statistics import ratio
from initviz.training import Parameters, Race, Recipe, recorded_steps

# ---------------------------------------------------------------------------------------------- 5: symmetry

RATE = 0.1


def _symmetry(seed: int, activation: str, value: float) -> Finding:
    """Claim 5."""
    return zeros.copies(zeros.networks(activation, 3, seed, "constant", value), seed, RATE)


# ---------------------------------------------------------------------------------------------- 6 and 8: scale

NEURONS, PRODUCTS = 64, (0.5, 1.0, 2.0)
LOST, GROWN = 0.1, 10.0
CONVENTION = "A tenth and tenfold: a convention; over 20 layers the numbers are mostly far beyond them."


def _constant(product: float, activation: str, depth: int, seed: int) -> Network:
    """All weights ``product / NEURONS``: neurons times value is ``product``."""
    return Network((NEURONS, *[NEURONS] * (depth - 1), 10), activation, "constant", seed=seed, dtype="float64",
                   initializer_params={"value": product / NEURONS})


def _with_chosen(product: float) -> dict[str, float]:
    named = {f"n·c = {value:g}": value for value in PRODUCTS}
    return named | ({} if product in PRODUCTS else {f"n·c = {product:g}": product})


def _signals(seed: int, activation: str, product: float, depth: float) -> Finding:
    """Claim 6: the root mean square of every hidden layer's activations."""
    x = digits(seed).x
    layers = np.arange(1, int(depth))
    found: dict[str, Numbers] = {}
    for name, value in _with_chosen(product).items():
        weights, biases = _constant(value, activation, int(depth), seed).parameters()
        hidden = [h for _, h in forward(weights, biases, x, activation)][:-1]
        found[name] = np.array([math.sqrt(np.mean(np.square(h))) for h in hidden])
    ends = {name: ratio(rms[-1], rms[0]) for name, rms in found.items()}
    low, middle, high = (ends[f"n·c = {value:g}"] for value in PRODUCTS)
    checks = [
        Check.most("Fade out at n·c = 0.5: last hidden layer over first", low, LOST, CONVENTION),
        Check.least("Accumulate at n·c = 2: the same", high, GROWN, CONVENTION),
        Check.least("Either at n·c = 1: the factor by which it changes, up or down", max(middle, 1 / middle), GROWN,
                    CONVENTION)]
    return Finding(checks, [Plot("Root mean square of the activations, log axis", "layer", [
        Line(name, layers, rms) for name, rms in found.items()], log=True)],
        "Last hidden layer over first: " + ", ".join(f"{number(end)} at {name}" for name, end in ends.items()) + ".")


def _gradients(seed: int, activation: str, product: float, loss: str, depth: float) -> Finding:
    """Claim 8: the norm of every layer's deltas, exact zeros where the errors cancel."""
    batch = digits(seed)
    targets = np.eye(10)[batch.targets] if loss == "mse" else batch.targets
    layers = np.arange(1, int(depth))
    found: dict[str, Numbers] = {}
    for name, value in _with_chosen(product).items():
        weights, biases = _constant(value, activation, int(depth), seed).parameters()
        passed = propagate(weights, biases, batch.x, targets, activation=activation, loss=loss)
        cancelled = errors_cancel(passed.deltas[-1], weights[-1])
        found[name] = np.array([0.0 if cancelled else float(np.linalg.norm(d)) for d in passed.deltas[:-1]])
    ends = {name: ratio(norms[0], norms[-1]) for name, norms in found.items()}
    checks = [
        Check.most("Vanish at n·c = 0.5: gradient of the first hidden layer over the last's",
                   ends["n·c = 0.5"], LOST, CONVENTION),
        Check.least("Explode at n·c = 2: the same", ends["n·c = 2"], GROWN, CONVENTION)]
    plot = Plot("Norm of dL/dz of the hidden layers, log axis", "layer",
                [Line(name, layers, norms) for name, norms in found.items()], log=True)
    if not any(norms.any() for norms in found.values()):
        return Finding(checks, [plot], "Softmax's errors sum to 0 and equal output weights add them up: the hidden "
                       "layers get exactly no gradient at the start, whatever the value.")
    return Finding(checks, [plot], "First hidden layer over last: " + ", ".join(
        f"{number(end)} at {name}" for name, end in ends.items()) + ".")


# ---------------------------------------------------------------------------------------------- 7: slow convergence

STEPS, SOON, SLOWNESS, VALUE, ADAM_RATE = 1000, 100, 10, 0.1, 0.01
SPLIT = 0.01


def _nudged(start: Parameters, epsilon: float, seed: int) -> Parameters:
    """The start with normal noise of standard deviation ``epsilon`` on every weight."""
    rng = stream(seed, WEIGHT_STREAM, 99)
    return [w + epsilon * rng.standard_normal(w.shape) for w in start[0]], start[1]


def _slow(seed: int, epsilon: float, optimizer: str) -> Finding:
    """Claim 7: the symmetry gap and the loss of a constant start through long training."""
    batch = digits(seed)
    starts = [network.parameters() for network in zeros.networks("tanh", 2, seed, "constant", VALUE)]
    starts[0] = _nudged(starts[0], epsilon, seed)
    recipe = Recipe(optimizer, ADAM_RATE if optimizer == "adam" else RATE, STEPS)
    race = Race(starts, batch, recipe, activation="tanh", record=[*recorded_steps(STEPS), SOON]).advance()
    same, varied = race.histories
    steps = np.array(same.steps)
    gap = np.array([float(gaps[0]) for gaps in same.symmetry_gap])
    soon = varied.loss[varied.steps.index(SOON)]
    split = next((step for step, value in zip(same.steps, gap, strict=True) if value > SPLIT), None)
    checks = [
        Check.least(f"Symmetry broken: gap after {STEPS:,} steps", gap[-1], SPLIT,
                    "Largest difference between neurons' incoming weights, relative; 1 % is a convention."),
        Check.most(f"Slow, but there: loss after {STEPS:,} steps", same.loss[-1], soon,
                   f"What Xavier's start has after {SOON}: {SLOWNESS} times slower is read as slow.")]
    plots = [
        Plot("Symmetry gap of the hidden layer, log axis", "step", [
            Line("Constant" if gap.any() else "Constant, exactly 0", steps, gap, initializer="constant"),
            Line("Xavier", np.array(varied.steps), np.array([float(gaps[0]) for gaps in varied.symmetry_gap]),
                 initializer="xavier_normal")], log=True, guides=[(SPLIT, "split")], points=False),
        Plot("Loss", "step", [
            Line(name, np.array(history.steps), np.array(history.loss), initializer=key) for name, key, history in (
                ("Constant", "constant", same), ("Xavier", "xavier_normal", varied))], points=False)]
    return Finding(checks, plots, f"After {STEPS:,} steps the copies differ by {number(gap[-1])} of their length and "
                   f"the loss is {number(same.loss[-1])}; Xavier's start has {number(soon)} after {SOON} steps. "
                   + ("The copies never split." if split is None else f"The copies split by step {split}."))


# ---------------------------------------------------------------------------------------------- 9: local optima

DIRECTIONS, ORDER_SAMPLES = 40, 64
ORDER_SIZES = (6, 8, 3)
STEP_SIZES = 10.0 ** np.linspace(-2.5, -1.5, 9)
SETTLE, SETTLE_RATE, NUDGE = 1000, 0.02, 1e-3  # Adam's rate: gradient descent takes ten times as long to leave


def _changes(depth: int, seed: int) -> Numbers:
    """L(eps u) - L(0) without biases, tanh, squared error: an array (directions, steps)."""
    inputs, hidden, outputs = ORDER_SIZES
    sizes = (inputs, *[hidden] * (depth - 1), outputs)
    rng = stream(seed, INPUT_STREAM, depth)
    x = rng.standard_normal((ORDER_SAMPLES, inputs))
    y = rng.standard_normal((ORDER_SAMPLES, outputs))
    biases = [np.zeros(size) for size in sizes[1:]]

    def loss(weights: Sequence[Numbers]) -> float:
        *_, (_, out) = forward(weights, biases, x, "tanh")
        return float(LOSSES["mse"](out, y)[0])

    at_zero = loss([np.zeros(shape) for shape in zip(sizes, sizes[1:], strict=False)])
    directions = [[initialize("normal", *shape, rng=rng, std=1.0, dtype="float64")
                   for shape in zip(sizes, sizes[1:], strict=False)] for _ in range(DIRECTIONS)]
    return np.array([[loss([step * u for u in direction]) - at_zero for step in STEP_SIZES]
                     for direction in directions])


def _optimum(seed: int, depth: float) -> Finding:
    """Claim 9: the loss around 0, by direction; and what a nudge does to copies that have settled."""
    layers = int(depth)
    changes = {d: _changes(d, seed) for d in sorted({2, 3, 4, layers})}
    sizes = {d: np.sqrt(np.square(found).mean(axis=0)) for d, found in changes.items()}
    power = {d: float(np.polyfit(np.log(STEP_SIZES), np.log(size), 1)[0]) for d, size in sizes.items()}
    downhill = float((changes[layers][:, 0] < 0).mean())

    batch = make_batch("moons", ORDER_SAMPLES, seed=seed, dtype="float64")
    network = Network((2, WIDTH, 2), "tanh", "constant", seed=seed, dtype="float64",
                      initializer_params={"value": VALUE})
    recipe = Recipe("adam", SETTLE_RATE, SETTLE)
    settled = Race([network.parameters()], batch, recipe, activation="tanh").advance()
    end = settled.parameters()[0] or network.parameters()
    after = Race([end, _nudged(end, NUDGE, seed)], batch, recipe, activation="tanh").advance()
    left, nudged = after.histories
    checks = [
        Check.least(f"Flat: power of the step by which the loss changes around 0, depth {layers}", power[layers], 2.9,
                    "3 and more: gradient and curvature are both 0. 0.1 is for the fit."),
        Check("Local optimum at 0: share of directions that lead down", downhill, 0, 0, 0,
              "None leads down from an optimum."),
        Check.within(f"Local optimum of copies: loss {SETTLE:,} steps after a nudge of {NUDGE:g} over the loss without",
                     nudged.loss[-1] / left.loss[-1], 1, 0.05, "An optimum would take the nudge back; ±5 %.")]
    x = np.log10(STEP_SIZES)
    before = settled.histories[0]
    plots = [
        Plot("Change of the loss around 0 by the step's length, log axes", "power of ten of the step", [
            Line(f"depth {d}", x, size, size[0] * (STEP_SIZES / STEP_SIZES[0]) ** d) for d, size in sizes.items()],
             log=True),
        Plot("Loss of copies, left alone and nudged", "step", [
            Line("until they settle", np.array(before.steps), np.array(before.loss)),
            Line("left alone", SETTLE + np.array(left.steps), np.array(left.loss)),
            Line("nudged", SETTLE + np.array(nudged.steps), np.array(nudged.loss))], points=False)]
    return Finding(checks, plots, f"Around 0 the loss of {layers} layers changes with the power "
                   f"{number(power[layers])} of the step, and {percent(downhill)} of the directions lead down. Copies "
                   f"settle at a loss of {number(left.loss[-1])}; a nudge of {NUDGE:g} and they leave for "
                   f"{number(nudged.loss[-1])}.")


# ---------------------------------------------------------------------------------------------- the table

def _to_signal(knobs: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    return "signal", {"init": ("constant",), "activation": knobs["activation"], "depth": int(knobs["depth"]),
                      "width": NEURONS, "constant": knobs["product"] / NEURONS, "batch": SAMPLES,
                      "spread": "rms", "quantity": "delta" if "loss" in knobs else "activation"}


_PRODUCT = Control("Neurons × value, n·c", 1.5, Interval(0.1, 4), "Drawn beside 0.5, 1 and 2.", 0.1)

CLAIMS: Mapping[str, Experiment] = MappingProxyType({
    "same_symmetry": Experiment(
        "5. One value: symmetry",
        "With the same non-zero value everywhere the neurons of a layer still compute the same thing.",
        f"As for zeros: {SAMPLES} digits, three layers, hidden ones of {WIDTH}, softmax cross-entropy, float64, "
        f"{zeros.STEPS} steps of gradient descent at {RATE:g}. Neurons count as different beyond round-off.",
        "What was said of zeros needs equal weights, not zeros: copies get the same gradient and stay copies. In "
        "floating point it holds to the last bit where the width is a multiple of 8, else up to round-off.",
        "Goodfellow, Bengio and Courville 2016, \"Deep Learning\", section 8.4", _symmetry, MappingProxyType({
            "activation": activation_knob("tanh", "tanh", "relu", "sigmoid"),
            "value": Control("Value", VALUE, Interval(-1, 1), "Of every weight.", 0.05)}),
        zeros.to_symmetry("constant")),
    "same_signal": Experiment(
        "6. One value: signals disappear or explode",
        "The inputs fade out or accumulate on their way through the layers.",
        f"All weights c, layers of n = {NEURONS}, biases 0, {SAMPLES} digits. The root mean square of the activations "
        "is followed, as copies have no spread between neurons.",
        "A layer of copies passes n·c times its activation on: below 1 the signal fades, above 1 it grows, at 1 it "
        "does neither. A bounded activation such as tanh never lets it explode.",
        "Follows from z = Σ c·h = n·c·h", _signals, MappingProxyType({
            "activation": activation_knob("relu", "relu", "linear", "tanh"), "product": _PRODUCT,
            "depth": depth_knob(20, 3, 60)}), _to_signal),
    "same_slow": Experiment(
        "7. One value: slow convergence",
        "Training converges slowly, because it must slowly break the symmetry first.",
        f"One hidden layer of {WIDTH} tanh neurons, all weights {VALUE:g}, {SAMPLES} digits, {STEPS:,} full-batch "
        f"steps of gradient descent or momentum at {RATE:g}, Adam at {ADAM_RATE:g}; float64.",
        "Training never breaks it: exchanging copies maps the weights to themselves, and gradient descent, momentum "
        "and Adam keep what is exchanged equal. Noise of any size breaks it, after a time that grows with the "
        "logarithm of its inverse.",
        "Follows from the permutation symmetry of a layer; round-off that differs between copies, at widths that are "
        "no multiple of 8, is noise too", _slow, MappingProxyType({
            "epsilon": Control("Perturbation", 0.0, Ladder((0, 1e-8, 1e-6, 1e-4, 1e-3, 1e-2)),
                               "Standard deviation of the normal noise added to every weight."),
            "optimizer": Control("Optimiser", "sgd", OPTIMIZER_LABELS, CONTROLS["optimizer"].help)}),
        lambda knobs: ("symmetry", {"init": ("constant", "xavier_normal"), "activation": "tanh", "depth": 2,
                                    "width": WIDTH, "batch": SAMPLES, "constant": VALUE, "moment": 100,
                                    "optimizer": knobs["optimizer"], "epsilon": knobs["epsilon"],
                                    "rate": ADAM_RATE if knobs["optimizer"] == "adam" else RATE})),
    "same_gradient": Experiment(
        "8. One value: vanishing or exploding gradients",
        "Depending on the value, the gradients vanish or explode.",
        f"All weights c, layers of n = {NEURONS}, biases 0, {SAMPLES} digits. The loss is the squared error or softmax "
        "cross-entropy; measured is dL/dz of the hidden layers.",
        "Backward, too, a layer of copies multiplies by n·c and by the slope of the activation. Two cases escape: "
        "tanh's slope falls where the signal grows, and softmax's errors cancel where all output weights are equal.",
        "Follows from δ_l = n·c·δ_{l+1}·φ'(z_l); the errors of softmax cross-entropy sum to 0 over the classes",
        _gradients, MappingProxyType({
            "activation": activation_knob("relu", "relu", "linear", "tanh"), "product": _PRODUCT,
            "loss": Control("Loss", "mse", MappingProxyType({
                "mse": "Squared error", "softmax_ce": "Softmax cross-entropy"}), "What the gradient is of."),
            "depth": depth_knob(20, 3, 60)}), _to_signal),
    "same_optimum": Experiment(
        "9. One value: stuck in local optima",
        "The network gets stuck in a local optimum, as the landscape is flat.",
        f"Around 0: tanh, no biases, squared error on {ORDER_SAMPLES} random samples, {DIRECTIONS} random directions. "
        f"Copies: {WIDTH} tanh neurons on the moons, all weights {VALUE:g}, trained by Adam for {SETTLE:,} steps, "
        f"then on, with and without noise of {NUDGE:g}.",
        "Flat is true: around 0 the loss changes with the power of the step that is the depth. An optimum it is not: "
        "half of the directions lead down, and copies that have settled leave at the first nudge: a saddle.",
        "LeCun et al. 1998, \"Efficient BackProp\", section 4.4, on the flat surface near the origin; Saxe et al. 2014 "
        "on saddles", _optimum, MappingProxyType({"depth": depth_knob(3, 2, 5, "Of the loss around 0.")}),
        lambda knobs: ("training", {"init": ("constant", "xavier_normal"), "activation": "tanh", "input": "moons",
                                    "depth": 2, "width": WIDTH, "batch": ORDER_SAMPLES, "constant": VALUE,
                                    "optimizer": "adam", "rate": SETTLE_RATE, "steps": SETTLE,
                                    "measure": "symmetry_gap"})),
})
