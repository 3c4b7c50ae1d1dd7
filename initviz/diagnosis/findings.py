"""A finding, and what the rules that make findings look at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from initviz.core.propagation import QUIET
from initviz.core.simulation import Run
from initviz.core.wording import counted
from initviz.diagnosis.initialization import Initialization
from initviz.diagnosis.layer_scales import Rates, rates_of
from initviz.diagnosis.reach import LATE, step_of_gradients

SEVERITIES = ("error", "warning", "note")
EXACT, RATIO, CONVENTION = "exact", "ratio between layers", "convention"


@dataclass(frozen=True)
class Finding:
    """One thing that a rule finds: ``layer`` counts from 1, None where it is of the whole; ``number`` is the measure.

    ``kind`` is the key of the verdict that it makes where no finding is more severe; "" where it makes none. ``rule``
    says what the number was compared with, ``source`` who says so, ``firmness`` how firm the rule is: EXACT for a
    count or an overflow, RATIO for a ratio between layers, CONVENTION for a threshold that is a choice.
    """

    key: str
    severity: str
    kind: str
    title: str
    text: str
    number: float
    layer: int | None
    rule: str
    source: str
    firmness: str


class HasSeverity(Protocol):
    """Anything that has a severity."""

    @property
    def severity(self) -> str:
        """One of SEVERITIES."""


class Graded:
    """Base class of reports: findings, their worst severity and their counts."""

    findings: tuple[HasSeverity, ...]

    @property
    def severity(self) -> str | None:
        """The severity of the worst finding; None without findings."""
        return next((severity for severity in SEVERITIES if self.count(severity)), None)

    def count(self, severity: str) -> int:
        """How many findings of a severity."""
        return sum(finding.severity == severity for finding in self.findings)

    @property
    def summary(self) -> str:
        """The findings counted, in one sentence."""
        counts = [counted(count, severity) for severity in SEVERITIES
                  if (count := self.count(severity))]
        return f"Findings: {', '.join(counts)}." if counts else "Nothing found."


@dataclass(frozen=True, eq=False)
class MeasuredRun:
    """What the rules look at: a run, the thresholds, and the parameters and the batch where they are known."""

    run: Run
    thresholds: Mapping[str, float]
    rates: Rates
    initialization: Initialization | None = None

    @classmethod
    def of(cls, run: Run, thresholds: Mapping[str, float], initialization: Initialization | None = None) -> MeasuredRun:
        """A run as the rules see it."""
        with np.errstate(**QUIET):
            return cls(run, thresholds, rates_of(run), initialization)

    @property
    def hidden(self) -> int:
        """Number of hidden layers."""
        return self.run.network.depth - 1

    def worst(self, column: str) -> tuple[int, float]:
        """The hidden layer, from 1, with the largest value of a column, and the value; (0, 0) where there is none."""
        values = np.nan_to_num(self.run.column(column)[:-1])
        return (int(values.argmax()) + 1, float(values.max())) if values.size else (0, 0.0)

    @cached_property
    def first_step(self) -> int | None:
        """The first step, from 1, in which every hidden layer gets a gradient; None for never, or too late to help."""
        step = step_of_gradients(self.run)
        return step if step is not None and step <= LATE else None

    @cached_property
    def silent_layer(self) -> int | None:
        """The first hidden layer, from 1, whose every output is 0 and stays so; None where there is none."""
        zero = np.flatnonzero(self.run.column("activation_rms")[:-1] == 0)
        return int(zero[0]) + 1 if zero.size and self.run.input_rms > 0 and self.first_step is None else None

    @property
    def depth_limit(self) -> float:
        """The depth, in weight layers, to which the rates hold; inf beyond 1,000."""
        return self.rates.depth_limit(self.thresholds["shrunk"], self.thresholds["grown"])
