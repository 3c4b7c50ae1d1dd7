"""Normalizing initializations: self-normalizing networks, Klambauer et al. 2017; LSUV, Mishkin and Matas 2016."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np

from initviz.charts.plots import Line, Plot
from initviz.claims.experiment import Check, Experiment, Result
from initviz.core.activations import SELU_ALPHA, SELU_LAMBDA
from initviz.core.arrays import Array
from initviz.core.batches import make_batch
from initviz.core.network import INPUT_STREAM, Network, stream
from initviz.core.propagation import backward, forward
from initviz.core.statistics import moments
from initviz.core.validation import Interval, Parameter
from initviz.core.wording import number
from initviz.diagnosis.remedies import MOST_TRIES, rescale
from initviz.theory.mean_field import Field, expectation

# ---------------------------------------------------------------------------------------------- Klambauer et al. 2017

SELU_WIDTH, SELU_LAYERS, SELU_SAMPLES = 500, 50, 100
SELU = Field("selu")
FROM_THREE = {1: 2.38, 2: 1.98, 4: 1.52, 8: 1.17, 16: 1.02}  # layer: variance that begins at 3
CHI = 1.0715749925
WEIGHT_SUM, WEIGHT_SQUARE_SUM = 0.0, 1.0
STEP = 1e-4


def _mapped(mean: float, variance: float) -> Array:
    """(mean, variance) of a layer's SELUs from those of its inputs, for weights of sum 0 and square sum 1."""
    z_mean, z_variance = WEIGHT_SUM * mean, WEIGHT_SQUARE_SUM * variance
    first = float(expectation(SELU.value, z_variance, z_mean))
    return np.array([first, float(expectation(lambda z: np.square(SELU.value(z)), z_variance, z_mean)) - first**2])


def _constants() -> tuple[float, float]:
    """(alpha, lambda) from the closed form of the fixed point (0, 1)."""
    tail = math.erfc(math.sqrt(0.5))
    alpha = math.sqrt(2 / math.pi) / (math.exp(0.5) * tail - 1) * -1
    square = 0.5 + alpha**2 * (math.exp(2) * math.erfc(math.sqrt(2)) / 2 - math.exp(0.5) * tail + 0.5)
    return alpha, 1 / math.sqrt(square)


def _fixed_point_checks() -> list[Check]:
    """Alpha, lambda, the fixed point (0, 1) and its Jacobian against what is printed."""
    alpha, scale = _constants()
    mean, variance = _mapped(0.0, 1.0)
    by_mean = (_mapped(STEP, 1.0) - _mapped(-STEP, 1.0)) / (2 * STEP)
    by_variance = (_mapped(0.0, 1 + STEP) - _mapped(0.0, 1 - STEP)) / (2 * STEP)
    derived = "Published with four decimals; derived from the closed form to a float's digits."
    return [
        Check.within("α from the closed form", alpha, SELU_ALPHA, 1e-14, derived),
        Check.within("λ from the closed form", scale, SELU_LAMBDA, 1e-14, derived),
        Check("Mean at the fixed point", float(mean), -1e-12, 1e-12, 0.0, "Published: (0, 1) is fixed."),
        Check("Variance at the fixed point", float(variance), 1 - 1e-12, 1 + 1e-12, 1.0, "Published, as above."),
        Check("Jacobian: mean and variance by mean, the larger", float(np.abs(by_mean).max()), 0, 0, 0,
              "Published: with weights of sum 0 no mean is passed on."),
        Check("Jacobian: mean by variance", float(by_variance[0]), 0.088833, 0.088835, 0.088834,
              "Published with six decimals."),
        Check("Jacobian: variance by variance", float(by_variance[1]), 0.782647, 0.782649, 0.782648,
              "Published, as above."),
        Check("Jacobian: norm", float(np.linalg.norm([by_mean, by_variance], 2)), 0.78765, 0.78775, 0.7877,
              "Published with four decimals; below 1, so the fixed point attracts.")]


def _measured_layers(layers: int, seed: int) -> tuple[dict[float, tuple[Array, Array]], Array]:
    """By the inputs' variance the (means, variances) of each layer; mean squared deltas for inputs of variance 1."""
    network = Network((SELU_WIDTH,) * (layers + 2), "selu", "lecun_normal", seed=seed)
    weights, biases = network.parameters()
    unit = stream(seed, INPUT_STREAM).standard_normal((SELU_SAMPLES, SELU_WIDTH), dtype=np.float32)
    measured, squares = {}, np.zeros(0)
    for variance in (1.0, 3.0):
        x = np.float32(variance**0.5) * unit
        zs, hs = zip(*forward(weights, biases, x, "selu"), strict=True)
        layer_moments = [moments(h) for h in hs[:layers]]
        measured[variance] = np.array([m.mean for m in layer_moments]), np.array([m.std**2 for m in layer_moments])
        if variance == 1.0:
            deltas = [d for d, _ in backward(weights, x, zs, hs, unit, "selu")][::-1]
            squares = np.array([float(np.square(d, dtype=float).mean()) for d in deltas[:layers]])
    return measured, squares


def _expected_variances(variance: float, layers: int) -> Array:
    """The variance of each layer by the map iterated, for inputs of that variance."""
    q, variances = variance, []
    for _ in range(layers):
        mean, spread = _mapped(0.0, q)
        variances.append(spread)
        q = spread + mean**2
    return np.array(variances)


def _klambauer(seed: int, depth: float) -> Result:
    """The fixed point and its Jacobian, and a network that is drawn to it from two variances."""
    layers = int(depth)
    measured, squares = _measured_layers(layers, seed)
    (means, variances), from_three = measured[1.0], measured[3.0][1]
    growth = squares / squares[-1]  # toward the input
    checks = [
        *_fixed_point_checks(),
        Check("Variance in the network, furthest from 1", float(variances[np.abs(variances - 1).argmax()]), 0.9, 1.1,
              1.0, "Derived; ±0.1 for layers of 500 neurons."),
        Check("Mean in the network, furthest from 0", float(means[np.abs(means).argmax()]), -0.1, 0.1, 0.0,
              "Published: theorem 1's domain."),
        *(Check.within(f"From variance 3: layer {layer}", float(from_three[layer - 1]), target, 0.1,
                       "Derived: the map iterated; 10 % as above.")
          for layer, target in FROM_THREE.items() if layer <= layers),
        Check.within("Squared gradient, growth a layer", float(growth[0] ** (1 / max(layers - 1, 1))), CHI, 0.03,
                     "Derived: E φ'² at the fixed point; 3 % for the draw. Not in the paper.")]
    axis = np.arange(1, layers + 1)
    plots = [
        Plot("Variance of the activations against the layer", "layer", [
            Line(f"from {variance:g}", axis, spread, _expected_variances(variance, layers))
            for variance, (_, spread) in measured.items()], guides=[(1.0, "fixed point")]),
        Plot("Mean squared delta over the last layer's, log axis", "layer", [
            Line("this network", axis, growth, CHI ** (layers - axis.astype(float)), "lecun_normal")], log=True)]
    return Result(checks, plots, f"After {layers} layers the variance is {number(float(variances[-1]), 3)} from 1 and "
                  f"{number(float(from_three[-1]), 3)} from 3. The squared gradient meanwhile grows by a factor of "
                  f"{number(float(growth[0]))} on its way back; 1.0716 a layer would make {number(CHI**(layers - 1))}.")


# ---------------------------------------------------------------------------------------------- Mishkin and Matas 2016

LSUV_WIDTH, LSUV_DEPTH, LSUV_SAMPLES = 256, 12, 256


def _are_equal(first: Sequence[Array], second: Sequence[Array]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def _mishkin(seed: int, depth: float) -> Result:
    """Standard deviations of the preactivations by layer, under LSUV and its orthonormal initial weights."""
    layers = int(depth)
    batch = make_batch("normal", LSUV_SAMPLES, seed=seed, features=LSUV_WIDTH)
    checks, plots, sentences = [], [], []
    axis = np.arange(1, layers + 1)
    for phi, name in (("tanh", "tanh"), ("relu", "ReLU")):
        network = Network((LSUV_WIDTH,) * (layers + 1), phi, "orthogonal", seed=seed)
        plain, biases = network.parameters()
        fitted = rescale(plain, biases, network, batch)
        stds = {label: np.array([moments(z).std for z, _ in forward(weights, biases, batch.x, phi)])
                for label, weights in (("LSUV", fitted), ("orthonormal alone", plain))}
        worst = float(stds["LSUV"][np.abs(stds["LSUV"] - 1).argmax()])
        needed = next(tries for tries in range(1, MOST_TRIES + 1)
                      if _are_equal(rescale(plain, biases, network, batch, most_tries=tries), fitted))
        checks += [
            Check(f"{name}: standard deviation of z, furthest from 1", worst, 0.95, 1.05, 1.0,
                  "Published aim: a variance within 0.1 of 1, which is ±0.05 of the standard deviation."),
            Check(f"{name}: divisions of a layer, at most", needed, 0, 1, 1,
                  "Derived: z is linear in W. Counted by allowing more and more, until nothing changes.")]
        plots.append(Plot(f"{name}: standard deviation of the preactivations, log axis", "layer", [
            Line("LSUV", axis, stds["LSUV"]),
            Line("orthonormal alone", axis, stds["orthonormal alone"], initializer="orthogonal")], log=True,
            guides=[(1.0, "unit variance")]))
        sentences.append(f"{name} {number(float(stds['LSUV'][-1]), 3)}, orthonormal alone "
                    f"{number(float(stds['orthonormal alone'][-1]))}")
    return Result(checks, plots, f"Standard deviation of the preactivations in layer {layers}: {'; '.join(sentences)}.")


FIGURES: Mapping[str, Experiment] = MappingProxyType({
    "klambauer": Experiment(
        "Klambauer et al. 2017, SELU's fixed point",
        "Mean 0 and variance 1 are a stable fixed point of SELU under weights of mean 0 and variance 1/fan_in, with "
        "the Jacobian ((0, 0.088834), (0, 0.782648)) and norm 0.7877.",
        "The map by numerical integration; a network of 500 neurons, normal weights of variance 1/500, 100 inputs of "
        "variance 1 and of variance 3. Nothing had to be replaced.",
        "The norm below 1 draws every nearby mean and variance to (0, 1). The paper calls vanishing and exploding "
        "gradients impossible, but what it bounds is the activations' variance: the squared gradient is multiplied by "
        "E φ'² = 1.0716 a layer, eightfold over 30 layers.",
        "Klambauer, Unterthiner, Mayr and Hochreiter 2017, \"Self-normalizing neural networks\", equation 6 and "
        "theorem 1", _klambauer,
        MappingProxyType({"depth": Parameter("Layers", SELU_LAYERS, Interval(16, 100, integer=True),
                                             "Layers of SELU.")}), peak_bytes=220e6),
    "lsuv": Experiment(
        "Mishkin and Matas 2016, LSUV",
        "Orthonormal weights, divided layer by layer by the standard deviation that the data give them, start every "
        "layer at unit variance.",
        "Twelve layers of 256 neurons, a batch of 256 unit normal inputs, tolerance 0.1 and at most ten tries as in "
        "the authors' code. Replaced: the convolutional networks on images; the training is left out.",
        "Dividing W by std(z) makes std(z) = 1 in that layer at once, as z is linear in W, and what comes after has "
        "not been fitted yet. So one division a layer is enough, and a layer that is near enough gets none.",
        "Mishkin and Matas 2016, \"All you need is a good init\", ICLR, algorithm 1", _mishkin,
        MappingProxyType({"depth": Parameter("Layers", LSUV_DEPTH, Interval(1, 60, integer=True),
                                             "Layers to be fitted.")})),
})
