"""What the Theory page says beside its pictures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from initviz.app.settings import Settings
from initviz.core.initializers import label_of
from initviz.core.simulation import Run
from initviz.core.statistics import ratio
from initviz.core.wording import grouped, listed, number, percent
from initviz.theory.mean_field import FixedPoint
from initviz.theory.prediction import Prediction
from initviz.theory.trajectory import can_predict, sigmas

PHASES = {
    "ordered": "ordered: the gradient shrinks from layer to layer",
    "chaotic": "chaotic: near inputs are driven apart, the gradient grows from layer to layer",
    "critical": "critical: where lengths have settled, the gradient keeps its scale",
    "unbounded": "without bound: the length of the signal grows in every layer"}

DIAGRAM = (
    "**In the diagram**: blue is the ordered phase (χ₁ < 1), red the chaotic one (χ₁ > 1); the paler, the more layers "
    "a gradient lasts. On the line χ₁ = 1; a ring stands where that is one point. Gray: the signal grows without "
    "bound.")
FORMULAS = (
    "In a wide layer a preactivation is normal, and one number says how wide: its variance, the *length* q. With "
    "$\\sigma_w^2 = n_{in}\\,\\mathrm{Var}\\,W$ and $\\sigma_b^2 = \\mathrm{Var}\\,b$ the next layer's is "
    "$V(q) = \\sigma_w^2\\,\\mathbb{E}\\,\\phi(\\beta + \\sqrt{q}\\,g)^2 + \\sigma_b^2$, where g is a unit normal, "
    "$\\mathbb{E}$ the mean over it and $\\beta$ the sidebar's bias. A depth scale ξ is −1/ln of the factor by which a "
    "layer shrinks a deviation. :small[Poole et al. 2016; Schoenholz et al. 2017.]")


def _layers(depth: float) -> str:
    if math.isnan(depth):
        return "not defined"
    return "no limit" if math.isinf(depth) else f"{number(abs(depth))} layers"


def returned(prediction: Prediction) -> float:
    """What theory multiplies the gradient's length by, from the last hidden layer to the first one as wide."""
    deltas = prediction.expected("delta", "rms")
    return ratio(float(deltas[0]), float(deltas[-2]))


def phase(fixed_point: FixedPoint, prediction: Prediction | None) -> str:
    """The phase in words, what it does to two inputs, and how much of it the network of that prediction feels."""
    inputs = ("" if fixed_point.phase != "ordered"
              else ", and deep layers, as good as linear, leave two inputs' correlation as it is"
              if math.isnan(fixed_point.correlation)
              else ", and inputs become alike" if fixed_point.correlation > 1 - 1e-9 else "")
    hidden = 0 if prediction is None else len(prediction.delta_rms) - 1
    if prediction is None or fixed_point.phase == "unbounded" or hidden < 2 or not fixed_point.chi > 0:
        return PHASES[fixed_point.phase] + inputs
    at_input = returned(prediction)
    little = ", which is little" if 0.5 < at_input < 2 and round(at_input, 2) != 1 else ""
    text = (f"{PHASES[fixed_point.phase]}{inputs}. Over the {hidden} hidden layers drawn here the gradient's length is "
            f"multiplied by {number(at_input, 3)}{little}")
    if fixed_point.phase == "critical":
        return text
    tenfold = number(2 * math.log(10) / abs(math.log(fixed_point.chi)))
    return f"{text}; where lengths have settled, by {'a tenth' if fixed_point.chi < 1 else 'ten'} in {tenfold} layers"


def point(fixed_point: FixedPoint) -> list[tuple[str, str, str]]:
    """(symbol, value, meaning) of what theory says of a point."""
    slow = " (slowly: at the critical point a length falls like a power of the layer or slower, not exponentially)"
    grows = fixed_point.depth_of_gradient < 0
    length = ("grows without bound" if math.isinf(fixed_point.q) else number(fixed_point.q, 3)
              + (slow if fixed_point.q == 0 and fixed_point.phase == "critical" else ""))
    correlation = ("not defined" if not math.isfinite(fixed_point.q) else "any, as layers are linear there"
                   if math.isnan(fixed_point.correlation) else number(fixed_point.correlation, 3))
    return [
        (r"q^*", length, "the variance of a preactivation that deep layers settle at"),
        (r"\chi_1", number(fixed_point.chi, 3), "what a layer multiplies the squared gradient by, "
         "$\\sigma_w^2\\,\\mathbb{E}\\,\\phi'(\\sqrt{q^*}\\,g)^2$"),
        (r"c^*", correlation, "correlation that two different inputs end up with"),
        (r"\xi_q", _layers(fixed_point.depth_of_length),
         "until a length's distance from $q^*$ has fallen to 1/e of it"),
        (r"\xi_c", _layers(fixed_point.depth_of_correlation),
         "until a correlation's distance from $c^*$ has fallen to 1/e of it"),
        (r"\xi_\nabla", _layers(fixed_point.depth_of_gradient),
         f"until the squared gradient has {'grown by a factor of e' if grows else 'fallen to 1/e of it'}")]


def _pace(depth: float) -> str:
    """How fast a distance falls whose depth scale is ``depth``; empty where it has none."""
    if not 0 < depth < math.inf:
        return ""
    return f": every {number(depth)} layers close 63 % of the distance" if depth > 1 else ", almost at once"


def length_goes(fixed_point: FixedPoint) -> str:
    """Where the length settles, and how fast."""
    if math.isinf(fixed_point.q):
        return "Deep layers grow it without bound."
    return f"Deep layers settle at {number(fixed_point.q)}{_pace(fixed_point.depth_of_length)}."


def correlation_goes(fixed_point: FixedPoint) -> str:
    """Where the correlation of two inputs settles, and how fast."""
    if not math.isfinite(fixed_point.q):
        return "It is not defined where the length grows without bound."
    if math.isnan(fixed_point.correlation):
        return "Deep layers are as good as linear here: they leave the correlation of two inputs as it is."
    limit = ("Very deep layers make two different inputs alike" if fixed_point.correlation > 1 - 1e-9 else
             f"Very deep layers bring two different inputs to {number(fixed_point.correlation)}")
    return f"{limit}{_pace(fixed_point.depth_of_correlation)}."


def gradient_goes(fixed_point: FixedPoint, prediction: Prediction | None) -> str:
    """By what a layer multiplies the gradient, what the network of that prediction feels of it, and its depth scale."""
    if prediction is None or not (math.isfinite(fixed_point.chi) and fixed_point.chi > 0):
        return f"χ₁ = {number(fixed_point.chi, 3)}."
    return (f"Here χ₁ = {number(fixed_point.chi, 3)}. Over these {len(prediction.delta_rms) - 1} hidden layers theory "
            f"multiplies the gradient's length by {number(returned(prediction), 3)}.")


def left_out(settings: Settings, most_w: float, most_b: float) -> str:
    """Which of the chosen initializers the phase diagram has no point for, and why; empty where it has all."""
    fixed, outside = [], []
    for network in settings.plain_networks():
        label = label_of(network.initializer)
        if not can_predict(network):
            fixed.append(label)
            continue
        sigma_w, sigma_b = sigmas(network, 1 if settings.depth > 2 else 0)
        if sigma_w > most_w or sigma_b > most_b:
            outside.append(f"{label} (σ_w = {number(sigma_w)})")
    sentences = [f"Not in it: {listed(fixed)}, whose weights are not random."] if fixed else []
    sentences += [f"Beyond its edge: {listed(outside)}."] if outside else []
    return " ".join(sentences)


def _moves(run: Run, prediction: Prediction | None, quantity: str, backwards: bool) -> str:
    rms = run.column(f"{quantity}_rms")[:-1]
    ends = [len(rms) - 1, 0] if backwards else [0, len(rms) - 1]
    measured = [number(float(rms[end])) for end in ends]
    expected = "" if prediction is None else (
        f", theory {number(float(prediction.expected(quantity, 'rms')[ends[1]]))}")
    return f"from {measured[0]} in layer {ends[0] + 1} to {measured[1]} in layer {ends[1] + 1}{expected}"


def scales(run: Run, prediction: Prediction | None) -> str:
    """Where the signal and the gradient arrive, measured and expected."""
    return (f"Activations go {_moves(run, prediction, 'activation', False)}; deltas, on their way back, go "
            f"{_moves(run, prediction, 'delta', True)}.")


def lengths(run: Run, expected: Sequence[float]) -> str:
    """The first and the last hidden layer's length, measured and expected."""
    measured = np.square(run.column("preactivation_std")[:-1])
    return (f"The length goes from {number(float(measured[0]))} in layer 1 to {number(float(measured[-1]))} in layer "
            f"{len(measured)}, where theory expects {number(float(expected[-1]))}.")


def dead(expected: Sequence[float], measured: Sequence[float], probability: float, bias: float) -> str:
    """The last hidden layer's dead share, predicted and measured, why it rises, and how likely a whole layer is off."""
    text = (f"In layer {len(expected)} theory expects {percent(float(expected[-1]))}, and this network has "
             f"{percent(float(measured[-1]))}." if math.isfinite(expected[-1]) and math.isfinite(measured[-1])
             else "The signal is 0 or overflows, so that theory expects no share.")
    if len(expected) > 1 and expected[-1] > expected[0]:
        text += (" The share rises with depth as the samples become alike: then a neuron is off for all of them or "
                  "for none.")
    return text + ("" if bias else f" For one sample, some layer is off as a whole with probability "
                                 f"{number(probability)}: "
                    "1 − Π(1 − 2⁻ⁿ) over the widths n, whatever the scale (Lu et al. 2020).")


def correlation(expected: Sequence[float], measured: Sequence[float]) -> str:
    """Where two inputs' correlation ends, predicted and measured."""
    if math.isnan(expected[-1]):
        return "There is no signal whose correlation could be taken: σ_w and σ_b are 0, or the length overflows."
    if math.isnan(measured[-1]):
        return (f"In layer {len(expected)} theory expects {number(float(expected[-1]), 3)}, but this network's numbers "
                "overflow before.")
    return (f"In layer {len(expected)} theory expects {number(float(expected[-1]), 3)}, and this network has "
            f"{number(float(measured[-1]), 3)}. At 1 the network no longer tells the two inputs apart.")


def survival(shares: Mapping[tuple[int, int], tuple[float, int]], widths: Sequence[int]) -> str:
    """For each width the deepest networks of which at least half survive."""
    def deepest(width: int) -> str:
        depths = [depth for (depth, of_width), (share, _) in shares.items() if of_width == width and share >= 0.5]
        return f"depth {max(depths)}" if depths else "none"

    if not shares:
        return "Nothing has been computed yet."
    known = [width for width in widths if any(of_width == width for _, of_width in shares)]
    return f"Deepest at which at least half survive: {grouped(known, lambda width: f'width {width}', deepest)}."
