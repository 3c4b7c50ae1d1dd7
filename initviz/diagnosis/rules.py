"""The rules of a report: each looks at what was measured and says what it finds, with its number and its source."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np

from initviz.core.arrays import Array
from initviz.core.propagation import QUIET
from initviz.core.statistics import moments, ratio
from initviz.core.wording import number, percent
from initviz.diagnosis.findings import (
    CONVENTION,
    EXACT,
    RATIO,
    Finding,
    Measured,
    loss_of_constant_output,
    loss_of_zero_output,
)
from initviz.diagnosis.layer_scales import (
    Change,
    extreme_changes,
    gradient_lengths,
    signal_levels,
    weight_gradient_norms,
)
from initviz.diagnosis.thresholds import AUTOTRAINER

TARGET_UPDATE = 1e-3  # of a weight in a step: CS231n, makemore part 3
LEARNED = 0.9  # of the loss without a look at the inputs: below it the weights know the data


def _overflow(m: Measured) -> Iterator[Finding]:
    layer = m.run.overflow_layer
    if layer is not None:
        yield Finding("overflow", "error", "Overflow", f"The preactivations of layer {layer} are not all numbers that "
                      f"{m.run.network.dtype} can hold.", math.inf, layer, "every preactivation is a finite number",
                      "SageMaker Debugger, ExplodingTensor", EXACT)
    elif not math.isfinite(m.run.loss):
        yield Finding("overflow", "error", "Overflow", "The loss is not a number that can be held.", math.inf, None,
                      "the loss is a finite number", "SageMaker Debugger, ExplodingTensor", EXACT)


def _silent(m: Measured) -> Iterator[Finding]:
    zero = np.flatnonzero(m.run.column("activation_rms")[:-1] == 0)
    if zero.size:
        layer = int(zero[0]) + 1
        yield Finding("silent", "error", "Silent layer", f"Every output of layer {layer} is exactly 0: nothing of the "
                      "input goes on.", 0.0, layer, "some output is not 0", "follows from z = h W + b", EXACT)


def _copies(m: Measured) -> Iterator[Finding]:
    distinct, width = m.run.column("distinct_neurons")[:-1], m.run.column("fan_out")[:-1]
    dead = np.round(np.nan_to_num(m.run.column("dead_share")[:-1]) * width)
    living, kinds = width - dead, distinct - (dead > 0)
    sounds = m.run.column("activation_rms")[:-1] > 0
    copied = [layer for layer in (np.flatnonzero((distinct == 1) & (width > 1)) + 1).tolist()
              if m.weights_are_equal(layer)]
    if copied:
        more = f"; {len(copied)} hidden layers are so" if len(copied) > 1 else ""
        yield Finding("copies", "error", "Copies", f"Layer {copied[0]} has 1 different neuron of {width[copied[0] - 1]}"
                      f"{more}. Copies whose outgoing weights are equal get equal gradients and stay copies.", 1.0,
                      copied[0], "more than one different neuron on this batch",
                      "symmetry under exchanging two neurons", EXACT)
        return
    few = (distinct > 1) & (living > 1) & (kinds < m.lines["different"] * living)
    for layer in np.flatnonzero(sounds & ((distinct == 1) | few) & (width > 1)) + 1:
        count, of = f"{distinct[layer - 1]:.0f}", width[layer - 1]
        if m.different_weights(int(layer)) < m.lines["different"] * of:
            words = (f"Layer {layer} has {count} different neurons of {of}. Copies whose outgoing weights are equal "
                     "get equal gradients and stay copies.")
            title = "Copies"
        else:
            words = (f"Layer {layer} has {count} different neuron{'' if count == '1' else 's'} of {of} on this batch, "
                     f"though their weights differ: {m.run.network.dtype} does not tell them apart.")
            title = "Not told apart"
        yield Finding("copies", "warning", title, words, float(distinct[layer - 1]), int(layer),
                      f"at least {percent(m.lines['different'])} of a layer's living neurons differ on this batch",
                      "convention", CONVENTION)
        return


def _signal(m: Measured) -> Iterator[Finding]:
    beyond = [(not m.lines["lost"] <= change.value <= m.lines["burst"], change)
              for change in extreme_changes(signal_levels(m.run))
              if not m.lines["shrunk"] <= change.value <= m.lines["grown"]]
    if beyond:
        error, change = min(beyond, key=lambda pair: (not pair[0], pair[1].end))
        yield Finding(
            "signal", "error" if error else "warning", f"The signal {_goes(change.value)}", _say_signal(change),
            change.value, change.end,
            f"root mean square between {number(m.lines['shrunk'])} and {number(m.lines['grown'])} times the input's "
            f"and any earlier layer's; an error below {number(m.lines['lost'])} or above {number(m.lines['burst'])}",
            "convention, after SageMaker Debugger, PoorWeightInitialization; the error thresholds after "
            f"{AUTOTRAINER}, there of gradients", RATIO)


def _goes(factor: float) -> str:
    return "vanishes" if factor < 1 else "explodes"


def _say_signal(change: Change) -> str:
    start = "the input" if change.start == 0 else f"layer {change.start}"
    a_step = f": each layer multiplies it by {number(change.a_step)}" if change.end - change.start > 1 else ""
    return f"Layer {change.end}'s signal is {number(change.value)} times {start}'s{a_step}."


def _gradient(m: Measured) -> Iterator[Finding]:
    deltas, lengths, norms = m.run.column("delta_rms"), gradient_lengths(m.run), weight_gradient_norms(m.run)
    if not m.hidden or m.run.overflow_layer is not None:
        return
    if m.run.hidden_gradient_is_round_off:
        yield Finding("gradient", "error", "No gradient", "The errors cancel at the output layer's input, so that no "
                      "hidden layer gets a gradient in the first step.", 0.0, m.hidden, "it is more than round-off",
                      "equal output weights, and softmax's errors, which sum to 0", EXACT)
        return
    lost, silent = np.flatnonzero(~np.isfinite(lengths)), np.flatnonzero(lengths == 0)
    if lost.size:
        layer = int(lost[-1]) + 1
        yield Finding("gradient", "error", "The gradient overflows", f"dL/dz of layer {layer} is not a number that "
                      f"{m.run.network.dtype} can hold.", math.inf, layer, "every gradient is a finite number",
                      "SageMaker Debugger, ExplodingTensor", EXACT)
    elif silent.size and deltas[-1] > 0:
        layer = int(silent[-1]) + 1
        yield Finding("gradient", "error", "No gradient", "No hidden layer gets a gradient." if layer == m.hidden else
                      f"No gradient arrives at layer {layer}.", 0.0, layer, "every hidden dL/dz has an entry that is "
                      "not 0", "follows from the chain rule", EXACT)
    else:
        yield from _gradient_scale(m, lengths[::-1], norms)


def _gradient_scale(m: Measured, backward: Array, norms: Array) -> Iterator[Finding]:
    """From the lengths of dL/dz, last hidden layer first, and the norms of dL/dW, first layer first."""
    of_norms = ratio(float(norms[0]), float(norms[-1]))
    vanishes = of_norms < m.lines["lost"] and norms[0] < m.lines["faint"]
    error = vanishes or m.lines["burst"] < of_norms < math.inf
    beyond = [change for change in extreme_changes(backward)
              if not m.lines["shrunk"] <= change.value <= m.lines["grown"]]
    if not error and not beyond:
        return
    change = min(beyond, key=lambda change: change.end, default=None)
    value = of_norms if error or change is None else change.value
    parts = [] if change is None else [
        f"The length of dL/dz in layer {m.hidden - change.end} is {number(change.value)} times that in layer "
        f"{m.hidden - change.start}."]
    parts.append(f"Weight gradients' norms, first layer ÷ last: {number(of_norms)}; first: {number(float(norms[0]))}.")
    yield Finding(
        "gradient", "error" if error else "warning", f"The gradient {_goes(value)}",
        " ".join(parts), value, None,
        f"lengths between {number(m.lines['shrunk'])} and {number(m.lines['grown'])} times any later hidden layer's; "
        f"an error where the norms, first ÷ last, are above {number(m.lines['burst'])}, or below "
        f"{number(m.lines['lost'])} with the first below {number(m.lines['faint'])}",
        f"{AUTOTRAINER} for the norms; convention for the lengths", RATIO)


def _preactivations(m: Measured) -> Iterator[Finding]:
    stds = m.run.column("preactivation_std")[:-1]
    with np.errstate(**QUIET):
        apart = np.nan_to_num(np.abs(np.log(stds)), posinf=0.0)
    if apart.size and apart.max() > math.log(m.lines["preactivation"]):
        layer = int(apart.argmax()) + 1
        value, line = float(stds[layer - 1]), m.lines["preactivation"]
        yield Finding("preactivations", "warning", f"Preactivations {'small' if value < 1 else 'large'}",
                      f"Layer {layer}'s preactivations have a standard deviation of {number(value)}.", value, layer,
                      f"between {number(1 / line)} and {number(line)}",
                      "convention, after LSUV (Mishkin and Matas 2016), which brings it to 1", CONVENTION)


def _share(m: Measured, key: str, title: str, words: str, source: str) -> Iterator[Finding]:
    layer, share = m.worst(f"{key}_share")
    if share > m.lines["mostly"]:
        yield Finding(key, "error" if share > m.lines["nearly_all"] else "warning", title,
                      words.format(percent(share), layer), share, layer, f"at most {percent(m.lines['mostly'])}; an "
                      f"error above {percent(m.lines['nearly_all'])}", source, CONVENTION)


def _dead(m: Measured) -> Iterator[Finding]:
    yield from _share(m, "dead", "Dead ReLUs", "{} of layer {}'s neurons are off for every sample of the batch: their "
                      f"weights get no gradient from these {m.run.batch} samples.",
                      "convention, after SageMaker Debugger, DeadRelu: half of a layer's neurons")


def _saturated(m: Measured) -> Iterator[Finding]:
    yield from _share(m, "saturated", "Saturated", "{} of layer {}'s activations are beyond 97 % of the way to an end "
                      "of their range.", "97 %: makemore part 3; half a layer: convention, after SageMaker Debugger, "
                      "SaturatedActivation")


def _alike(m: Measured) -> Iterator[Finding]:
    spreads, rms = m.run.column("sample_spread")[:-1], m.run.column("activation_rms")[:-1]
    if not spreads.size or m.run.batch < 2 or not np.ptp(m.initialization.batch.x, axis=0).any():
        return
    same = np.flatnonzero((spreads == 0) & (rms > 0))
    if same.size:
        layer = int(same[0]) + 1
        yield Finding("alike", "error", "Input lost", f"Layer {layer} puts out the same for every sample, as far as "
                      f"{m.run.network.dtype} can tell.", 0.0, layer, "some output depends on the sample",
                      "follows from z = h W + b", EXACT)
        return
    value = ratio(float(spreads[-1]), float(rms[-1]))
    if value < m.lines["alike"] and rms[-1] > 0:
        yield Finding("alike", "warning", "Inputs look alike", f"In layer {m.hidden} samples differ by {number(value)} "
                      "of the activations' root mean square: the network hardly tells its inputs apart.", value,
                      m.hidden, f"at least {number(m.lines['alike'])}",
                      "convention; Schoenholz et al. 2017 for the effect", CONVENTION)


def _inputs(m: Measured) -> Iterator[Finding]:
    x = m.initialization.batch.x.astype(np.float64)
    with np.errstate(**QUIET):
        columns, means = np.sqrt(np.square(x).mean(axis=0)), x.mean(axis=0)
        constant = int(np.count_nonzero(np.ptp(x, axis=0) == 0))
        rms, offset = math.sqrt(float(np.square(columns).mean())), math.sqrt(float(np.square(means).mean()))
        spread = math.sqrt(float(x.var(axis=0).mean()))
        typical = float(np.median(columns[columns > 0])) if columns.any() else 0.0
    source = "convention; LeCun et al. 1998, section 4.3, for the rule"
    for key, value, words in (
            ("columns", ratio(float(columns.max()), typical), "The largest input column is {} times the median one."),
            ("offset", ratio(offset, spread), "The inputs' means are {} times their spread."),
            ("scale", max(ratio(rms, 1.0), ratio(1.0, rms)), f"The inputs' root mean square is {number(rms)}.")):
        if value > m.lines[key]:
            yield Finding(f"inputs_{key}", "warning", "Unscaled inputs", words.format(number(value)), value, None,
                          f"at most {number(m.lines[key])}", source, CONVENTION)
    if constant and len(x) > 1:
        yield Finding("inputs_constant", "note", "Constant inputs", f"{constant} of {x.shape[1]} input columns do not "
                      "vary over this batch and carry no information about it.", float(constant), None,
                      "every column varies", "a count", EXACT)


def _loss(m: Measured) -> Iterator[Finding]:
    batch = m.initialization.batch
    nothing, blind = loss_of_zero_output(batch), loss_of_constant_output(batch)
    classes = batch.loss == "softmax_ce"
    said = f"ln {batch.outputs} = {number(nothing, 3)}" if classes else f"the targets' variance, {number(nothing, 3)}"
    value = ratio(m.run.loss, nothing)
    if value > m.lines["loss"]:
        yield Finding("loss", "error" if value > m.lines["loss_error"] else "warning", "Initial loss",
                      f"The loss is {number(m.run.loss, 3)}; saying nothing costs {said}. The first steps are spent on "
                      "unlearning.", m.run.loss, None,
                      f"at most {number(m.lines['loss'])} times {said}; an error above {number(m.lines['loss_error'])} "
                      "times", "convention; CS231n and makemore part 3 compare with it; the error threshold after "
                      f"{AUTOTRAINER}", CONVENTION)
    elif not m.initialization.drawn and m.run.loss < LEARNED * blind:
        least = f"the entropy of the batch's classes, {number(blind, 3)}" if classes else said
        yield Finding("loss", "note", "Learned already", f"The loss is {number(m.run.loss, 3)}, below {least}: these "
                      "weights know something of this data.", m.run.loss, None, f"near {least}",
                      "convention; CS231n; makemore part 3", CONVENTION)


def _output(m: Measured) -> Iterator[Finding]:
    batch = m.initialization.batch
    unit = 1.0 if batch.loss == "softmax_ce" else math.sqrt(loss_of_zero_output(batch)) or 1.0
    value = float(m.run.column("activation_std")[-1]) / unit
    if value > m.lines["output"]:
        yield Finding("output", "warning", "Wide outputs", f"The outputs have a standard deviation of {number(value)}"
                      + ("" if unit == 1 else " times the targets'") + ".", value, m.run.network.depth,
                      f"at most {number(m.lines['output'])}", "convention; makemore part 3 for the rule", CONVENTION)


def _bias(m: Measured) -> Iterator[Finding]:
    sizes = np.array([moments(b).rms for b in m.initialization.biases])
    with np.errstate(**QUIET):
        shares = np.nan_to_num(sizes / m.run.column("preactivation_rms"), nan=0.0, posinf=0.0)
    if not sizes.any():
        return
    layer = int(shares.argmax()) + 1
    grown = shares[layer - 1] > m.lines["bias"]
    yield Finding("bias", "warning" if grown else "note", "Biases are not 0",
                  f"The biases' root mean square is {number(float(sizes[layer - 1]))} in layer {layer}, "
                  f"{number(float(shares[layer - 1]))} of its preactivations'.", float(shares[layer - 1]), layer,
                  f"0 by custom; a warning above {number(m.lines['bias'])} of the preactivations", "CS231n, part 2",
                  CONVENTION)


def _updates(m: Measured) -> Iterator[Finding]:
    if m.run.hidden_gradient_is_round_off:
        return
    with np.errstate(**QUIET):
        speeds = m.run.column("weight_gradient_rms") / m.run.column("weight_rms")
    speeds = speeds[np.isfinite(speeds) & (speeds > 0)]
    if speeds.size < m.run.network.depth:
        return
    with np.errstate(**QUIET):
        spread, middle = float(speeds.max() / speeds.min()), float(np.median(speeds))
    if not (math.isfinite(spread) and math.isfinite(TARGET_UPDATE / middle)):
        return  # further apart than numbers go: the ratio findings have said so
    uneven = spread > m.lines["updates"]
    yield Finding("updates", "warning" if uneven else "note", "Uneven updates" if uneven else "A rate to begin with",
                  f"Gradient ÷ weight differs between layers by a factor of {number(spread)}. In the median layer a "
                  f"rate of {number(TARGET_UPDATE / middle)} changes weights by a thousandth in a step of gradient "
                  "descent.", spread, None, f"at most {number(m.lines['updates'])}",
                  "convention; CS231n, part 3, and makemore part 3: about 1e-3", CONVENTION)


# In the order of weight among findings of one severity: that of diagnosis.verdict, then what it does not look at.
RULES: tuple[Callable[[Measured], Iterator[Finding]], ...] = (
    _overflow, _silent, _copies, _signal, _dead, _saturated, _gradient, _alike, _preactivations, _inputs, _loss,
    _output, _bias, _updates)
