"""Simulate a network of blocks: a batch forward, the gradient back, and statistics of stream, branches and skips."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from initviz.core.activations import ACTIVATIONS
from initviz.core.architecture import KINDS, Architecture
from initviz.core.arrays import Array
from initviz.core.batches import Batch, check_fit
from initviz.core.buffers import borrowed_buffers
from initviz.core.exchange import all_alike, stream_places
from initviz.core.layers import Activation, Dense, Layer, Residual, walk
from initviz.core.layers.chain import LayerContext, chain_backward, chain_forward
from initviz.core.layers.passes import check_layers
from initviz.core.layers.residual import SavedResidual
from initviz.core.propagation import LOSSES, QUIET, check_targets
from initviz.core.simulation.quantities import (
    LAYER_STATISTICS,
    NEURON_QUANTITIES,
    QUANTITIES,
    SAMPLE_NEURONS,
    SAMPLE_ROWS,
    SAMPLE_SCALES,
    SCALES,
    TOGETHER,
    bins_of,
    border_of,
    errors_cancel,
    units_of,
)
from initviz.core.simulation.run import Run
from initviz.core.statistics import (
    NAN,
    Diversity,
    Moments,
    dead_share,
    distinct_weights,
    diversity_of_each,
    has_equal_rows,
    moments,
    moments_of_each,
    participation_baseline,
    ratio,
    sample_scales_of_each,
    saturated_share,
)
from initviz.core.threads import second_thread
from initviz.core.validation import Interval, check

if TYPE_CHECKING:
    import pandas as pd

BLOCK_STATISTICS = ("skip_rms", "branch_rms", "branch_to_skip", "cosine")


@dataclass(frozen=True, eq=False)
class BlockRun(Run):
    """What a simulation of an Architecture computed: a Run whose rows are the stages of the network.

    Stages are the first dense layer, each block and the last dense layer. Of a stage "activation" is its output, of a
    block the stream after it; "preactivation" is what the block adds to the stream, the scaled branch, and without a
    skip the output of its dense layer; "delta" is the gradient with respect to the stage's output; "weight" and
    "weight_gradient" are those of its last dense layer. Further columns: ``skip_rms``, ``branch_rms``,
    ``branch_to_skip`` (their ratio) and ``cosine`` (between the two, over the whole batch; NaN where there is no skip).
    Where there is a skip, all stages write into one stream: ``distinct_weights`` and ``equal_outgoing`` of each are 1
    where exchanging any two of its neurons changes nothing in the whole network, and NaN where it does.

    ``paths`` holds statistics of every layer by its path, those inside of branches too; see ``every_layer``.
    """

    network: Architecture  # type: ignore[assignment]
    paths: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def delta_symbol(self) -> str:
        """The symbol of the derivative that "delta" is: dL/dx of the stream, or without a skip dL/dh."""
        return "dL/dx" if KINDS[self.network.kind].skips else "dL/dh"

    @cached_property
    def blocks(self) -> pd.DataFrame:
        """One row per block: block, output_rms, skip_rms, branch_rms, branch_to_skip, cosine, delta_rms."""
        rows = self.layers.iloc[1:-1]
        table = rows[[*BLOCK_STATISTICS, "delta_rms"]].reset_index(drop=True)
        table.insert(0, "output_rms", rows["activation_rms"].to_numpy())
        table.insert(0, "block", np.arange(1, len(rows) + 1))
        return table

    @cached_property
    def every_layer(self) -> pd.DataFrame:
        """One row per layer in the order of the pass: path, kind, width, moments of its output as ``output_*``, and the
        root mean squares of the gradient with respect to it, ``gradient_rms``, and of a dense layer of the gradient
        with respect to its weights, ``weight_gradient_rms``.
        """
        import pandas as pd

        return pd.DataFrame([{"path": path, **row} for path, row in self.paths.items()])


def cosine(a: Array, b: Array) -> float:
    """Cosine between two arrays as vectors; NaN where one of them is 0 or not finite."""
    scales = [float(np.abs(array).max()) for array in (a, b)]
    if not all(0 < scale < math.inf for scale in scales):
        return math.nan
    x, y = (array / array.dtype.type(scale) for array, scale in zip((a, b), scales, strict=True))
    products = [float(np.vecdot(u, v).sum(dtype=np.float64)) for u, v in ((x, y), (x, x), (y, y))]
    return products[0] / math.sqrt(products[1] * products[2])


class _Watcher:
    """Measures every stage while a signal passes, forward and back."""

    def __init__(self, network: Architecture, parameters: Mapping[str, Array], batch: Batch, x: Array, scale: str,
                 counted: Sequence[str], sample: int) -> None:
        self.parameters = parameters
        self.phi, _ = network.activation_entry()
        self.stage_of = {path: stage for stage, paths in enumerate(network.stages) for path in paths}
        self.ends = {paths[-1]: stage for stage, paths in enumerate(network.stages)}
        dense = {self.stage_of[path.partition(".")[0]]: path
                 for path, layer, _ in walk(network.layers, network.inputs) if isinstance(layer, Dense)}
        self.last_dense = {path: stage for stage, path in dense.items()}  # the last of each stage
        depth = network.depth
        streams = self.phi if network.kind == "plain" else ACTIVATIONS["linear"]  # whose values have any sign
        self.bins = {q: bins_of(q, streams, scale) for q in QUANTITIES}
        self.units = units_of(network.sizes, x, batch.targets, batch.loss)
        self.counts = {check("counted", q, QUANTITIES): np.zeros((depth, self.bins[q].count + 2), np.int64)
                       for q in counted}
        self.measured = {q: np.full((depth, len(Moments._fields)), NAN) for q in QUANTITIES}
        self.special = {name: np.full(depth, NAN) for name in (*LAYER_STATISTICS, *BLOCK_STATISTICS)}
        self.samples: list[Array] = [np.empty(0)] * depth
        self.sample = sample
        self.neurons = {q: [np.empty(0)] * depth for q in NEURON_QUANTITIES if q in self.counts}
        self.paths: dict[str, dict[str, Any]] = {}
        self.do: Callable[..., None] = lambda work, *given: work(*given)  # who measures

    def look_at(self, stage: int, quantity: str, values: Array) -> Array:
        moments: Array = moments_of_each(values[None])[0]
        self.measured[quantity][stage] = moments
        if quantity in self.neurons:
            self.neurons[quantity][stage] = values[self.sample].copy()
        if quantity in self.counts:
            self.counts[quantity][stage] = self.bins[quantity].count_values(
                values, self.units[quantity][stage], (float(moments[2]), float(moments[3])))
        return moments

    def forward(self, path: str, layer: Layer, x: Array, y: Array, saved: Any) -> None:
        self.do(self._look_at_layer, path, layer, x, y, saved)

    def _look_at_layer(self, path: str, layer: Layer, x: Array, y: Array, saved: Any) -> None:
        stage = self.stage_of[path.partition(".")[0]]
        moments = self._look_at_stream(stage, y) if path in self.ends else moments_of_each(y[None])[0]
        self.paths[path] = {"kind": layer.label, "width": y.shape[-1],
                            **{f"output_{name}": float(v) for name, v in zip(Moments._fields, moments, strict=True)}}
        if isinstance(layer, Residual):
            self._look_at_sum(stage, x, saved)
        elif isinstance(layer, Dense) and "." not in path:
            self.look_at(stage, "preactivation", y)
        elif isinstance(layer, Activation):
            self._look_at_activation(stage, x, y)
        if path in self.last_dense:
            self.look_at(stage, "weight", self.parameters[f"{path}.weight"])

    def _look_at_stream(self, stage: int, h: Array) -> Array:
        moments = self.look_at(stage, "activation", h)
        neurons = diversity_of_each(h[None], moments[None])[0]
        for name, value in zip(Diversity._fields, neurons, strict=True):
            self.special[name][stage] = value
        scales = sample_scales_of_each(h[None], np.abs(moments[2:4]).max(keepdims=True))[0]
        for name, value in zip(SAMPLE_SCALES, scales, strict=True):
            self.special[name][stage] = value
        self.special["equal_samples"][stage] = (h == h[:1]).all() if len(h) > 1 else 0
        self.special["participation_baseline"][stage] = participation_baseline(*h.shape)
        self.samples[stage] = h[:SAMPLE_ROWS, :SAMPLE_NEURONS].copy()
        return moments

    def _look_at_sum(self, stage: int, skip: Array, saved: SavedResidual) -> None:
        branch = saved.branch * saved.scale
        added = float(self.look_at(stage, "preactivation", branch)[4])
        passed = moments(skip).rms
        for name, value in zip(BLOCK_STATISTICS, (passed, added, ratio(added, passed), cosine(skip, branch)),
                               strict=True):
            self.special[name][stage] = value

    def _look_at_activation(self, stage: int, z: Array, h: Array) -> None:
        if self.phi.dies and np.isfinite(z).all():
            self.special["dead_share"][stage] = dead_share(z)
        if self.phi.bounded and np.isfinite(h).all():
            self.special["saturated_share"][stage] = saturated_share(h, self.phi.lower, self.phi.upper)

    def backward(self, path: str, layer: Layer, dy: Array) -> None:
        moments = self.look_at(self.ends[path], "delta", dy) if path in self.ends else moments_of_each(dy[None])[0]
        self.paths[path]["gradient_rms"] = float(moments[4])

    def weight_gradients(self, path: str, compute: Callable[[], Array]) -> None:
        self.do(self._look_at_weight_gradient, path, compute)

    def _look_at_weight_gradient(self, path: str, compute: Callable[[], Array]) -> None:
        gradient = compute()
        rms = (self.look_at(self.last_dense[path], "weight_gradient", gradient)[4] if path in self.last_dense
               else moments(gradient).rms)
        self.paths[path]["weight_gradient_rms"] = float(rms)


def _stream_is_symmetric(network: Architecture, parameters: Mapping[str, Array]) -> bool:
    """Whether exchanging any two neurons of the stream changes nothing."""
    return all_alike(parameters, stream_places(network, parameters))


def _of_norms(network: Architecture, parameters: Mapping[str, Array], stage: int) -> list[Array]:
    """Weights and biases of a stage's normalizations."""
    return [parameters[name] for path in network.stages[stage] if not isinstance(network.layers[int(path)], Dense)
            for name in (f"{path}.weight", f"{path}.bias") if name in parameters]


def _count_equal_weights(watcher: _Watcher, network: Architecture, parameters: Mapping[str, Array]) -> None:
    """Note how many neurons of each stage differ in their incoming weights, and whether the outgoing ones are equal.

    With skips all blocks share the neurons of the stream: they are said to be copies where no exchange of two changes
    anything, and nothing is said where one does.
    """
    if KINDS[network.kind].skips:
        if _stream_is_symmetric(network, parameters):
            watcher.special["distinct_weights"][:-1] = watcher.special["equal_outgoing"][:-1] = 1
        return
    weights = [np.vstack([parameters[f"{path}.weight"], *_of_norms(network, parameters, stage)])
               for path, stage in watcher.last_dense.items()]
    biases = [parameters[f"{path}.bias"] for path in watcher.last_dense]
    watcher.special["distinct_weights"][:] = [distinct_weights(*pair) for pair in zip(weights, biases, strict=True)]
    watcher.special["equal_outgoing"][:] = [
        *(has_equal_rows(parameters[f"{path}.weight"]) for path in list(watcher.last_dense)[1:]), False]


def simulate_blocks(network: Architecture, batch: Batch, *, scale: str = "linear",
                    counted: Sequence[str] = QUANTITIES, parameters: Mapping[str, Array] | None = None,
                    sample: int = 0) -> BlockRun:
    """Draw the network's parameters (or take those given), propagate the batch, summarize every stage.

    ``sample`` is the row of the batch of which every neuron's value is kept. Raises ValueError where
    the batch does not fit.
    """
    check("scale", scale, SCALES)
    check_fit(network.sizes, batch)
    parameters = network.draw() if parameters is None else parameters
    with np.errstate(**QUIET):
        x = np.ascontiguousarray(batch.x, network.dtype)
    check_layers(network.layers, parameters, x)
    check_targets(batch.targets, batch.loss, len(x), network.outputs)
    check("sample", sample, Interval(0, len(x) - 1, integer=True))
    watcher = _Watcher(network, parameters, batch, x, scale, counted, sample)
    with np.errstate(**QUIET), borrowed_buffers() as buffers:
        large = len(x) * network.width > TOGETHER
        context = LayerContext(buffers=buffers, observer=watcher, overwrite=True,
                               weight_gradients=watcher.weight_gradients)
        with second_thread(large) as watcher.do:
            output, saved = chain_forward(network.layers, parameters, x, context)
        loss, error = LOSSES[batch.loss](output, batch.targets)
        last = parameters[f"{len(network.layers) - 1}.weight"]
        round_off = errors_cancel(error, last)
        with second_thread(large) as watcher.do:
            chain_backward(network.layers, parameters, saved, error, context)
        _count_equal_weights(watcher, network, parameters)
    columns: dict[str, Array] = {
        "layer": np.arange(1, network.depth + 1), "fan_in": np.array(network.sizes[:-1]),
        "fan_out": np.array(network.sizes[1:])}
    columns |= {f"{q}_{name}": watcher.measured[q][:, i] for q in QUANTITIES for i, name in enumerate(Moments._fields)}
    return BlockRun(network, len(x), float(loss), network.outputs, columns | watcher.special, watcher.bins,
                    watcher.units, watcher.counts, watcher.samples, round_off, paths=watcher.paths,
                    sample=sample, neurons=watcher.neurons, **border_of(x, batch, network.outputs))
