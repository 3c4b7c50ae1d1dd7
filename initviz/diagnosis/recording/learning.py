"""Rules of what the first step does in a recording: gradients that are 0, the first loss, updates beside weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import median
from types import MappingProxyType

from initviz.core.wording import cut, number
from initviz.diagnosis.findings import CONVENTION, EXACT
from initviz.diagnosis.recording.recorded import Recorded, RecordedFinding, few
from initviz.diagnosis.rules.data import LEARNED
from initviz.diagnosis.rules.grades import LOSS_SOURCE, say_loss_rule
from initviz.diagnosis.rules.scale import TARGET_UPDATE
from initviz.files.recording import RecordedParameter
from initviz.theory.cross_entropy import first_loss

# The size of an optimizer's first update over its rate, from that of the gradient, in PyTorch's form and with its
# defaults. Others are not known: some multiply by the weights' own size, as Adafactor and LAMB do.
_ADAM: Callable[[float], float] = lambda g: g / (g + 1e-8)  # noqa: E731
_AS_IT_IS: Callable[[float], float] = lambda g: g  # noqa: E731
FIRST_UPDATES: Mapping[str, Callable[[float], float]] = MappingProxyType({
    "gradient descent": _AS_IT_IS, "sgd": _AS_IT_IS, "radam": _AS_IT_IS,  # RAdam's first steps are not rectified
    "adam": _ADAM, "adamw": _ADAM, "adamax": _ADAM, "nadam": lambda g: 1.0565 * _ADAM(g),
    "adagrad": lambda g: g / (g + 1e-10), "rmsprop": lambda g: g / (0.1 * g + 1e-8),
    "adadelta": lambda g: 1e-3 * g / math.sqrt(0.1 * g * g + 1e-6), "rprop": lambda g: 1.0, "lion": lambda g: 1.0})
CLOSE = 0.1  # relative: a first loss is what it should be


def _without_gradient(m: Recorded, waking: Sequence[RecordedParameter]) -> dict[str, list[str]]:
    """The names of the parameters whose gradient is exactly 0 or missing, by when that is so.

    "unused": none was recorded; "always": 0 in both steps; "later": 0 in the first step alone; where one step was
    recorded, "behind" a parameter that is about to wake, and "first" elsewhere.
    """
    names: dict[str, list[str]] = {when: [] for when in ("unused", "always", "later", "behind", "first")}
    hidden = m.trunk.behind({_module(p) for p in waking}) | m.trunk.in_zero_branches if waking else frozenset()
    for parameter in m.recording.parameters:
        if not parameter.trainable or not parameter.gradients or not parameter.count:
            continue
        zero = [gradient is not None and gradient.exact_zero for gradient in parameter.gradients]
        if parameter.gradients[0] is None:
            names["unused"].append(parameter.name)
        elif zero[0] and len(zero) == 1:
            names["behind" if _is_hidden(_module(parameter), hidden) else "first"].append(parameter.name)
        elif all(zero):
            names["always"].append(parameter.name)
        elif zero[0]:
            names["later"].append(parameter.name)
    return names


def zero_gradients(m: Recorded) -> Iterator[RecordedFinding]:
    """Parameters whose gradient is exactly 0 in every recorded step, in the first alone, or that have none."""
    waking = [p for p in m.recording.parameters if _wakes(m, p)]
    unused, always, later, behind, first = _without_gradient(m, waking).values()
    chain = "follows from the chain rule"
    if always:
        yield RecordedFinding(
            "no_gradient", "error", "vanishing", "No gradient", f"The gradient of {few(always)} is exactly 0 in both "
            "recorded steps.", float(len(always)), None, "every trainable parameter gets a gradient", chain, EXACT,
            tuple(always[:1]), "Of two factors one must not be 0: draw one of them at random. Behind dead units begin "
            "the biases at 0.")
    if behind:
        yield RecordedFinding(
            "behind_zero", "note", "", "Gradients come later", f"The gradient of {few(behind)} is exactly 0 in the "
            f"first step, as what is behind them begins at 0. {few([p.name for p in waking])} "
            f"{'gets' if len(waking) == 1 else 'get'} one, and with it theirs comes in the second step.",
            float(len(behind)), None, "every parameter gets a gradient in the first step", chain, EXACT,
            tuple(behind[:1]))
    if first:
        severity = "note" if m.recording.parameters_left_out else "warning"  # what wakes them may be left out
        yield RecordedFinding(
            "zero_gradient", severity, "", "No gradient in the first step", f"The gradient of {few(first)} is "
            "exactly 0 in the one step that is recorded: it may come with the second, as behind a zero-initialized "
            "layer, or never.", float(len(first)), None, "every trainable parameter gets a gradient", chain, EXACT,
            tuple(first[:1]), "Record two steps, record(..., steps=2), which tells the two apart.")
    if unused:
        yield RecordedFinding(
            "unused", "warning", "", "Not part of the loss", f"The loss does not depend on {few(unused)}, though "
            f"{'it is' if len(unused) == 1 else 'they are'} trainable.", float(len(unused)), None,
            "the loss depends on every trainable parameter", chain, EXACT, tuple(unused[:1]),
            "Use it in forward, or freeze it with requires_grad_(False).")
    if later:
        yield RecordedFinding(
            "late", "note", "late", "Gradients come later", f"The gradient of {few(later)} is exactly 0 in the first "
            "step and not in the second.", float(len(later)), None, "every parameter gets a gradient in the first step",
            chain, EXACT, tuple(later[:1]))


def _module(parameter: RecordedParameter) -> str:
    return parameter.name.rpartition(".")[0]


def _wakes(m: Recorded, parameter: RecordedParameter) -> bool:
    """Whether a parameter that begins at 0, or in a branch that does, gets a gradient in the first step."""
    gradient = parameter.gradients[0] if parameter.gradients else None
    begins_at_zero = parameter.all_zero and not parameter.name.endswith("bias")
    return gradient is not None and not gradient.exact_zero and (
        begins_at_zero or _module(parameter) in m.trunk.in_zero_branches)


def _is_hidden(path: str, hidden: frozenset[str]) -> bool:
    """Whether a module, the one that holds it, or one inside it is among these paths."""
    within = f"{path}." if path else ""
    return path in hidden or path.rpartition(".")[0] in hidden or any(other.startswith(within) for other in hidden)


# ---------------------------------------------------------------------------------------------- the loss

def expected_loss(m: Recorded) -> tuple[float, float] | None:
    """The loss of outputs of 0, and of independent normal logits of this spread; None where unknown."""
    loss = m.recording.loss
    if loss.kind in ("cross_entropy", "nll_loss") and loss.classes is not None and loss.classes > 1:
        nothing = math.log(loss.classes)
        std = loss.logit_std * math.sqrt(loss.classes / (loss.classes - 1))  # beside what the logits have in common
        return nothing, first_loss(loss.classes, std) if 0 <= std < math.inf else nothing
    if loss.kind == "binary_cross_entropy_with_logits":
        return math.log(2), math.log(2)
    return None


def loss(m: Recorded) -> Iterator[RecordedFinding]:
    """A first loss above that of outputs of 0, or below it."""
    expected, start = expected_loss(m), m.recording.loss
    if expected is None or not math.isfinite(start.value):
        return
    nothing = expected[0]
    reference = f"ln {start.classes or 2:,} = {number(nothing, 3)}"
    spread = (f"; independent normal logits of standard deviation {number(start.logit_std)}, as these have, "
              f"{number(expected[1], 3)}" if expected[1] != nothing else "")
    head = m.label(m.trunk.heads[-1]) if m.trunk.heads else "the output layer"
    if start.value / nothing > m.thresholds["loss"]:
        error = start.value / nothing > m.thresholds["loss_error"]
        yield RecordedFinding(
            "loss", "error" if error else "warning", "output", "Initial loss", f"The loss is {number(start.value, 3)}; "
            f"outputs of 0 cost {reference}{spread}. The first steps are spent on unlearning.", start.value, None,
            say_loss_rule(reference, m.thresholds), LOSS_SOURCE, CONVENTION, (head,),
            f"Draw the weights of {head} smaller" + (f", by {number(1 / start.logit_std)} or less."
                                                    if 1 < start.logit_std < math.inf else "."))
    elif start.value < LEARNED * nothing:
        yield RecordedFinding(
            "loss", "note", "", "Learned already", f"The loss is {number(start.value, 3)}, below {reference}: these "
            "weights know something of this data, or its classes are of unequal size.", start.value, None,
            f"near {reference}", "convention; CS231n; makemore part 3", CONVENTION)


# ---------------------------------------------------------------------------------------------- updates

def first_update(m: Recorded) -> Callable[[float], float] | None:
    """The entry of FIRST_UPDATES whose name is the longest in the optimizer's; None where there is none."""
    name = (m.recording.optimizer or "").lower()
    return max(((len(key), update) for key, update in FIRST_UPDATES.items() if key in name), key=lambda pair: pair[0],
               default=(0, None))[1]


def update_ratio(m: Recorded, parameter: RecordedParameter) -> float:
    """The first update over the weights, by their root mean squares; NaN for none.

    Without a rate, or where the optimizer's first update is not known, the gradient over the weights. Adam changes a
    weight by its rate (Kingma and Ba 2015, section 2.1), but where a gradient is not large beside its epsilon, by less.
    """
    gradient = parameter.gradients[0] if parameter.gradients else None
    if gradient is None or not parameter.rms > 0 or not math.isfinite(parameter.rms):
        return math.nan
    update = first_update(m)
    if parameter.rate is None or update is None:
        return gradient.rms / parameter.rms
    moved = math.sqrt(1 - gradient.zero_share)  # root mean square of 1 where there is a gradient
    return parameter.rate * moved * update(gradient.rms / moved) / parameter.rms if moved else 0.0


def updates(m: Recorded) -> Iterator[RecordedFinding]:
    """How fast the weights of the modules before the outputs change, beside one another and beside 1/1000.

    Weights that a normalization alone reads are left out: their size sets their rate (Li and Arora 2020).
    """
    indices = [index for index in m.trunk.products if index not in m.trunk.heads
              and index not in m.trunk.only_normalized]
    speeds = {m.label(index): update_ratio(m, weight) for index in indices
              if (weight := m.trunk.weight_of(m.rows[index])) is not None and weight.trainable}
    speeds = {label: speed for label, speed in speeds.items() if 0 < speed < math.inf}
    if len(speeds) < 2:
        return
    fastest, slowest = max(speeds, key=speeds.__getitem__), min(speeds, key=speeds.__getitem__)
    spread, middle = speeds[fastest] / speeds[slowest], median(speeds.values())
    update = first_update(m)
    rates = [p.rate for p in m.recording.parameters if p.rate] if update else []
    by = cut(m.recording.optimizer or "gradient descent")
    if rates and spread < 1.05:
        text = f"One step of {by} changes the weights of every module by {number(middle)} of their size."
    elif rates:
        text = (f"One step of {by} changes the weights of the median module by {number(middle)} of their size, those "
                f"of {fastest} by {number(speeds[fastest])} and of {slowest} by {number(speeds[slowest])}.")
    else:
        text = (f"Gradient ÷ weight differs between modules by a factor of {number(spread)}, from {slowest} to "
                f"{fastest}. A rate of {number(TARGET_UPDATE / middle)} changes the weights of the median module by a "
                "thousandth in a step of gradient descent.")
    uneven = bool(rates) and spread > m.thresholds["updates"]  # without an optimizer nobody knows the updates
    yield RecordedFinding(
        "updates", "warning" if uneven else "note", "uneven" if uneven else "",
        "Uneven updates" if uneven else "Update ÷ weight" if rates else "A rate to begin with", text, spread, None,
        f"at most {number(m.thresholds['updates'])} between modules; about 1e-3 in each",
        "convention; CS231n, part 3, and makemore part 3: about 1e-3", CONVENTION, (fastest, slowest),
        "Adam, or a rate of its own for each, evens them out." if uneven and update is _AS_IT_IS else
        "Bring the weights to one scale, or give each a rate of its own." if uneven else "")
