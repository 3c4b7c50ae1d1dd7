"""One sentence beside each picture: what to see in it, with the numbers of this very run."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import groupby

from initviz.charts.picture import label_of
from initviz.diagnosis import gradient_return, number, signal_ratio
from initviz.meanfield import FixedPoint
from initviz.settings import QUANTITY_LABELS, SPREAD_LABELS
from initviz.simulation import Run
from initviz.statistics import correlation_baseline
from initviz.symmetry import ATTEMPTS, LayerView, Result


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _grouped(runs: Sequence[Run], say: Callable[[Run], str]) -> str:
    """What is said of each run, runs of which the same is said together."""
    groups: dict[str, list[str]] = {}
    for run in runs:
        groups.setdefault(say(run), []).append(label_of(run.network.initializer))
    return "; ".join(f"{_listed(names)} {said}" for said, names in groups.items())


def distributions(runs: Sequence[Run], quantity: str) -> str:
    """How the spread of a quantity changes from the first to the last hidden layer."""
    last = max(runs[0].network.depth - 2, 0)

    def say(run: Run) -> str:
        std = run.column(f"{quantity}_std")
        if quantity == "delta" and run.hidden_gradient_is_round_off:
            return "0, since the errors cancel"
        first, final = number(float(std[0])), number(float(std[last]))
        return first if last == 0 or first == final else f"{first} → {final}"

    layers = f"from layer 1 to {last + 1}" if last else "of layer 1"
    return f"{QUANTITY_LABELS[quantity]}, standard deviation {layers}: {_grouped(runs, say)}."


def scrub(labels: Sequence[str], name: str, values: Sequence[float], kinds: Sequence[Sequence[str]]) -> str:
    """For which of the values, frame by frame, each start is healthy; ``kinds`` are the verdicts, a list a frame."""
    def healthy(start: int) -> str:
        good = [frame[start] == "healthy" for frame in kinds]
        ranges = [[values[at] for at, _ in group] for is_good, group in groupby(enumerate(good), lambda pair: pair[1])
                  if is_good]
        return _listed([f"{part[0]:g}" if len(part) == 1 else f"{part[0]:g} to {part[-1]:g}" for part in ranges] or
                       ["no value"])

    groups: dict[str, list[str]] = {}
    for start, label in enumerate(labels):
        groups.setdefault(healthy(start), []).append(label)
    return f"{name} at which a start is healthy: " + "; ".join(
        f"{_listed(names)} {said}" for said, names in groups.items()) + "."


def _per_layer(runs: Sequence[Run], said: str, whole: Callable[[Run], float]) -> str:
    hidden = runs[0].network.depth - 1
    if hidden < 2:
        return "There are fewer than two hidden layers: nothing to compare."

    def say(run: Run) -> str:
        ratio = whole(run)
        return "none" if math.isnan(ratio) else number(ratio ** (1 / (hidden - 1)))

    return f"{said} by, on average: {_grouped(runs, say)}."


def forward(runs: Sequence[Run]) -> str:
    """By what factor a layer multiplies the signal, on average."""
    return _per_layer(runs, "Each layer multiplies the root mean square of the activations", signal_ratio)


def backward(runs: Sequence[Run]) -> str:
    """By what factor a layer multiplies the gradient on its way back, on average."""
    return _per_layer(runs, "On its way back, right to left, each layer multiplies the gradient", gradient_return)


def neurons(runs: Sequence[Run], layer: int) -> str:
    """How many different neurons the layer has and how much they agree."""
    def say(run: Run) -> str:
        distinct, total = run.column("distinct_neurons")[layer - 1], run.column("fan_out")[layer - 1]
        correlation = run.column("mean_abs_correlation")[layer - 1]
        agree = "" if math.isnan(correlation) else f" (mean |correlation| {number(float(correlation))})"
        return f"{distinct:.0f} of {total}{agree}" if distinct else "overflow"

    chance = number(correlation_baseline(runs[0].batch))
    return (f"Different neurons: {_grouped(runs, say)}; independent neurons would correlate by {chance}. "
            "Copies are equal columns; each map is scaled to its own largest magnitude, which stands above it.")


def spread_title(spread: str, quantity: str) -> str:
    """Heading of a depth chart."""
    return f"{SPREAD_LABELS[spread]} of the {quantity}"


def collapses(labels: Sequence[str], views: Sequence[Sequence[LayerView]]) -> str:
    """Scale and variety of each start's last hidden layer."""
    parts = []
    for label, layers in zip(labels, views, strict=True):
        if not layers:
            parts.append(f"{label} has diverged")
        elif layers[-1].rms == 0:
            parts.append(f"{label} has no signal at all")
        else:
            last = layers[-1]
            parts.append(f"{label} has a scale of {number(last.rms)} and {number(last.variety)} effective neurons")
    return f"In the last hidden layer {_listed(parts)}."


def copies(labels: Sequence[str], views: Sequence[Sequence[LayerView]], layer: int) -> str:
    """Different neurons and symmetry gap of one layer."""
    parts = []
    for label, layers in zip(labels, views, strict=True):
        if layers:
            view = layers[layer - 1]
            gap = ("symmetry gap 0" if view.gap == 0 else f"symmetry gap {number(view.gap)}") + (
                ", gradient 0 (the errors cancel)" if view.cancelled else "")
            found = view.diversity
            variety = f"participation ratio {number(found.participation_ratio)}"
            parts.append(f"{label} {found.distinct_neurons} of {view.neurons}, {variety}, {gap}"
                         if found.distinct_neurons else f"{label} has overflowed")
    return f"Different neurons in layer {layer}: {'; '.join(parts)}." if parts else "Every start has diverged."


def attempts(results: Sequence[Result], steps: int) -> str:
    """Which attempts broke the symmetry, and when."""
    broke = [f"{ATTEMPTS[r.key].label} ({f'step {r.split_at}' if r.split_at else 'from the start'})"
             for r in results if r.split_at is not None]
    kept = [ATTEMPTS[r.key].label for r in results if r.split_at is None]
    said = f"Copies came apart within {steps} steps: {'; '.join(broke)}. " if broke else ""
    return said + (f"They stayed copies: {'; '.join(kept)}." if kept else "")


PHASES = {
    "ordered": "ordered: inputs become alike, the gradient vanishes",
    "chaotic": "chaotic: near inputs are driven apart, the gradient explodes",
    "critical": "critical: the gradient keeps its scale",
    "unbounded": "without bound: the length of the signal grows in every layer"}


def _layers(depth: float) -> str:
    if math.isnan(depth):
        return "not defined"
    return "no limit" if math.isinf(depth) else f"{number(abs(depth))} layers"


def point(found: FixedPoint) -> list[tuple[str, str, str]]:
    """(name, value, meaning) of what theory says of a point."""
    slow = " (slowly: at σ_b = 0 the critical point is reached like 1/l, not exponentially)"
    vanishes = found.q == 0
    growth = "grows to e-fold" if found.depth_of_gradient < 0 else "falls to 1/e"
    return [
        ("q*", "grows without bound" if math.isinf(found.q) else
         "0" + (slow if abs(found.chi - 1) < 1e-6 else "") if vanishes else number(found.q, 3),
         "length: the variance of a preactivation in deep layers"),
        ("χ₁", number(found.chi, 3), "what a layer multiplies the squared gradient by"),
        ("c*", "not defined" if vanishes else number(found.correlation, 3),
         "correlation that any two inputs end up with"),
        ("ξ_q", _layers(found.depth_of_length), "a length's distance from q* falls to 1/e"),
        ("ξ_c", _layers(found.depth_of_correlation), "a correlation's distance from c* falls to 1/e"),
        ("ξ_∇", _layers(found.depth_of_gradient), f"the squared gradient {growth}")]


def dead(expected: Sequence[float], measured: Sequence[float], lost: float, bias: float) -> str:
    """The last hidden layer's dead share, predicted and measured, and the probability of a layer that is off."""
    there = (f"In layer {len(expected)} theory expects {number(float(expected[-1]), 3)}, and this network has "
             f"{number(float(measured[-1]), 3)}." if math.isfinite(expected[-1]) and math.isfinite(measured[-1])
             else "The signal is 0 or overflows, so that theory expects no share.")
    return there + ("" if bias else f" For one sample, some layer is off as a whole with probability {number(lost)}: "
                    "1 − Π(1 − 2⁻ⁿ) over the widths n, whatever the scale (Lu et al. 2020).")


def correlation(expected: Sequence[float], measured: Sequence[float]) -> str:
    """Where two inputs' correlation ends, predicted and measured."""
    if math.isnan(expected[-1]):
        return "There is no signal whose correlation could be taken: σ_w and σ_b are 0, or the length overflows."
    return (f"In layer {len(expected)} theory expects {number(float(expected[-1]), 3)}, and this network has "
            f"{number(float(measured[-1]), 3)}. At 1 the network no longer tells the two inputs apart.")
