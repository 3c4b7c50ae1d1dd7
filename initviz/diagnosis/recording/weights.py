"""The audit of a recorded model's weights, from what is recorded of each parameter."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from types import MappingProxyType

import numpy as np

from initviz.diagnosis.audit.audit import Audit, examination_of
from initviz.diagnosis.audit.kinds import TensorRole, role_of
from initviz.diagnosis.audit.laws import laws_of
from initviz.diagnosis.audit.measures import Measures
from initviz.diagnosis.audit.records import AuditFinding, TensorRecord
from initviz.diagnosis.findings import CONVENTION, EXACT, RATIO
from initviz.diagnosis.recording.recorded import RecordedFinding
from initviz.diagnosis.recording.scale import lost_share
from initviz.files.recording import RecordedParameter, Recording
from initviz.theory.precision import FORMATS

FLOATS = ("float16", "bfloat16", "float32", "float64")
SMALLEST_NORMAL: Mapping[str, int] = MappingProxyType({"float16": -14})  # exponents; others lie below the histogram

# By the audit's key: the title, the kind of verdict, how firm the rule is, and what would fix it.
WEIGHT_FINDINGS: Mapping[str, tuple[str, str, str, str]] = MappingProxyType({
    "not_finite": ("Weights are not finite", "overflow", EXACT, "Draw them again: a scale or a division went wrong."),
    "copies": ("Copies in the weights", "collapsed", EXACT, "Draw each row at random."),
    "near_copies": ("Near copies in the weights", "collapsed", EXACT, "Draw each row by itself."),
    "zeros": ("A matrix of zeros", "", EXACT, ""),
    "equal": ("Equal layers", "equal_layers", EXACT, "Draw each block by itself: copying one module copies its "
              "weights (nn.TransformerEncoder does so)."),
    "both_zero": ("Both factors are zero", "vanishing", EXACT, "Draw one of the two factors at random."),
    "one_sign": ("Weights of one sign", "one_sign", EXACT, "Draw them with mean 0."),
    "scale": ("One layer out of scale", "uneven", RATIO, "Give it the scale of its kind, or say why it differs."),
    "trend": ("A scale that drifts with depth", "uneven", RATIO, "Draw all blocks by one law."),
    "default": ("Some layers keep the default", "uneven", CONVENTION, "Let the function that initializes reach these "
                "modules, too: model.apply(...) sees only the types it tests for."),
    "fan": ("A scale that ignores the fans", "off_scale", CONVENTION, "Divide the standard deviation by √fan_in."),
    "subnormal": ("Subnormal weights", "", EXACT, "Scale them up, or draw them larger."),
    "format": ("Weights leave a format", "", EXACT, "Scale them, or keep them in float32.")})


def role_of_parameter(parameter: RecordedParameter) -> TensorRole:
    """What a parameter is, by its name and shape and the class of its module."""
    role, module = role_of(parameter.name, parameter.shape), parameter.module.lower()
    matrix = len(parameter.shape) == 2
    if "norm" in module:
        return replace(role, kind="norm" if role.kind != "bias" else "bias", fan_in=0, fan_out=0)
    lengths = [length for length in parameter.shape if length > 1]
    if len(parameter.shape) > 1 and len(lengths) < 2 and role.kind in ("linear", "convolution") and (
            parameter.name.rpartition(".")[2] not in ("weight", "kernel")):
        return replace(role, kind="norm", fan_in=0, fan_out=0)  # a learned scale of each unit, such as LayerScale
    if matrix and parameter.module == "Conv1D":  # of transformers: a linear layer whose weight is (in, out)
        return replace(role, kind="linear", fan_in=parameter.shape[0], fan_out=parameter.shape[1], outputs_first=False)
    if matrix and ("embedding" in module or (module == "linear" and role.kind == "embedding")):
        return replace(role, kind="embedding" if "embedding" in module else "linear")
    return role


def _measures(parameter: RecordedParameter) -> Measures:
    varied = parameter.finite and parameter.least != parameter.most
    lost = {form.label: lost_share(parameter, form) for form in FORMATS if not form.label.startswith("fp8")}
    subnormal = 0.0
    if parameter.dtype in SMALLEST_NORMAL and parameter.histogram:
        least, *counts = parameter.histogram
        below = SMALLEST_NORMAL[parameter.dtype] - least
        subnormal = sum(counts[:max(below, 0)]) / (sum(counts) or 1)
    return Measures(
        parameter.measured or parameter.count, parameter.mean, parameter.std, parameter.rms, parameter.kurtosis,
        parameter.least, parameter.most, parameter.zero_share, parameter.finite,
        (parameter.repeated[0], parameter.repeated[1]) if varied else (0, 0), parameter.isometry, math.nan, math.nan,
        (parameter.hash,), lost=MappingProxyType(lost), subnormal_share=subnormal)


def _records(recording: Recording) -> Iterator[TensorRecord]:
    for parameter in recording.parameters:
        if parameter.count and parameter.dtype in FLOATS and not math.isnan(parameter.zero_share):
            role, measured = role_of_parameter(parameter), _measures(parameter)
            laws = tuple(laws_of(None, measured, role)) if parameter.finite and parameter.rms < math.inf else ()
            yield TensorRecord(parameter.name, parameter.shape, parameter.dtype, role, measured, laws)


def audit_recording(recording: Recording) -> Audit:
    """Which laws may have drawn each parameter, and what is wrong with them, from its recorded moments and hash."""
    # Equal hashes stand for equal values.
    fingerprints = {parameter.name: partial(np.array, [parameter.hash or parameter.name])
                    for parameter in recording.parameters}
    return examination_of(list(_records(recording)), fingerprints).judged()


def as_findings(audited: Audit) -> Iterator[RecordedFinding]:
    """The audit's findings as those of a recording."""
    for finding in audited.findings:
        yield _as_finding(finding)


def _as_finding(finding: AuditFinding) -> RecordedFinding:
    title, kind, firmness, remedy = WEIGHT_FINDINGS.get(finding.key, ("Weights", "", CONVENTION, ""))
    severity = "note" if finding.key == "format" else finding.severity  # as of outputs and gradients
    return RecordedFinding(
        f"weights_{finding.key}", severity, "" if severity == "note" else kind, title,
        f"{finding.text}.", math.nan if finding.measured is None else finding.measured, None, finding.rule,
        finding.source, firmness, finding.tensors[:1], remedy)
