"""Batches: what goes into a network and what should come out.

Every input is standardized: each feature has mean 0 and standard deviation 1, over the digits' 1,797 images or over the
law of the others, so that a signal that keeps its scale has a root mean square near 1.
"""

from __future__ import annotations

import functools
import gzip
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.random import Generator

from initviz.core.arrays import Array
from initviz.core.initializers import DTYPES
from initviz.core.network import INPUT_STREAM, SEED, stream
from initviz.core.propagation import LOSSES, QUIET
from initviz.core.validation import Interval, check

BATCH = Interval(1, 1_000_000, integer=True)
BOUNDS: Mapping[str, tuple[float, float]] = MappingProxyType(  # of the targets, where a loss has some
    {"bce": (0, 1), "sigmoid_mse": (0, 1), "tanh_mse": (-1, 1)})


@dataclass(frozen=True, eq=False)
class Batch:
    """Inputs ``x`` (batch, features) and targets: classes (batch,) for softmax_ce, numbers (batch, outputs) else."""

    x: Array
    targets: Array
    loss: str = "softmax_ce"
    outputs: int = 10
    name: str = ""

    @property
    def features(self) -> int:
        """Number of inputs of the network."""
        return int(self.x.shape[1])

    def classes(self) -> Array | None:
        """Each sample's class (batch,), also where targets are 0 and 1 of sigmoids; None where they are numbers."""
        if self.loss == "softmax_ce":
            return self.targets
        low, high = (-1, 1) if self.loss == "tanh_mse" else (0, 1)
        if not np.isin(self.targets, (low, high)).all():
            return None
        if self.outputs == 1:
            return None if self.loss == "mse" else (self.targets[:, 0] == high).astype(np.int64)
        return self.targets.argmax(axis=1) if ((self.targets == high).sum(axis=1) == 1).all() else None


@dataclass(frozen=True)
class Input:
    """A source of batches: ``draw(count, features, rng)`` returns x (count, features) and classes (count,).

    ``features`` is None where the number of features is free.
    """

    label: str
    features: int | None
    classes: int
    draw: Callable[[int, int, Generator], tuple[Array, Array]]
    sentence: str
    source: str = ""
    limit: int | None = None


def standardized(x: Array) -> Array:
    """``x`` (rows, columns) with every column standardized to mean 0 and standard deviation 1; constant ones are 0."""
    spread = x.std(axis=0)
    return (x - x.mean(axis=0)) / np.where(spread > 0, spread, 1)


@functools.cache
def _digit_rows() -> Array:
    """All 1,797 digits as their file has them: 64 pixels from 0 to 16, and the class."""
    packed = resources.files("initviz").joinpath("data/digits.csv.gz").read_bytes()
    lines = gzip.decompress(packed).decode().split()
    return np.array([line.split(",") for line in lines], dtype=np.int64)


def digit_pixels(x: Array) -> Array:
    """The pixels from 0 to 16 (count, 64) of which ``x`` (count, 64) are the standardized values."""
    pixels = _digit_rows()[:, :64]
    return np.round(x * pixels.std(axis=0) + pixels.mean(axis=0))


@functools.cache
def digits() -> tuple[Array, Array]:
    """All 1,797 digits: standardized pixels (1797, 64) and classes (1797,), read-only."""
    rows = _digit_rows()
    x, y = standardized(rows[:, :64].astype(float)), rows[:, 64].copy()
    x.flags.writeable = y.flags.writeable = False
    return x, y


def _draw_digits(count: int, features: int, rng: Generator) -> tuple[Array, Array]:
    x, y = digits()
    chosen = rng.permutation(len(x))[:count]
    return x[chosen], y[chosen]


def _draw_normal(count: int, features: int, rng: Generator) -> tuple[Array, Array]:
    return _draw_normal_for(10, count, features, rng)


def _draw_normal_for(outputs: int, count: int, features: int, rng: Generator) -> tuple[Array, Array]:
    """Unit normals (count, features), and which of ``outputs`` random linear functions of them is largest."""
    teacher = rng.standard_normal((features, outputs))
    x = rng.standard_normal((count, features))
    return x, (x @ teacher).argmax(axis=1)


def _noisy(x: Array, mean: Any, variance: Any, noise: float, rng: Generator) -> Array:
    """x with normal noise, standardized by the mean and variance of x's law (not of the batch: one sample has none)."""
    return (x + noise * rng.standard_normal(x.shape) - mean) / np.sqrt(np.add(variance, noise**2))


def _draw_moons(count: int, features: int, rng: Generator) -> tuple[Array, Array]:
    y = np.arange(count) % 2
    angle = math.pi * rng.random(count)
    cos, sin = np.cos(angle), np.sin(angle)
    x = np.stack([np.where(y, 1 - cos, cos), np.where(y, 0.5 - sin, sin)], axis=1)
    height = 2 / math.pi  # mean of a sine over half a turn
    return _noisy(x, (0.5, 0.25), (0.75, 0.5 - height**2 + (height - 0.25) ** 2), 0.1, rng), y


def _draw_circles(count: int, features: int, rng: Generator) -> tuple[Array, Array]:
    y = np.arange(count) % 2
    angle = 2 * math.pi * rng.random(count)
    radius = np.where(y, 0.5, 1.0)
    x = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return _noisy(x, 0, (0.5**2 + 1) / 4, 0.1, rng), y


def _draw_spiral(count: int, features: int, rng: Generator) -> tuple[Array, Array]:
    y = np.arange(count) % 3
    radius = np.sqrt(rng.random(count))
    angle = 2 * math.pi * y / 3 + 4 * radius
    x = np.stack([radius * np.sin(angle), radius * np.cos(angle)], axis=1)
    return _noisy(x, 0, 0.25, 0.03, rng), y


INPUTS: Mapping[str, Input] = MappingProxyType({
    "digits": Input("Digits", 64, 10, _draw_digits, "Handwritten digits of 8 x 8 pixels, ten classes.",
                    "Alpaydin and Kaynak 1998, UCI Machine Learning Repository, CC BY 4.0", limit=1797),
    "normal": Input("Standard normal", None, 10, _draw_normal,
                    "Independent unit normals, as many as a layer is wide; the class is the largest of ten random "
                    "linear functions."),
    "moons": Input("Two moons", 2, 2, _draw_moons, "Two interleaved half circles in the plane, two classes."),
    "circles": Input("Circles", 2, 2, _draw_circles, "A circle inside a circle, two classes."),
    "spiral": Input("Spiral", 2, 3, _draw_spiral, "Three arms of a spiral, three classes."),
})


def make_batch(key: str, count: int, *, seed: int = 0, features: int = 64, dtype: str = "float32") -> Batch:
    """A batch of ``count`` samples of the input ``key``; ``features`` matters only where the input leaves it free.

    The arrays are read-only. Raises ValueError for an unknown key or a count the input cannot give.
    """
    return make_split(key, count, 0, seed=seed, features=features, dtype=dtype)[0]


def make_normal(features: int, outputs: int, count: int, *, seed: int = 0, dtype: str = "float32") -> Batch:
    """Standard normal inputs for any network: ``outputs`` classes, or for a single output a number to fit (mse).

    Of ten outputs the same as ``make_batch("normal", ...)``. Raises ValueError for a number out of range.
    """
    check("dtype", dtype, DTYPES)
    features, outputs = check("features", features, BATCH), check("outputs", outputs, BATCH)
    rng = stream(check("seed", seed, SEED), INPUT_STREAM)
    x, y = _draw_normal_for(outputs, check("batch", count, BATCH), features, rng)
    if outputs > 1:
        return Batch(x.astype(dtype), y, "softmax_ce", outputs, "normal")
    return Batch(x.astype(dtype), x[:, :1].astype(dtype), "mse", 1, "normal")


def with_loss(batch: Batch, loss: str, outputs: int | None = None) -> Batch:
    """The batch with its targets in the form that a loss needs; two classes are one column where ``outputs`` is 1.

    Classes become one-hot targets of 0 and 1, for "tanh_mse" of -1 and 1. Raises ValueError for targets that the loss
    cannot have: numbers for "softmax_ce", numbers beyond what a sigmoid or tanh gives.
    """
    check("loss", loss, LOSSES.keys())
    if loss == batch.loss:
        return batch
    if loss == "softmax_ce":
        raise ValueError(f"loss must be one for {'a single output' if batch.outputs == 1 else 'a target of numbers'}: "
                         f"{', '.join(key for key in LOSSES if key != loss)}, got {loss!r}")
    targets = batch.targets
    if batch.loss == "softmax_ce":
        targets = (targets[:, None] if (batch.outputs, outputs) == (2, 1)
                   else targets[:, None] == np.arange(batch.outputs)).astype(batch.x.dtype)
    least, most = BOUNDS.get(loss, (-math.inf, math.inf))
    if batch.loss in ("softmax_ce", "bce") and loss == "tanh_mse":
        targets = 2 * targets - 1
    if targets.min() < least or targets.max() > most:
        raise ValueError(f"targets must be between {least:g} and {most:g} for {loss}, got {targets.min():g} to "
                         f"{targets.max():g}")
    return Batch(batch.x, targets, loss, targets.shape[1], batch.name)


def classes_for(outputs: int, loss: str | None) -> int:
    """Number of classes that a network of so many outputs distinguishes: two for a single sigmoid or tanh."""
    return 2 if outputs == 1 and loss in BOUNDS else outputs


def loss_of_constant_output(batch: Batch) -> float:
    """The least loss without a look at the inputs: the entropy of the batch's classes, the targets' variance."""
    if batch.loss == "bce":
        return float(np.mean([entropy(np.array([share, 1 - share])) for share in batch.targets.mean(axis=0)]))
    if batch.loss != "softmax_ce":
        with np.errstate(**QUIET):
            return float(np.var(batch.targets, axis=0).mean())
    return entropy(np.bincount(batch.targets) / len(batch.targets))


def entropy(shares: Array) -> float:
    """-sum p ln p of shares that sum to 1."""
    positive = shares[shares > 0]
    return float(-(positive * np.log(positive)).sum())


def batch_for(sizes: Sequence[int], key: str, count: int, *, seed: int = 0, loss: str | None = None) -> Batch:
    """A batch of the input ``key`` for a network of these sizes; standard normals suit any number of outputs.

    ``loss`` is by default that of the input: "softmax_ce", "bce" for two classes and one output, or "mse" for standard
    normals and one output. Raises ValueError where the input has other numbers of features or classes, or no targets
    for the loss.
    """
    batch = (make_normal(sizes[0], classes_for(sizes[-1], loss), count, seed=seed) if key == "normal" else
             make_batch(key, count, seed=seed, features=sizes[0]))
    batch = suited(batch, loss, sizes[-1])
    check_fit(sizes, batch)
    return batch


def suited(batch: Batch, loss: str | None, outputs: int) -> Batch:
    """The batch for that loss, or its own where None is asked for: of two classes and one output "bce"."""
    if loss is None and (batch.loss, batch.outputs, outputs) == ("softmax_ce", 2, 1):
        loss = "bce"
    return batch if loss is None else with_loss(batch, loss, outputs)


def check_fit(sizes: Sequence[int], batch: Batch) -> None:
    """Raise ValueError if the inputs or outputs of a network of these sizes do not fit the batch."""
    for field, value, expected, kind in (("begin", sizes[0], batch.features, "input"),
                                       ("end", sizes[-1], batch.outputs, "output")):
        if value != expected:
            many = "" if expected == 1 else "s"
            raise ValueError(f"sizes must {field} with {expected}, as the data has {expected} {kind}{many}, got "
                             f"{value}")


def make_split(key: str, count: int, held_out: int, *, seed: int = 0, features: int = 64,
               dtype: str = "float32") -> tuple[Batch, Batch]:
    """A batch of ``count`` samples to train on and one of ``held_out`` others of the same law, drawn together."""
    source = INPUTS[check("input", key, INPUTS.keys())]
    check("dtype", dtype, DTYPES)
    most = Interval(1, source.limit, integer=True) if source.limit else BATCH
    count = check("batch", count, most)
    held_out = check("held_out", held_out, Interval(0, most.high - count, integer=True))
    x, y = source.draw(count + held_out, source.features or check("features", features, BATCH),
                       stream(check("seed", seed, SEED), INPUT_STREAM))
    x = x.astype(dtype)
    x.flags.writeable = y.flags.writeable = False
    return (Batch(x[:count], y[:count], "softmax_ce", source.classes, key),
            Batch(x[count:], y[count:], "softmax_ce", source.classes, key))
