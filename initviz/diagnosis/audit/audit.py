"""The audit of a weights file, tensor by tensor, in bounded memory."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from initviz.core.arrays import Array
from initviz.core.wording import counted, named, shown
from initviz.diagnosis.audit.kinds import role_of
from initviz.diagnosis.audit.laws import TORCH_DEFAULT, bias_laws, laws_in_words, laws_of
from initviz.diagnosis.audit.measures import measure
from initviz.diagnosis.audit.recipes import AuditRecipe, deviations, read_recipe
from initviz.diagnosis.audit.records import AuditFinding, TensorRecord
from initviz.diagnosis.audit.rules import RULES, equal_groups, equal_tensors
from initviz.diagnosis.findings import SEVERITIES, Graded
from initviz.files.weights.containers import is_index, opened, shards_of
from initviz.files.weights.tensors import Container, Limits, Tensor

COLUMNS = ("name", "kind", "shape", "dtype", "std", "mean", "kurtosis", "largest_over_std", "law", "fan_in", "fan_out")
STREAMED = Limits(100_000, 2**50, 2**50, 10**8)  # tensors are read one by one: the largest must fit, not the file
FLOATING = ("float16", "bfloat16", "float32", "float64")
OF_SCALE = ("scale", "trend", "fan", "default", "zeros")  # findings that a recipe settles
MOST_EMPTY = 100  # rows of embeddings that are looked at, as those of zeros
LEAST_BIAS = 32  # values that tell a law of biases
TRAINED = "none of the known: looks trained"


@dataclass(frozen=True)
class Audit(Graded):
    """What an audit found: a record a tensor, findings, errors first, and the groups of equal tensors.

    ``passed_over`` are name and number format of the tensors that are not judged: integers, empty ones, other formats.
    """

    tensors: tuple[TensorRecord, ...]
    findings: tuple[AuditFinding, ...]
    equal: tuple[tuple[TensorRecord, ...], ...] = ()
    recipe: AuditRecipe | None = None
    passed_over: tuple[tuple[str, str], ...] = ()

    @property
    def say_passed_over(self) -> str:
        """How many tensors are not judged, and of which formats; empty where all are."""
        formats, count = sorted({dtype for _, dtype in self.passed_over}), len(self.passed_over)
        return f"Not judged: {counted(count, 'tensor')}, empty or of {named(formats)}" if formats else ""

    @property
    def say_uncovered(self) -> str:
        """Of how many tensors the recipe says nothing; empty where it speaks of all, and without one."""
        if self.recipe is None:
            return ""
        names = [record.name for record in self.tensors if not self.recipe.entries_of(record.name)]
        return (f"The recipe {self.recipe.name} says nothing of {len(names):,} of {len(self.tensors):,} tensors: "
                f"{named(names)}" if names else "")

    @property
    def tied(self) -> tuple[tuple[str, ...], ...]:
        """Names of tensors of different kinds that are one tensor, such as an embedding and the read-out."""
        return tuple(tuple(record.name for record in group) for group in self.equal
                     if len({record.role.family for record in group}) > 1)

    @property
    def frame(self) -> pd.DataFrame:
        """One row per tensor: name, kind, shape, number format, moments, and the laws that may have drawn it."""
        return pd.DataFrame(self._rows(), columns=None if self.tensors else list(COLUMNS))

    def _rows(self) -> list[dict[str, Any]]:
        return [{
            "name": record.name, "kind": record.role.kind, "shape": " × ".join(map(str, record.shape)) or "1",
            "dtype": record.dtype, "std": record.measures.std, "mean": record.measures.mean,
            "kurtosis": record.measures.kurtosis,
            "largest_over_std": record.measures.largest / record.measures.std if record.measures.std else math.nan,
            "law": laws_in_words(record.laws) or (TRAINED if record.measures.finite else "not all values are finite"),
            "fan_in": record.role.fan_in or None, "fan_out": record.role.fan_out or None,
            **{f"lost_{name}": lost for name, lost in record.measures.lost.items()}}
            for record in self.tensors]

    def to_json(self) -> str:
        """One object: ``tensors``, a record a tensor, and ``findings``."""
        return json.dumps({
            "tensors": [{"name": record.name, "shape": list(record.shape), "dtype": record.dtype,
                         "kind": record.role.kind, "std": _plain(record.measures.std),
                         "mean": _plain(record.measures.mean), "kurtosis": _plain(record.measures.kurtosis),
                         "largest": _plain(record.measures.largest),
                         "laws": [entry for law in record.laws for entry in law.entries],
                         "lost": {name: _plain(lost) for name, lost in record.measures.lost.items()}}
                        for record in self.tensors],
            "tied": [list(names) for names in self.tied],
            "passed_over": [{"name": name, "dtype": dtype} for name, dtype in self.passed_over],
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


@dataclass(frozen=True)
class Examination:
    """The result of reading a file's tensors: one record for each, and the groups of equal ones."""

    tensors: tuple[TensorRecord, ...]
    equal: tuple[tuple[TensorRecord, ...], ...]
    passed_over: tuple[tuple[str, str], ...] = ()

    def judged(self, recipe: AuditRecipe | None = None) -> Audit:
        """The audit; for tensors that a recipe covers, it replaces the rules of scale."""
        findings = [*equal_tensors(self.equal, self.tensors),
                    *(finding for rule in RULES for finding in rule(self.tensors))]
        if recipe is not None:
            never = {name for finding in findings if finding.key == "both_zero" for name in finding.tensors}
            deviating = [finding for finding in deviations(self.tensors, recipe) if not (
                finding.tensors and never.issuperset(finding.tensors))]
            known = {name for finding in deviating for name in finding.tensors}
            covered = {record.name for record in self.tensors if recipe.entries_of(record.name)}
            findings = [*deviating, *(finding for finding in findings if not known.issuperset(finding.tensors) and not (
                finding.key in OF_SCALE and covered.issuperset(finding.tensors)))]
        findings.sort(key=lambda finding: SEVERITIES.index(finding.severity))
        return Audit(self.tensors, tuple(findings), self.equal, recipe, self.passed_over)


def examine(containers: Iterable[Container]) -> Examination:
    """The examination of open files: each tensor is read once, and once more where another one looks equal.

    Integers and empty tensors are passed over. Raises ValueError where a tensor cannot be read, or stands twice.
    """
    load: dict[str, Callable[[], Array]] = {}
    records, passed_over = [], []
    for container in containers:
        for tensor in container:
            if not tensor.size or tensor.dtype not in FLOATING:
                passed_over.append((tensor.name, tensor.dtype))
                continue
            if tensor.name in load:
                raise ValueError(f"shards of one model must hold different tensors, and {shown(tensor.name)} stands "
                                 "in two")
            load[tensor.name] = tensor.load
            records.append(record_of(tensor))
    return replace(examination_of(records, load), passed_over=tuple(passed_over))


def examination_of(measured: Sequence[TensorRecord], load: Mapping[str, Callable[[], Array]]) -> Examination:
    """The examination of tensors that have been measured; ``load`` reads one of them by its name."""
    records = tuple(_beside_their_biases(measured))
    return Examination(records, tuple(map(tuple, equal_groups(records, load))))


def record_of(tensor: Tensor) -> TensorRecord:
    """The record of a tensor, which is read and then released; of embeddings without a padding index's row of zeros."""
    try:
        values = np.atleast_1d(tensor.load())
    except MemoryError:
        raise ValueError(f"the array {shown(tensor.name)} must fit into memory, and has {tensor.size:,} values"
                         ) from None
    role = role_of(tensor.name, tensor.shape)
    with np.errstate(all="ignore"):  # numbers of a file may overflow and vanish
        measured = measure(role.matrix(values))
        if role.kind == "embedding" and (unpadded := _without_padding(values)) is not None:
            values, measured = unpadded, replace(measure(unpadded), key=measured.key)
        laws = laws_of(values, measured, role)
    return TensorRecord(tensor.name, tensor.shape, tensor.dtype, role, measured, tuple(laws))


def _without_padding(values: Array) -> Array | None:
    """The rows of a table of embeddings but for the one of zeros, that of a padding index; None if it has no such."""
    if values.ndim != 2:
        return None
    empty = [row for row in np.flatnonzero(values[:, 0] == 0)[:MOST_EMPTY] if not values[row].any()]
    return np.delete(values, empty[0], axis=0) if len(empty) == 1 < len(values) else None


def _sibling(name: str) -> str:
    """The name of a weight whose bias this is, or of a bias's weight's bias: both have one key."""
    head, _, last = name.rpartition(".")
    return f"{head}.{last.replace('weight', '').replace('kernel', '').replace('bias', '')}"


def _beside_their_biases(records: Sequence[TensorRecord]) -> Iterator[TensorRecord]:
    """The records, of biases with the laws that follow from the weight beside them.

    A weight whose bias no framework draws has been trained, whatever its moments still fit, and so has its bias.
    """
    weights = {_sibling(record.name): record for record in records if record.role.fan_in and record.role.kind in (
        "linear", "convolution", "recurrent")}
    biases = {_sibling(record.name): record for record in records if record.role.kind == "bias"}
    for record in records:
        key = _sibling(record.name)
        if record.role.kind == "bias" and key in weights and all(law.random for law in record.laws):
            laws = bias_laws(record.measures, weights[key].role)
            trained = not weights[key].laws or not _may_be_drawn(weights[key], record)
            record = replace(record, laws=tuple(law for law in laws if not (trained and law.free)))
        elif key in weights and weights[key] is record and key in biases and not _may_be_drawn(record, biases[key]):
            record = replace(record, laws=())
        yield record


def _may_be_drawn(weight: TensorRecord, bias: TensorRecord) -> bool:
    """Whether a framework may have drawn the bias: one value, or PyTorch's law."""
    torch = any(law.formula == TORCH_DEFAULT or "hidden" in law.formula for law in weight.laws)
    laws = bias_laws(bias.measures, weight.role)
    enough = bias.measures.count >= LEAST_BIAS
    filled = any(not law.random for law in bias.laws)
    return filled or torch or (enough and any(law.formula == TORCH_DEFAULT for law in laws))


def audit(paths: str | Path | Sequence[str | Path], recipe: str | AuditRecipe | None = None) -> Audit:
    """The audit of a weights file, or of several shards of one model.

    ``paths`` end in .safetensors (or .safetensors.index.json), .npz, .pt or .pth; ``recipe`` is the name of
    a built-in one, a TOML file or a Recipe. Tensors are read one at a time, so that the file may be larger than memory.
    ``frame`` of the result is a tidy table. Raises ValueError where a file is damaged or the recipe is none.
    """
    files = [Path(path) for path in ([paths] if isinstance(paths, str | Path) else paths)]
    chosen = read_recipe(recipe) if isinstance(recipe, str) else recipe
    of_indices: set[Path] = set()  # shards that stand beside their index, read as it says
    for path in files:
        if is_index(path.name):
            with path.open("rb") as index:
                of_indices |= {path.parent / name for name in shards_of(index, path.name, STREAMED)}
    with ExitStack() as stack:
        return examine(stack.enter_context(opened(path, STREAMED)) for path in files if path not in of_indices
                       ).judged(chosen)
