"""Which scale of weights and biases a deep network of an activation should begin with: a stable point on the edge of
chaos.

A scale that keeps a length in theory is no advice where the length is an unstable fixed point, V'(q) > 1: GELU's and
SiLU's grow away from it. On the edge of chaos, chi_1 = 1, gradients neither grow nor shrink exponentially with depth
(Schoenholz et al. 2017); where V'(q) <= 1 lengths do not leave q exponentially (Roberts, Yaida and Hanin 2022,
chapter 5, for GELU and SiLU the half-stable points). Like powers of the depth both may: tanh's length is 1/(2 depth).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from initviz.core.arrays import Array
from initviz.core.propagation import QUIET
from initviz.theory.mean_field import Field, root

# Lengths at which a point may lie. Beyond 25 a sigmoid has chi_1 = 1, too, but there most neurons are saturated.
LENGTHS = np.geomspace(1e-4, 25, 240)
WANTED = 1.0  # the length of standardized inputs: of all stable points the one nearest to it is taken
CLOSE = 1e-9
SHORT, KEPT = 0.01, 0.9  # a length times phi'(0)^2, and the share of it that a layer must keep to approach 0 slowly
PROBES = np.array([0.01, 0.3, 1.0, 4.0])


@dataclass(frozen=True)
class RecommendedPoint:
    """Scales for an activation: ``sigma_w`` is the gain over LeCun's 1/sqrt(fan_in), ``sigma_b`` the biases' std.

    ``q`` is the length, ``chi`` chi_1, ``length_derivative`` V'(q). ``stable_edge`` says that chi_1 is 1 and V'(q)
    at most 1; where no such point exists the scale keeps a length of 1, and gradients shrink or grow by chi a layer.
    """

    sigma_w: float
    sigma_b: float
    q: float
    chi: float
    length_derivative: float
    stable_edge: bool


def recommended_point(activation: str, params: Mapping[str, Any] | None = None) -> RecommendedPoint:
    """The stable point on the edge of chaos at which a deep network of that activation should begin.

    - bounded odd activations: ``sigma_w = 1 / phi'(0)``, no biases, at length 0, which is approached like 1/depth
    - piecewise linear ones through 0: ``sigma_w = 1 / sqrt(E phi'^2)``, no biases, at any length
    - others, and softsign, whose kink in phi' at 0 lets a length fall faster: the length nearest 1 on the
      critical line with V'(q) <= 1, as GELU's sigma_w^2 = 1.98306 and sigma_b^2 = 0.17292

    Raises ValueError for an unknown activation or parameter.
    """
    return _recommended_point(Field(activation, tuple(sorted((params or {}).items()))))


@functools.lru_cache(maxsize=64)
def _recommended_point(field: Field) -> RecommendedPoint:
    if _is_odd(field) and field.phi.bounded:
        sigma_w = 1 / float(field.derivative(np.zeros(1))[0])
        short = SHORT * sigma_w**2
        if float(field.length(short, sigma_w, 0.0)) >= KEPT * short:
            return RecommendedPoint(sigma_w, 0.0, 0.0, 1.0, 1.0, True)
    if _is_homogeneous(field):
        return _point_at(field, WANTED, stable_edge=True)
    excess = _length_derivative(field, LENGTHS) - 1
    stable = np.flatnonzero(excess <= CLOSE)  # NaN, where no real sigma_b gives the length, is not
    if not stable.size:
        q = WANTED
        moments = field.moments(q)
        sigma_w2 = q / float(moments.square)
        return RecommendedPoint(math.sqrt(sigma_w2), 0.0, q, sigma_w2 * float(moments.derivative_square),
                                sigma_w2 * float(moments.growth), False)
    nearest = int(stable[np.argmin(np.abs(np.log(LENGTHS[stable] / WANTED)))])
    towards = nearest + (1 if LENGTHS[nearest] < WANTED else -1)
    if LENGTHS[nearest] / WANTED > 1.1 and excess[towards] > 0:
        q = _where_both_are_1(field, float(LENGTHS[towards]), float(LENGTHS[nearest]))
    else:
        q = WANTED if _length_derivative(field, np.array(WANTED)) <= 1 + CLOSE else float(LENGTHS[nearest])
    return _point_at(field, q, stable_edge=True)


def _point_at(field: Field, q: float, *, stable_edge: bool) -> RecommendedPoint:
    sigma_w, sigma_b = (float(sigma) for sigma in field.critical(q))
    moments = field.moments(q)
    return RecommendedPoint(sigma_w, sigma_b, q, sigma_w**2 * float(moments.derivative_square),
                            sigma_w**2 * float(moments.growth), stable_edge)


def _length_derivative(field: Field, q: Array) -> Array:
    """V'(q) at the critical point of each length; NaN where there is none."""
    sigma_w, sigma_b = field.critical(q)
    with np.errstate(**QUIET):
        derivatives: Array = np.where(np.isfinite(sigma_b), sigma_w**2 * field.moments(q).growth, math.nan)
    return derivatives


def _where_both_are_1(field: Field, low: float, high: float) -> float:
    return math.exp(root(lambda u: float(_length_derivative(field, np.array(math.exp(u)))) - 1,
                         math.log(low), math.log(high)))


def _is_odd(field: Field) -> bool:
    return bool(np.allclose(field.value(-PROBES), -field.value(PROBES), rtol=1e-9, atol=0))


def _is_homogeneous(field: Field) -> bool:
    """Whether phi(a z) = a phi(z) for a > 0, so that every length is a fixed point."""
    return all(np.allclose(field.value(2 * sign * PROBES), 2 * field.value(sign * PROBES), rtol=1e-9, atol=0)
               for sign in (-1, 1))
