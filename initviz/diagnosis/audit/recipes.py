"""Recipes: which law each tensor of a model should follow, declared, learned from a file, and held against one."""

from __future__ import annotations

import fnmatch
import json
import math
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from initviz.core.initializers.laws import TRUNCATED_STD
from initviz.core.wording import number, shown
from initviz.diagnosis.audit.expressions import value
from initviz.diagnosis.audit.kinds import NUMBER
from initviz.diagnosis.audit.laws import FAMILIES, KNOWN_LAWS, fits_family, fits_scale
from initviz.diagnosis.audit.records import AuditFinding, TensorRecord, sampling_error

LAWS = (*FAMILIES, "orthogonal", "constant", "any")
SAME_GAIN = 0.01  # relative, as a matrix of bfloat16 is orthogonal
MOST_ENTRIES, MOST_FILE_BYTES = 1000, 10**6
MOST_OWN = 500  # entries up to which single tensors have their own


@dataclass(frozen=True)
class Entry:
    """What tensors whose name matches ``pattern`` (with * and ?) should be.

    ``law`` is normal, uniform, truncated_normal (each of mean 0 and standard deviation ``std``), orthogonal (of
    ``std`` as its gain), constant (of ``std`` as its value) or any. ``std`` is an expression of fan_in, fan_out, L (the
    number of blocks) and d (the last length of the shape); one of fans says nothing of a tensor that has none.
    """

    pattern: str
    law: str
    std: str = "1"


@dataclass(frozen=True)
class AuditRecipe:
    """Entries, of which the first whose pattern matches a tensor's name counts; what none matches is not judged.

    Entries of one pattern are alternatives: a tensor must be what one of them says.
    """

    name: str
    source: str
    entries: tuple[Entry, ...]

    def entries_of(self, name: str) -> tuple[Entry, ...]:
        """The entries for a tensor of that name: one, or alternatives; none where it is not judged."""
        first = next((entry for entry in self.entries if fnmatch.fnmatchcase(name, entry.pattern)), None)
        return () if first is None else tuple(entry for entry in self.entries if entry.pattern == first.pattern)

    def to_toml(self) -> str:
        """The recipe as a file that ``read_recipe`` reads."""
        lines = [f"name = {json.dumps(self.name)}", f"source = {json.dumps(self.source)}"]
        for entry in self.entries:
            lines += ["", "[[tensor]]", f"pattern = {json.dumps(entry.pattern)}", f"law = {json.dumps(entry.law)}"]
            lines += [f"std = {json.dumps(entry.std)}"] if entry.law != "any" else []
        return "\n".join(lines) + "\n"


def _recipe(name: str, source: str, *entries: tuple[str, str, str]) -> AuditRecipe:
    return AuditRecipe(name, source, tuple(Entry(*entry) for entry in entries))


_NORMS = (("*norm*.weight", "constant", "1"), ("*ln_*.weight", "constant", "1"), ("*ln?.weight", "constant", "1"),
          ("*bn?.weight", "constant", "1"), ("*norm*.bias", "constant", "0"), ("*ln_*.bias", "constant", "0"),
          ("*bn?.bias", "constant", "0"), ("*running_mean", "constant", "0"), ("*running_var", "constant", "1"))
_CUT = f"0.02 * {TRUNCATED_STD!r}"
_LINEAR, _XAVIER = "1 / sqrt(3 * fan_in)", "sqrt(2 / (fan_in + fan_out))"  # of uniform laws

RECIPES: Mapping[str, AuditRecipe] = MappingProxyType({recipe.name: recipe for recipe in (
    _recipe("torch", "PyTorch's defaults: reset_parameters of Linear, Conv, Embedding and the normalizations", *_NORMS,
            *((f"*{name}*.weight", "normal", "1") for name in ("emb", "wte", "wpe", "tok", "pos")),
            ("*in_proj_weight", "uniform", _XAVIER), ("*[qkv]_proj_weight", "uniform", _XAVIER),
            *(("*weight_?h*", "uniform", f"sqrt({gates} / (3 * fan_out))") for gates in (4, 3, 1)),
            ("*in_proj_bias", "constant", "0"), ("*out_proj.bias", "constant", "0"),
            *((pattern, "uniform", std) for pattern in ("*attn.out_proj.weight", "*layers.*.linear?.weight")
              for std in (_LINEAR, _XAVIER)),  # alone, and as nn.Transformer draws them again
            ("weight", "uniform", _LINEAR), ("weight", "normal", "1"), ("weight", "constant", "1"),  # a module alone
            ("*weight", "uniform", _LINEAR),
            *(("*weight", "constant", value) for value in ("1", "0.25"))),  # of unnamed normalizations; of a PReLU
    _recipe("keras", "Keras' defaults: glorot_uniform, zeros, embeddings U(-0.05, 0.05)",
            ("*gamma*", "constant", "1"), ("*beta*", "constant", "0"), ("*embedding*", "uniform", "0.05 / sqrt(3)"),
            ("*recurrent_kernel*", "orthogonal", "1"), ("*lstm*bias*", "any", "1"),
            ("*moving_mean*", "constant", "0"), ("*moving_variance*", "constant", "1"),
            ("*kernel*", "uniform", _XAVIER), ("*bias*", "constant", "0")),
    _recipe("flax", "Flax's defaults: lecun_normal cut at two standard deviations, zeros",
            ("*scale", "constant", "1"), ("*embedding", "normal", "1 / sqrt(d)"),
            ("*Cell*[./]h[./]kernel", "orthogonal", "1"), ("*Cell*[./]h?[./]kernel", "orthogonal", "1"),
            ("*[./]mean", "constant", "0"), ("*[./]var", "constant", "1"),
            ("*kernel", "truncated_normal", "1 / sqrt(fan_in)"), ("*bias", "constant", "0")),
    _recipe("gpt2", "Radford et al. 2019, section 2.3, as in transformers: 0.02, and 1/sqrt(2 L) of it into the stream",
            *_NORMS, ("*c_proj.weight", "normal", "0.02 / sqrt(2 * L)"), ("*wpe.weight", "any", "1"),
            ("*wte.weight", "normal", "0.02"), ("*lm_head.weight", "normal", "0.02"),
            ("*c_attn.weight", "normal", "0.02"), ("*c_fc.weight", "normal", "0.02"),
            ("*.c_*.bias", "constant", "0"), ("*bias", "any", "1")),
    _recipe("bert", "BERT's initializer_range: 0.02, cut at two standard deviations or not", *_NORMS,
            ("*LayerNorm.weight", "constant", "1"), ("*bias", "constant", "0"), ("*weight", "normal", "0.02"),
            ("*weight", "truncated_normal", _CUT)),
    _recipe("llama", "LLaMA as in transformers: initializer_range 0.02, biases 0", *_NORMS,
            ("*proj.weight", "normal", "0.02"), ("*emb*.weight", "normal", "0.02"),
            *((f"*{name}.weight", "normal", "0.02") for name in ("lm_head", "gate", "experts.*")),
            ("*bias", "constant", "0")),
    _recipe("vit", "ViT as in timm: 0.02, whose cut lies far outside, or cut at two standard deviations", *_NORMS,
            ("*pos*_embed*", "any", "1"), ("*cls_token", "any", "1"), ("*patch_embed.*", "any", "1"),
            ("*head.weight", "constant", "0"), ("*head.weight", "normal", "0.02"),
            ("*head.weight", "truncated_normal", _CUT), ("*bias", "constant", "0"), ("*weight", "normal", "0.02"),
            ("*weight", "truncated_normal", _CUT)),
    _recipe("fixup", "Zhang et al. 2019, section 3: of two layers a branch: the last 0, the first He · L^-1/2",
            ("*conv2.weight", "constant", "0"), ("*fc.weight", "constant", "0"), ("*linear.weight", "constant", "0"),
            ("*scale", "constant", "1"), ("*bias*", "constant", "0"),
            ("*layer*conv1.weight", "normal", "sqrt(2 / fan_out) / sqrt(L)"),
            ("*weight", "normal", "sqrt(2 / fan_out)")),
    _recipe("deepnorm", "Wang et al. 2022, figure 2, encoder: Xavier, by (8 L)^-1/4 on value, output and feed-forward",
            *_NORMS, ("*v_proj.weight", "normal", "(8 * L) ** -0.25 * sqrt(2 / (fan_in + fan_out))"),
            ("*out_proj.weight", "normal", "(8 * L) ** -0.25 * sqrt(2 / (fan_in + fan_out))"),
            ("*fc?.weight", "normal", "(8 * L) ** -0.25 * sqrt(2 / (fan_in + fan_out))"),
            ("*[qk]_proj.weight", "normal", "sqrt(2 / (fan_in + fan_out))"), ("*bias", "constant", "0")),
    _recipe("lora", "Hu et al. 2021, section 4.1, as in PEFT: A as PyTorch's Linear or N(0, 1/rank²), B zero",
            ("*lora_A*", "uniform", _LINEAR), ("*lora_A*", "normal", "1 / fan_out"), ("*lora_B*", "constant", "0")))})


def read_recipe(name_or_path: str) -> AuditRecipe:
    """The built-in recipe of that name, or the one in a TOML file; raises ValueError if there is no such recipe.

    A file holds ``name``, ``source`` and ``[[tensor]]`` tables of ``pattern``, ``law`` and ``std``; nothing in it
    is run.
    """
    if name_or_path in RECIPES:
        return RECIPES[name_or_path]
    path = Path(name_or_path)
    if not path.is_file():
        raise ValueError(f"recipe must be one of {', '.join(RECIPES)}, or a TOML file, got {name_or_path!r}")
    if path.stat().st_size > MOST_FILE_BYTES:
        raise _too_long(path.stat().st_size)
    return parse_recipe(path.read_bytes(), path.name)


def _too_long(size: int) -> ValueError:
    return ValueError(f"a recipe must be at most {MOST_FILE_BYTES / 1e6:g} MB, got {size / 1e6:.1f}")


def parse_recipe(data: bytes, file_name: str) -> AuditRecipe:
    """The recipe in the text of a TOML file of that name; raises ValueError if it is not valid."""
    if len(data) > MOST_FILE_BYTES:
        raise _too_long(len(data))
    try:
        described = tomllib.loads(data.decode("utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"a recipe must be TOML: {' '.join(str(error).split())[:120]}") from None
    tables = described.get("tensor", [])
    if not isinstance(tables, list) or not tables or len(tables) > MOST_ENTRIES:
        raise ValueError(f"a recipe must have 1 to {MOST_ENTRIES} [[tensor]] tables")
    return AuditRecipe(str(described.get("name", Path(file_name).stem))[:80],
                       str(described.get("source", file_name))[:200],
                       tuple(_entry(table) for table in tables))


def _entry(table: Any) -> Entry:
    if not isinstance(table, dict) or not isinstance(table.get("pattern"), str) or table.get("law") not in LAWS:
        raise ValueError(f"each [[tensor]] must have a pattern and a law of {', '.join(LAWS)}")
    if unknown := sorted(set(table) - {"pattern", "law", "std"}):
        raise ValueError(f"a [[tensor]] may have a pattern, a law and a std, got {shown(unknown[0])} for "
                         f"{shown(table['pattern'])}")
    std = table.get("std", "1")
    std = repr(std) if isinstance(std, int | float) and not isinstance(std, bool) else std
    if not isinstance(std, str):
        raise ValueError(f"std of {table['pattern'][:80]!r} must be a number or an expression")
    if value(std, {"fan_in": 2, "fan_out": 2, "L": 2, "d": 2}) < 0 and table["law"] != "constant":
        raise ValueError(f"std of {shown(table['pattern'])} must be at least 0, got {shown(std)}")
    return Entry(table["pattern"], table["law"], std)


def blocks(records: Iterable[TensorRecord]) -> int:
    """L: how many blocks the names count, by what stands before and in their first number; at least 1.

    Stages that a number in their name tells apart (layer1.0, layer2.0) count together.
    """
    stacks: dict[str, set[str]] = {}
    for record in records:
        number_at = NUMBER.search(record.name)
        if number_at and record.role.kind in ("linear", "convolution"):
            head = record.name[:number_at.end()]
            stacks.setdefault(re.sub(r"\d+", "#", head), set()).add(head)
    return max(map(len, stacks.values()), default=1)


def deviations(records: Sequence[TensorRecord], recipe: AuditRecipe) -> list[AuditFinding]:
    """A finding for each tensor that is not what the recipe says, in the file's order."""
    depth = blocks(records)
    findings = []
    if records and not any(recipe.entries_of(record.name) for record in records):
        findings.append(AuditFinding("recipe", "warning", f"the recipe {recipe.name} says nothing of them: its "
                                     f"patterns match no name, as of {records[0].name}", (), 0, float(len(records)),
                                     None, "the patterns match the names", recipe.source))
    for record in records:
        entries = [entry for entry in recipe.entries_of(record.name) if record.role.fan_in or "fan_" not in entry.std]
        against = [_deviation(record, entry, recipe, depth) for entry in entries]
        if against and against[0] is not None and None not in against:
            findings.append(against[0])
    return findings


def expected_std(record: TensorRecord, entry: Entry, depth: int) -> float:
    """What an entry requires: a standard deviation, a constant's value, or the gain of an orthogonal matrix.

    ``depth`` is L. Where the shape leaves open which length is fan_in, it is what comes nearest to what the tensor has.
    """
    last = record.shape[-1] if record.shape else 1
    allowed = [value(entry.std, {"fan_in": fan_in or 1, "fan_out": fan_out or 1, "L": depth, "d": last})
               for fan_in, fan_out in record.role.meant]
    return min(allowed, key=lambda std: abs(std - record.measures.rms) if record.measures.finite else 0.0)


def _deviation(record: TensorRecord, entry: Entry, recipe: AuditRecipe, depth: int) -> AuditFinding | None:
    measured = record.measures
    if entry.law == "any" or not measured.finite:
        return None
    expected = expected_std(record, entry, depth)
    if entry.law == "constant":
        if measured.one_value and math.isclose(measured.least, expected, rel_tol=2**-8, abs_tol=1e-30):
            return None
        error, by = 0.0, ""
        actual = f"a mean of {number(measured.mean)}, a standard deviation of {number(measured.std)}"
        required = f"{number(expected)} everywhere"
    elif entry.law == "orthogonal":
        gain = measured.largest if measured.count == 1 else measured.isometry
        if math.isclose(gain, expected, rel_tol=SAME_GAIN):
            return None
        return AuditFinding("recipe", "error", f"{record.name} has {record.described} where the recipe {recipe.name} "
                            f"asks for an orthogonal matrix of gain {number(expected, 3)}", (record.name,),
                            None if math.isnan(gain) else gain, expected,
                            None if math.isnan(gain) or not expected else gain / expected,
                            f"{entry.pattern}: {entry.law}, {entry.std}", recipe.source, 0)
    else:
        scale_fits = fits_scale(measured, entry.law, expected)
        if scale_fits and fits_family(measured, entry.law):
            return None
        error = sampling_error(expected, measured.count, entry.law)
        actual = record.described
        required = (f"a {entry.law.replace('_', ' ')} law of standard deviation {number(expected, 3)} ± "
                  f"{number(error, 1)}")
        times = number(measured.rms / expected, 3) if expected else ""
        apart = measured.rms and not scale_fits and not measured.one_value and times not in ("", "1")
        by = f", {times} times as much" if apart else ""
    text = f"{record.name} has {actual} where the recipe {recipe.name} asks for {required}{by}"
    return AuditFinding("recipe", "error", text, (record.name,), measured.rms, expected,
                        measured.rms / expected if expected else math.inf,
                        f"{entry.pattern}: {entry.law}, {entry.std}", recipe.source, error)


def learned(records: Sequence[TensorRecord], name: str) -> AuditRecipe:
    """The recipe that a file follows: an entry a family of names, by formula where one fits all its tensors.

    Where one fits only some of a family, as the convolutions between normalizations that are numbered with them, these
    have entries of their own.
    """
    families: dict[str, list[TensorRecord]] = {}
    for record in records:
        families.setdefault(record.role.family, []).append(record)
    entries: list[Entry] = []
    for family, members in families.items():
        before = next((index for index, entry in enumerate(entries) if any(  # the first entry that matches counts
            fnmatch.fnmatchcase(member.name, entry.pattern) for member in members)), len(entries))
        entries[before:before] = [*(_own_entries(members) if len(entries) + len(members) < MOST_OWN else []), Entry(
            family.replace("[", "?").replace("#", "*"), *_law_of_family(members))]
    return AuditRecipe(name, "learned from a file", tuple(entries))


def _own_entries(members: Sequence[TensorRecord]) -> list[Entry]:
    """Entries of single tensors of a family that has no law in common, by the law of their kind or their own."""
    if len(members) < 2 or _law_of_family(members)[0] != "any":
        return []
    found = []
    for member in members:
        alike = _law_of_family([other for other in members if other.role.kind == member.role.kind])
        law = alike if alike[0] != "any" else _law_of_family([member])
        if law[0] != "any":
            found.append(Entry(member.name.replace("[", "?"), *law))
    return found


def _law_of_family(members: Sequence[TensorRecord]) -> tuple[str, str]:
    measures = [member.measures for member in members]
    if all(measured.one_value for measured in measures) and len({measured.least for measured in measures}) == 1:
        return "constant", repr(measures[0].least)
    if members[0].role.kind == "bias":  # whose law follows from the weight beside it
        return "any", "1"
    gains = [measured.isometry for measured in measures]
    if math.isclose(min(gains), max(gains), rel_tol=SAME_GAIN):  # never so of NaN
        return "orthogonal", f"{sum(gains) / len(gains):.4g}"
    for known in KNOWN_LAWS:
        if all(member.role.fan_in and any(law.formula == known.formula for law in member.laws) and any(
                fits_scale(member.measures, known.family, known.at(*fans)) for fans in member.role.meant)
                for member in members):
            return known.family, known.std
    for family in FAMILIES:
        if all(member.laws and fits_family(member.measures, family) for member in members):
            rms = math.sqrt(sum(m.rms**2 * m.count for m in measures) / sum(m.count for m in measures))
            std = max(rms, *(measured.largest / FAMILIES[family].end for measured in measures))
            if all(fits_scale(measured, family, std) for measured in measures):
                return family, f"{std:.6g}"
    return "any", "1"
