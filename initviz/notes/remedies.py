"""Claims 10 to 17: Xavier, He and LeCun, and the key points."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from initviz.activations import ACTIVATIONS
from initviz.diagnosis import number, percent
from initviz.experiments import Check, Experiment, Finding, Line, Numbers, Plot
from initviz.initializers import INITIALIZERS, initialize, rule
from initviz.inputs import Batch, make_batch
from initviz.limits import Interval, Ladder
from initviz.meanfield import predict
from initviz.network import INPUT_STREAM, WEIGHT_STREAM, Network, stream
from initviz.notes.zeros import activation_knob, depth_knob
from initviz.propagation import backward, forward, propagate
from initviz.settings import Control
from initviz.statistics import distinct_neurons, ratio
from initviz.training import Recipe, race, recorded_steps

DRAWN = "Standard deviation of the weights drawn; 3 % is many times what a draw of this size moves it by."
FORMULA = "lecun_normal"  # randn(fan_in, fan_out) / sqrt(fan_in), as a test of the table holds


def _std(key: str, fan_in: int, fan_out: int, seed: int) -> float:
    return float(initialize(key, fan_in, fan_out, rng=stream(seed, WEIGHT_STREAM), dtype="float64").std())


# ---------------------------------------------------------------------------------------------- 10: Xavier

SHAPES = MappingProxyType({"taper": (784, 256, 64, 10), "square": (256, 256, 256, 256), "widen": (64, 256, 784)})
SHAPE_LABELS = MappingProxyType({"taper": "784-256-64-10", "square": "256-256-256-256", "widen": "64-256-784"})
NAMES = MappingProxyType({"lecun_normal": "÷ √fan_in", "xavier_normal": "Xavier"})


def _xavier(seed: int, shape: str) -> Finding:
    """Claim 10: the formula's weights against Xavier's, and what each keeps in a linear network."""
    sizes = SHAPES[shape]
    batch = make_batch("normal", 256, seed=seed, features=sizes[0], dtype="float64")
    error = stream(seed, INPUT_STREAM, 1).standard_normal((256, sizes[-1]))
    ahead: dict[str, Numbers] = {}
    back: dict[str, Numbers] = {}
    derived: dict[str, tuple[Numbers, Numbers]] = {}
    for key in NAMES:
        weights, biases = Network(sizes, "linear", key, seed=seed, dtype="float64").parameters()
        zs, hs = zip(*forward(weights, biases, batch.x, "linear"), strict=True)
        deltas = [delta for delta, _ in backward(weights, batch.x, zs, hs, error, "linear")][::-1]
        ahead[key] = np.array([z.std() for z in zs])
        back[key] = np.array([(deltas[0] @ weights[0].T).std(), *(delta.std() for delta in deltas)])
        fans = list(zip(sizes, sizes[1:], strict=False))
        up = [fan_in * rule(key).variance(fan_in, fan_out) for fan_in, fan_out in fans]
        down = [fan_out * rule(key).variance(fan_in, fan_out) for fan_in, fan_out in fans]
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
    return Finding(checks, plots, f"In {SHAPE_LABELS[shape]} Xavier's signal comes out at "
                   f"{number(float(ahead['xavier_normal'][-1]))} times its standard deviation and the gradient comes "
                   f"back at {number(float(back['xavier_normal'][0]))}; under randn / √fan_in at "
                   f"{number(float(ahead[FORMULA][-1]))} and {number(float(back[FORMULA][0]))}.")


# ---------------------------------------------------------------------------------------------- 11: smoothly

SMOOTH_WIDTH = 256


def _smoothly(seed: int, depth: float) -> Finding:
    """Claim 11: Xavier's signal over depth, by activation."""
    layers = np.arange(1, int(depth))
    lines, ends = [], {}
    for phi in ("linear", "tanh", "relu", "sigmoid"):
        network = Network((SMOOTH_WIDTH,) * (int(depth) + 1), phi, "xavier_normal", seed=seed, dtype="float64")
        x = make_batch("normal", 64, seed=seed, features=SMOOTH_WIDTH, dtype="float64").x
        weights, biases = network.parameters()
        hidden = [h for _, h in forward(weights, biases, x, phi)][:-1]
        # over the batch: what a layer says about its input, which a constant offset does not
        stds = np.array([float(np.sqrt(h.var(axis=0, dtype=np.float64).mean())) for h in hidden])
        expected = predict(network, x).activation_rms[:-1] if phi != "sigmoid" else None
        lines.append(Line(ACTIVATIONS[phi].label, layers, stds, expected if phi in ("linear", "tanh") else None))
        ends[ACTIVATIONS[phi].label] = ratio(stds[-1], stds[0])
    checks = [Check(f"{name}: last hidden layer over first", end, 0.1, 10, 1,
                    "Within a factor of ten: a convention, and a lenient one.") for name, end in ends.items()]
    return Finding(checks, [Plot("Standard deviation of the activations over the batch, log axis", "layer", lines,
                                 log=True)],
                   f"Over {len(layers)} hidden layers the spread is multiplied by " + ", ".join(
                       f"{number(end)} ({name})" for name, end in ends.items()) + ".")


# ---------------------------------------------------------------------------------------------- 12: He

HE_WIDTH, HE_SAMPLES = 256, 256


def _he(seed: int, slope: float, depth: float) -> Finding:
    """Claim 12: He's formula, what ReLU lets through, and the signal over depth."""
    params: dict[str, Any] = {"negative_slope": slope}
    z = stream(seed, INPUT_STREAM).standard_normal((HE_SAMPLES, HE_WIDTH))
    passed = np.where(z > 0, z, slope * z)
    x = make_batch("normal", HE_SAMPLES, seed=seed, features=HE_WIDTH, dtype="float64").x
    layers = np.arange(1, int(depth) + 1)
    found = {}
    for key in ("he_normal", "lecun_normal"):
        weights, biases = Network((HE_WIDTH,) * (int(depth) + 1), "leaky_relu", key, seed=seed, dtype="float64",
                                  activation_params=params).parameters()
        found[key] = np.array([math.sqrt(np.mean(np.square(z)))
                               for z, _ in forward(weights, biases, x, "leaky_relu", **params)])
    drift = 1.5 * math.sqrt(5 * depth / HE_WIDTH)
    share = (1 + slope**2) / 2
    checks = [
        Check.within("Standard deviation of randn / √(fan_in/2), fan_in 256", _std("he_normal", HE_WIDTH, 256, seed),
                     math.sqrt(2 / HE_WIDTH), 0.03, DRAWN),
        Check.within("Using half: share of the mean square that passes the activation", float(
            np.mean(np.square(passed)) / np.mean(np.square(z))), 0.5, 0.02,
            "2 % is four times what 65,536 values move it by."),
        Check(f"Signal kept under He: layer {int(depth)} over layer 1", float(found["he_normal"][-1]
              / found["he_normal"][0]), math.exp(-drift), math.exp(drift), 1,
              "e to ±3·½√(5 L/n): three standard deviations of what L layers of n neurons do.")]
    names = {"he_normal": "He", "lecun_normal": "÷ √fan_in"}
    start = float(np.sqrt(np.mean(np.square(x))))
    plot = Plot("Root mean square of the preactivations, log axis", "layer", [
        Line(name, layers, found[key], start * math.sqrt(2 if key == "he_normal" else 1)
             * ((2 if key == "he_normal" else 1) * share) ** ((layers - 1) / 2), key)
        for key, name in names.items()], log=True)
    return Finding(checks, [plot], f"The activation lets {percent(float(np.mean(np.square(passed)) / np.mean(z * z)))} "
                   f"of the mean square through. After {int(depth)} layers He's signal is "
                   f"{number(float(found['he_normal'][-1] / found['he_normal'][0]))} of the first layer's, that of "
                   f"randn / √fan_in {number(float(found['lecun_normal'][-1] / found['lecun_normal'][0]))}.")


# ---------------------------------------------------------------------------------------------- 13: LeCun

LECUN_FAN_IN = 256
NINETIES, EARLY = 1990, 4


def _lecun(seed: int, outputs: float) -> Finding:
    """Claim 13: the formula, the year of its source, and how near Xavier's scale it is."""
    formula = stream(seed, WEIGHT_STREAM).standard_normal((LECUN_FAN_IN, int(outputs))) / math.sqrt(LECUN_FAN_IN)
    drawn = initialize("lecun_normal", LECUN_FAN_IN, int(outputs), rng=stream(seed, WEIGHT_STREAM), dtype="float64")
    years = re.findall(r"\b(?:19|20)\d\d\b", INITIALIZERS["lecun_normal"].source)
    fans = np.array([16, 32, 64, 128, 256, 512, 1024, 2048])
    over = np.array([math.sqrt(rule("lecun_normal").variance(LECUN_FAN_IN, n)
                               / rule("xavier_normal").variance(LECUN_FAN_IN, n)) for n in fans])
    measured = np.array([_std("lecun_normal", LECUN_FAN_IN, int(n), seed)
                         / _std("xavier_normal", LECUN_FAN_IN, int(n), seed) for n in fans])
    near = _std("lecun_normal", LECUN_FAN_IN, int(outputs), seed) / _std("xavier_normal", LECUN_FAN_IN, int(outputs),
                                                                         seed)
    checks = [
        Check("The formula: largest difference between randn / √fan_in and LeCun normal on the same numbers",
              float(np.abs(formula - drawn).max()), 0, 1e-15, 0, "10⁻¹⁵ is round-off."),
        Check("Early 1990s: years from 1990 to the source", float(int(years[0]) - NINETIES), 0, EARLY, None,
              "Efficient BackProp is of 1998; scaling by the fan-in is older still, of the late 1980s."),
        Check(f"Very similar to Xavier: its weights over Xavier's, {LECUN_FAN_IN} to {int(outputs)}", near, 0.9, 1.1, 1,
              "Within 10 %, read as very similar.")]
    plot = Plot(f"LeCun's weights over Xavier's by the number of outputs, {LECUN_FAN_IN} inputs",
                "power of two of the outputs", [Line("LeCun ÷ Xavier", np.log2(fans), measured, over, "lecun_normal")],
                guides=[(1.0, "the same")])
    return Finding(checks, [plot], f"From {LECUN_FAN_IN} inputs to {int(outputs)} outputs LeCun's weights are "
                   f"{number(near)} times as large as Xavier's; with as many outputs as inputs they are the same.")


# ---------------------------------------------------------------------------------------------- 14: Gaussian

KURTOSIS_SHAPE = (512, 512)
FRAMEWORK_DEFAULTS = ("torch_linear", "keras_dense", "flax_dense")


def kurtosis(values: Numbers) -> float:
    """E (x - mean)^4 / Var(x)^2: 3 for a Gaussian, 1.8 for a uniform law."""
    centred = values - values.mean()
    return float(np.mean(centred**4) / np.mean(centred**2) ** 2)


def _gaussian(seed: int, activation: str, depth: float) -> Finding:
    """Claim 14: the kurtosis of the frameworks' defaults, and whether other laws break the symmetry as well."""
    drawn = {INITIALIZERS[key].label: initialize(key, *KURTOSIS_SHAPE, rng=stream(seed, WEIGHT_STREAM), dtype="float64")
             for key in FRAMEWORK_DEFAULTS}
    found = {name: kurtosis(weights) for name, weights in drawn.items()}
    batch = make_batch("digits", 128, seed=seed, dtype="float64")
    sizes = (64, *[64] * (int(depth) - 1), 10)
    layers = np.arange(1, int(depth))
    counts = {}
    for key in ("xavier_normal", "xavier_uniform", "orthogonal", "constant"):
        weights, biases = Network(sizes, activation, key, seed=seed, dtype="float64").parameters()
        counts[key] = np.array([distinct_neurons(h) for _, h in forward(weights, biases, batch.x, activation)][:-1])
    checks = [Check(f"{name}: kurtosis of the default weights", value, 2.9, 3.1, 3,
                    "3 for a Gaussian; ±0.1 is ten times what so many weights move it by.")
              for name, value in found.items()]
    checks.append(Check("Needed to break the symmetry: different neurons under uniform weights, last hidden layer",
                        float(counts["xavier_uniform"][-1]), 1, 1, 1, "1 if only Gaussian weights broke it."))
    edges = np.linspace(-3, 3, 61)
    middles = (edges[1:] + edges[:-1]) / 2
    plots = [
        Plot("Density of the default weights, in standard deviations", "weight ÷ its standard deviation", [
            *(Line(name, middles, np.histogram(w / w.std(), edges, density=True)[0]) for name, w in drawn.items()),
            Line("Gaussian", middles, np.exp(-middles**2 / 2) / math.sqrt(2 * math.pi))], points=False),
        Plot("Different neurons of 64 by layer", "layer", [
            Line(INITIALIZERS[key].label, layers, count, initializer=key) for key, count in counts.items()])]
    return Finding(checks, plots, "Kurtosis, 3 for a Gaussian: " + ", ".join(
        f"{number(value)} ({name})" for name, value in found.items()) + ". Different neurons in the last hidden layer: "
        + ", ".join(f"{count[-1]} ({INITIALIZERS[key].label})" for key, count in counts.items()) + ".")


# ---------------------------------------------------------------------------------------------- 15: scale

SCALE_WIDTH = 256


def _scale(seed: int, activation: str, factor: float, depth: float) -> Finding:
    """Claim 15: the signal over depth as the weights are scaled, and as the inputs are."""
    x = make_batch("normal", 128, seed=seed, features=SCALE_WIDTH, dtype="float64").x
    base = "he_normal" if activation == "relu" else "xavier_normal"
    layers = np.arange(1, int(depth))

    def signal(gain: float, inputs: float) -> Numbers:
        weights, biases = Network((SCALE_WIDTH,) * (int(depth) + 1), activation, base, gain, seed=seed,
                                  dtype="float64").parameters()
        hidden = [h for _, h in forward(weights, biases, inputs * x, activation)][:-1]
        return np.array([math.sqrt(np.mean(np.square(h))) for h in hidden])

    by_weights = {"weights ÷ 2": signal(0.5, 1), "weights × 1": signal(1, 1), "weights × 2": signal(2, 1)}
    by_inputs = {f"inputs × {factor:g}": signal(1, factor), "inputs × 1": by_weights["weights × 1"]}
    small, kept, large = (ratio(rms[-1], rms[0]) for rms in by_weights.values())
    changed = by_inputs[f"inputs × {factor:g}"]
    checks = [
        Check.most("Variance, a quarter: last hidden layer over first", small, 0.1, "A tenth: a convention."),
        Check("Variance, as derived: the same", kept, 0.1, 10, 1, "Within a factor of ten: a convention."),
        Check.least("Variance, four times: the same", large, 10, "Tenfold: a convention."),
        Check.least(f"Inputs × {factor:g}: by what factor, up or down, it changes the same ratio",
                    max(ratio(changed[-1], changed[0]) / kept, kept / ratio(changed[-1], changed[0])), 10,
                    "Tenfold, as for the weights.")]
    plots = [Plot(title, "layer", [Line(name, layers, rms) for name, rms in found.items()], log=True)
             for title, found in (("Root mean square of the activations by the weights' scale, log axis", by_weights),
                                  ("The same by the inputs' scale, log axis", by_inputs))]
    return Finding(checks, plots, f"Last hidden layer over first: {number(small)} with half the weights' standard "
                   f"deviation, {number(kept)} as derived, {number(large)} with twice; with inputs × {factor:g} "
                   f"{number(ratio(changed[-1], changed[0]))}.")


# ---------------------------------------------------------------------------------------------- 16: convergence

REMEDIES = ("xavier_normal", "he_normal", "lecun_normal")
TRAIN_WIDTH, TRAIN_STEPS, TRAIN_RATE, TRAIN_SAMPLES = 64, 100, 0.01, 128
HALF = 0.5


def _norms_ratio(network: Network, batch: Batch) -> float:
    """Root mean square of dL/dz in the first hidden layer over the last."""
    passed = propagate(*network.parameters(), batch.x, batch.targets, activation=network.activation, loss=batch.loss)
    return ratio(*(math.sqrt(np.mean(np.square(passed.deltas[layer], dtype=float))) for layer in (0, -2)))


def _converge(seed: int, activation: str, depth: float, rate: float) -> Finding:
    """Claim 16: gradients at the start and the loss after some steps, for the three remedies and 0.01."""
    batch = make_batch("digits", TRAIN_SAMPLES, seed=seed)
    sizes = (64, *[TRAIN_WIDTH] * (int(depth) - 1), 10)
    networks = [Network(sizes, activation, key, seed=seed) for key in (*REMEDIES, "normal")]
    run = race(networks, batch, Recipe("momentum", rate, TRAIN_STEPS),
               record=recorded_steps(TRAIN_STEPS, 30)).advance()
    checks = []
    for network, history in list(zip(networks, run.histories, strict=True))[:len(REMEDIES)]:
        label = INITIALIZERS[network.initializer].label
        checks += [
            Check(f"{label}: gradient of the first hidden layer over the last", _norms_ratio(network, batch), 0.1, 10,
                  1, "Within a factor of ten: a convention."),
            Check.most(f"{label}: loss after {TRAIN_STEPS} steps over the first",
                       math.inf if history.diverged_at is not None else history.loss[-1] / history.loss[0], HALF,
                       "Half of it: a convention.")]
    labels = {network.initializer: INITIALIZERS[network.initializer].label for network in networks}
    plot = Plot("Loss during training", "step", [
        Line(labels[network.initializer], np.array(history.steps), np.array(history.loss),
             initializer=network.initializer)
        for network, history in zip(networks, run.histories, strict=True)], guides=[(math.log(10), "ln 10")],
        points=False)
    return Finding(checks, [plot], f"Loss after {TRAIN_STEPS} steps: " + ", ".join(
        f"{labels[network.initializer]} " + ("overflow" if history.diverged_at is not None else
                                             number(history.loss[-1]))
        for network, history in zip(networks, run.histories, strict=True)) + f"; chance is {math.log(10):.2f}.")


# ---------------------------------------------------------------------------------------------- 17: crucial

GAINS = MappingProxyType({"He ÷ 10": 0.1, "He": 1.0, "He × 10": 10.0})
DEEP_WIDTH, SHALLOW = 64, 3


def _standardised_forward(network: Network, x: Numbers) -> Numbers:
    """Root mean square of the hidden activations where every layer's z is standardised over the batch first."""
    h, found = x, []
    for w in network.parameters()[0][:-1]:
        z = h @ w
        z = (z - z.mean(axis=0)) / z.std(axis=0)
        h = np.maximum(z, 0)
        found.append(math.sqrt(np.mean(np.square(h))))
    return np.array(found)


def _crucial(seed: int, depth: float) -> Finding:
    """Claim 17: what a wrong scale costs a shallow and a deep network, and one whose layers are normalised."""
    batch = make_batch("digits", TRAIN_SAMPLES, seed=seed)
    layers = int(depth)
    losses: dict[int, dict[str, float]] = {}
    histories = []
    for count in (SHALLOW, layers):
        sizes = (64, *[DEEP_WIDTH] * (count - 1), 10)
        run = race([Network(sizes, "relu", "he_normal", gain, seed=seed) for gain in (0.1, 1.0)], batch,
                   Recipe("adam", 0.002, TRAIN_STEPS), record=recorded_steps(TRAIN_STEPS, 20)).advance()
        histories.append(run.histories)
        losses[count] = {name: h.loss[-1] / math.log(10) if h.diverged_at is None else math.inf
                         for name, h in zip(("He ÷ 10", "He"), run.histories, strict=True)}
    x = batch.x.astype(float)
    normalised = {name: _standardised_forward(Network((64, *[DEEP_WIDTH] * (layers - 1), 10), "relu", "he_normal",
                                                      gain, seed=seed, dtype="float64"), x)
                  for name, gain in GAINS.items()}
    ends = [float(rms[-1] / rms[0]) for rms in normalised.values()]
    chance = "Chance is 1; 0.95 and a half are conventions."
    checks = [
        Check.least(f"Deep and wrong: {layers} layers, He ÷ 10, loss after {TRAIN_STEPS} steps over ln 10",
                    losses[layers]["He ÷ 10"], 0.95, "It has not learnt. " + chance),
        Check.most(f"Deep and right: {layers} layers, He, the same", losses[layers]["He"], HALF,
                   "It has learnt. " + chance),
        Check.most("Deep, wrong and with every layer normalised: signal of the last hidden layer over the first",
                   ends[0], 0.1, "A tenth, if the start were crucial there too.")]
    at = np.arange(1, layers)
    plots = [
        Plot("Loss during training", "step", [
            Line(f"{count} layers, {name}", np.array(h.steps), np.array(h.loss))
            for count, of in zip((SHALLOW, layers), histories, strict=True)
            for name, h in zip(("He ÷ 10", "He"), of, strict=True)], guides=[(math.log(10), "ln 10")], points=False),
        Plot("Root mean square of the activations, every layer normalised", "layer", [
            Line(name, at, rms) for name, rms in normalised.items()])]
    return Finding(checks, plots, f"With weights ten times too small {SHALLOW} layers reach "
                   f"{number(losses[SHALLOW]['He ÷ 10'])} of chance's loss, {layers} layers "
                   f"{number(losses[layers]['He ÷ 10'])}; rightly scaled they reach {number(losses[SHALLOW]['He'])} "
                   f"and {number(losses[layers]['He'])}. With every layer normalised the signal keeps "
                   f"{number(ends[0])} of itself at a tenth of the scale.")


# ---------------------------------------------------------------------------------------------- the table

def _to_training(knobs: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    return "training", {"init": (*REMEDIES, "normal"), "activation": knobs.get("activation", "relu"),
                        "depth": int(knobs["depth"]), "width": TRAIN_WIDTH, "batch": TRAIN_SAMPLES,
                        "optimizer": "momentum", "rate": knobs["rate"], "steps": TRAIN_STEPS}


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
        _xavier, MappingProxyType({"shape": Control("Layers", "taper", SHAPE_LABELS, "Inputs, hidden, outputs.")}),
        lambda knobs: ("formulas", {"init": ("xavier_normal", "lecun_normal")})),
    "xavier_smooth": Experiment(
        "11. Xavier: smooth propagation",
        "Xavier helps signals propagate smoothly.",
        f"Layers of {SMOOTH_WIDTH} neurons, 64 unit normal inputs, Xavier normal. The spread of a neuron over the "
        "batch is what the layer still says about its input; a constant offset says nothing.",
        "It holds where a layer keeps the variance: exactly for linear, nearly for tanh, whose variance decays like "
        "1/(2·layer). Under ReLU each layer keeps half of it, and under sigmoid a sixteenth at most.",
        _GLOROT + "; Poole et al. 2016 for the map", _smoothly, MappingProxyType({"depth": depth_knob(20, 3, 60)}),
        lambda knobs: ("signal", {"init": ("xavier_normal",), "activation": "relu", "depth": int(knobs["depth"]),
                                  "width": SMOOTH_WIDTH, "input": "normal", "batch": 64})),
    "he": Experiment(
        "12. He: a refinement for ReLU",
        "He is a refinement for ReLU, randn / sqrt(fan_in / 2): it accounts for ReLU only using half of the inputs.",
        f"Layers of {HE_WIDTH} neurons, {HE_SAMPLES} unit normal inputs, float64, the same draws under both rules. "
        "Dashed: factors of 2·(1 + slope²)/2 and half of it a layer.",
        "ReLU passes half of the mean square of a symmetric signal, and twice the variance makes up for it, in "
        "expectation at any width. With a slope a below 0 it passes (1 + a²)/2, and the 2 must become 2/(1 + a²).",
        "He, Zhang, Ren and Sun 2015, section 2.2, equations 10 and 15", _he, MappingProxyType({
            "slope": Control("Slope below 0", 0.0, Interval(0, 1), "0 is ReLU, 1 is linear.", 0.05),
            "depth": depth_knob(20, 2, 60)}),
        # the explorer's He takes the slope into account: the gain undoes it
        lambda knobs: ("signal", {"init": ("he_normal",), "activation": "leaky_relu", "slope": knobs["slope"],
                                  "gain": math.sqrt(1 + knobs["slope"] ** 2), "depth": int(knobs["depth"]),
                                  "width": HE_WIDTH, "input": "normal", "batch": HE_SAMPLES})),
    "lecun": Experiment(
        "13. LeCun: the original",
        "LeCun is the original technique, proposed in the early 1990s: randn / sqrt(fan_in), very similar to Xavier.",
        f"Weights of one layer of {LECUN_FAN_IN} inputs, drawn by the formula and by both rules from the same stream; "
        "the year is read from the source that the table of initialisers names.",
        "The formula is right and the date is not: as used it is of 1998, building on practice of the late 1980s. It "
        "is Xavier's only where a layer has as many outputs as inputs; else they differ by √((1 + out/in)/2).",
        "LeCun, Bottou, Orr and Müller 1998, \"Efficient BackProp\", section 4.6; " + _GLOROT, _lecun,
        MappingProxyType({"outputs": Control("Outputs", 10, Interval(2, 1024, integer=True), "Of the layer.")}),
        lambda knobs: ("formulas", {"init": ("xavier_normal", "lecun_normal")})),
    "gaussian": Experiment(
        "14. Key point: random Gaussian weights",
        "All of them use random Gaussian weights to break the symmetry.",
        "512 × 512 weights of each framework's default for a dense layer; and the digits through layers of 64 neurons "
        "under normal, uniform, orthogonal and constant weights, float64.",
        "Random is what breaks the symmetry, and Gaussian is not needed: uniform and orthogonal weights do it as well. "
        "PyTorch and Keras draw uniform weights, Flax a normal cut at two standard deviations.",
        "Sources of PyTorch 2.13 (nn.Linear), Keras 3 (Dense) and Flax (linen.Dense), as the page Formulas names them",
        _gaussian, MappingProxyType({"activation": activation_knob("tanh", "tanh", "relu", "sigmoid"),
                                     "depth": depth_knob(5, 2, 20)}),
        lambda knobs: ("signal", {"init": ("xavier_normal", "xavier_uniform", "orthogonal", "constant"),
                                  "activation": knobs["activation"], "depth": int(knobs["depth"]), "width": 64,
                                  "quantity": "weight"})),
    "scale": Experiment(
        "15. Key point: scale the inputs or the variance",
        "They scale inputs or variance to control the stability of the signal.",
        f"Layers of {SCALE_WIDTH} neurons, 128 unit normal inputs, float64; He's weights under ReLU, Xavier's "
        "otherwise, times a half, one and two; and the inputs times the chosen factor.",
        "The weights' variance acts in every layer, so a factor of two becomes two to the depth. The inputs' scale "
        "acts once: ReLU hands it through unchanged, and tanh forgets it after a few layers.",
        "He et al. 2015, section 2.2; Poole et al. 2016 for the fixed point that forgets the input", _scale,
        MappingProxyType({"activation": activation_knob("relu", "relu", "linear", "tanh"),
                          "factor": Control("Inputs times", 10.0, Interval(0.1, 20), "Of the second picture.", 0.1),
                          "depth": depth_knob(20, 5, 60)}),
        lambda knobs: ("signal", {"init": ("he_normal" if knobs["activation"] == "relu" else "xavier_normal",),
                                  "activation": knobs["activation"], "gain": 0.5, "depth": int(knobs["depth"]),
                                  "width": SCALE_WIDTH, "input": "normal", "batch": 128, "spread": "rms"})),
    "converge": Experiment(
        "16. Key point: efficient convergence",
        "They enable efficient convergence and avoid vanishing and exploding gradients.",
        f"{TRAIN_SAMPLES} digits, hidden layers of {TRAIN_WIDTH}, softmax cross-entropy, momentum 0.9, {TRAIN_STEPS} "
        "full-batch steps, the same draws; normal weights of 0.01 beside them.",
        "It holds for the initialiser that was derived for the activation, at depths where small errors of scale have "
        "not added up. Under ReLU, Xavier and LeCun lose half of the variance a layer, which He was made to mend.",
        "Glorot and Bengio 2010, section 5; He et al. 2015, figures 2 and 3", _converge, MappingProxyType({
            "activation": activation_knob("relu", "relu", "tanh", "sigmoid"), "depth": depth_knob(12, 3, 30),
            "rate": Control("Learning rate", TRAIN_RATE, Ladder((0.01, 0.02, 0.05, 0.1)), "Of all.")}), _to_training),
    "crucial": Experiment(
        "17. Key point: crucial for modern deep networks",
        "Proper initialisation is crucial for modern deep networks.",
        f"{TRAIN_SAMPLES} digits, hidden layers of {DEEP_WIDTH} ReLU neurons, Adam at 0.002, {TRAIN_STEPS} full-batch "
        "steps; then one pass in which every layer's z is standardised over the batch, as batch normalisation does.",
        "For plain deep networks it holds: what a shallow one shrugs off, a deep one does not survive. Modern ones "
        "normalise their layers, which takes the weights' scale out of the signal, whatever the start.",
        "Ioffe and Szegedy 2015, \"Batch normalization\", section 3.3: BN(Wu) = BN((aW)u)", _crucial,
        MappingProxyType({"depth": depth_knob(20, 4, 40)}),
        lambda knobs: ("training", {"init": ("he_normal", "normal"), "activation": "relu",
                                    "depth": int(knobs["depth"]), "width": DEEP_WIDTH, "batch": TRAIN_SAMPLES,
                                    "optimizer": "adam", "rate": 0.002, "steps": TRAIN_STEPS})),
})
