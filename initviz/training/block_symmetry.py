"""Copies in networks of blocks: in the stream, in the branches, and in what branches add; and what training parts.

In float64, as initviz.training.symmetry. Neurons that may change places (initviz.core.exchange) stay copies; whether
the others part is measured.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from initviz.core.architecture import KINDS, Architecture
from initviz.core.arrays import Array
from initviz.core.batches import Batch
from initviz.core.cost import block_signals, block_training_bytes, block_weights
from initviz.core.exchange import branch_places, kinds, layer_places, stream_places
from initviz.core.layers import Activation, Dense, Layer, Norm, Residual
from initviz.core.layers.chain import LayerContext, Parameters, chain_backward, chain_forward, path_of
from initviz.core.propagation import LOSSES, QUIET
from initviz.core.simulation import errors_cancel
from initviz.core.statistics import distinct_neurons, diversity, moments
from initviz.training.gradient_descent import OPTIMIZERS, BlockRace, Recipe, symmetry_gap
from initviz.training.symmetry import SHOWN, TOGETHER_BYTES, LayerView, run, similarity

PARTS = ("stream", "branch", "added")  # the neurons that are looked at: see StageView
MOVED = 1e-9  # a weight matrix has moved where an entry has by more than this part of its largest
FEW_STEPS = 5  # after which what begins as copies, but may part, has parted


@dataclass(frozen=True, eq=False)
class NormOfCopies:
    """What the first normalization that is given copies makes of them, forward and back, as root mean squares.

    ``gradient_in`` is the gradient with respect to its output, ``gradient_out`` what it makes of it; 0 where the errors
    cancel up to round-off.
    """

    label: str
    eps: float
    stage: int
    input_rms: float
    output_rms: float
    gradient_in: float
    gradient_out: float


@dataclass(frozen=True, eq=False)
class StageView:
    """The neurons of one stage: the first dense layer or a block.

    ``stream`` is the stage's output, ``branch`` the neurons inside of the block's branch and ``added`` what the branch
    adds to the stream; the last two are None where there is no such thing.
    """

    stream: LayerView
    branch: LayerView | None = None
    added: LayerView | None = None

    def part(self, key: str) -> LayerView | None:
        """One of PARTS."""
        view: LayerView | None = getattr(self, key)
        return view


@dataclass(frozen=True)
class StageCounts:
    """Different neurons of a stage's PARTS on a batch, 0 where not all is finite; None where there is no such part."""

    stream: int
    branch: int | None = None
    added: int | None = None


@dataclass(frozen=True, eq=False)
class BlockCopies:
    """Copies in one network of blocks.

    ``views`` are its stages after the steps asked for, none where training has diverged by then; ``first`` and ``last``
    count different neurons before training and after ``steps`` of it, the last none where it has diverged.
    ``stream_kinds`` is for each stage the number of its neurons of which no two may change places at first,
    ``branch_kinds`` the same of each block's branch: so many can part at most. ``zero_stream``: the stream is exactly 0
    at first; ``zero_branches``: every branch adds exactly 0 to it. ``moved`` counts the dense layers whose weights
    training has changed, of ``dense``. ``norm`` is None where no normalization is given copies.
    """

    network: Architecture
    views: list[StageView]
    first: list[StageCounts]
    last: list[StageCounts]
    steps: int
    stream_kinds: tuple[int, ...]
    branch_kinds: tuple[int, ...]
    zero_stream: bool
    zero_branches: bool
    moved: int
    dense: int
    norm: NormOfCopies | None


class _Pass:
    """One pass that keeps what every layer was given, put out and saved, and the gradient of its output."""

    def __init__(self, network: Architecture, parameters: Parameters, batch: Batch) -> None:
        self.network, self.parameters = network, parameters
        self.layers: dict[str, Layer] = {}
        self.inputs: dict[str, Array] = {}
        self.outputs: dict[str, Array] = {}
        self.saved: dict[str, Any] = {}
        self.back: dict[str, Array] = {}
        with np.errstate(**QUIET):
            x = batch.x.astype(np.float64)
            output, saved = chain_forward(network.layers, parameters, x, LayerContext(observer=self))
            _, error = LOSSES[batch.loss](output, batch.targets)
            self.canceled = errors_cancel(error, parameters[f"{len(network.layers) - 1}.weight"])
            _, self.gradients = chain_backward(network.layers, parameters, saved, error, LayerContext(observer=self))

    def forward(self, path: str, layer: Layer, x: Array, y: Array, saved: Any) -> None:
        self.layers[path], self.inputs[path], self.outputs[path], self.saved[path] = layer, x, y, saved

    def backward(self, path: str, layer: Layer, dy: Array) -> None:
        self.back[path] = dy

    def view(self, h: Array, weight: str) -> LayerView:
        gradient, w = self.gradients[weight], self.parameters[weight]
        with np.errstate(**QUIET):
            return LayerView(h[:SHOWN, :SHOWN].copy(), gradient[:SHOWN, :SHOWN] * (0.0 if self.canceled else 1.0),
                             similarity(h[:, :SHOWN]), h.shape[1], moments(h).rms, diversity(h),
                             float(symmetry_gap(w)), 0.0 if self.canceled else moments(gradient).rms, self.canceled)

    def parts(self, stage: int) -> dict[str, tuple[Array, str]]:
        """The outputs of a stage's neurons, and the name of the weight that they are made with."""
        paths = self.network.stages[stage]
        residual = self.layers[paths[0]]
        stream = self.outputs[paths[-1]]
        if not isinstance(residual, Residual):
            return {"stream": (stream, f"{paths[0]}.weight")}
        inside = [path_of(paths[0], index) for index in range(len(residual.branch))]
        dense = [path for path in inside if isinstance(self.layers[path], Dense)]
        saved, last = self.saved[paths[0]], f"{dense[-1]}.weight"
        parts = {"stream": (stream, last), "added": (saved.branch * saved.scale, last)}
        if len(dense) > 1:
            phi = next(path for path in inside if isinstance(self.layers[path], Activation))
            parts["branch"] = (self.outputs[phi], f"{dense[0]}.weight")
        return parts

    def views(self) -> list[StageView]:
        return [StageView(**{name: self.view(*part) for name, part in self.parts(stage).items()})
                for stage in range(self.network.depth - 1)]

    def counts(self) -> list[StageCounts]:
        return [StageCounts(**{name: distinct_neurons(h) for name, (h, _) in self.parts(stage).items()})
                for stage in range(self.network.depth - 1)]

    def norm_of_copies(self) -> NormOfCopies | None:
        """The first normalization that is given copies which are not all 0."""
        stages = {path: stage for stage, paths in enumerate(self.network.stages) for path in paths}
        for path, layer in self.layers.items():
            x = self.inputs[path]
            if isinstance(layer, Norm) and x.any() and distinct_neurons(x) == 1:
                norm_parameters = {name: self.parameters[f"{path}.{name}"] for name in ("weight", "bias")
                       if f"{path}.{name}" in self.parameters}
                dx, _ = layer.backward(norm_parameters, self.saved[path], self.back[path])
                ahead = [moments(array).rms for array in (x, self.outputs[path])]
                back = [0.0 if self.canceled else moments(array).rms for array in (self.back[path], dx)]
                return NormOfCopies(layer.label, layer.eps, stages[path.partition(".")[0]], *ahead, *back)
        return None


def draws_in_float64(network: Architecture) -> dict[str, Array]:
    """The parameters that the network draws in float32, as on every other page, cast to float64."""
    return {name: array.astype(np.float64) for name, array in replace(network, dtype="float32").draw().items()}


def side_by_side(network: Architecture, samples: int, recipe: Recipe) -> tuple[int, float]:
    """How many networks of blocks are trained together in float64, and the memory that each takes."""
    states = OPTIMIZERS[recipe.optimizer].states
    bytes_of_one = block_training_bytes(replace(network, dtype="float64"), samples, states=states)
    return max(1, int(TOGETHER_BYTES // bytes_of_one)), bytes_of_one


def block_development_bytes(networks: Sequence[Architecture], samples: int, recipe: Recipe) -> float:
    """Memory of ``develop_blocks`` at its peak."""
    together, bytes_of_one = side_by_side(networks[0], samples, recipe)
    arrays = 8 + OPTIMIZERS[recipe.optimizer].states  # like the weights, most of them while `kinds` sorts neurons
    weights = arrays * block_weights(networks[0])
    looked_at = 8 * (3 * samples * block_signals(networks[0]) + weights)
    return max(min(len(networks), together) * bytes_of_one, looked_at)


def develop_blocks(networks: Sequence[Architecture], batch: Batch, recipe: Recipe,
                   after_steps: int) -> Generator[float, None, list[BlockCopies]]:
    """Look at networks of blocks that differ in their initializers alone after so many steps of training, and count
    their copies before training and after at least FEW_STEPS; yields the share that is done, returns a result for each.
    """
    copies: list[BlockCopies] = []
    together, _ = side_by_side(networks[0], len(batch.x), recipe)
    for first in range(0, len(networks), together):
        group = [replace(network, dtype="float64") for network in networks[first:first + together]]
        initial = [draws_in_float64(network) for network in group]
        race = BlockRace(initial, batch, replace(recipe, steps=max(after_steps, FEW_STEPS)), architecture=group[0],
                         seed=group[0].seed, record=[])
        done, share = first / len(networks), len(group) / len(networks)
        yield from run(race, done, share, after_steps)
        views = [_views(*pair, batch) for pair in zip(group, _parameters(race), strict=True)]
        yield from run(race, done, share)
        copies += [_copies(*each, batch, race.recipe.steps)
                   for each in zip(group, initial, views, _parameters(race), strict=True)]
        yield len(copies) / len(networks)
    return copies


def _parameters(race: BlockRace) -> list[Parameters | None]:
    """The parameters of each network now, by name; None for those that have diverged."""
    return [arrays and race.named(*arrays) for arrays in race.parameters()]


def _views(network: Architecture, parameters: Parameters | None, batch: Batch) -> list[StageView]:
    return _Pass(network, parameters, batch).views() if parameters else []


def _copies(network: Architecture, initial: Parameters, views: list[StageView], trained: Parameters | None,
            batch: Batch, steps: int) -> BlockCopies:
    """Counts of copies before training, with the initial parameters, and after it."""
    last = _Pass(network, trained, batch).counts() if trained else []  # and forgotten: one pass is held at a time
    before = _Pass(network, initial, batch)
    skips, inner = KINDS[network.kind].skips, range(network.depth - 1)
    stages = [before.parts(stage) for stage in inner]
    added = [stage["added"][0] for stage in stages if "added" in stage]
    weights = [name for name, array in initial.items() if array.ndim == 2]
    return BlockCopies(
        network, views, before.counts(), last, steps,
        (kinds(initial, stream_places(network, initial)),) * len(inner) if skips else
        tuple(kinds(initial, layer_places(network, initial, stage)) for stage in inner),
        tuple(kinds(initial, branch_places(network, initial, block))
              for block in range(network.blocks)) if skips else (),
        not any(stage["stream"][0].any() for stage in stages), bool(added) and not any(array.any() for array in added),
        sum(_moved(initial[name], trained[name]) for name in weights) if trained else 0, len(weights),
        before.norm_of_copies())


def _moved(before: Array, after: Array) -> bool:
    """Whether training has changed weights by more than round-off."""
    return bool(np.abs(after - before).max() > MOVED * np.abs(after).max())
