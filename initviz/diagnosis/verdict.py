"""From a run's statistics to a verdict in words, with the three numbers that justify it.

Thresholds are ratios between layers, which do not depend on the loss or the batch; where a line is drawn is a
convention and is named as one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from initviz.core.simulation import GROWN, SHRUNK, Run, gradient_return, signal_ratio
from initviz.core.wording import number, percent, ranges
from initviz.theory.prediction import Prediction

MOSTLY = 0.5  # SageMaker Debugger flags a layer with more than half of its units saturated or dead
@dataclass(frozen=True)
class Verdict:
    """``key`` names the kind, ``words`` says it in one sentence, ``numbers`` are three (name, value) pairs."""

    key: str
    words: str
    numbers: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Kind:
    """A kind of verdict: its title, the color of its badge and its icon."""

    title: str
    color: str
    icon: str


KINDS = {
    "healthy": Kind("Healthy", "green", ":material/check_circle:"),
    "collapsed": Kind("Collapsed", "gray", ":material/content_copy:"),
    "silent": Kind("Silent", "gray", ":material/volume_off:"),
    "dead": Kind("Dead", "gray", ":material/power_off:"),
    "saturated": Kind("Saturated", "orange", ":material/compress:"),
    "vanishing": Kind("Vanishing", "blue", ":material/trending_down:"),
    "exploding": Kind("Exploding", "red", ":material/trending_up:"),
    "overflow": Kind("Overflow", "red", ":material/error:"),
    "shallow": Kind("One layer", "gray", ":material/linear_scale:"),
}


def _gradient_words(run: Run) -> str:
    if run.hidden_gradient_is_round_off:
        return "0 (errors cancel)"
    if run.overflow_layer is not None:
        return "not defined"
    if run.column("delta_rms")[0] == 0:
        return "0"
    return number(gradient_return(run)) if np.isfinite(run.column("delta_rms")).all() else "overflow"


def verdict(run: Run) -> Verdict:
    """The one thing to know of a run first: overflow, then copies, then scale forward, saturation, scale backward."""
    sizes, hidden = run.network.sizes, run.network.depth - 1
    if not hidden:
        return Verdict("shallow", "One linear layer: nothing hidden to collapse.",
                       (("Hidden layers", "0"), ("Loss", number(run.loss)),
                        ("Weight gradient", number(float(run.column("weight_gradient_rms")[0])))))
    width = sizes[-2]
    distinct = run.column("distinct_neurons")[:-1]
    numbers = (("Different", "not defined" if not distinct[-1] else f"{distinct[-1]:.0f} of {width}"),
               ("Signal", "0" if run.column("activation_rms")[:-1].max() == 0
                else "overflow" if run.overflow_layer else number(signal_ratio(run))),
               ("Gradient", _gradient_words(run)))
    key, words = next(filter(None, (judge(run) for judge in (
        _overflowing, _silent, _copied, _fading_or_growing, _stuck, _returning, _entering))),
        ("healthy", "Healthy: signal and gradient keep their scale."))
    return Verdict(key, words, numbers)


Judged = tuple[str, str] | None  # kind and words, where there is something to say


def _overflowing(run: Run) -> Judged:
    if run.overflow_layer is None:
        return None
    return "overflow", f"Exploding: layer {run.overflow_layer} overflows {run.network.dtype}."


def _silent(run: Run) -> Judged:
    signal, width = run.column("activation_rms")[:-1], run.network.sizes[-2]
    if signal[-1] == 0:
        first = int(np.flatnonzero(signal == 0)[0]) + 1
        if first > 1:
            return "vanishing", f"Vanishing: every output is exactly 0 from layer {first} on."
        return "silent", f"Collapsed: all {width} neurons are copies, and their output is 0."
    same = np.flatnonzero((run.column("sample_spread")[:-1] == 0) & (run.batch > 1))
    if same.size and run.column("distinct_neurons")[-2] > 1:
        return "silent", f"Input lost: layer {int(same[0]) + 1} puts out the same for every sample."
    return None


def _copied(run: Run) -> Judged:
    distinct, width = run.column("distinct_neurons")[:-1], run.network.sizes[-2]
    if width == 1 or not (distinct == 1).any():
        return None
    forward = signal_ratio(run)
    scale = " and explode" if forward > GROWN else " and vanish" if forward < SHRUNK else ""
    layers = "" if distinct[-1] == 1 else f" in layer {int(np.flatnonzero(distinct == 1)[0]) + 1}"
    return "collapsed", f"Collapsed: all {width} neurons are copies{layers}{scale}."


def _fading_or_growing(run: Run) -> Judged:
    signal, forward = run.column("activation_rms")[:-1], signal_ratio(run)
    per_layer = number(forward ** (1 / max(run.network.depth - 2, 1)))
    if forward < SHRUNK:
        return "vanishing", f"Vanishing: each layer keeps {per_layer} of the signal."
    if forward > GROWN:
        return "exploding", f"Exploding: each layer multiplies the signal by {per_layer}."
    relative = signal / signal[0]
    worst = int(np.abs(np.log(np.maximum(relative, 1e-300))).argmax())
    return _beyond(worst + 1, float(relative[worst]), "the first layer's signal")


def _entering(run: Run) -> Judged:
    return _beyond(1, float(run.column("preactivation_rms")[0]) / run.units["preactivation"][0], "its input's scale")


def _beyond(layer: int, kept: float, of: str) -> Judged:
    if kept < SHRUNK:
        return "vanishing", f"Vanishing: layer {layer} has {number(kept)} of {of}."
    if kept > GROWN:
        return "exploding", f"Exploding: layer {layer} has {number(kept)} times {of}."
    return None


def _stuck(run: Run) -> Judged:
    for key, column, words in (
            ("dead", "dead_share", "Dead: {} of layer {}'s neurons are off for the whole batch."),
            ("saturated", "saturated_share", "Saturated: {} of layer {}'s outputs are at the ends of their range.")):
        shares = np.nan_to_num(run.column(column)[:-1])
        worst = int(shares.argmax())
        if shares[worst] > MOSTLY:
            return key, words.format(percent(float(shares[worst])), worst + 1)
    return None


def _returning(run: Run) -> Judged:
    lengths = run.column("delta_rms")[:-1]
    lost = np.flatnonzero(~np.isfinite(lengths))
    if lost.size:
        return "exploding", f"Exploding on the way back: the gradient overflows at layer {int(lost[-1]) + 1}."
    if run.hidden_gradient_is_round_off:
        return "vanishing", "Vanishing on the way back: the errors cancel, and no gradient arrives."
    if lengths[0] == 0:
        last = int(np.flatnonzero(lengths == 0)[-1]) + 1
        return "vanishing", f"Vanishing on the way back: no gradient arrives at layer {last}."
    backward = gradient_return(run)
    if backward < SHRUNK:
        return "vanishing", f"Vanishing on the way back: the gradient arrives at {number(backward)} of its length."
    if backward > GROWN:
        return "exploding", f"Exploding on the way back: the gradient grows {number(backward)}-fold."
    return None


def outside(run: Run, prediction: Prediction, quantity: str) -> list[int]:
    """The hidden layers, counted from 1, whose root mean square lies outside theory's band."""
    least, most = prediction.band(quantity, "rms")
    found = run.column(f"{quantity}_rms")
    with np.errstate(invalid="ignore"):
        inside = (found >= least) & (found <= most)
    # Of the largest and the smallest number of a format theory knows nothing.
    inside |= ~np.isfinite(found) | (np.maximum(found, least) < np.finfo(run.network.dtype).tiny)
    return [int(layer) + 1 for layer in np.flatnonzero(~inside[: run.network.depth - 1])]


def against_theory(run: Run, prediction: Prediction | None) -> str:
    """Where the run is, seen from theory's band, forward and backward: words that follow "Theory:"."""
    if prediction is None:
        return f"none, as the weights are {'not random' if run.column('weight_rms').any() else 'all 0'}"
    if run.network.depth < 2:
        return "no hidden layer to speak of"
    if np.isnan(prediction.band("activation", "rms")[0]).any():
        return "no band, as so few neurons carry the signal that their average is none"
    signal = run.column("activation_rms")[:-1]
    rounded = np.flatnonzero((signal == 0) & (prediction.activation_rms[:-1] < np.finfo(run.network.dtype).tiny))
    quantities = (("forward", "activation"), ("backward", "delta"))[:1 if rounded.size else 2]
    left = [(name, layers) for name, quantity in quantities if (layers := outside(run, prediction, quantity))]
    if rounded.size and not left:
        return f"in its band, until {run.network.dtype} rounds the signal to 0 in layer {rounded[0] + 1}"
    return " and ".join(f"{name} outside its band at layer {ranges(layers)}" for name, layers in left) or \
        "in its band"
