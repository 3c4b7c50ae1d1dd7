"""The papers that choose a variance for the weights: LeCun et al. 1998, Martens 2010, He et al. 2015."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from initviz.charts.plots import Line, Plot
from initviz.claims.experiment import Check, Experiment, Result
from initviz.core.activations import activation
from initviz.core.batches import make_batch
from initviz.core.initializers import initialize, law_of, laws
from initviz.core.network import INPUT_STREAM, WEIGHT_STREAM, Network, stream
from initviz.core.propagation import backward, forward
from initviz.core.validation import Interval, Parameter
from initviz.core.wording import number
from initviz.theory.mean_field import Field

# ---------------------------------------------------------------------------------------------- LeCun et al. 1998

LECUN_DEPTH, LECUN_WIDTH, LECUN_SAMPLES = 40, 256, 256


def _lecun_tanh(seed: int, depth: float) -> Result:
    """The recommended sigmoid by itself, and under the recommended weights."""
    field, phi = Field("lecun_tanh"), activation("lecun_tanh")
    x = np.linspace(-3, 3, 6001)
    slope = phi.derivative(x)
    bend = np.gradient(slope, x)
    place = abs(float(x[np.abs(bend).argmax()]))
    at_one = float(phi.value(np.ones(1))[0])
    slope_at_zero = float(phi.derivative(np.zeros(1))[0])
    kept = float(field.moments(1.0).square)
    settled = field.fixed_point(1.0, 0.0)

    layers = int(depth)
    network = Network((LECUN_WIDTH,) * (layers + 1), "lecun_tanh", "lecun_normal", seed=seed)
    batch = make_batch("normal", LECUN_SAMPLES, seed=seed, features=LECUN_WIDTH)
    measured = np.array([float(np.square(z, dtype=float).mean())
                         for z, _ in forward(*network.parameters(), batch.x, "lecun_tanh")])
    theory = [1.0]
    while len(theory) < layers:
        theory.append(float(field.length(theory[-1], 1.0, 0.0)))
    checks = [
        Check.within("f(1)", at_one, 1.0, 1e-5, "Published: f(±1) = ±1. The constants have five digits."),
        Check.within("f'(0)", slope_at_zero, 1.143933, 1e-6, "Derived: 1.7159 · 2/3, to six decimals."),
        Check("Where |f''| is largest", place, 0.95, 1.05, 1.0, "Published: at x = 1, read as rounded to one decimal."),
        Check("Where |f''| is largest, exactly", place, 0.9867, 0.9887, 0.987718,
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
    shown = slice(None, None, 100)
    plots = [
        Plot("f(x) = 1.7159 tanh(2x/3) and its second derivative", "x", [
            Line("f(x)", x[shown], phi.value(x)[shown]), Line("f''(x)", x[shown], bend[shown])],
            points=False),
        Plot("Variance of the preactivations against the layer", "layer", [
            Line("this network", np.arange(1, layers + 1), measured, np.array(theory), "lecun_normal")],
            guides=[(1.0, "kept"), (settled.q, "settled")])]
    return Result(checks, plots, f"f keeps {number(kept, 3)} of a unit variance; in layer {layers} the variance of "
                   f"the preactivations is {number(float(measured[-1]))}, theory's limit {number(settled.q)}. A layer "
                   f"multiplies the squared gradient by {number(settled.chi, 3)} there.")


def _band(expected: float, layers: int) -> tuple[float, float]:
    room = min(0.2, math.expm1(3 * math.sqrt(5 * layers / LECUN_WIDTH)))
    return expected * (1 - room), expected * (1 + room)


# ---------------------------------------------------------------------------------------------- Martens 2010

SPARSE_WIDTHS = (50, 100, 200, 500, 1000)
SPARSE_SAMPLES = 256


def _sparse(seed: int, incoming: float) -> Result:
    """std(z) under sparse weights, and under dense ones of the same law, by width."""
    target = math.sqrt(incoming)
    found: dict[str, list[float]] = {"sparse": [], "normal": []}
    for width in SPARSE_WIDTHS:
        x = stream(seed, INPUT_STREAM).standard_normal((SPARSE_SAMPLES, width), dtype=np.float32)
        rng = stream(seed, WEIGHT_STREAM)
        sparse = laws.sparse(int(incoming)).draw(width, width, rng, np.float32)
        dense = initialize("normal", width, width, rng=stream(seed, WEIGHT_STREAM), std=1.0, dtype=np.float32)
        for name, w in (("sparse", sparse), ("normal", dense)):
            found[name].append(float((x @ w).std(dtype=float)))
    room = 5.5 / math.sqrt(2 * 100 * incoming)
    checks = [Check.within(f"Standard deviation of z at width {width}", found["sparse"][SPARSE_WIDTHS.index(width)],
                           target, room, "Derived: the root of the number of incoming weights, whatever the width; 5.5 "
                           "times what a draw of 100 neurons moves it by, 1/√(2·100·k), which is 10 % at k = 15.")
              for width in (100, 1000)]
    widths = np.array(SPARSE_WIDTHS)
    plot = Plot("Standard deviation of the preactivations against the width, log axis", "width", [
        Line("sparse", widths, np.array(found["sparse"]), np.full(len(widths), target), "sparse"),
        Line("all weights N(0, 1)", widths, np.array(found["normal"]), np.sqrt(widths), "normal")], log=True)
    return Result(checks, [plot], f"From width 50 to 1000 the standard deviation of z goes from "
                   f"{number(found['sparse'][0])} to {number(found['sparse'][-1])} with {int(incoming)} incoming "
                   f"weights a neuron, from {number(found['normal'][0])} to {number(found['normal'][-1])} with all.")


# ---------------------------------------------------------------------------------------------- He et al. 2015

FILTERS = (64, 128, 128, 256, 256, 512, 512, 512, 512)  # conv2 to conv10 of the 30-layer discussion: input channels d
SMALL = 0.01
STDS = {64: (0.059, 0.058926), 128: (0.042, 0.041667), 256: (0.029, 0.029463), 512: (0.021, 0.020833)}
DRAWN_NEURONS = 64


def _he_stds(seed: int) -> Result:
    """Standard deviations of 3 x 3 filters, drawn, and by how much 0.01 is too little over conv2 to conv10."""
    drawn = {d: float(initialize("he_normal", 9 * d, DRAWN_NEURONS, rng=stream(seed, WEIGHT_STREAM, d)).std())
             for d in STDS}
    exact = {d: math.sqrt(law_of("he_normal").variance(9 * d, DRAWN_NEURONS)) for d in STDS}
    factors = np.cumprod([exact[d] / SMALL for d in FILTERS[::-1]])
    checks = [Check(f"Standard deviation for {d} filters", exact[d], published - 0.0005, published + 0.0005, published,
                    "Published, with three decimals.") for d, (published, _) in STDS.items()]
    checks += [Check.within(f"The same, {9 * d * DRAWN_NEURONS:,} weights drawn", drawn[d], derived, 0.02,
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
            Line("He, drawn", layers, np.array([drawn[d] for d in FILTERS]), np.array([exact[d] for d in FILTERS]),
                 "he_normal"),
            Line("0.01 everywhere", layers, np.full(len(layers), SMALL), initializer="normal")]),
        Plot("Factor by which 0.01 shrinks the gradient, from conv10 down, log axis", "convolution", [
            Line("1 / shrinking", layers, 1 / factors[::-1], initializer="normal")], log=True)]
    return Result(checks, plots, f"With 0.01 in place of {', '.join(number(value) for value in drawn.values())} the "
                   f"gradient arrives at conv2 smaller by a factor of {number(float(factors[-1]))}.")


HE_WIDTH, HE_SAMPLES, HE_DEPTHS = 256, 32, (22, 30)


def _he_depth(seed: int, width: float) -> Result:
    """Xavier over He on the same draws, in float64: forward from one input, backward from one error."""
    depth, n = HE_DEPTHS[-1], int(width)
    x = stream(seed, INPUT_STREAM).standard_normal((HE_SAMPLES, n))
    error = stream(seed, INPUT_STREAM, 1).standard_normal((HE_SAMPLES, n))
    stds: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for key in ("xavier_normal", "he_normal"):
        network = Network((n,) * (depth + 1), "relu", key, seed=seed, dtype="float64")
        weights, biases = network.parameters()
        zs, hs = zip(*forward(weights, biases, x, "relu"), strict=True)
        deltas = [delta for delta, _ in backward(weights, x, zs, hs, error, "relu")][::-1]
        stds[key] = (np.array([z.std() for z in zs]), np.array([delta.std() for delta in deltas]))
    ahead, back = (stds["xavier_normal"][way] / stds["he_normal"][way] for way in (0, 1))
    exact = "Derived, and published as the ratio of the scales, (1/√2)^L. Exact for the same draws, as ReLU passes " \
            "factors through; 10⁻¹² is round-off."
    checks = [Check.within(f"Forward, Xavier over He, {layers} layers", float(ahead[layers - 1]), 2 ** (-layers / 2),
                           1e-12, exact) for layers in HE_DEPTHS]
    checks.append(Check.within("Backward, Xavier over He, at layer 1", float(back[0]), 2 ** (-(depth - 1) / 2), 1e-12,
                               "Derived: 29 weight matrices lie between the error, the same for both, and layer 1."))
    layers = np.arange(1, depth + 1)
    plots = [Plot(title, "layer", [Line(name, layers, stds[key][way], initializer=key) for name, key in (
        ("Xavier", "xavier_normal"), ("He", "he_normal"))], log=True) for way, title in (
        (0, "Forward: standard deviation of the preactivations, log axis"),
        (1, "Backward: standard deviation of the deltas, log axis"))]
    return Result(checks, plots, f"After 22 layers Xavier's signal is {number(float(ahead[21]), 3)} of He's, after 30 "
                   f"{number(float(ahead[29]), 3)}; the same error reaches layer 1 at {number(float(back[0]), 3)}.")


FIGURES: Mapping[str, Experiment] = MappingProxyType({
    "lecun_tanh": Experiment(
        "LeCun et al. 1998, the recommended sigmoid",
        "With f(x) = 1.7159 tanh(2x/3), normalized inputs and weights of standard deviation 1/√fan_in, f(±1) = ±1, the "
        "second derivative is largest at 1, and the outputs' variance is close to 1.",
        "The function by itself, then in layers of 256 neurons under LeCun's normal weights and unit normal inputs. "
        "Nothing had to be replaced; the paper has no depth in mind, the layers are added here.",
        "f meets its own marks. \"Close to 1\" is loose: a unit variance comes out as 0.750, deep layers settle at a "
        "variance of 0.382, and no layer explodes, since the slope makes up for it.",
        "LeCun, Bottou, Orr and Müller 1998, \"Efficient BackProp\", sections 4.4 and 4.6, equations 15 and 16",
        _lecun_tanh, MappingProxyType({"depth": Parameter(
            "Layers", LECUN_DEPTH, Interval(1, 100, integer=True), "Layers the signal passes.")})),
    "martens_sparse": Experiment(
        "Martens 2010, sparse initialization",
        "Fifteen incoming weights from N(0, 1) for each neuron: how strongly it is driven does not depend on the "
        "width.",
        "One layer at five widths, 256 unit normal inputs, biases 0, and dense weights of the same law beside it. "
        "Replaced: the deep autoencoders; only their start is looked at.",
        "A preactivation is a sum of as many terms as there are incoming weights, whatever the width, and its variance "
        "is that number times the inputs' mean square. With all weights N(0, 1) it is the width times that.",
        "Martens 2010, \"Deep learning via Hessian-free optimization\", as described by Sutskever et al. 2013",
        _sparse, MappingProxyType({"incoming": Parameter(
            "Incoming weights", 15, Interval(1, 50, integer=True), "Weights of a neuron that are not zero.")})),
    "he_stds": Experiment(
        "He et al. 2015, the stds of a deep net",
        "For 64, 128, 256 and 512 filters of 3 × 3 the derived standard deviations are 0.059, 0.042, 0.029 and 0.021; "
        "with 0.01 everywhere the gradient from conv10 to conv2 is 1.7·10⁴ times smaller.",
        "Weights drawn for the paper's fan-ins, 9 times the filters, 64 neurons of each; the factor is arithmetic over "
        "the nine convolutions. Nothing had to be replaced.",
        "The law √(2/fan_in) gives the four numbers to every printed digit. The factor is the product of their ratios "
        "to 0.01; rounding the four first gives 17,022 instead of 16,729.",
        "He, Zhang, Ren and Sun 2015, \"Delving deep into rectifiers\", section 2.2", _he_stds),
    "he_depth": Experiment(
        "He et al. 2015, figures 2 and 3: Xavier against He",
        "With ReLU, Xavier's scale over L layers is (1/√2)^L of He's: at 22 layers both learn, at 30 only He does.",
        "ReLU layers of one width, the same draws and inputs under both starts, float64. Replaced: the 22- and "
        "30-layer convolutional nets on ImageNet; only the cause, the scale at the start, is computed, no training.",
        "ReLU passes any positive factor through, so both networks switch the same neurons on and differ by the factor "
        "alone. It is 2^(-L/2) of the standard deviation, 2^(-L) of the variance.",
        "He, Zhang, Ren and Sun 2015, section 2.2, figures 2 and 3 (equation and figure numbers not checked against "
        "the paper's text)", _he_depth, MappingProxyType({"width": Parameter(
            "Width", HE_WIDTH, Interval(16, 384, integer=True), "Neurons in each layer.", 16)})),
})
