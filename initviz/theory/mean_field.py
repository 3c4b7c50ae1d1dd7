"""The limit of infinite width: how one layer maps the length and the correlation of its inputs, and where they settle.

In a layer with many inputs a preactivation is normal: over the weights it has the mean ``bias`` and a variance q, the
length. ``V`` maps one layer's length to the next one's: ``V(q) = sigma_w^2 E phi(bias + sqrt(q) g)^2 + sigma_b^2``,
where ``sigma_w^2`` is fan_in times the variance of a weight, ``sigma_b^2`` that of a bias and g a unit normal.

Sources: Poole et al. 2016 (maps); Schoenholz et al. 2017 (depth scales).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from initviz.core.activations import ActivationFunction
from initviz.core.activations import activation as named_activation
from initviz.core.arrays import Array
from initviz.core.propagation import QUIET
from initviz.core.validation import ANY, NOT_NEGATIVE, check

REACH = 9.0  # standard deviations: what lies beyond weighs less than 1e-18
NODES = 32  # of Gauss and Legendre, a piece
PIECES = (-12.0, -4.0, -1.0, 0.0, 1.0, 4.0, 12.0)  # activations bend, and may have kinks, only here
# Moments are tabulated at lengths evenly spaced in logarithms, so near that cubic interpolation is right to 1e-7;
# beyond either end activations follow a power of the length to 1e-6.
LOWEST, HIGHEST, CELLS = math.log(1e-20), math.log(1e16), 1400
PARTS = 32  # of the lengths, each so few that a processor's cache holds what is computed of them: twice as fast
LENGTHS = np.exp(np.linspace(LOWEST, HIGHEST, CELLS + 1))
STEEP = 3.0  # of logarithms over four neighbors: more than a cubic can follow
VANISHING = 1e-10  # a standard deviation that stands for 0 where slopes are averaged: at a kink both sides count
MOST = 1e12  # a length beyond is taken for infinite


def root(f: Callable[[float], float], low: float, high: float) -> float:
    """Where f, of opposite signs at both ends, is 0 between them; the end that is nearer 0 where the signs agree."""
    from scipy.optimize import brentq  # here, because it takes as long to load as all of initviz

    ends = f(low), f(high)
    if ends[0] * ends[1] >= 0:
        return low if abs(ends[0]) <= abs(ends[1]) else high
    return float(brentq(f, low, high, xtol=1e-14, rtol=1e-14))


# ---------------------------------------------------------------------------------------------- normal expectations

@functools.cache
def _legendre() -> tuple[Array, Array]:
    return np.polynomial.legendre.leggauss(NODES)


def _nodes(mean: Any, std: Array) -> tuple[Array, Array]:
    """Points and weights (..., points) for expectations over N(mean, std^2): Gauss-Legendre between the pieces' ends.

    Cutting where activations bend keeps the error near round-off for any length, where Gauss-Hermite's is 9 % of
    E tanh'^2 at a length of 10 with 64 nodes.
    """
    mean, std = np.broadcast_arrays(np.asarray(mean, float)[..., None], np.asarray(std, float)[..., None])
    with np.errstate(**QUIET):
        cuts = np.where(std > 0, (np.array(PIECES) - mean) / std, math.copysign(REACH, -1))
    ends = np.concatenate([np.full(std.shape, -REACH), np.clip(cuts, -REACH, REACH), np.full(std.shape, REACH)], -1)
    half, middle = np.diff(ends)[..., None] / 2, (ends[..., 1:] + ends[..., :-1])[..., None] / 2
    node, weight = _legendre()
    g = (middle + half * node).reshape(*std.shape[:-1], -1)
    density = (half * weight).reshape(g.shape) * np.exp(-g * g / 2)
    density /= density.sum(axis=-1, keepdims=True)
    return g, density


def expectation(f: Callable[[Array], Array], variance: Any, mean: Any = 0.0) -> Array:
    """E f(z) for z ~ N(mean, variance), elementwise over arrays of either."""
    std = np.sqrt(np.asarray(variance, float))
    g, density = _nodes(mean, std)
    with np.errstate(**QUIET):
        z = np.asarray(mean, float)[..., None] + std[..., None] * g
        expected: Array = (f(z) * density).sum(axis=-1) / density.sum(axis=-1)  # of a constant exactly that
    return expected


def preactivation_variance(mean_square: Any, sigma_w: float, sigma_b: Any) -> Any:
    """The variance of preactivations whose inputs have that mean square (or the covariance, of a mean product)."""
    return sigma_w**2 * mean_square + sigma_b**2


WRAPPED = 8.0  # radians: modulo a period, normals at least so wide are uniform to e^(-WRAPPED^2 / 2) = 1e-14


@dataclass(frozen=True)
class GaussianMoments:
    """Normal expectations of an activation at some lengths, arrays of one shape.

    ``mean`` E phi, ``square`` E phi^2, ``fourth`` E phi^4, ``central_fourth`` E (phi - E phi)^4, ``derivative_square``
    E phi'^2, ``derivative_fourth`` E phi'^4, ``growth`` d E phi^2 / d q, by Stein's lemma E phi phi' g / sqrt(q).
    """

    mean: Array
    square: Array
    fourth: Array
    central_fourth: Array
    derivative_square: Array
    derivative_fourth: Array
    growth: Array


@dataclass(frozen=True)
class Field:
    """The wide limit of a layer with one activation: ``Field("tanh").length(q, sigma_w=1.3, sigma_b=0.3)``.

    ``params`` are the activation's as sorted pairs; ``bias`` is the mean of all biases.
    """

    activation: str
    params: tuple[tuple[str, Any], ...] = ()
    bias: float = 0.0

    def __post_init__(self) -> None:
        check("bias", self.bias, ANY)
        self.phi.value(np.zeros(1), **dict(self.params))  # refuses unknown names

    @property
    def phi(self) -> ActivationFunction:
        """The activation's record."""
        return named_activation(self.activation)

    def value(self, z: Array) -> Array:
        """phi(z)."""
        return self.phi.value(z, **dict(self.params))

    def derivative(self, z: Array) -> Array:
        """phi'(z)."""
        return self.phi.derivative(z, **dict(self.params))

    def _within_a_period(self, q: Any) -> Array:
        """The variance, of at most ``q``, at which the activation has the expectations that it has at ``q``."""
        return np.minimum(q, (WRAPPED / (2 * math.pi) * self.phi.period(**dict(self.params)))**2)

    def moments(self, q: Any) -> GaussianMoments:
        """Normal expectations at the lengths ``q``; integrals, not a table."""
        q = np.asarray(q, float)
        std = np.sqrt(self._within_a_period(q))
        near = np.maximum(std, VANISHING)
        g, density = _nodes(self.bias, near)
        with np.errstate(**QUIET):
            z = self.bias + near[..., None] * g
            h, derivative = self.value(z), self.derivative(z)

            def over(values: Array) -> Array:
                return np.asarray(np.vecdot(values, density))

            growth = np.where(std < np.sqrt(q), 0.0, over(h * derivative * g) / near)
            if np.any(std < near):
                h = self.value(self.bias + std[..., None] * g)
            mean, square, derivative_square = over(h), h * h, derivative * derivative
            deviation = np.square(h - mean[..., None])
            return GaussianMoments(
                mean, over(square), over(square * square), over(deviation * deviation), over(derivative_square),
                over(derivative_square * derivative_square), growth)

    def tabulated(self, q: Array) -> GaussianMoments:
        """``moments`` interpolated from a table, for many lengths at once; relative error below 1e-6."""
        position = (np.log(np.clip(q, 1e-300, 1e300)) - LOWEST) * (CELLS / (HIGHEST - LOWEST))
        cell = np.clip(np.floor(position), -1, CELLS).astype(np.intp) + 1
        within = position - np.maximum(cell - 1, 0)
        constant, linear, squared, cubed = _cubics(self).take(cell, axis=-1)
        moments = ((cubed * within + squared) * within + linear) * within + constant
        with np.errstate(**QUIET):
            np.exp(moments[1:6], out=moments[1:6])
            moments[0] *= np.sqrt(moments[1])
            moments[6] *= moments[1] / q
        if not np.all(q):
            moments = np.where(q == 0, _at_zero(self).reshape(-1, *np.ones(np.ndim(q), int)), moments)
        return GaussianMoments(*moments)

    # ------------------------------------------------------------------------------------------ maps

    def length(self, q: Any, sigma_w: float, sigma_b: float) -> Array:
        """V(q), the length one layer on."""
        square = expectation(lambda z: np.square(self.value(z)), self._within_a_period(q), self.bias)
        return preactivation_variance(square, sigma_w, sigma_b)

    def layers(self, mean_square: Any, sigmas: Iterable[tuple[float, float]],
               moments: Callable[[Any], GaussianMoments] | None = None) -> Iterator[tuple[Array, GaussianMoments]]:
        """V iterated, for inputs of that mean square: each layer's length and the moments of the activation there.

        ``sigmas`` are (sigma_w, sigma_b) of each layer; ``moments`` is the method that gives them, by default the
        one of that name.
        """
        for sigma_w, sigma_b in sigmas:
            q = preactivation_variance(mean_square, sigma_w, sigma_b)
            moments_of_layer = (moments or self.moments)(q)
            yield q, moments_of_layer
            mean_square = moments_of_layer.square

    def lengths(self, mean_square: float, sigmas: Iterable[tuple[float, float]]) -> Array:
        """The length of each layer (layers,), for inputs of that mean square and (sigma_w, sigma_b) of each layer."""
        return np.array([float(q) for q, _ in self.layers(mean_square, sigmas)])

    def chi(self, q: Any, sigma_w: float) -> Array:
        """chi_1 = sigma_w^2 E phi'^2: what one layer multiplies the squared gradient by, and C'(1)."""
        return sigma_w**2 * expectation(lambda z: np.square(self.derivative(z)), self._within_a_period(q), self.bias)

    def product(self, f: Callable[[Array], Array], q1: float, q2: float, c: float) -> float:
        """E f(u1) f(u2) for normal u of variances q1, q2 and correlation c: an expectation inside an expectation."""
        c = min(1.0, max(-1.0, c))
        inside = q2 * (1 - c * c)

        def joint(u: Array) -> Array:
            g = (u - self.bias) / math.sqrt(q1) if q1 > 0 else np.zeros_like(u)
            return f(u) * expectation(f, inside, self.bias + c * math.sqrt(q2) * g)

        return float(expectation(joint, q1, self.bias))

    def correlation(self, c: float, q1: float, q2: float, sigma_w: float, sigma_b: float) -> float:
        """C(c): the correlation of two inputs' preactivations one layer on, from lengths q1 and q2; NaN at length 0."""
        lengths = [float(self.length(q, sigma_w, sigma_b)) for q in (q1, q2)]
        if min(lengths) <= 0:
            return math.nan
        covariance = preactivation_variance(self.product(self.value, q1, q2, c), sigma_w, sigma_b)
        return max(-1.0, min(1.0, covariance / math.sqrt(lengths[0] * lengths[1])))

    def correlations(self, correlation: float, mean_square: float, sigmas: Sequence[tuple[float, float]]) -> Array:
        """C iterated: the correlation of two inputs' preactivations in each layer (layers,); NaN at length 0.

        The inputs have the cosine ``correlation`` and that mean square.
        """
        lengths = self.lengths(mean_square, sigmas)
        covariance = preactivation_variance(mean_square * correlation, *sigmas[0])
        cs = [covariance / lengths[0] if lengths[0] > 0 else math.nan]
        for q, (sigma_w, sigma_b) in zip(lengths, sigmas[1:], strict=False):
            is_defined = math.isfinite(cs[-1]) and q > 0
            cs.append(self.correlation(cs[-1], q, q, sigma_w, sigma_b) if is_defined else math.nan)
        return np.array(cs)

    # ------------------------------------------------------------------------------------------ fixed points

    def fixed_point(self, sigma_w: float, sigma_b: float, start: float = 1.0) -> FixedPoint:
        """Where the lengths go from ``start``, and what happens around it; raises ValueError for negative sigmas."""
        check("sigma_w", sigma_w, NOT_NEGATIVE)
        check("sigma_b", sigma_b, NOT_NEGATIVE)
        q = self._limit(sigma_w, sigma_b, check("start", start, NOT_NEGATIVE))
        if not math.isfinite(q):
            return FixedPoint(q, math.nan, math.nan, math.nan, math.nan)
        moments = self.moments(q)
        chi, back = float(sigma_w**2 * moments.derivative_square), float(sigma_w**2 * moments.growth)
        if q == 0 or (sigma_b == self.bias == 0 and self._straight(q)):
            # Without a length that is added, only a kink moves correlations, and they go to 1 slowly.
            c, derivative = (math.nan, math.nan) if self._straight(q) else (1.0, chi / back if back else math.nan)
        else:
            c = self._limit_of_correlation(q, chi, sigma_w, sigma_b)
            derivative = chi if c == 1 else sigma_w**2 * self.product(self.derivative, q, q, c)
        return FixedPoint(q, chi, back, c, derivative)

    def _straight(self, q: float) -> bool:
        """Whether phi maps a correlation to itself at that length, as a linear one does."""
        q = max(q, VANISHING**2)
        return abs(self.product(self.value, q, q, 0.5) - 0.5 * float(self.moments(q).square)) < 1e-6 * q

    def _limit(self, sigma_w: float, sigma_b: float, start: float) -> float:
        def excess(q: Any) -> Array:
            return self.length(q, sigma_w, sigma_b) - q

        at_start = float(excess(start))
        if not math.isfinite(at_start):
            return math.inf
        if abs(at_start) <= 1e-12 * start or start == at_start == 0:
            return start
        rising = at_start > 0
        lengths = np.geomspace(max(start, 1e-16), MOST if rising else 1e-16, 200)
        if rising:
            lengths = lengths[lengths >= start]
        signs = excess(lengths)
        crossed = np.flatnonzero(signs <= 0) if rising else np.flatnonzero(signs >= 0)
        if not crossed.size or (not rising and crossed[0] == 0):
            return math.inf if rising else 0.0
        low, high = sorted((float(lengths[crossed[0] - 1]) if crossed[0] else start, float(lengths[crossed[0]])))
        return math.exp(root(lambda u: float(excess(math.exp(u))), math.log(low), math.log(high)))

    def _limit_of_correlation(self, q: float, chi: float, sigma_w: float, sigma_b: float) -> float:
        if chi <= 1 + 1e-12:
            return 1.0

        def excess(c: float) -> float:
            return preactivation_variance(self.product(self.value, q, q, c), sigma_w, sigma_b) - c * q

        low, high = 0.0, 1 - 1e-9
        if excess(low) <= 1e-14 * q:
            return 0.0
        return root(excess, low, high)  # C is convex, above the diagonal at 0 and below it before 1: one crossing

    def critical(self, q: Any) -> tuple[Array, Array]:
        """The (sigma_w, sigma_b) with chi_1 = 1 and fixed point q, for each q; NaN where no real sigma_b gives it."""
        q = np.asarray(q, float)
        moments = self.moments(q)
        with np.errstate(**QUIET):
            sigma_w2 = 1 / moments.derivative_square
            return np.sqrt(sigma_w2), np.sqrt(np.where(q - sigma_w2 * moments.square >= -1e-12 * q, np.maximum(
                q - sigma_w2 * moments.square, 0), math.nan))

    def gain(self) -> float:
        """The sigma_w that keeps a length of 1: 1 / sqrt(E phi^2)."""
        return 1 / math.sqrt(float(self.moments(1.0).square))


@functools.lru_cache(maxsize=64)
def _at_zero(field: Field) -> Array:
    return np.array([getattr(field.moments(0.0), name) for name in GaussianMoments.__dataclass_fields__])


@functools.lru_cache(maxsize=64)
def _cubics(field: Field) -> Array:
    """Coefficients of the cubic in each cell between two LENGTHS, constant first: an array (4, moments, cells + 2).

    The cubics are of logarithms, but of the mean as part of the root mean square and of the growth as exponent. They
    go through four neighbors (Lagrange), or through two where those are too far apart. The first and the last cell lie
    beyond the ends: there logarithms go on straight, as powers do, and the other two stay.
    """
    parts = [field.moments(part) for part in np.array_split(LENGTHS, PARTS)]
    table = np.array([np.concatenate([getattr(moments, name) for moments in parts])
                      for name in GaussianMoments.__dataclass_fields__])
    square = np.maximum(table[1], 1e-300)
    table[0] /= np.sqrt(square)
    table[1:6] = np.log(np.maximum(table[1:6], 1e-300))
    table[6] *= LENGTHS / square
    before, here, after, beyond = (table[:, start:start + CELLS - 2] for start in range(4))
    cubic = [here, after - before / 3 - here / 2 - beyond / 6, (before + after) / 2 - here,
             (beyond - before) / 6 + (here - after) / 2]
    straight = [here, after - here, np.zeros_like(here), np.zeros_like(here)]
    four = np.stack([before, here, after, beyond])
    smooth = np.ptp(four, axis=0) < STEEP
    steps = np.diff(table, axis=1)
    logarithms = np.arange(len(table)) % (len(table) - 1) > 0
    beyond_ends = np.where(logarithms[:, None], steps[:, [0, -1]], 0)
    coefficients = np.zeros((4, len(table), CELLS + 2))
    coefficients[0] = np.concatenate([table[:, :1], table], axis=1)
    coefficients[1] = np.concatenate([beyond_ends[:, :1], steps, beyond_ends[:, 1:]], axis=1)
    for part, curved, plain in zip(coefficients, cubic, straight, strict=True):
        part[:, 2:-2] = np.where(smooth, curved, plain)
    return coefficients


@dataclass(frozen=True)
class FixedPoint:
    """Where a wide network settles: ``q`` is the length (0: the signal vanishes; inf: it explodes).

    ``chi`` is chi_1 there; ``length_derivative`` V'(q); ``correlation`` c*, where two inputs' correlation goes, and
    ``correlation_derivative`` C'(c*). NaN where the length does not settle.
    """

    q: float
    chi: float
    length_derivative: float
    correlation: float
    correlation_derivative: float

    @property
    def phase(self) -> str:
        """"ordered", "chaotic", "critical", or "unbounded" where the length has no fixed point."""
        if not math.isfinite(self.q):
            return "unbounded"
        return "critical" if abs(self.chi - 1) < 1e-6 else "ordered" if self.chi < 1 else "chaotic"

    @property
    def depth_of_length(self) -> float:
        """xi_q = -1 / ln V'(q*): layers in which a length's distance from q* falls to 1/e."""
        return depth_scale(self.length_derivative)

    @property
    def depth_of_correlation(self) -> float:
        """xi_c = -1 / ln C'(c*)."""
        return depth_scale(self.correlation_derivative)

    @property
    def depth_of_gradient(self) -> float:
        """-1 / ln chi_1: layers in which the squared gradient falls to 1/e; negative where it grows."""
        return depth_scale(self.chi)


def depth_scale(factor: float) -> float:
    """-1 / ln factor; inf at 1 (to 9 digits), 0 at 0, NaN where there is none."""
    if math.isnan(factor) or factor < 0:
        return math.nan
    return 0.0 if factor == 0 else math.inf if abs(factor - 1) < 1e-9 else -1 / math.log(factor)
