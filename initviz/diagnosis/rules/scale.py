"""Rules of scale: of the signal on its way forward, and of the gradient on its way back."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from initviz.core.architecture import KINDS
from initviz.core.arrays import Array
from initviz.core.propagation import QUIET
from initviz.core.simulation import BlockRun
from initviz.core.statistics import ratio
from initviz.core.wording import number
from initviz.diagnosis.findings import CONVENTION, EXACT, RATIO, Finding, MeasuredRun
from initviz.diagnosis.layer_scales import (
    DEEPEST,
    Change,
    extreme_changes,
    gradient_lengths,
    signal_levels,
    weight_gradient_norms,
)
from initviz.diagnosis.rules.grades import (
    GRADIENT_SOURCE,
    SIGNAL_SOURCE,
    gradient_is_error,
    kind_of,
    say_change,
    say_gradient_rule,
    say_signal_rule,
    signal_is_error,
    within,
)

TARGET_UPDATE = 1e-3  # of a weight in a step: CS231n, makemore part 3
LOCAL = 0.7  # of the logarithm of a change: a layer that makes so much of it is named
FEW_DEPTHS = 2  # times its own depth: an initialization that holds less far drifts


def overflow(m: MeasuredRun) -> Iterator[Finding]:
    """Numbers that the format cannot hold."""
    layer = m.run.overflow_layer
    if layer is not None:
        yield Finding("overflow", "error", "overflow", "Overflow", f"Layer {layer} overflows {m.run.network.dtype}: "
                      "its preactivations are not all finite numbers.", math.inf, layer,
                      "every preactivation is a finite number", "SageMaker Debugger, ExplodingTensor", EXACT)
    elif not math.isfinite(m.run.loss):
        yield Finding("overflow", "error", "overflow", "Overflow", "The loss is not a finite number.", math.inf, None,
                      "the loss is a finite number", "SageMaker Debugger, ExplodingTensor", EXACT)


# ---------------------------------------------------------------------------------------------- forward

def _signal_changes(m: MeasuredRun) -> list[Change]:
    """The greatest fall and growth of the signal. Inputs far from 1 are compared with 1 as well, the scale that layers
    are made for: a first layer that brings them there loses nothing.
    """
    levels, entering = signal_levels(m.run), m.run.input_median_rms
    line = m.thresholds["scale"]
    if not math.isfinite(levels[-1]) or entering == 0:
        return extreme_changes(m.run.column("activation_median_rms")[:-1])
    unit = 1.0 if 1 / line <= entering <= line else 1 / entering
    least, most = min(1.0, unit), max(1.0, unit)
    with np.errstate(**QUIET):
        falls = extreme_changes(np.append(least, levels[1:]))
        growths = extreme_changes(np.append(most, levels[1:]))
    return [*falls[:1], *growths[1:]]


def signal(m: MeasuredRun) -> Iterator[Finding]:
    """A median sample's signal that vanishes or explodes between a layer and a later one."""
    run = m.run
    if not m.hidden or run.overflow_layer is not None or m.silent_layer:
        return
    medians, rms = run.column("activation_median_rms")[:-1], run.column("activation_rms")[:-1]
    vanished = np.flatnonzero((medians == 0) & (rms > 0))
    if vanished.size and run.input_median_rms > 0:
        layer = int(vanished[0]) + 1
        yield Finding("signal", "warning", "vanishing", "The signal vanishes", f"At least half of the samples give "
                      f"exactly 0 in layer {layer}.", 0.0, layer, "a median sample's signal is not 0",
                      "follows from the median", EXACT)
        return
    beyond = [(signal_is_error(change.value, m.thresholds), change)
              for change in _signal_changes(m) if not within(change.value, m.thresholds)]
    if beyond:
        error, change = min(beyond, key=lambda pair: (not pair[0], pair[1].end))
        change = _localized(m, change)
        yield Finding(
            "signal", "error" if error else "warning", kind_of(change.value), f"The signal {say_change(change.value)}",
            _say_signal(m, change), change.value, change.end,
            f"the median sample's root mean square {say_signal_rule(m.thresholds)}", SIGNAL_SOURCE, RATIO)


def _localized(m: MeasuredRun, change: Change) -> Change:
    """The one step that makes most of a change, where there is one; else the change."""
    levels = signal_levels(m.run)[change.start:change.end + 1].copy()
    levels[0] = levels[-1] / change.value  # an input that is compared with 1
    steps = np.diff(np.log(levels))
    index = int(np.abs(steps).argmax())
    if len(steps) < 2 or steps[index] / math.log(change.value) < LOCAL:
        return change
    return Change(math.exp(steps[index]), change.start + index, change.start + index + 1)


def _say_signal(m: MeasuredRun, change: Change) -> str:
    reference = f"layer {change.start}'s" if change.start else "the input's"
    if change.start == 0 and not math.isclose(change.value, signal_levels(m.run)[change.end], rel_tol=1e-9):
        reference = "1, the scale that layers are made for"
    text = f"Layer {change.end}'s signal is {number(change.value)} times {reference}"
    if change.end - change.start < 2:
        return f"{text}."
    verb = "keeps {} of it" if change.value < 1 else "multiplies it by {}"
    return f"{text}: each layer {verb.format(number(change.a_step))}."


def preactivations(m: MeasuredRun) -> Iterator[Finding]:
    """Preactivations far from 1, where activations are linear, saturated or off."""
    if isinstance(m.run, BlockRun) and KINDS[m.run.network.kind].skips:
        return  # what a block adds to its stream may be small
    stds, line = m.run.column("preactivation_std")[:-1], m.thresholds["preactivation"]
    phi, params = m.run.network.activation_entry()
    radian = phi.radian(**params)
    units = np.full(len(stds), radian)
    # The first layer may spread inputs over several periods (Sitzmann et al. 2020, section 3.2).
    units[:1] = np.clip(stds[:1], min(radian, 1.0), max(radian, 1.0))
    with np.errstate(**QUIET):
        apart = np.nan_to_num(np.abs(np.log(stds / units)), posinf=0.0)
    if apart.size and apart.max() > math.log(line):
        layer = int(apart.argmax()) + 1
        value, unit = float(stds[layer - 1]), float(units[layer - 1])
        radians = f", {number(value / radian)} radians of {phi.label.lower()}'s" if radian != 1 else ""
        yield Finding("preactivations", "warning", "off_scale", "Preactivations "
                      f"{'small' if value < unit else 'large'}", f"Layer {layer}'s preactivations have a standard "
                      f"deviation of {number(value)}{radians}.", value, layer,
                      f"between {number(1 / line)} and {number(line)}{' radians' if radian != 1 else ''}",
                      "convention, after LSUV (Mishkin and Matas 2016), which brings it to 1", CONVENTION)


# ---------------------------------------------------------------------------------------------- backward

def gradient(m: MeasuredRun) -> Iterator[Finding]:
    """A gradient that overflows, does not arrive, vanishes or explodes on its way back."""
    run = m.run
    if not m.hidden or run.overflow_layer is not None:
        return
    lengths = gradient_lengths(run)
    overflowing, none = np.flatnonzero(~np.isfinite(lengths)), np.flatnonzero(lengths == 0)
    if overflowing.size:
        layer = int(overflowing[-1]) + 1
        yield Finding("gradient", "error", "exploding", "The gradient overflows", "On the way back the gradient "
                      f"overflows at layer {layer}: {run.delta_symbol} is not a number that {run.network.dtype} can "
                      "hold.", math.inf, layer, "every gradient is a finite number",
                      "SageMaker Debugger, ExplodingTensor", EXACT)
    elif m.first_step is not None and m.first_step > 1:
        yield _late(m, m.first_step)
    elif run.hidden_gradient_is_round_off:
        yield Finding("gradient", "error", "vanishing", "No gradient", "The errors cancel at the output layer's input, "
                      "so that no hidden layer gets a gradient.", 0.0, m.hidden, "it is more than round-off",
                      "equal output weights, and softmax's errors, which sum to 0", EXACT)
    elif none.size and run.column("delta_rms")[-1] > 0:
        layer = int(none[-1]) + 1
        yield Finding("gradient", "error", "vanishing", "No gradient", "No hidden layer gets a gradient." if
                      layer == m.hidden else f"No gradient arrives at layer {layer}.", 0.0, layer,
                      f"every hidden {run.delta_symbol} has an entry that is not 0", "follows from the chain rule",
                      EXACT)
    else:
        yield from _gradient_scale(m, lengths[::-1], weight_gradient_norms(run))


def _late(m: MeasuredRun, step: int) -> Finding:
    """A note that some hidden layers get no gradient in the first step, and get one soon after."""
    norms = weight_gradient_norms(m.run)[:-1]
    none = int(np.count_nonzero(norms == 0))
    which = "No hidden layer gets a" if none == len(norms) else f"{none} of {len(norms)} hidden layers get no"
    why = " (the errors cancel at the output layer's input)" if m.run.hidden_gradient_is_round_off else ""
    return Finding("late", "note", "late", "Gradients come later", f"{which} gradient in the first step{why}; from "
                   f"step {step} on each does.", float(step), None,
                   "every hidden layer gets a gradient in the first step", "follows from the chain rule", EXACT)


def _gradient_scale(m: MeasuredRun, backward: Array, norms: Array) -> Iterator[Finding]:
    """From the lengths of the deltas, last hidden layer first, and the norms of dL/dW, first layer first."""
    of_norms, thresholds = ratio(float(norms[0]), float(norms[-1])), m.thresholds
    beyond = [change for change in extreme_changes(backward) if not within(change.value, m.thresholds)]
    if not beyond:
        return
    change = min(beyond, key=lambda change: change.end)
    error = gradient_is_error(change.value, of_norms, float(norms[0]), thresholds)
    verb = "keeps {} of it" if change.value < 1 else "multiplies it by {}"
    a_step = f": each layer {verb.format(number(change.a_step))}" if change.end - change.start > 1 else ""
    also = (f" The weight gradients' norms, first layer ÷ last, are {number(of_norms)}, the first "
            f"{number(float(norms[0]))}.") if error else ""
    yield Finding(
        "gradient", "error" if error else "warning", kind_of(change.value), f"The gradient {say_change(change.value)}",
        f"On the way back the length of {m.run.delta_symbol} in layer {m.hidden - change.end} is "
        f"{number(change.value)} times that in layer {m.hidden - change.start}{a_step}.{also}",
        of_norms if error else change.value, m.hidden - change.end, say_gradient_rule(thresholds), GRADIENT_SOURCE,
        RATIO)


def updates(m: MeasuredRun) -> Iterator[Finding]:
    """How fast the hidden layers' weights change; the output layer may be small by design."""
    if m.run.hidden_gradient_is_round_off or m.hidden < 1:
        return
    with np.errstate(**QUIET):
        speeds = (m.run.column("weight_gradient_rms") / m.run.column("weight_rms"))[:-1]
        if not (np.isfinite(speeds) & (speeds > 0)).all():
            return
        spread, rate = float(speeds.max() / speeds.min()), TARGET_UPDATE / float(np.median(speeds))
    if not (math.isfinite(spread) and math.isfinite(rate)):
        return  # further apart than numbers go: the ratio findings have said so
    uneven = spread > m.thresholds["updates"]
    yield Finding("updates", "warning" if uneven else "note", "uneven" if uneven else "",
                  "Uneven updates" if uneven else "A rate to begin with",
                  f"Gradient ÷ weight differs between hidden layers by a factor of {number(spread)}. In the median "
                  f"layer a rate of {number(rate)} changes weights by a thousandth in a step of gradient descent.",
                  spread, None, f"at most {number(m.thresholds['updates'])}",
                  "convention; CS231n, part 3, and makemore part 3: about 1e-3", CONVENTION)


def drift(m: MeasuredRun) -> Iterator[Finding]:
    """A scale that holds here, and would not in a network twice as deep."""
    depth = m.run.network.depth
    if m.hidden >= 2 and m.depth_limit < FEW_DEPTHS * depth:
        yield Finding("drift", "note", "drifting", "The scale drifts", f"{say_depth_limit(m)} ({say_rates(m)}).",
                      m.depth_limit, None, f"the rates hold to at least {FEW_DEPTHS} times the depth",
                      "a straight line through the logarithms of the hidden layers; convention", CONVENTION)


def say_depth_limit(m: MeasuredRun) -> str:
    """To which depth signal and gradient keep their scale at this run's rates."""
    limit = max(m.depth_limit, m.run.network.depth)
    if m.hidden < 2:
        return "Signal and gradient keep their scale through one hidden layer"
    return "Signal and gradient keep their scale " + (
        f"to about depth {limit:.0f}" if limit < math.inf else f"beyond depth {DEEPEST:,}")


def say_rates(m: MeasuredRun) -> str:
    """The rates of signal and gradient."""
    return ", ".join(f"{name} × {number(rate, 2)} a layer" for name, rate in m.rates._asdict().items()
                     if not math.isnan(rate))
