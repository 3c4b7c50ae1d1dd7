"""Claims 5 to 8: why the same non-zero value for all weights is still a problem."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np

from initviz.charts.plots import Line, Plot
from initviz.claims.experiment import Check, Experiment, Result
from initviz.claims.notes import zeros
from initviz.claims.notes.zeros import SAMPLES, WIDTH, activation_knob, depth_knob, digits
from initviz.core.arrays import Array
from initviz.core.batches import Batch
from initviz.core.network import WEIGHT_STREAM, Network, stream
from initviz.core.propagation import forward, propagate
from initviz.core.simulation import errors_cancel
from initviz.core.statistics import ratio
from initviz.core.validation import Choices, Interval, Parameter
from initviz.core.wording import number
from initviz.training.gradient_descent import OPTIMIZER_HELP, OPTIMIZER_LABELS, Parameters, Race, Recipe

# ---------------------------------------------------------------------------------------------- 5: symmetry

RATE = 0.1


def _symmetry(seed: int, activation: str, value: float) -> Result:
    """Claim 5."""
    return zeros.copies(zeros.networks(activation, 3, seed, "constant", value), seed, RATE)


# ---------------------------------------------------------------------------------------------- 6 and 8: scale

NEURONS, PRODUCTS, LEAST_DEPTH = 64, (0.5, 1.0, 2.0), 6
LOST, GROWN = 0.1, 10.0
CONVENTION = "A tenth and tenfold: a convention; half and double need six layers to get there."


def _constant(product: float, activation: str, depth: int, seed: int) -> Network:
    """All weights ``product / NEURONS``: neurons times value is ``product``."""
    return Network((NEURONS, *[NEURONS] * (depth - 1), 10), activation, "constant", seed=seed, dtype="float64",
                   initializer_params={"value": product / NEURONS})


def _with_loss(batch: Batch, loss: str) -> Batch:
    """The batch of classes for that loss: one-hot targets for the squared error."""
    return replace(batch, targets=np.eye(10)[batch.targets], loss=loss) if loss == "mse" else batch


def _with_chosen(product: float) -> dict[str, float]:
    return {f"n·c = {value:g}": value for value in sorted({*PRODUCTS, product})}


def _signals(seed: int, activation: str, product: float, depth: float) -> Result:
    """Claim 6: the root mean square of every hidden layer's activations."""
    x = digits(seed).x
    layers = np.arange(1, int(depth))
    rms_by_name: dict[str, Array] = {}
    for name, value in _with_chosen(product).items():
        weights, biases = _constant(value, activation, int(depth), seed).parameters()
        hidden = [h for _, h in forward(weights, biases, x, activation)][:-1]
        rms_by_name[name] = np.array([math.sqrt(np.mean(np.square(h))) for h in hidden])
    ends = {name: ratio(rms[-1], rms[0]) for name, rms in rms_by_name.items()}
    chosen = ends[f"n·c = {product:g}"]
    checks = [
        Check.most("Fade out at n·c = 0.5: last hidden layer over first", ends["n·c = 0.5"], LOST, CONVENTION),
        Check.least("Accumulate at n·c = 2: the same", ends["n·c = 2"], GROWN, CONVENTION),
        Check.least(f"Either at n·c = {product:g}, as chosen: the factor by which it changes, up or down",
                    max(chosen, 1 / chosen), GROWN, CONVENTION)]
    return Result(checks, [Plot("Root mean square of the activations, log axis", "layer", [
        Line(name, layers, rms) for name, rms in rms_by_name.items()], log=True, ordered=True)],
        "Last hidden layer over first: " + ", ".join(f"{number(end)} at {name}" for name, end in ends.items()) + ".")


def _gradients(seed: int, activation: str, product: float, loss: str, depth: float) -> Result:
    """Claim 8: the norm of every layer's deltas, exact zeros where the errors cancel."""
    batch = _with_loss(digits(seed), loss)
    layers = np.arange(1, int(depth))
    norms_by_name: dict[str, Array] = {}
    for name, value in _with_chosen(product).items():
        weights, biases = _constant(value, activation, int(depth), seed).parameters()
        passed = propagate(weights, biases, batch.x, batch.targets, activation=activation, loss=loss)
        canceled = errors_cancel(passed.deltas[-1], weights[-1])
        norms_by_name[name] = np.array([0.0 if canceled else float(np.linalg.norm(d)) for d in passed.deltas[:-1]])
    ends = {name: ratio(norms[0], norms[-1]) if norms.any() else 0.0 for name, norms in norms_by_name.items()}
    checks = [
        Check.most("Vanish at n·c = 0.5: gradient of the first hidden layer over the last's",
                   ends["n·c = 0.5"], LOST, CONVENTION),
        Check.least("Explode at n·c = 2: the same", ends["n·c = 2"], GROWN, CONVENTION)]
    plot = Plot("Norm of dL/dz of the hidden layers, log axis", "layer",
                [Line(name, layers, norms) for name, norms in norms_by_name.items()], log=True, ordered=True)
    if not any(norms.any() for norms in norms_by_name.values()):
        return Result(checks, [plot], "Softmax's errors sum to 0 and equal output weights add them up: the hidden "
                       "layers get exactly no gradient at initialization, whatever the value: it has vanished.")
    return Result(checks, [plot], "First hidden layer over last: " + ", ".join(
        f"{number(end)} at {name}" for name, end in ends.items()) + ".")


# ---------------------------------------------------------------------------------------------- 7: slow convergence

STEPS, VALUE, ADAM_RATE = 1000, 0.1, 0.01
SPLIT, SLOW = 0.01, 3
LEARNED = MappingProxyType({"softmax_ce": 0.5, "mse": 0.05})


def _first(values: Iterable[float], below: float) -> float:
    """The first step at which a loss is below; NaN where there is none."""
    return next((step for step, value in enumerate(values) if value <= below), math.nan)


def _nudged(initial: Parameters, epsilon: float, seed: int) -> Parameters:
    """Initial weights with normal noise of standard deviation ``epsilon`` on every weight."""
    rng = stream(seed, WEIGHT_STREAM, 99)
    return [w + epsilon * rng.standard_normal(w.shape) for w in initial[0]], initial[1]


def _slow(seed: int, epsilon: float, optimizer: str, loss: str) -> Result:
    """Claim 7: the symmetry gap and the loss of a constant initialization through long training."""
    batch = _with_loss(digits(seed), loss)
    initial = [network.parameters() for network in zeros.networks("tanh", 2, seed, "constant", VALUE)]
    initial[0] = _nudged(initial[0], epsilon, seed)
    recipe = Recipe(optimizer, ADAM_RATE if optimizer == "adam" else RATE, STEPS)
    race = Race(initial, batch, recipe, activation="tanh").advance()
    same, varied = race.histories
    steps = np.array(same.steps)
    gap = np.array([float(gaps[0]) for gaps in same.symmetry_gap])
    split = next((step for step, value in zip(same.steps, gap, strict=True) if value > SPLIT), None)
    late, soon = (_first(history.seen_loss, LEARNED[loss]) for history in race.histories)
    checks = [
        Check.least(f"Symmetry broken: gap after {STEPS:,} steps", gap[-1], SPLIT,
                    "Largest difference between neurons' incoming weights, relative; 1 % is a convention."),
        Check("Slowly broken: step by which the gap is that large", math.nan if split is None else split, 10, STEPS,
              None, "Ten steps: a convention."),
        Check(f"Learns slowly, but does: steps to a loss of {LEARNED[loss]:g} over those of Xavier", late / soon, SLOW,
              STEPS / soon, None, f"Three times as many are read as slow; at most {STEPS:,} are made.")]
    plots = [
        Plot("Symmetry gap of the hidden layer, log axis", "step", [
            Line("Constant" if gap.any() else "Constant, exactly 0", steps, gap, initializer="constant"),
            Line("Xavier", np.array(varied.steps), np.array([float(gaps[0]) for gaps in varied.symmetry_gap]),
                 initializer="xavier_normal")], log=True, guides=[(SPLIT, "split")], points=False),
        Plot("Loss", "step", [
            Line(name, np.array(history.steps), np.array(history.loss), initializer=key) for name, key, history in (
                ("Constant", "constant", same), ("Xavier", "xavier_normal", varied))], points=False)]
    return Result(checks, plots, f"After {STEPS:,} steps the copies differ by {number(gap[-1])} of their length and "
                   f"the loss is {number(same.loss[-1])}. A loss of {LEARNED[loss]:g} takes Xavier {soon:g} steps, "
                   + (f"this one more than {STEPS:,}" if math.isnan(late) else f"this one {late:g}")
                   + ("; the copies never split." if split is None else f"; the copies have split by step {split}."))


# ---------------------------------------------------------------------------------------------- the table

def _to_signal(knobs: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    return "signal", {"init": ("constant",), "activation": knobs["activation"], "depth": int(knobs["depth"]),
                      "width": NEURONS, "constant": knobs["product"] / NEURONS, "batch": SAMPLES,
                      "spread": "rms", "quantity": "delta" if "loss" in knobs else "activation"}


LOSS = Parameter("Loss", "softmax_ce", MappingProxyType({
    "mse": "Squared error", "softmax_ce": "Softmax cross-entropy"}), "What the gradient is of.")

CLAIMS: Mapping[str, Experiment] = MappingProxyType({
    "same_symmetry": Experiment(
        "5. One value: symmetry",
        "With the same non-zero value everywhere the neurons of a layer still compute the same thing.",
        f"As for zeros: {SAMPLES} digits, three layers, hidden ones of {WIDTH}, softmax cross-entropy, float64, "
        f"{zeros.STEPS} steps of gradient descent at {RATE:g}. Neurons count as different beyond round-off.",
        "The argument for zeros needs equal weights, not zeros: copies get the same gradient and stay copies. Here "
        "the gradient of copies is computed once, so that they do to the last bit.",
        "Goodfellow, Bengio and Courville 2016, \"Deep Learning\", section 8.4", _symmetry, MappingProxyType({
            "activation": activation_knob("tanh", "tanh", "relu", "sigmoid"),
            "value": Parameter("Value", VALUE, Interval(-1, 1), "Of every weight.", 0.05)}),
        zeros.to_symmetry("constant", RATE), apart=zeros.SHORTER),
    "same_signal": Experiment(
        "6. One value: signals disappear or explode",
        "The inputs fade out or accumulate on their way through the layers.",
        f"All weights c, layers of n = {NEURONS}, biases 0, {SAMPLES} digits. The root mean square of the activations "
        "is followed, as copies have no spread between neurons.",
        "A layer of copies passes n·c times its activation on: under ReLU and linear the signal fades below 1, grows "
        "above 1 and does neither at 1. A bounded activation such as tanh takes from it and lets nothing explode.",
        "Follows from z = Σ c·h = n·c·h", _signals, MappingProxyType({
            "activation": activation_knob("relu", "relu", "linear", "tanh"),
            "product": Parameter("Neurons × value, n·c", 1.0, Interval(0.1, 4), "Checked beside 0.5 and 2.", 0.1),
            "depth": depth_knob(20, LEAST_DEPTH, 60)}), _to_signal,
        "n·c is well away from 1, and above 1 only where the activation is unbounded"),
    "same_slow": Experiment(
        "7. One value: slow convergence",
        "Training converges slowly, because it must slowly break the symmetry first.",
        f"One hidden layer of {WIDTH} tanh neurons, all weights {VALUE:g}, {SAMPLES} digits, {STEPS:,} full-batch "
        f"steps of gradient descent or momentum at {RATE:g}, Adam at {ADAM_RATE:g}; float64.",
        "Training alone never breaks it: exchanging copies maps the weights to themselves, and gradient descent, "
        "momentum and Adam keep what is exchanged equal. Noise breaks it: under gradient descent and momentum after a "
        "time that grows with the logarithm of its inverse, under Adam, which divides by the gradient's own size, "
        "sooner: at once with softmax, whose errors cancel and leave noise alone to be scaled up.",
        "Follows from the permutation symmetry of a layer; where a library's products add the terms of copies in "
        "different orders, round-off is noise too", _slow, MappingProxyType({
            "epsilon": Parameter("Perturbation", 0.0, Choices((0, 1e-8, 1e-6, 1e-4, 1e-3, 1e-2)),
                                 "Standard deviation of the normal noise added to every weight."),
            "optimizer": Parameter("Optimizer", "sgd", OPTIMIZER_LABELS, OPTIMIZER_HELP),
            "loss": LOSS}),
        lambda knobs: ("symmetry", {"init": ("constant", "xavier_normal"), "activation": "tanh", "depth": 2,
                                    "width": WIDTH, "batch": SAMPLES, "constant": VALUE, "after_steps": 100,
                                    "optimizer": knobs["optimizer"], "epsilon": knobs["epsilon"], "steps": STEPS,
                                    "rate": ADAM_RATE if knobs["optimizer"] == "adam" else RATE}),
        "a little noise breaks the symmetry",
        "Noise is drawn anew there, and only under Break it; the loss is softmax cross-entropy."),
    "same_gradient": Experiment(
        "8. One value: vanishing or exploding gradients",
        "Depending on the value, the gradients vanish or explode.",
        f"All weights c, layers of n = {NEURONS}, biases 0, {SAMPLES} digits. The loss is the squared error or softmax "
        "cross-entropy; measured is dL/dz of the hidden layers.",
        "Backward, too, a layer of copies multiplies by n·c and by the activation's derivative. Two cases do not "
        "explode: in a deep tanh network, after a few layers in which it grows, tanh's derivative falls and the "
        "gradient vanishes; and softmax's errors cancel where all output weights are equal.",
        "Follows from δ_l = n·c·δ_{l+1}·φ'(z_l); the errors of softmax cross-entropy sum to 0 over the classes",
        _gradients, MappingProxyType({
            "activation": activation_knob("relu", "relu", "linear", "tanh"),
            "product": Parameter("Neurons × value, n·c", 1.5, Interval(0.1, 4),
                                 "A line of its own; the checks are of 0.5 and 2.", 0.1),
            "loss": replace(LOSS, default="mse"),
            "depth": depth_knob(20, LEAST_DEPTH, 60)}), _to_signal,
        "the errors at the output do not cancel, and, to explode, the activation is unbounded or the layers are few",
        "There the loss is softmax cross-entropy, whose errors cancel here: only that choice shows the same."),
})
