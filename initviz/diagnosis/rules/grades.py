"""Where a number becomes a finding, and how severe: shared by the rules of a simulated network and of a recording."""

from __future__ import annotations

from initviz.core.wording import number, percent
from initviz.diagnosis.thresholds import AUTOTRAINER, Thresholds

SIGNAL_SOURCE = ("convention, after SageMaker Debugger, PoorWeightInitialization; the error thresholds after "
                 f"{AUTOTRAINER}, there of gradients")
GRADIENT_SOURCE = f"{AUTOTRAINER} for the norms; convention for the lengths"
INPUT_SOURCE = "convention; LeCun et al. 1998, section 4.3, for the rule"
DEAD_SOURCE = "convention, after SageMaker Debugger, DeadRelu: half of a layer's neurons"
SATURATED_SOURCE = "97 %: makemore part 3; half a layer: convention, after SageMaker Debugger, SaturatedActivation"
LOSS_SOURCE = f"convention; CS231n and makemore part 3 compare with it; the error threshold after {AUTOTRAINER}"


def say_change(factor: float) -> str:
    """The verb for a scale that changes by a factor: "vanishes" or "explodes"."""
    return "vanishes" if factor < 1 else "explodes"


def kind_of(factor: float) -> str:
    """The kind of verdict on a scale that changes by a factor."""
    return "vanishing" if factor < 1 else "exploding"


def within(value: float, thresholds: Thresholds) -> bool:
    """Whether a ratio between layers neither vanishes nor explodes."""
    return thresholds["shrunk"] <= value <= thresholds["grown"]


def signal_is_error(value: float, thresholds: Thresholds) -> bool:
    """Whether a change of the signal is an error."""
    return not thresholds["lost"] <= value <= thresholds["burst"]


def gradient_is_error(change: float, of_norms: float, first_norm: float, thresholds: Thresholds) -> bool:
    """Whether a change of the gradient's length is an error, by the weight gradients' norms, first layer over last."""
    vanishes = of_norms < thresholds["lost"] and first_norm < thresholds["faint"] and change < 1
    return vanishes or (thresholds["burst"] < of_norms < float("inf") and change > 1)


def share_severity(share: float, thresholds: Thresholds) -> str:
    """How severe a dead or saturated share of a layer is."""
    return "error" if share > thresholds["nearly_all"] else "warning" if share > thresholds["mostly"] else "note"


def say_share_rule(thresholds: Thresholds) -> str:
    """The rule of a dead or saturated share."""
    return f"at most {percent(thresholds['mostly'])}; an error above {percent(thresholds['nearly_all'])}"


def say_signal_rule(thresholds: Thresholds) -> str:
    """The rule of the signal's scale in words, after the statistic that is measured."""
    return (f"between {number(thresholds['shrunk'])} and {number(thresholds['grown'])} times the input's and any "
            f"earlier layer's; an error below {number(thresholds['lost'])} or above {number(thresholds['burst'])}")


def say_gradient_rule(thresholds: Thresholds) -> str:
    """The rule of the gradient's scale in words."""
    return (f"lengths between {number(thresholds['shrunk'])} and {number(thresholds['grown'])} times any later hidden "
            f"layer's; an error where the norms, first ÷ last, are above {number(thresholds['burst'])} too, or below "
            f"{number(thresholds['lost'])} with the first below {number(thresholds['faint'])}")


def say_loss_rule(reference: str, thresholds: Thresholds) -> str:
    """The rule of the first loss in words."""
    return (f"at most {number(thresholds['loss'])} times {reference}; an error above "
            f"{number(thresholds['loss_error'])} times")
