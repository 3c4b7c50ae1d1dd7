"""A race of all chosen initializers, phase by phase, and what it showed: films, and a table of what happened."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from initviz.core.architecture import Architecture
from initviz.core.arrays import Array
from initviz.core.batches import Batch, loss_of_constant_output
from initviz.core.cost import block_training_bytes, training_bytes
from initviz.core.layers import Activation, Dense, walk
from initviz.core.layers.chain import chain_forward
from initviz.core.network import Network
from initviz.core.propagation import QUIET, forward
from initviz.core.wording import number
from initviz.training.block_training import BlockRace
from initviz.training.gradient_descent import (
    STATES,
    History,
    Parameters,
    Race,
    Recipe,
    Workspace,
    last_known,
    recorded_steps,
)
from initviz.training.race_terms import HELD_OUT, RaceTerms

GRID = 28  # cells a side of a decision boundary
REACH = 2.6  # of the plane, in standard deviations of the inputs
IMAGES = (4, 3)  # rows and columns of the first neurons' weights
LEARNED = 0.5  # of the loss of a constant output, ln K of K classes: the loss counted as learned in the table
STILL = 0.02  # of the same: a loss that moved by less did not learn
SWEPT_RATES = {  # Adam divides by the gradient's size, and momentum 0.9 adds up to ten steps
    "sgd": (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0), "momentum": (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2),
    "adam": (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1)}
SWEEP_STEPS = 30
MORE_SEEDS, MOST_SEEDS = 4, 21
RECORD_BYTES = 0.3e6  # histories and films
SWEEP_BYTES = 64e6  # that trying rates may take, where the race itself takes less
MOST_RECORDED = 40  # steps
HELD_OUT_EVERY = 4  # recorded steps: a look at all held-out samples costs as much as a step
FRAMES = 12  # of a film, from the first step to the last
TITLES = {"gradient_norm": "Norm of dL/dW (log axis)", "update_ratio": "log₁₀ of update ÷ weight",
          "dead_share": "Share of dead neurons", "symmetry_gap": "Symmetry gap (log axis)"}
FILMED = ("digits", "moons", "circles", "spiral")
WORKERS = 2
STACKED = 1 << 16  # values of a layer: up to so many, fewer calls are worth more than what stays in the cache
_POOL = ThreadPoolExecutor(WORKERS, "initviz-race")  # NumPy lets go of the interpreter inside its loops


@dataclass(frozen=True, eq=False)
class _Phase:
    """Races of some contenders each, run in parallel: together all contenders from one seed."""

    words: str
    races: list[Race]
    owners: list[list[int]]  # which contenders each race has
    workspaces: list[Workspace] = field(default_factory=lambda: [Workspace() for _ in range(WORKERS)])

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

    def in_order(self, values_of: Callable[[Race], list[Any]]) -> list[Any]:
        """What each race says of its contenders, in the contenders' order."""
        by_contender = {owner: item for race, group in zip(self.races, self.owners, strict=True)
                for owner, item in zip(group, values_of(race), strict=True)}
        return [by_contender[owner] for owner in sorted(by_contender)]

    def advance(self, until: float) -> None:
        """Each worker advances whichever race is behind, until that moment of ``time.monotonic()``."""
        waiting, lock = [race for race in self.races if not race.finished], threading.Lock()

        def work(workspace: Workspace) -> None:
            while True:
                with lock:
                    if not waiting:
                        return
                    race = waiting.pop(min(range(len(waiting)), key=lambda at: waiting[at].step))
                race.advance(1, workspace)
                with lock:
                    if not race.finished:
                        waiting.append(race)
                if time.monotonic() >= until:
                    return

        for worker in [_POOL.submit(work, self.workspaces[i]) for i in range(min(WORKERS, len(waiting)))]:
            worker.result()
        if self.finished:
            for race in self.races:
                race.release()
            self.workspaces.clear()


def is_stacked(terms: RaceTerms) -> bool:
    """Whether the contenders are trained as stacks, one a worker, and not each for itself."""
    return (terms.recipe.batch_size or terms.batch) * max(terms.networks[0].sizes) <= STACKED


def race_bytes(terms: RaceTerms, rates: int = 1) -> float:
    """Memory of a race at its peak, of so many rates tried at once for each contender."""
    contenders, first = len(terms.labels), terms.networks[0]
    networks = contenders * rates
    filmed = 2 * WORKERS * GRID**2 * sum(first.sizes[1:]) * 4 if first.sizes[0] == 2 else 0
    numbers: Mapping[str, int] = {
        "networks": networks, "minibatch": terms.recipe.batch_size, "states": STATES[terms.recipe.optimizer],
        "held_out": HELD_OUT if rates == 1 else 0,
        "at_once": networks if is_stacked(terms) else min(WORKERS, contenders) * rates}
    return RECORD_BYTES + filmed + (
        block_training_bytes(first, terms.batch, **numbers) if isinstance(first, Architecture)
        else training_bytes(first.sizes, terms.batch, **numbers))


def rates_at_once(terms: RaceTerms) -> int:
    """How many rates may be tried side by side without more memory than the race itself, or than a moderate one."""
    most = max(race_bytes(terms), SWEEP_BYTES)
    return max((count for count in range(1, len(SWEPT_RATES[terms.recipe.optimizer]) + 1)
                if race_bytes(terms, count) <= most), default=1)


def race_peak_bytes(terms: RaceTerms) -> float:
    """Memory that a race takes at its peak, the search for the best rates included."""
    return max(race_bytes(terms), race_bytes(terms, rates_at_once(terms)) if terms.tuned else 0.0)


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
        return SWEPT_RATES[self.terms.recipe.optimizer]

    @property
    def _sweep_steps(self) -> int:
        return min(SWEEP_STEPS, self.terms.recipe.steps)

    def _race(self, group: Sequence[int], recipe: Recipe, more: int = 0, *, times: int = 1, **options: Any) -> Race:
        """A race of some contenders from the seed plus ``more``, each so many times in turn."""
        first = self.terms.networks[0]
        options = {"seed": first.seed} | options
        if isinstance(first, Architecture):
            named = [self.terms.named_parameters(i, more) for i in group]
            return BlockRace([own for own in named for _ in range(times)], self.batch, recipe, architecture=first,
                             **options)
        drawn = [self.terms.parameters(i, more) for i in group]
        return Race([own for own in drawn for _ in range(times)], self.batch, recipe, activation=first.activation,
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
        return _Phase.of("Trying rates", len(self.rates), is_stacked(self.terms), lambda group: self._race(
            group, recipe, times=len(rates), rates=list(rates) * len(group), record=[recipe.steps]))

    def _race_from_seed(self, more: int) -> _Phase:
        first, steps = self.terms.networks[0], self.terms.recipe.steps
        filmed = not more and first.depth > 1 and self.terms.input in FILMED and self.terms.data is None
        recorded = recorded_steps(steps, MOST_RECORDED)
        frames = np.unique(np.r_[0, np.geomspace(1, max(steps, 1), FRAMES - 1).round().astype(int)])
        phase = _Phase.of("Training from another seed" if more else "Training", len(self.rates), is_stacked(self.terms),
                          lambda group: self._race(
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
            for history, film in zip(self.histories, self.films, strict=True):
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
        """What is being done, in words."""
        if self._phase is None:
            return f"Finished: {self.terms.recipe.steps} steps"
        return f"{'Stopped' if self.stopped else self._phase.words}: step {self._phase.step} of {self._phase.steps}"

    @property
    def progress(self) -> float:
        """Share of the steps made, 0 to 1."""
        left = (math.ceil(len(self._untried) / self._rates_at_once) * self._sweep_steps
                + len(self._unseen) * self.terms.recipe.steps)
        whole = self._steps_of_finished_phases + left
        return (self._steps_of_finished_phases + (self._phase.step if self._phase else 0)) / whole if whole else 1.0

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
        """One a contender, as far as they got; empty ones while rates are tried."""
        return self._seeds[0] if self._seeds else [History() for _ in self.terms.labels]

    @property
    def all_histories(self) -> list[list[History]]:
        """One list a contender: one history a seed, of the seeds whose race has ended and of the first."""
        ended = self._seeds[:max(1, len(self._seeds) - (self._phase is not None))] or [self.histories]
        return [list(contender) for contender in zip(*ended, strict=True)]

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
        known = MOST_SEEDS - self.seeds_left
        self._unseen += [10_000 * number for number in range(known, known + min(MORE_SEEDS, self.seeds_left))]
        if self._phase is None:
            self._begin_phase()


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


def _outputs(network: Network | Architecture, parameters: Parameters | Mapping[str, Array], x: Array) -> Array:
    """What a network puts out for the inputs (batch, features)."""
    if isinstance(network, Architecture):
        assert isinstance(parameters, Mapping)
        return chain_forward(network.layers, parameters, x)[0]
    assert isinstance(parameters, tuple)
    *_, (_, outputs) = forward(*parameters, x, network.activation, **dict(network.activation_params))
    return outputs


def boundary(network: Network | Architecture, parameters: Parameters | Mapping[str, Array]) -> NDArray[np.int8]:
    """Per cell of the plane ten times the class plus nine times the confidence above chance: (GRID, GRID)."""
    with np.errstate(**QUIET):
        outputs = _outputs(network, parameters, grid())
        outputs = np.nan_to_num(outputs.astype(np.float64))
        if outputs.shape[1] == 1:  # of a sigmoid: the odds against 0
            outputs = np.hstack([np.zeros_like(outputs), outputs])
        p = np.exp(outputs - outputs.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    chance = 1 / p.shape[1]
    confidence = np.clip((p.max(axis=1) - chance) / (1 - chance), 0, 1)
    return (10 * p.argmax(axis=1) + np.round(9 * confidence)).astype(np.int8).reshape(GRID, GRID)


def weight_images(weight: Array, side: int = 8) -> NDArray[np.int8]:
    """The first neurons' incoming weights as images (rows * (side + 1), columns * (side + 1)), -100 to 100.

    ``weight`` (fan_in, fan_out) is the first layer's. Images are scaled to the largest magnitude among them; between
    them runs a line of zeros.
    """
    weight = weight.astype(np.float64)
    sheet = np.zeros((IMAGES[0] * (side + 1), IMAGES[1] * (side + 1)))
    for neuron in range(min(weight.shape[1], IMAGES[0] * IMAGES[1])):
        row, column = divmod(neuron, IMAGES[1])
        top, left = row * (side + 1), column * (side + 1)
        sheet[top: top + side, left: left + side] = weight[:, neuron].reshape(side, side)
    largest = np.abs(sheet).max()
    return np.round(100 * sheet / (largest or 1)).astype(np.int8)


def frame(network: Network | Architecture, parameters: Parameters | Mapping[str, Array]) -> NDArray[np.int8]:
    """What is filmed at one step: the decision boundary for two inputs, else the first layer's weights as images.

    ``parameters`` are weights and biases, of a network of blocks a mapping of names.
    """
    if network.sizes[0] == 2:
        return boundary(network, parameters)
    return weight_images(parameters["0.weight"] if isinstance(parameters, Mapping) else parameters[0][0])


def layer_names(network: Network | Architecture, measure: str) -> list[str]:
    """What the columns of a history's measure are called: of a network of blocks its dense layers, or for "dead_share"
    its activations.
    """
    if isinstance(network, Network):
        return [*(f"layer {layer}" for layer in range(1, network.depth)), *(["output"] * (measure != "dead_share"))]
    kind = Activation if measure == "dead_share" else Dense
    paths = [path for path, layer, _ in walk(network.layers, network.inputs) if isinstance(layer, kind)]
    stages = [next(stage for stage, own in enumerate(network.stages) if path.partition(".")[0] in own)
              for path in paths]
    of_stage = ["first layer", *(f"block {block}" for block in range(1, network.blocks + 1)), "output"]
    return [of_stage[stage] + (f", layer {stages[:at].count(stage) + 1}" if stages.count(stage) > 1 else "")
            for at, stage in enumerate(stages)]


def placed_points(batch: Batch, most: int = 150) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The first samples of a two-dimensional batch, as positions 0..1 of the plane shown, and their classes."""
    inside, classes = (np.abs(batch.x[:most]) < REACH).all(axis=1), batch.classes()
    assert classes is not None
    return (batch.x[:most][inside].astype(float) + REACH) / (2 * REACH), classes[:most][inside]


def outcome(history: History, constant: float, steps: int) -> str:
    """In words, what became of one contender in a race of so many steps; ``constant`` is a constant output's loss."""
    if history.diverged_at is not None:
        return f"diverged at step {history.diverged_at}"
    if not history.loss:
        return "not begun"
    if not steps:
        return "not trained"
    if history.loss[-1] > history.loss[0] + STILL * constant:
        return "got worse"
    if history.loss[-1] <= LEARNED * constant:
        return "learned"
    if history.steps[-1] < steps:
        return f"at step {history.steps[-1]} of {steps}"
    return "did not learn" if history.loss[0] - history.loss[-1] < STILL * constant else "still learning"


def _spread(values: Sequence[float | int | None], missing: str) -> str:
    """The median of what is known, with the least and the most where there are several."""
    known = sorted(v for v in values if v is not None and math.isfinite(v))
    if not known:
        return missing
    middle = number(float(np.median(known)))
    lost = f", {len(values) - len(known)} {missing}" if len(known) < len(values) else ""
    return middle + (f" ({number(known[0])} to {number(known[-1])}{lost})" if len(values) > 1 else "")


def spread_over_seeds(seeds: Sequence[History], measure: str) -> tuple[Array, Array, Array] | None:
    """Median, least and most of a measure at each recorded step, over the seeds that got as far as the first did."""
    columns = [getattr(history, measure) for history in seeds if history.steps == seeds[0].steps]
    if len(columns) < 2:
        return None
    values = np.array(columns)
    return np.median(values, axis=0), values.min(axis=0), values.max(axis=0)


def _last(history: History, values: Sequence[float], times: float = 1) -> float | None:
    last = last_known(values)
    return times * last if last is not None and history.diverged_at is None else None


def table(labels: Sequence[str], rates: Sequence[float], histories: Sequence[Sequence[History]], constant: float,
          steps: int) -> pd.DataFrame:
    """A row a contender; ``histories`` holds one history a seed for each, and figures are median (least to most).

    ``constant`` is the loss of a constant output, of which a part counts as learned.
    """
    threshold = LEARNED * constant
    accuracies = [value for seeds in histories for history in seeds for value in history.accuracy]
    of_classes = not accuracies or not all(map(math.isnan, accuracies))
    rows = []
    for label, rate, seeds in zip(labels, rates, histories, strict=True):
        outcomes = [outcome(history, constant, steps) for history in seeds]
        what_happened = outcomes[0] if len(set(outcomes)) == 1 else ", ".join(
            f"{outcomes.count(words)} {words}" for words in dict.fromkeys(outcomes))
        begun = [history for history in seeds if history.loss or history.diverged_at is not None]
        ended = "diverged" if any(history.diverged_at is not None for history in seeds) else "not begun"
        rows.append({
            "Initializer": label, "Rate": rate, "What happened": what_happened,
            f"Steps to loss {number(threshold)}": _spread([h.steps_to(threshold) for h in begun],
                                                          "never" if begun else "not begun"),
            "First loss": _spread([h.loss[0] if h.loss else None for h in begun],
                                  "overflow" if begun else "not begun"),
            "Last loss": _spread([_last(h, h.loss) for h in begun], ended),
            **({"Accuracy, %": _spread([_last(h, h.accuracy, 100) for h in begun], ended),
                "Held-out accuracy, %": _spread([_last(h, h.held_out_accuracy, 100) for h in begun], ended)}
               if of_classes else {})})
    return pd.DataFrame(rows)
