"""What the page Formulas computes and writes."""

import re
from dataclasses import replace

import pytest

from initviz.app.formulas.plain_text import plain_formula
from initviz.app.formulas.quantities import (
    LAYERS,
    activation_curve,
    answer,
    distribution,
    layer_shape,
    promise,
    promises,
)
from initviz.app.settings import Settings
from initviz.core.activations import ACTIVATIONS
from initviz.core.initializers import INITIALIZERS


@pytest.mark.parametrize("entry", [*INITIALIZERS.values(), *ACTIVATIONS.values()], ids=lambda entry: entry.label)
def test_no_latex_is_left_in_a_plain_formula(entry):
    text = plain_formula(entry.latex)
    assert not re.search(r"[\\{}^]|  ", text), text
    assert text.count("(") == text.count(")")


@pytest.mark.parametrize(("key", "text"), [
    ("xavier_uniform", "W ∼ U(±√(6/(n_in + n_out)))"), ("he_normal", "W ∼ N(0, 2/((1 + a²) n))"),
    ("siren", "W ∼ U(±√(6/n_in)/ω₀), first layer: U(±1/n_in)"), ("normal", "W ∼ N(0, σ²)")])
def test_a_plain_formula_reads_as_its_latex(key, text):
    assert plain_formula(INITIALIZERS[key].latex) == text


def test_a_promise_is_that_of_the_layer_chosen():
    settings = replace(Settings(), width=100, gain=2.0)
    assert {role: layer_shape(role, settings) for role in LAYERS} == {
        "first": (64, 100), "hidden": (100, 100), "output": (100, 10)}
    assert promise("lecun_normal", settings, "first").variance == pytest.approx(4 / 64)
    assert promise("siren", settings, "first").variance == pytest.approx(4 / (3 * 64**2))
    assert promise("siren", settings, "hidden").variance == pytest.approx(4 * 2 / 900 / 100)
    assert promises("siren", settings)[0] == promise("siren", settings, "first")
    assert distribution("he_normal", settings, "hidden").sum() == 100 * 100


@pytest.mark.parametrize(("activation", "key", "std"), [
    ("relu", "he_normal", (2 / 128) ** 0.5), ("selu", "lecun_normal", 128**-0.5),
    ("sine", "siren", (2 / 128) ** 0.5 / 30)])
def test_the_answer_for_a_layer_is_what_diagnose_recommends(activation, key, std):
    found = answer(replace(Settings(), activation=activation, gain=3.0))
    assert found.words == f"**{INITIALIZERS[key].label}**, biases 0"
    assert found.promises["hidden"].std == pytest.approx(std)
    assert found.why.endswith(".")


def test_the_answer_keeps_the_signal_of_relu_at_its_scale():
    found = answer(replace(Settings(), activation="relu"))
    assert found.drift.length[-1] == pytest.approx(found.drift.length[0])
    assert found.drift.gradient[-1] == pytest.approx(1)


def test_a_sines_curve_is_drawn_over_two_periods_and_others_from_minus_4_to_4():
    sine, line = activation_curve("sine", Settings()), activation_curve("linear", Settings())
    assert (sine[1:] * sine[:-1] < 0).sum() <= 4
    assert sine.max() > 0.99
    assert (line[0], line[-1]) == (-4, 4)
