"""Why a network has not learned, said of races whose answer is known."""

from __future__ import annotations

import math
import time
from dataclasses import replace

import pytest

from initviz.app.affordable import race_terms
from initviz.app.settings import Settings
from initviz.app.training import sentences
from initviz.app.training.panels import _line
from initviz.charts import curves
from initviz.training.race.live import LiveRace

SMALL = {"width": 32, "depth": 4, "batch": 64, "steps": 50}


def race(**changes):
    made = LiveRace(race_terms(replace(Settings(), **SMALL | changes)))
    while not made.finished:
        made.advance(time.monotonic() + 1)
    return made


@pytest.mark.parametrize(("changes", "why"), [
    ({"init": ("constant", "zeros")}, "**Constant and Zeros**: the neurons of each hidden layer are still copies"),
    ({"init": ("lecun_normal",), "activation": "sigmoid", "depth": 20}, "the first layer gets less than a billionth"),
    ({"init": ("he_normal",), "activation": "relu", "gain": 4.0, "depth": 12}, "leaps over every minimum"),
    ({"init": ("he_normal",), "steps": 10, "rate": 0.001, "gain": 0.5}, "its steps are tiny beside its weights")])
def test_what_kept_a_network_from_learning_is_said(changes, why):
    made = race(**changes)
    assert why in sentences.reasons(made.terms.labels, made.histories, made.loss_of_constant)


def test_a_network_that_learned_needs_no_reason():
    made = race(init=("he_normal",), activation="relu", steps=100)
    assert not sentences.reasons(made.terms.labels, made.histories, made.loss_of_constant)


def test_the_lowest_loss_that_is_not_the_best_on_held_out_samples_is_said():
    made = race(init=("he_normal", "lecun_normal"), depth=10, width=64, steps=100)
    said = sentences.accuracies(made.terms.labels, made.all_histories, 10)
    assert "Highest: LeCun normal" in said
    assert "He normal has the lowest loss and" in said
    assert "He normal has the lowest loss" in sentences.losses(made.terms.labels, made.all_histories, 2.3)


def test_a_curve_ends_at_the_last_step_at_which_it_is_known_and_so_does_its_name():
    history = race(init=("he_normal",)).histories[0]
    history.steps.append(51)
    history.held_out_accuracy.append(math.nan)
    drawn = curves.data([_line("He normal", "#000000", [history], "held_out_accuracy")], log=False)
    assert drawn["names"]["y"][0] == pytest.approx(drawn["lines"]["y"][-1], abs=0.05)


def test_nobody_is_called_best_where_nobody_learned():
    made = race(init=("zeros",))
    said = sentences.losses(made.terms.labels, made.all_histories, made.loss_of_constant)
    assert said == "After 50 steps none does better than equal odds for every class."
    assert sentences.accuracies(made.terms.labels, made.all_histories, 10) == (
        "No initialization does clearly better than chance, 10 %.")
