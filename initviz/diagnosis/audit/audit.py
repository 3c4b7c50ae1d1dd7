"""The audit of a weights file, tensor by tensor, in bounded memory."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from initviz.diagnosis.audit.kinds import place_of
from initviz.diagnosis.audit.laws import TORCH_DEFAULT, bias_laws, laws_of, said
from initviz.diagnosis.audit.measures import measure
from initviz.diagnosis.audit.recipes import Recipe, deviations, read_recipe
from initviz.diagnosis.audit.records import AuditFinding, TensorRecord
from initviz.diagnosis.audit.rules import RULES, equal_groups, equal_tensors
from initviz.files.weights.containers import opened
from initviz.files.weights.tensors import Container, Limits

SEVERITIES = ("error", "warning", "note")
STREAMED = Limits(100_000, 2**50, 2**50, 10**8)  # tensors are read one by one: the largest must fit, not the file
LEAST_BIAS = 32  # values that tell a law of biases
TRAINED = "none of the known: looks trained"


@dataclass(frozen=True)
class Audit:
    """What an audit found: a record a tensor, and findings, errors first.

    ``tied`` has the names of tensors of different kinds that are one tensor, such as an embedding and the read-out.
    """

    tensors: tuple[TensorRecord, ...]
    findings: tuple[AuditFinding, ...]
    tied: tuple[tuple[str, ...], ...] = ()
    recipe: Recipe | None = None

    @property
    def severity(self) -> str | None:
        """The worst finding's; None where there is none."""
        return next((severity for severity in SEVERITIES if any(f.severity == severity for f in self.findings)), None)

    @property
    def frame(self) -> pd.DataFrame:
        """A row a tensor: name, kind, shape, number format, moments, and the laws that may have drawn it."""
        return pd.DataFrame([{
            "name": record.name, "kind": record.place.kind, "shape": " × ".join(map(str, record.shape)) or "1",
            "dtype": record.dtype, "std": record.measures.std, "mean": record.measures.mean,
            "kurtosis": record.measures.kurtosis,
            "largest_over_std": record.measures.largest / record.measures.std if record.measures.std else math.nan,
            "law": said(record.laws) or (TRAINED if record.measures.finite else "not all values are finite"),
            "fan_in": record.place.fan_in or None, "fan_out": record.place.fan_out or None,
            **{f"lost_{name}": lost for name, lost in record.measures.lost.items()}}
            for record in self.tensors])

    def to_json(self) -> str:
        """One object: ``tensors``, a record a tensor, and ``findings``."""
        return json.dumps({
            "tensors": [{"name": record.name, "shape": list(record.shape), "dtype": record.dtype,
                         "kind": record.place.kind, "std": _plain(record.measures.std),
                         "mean": _plain(record.measures.mean), "kurtosis": _plain(record.measures.kurtosis),
                         "largest": _plain(record.measures.largest),
                         "laws": [entry for law in record.laws for entry in law.entries],
                         "lost": {name: _plain(lost) for name, lost in record.measures.lost.items()}}
                        for record in self.tensors],
            "tied": [list(names) for names in self.tied],
            "findings": [{"severity": finding.severity, "key": finding.key, "text": finding.text,
                          "tensors": list(finding.tensors), "measured": _plain(finding.measured),
                          "expected": _plain(finding.expected),
                          "expected_error": _plain(finding.expected_error), "ratio": _plain(finding.ratio),
                          "rule": finding.rule, "source": finding.source}
                         for finding in self.findings]}, indent=2, allow_nan=False)


def _plain(number: float | None) -> float | str | None:
    if number is None or math.isfinite(number):
        return None if number is None else float(number)
    return "not a number" if math.isnan(number) else "infinity" if number > 0 else "-infinity"


def records_of(containers: Iterable[Container]) -> Iterator[TensorRecord]:
    """A record a tensor, each read once; integers and empty tensors are passed over."""
    for container in containers:
        for tensor in container:
            if not tensor.size or tensor.dtype not in ("float16", "bfloat16", "float32", "float64"):
                continue
            values = tensor.load()
            place, measured = place_of(tensor.name, tensor.shape), measure(np.atleast_1d(values))
            laws = laws_of(np.atleast_1d(values), measured, place)
            yield TensorRecord(tensor.name, tensor.shape, tensor.dtype, place, measured, tuple(laws), tensor.load)


def _sibling(name: str) -> str:
    """The name of a weight whose bias this is, or of a bias's weight's bias: both have one key."""
    head, _, last = name.rpartition(".")
    return f"{head}.{last.replace('weight', '').replace('kernel', '').replace('bias', '')}"


def _beside_their_biases(records: Sequence[TensorRecord]) -> Iterator[TensorRecord]:
    """The records, of biases with the laws that follow from the weight beside them.

    A weight whose bias no framework draws has been trained, whatever its moments still fit.
    """
    weights = {_sibling(record.name): record for record in records if record.place.fan_in and record.place.kind in (
        "linear", "convolution", "recurrent")}
    biases = {_sibling(record.name): record for record in records if record.place.kind == "bias"}
    for record in records:
        key = _sibling(record.name)
        if record.place.kind == "bias" and key in weights:
            record = replace(record, laws=tuple(bias_laws(record.measures, weights[key].place)))
        elif key in weights and weights[key] is record and key in biases and not _drawn(record, biases[key]):
            record = replace(record, laws=())
        yield record


def _drawn(weight: TensorRecord, bias: TensorRecord) -> bool:
    """Whether a framework may have drawn the bias: one value, or PyTorch's law."""
    torch = any(law.formula == TORCH_DEFAULT or "hidden" in law.formula for law in weight.laws)
    laws = bias_laws(bias.measures, weight.place)
    enough = bias.measures.count >= LEAST_BIAS
    return bias.measures.one_value or torch or (enough and any(law.formula == TORCH_DEFAULT for law in laws))


def audit_container(containers: Sequence[Container], recipe: Recipe | None = None) -> Audit:
    """The audit of open files; of what a recipe speaks, it takes the place of what scales alone would show."""
    return audit_records(list(records_of(containers)), recipe)


def audit_records(found: Sequence[TensorRecord], recipe: Recipe | None = None) -> Audit:
    """The same of tensors that have been measured."""
    records = tuple(_beside_their_biases(found))
    groups = equal_groups(records)
    findings = [*equal_tensors(groups), *(finding for rule in RULES for finding in rule(records))]
    tied = tuple(tuple(record.name for record in group) for group in groups
                 if len({record.place.family for record in group}) > 1)
    if recipe is not None:
        deviating = deviations(records, recipe)
        known = {name for finding in deviating for name in finding.tensors}
        judged = {record.name for record in records if recipe.entries_of(record.name)}
        findings = [*deviating, *(finding for finding in findings if not known.issuperset(finding.tensors) and not (
            finding.key in ("scale", "trend", "fan", "default", "zeros") and judged.issuperset(finding.tensors)))]
    findings.sort(key=lambda finding: SEVERITIES.index(finding.severity))
    return Audit(records, tuple(findings), tied, recipe)


def audit(paths: str | Path | Sequence[str | Path], recipe: str | Recipe | None = None) -> Audit:
    """The audit of a weights file, or of several shards of one model.

    ``paths`` end in .safetensors (or .safetensors.index.json), .npz, .pt or .pth; ``recipe`` is the name of
    a built-in one, a TOML file or a Recipe. Tensors are read one at a time, so that the file may be larger than memory.
    ``frame`` of the result is a tidy table. Raises ValueError where a file is damaged or the recipe is none.
    """
    given = [paths] if isinstance(paths, str | Path) else list(paths)
    chosen = read_recipe(recipe) if isinstance(recipe, str) else recipe
    with ExitStack() as stack:
        return audit_container([stack.enter_context(opened(Path(path), STREAMED)) for path in given], chosen)
