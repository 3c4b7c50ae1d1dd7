"""What the Training page says beside its pictures."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from initviz.core.wording import listed, number, percent
from initviz.training.gradient_descent import History


def losses(labels: Sequence[str], histories: Sequence[History], classes: int) -> str:
    """Who has learned most, and who nothing."""
    chance = math.log(classes)
    last = {label: history.loss[-1] for label, history in zip(labels, histories, strict=True)
            if history.loss and history.diverged_at is None}
    lost = [f"{label} at step {history.diverged_at}" for label, history in zip(labels, histories, strict=True)
            if history.diverged_at is not None]
    if not last:
        return f"Diverged: {listed(lost)}." if lost else "Nothing has been trained yet."
    best = min(last, key=lambda label: last[label])
    still = [label for label in last if last[label] > 0.98 * chance]
    step = max(history.steps[-1] for history in histories if history.steps)
    said = [f"After {step} steps the lowest loss is {best}'s, {number(last[best])}."]
    if still:
        said.append(f"No better than equal odds for every class: {listed(still)}.")
    if lost:
        said.append(f"Diverged: {listed(lost)}.")
    return " ".join(said)


def accuracies(labels: Sequence[str], histories: Sequence[History], classes: int) -> str:
    """The best accuracy on samples that were held out."""
    last = {label: history.held_out_accuracy[-1] for label, history in zip(labels, histories, strict=True)
            if history.held_out_accuracy and history.diverged_at is None}
    if not last:
        return "No samples were held out, or none is left that could judge them."
    best = max(last, key=lambda label: last[label])
    return f"Highest: {best}, {percent(last[best])} right; by chance {percent(1 / classes)}."


def layers(history: History, measure: str) -> str:
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
    return f"At step {step}: layer 1 {first}" + (f", the last one {last}." if len(row) > 1 else ".")
