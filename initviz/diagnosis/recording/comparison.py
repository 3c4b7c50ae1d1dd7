"""Two recordings beside each other: before and after a change, or one model at two widths."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import median
from typing import Any

import pandas as pd

from initviz.core.wording import number
from initviz.diagnosis.recording.recorded import RecordedFinding, few
from initviz.diagnosis.recording.report import RecordingReport, findings_as_values, to_json
from initviz.files.recording import Row

NOTABLE = 2.0  # a ratio of two recordings that a sentence names
WIDTH_SLOPE = 0.25  # of log size against log width, from 0: what a sentence names
MOST_WIDTH = 1e6


@dataclass(frozen=True)
class Matched:
    """One output in both recordings."""

    first: Row
    second: Row

    @property
    def label(self) -> str:
        """Its name, the same in both."""
        return self.first.label

    def ratio(self, name: str) -> float:
        """Second over first of a number of the row; ``gradient`` is that of the gradient's root mean square."""
        first, two = (_value(row, name) for row in (self.first, self.second))
        return two / first if first > 0 and math.isfinite(first) and math.isfinite(two) else math.nan


def _value(row: Row, name: str) -> float:
    if name == "gradient":
        return row.gradient.rms if row.gradient else math.nan
    return float(getattr(row, name))


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two reports, and the outputs that both recordings hold under one module path, kind and call."""

    first: RecordingReport
    second: RecordingReport

    @cached_property
    def matched(self) -> tuple[Matched, ...]:
        """In the order of the first recording."""
        rows = {(row.path, row.kind, row.call): row for row in self.second.recording.rows if row.same_as is None}
        return tuple(Matched(row, rows[key]) for row in self.first.recording.rows
                     if row.same_as is None and (key := (row.path, row.kind, row.call)) in rows)

    @cached_property
    def width_ratio(self) -> float:
        """How many times wider the second model is: the median over outputs of other width; 1 where none differs."""
        ratios = [match.second.units / match.first.units for match in self.matched
                  if match.first.units and match.second.units and match.first.units != match.second.units]
        ratio = median(ratios) if ratios else 1.0
        return ratio if 1 / MOST_WIDTH <= ratio <= MOST_WIDTH else 1.0

    def slope(self, match: Matched, name: str) -> float:
        """The exponent of width by which a number of an output grows, from these two widths; NaN at one width."""
        ratio = match.ratio(name)
        return math.log(ratio) / math.log(self.width_ratio) if ratio > 0 and self.width_ratio != 1 else math.nan

    @property
    def gone(self) -> tuple[RecordedFinding, ...]:
        """Findings of the first that the second does not have, notes left out."""
        return _without(self.first.findings, self.second.findings)

    @property
    def new(self) -> tuple[RecordedFinding, ...]:
        """Findings of the second that the first did not have, notes left out."""
        return _without(self.second.findings, self.first.findings)

    @property
    def summary(self) -> str:
        """What changes between the two, in a few sentences."""
        parts = [f"{len(self.matched):,} outputs are in both."]
        if not self.matched:
            return "No output has the same module path and kind in both recordings."
        for name, findings in (("Gone", self.gone), ("New", self.new)):
            if findings:
                parts.append(f"{name}: {few([finding.title for finding in findings])}.")
        losses = [report.recording.loss.value for report in (self.first, self.second)]
        parts.append(f"The first loss goes from {number(losses[0], 3)} to {number(losses[1], 3)}.")
        parts.append(self._say_widths() if self.width_ratio != 1 else self._say_changes())
        return " ".join(part for part in parts if part)

    def _say_changes(self) -> str:
        sentences = []
        for word, name in (("signal", "rms"), ("gradient", "gradient")):
            ratios = [(abs(math.log(ratio)), ratio, match.label) for match in self.matched
                      if (ratio := match.ratio(name)) > 0]
            if ratios and (most := max(ratios))[0] > math.log(NOTABLE):
                sentences.append(f"The {word} changes most at {most[2]}: {number(most[1])} times.")
        return " ".join(sentences) or "Signal and gradient change nowhere by more than a factor of 2."

    def _say_widths(self) -> str:
        modules = {self.first.recording.rows[index].path for index in self.first.trunk.products}
        wider = f"The second model is {number(self.width_ratio)} times as wide."
        for noun, name in (("The change by a step", "change_rms"), ("The signal", "rms")):
            slopes = [(slope, match.label) for match in self.matched if match.first.path in modules
                      and not math.isnan(slope := self.slope(match, name))]
            if slopes:
                most = max(slopes, key=lambda pair: abs(pair[0]))
                if abs(most[0]) <= WIDTH_SLOPE:
                    return f"{wider} {noun} keeps its size at every width (slopes within {WIDTH_SLOPE:g} of 0)."
                return (f"{wider} {noun} goes with width to the power of {number(most[0])} at {most[1]}: a rate tuned "
                        "at one width does not suit the other there." if name == "change_rms" else
                        f"{wider} {noun} goes with width to the power of {number(most[0])} at {most[1]}; record two "
                        "steps, steps=2, to see whether a rate transfers.")
        return wider


def _without(findings: Sequence[RecordedFinding], others: Sequence[RecordedFinding]) -> tuple[RecordedFinding, ...]:
    keys = {finding.key for finding in others if finding.severity != "note"}
    return tuple(finding for finding in findings if finding.severity != "note" and finding.key not in keys)


def comparison_table(compared: Comparison) -> pd.DataFrame:
    """One row per output that both hold, in words: its size, its gradient and, at two widths, the powers of width."""
    wide = compared.width_ratio != 1
    rows = []
    for match in compared.matched:
        row = {"Module": match.label, "Kind": match.first.kind, "Signal, first": number(match.first.rms),
               "Signal, second": number(match.second.rms), "Signal, second ÷ first": number(match.ratio("rms")),
               "Gradient, second ÷ first": number(match.ratio("gradient"))}
        if wide:
            row |= {"Power of width, signal": number(compared.slope(match, "rms")),
                    "Power of width, change by a step": number(compared.slope(match, "change_rms"))}
        rows.append(row)
    return pd.DataFrame(rows)


def comparison_to_json(compared: Comparison) -> str:
    """One object: both reports, and the outputs that both hold."""
    def plain(value: float) -> Any:
        return value if math.isfinite(value) else None

    return json.dumps({
        "summary": compared.summary, "width_ratio": compared.width_ratio,
        "gone": findings_as_values(compared.gone), "new": findings_as_values(compared.new),
        "outputs": [{"module": match.label, "kind": match.first.kind, "signal_ratio": plain(match.ratio("rms")),
                     "gradient_ratio": plain(match.ratio("gradient")),
                     "signal_slope": plain(compared.slope(match, "rms")),
                     "change_slope": plain(compared.slope(match, "change_rms"))} for match in compared.matched],
        "first": json.loads(to_json(compared.first)), "second": json.loads(to_json(compared.second))},
        ensure_ascii=False, indent=2, allow_nan=False)
