"""The thresholds of a report, each with its source; a user may change them.

Ratios between layers depend neither on the loss nor on the batch; where no source names a number it is a convention.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from initviz.core.simulation import GROWN, SHRUNK
from initviz.core.validation import Interval, Parameter, check

SHARE = Interval(0, 1)
MOSTLY = 0.5  # SageMaker Debugger flags a layer with more than half of its units saturated or dead
AUTOTRAINER = "AutoTrainer (Zhang et al. 2021)"
AFTER_SAGEMAKER = ("after SageMaker Debugger, PoorWeightInitialization, whose line is at 10 between the largest and "
                   "the smallest variance of a layer; this one is at 100")


THRESHOLDS: Mapping[str, Parameter] = MappingProxyType({
    "different": Parameter(
        "Different neurons, least share", 0.9, SHARE, "Below it a layer's living neurons are called copies.",
        source="convention; that all are copies (one different neuron) needs no line"),
    "shrunk": Parameter(
        "Layer ÷ an earlier one, shrunk", SHRUNK, SHARE, "Below it signal or gradient are said to vanish.",
        source=f"convention, {AFTER_SAGEMAKER}"),
    "grown": Parameter(
        "Layer ÷ an earlier one, grown", GROWN, Interval(1, 1e6), "Above it signal or gradient are said to explode.",
        source=f"convention, {AFTER_SAGEMAKER}"),
    "lost": Parameter(
        "Loss of signal, error", 1e-3, SHARE, "Below it the signal's loss over layers is an error; so is the "
        "gradient's where the weight gradients' norms, first ÷ last, are below it and the first is faint.",
        source=f"{AUTOTRAINER}, beta_1, of weight gradients; of the signal a convention after it"),
    "faint": Parameter(
        "Faint weight gradient", 1e-4, Interval(0, 1e6), "Norm of the first layer's weight gradient below which a loss "
        "of the gradient is an error.", source=f"{AUTOTRAINER}, beta_2"),
    "burst": Parameter(
        "Growth of signal, error", 70.0, Interval(1, 1e9), "Above it the signal's growth over layers is an error, and "
        "the weight gradients' norms, first ÷ last.",
        source=f"{AUTOTRAINER}, beta_3, of weight gradients; of the signal a convention after it"),
    "preactivation": Parameter(
        "Preactivations beside 1", 10.0, Interval(1, 1e9), "Standard deviation of a hidden layer's preactivations, or "
        "its inverse.", source="convention, after LSUV (Mishkin and Matas 2016), which brings it to 1"),
    "mostly": Parameter(
        "Dead or saturated share", MOSTLY, SHARE, "Above it a layer's dead or saturated share is a finding.",
        source="convention, after SageMaker Debugger, DeadRelu and SaturatedActivation: more than half of a layer's "
        "neurons, there over many steps"),
    "nearly_all": Parameter(
        "Dead or saturated share, error", 0.9, SHARE, "Above it the share is an error.", source="convention"),
    "alike": Parameter(
        "Difference between samples", 0.01, SHARE, "Spread between samples ÷ root mean square, in the last hidden "
        "layer; below it the network hardly tells its inputs apart.",
        source="convention; Schoenholz et al. 2017 for the effect"),
    "loss": Parameter(
        "Initial loss ÷ saying nothing", 2.0, Interval(1, 1e6), "Above it the outputs are confident before anything "
        "was learned.", source="convention; CS231n and makemore part 3 compare with ln K"),
    "loss_error": Parameter(
        "Initial loss ÷ saying nothing, error", 1e3, Interval(1, 1e12), "Above it the initial loss is an error.",
        source=f"convention, after {AUTOTRAINER}, where a loss of 1e5 has exploded"),
    "output": Parameter(
        "Spread of the outputs", 3.0, Interval(0, 1e6), "Standard deviation of the outputs; for a regression in units "
        "of the targets'.", source="convention; makemore part 3 shrinks the last layer"),
    "columns": Parameter(
        "Largest input column ÷ median", 10.0, Interval(1, 1e9), "Root mean square of the largest column ÷ that of the "
        "median one.", source="convention; LeCun et al. 1998, section 4.3: inputs of one scale"),
    "offset": Parameter(
        "Mean of the inputs ÷ spread", 1.0, Interval(0, 1e9), "Root mean square of the columns' means ÷ their "
        "standard deviations'.", source="convention; LeCun et al. 1998, section 4.3: inputs of mean 0"),
    "scale": Parameter(
        "Scale of the inputs", 10.0, Interval(1, 1e9), "Root mean square of the inputs, or its inverse.",
        source="convention; rules of scale expect a root mean square near 1"),
    "targets": Parameter(
        "Scale of the targets", 10.0, Interval(1, 1e9), "Root mean square of a regression's targets, or its inverse.",
        source="convention; an output of variance 1 meets targets of variance 1"),
    "targets_error": Parameter(
        "Scale of the targets, error", 100.0, Interval(1, 1e12), "Above it unscaled targets are an error: the first "
        "squared error is above its square.", source="convention"),
    "odd": Parameter(
        "One layer's weights ÷ the others'", 10.0, Interval(1, 1e9), "Root mean square of a layer's weights times "
        "√fan_in, ÷ the median hidden layer's, or its inverse.", source="convention"),
    "updates": Parameter(
        "Largest ÷ smallest update", 100.0, Interval(1, 1e9), "Largest ÷ smallest layer's gradient ÷ weight; above it "
        "no one rate suits all layers.",
        source="convention; CS231n and makemore part 3 want about 1e-3 in every layer"),
})

Thresholds = Mapping[str, float]
DEFAULTS: Thresholds = MappingProxyType({key: line.default for key, line in THRESHOLDS.items()})


def check_thresholds(values: Mapping[str, Any]) -> dict[str, float]:
    """Every threshold, given or default; ValueError naming the field for an unknown name or a value out of range."""
    for name in values:
        check("threshold", name, THRESHOLDS.keys())
    return {key: check(f"threshold {key}", values.get(key, line.default), line.allowed)
            for key, line in THRESHOLDS.items()}


def clamp_thresholds(values: Mapping[str, Any]) -> dict[str, float]:
    """Every threshold, the nearest allowed to what a page holds, the default where that is no number."""
    clamped = dict(DEFAULTS)
    for key, line in THRESHOLDS.items():
        value = values.get(key)
        if isinstance(value, int | float) and not math.isnan(value):
            clamped[key] = line.interval.nearest(value)
    return clamped
