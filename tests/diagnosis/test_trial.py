"""A short training answers whether it is the initialization."""

import gc
import json
import sys
import time
import tracemalloc
import weakref
from html import escape

import pytest

from initviz import Network, make_batch
from initviz.diagnosis.exports import to_html, to_json
from initviz.diagnosis.initialization import initialization_of
from initviz.diagnosis.report import diagnose
from initviz.diagnosis.trial import STEPS, Evidence, Trial, trial_bytes, trial_operations, with_evidence

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


def test_a_stopped_trial_answers_openly_and_holds_no_parameters():
    report = report_on("torch_linear")
    trial = Trial(report).advance(until=time.monotonic())
    trial.stop()
    assert trial.answer.text.startswith("Open: the training of the initialization as it is has not ended")
    assert len(trial.outcomes) == 1
    weights = weakref.ref(report.initialization.weights[0])
    del report
    gc.collect()
    assert trial.stopped
    assert weights() is None or sys.getrefcount(weights()) <= 3  # the draws that all pages share


@pytest.mark.parametrize(("sizes", "batch"), [
    ((64, 128, 128, 128, 10), 256), ((64, 512, 512, 10), 1024), ((64, 1024, 1024, 10), 64), ((64, 1536, 10), 512),
    ((64, *[64] * 40, 10), 256)])
def test_the_measured_peak_of_a_trial_lies_between_a_half_and_eleven_tenths_of_the_estimate(sizes, batch, monkeypatch):
    monkeypatch.setattr("initviz.diagnosis.trial.STEPS", 10)  # of a hundred: the peak is that of the first
    network = Network(sizes, "relu", "torch_linear")
    report = diagnose(initialization_of(network, make_batch("digits", batch), "PyTorch"))
    tracemalloc.start()
    try:
        trial = Trial(report).advance()
        held, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert trial.finished
    assert 0.5 < most / trial_bytes(report) < 1.1
    assert held < 0.02 * most + 1e6


def test_what_a_trial_gave_stands_in_the_files_of_a_report():
    report = report_on("torch_linear", 4, 64)
    evidence = Evidence.of(Trial(report).advance())
    held = json.loads(to_json(report, evidence))["trial"]
    assert (held["key"], held["text"], held["steps"]) == (evidence.answer.key, evidence.answer.text, STEPS)
    assert [outcome["loss"] for outcome in held["outcomes"]] == [outcome.loss for outcome in evidence.outcomes]
    page = to_html(report, evidence)
    assert escape(evidence.answer.text) in page
    assert all(escape(outcome.label) in page for outcome in evidence.outcomes)
    assert json.loads(to_json(report))["trial"] is None
    assert "Is it the initialization?" not in to_html(report)
