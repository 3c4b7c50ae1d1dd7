"""A walk of seven steps for a newcomer: each asks for a guess, then computes what happens.

No answer is written down: a step says what is measured, and which answer is right follows from the number.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np

from initviz.app.settings import Settings
from initviz.charts.plots import Line, Plot
from initviz.core.batches import make_batch
from initviz.core.initializers import label_of
from initviz.core.simulation import Run, signal_ratio, simulate
from initviz.core.wording import listed, number, percent
from initviz.training.gradient_descent import Recipe, race, recorded_steps

TRAINING_STEPS, TRAINING_RATE = 100, 0.005
LEARNED = 0.5  # of the loss at chance: a convention
TRAINED = ("zeros", "constant", "normal", "xavier_normal", "he_normal", "lecun_normal")


@dataclass(frozen=True)
class Answer:
    """An answer to choose, and the measured numbers for which it is right: ``low <= measured <= high``."""

    label: str
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Seen:
    """What a step computed: the number that decides, two sentences, and what to draw, a run or a plot."""

    measured: float
    said: str
    run: Run | None = None
    plot: Plot | None = None


@dataclass(frozen=True)
class Step:
    """One step: what is set, what is asked, the answers, what is computed for a seed, and the page to go on with."""

    title: str
    task: str
    question: str
    answers: tuple[Answer, ...]
    changes: Mapping[str, Any]
    look: Callable[[Settings], Seen]
    page: str = "signal"

    def settings(self, seed: int) -> Settings:
        """The case as the explorer has it."""
        return replace(Settings(), seed=seed, **self.changes)

    def right(self, seen: Seen) -> Answer:
        """The answer that the measured number makes right."""
        return next(answer for answer in self.answers if answer.low <= seen.measured <= answer.high)


def _run(settings: Settings) -> Run:
    batch = make_batch(settings.input, settings.batch, seed=settings.seed)
    return simulate(settings.network(settings.init[0]), batch, scale=settings.scale, counted=("activation",))


def _last(run: Run, name: str) -> float:
    """A statistic of the last hidden layer."""
    return float(run.column(name)[-2])


def _spread(settings: Settings) -> Seen:
    run = _run(settings)
    width = settings.width
    distinct = float(run.column("distinct_neurons")[0])
    stuck = float(run.column("saturated_share")[0])
    return Seen(distinct, f"Layer 1 has {distinct:.0f} different neurons of {width}, and {percent(stuck)} of their "
                "outputs are beyond ±0.97. A layer can tell inputs apart where its neurons differ and its outputs are "
                "neither 0 nor stuck at the ends.", run)


def _copies(settings: Settings) -> Seen:
    run = _run(settings)
    distinct, rms = _last(run, "distinct_neurons"), _last(run, "activation_rms")
    back = "nothing" if run.hidden_gradient_is_round_off or not run.column("weight_gradient_rms")[0] else "something"
    neurons = (f"one neuron {settings.width} times" if distinct == 1 else
               f"{distinct:.0f} different neurons of {settings.width}")
    return Seen(distinct, f"The last hidden layer is {neurons}, with outputs of a root mean square of {number(rms)}. "
                f"On the way back {back} of the gradient reaches layer 1.", run)


def _scale(settings: Settings) -> Seen:
    run = _run(settings)
    kept = signal_ratio(run)
    return Seen(kept, f"The last hidden layer's signal is {number(kept)} of the first's, while "
                f"{_last(run, 'distinct_neurons'):.0f} of {settings.width} neurons differ. Each layer multiplies it by "
                f"{number(kept ** (1 / (settings.depth - 2)))}, and so would the next.", run)


def _saturation(settings: Settings) -> Seen:
    run = _run(settings)
    share = _last(run, "saturated_share")
    return Seen(share, f"{percent(share)} of the last hidden layer's outputs are at tanh's ends, where its slope is "
                "almost 0. What comes back is multiplied by that slope: such neurons hardly learn.", run)


def _training(settings: Settings) -> Seen:
    batch = make_batch(settings.input, settings.batch, seed=settings.seed)
    run = race(settings.networks(), batch, Recipe(settings.optimizer, settings.rate, settings.steps),
               record=recorded_steps(settings.steps, 40)).advance()
    chance = math.log(batch.outputs)
    last = [history.loss[-1] if history.diverged_at is None else math.inf for history in run.histories]
    learned = [label_of(key) for key, loss in zip(settings.init, last, strict=True) if loss <= LEARNED * chance]
    stuck = [label_of(key) for key, loss in zip(settings.init, last, strict=True) if loss > LEARNED * chance]
    lines = [Line(label_of(key), np.array(history.steps), np.array(history.loss), initializer=key)
             for key, history in zip(settings.init, run.histories, strict=True)]
    said = [f"{listed(learned) if learned else 'None'} came below half of the loss of mere chance, {chance:.2f}.",
            f"Still above it: {listed(stuck)}." if stuck else "All learned."]
    return Seen(float(len(learned)), " ".join(said),
                plot=Plot("Loss during training", "step", lines, guides=[(chance, "chance, ln 10")], points=False))


def _changes(init: str | tuple[str, ...], **more: Any) -> Mapping[str, Any]:
    return MappingProxyType({"init": (init,) if isinstance(init, str) else init} | more)


_COUNTS = (Answer("All 128", 127, 128), Answer("Some of them", 2, 126), Answer("One: the rest are its copies", 0, 1))
_RATIOS = (Answer("About the same", 0.5, 2), Answer("Weaker: a half to a hundredth", 0.01, 0.5),
           Answer("Less than a hundredth", 0, 0.01), Answer("Stronger", 2, math.inf))

STEPS: Mapping[str, Step] = MappingProxyType({
    "layer": Step(
        "Look at a layer", "Pictures of digits, 64 pixels each, go through nine hidden layers of 128 neurons to ten "
        "outputs. A neuron adds up its weighted inputs and squeezes the sum into −1 to 1 (tanh). The weights are drawn "
        "at random by Xavier's rule: the wider the layer, the smaller.",
        "How many of the 128 neurons in layer 1 give different outputs?", _COUNTS, _changes("xavier_normal"), _spread),
    "zeros": Step(
        "Start with zeros", "The same network with every weight set to 0.",
        "How many different neurons does the last hidden layer have?", _COUNTS, _changes("zeros"), _copies),
    "constant": Step(
        "Start with a constant", "Not 0 but 0.1, the same for every weight, so that a signal does pass.",
        "How many different neurons does the last hidden layer have now?", _COUNTS, _changes("constant"), _copies),
    "small": Step(
        "Small random weights", "Random again, so that neurons differ, but small: a standard deviation of 0.01.",
        "How strong is the signal in the last hidden layer, compared with the first?", _RATIOS,
        _changes("normal", std=0.01, scale="symlog"), _scale),
    "large": Step(
        "Large random weights", "Random and large: a standard deviation of 1.",
        "What share of the last hidden layer's outputs is stuck at tanh's ends, beyond ±0.97?",
        (Answer("Less than a tenth", 0, 0.1), Answer("A tenth to a half", 0.1, 0.5), Answer("More than half", 0.5, 1)),
        _changes("normal", std=1.0), _saturation),
    "scaled": Step(
        "Scaled to the fan-in", "Random with a standard deviation of 1/√n, where n is the number of inputs of a "
        "neuron: LeCun's rule.", "How strong is the signal in the last hidden layer, compared with the first?", _RATIOS,
        _changes("lecun_normal"), _scale),
    "train": Step(
        "Train", f"Six starts learn the same 128 digits for {TRAINING_STEPS} steps: zeros, the constant, Normal (0.01) "
        "and Xavier, He and LeCun. A step moves every weight a little against its gradient (by Adam's rule); the loss "
        "is what wrong answers cost.", "How many of the six come below half of the loss of mere chance?",
        (Answer("None", 0, 0), Answer("Some", 1, 5), Answer("All six", 6, 6)),
        _changes(TRAINED, depth=6, width=64, optimizer="adam", rate=TRAINING_RATE, steps=TRAINING_STEPS), _training,
        "training"),
})
