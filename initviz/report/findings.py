"""From a start's statistics to findings, the weightiest first, each with its number, its rule and how firm that is."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from initviz.diagnosis import gradient_return, number, percent, signal_ratio
from initviz.inputs import Batch
from initviz.propagation import QUIET
from initviz.repair import Remedy, Start, remedies, standardise_inputs
from initviz.report.thresholds import DEFAULTS, Lines
from initviz.simulation import Run, summarise
from initviz.statistics import moments, ratio

Array = NDArray[Any]

SEVERITIES = ("grave", "warning", "note")
EXACT, RATIO, CONVENTION = "exact", "ratio between layers", "convention"
TARGET_UPDATE = 1e-3  # of a weight in a step: CS231n, makemore part 3


@dataclass(frozen=True)
class Finding:
    """One thing found: ``layer`` counts from 1, None where it is of the whole; ``number`` is what was measured.

    ``rule`` says what it was compared with, ``source`` who says so, ``firm`` how firm the rule is: EXACT for a count
    or an overflow, RATIO for a ratio between layers, CONVENTION for a line that somebody has drawn.
    """

    key: str
    severity: str
    title: str
    words: str
    number: float
    layer: int | None
    rule: str
    source: str
    firm: str


@dataclass(frozen=True, eq=False)
class Measured:
    """What the rules look at."""

    start: Start
    run: Run
    lines: Lines

    def worst(self, column: str) -> tuple[int, float]:
        """The hidden layer, from 1, with the largest value of a column, and the value; (0, 0) where there is none."""
        values = np.nan_to_num(self.run.column(column)[:-1])
        return (int(values.argmax()) + 1, float(values.max())) if values.size else (0, 0.0)

    def graver(self, low: float, value: float, high: float) -> str:
        """"grave" where a ratio lies outside the grave lines, else "warning"."""
        return "grave" if value < low or value > high else "warning"


def silence(batch: Batch) -> float:
    """The loss of a network that says nothing: ln K for K classes, the targets' variance for numbers."""
    if batch.loss == "softmax_ce":
        return math.log(batch.outputs)
    with np.errstate(**QUIET):
        return float(np.var(batch.targets, axis=0).mean())


# ---------------------------------------------------------------------------------------------- the rules

def _overflow(m: Measured) -> Iterator[Finding]:
    layer = m.run.overflow_layer
    if layer is not None:
        yield Finding("overflow", "grave", "Overflow", f"The preactivations of layer {layer} are not all numbers that "
                      f"{m.run.network.dtype} can hold.", math.inf, layer, "every preactivation is a finite number",
                      "SageMaker Debugger, ExplodingTensor", EXACT)
    elif not math.isfinite(m.run.loss):
        yield Finding("overflow", "grave", "Overflow", "The loss is not a number that can be held.", math.inf, None,
                      "the loss is a finite number", "SageMaker Debugger, ExplodingTensor", EXACT)


def _silent(m: Measured) -> Iterator[Finding]:
    zero = np.flatnonzero(m.run.column("activation_rms")[:-1] == 0)
    if zero.size:
        layer = int(zero[0]) + 1
        yield Finding("silent", "grave", "Silent layer", f"Every output of layer {layer} is exactly 0: nothing of the "
                      "input goes on.", 0.0, layer, "some output is not 0", "follows from z = h W + b", EXACT)


def _copies(m: Measured) -> Iterator[Finding]:
    distinct, width = m.run.column("distinct_neurons")[:-1], m.run.column("fan_out")[:-1]
    dead = np.round(np.nan_to_num(m.run.column("dead_share")[:-1]) * width)
    living, kinds = width - dead, distinct - (dead > 0)
    for test in (distinct == 1, (distinct > 1) & (living > 1) & (kinds < m.lines["different"] * living)):
        layers = np.flatnonzero(test & (width > 1))
        if layers.size:
            at = int(layers[0])
            all_same = distinct[at] == 1
            neurons = f"{distinct[at]:.0f} different neuron{'' if all_same else 's'} of {width[at]}"
            more = f"; {layers.size} hidden layers are so" if layers.size > 1 else ""
            yield Finding(
                "copies", "grave" if all_same else "warning", "Copies",
                f"Layer {at + 1} has {neurons}{more}. Copies whose outgoing weights are equal get equal gradients and "
                "stay copies.", float(distinct[at]), at + 1,
                "more than one different neuron on this batch" if all_same else
                f"at least {percent(m.lines['different'])} of a layer's living neurons differ on this batch",
                "symmetry under exchanging two neurons" if all_same else "convention",
                EXACT if all_same else CONVENTION)
            return


def _ratio_finding(m: Measured, key: str, name: str, value: float, words: str, source: str) -> Iterator[Finding]:
    shrunk, grown = m.lines["shrunk"], m.lines["grown"]
    if math.isfinite(value) and (value < shrunk or value > grown):
        yield Finding(key, m.graver(m.lines["lost"], value, m.lines["burst"]),
                      f"{name} {'vanishes' if value < shrunk else 'explodes'}", words, value, None,
                      f"between {number(shrunk)} and {number(grown)}; grave below {number(m.lines['lost'])} or above "
                      f"{number(m.lines['burst'])}", source, RATIO)


def _signal(m: Measured) -> Iterator[Finding]:
    value = signal_ratio(m.run)
    hidden = m.run.network.depth - 1
    yield from _ratio_finding(
        m, "signal", "The signal", value, f"Root mean square of the activations, last hidden layer ÷ first: "
        f"{number(value)}; each layer multiplies it by {number(value ** (1 / max(hidden - 1, 1)))}.",
        "SageMaker Debugger, PoorWeightInitialization; the grave lines AutoTrainer's, there of gradients")


def _gradient(m: Measured) -> Iterator[Finding]:
    hidden, deltas = m.run.network.depth - 1, m.run.column("delta_rms")
    if m.run.hidden_gradient_is_round_off:
        yield Finding("gradient", "grave", "No gradient", "The errors cancel at the output layer's input, so that no "
                      "hidden layer gets a gradient in the first step.", 0.0, hidden, "it is more than round-off",
                      "equal output weights, and softmax's errors, which sum to 0", EXACT)
        return
    if hidden and m.run.overflow_layer is None and not deltas[:-1].any() and deltas[-1] > 0:
        yield Finding("gradient", "grave", "No gradient", "No hidden layer gets a gradient.", 0.0, hidden,
                      "some hidden delta is not 0", "follows from the chain rule", EXACT)
        return
    value = gradient_return(m.run)
    yield from _ratio_finding(
        m, "gradient", "The gradient", value, "Length of dL/dz, first hidden layer ÷ last: "
        f"{number(value)}; weight gradients, first layer ÷ last: {number(m.run.gradient_ratio)}.",
        "AutoTrainer (Zhang et al. 2021); SageMaker Debugger")


def _share(m: Measured, key: str, title: str, words: str, source: str) -> Iterator[Finding]:
    layer, share = m.worst(f"{key}_share")
    if share > m.lines["mostly"]:
        yield Finding(key, "grave" if share > m.lines["nearly_all"] else "warning", title,
                      words.format(percent(share), layer), share, layer, f"at most {percent(m.lines['mostly'])}; grave "
                      f"above {percent(m.lines['nearly_all'])}", source, CONVENTION)


def _dead(m: Measured) -> Iterator[Finding]:
    yield from _share(m, "dead", "Dead ReLUs", "{} of layer {}'s neurons are off for every sample of the batch: their "
                      f"weights get no gradient from these {m.run.batch} samples.", "SageMaker Debugger, DeadRelu")


def _saturated(m: Measured) -> Iterator[Finding]:
    yield from _share(m, "saturated", "Saturated", "{} of layer {}'s activations are beyond 97 % of the way to an end "
                      "of their range.",
                      "97 %: makemore part 3; half a layer: SageMaker Debugger")


def _alike(m: Measured) -> Iterator[Finding]:
    if m.run.network.depth < 2 or m.run.batch < 2:
        return
    spread, rms = (float(m.run.column(name)[-2]) for name in ("sample_spread", "activation_rms"))
    value = ratio(spread, rms)
    if value < m.lines["alike"] and rms > 0:
        yield Finding("alike", "warning", "Inputs look alike", f"In layer {m.run.network.depth - 1} samples differ by "
                      f"{number(value)} of the activations' root mean square: the network hardly tells its inputs "
                      "apart.", value, m.run.network.depth - 1, f"at least {number(m.lines['alike'])}",
                      "convention; Schoenholz et al. 2017 for the effect", CONVENTION)


def _inputs(m: Measured) -> Iterator[Finding]:
    x = m.start.batch.x.astype(np.float64)
    with np.errstate(**QUIET):
        columns, means = np.sqrt(np.square(x).mean(axis=0)), x.mean(axis=0)
        constant = int(np.count_nonzero(np.ptp(x, axis=0) == 0))
        rms, offset = math.sqrt(float(np.square(columns).mean())), math.sqrt(float(np.square(means).mean()))
        spread = math.sqrt(float(x.var(axis=0).mean()))
        typical = float(np.median(columns[columns > 0])) if columns.any() else 0.0
    source = "LeCun et al. 1998, section 4.3, for the rule; its line is a convention"
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
    batch, nothing = m.start.batch, silence(m.start.batch)
    source = "CS231n; Karpathy, makemore part 3"
    said = f"ln {batch.outputs} = {number(nothing, 3)}" if batch.loss == "softmax_ce" else (
        f"the targets' variance, {number(nothing, 3)}")
    value = ratio(m.run.loss, nothing)
    if value > m.lines["loss"]:
        yield Finding("loss", "warning", "Initial loss", f"The loss is {number(m.run.loss, 3)}; saying nothing costs "
                      f"{said}. The first steps are spent on unlearning.", m.run.loss, None,
                      f"at most {number(m.lines['loss'])} times {said}", source, CONVENTION)
    elif value < 0.9:
        yield Finding("loss", "note", "Learned already", f"The loss is {number(m.run.loss, 3)}, below {said}: these "
                      "weights know something of this data.", m.run.loss, None, f"near {said}", source, CONVENTION)


def _output(m: Measured) -> Iterator[Finding]:
    batch = m.start.batch
    unit = 1.0 if batch.loss == "softmax_ce" else math.sqrt(silence(batch)) or 1.0
    value = float(m.run.column("activation_std")[-1]) / unit
    if value > m.lines["output"]:
        yield Finding("output", "warning", "Wide outputs", f"The outputs have a standard deviation of {number(value)}"
                      + ("" if unit == 1 else " times the targets'") + ".", value, m.run.network.depth,
                      f"at most {number(m.lines['output'])}", "makemore part 3 for the rule; its line is a convention",
                      CONVENTION)


def _bias(m: Measured) -> Iterator[Finding]:
    sizes = np.array([moments(b).rms for b in m.start.biases])
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
                  "CS231n, part 3; makemore part 3: about 1e-3", CONVENTION)


# In the order of weight among findings of one severity: that of diagnosis.verdict, then what it does not look at.
RULES: tuple[Callable[[Measured], Iterator[Finding]], ...] = (
    _overflow, _silent, _copies, _signal, _dead, _saturated, _gradient, _alike, _inputs, _loss, _output, _bias,
    _updates)


# ---------------------------------------------------------------------------------------------- the report

@dataclass(frozen=True, eq=False)
class Report:
    """What was found of a start: its run, its findings in order of weight, and the remedies' reports beside it."""

    start: Start
    run: Run
    findings: tuple[Finding, ...]
    lines: Lines
    remedies: tuple[tuple[Remedy, Report], ...] = ()

    @property
    def severity(self) -> str | None:
        """The gravest finding's; None where there is none."""
        return next((severity for severity in SEVERITIES for finding in self.findings
                     if finding.severity == severity), None)

    def count(self, severity: str) -> int:
        """How many findings of a severity."""
        return sum(finding.severity == severity for finding in self.findings)

    @property
    def summary(self) -> str:
        """The findings counted, in one sentence."""
        counts = [f"{count} {severity}{'s' if count > 1 and severity != 'grave' else ''}"
                  for severity in SEVERITIES if (count := self.count(severity))]
        return f"Findings: {', '.join(counts)}." if counts else "Nothing found."

    @cached_property
    def layers(self) -> pd.DataFrame:
        """A row a layer: what the table of a report shows, as numbers; NaN where a statistic is not defined."""
        run = self.run
        gradient = run.column("delta_rms").copy()
        if run.hidden_gradient_is_round_off:
            gradient[:-1] = 0
        return pd.DataFrame({
            "layer": run.column("layer"), "fan_in": run.column("fan_in"), "fan_out": run.column("fan_out"),
            "weight_std": run.column("weight_std"), "preactivation_std": run.column("preactivation_std"),
            "activation_rms": run.column("activation_rms"), "delta_rms": gradient,
            "weight_gradient_rms": run.column("weight_gradient_rms"),
            "distinct_neurons": run.column("distinct_neurons"), "dead_share": run.column("dead_share"),
            "saturated_share": run.column("saturated_share")})

    @property
    def measures(self) -> Mapping[str, str]:
        """The few numbers by which a start is compared with another, in words."""
        run, hidden = self.run, self.run.network.depth - 1
        layer = max(hidden, 1) - 1
        return MappingProxyType({
            "Grave findings": str(self.count("grave")), "Warnings": str(self.count("warning")),
            "Signal, last ÷ first": number(signal_ratio(run)) if hidden else "one layer",
            "Gradient, first ÷ last": ("0" if run.hidden_gradient_is_round_off else number(gradient_return(run)))
            if hidden else "one layer",
            "Different neurons": (f"{run.column('distinct_neurons')[layer]:.0f} of {run.column('fan_out')[layer]}"
                                  if run.column("distinct_neurons")[layer] else "not defined"),
            "Output standard deviation": number(float(run.column("activation_std")[-1])),
            "Loss": number(run.loss, 3)})


def diagnose(start: Start, lines: Lines = DEFAULTS, *, repair: bool = True) -> Report:
    """Examine a start on its batch; with ``repair`` also every remedy, on the same data.

    Raises ValueError where parameters, network and batch do not fit each other.
    """
    run = summarise(start.network, start.weights, start.biases, start.batch, counted=())
    measured = Measured(start, run, lines)
    found = [finding for rule in RULES for finding in rule(measured)]
    found.sort(key=lambda finding: SEVERITIES.index(finding.severity))
    tried = []
    if repair:
        tried = remedies(start)
        if any(finding.title == "Unscaled inputs" for finding in found):
            tried.append(standardise_inputs(start))
    return Report(start, run, tuple(found), lines,
                  tuple((remedy, diagnose(remedy.start, lines, repair=False)) for remedy in tried))
