"""The one set of rules: each looks at what was measured and yields what it finds, with its number and its source.

Causes come before what they cause: among findings of one severity this order is that of weight, and the first finding
is the verdict.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import TypeVar

import numpy as np

from initviz.core.propagation import QUIET
from initviz.core.simulation import Run
from initviz.diagnosis.findings import SEVERITIES, Finding, MeasuredRun
from initviz.diagnosis.initialization import Initialization
from initviz.diagnosis.rules import data, neurons, parameters, scale

AnyFinding = TypeVar("AnyFinding", bound=Finding)
RULES: tuple[Callable[[MeasuredRun], Iterator[Finding]], ...] = (
    scale.overflow, data.inputs, data.targets, parameters.one_sign, parameters.odd_layer, neurons.silent,
    neurons.copies, neurons.dead, scale.signal, neurons.saturated, neurons.input_lost,
    scale.gradient, neurons.alike, scale.preactivations,
    parameters.equal_layers, data.loss, data.output, data.constant_inputs, data.learned, parameters.biases,
    scale.updates, scale.drift)

# What a finding causes: a cause is as severe as its effect, and comes before it.
EFFECTS: Mapping[str, frozenset[str]] = MappingProxyType({
    "inputs_scale": frozenset({"signal", "saturated", "dead", "gradient", "alike", "loss"}),
    "odd_layer": frozenset({"signal", "saturated", "dead", "gradient"}),
    "saturated": frozenset({"gradient"}), "dead": frozenset({"signal", "gradient"})})
# What a finding says that others, where they are more than notes, have found untrue.
CONTRADICTED_BY: Mapping[str, frozenset[str]] = MappingProxyType({"drift": frozenset({"signal", "gradient"})})
MANY_DEAD = 0.65  # inputs that have grown alike turn half of a deep layer's neurons off: up to here that explains it


def findings_of(run: Run, thresholds: Mapping[str, float], initialization: Initialization | None = None,
                ) -> tuple[Finding, ...]:
    """All findings of a run, most severe first; with the initialization also those of its parameters and its batch."""
    measured = MeasuredRun.of(run, thresholds, initialization)
    with np.errstate(**QUIET):
        findings = [finding for rule in RULES for finding in rule(measured)]
    graver = {finding.key for finding in findings if finding.severity != "note"}
    return in_order([finding for finding in findings if not graver & CONTRADICTED_BY.get(finding.key, frozenset())])


def in_order(findings: Sequence[AnyFinding]) -> tuple[AnyFinding, ...]:
    """Findings most severe first: a cause is as severe as its effect, and comes before it."""
    errors = {finding.key for finding in findings if finding.severity == "error"}
    ranked = [replace(finding, severity="error") if finding.severity == "warning" and errors & _effects(finding)
              else finding for finding in findings]
    return tuple(sorted(ranked, key=lambda finding: SEVERITIES.index(finding.severity)))


def _effects(finding: Finding) -> frozenset[str]:
    if finding.key == "dead" and finding.number <= MANY_DEAD:
        return frozenset()
    return EFFECTS.get(finding.key, frozenset())
