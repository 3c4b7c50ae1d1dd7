"""Rules of scale in a recording: of the signal forward, the gradient back, branches beside skips, number formats."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from initviz.core.wording import counted, cut, listed, number, percent
from initviz.diagnosis.findings import CONVENTION, EXACT, RATIO
from initviz.diagnosis.recording.recorded import Recorded, RecordedFinding, few
from initviz.diagnosis.recording.trunk import INPUT, Stretch, extreme_stretches
from initviz.diagnosis.rules.grades import (
    GRADIENT_SOURCE,
    INPUT_SOURCE,
    SIGNAL_SOURCE,
    gradient_is_error,
    kind_of,
    say_change,
    say_gradient_rule,
    say_signal_rule,
    signal_is_error,
    within,
)
from initviz.files.recording import RecordedParameter, TensorStatistics
from initviz.theory.precision import FORMATS, Format

THROUGH_NORMALIZATIONS = 1000.0  # a gradient may change over a model of normalizations
MOST_LOST = 0.05  # of the values, as in the audit of weights
SKIPS_SOURCE = "convention, as of layers; Zhang et al. 2019 (Fixup) for the growth of a stream"


def overflow(m: Recorded) -> Iterator[RecordedFinding]:
    """Outputs that the format cannot hold, then gradients, then the loss."""
    for quantity, parts in (("outputs", [(row.label, row) for row in m.rows if row.same_as is None]),
                        ("gradient", [(row.label, row.gradient) for row in reversed(m.rows) if row.gradient])):
        overflowing = [(label, part) for label, part in parts if isinstance(part, TensorStatistics) and not part.finite]
        if overflowing:
            label = cut(overflowing[0][0])
            remedy = ("Scale down what comes before it, or run this module in float32." if quantity == "outputs" else
                      "Scale the loss down, or the weights behind it; under fp16 use a gradient scaler.")
            yield RecordedFinding(
                "overflow", "error", "overflow", "Overflow", f"The {quantity} of {label} "
                f"{'are' if quantity == 'outputs' else 'is'} not all finite numbers, and so in {len(overflowing):,} of "
                f"{len(parts):,} recorded places.", math.inf, None, "every number is finite",
                "SageMaker Debugger, ExplodingTensor", EXACT, (label,), remedy)
            return
    if not math.isfinite(m.recording.loss.value):
        yield RecordedFinding("overflow", "error", "overflow", "Overflow", "The loss is not a finite number.", math.inf,
                              None, "the loss is a finite number", "SageMaker Debugger, ExplodingTensor", EXACT, (),
                              "Look at what the loss is computed from: a logarithm of 0, or a division by 0.")


# ---------------------------------------------------------------------------------------------- along the trunk

def _forward(m: Recorded) -> list[Stretch]:
    """Stretches in which the signal vanishes or explodes; behind a normalization begins another one."""
    def value(index: int, sign: int) -> float:
        if index in m.trunk.only_normalized:
            return math.nan
        return _entering(m, sign) if index == INPUT else m.trunk.level(index)

    return [stretch for stretch in extreme_stretches(m.trunk, value, forward=True)
            if not within(stretch.value, m.thresholds)]


def _backward(m: Recorded) -> list[Stretch]:
    """Stretches in which the gradient vanishes or explodes, from the later place back to the earlier one.

    Weights in front of a normalization have no scale, and their rates adapt to their gradient: there the line is drawn
    for the whole model, which a constant factor in each layer crosses where there are many.
    """
    def value(index: int, sign: int) -> float:
        return m.trunk.gradient_scale(index)

    def back(ends: Callable[[int], bool]) -> list[Stretch]:
        return [Stretch(1 / stretch.value, stretch.begin, stretch.end, stretch.steps)
                for stretch in extreme_stretches(m.trunk, value, forward=False, ends=ends)]

    plain = [stretch for stretch in back(m.trunk.sets_anew) if not within(stretch.value, m.thresholds)
             and not m.trunk.is_normalized_between(stretch.begin, stretch.end)]
    through = [stretch for stretch in back(lambda index: False) if m.trunk.is_normalized_between(
        stretch.begin, stretch.end) and not 1 / THROUGH_NORMALIZATIONS <= stretch.value <= THROUGH_NORMALIZATIONS]
    return plain + through


def _entering(m: Recorded, sign: int) -> float:
    """The scale of the input for a fall or a growth: far from 1 it is compared with 1 as well, the scale that layers
    are made for; a first layer that brings it there loses nothing.
    """
    batch, line = m.recording.input, m.thresholds["scale"]
    if batch is None:
        return math.nan
    size = batch.median_rms
    return size if 1 / line <= size <= line else min(size, 1.0) if sign < 0 else max(size, 1.0)


def inputs(m: Recorded) -> Iterator[RecordedFinding]:
    """Inputs of another scale than 1."""
    batch, line = m.recording.input, m.thresholds["scale"]
    if batch is not None and 0 < batch.rms < math.inf and not 1 / line <= batch.rms <= line:
        yield RecordedFinding(
            "inputs_scale", "warning", "inputs", "Unscaled inputs", f"The inputs' root mean square is "
            f"{number(batch.rms)}.", batch.rms, None, f"between {number(1 / line)} and {number(line)}", INPUT_SOURCE,
            CONVENTION, ("the input",), "Standardize the inputs: mean 0 and standard deviation 1.")


def _sums(m: Recorded, stretch: Stretch) -> int:
    """How many additions of a branch a stretch goes through."""
    return sum(m.rows[index].skip is not None for index in m.trunk.levels if stretch.begin < index <= stretch.end)


def signal(m: Recorded) -> Iterator[RecordedFinding]:
    """A signal that vanishes or explodes between a place of the trunk and a later one."""
    if not all(m.rows[index].finite for index in m.trunk.levels):
        return
    beyond = [(signal_is_error(stretch.value, m.thresholds), stretch) for stretch in _forward(m)]
    if not beyond:
        return
    error, stretch = min(beyond, key=lambda pair: (not pair[0], pair[1].end))
    first, last = m.label(stretch.begin), m.label(stretch.end)
    if stretch.begin == INPUT and m.recording.input and not math.isclose(
            stretch.value, m.trunk.level(stretch.end) / m.recording.input.median_rms, rel_tol=1e-9):
        first = "1, the scale that layers are made for,"
    text = f"The signal of {last} is {number(stretch.value)} times {'that of ' * (first[0] != '1')}{first}"
    text += f": each of {stretch.steps} steps multiplies it by {number(stretch.a_step)}." if stretch.steps > 1 else "."
    sums = _sums(m, stretch)
    if sums > 1 and stretch.value > 1:
        remedy = (f"Multiply each of the {sums} branches by 1/√{sums} = {number(1 / math.sqrt(sums), 3)}, or begin the "
                  "last layer of each branch at 0.")
    else:
        remedy = (f"Multiply the weights of the layers between them by {number(1 / stretch.a_step, 3)} and begin their "
                  "biases at 0, or put a normalization between them.")
    yield RecordedFinding(
        "signal", "error" if error else "warning", kind_of(stretch.value), f"The signal {say_change(stretch.value)}",
        text, stretch.value, None, f"the median sample's root mean square {say_signal_rule(m.thresholds)}, up to a "
        "normalization", SIGNAL_SOURCE, RATIO, (last, first), remedy)


def gradient(m: Recorded) -> Iterator[RecordedFinding]:
    """A gradient that vanishes or explodes on its way back along the trunk, or does not arrive behind what is 0."""
    if m.silent_row is not None:
        gradients = [(index, m.rows[index].gradient) for index in m.trunk.levels]
        none = [index for index, of_row in gradients if of_row is not None and of_row.all_zero]
        if none:
            yield RecordedFinding(
                "gradient", "error", "vanishing", "No gradient", f"No gradient arrives at {m.label(none[-1])}.", 0.0,
                None, "every hidden dL/dz has an entry that is not 0", "follows from the chain rule", EXACT,
                (m.label(none[-1]),), f"Fix {m.label(m.silent_row)} first, whose outputs are all 0.")
        return
    if m.errors_cancel:
        return
    beyond = _backward(m)
    if not beyond:
        return
    norms = [_norm(weight) for index in m.trunk.products if (weight := m.trunk.weight_of(m.rows[index])) is not None]
    first, last = (norms[0], norms[-1]) if norms else (math.nan, math.nan)
    of_norms = first / last if last > 0 else math.nan
    stretch = max(beyond, key=lambda stretch: stretch.begin)
    error = gradient_is_error(stretch.value, of_norms, first, m.thresholds)
    early, late = m.label(stretch.begin), m.label(stretch.end)
    a_step = f": each of {stretch.steps} steps multiplies it by {number(stretch.a_step)}" if stretch.steps > 1 else ""
    also = (f" The weight gradients' norms, first module ÷ last, are {number(of_norms)}, the first {number(first)}."
            ) if error else ""
    sums = _sums(m, stretch)
    remedy = (f"Multiply each of the {sums} branches by 1/√{sums} = {number(1 / math.sqrt(sums), 3)}." if sums > 1 and
              stretch.value > 1 else "Draw the weights between them so that each keeps the scale, such as He normal "
              "before ReLU and Xavier normal before tanh, or add skips.")
    yield RecordedFinding(
        "gradient", "error" if error else "warning", kind_of(stretch.value),
        f"The gradient {say_change(stretch.value)}",
        f"On the way back the length of the gradient at {early} is {number(stretch.value)} times that at "
        f"{late}{a_step}.{also}",
        of_norms if error else stretch.value, None, f"{say_gradient_rule(m.thresholds)}; through normalizations up to "
        f"a factor of {number(THROUGH_NORMALIZATIONS)}", f"{GRADIENT_SOURCE}; Yang et al. 2019 for the growth through "
        "batch normalizations", RATIO,
        (early, late), remedy)


def _norm(parameter: RecordedParameter) -> float:
    gradient = parameter.gradients[0] if parameter.gradients else None
    return math.nan if gradient is None else gradient.rms * math.sqrt(parameter.count)


def preactivations(m: Recorded) -> Iterator[RecordedFinding]:
    """Preactivations far from 1, where activations are linear, saturated or off."""
    line = math.log(m.thresholds["preactivation"])
    worst, apart = None, line
    for index in m.trunk.levels:
        row = m.trunk.preactivation_of(index)
        if row is not None and 0 < row.std < math.inf and abs(math.log(row.std)) > apart:
            worst, apart = row, abs(math.log(row.std))
    if worst is not None:
        yield RecordedFinding(
            "preactivations", "warning", "off_scale", f"Preactivations {'small' if worst.std < 1 else 'large'}",
            f"What {cut(worst.label)} gives to its activation has a standard deviation of {number(worst.std)}.",
            worst.std, None, f"between {number(1 / m.thresholds['preactivation'])} and "
            f"{number(m.thresholds['preactivation'])}",
            "convention, after LSUV (Mishkin and Matas 2016), which brings it to 1", CONVENTION, (cut(worst.label),),
            f"Multiply its weights by {number(1 / worst.std, 3)}: LSUV does so layer by layer.")


# ---------------------------------------------------------------------------------------------- branches

def branches(m: Recorded) -> Iterator[RecordedFinding]:
    """Branches that drown their skip, and those that begin at exactly 0."""
    sums = [(index, row.skip) for index, row in enumerate(m.rows) if row.skip is not None
            and index not in m.trunk.in_recurrences]
    zero = [m.label(index) for index, skip in sums if skip.branch_rms == 0 < skip.skip_rms]
    if zero:
        yield RecordedFinding("branches_zero", "note", "", "Branches of 0", f"{len(zero):,} of {len(sums):,} branches "
                              f"add exactly 0 at first: {few(zero)}.", float(len(zero)), None, "by design",
                              "Goyal et al. 2017, section 5.1; Hu et al. 2021, section 4.1", EXACT, tuple(zero[:1]))
    large = [(skip.branch_rms / skip.skip_rms, index) for index, skip in sums
             if skip.skip_rms > 0 and m.thresholds["grown"] < skip.branch_rms / skip.skip_rms < math.inf]
    if large:
        value, index = max(large)
        yield RecordedFinding("branches", "warning", "uneven", "A branch drowns its skip", f"At {m.label(index)} the "
                              f"branch is {number(value)} times the skip, and so above "
                              f"{number(m.thresholds['grown'])} at {len(large):,} of {len(sums):,} additions: what "
                              "came before is hardly heard.", value, None,
                              f"at most {number(m.thresholds['grown'])}", SKIPS_SOURCE, CONVENTION, (m.label(index),),
                              f"Multiply the branch by {number(1 / value)}, or begin its last layer at 0.")


# ---------------------------------------------------------------------------------------------- number formats

def lost_share(part: TensorStatistics, form: Format) -> float:
    """The share of a tensor's values other than 0 that a format rounds to 0 or to infinity; 0 where it is not known."""
    if len(part.histogram) < 2:
        return 0.0
    least, *counts = part.histogram
    smallest, largest = math.log2(form.smallest) - 1, math.log2(form.largest)
    lost = sum(count for index, count in enumerate(counts) if least + index < smallest or least + index > largest)
    return lost / (sum(counts) or 1)


def formats(m: Recorded) -> Iterator[RecordedFinding]:
    """Number formats whose range outputs or gradients leave; of fp8, which is always scaled, nothing is said."""
    for form in FORMATS:
        if form.label.startswith("fp8"):
            continue
        parts: list[tuple[str, str, TensorStatistics]] = [
            ("outputs of", row.label, row) for row in m.rows if row.same_as is None and not row.container]
        parts += [("gradient at", row.label, row.gradient) for row in m.rows if row.gradient is not None]
        shares = [(share, what, label) for what, label, part in parts if (share := lost_share(part, form)) > MOST_LOST]
        if not shares:
            continue
        share, kind, label = max(shares)
        gradients = sum(quantity.startswith("gradient") for _, quantity, *_ in shares)
        counts = listed([counted(count, name) for count, name in (
            (len(shares) - gradients, "output"), (gradients, "gradient")) if count])
        yield RecordedFinding(
            "format", "note", "", f"Leaves {form.label}", f"{form.label} would round {percent(share)} of the {kind} "
            f"{cut(label)} to 0 or beyond its largest number, and more than {percent(MOST_LOST)} of {counts}.", share,
            None, f"at most {percent(MOST_LOST)} of the values are lost", form.source, EXACT, (cut(label),),
            f"In {form.label} scale the loss up (a gradient scaler), or use bf16." if form.label == "fp16" else
            "Scale what is lost, or keep it in float32.")
