"""What the Symmetry page says beside its pictures."""

from __future__ import annotations

from collections.abc import Sequence

from initviz.core.wording import grouped, number
from initviz.training.symmetry import ATTEMPTS, LayerView, Result, sentence_of

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


def neurons_in_words(effective: float) -> str:
    """An effective number of neurons: 1 neuron, 54 neurons."""
    return f"{number(effective)} neuron{'' if number(effective) == '1' else 's'}"


def collapses(labels: Sequence[str], views: Sequence[Sequence[LayerView]]) -> str:
    """Which of the two collapses each initializer's last hidden layer shows, in words."""
    def say(layers: Sequence[LayerView]) -> str:
        if not layers:
            return "diverged"
        if layers[-1].rms == 0:
            return "no signal at all"
        return f"{neurons_in_words(effective_neurons(layers[-1]))} at a scale of {number(layers[-1].rms)}"

    return "; ".join(f"{label}: {say(layers)}" for label, layers in zip(labels, views, strict=True)) + "."


def copies(labels: Sequence[str], views: Sequence[Sequence[LayerView]], layer: int, where: str) -> str:
    """Different neurons and symmetry gap of one layer, which is called ``where``."""
    def say(layers: Sequence[LayerView]) -> str:
        view = layers[layer - 1]
        if not view.diversity.distinct_neurons:
            return "has overflowed"
        gap = "symmetry gap 0" if view.gap == 0 else f"symmetry gap {number(view.gap)}"
        canceled = ", gradient 0 (the errors cancel)" if view.canceled else ""
        effective = f"effectively {number(effective_neurons(view))}" if view.rms else "no signal"
        return f"{view.diversity.distinct_neurons} of {view.neurons}, {effective}, {gap}{canceled}"

    there = [(label, layers) for label, layers in zip(labels, views, strict=True) if layers]
    if not there:
        return "Training has diverged with every initializer."
    return (f"Different neurons in {where}: {grouped(there, lambda pair: pair[0], lambda pair: say(pair[1]))}. "
            "Symmetry gap: how far a neuron's incoming weights are from the first neuron's, relative to it; 0 for "
            "copies.")


def attempts(results: Sequence[Result], steps: int) -> str:
    """Which attempts broke the symmetry, and when."""
    broke = [f"{ATTEMPTS[r.key].label} (step {r.split_at})" for r in results if r.split_at]
    never = [ATTEMPTS[r.key].label for r in results if r.split_at == 0]
    kept = [ATTEMPTS[r.key].label for r in results if r.split_at is None]
    parts = [f"Copies came apart within {steps} steps: {'; '.join(broke)}." if broke else "",
             f"No copies from the first step on: {'; '.join(never)}." if never else "",
             f"They stayed copies: {'; '.join(kept)}." if kept else ""]
    return " ".join(part for part in parts if part)


def attempt_rows(results: Sequence[Result], optimizer: str) -> list[dict[str, str]]:
    """A row an attempt: what is changed, and what came of it."""
    return [{
        "Attempt": ATTEMPTS[result.key].label, "What is changed": sentence_of(result.key, optimizer),
        "Split at step": "never" if result.split_at is None else str(result.split_at),
        "Last gap": number(result.gap[-1]) if result.gap else "not defined",
        "First loss": number(result.first_loss), "Last loss": number(result.last_loss),
        "Different neurons": f"{result.neurons} of {result.width}" if result.neurons else "diverged"}
        for result in results]
