"""What would fix an initialization: by rule from the activation or by measuring the data.

LSUV is layer-sequential unit-variance initialization, Mishkin and Matas 2016, algorithm 1: orthonormal weights, then
layer by layer ``W /= std(z)`` until the variance of the preactivations is near 1.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from initviz.core.arrays import Array
from initviz.core.batches import Batch, standardized
from initviz.core.initializers import INITIALIZERS
from initviz.core.network import Network
from initviz.core.propagation import QUIET, activate, check_shapes
from initviz.core.simulation import GROWN
from initviz.core.statistics import moments
from initviz.core.validation import Interval, check
from initviz.diagnosis.initialization import Initialization, initialization_of
from initviz.theory.mean_field import Field
from initviz.theory.recommendation import recommended_point

TOLERANCE, MOST_TRIES = 0.1, 10  # of Mishkin and Matas' own code
RELU_LIKE = ("relu", "leaky_relu")
# Activations that an initializer was made for: its key, and why it fits. Its gradient may grow, so that very deep
# networks need another one.
MADE_FOR: Mapping[str, tuple[str, str]] = MappingProxyType({
    "sine": ("siren", "SIREN's variance, 2 / (ω₀² fan_in), keeps the scale of what each sine reads (Sitzmann et al. "
             "2020)"),
    "selu": ("lecun_normal", "LeCun's variance, 1 / fan_in, is the one for which SELU keeps mean 0 and variance 1 "
             "(Klambauer et al. 2017)"),
    "linear": ("lecun_normal", "LeCun's variance, 1 / fan_in, keeps the mean square of a signal through linear layers "
               "(LeCun et al. 1998, section 4.6)")})


@dataclass(frozen=True, eq=False)
class Remedy:
    """Another initialization for the same network and data, what it is called, and why it should help."""

    key: str
    label: str
    why: str
    initialization: Initialization


def rescale(weights: Sequence[Array], biases: Sequence[Array], network: Network, batch: Batch, *,
            tolerance: float = TOLERANCE, most_tries: int = MOST_TRIES) -> list[Array]:
    """The weights, each multiplied by one number so that its layer's preactivations have a variance near 1.

    Of a periodic activation, hidden layers after the first are measured in radians. Directions stay, so that copies
    stay copies. A layer is left as it is where no number helps: preactivations that do not vary, or weights that are
    not finite. Raises ValueError where the shapes do not chain.
    """
    check("tolerance", tolerance, Interval(0, 1))
    most_tries = check("most_tries", most_tries, Interval(1, 1000, integer=True))
    phi, params = network.activation_entry()
    rescaled: list[Array] = []
    with np.errstate(**QUIET):
        h = batch.x.astype(network.dtype, copy=False)
        check_shapes(weights, biases, h)
        for layer, (w, b) in enumerate(zip(weights, biases, strict=True)):
            unit = phi.radian(**params) if 0 < layer < network.depth - 1 else 1.0
            w, z = unit_variance(w, b, h, tolerance, most_tries, unit)
            rescaled.append(w)
            h = activate(phi, z, np.empty_like(z), **params)
    return rescaled


def unit_variance(w: Array, b: Array, h: Array, tolerance: float, most_tries: int,
                  unit: float = 1.0) -> tuple[Array, Array]:
    """Weights of one layer after their tries, and the preactivations under them, whose std is near ``unit``."""
    original, z = w, h @ w + b
    for _ in range(most_tries):
        std = moments(z).std
        std /= unit
        if math.isfinite(std) and abs(std * std - 1) < tolerance:
            return w, z
        if not math.isfinite(std):  # overflow: begin again from weights of a size that cannot
            largest = float(np.abs(w).max())
            if not math.isfinite(largest) or largest <= 1 / math.sqrt(len(w)):
                return original, h @ original + b
            w = w / w.dtype.type(largest * math.sqrt(len(w)))
        elif moments(h @ w).std == 0:
            return original, h @ original + b
        else:
            w = w / w.dtype.type(std)
        z = h @ w + b
    return w, z


def lsuv(network: Network, batch: Batch, *, tolerance: float = TOLERANCE, most_tries: int = MOST_TRIES) -> list[Array]:
    """Weights of LSUV, each (fan_in, fan_out): orthonormal ones of the network's seed, rescaled on the batch.

    Biases are 0. Raises ValueError where the batch does not fit the network.
    """
    orthonormal = replace(network, initializer="orthogonal", initializer_params=(), gain=1.0, bias=0.0, bias_std=0.0,
                          output_initializer=None, output_initializer_params=())
    weights, biases = orthonormal.parameters()
    return rescale(weights, biases, network, batch, tolerance=tolerance, most_tries=most_tries)


def recommended(network: Network) -> tuple[Network, str]:
    """The network with the initialization that suits its activation in a deep network, and why in one sentence."""
    if network.activation in RELU_LIKE:
        return _drawn_by(network, "he_normal"), (
            "He's variance, 2 / ((1 + a²) fan_in), keeps the mean square of a signal through "
            f"{network.activation_entry()[0].label} on average (He et al. 2015).")
    if network.activation in MADE_FOR:
        key, why = MADE_FOR[network.activation]
        growth = _growth_under(key, network)
        if growth ** max(network.depth - 2, 0) <= GROWN:
            grows = f"; a gradient grows by √χ₁ = {growth:.4g} a layer on its way back" if growth > 1 + 1e-9 else ""
            return _drawn_by(network, key), f"{why}{grows}."
    return _scaled_by_theory(network)


def _drawn_by(network: Network, key: str, gain: float = 1.0, bias_std: float = 0.0) -> Network:
    """The network with every layer drawn by one initializer, whose parameters follow the activation's."""
    return replace(network, initializer=key, gain=gain, bias=0.0, bias_std=bias_std,
                   initializer_params=INITIALIZERS[key].following(dict(network.activation_params)),
                   output_initializer=None, output_initializer_params=())


def _scaled_by_theory(network: Network) -> tuple[Network, str]:
    """The network at the point of the phase diagram that mean-field theory recommends, and why."""
    label = network.activation_entry()[0].label
    point = recommended_point(network.activation, dict(network.activation_params))
    gain, bias_std = round(point.sigma_w, 4), round(point.sigma_b, 4)
    biases = f" and biases of standard deviation {bias_std:g}" if point.sigma_b else ""
    why = (f"For {label} a gain of {gain:g} over LeCun's 1/√fan_in{biases} is a stable point on the edge of chaos: "
           "where χ₁ = 1 a gradient neither grows nor fades by a factor a layer, where V′(q) ≤ 1 a signal does not "
           "(Schoenholz et al. 2017)."
           if point.stable_edge else
           f"For {label} a gain of {gain:g} = 1/√(E φ²) over LeCun's 1/√fan_in keeps preactivations of variance 1; no "
           "scale of moderate preactivations keeps the gradient, which shrinks by "
           f"√χ₁ = {math.sqrt(point.chi):.2g} a layer, so that a deep network needs another activation or a "
           "normalization.")
    return _drawn_by(network, "lecun_normal", gain, bias_std), why


def in_words(network: Network) -> str:
    """A network's initialization in words: initializer, gain and biases."""
    gain = f" with a gain of {network.gain_of(0):g}" if network.gain_of(0) != 1 else ""
    biases = f"biases of standard deviation {network.bias_std:g}" if network.bias_std else "biases 0"
    return f"**{INITIALIZERS[network.initializer].label}**{gain}, {biases}"


def _growth_under(key: str, network: Network) -> float:
    """sqrt(chi_1): what a layer of a wide network under a law of 1/fan_in multiplies a gradient's length by."""
    entry = INITIALIZERS[key]
    sigma_w = math.sqrt(entry.law(**entry.following(dict(network.activation_params))).variance(1, 1))
    return math.sqrt(Field(network.activation, network.activation_items).fixed_point(
        sigma_w, 0.0, sigma_w**2 / 2).chi)


def remedies(initialization: Initialization) -> list[Remedy]:
    """Other initializations to try on the same data: the table's for the activation, LSUV, the given weights rescaled.
    """
    network, batch = initialization.network, initialization.batch
    better, why = recommended(network)
    label = INITIALIZERS[better.initializer].label + (f" × {better.gain_of(0):g}" if better.gain != 1 else "")
    zeros = [np.zeros_like(b) for b in initialization.biases]
    plain = replace(network, bias=0.0, bias_std=0.0)
    phi, params = network.activation_entry()
    radians = "" if phi.radian(**params) == 1 else ", in radians in hidden layers after the first"
    listed = []
    if not initialization.drawn or better != network:
        listed.append(Remedy("recommended", label, why, initialization_of(better, batch, label)))
    listed += [
        Remedy("lsuv", "LSUV", "Orthonormal weights, divided layer by layer by the standard deviation that this very "
               f"batch gives them, until the variance is within {TOLERANCE:g} of 1{radians} (Mishkin and Matas 2016).",
               Initialization(plain, lsuv(network, batch), zeros, batch, "LSUV", drawn=False)),
        Remedy("rescaled", "Rescaled", "The same weights, each layer multiplied by one number in the way of LSUV: "
               "directions and biases stay, and so do copies.",
               replace(initialization, weights=rescale(initialization.weights, initialization.biases, network, batch),
                       name="Rescaled", drawn=False))]
    return listed


def standardize_inputs(initialization: Initialization) -> Remedy:
    """The same initialization on inputs of mean 0 and standard deviation 1 in every column."""
    x = standardized(initialization.batch.x.astype(np.float64)).astype(initialization.batch.x.dtype)
    return Remedy("standardized", "Standardized inputs", "The same parameters, with every column of the data brought "
                  "to mean 0 and standard deviation 1 (LeCun et al. 1998, section 4.3).",
                  replace(initialization, batch=replace(initialization.batch, x=x), name="Standardized inputs",
                          drawn=False))


def standardize_targets(initialization: Initialization) -> Remedy:
    """The same initialization with a regression's targets of mean 0 and standard deviation 1 in every column."""
    batch = initialization.batch
    targets = standardized(batch.targets.astype(np.float64)).astype(batch.targets.dtype)
    return Remedy("standardized_targets", "Standardized targets", "The same parameters, with every column of the "
                  "targets brought to mean 0 and standard deviation 1; predictions are scaled back by the same two "
                  "numbers, and the loss is in units of the targets' variance.",
                  replace(initialization, batch=replace(batch, targets=targets), name="Standardized targets",
                          drawn=False))
