"""What the Signal page says beside its pictures."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import groupby

import numpy as np

from initviz.app.settings import QUANTITY_LABELS, SPREAD_LABELS
from initviz.core.initializers import label_of
from initviz.core.simulation import Run, gradient_return, signal_ratio
from initviz.core.statistics import correlation_baseline
from initviz.core.wording import grouped, listed, number


def _name(run: Run) -> str:
    return label_of(run.network.initializer)


def distributions(runs: Sequence[Run], quantity: str) -> str:
    """How the spread of a quantity changes from the first to the last hidden layer."""
    last = max(runs[0].network.depth - 2, 0)

    def say(run: Run) -> str:
        std = run.column(f"{quantity}_std")
        if quantity == "delta" and run.hidden_gradient_is_round_off:
            return "0, since the errors cancel"
        first, final = (number(float(std[layer])) if math.isfinite(std[layer]) else "overflow" for layer in (0, last))
        return first if last == 0 or first == final else f"{first} → {final}"

    layers = f"from layer 1 to {last + 1}" if last else "of layer 1"
    return f"{QUANTITY_LABELS[quantity]}, standard deviation {layers}: {grouped(runs, _name, say)}."


def scrub(labels: Sequence[str], name: str, values: Sequence[float], kinds: Sequence[Sequence[str]]) -> str:
    """For which of the values, frame by frame, each start is healthy; ``kinds`` are the verdicts, a list a frame."""
    def healthy(start: int) -> str:
        good = [frame[start] == "healthy" for frame in kinds]
        ranges = [[values[at] for at, _ in group] for is_good, group in groupby(enumerate(good), lambda pair: pair[1])
                  if is_good]
        return listed([f"{part[0]:g}" if len(part) == 1 else f"{part[0]:g} to {part[-1]:g}" for part in ranges]
                      or ["nowhere"]).replace("-", "−")

    return f"{name} at which a start is healthy: {grouped(range(len(labels)), labels.__getitem__, healthy)}."


def _per_layer(runs: Sequence[Run], said: str, whole: Callable[[Run], float], quantity: str) -> str:
    hidden = runs[0].network.depth - 1
    if hidden < 2:
        return "There are fewer than two hidden layers: nothing to compare."

    def say(run: Run) -> str:
        lost = np.flatnonzero(~np.isfinite(run.column(f"{quantity}_rms")[:hidden]))
        if lost.size:
            return f"overflow in layer {lost[0 if quantity == 'activation' else -1] + 1}"
        ratio = whole(run)
        return "none" if math.isnan(ratio) else number(ratio ** (1 / (hidden - 1)))

    return f"{said}, factor a layer on average: {grouped(runs, _name, say)}."


def forward(runs: Sequence[Run]) -> str:
    """By what factor a layer multiplies the signal, on average."""
    return _per_layer(runs, "Root mean square of the activations", signal_ratio, "activation")


def backward(runs: Sequence[Run]) -> str:
    """By what factor a layer multiplies the gradient on its way back, on average."""
    return _per_layer(runs, "Length of the deltas, from right to left", gradient_return, "delta")


def theory(runs: Sequence[Run], theories: Sequence[str]) -> str:
    """What ``against_theory`` says of each run, in one sentence."""
    pairs = zip(runs, theories, strict=True)
    return f"Theory: {grouped(pairs, lambda pair: _name(pair[0]), lambda pair: pair[1])}."


def neurons(runs: Sequence[Run], layer: int) -> str:
    """How many different neurons the layer has and how much they agree."""
    def say(run: Run) -> str:
        distinct, total = run.column("distinct_neurons")[layer - 1], run.column("fan_out")[layer - 1]
        correlation = run.column("mean_abs_correlation")[layer - 1]
        agree = "" if math.isnan(correlation) else f" (mean |correlation| {number(float(correlation))})"
        return f"{distinct:.0f} of {total}{agree}" if distinct else "overflow"

    chance = number(correlation_baseline(runs[0].batch))
    return (f"Different neurons: {grouped(runs, _name, say)}; independent neurons would correlate by {chance}. "
            "Copies are equal columns. Red is positive, blue negative; each map is scaled to its own largest "
            "magnitude, which stands above it.")


def spread_title(spread: str, quantity: str) -> str:
    """Heading of a depth chart."""
    return f"{SPREAD_LABELS[spread]} of the {quantity} (log axis)"
