"""Training networks of blocks: gradient descent over named parameters, several networks of one shape at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from initviz.core.activations import activation
from initviz.core.architecture import Architecture
from initviz.core.arrays import Array
from initviz.core.batches import Batch, check_fit
from initviz.core.buffers import Buffers
from initviz.core.exchange import layers_of_neurons
from initviz.core.layers import Activation, Dense, Layer, walk
from initviz.core.layers.chain import LayerContext, chain_backward, chain_forward
from initviz.core.layers.passes import check_layers
from initviz.core.propagation import LOSSES, check_targets
from initviz.training.gradient_descent.copies import Copies
from initviz.training.gradient_descent.plain import Pass, Race
from initviz.training.gradient_descent.recipe import Recipe


class _Preactivations:
    """An observer that keeps what every activation is given."""

    def __init__(self) -> None:
        self.inputs: list[Array] = []

    def forward(self, path: str, layer: Layer, x: Array, y: Array, saved: Any) -> None:
        if isinstance(layer, Activation):
            self.inputs.append(x)

    def backward(self, path: str, layer: Layer, dy: Array) -> None:
        pass


class BlockRace(Race):
    """A Race of networks of one Architecture, from parameters by name.

    Histories have a column for each weight of a dense layer, ``weights`` (gradient norm, update ratio, symmetry gap),
    and ``dead_share`` one for each activation. ``snapshot`` and ``held_out_steps`` are as in a Race, of parameters by
    name. Under BatchNorm
    held-out samples are normalized by their own batch.
    Raises ValueError where parameters differ in shape, the batch does not fit, or the recipe has dropout.
    """

    def __init__(self, initial: Sequence[Mapping[str, Array]], batch: Batch, recipe: Recipe, *,
                 architecture: Architecture, held_out: Batch | None = None, seed: int = 0,
                 rates: Sequence[float] | None = None, record: Iterable[int] | None = None,
                 snapshots: Iterable[int] = (), snapshot: Callable[[Mapping[str, Array]], Any] | None = None,
                 held_out_steps: Iterable[int] | None = None) -> None:
        if recipe.dropout:
            raise ValueError(f"dropout must be 0 for networks of blocks, got {recipe.dropout:g}")
        if not initial:
            raise ValueError("initial must be the parameters of at least one network, got none")
        check_fit(architecture.sizes, batch)
        for parameters in initial:
            check_layers(architecture.layers, parameters, batch.x)
        check_targets(batch.targets, batch.loss, len(batch.x), architecture.outputs)
        self.layers = architecture.layers
        self.weights = tuple(f"{path}.weight" for path, layer, _ in walk(self.layers, architecture.inputs)
                             if isinstance(layer, Dense))
        names = [name for name in initial[0] if name not in self.weights]
        self._shapes = {name: initial[0][name].shape for name in names}
        self._phi, self._params = activation(architecture.activation), dict(architecture.activation_params)
        self._copies = Copies(initial, [*self.weights, *names], layers_of_neurons(architecture, initial[0]))
        self._begin([np.stack([of_network[name] for of_network in initial]) for name in self.weights],
                    [np.stack([of_network[name].reshape(1, -1) for of_network in initial]) for name in names],
                    batch, recipe, held_out, seed, rates, record, snapshots, held_out_steps)
        if snapshot:
            self._snapshots |= set(snapshots)
            self._make_snapshot = lambda parameters: snapshot(self.named(*parameters))

    def _named(self) -> dict[str, Array]:
        """The parameters as the layers read them: views, so that they need no copy."""
        return dict(zip(self.weights, self._weights, strict=True)) | {
            name: array.reshape(len(array), *shape)
            for (name, shape), array in zip(self._shapes.items(), self._biases, strict=True)}

    def _pass(self, x: Array, targets: Array, buffers: Buffers, masks: Sequence[Array] = ()) -> Pass:
        observer, parameters = _Preactivations(), self._named()
        context = LayerContext(buffers=buffers, observer=observer, overwrite=True)
        output, saved = chain_forward(self.layers, parameters, x, context)
        loss, error = LOSSES[self.batch.loss](output, targets)
        _, gradients = chain_backward(self.layers, parameters, saved, error, context)
        others = [gradients[name].reshape(len(self._running), 1, -1) for name in self._shapes]
        return Pass(loss, [gradients[name] for name in self.weights], others, [*observer.inputs, output])

    def _outputs(self, batch: Batch) -> Array:
        x = batch.x.astype(self._x.dtype, copy=False)
        return chain_forward(self.layers, self._named(), x, LayerContext(buffers=self._held_out_buffers))[0]

    def named(self, weights: Sequence[Array], others: Sequence[Array]) -> dict[str, Array]:
        """Parameters by name, from a snapshot or an entry of ``parameters()``."""
        return dict(zip(self.weights, weights, strict=True)) | {
            name: array.reshape(shape) for (name, shape), array in zip(self._shapes.items(), others, strict=True)}


def block_race(networks: Sequence[Architecture], batch: Batch, recipe: Recipe | None = None,
               **options: Any) -> BlockRace:
    """A BlockRace of networks whose layers have the same shapes, from the parameters that they draw."""
    first = networks[0]
    initial = [network.draw() for network in networks]
    shapes = [{name: array.shape for name, array in of_network.items()} for of_network in initial]
    if any((n.kind, n.normalization, n.activation, n.activation_params, n.dtype, n.scale, shape) != (
            first.kind, first.normalization, first.activation, first.activation_params, first.dtype, first.scale,
            shapes[0]) for n, shape in zip(networks, shapes, strict=True)):
        raise ValueError("networks must have the same blocks, branch scale, activation and dtype to be trained side by "
                         "side")
    return BlockRace(initial, batch, recipe or Recipe(), architecture=first, **{"seed": first.seed} | options)
