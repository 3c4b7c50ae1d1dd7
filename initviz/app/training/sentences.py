"""What the Training page says beside its pictures."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from initviz.core.arrays import Array
from initviz.core.wording import listed, number, percent
from initviz.training.gradient_descent import History, last_known
from initviz.training.race.outcomes import LEARNED

BEHIND = 0.02  # of held-out accuracy: a clear distance from the best
CLEAR = 1.3  # times what chance gives: an accuracy that is clearly better
SAME = 1e-3  # symmetry gap of neurons that round-off may have parted
FAINT, FAINT_NOW = 0.01, 0.1  # of the output layer's gradient norm: the first layer's that is called faint
FADED = ((1e-9, "a billionth"), (1e-6, "a millionth"), (1e-3, "a thousandth"), (FAINT, "a hundredth"))
SMALL_STEP, LARGE_STEP = -4.0, -1.0  # log10 of update over weight, whose usual size is about 1e-3


def _last_values(labels: Sequence[str], seeds: Sequence[Sequence[History]], measure: str) -> dict[str, float]:
    """Per contender the median over its seeds of the last value; those that diverged or have none are left out."""
    last: dict[str, float] = {}
    for label, histories in zip(labels, seeds, strict=True):
        values = [value for history in histories if history.diverged_at is None
                  and (value := last_known(getattr(history, measure))) is not None]
        if values and histories[0].diverged_at is None:
            last[label] = float(np.median(values))
    return last


def losses(labels: Sequence[str], seeds: Sequence[Sequence[History]], constant: float, *, softmax: bool = True) -> str:
    """Who has learned most, and who nothing; ``seeds`` holds one history a seed for each contender, as the table.

    ``constant`` is the loss of a constant output, of ``softmax`` that of equal odds.
    """
    last = _last_values(labels, seeds, "loss")
    diverged = [f"{label} at step {histories[0].diverged_at}" for label, histories in zip(labels, seeds, strict=True)
                if histories[0].diverged_at is not None]
    if not last:
        return f"Diverged: {listed(diverged)}." if diverged else ""
    least = number(min(last.values()))
    best = [label for label, loss in last.items() if number(loss) == least]
    unlearned = [label for label in last if last[label] > 0.98 * constant]
    than = "equal odds for every class" if softmax else "a constant output"
    step = max(history.steps[-1] for histories in seeds for history in histories[:1] if history.steps)
    if not step:
        return ""
    median = ", the median over seeds" if max(map(len, seeds)) > 1 else ""
    if len(unlearned) == len(last):
        return " ".join([f"After {step} steps none does better than {than}.",
                         *([f"Diverged: {listed(diverged)}."] if diverged else [])])
    has, tie = ("have", ", a tie") if len(best) > 1 else ("has", "")
    sentences = [f"After {step} steps {listed(best)} {has} the lowest loss: {least}{median}{tie}."]
    if unlearned:
        sentences.append(f"No better than {than}: {listed(unlearned)}.")
    if diverged:
        sentences.append(f"Diverged: {listed(diverged)}.")
    return " ".join(sentences)


def accuracies(labels: Sequence[str], seeds: Sequence[Sequence[History]], classes: int) -> str:
    """The best accuracy on samples that were held out."""
    last = _last_values(labels, seeds, "held_out_accuracy")
    if not last:
        begun = any(history.steps for histories in seeds for history in histories)
        return "No samples were held out, or none is left that could judge them." if begun else ""
    if max(last.values()) < CLEAR / classes:
        return f"No initialization does clearly better than chance, {percent(1 / classes)}."
    most = percent(max(last.values()))
    best = [label for label, accuracy in last.items() if percent(accuracy) == most]
    text = (f"Highest: {listed(best)}{', a tie' if len(best) > 1 else ''}, {most} right; "
            f"by chance {percent(1 / classes)}.")
    losses = {label: loss for label, loss in _last_values(labels, seeds, "loss").items() if label in last}
    fitted = min(losses, key=losses.__getitem__)
    if last[fitted] < max(last.values()) - BEHIND:
        text += (f" {fitted} has the lowest loss and {percent(last[fitted])} right here: it fits the training batch "
                 "better than what it has not seen.")
    return text


def reasons(labels: Sequence[str], histories: Sequence[History], constant: float) -> str:
    """Why each contender that has not learned has not, where its layers show it, a line a reason."""
    lines: dict[str, list[str]] = {}
    for label, history in zip(labels, histories, strict=True):
        if why := _why_not(history, constant):
            lines.setdefault(why, []).append(label)
    return "\n".join(f"- **{listed(names)}**: {why}." for why, names in lines.items())


def _why_not(history: History, constant: float) -> str:
    """What kept a network from learning, by its layers; empty where it learned or nothing stands out."""
    if not history.gradient_norm:
        return "its first loss is too large a number" if history.diverged_at == 0 else ""
    norms, gap, updates = history.gradient_norm[0], history.symmetry_gap[-1], history.update_ratio[0]
    moved = updates[np.isfinite(updates)]
    if history.diverged_at is not None:
        size = float(np.linalg.norm(norms))
        return ("its first step, this learning rate times a gradient of a norm " + (
            f"above {number(10.0 ** math.floor(math.log10(size)), 1)}" if 0 < size < math.inf else "beyond all numbers")
            + ", leaps over every minimum")
    if history.loss[-1] <= LEARNED * constant:
        return ""
    if len(gap) > 1 and (gap[:-1] < SAME).all():
        return ("the neurons of each hidden layer are still copies, and a network of copies can do no more than one "
                "with a single neuron a layer")
    if not norms.any():
        return "no layer gets a gradient"
    if len(norms) > 1 and norms[0] < FAINT * norms[-1]:
        share = next(words for least, words in FADED if norms[0] < least * norms[-1])
        return (f"the gradient fades on its way back: the first layer gets less than {share} of what the output layer "
                "gets, and hardly moves")
    if moved.size and float(np.median(moved)) < SMALL_STEP:
        return "its steps are tiny beside its weights: a larger learning rate or more steps may do"
    if moved.size and float(np.median(moved)) > LARGE_STEP:
        return "its steps are a tenth of its weights or more: a smaller learning rate may do"
    return ""


def layers(history: History, measure: str, names: Sequence[str]) -> str:
    """What the first and the last layer at the end of the race show, by what is drawn."""
    values = np.array([*getattr(history, measure)] or np.zeros((0, 0)))
    if not values.size:
        return "Nothing has been recorded yet."
    defined = np.isfinite(values).all(axis=1)
    if not defined.any():
        return ("Only ReLU's neurons can be dead." if measure == "dead_share" else
                "Not defined: the weights or their updates are 0.")
    row = values[np.flatnonzero(defined)[-1]]
    first, last = ((percent(float(value)) if measure == "dead_share" else number(float(value)))
                   for value in (row[0], row[-1]))
    step = history.steps[int(np.flatnonzero(defined)[-1])]
    ends = f"At step {step}: {names[0]} {first}" + (f", {names[len(row) - 1]} {last}." if len(row) > 1 else ".")
    return f"{ends} {_meaning(row, measure)}"


def _meaning(row: Array, measure: str) -> str:
    """What the layers' values say of the network."""
    if measure == "gradient_norm":
        if len(row) < 2 or not row.all():
            return "A layer without a gradient stays as it is." if not row.all() else ""
        share = float(row[0] / row[-1])
        return ("The first layer gets far less than the last: it hardly learns." if share < FAINT_NOW else
                "The first layer gets far more than the last: it sets how large a step may be." if share > 1 / FAINT_NOW
                else "First and last layer get gradients of a like size, so that all layers learn.")
    if measure == "symmetry_gap":
        copies = int((row[:-1] < SAME).sum()) if len(row) > 1 else 0
        return (f"In {copies} of {len(row) - 1} hidden layers the neurons are copies." if copies else
                "In every hidden layer neurons differ.")
    return ""
