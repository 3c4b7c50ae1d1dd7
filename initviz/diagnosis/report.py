"""The report on an initialization: its findings, most severe first, and the same for every remedy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

import numpy as np
import pandas as pd

from initviz.core.simulation import Run, gradient_return, summarize
from initviz.diagnosis.findings import SEVERITIES, Finding, Graded
from initviz.diagnosis.initialization import Initialization
from initviz.diagnosis.layer_scales import signal_levels
from initviz.diagnosis.remedies import Remedy, remedies, standardize_inputs, standardize_targets
from initviz.diagnosis.rules import findings_of
from initviz.diagnosis.thresholds import DEFAULTS, Thresholds
from initviz.diagnosis.verdict import Verdict, verdict_on


@dataclass(frozen=True, eq=False)
class Report(Graded):
    """An examined initialization: its run, its findings, most severe first, and each remedy's report."""

    initialization: Initialization
    run: Run
    findings: tuple[Finding, ...]
    thresholds: Thresholds
    remedies: tuple[tuple[Remedy, Report], ...] = ()

    @cached_property
    def verdict(self) -> Verdict:
        """The verdict: the most severe finding in words."""
        return verdict_on(self.run, self.findings, self.thresholds)

    @cached_property
    def layers(self) -> pd.DataFrame:
        """One row per layer: what the table of a report shows, as numbers; NaN where a statistic is not defined."""
        run = self.run
        gradient = run.column("delta_rms").copy()
        if run.hidden_gradient_is_round_off:
            gradient[:-1] = 0
        return pd.DataFrame({
            "layer": run.column("layer"), "fan_in": run.column("fan_in"), "fan_out": run.column("fan_out"),
            "weight_std": run.column("weight_std"), "preactivation_std": run.column("preactivation_std"),
            "activation_rms": run.column("activation_rms"), "delta_rms": gradient,
            "weight_gradient_rms": run.column("weight_gradient_rms"),
            "distinct_neurons": run.column("distinct_neurons"), "dead_share": run.column("dead_share"),
            "saturated_share": run.column("saturated_share")})

    @property
    def offered(self) -> tuple[tuple[Remedy, Report], ...]:
        """The remedies that improve something: fewer errors, then warnings, and no gradient that is further from 1."""
        return tuple(part for part in self.remedies if _improves(self, part[1]))

    def fixed_by(self, finding: Finding) -> list[str]:
        """The labels of the offered remedies under which a finding is gone, or less severe."""
        def rank(other: Finding) -> int:
            return SEVERITIES.index(other.severity)

        return [remedy.label for remedy, after in self.offered
                if all(other.key != finding.key or rank(other) > rank(finding) for other in after.findings)]

    @property
    def measures(self) -> Mapping[str, float]:
        """The few numbers by which an initialization is compared with another; NaN where one is not defined.

        ``signal`` is the last hidden layer's level beside the input's, ``gradient`` the length of dL/dz in the first
        hidden layer over the last's, ``different_neurons`` of the last hidden layer's ``neurons``.
        """
        run = self.run
        last = max(run.network.depth - 1, 1) - 1
        return MappingProxyType({
            "error": self.count("error"), "warnings": self.count("warning"),
            "signal": float(signal_levels(run)[-1]) if run.network.depth > 1 else np.nan,
            "gradient": 0.0 if run.hidden_gradient_is_round_off else gradient_return(run),
            "different_neurons": int(run.column("distinct_neurons")[last]),
            "neurons": int(run.column("fan_out")[last]),
            "output_std": float(run.column("activation_std")[-1]), "loss": float(run.loss)})


FEW_DEAD = 0.25  # of a layer's neurons: a remedy that has more, and more than before, is none


def _improves(before: Report, after: Report) -> bool:
    """Whether a remedy has fewer faults, no larger gradient and no more dead neurons."""
    def faults(report: Report) -> tuple[int, int]:
        return report.count("error"), report.count("warning")

    def growth(report: Report) -> float:
        ratio = float(report.measures["gradient"])
        return ratio if ratio > 0 else 1.0

    def dead(report: Report) -> float:
        return float(np.nan_to_num(report.run.column("dead_share")).max())

    return (faults(after) < faults(before) and growth(after) <= max(growth(before), before.thresholds["grown"])
            and dead(after) <= max(dead(before), FEW_DEAD))


def diagnose(initialization: Initialization, thresholds: Thresholds = DEFAULTS, *,
             with_remedies: bool = True) -> Report:
    """Examine an initialization on its batch; with ``with_remedies`` also every remedy, on the same data.

    Raises ValueError where parameters, network and batch do not fit each other.
    """
    run = summarize(initialization.network, initialization.weights, initialization.biases, initialization.batch,
                    counted=())
    findings = findings_of(run, thresholds, initialization)
    tried = []
    if with_remedies:
        tried = remedies(initialization)
        if any(finding.kind == "inputs" for finding in findings):
            tried.append(standardize_inputs(initialization))
        if any(finding.key == "targets" for finding in findings):
            tried.append(standardize_targets(initialization))
    return Report(initialization, run, findings, thresholds,
                  tuple((remedy, diagnose(remedy.initialization, thresholds, with_remedies=False)) for remedy in tried))
