"""Claims 10 to 13: Xavier, He and LeCun."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from initviz.charts.plots import Line, Plot
from initviz.claims.experiment import Check, Experiment, Result
from initviz.claims.notes.zeros import depth_knob
from initviz.core.activations import ACTIVATIONS
from initviz.core.arrays import ROUND_OFF, Array
from initviz.core.batches import make_batch
from initviz.core.initializers import initialize, law_of
from initviz.core.network import INPUT_STREAM, WEIGHT_STREAM, Network, stream
from initviz.core.propagation import backward, forward
from initviz.core.statistics import ratio
from initviz.core.validation import Interval, Parameter
from initviz.core.wording import number, percent
from initviz.theory.trajectory import trajectory_of

DRAWN = "Standard deviation of the weights drawn; 3 % is many times what a draw of this size moves it by."
FORMULA = "lecun_normal"  # randn(fan_in, fan_out) / sqrt(fan_in), as a test of the table holds


def _std(key: str, fan_in: int, fan_out: int, seed: int) -> float:
    return float(initialize(key, fan_in, fan_out, rng=stream(seed, WEIGHT_STREAM), dtype="float64").std())


# ---------------------------------------------------------------------------------------------- 10: Xavier

SHAPES = MappingProxyType({"taper": (784, 256, 64, 10), "square": (256, 256, 256, 256), "widen": (64, 256, 784)})
SHAPE_LABELS = MappingProxyType({"taper": "784-256-64-10", "square": "256-256-256-256", "widen": "64-256-784"})
NAMES = MappingProxyType({"lecun_normal": "÷ √fan_in", "xavier_normal": "Xavier"})
# The explorer's hidden layers have one width: the settings that have a layer of the shape, and which layer.
EXPLORED: Mapping[str, Mapping[str, Any]] = MappingProxyType({
    "taper": {"input": "digits", "width": 64, "depth": 2}, "square": {"input": "normal", "width": 256, "depth": 3},
    "widen": {"input": "digits", "width": 256, "depth": 2}})
SHARED = MappingProxyType({"taper": (64, 10), "square": (256, 256), "widen": (64, 256)})


def _xavier(seed: int, shape: str) -> Result:
    """Claim 10: the formula's weights against Xavier's, and what each keeps in a linear network."""
    sizes = SHAPES[shape]
    batch = make_batch("normal", 256, seed=seed, features=sizes[0], dtype="float64")
    error = stream(seed, INPUT_STREAM, 1).standard_normal((256, sizes[-1]))
    ahead: dict[str, Array] = {}
    back: dict[str, Array] = {}
    derived: dict[str, tuple[Array, Array]] = {}
    for key in NAMES:
        weights, biases = Network(sizes, "linear", key, seed=seed, dtype="float64").parameters()
        zs, hs = zip(*forward(weights, biases, batch.x, "linear"), strict=True)
        deltas = [delta for delta, _ in backward(weights, batch.x, zs, hs, error, "linear")][::-1]
        ahead[key] = np.array([z.std() for z in zs])
        back[key] = np.array([(deltas[0] @ weights[0].T).std(), *(delta.std() for delta in deltas)])
        fans = list(zip(sizes, sizes[1:], strict=False))
        up = [fan_in * law_of(key).variance(fan_in, fan_out) for fan_in, fan_out in fans]
        down = [fan_out * law_of(key).variance(fan_in, fan_out) for fan_in, fan_out in fans]
        derived[key] = np.sqrt(np.cumprod(up)), np.sqrt([*np.cumprod(down[::-1])[::-1], 1.0])
    last = (sizes[-2], sizes[-1])
    twice = math.sqrt((sizes[0] + sizes[1]) / (sizes[0] + 2 * sizes[1]))
    checks = [
        Check.within("The formula's weights over Xavier's, last layer", _std(FORMULA, *last, seed)
                     / _std("xavier_normal", *last, seed), 1, 0.03, DRAWN),
        Check.within("Based on the outputs: the formula's weights where layer 1 has twice as many",
                     _std(FORMULA, sizes[0], 2 * sizes[1], seed) / _std(FORMULA, sizes[0], sizes[1], seed), twice,
                     0.03, "What 2/(fan_in + fan_out) would do. " + DRAWN),
        Check.within("Variance kept forward: Xavier's last layer over the input", float(ahead["xavier_normal"][-1]), 1,
                     0.2, "Standard deviations; 20 % is more than a draw of these widths moves them by."),
        Check.within("Variance kept backward: Xavier's gradient at the input over the output's",
                     float(back["xavier_normal"][0]) / float(error.std()), 1, 0.2, "The same.")]
    layers = np.arange(1, len(sizes))
    plots = [
        Plot("Forward: standard deviation of z, log axis", "layer", [
            Line(name, layers, ahead[key], derived[key][0], key) for key, name in NAMES.items()], log=True),
        Plot("Backward: standard deviation of the gradient, input to output, log axis", "after layer", [
            Line(name, np.arange(len(sizes)), back[key], derived[key][1], key) for key, name in NAMES.items()],
             log=True)]
    return Result(checks, plots, f"In {SHAPE_LABELS[shape]} Xavier's signal comes out at "
                   f"{number(float(ahead['xavier_normal'][-1]))} times its standard deviation and the gradient comes "
                   f"back at {number(float(back['xavier_normal'][0]))}; under randn / √fan_in at "
                   f"{number(float(ahead[FORMULA][-1]))} and {number(float(back[FORMULA][0]))}.")


# ---------------------------------------------------------------------------------------------- 11: smoothly

SMOOTH_WIDTH = 256


def _spread(h: Array) -> float:
    """Standard deviation of a neuron over the batch (rows): what distinguishes its inputs. 0 where it is round-off."""
    spread = math.sqrt(float(h.var(axis=0).mean()))
    return spread if spread > ROUND_OFF * float(np.finfo(h.dtype).eps) * math.sqrt(float(np.square(h).mean())) else 0.0


def _smoothly(seed: int, depth: float) -> Result:
    """Claim 11: Xavier's signal over depth, by activation."""
    layers = np.arange(1, int(depth))
    lines, ends = [], {}
    x = make_batch("normal", 64, seed=seed, features=SMOOTH_WIDTH, dtype="float64").x
    networks = {phi: Network((SMOOTH_WIDTH,) * (int(depth) + 1), phi, "xavier_normal", seed=seed, dtype="float64")
                for phi in ("linear", "tanh", "relu", "sigmoid")}
    weights, biases = networks["linear"].parameters()  # and everybody's: Xavier's draws know no activation
    for phi, network in networks.items():
        hidden = [h for _, h in forward(weights, biases, x, phi)][:-1]
        stds = np.array([_spread(h) for h in hidden])
        expected = np.sqrt(trajectory_of(network, np.square(x).mean(axis=1)).activation.mean(axis=1))[:-1]
        lines.append(Line(ACTIVATIONS[phi].label, layers, stds, expected if phi in ("linear", "tanh") else None))
        ends[ACTIVATIONS[phi].label] = ratio(stds[-1], stds[0])
    checks = [Check(f"{name}: last hidden layer over first", end, 0.1, 10, 1,
                    "Within a factor of ten: a convention, and a lenient one.") for name, end in ends.items()]
    return Result(checks, [Plot("Standard deviation of the activations over the batch, log axis", "layer", lines,
                                 log=True)],
                   f"From the first of {len(layers)} hidden layers to the last the spread is multiplied by "
                   + ", ".join(
                       f"{number(end)} ({name})" for name, end in ends.items()) + ".")


# ---------------------------------------------------------------------------------------------- 12: He

HE_WIDTH, HE_SAMPLES = 256, 256


def _he(seed: int, slope: float, depth: float) -> Result:
    """Claim 12: He's formula, what ReLU lets through, and the signal over depth."""
    params: dict[str, Any] = {"negative_slope": slope}
    z = stream(seed, INPUT_STREAM).standard_normal((HE_SAMPLES, HE_WIDTH))
    passed = np.where(z > 0, z, slope * z)
    x = make_batch("normal", HE_SAMPLES, seed=seed, features=HE_WIDTH, dtype="float64").x
    layers = np.arange(1, int(depth) + 1)
    rms_by_key = {}
    for key in ("he_normal", "lecun_normal"):
        weights, biases = Network((HE_WIDTH,) * (int(depth) + 1), "leaky_relu", key, seed=seed, dtype="float64",
                                  activation_params=params).parameters()
        rms_by_key[key] = np.array([math.sqrt(np.mean(np.square(z)))
                               for z, _ in forward(weights, biases, x, "leaky_relu", **params)])
    drift = 1.5 * math.sqrt(5 * depth / HE_WIDTH)
    share = (1 + slope**2) / 2
    checks = [
        Check.within("Standard deviation of randn / √(fan_in/2), fan_in 256", _std("he_normal", HE_WIDTH, 256, seed),
                     math.sqrt(2 / HE_WIDTH), 0.03, DRAWN),
        Check.within("Using half: share of the mean square that passes the activation", float(
            np.mean(np.square(passed)) / np.mean(np.square(z))), 0.5, 0.02,
            "2 % is three times what 65,536 values move it by."),
        Check(f"Signal kept under He: layer {int(depth)} over layer 1", float(rms_by_key["he_normal"][-1]
              / rms_by_key["he_normal"][0]), math.exp(-drift), math.exp(drift), 1,
              "e to ±3·½√(5 L/n): three standard deviations of what L layers of n neurons do.")]
    names = {"he_normal": "He", "lecun_normal": "÷ √fan_in"}
    start = float(np.sqrt(np.mean(np.square(x))))
    plot = Plot("Root mean square of the preactivations, log axis", "layer", [
        Line(name, layers, rms_by_key[key], start * math.sqrt(2 if key == "he_normal" else 1)
             * ((2 if key == "he_normal" else 1) * share) ** ((layers - 1) / 2), key)
        for key, name in names.items()], log=True)
    return Result(checks, [plot], f"The activation lets {percent(float(np.mean(np.square(passed)) / np.mean(z * z)))} "
                   f"of the mean square through. After {int(depth)} layers He's signal is "
                   f"{number(float(rms_by_key['he_normal'][-1] / rms_by_key['he_normal'][0]))} of the first layer's, "
                   f"that of randn / √fan_in "
                   f"{number(float(rms_by_key['lecun_normal'][-1] / rms_by_key['lecun_normal'][0]))}.")


# ---------------------------------------------------------------------------------------------- 13: LeCun

LECUN_FAN_IN = 256
PUBLISHED = 1998  # LeCun, Bottou, Orr and Müller, in "Neural Networks: Tricks of the Trade", Springer


def _lecun(seed: int, outputs: float) -> Result:
    """Claim 13: the formula, the year of its source, and how near Xavier's scale it is."""
    formula = stream(seed, WEIGHT_STREAM).standard_normal((LECUN_FAN_IN, int(outputs))) / math.sqrt(LECUN_FAN_IN)
    weights = initialize("lecun_normal", LECUN_FAN_IN, int(outputs), rng=stream(seed, WEIGHT_STREAM), dtype="float64")
    fans = np.array([16, 32, 64, 128, 256, 512, 1024, 2048])
    over = np.array([math.sqrt(law_of("lecun_normal").variance(LECUN_FAN_IN, n)
                               / law_of("xavier_normal").variance(LECUN_FAN_IN, n)) for n in fans])
    measured = np.array([_std("lecun_normal", LECUN_FAN_IN, int(n), seed)
                         / _std("xavier_normal", LECUN_FAN_IN, int(n), seed) for n in fans])
    near = _std("lecun_normal", LECUN_FAN_IN, int(outputs), seed) / _std("xavier_normal", LECUN_FAN_IN, int(outputs),
                                                                         seed)
    checks = [
        Check("The formula: largest difference between randn / √fan_in and LeCun normal on the same numbers",
              float(np.abs(formula - weights).max()), 0, 1e-15, 0, "10⁻¹⁵ is round-off."),
        Check("Early 1990s: year of \"Efficient BackProp\", not computed but read from its title page", PUBLISHED, 1990,
              1994, None, "1990 to 1994 is read as early. Weights that shrink with the number of inputs are older."),
        Check(f"Very similar to Xavier: its weights over Xavier's, {LECUN_FAN_IN} to {int(outputs)}", near, 0.9, 1.1, 1,
              "Within 10 %, read as very similar.")]
    plot = Plot(f"LeCun's weights over Xavier's by the number of outputs, {LECUN_FAN_IN} inputs",
                "power of two of the outputs", [Line("LeCun ÷ Xavier", np.log2(fans), measured, over, "lecun_normal")],
                guides=[(1.0, "the same")])
    return Result(checks, [plot], f"From {LECUN_FAN_IN} inputs to {int(outputs)} outputs LeCun's weights are "
                   f"{number(near)} times as large as Xavier's; with as many outputs as inputs they are the same.")


# ---------------------------------------------------------------------------------------------- the table

_GLOROT = "Glorot and Bengio 2010, section 4.2.1, equations 10 to 12"

CLAIMS: Mapping[str, Experiment] = MappingProxyType({
    "xavier_formula": Experiment(
        "10. Xavier: the formula",
        "Xavier scales weights based on the number of inputs and outputs, to keep the variance consistent: "
        "randn(fan_in, fan_out) / sqrt(fan_in).",
        "A linear network, so that the weights alone count; unit normal inputs, a unit normal error sent back, the "
        "same draws under both rules, float64. Dashed: what the fans derive.",
        "The formula has no fan_out: it is LeCun's, and Xavier's is randn · √(2/(fan_in + fan_out)). Xavier's is a "
        "compromise between forward and backward, and keeps either variance only where layers are square.", _GLOROT,
        _xavier, MappingProxyType({"shape": Parameter("Layers", "taper", SHAPE_LABELS, "Inputs, hidden, outputs.")}),
        lambda knobs: ("formulas", EXPLORED[knobs["shape"]]), "the formula is Xavier's own and every layer is square",
        "There the hidden layers have one width: the layer that the shapes share is "
        + ", ".join(f"{fan_in} → {fan_out}" for fan_in, fan_out in SHARED.values()) + "."),
    "xavier_smooth": Experiment(
        "11. Xavier: smooth propagation",
        "Xavier helps signals propagate smoothly.",
        f"Layers of {SMOOTH_WIDTH} neurons, 64 unit normal inputs, Xavier normal. The spread of a neuron over the "
        "batch is what the layer still says about its input; a constant offset says nothing, and a spread below 64 "
        "units of round-off counts as 0.",
        "It holds where a layer keeps the variance: on average for linear, nearly for tanh, whose variance decays like "
        "1/(2·layer). Under ReLU a layer keeps half of the mean square and less of the spread, as the inputs also grow "
        "alike, and under sigmoid a quarter of the standard deviation at most.",
        _GLOROT + "; Poole et al. 2016 for the map", _smoothly, MappingProxyType({"depth": depth_knob(20, 3, 60)}),
        lambda knobs: ("signal", {"init": ("xavier_normal",), "activation": "relu", "depth": int(knobs["depth"]),
                                  "width": SMOOTH_WIDTH, "input": "normal", "batch": 64}),
        "a layer hands on what it is given, as linear and tanh ones do, or the layers are few",
        "There it is one activation at a time, ReLU at first."),
    "he": Experiment(
        "12. He: a refinement for ReLU",
        "He is a refinement for ReLU, randn / sqrt(fan_in / 2): it accounts for ReLU only using half of the inputs.",
        f"Layers of {HE_WIDTH} neurons, {HE_SAMPLES} unit normal inputs, float64, the same draws under both laws. "
        "Dashed: factors of 2·(1 + slope²)/2 and half of it a layer.",
        "ReLU passes half of the mean square of a symmetric signal, and twice the variance makes up for it, in "
        "expectation at any width. With a slope a below 0 it passes (1 + a²)/2, and the 2 must become 2/(1 + a²).",
        "He, Zhang, Ren and Sun 2015, section 2.2, equations 10 and 15", _he, MappingProxyType({
            "slope": Parameter("Slope below 0", 0.0, Interval(0, 1), "0 is ReLU, 1 is linear.", 0.05),
            "depth": depth_knob(20, 2, 60)}),
        # the explorer's He takes the slope into account: the gain undoes it
        lambda knobs: ("signal", {"init": ("he_normal",), "activation": "leaky_relu", "slope": knobs["slope"],
                                  "gain": math.sqrt(1 + knobs["slope"] ** 2), "depth": int(knobs["depth"]),
                                  "width": HE_WIDTH, "input": "normal", "batch": HE_SAMPLES, "spread": "rms"}),
        "the slope below 0 is 0, or close to it"),
    "lecun": Experiment(
        "13. LeCun: the original",
        "LeCun is the original technique, proposed in the early 1990s: randn / sqrt(fan_in), very similar to Xavier.",
        f"Weights of one layer of {LECUN_FAN_IN} inputs, drawn by the formula and by both rules from the same "
        "stream. No computation finds a date: the year is that of the publication.",
        "The formula is right and the date is not: as used it is of 1998, and weights scaled by the number of inputs "
        "are older. It is Xavier's only where a layer has as many outputs as inputs; else they differ by "
        "√((1 + out/in)/2).",
        "LeCun, Bottou, Orr and Müller 1998, \"Efficient BackProp\", section 4.6. Older: ±2.4/fan_in in LeCun et al. "
        "1998, \"Gradient-based learning applied to document recognition\", appendix A, reported to go back to their "
        "nets of 1989; Nguyen and Widrow 1990. "
        + _GLOROT, _lecun,
        MappingProxyType({"outputs": Parameter("Outputs", 10, Interval(2, 1024, integer=True), "Of the layer.")}),
        lambda knobs: ("formulas", {"input": "normal", "width": LECUN_FAN_IN, "depth": 3}),
        "the date is struck out and a layer has about as many outputs as inputs",
        f"There a layer of {LECUN_FAN_IN} inputs has {LECUN_FAN_IN} or 10 outputs, no other number."),
})
