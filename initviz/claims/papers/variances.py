"""The papers that choose a variance for the weights: LeCun et al. 1998, Martens 2010, He et al. 2015."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from initviz.charts.plots import Line, Plot
from initviz.claims.experiment import Check, Experiment, Result
from initviz.core.activations import activation
from initviz.core.batches import loss_of_constant_output, make_batch
from initviz.core.initializers import initialize, label_of, law_of, laws
from initviz.core.network import INPUT_STREAM, WEIGHT_STREAM, Network, stream
from initviz.core.propagation import backward, forward
from initviz.core.validation import Interval, Parameter
from initviz.core.wording import number
from initviz.theory.mean_field import Field
from initviz.training.gradient_descent import Recipe, race

# ---------------------------------------------------------------------------------------------- LeCun et al. 1998

LECUN_DEPTH, LECUN_WIDTH, LECUN_SAMPLES = 40, 256, 256


def _lecun_tanh(seed: int, depth: float) -> Result:
    """The recommended sigmoid by itself, and under the recommended weights."""
    field, phi = Field("lecun_tanh"), activation("lecun_tanh")
    x = np.linspace(-3, 3, 6001)
    derivative = phi.derivative(x)
    second_derivative = np.gradient(derivative, x)
    x_max = abs(float(x[np.abs(second_derivative).argmax()]))
    at_one = float(phi.value(np.ones(1))[0])
    derivative_at_zero = float(phi.derivative(np.zeros(1))[0])
    kept = float(field.moments(1.0).square)
    settled = field.fixed_point(1.0, 0.0)

    layers = int(depth)
    network = Network((LECUN_WIDTH,) * (layers + 1), "lecun_tanh", "lecun_normal", seed=seed)
    batch = make_batch("normal", LECUN_SAMPLES, seed=seed, features=LECUN_WIDTH)
    measured = np.array([float(np.square(z, dtype=float).mean())
                         for z, _ in forward(*network.parameters(), batch.x, "lecun_tanh")])
    theory = field.lengths(1.0, [(1.0, 0.0)] * layers)
    checks = [
        Check.within("f(1)", at_one, 1.0, 1e-5, "Published: f(±1) = ±1. The constants have five digits."),
        Check.within("f'(0)", derivative_at_zero, 1.143933, 1e-6, "Derived: 1.7159 · 2/3, to six decimals."),
        Check("Where |f''| is largest", x_max, 0.95, 1.05, 1.0, "Published: at x = 1, read as rounded to one decimal."),
        Check("Where |f''| is largest, exactly", x_max, 0.9867, 0.9887, 0.987718,
              "Derived: 3/2 · artanh(1/√3); the grid has steps of 0.001."),
        Check.within("Variance of f(x) for a unit normal x", kept, 1.0, 0.1,
                     "Published: the outputs' variance is \"close to 1\" too; read as within 10 %."),
        Check.within("The same, derived", kept, 0.7504302763, 1e-9, "Derived: E f(x)² by numerical integration."),
        Check.within("Variance at which deep layers settle", settled.q, 0.382441, 1e-5,
                     "Derived: the q that solves q = E f(√q g)², g a unit normal."),
        Check("Variance of the preactivations, last layer", float(measured[-1]), *_band(theory[-1], layers), theory[-1],
              "Derived: theory's variance; e to ±3·√(5 L / n) for L layers of n neurons, but at most ±20 %, bounds "
              "what a draw moves it."),
    ]
    thinned = slice(None, None, 100)
    plots = [
        Plot("f(x) = 1.7159 tanh(2x/3) and its second derivative", "x", [
            Line("f(x)", x[thinned], phi.value(x)[thinned]), Line("f''(x)", x[thinned], second_derivative[thinned])],
            points=False),
        Plot("Variance of the preactivations against the layer", "layer", [
            Line("this network", np.arange(1, layers + 1), measured, theory, "lecun_normal")],
            guides=[(1.0, "kept"), (settled.q, "settled")])]
    return Result(checks, plots, f"f keeps {number(kept, 3)} of a unit variance; in layer {layers} the variance of "
                   f"the preactivations is {number(float(measured[-1]))}, theory's limit {number(settled.q)}. A layer "
                   f"multiplies the squared gradient by {number(settled.chi, 3)} there.")


def _band(expected: float, layers: int) -> tuple[float, float]:
    margin = min(0.2, math.expm1(3 * math.sqrt(5 * layers / LECUN_WIDTH)))
    return expected * (1 - margin), expected * (1 + margin)


# ---------------------------------------------------------------------------------------------- Martens 2010

SPARSE_WIDTHS = (50, 100, 200, 500, 1000)
SPARSE_SAMPLES = 256


def _sparse(seed: int, incoming: float) -> Result:
    """std(z) under sparse weights, and under dense ones of the same law, by width."""
    target = math.sqrt(incoming)
    stds: dict[str, list[float]] = {"sparse": [], "normal": []}
    for width in SPARSE_WIDTHS:
        x = stream(seed, INPUT_STREAM).standard_normal((SPARSE_SAMPLES, width), dtype=np.float32)
        rng = stream(seed, WEIGHT_STREAM)
        sparse = laws.sparse(int(incoming)).draw(width, width, rng, np.float32)
        dense = initialize("normal", width, width, rng=stream(seed, WEIGHT_STREAM), std=1.0, dtype=np.float32)
        for name, w in (("sparse", sparse), ("normal", dense)):
            stds[name].append(float((x @ w).std(dtype=float)))
    margin = 5.5 / math.sqrt(2 * 100 * incoming)
    checks = [Check.within(f"Standard deviation of z at width {width}", stds["sparse"][SPARSE_WIDTHS.index(width)],
                           target, margin, "Derived: the root of the number of incoming weights, whatever the width; "
                           "5.5 "
                           "times what a draw of 100 neurons moves it by, 1/√(2·100·k), which is 10 % at k = 15.")
              for width in (100, 1000)]
    widths = np.array(SPARSE_WIDTHS)
    plot = Plot("Standard deviation of the preactivations against the width, log axis", "width", [
        Line("sparse", widths, np.array(stds["sparse"]), np.full(len(widths), target), "sparse"),
        Line("all weights N(0, 1)", widths, np.array(stds["normal"]), np.sqrt(widths), "normal")], log=True)
    return Result(checks, [plot], f"From width 50 to 1000 the standard deviation of z goes from "
                   f"{number(stds['sparse'][0])} to {number(stds['sparse'][-1])} with {int(incoming)} incoming "
                   f"weights a neuron, from {number(stds['normal'][0])} to {number(stds['normal'][-1])} with all.")


# ---------------------------------------------------------------------------------------------- He et al. 2015

FILTERS = (64, 128, 128, 256, 256, 512, 512, 512, 512)  # conv2 to conv10 of the VGG-like net of 10 convolutions
SMALL = 0.01
STDS = {64: (0.059, 0.058926), 128: (0.042, 0.041667), 256: (0.029, 0.029463), 512: (0.021, 0.020833)}
DRAWN_INPUTS = 64


def _he_stds(seed: int) -> Result:
    """Standard deviations of 3 x 3 filters, drawn, and by how much 0.01 is too little over conv2 to conv10."""
    stds = {d: float(initialize("he_normal", DRAWN_INPUTS, 9 * d, rng=stream(seed, WEIGHT_STREAM, d),
                                 mode="fan_out").std()) for d in STDS}
    exact = {d: math.sqrt(law_of("he_normal", mode="fan_out").variance(DRAWN_INPUTS, 9 * d)) for d in STDS}
    factors = np.cumprod([exact[d] / SMALL for d in FILTERS[::-1]])
    checks = [Check(f"Standard deviation for {d} filters", exact[d], published - 0.0005, published + 0.0005, published,
                    "Published, with three decimals.") for d, (published, _) in STDS.items()]
    checks += [Check.within(f"The same, {9 * d * DRAWN_INPUTS:,} weights drawn", stds[d], derived, 0.02,
                            "Derived: √(2/9d); 2 % is five times what such a draw varies by, or more.")
               for d, (_, derived) in STDS.items()]
    checks += [
        Check("Shrinking from conv10 to conv2", float(factors[-1]), 1.65e4, 1.75e4, 1.7e4,
              "Published as 1.7·10⁴, with two digits."),
        Check.within("The same, derived", float(factors[-1]), 16729, 1e-4,
                     "Derived: the product of √(2/9d)/0.01 over the nine layers, without rounding.")]
    layers = np.arange(2, 11)
    plots = [
        Plot("Standard deviation of the weights by convolution", "convolution", [
            Line("He, drawn", layers, np.array([stds[d] for d in FILTERS]), np.array([exact[d] for d in FILTERS]),
                 "he_normal"),
            Line("0.01 everywhere", layers, np.full(len(layers), SMALL), initializer="normal")]),
        Plot("Factor by which 0.01 shrinks the gradient, from conv10 down, log axis", "convolution", [
            Line("1 / shrinking", layers, 1 / factors[::-1], initializer="normal")], log=True)]
    return Result(checks, plots, f"With 0.01 in place of {', '.join(number(value) for value in stds.values())} the "
                   f"gradient arrives at conv2 smaller by a factor of {number(float(factors[-1]))}.")


HE_WIDTH, HE_SAMPLES, HE_DEPTHS = 128, 32, (22, 30)
HE_RATE, HE_STEPS = 0.006, 400
LEARNS, BEGINS = 0.5, 0.9  # of the entropy of the classes' shares
HE_KEYS = ("xavier_normal", "he_normal")


def _he_scale(seed: int, width: int) -> tuple[list[Check], Plot]:
    """Xavier over He on the same draws, in float64: forward from one input, backward from one error."""
    depth = HE_DEPTHS[-1]
    x = stream(seed, INPUT_STREAM).standard_normal((HE_SAMPLES, width))
    error = stream(seed, INPUT_STREAM, 1).standard_normal((HE_SAMPLES, width))
    ahead, back = {}, {}
    for key in HE_KEYS:
        network = Network((width,) * (depth + 1), "relu", key, seed=seed, dtype="float64")
        weights, biases = network.parameters()
        zs, hs = zip(*forward(weights, biases, x, "relu"), strict=True)
        *_, (first, _) = backward(weights, x, zs, hs, error, "relu")
        ahead[key], back[key] = np.array([z.std() for z in zs]), float(first.std())
    exact = "Derived, and published as the ratio of the scales, (1/√2)^L. Exact for the same draws, as ReLU passes " \
            "factors through; 10⁻¹² is round-off."
    xavier, he = HE_KEYS
    checks = [Check.within(f"Forward, Xavier over He, {layers} layers", float(ahead[xavier][layers - 1]
                           / ahead[he][layers - 1]), 2 ** (-layers / 2), 1e-12, exact) for layers in HE_DEPTHS]
    checks.append(Check.within("Backward, Xavier over He, at layer 1", back[xavier] / back[he], 2 ** (-(depth - 1) / 2),
                               1e-12, "Derived: 29 weight matrices lie between the error, the same for both, and "
                               "layer 1."))
    layers = np.arange(1, depth + 1)
    return checks, Plot("Forward: standard deviation of the preactivations, log axis", "layer", [
        Line(label_of(key), layers, ahead[key], initializer=key) for key in HE_KEYS], log=True)


def _he_training(seed: int, width: int) -> tuple[list[Check], Plot]:
    """Both initializers trained at both depths, and the least loss over what the classes' shares alone give."""
    batch = make_batch("digits", HE_SAMPLES, seed=seed)
    entropy = loss_of_constant_output(batch)
    least, lines = {}, []
    for layers in HE_DEPTHS:
        networks = [Network((64, *[width] * (layers - 1), 10), "relu", key, seed=seed) for key in HE_KEYS]
        run = race(networks, batch, Recipe("momentum", HE_RATE, HE_STEPS), record=[0])
        for key, history in zip(HE_KEYS, run.advance().histories, strict=True):
            so_far = np.minimum.accumulate(history.seen_loss) / entropy
            least[key, layers] = float(so_far[-1])
            lines.append(Line(f"{label_of(key)}, {layers} layers", np.arange(len(so_far))[::10], so_far[::10],
                              initializer=key))
    xavier, he = HE_KEYS
    shallow, deep = HE_DEPTHS
    words = f"Least loss in {HE_STEPS} steps over the entropy of the classes' shares, which the output's bias alone " \
            "reaches: "
    checks = [
        *(Check.most(f"He learns with {layers} layers: least loss over the classes' entropy", least[he, layers], LEARNS,
                     words + "half is read as learned.") for layers in HE_DEPTHS),
        Check.most(f"Xavier learns with {shallow} layers, later: the same", least[xavier, shallow], BEGINS,
                   words + "a tenth below it is read as begun."),
        Check.least(f"Xavier stalls with {deep} layers: the same", least[xavier, deep], BEGINS,
                    words + "less than a tenth below it is read as stalled.")]
    return checks, Plot("Least loss so far, over the entropy of the classes' shares", "step", lines, points=False)


def _he_depth(seed: int, width: float) -> Result:
    """The scale at initialization, and what training makes of it."""
    scale, signal = _he_scale(seed, int(width))
    learning, loss = _he_training(seed, int(width))
    he_shallow, he_deep, shallow, deep = (number(check.measured) for check in learning)
    return Result([*learning, *scale], [loss, signal], f"At {HE_DEPTHS[0]} layers Xavier gets to {shallow} and He to "
                  f"{he_shallow} of the loss that the classes' shares alone give; at {HE_DEPTHS[1]} layers to {deep} "
                  f"and {he_deep}. Xavier's signal is {number(scale[0].measured, 3)} of He's after {HE_DEPTHS[0]} "
                  f"layers, {number(scale[1].measured, 3)} after {HE_DEPTHS[1]}.")


FIGURES: Mapping[str, Experiment] = MappingProxyType({
    "lecun_tanh": Experiment(
        "LeCun et al. 1998, the recommended sigmoid",
        "With f(x) = 1.7159 tanh(2x/3), normalized inputs and weights of standard deviation 1/√fan_in, f(±1) = ±1, the "
        "second derivative is largest at 1, and the outputs' variance is close to 1.",
        "The function by itself, then in layers of 256 neurons under LeCun's normal weights and unit normal inputs. "
        "Nothing had to be replaced; the paper has no depth in mind, the layers are added here.",
        "f meets its own marks. \"Close to 1\" is loose: a unit variance comes out as 0.750, deep layers settle at a "
        "variance of 0.382, and no layer explodes, since f is bounded; its derivative at 0, 1.144, is "
        "above 1 and keeps the signal from vanishing.",
        "LeCun, Bottou, Orr and Müller 1998, \"Efficient BackProp\", sections 4.4 and 4.6, equations 15 and 16",
        _lecun_tanh, MappingProxyType({"depth": Parameter(
            "Layers", LECUN_DEPTH, Interval(1, 100, integer=True), "Layers the signal passes.")})),
    "martens_sparse": Experiment(
        "Martens 2010, sparse initialization",
        "Fifteen incoming weights from N(0, 1) for each neuron: how strongly it is driven does not depend on the "
        "width.",
        "One layer at five widths, 256 unit normal inputs, biases 0, and dense weights of the same law beside it. "
        "Replaced: the deep autoencoders; only their initialization is looked at.",
        "A preactivation is a sum of as many terms as there are incoming weights, whatever the width, and its variance "
        "is that number times the inputs' mean square. With all weights N(0, 1) it is the width times that.",
        "Martens 2010, \"Deep learning via Hessian-free optimization\", as described by Sutskever et al. 2013",
        _sparse, MappingProxyType({"incoming": Parameter(
            "Incoming weights", 15, Interval(1, 50, integer=True), "Weights of a neuron that are not zero.")})),
    "he_stds": Experiment(
        "He et al. 2015, the stds of a deep net",
        "For 64, 128, 256 and 512 filters of 3 × 3 the derived standard deviations are 0.059, 0.042, 0.029 and 0.021; "
        "with 0.01 everywhere the gradient from conv10 to conv2 is 1.7·10⁴ times smaller.",
        "Weights drawn for the paper's fan_out, 9 times the filters of a layer, from 64 inputs each: the law of the "
        "way back, for a VGG-like model of 10 convolutional layers. The factor is arithmetic over conv2 to conv10. "
        "Nothing had to be replaced.",
        "The backward law √(2/fan_out), with fan_out = 3·3·filters, gives the four numbers to every printed digit. The "
        "factor is the product of their ratios to 0.01; rounding the four first gives 17,022 instead of 16,729.",
        "He, Zhang, Ren and Sun 2015, \"Delving deep into rectifiers\", section 2.2, equation 14", _he_stds),
    "he_depth": Experiment(
        "He et al. 2015, figures 2 and 3: Xavier against He",
        "With ReLU, Xavier's scale over L layers is (1/√2)^L of He's: at 22 layers both learn, at 30 only He does.",
        f"Replaced: the 22- and 30-layer convolutional nets on ImageNet, by perceptrons of one width on {HE_SAMPLES} "
        f"digits, {HE_STEPS} full-batch steps of momentum at {HE_RATE:g}. Beside it the cause, the scale, on the same "
        "draws and inputs under both initializers, float64.",
        "ReLU passes any positive factor through, so both networks switch the same neurons on and differ by the factor "
        "alone, 2^(-L/2) of the standard deviation. The gradient of every layer is that much smaller, and at 30 layers "
        "too small to move the weights in the steps that He needs.",
        "He, Zhang, Ren and Sun 2015, section 2.2, figures 2 and 3", _he_depth, MappingProxyType({"width": Parameter(
            "Width", HE_WIDTH, Interval(32, 192, integer=True), "Neurons in each layer.", 16)}),
        unchecked="The numbers of the figures; that both nets learn at 22 layers and one at 30."),
})
