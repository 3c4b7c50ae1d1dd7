"""A race of all chosen initializers, phase by phase, and what it showed: films, and a table of what happened."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from initviz.core.batches import INPUTS, Batch, make_split
from initviz.core.network import Network
from initviz.core.propagation import QUIET, forward
from initviz.core.wording import number
from initviz.training.gradient_descent import History, Parameters, Race, Recipe, best_rates, recorded_steps, winners

GRID = 28  # cells a side of a decision boundary
REACH = 2.6  # of the plane, in standard deviations of the inputs
IMAGES = (4, 3)  # rows and columns of the first neurons' weights
LEARNED = 0.5  # of ln K: the loss counted as learned in the table
STILL = 0.02  # of ln K: a loss that moved by less did not learn
HELD_OUT = 256
SWEPT_RATES = {  # Adam divides by the gradient's size, and momentum 0.9 adds up to ten steps
    "sgd": (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0), "momentum": (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2),
    "adam": (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1)}
SWEEP_STEPS = 30
MORE_SEEDS = 4
MOST_RECORDED = 40  # steps: a look at all held-out samples costs more than a step
FRAMES = 12
TITLES = {"gradient_norm": "Norm of dL/dW (log axis)", "update_ratio": "log₁₀ of update ÷ weight",
          "dead_share": "Share of dead neurons", "symmetry_gap": "Symmetry gap (log axis)"}
FILMED = ("digits", "moons", "circles", "spiral")
WORKERS = 2
STACKED = 1 << 16  # values of a layer: up to so many, fewer calls are worth more than what stays in the cache
_POOL = ThreadPoolExecutor(WORKERS, "initviz-race")  # NumPy lets go of the interpreter inside its loops


@dataclass(frozen=True)
class RaceTerms:
    """What a race depends on; two settings of the same terms share one race."""

    networks: tuple[Network, ...]
    input: str
    batch: int
    recipe: Recipe
    tuned: bool


@dataclass(frozen=True, eq=False)
class _Phase:
    """Races of some contenders each, run in parallel: together all contenders from one seed."""

    words: str
    races: list[Race]
    owners: list[list[int]]  # which contenders each race has

    @classmethod
    def of(cls, words: str, contenders: int, stacked: bool, make: Callable[[list[int]], Race]) -> _Phase:
        """Stacked, the contenders are as many races as there are workers, else each runs its own."""
        races = WORKERS if stacked else contenders
        owners = [group for first in range(races) if (group := list(range(first, contenders, races)))]
        return cls(words, [make(group) for group in owners], owners)

    @property
    def finished(self) -> bool:
        return all(race.finished for race in self.races)

    @property
    def step(self) -> int:
        return min(race.recipe.steps if race.finished else race.step for race in self.races)

    @property
    def steps(self) -> int:
        return self.races[0].recipe.steps

    def in_order(self, found: Callable[[Race], list[Any]]) -> list[Any]:
        """What each race says of its contenders, in the contenders' order."""
        said = {owner: item for race, group in zip(self.races, self.owners, strict=True)
                for owner, item in zip(group, found(race), strict=True)}
        return [said[owner] for owner in sorted(said)]

    def advance(self, until: float) -> None:
        """Each worker advances whichever race is behind, until that moment of ``time.monotonic()``."""
        waiting, lock = [race for race in self.races if not race.finished], threading.Lock()

        def work() -> None:
            while True:
                with lock:
                    if not waiting:
                        return
                    race = waiting.pop(min(range(len(waiting)), key=lambda at: waiting[at].step))
                race.advance(1)
                with lock:
                    if not race.finished:
                        waiting.append(race)
                if time.monotonic() >= until:
                    return

        for worker in [_POOL.submit(work) for _ in range(min(WORKERS, len(waiting)))]:
            worker.result()


class LiveRace:
    """A race that is run a little at a time: first, where asked, a sweep for each start's best rate, then the race, and
    on demand the same race from other seeds.

    ``advance(until)`` computes until a moment of ``time.monotonic()``; what has been computed can be read at any time.
    """

    def __init__(self, terms: RaceTerms) -> None:
        self.terms, first = terms, terms.networks[0]
        recipe, most = terms.recipe, INPUTS[terms.input].limit
        held_out = min(HELD_OUT, most - terms.batch) if most else HELD_OUT
        self.batch, self.held_out = make_split(terms.input, terms.batch, held_out, seed=first.seed,
                                               features=first.sizes[0])
        self.rates = [recipe.rate] * len(self.terms.networks)
        self.stopped = False
        self._sweep = self._sweep_of_rates() if self.terms.tuned else None
        self._race = self._main_race()
        self._repeats: list[_Phase] = []
        self.films: list[dict[int, NDArray[np.int8]]] = [{} for _ in self.terms.networks]

    @property
    def _stacked(self) -> bool:
        samples = self.terms.recipe.batch_size or self.terms.batch
        return samples * max(self.terms.networks[0].sizes) <= STACKED

    def _options(self) -> dict[str, Any]:
        first = self.terms.networks[0]
        return {"activation": first.activation, "activation_params": dict(first.activation_params), "seed": first.seed}

    def _sweep_of_rates(self) -> _Phase:
        recipe = replace(self.terms.recipe, steps=min(SWEEP_STEPS, self.terms.recipe.steps))
        return _Phase.of("Trying rates", len(self.rates), self._stacked, lambda group: best_rates(
            [self.terms.networks[i].parameters() for i in group], self.batch, recipe, self._swept, **self._options()))

    @property
    def _swept(self) -> tuple[float, ...]:
        return SWEPT_RATES[self.terms.recipe.optimizer]

    def _heats(self, words: str, networks: Sequence[Network], frames: Sequence[int] = ()) -> _Phase:
        return _Phase.of(words, len(networks), self._stacked, lambda group: Race(
            [networks[i].parameters() for i in group], self.batch, self.terms.recipe, held_out=self.held_out,
            rates=[self.rates[i] for i in group], snapshots=frames,
            record=recorded_steps(self.terms.recipe.steps, MOST_RECORDED), **self._options()))

    def _main_race(self) -> _Phase:
        steps = self.terms.recipe.steps
        frames = np.unique(np.r_[0, np.geomspace(1, max(steps, 1), FRAMES - 1).round().astype(int)])
        filmed = self.terms.networks[0].depth > 1 and self.terms.input in FILMED
        return self._heats("Racing", self.terms.networks, [int(f) for f in frames if f <= steps] if filmed else ())

    def _develop(self) -> None:
        """Make a frame of each new snapshot and let go of its parameters."""
        for network, history, film in zip(self.terms.networks, self.histories, self.films, strict=True):
            for step in list(history.snapshots):
                film[step] = frame(network, history.snapshots.pop(step))

    @property
    def _phases(self) -> list[_Phase]:
        return [phase for phase in (self._sweep, self._race, *self._repeats) if phase is not None]

    @property
    def finished(self) -> bool:
        """Whether nothing is left to compute."""
        return all(phase.finished for phase in self._phases)

    @property
    def said(self) -> str:
        """What is being done, in words."""
        for phase in self._phases:
            if not phase.finished:
                return f"{'Stopped' if self.stopped else phase.words}: step {phase.step} of {phase.steps}"
        return f"Finished: {self.terms.recipe.steps} steps"

    @property
    def progress(self) -> float:
        """Share of the steps made, 0 to 1."""
        whole = sum(phase.steps for phase in self._phases)
        return sum(phase.step for phase in self._phases) / whole if whole else 1.0

    @property
    def histories(self) -> list[History]:
        """One a contender, as far as they got."""
        return self._race.in_order(lambda race: race.histories)

    @property
    def all_histories(self) -> list[list[History]]:
        """One list a contender: one history a seed, of the seeds whose race has ended and of the first."""
        phases = [self._race, *(phase for phase in self._repeats if phase.finished)]
        seeds = [phase.in_order(lambda race: race.histories) for phase in phases]
        return [list(contender) for contender in zip(*seeds, strict=True)]

    def stop(self) -> None:
        """Keep what there is."""
        self.stopped = True

    def resume(self) -> None:
        """Go on where it was stopped."""
        self.stopped = False

    def repeat(self) -> None:
        """Add the same race from other seeds of the weights, on the same data."""
        for _ in range(MORE_SEEDS):
            more = 10_000 * (len(self._repeats) + 1)
            self._repeats.append(self._heats("Racing from other seeds", [
                replace(network, seed=network.seed + more) for network in self.terms.networks]))

    def advance(self, until: float) -> None:
        """Compute until that moment of ``time.monotonic()``, at least a step."""
        phase = next((phase for phase in self._phases if not phase.finished), None)
        if phase is None:
            return
        phase.advance(until)
        if phase is self._race:
            self._develop()
        if phase is self._sweep and phase.finished:
            self.rates = phase.in_order(lambda race: winners(race, self._swept))
            self._race = self._main_race()


EXPLANATIONS = {
    "gradient_norm": "Frobenius norm of dL/dW of each layer. A first layer far below the last hardly learns.",
    "update_ratio": "log10 of the root mean square of the update over that of the weights. The dotted line is the "
                    "rule of thumb of about 1e-3 (Karpathy, makemore part 3; CS231n, neural networks 3).",
    "dead_share": "Share of a layer's neurons that are at or below 0 for the whole batch; defined for ReLU only.",
    "symmetry_gap": "Largest distance of a neuron's incoming weights from the first neuron's, relative to it; 0 for "
                    "copies.",
}


def grid() -> NDArray[np.float32]:
    """Points of the plane (GRID * GRID, 2), row by row from the top."""
    line = (np.arange(GRID) + 0.5) / GRID * 2 * REACH - REACH
    x, y = np.meshgrid(line, line[::-1])
    return np.stack([x.ravel(), y.ravel()], axis=1).astype(np.float32)


def boundary(network: Network, parameters: Parameters) -> NDArray[np.int8]:
    """Per cell of the plane ten times the class plus nine times the confidence above chance: (GRID, GRID)."""
    weights, biases = parameters
    with np.errstate(**QUIET):
        *_, (_, outputs) = forward(weights, biases, grid(), network.activation, **dict(network.activation_params))
        outputs = np.nan_to_num(outputs.astype(np.float64))
        p = np.exp(outputs - outputs.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    chance = 1 / p.shape[1]
    confidence = np.clip((p.max(axis=1) - chance) / (1 - chance), 0, 1)
    return (10 * p.argmax(axis=1) + np.round(9 * confidence)).astype(np.int8).reshape(GRID, GRID)


def weight_images(parameters: Parameters, side: int = 8) -> NDArray[np.int8]:
    """The first neurons' incoming weights as images (rows * (side + 1), columns * (side + 1)), -100 to 100.

    Images are scaled to the largest magnitude among them; between them runs a line of zeros.
    """
    weight = parameters[0][0].astype(np.float64)
    sheet = np.zeros((IMAGES[0] * (side + 1), IMAGES[1] * (side + 1)))
    for neuron in range(min(weight.shape[1], IMAGES[0] * IMAGES[1])):
        row, column = divmod(neuron, IMAGES[1])
        top, left = row * (side + 1), column * (side + 1)
        sheet[top: top + side, left: left + side] = weight[:, neuron].reshape(side, side)
    largest = np.abs(sheet).max()
    return np.round(100 * sheet / (largest or 1)).astype(np.int8)


def frame(network: Network, parameters: Parameters) -> NDArray[np.int8]:
    """What is filmed at one step: the decision boundary for two inputs, else the first layer's weights as images."""
    return boundary(network, parameters) if network.sizes[0] == 2 else weight_images(parameters)


def placed_points(batch: Batch, most: int = 150) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The first samples of a two-dimensional batch, as positions 0..1 of the plane shown, and their classes."""
    inside = (np.abs(batch.x[:most]) < REACH).all(axis=1)
    return (batch.x[:most][inside].astype(float) + REACH) / (2 * REACH), batch.targets[:most][inside]


def outcome(history: History, classes: int, steps: int) -> str:
    """In words, what became of one contender in a race of so many steps."""
    if history.diverged_at is not None:
        return f"diverged at step {history.diverged_at}"
    if not history.loss:
        return "not begun"
    if not steps:
        return "not trained"
    chance = math.log(classes)
    if history.loss[-1] > history.loss[0] + STILL * chance:
        return "got worse"
    if history.loss[-1] <= LEARNED * chance:
        return "learned"
    if history.steps[-1] < steps:
        return f"stopped at step {history.steps[-1]}"
    return "did not learn" if history.loss[0] - history.loss[-1] < STILL * chance else "still learning"


def _spread(values: Sequence[float | int | None], missing: str) -> str:
    """The median of what is known, with the least and the most where there are several."""
    known = sorted(v for v in values if v is not None and math.isfinite(v))
    if not known:
        return missing
    middle = number(float(np.median(known)))
    lost = f", {len(values) - len(known)} {missing}" if len(known) < len(values) else ""
    return middle + (f" ({number(known[0])} to {number(known[-1])}{lost})" if len(values) > 1 else "")


def _last(history: History, values: Sequence[float], times: float = 1) -> float | None:
    return times * values[-1] if values and history.diverged_at is None else None


def table(labels: Sequence[str], rates: Sequence[float], histories: Sequence[Sequence[History]], classes: int,
          steps: int) -> pd.DataFrame:
    """A row a contender; ``histories`` holds one history a seed for each, and figures are median (least to most)."""
    threshold = LEARNED * math.log(classes)
    rows = []
    for label, rate, seeds in zip(labels, rates, histories, strict=True):
        outcomes = [outcome(history, classes, steps) for history in seeds]
        said = outcomes[0] if len(set(outcomes)) == 1 else ", ".join(
            f"{outcomes.count(words)} {words}" for words in dict.fromkeys(outcomes))
        begun = [history for history in seeds if history.loss or history.diverged_at is not None]
        ended = "diverged" if any(history.diverged_at is not None for history in seeds) else "not begun"
        rows.append({
            "Initializer": label, "Rate": rate, "What happened": said,
            f"Steps to loss {number(threshold)}": _spread([h.steps_to(threshold) for h in begun],
                                                          "never" if begun else "not begun"),
            "First loss": _spread([h.loss[0] if h.loss else None for h in begun],
                                  "overflow" if begun else "not begun"),
            "Last loss": _spread([_last(h, h.loss) for h in begun], ended),
            "Accuracy, %": _spread([_last(h, h.accuracy, 100) for h in begun], ended),
            "Held-out accuracy, %": _spread([_last(h, h.held_out_accuracy, 100) for h in begun], ended)})
    return pd.DataFrame(rows)
