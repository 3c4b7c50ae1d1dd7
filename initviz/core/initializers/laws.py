"""The laws by which weight matrices are drawn, each with the mean and variance of an entry.

Weights have shape ``(fan_in, fan_out)``; a layer computes ``z = h @ W + b``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import DTypeLike

from initviz.core.arrays import Array
from initviz.core.validation import NOT_NEGATIVE, check

Draw = Callable[[int, int, Generator, DTypeLike], Array]
FanFunction = Callable[[int, int], float]

# A unit normal cut at +-2 has this standard deviation: sqrt(1 - 4 pdf(2) / (2 cdf(2) - 1))
TRUNCATED_STD = math.sqrt(1 - 4 * math.exp(-2) / math.sqrt(2 * math.pi) / math.erf(math.sqrt(2)))

FANS: dict[str, Callable[[int, int], float]] = {
    "fan_in": lambda fan_in, fan_out: fan_in,
    "fan_out": lambda fan_in, fan_out: fan_out,
    "fan_avg": lambda fan_in, fan_out: (fan_in + fan_out) / 2,
    "fan_geo_avg": lambda fan_in, fan_out: math.sqrt(fan_in * fan_out),
}


def _zero(fan_in: int, fan_out: int) -> float:
    return 0.0


@dataclass(frozen=True)
class Law:
    """How one layer's weights are drawn.

    ``draw(fan_in, fan_out, rng, dtype)`` returns an array of shape (fan_in, fan_out); ``variance`` and ``mean`` of
    (fan_in, fan_out) are those of its entries; ``bias``, where a law draws biases too, returns an array (fan_out,)
    of mean 0 and variance ``bias_variance``. ``random`` is False where every draw is the same. ``family`` names the
    distribution of an entry: a key of UNIT_DRAWS, "constant" or "other". ``incoming`` is how many weights of a neuron
    are not 0, where that does not grow with fan_in.
    """

    draw: Draw
    variance: FanFunction
    mean: FanFunction = _zero
    bias: Draw | None = None
    bias_variance: FanFunction = _zero
    random: bool = True
    family: str = "other"
    incoming: int | None = None


def _unit_normal(shape: tuple[int, ...], rng: Generator, dtype: DTypeLike) -> Array:
    return rng.standard_normal(shape, dtype=np.dtype(dtype).type)  # type: ignore[arg-type]


def _unit_uniform(shape: tuple[int, ...], rng: Generator, dtype: DTypeLike) -> Array:
    draws = rng.random(shape, dtype=np.dtype(dtype).type)  # type: ignore[arg-type]
    draws *= 2 * math.sqrt(3)
    draws -= math.sqrt(3)
    return draws


def _unit_truncated(shape: tuple[int, ...], rng: Generator, dtype: DTypeLike) -> Array:
    draws = _unit_normal(shape, rng, dtype)
    while (outside := np.abs(draws) > 2).any():
        draws[outside] = _unit_normal((int(outside.sum()),), rng, dtype)
    draws /= TRUNCATED_STD
    return draws


# Each draws entries of mean 0 and variance 1.
UNIT_DRAWS: dict[str, Callable[[tuple[int, ...], Generator, DTypeLike], Array]] = {
    "normal": _unit_normal,
    "uniform": _unit_uniform,
    "truncated_normal": _unit_truncated,
}


def independent(std: FanFunction, distribution: str, **more: Any) -> Law:
    """Independent entries of mean 0 and standard deviation ``std(fan_in, fan_out)``; ``more`` fields of the Law."""
    unit = UNIT_DRAWS[check("distribution", distribution, UNIT_DRAWS)]

    def draw(fan_in: int, fan_out: int, rng: Generator, dtype: DTypeLike) -> Array:
        weights = unit((fan_in, fan_out), rng, dtype)
        weights *= std(fan_in, fan_out)
        return weights

    return Law(draw, variance=lambda fan_in, fan_out: std(fan_in, fan_out) ** 2, family=distribution, **more)


def variance_scaling(scale: float, mode: str, distribution: str) -> Law:
    """Entries of mean 0 and variance ``scale / fan``, the one generator of the scaled family.

    ``mode`` says what fan is: "fan_in", "fan_out", "fan_avg" (arithmetic mean) or "fan_geo_avg" (geometric mean).
    ``distribution`` is "normal", "uniform" or "truncated_normal"; the last is cut at two standard deviations of its
    parent and widened so that the variance after the cut is the promised one. ValueError for any other word, or for a
    scale that is negative or no finite number.
    """
    scale = check("scale", scale, NOT_NEGATIVE)
    fan = FANS[check("mode", mode, FANS)]
    return independent(lambda fan_in, fan_out: math.sqrt(scale / fan(fan_in, fan_out)), distribution)


def truncated(std: float) -> Law:
    """Normal entries of standard deviation ``std``, redrawn beyond two of them; theirs is then 0.8796 ``std``."""
    return independent(lambda fan_in, fan_out: std * TRUNCATED_STD, "truncated_normal")


def filled(value: float) -> Law:
    """Every entry is ``value``."""
    return Law(
        draw=lambda fan_in, fan_out, rng, dtype: np.full((fan_in, fan_out), value, dtype),
        variance=_zero,
        mean=lambda fan_in, fan_out: value,
        random=False, family="constant")


def _fixed(build: Callable[[int, int], Array]) -> Law:
    """A matrix that depends on its shape alone; its entries' moments are counted."""
    return Law(
        draw=lambda fan_in, fan_out, rng, dtype: build(fan_in, fan_out).astype(dtype),
        variance=lambda fan_in, fan_out: float(build(fan_in, fan_out).var()),
        mean=lambda fan_in, fan_out: float(build(fan_in, fan_out).mean()),
        random=False)


def partial_identity() -> Law:
    """Ones on the diagonal, zeros elsewhere."""
    return _fixed(lambda fan_in, fan_out: np.eye(fan_in, fan_out))


def _hadamard(least: int) -> Array:
    """The Hadamard matrix whose order is the first power of two of at least ``least``."""
    matrix = np.ones((1, 1))
    while len(matrix) < least:
        matrix = np.block([[matrix, matrix], [matrix, -matrix]])
    return matrix


def _zero_identity(fan_in: int, fan_out: int) -> Array:
    if fan_out <= fan_in:
        return np.eye(fan_in, fan_out)
    matrix = _hadamard(fan_out)  # between two partial identities: cut to shape
    return matrix[:fan_in, :fan_out] / math.sqrt(len(matrix))


def zero_identity() -> Law:
    """ZerO: a partial identity, or where the layer widens a Hadamard matrix between two of them."""
    return _fixed(_zero_identity)


def orthogonal() -> Law:
    """A Haar-distributed matrix with orthonormal rows or columns, whichever are fewer."""

    def draw(fan_in: int, fan_out: int, rng: Generator, dtype: DTypeLike) -> Array:
        tall = _unit_normal((max(fan_in, fan_out), min(fan_in, fan_out)), rng, dtype)
        q, r = np.linalg.qr(tall)
        q *= np.sign(np.diagonal(r))
        return np.ascontiguousarray(q if fan_in >= fan_out else q.T)

    return Law(draw, variance=lambda fan_in, fan_out: 1 / max(fan_in, fan_out))


def sparse(incoming: int) -> Law:
    """Each neuron has ``incoming`` unit normal weights from inputs chosen at random, and zeros from all others."""

    def draw(fan_in: int, fan_out: int, rng: Generator, dtype: DTypeLike) -> Array:
        weights = _unit_normal((fan_in, fan_out), rng, dtype)
        if fan_in > incoming:
            silent = rng.random((fan_in, fan_out)).argpartition(incoming, axis=0)[incoming:]
            np.put_along_axis(weights, silent, 0, axis=0)
        return weights

    return Law(draw, variance=lambda fan_in, fan_out: min(incoming, fan_in) / fan_in, incoming=incoming)


def torch_linear() -> Law:
    """Weights and biases uniform on +-1/sqrt(fan_in)."""

    def variance(fan_in: int, fan_out: int) -> float:
        return 1 / (3 * fan_in)

    def bias(fan_in: int, fan_out: int, rng: Generator, dtype: DTypeLike) -> Array:
        draws = _unit_uniform((fan_out,), rng, dtype)
        draws *= math.sqrt(variance(fan_in, fan_out))
        return draws

    return independent(lambda fan_in, fan_out: math.sqrt(variance(fan_in, fan_out)), "uniform", bias=bias,
                       bias_variance=variance)
