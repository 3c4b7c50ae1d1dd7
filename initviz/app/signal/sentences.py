"""What the Signal page says beside its pictures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from initviz.app.settings import CONTROLS, QUANTITY_LABELS, SPREAD_LABELS, Settings
from initviz.charts.depth import statistic_of
from initviz.core.initializers import initialize, label_of
from initviz.core.simulation import NEURON_QUANTITIES, Run
from initviz.core.statistics import correlation_baseline
from initviz.core.wording import grouped, listed, number


def _name(run: Run) -> str:
    return label_of(run.network.initializer)


def question(settings: Settings) -> str:
    """The question that the first picture answers."""
    sent = "One sample goes" if settings.view == "one" else f"{settings.batch} samples go"
    return f"{sent} through an untrained network: do the neurons stay spread out, collapse, fade or blow up?"


def picture_title(settings: Settings, one_sample: bool) -> str:
    """What the first picture shows, for a file that stands alone."""
    whose = (f" of every neuron for sample {settings.sample}" if one_sample else
             " of all samples" if settings.quantity in NEURON_QUANTITIES else "")
    return f"{QUANTITY_LABELS[settings.quantity]}{whose}, layer by layer"


def how_to_read(quantity: str, one_sample: bool, sample: int) -> str:
    """How to read the first picture, in a sentence."""
    name = QUANTITY_LABELS[quantity]
    counted = (f"{name} of every neuron for sample {sample} alone: a needle is a layer whose neurons all say the same"
               if one_sample else f"{name}, all values: here a spread may be that of the samples, not of the neurons"
               if quantity in ("activation", "preactivation", "delta") else
               f"{name}, all values: they are of the whole batch" if quantity == "weight_gradient" else
               f"{name}, all values: they are the same whatever the sample")
    return f"{counted}. Each layer is drawn to its own peak; ← and → are shares beyond the axis."


def unmoved(settings: Settings, key: str, low: float, high: float) -> str:
    """Which columns the slider in the picture does not move."""
    still = [label_of(name) for name in settings.init if not _moves(settings, key, low, high, name)]
    label = CONTROLS[key].label
    if not still:
        return f"{label} moves every column."
    return f"{label} does nothing for {listed(still)}: {'its' if len(still) == 1 else 'their'} weights stay the same."


def _moves(settings: Settings, key: str, low: float, high: float, name: str) -> bool:
    """Whether an initializer's weights differ between two values of a setting."""
    changes: list[dict[str, Any]] = [{key: low}, {key: high}]
    first, last = (replace(settings, **change).network(name) for change in changes)
    drawn = initialize(name, 8, 8, rng=np.random.default_rng(0), **settings.initializer_params(name))
    return first != last and bool(drawn.any())


def _per_layer(runs: Sequence[Run], quantity: str, spread: str) -> str:
    """The factor by which a layer multiplies the statistic that is drawn, on average over the hidden layers."""
    hidden, statistic = runs[0].network.depth - 1, statistic_of(quantity, spread)
    if hidden < 2:
        return "There are fewer than two hidden layers: nothing to compare."

    def say(run: Run) -> str:
        if quantity == "delta" and run.hidden_gradient_is_round_off:
            return "none, since the errors cancel"
        values = run.column(f"{quantity}_{statistic}")[:hidden]
        lost = np.flatnonzero(~np.isfinite(values))
        if lost.size:
            return f"overflow in layer {lost[0 if quantity == 'activation' else -1] + 1}"
        first, last = (values[0], values[-1]) if quantity == "activation" else (values[-1], values[0])
        return number((last / first) ** (1 / (hidden - 1))) if first > 0 and last > 0 else "none"

    direction = "" if quantity == "activation" else " from right to left"
    return f"{SPREAD_LABELS[statistic]}{direction}, factor a layer on average: {grouped(runs, _name, say)}."


def forward(runs: Sequence[Run], spread: str) -> str:
    """By what factor a layer multiplies the activations' scale, on average."""
    return _per_layer(runs, "activation", spread)


def backward(runs: Sequence[Run], spread: str) -> str:
    """By what factor a layer multiplies the deltas' scale on its way back, on average."""
    return _per_layer(runs, "delta", spread)


def theory(runs: Sequence[Run], theories: Sequence[str]) -> str:
    """The comparison of each run with theory, by ``against_theory``, in one sentence."""
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


def spread_title(spread: str, quantity: str, name: str) -> str:
    """Heading of a depth chart of the quantity, which is called ``name``."""
    statistic = statistic_of(quantity, spread)
    measured = "Root mean square in the median sample" if statistic == "median_rms" else SPREAD_LABELS[statistic]
    return f"{measured} of the {name} (log axis)"


def lines(spread: str, *, theory_has_band: bool) -> str:
    """What the lines and bands of the depth charts show, in a sentence."""
    dashed = "Forward, shaded: the middle 80 % of the samples. Backward, dashed" if spread == "median_rms" else "Dashed"
    band = "; shaded: where about 96 % of all draws of the weights stay" if theory_has_band else ""
    return f"Solid: measured. {dashed}: theory, what infinitely wide layers do{band}."


def band(*, theory_has_band: bool) -> str:
    """How theory's line and band are made."""
    made = ("The band is that of a network of this width, in which all hidden layers lie at once in about 96 % of all "
            "draws of the weights; it is made from draws of the very law. " if theory_has_band else "")
    return f"{made}On the way back theory begins with the measured error at the output."
