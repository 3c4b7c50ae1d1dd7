"""Race: several plain networks of one shape trained side by side, on the same data in the same order.

The networks are stacked: one product a layer for all of them. A network whose loss leaves the finite numbers is taken
out of the stack and marked; the others go on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from initviz.core.activations import activation as named_activation
from initviz.core.arrays import Array
from initviz.core.batches import Batch
from initviz.core.buffers import Buffers
from initviz.core.network import Network, stream
from initviz.core.propagation import LOSSES, QUIET, backward, check_shapes, check_targets, forward
from initviz.training.gradient_descent.copies import Copies
from initviz.training.gradient_descent.history import History, log_ratios, norms_of, recorded_steps, symmetry_gaps
from initviz.training.gradient_descent.recipe import Recipe
from initviz.training.optimizers import OPTIMIZERS

Parameters = tuple[list[Array], list[Array]]
ORDER_STREAM, DROPOUT_STREAM = 3, 4  # beside those of network.py
MOST_SNAPSHOT_BYTES = 64e6


def _copied(parameters: Parameters) -> Parameters:
    weights, biases = parameters
    return [w.copy() for w in weights], [b.copy() for b in biases]


def _copies(initial: Sequence[Parameters], recipe: Recipe) -> Copies:
    depth = len(initial[0][0])
    names = [f"{layer}.{part}" for part in ("weight", "bias") for layer in range(depth)]
    neurons = [[(f"{layer}.weight", -1), (f"{layer}.bias", -1), (f"{layer + 1}.weight", -2)]
               for layer in range(depth - 1)]
    return Copies([dict(zip(names, [*weights, *biases], strict=True)) for weights, biases in initial], names,
                  () if recipe.dropout else neurons)  # dropout treats copies differently


@dataclass(frozen=True, eq=False)
class Pass:
    """One pass of the stack: a loss per network; gradients of weights and biases, and preactivations, by layer."""

    loss: Array
    gradients: list[Array]
    bias_gradients: list[Array]
    preactivations: list[Array]


Snapshot = Callable[[Parameters], Any]


class Workspace:
    """Memory of the passes of a step, used again in the next, and by one race after another in the same thread."""

    def __init__(self) -> None:
        self.step, self.recording, self.held_out = Buffers(), Buffers(), Buffers()

    def clear(self) -> None:
        """Release all memory."""
        for buffers in (self.step, self.recording, self.held_out):
            buffers.clear()


class Race:
    """Networks of one shape trained side by side.

    ``initial`` are the (weights, biases) of each network; ``rates`` one learning rate for each, else the
    recipe's. ``advance`` runs a number of steps, ``histories`` holds what was recorded so far. ``snapshot``, where
    given, makes of the parameters at each step of ``snapshots`` what a history keeps of them, instead of a copy, of
    which as many are kept as MOST_SNAPSHOT_BYTES allows. ``held_out_steps``, where given, are the recorded steps at
    which the held-out samples go through, beside the last.
    Raises ValueError where shapes differ or the batch does not fit.
    """

    _make_snapshot: Snapshot
    _copies: Copies

    def __init__(self, initial: Sequence[Parameters], batch: Batch, recipe: Recipe, *, activation: str,
                 activation_params: dict[str, Any] | None = None, held_out: Batch | None = None, seed: int = 0,
                 rates: Sequence[float] | None = None, record: Iterable[int] | None = None,
                 snapshots: Iterable[int] = (), snapshot: Callable[[Parameters], Any] | None = None,
                 held_out_steps: Iterable[int] | None = None) -> None:
        if not initial:
            raise ValueError("initial must hold the weights and biases of at least one network, got none")
        for weights, biases in initial:
            check_shapes(weights, biases, batch.x)
            if [w.shape for w in weights] != [w.shape for w in initial[0][0]]:
                raise ValueError("initial must hold parameters of the same shapes for every network")
        check_targets(batch.targets, batch.loss, len(batch.x), initial[0][0][-1].shape[1])
        self._phi, self._params = named_activation(activation), activation_params or {}
        self._activation = activation
        self._copies = _copies(initial, recipe)
        self._begin([np.stack(layers) for layers in zip(*(weights for weights, _ in initial), strict=True)],
                    [np.stack(layers)[:, None, :] for layers in zip(*(biases for _, biases in initial), strict=True)],
                    batch, recipe, held_out, seed, rates, record, snapshots, held_out_steps)
        if snapshot:
            self._snapshots |= set(snapshots)
            self._make_snapshot = snapshot

    def _begin(self, weights: list[Array], biases: list[Array], batch: Batch, recipe: Recipe, held_out: Batch | None,
               seed: int, rates: Sequence[float] | None, record: Iterable[int] | None,
               snapshots: Iterable[int], held_out_steps: Iterable[int] | None) -> None:
        """Set up training from stacks of weights (networks, fan_in, fan_out) and biases (networks, 1, fan_out)."""
        dtype, count = weights[0].dtype, len(weights[0])
        self.recipe, self.batch, self.held_out = recipe, batch, held_out
        self._x, self._targets = batch.x.astype(dtype, copy=False), batch.targets
        self._classes, self._held_out_classes = batch.classes(), held_out.classes() if held_out else None
        self._weights, self._biases = weights, biases
        with np.errstate(over="ignore"):  # an infinite rate diverges at once, as it should
            self._rates = np.array(rates if rates is not None else [recipe.rate] * count, dtype)[:, None, None]
        self._states: list[list[Array]] = [[np.zeros_like(p) for p in self._weights + self._biases]
                                           for _ in range(OPTIMIZERS[recipe.optimizer].states)]
        self._running = np.arange(count)  # which histories the rows of the stack belong to
        self._record = set(record if record is not None else recorded_steps(recipe.steps)) | {recipe.steps}
        self._held_out_steps = self._record if held_out_steps is None else {*held_out_steps, recipe.steps}
        self._snapshots = self._affordable(sorted(set(snapshots)))
        self._make_snapshot = _copied
        self._order = stream(seed, ORDER_STREAM)
        self._masks = stream(seed, DROPOUT_STREAM)
        self._queue = np.zeros(0, np.intp)
        self._work_in(Workspace())
        self.step, self._released = 0, False
        self.histories = [History() for _ in range(count)]

    def _affordable(self, steps: list[int]) -> set[int]:
        size = sum(array.nbytes for array in self._weights + self._biases)
        most = max(2, int(MOST_SNAPSHOT_BYTES // max(size, 1)))
        if len(steps) <= most:
            return set(steps)
        return {steps[i] for i in np.linspace(0, len(steps) - 1, most).round().astype(int)}

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do: all steps made, or every network has diverged."""
        return not len(self._running) or (self.step >= self.recipe.steps and self._recorded_last())

    def _recorded_last(self) -> bool:
        return all(h.diverged_at is not None or (h.steps and h.steps[-1] >= self.recipe.steps) for h in self.histories)

    def advance(self, steps: int | None = None, workspace: Workspace | None = None) -> Race:
        """Make ``steps`` more steps, or all that are left, in a workspace that no other thread uses; returns itself."""
        if workspace:
            self._work_in(workspace)
        with np.errstate(**QUIET):
            last = self.recipe.steps if steps is None else min(self.recipe.steps, self.step + steps)
            while len(self._running) and self.step < last:
                self._advance_once()
            if self.step >= self.recipe.steps and len(self._running) and not self._recorded_last():
                self._record_step(None)
        if self.finished and workspace is None:
            for buffers in (self._buffers, self._looking, self._held_out_buffers):
                buffers.clear()
        return self

    def _work_in(self, workspace: Workspace) -> None:
        self._buffers, self._looking = workspace.step, workspace.recording
        self._held_out_buffers = workspace.held_out

    def release(self) -> None:
        """Release parameters, optimizer state and workspace of a finished race; its histories stay."""
        self._weights, self._biases, self._states = [], [], []
        self._work_in(Workspace())
        self._released = True

    def parameters(self) -> list[Parameters | None]:
        """The parameters of each network now; None for those that have diverged."""
        if self._released:
            raise ValueError("parameters must be asked for before the race is released")
        rows = {int(owner): row for row, owner in enumerate(self._running)}
        return [([w[rows[i]] for w in self._weights], [b[rows[i], 0] for b in self._biases]) if i in rows else None
                for i in range(len(self.histories))]

    # ------------------------------------------------------------------------------------------ one step

    def _next_samples(self) -> tuple[Array, Array]:
        size = self.recipe.batch_size
        if not size or size >= len(self._x):
            return self._x, self._targets
        if len(self._queue) < size:
            self._queue = np.concatenate([self._queue, self._order.permutation(len(self._x))])
        chosen, self._queue = self._queue[:size], self._queue[size:]
        return self._x[chosen], self._targets[chosen]

    def _pass(self, x: Array, targets: Array, buffers: Buffers, masks: Sequence[Array] = ()) -> Pass:
        passed = list(forward(self._weights, self._biases, x, self._activation, masks, buffers, **self._params))
        zs, hs = [z for z, _ in passed], [h for _, h in passed]
        loss, error = LOSSES[self.batch.loss](zs[-1], targets)
        gradients, bias_gradients = [], []
        for delta, gradient in backward(self._weights, x, zs, hs, error, self._activation, masks, buffers,
                                        **self._params):
            gradients.append(gradient)
            bias_gradients.append(np.add.reduce(delta, axis=-2, keepdims=True))
        return Pass(loss, gradients[::-1], bias_gradients[::-1], zs)

    def _dropout_masks(self, samples: int) -> list[Array]:
        share = self.recipe.dropout
        if not share:
            return []
        masks = [self._masks.random((samples, w.shape[-1])) >= share for w in self._weights[:-1]]
        return [mask.astype(self._x.dtype) / self._x.dtype.type(1 - share) for mask in masks]

    def _advance_once(self) -> None:
        x, targets = self._next_samples()
        passed = self._pass(x, targets, self._buffers, self._dropout_masks(len(x)))
        if not np.isfinite(passed.loss).all():
            passed = self._retire(passed)
            if not len(self._running):
                return
        for index, loss in zip(self._running, passed.loss.tolist(), strict=True):
            self.histories[index].seen_loss.append(loss)
        gradients = passed.gradients + passed.bias_gradients
        self._copies.equalize(gradients)
        is_recorded = self.step in self._record or self.step in self._snapshots
        is_whole_batch = is_recorded and x is self._x and not self.recipe.dropout
        norms = norms_of(passed.gradients) if is_whole_batch else None
        updates = self._updates(gradients)
        if is_recorded:
            self._record_step(updates[: len(self._weights)], passed if is_whole_batch else None, norms)
        for parameter, update in zip(self._weights + self._biases, updates, strict=True):
            parameter -= update
        self.step += 1

    def _updates(self, gradients: list[Array]) -> list[Array]:
        """What to subtract from each parameter, in the place of its gradient."""
        OPTIMIZERS[self.recipe.optimizer].update(self._states, gradients, self._rates, self.step + 1, self._buffers)
        return gradients

    def _retire(self, passed: Pass) -> Pass:
        """Mark the networks whose loss is no finite number and take them out of the stack and of the pass."""
        keep = np.isfinite(passed.loss)
        for index in self._running[~keep]:
            self.histories[index].diverged_at = self.step
        self._running = self._running[keep]
        self._copies.keep(keep)
        self._rates = self._rates[keep]
        self._weights, self._biases = [w[keep] for w in self._weights], [b[keep] for b in self._biases]
        self._states = [[array[keep] for array in state] for state in self._states]
        return Pass(passed.loss[keep], *([array[keep] for array in arrays]
                                        for arrays in (passed.gradients, passed.bias_gradients, passed.preactivations)))

    # ------------------------------------------------------------------------------------------ what is recorded

    def _outputs(self, batch: Batch) -> Array:
        *_, (_, outputs) = forward(self._weights, self._biases, batch.x.astype(self._x.dtype, copy=False),
                                   self._activation, (), self._held_out_buffers, **self._params)
        return outputs

    def _accuracy(self, outputs: Array, classes: Array | None) -> Array:
        if classes is None:
            return np.full(len(outputs), math.nan)
        chosen = outputs[..., 0] > 0 if outputs.shape[-1] == 1 else outputs.argmax(axis=-1)
        return (chosen == classes).mean(axis=-1)

    def _record_step(self, updates: list[Array] | None, passed: Pass | None = None, norms: Array | None = None) -> None:
        """Record this step, of the whole training batch, not of the mini-batch: from a pass of it and the norms of its
        gradients, where there was one.
        """
        if passed is None:
            after = updates is None and not self.recipe.batch_size  # no step of the same size is being made
            passed = self._pass(self._x, self._targets, self._buffers if after else self._looking)
            if not np.isfinite(passed.loss).all():
                finite = np.isfinite(passed.loss)
                passed = self._retire(passed)
                updates = updates and [update[finite] for update in updates]
        if not len(self._running):
            return
        zs = passed.preactivations
        accuracy = self._accuracy(zs[-1], self._classes)
        held_out = None
        if self.held_out:
            held_out = (self._accuracy(self._outputs(self.held_out), self._held_out_classes)
                        if self.step in self._held_out_steps else np.full(len(passed.loss), math.nan))
        norms = norms_of(passed.gradients) if norms is None else norms
        gaps = symmetry_gaps(self._weights)
        ratios = log_ratios(updates, self._weights) if updates else np.full(norms.shape, math.nan)
        dead = np.stack([(z.max(axis=-2) <= 0).mean(axis=-1) for z in zs[:-1]], axis=1) \
            if self._phi.dies and len(zs) > 1 else np.full((len(passed.loss), len(zs) - 1), math.nan)
        for row, index in enumerate(self._running):
            history = self.histories[index]
            if self.step in self._snapshots:
                history.snapshots[self.step] = self._make_snapshot(([w[row] for w in self._weights],
                                                               [b[row, 0] for b in self._biases]))
            if self.step not in self._record:
                continue
            history.steps.append(self.step)
            history.loss.append(float(passed.loss[row]))
            history.accuracy.append(float(accuracy[row]))
            if held_out is not None:
                history.held_out_accuracy.append(float(held_out[row]))
            for values, column in ((history.gradient_norm, norms), (history.symmetry_gap, gaps),
                                   (history.update_ratio, ratios), (history.dead_share, dead)):
                values.append(column[row])


def race(networks: Sequence[Network], batch: Batch, recipe: Recipe | None = None, **options: Any) -> Race:
    """A Race of networks of one shape and activation, from the parameters that they draw."""
    first = networks[0]
    if any((n.sizes, n.activation, n.activation_params, n.dtype) != (
            first.sizes, first.activation, first.activation_params, first.dtype) for n in networks):
        raise ValueError("networks must have the same sizes, activation and dtype to be trained side by side")
    return Race([network.parameters() for network in networks], batch, recipe or Recipe(), activation=first.activation,
                activation_params=dict(first.activation_params), **{"seed": first.seed} | options)


def best_rates(initial: Sequence[Parameters], batch: Batch, recipe: Recipe, rates: Sequence[float],
               **options: Any) -> Race:
    """A Race of every network at every rate, network by network."""
    return Race([parameters for parameters in initial for _ in rates], batch, recipe, rates=list(rates) * len(initial),
                record=[recipe.steps], **options)
