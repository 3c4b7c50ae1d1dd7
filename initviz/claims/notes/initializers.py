"""Claims 14 to 17: the key points."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from initviz.charts.plots import Line, Plot
from initviz.claims.experiment import Check, Experiment, Result
from initviz.claims.notes.zeros import activation_knob, depth_knob
from initviz.core.arrays import Array
from initviz.core.batches import Batch, make_batch
from initviz.core.initializers import INITIALIZERS, initialize
from initviz.core.layers import Activation, BatchNorm, Dense, draw_parameters, propagate_layers
from initviz.core.network import WEIGHT_STREAM, Network, stream
from initviz.core.propagation import forward, propagate
from initviz.core.statistics import distinct_neurons, ratio
from initviz.core.validation import Choices, Interval, Parameter
from initviz.core.wording import number
from initviz.training.gradient_descent import Recipe, race, recorded_steps

# ---------------------------------------------------------------------------------------------- 14: Gaussian

KURTOSIS_SHAPE = (512, 512)
FRAMEWORK_DEFAULTS = ("torch_linear", "keras_dense", "flax_dense")
SYMMETRY = ("xavier_normal", "xavier_uniform", "orthogonal", "identity", "constant")


def kurtosis(values: Array) -> float:
    """E (x - mean)^4 / Var(x)^2: 3 for a Gaussian, 1.8 for a uniform law."""
    centered = values - values.mean()
    return float(np.mean(centered**4) / np.mean(centered**2) ** 2)


def _gaussian(seed: int, activation: str, depth: float) -> Result:
    """Claim 14: the kurtosis of the frameworks' defaults, and whether other laws break the symmetry as well."""
    defaults = {key: initialize(key, *KURTOSIS_SHAPE, rng=stream(seed, WEIGHT_STREAM), dtype="float64")
                for key in FRAMEWORK_DEFAULTS}
    kurtoses = {INITIALIZERS[key].label: kurtosis(weights) for key, weights in defaults.items()}
    batch = make_batch("digits", 128, seed=seed, dtype="float64")
    sizes = (64, *[64] * (int(depth) - 1), 10)
    layers = np.arange(1, int(depth))
    counts = {}
    for key in SYMMETRY:
        weights, biases = Network(sizes, activation, key, seed=seed, dtype="float64").parameters()
        counts[key] = np.array([distinct_neurons(h) for _, h in forward(weights, biases, batch.x, activation)][:-1])
    checks = [Check(f"{name}: kurtosis of the default weights", value, 2.9, 3.1, 3,
                    "3 for a Gaussian; ±0.1 is ten times what so many weights move it by.")
              for name, value in kurtoses.items()]
    checks += [Check(f"{needed} needed: different neurons under {INITIALIZERS[key].label}, last hidden layer",
                     float(counts[key][-1]), 1, 1, 1, f"1 if only {needed} weights broke the symmetry.")
               for needed, key in (("Gaussian", "xavier_uniform"), ("Random", "identity"))]
    edges = np.linspace(-3, 3, 61)
    middles = (edges[1:] + edges[:-1]) / 2
    plots = [
        Plot("Density of the default weights, in standard deviations", "weight ÷ its standard deviation", [
            *(Line(INITIALIZERS[key].label, middles, np.histogram(w / w.std(), edges, density=True)[0], initializer=key)
              for key, w in defaults.items()),
            Line("Gaussian", middles, np.exp(-middles**2 / 2) / math.sqrt(2 * math.pi))], points=False),
        Plot("Different neurons of 64 by layer", "layer", [
            Line(INITIALIZERS[key].label, layers, count, initializer=key) for key, count in counts.items()])]
    return Result(checks, plots, "Kurtosis, 3 for a Gaussian: " + ", ".join(
        f"{number(value)} ({name})" for name, value in kurtoses.items()) + ". Different neurons in the last hidden "
        "layer: " + ", ".join(f"{count[-1]} ({INITIALIZERS[key].label})" for key, count in counts.items()) + ".")


# ---------------------------------------------------------------------------------------------- 15: scale

SCALE_WIDTH = 256


def _scale(seed: int, activation: str, factor: float, depth: float) -> Result:
    """Claim 15: the signal over depth as the weights are scaled, and as the inputs are."""
    x = make_batch("normal", 128, seed=seed, features=SCALE_WIDTH, dtype="float64").x
    base = "he_normal" if activation == "relu" else "xavier_normal"
    layers = np.arange(1, int(depth))

    def signal(gain: float, inputs: float) -> Array:
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
    plots = [Plot(title, "layer", [Line(name, layers, rms) for name, rms in series.items()], log=True, ordered=True)
             for title, series in (("Root mean square of the activations by the weights' scale, log axis", by_weights),
                               ("The same by the inputs' scale, log axis", by_inputs))]
    return Result(checks, plots, f"Last hidden layer over first: {number(small)} with half the weights' standard "
                   f"deviation, {number(kept)} as derived, {number(large)} with twice, and "
                   f"{number(ratio(changed[-1], changed[0]))} with inputs × {factor:g}.")


# ---------------------------------------------------------------------------------------------- 16: convergence

REMEDIES = ("xavier_normal", "he_normal", "lecun_normal")
TRAIN_WIDTH, TRAIN_STEPS, TRAIN_RATE, TRAIN_SAMPLES = 64, 100, 0.01, 128
HALF = 0.5


def _norms_ratio(network: Network, batch: Batch) -> float:
    """Root mean square of dL/dz in the first hidden layer over the last."""
    passed = propagate(*network.parameters(), batch.x, batch.targets, activation=network.activation, loss=batch.loss)
    return ratio(*(math.sqrt(np.mean(np.square(passed.deltas[layer], dtype=float))) for layer in (0, -2)))


def _converge(seed: int, activation: str, depth: float, rate: float) -> Result:
    """Claim 16: gradients at initialization and the loss after some steps, for the three remedies and 0.01."""
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
    return Result(checks, [plot], f"Loss after {TRAIN_STEPS} steps: " + ", ".join(
        f"{labels[network.initializer]} " + ("overflow" if history.diverged_at is not None else
                                             number(history.loss[-1]))
        for network, history in zip(networks, run.histories, strict=True)) + f"; chance is {math.log(10):.2f}.")


# ---------------------------------------------------------------------------------------------- 17: crucial

GAINS = MappingProxyType({"He ÷ 10": 0.1, "He": 1.0})
DEEP_WIDTH, SHALLOW, DEEP_RATE = 64, 3, 0.001


def _normalized(depth: int, gain: float, batch: Batch, seed: int) -> tuple[Array, Array]:
    """Under BatchNorm before every ReLU: root mean square of each hidden layer's activations, and Frobenius norm of
    each hidden layer's weight gradient; float64.
    """
    block = (Dense(DEEP_WIDTH, gain=gain), BatchNorm(), Activation("relu"))
    hidden = block * (depth - 1)
    layers = (*hidden, Dense(batch.outputs))
    parameters = draw_parameters(layers, batch.x.shape[1], seed=seed)
    passed = propagate_layers(layers, parameters, batch.x.astype(float), batch.targets, loss=batch.loss)
    rms = [math.sqrt(np.mean(np.square(passed.activations[str(index)]))) for index in range(2, len(hidden), 3)]
    norms = [float(np.linalg.norm(passed.gradients[f"{index}.weight"])) for index in range(0, len(hidden), 3)]
    return np.array(rms), np.array(norms)


def _crucial(seed: int, depth: float) -> Result:
    """Claim 17: what a wrong scale costs a shallow and a deep network, and one whose layers are normalized."""
    batch = make_batch("digits", TRAIN_SAMPLES, seed=seed)
    layers = int(depth)
    losses: dict[int, dict[str, float]] = {}
    histories = []
    for count in (SHALLOW, layers):
        sizes = (64, *[DEEP_WIDTH] * (count - 1), 10)
        run = race([Network(sizes, "relu", "he_normal", GAINS[name], seed=seed) for name in GAINS], batch,
                   Recipe("adam", DEEP_RATE, TRAIN_STEPS), record=recorded_steps(TRAIN_STEPS, 20)).advance()
        histories.append(run.histories)
        losses[count] = {name: min(h.seen_loss) / math.log(10)
                         for name, h in zip(GAINS, run.histories, strict=True)}
    signal, gradient = _normalized(layers, GAINS["He ÷ 10"], batch, seed)
    kept, grown = float(signal[-1] / signal[0]), float(gradient[0] / gradient[-1])
    chance = "Chance is 1; 0.95 and a half are conventions. The least, as Adam may jump at the end."
    checks = [
        Check.least(f"Deep and wrong: {layers} layers, He ÷ 10, least loss in {TRAIN_STEPS} steps over ln 10",
                    losses[layers]["He ÷ 10"], 0.95, "It has not learned. " + chance),
        Check.most(f"Deep and right: {layers} layers, He, the same", losses[layers]["He"], HALF,
                   "It has learned. " + chance),
        Check.most("Deep, wrong and with every layer normalized: signal of the last hidden layer over the first",
                   kept, 0.1, "A tenth, if the initialization were crucial there too."),
        Check.least("The same on the way back: norm of dL/dW of the first hidden layer over the last", grown, 10,
                    "Tenfold, if depth were a trouble there too; derived: (π/(π − 1))^½ a layer, if wide.")]
    layers_shown = np.arange(1, layers)
    plots = [
        Plot("Loss during training", "step", [
            Line(f"{count} layers, {name}", np.array(h.steps), np.array(h.loss))
            for count, history in zip((SHALLOW, layers), histories, strict=True)
            for name, h in zip(GAINS, history, strict=True)], guides=[(math.log(10), "ln 10")], points=False,
            ordered=True),
        Plot("Every layer normalized, He ÷ 10: relative to the last hidden layer, log axis", "layer", [
            Line(name, layers_shown, values / values[-1]) for name, values in (
                ("signal", signal), ("weight gradient", gradient))], log=True)]
    return Result(checks, plots, f"With weights ten times too small {SHALLOW} layers get to "
                   f"{number(losses[SHALLOW]['He ÷ 10'])} of chance's loss at best, {layers} layers to "
                   f"{number(losses[layers]['He ÷ 10'])}; rightly scaled they get to {number(losses[SHALLOW]['He'])} "
                   f"and {number(losses[layers]['He'])}. With every layer normalized, at a tenth of the "
                   f"scale, the signal keeps {number(kept)} of itself, and the gradient grows {number(grown)}-fold on "
                   "its way back.")


# ---------------------------------------------------------------------------------------------- the table

def _to_training(knobs: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    return "training", {"init": (*REMEDIES, "normal"), "activation": knobs.get("activation", "relu"),
                        "depth": int(knobs["depth"]), "width": TRAIN_WIDTH, "batch": TRAIN_SAMPLES,
                        "optimizer": "momentum", "rate": knobs["rate"], "steps": TRAIN_STEPS}


CLAIMS: Mapping[str, Experiment] = MappingProxyType({
    "gaussian": Experiment(
        "14. Key point: random Gaussian weights",
        "All of them use random Gaussian weights to break the symmetry.",
        "512 × 512 weights of each framework's default for a dense layer; and the digits through layers of 64 neurons "
        "under normal, uniform, orthogonal, identity and constant weights, float64.",
        "Different weights break the symmetry, Gaussian or not, random or not: uniform and orthogonal ones do, and so "
        "does the identity, which draws nothing (pixels that are always blank stay copies). PyTorch and Keras draw "
        "uniform weights, Flax a normal cut at two standard deviations.",
        "Sources of PyTorch 2.13 (nn.Linear), Keras 3 (Dense) and Flax (linen.Dense), as the page Formulas names them; "
        "Zhao, Schäfer and Anandkumar 2022 on initializing without randomness, which is the identity in square layers",
        _gaussian, MappingProxyType({"activation": activation_knob("tanh", "tanh", "relu", "sigmoid"),
                                     "depth": depth_knob(5, 2, 10)}),
        lambda knobs: ("signal", {"init": (*SYMMETRY, *FRAMEWORK_DEFAULTS),
                                  "activation": knobs["activation"], "depth": int(knobs["depth"]), "width": 64,
                                  "quantity": "weight"})),
    "scale": Experiment(
        "15. Key point: scale the inputs or the variance",
        "They scale inputs or variance to control the stability of the signal.",
        f"Layers of {SCALE_WIDTH} neurons, 128 unit normal inputs, float64; He's weights under ReLU, Xavier's "
        "otherwise, times a half, one and two; and the inputs times the chosen factor.",
        "The weights' variance acts in every layer: in ReLU and linear networks a factor of two becomes two to the "
        "depth. The inputs' scale acts once: those hand it through unchanged, and tanh forgets large inputs quickly, "
        "small ones of mean square q only after about 1/(2q) layers.",
        "He et al. 2015, section 2.2; Poole et al. 2016 for the fixed point that forgets the input", _scale,
        MappingProxyType({"activation": activation_knob("relu", "relu", "linear", "tanh"),
                          "factor": Parameter("Inputs times", 10.0, Interval(0.1, 20), "Of the second picture.", 0.1),
                          "depth": depth_knob(20, 6, 60)}),
        lambda knobs: ("signal", {"init": ("he_normal" if knobs["activation"] == "relu" else "xavier_normal",),
                                  "activation": knobs["activation"], "gain": 0.5, "depth": int(knobs["depth"]),
                                  "width": SCALE_WIDTH, "input": "normal", "batch": 128, "spread": "rms"}),
        "it is the weights that are scaled and, for growth, the activation is unbounded",
        "There the gain scales the weights, a half at first; the inputs cannot be scaled."),
    "converge": Experiment(
        "16. Key point: efficient convergence",
        "They enable efficient convergence and avoid vanishing and exploding gradients.",
        f"{TRAIN_SAMPLES} digits, hidden layers of {TRAIN_WIDTH}, softmax cross-entropy, momentum 0.9, {TRAIN_STEPS} "
        "full-batch steps, the same draws; normal weights of 0.01 beside them.",
        "Under ReLU, Xavier and LeCun lose half of the variance a layer, which He was made to repair; under sigmoid, "
        "whose derivative is a quarter at most, none of the three keeps a deep network's gradient. The best scaled "
        "initialization still needs a rate that suits it: at too high a one it may end worst.",
        "Glorot and Bengio 2010, section 5; He et al. 2015, figures 2 and 3", _converge, MappingProxyType({
            "activation": activation_knob("relu", "relu", "tanh", "sigmoid"), "depth": depth_knob(12, 3, 30),
            "rate": Parameter("Learning rate", TRAIN_RATE, Choices((0.01, 0.02, 0.05, 0.1)), "Of all.")}), _to_training,
        "the scale suits the activation and the depth, and the learning rate suits them all"),
    "crucial": Experiment(
        "17. Key point: crucial for modern deep networks",
        "Proper initialization is crucial for modern deep networks.",
        f"{TRAIN_SAMPLES} digits, hidden layers of {DEEP_WIDTH} ReLU neurons, Adam at {DEEP_RATE:g}, {TRAIN_STEPS} "
        "full-batch steps; then one pass, forward and back, with batch normalization before every ReLU.",
        "For plain deep networks it holds: what a shallow one shrugs off, a deep one does not survive. Batch "
        "normalization takes the weights' scale out of the signal, but not the depth out of the gradient, which grows "
        "by about a fifth a layer on its way back.",
        "Ioffe and Szegedy 2015, \"Batch normalization\", section 3.3: BN(Wu) = BN((aW)u); Yang et al. 2019 for the "
        "gradient", _crucial,
        MappingProxyType({"depth": depth_knob(20, 4, 40)}),
        lambda knobs: ("training", {"init": ("he_normal",), "gain": GAINS["He ÷ 10"], "activation": "relu",
                                    "depth": int(knobs["depth"]), "width": DEEP_WIDTH, "batch": TRAIN_SAMPLES,
                                    "optimizer": "adam", "rate": DEEP_RATE, "steps": TRAIN_STEPS}),
        "the network is deep and its layers are not normalized",
        f"There one gain is for all, {GAINS['He ÷ 10']:g} at first; 1 is He's own. No layer is normalized."),
})
