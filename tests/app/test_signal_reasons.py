"""Why the scale shrinks, stays or grows, said of runs whose answer is known."""

from __future__ import annotations

from dataclasses import replace

import pytest

from initviz.app.settings import Settings
from initviz.app.signal import reasons
from initviz.core.batches import make_batch
from initviz.core.simulation import simulate

BATCH = make_batch("digits", 64)


def runs(**changes):
    settings = replace(Settings(), width=256, **changes)
    return [simulate(network, BATCH) for network in settings.networks()]


def test_hes_two_makes_up_for_the_half_that_relu_takes():
    said = reasons.forward(runs(init=("he_normal",), activation="relu"))
    assert "**Keeps its size** under He normal: the weighted sum doubles the mean square, and ReLU leaves about" in said
    back = reasons.backward(runs(init=("he_normal",), activation="relu"))
    assert "the weights double the mean square, and ReLU's slope leaves about 50 % of it" in back


def test_the_two_factors_together_are_what_a_layer_does():
    run, = runs(init=("lecun_normal",), activation="tanh")
    assert "**Shrinks** under LeCun normal" in reasons.forward([run])
    rms = run.column("activation_rms")[:9]
    assert rms[-1] < reasons.STEADY[0] * rms[0]


@pytest.mark.parametrize(("changes", "ahead", "back"), [
    ({"init": ("zeros",)}, "with all weights 0, a sum is its bias alone", "the output layer's weights are 0"),
    ({"init": ("constant",)}, "equal terms add up", "the errors of the classes add up to 0"),
    ({"init": ("he_normal",), "activation": "relu", "gain": 4.0, "depth": 100}, "**Overflows**", "**Overflows**"),
    ({"init": ("he_normal",), "activation": "relu", "gain": 0.1, "depth": 60}, "no signal is left from layer",
     "no gradient is left in layer"),
    ({"init": ("he_normal",), "depth": 2}, "fewer than two hidden layers", "fewer than two hidden layers")])
def test_what_has_no_factor_is_said_with_its_reason(changes, ahead, back):
    made = runs(**changes)
    assert ahead in reasons.forward(made)
    assert back in reasons.backward(made)


def test_equal_reasons_are_one_line():
    made = runs(init=("xavier_normal", "lecun_normal"), activation="relu")
    assert reasons.forward(made).count("\n") == 0
    assert "Xavier normal and LeCun normal" in reasons.forward(made)
