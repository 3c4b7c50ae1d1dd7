"""The steps of the lesson for a newcomer: each asks for a guess, then computes what happens.

No answer is written down: a step computes a number, and which answer is right follows from it. Each other answer has
the reason why it is not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from initviz.app.lesson import computed, small_network, variance
from initviz.app.lesson.computed import StepOutcome
from initviz.app.settings import Settings
from initviz.claims.experiment import on_zeros

TRAINING_STEPS, TRAINING_RATE = 100, 0.005
TRAINED = ("zeros", "constant", "normal", "xavier_normal", "he_normal", "lecun_normal")
SMALL, LARGE = 0.01, 1.0  # standard deviations
WIDTH = Settings().width
SUM = math.sqrt(WIDTH)  # how much larger a sum of WIDTH independent terms is than one of them


@dataclass(frozen=True)
class Answer:
    """An answer to choose, the numbers for which it is right (``low <= measured <= high``), why it is not otherwise."""

    label: str
    low: float
    high: float
    reason: str


@dataclass(frozen=True)
class Step:
    """One step: what is set, what is asked, the answers, what is computed for a seed, and the page to go on with."""

    title: str
    task: str
    question: str
    answers: tuple[Answer, ...]
    changes: Mapping[str, Any]
    compute: Callable[[Settings], StepOutcome]
    page: str = "signal"
    more: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))  # of that page's own widgets

    def settings(self, seed: int) -> Settings:
        """The case as the explorer has it."""
        return replace(Settings(), seed=seed, **self.changes)

    def right(self, outcome: StepOutcome) -> Answer:
        """The answer that the measured number makes right."""
        return next(answer for answer in self.answers if answer.low <= outcome.measured <= answer.high)


def _changes(init: str | tuple[str, ...], **more: Any) -> Mapping[str, Any]:
    return MappingProxyType({"init": (init,) if isinstance(init, str) else init} | more)


def _counts(every: str, some: str, one: str) -> tuple[Answer, ...]:
    """How many neurons differ, with the reason against each answer."""
    return (Answer(f"All {WIDTH}", WIDTH - 1, WIDTH, every), Answer("Some of them", 2, WIDTH - 2, some),
            Answer("One: the rest are its copies", 0, 1, one))


def _ratios(same: str, weaker: str, weak: str, gone: str, stronger: str) -> tuple[Answer, ...]:
    """How strong a signal is beside another, with the reason against each answer."""
    return (Answer("About the same: at least four fifths", 0.8, 1.25, same),
            Answer("A fifth to four fifths", 0.2, 0.8, weaker), Answer("A hundredth to a fifth", 0.01, 0.2, weak),
            Answer("Less than a hundredth", 0, 0.01, gone), Answer("Stronger", 1.25, math.inf, stronger))


_EQUAL_WEIGHTS = ("Only their weights could tell neurons of a layer apart, since all get the same inputs: here they "
                  "are equal.")
_NO_TWO = ("Two tanh neurons agree on every picture only where their sums do, and sums over weights drawn at random "
           "differ.")
_FACTOR = f"√{WIDTH} × {SMALL:g} = {SUM * SMALL:.2f}"
_SUMS = f"√{WIDTH} × {LARGE:g} = {SUM * LARGE:.0f}"

STEPS: Mapping[str, Step] = MappingProxyType({
    "layer": Step(
        "Look at a layer", "Pictures of digits, 64 pixels each, go through nine hidden layers of 128 neurons to ten "
        "outputs. A neuron adds up its weighted inputs and squeezes the sum into −1 to 1 (tanh). The weights are drawn "
        "at random by Xavier's rule: the wider the layer, the smaller.",
        "How many of the 128 neurons in layer 1 give different outputs?",
        _counts("Here some draws agree up to the precision of the numbers.", _NO_TWO,
                f"{_NO_TWO} Copies need equal weights."),
        _changes("xavier_normal"), computed.first_layer),
    "zeros": Step(
        "Initialize with zeros", "The same network with every weight set to 0.",
        "How many different neurons does the last hidden layer have?",
        _counts(f"{_EQUAL_WEIGHTS} Each adds up 0, whatever the picture.",
                f"{_EQUAL_WEIGHTS} Nothing singles out some of them.", "Here the neurons are not all alike."),
        _changes("zeros"), computed.copies),
    "constant": Step(
        "Initialize with a constant", "Not 0 but 0.1, the same for every weight, so that a signal does pass.",
        "How many different neurons does the last hidden layer have now?",
        _counts(f"{_EQUAL_WEIGHTS} The signal that passes differs from picture to picture, not from neuron to neuron.",
                f"{_EQUAL_WEIGHTS} Nothing singles out some of them.", "Here the neurons are not all alike."),
        _changes("constant"), computed.copies),
    "hand": Step(
        "Follow it by hand", "A network small enough to be followed number by number: two inputs, three hidden "
                             "neurons, "
        f"one output. Every weight is {small_network.EQUAL[0]:g}. A step of gradient descent moves each weight against "
        "its gradient: how the loss would change with it.",
        "After one step, how many of the three hidden neurons are different?",
        (Answer("All three", 3, 3, "A weight's gradient is the neuron's input times its δ, and δ comes from its "
                                   "outgoing weight "
                "and its own value: equal neurons have all of them equal, so they take equal steps."),
         Answer("Two", 2, 2, "Nothing could choose which neuron leaves the others: their numbers are the same, so "
                             "their "
                "gradients are."),
         Answer("One: the others are still its copies", 0, 1, "Here the step has told neurons apart.")),
        _changes(("constant", "xavier_normal"), constant=0.5, depth=2, after_steps=1), computed.by_hand, "symmetry"),
    "small": Step(
        "Small random weights", f"Random again, so that neurons differ, but small: a standard deviation of {SMALL:g}.",
        "How strong is the signal in the last hidden layer, compared with the first?",
        _ratios(f"A sum of {WIDTH} terms, each times a weight of about {SMALL:g}, keeps about {_FACTOR} of their "
                "size: a layer does not hand on what it gets.",
                f"One layer alone keeps only about {_FACTOR}, and eight lie between the first and the last.",
                f"That would be one layer, which keeps about {_FACTOR}; eight of them lie between the first and the "
                "last, and their factors multiply.",
                "Here the layers keep more than that.",
                f"A sum of {WIDTH} terms could grow, but each is multiplied by about {SMALL:g}: {_FACTOR}, which is "
                "less than 1."),
        _changes("normal", std=SMALL, scale="symlog"), computed.scale),
    "large": Step(
        "Large random weights", f"Random and large: a standard deviation of {LARGE:g}.",
        "What share of the last hidden layer's outputs is stuck at tanh's ends, beyond ±0.97?",
        (Answer("Less than a tenth", 0, 0.1, f"A sum of {WIDTH} terms of about 1, with random signs, is about {_SUMS} "
                                             "in "
                "size, and tanh is beyond ±0.97 from 2.1 on."),
         Answer("A tenth to a half", 0.1, 0.5, f"The sums spread over about ±{SUM * LARGE:.0f}, and only those within "
                "±2.1 are not at an end: the smaller part."),
         Answer("More than half", 0.5, 1, "Here most sums stay small enough.")),
        _changes("normal", std=LARGE), computed.saturation),
    "variance": Step(
        "How much variance?", f"So the size of the weights decides. A neuron with n = {variance.WIDTH} inputs, each of "
        "variance 1, multiplies each by a weight of variance 1 and adds them up.",
        "How large is the variance of the sum?",
        (Answer("About 1", 0, 4, "It would stay 1 only if the terms shared it out: with weights of variance 1 / n. "
                                 "This "
                "is what the rules do."),
         Answer(f"About {math.sqrt(variance.WIDTH):.0f}", 4, 60, f"√{variance.WIDTH} is the standard deviation of the "
                "sum. It is variances that add up."),
         Answer(f"About {variance.WIDTH}", 60, math.inf, "Here the terms are not independent enough to add up.")),
        _changes(("lecun_normal", "xavier_normal", "he_normal"), activation="relu"), computed.sum_of_terms),
    "scaled": Step(
        "Scaled to the fan-in", "Back to digits and tanh, with a standard deviation of 1/√n, where n is the number of "
        "inputs of a neuron: LeCun's rule.", "How strong is the signal in the last hidden layer, compared with the "
                                             "first?",
        _ratios("1/√n keeps the scale of the sums; but tanh then squeezes them, a little in every layer.",
                "Here the layers keep another part.",
                "The sums keep their scale, and tanh takes ever less: a weak signal is squeezed less than a strong "
                "one.",
                "The sums keep their scale, and tanh takes ever less: a weak signal is squeezed less than a strong "
                "one.",
                "The sums keep their scale, and tanh only squeezes: nothing makes the signal grow."),
        _changes("lecun_normal"), computed.scale),
    "train": Step(
        "Train", f"Six networks learn the same 128 digits for {TRAINING_STEPS} steps, initialized with zeros, the "
                 "constant, "
        f"Normal ({SMALL:g}), and by the rules of Xavier, He and LeCun. A step moves every weight a little against its "
        "gradient (by Adam's rule); the loss is what wrong answers cost.",
        "How many of the six come below half of the loss of mere chance?",
        (Answer("None", 0, 0, "Neurons that differ and a gradient that arrives are enough to learn, and some have "
                              "both."),
         Answer("Some", 1, 5, "Here it is all or nothing."),
         Answer("All six", 6, 6, "Some cannot: zeros pass no gradient to the hidden layers, and the neurons of a "
                                 "constant "
                "stay copies, so that a layer can do no more than one neuron.")),
        _changes(TRAINED, depth=6, width=64, optimizer="adam", rate=TRAINING_RATE, steps=TRAINING_STEPS),
        computed.training, "training"),
    "exceptions": Step(
        "Zeros are fatal, except …", "People do put zeros into networks. To adapt a trained matrix W₀ LoRA adds a "
        "product of two small ones: y = W₀ x + B A x, with A random and B all zeros.",
        "In which step (the first is step 0) have both A and B got a gradient that is not exactly 0?",
        (Answer("In step 0", 0, 0, "A's gradient is multiplied by B, which is all zeros in step 0: A has to wait."),
         Answer("In step 1", 1, 1, "Here the zeros hold the gradient up for another time."),
         Answer("Later, or never: zeros stay zeros", 2, math.inf, "B is zero, but what multiplies it, A x, is not: so "
                "B gets a gradient at once. Zeros are stuck only where what multiplies them is zero and stays so, as "
                "in a network of nothing but zeros.")),
        _changes(("zeros", "xavier_normal")), computed.zeros_beside_random, *on_zeros()),
})

# The order of the guesses in the address: later steps stand at the end, so that a link keeps its meaning.
GUESS_ORDER = ("layer", "zeros", "constant", "small", "large", "scaled", "train", "hand", "variance", "exceptions")
assert set(GUESS_ORDER) == set(STEPS)
