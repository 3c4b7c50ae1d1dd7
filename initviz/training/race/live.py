"""A race of all chosen initializers, phase by phase, computed a little at a time."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from initviz.core.architecture import Architecture
from initviz.core.batches import loss_of_constant_output
from initviz.training.gradient_descent import (
    OPTIMIZERS,
    BlockRace,
    History,
    Race,
    Recipe,
    Workspace,
    recorded_steps,
)
from initviz.training.race.films import FILMED, FRAMES, can_be_filmed, frame
from initviz.training.race.memory import WORKERS, is_stacked, rates_at_once, workers
from initviz.training.race.terms import RaceTerms

SWEEP_STEPS = 30
MORE_SEEDS, MOST_SEEDS = 4, 21
MOST_RECORDED = 40  # steps
HELD_OUT_EVERY = 4  # recorded steps: a look at all held-out samples costs as much as a step
_POOL = ThreadPoolExecutor(WORKERS, "initviz-race")  # NumPy lets go of the interpreter inside its loops


def _repeated(parameters: Sequence[Any], times: int) -> list[Any]:
    """Each network's parameters so many times in turn."""
    return [of_network for of_network in parameters for _ in range(times)]


@dataclass(frozen=True, eq=False)
class _Phase:
    """Races of some contenders each, run in parallel: together all contenders from one seed."""

    words: str
    races: list[Race]
    owners: list[list[int]]  # which contenders each race has
    workspaces: list[Workspace]  # one a worker

    @classmethod
    def of(cls, words: str, terms: RaceTerms, make: Callable[[list[int]], Race]) -> _Phase:
        """Stacked, the contenders are as many races as there are workers, else each runs its own."""
        contenders = len(terms.labels)
        races = WORKERS if is_stacked(terms) else contenders
        owners = [group for first in range(races) if (group := list(range(first, contenders, races)))]
        return cls(words, [make(group) for group in owners], owners, [Workspace() for _ in range(workers(terms))])

    @property
    def finished(self) -> bool:
        return all(race.finished for race in self.races)

    @property
    def step(self) -> int:
        return min(race.recipe.steps if race.finished else race.step for race in self.races)

    @property
    def steps(self) -> int:
        return self.races[0].recipe.steps

    def in_order(self, values_of: Callable[[Race], list[Any]]) -> list[Any]:
        """One value for each contender, taken from the races with ``values_of``, in the contenders' order."""
        by_contender = {owner: item for race, group in zip(self.races, self.owners, strict=True)
                for owner, item in zip(group, values_of(race), strict=True)}
        return [by_contender[owner] for owner in sorted(by_contender)]

    def advance(self, until: float) -> None:
        """Until that moment of ``time.monotonic()`` each worker advances its own race where there are as many races as
        workers, so that its workspace grows to that race's size alone; else whichever is behind.
        """
        unfinished, lock = [race for race in self.races if not race.finished], threading.Lock()
        queues = [unfinished] * min(len(unfinished), len(self.workspaces))
        if len(self.races) == len(self.workspaces):
            queues = [[] if race.finished else [race] for race in self.races]

        def work(waiting: list[Race], workspace: Workspace) -> None:
            while True:
                with lock:
                    if not waiting:
                        return
                    race = waiting.pop(min(range(len(waiting)), key=lambda index: waiting[index].step))
                race.advance(1, workspace)
                with lock:
                    if not race.finished:
                        waiting.append(race)
                if time.monotonic() >= until:
                    return

        for worker in [_POOL.submit(work, *of_worker) for of_worker in zip(queues, self.workspaces, strict=False)]:
            worker.result()
        if self.finished:
            for race in self.races:
                race.release()
            self.workspaces.clear()


class LiveRace:
    """A race that is run a little at a time: first, where asked, a sweep for each initializer's best rate, then the
    race, and on demand the same race from other seeds, at most MOST_SEEDS in all.

    ``advance(until)`` computes until a moment of ``time.monotonic()``; what has been computed can be read at any time.
    A phase is made when the one before it has ended and has let go of its memory.
    """

    def __init__(self, terms: RaceTerms) -> None:
        self.terms, recipe, contenders = terms, terms.recipe, len(terms.labels)
        self.batch, self.held_out = terms.batches()
        self.rates = [recipe.rate] * contenders
        self.stopped = False
        self._untried = list(self._swept) if terms.tuned else []  # rates
        self._rates_at_once = rates_at_once(terms)
        self._final_losses: list[list[float]] = [[] for _ in range(contenders)]  # at each rate tried
        self._unseen = [0]  # seeds to race from, relative to the first
        self._seeds: list[list[History]] = []  # histories of the contenders, a list a seed that has been raced from
        self.films: list[dict[int, NDArray[np.int8]]] = [{} for _ in range(contenders)]  # frames by step
        self._phase: _Phase | None = None
        self._steps_of_finished_phases = 0
        self._begin_phase()

    # ------------------------------------------------------------------------------------------ phases

    @property
    def _swept(self) -> tuple[float, ...]:
        return OPTIMIZERS[self.terms.recipe.optimizer].rates

    @property
    def _sweep_steps(self) -> int:
        return min(SWEEP_STEPS, self.terms.recipe.steps)

    def _race(self, group: Sequence[int], recipe: Recipe, more: int = 0, *, times: int = 1, **options: Any) -> Race:
        """A race of some contenders from the seed plus ``more``, each so many times in turn."""
        first = self.terms.networks[0]
        options = {"seed": first.seed} | options
        if isinstance(first, Architecture):
            named = [self.terms.named_parameters(i, more) for i in group]
            return BlockRace(_repeated(named, times), self.batch, recipe, architecture=first, **options)
        initial = [self.terms.parameters(i, more) for i in group]
        return Race(_repeated(initial, times), self.batch, recipe, activation=first.activation,
                    activation_params=dict(first.activation_params), **options)

    def _begin_phase(self) -> None:
        """The next phase that is left, if any."""
        if self._untried:
            self._phase = self._sweep_of_rates(self._untried[:self._rates_at_once])
        elif self._unseen:
            self._phase = self._race_from_seed(self._unseen[0])
        else:
            self._phase = None

    def _sweep_of_rates(self, rates: Sequence[float]) -> _Phase:
        recipe = replace(self.terms.recipe, steps=self._sweep_steps)
        return _Phase.of("Trying rates", self.terms, lambda group: self._race(
            group, recipe, times=len(rates), rates=list(rates) * len(group), record=[recipe.steps]))

    def _race_from_seed(self, more: int) -> _Phase:
        first, steps = self.terms.networks[0], self.terms.recipe.steps
        filmed = not more and first.depth > 1 and (
            self.terms.input in FILMED if self.terms.data is None else can_be_filmed(self.batch))
        recorded = recorded_steps(steps, MOST_RECORDED)
        frames = np.unique(np.r_[0, np.geomspace(1, max(steps, 1), FRAMES - 1).round().astype(int)])
        phase = _Phase.of("Training from another seed" if more else "Training", self.terms, lambda group: self._race(
            group, self.terms.recipe, more, held_out=self.held_out,
            rates=[self.rates[i] for i in group], snapshots=[int(f) for f in frames if f <= steps] if filmed else (),
            snapshot=lambda parameters: frame(first, parameters), record=recorded,
            held_out_steps=recorded[::HELD_OUT_EVERY]))
        self._seeds.append(phase.in_order(lambda race: race.histories))
        return phase

    def _end_phase(self, phase: _Phase) -> None:
        """Keep what a finished phase says, let go of it, and begin the next."""
        self._steps_of_finished_phases += phase.steps
        if self._untried:
            tried = len(self._untried[:self._rates_at_once])
            histories = phase.in_order(lambda race: [
                race.histories[first:first + tried] for first in range(0, len(race.histories), tried)])
            for losses, of_rates in zip(self._final_losses, histories, strict=True):
                losses += [history.loss[-1] if history.loss else math.inf for history in of_rates]
            del self._untried[:tried]
            if not self._untried:
                self.rates = [self._swept[int(np.argmin(losses))] for losses in self._final_losses]
        else:
            del self._unseen[0]
        self._phase = None
        self._begin_phase()

    def advance(self, until: float) -> None:
        """Compute until that moment of ``time.monotonic()``, at least a step."""
        if self._phase is not None:
            self._phase.advance(until)
            if self._seeds:
                for history, film in zip(self._seeds[0], self.films, strict=True):
                    film |= history.snapshots
                    history.snapshots.clear()
            if self._phase.finished:
                self._end_phase(self._phase)

    # ------------------------------------------------------------------------------------------ how far it is

    @property
    def finished(self) -> bool:
        """Whether nothing is left to compute."""
        return self._phase is None

    @property
    def running(self) -> bool:
        """Whether something is left to compute and nobody has stopped it."""
        return not (self.finished or self.stopped)

    @property
    def status(self) -> str:
        """The state of the race in words: its phase and step, stopped or finished."""
        if self._phase is None:
            return f"Finished: {self.terms.recipe.steps} steps"
        return f"{'Stopped' if self.stopped else self._phase.words}: step {self._phase.step} of {self._phase.steps}"

    @property
    def progress(self) -> float:
        """Share of the steps made, 0 to 1."""
        steps_left = (math.ceil(len(self._untried) / self._rates_at_once) * self._sweep_steps
                      + len(self._unseen) * self.terms.recipe.steps)
        all_steps = self._steps_of_finished_phases + steps_left
        steps_made = self._steps_of_finished_phases + (self._phase.step if self._phase else 0)
        return steps_made / all_steps if all_steps else 1.0

    @property
    def loss_of_constant(self) -> float:
        """The least loss without a look at the inputs; of softmax that of equal odds, ln K."""
        return math.log(self.batch.outputs) if self.batch.loss == "softmax_ce" else loss_of_constant_output(self.batch)

    @property
    def classes(self) -> int:
        """How many classes are told apart; 0 where numbers are predicted."""
        classes = self.batch.classes()
        return 0 if classes is None else max(self.batch.outputs, 2)

    @property
    def histories(self) -> list[History]:
        """One history per contender, as far as all are trained, so that they are compared at one step; empty while
        rates are tried.
        """
        if not self._seeds:
            return [History() for _ in self.terms.labels]
        reached = [history.steps[-1] if history.steps else -1 for history in self._seeds[0]
                   if history.diverged_at is None]
        return [history.until(min(reached)) for history in self._seeds[0]] if reached else self._seeds[0]

    @property
    def all_histories(self) -> list[list[History]]:
        """One list per contender: a history for each seed whose race has ended, and for the first."""
        ended = self._seeds[1:max(1, len(self._seeds) - (self._phase is not None))]
        return [list(contender) for contender in zip(self.histories, *ended, strict=True)]

    def stop(self) -> None:
        """Keep what there is."""
        self.stopped = True

    def resume(self) -> None:
        """Go on where it was stopped."""
        self.stopped = False

    @property
    def seeds_left(self) -> int:
        """From how many more seeds the race may be repeated."""
        return MOST_SEEDS - len(self._seeds) - len(self._unseen[1 if self._phase and not self._untried else 0:])

    def repeat(self) -> None:
        """Add the same race from MORE_SEEDS other seeds of the weights, on the same data, up to MOST_SEEDS in all."""
        first = MOST_SEEDS - self.seeds_left
        self._unseen += [10_000 * number for number in range(first, first + min(MORE_SEEDS, self.seeds_left))]
        if self._phase is None:
            self._begin_phase()
