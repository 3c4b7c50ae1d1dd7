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

import numpy as np

from initviz.core.batches import loss_of_constant_output
from initviz.core.cost import connections, training_bytes
from initviz.core.wording import number
from initviz.diagnosis.findings import CONVENTION, Finding
from initviz.diagnosis.initialization import Initialization
from initviz.diagnosis.report import Report
from initviz.training.gradient_descent import OPTIMIZER_LABELS, OPTIMIZERS, Race, Recipe
from initviz.training.race.outcomes import LEARNED

RATES: Mapping[str, tuple[float, ...]] = MappingProxyType({"sgd": (0.05, 0.5), "adam": (1e-3, 3e-3)})
STEPS, SAMPLES = 100, 64  # of one training; samples a step
MOST_OPERATIONS = 100e9  # of a whole trial: some seconds on two cores
SIDE_BY_SIDE_BYTES = 32e6  # of one race: where rates would take more, they are trained one after another
AT_ONCE = 4  # steps between two looks at the clock
NEAR = 0.1  # of that loss: differences below it do not matter


@dataclass(frozen=True)
class TrialOutcome:
    """What one candidate reached: its best final loss, ``share`` of the loss without a look at the inputs, and how."""

    label: str
    loss: float
    share: float
    optimizer: str
    rate: float

    @property
    def learns(self) -> bool:
        """Whether it learned something of the inputs."""
        return self.share <= LEARNED


@dataclass(frozen=True)
class TrialAnswer:
    """``key`` is "no", "yes", "partly" or "neither"; ``text`` says it in a sentence, with the losses."""

    key: str
    text: str


def trial_operations(report: Report) -> float:
    """Floating-point operations of a trial of a report."""
    runs = len(candidates(report)) * sum(map(len, RATES.values()))
    weights = connections(report.run.network.sizes)
    return runs * STEPS * weights * (6 * min(SAMPLES, report.run.batch) + 30)


def report_bytes(report: Report) -> float:
    """Memory that a report holds: the parameters of the initialization and of every remedy."""
    initializations = [report.initialization, *(remedy.initialization for remedy, _ in report.remedies)]
    arrays = {id(array): array.nbytes for initialization in initializations
              for array in (*initialization.weights, *initialization.biases)}
    return float(sum(arrays.values()))


def trial_bytes(report: Report) -> float:
    """Memory of a trial of a report at its peak, beside what the report holds: that of its dearest race."""
    return max(_race_bytes(report.initialization, optimizer, _rates_at_once(report.initialization, optimizer))
               for optimizer in RATES)


def _race_bytes(initialization: Initialization, optimizer: str, rates: int) -> float:
    batch = len(initialization.batch.x)
    itemsize = np.dtype(initialization.network.dtype).itemsize
    return training_bytes(initialization.network.sizes, batch, networks=rates, minibatch=min(SAMPLES, batch),
                          states=OPTIMIZERS[optimizer].states, itemsize=itemsize)


def _rates_at_once(initialization: Initialization, optimizer: str) -> int:
    """How many of an optimizer's rates are trained side by side: all where they are small, else one."""
    rates = len(RATES[optimizer])
    return rates if _race_bytes(initialization, optimizer, rates) <= SIDE_BY_SIDE_BYTES else 1


def candidates(report: Report) -> list[tuple[str, Initialization]]:
    """Labels and initializations on trial: as it is, then each remedy on offer, or else the first that was tried."""
    tried = report.offered or report.remedies[:1]
    return [("As it is", report.initialization), *((remedy.label, remedy.initialization) for remedy, _ in tried)]


@dataclass
class _Candidate:
    """An initialization on trial: what is left to be trained of it, and the best loss of what was."""

    label: str
    constant_output_loss: float
    initialization: Initialization | None  # let go of when nothing is left
    left: list[tuple[str, tuple[float, ...]]]  # optimizers, each with rates that are trained side by side
    best: tuple[float, str, float] = (math.inf, "sgd", RATES["sgd"][0])  # loss, optimizer, rate

    @property
    def outcome(self) -> TrialOutcome:
        """The best that was reached."""
        loss, optimizer, rate = self.best
        share = loss / self.constant_output_loss if self.constant_output_loss else math.inf
        return TrialOutcome(self.label, loss, share, optimizer, rate)

    def note(self, race: Race, optimizer: str, rates: tuple[float, ...]) -> None:
        """Count what a race reached."""
        for rate, history in zip(rates, race.histories, strict=True):
            if history.loss and history.diverged_at is None:
                self.best = min(self.best, (history.loss[-1], optimizer, rate))


class Trial:
    """The trainings of a report's candidates, one after another; ``advance`` until it is ``finished``.

    Only the race that is run is held, and of those before it what they reached.
    """

    def __init__(self, report: Report) -> None:
        self._candidates = [_candidate(label, initialization) for label, initialization in candidates(report)]
        self.labels = tuple(candidate.label for candidate in self._candidates)
        self.stopped = False
        self._races = sum(len(candidate.left) for candidate in self._candidates)
        self._race: Race | None = None

    @property
    def _current(self) -> _Candidate | None:
        return next((candidate for candidate in self._candidates if candidate.left), None)

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do."""
        return self.stopped or self._current is None

    @property
    def progress(self) -> float:
        """The share of all steps that is done, 0 to 1."""
        races_done = self._races - sum(len(candidate.left) for candidate in self._candidates)
        return (races_done + (self._race.step / STEPS if self._race else 0.0)) / self._races

    def stop(self) -> None:
        """Stop training; what was reached so far counts."""
        current = self._current
        if current is not None and self._race is not None and not self.stopped:
            current.note(self._race, *current.left[0])
        self._let_go()
        self.stopped = True

    def _let_go(self) -> None:
        """Hold no parameters any longer."""
        self._race = None
        for candidate in self._candidates:
            candidate.initialization = None

    def advance(self, until: float = math.inf) -> Trial:
        """Train on until that moment of ``time.monotonic()``; returns itself."""
        while not self.stopped and (current := self._current) is not None:
            optimizer, rates = current.left[0]
            if self._race is None:
                assert current.initialization is not None
                self._race = _race(current.initialization, optimizer, rates)
            self._race.advance(AT_ONCE)
            if self._race.finished:
                current.note(self._race, optimizer, rates)
                self._race = None
                del current.left[0]
                if not current.left:
                    current.initialization = None
            if time.monotonic() >= until:
                break
        return self

    @property
    def outcomes(self) -> list[TrialOutcome]:
        """What the initialization as it is reached so far, and each remedy whose trainings have ended."""
        as_it_is, *others = self._candidates
        return [as_it_is.outcome, *(other.outcome for other in others if not other.left)]

    @property
    def answer(self) -> TrialAnswer:
        """Whether it is the initialization, from what was reached."""
        if self._candidates[0].left:
            return TrialAnswer("neither", "Open: the training of the initialization as it is has not ended; so far it "
                               f"reaches a loss of {number(self.outcomes[0].loss)}.")
        return _answer(self.outcomes)


def _candidate(label: str, initialization: Initialization) -> _Candidate:
    left = []
    for optimizer, rates in RATES.items():
        count = _rates_at_once(initialization, optimizer)
        left += [(optimizer, rates[first:first + count]) for first in range(0, len(rates), count)]
    return _Candidate(label, loss_of_constant_output(initialization.batch), initialization, left)


def _race(initialization: Initialization, optimizer: str, rates: tuple[float, ...]) -> Race:
    network = initialization.network
    parameters = list(initialization.weights), list(initialization.biases)
    return Race([parameters] * len(rates), initialization.batch, Recipe(optimizer, steps=STEPS, batch_size=SAMPLES),
                activation=network.activation, activation_params=dict(network.activation_params), seed=network.seed,
                rates=rates, record=range(0, STEPS + 1, STEPS // 10))


def _answer(outcomes: list[TrialOutcome]) -> TrialAnswer:
    as_it_is, *others = outcomes
    best = min(others, key=lambda outcome: outcome.share, default=None)
    best_way = f"by {OPTIMIZER_LABELS[as_it_is.optimizer]} at rate {as_it_is.rate:g}"
    reaches = f"as it is it reaches a loss of {number(as_it_is.loss)} in {STEPS} steps {best_way}"
    if best is None:
        return TrialAnswer("no" if as_it_is.learns else "neither", f"{'No' if as_it_is.learns else 'Open'}: {reaches}.")
    with_remedy = f"with {best.label} {number(best.loss)}"
    if as_it_is.learns and as_it_is.share <= best.share + NEAR:
        return TrialAnswer("no", f"No: {reaches}, {with_remedy}.")
    if not as_it_is.learns and not best.learns:
        return TrialAnswer("neither", f"Not alone: {reaches}, {with_remedy}; neither learns. Look at the data and the "
                           "network, or train longer.")
    if as_it_is.learns or as_it_is.share <= best.share + NEAR:
        return TrialAnswer("partly", f"In part: {reaches}, {with_remedy}: it learns, but more slowly.")
    stays = "no training at any rate stays finite" if math.isinf(as_it_is.loss) else (
        f"as it is it stays at a loss of {number(as_it_is.loss)} after {STEPS} steps")
    return TrialAnswer("yes", f"Yes: {stays}; {with_remedy}.")


@dataclass(frozen=True)
class Evidence:
    """What a trial gave: its answer, and what each candidate reached."""

    answer: TrialAnswer
    outcomes: tuple[TrialOutcome, ...]

    @staticmethod
    def of(trial: Trial) -> Evidence:
        """The evidence of a trial, as far as it got."""
        return Evidence(trial.answer, tuple(trial.outcomes))


def with_evidence(report: Report, answer: TrialAnswer) -> Report:
    """The report after a trial: where the answer is no, findings that did no harm become less severe (errors warnings,
    warnings notes), and the answer is the verdict.
    """
    if answer.key != "no":
        return report
    calmer = {"error": "warning", "warning": "note", "note": "note"}
    trains = Finding("trial", "note", "trains", "It trains", answer.text, math.nan, None,
                     f"as it is it learns as well as with a remedy, within {number(NEAR)} of the loss without a look "
                     "at the inputs", "measured here", CONVENTION)
    return replace(report, findings=(trains, *(replace(finding, severity=calmer[finding.severity], kind="")
                                               for finding in report.findings)))
