"""What an audit finds without a recipe: copies, zeros, scales that one of a family does not share, lost numbers.

A family is the tensors whose names differ by a number only and whose shapes are equal: blocks of one model. A rule that
compares speaks only where nearly all of a family, or of a file, agree: a file of unlike tensors is not at fault.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np
from scipy import special

from initviz.core.arrays import Array
from initviz.core.wording import first_few, listed, number, percent
from initviz.diagnosis.audit.kinds import COMPUTED, EXPERTS, LORA, NUMBER
from initviz.diagnosis.audit.laws import FAMILIES, SAME, TORCH_DEFAULT, fits_family, fits_scale
from initviz.diagnosis.audit.measures import ALMOST, SIDE
from initviz.diagnosis.audit.records import AuditFinding, TensorRecord, sampling_error
from initviz.theory.precision import FORMATS

Records = Sequence[TensorRecord]
LEAST_FAMILY, AGREED = 4, 0.75
MOST_ODD = 0.2  # share of a family that can be out of scale, where it is not one alone
LEAST_SCALE = 128  # values that tell a scale
LEAST_COPY = 16  # values: smaller tensors are equal by accident
STRONG, LEAST_TREND = 0.9, 1.5  # correlation with depth, and the factor over all of it
GAINS = (0.1, 10.0)  # fan_in times the variance
MOST_SUBNORMAL, MOST_LOST = 0.1, 0.05  # shares of the values
KURTOSES = (min(family.kurtosis for family in FAMILIES.values()), max(f.kurtosis for f in FAMILIES.values()))
UNLIKELY = 0.01  # that draws of one scale lie further apart
QKV = re.compile(r"\.(?:in|[qkv])_proj_weight$")  # beside which nn.MultiheadAttention's out_proj keeps the default
SYMMETRY = "Goodfellow, Bengio and Courville 2016, section 8.4"
SAMPLING = "sampling error: std √((κ − 1) / 4N)"
CONVENTION = "convention"
SHOWN = 3


def _weights(records: Records) -> list[TensorRecord]:
    return [record for record in records if record.role.kind in ("linear", "convolution", "recurrent")
            and record.measures.finite]


def _multiplied(records: Records) -> list[TensorRecord]:
    """Weights, and the factors of low-rank products."""
    return [record for record in records if record.role.kind in ("linear", "convolution", "recurrent", "lora")
            and record.measures.finite]


def _same_in_every_draw(record: TensorRecord) -> bool:
    """Whether the tensor is an identity, the bias of a forget gate, or what another law that is not random gives."""
    return any(law.formula.startswith(SAME) or not law.random for law in record.laws)


def not_finite(records: Records) -> Iterator[AuditFinding]:
    """Values that are no numbers."""
    for record in records:
        if not record.measures.finite:
            yield AuditFinding("not_finite", "error", f"{record.name} holds values that are infinite or not a number",
                               (record.name,), None, None, None, "all values are finite", "exact")


def one_value(records: Records) -> Iterator[AuditFinding]:
    """Weight matrices of one value: every neuron is a copy; zeros may stand where the other factor is not zero."""
    for record in _multiplied(records):
        measured = record.measures
        if not measured.one_value or record.role.fan_out < 2 or measured.count < LEAST_COPY:
            continue
        if measured.least:
            neurons = record.role.matrix_shape(record.shape)[0 if record.role.outputs_first else 1]
            yield AuditFinding("copies", "error", f"{record.name} is {number(measured.least)} everywhere: its "
                               f"{neurons:,} neurons are copies", (record.name,), 1,
                               float(neurons), None, "neurons have different weights", SYMMETRY, 0)
        elif record.role.kind != "lora":
            yield AuditFinding("zeros", "note", f"{record.name} is all zeros: harmless where what it multiplies is "
                               "not zero and something random stands behind it", (record.name,), 0, None, None,
                               "a zero tensor learns where its other factor is not zero", "Hu et al. 2021, section 4.1")


def copied_neurons(records: Records) -> Iterator[AuditFinding]:
    """Rows or columns of a matrix that repeat another one, or nearly do."""
    for record in _multiplied(records):
        if not _same_in_every_draw(record):
            rows_first = record.role.outputs_first
            for axis, severity in ((0, "error"), (1, "warning")) if rows_first else ((1, "error"), (0, "warning")):
                yield from _copies_along(record, axis, severity)


def _copies_along(record: TensorRecord, axis: int, severity: str) -> Iterator[AuditFinding]:
    """Copies among a matrix's rows (``axis`` 0) or columns; of a kernel, among its filters."""
    measured, count = record.measures, record.role.matrix_shape(record.shape)[axis]
    unit = "experts" if EXPERTS.search(record.name) and len(record.shape) == 3 and axis == 0 else (
        "neurons" if severity == "error" else "inputs")
    exact, distance = measured.copies[axis], measured.copy_distances[axis]
    rule = "rows and columns differ by more than 1e-4 of their size"
    if exact:
        heads = f", {distance:,} apart: whole heads or blocks are copies" if distance > 1 and (
            exact % distance == 0) else ""
        yield AuditFinding("copies", severity, f"{exact:,} of {record.name}'s {count:,} {unit} are copies of "
                           f"another one{heads}", (record.name,), exact, 0, None, rule, SYMMETRY, 0)
    elif measured.near_copies[axis]:
        yield AuditFinding("near_copies", "warning", f"{measured.near_copies[axis]:,} of {record.name}'s first "
                           f"{min(count, SIDE):,} {unit} are nearly copies of another one", (record.name,),
                           measured.near_copies[axis], 0, None,
                           f"the cosine of two rows' or columns' first {SIDE} weights is below {ALMOST:g}", SYMMETRY, 0)


def equal_tensors(equal: Iterable[Records], records: Records) -> Iterator[AuditFinding]:
    """Of groups of equal tensors those of one family, gathered over blocks; as copies where all that is drawn is."""
    blocks: dict[tuple[str, ...], list[Records]] = {}
    for group in equal:
        if len({record.role.family for record in group}) == 1 and group[0].role.numbers:
            blocks.setdefault(_stems(group), []).append(group)
    for stems, groups in blocks.items():
        names = [record.name for group in groups for record in group]
        text = f"{first_few([record.name for record in groups[0]], SHOWN)} are equal"
        more = len(groups) - 1
        text += f", and so {'is one' if more == 1 else f'are {more}'} more of their tensors" if more else ""
        if len(groups) > 1 and set(names).issuperset(
                record.name for record in records if record.name.startswith(stems) and _comparable(record)):
            text = f"{len(stems)} blocks are copies of one another: {text}"
        biases = all(record.role.kind == "bias" for group in groups for record in group)
        yield AuditFinding("equal", "warning" if biases else "error", text, tuple(names), len(groups[0]), 1, None,
                           "tensors that were drawn differ", SYMMETRY)


def _stems(group: Records) -> tuple[str, ...]:
    """The names of equal tensors up to the number that tells them apart: those of their blocks."""
    numbers = [record.role.numbers for record in group]
    varying = [position for position, column in enumerate(zip(*numbers, strict=True)) if len(set(column)) > 1]
    if len(varying) != 1:
        return tuple(record.name for record in group)
    return tuple(record.name[:list(NUMBER.finditer(record.name))[varying[0]].end()] + "." for record in group)


def _comparable(record: TensorRecord) -> bool:
    """Whether a tensor holds random values, and so many that it equals no other one by accident."""
    measured = record.measures
    return (measured.finite and not measured.two_valued and not measured.one_value and measured.count >= LEAST_COPY
            and not _same_in_every_draw(record) and not COMPUTED.search(record.name))


def equal_groups(records: Records, load: Mapping[str, Callable[[], Array]]) -> list[list[TensorRecord]]:
    """Groups of two or more tensors of random values that are equal, value by value; ``load`` reads one by its name."""
    alike: dict[tuple[object, ...], list[TensorRecord]] = {}
    for record in records:
        if _comparable(record):
            alike.setdefault((record.shape, record.measures.key), []).append(record)
    groups = []
    for group in alike.values():
        if len(group) > 1:
            first = load[group[0].name]()
            same = [group[0], *(record for record in group[1:] if np.array_equal(first, load[record.name]()))]
            if len(same) > 1:
                groups.append(same)
    return groups


def both_factors_zero(records: Records) -> Iterator[AuditFinding]:
    """Both factors of a low-rank product that are zero: none of them ever gets a gradient."""
    pairs: dict[str, list[TensorRecord]] = {}
    for record in records:
        if record.role.kind == "lora":
            pairs.setdefault(LORA.sub("#", record.name), []).append(record)
    for factors in pairs.values():
        if len(factors) == 2 and all(f.measures.one_value and not f.measures.least for f in factors):
            yield AuditFinding("both_zero", "error", f"{listed([f.name for f in factors])} are both zero: the gradient "
                               "of each is a product with the other, so that neither ever learns",
                               tuple(f.name for f in factors), 0, None, None, "one factor of a product is not zero",
                               "Hu et al. 2021, section 4.1")


def one_sign(records: Records) -> Iterator[AuditFinding]:
    """Weights that are all of one sign: every preactivation is driven the same way."""
    for record in _weights(records):
        measured = record.measures
        if measured.count >= LEAST_COPY and not measured.one_value and (measured.least >= 0 or measured.most <= 0) \
                and not measured.zero_share:
            yield AuditFinding("one_sign", "error", f"{record.name} has weights of one sign, from "
                               f"{number(measured.least)} to {number(measured.most)}, where draws are centered at 0",
                               (record.name,), measured.mean, 0, None, "the mean is 0 within its sampling error",
                               SAMPLING, measured.std / math.sqrt(measured.count))


def _families(records: Records) -> Iterator[list[TensorRecord]]:
    families: dict[tuple[str, tuple[int, ...]], list[TensorRecord]] = {}
    for record in _weights(records):
        if record.role.numbers and record.measures.rms and record.measures.count >= LEAST_SCALE:
            families.setdefault((record.role.family, record.shape), []).append(record)
    for family in families.values():
        if len(family) >= LEAST_FAMILY:
            yield family


def _agree(record: TensorRecord, std: float) -> bool:
    return any(fits_scale(record.measures, family, std) for family in FAMILIES)


def _share_a_scale(records: Records) -> bool:
    """Whether all may be draws of one distribution: of one family, their scales no further apart than draws' are."""
    if not any(all(fits_family(record.measures, name) for record in records) for name in FAMILIES) and not all(
            math.isfinite(record.measures.isometry) for record in records):
        return False
    logs = np.log([record.measures.rms for record in records])
    kurtosis = np.clip([record.measures.kurtosis for record in records], *KURTOSES)
    weights = 4 * np.array([record.measures.count for record in records]) / (kurtosis - 1)
    apart = float((weights * np.square(logs - np.average(logs, weights=weights))).sum())
    return float(special.chdtrc(len(records) - 1, apart)) > UNLIKELY


def odd_one_out(records: Records) -> Iterator[AuditFinding]:
    """A tensor whose scale the others of its family do not share."""
    for family in _families(records):
        middle = float(np.median([record.measures.rms for record in family]))
        odd = [record for record in family if not (_agree(record, middle) or record.measures.one_value)]
        others = [record for record in family if record not in odd and not record.measures.one_value]
        few = len(odd) == 1 or len(odd) <= MOST_ODD * len(family)
        if odd and few and len(others) > 1 and all(record.laws for record in family) and _share_a_scale(others):
            for record in odd:
                ratio = record.measures.rms / middle
                yield AuditFinding("scale", "error" if not 0.5 < ratio < 2 else "warning",
                                   f"{record.name} has {number(ratio, 3)} times the standard deviation that the "
                                   f"{len(family) - 1} others of its kind share", (record.name,), record.measures.rms,
                                   middle, ratio, "blocks of one kind share one scale", SAMPLING,
                                   sampling_error(middle, record.measures.count))


def depth_trend(records: Records) -> Iterator[AuditFinding]:
    """A family whose scale grows or shrinks with its number."""
    for family in _families(records):
        ordered = sorted(family, key=lambda record: record.role.numbers)
        logs = np.log([record.measures.rms for record in ordered])
        middle = float(np.exp(np.median(logs)))
        if all(_agree(record, middle) for record in ordered) or not all(record.laws for record in ordered):
            continue
        numbers = np.arange(len(logs))
        change = math.exp(float(np.polyfit(numbers, logs, 1)[0]) * (len(logs) - 1))
        if abs(float(np.corrcoef(numbers, logs)[0, 1])) > STRONG and not 1 / LEAST_TREND < change < LEAST_TREND:
            # BEiT divides by the root of the block's number.
            root = float(np.exp(np.median(logs + np.log(numbers + 1) / 2)))
            rooted = all(_agree(record, root / math.sqrt(k + 1)) for k, record in enumerate(ordered))
            how = f", as 1/√k of block k: {number(root)}/√k" if rooted else (
                f", {number(max(change, 1 / change), 3)}-fold over {len(logs)} blocks")
            yield AuditFinding("trend", "note" if rooted else "warning",
                               f"{first_few([r.name for r in ordered], SHOWN)} {'grow' if change > 1 else 'shrink'} "
                               f"with depth{how}", tuple(r.name for r in ordered), change, 1, change,
                               "blocks of one kind share one scale, or one that falls as 1/√k "
                               "(Bao et al. 2022)", SAMPLING)


def ignores_fan(records: Records) -> Iterator[AuditFinding]:
    """One scale for all matrices, whatever their fans, far from what any of them needs."""
    weights = [record for record in _weights(records) if record.measures.rms and record.measures.count >= LEAST_COPY]
    normalized = any(record.role.kind == "norm" for record in records)  # what brings the signal back to its scale
    if normalized or len(weights) < 3:
        return
    middle = float(np.median([record.measures.rms for record in weights]))
    sharing = [record for record in weights if _agree(record, middle)]
    fans = {record.role.fan_in for record in sharing}
    gains = [fan * middle**2 for fan in fans]
    if len(sharing) >= AGREED * len(weights) and max(fans) >= 4 * min(fans) and (
            max(gains) < GAINS[0] or min(gains) > GAINS[1]):
        yield AuditFinding("fan", "warning", f"{first_few([r.name for r in sharing], SHOWN)} share the standard "
                           f"deviation {number(middle, 3)} though their fan_in runs from {min(fans):,} to "
                           f"{max(fans):,}: the signal {'fades' if max(gains) < 1 else 'grows'} from layer to layer",
                           tuple(r.name for r in sharing), middle, None, None,
                           f"fan_in times the variance lies between {GAINS[0]:g} and {GAINS[1]:g}",
                           "He et al. 2015, section 2.2")


def _last(few: Records, weights: Records) -> bool:
    """Whether ``few`` is the one weight whose number is the highest: many a model leaves its output layer alone."""
    return len(few) == 1 and bool(few[0].role.numbers) and all(
        record is few[0] or record.role.numbers < few[0].role.numbers for record in weights)


def framework_default(records: Records) -> Iterator[AuditFinding]:
    """A few layers that follow PyTorch's default where nearly all others follow another law."""
    attention = {f".{record.name}".rpartition(".")[0] for record in records if QKV.search(f".{record.name}")}
    weights = [record for record in _weights(records) if record.laws and record.measures.count >= 256
               and not record.measures.one_value
               and f".{record.name}".removesuffix(".out_proj.weight") not in attention]
    default = [record for record in weights if all(law.formula == TORCH_DEFAULT or law.formula.startswith("U(±")
                                                   for law in record.laws)
               and any(law.formula == TORCH_DEFAULT for law in record.laws)]
    if len(weights) < LEAST_FAMILY or not default or len(weights) - len(default) < AGREED * len(weights):
        return
    common = set.intersection(*({law for law in record.laws if not law.free} for record in weights
                                if record not in default))
    if common:
        verb = "keeps" if len(default) == 1 else "keep"
        names = tuple(record.name for record in default)
        last, outside_blocks = _last(default, weights), len(default) == 1 and not default[0].role.numbers
        first = len(default) == 1 and default[0] is weights[0] and default[0].role.kind == "convolution"
        position = ", the last layer," if last else ", which stands beside the blocks," if outside_blocks else (
            ", the first layer," if first else "")
        yield AuditFinding("default", "note" if position else "warning", f"{first_few(names, SHOWN)}{position} "
                           f"{verb} PyTorch's default where all other weights "
                           f"follow {min(law.text for law in common)}", names, None, None, None,
                           "layers of one model follow one law", CONVENTION)


def number_formats(records: Records) -> Iterator[AuditFinding]:
    """Values that are subnormal, or that a number format rounds to 0 or to infinity."""
    for record in records:
        measured = record.measures
        if measured.subnormal_share > MOST_SUBNORMAL:
            yield AuditFinding("subnormal", "warning", f"{percent(measured.subnormal_share)} of {record.name}'s values "
                               f"are subnormal in {record.dtype}: they have lost digits, and are slow on some "
                               "processors", (record.name,), measured.subnormal_share, 0, None,
                               f"at most {percent(MOST_SUBNORMAL)} of the values are subnormal", "IEEE 754-2019", 0)
        for form in FORMATS:
            share = measured.lost.get(form.label, 0.0)
            if share > MOST_LOST:
                scaled = ", scaled so that the largest fits," if form.label.startswith("fp8") else ""
                yield AuditFinding("format", "warning", f"{form.label}{scaled} rounds {percent(share)} of "
                                   f"{record.name}'s values to 0 or beyond its largest number", (record.name,), share,
                                   0, None, f"at most {percent(MOST_LOST)} of the values are lost", form.source, 0)


RULES: tuple[Callable[[Records], Iterator[AuditFinding]], ...] = (
    not_finite, one_value, copied_neurons, both_factors_zero, one_sign, odd_one_out, depth_trend,
    framework_default, ignores_fan, number_formats)
