"""Claim 9: whether copies, or zeros, are a local optimum in a flat landscape."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from initviz.charts.plots import Line, Plot
from initviz.claims.experiment import Check, Experiment, Result
from initviz.claims.notes.zeros import depth_knob
from initviz.core.arrays import Array
from initviz.core.batches import Batch
from initviz.core.initializers import initialize
from initviz.core.network import INPUT_STREAM, Network, stream
from initviz.core.propagation import LOSSES, forward, propagate
from initviz.core.wording import number, percent
from initviz.training.gradient_descent import Parameters, Race, Recipe

INPUTS, HIDDEN, OUTPUTS, SAMPLES = 6, 8, 3, 64
DIRECTIONS = 200
STEP_SIZES = 10.0 ** np.linspace(-2.5, -1.5, 9)
VALUE, SETTLE, RATE, NUDGE = 0.1, 1000, 0.1, 1e-3
DIFFERENCE = 1e-5  # of a weight, for a second derivative: round-off and the third derivative both stay below 1e-9


def teacher(seed: int) -> Batch:
    """Unit normal inputs (SAMPLES, INPUTS) and the outputs of a random network of HIDDEN tanh neurons."""
    rng = stream(seed, INPUT_STREAM)
    x = rng.standard_normal((SAMPLES, INPUTS))
    first, last = (initialize("lecun_normal", *fans, rng=rng, dtype="float64")
                   for fans in ((INPUTS, HIDDEN), (HIDDEN, OUTPUTS)))
    return Batch(x, np.tanh(x @ first) @ last, "mse", OUTPUTS)


def _changes(depth: int, batch: Batch, seed: int) -> Array:
    """L(eps u) - L(0) without biases, tanh, squared error: an array (directions, steps)."""
    sizes = (INPUTS, *[HIDDEN] * (depth - 1), OUTPUTS)
    rng = stream(seed, INPUT_STREAM, depth)
    units = [rng.standard_normal((DIRECTIONS, 1, *fans)) for fans in zip(sizes, sizes[1:], strict=False)]
    biases = [np.zeros(size) for size in sizes[1:]]

    def loss(lengths: Array) -> Array:
        weights = [(lengths[:, None, None] * u).reshape(-1, *u.shape[2:]) for u in units]
        *_, (_, out) = forward(weights, biases, batch.x, "tanh")
        return LOSSES["mse"](out, batch.targets)[0].reshape(DIRECTIONS, -1)

    return loss(STEP_SIZES) - loss(np.zeros(1))


def moved(parameters: Parameters, by: Array) -> Parameters:
    """The parameters, weights before biases, plus the parts of a vector."""
    weights, biases = parameters
    pieces = np.split(by, np.cumsum([p.size for p in (*weights, *biases)])[:-1])
    moved_parts = [p + piece.reshape(p.shape) for p, piece in zip((*weights, *biases), pieces, strict=True)]
    return moved_parts[:len(weights)], moved_parts[len(weights):]


def gradient(parameters: Parameters, batch: Batch) -> Array:
    """The gradient of the loss of a tanh network by all its parameters, weights before biases: a vector."""
    passed = propagate(*parameters, batch.x, batch.targets, activation="tanh", loss=batch.loss)
    return np.concatenate([g.ravel() for g in (*passed.weight_gradients, *passed.bias_gradients)])


def curvature(parameters: Parameters, batch: Batch) -> tuple[float, Array]:
    """The smallest eigenvalue of the loss's Hessian and its direction, by central differences of the gradient."""
    steps = DIFFERENCE * np.eye(sum(p.size for part in parameters for p in part))
    hessian = np.array([gradient(moved(parameters, step), batch) - gradient(moved(parameters, -step), batch)
                        for step in steps]) / (2 * DIFFERENCE)
    values, vectors = np.linalg.eigh((hessian + hessian.T) / 2)
    return float(values[0]), vectors[:, 0]


def _optimum(seed: int, depth: float) -> Result:
    """Claim 9: the loss around 0, by direction; and the curvature where copies have settled."""
    layers, batch = int(depth), teacher(seed)
    changes = {d: _changes(d, batch, seed) for d in sorted({2, 3, 4, layers})}
    sizes = {d: np.sqrt(np.square(changed).mean(axis=0)) for d, changed in changes.items()}
    power = {d: float(np.polyfit(np.log(STEP_SIZES), np.log(size), 1)[0]) for d, size in sizes.items()}
    downhill = float((changes[layers][:, 0] < 0).mean())

    initial = Network((INPUTS, HIDDEN, OUTPUTS), "tanh", "constant", dtype="float64",
                      initializer_params={"value": VALUE}).parameters()
    recipe = Recipe("momentum", RATE, SETTLE)
    settled = Race([initial], batch, recipe, activation="tanh").advance()
    end = settled.parameters()[0] or initial
    norm = float(np.linalg.norm(gradient(end, batch)))
    smallest, direction = curvature(end, batch)
    after = Race([end, moved(end, NUDGE * direction)], batch, recipe, activation="tanh").advance()
    as_is, nudged = after.histories
    checks = [
        Check.least(f"Flat: power of the step by which the loss changes around 0, depth {layers}", power[layers], 2.9,
                    "3 and more: gradient and curvature are both 0. 0.1 is for the fit."),
        Check("Local optimum at 0: share of directions that lead down", downhill, 0, 0, 0,
              "None leads down from an optimum."),
        Check.least("Local optimum of copies: smallest eigenvalue of the Hessian where they have settled", smallest, 0,
                    "An optimum curves up, or not at all, in every direction.")]
    x = np.log10(STEP_SIZES)
    before = settled.histories[0]
    plots = [
        Plot("Change of the loss around 0 by the step's length, log axes", "power of ten of the step", [
            Line(f"depth {d}", x, size, size[0] * (STEP_SIZES / STEP_SIZES[0]) ** d) for d, size in sizes.items()],
             log=True, ordered=True),
        Plot("Loss of copies, left alone and nudged", "step", [
            Line("until they settle", np.array(before.steps), np.array(before.loss)),
            Line("left alone", SETTLE + np.array(as_is.steps), np.array(as_is.loss)),
            Line("nudged", SETTLE + np.array(nudged.steps), np.array(nudged.loss))], points=False)]
    leave = nudged.loss[-1] < as_is.loss[-1] / 2
    return Result(checks, plots, f"Around 0 the loss of {layers} layers changes with the power "
                   f"{number(power[layers])} of the step, and {percent(downhill)} of the directions lead down. Copies "
                   f"settle at a loss of {number(as_is.loss[-1])}, where the gradient's length is {number(norm)} and "
                   f"the smallest eigenvalue {number(smallest)}; nudged by {NUDGE:g} along it they "
                   + (f"leave for {number(nudged.loss[-1])}." if leave else
                      f"are at {number(nudged.loss[-1])} after {SETTLE:,} more steps."))


CLAIMS: Mapping[str, Experiment] = MappingProxyType({
    "same_optimum": Experiment(
        "9. One value: stuck in local optima",
        "The network gets stuck in a local optimum, as the landscape is flat.",
        f"{SAMPLES} unit normal inputs and the outputs of a random network of {HIDDEN} tanh neurons, squared error. "
        f"Around 0: no biases, {DIRECTIONS} random directions. Copies: {HIDDEN} neurons, all weights {VALUE:g}, "
        f"{SETTLE:,} steps of momentum at {RATE:g}, then as many more, left alone and nudged by {NUDGE:g} in the "
        "direction that curves down most.",
        "Flat is true from depth 3 on: around 0 the loss changes with the power of the step that is the depth. But "
        "about half of the directions lead down from there, and where these copies settle one curves down, too: "
        "saddles, not optima. In other networks copies can be true local optima.",
        "LeCun et al. 1998, \"Efficient BackProp\", section 4.4, on the flat surface near the origin; Saxe et al. 2014 "
        "on saddles; Fukumizu and Amari 2000, \"Local minima and plateaus in hierarchical structures of multilayer "
        "perceptrons\", on when copies are one or the other",
        _optimum, MappingProxyType({"depth": depth_knob(3, 2, 5, "Of the loss around 0; the copies are one layer.")}),
        lambda knobs: ("training", {"init": ("constant", "xavier_normal"), "activation": "tanh", "input": "moons",
                                    "depth": 2, "width": HIDDEN, "batch": SAMPLES, "constant": VALUE,
                                    "optimizer": "momentum", "rate": RATE, "steps": SETTLE,
                                    "measure": "symmetry_gap"}),
        "“flat” is what is meant, from depth 3 on: a saddle is not an optimum",
        "There the copies learn two moons by softmax cross-entropy; the loss around 0 and the curvature are not seen."),
})
