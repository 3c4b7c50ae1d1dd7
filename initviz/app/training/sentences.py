"""What the Training page says beside its pictures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from initviz.core.wording import listed, number, percent
from initviz.training.gradient_descent import History, last_known


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
    step = max(history.steps[-1] for histories in seeds for history in histories[:1] if history.steps)
    median = ", the median over seeds" if max(map(len, seeds)) > 1 else ""
    sentences = [f"After {step} steps the lowest loss is {least}{median}: {listed(best)}"
                 f"{', a tie' if len(best) > 1 else ''}."]
    if unlearned:
        than = "equal odds for every class" if softmax else "a constant output"
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
    most = percent(max(last.values()))
    best = [label for label, accuracy in last.items() if percent(accuracy) == most]
    return (f"Highest: {listed(best)}{', a tie' if len(best) > 1 else ''}, {most} right; "
            f"by chance {percent(1 / classes)}.")


def layers(history: History, measure: str, names: Sequence[str]) -> str:
    """The first and the last layer at the end of the race, by what is drawn."""
    values = np.array([*getattr(history, measure)] or np.zeros((0, 0)))
    if not values.size:
        return "Nothing has been recorded yet."
    known = np.isfinite(values).all(axis=1)
    if not known.any():
        return ("Only ReLU's neurons can be dead." if measure == "dead_share" else
                "Not defined: the weights or their updates are 0.")
    row = values[np.flatnonzero(known)[-1]]
    first, last = ((percent(float(value)) if measure == "dead_share" else number(float(value)))
                   for value in (row[0], row[-1]))
    step = history.steps[int(np.flatnonzero(known)[-1])]
    return f"At step {step}: {names[0]} {first}" + (f", {names[len(row) - 1]} {last}." if len(row) > 1 else ".")
