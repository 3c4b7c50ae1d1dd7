"""What is measured of a tensor: moments in one pass, copies among its rows and columns, structure that no law draws."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np

from initviz.core.arrays import Array
from initviz.theory.precision import FORMATS

BLOCK = 1 << 16  # values: so few that a block and its squares stay in the processor's cache
SIDE = 192  # of the corner whose singular values are taken
PROBED = 32  # rows or columns whose lengths are compared before more is computed
SAMPLE = 1 << 14  # values among which zeros, and what number formats lose, are counted
MOST_COMPARED = 4096  # neighbors of equal projection: more only make a finding longer
LEAST_DIRECTION, ALMOST = 32, 0.99  # numbers of a direction, and the cosine of two that are almost one
LEAST_VECTOR = 4  # shorter rows or columns are equal by accident
NOTHING: Mapping[str, float] = MappingProxyType({})
TRAINED_TOP, TRAINED_UNEVENNESS = 1.25, 8.0  # beyond: not independent entries


@dataclass(frozen=True)
class Measures:
    """Moments of a tensor's values about their mean, its extremes, and what its rows and columns share.

    ``rms`` is about 0, ``zero_share`` that of a sample. ``kurtosis`` is NaN where all values are equal. ``finite`` is
    False where a value is NaN or infinite; all else is then NaN. ``copies`` counts the rows and columns (two numbers)
    that repeat another one; both are 0 for a tensor of one value. ``isometry`` is g where W is g times a
    matrix with orthonormal rows or columns, else NaN. ``top`` is the largest singular value of a corner of the matrix
    over what independent entries give at most, ``unevenness`` how many of its sampling errors the spread of the rows'
    mean squares lies above its expectation; NaN where a matrix is too small. ``key`` is equal for equal tensors.
    ``copy_distances`` are the greatest common divisors of the distances between copies: the length of a head or an
    expert that is repeated as a whole. ``near_copies`` counts the rows and columns of a corner that point almost where
    another one does. ``lost`` is the share of a sample's values that each number format rounds to 0 or to infinity,
    of fp8 once scaled so that the largest value fits; ``subnormal_share`` that of subnormal values of its own format.
    """

    count: int
    mean: float
    std: float
    rms: float
    kurtosis: float
    least: float
    most: float
    zero_share: float
    finite: bool
    copies: tuple[int, int]
    isometry: float
    top: float
    unevenness: float
    key: tuple[object, ...]
    copy_distances: tuple[int, int] = (0, 0)
    near_copies: tuple[int, int] = (0, 0)
    lost: Mapping[str, float] = field(default_factory=lambda: NOTHING, hash=False)
    subnormal_share: float = 0.0

    @property
    def largest(self) -> float:
        """The largest magnitude."""
        return max(abs(self.least), abs(self.most))

    @property
    def one_value(self) -> bool:
        """Whether all values are equal."""
        return self.finite and self.least == self.most

    @property
    def two_valued(self) -> bool:
        """Whether all values are 0 or one other, as a mask's are: then their mean square is that one times their mean.
        """
        other = self.least if self.most == 0 else self.most
        return self.finite and 0 in (self.least, self.most) and math.isclose(
            self.rms**2, other * self.mean, rel_tol=1e-6)

    @property
    def looks_trained(self) -> bool:
        """Whether rows, columns or singular values show what independent entries do not."""
        return self.top > TRAINED_TOP or self.unevenness > TRAINED_UNEVENNESS


@dataclass(frozen=True, eq=False)
class _Sums:
    """Sums of the first four powers, extremes, and the products of a matrix with a random vector on either side."""

    powers: tuple[float, float, float, float]
    least: float
    most: float
    of_rows: Array
    of_columns: Array


def _summed(matrix: Array, right: Array, left: Array) -> _Sums:
    """One pass over a matrix (rows, columns), in blocks of rows that stay in the processor's cache."""
    rows, columns = matrix.shape
    height = max(1, BLOCK // columns)
    squares = np.empty(height * columns, matrix.dtype)
    powers = np.zeros(4)
    least, most = math.inf, -math.inf
    of_rows, of_columns = np.empty(rows, matrix.dtype), np.zeros(columns, matrix.dtype)
    for start in range(0, rows, height):
        rows_of_block = matrix[start:start + height]
        block = rows_of_block.reshape(-1)
        square = np.multiply(block, block, out=squares[:block.size])
        powers += block.sum(), square.sum(), np.dot(square, block), np.dot(square, square)
        least, most = min(least, float(block.min())), max(most, float(block.max()))
        np.dot(rows_of_block, right, out=of_rows[start:start + height])
        of_columns += left[start:start + height] @ rows_of_block
    first, second, third, fourth = (float(total) for total in powers)
    return _Sums((first, second, third, fourth), least, most, of_rows, of_columns)


def measure(values: Array, largest: float | None = None) -> Measures:
    """The Measures of a tensor of at least one value, in any shape; ``largest`` is its largest magnitude, if known."""
    flat = np.ascontiguousarray(values).reshape(-1)
    if flat.dtype == np.float16:
        flat = flat.astype(np.float32)
    with np.errstate(all="ignore"):
        scale = float(np.abs(flat[:BLOCK]).max()) if largest is None else largest  # keeps fourth powers within float32
        if not math.isfinite(scale):
            return _not_finite(flat)
        scaled = flat if 1e-6 < scale < 1e6 else flat / flat.dtype.type(scale) if scale else flat
        unit = 1.0 if scaled is flat else scale
        matrix = scaled.reshape(values.shape[0], -1) if values.ndim > 1 else scaled.reshape(-1, 1)
        rng = np.random.default_rng(0)
        left, right = (rng.standard_normal((size,)).astype(matrix.dtype) for size in matrix.shape)
        sums = _summed(matrix, right, left)
        if not math.isfinite(sums.powers[3]):
            largest = float(np.abs(flat).max())
            return measure(values, largest) if math.isfinite(largest) else _not_finite(flat)
    mean, square, cube, fourth = (power / flat.size for power in sums.powers)
    varied = sums.least != sums.most
    variance = max(square - mean * mean, 0.0) if varied else 0.0
    central = fourth - 4 * mean * cube + 6 * mean**2 * square - 3 * mean**4
    copies = distances = near = (0, 0)
    isometry, top, unevenness = math.nan, math.nan, math.nan
    if values.ndim > 1 and varied:
        rows, columns = matrix.shape
        (of_rows, row_distance), (of_columns, column_distance) = (
            _repeated(matrix, sums.of_rows) if columns >= LEAST_VECTOR else (0, 0),
            _repeated(matrix.T, sums.of_columns) if rows >= LEAST_VECTOR else (0, 0))
        copies, distances, near = (of_rows, of_columns), (row_distance, column_distance), _near_copies(matrix)
        isometry = _isometry(matrix, sums, left, right)
        top, unevenness = _structure(matrix, math.sqrt(square))
    sample = flat[::max(1, flat.size // SAMPLE)]
    return Measures(flat.size, mean * unit, math.sqrt(variance) * unit, math.sqrt(square) * unit,
                    central / variance**2 if variance else math.nan, sums.least * unit, sums.most * unit,
                    1 - np.count_nonzero(sample) / sample.size, True, copies, isometry * unit, top, unevenness,
                    (*sums.powers, float(scaled[0]), unit), distances, near, *_kept_by_formats(
                        sample, values.dtype, max(abs(sums.least), abs(sums.most)) * unit))


def _not_finite(flat: Array) -> Measures:
    nan = math.nan
    return Measures(flat.size, nan, nan, nan, nan, nan, nan, nan, False, (0, 0), nan, nan, nan, ())


def _isometry(matrix: Array, sums: _Sums, left: Array, right: Array) -> float:
    """The gain of a matrix with orthonormal rows or columns, whichever are fewer; NaN where it has none."""
    wide = matrix.shape[0] <= matrix.shape[1]
    few = (matrix if wide else matrix.T)[:PROBED].astype(np.float64)
    lengths = np.square(few).sum(axis=1)
    if not lengths.min() > 0.97 * lengths.max():
        return math.nan
    # W Wᵀ u = g² u for every u where the rows are orthonormal, and with Wᵀ W where the columns are.
    probe, back = (left, matrix @ sums.of_columns) if wide else (right, sums.of_rows @ matrix)
    gain = float(probe @ back) / float(probe @ probe)
    return math.sqrt(gain) if gain > 0 and float(np.abs(back - gain * probe).max()) <= 0.01 * gain else math.nan


def _kept_by_formats(sample: Array, dtype: np.dtype[Any], largest: float) -> tuple[Mapping[str, float], float]:
    """The share of values that each number format loses, and of those that are subnormal in their own."""
    sizes = np.abs(sample[sample != 0]).astype(np.float64)
    if not sizes.size:
        return NOTHING, 0.0
    ends = {form.label: (form.largest / largest if form.label.startswith("fp8") else 1.0) for form in FORMATS}
    lost = {form.label: float(np.mean((sizes * ends[form.label] <= form.smallest / 2)
                                      | (sizes * ends[form.label] > form.largest * (1 + 1e-9)))) for form in FORMATS}
    return MappingProxyType(lost), float(np.mean(sizes < np.finfo(dtype).tiny))


def _near_copies(matrix: Array) -> tuple[int, int]:
    """How many rows and columns of a corner point almost where another one does, without being equal to it."""
    corner = matrix[:SIDE, :SIDE].astype(np.float64)
    return _almost_parallel(corner), _almost_parallel(corner.T)


def _almost_parallel(vectors: Array) -> int:
    if np.count_nonzero(vectors) < 0.9 * vectors.size:  # of few weights other than 0 a direction says little
        return 0
    rough = vectors.astype(np.float32)
    rough /= np.maximum(np.sqrt(np.einsum("ij,ij->i", rough, rough)), np.finfo(np.float32).tiny)[:, None]
    cosines = rough @ rough.T
    np.fill_diagonal(cosines, 0)
    if cosines.max() <= ALMOST - 1e-4:  # what single precision tells apart
        return 0
    lengths = np.sqrt(np.square(vectors).sum(axis=1))
    vectors = vectors[lengths > 0] / lengths[lengths > 0, None]
    if vectors.shape[1] < LEAST_DIRECTION or len(vectors) < 2:
        return 0
    cosines = np.tril(vectors @ vectors.T, -1)
    return int(((cosines > ALMOST).any(axis=1) & ~(cosines > 1 - 1e-8).any(axis=1)).sum())


def _repeated(vectors: Array, projections: Array) -> tuple[int, int]:
    """How many vectors (rows) other than 0 equal another one to 1e-4 of their size, and how far apart such ones lie.

    Compared are those whose projections are equal, of few numbers other than 0 exactly; the distance is the greatest
    common divisor of all.
    """
    order = np.argsort(projections, kind="stable")
    sorted_ = projections[order]
    size = float(np.abs(sorted_).max())
    close = np.flatnonzero(np.diff(sorted_) <= 1e-5 * size)
    if not close.size or (close.size > 4096 and close.size == len(projections) - 1 and not size):
        return (0, 0) if size else (len(projections) - 1, 1)
    begin = vectors[:, :LEAST_VECTOR]  # most neighbors by projection differ at once
    apart = np.abs(begin[order[close]] - begin[order[close + 1]]).max(axis=1)
    close = close[apart <= 1e-3 * np.abs(begin).max()][:MOST_COMPARED]
    if not close.size:
        return 0, 0
    first, second = vectors[order[close]], vectors[order[close + 1]]
    largest = np.maximum(np.abs(first).max(axis=1), np.abs(second).max(axis=1))
    few = np.count_nonzero(first, axis=1) < LEAST_VECTOR  # nearly equal by accident
    equal = (np.abs(first - second).max(axis=1) <= np.where(few, 0, 1e-4 * largest)) & (largest > 0)
    return int(equal.sum()), int(np.gcd.reduce(np.abs(order[close] - order[close + 1])[equal]))


def _structure(matrix: Array, rms: float) -> tuple[float, float]:
    """Largest singular value over the edge of independent entries, and the unevenness of rows' mean squares.

    Independent entries of standard deviation s have singular values up to s (sqrt(m) + sqrt(n)) and little more
    (Marchenko and Pastur 1967; Geman 1980); training adds a few large ones and moves some rows more than others.
    """
    corner = matrix[:SIDE, :SIDE].astype(np.float64)
    rows, columns = corner.shape
    if min(rows, columns) < 8 or corner.size < 256 or not rms:
        return math.nan, math.nan
    spread = float(corner.std())
    if not spread:
        return math.nan, math.nan
    top = _largest_singular_value(corner - corner.mean()) / (spread * (math.sqrt(rows) + math.sqrt(columns)))
    used = matrix if matrix.size <= SIDE * SIDE * 4 else corner
    unevenness = max(_uneven(used.astype(np.float64)), _uneven(used.T.astype(np.float64)))
    return top, unevenness


def _largest_singular_value(matrix: Array, steps: int = 20) -> float:
    """By power iteration: from below, and close where one value stands out."""
    v: Array = np.random.default_rng(1).standard_normal((matrix.shape[1],))
    for _ in range(steps):
        v = matrix.T @ (matrix @ v)
        v = v / np.linalg.norm(v)
    return float(np.linalg.norm(matrix @ v))


def _uneven(vectors: Array) -> float:
    """Sampling errors by which the variance of the rows' mean squares exceeds that of independent entries."""
    rows, length = vectors.shape
    squares = vectors * vectors
    means = squares.mean(axis=1)
    expected = float(squares.var()) / length
    return (float(means.var()) / expected - 1) / math.sqrt(2 / max(rows - 1, 1)) if expected else 0.0
