"""What the Symmetry page says beside its pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from initviz.charts.picture import VERDICT_COLORS
from initviz.core.wording import listed, number
from initviz.training.symmetry import ATTEMPTS, AttemptResult, LayerView, sentence_of

FADED = 0.1  # of the first hidden layer's scale: below it a signal is said to fade
MEASURES = ("Different neurons", "Effective neurons", "Scale", "Symmetry gap", "Gradient")
MATRIX_WORDS = {
    "activations": "Red is positive, blue negative. Copies are equal columns.",
    "gradient": "dL/dW of the layer's weights: red is positive, blue negative. Copies have equal columns, and so they "
                "take equal steps.",
    "similarities": "Correlation of two neurons over the batch: red 1, blue −1. Red off the diagonal: neurons that say "
                    "the same. Gray: not defined, for a neuron that does not vary."}


def effective_neurons(view: LayerView) -> float:
    """The participation ratio; 1 for copies that do not vary over the batch, where the ratio itself is 0/0."""
    constant = view.diversity.distinct_neurons == 1 and view.rms > 0 and view.diversity.sample_spread == 0
    return 1.0 if constant else view.diversity.participation_ratio


def head(layers: Sequence[LayerView]) -> tuple[str, str]:
    """What is seen of an initializer, in a word, and the color of that word's band."""
    outcome = _outcome(layers)
    return outcome.word, VERDICT_COLORS[outcome.severity]


def collapses(labels: Sequence[str], views: Sequence[Sequence[LayerView]]) -> str:
    """Which of the two collapses each initializer's last hidden layer shows, and why, one line per case."""
    cases: dict[str, list[str]] = {}
    for label, layers in zip(labels, views, strict=True):
        cases.setdefault(_outcome(layers).sentence, []).append(label)
    return "\n".join(f"- **{listed(names)}**: {words}" for words, names in cases.items())


class _Outcome(NamedTuple):
    """What an initializer's last hidden layer shows: in a word, how severe that is, and why."""

    word: str
    severity: str | None
    sentence: str


def _outcome(layers: Sequence[LayerView]) -> _Outcome:
    if not layers:
        return _Outcome("diverged", "error", "training has diverged.")
    last = layers[-1]
    distinct = last.diversity.distinct_neurons
    if last.rms == 0:
        return _Outcome("no signal", "error",
                        "**no signal**. Nothing arrives at the last hidden layer, whatever the sample.")
    if not distinct:
        return _Outcome("overflow", "error", "the numbers overflow.")
    if distinct == 1:
        return _Outcome("copies", "error", "**copies**. " + (
            "The neurons of a layer have equal weights, so they compute the same sum, get the same gradient and take "
            "the same step: training cannot tell them apart." if last.gap == 0 else
            "The neurons of the last hidden layer put out the same."))
    if distinct < last.neurons:
        return _Outcome("some copies", "warning", "**some copies**. The other neurons differ.")
    if last.rms < FADED * layers[0].rms:
        return _Outcome("fading", "warning", "**different neurons**, but a signal that fades on its way.")
    return _Outcome("different", None, "**different neurons**. Weights of their own give each neuron a sum of its own.")


def layer_rows(labels: Sequence[str], views: Sequence[Sequence[LayerView]], layer: int) -> list[dict[str, str]]:
    """What is measured of one layer, one row per initializer."""
    rows = []
    for label, layers in zip(labels, views, strict=True):
        if not layers:
            rows.append({"Initializer": label} | dict.fromkeys(MEASURES, "diverged"))
            continue
        view = layers[layer - 1]
        distinct = view.diversity.distinct_neurons
        measured = (f"{distinct} of {view.neurons}" if distinct else "overflow",
                    number(effective_neurons(view)) if view.rms else "no signal", number(view.rms), number(view.gap),
                    "0: the errors cancel" if view.canceled else number(view.gradient_rms))
        rows.append({"Initializer": label} | dict(zip(MEASURES, measured, strict=True)))
    return rows


def attempts(results: Sequence[AttemptResult], steps: int) -> str:
    """Which attempts broke the symmetry, and which did not."""
    broke = [ATTEMPTS[r.key].label for r in results if r.split_at]
    never = [ATTEMPTS[r.key].label for r in results if r.split_at == 0]
    still_copies = [ATTEMPTS[r.key].label for r in results if r.split_at is None]
    parts = [f"- **Copies come apart** within {steps} steps, as something treats them differently: {'; '.join(broke)}."
             if broke else "",
             f"- **No copies** from the first step on: {'; '.join(never)}." if never else "",
             f"- **They stay copies** for these {steps} steps: {'; '.join(still_copies)}." if still_copies else ""]
    return "\n".join(part for part in parts if part)


def attempt_rows(results: Sequence[AttemptResult], optimizer: str) -> list[dict[str, str]]:
    """A row an attempt: what is changed, and what came of it."""
    return [{
        "Attempt": ATTEMPTS[result.key].label, "What is changed": sentence_of(result.key, optimizer),
        "Parts at step": "never" if result.split_at is None else str(result.split_at),
        "Last gap": number(result.gap[-1]) if result.gap else "not defined",
        "First loss": number(result.first_loss), "Last loss": number(result.last_loss),
        "Different neurons": f"{result.neurons} of {result.width}" if result.neurons else "diverged"}
        for result in results]
