"""The report on a recording: its findings in order, its trunk, the audit of its weights."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd

from initviz.core.wording import cut, number, percent
from initviz.diagnosis.audit.audit import Audit
from initviz.diagnosis.findings import Graded
from initviz.diagnosis.recording import gains, learning, scale, units
from initviz.diagnosis.recording.recorded import Recorded, RecordedFinding
from initviz.diagnosis.recording.trunk import Trunk, plain_kind
from initviz.diagnosis.recording.weights import as_findings, audit_recording
from initviz.diagnosis.rules import in_order
from initviz.diagnosis.thresholds import DEFAULTS, Thresholds
from initviz.diagnosis.verdict import KINDS, VerdictKind
from initviz.files.recording import Recording, Row

MOST_HEADS = 4  # in a sentence
# Causes before what they cause, as in the rules of a simulated network.
RULES: tuple[Callable[[Recorded], Iterator[RecordedFinding]], ...] = (
    scale.overflow, scale.inputs, units.silent, gains.blank, gains.weights, units.copies, units.dead, scale.signal,
    units.saturated, units.attention, scale.gradient, learning.zero_gradients, units.alike, scale.preactivations,
    scale.branches, gains.unscaled_branches, learning.loss, units.decided, learning.updates, scale.formats,
    units.uncertain)


@dataclass(frozen=True, eq=False)
class RecordingReport(Graded):
    """An examined recording: its findings, most severe first, and the audit of its weights."""

    recorded: Recorded
    findings: tuple[RecordedFinding, ...]
    weights: Audit

    @property
    def recording(self) -> Recording:
        """The recording that was examined."""
        return self.recorded.recording

    @property
    def trunk(self) -> Trunk:
        """The outputs whose scale can be compared."""
        return self.recorded.trunk

    @property
    def _decisive(self) -> RecordedFinding | None:
        """The most severe finding that makes a verdict."""
        return next((finding for finding in self.findings if finding.kind), None)

    @property
    def kind(self) -> VerdictKind:
        """The kind of verdict: the most severe finding's that has one."""
        return KINDS[self._decisive.kind if self._decisive else "healthy"]

    @property
    def remedy(self) -> str:
        """The remedy of the finding that makes the verdict; empty where nothing is found."""
        return self._decisive.remedy if self._decisive else ""

    @property
    def verdict(self) -> str:
        """The verdict in words: the most severe finding's, or that signal and gradient keep their scale."""
        text = "Signal and gradient keep their scale along the model's depth."
        return f"{self.kind.word}. {self._decisive.text if self._decisive else text}"


def examine(recording: Recording, thresholds: Thresholds = DEFAULTS) -> RecordingReport:
    """The report on a recording, by the rules and thresholds of a simulated network."""
    recorded, weights = Recorded(recording, thresholds), audit_recording(recording)
    audited = [*as_findings(weights)]
    out_of_scale = {finding.modules[0].rpartition(".")[0] for finding in audited if finding.key == "weights_scale"}
    findings = [finding for rule in RULES for finding in rule(recorded)
                if not (finding.key == "gain" and out_of_scale.intersection(finding.modules))]
    return RecordingReport(recorded, in_order([*findings, *audited]), weights)


# ---------------------------------------------------------------------------------------------- in words

def facts(report: RecordingReport) -> dict[str, str]:
    """The recorded model and how it was recorded as texts by name; a user's own names stay as they are."""
    recording = report.recording
    parameters = sum(parameter.count for parameter in recording.parameters)
    modes = [*(["training mode"] if recording.training else ["evaluation mode"]),
           *(["autocast"] if recording.autocast else []), *(["compiled"] if recording.compiled else [])]
    return {
        "Model": cut(recording.model), "Recorded with": cut(recording.framework), "Mode": ", ".join(modes),
        "Parameters": f"{parameters:,} in {len(recording.parameters):,} tensors"
                      f"{_say_left_out(recording.parameters_left_out)}",
        "Outputs": f"{len(report.trunk.measured):,} recorded{_say_left_out(recording.rows_left_out)}, "
                   f"{len(report.trunk.levels):,} along the model's depth",
        "Optimizer": cut(recording.optimizer) if recording.optimizer else "not given",
        "Output sizes": say_heads(report), "Loss": say_loss(report), "Verdict": report.verdict}


def _say_left_out(left_out: int) -> str:
    return f" beside {left_out:,} left out" if left_out else ""


def say_heads(report: RecordingReport) -> str:
    """The sizes of the model's outputs, each head by itself, and how evenly a choice among actions is spread."""
    rows = report.recording.rows
    parts = [f"{report.recorded.label(index)} {number(rows[index].rms)}" for index in report.trunk.heads[:MOST_HEADS]]
    choices = [row.entropy for row in rows if plain_kind(row) in ("softmax", "logsumexp") and len(row.shape) == 2
               and not math.isnan(row.entropy)]
    return ", ".join([*parts, *([f"entropy of the choice {number(choices[0])} ln n"] if choices else [])]) or "not seen"


def weights_table(report: RecordingReport) -> pd.DataFrame:
    """One row per parameter, in words: its laws, the gradient of each recorded step, and the first update beside it."""
    laws = dict(zip((record.name for record in report.weights.tensors), report.weights.frame.get("law", ()),
                    strict=True))
    rows, known = [], learning.first_update(report.recorded)
    for parameter in report.recording.parameters:
        ratio = learning.update_ratio(report.recorded, parameter) if known and parameter.rate is not None else math.nan
        rows.append({
            "Parameter": cut(parameter.name), "Shape": " × ".join(map(str, parameter.shape)) or "1",
            "Std": "" if math.isnan(parameter.std) else number(parameter.std),
            "Laws that may have drawn it": laws.get(parameter.name, ""),
            "Gradient, rms": ", then ".join("none" if gradient is None else "exactly 0" if gradient.exact_zero else
                                            number(gradient.rms) for gradient in parameter.gradients),
            "Update ÷ weight": "" if math.isnan(ratio) else number(ratio)})
    frame = pd.DataFrame(rows)
    return frame.loc[:, [name for name in frame if name == "Parameter" or (frame[name] != "").any()]]


def say_loss(report: RecordingReport) -> str:
    """The first loss beside what it should be."""
    loss, expected = report.recording.loss, learning.expected_loss(report.recorded)
    words = f"{number(loss.value, 3)}{f' ({cut(loss.kind)})' if loss.kind else ''}"
    if expected is None:
        return words
    classes = report.recording.loss.classes or 2
    if expected[0] == expected[1]:
        return f"{words}; outputs of 0 cost ln {classes:,} = {number(expected[0], 3)}"
    return (f"{words}; outputs of 0 cost ln {classes:,} = {number(expected[0], 3)}, independent normal logits of this "
            f"spread {number(expected[1], 3)}")


def table(report: RecordingReport, indices: tuple[int, ...] | None = None) -> pd.DataFrame:
    """One row per output, in words, in the order of execution; columns that would be empty are left out."""
    rows = [report.recording.rows[index] for index in (report.trunk.measured if indices is None else indices)]
    frame = pd.DataFrame([_in_words(row) for row in rows])
    return frame.loc[:, [name for name in frame if name in ("Module", "Kind") or (frame[name] != "").any()]]


def _in_words(row: Row) -> dict[str, str]:
    def in_words(value: float) -> str:
        return "" if math.isnan(value) else number(value)

    return {
        "Module": cut(row.label), "Kind": cut(row.kind), "Shape": " × ".join(map(str, row.shape)),
        "Signal, rms": number(row.rms), "Gradient, rms": number(row.gradient.rms) if row.gradient else "",
        "Branch ÷ skip": number(row.skip.branch_rms / row.skip.skip_rms) if row.skip and row.skip.skip_rms > 0 else "",
        "Different units": f"{row.distinct:,} of {row.units:,}" if row.distinct else "",
        "Units that are 0": f"{row.zero_units:,}" if row.units else "",
        "Effective rank": in_words(row.rank), "Token cosine": in_words(row.token_cosine),
        "Entropy ÷ ln n": in_words(row.entropy), "Scores, std": in_words(row.score_std),
        "Channels, mean² ÷ variance": in_words(row.channel_mean_square / row.channel_variance)
        if row.channel_variance > 0 else "",
        "Saturated": "" if math.isnan(row.saturated_share) else percent(row.saturated_share),
        "Change by a step, rms": in_words(row.change_rms)}


# ---------------------------------------------------------------------------------------------- as a file

def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return "not defined" if math.isnan(value) else "overflow" if value > 0 else "negative overflow"
    return list(value) if isinstance(value, tuple) else value


def findings_as_values(findings: tuple[RecordedFinding, ...]) -> list[dict[str, Any]]:
    """Findings as JSON has them."""
    return [{name: _plain(getattr(finding, name)) for name in (
        "key", "severity", "title", "text", "modules", "remedy", "number", "rule", "source", "firmness")}
        for finding in findings]


def to_json(report: RecordingReport) -> str:
    """One object: facts, findings, the places of the trunk, and the audit of the weights."""
    rows = report.recording.rows
    return json.dumps({
        "facts": facts(report), "severity": report.severity, "findings": findings_as_values(report.findings),
        "trunk": [{"module": rows[index].label, "kind": rows[index].kind, "signal": _plain(report.trunk.level(index)),
                   "gradient_length": _plain(report.trunk.gradient_length(index))} for index in report.trunk.levels],
        "weights": json.loads(report.weights.to_json())["tensors"]}, ensure_ascii=False, indent=2, allow_nan=False)
