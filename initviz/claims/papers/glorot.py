"""Glorot and Bengio 2010: five layers of tanh, their standard initialization against their normalized one."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from initviz.charts.plots import Line, Plot
from initviz.claims.experiment import Check, Experiment, Result
from initviz.core.arrays import Array
from initviz.core.batches import Batch, make_batch
from initviz.core.initializers import law_of
from initviz.core.network import INPUT_STREAM, Network, stream
from initviz.core.propagation import Propagation, propagate
from initviz.core.validation import Interval, Parameter
from initviz.core.wording import number
from initviz.theory.mean_field import Field

SOURCE = ("Glorot and Bengio 2010, \"Understanding the difficulty of training deep feedforward neural networks\", "
          "AISTATS, ")
SETTING = ("Five hidden layers of 1000 tanh neurons and a softmax, biases 0, 300 samples, before any training, as in "
           "sections 2.3 and 4.2.2. Replaced: the paper's images (Shapeset-3×2) are not available; the inputs here are "
           "1024 independent unit normals, the classes random.")
SAMPLES, FEATURES, LAYERS, CLASSES, WIDTH = 300, 1024, 5, 10, 1000
BINS = 80
NAMES = MappingProxyType({"standard": "Standard", "normalized": "Normalized"})
WHY = "Derived for wide layers and unit normal inputs; the paper prints the curves, not numbers. "
NARROWER = " of it at width 1000, and √(1000/width) times that in narrower layers."
QUARTER_CIRCLE = 8 / (3 * math.pi)  # mean singular value of a square matrix whose entries have variance 1/n
STANDARD_SCALE = 1 / math.sqrt(3)  # n Var(W) = 1/3 where W is uniform on ±1/√n


def network_of(scheme: str, width: int, seed: int) -> Network:
    """The paper's network: "standard" is U(±1/√fan_in), equation 1; "normalized" equation 16."""
    initializer, gain = {"standard": ("lecun_uniform", STANDARD_SCALE), "normalized": ("xavier_uniform", 1.0)}[scheme]
    return Network((FEATURES, *[width] * LAYERS, CLASSES), "tanh", initializer, gain, seed=seed)


@functools.cache
def expected(scheme: str, width: int) -> Mapping[str, Array]:
    """Theory's standard deviations by hidden layer: "activations", and over layer 5's "deltas" and "weight_gradients".

    Forward q_l = fan_in Var W E tanh(sqrt(q_(l-1)) g)^2, from inputs of variance 1; backward a layer multiplies by
    fan_out Var W E tanh'^2; a weight gradient is an activation times a delta (the paper's equations 5 to 7).
    """
    network, field = network_of(scheme, width, 0), Field("tanh")
    fans = list(zip(network.sizes[:LAYERS], network.sizes[1:], strict=False))
    variances = [network.gain_of(0)**2 * law_of(network.initializer).variance(*pair) for pair in fans]
    multiplied = [fan_in * variance for (fan_in, _), variance in zip(fans, variances, strict=True)]
    moments = field.moments(field.lengths(1.0, [(math.sqrt(factor), 0.0) for factor in multiplied]))
    squares = np.array([1.0, *moments.square])  # of what each layer is given
    deltas = [1.0]
    derivative_squares = moments.derivative_square[-2::-1]
    for (_, fan_out), variance, square in zip(fans[:0:-1], variances[:0:-1], derivative_squares, strict=True):
        deltas.append(deltas[-1] * fan_out * variance * float(square))
    back = np.sqrt(deltas[::-1])
    return MappingProxyType({"activations": np.sqrt(squares[1:]), "deltas": back,
                             "weight_gradients": np.sqrt(squares[:-1] / squares[-2]) * back})


@functools.lru_cache(maxsize=1)  # figures 6, 7 and 8 are of one pass
def _passes(seed: int, width: int) -> Mapping[str, Propagation]:
    batch = make_batch("normal", SAMPLES, seed=seed, features=FEATURES)
    return {scheme: _passed(network_of(scheme, width, seed), batch) for scheme in NAMES}


def _passed(network: Network, batch: Batch) -> Propagation:
    return propagate(*network.parameters(), batch.x, batch.targets, activation="tanh", loss="softmax_ce")


def densities(layers: Sequence[Array], unit: float, reach: float) -> list[Line]:
    """One line per layer: its normalized histogram over values in units of ``unit``, from -reach to reach."""
    edges = np.linspace(-reach, reach, BINS + 1)
    middles, lines = (edges[1:] + edges[:-1]) / 2, []
    for layer, values in enumerate(layers, 1):
        counts, _ = np.histogram(values, edges * unit)
        lines.append(Line(f"layer {layer}", middles, counts / (values.size * (edges[1] - edges[0]))))
    return lines


def _figure(what: str, tolerance: float, quantity: str, why: str, *, relative: bool, say: str, seed: int,
            width: float) -> Result:
    """Distributions of a quantity by layer under both initializers, its standard deviations beside their targets."""
    checks, plots, sentences = [], [], []
    margin = tolerance * math.sqrt(WIDTH / width)
    for scheme, passed in _passes(seed, int(width)).items():
        layers = getattr(passed, what)[:LAYERS]
        stds = np.array([float(layer.std(dtype=np.float64)) for layer in layers])
        unit = float(stds[-1]) if relative else 1.0
        checks.append(Check.furthest(f"{NAMES[scheme]}, {quantity}", stds / unit, expected(scheme, int(width))[what],
                                     margin, WHY + why))
        plots.append(Plot(f"{NAMES[scheme]}: density of {say}", f"{say}, in units of layer 5's standard deviation"
                          if relative else say, densities(layers, unit, 3.0 if relative else 1.0), points=False,
                          ordered=True))
        sentences.append(f"{scheme} {', '.join(number(float(std / unit)) for std in stds)}")
    return Result(checks, plots, f"{quantity[0].upper()}{quantity[1:]}, layers 1 to 5: {'; '.join(sentences)}.")


def _figure_6(seed: int, width: float) -> Result:
    return _figure("activations", 0.02, "standard deviation of the activations",
                   "2 %" + NARROWER, relative=False, say="activation", seed=seed, width=width)


def _figure_7(seed: int, width: float) -> Result:
    return _figure("deltas", 0.08, "standard deviation of the back-propagated gradients over layer 5's",
                   "8 %, as the gradient starts in ten dimensions only," + NARROWER, relative=True,
                   say="back-propagated gradient", seed=seed, width=width)


def _figure_8(seed: int, width: float) -> Result:
    return _figure("weight_gradients", 0.10, "standard deviation of the weight gradients over layer 5's",
                   "10 %, for ten classes and 300 samples," + NARROWER, relative=True, say="weight gradient",
                   seed=seed, width=width)


JACOBIAN_WIDTH, JACOBIAN_SAMPLES = 256, 3
PUBLISHED = MappingProxyType({"standard": (0.5, 0.45, 0.55), "normalized": (0.8, 0.75, 0.85)})


def _singular_values(seed: int, scale: float) -> Result:
    """Mean singular values of dz^{i+1}/dz^i = W diag(tanh'), the paper's z being the activations."""
    checks, lines, sentences = [], [], []
    x = scale * stream(seed, INPUT_STREAM).standard_normal((SAMPLES, JACOBIAN_WIDTH))
    for scheme in NAMES:
        network = Network((JACOBIAN_WIDTH,) * (LAYERS + 1), "tanh", network_of(scheme, 2, 0).initializer,
                          network_of(scheme, 2, 0).gain, seed=seed, dtype="float64")
        h, field = x, Field("tanh")
        means, squares, bare = [], [], []
        law = STANDARD_SCALE if scheme == "standard" else 1.0
        moments = field.moments(field.lengths(scale**2, [(law, 0.0)] * LAYERS))
        theory = law**2 * moments.derivative_square
        for w in network.parameters()[0]:
            h = np.tanh(h @ w)
            derivatives = 1 - h * h
            means.append(float(np.mean([np.linalg.svd(w * row, compute_uv=False)
                                        for row in derivatives[:JACOBIAN_SAMPLES]])))
            squares.append(float((np.square(w).sum(axis=0) * np.square(derivatives).mean(axis=0)).mean()))
            bare.append(float(np.linalg.svd(w, compute_uv=False).mean()))
        target, low, high = PUBLISHED[scheme]
        mean = float(np.mean(means))
        checks += [
            Check(f"{NAMES[scheme]}: mean singular value of a layer's Jacobian", mean, low, high, target,
                  f"Published as \"around {target:g}\", read as rounded to one decimal."),
            Check.within(f"{NAMES[scheme]}: the same of the weights alone", float(np.mean(bare)), QUARTER_CIRCLE * law,
                         0.02, "Derived: the quarter-circle law, 8/(3π)·√(n Var W); 2 % for 256 neurons."),
            Check.furthest(f"{NAMES[scheme]}: mean square of the singular values", np.array(squares), theory, 0.03,
                           "Derived: n Var W · E tanh'²; 3 % for 256 neurons and 300 inputs.")]
        lines.append(Line(NAMES[scheme], np.arange(1, LAYERS + 1), np.array(means), initializer=network.initializer))
        sentences.append(f"{scheme} {number(mean)}")
    plot = Plot("Mean singular value of one layer's Jacobian against the layer", "layer", lines,
                guides=[(0.8, "published, normalized"), (0.5, "published, standard")])
    return Result(checks, [plot], f"Mean over the layers at initialization: {', '.join(sentences)}; the weights alone "
                   f"give {number(QUARTER_CIRCLE * STANDARD_SCALE)} and {number(QUARTER_CIRCLE)} in a wide layer.")


_WIDTH = MappingProxyType({"width": Parameter(
    "Width", WIDTH, Interval(100, 1000, integer=True), "Neurons in each hidden layer; the paper has 1000.", 100)})


def _experiment(title: str, claim: str, reason: str, source: str, run: Callable[..., Result],
                setting: str = SETTING, knobs: Mapping[str, Any] = _WIDTH, peak_bytes: float = 110e6,
                ) -> Experiment:
    return Experiment(title, claim, setting, reason, SOURCE + source, run, knobs, peak_bytes=peak_bytes)


FIGURES: Mapping[str, Experiment] = MappingProxyType({
    "glorot_6": _experiment(
        "Glorot and Bengio 2010, figure 6", "Activation values, normalized histograms: under the standard "
        "initialization they gather around 0 in the higher layers, under the normalized one far less.",
        "Each layer's variance is n·Var W · E tanh² of the one below. At n·Var W = 1/3 it falls threefold a layer and "
        "more; at 1 only tanh itself takes from it.", "figure 6 and sections 2.3, 4.2.2", _figure_6),
    "glorot_7": _experiment(
        "Glorot and Bengio 2010, figure 7", "Back-propagated gradients, normalized histograms: under the standard "
        "initialization they shrink from the top layer down, under the normalized one far less.",
        "One layer multiplies the variance of the gradient by n·Var W · E tanh'². Near 1/3 it shrinks to (1/√3)^k of "
        "its size over k layers, near 1 only by what the derivatives of tanh take.",
        "figure 7 and equations 11 and 13 (which prints Var[x] where the gradient at the top is meant)", _figure_7),
    "glorot_8": _experiment(
        "Glorot and Bengio 2010, figure 8", "Weight gradients, normalized histograms: under the standard "
        "initialization their size does not depend on the layer, although the gradients that make them do.",
        "A weight gradient is an activation times a delta. Going up one layer under the standard initialization the "
        "one shrinks as much as the other grows, equation 14, and the two cancel.",
        "figure 8 and equation 14", _figure_8),
    "glorot_singular_values": _experiment(
        "Glorot and Bengio 2010, singular values", "At initialization the singular values of a layer's Jacobian "
        "average about 0.8 under the normalized initialization and 0.5 under the standard one.",
        "The quarter-circle law gives 0.849 and 0.490 for the weights alone, and tanh' < 1 takes from both. With unit "
        "inputs 0.8 is not reached; with small inputs, where tanh is nearly linear, it is: turn the inputs down.",
        "section 4.2.2", _singular_values,
        "Mean singular value of the Jacobian from one layer's activations to the next's, weights times tanh', at "
        "initialization. Replaced: 256 neurons a layer instead of 1000, three inputs (300 for the mean square), and "
        "normal inputs of the chosen standard deviation instead of the paper's images, whose scale is not at hand.",
        MappingProxyType({"scale": Parameter("Inputs' standard deviation", 1.0, Interval(0.1, 3),
                                             "Smaller inputs keep tanh nearly linear.", 0.1)}),
        Experiment.peak_bytes),
})
