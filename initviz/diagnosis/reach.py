"""Which layers get a gradient, and from which step on: what 0 in one layer means for the others.

Follows zeros and non-zeros through the chain rule: the gradient of W is not 0 where the layer's input is not and a
gradient arrives; a weight that got a gradient is not 0 after the step.
"""

from __future__ import annotations

import numpy as np

from initviz.core.architecture import KINDS
from initviz.core.layers import Activation, Norm, Residual, walk
from initviz.core.simulation import BlockRun, Run

LATE = 3  # the latest first step that is no fault: each zero layer more costs another factor of the rate


def step_of_gradients(run: Run) -> int | None:
    """The first step of gradient descent, from 1, in which every hidden layer gets a gradient; None for never."""
    depth = run.network.depth
    if not run.hidden_gradient_is_round_off and (run.column("weight_gradient_rms")[:-1] > 0).all() and (
            run.column("activation_rms")[:-1] > 0).all():
        return 1
    if isinstance(run, BlockRun) and KINDS[run.network.kind].skips:
        return _step_past_skips(run)
    passes = run.column("weight_rms") > 0
    passes[-1] &= not run.hidden_gradient_is_round_off
    inputs = np.append(run.input_rms > 0, run.column("activation_rms") > 0)[:depth]
    is_open = _open_layers(run)
    if (inputs & passes & (run.column("preactivation_rms") == 0)).any():
        return None  # products too small for the number format
    arrives = np.ones(depth, bool)
    before = np.zeros(depth, bool)
    for step in range(1, depth + 2):
        for layer in reversed(range(depth - 1)):
            arrives[layer] = arrives[layer + 1] and passes[layer + 1] and is_open[layer]
        learns = inputs & arrives
        if learns[:-1].all():
            return step
        passes = passes | learns
        reached = inputs.copy()
        for layer in range(depth - 1):
            reached[layer + 1] |= is_open[layer] and ((reached[layer] and passes[layer]) or arrives[layer])
        if (reached == inputs).all() and (learns == before).all():
            return None
        inputs, before = reached, learns
    return None


def _step_past_skips(run: BlockRun) -> int | None:
    """``step_of_gradients`` of blocks with skips, through which a gradient passes whatever their branches are: each
    zero that learns by itself, output layer, scale or weight of a normalization, takes a step.
    """
    network = run.network
    inside = [run.paths[path]["output_rms"] for path, layer, _ in walk(network.layers, network.inputs)
              if isinstance(layer, Activation)]
    if not (run.column("activation_rms")[:-1] > 0).all() or not min(inside) > 0:
        return None  # products of zeros stay zero
    learned = [(layer.scale, layer.learned) for layer in network.layers if isinstance(layer, Residual)]
    if any(scale == 0 and not trained for scale, trained in learned):
        return None
    weights = [layer.weight for _, layer, _ in walk(network.layers, network.inputs)
               if isinstance(layer, Norm)]
    closed = run.hidden_gradient_is_round_off or run.column("weight_rms")[-1] == 0
    return 1 + closed + any(scale == 0 for scale, _ in learned) + (0 in weights)


def _open_layers(run: Run) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Whether each hidden layer's activation lets a gradient through."""
    phi, params = run.network.activation_entry()
    zero = np.zeros(1)
    derivative = float(phi.derivative(zero, phi.value(zero, **params), **params)[0])
    deltas = run.column("delta_rms")
    arriving = (deltas[1:] > 0) & (run.column("weight_rms")[1:] > 0)
    arriving[-1:] &= not run.hidden_gradient_is_round_off
    zeros = run.column("preactivation_rms")[:-1] == 0
    blocked = np.where(zeros, derivative == 0, (arriving & (deltas[:-1] == 0)) | (run.column("dead_share")[:-1] == 1))
    return ~blocked.astype(bool)
