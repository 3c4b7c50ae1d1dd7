"""Poole et al. 2016 and Schoenholz et al. 2017: lengths, correlations and depth scales of wide tanh networks."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from initviz.charts.plots import Line, Plot
from initviz.claims.experiment import Check, Experiment, Result
from initviz.core.arrays import Array
from initviz.core.network import BIAS_STREAM, INPUT_STREAM, WEIGHT_STREAM, stream
from initviz.core.validation import Interval, Parameter
from initviz.core.wording import number
from initviz.theory.correlation import two_inputs
from initviz.theory.mean_field import Field, root

TANH = Field("tanh")
fixed_point = functools.lru_cache(maxsize=128)(TANH.fixed_point)  # what no seed changes is integrated once


def _passes(weights: Iterator[tuple[Array, Array]], sigmas: Sequence[tuple[float, float]],
            x: Array) -> Iterator[Array]:
    """Preactivations (sigmas, inputs, width), layer by layer, of networks that share their unit draws."""
    h = np.broadcast_to(x, (len(sigmas), *x.shape))
    sigma_w, sigma_b = (np.array(values, x.dtype)[:, None, None] for values in zip(*sigmas, strict=True))
    for w, b in weights:
        z = sigma_w * (h @ w) + sigma_b * b
        yield z
        h = np.tanh(z)


def _unit_draws(seed: int, width: int, layers: int) -> Iterator[tuple[Array, Array]]:
    """Weights of variance 1 / width and biases of variance 1, layer by layer."""
    for layer in range(layers):
        w = stream(seed, WEIGHT_STREAM, layer).standard_normal((width, width), dtype=np.float32)
        w *= np.float32(width**-0.5)
        yield w, stream(seed, BIAS_STREAM, layer).standard_normal(width, dtype=np.float32)


# ---------------------------------------------------------------------------------------------- Poole et al. 2016

POOLE_WIDTH, POOLE_LAYERS, POOLE_SIGMA_B, INPUTS = 1000, 20, 0.3, 16
POOLE = {1.3: (0.607047, 1.0), 2.5: (4.079124, 0.122104), 4.0: (12.604149, 0.029696)}  # sigma_w: q*, c*
INITIAL_CORRELATIONS = (0.2, 0.5, 0.8)
LENGTHS, OF_A_LENGTH = (0.1, 1.0, 10.0), 8  # mean squares of the inputs, and how many inputs have each
SETTLING = 5  # last layers, over which lengths are averaged
OF_LENGTH, OF_CORRELATION = 0.10, 0.06  # how far they may lie off at the paper's width
DRAWN = MappingProxyType({"layers": "Layer by layer", "maps": "The maps"})
MAPPED_LENGTHS, MAPPED_CORRELATIONS = np.linspace(0, 15, 16)[1:], np.linspace(0, 1, 11)


def _equally_correlated(count: int, features: int, c: float, seed: int) -> Array:
    """Inputs (count, features) of mean square 1, every two of which have the cosine c >= 0."""
    draws = stream(seed, INPUT_STREAM).standard_normal((features, count + 1))
    shared, *unshared = np.linalg.qr(draws)[0].T * features**0.5
    return np.sqrt(c) * shared + np.sqrt(1 - c) * np.array(unshared)


@functools.lru_cache(maxsize=1)  # what is drawn does not change it
def _measured(seed: int, n: int) -> tuple[Array, Array]:
    """Lengths (layers, sigma_w, LENGTHS) and mean correlations (layers, sigma_w, STARTS) in one network of width n."""
    pairs = np.concatenate([_equally_correlated(INPUTS, n, c, seed) for c in INITIAL_CORRELATIONS])
    x = np.concatenate([pairs, *(length**0.5 * pairs[:OF_A_LENGTH] for length in LENGTHS)]).astype(np.float32)
    first, second = np.triu_indices(INPUTS, 1)
    lengths, cosines = [], []
    for z in _passes(_unit_draws(seed, n, POOLE_LAYERS), [(sigma_w, POOLE_SIGMA_B) for sigma_w in POOLE], x):
        inputs = z[:, :len(pairs)].reshape(len(POOLE), len(INITIAL_CORRELATIONS), INPUTS, n)
        products = inputs @ inputs.swapaxes(-1, -2) / n
        squares = np.diagonal(products, axis1=-2, axis2=-1)
        cosines.append((products[..., first, second] / np.sqrt(squares[..., first] * squares[..., second])).mean(-1))
        lengths.append(np.square(z[:, len(pairs):]).reshape(len(POOLE), len(LENGTHS), -1).mean(-1))
    return np.array(lengths), np.array(cosines)


def _maps(seed: int, n: int) -> list[Plot]:
    """V and C as one layer of width n draws them, dashed as theory does."""
    shared, unshared = _equally_correlated(2, n, 0.0, seed)
    v_lines, c_lines = [], []
    for sigma_w in POOLE:
        q = fixed_point(sigma_w, POOLE_SIGMA_B).q
        pairs = q**0.5 * np.array([shared, *(c * shared + (1 - c * c) ** 0.5 * unshared for c in MAPPED_CORRELATIONS)])
        inputs = np.concatenate([np.sqrt(MAPPED_LENGTHS)[:, None] * shared, pairs])
        z = next(_passes(_unit_draws(seed, n, 1), [(sigma_w, POOLE_SIGMA_B)], np.tanh(inputs).astype(np.float32)))[0]
        first, partners = z[len(MAPPED_LENGTHS)], z[len(MAPPED_LENGTHS) + 1:]
        cosines = partners @ first / np.sqrt(np.square(partners).sum(axis=1) * (first @ first))
        v_lines.append(Line(f"σ_w {sigma_w:g}", MAPPED_LENGTHS, np.square(z[:len(MAPPED_LENGTHS)]).mean(axis=1),
                            TANH.length(MAPPED_LENGTHS, sigma_w, POOLE_SIGMA_B)))
        c_lines.append(Line(f"σ_w {sigma_w:g}", MAPPED_CORRELATIONS, cosines, np.array(
            [TANH.correlation(c, q, q, sigma_w, POOLE_SIGMA_B) for c in MAPPED_CORRELATIONS])))
    ends = np.array([0.0, 1.0])
    return [Plot("Length of the next layer against the length q: the map V", "q", [
                *v_lines, Line("unchanged", MAPPED_LENGTHS, MAPPED_LENGTHS)], ordered=True),
            Plot("Correlation of the next layer against the correlation c, at q*: the map C", "c", [
                *c_lines, Line("unchanged", ends, ends)], ordered=True)]


def _poole(seed: int, width: float, drawn: str) -> Result:
    """Lengths and correlations through twenty layers, from several of the inputs."""
    n = int(width)
    q, c = _measured(seed, n)
    layers = np.arange(1, POOLE_LAYERS + 1)
    room = (POOLE_WIDTH / n) ** 0.5
    checks, length_lines, cosine_lines = [], [], []
    for i, (sigma_w, (q_star, c_star)) in enumerate(POOLE.items()):
        fixed = fixed_point(sigma_w, POOLE_SIGMA_B)
        settled = q[-SETTLING:, i].mean(axis=0)
        worst = int(np.abs(settled - q_star).argmax())
        checks += [
            Check(f"σ_w {sigma_w:g}: q* by theory", fixed.q, q_star - 1e-6, q_star + 1e-6, q_star,
                  "Derived by another quadrature; its last digit."),
            Check.within(f"σ_w {sigma_w:g}: q of inputs of length {LENGTHS[worst]:g}, last layers",
                         float(settled[worst]), q_star, OF_LENGTH * room, "Derived; the inputs that end furthest off. "
                         "10 % for one network of 1000 neurons, and √(1000/width) of it."),
            Check(f"σ_w {sigma_w:g}: c* by theory", fixed.correlation, c_star - 1e-6, c_star + 1e-6, c_star,
                  "Derived by another quadrature; its last digit.")]
        furthest, expected = _furthest(c[:, i], sigma_w)
        checks.append(Check(
            f"σ_w {sigma_w:g}: c from {INITIAL_CORRELATIONS[furthest]:g}, last layer", float(c[-1, i, furthest]),
            expected[furthest][-1] - OF_CORRELATION * room, expected[furthest][-1] + OF_CORRELATION * room,
            float(expected[furthest][-1]), "Derived: the map C iterated; the inputs that end furthest off. ±0.06 is "
            "three times what one network of 1000 moves a mean over 16 inputs, and √(1000/width) of it."))
        length_lines += [Line(f"σ_w {sigma_w:g} from {LENGTHS[s]:g}", layers, q[:, i, s],
                              expected_lengths(LENGTHS[s], sigma_w, POOLE_SIGMA_B, POOLE_LAYERS)) for s in (0, 2)]
        cosine_lines += [Line(f"σ_w {sigma_w:g} from {INITIAL_CORRELATIONS[s]:g}", layers, c[:, i, s], expected[s])
                         for s in (0, 2)]
    plots = _maps(seed, n) if drawn == "maps" else [
        Plot("Length q of the preactivations against the layer, log axis", "layer", length_lines, log=True,
             ordered=True),
        Plot("Correlation of two inputs against the layer", "layer", cosine_lines, ordered=True)]
    return Result(checks, plots, "After twenty layers: " + "; ".join(
        f"σ_w {sigma_w:g} has q {_listed(q[-1, i])} from lengths {_listed(LENGTHS)} and c {_listed(c[-1, i])} from "
        f"{_listed(INITIAL_CORRELATIONS)}" for i, sigma_w in enumerate(POOLE)) + ".")


def _listed(values: Iterable[float]) -> str:
    return ", ".join(number(float(value)) for value in values)


def _furthest(measured: Array, sigma_w: float) -> tuple[int, list[Array]]:
    """Which initial correlation ends furthest from theory's, and theory's by initial correlation and layer."""
    expected = [correlations(c, sigma_w, POOLE_SIGMA_B, POOLE_LAYERS) for c in INITIAL_CORRELATIONS]
    return int(np.argmax([abs(measured[-1, s] - expected[s][-1]) for s in range(len(INITIAL_CORRELATIONS))])), expected


@functools.lru_cache(maxsize=32)
def expected_lengths(mean_square: float, sigma_w: float, sigma_b: float, layers: int) -> Array:
    """Theory's length of the preactivations, layer by layer, for inputs of that ``mean_square``."""
    return TANH.lengths(mean_square, [(sigma_w, sigma_b)] * layers)


@functools.lru_cache(maxsize=32)
def correlations(c: float, sigma_w: float, sigma_b: float, layers: int) -> Array:
    """Theory's correlation of the preactivations, layer by layer, for inputs of mean square 1 and correlation c."""
    return TANH.correlations(c, 1.0, [(sigma_w, sigma_b)] * layers)


# ---------------------------------------------------------------------------------------------- Schoenholz et al. 2017

BIAS_VARIANCE = 0.05
# sigma_w^2: xi_c and chi_1, by another quadrature
SCALES = {1.0: (3.62697561805, 0.759031647185), 1.3: (7.83406926846, 0.880163509883),
          1.5: (15.7909940341, 0.938636268199), 2.0: (25.2134147891, 1.04766599958),
          2.5: (11.7955975159, 1.1335156987), 4.0: (6.98027353298, 1.34240241445)}
CRITICAL = 1.76095464
NEAR = (0.7, 0.85, 0.93, 0.97, 0.99, 0.999, 1.01, 1.05)  # parts of it that are drawn
FITTED = (1.0, 1.3)
FIT_WIDTH, FIT_NETWORKS, FIT_LAYERS, FIT_FROM, FIT_CORRELATION = 250, 16, 20, 4, 0.6


def _schoenholz(seed: int, sigma_b2: float) -> Result:
    """Depth scales over sigma_w^2, where they diverge, and the decay of 1 - c in finite networks."""
    sigma_b = sigma_b2**0.5
    published = {w2: fixed_point(w2**0.5, BIAS_VARIANCE**0.5) for w2 in SCALES}
    checks = [Check.within(f"χ₁ at σ_w² {w2:g}", point.chi, SCALES[w2][1], 1e-6,
                           "Derived by another quadrature.") for w2, point in published.items()]
    checks += [Check.within(f"ξ_c at σ_w² {w2:g}", point.depth_of_correlation, SCALES[w2][0], 1e-6,
                            "Derived by another quadrature.") for w2, point in published.items()]
    checks.append(Check.within("σ_w² at which ξ_c diverges, for σ_b² 0.05", _critical(BIAS_VARIANCE), CRITICAL, 1e-6,
                               "Derived: where χ₁ = 1; published as a peak in a curve."))
    decays = _decays(seed, BIAS_VARIANCE**0.5)
    layers = np.arange(1, FIT_LAYERS + 1)
    lines, measured = [], []
    for w2, distance in zip(FITTED, decays, strict=True):
        slope = float(np.polyfit(layers[FIT_FROM:], np.log(distance[FIT_FROM:]), 1)[0])
        measured.append(-1 / slope)
        checks.append(Check.within(f"Slope of ln(1 − c) at σ_w² {w2:g}, measured", slope, -1 / SCALES[w2][0], 0.15,
                                   "Derived: −1/ξ_c; 15 % for finite networks."))
        lines.append(Line(f"σ_w² {w2:g}", layers, distance,
                          1 - correlations(FIT_CORRELATION, w2**0.5, BIAS_VARIANCE**0.5, FIT_LAYERS)))
    critical = _critical(sigma_b2)
    grid = np.unique([*SCALES, *(critical * factor for factor in NEAR)])
    points = [fixed_point(w2**0.5, sigma_b) for w2 in grid]
    plots = [
        Plot("Depth scales against σ_w², log axis", "σ_w²", [
            Line("ξ_c, of a correlation", grid, np.array([p.depth_of_correlation for p in points])),
            Line("ξ_q, of a length", grid, np.array([p.depth_of_length for p in points]))], log=True, points=False),
        Plot("1 − c of two inputs against the layer, log axis", "layer", lines, log=True)]
    return Result(checks, plots, f"At σ_b² {sigma_b2:g} the depth scale diverges at σ_w² {number(critical, 3)}. "
                   "Measured at σ_b² 0.05: " + ", ".join(
                       f"ξ_c {number(value)} at σ_w² {w2:g} (theory {number(SCALES[w2][0], 3)})"
                       for w2, value in zip(FITTED, measured, strict=True)) + ".")


def _critical(sigma_b2: float) -> float:
    """The sigma_w^2 with chi_1 = 1, from the length of the fixed point at which sigma_b^2 is that."""
    log_q = root(lambda u: float(TANH.critical(math.exp(u))[1]) ** 2 - sigma_b2, math.log(1e-4), math.log(100))
    return float(TANH.critical(math.exp(log_q))[0]) ** 2


def _decays(seed: int, sigma_b: float) -> Array:
    """1 - c of two inputs, mean over networks: an array (SLOPES, layers)."""
    sigmas = [(w2**0.5, sigma_b) for w2 in FITTED]
    total = np.zeros((len(FITTED), FIT_LAYERS))
    for network in range(FIT_NETWORKS):
        network_seed = seed + 1000 * network
        x = two_inputs(FIT_WIDTH, FIT_CORRELATION, network_seed).astype(np.float32)
        for layer, z in enumerate(_passes(_unit_draws(network_seed, FIT_WIDTH, FIT_LAYERS), sigmas, x)):
            unit = (z / np.linalg.norm(z, axis=-1, keepdims=True)).astype(float)
            total[:, layer] += np.square(unit[:, 0] - unit[:, 1]).sum(axis=-1) / 2  # 1 - c without cancellation
    return total / FIT_NETWORKS


FIGURES: Mapping[str, Experiment] = MappingProxyType({
    "poole": Experiment(
        "Poole et al. 2016, figures 1 and 2",
        "In a wide random tanh network the length of the signal settles at q* whatever it began with, and the "
        "correlation of two inputs at c*: 1 in the ordered phase, less than 1 in the chaotic one.",
        "Twenty layers of 1000 tanh neurons at σ_b = 0.3 and σ_w = 1.3, 2.5 and 4.0, from correlations 0.2, 0.5 and "
        "0.8, as in the authors' published code, and from inputs of mean square 0.1, 1 and 10. Replaced: means over "
        "all pairs of 16 inputs (for lengths over 8) in one network stand for the figure's networks.",
        "Both maps have one stable fixed point, and every initial length is carried to it. At σ_w = 1.3 the slope χ₁ "
        "of the correlation map at 1 is 0.94, so inputs merge slowly; at 2.5 and 4.0 it is above 1, so 1 repels.",
        "Poole, Lahiri, Raghu, Sohl-Dickstein and Ganguli 2016, \"Exponential expressivity in deep neural networks "
        "through transient chaos\", figures 1 and 2; settings from the authors' code", _poole,
        MappingProxyType({"width": Parameter("Width", POOLE_WIDTH, Interval(50, 1000, integer=True),
                                             "Neurons in each layer: the narrower, the further from theory.", 50),
                          "drawn": Parameter("Draw", "layers", DRAWN, "The way of a signal through the layers, or what "
                                             "one layer makes of any length and correlation.")})),
    "schoenholz": Experiment(
        "Schoenholz et al. 2017, depth scales",
        "Correlations approach c* exponentially, with a depth scale ξ_c that diverges where order turns into chaos.",
        "tanh at σ_b² = 0.05: theory for six σ_w², and 1 − c of two inputs over twenty layers, a mean over 16 networks "
        "of 250 neurons. Replaced: the paper's trained grid of networks on MNIST is left out, as it takes hours; that "
        "they train up to 6 ξ_c is one setting's empirical rule and not tested here. Its training settings were not "
        "checked against its text.",
        "Near a fixed point one layer multiplies the distance to it by C'(c*), which is χ₁ in the ordered phase. At "
        "χ₁ = 1 nothing decays exponentially any more.",
        "Schoenholz, Gilmer, Ganguli and Sohl-Dickstein 2017, \"Deep information propagation\", ICLR", _schoenholz,
        MappingProxyType({"sigma_b2": Parameter("σ_b² of the curve", BIAS_VARIANCE, Interval(0.01, 0.5),
                                                "Variance of the biases in the first picture.", 0.01)})),
})
