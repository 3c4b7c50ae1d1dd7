"""Is it the initialization? A short training as it is and with each remedy, on the same data, answers.

Each candidate is trained by gradient descent and by Adam, at two rates each, for a hundred steps; its best final loss
counts. A trial says what a hundred steps show: not what longer training or another recipe would.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from initviz.core.cost import connections
from initviz.core.wording import number
from initviz.diagnosis.findings import CONVENTION, Finding, loss_of_constant_output
from initviz.diagnosis.initialization import Initialization
from initviz.diagnosis.report import Report
from initviz.training.gradient_descent import OPTIMIZER_LABELS, Race, Recipe

RATES: Mapping[str, tuple[float, ...]] = MappingProxyType({"sgd": (0.05, 0.5), "adam": (1e-3, 3e-3)})
STEPS, SAMPLES = 100, 64  # of one training; samples a step
MOST_OPERATIONS = 100e9  # of a whole trial: some seconds on two cores
AT_ONCE = 4  # steps between two looks at the clock
LEARNS = 0.5  # of the loss without a look at the inputs: below it the network has learned something
NEAR = 0.1  # of that loss: differences below it do not matter


@dataclass(frozen=True)
class Outcome:
    """What one candidate reached: its best final loss, ``share`` of the loss without a look at the inputs, and how."""

    label: str
    loss: float
    share: float
    optimizer: str
    rate: float

    @property
    def learns(self) -> bool:
        """Whether it learned something of the inputs."""
        return self.share <= LEARNS


@dataclass(frozen=True)
class Answer:
    """``key`` is "no", "yes", "partly" or "neither"; ``text`` says it in a sentence, with the losses."""

    key: str
    text: str


def trial_operations(report: Report) -> float:
    """Floating-point operations of a trial of a report."""
    runs = len(candidates(report)) * sum(map(len, RATES.values()))
    weights = connections(report.run.network.sizes)
    return runs * STEPS * weights * (6 * min(SAMPLES, report.run.batch) + 30)


def candidates(report: Report) -> list[tuple[str, Initialization]]:
    """As it is, and the remedies that are offered; where none is, the first that was tried."""
    tried = report.offered or report.remedies[:1]
    return [("As it is", report.initialization), *((remedy.label, remedy.initialization) for remedy, _ in tried)]


class Trial:
    """The trainings of a report's candidates, side by side; ``advance`` until it is ``finished``."""

    def __init__(self, report: Report) -> None:
        self.candidates = candidates(report)
        self.stopped = False
        self.races = [[_race(initialization, optimizer) for optimizer in RATES]
                      for _, initialization in self.candidates]

    @property
    def _unfinished(self) -> list[Race]:
        return [race for races in self.races for race in races if not race.finished]

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do."""
        return self.stopped or not self._unfinished

    @property
    def progress(self) -> float:
        """The share of all steps that is done, 0 to 1."""
        done = [1.0 if race.finished else race.step / STEPS for races in self.races for race in races]
        return sum(done) / len(done)

    def stop(self) -> None:
        """Train no further; what was reached so far counts."""
        self.stopped = True

    def advance(self, until: float = math.inf) -> Trial:
        """Train on, whichever is behind, until that moment of ``time.monotonic()``; returns itself."""
        while not self.finished:
            min(self._unfinished, key=lambda race: race.step).advance(AT_ONCE)
            if time.monotonic() >= until:
                break
        return self

    @property
    def outcomes(self) -> list[Outcome]:
        """What each candidate reached so far."""
        return [_outcome(label, initialization, races)
                for (label, initialization), races in zip(self.candidates, self.races, strict=True)]

    @property
    def answer(self) -> Answer:
        """Whether it is the initialization, from what was reached."""
        return _answer(self.outcomes)


def _race(initialization: Initialization, optimizer: str) -> Race:
    network, rates = initialization.network, RATES[optimizer]
    start = list(initialization.weights), list(initialization.biases)
    return Race([start] * len(rates), initialization.batch, Recipe(optimizer, steps=STEPS, batch_size=SAMPLES),
                activation=network.activation, activation_params=dict(network.activation_params), seed=network.seed,
                rates=rates, record=range(0, STEPS + 1, STEPS // 10))


def _outcome(label: str, initialization: Initialization, races: list[Race]) -> Outcome:
    blind = loss_of_constant_output(initialization.batch)
    reached = [(history.loss[-1] if history.loss and history.diverged_at is None else math.inf, optimizer, rate)
               for (optimizer, rates), race in zip(RATES.items(), races, strict=True)
               for rate, history in zip(rates, race.histories, strict=True)]
    loss, optimizer, rate = min(reached)
    return Outcome(label, loss, loss / blind if blind else math.inf, optimizer, rate)


def _answer(outcomes: list[Outcome]) -> Answer:
    as_it_is, *others = outcomes
    best = min(others, key=lambda outcome: outcome.share, default=None)
    how = f"by {OPTIMIZER_LABELS[as_it_is.optimizer]} at rate {as_it_is.rate:g}"
    reaches = f"as it is it reaches a loss of {number(as_it_is.loss)} in {STEPS} steps {how}"
    if best is None:
        return Answer("no" if as_it_is.learns else "neither", f"{'No' if as_it_is.learns else 'Open'}: {reaches}.")
    beside = f"with {best.label} {number(best.loss)}"
    if as_it_is.learns and as_it_is.share <= best.share + NEAR:
        return Answer("no", f"No: {reaches}, {beside}.")
    if not as_it_is.learns and not best.learns:
        return Answer("neither", f"Not alone: {reaches}, {beside}; neither learns. Look at the data and the network, "
                      "or train longer.")
    if as_it_is.learns or as_it_is.share <= best.share + NEAR:
        return Answer("partly", f"In part: {reaches}, {beside}: it learns, but more slowly.")
    stays = "no training at any rate stays finite" if math.isinf(as_it_is.loss) else (
        f"as it is it stays at a loss of {number(as_it_is.loss)} after {STEPS} steps")
    return Answer("yes", f"Yes: {stays}; {beside}.")


def with_evidence(report: Report, answer: Answer) -> Report:
    """The report after a trial: where it answers no, what did no harm alarms no more (errors become warnings, warnings
    notes), and the answer is the verdict.
    """
    if answer.key != "no":
        return report
    calmer = {"error": "warning", "warning": "note", "note": "note"}
    trains = Finding("trial", "note", "trains", "It trains", answer.text, math.nan, None,
                     f"as it is it learns as well as with a remedy, within {number(NEAR)} of the loss without a look "
                     "at the inputs", "measured here", CONVENTION)
    return replace(report, findings=(trains, *(replace(finding, severity=calmer[finding.severity], kind="")
                                               for finding in report.findings)))
