"""What breaks the symmetry of a network of blocks whose weights are constants: in its stream, and in its branches.

Neurons part where exchanging two of them changes the network. So a random output layer parts the neurons of the stream,
which it reads differently, and leaves those inside of each branch copies for ever.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from initviz.core.architecture import KINDS, Architecture
from initviz.core.arrays import Array
from initviz.core.batches import Batch
from initviz.core.exchange import branch_places, kinds, stream_places
from initviz.core.initializers import initialize
from initviz.core.layers import Dense, walk
from initviz.core.network import stream
from initviz.training.block_symmetry import draws_in_float64, side_by_side
from initviz.training.gradient_descent import BlockRace, History, Recipe, recorded_steps
from initviz.training.symmetry import MOST_RECORDED, NOISE_STREAM, RANDOM_BIAS, SPLIT, run


@dataclass(frozen=True)
class Places:
    """Names of the weights of a network of blocks: what writes into the stream, and what the branches' neurons read."""

    first: str
    inner: tuple[str, ...]
    last: tuple[str, ...]
    output: str

    @classmethod
    def of(cls, network: Architecture) -> Places:
        """The weights of an architecture with two dense layers per branch."""
        first, *middle, output = (f"{path}.weight" for path, layer, _ in walk(network.layers, network.inputs)
                                  if isinstance(layer, Dense))
        return cls(first, tuple(middle[::2]), tuple(middle[1::2]), output)

    @property
    def writers(self) -> tuple[str, ...]:
        """The weights whose columns are the stream's neurons."""
        return (self.first, *self.last)


@dataclass(frozen=True)
class BlockAttempt:
    """One way to treat constants: which weights are drawn by Xavier, how large a noise there is, which optimizer."""

    label: str
    sentence: str
    drawn: Callable[[Places], Sequence[str]] = lambda places: ()
    noisy: bool = False
    biases: bool = False
    adam: bool = False

    def parameters(self, constants: Mapping[str, Array], places: Places, rng: np.random.Generator,
                   epsilon: float) -> dict[str, Array]:
        """The initial parameters of this attempt."""
        changed = dict(constants)
        for name in self.drawn(places):
            changed[name] = initialize("xavier_normal", *changed[name].shape, rng=rng)
        for name, array in changed.items():
            if self.noisy and array.ndim == 2:
                changed[name] = array + epsilon * rng.standard_normal(array.shape)
            if self.biases and name.endswith("bias"):
                changed[name] = array + RANDOM_BIAS * rng.standard_normal(array.shape)
        return changed


BLOCK_ATTEMPTS: Mapping[str, BlockAttempt] = MappingProxyType({
    "nothing": BlockAttempt("Nothing", "The constant initialization, as it is."),
    "adam": BlockAttempt("Adam alone", "The constant initialization, trained with Adam at a tenth of the rate.",
                         adam=True),
    "noise": BlockAttempt("Perturbation", "Normal noise of the chosen size on every weight.", noisy=True),
    "biases": BlockAttempt("Random biases", f"Normally distributed biases of standard deviation {RANDOM_BIAS:g}.",
                           biases=True),
    "input": BlockAttempt("Random first layer", "Xavier's weights in the first layer alone.",
                          lambda places: (places.first,)),
    "output": BlockAttempt("Random output weights", "Xavier's weights in the output layer alone.",
                           lambda places: (places.output,)),
    "inner": BlockAttempt("Random first weights of the branches", "Xavier's weights in W₁ of every branch.",
                          lambda places: places.inner),
    "last": BlockAttempt("Random last weights of the branches", "Xavier's weights in W₂ of every branch.",
                         lambda places: places.last),
    "block": BlockAttempt("One random block", "Xavier's weights in W₁ and W₂ of the first block.",
                          lambda places: (places.inner[0], places.last[0])),
})


@dataclass(frozen=True, eq=False)
class BlockResult:
    """What came of one attempt: the symmetry gaps of stream and branches at the recorded steps, the largest of their
    weights, the first step at which each exceeds SPLIT (None where none does), and losses.

    ``stream_kinds`` and ``branch_kinds`` (of each block) say how many neurons of which no two may change places there
    are at first; ``last_stream_kinds`` and ``last_branch_kinds`` the same after training, 0 where it has diverged.
    """

    key: str
    steps: list[int]
    gaps: Mapping[str, list[float]]
    stream_kinds: int
    branch_kinds: tuple[int, ...]
    last_stream_kinds: int
    last_branch_kinds: tuple[int, ...]
    first_loss: float
    last_loss: float

    def split_at(self, part: str) -> int | None:
        """The first recorded step after which "stream" or "branch" counts as split."""
        return next((step for step, gap in zip(self.steps, self.gaps[part], strict=True) if gap > SPLIT), None)


def try_blocks(network: Architecture, batch: Batch, recipe: Recipe,
               epsilon: float) -> Generator[float, None, list[BlockResult]]:
    """Every attempt of the table on constants; yields the share that is done, returns results in the table's order.

    Raises ValueError where the network has no skips, not two dense layers a branch, or other weights.
    """
    if not KINDS[network.kind].skips or network.branch_layers != 2 or network.initializer != "constant":
        raise ValueError(f"network must have skips, 2 layers a branch and constants, got kind {network.kind!r}, "
                         f"{network.branch_layers} and {network.initializer}")
    network = replace(network, dtype="float64")
    places, constants = Places.of(network), draws_in_float64(network)
    results: dict[str, BlockResult] = {}
    for terms, alike in _by_recipe(recipe):
        together, _ = side_by_side(network, len(batch.x), terms)
        for first in range(0, len(alike), together):
            keys = alike[first:first + together]
            initial = [BLOCK_ATTEMPTS[key].parameters(constants, places, stream(network.seed, NOISE_STREAM), epsilon)
                       for key in keys]
            race = BlockRace(initial, batch, terms, architecture=network, seed=network.seed,
                             record=recorded_steps(recipe.steps, MOST_RECORDED))
            yield from run(race, len(results) / len(BLOCK_ATTEMPTS), len(keys) / len(BLOCK_ATTEMPTS))
            for key, begun, history, end in zip(keys, initial, race.histories, race.parameters(), strict=True):
                results[key] = _result(key, network, begun, end and race.named(*end), history, race.weights)
    return [results[key] for key in BLOCK_ATTEMPTS]


def _by_recipe(recipe: Recipe) -> Iterator[tuple[Recipe, list[str]]]:
    """The attempts that are trained by one recipe, and that recipe."""
    for adam in (False, True):
        yield (replace(recipe, optimizer="adam", rate=recipe.rate / 10) if adam else recipe,
               [key for key, attempt in BLOCK_ATTEMPTS.items() if attempt.adam == adam])


def attempts_bytes(network: Architecture, samples: int, recipe: Recipe) -> float:
    """Memory of ``try_blocks`` at its peak."""
    groups = ((*side_by_side(network, samples, terms), len(keys)) for terms, keys in _by_recipe(recipe))
    return max(min(together, count) * bytes_of_one for together, bytes_of_one, count in groups)


def _kinds(network: Architecture, parameters: Mapping[str, Array]) -> tuple[int, tuple[int, ...]]:
    return kinds(parameters, stream_places(network, parameters)), tuple(
        kinds(parameters, branch_places(network, parameters, block)) for block in range(network.blocks))


def _result(key: str, network: Architecture, begun: dict[str, Array], end: dict[str, Array] | None, history: History,
            weights: Sequence[str]) -> BlockResult:
    places = Places.of(network)
    gaps = {part: [float(max(gap[weights.index(name)] for name in names)) for gap in history.symmetry_gap]
            for part, names in (("stream", places.writers), ("branch", places.inner))}
    finite = bool(history.loss) and history.diverged_at is None
    return BlockResult(key, history.steps, gaps, *_kinds(network, begun),
                       *(_kinds(network, end) if end else (0, (0,) * network.blocks)),
                       history.loss[0] if history.loss else math.nan, history.loss[-1] if finite else math.nan)
