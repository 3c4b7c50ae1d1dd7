"""A short training answers whether it is the initialization."""

import time

import pytest

from initviz import Network, make_batch
from initviz.diagnosis.initialization import initialization_of
from initviz.diagnosis.report import diagnose
from initviz.diagnosis.trial import STEPS, Trial, trial_operations, with_evidence

DIGITS = make_batch("digits", 256)


def report_on(initializer, depth=7, width=32, **changes):
    network = Network((64, *[width] * (depth - 1), 10), "relu", initializer, **changes)
    return diagnose(initialization_of(network, DIGITS, initializer))


def test_a_default_that_trains_like_its_remedy_alarms_no_more():
    report = report_on("torch_linear", 4, 64)
    assert report.count("warning")
    trial = Trial(report).advance()
    assert trial.finished
    assert trial.progress == 1
    assert trial.answer.key == "no"
    assert trial.answer.text.startswith("No: as it is it reaches a loss of 0.0")
    calm = with_evidence(report, trial.answer)
    assert (calm.count("error"), calm.count("warning")) == (0, 0)
    assert (calm.verdict.key, calm.verdict.sentence) == ("trains", trial.answer.text)


@pytest.mark.parametrize("initializer", ["zeros", "constant"])
def test_an_initialization_that_cannot_learn_is_the_cause_where_its_remedy_learns(initializer):
    report = report_on(initializer, 4, 64)
    trial = Trial(report).advance()
    as_it_is, *others = trial.outcomes
    assert trial.answer.key == "yes"
    assert "it stays at a loss of 2." in trial.answer.text
    assert not as_it_is.learns
    assert min(other.share for other in others) < 0.5
    assert with_evidence(report, trial.answer) is report


def test_a_trial_can_be_stopped_and_says_how_far_it_is():
    trial = Trial(report_on("torch_linear"))
    assert trial.progress == 0
    trial.advance(until=time.monotonic())
    assert 0 < trial.progress < 1
    trial.stop()
    reached = trial.progress
    assert trial.finished
    assert trial.advance().progress == reached


def test_the_cost_of_a_trial_grows_with_its_weights():
    small, large = (trial_operations(report_on("torch_linear", 4, width)) for width in (16, 64))
    assert small < large
    assert small > STEPS * 16 * 64
