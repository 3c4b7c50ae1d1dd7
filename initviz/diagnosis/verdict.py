"""The verdict on a run: its most severe finding in words, how far its scale holds, and the numbers that justify it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from initviz.core.propagation import QUIET
from initviz.core.simulation import Run, gradient_return
from initviz.core.wording import number, ranges
from initviz.diagnosis.findings import Finding, MeasuredRun
from initviz.diagnosis.initialization import Initialization
from initviz.diagnosis.layer_scales import DEEPEST, Rates, rate_of, signal_levels
from initviz.diagnosis.rules import findings_of
from initviz.diagnosis.rules.scale import say_depth_limit, say_rates
from initviz.diagnosis.thresholds import DEFAULTS, Thresholds
from initviz.theory.prediction import Prediction


@dataclass(frozen=True)
class VerdictKind:
    """A kind of verdict: its word, the color of its badge, its icon, and the mark beside its word in a picture, which
    tells it apart without color.
    """

    word: str
    color: str
    icon: str
    mark: str = "!"


KINDS: Mapping[str, VerdictKind] = MappingProxyType({
    "healthy": VerdictKind("Healthy", "green", ":material/check_circle:", "✓"),
    "trains": VerdictKind("Trains", "green", ":material/check_circle:"),
    "drifting": VerdictKind("Drifting", "orange", ":material/trending_flat:", "~"),
    "late": VerdictKind("One step late", "blue", ":material/schedule:"),
    "collapsed": VerdictKind("Collapsed", "gray", ":material/content_copy:", "≡"),
    "silent": VerdictKind("Silent", "gray", ":material/volume_off:", "○"),
    "dead": VerdictKind("Dead", "gray", ":material/power_off:", "✕"),
    "alike": VerdictKind("Inputs alike", "gray", ":material/blur_on:", "≡"),
    "saturated": VerdictKind("Saturated", "orange", ":material/compress:", "◧"),
    "vanishing": VerdictKind("Vanishing", "blue", ":material/trending_down:", "↘"),
    "exploding": VerdictKind("Exploding", "red", ":material/trending_up:", "↗"),
    "overflow": VerdictKind("Overflow", "red", ":material/error:", "✕"),
    "one_sign": VerdictKind("One sign", "red", ":material/exposure_plus_1:"),
    "off_scale": VerdictKind("Off scale", "orange", ":material/straighten:"),
    "uneven": VerdictKind("Uneven layers", "orange", ":material/equalizer:"),
    "equal_layers": VerdictKind("Equal layers", "orange", ":material/file_copy:", "≡"),
    "inputs": VerdictKind("Unscaled inputs", "orange", ":material/input:"),
    "targets": VerdictKind("Unscaled targets", "orange", ":material/track_changes:"),
    "output": VerdictKind("Wide outputs", "orange", ":material/output:"),
    "shallow": VerdictKind("One layer", "gray", ":material/linear_scale:", "–"),
})


@dataclass(frozen=True)
class Verdict:
    """``key`` names the kind, ``word`` and ``sentence`` say it, ``numbers`` are three (name, value) pairs.

    ``depth_limit`` is the depth, in weight layers, to which signal and gradient would keep their scale at the run's
    own ``rates``; inf for one beyond 1,000. ``findings`` are all of the run's, most severe first.
    """

    key: str
    sentence: str
    numbers: tuple[tuple[str, str], ...]
    findings: tuple[Finding, ...]
    rates: Rates
    depth_limit: float

    @property
    def kind(self) -> VerdictKind:
        """The record of its kind."""
        return KINDS[self.key]

    @property
    def word(self) -> str:
        """The kind in a word or two."""
        return self.kind.word

    @property
    def icon(self) -> str:
        """The kind as a material icon."""
        return self.kind.icon

    @property
    def reach(self) -> tuple[tuple[str, str], ...]:
        """The rates of signal and gradient, and how deep they would hold: (name, value) pairs."""
        is_known = any(not math.isnan(rate) for rate in self.rates)
        limit = f"{self.depth_limit:.0f}" if self.depth_limit < math.inf else f"beyond {DEEPEST:,}"
        return (*((f"{name.capitalize()} a layer", "not defined" if math.isnan(rate) else f"× {number(rate, 3)}")
                  for name, rate in self.rates._asdict().items()),
                ("Scale holds to depth", limit if is_known else "not defined"))

    @property
    def words(self) -> str:
        """The whole verdict: the word and the sentence."""
        return f"{self.word}: {self.sentence[0].lower()}{self.sentence[1:]}"


def judge(run: Run, thresholds: Thresholds = DEFAULTS, initialization: Initialization | None = None) -> Verdict:
    """The verdict on a run: its most severe finding that has a kind, or that it is healthy.

    With the initialization also the rules of its parameters and its batch are asked.
    """
    return verdict_on(run, findings_of(run, thresholds, initialization), thresholds)


def verdict_on(run: Run, findings: tuple[Finding, ...], thresholds: Thresholds = DEFAULTS) -> Verdict:
    """The verdict that follows from a run's findings."""
    measured = MeasuredRun.of(run, thresholds)
    first = next((finding for finding in findings if finding.kind), None)
    if first is not None:
        key, sentence = first.kind, first.text
        if first.key in ("signal", "gradient") and measured.depth_limit < math.inf:
            sentence += f" At this rate the scale holds to about depth {measured.depth_limit:.0f}."
    elif measured.hidden < 1:
        key, sentence = "shallow", "One linear layer, nothing hidden to collapse."
    else:
        rates = say_rates(measured)
        key, sentence = "healthy", f"{say_depth_limit(measured)}{f' ({rates})' if rates else ''}."
    return Verdict(key, sentence, _numbers(run), findings, measured.rates, measured.depth_limit)


def _numbers(run: Run) -> tuple[tuple[str, str], ...]:
    hidden = run.network.depth - 1
    if not hidden:
        return (("Hidden layers", "0"), ("Loss", number(run.loss)),
                ("Weight gradient", number(float(run.column("weight_gradient_rms")[0]))))
    with np.errstate(**QUIET):
        signal = float(signal_levels(run)[-1])
    return (("Different", say_different(run, hidden)),
            ("Signal", "overflow" if run.overflow_layer else number(signal)), ("Gradient", _say_gradient(run)))


def say_different(run: Run, layer: int) -> str:
    """How many neurons of a layer, from 1, are different, and how many of them are dead."""
    distinct, width = run.column("distinct_neurons")[layer - 1], int(run.column("fan_out")[layer - 1])
    if not distinct:
        return "not defined"
    dead = round(float(np.nan_to_num(run.column("dead_share")[layer - 1])) * width)
    return f"{distinct:.0f} of {width}" + (f", {dead} dead" if dead > 1 else "")


def _say_gradient(run: Run) -> str:
    if run.hidden_gradient_is_round_off:
        return "0 (errors cancel)"
    if run.overflow_layer is not None:
        return "not defined"
    if run.column("delta_rms")[0] == 0:
        return "0"
    return number(gradient_return(run)) if np.isfinite(run.column("delta_rms")).all() else "overflow"


# ---------------------------------------------------------------------------------------------- beside theory

def theory_rates(run: Run, prediction: Prediction) -> Rates:
    """The rates that theory expects of a run's network, over the same hidden layers."""
    hidden = run.network.depth - 1
    lengths = (prediction.delta_rms * np.sqrt(run.column("fan_out")))[:hidden]
    return Rates(rate_of(prediction.activation_rms[:hidden]), rate_of(lengths[::-1]))


def outside(run: Run, prediction: Prediction, quantity: str) -> list[int]:
    """The hidden layers, counted from 1, whose root mean square lies outside theory's band."""
    least, most = prediction.band(quantity, "rms")
    measured = run.column(f"{quantity}_rms")
    with np.errstate(invalid="ignore"):
        inside = (measured >= least) & (measured <= most)
    # Of the largest and the smallest number of a format theory knows nothing.
    inside |= ~np.isfinite(measured) | (np.maximum(measured, least) < np.finfo(run.network.dtype).tiny)
    return [int(layer) + 1 for layer in np.flatnonzero(~inside[: run.network.depth - 1])]


def against_theory(run: Run, prediction: Prediction | None) -> str:
    """Where the run is, seen from theory's band, forward and backward: words that follow "Theory:"."""
    if prediction is None:
        return f"none, as the weights are {'not random' if run.column('weight_rms').any() else 'all 0'}"
    if run.network.depth < 2:
        return "no hidden layer to speak of"
    if np.isnan(prediction.band("activation", "rms")[0]).any():
        return "no band, as in some draws of the weights no signal is left"
    signal = run.column("activation_rms")[:-1]
    rounded = np.flatnonzero((signal == 0) & (prediction.activation_rms[:-1] < np.finfo(run.network.dtype).tiny))
    quantities = (("forward", "activation"), ("backward", "delta"))[:1 if rounded.size else 2]
    outliers = [(name, layers) for name, quantity in quantities if (layers := outside(run, prediction, quantity))]
    if rounded.size and not outliers:
        return f"in its band, until {run.network.dtype} rounds the signal to 0 in layer {rounded[0] + 1}"
    return " and ".join(f"{name} outside its band at layer {ranges(layers)}" for name, layers in outliers) or \
        "in its band"
