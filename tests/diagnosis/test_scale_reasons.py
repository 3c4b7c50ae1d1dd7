"""Why the scale shrinks, stays or grows, said of runs whose answer is known."""

from __future__ import annotations

from dataclasses import replace

import pytest

from initviz.app.settings import Settings
from initviz.core.batches import make_batch
from initviz.core.simulation import simulate
from initviz.diagnosis import scale_reasons

BATCH = make_batch("digits", 64)


def runs(**changes):
    settings = replace(Settings(), width=256, **changes)
    return [simulate(network, BATCH) for network in settings.networks()]


def only(reasons):
    reason, = reasons
    return reason


def test_hes_two_makes_up_for_the_half_that_relu_takes():
    made = runs(init=("he_normal",), activation="relu")
    ahead, back = only(scale_reasons.forward(made)), only(scale_reasons.backward(made))
    assert (ahead.happens, ahead.labels) == ("Keeps its size", ("He normal",))
    assert ahead.why.startswith("the weighted sum doubles the mean square, and ReLU leaves about")
    assert back.why == "the weights double the mean square, and ReLU's slope leaves about 50 % of it"


def test_what_shrinks_ends_smaller():
    run, = runs(init=("lecun_normal",), activation="tanh")
    assert only(scale_reasons.forward([run], ["mine"])).happens == "Shrinks"
    rms = run.column("activation_rms")[:9]
    assert rms[-1] < scale_reasons.STEADY[0] * rms[0]


@pytest.mark.parametrize(("changes", "ahead", "back"), [
    ({"init": ("zeros",)}, "with all weights 0, a sum is its bias alone", "the output layer's weights are 0"),
    ({"init": ("constant",)}, "equal terms add up", "the errors of the classes add up to 0"),
    ({"init": ("he_normal",), "activation": "relu", "gain": 4.0, "depth": 100}, "numbers are too large",
     "numbers are too large"),
    ({"init": ("he_normal",), "activation": "relu", "gain": 0.1, "depth": 60}, "no signal is left from layer",
     "no gradient is left in layer")])
def test_what_has_no_factor_is_said_with_its_reason(changes, ahead, back):
    made = runs(**changes)
    assert ahead in only(scale_reasons.forward(made)).why
    assert back in only(scale_reasons.backward(made)).why


def test_one_hidden_layer_has_no_course_to_explain():
    assert scale_reasons.forward(runs(init=("he_normal",), depth=2)) == []


def test_equal_reasons_are_one():
    made = runs(init=("xavier_normal", "lecun_normal"), activation="relu")
    assert only(scale_reasons.forward(made)).labels == ("Xavier normal", "LeCun normal")
