"""A finding, what the rules that make findings look at, and the losses that they compare with."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from initviz.core.batches import Batch
from initviz.core.propagation import QUIET
from initviz.core.simulation import Run
from initviz.diagnosis.initialization import Initialization

SEVERITIES = ("error", "warning", "note")
EXACT, RATIO, CONVENTION = "exact", "ratio between layers", "convention"


@dataclass(frozen=True)
class Finding:
    """One thing found: ``layer`` counts from 1, None where it is of the whole; ``number`` is what was measured.

    ``rule`` says what it was compared with, ``source`` who says so, ``firm`` how firm the rule is: EXACT for a count
    or an overflow, RATIO for a ratio between layers, CONVENTION for a line that somebody has drawn.
    """

    key: str
    severity: str
    title: str
    words: str
    number: float
    layer: int | None
    rule: str
    source: str
    firm: str


@dataclass(frozen=True, eq=False)
class Measured:
    """What the rules look at: a initialization, its run, and where each line is drawn."""

    initialization: Initialization
    run: Run
    lines: Mapping[str, float]

    @property
    def hidden(self) -> int:
        """Number of hidden layers."""
        return self.run.network.depth - 1

    def worst(self, column: str) -> tuple[int, float]:
        """The hidden layer, from 1, with the largest value of a column, and the value; (0, 0) where there is none."""
        values = np.nan_to_num(self.run.column(column)[:-1])
        return (int(values.argmax()) + 1, float(values.max())) if values.size else (0, 0.0)

    def weights_are_equal(self, layer: int) -> bool:
        """Whether all neurons of a layer, from 1, have the same incoming weights and bias."""
        w, b = self.initialization.weights[layer - 1], self.initialization.biases[layer - 1]
        return bool((w == w[:, :1]).all() and (b == b[0]).all())

    def different_weights(self, layer: int) -> int:
        """How many neurons of a layer, from 1, differ in their incoming weights or bias."""
        columns = np.vstack([self.initialization.weights[layer - 1], self.initialization.biases[layer - 1][None]]).T
        return len({np.ascontiguousarray(column).tobytes() for column in columns})


def loss_of_zero_output(batch: Batch) -> float:
    """The loss of a network that says nothing: ln K for K classes, the targets' variance for numbers."""
    if batch.loss == "softmax_ce":
        return math.log(batch.outputs)
    return _variance(batch)


def loss_of_constant_output(batch: Batch) -> float:
    """The least loss without a look at the inputs: the entropy of the batch's classes, the targets' variance."""
    if batch.loss != "softmax_ce":
        return _variance(batch)
    shares = np.bincount(batch.targets) / len(batch.targets)
    shares = shares[shares > 0]
    return float(-(shares * np.log(shares)).sum())


def _variance(batch: Batch) -> float:
    with np.errstate(**QUIET):
        return float(np.var(batch.targets, axis=0).mean())
