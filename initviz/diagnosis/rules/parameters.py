"""Rules of the parameters: causes that stand in the weights themselves."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import combinations

import numpy as np

from initviz.core.arrays import Array
from initviz.core.batches import loss_of_constant_output
from initviz.core.propagation import QUIET
from initviz.core.statistics import moments
from initviz.core.wording import number, ranges
from initviz.diagnosis.findings import CONVENTION, EXACT, RATIO, Finding, MeasuredRun

FEW_WEIGHTS = 32  # of one sign by chance: 2^-31
SAME = 1e-6  # what the cosine of proportional weights lacks to 1 by rounding, at most
BEGINS = 1.1  # times the entropy, within which a loss begins at it
NEAR = 0.02  # how far the shares that output biases predict may be from the batch's


def one_sign(m: MeasuredRun) -> Iterator[Finding]:
    """Weights that are all positive, or all negative, where they should have mean 0."""
    run = m.run
    low, high, std = (run.column(f"weight_{name}") for name in ("min", "max", "std"))
    with np.errstate(**QUIET):
        same = ((low > 0) | (high < 0)) & (std > 1e-6 * np.abs(run.column("weight_mean"))) & np.isfinite(std) & (
            run.column("fan_in") * run.column("fan_out") >= FEW_WEIGHTS)
    layers = (np.flatnonzero(same) + 1).tolist()
    if layers:
        layer = int(layers[0])
        sign = "positive" if low[layer - 1] > 0 else "negative"
        mean = float(run.column("weight_mean")[layer - 1])
        plural = "s" if len(layers) > 1 else ""
        yield Finding("one_sign", "error", "one_sign", "Weights of one sign", f"All weights of layer{plural} "
                      f"{ranges(layers)} are {sign} (mean {number(mean)}): each neuron sums its inputs instead of "
                      "comparing them. A law with mean 0 was probably meant.", mean, layer,
                      "weights of both signs",
                      "every random law of the table has mean 0; LeCun et al. 1998, section 4.6",
                      EXACT)


def odd_layer(m: MeasuredRun) -> Iterator[Finding]:
    """One hidden layer whose weights have another scale than the others'."""
    run = m.run
    with np.errstate(**QUIET):
        scales = (run.column("weight_rms") * np.sqrt(run.column("fan_in")))[:-1]
    if len(scales) < 3 or not np.isfinite(scales).all() or not (scales > 0).all():
        return
    logs = np.log(scales / np.median(scales))
    if run.input_rms and not 1 / m.thresholds["scale"] <= run.input_rms <= m.thresholds["scale"]:
        logs[0] = 0.0  # a first layer may answer for unscaled inputs
    index = int(np.abs(logs).argmax())
    value, line = math.exp(logs[index]), m.thresholds["odd"]
    if 1 / line <= value <= line:
        return
    error = not m.thresholds["lost"] <= value <= m.thresholds["burst"]
    yield Finding("odd_layer", "error" if error else "warning", "uneven", "One layer out of scale",
                  f"Layer {index + 1}'s weights are {number(value)} times the other hidden layers' (root mean square "
                  "times √fan_in, beside the median).", value, index + 1,
                  f"between {number(1 / line)} and {number(line)} times the median; an error below "
                  f"{number(m.thresholds['lost'])} or above {number(m.thresholds['burst'])}", "convention", RATIO)


def equal_layers(m: MeasuredRun) -> Iterator[Finding]:
    """Given layers with the very same random weights, or with the same random numbers at another scale or width."""
    initialization = m.initialization
    if initialization is None or initialization.drawn:
        return
    weights = {layer: w for layer, w in enumerate(initialization.weights, 1) if not (
        w.size < FEW_WEIGHTS or not np.isfinite(w).all() or np.ptp(w) == 0 or _is_regular(w))}
    equal = [(first, layer) for first, layer in combinations(weights, 2)
             if weights[first].shape == weights[layer].shape and np.array_equal(weights[first], weights[layer])]
    pairs = equal or _of_same_numbers(weights)
    if not pairs:
        return
    first, layer = pairs[0]
    more = f" ({len(pairs)} such pairs)" if len(pairs) > 1 else ""
    text = (f"have the very same weights{more}: a layer was copied, or one initializer with a fixed seed was used twice"
            if equal else f"begin with the same random numbers, at one scale or another{more}: one initializer with a "
            "fixed seed was used twice")
    yield Finding("equal_layers", "warning", "equal_layers", "Equal layers", f"Layers {first} and {layer} {text}. They "
                  "are not independent, as every rule of scale expects.", float(len(pairs)), layer,
                  "layers drawn independently", "documentation of keras.initializers, on seeds", EXACT)


def _of_same_numbers(weights: Mapping[int, Array]) -> list[tuple[int, int]]:
    """The pairs of layers whose first weights, along inputs or outputs, are proportional to one another's."""
    pairs: dict[tuple[int, int], None] = {}
    for turned in (False, True):
        begins = {layer: (w.T if turned else w).ravel()[:FEW_WEIGHTS].astype(float) for layer, w in weights.items()}
        units = {layer: begin / np.linalg.norm(begin) for layer, begin in begins.items() if np.ptp(begin)}
        pairs |= dict.fromkeys(pair for pair in combinations(units, 2) if abs(
            units[pair[0]] @ units[pair[1]]) > 1 - SAME)
    return sorted(pairs)


def _is_regular(w: np.ndarray[tuple[int, int], np.dtype[np.floating]]) -> bool:
    """Whether a matrix is made by rule, not drawn: few values, as the identity or Hadamard's have."""
    return len(np.unique(w[: max(1, FEW_WEIGHTS // w.shape[1] + 1)])) <= 3


def biases(m: MeasuredRun) -> Iterator[Finding]:
    """Biases that are not 0: a note, as frameworks and careful people draw or set them on purpose."""
    initialization = m.initialization
    if initialization is None:
        return
    sizes = np.array([moments(b).rms for b in initialization.biases])
    if not sizes.any() or not np.isfinite(sizes).all():
        return
    prior = _is_prior(m)
    if prior and not sizes[:-1].any():
        batch = initialization.batch
        entropy = loss_of_constant_output(batch)
        begins = (f"the loss begins at their entropy, {number(m.run.loss, 3)}" if m.run.loss < BEGINS * entropy else
                  f"with small output weights the loss would begin at their entropy, {number(entropy, 3)}")
        yield Finding("bias", "note", "", "Output bias of class shares", "The output's biases are the logarithms of "
                      f"the batch's class shares{' ÷ the rest' if batch.loss == 'bce' else ''}: {begins}.",
                      float(sizes[-1]), m.run.network.depth, "by design", "Lin et al. 2017, section 3.3", CONVENTION)
        return
    with np.errstate(**QUIET):
        shares = np.nan_to_num(sizes / m.run.column("preactivation_rms"), nan=0.0, posinf=0.0)
    layer = int((shares[:-1] if prior else shares).argmax()) + 1
    yield Finding("bias", "note", "", "Biases are not 0", f"The biases' root mean square is "
                  f"{number(float(sizes[layer - 1]))} in layer {layer}, {number(float(shares[layer - 1]))} of its "
                  "preactivations'.", float(shares[layer - 1]), layer, "0 by custom; PyTorch draws them",
                  "CS231n, part 2; documentation of torch.nn.Linear", CONVENTION)


def _is_prior(m: MeasuredRun) -> bool:
    """Whether the output's biases alone predict the batch's class shares, and better than outputs of 0 do."""
    assert m.initialization is not None
    batch, bias = m.initialization.batch, m.initialization.biases[-1].astype(float)
    if batch.loss not in ("softmax_ce", "bce") or not bias.any():
        return False
    with np.errstate(**QUIET):
        if batch.loss == "bce":
            shares, blind, predicted = batch.targets.mean(axis=0), 0.5, 1 / (1 + np.exp(-bias))
        else:
            shares = np.bincount(batch.targets, minlength=batch.outputs) / len(batch.targets)
            blind, predicted = 1 / batch.outputs, np.exp(bias - bias.max())
            predicted = predicted / predicted.sum()
    missed = float(np.abs(predicted - shares).max())
    return bool(shares.all()) and missed <= min(max(NEAR, 2 / math.sqrt(len(batch.targets))),
                                                0.5 * float(np.abs(blind - shares).max()))
