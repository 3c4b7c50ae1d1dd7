"""The phase diagram over (sigma_w, sigma_b): where lengths settle, what the gradient does there, the critical line.

Source: Poole et al. 2016; Schoenholz et al. 2017.
"""

from __future__ import annotations

import functools
import math

import numpy as np

from initviz.core.arrays import Array
from initviz.core.propagation import QUIET
from initviz.theory.mean_field import LENGTHS, Field, preactivation_variance

# Lengths on which a diagram is made; what settles below counts as 0, what goes beyond as infinite.
COARSE = LENGTHS[(LENGTHS > 1e-10) & (LENGTHS < 1e10)]
SETTLED = 0.1  # a length within this part of another, read off the table, is the same


def phase_diagram(field: Field, sigma_w: Array, sigma_b: Array, mean_square: float = 1.0) -> tuple[Array, Array]:
    """Fixed points q and chi_1 at them, from the table: two arrays (len(sigma_b), len(sigma_w)).

    Lengths begin at that of the first layer for inputs of that ``mean_square``. Where they grow without bound q is inf
    and chi NaN.
    """
    q = np.stack([_settled(field, width, sigma_b, mean_square) for width in np.asarray(sigma_w, float)], axis=1)
    settled = np.isfinite(q)
    with np.errstate(**QUIET):
        chi = field.tabulated(np.where(settled, q, 1.0)).derivative_square * np.square(sigma_w)
    return q, np.where(settled, chi, math.nan)


def _settled(field: Field, sigma_w: float, sigma_b: Array, mean_square: float) -> Array:
    """Where the lengths settle, from the table, for one sigma_w and each sigma_b (rising or not)."""
    # V(q) = q where q - sigma_w^2 A(q) = sigma_b^2: from the start the lengths move to the first such q.
    excess = COARSE - sigma_w**2 * _coarse(field)
    bias_variance = np.square(np.asarray(sigma_b, float))[:, None]
    start = np.searchsorted(COARSE, preactivation_variance(mean_square, sigma_w, sigma_b))[:, None]
    places = np.arange(len(COARSE))
    enough = excess >= bias_variance
    rises = np.take_along_axis(enough, np.minimum(start, len(COARSE) - 1), axis=1)[:, 0] == 0
    above = np.argmax(enough & (places >= start), axis=1)  # 0: none
    below = len(COARSE) - 1 - np.argmax((~enough & (places < start))[:, ::-1], axis=1)  # the last: none
    cell = np.where(rises, above, below + 1)
    none = np.where(rises, above == 0, below == len(COARSE) - 1)
    cell = np.clip(cell, 1, len(COARSE) - 1)
    step = excess[cell] - excess[cell - 1]
    share = np.clip((bias_variance[:, 0] - excess[cell - 1]) / np.where(step == 0, 1, step), 0, 1)
    crossings = COARSE[cell - 1] + share * (COARSE[cell] - COARSE[cell - 1])
    beginning = np.minimum(start[:, 0], len(COARSE) - 1)
    still = np.abs(excess[beginning] - bias_variance[:, 0]) <= 1e-9 * COARSE[beginning]  # every length is a fixed point
    return np.where(still, COARSE[beginning], np.where(none, np.where(rises, math.inf, 0.0), crossings))


@functools.lru_cache(maxsize=64)
def _coarse(field: Field) -> Array:
    return field.tabulated(COARSE).square


def critical_line(field: Field, mean_square: float = 1.0) -> tuple[Array, Array]:
    """The (sigma_w, sigma_b) with chi_1 = 1 at which lengths settle, along the line."""
    lengths = np.logspace(-6, 4, 400)
    sigma_w, sigma_b = field.critical(lengths)
    with np.errstate(**QUIET):
        stable = [index for index, (q, w, b) in enumerate(zip(lengths, sigma_w, sigma_b, strict=True))
                if math.isfinite(b) and abs(float(_settled(field, w, np.array([b]), mean_square)[0]) - q)
                <= SETTLED * q + 1e-9]
    return sigma_w[stable], sigma_b[stable]
