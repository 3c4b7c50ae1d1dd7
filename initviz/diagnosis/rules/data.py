"""Rules of the data and of the output: unscaled inputs and targets, and the first loss."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from initviz.core.batches import loss_of_constant_output
from initviz.core.propagation import QUIET
from initviz.core.statistics import ratio
from initviz.core.wording import number
from initviz.diagnosis.findings import CONVENTION, EXACT, Finding, MeasuredRun
from initviz.diagnosis.rules.grades import INPUT_SOURCE, LOSS_SOURCE, say_loss_rule

LEARNED = 0.9  # of the loss without a look at the inputs: below it the weights know the data


def inputs(m: MeasuredRun) -> Iterator[Finding]:
    """Inputs of another scale than 1, of a mean far from 0, or with one column far larger than the others."""
    rms, line = m.run.input_rms, m.thresholds["scale"]
    if rms > 0 and math.isfinite(rms) and not 1 / line <= rms <= line:
        yield _scale_of_inputs(m, rms)
    if m.initialization is None:
        return
    x = m.initialization.batch.x.astype(np.float64)
    with np.errstate(**QUIET):
        columns, means = np.sqrt(np.square(x).mean(axis=0)), x.mean(axis=0)
        offset, spread = math.sqrt(float(np.square(means).mean())), math.sqrt(float(x.var(axis=0).mean()))
        typical = float(np.median(columns[columns > 0])) if columns.any() else 0.0
    for key, value, text in (
            ("columns", ratio(float(columns.max()), typical), "The largest input column is {} times the median one."),
            ("offset", ratio(offset, spread), "The inputs' means are {} times their spread.")):
        if value > m.thresholds[key]:
            yield Finding(f"inputs_{key}", "warning", "inputs", "Unscaled inputs", text.format(number(value)), value,
                          None, f"at most {number(m.thresholds[key])}", INPUT_SOURCE, CONVENTION)


def _scale_of_inputs(m: MeasuredRun, rms: float) -> Finding:
    """An error where the first layer hands their scale on."""
    std, line = float(m.run.column("preactivation_std")[0]), m.thresholds["preactivation"]
    passed_on = m.hidden > 0 and math.isfinite(std) and not 1 / line <= std <= line
    text = f"The inputs' root mean square is {number(rms)}"
    if passed_on:
        text += (f", and layer 1 hands it on: its preactivations have a standard deviation of {number(std)}. What "
                 "follows may be its effect")
    return Finding("inputs_scale", "error" if passed_on else "warning", "inputs", "Unscaled inputs", f"{text}.",
                   rms, 1 if passed_on else None, f"between {number(1 / m.thresholds['scale'])} and "
                   f"{number(m.thresholds['scale'])}; an error where layer 1's preactivations are not between "
                   f"{number(1 / line)} and {number(line)}", INPUT_SOURCE, CONVENTION)


def constant_inputs(m: MeasuredRun) -> Iterator[Finding]:
    """Input columns that do not vary."""
    if m.initialization is None or m.run.batch < 2:
        return
    x = m.initialization.batch.x
    with np.errstate(**QUIET):
        constant = int(np.count_nonzero(np.ptp(x, axis=0) == 0))
    if constant:
        yield Finding("inputs_constant", "note", "", "Constant inputs", f"{constant} of {x.shape[1]} input columns do "
                      "not vary over this batch and carry no information about it.", float(constant), None,
                      "every column varies", "a count", EXACT)


def targets(m: MeasuredRun) -> Iterator[Finding]:
    """Targets of a regression far from 1, which the squared error squares."""
    size = scale_of_targets(m)
    line = m.thresholds["targets"]
    if size and math.isfinite(size) and not 1 / line <= size <= line:
        error = size > m.thresholds["targets_error"]
        yield Finding("targets", "error" if error else "warning", "targets", "Unscaled targets",
                      f"The targets' root mean square is {number(size)}, which an output near 0 misses by "
                      f"{number(size * size)} in squares: the first loss is {number(m.run.loss, 3)}, and its gradients "
                      "are as large. Standardize the targets.", size, m.run.network.depth,
                      f"between {number(1 / line)} and {number(line)}; an error above "
                      f"{number(m.thresholds['targets_error'])}", "convention; follows from the squared error",
                      CONVENTION)


def scale_of_targets(m: MeasuredRun) -> float:
    """Root mean square of a regression's targets; 0 for classes and where they are not known."""
    if m.initialization is None or m.initialization.batch.loss != "mse":
        return 0.0
    with np.errstate(**QUIET):
        return math.sqrt(float(np.square(m.initialization.batch.targets.astype(float)).mean()))


def loss(m: MeasuredRun) -> Iterator[Finding]:
    """A first loss above that of an output of zeros."""
    nothing = m.run.zero_loss
    value = ratio(m.run.loss, nothing)
    if not (value > m.thresholds["loss"] and scale_of_targets(m) <= m.thresholds["targets"]):
        return
    classes = math.isclose(nothing, math.log(m.run.outputs)) if m.run.outputs > 1 else False
    reference = f"ln {m.run.outputs} = {number(nothing, 3)}" if classes else number(nothing, 3)
    error = value > m.thresholds["loss_error"]
    yield Finding("loss", "error" if error else "warning", "output", "Initial loss",
                  f"The loss is {number(m.run.loss, 3)}; outputs of 0 cost {reference}. The first steps are spent on "
                  "unlearning; a smaller output layer avoids it.", m.run.loss, m.run.network.depth,
                  say_loss_rule(reference, m.thresholds), LOSS_SOURCE, CONVENTION)


def learned(m: MeasuredRun) -> Iterator[Finding]:
    """Given weights that do better than any that do not look at the inputs."""
    initialization = m.initialization
    if initialization is None or initialization.drawn:
        return
    blind = loss_of_constant_output(initialization.batch)
    if m.run.loss < LEARNED * blind:
        of_classes = initialization.batch.loss in ("softmax_ce", "bce")
        least = f"the {'entropy of the batch’s classes' if of_classes else 'targets’ variance'}, {number(blind, 3)}"
        yield Finding("loss", "note", "", "Learned already", f"The loss is {number(m.run.loss, 3)}, below {least}: "
                      "these weights know something of this data.", m.run.loss, None, f"near {least}",
                      "convention; CS231n; makemore part 3", CONVENTION)


def output(m: MeasuredRun) -> Iterator[Finding]:
    """Outputs that are wide before anything is learned."""
    if scale_of_targets(m) > m.thresholds["targets"]:
        return
    unit = 1.0
    if m.initialization is not None and m.initialization.batch.loss not in ("softmax_ce", "bce"):
        unit = math.sqrt(loss_of_constant_output(m.initialization.batch)) or 1.0
    value = float(m.run.column("activation_std")[-1]) / unit
    if value > m.thresholds["output"]:
        yield Finding("output", "warning", "output", "Wide outputs", f"The outputs have a standard deviation of "
                      f"{number(value)}{'' if unit == 1 else ' times the targets’'}.", value, m.run.network.depth,
                      f"at most {number(m.thresholds['output'])}", "convention; makemore part 3 for the rule",
                      CONVENTION)
