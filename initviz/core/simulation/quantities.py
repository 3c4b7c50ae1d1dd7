"""What is measured of every layer: the quantities, the axes on which they are counted, and their units."""

from __future__ import annotations

import math

import numpy as np

from initviz.core.activations import ActivationFunction
from initviz.core.arrays import ROUND_OFF, Array
from initviz.core.batches import Batch
from initviz.core.propagation import LOSSES, QUIET
from initviz.core.statistics import Bins, Diversity, SampleScales, moments, sample_scales_of_each

QUANTITIES = ("activation", "preactivation", "delta", "weight", "weight_gradient")
NEURON_QUANTITIES = ("activation", "preactivation", "delta")  # of which a sample has one value for each neuron
SCALES = ("linear", "symlog")
SAMPLE_NEURONS, SAMPLE_ROWS = 32, 32  # of each layer's activations, kept for a look at single neurons
SAMPLE_SCALES = tuple(f"activation_{name}_rms" for name in SampleScales._fields)
LAYER_STATISTICS = (*Diversity._fields, "participation_baseline", "dead_share", "saturated_share", *SAMPLE_SCALES,
                    "distinct_weights", "equal_outgoing", "equal_samples")
REACH = 4.0  # a linear axis shows +-4 units
TOGETHER = 1 << 17  # values of a layer: up to so many stay in the processor's cache, and NumPy's cost of a call counts


def bins_of(quantity: str, activation: ActivationFunction, scale: str = "linear") -> Bins:
    """The axis on which a quantity is counted. It depends on nothing that is drawn, so that runs share it."""
    if scale == "symlog":
        return Bins(-12, 12, 49, "symlog")
    if quantity == "activation":
        low = max(activation.lower, -REACH)
        high = min(activation.upper, REACH)
        margin = 0.06 * (high - low)
        return Bins(low - margin, high + margin)
    return Bins(-REACH, REACH)


def _rows_of_zeros(loss: str, batch: int) -> int:
    """How many samples tell the loss of an output of zeros: under cross-entropy it is the same for every class."""
    return 1 if loss == "softmax_ce" else batch


def units_of(sizes: tuple[int, ...], x: Array, targets: Array, loss: str) -> dict[str, list[float]]:
    """Per quantity and layer, the root mean square where every layer keeps the scale of what it is given.

    Preactivations: the inputs'. Weights: 1/sqrt(fan_in) (LeCun et al. 1998). Deltas: the gradient at an output of
    zeros, passed back with its length. Weight gradients: what those make for independent samples. Activations are
    shown as they are.
    """
    signal = moments(x).rms or 1.0
    rows = _rows_of_zeros(loss, len(x))
    error = LOSSES[loss](np.zeros((rows, sizes[-1])), targets[:rows])[1] * (rows / len(x))
    length = math.sqrt(float((error * error).sum()) / rows) or 1.0
    delta = [length / math.sqrt(fan_out) for fan_out in sizes[1:]]
    return {
        "activation": [1.0] * len(delta),
        "preactivation": [signal] * len(delta),
        "delta": delta,
        "weight": [1 / math.sqrt(fan_in) for fan_in in sizes[:-1]],
        "weight_gradient": [signal * math.sqrt(len(x)) * unit for unit in delta]}


def border_of(x: Array, batch: Batch, outputs: int) -> dict[str, float]:
    """``input_rms``, ``input_median_rms`` and ``zero_loss`` of a Run on this batch, whose inputs are cast to ``x``."""
    with np.errstate(**QUIET):
        entering = moments(x)
        scales = sample_scales_of_each(x[None], np.array([max(-entering.min, entering.max)]))
        rows = _rows_of_zeros(batch.loss, len(x))
        nothing = float(LOSSES[batch.loss](np.zeros((rows, outputs)), batch.targets[:rows])[0])
    return {"input_rms": entering.rms, "input_median_rms": float(scales[0, 0]), "zero_loss": nothing}


def errors_cancel(delta: Array, weight: Array) -> bool:
    """Whether delta @ weight.T is round-off: as softmax's errors sum to 0, equal output weights pass nothing back."""
    round_off = ROUND_OFF * float(np.finfo(delta.dtype).eps)
    bound = delta.shape[1] * float(max(delta.max(), -delta.min())) * float(max(weight.max(), -weight.min()))
    if np.abs(delta[:1] @ weight.T).max() > round_off * bound:  # one sample is enough to say no
        return False
    passed = np.abs(delta @ weight.T).max()
    magnitude = (np.abs(delta) @ np.abs(weight).T).max()
    return bool(0 < passed <= round_off * magnitude)
