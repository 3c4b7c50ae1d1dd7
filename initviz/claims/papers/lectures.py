"""The tables of two lectures: CS231n's activation statistics and makemore's diagnostics."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from initviz.charts.plots import Line, Plot
from initviz.claims.experiment import Check, Experiment, Result
from initviz.claims.papers.glorot import densities
from initviz.core.arrays import Array
from initviz.core.batches import make_batch
from initviz.core.network import Network
from initviz.core.propagation import forward, propagate
from initviz.core.statistics import saturated_share
from initviz.core.validation import Interval, Parameter
from initviz.core.wording import number, percent
from initviz.training.gradient_descent import Parameters, Race, Recipe

# ---------------------------------------------------------------------------------------------- CS231n

SAMPLES, WIDTH, DEPTH = 1000, 500, 10
SMALL = (0.213081, 0.047551, 0.010630, 0.002378, 0.000532, 0.000119)  # as printed, as far as it has three digits
HE_MEANS = (0.5625, 0.5536, 0.5459, 0.5654, 0.5477, 0.5871, 0.5969, 0.6232, 0.5675, 0.5525)
XAVIER_TANH = (0.627929, 0.486262, 0.408236, 0.357638, 0.321622, 0.294390, 0.272911, 0.255430, 0.240856, 0.228473)
LARGE = (0.982012, *[0.98168] * (DEPTH - 1))
HE_STD = math.sqrt(1 - 1 / math.pi)
XAVIER_RELU = tuple(0.583819 * 2 ** (-layer / 2) for layer in range(DEPTH))


def _table(seed: int) -> Result:
    """Standard deviations of ten layers' activations under the five initializations of the slides."""
    x = make_batch("normal", SAMPLES, seed=seed, features=WIDTH).x
    layers = np.arange(1, DEPTH + 1)
    # By row: activation, initializer, its standard deviation where it has one, published or derived values.
    rows = {"tanh, 0.01": ("tanh", "normal", 0.01, (*SMALL, *[0.213546 * 0.223607**k for k in range(6, DEPTH)])),
            "tanh, 1.0": ("tanh", "normal", 1.0, LARGE),
            "tanh, 1/√n": ("tanh", "lecun_normal", 1.0, XAVIER_TANH),
            "ReLU, 1/√n": ("relu", "lecun_normal", 1.0, XAVIER_RELU),
            "ReLU, √(2/n)": ("relu", "he_normal", 1.0, (HE_STD,) * DEPTH)}
    stds: dict[str, Array] = {}
    means = np.zeros(0)
    for row, (phi, key, scale, _) in rows.items():
        params = {"std": scale} if key == "normal" else {}
        network = Network((*[WIDTH] * (DEPTH + 1), 1), phi, key, seed=seed, initializer_params=params)
        weights, biases = network.parameters()
        hidden = [h for _, h in forward(weights, biases, x, phi)][:DEPTH]
        stds[row] = np.array([float(h.std(dtype=np.float64)) for h in hidden])
        means = np.array([float(h.mean(dtype=np.float64)) for h in hidden])
    checks = []
    for row, layer, margin, label in (
            ("tanh, 0.01", 1, 0.01, "Published"), ("tanh, 0.01", len(SMALL), 0.03, "Published"),
            ("tanh, 0.01", DEPTH, 0.03, "Derived, as only one digit is printed"), ("tanh, 1/√n", 1, 0.01, "Derived"),
            ("tanh, 1/√n", DEPTH, 0.03, "Derived"), ("tanh, 1.0", 1, 0.01, "Derived"),
            ("tanh, 1.0", DEPTH, 0.03, "Derived")):
        checks.append(Check.within(
            f"{row}: standard deviation, layer {layer}", float(stds[row][layer - 1]), rows[row][3][layer - 1], margin,
            f"{label}; {margin:.0%} is three times and more what the seed moves it, which adds up over the layers."))
    drift = 1.5 * math.sqrt(5 * DEPTH / WIDTH)
    for row, measured, target, label in (
            ("ReLU, √(2/n): standard deviation", stds["ReLU, √(2/n)"][-1], 0.844523, "Published"),
            ("ReLU, √(2/n): mean", means[-1], HE_MEANS[-1], "Published"),
            ("ReLU, √(2/n): standard deviation, derived", stds["ReLU, √(2/n)"][-1], HE_STD, "Derived, √(1 − 1/π)"),
            ("ReLU, 1/√n: standard deviation", stds["ReLU, 1/√n"][-1], XAVIER_RELU[-1], "Derived, 0.584 · 2^(-9/2)")):
        checks.append(Check(f"{row}, layer {DEPTH}", float(measured), target * math.exp(-drift),
                            target * math.exp(drift), target,
                            f"{label}; e to ±3·½√(5 L/n), three standard deviations of what a draw of ten "
                            "ReLU layers of 500 does."))
    plots = [Plot(f"{name}: standard deviation of the activations against the layer, log axis", "layer", [
        Line(row.split(", ")[1], layers, measured, np.array(rows[row][3]), rows[row][1])
        for row, measured in stds.items() if row.startswith(name)], log=True) for name in ("tanh", "ReLU")]
    return Result(checks, plots, "Layer 10: " + "; ".join(
        f"{row}: {number(float(measured[-1]))}" for row, measured in stds.items()) + ".")


# ---------------------------------------------------------------------------------------------- makemore

CHARACTERS, EMBEDDED, NEURONS, HIDDEN, LETTERS_IN_BATCH = 27, 30, 100, 5, 32
NETWORKS = 10
LAST_LAYER = 0.1
RATE, LETTERS = 0.1, 256
RECORDED = np.arange(0, 200, 4)
DRAWN = MappingProxyType({"activations": "Activations", "gradients": "Gradients", "updates": "Update ÷ data"})
# By gain, as the lecture printed them: standard deviations, saturated shares, dL/dh of layer 1 over layer 5.
PRINTED_STDS = MappingProxyType({5 / 3: (0.75, 0.69, 0.67, 0.66, 0.66), 1.0: (0.62, 0.48, 0.41, 0.35, 0.32),
                                 3.0: (0.85, 0.84), 0.5: (0.41, 0.20, 0.10, 0.05, 0.02)})
PRINTED_SATURATED = MappingProxyType({5 / 3: (0.2025, 0.0838, 0.0662, 0.0547, 0.0612),
                                      3.0: (0.4766, 0.4047, 0.424)})
PRINTED_RATIOS = MappingProxyType({5 / 3: 4.21e-4 / 3.05e-4, 3.0: 9.98e-4 / 3.05e-4, 0.5: 1.89e-5 / 3.05e-4})
GAIN_NAMES = MappingProxyType({5 / 3: "5/3", 1.0: "1", 3.0: "3", 0.5: "0.5"})


@dataclass(frozen=True, eq=False)
class Look:
    """What is seen of networks of one gain by hidden layer: means over the networks, and one network's values.

    ``stds`` and ``saturated`` are of the activations, ``gradient_stds`` of dL/dh.
    """

    stds: Array
    saturated: Array
    gradient_stds: Array
    activations: list[Array]
    gradients: list[Array]


def lecture_network(gain: float, seed: int) -> Parameters:
    """The lecture's initialization: W = randn/√n · gain, the last layer times LAST_LAYER instead of the gain."""
    sizes = (EMBEDDED, *[NEURONS] * HIDDEN, CHARACTERS)
    weights, biases = Network(sizes, "tanh", "lecun_normal", gain, seed=seed).parameters()
    weights[-1] *= np.float32(LAST_LAYER / gain)
    return weights, biases


def _look(gain: float, seed: int) -> Look:
    stds, shares, gradient_stds = [], [], []
    activations: list[Array] = []
    gradients: list[Array] = []
    for draw in range(NETWORKS):
        weights, biases = lecture_network(gain, seed + 1000 * draw)
        batch = make_batch("normal", LETTERS_IN_BATCH, seed=seed + 1000 * draw, features=EMBEDDED)
        passed = propagate(weights, biases, batch.x, batch.targets, activation="tanh", loss="softmax_ce")
        activations = passed.activations[:HIDDEN]
        gradients = [delta @ w.T for delta, w in zip(passed.deltas[1:], weights[1:], strict=True)]
        stds.append([float(h.std()) for h in activations])
        shares.append([saturated_share(h, -1, 1) for h in activations])
        gradient_stds.append([float(g.std()) for g in gradients])
    return Look(np.mean(stds, axis=0), np.mean(shares, axis=0), np.mean(gradient_stds, axis=0), activations, gradients)


def update_ratios(gain: float, seed: int) -> Array:
    """log10 of the size of each layer's updates over its weights' at the steps RECORDED: an array (steps, layers)."""
    batch = make_batch("normal", LETTERS, seed=seed, features=EMBEDDED)
    recipe = Recipe(rate=RATE, steps=int(RECORDED[-1]) + 1, batch_size=LETTERS_IN_BATCH)
    race = Race([lecture_network(gain, seed)], batch, recipe, activation="tanh", seed=seed,
                record=RECORDED.tolist()).advance()
    return np.array(race.histories[0].update_ratio[:len(RECORDED)])


def _makemore(seed: int, gain: float, drawn: str) -> Result:
    """Activations, saturation and gradients of the lecture's network at initialization, for its four gains."""
    by_gain = {value: _look(value, seed) for value in PRINTED_STDS}
    checks = []
    for value, targets in PRINTED_STDS.items():
        measured = by_gain[value].stds[:len(targets)]
        layer = int(np.abs(measured - targets).argmax())
        checks.append(Check(
            f"Gain {GAIN_NAMES[value]}: standard deviation, layer {layer + 1}, the furthest off",
            float(measured[layer]), targets[layer] - 0.03, targets[layer] + 0.03, targets[layer],
            "Published, of one batch with two decimals; ±0.03 is twice what such a batch moves it by, and more."))
    for value, targets in PRINTED_SATURATED.items():
        measured = by_gain[value].saturated[:len(targets)]
        layer = int(np.abs(measured - targets).argmax())
        checks.append(Check(
            f"Gain {GAIN_NAMES[value]}: saturated share, layer {layer + 1}, the furthest off", float(measured[layer]),
            targets[layer] - 0.04, targets[layer] + 0.04, targets[layer],
            "Published, of one batch; four percentage points for 3,200 correlated values."))
    for value, target in PRINTED_RATIOS.items():
        ratio = float(by_gain[value].gradient_stds[0] / by_gain[value].gradient_stds[-1])
        checks.append(Check.within(f"Gain {GAIN_NAMES[value]}: dL/dh of layer 1 over layer 5", ratio, target, 0.2,
                                   "Published, of one batch; 20 % for one draw of the weights."))
    bent = _look(gain, seed)
    plots = _plots(drawn, by_gain, bent, gain, seed)
    return Result(checks, plots, f"At a gain of {number(gain, 3)} the standard deviation goes from "
                   f"{number(float(bent.stds[0]))} to {number(float(bent.stds[-1]))} over five layers, and "
                   f"{percent(float(bent.saturated[-1]))} of layer 5 is beyond 0.97. The gradient dL/dh is "
                   f"{number(float(bent.gradient_stds[0] / bent.gradient_stds[-1]))} times as large in layer 1 as in "
                   "layer 5.")


def _plots(drawn: str, by_gain: Mapping[float, Look], bent: Look, gain: float, seed: int) -> list[Plot]:
    """One of the lecture's diagnostics at the chosen gain, and where it has one, the scale by layer at every gain."""
    if drawn == "updates":
        ratios, names = update_ratios(gain, seed), [f"layer {layer}" for layer in range(1, HIDDEN + 1)] + ["output"]
        return [Plot("Update ÷ data of the weights while training begins, power of ten", "step", [
            Line(name, RECORDED, column) for name, column in zip(names, ratios.T, strict=True)],
            guides=[(-3.0, "about 10⁻³")], points=False, ordered=True)]
    layers = np.arange(1, HIDDEN + 1)
    printed = {value: np.array(stds) for value, stds in PRINTED_STDS.items() if len(stds) == HIDDEN}
    if drawn == "gradients":
        return [Plot("Density of the gradients dL/dh at the chosen gain", "dL/dh in units of layer 5's standard "
                     "deviation", densities(bent.gradients, float(bent.gradients[-1].std()), 3.0), points=False,
                     ordered=True),
                Plot("Standard deviation of dL/dh against the layer, log axis", "layer", [
                    *(Line(f"gain {GAIN_NAMES[value]}", layers, by_gain[value].gradient_stds)
                      for value in sorted(PRINTED_STDS)), Line("chosen gain", layers, bent.gradient_stds)], log=True,
                     ordered=True)]
    return [Plot("Density of the activations at the chosen gain", "activation", densities(bent.activations, 1.0, 1.0),
                 points=False, ordered=True),
            Plot("Standard deviation of the activations against the layer", "layer", [
                *(Line(f"gain {GAIN_NAMES[value]}", layers, by_gain[value].stds, printed.get(value))
                  for value in sorted(PRINTED_STDS)), Line("chosen gain", layers, bent.stds)], ordered=True)]


FIGURES: Mapping[str, Experiment] = MappingProxyType({
    "cs231n": Experiment(
        "CS231n, the activation tables",
        "Ten layers of 500: at 0.01 tanh's activations die out, at 1.0 they saturate, at 1/√n they shrink slowly; ReLU "
        "dies out at 1/√n and keeps its scale at √(2/n).",
        "1000 unit normal inputs, ten layers, no biases, as on the slides; the numbers of the rows 1.0 and 1/√n were "
        "not legible in the copy at hand, so theory's stand in their place. Drawn are the standard deviations alone: "
        "the slides have the means and a histogram of every layer, too.",
        "Each row is the variance map of its activation, iterated. ReLU's rows wander from it by what ten layers of "
        "500 neurons allow, and so do the published ones, from 0.814 to 0.889.",
        "Stanford CS231n, lecture 6, slides of 2017", _table),
    "makemore": Experiment(
        "Karpathy's makemore, part 3: the diagnostics",
        "In a tanh network of five layers a gain of 5/3 keeps the activations' spread; 1 lets it shrink, 3 saturates "
        "them, 0.5 kills both them and the gradient.",
        "30 inputs, five layers of 100 tanh neurons, 27 outputs, W = randn/√n · gain, the last layer times 0.1, a "
        "batch of 32, no batch normalization; means over ten networks, and for the updates one in training, at a "
        "rate of 0.1. Replaced: the embedded letters of names by unit normals, the next letters by classes 0 to 9.",
        "The gain decides where tanh's variance map settles: at 0.651 for 5/3, at 0 for gains up to 1. The lecture's "
        "own numbers are those of one batch, which is what the tolerances are for.",
        "Karpathy, \"Building makemore part 3: activations and gradients, BatchNorm\"; numbers from two published "
        "copies of the lecture's output", _makemore,
        MappingProxyType({"gain": Parameter("Gain", 1.65, Interval(0.1, 5), "Of the pictures; the checks are of the "
                                            "lecture's four gains.", 0.05),
                          "drawn": Parameter("Draw", "activations", DRAWN, "Which of the lecture's diagnostics.")})),
})
