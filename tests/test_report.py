"""What a report finds, in which order, and that its files can be read by anybody."""

import json
import math
import re
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from initviz import ACTIVATIONS, INITIALIZERS, Batch, Network, make_batch
from initviz.diagnosis import verdict
from initviz.inputs import make_normal
from initviz.repair import start_of
from initviz.report import (
    DEFAULTS,
    THRESHOLDS,
    check_lines,
    comparison,
    diagnose,
    mend_lines,
    pictures,
    table,
    to_html,
    to_json,
)
from initviz.report.findings import EXACT, RATIO, SEVERITIES, silence

DIGITS = make_batch("digits", 128)
KEY_OF = {"overflow": "overflow", "collapsed": "copies", "silent": "copies", "dead": "dead", "saturated": "saturated"}
OF_A_VERDICT = {"overflow", "silent", "signal", "dead", "saturated"}


def report_on(activation="relu", initializer="he_normal", depth=5, width=64, batch=DIGITS, lines=DEFAULTS, **changes):
    network = Network((batch.features, *[width] * (depth - 1), batch.outputs), activation, initializer, **changes)
    return diagnose(start_of(network, batch, initializer), lines)


def found(report, key):
    return next((finding for finding in report.findings if finding.key == key), None)


@pytest.mark.parametrize("activation", ["tanh", "relu", "sigmoid", "linear"])
@pytest.mark.parametrize("initializer", INITIALIZERS)
@pytest.mark.parametrize("depth", [2, 9])
def test_a_report_does_not_contradict_the_verdict(activation, initializer, depth):
    report = diagnose(start_of(Network((64, *[32] * (depth - 1), 10), activation, initializer), DIGITS, ""),
                      repair=False)
    judged = verdict(report.run)
    alarming = {finding.key for finding in report.findings if finding.severity != "note"}
    if judged.key in ("vanishing", "exploding"):
        assert alarming & {"signal", "gradient", "silent"}
    elif judged.key == "healthy":
        assert not alarming & OF_A_VERDICT
        assert "gradient" not in alarming or report.run.hidden_gradient_is_round_off or math.isnan(
            report.run.gradient_ratio)
    else:
        assert KEY_OF[judged.key] in alarming


def test_findings_come_gravest_first_and_each_says_its_number_rule_source_and_firmness():
    for key in ("zeros", "constant", "torch_linear", "normal"):
        findings = report_on(initializer=key, depth=9).findings
        order = [SEVERITIES.index(finding.severity) for finding in findings]
        assert order == sorted(order)
        for finding in findings:
            assert all((finding.words, finding.rule, finding.source, finding.firm, finding.title))
            assert isinstance(finding.number, float)


@pytest.mark.parametrize(("case", "key", "severity", "words", "firm"), [
    ({"activation": "tanh", "initializer": "constant"}, "copies", "grave", "1 different neuron of 64", EXACT),
    ({"initializer": "zeros"}, "silent", "grave", "exactly 0", EXACT),
    ({"activation": "linear", "initializer": "ones", "depth": 40}, "overflow", "grave", "float32", EXACT),
    ({"initializer": "normal", "depth": 6}, "signal", "grave", "each layer multiplies it by", RATIO),
    ({"initializer": "xavier_normal", "depth": 10}, "signal", "warning", "last hidden layer", RATIO),
    ({"activation": "sigmoid", "initializer": "lecun_normal", "depth": 9}, "gradient", "grave", "dL/dz", RATIO),
    ({"bias": -3.0}, "dead", "grave", "are off for every sample", "convention"),
    ({"activation": "tanh", "initializer": "normal", "gain": 100.0}, "saturated", "warning", "97 %", "convention"),
    ({"gain": 3.0}, "loss", "warning", "ln 10 = 2.303", "convention"),
    ({"gain": 3.0}, "output", "warning", "standard deviation", "convention"),
    ({"initializer": "torch_linear", "depth": 2}, "bias", "note", "root mean square", "convention"),
    ({"activation": "tanh", "initializer": "constant"}, "gradient", "grave", "errors cancel", EXACT),
    ({"activation": "sigmoid", "initializer": "normal"}, "alike", "warning", "tells its inputs apart", "convention")])
def test_each_fault_is_found(case, key, severity, words, firm):
    finding = found(report_on(**case), key)
    assert finding is not None
    assert (finding.severity, finding.firm) == (severity, firm)
    assert words in finding.words


def test_a_good_start_has_no_grave_finding_and_no_warning():
    report = report_on(width=128)
    assert (report.count("grave"), report.count("warning")) == (0, 0)
    assert report.severity == "note"


@pytest.mark.parametrize(("change", "key"), [
    (lambda x: x * 1000, "inputs_scale"), (lambda x: x + 50, "inputs_offset"),
    (lambda x: x * np.where(np.arange(64) == 30, 1e4, 1).astype(np.float32), "inputs_columns")])
def test_unscaled_inputs_are_found_and_standardising_mends_them(change, key):
    report = report_on(batch=replace(DIGITS, x=change(DIGITS.x)))
    assert found(report, key).severity == "warning"
    remedy, after = report.remedies[-1]
    assert remedy.key == "standardised"
    assert found(after, key) is None


def test_an_inputs_column_that_does_not_vary_is_noted():
    x = DIGITS.x.copy()
    x[:] = np.random.default_rng(0).standard_normal(x.shape)
    x[:, 3] = 7.0
    assert "1 of 64" in found(report_on(batch=replace(DIGITS, x=x)), "inputs_constant").words


def test_saying_nothing_costs_ln_k_or_the_targets_variance():
    assert silence(DIGITS) == pytest.approx(math.log(10))
    y = np.array([[1.0], [3.0]])
    assert silence(Batch(np.ones((2, 2)), y, "mse", 1)) == 1


def test_a_regression_is_measured_in_units_of_its_targets():
    rng = np.random.default_rng(0)
    batch = Batch(rng.standard_normal((64, 8)), 100 * rng.standard_normal((64, 1)), "mse", 1)
    assert found(report_on(batch=batch), "output") is None
    assert found(report_on(batch=replace(batch, targets=batch.targets / 1e4)), "output") is not None


@pytest.mark.parametrize("key", THRESHOLDS)
def test_a_threshold_is_a_number_with_limits_and_a_source(key):
    line = THRESHOLDS[key]
    assert line.default in line.allowed
    assert line.source.strip()
    assert line.help.endswith(".")
    assert mend_lines({key: math.nan})[key] == line.default
    assert mend_lines({key: 1e300})[key] == line.allowed.high
    with pytest.raises(ValueError, match=f"threshold {key} must be"):
        check_lines({key: -1})


def test_moving_a_threshold_moves_its_finding():
    assert found(report_on(depth=3), "signal") is None
    assert found(report_on(depth=3, lines=check_lines({"shrunk": 0.999, "grown": 1.0})), "signal") is not None
    with pytest.raises(ValueError, match="threshold must be one of"):
        check_lines({"nonsense": 1})


def test_remedies_mend_what_a_default_start_loses():
    report = report_on("tanh", "normal", depth=12)
    assert report.severity == "grave"
    for remedy, after in report.remedies:
        assert after.severity != "grave", remedy.key
    assert list(comparison(report)["Start"]) == ["As it is", "LeCun normal × 1.593", "LSUV", "Rescaled"]


HOSTILE = "<script>alert('x')</script> & \"name\""


@pytest.mark.parametrize("case", [
    {}, {"activation": "linear", "initializer": "ones", "depth": 40}, {"initializer": "zeros"}, {"depth": 1},
    {"activation": "tanh", "initializer": "constant"}], ids=str)
def test_the_files_say_everything_and_need_nothing(case):
    report = report_on(batch=replace(DIGITS, name=HOSTILE), **case)
    read = json.loads(to_json(report), parse_constant=pytest.fail)
    assert [finding["key"] for finding in read["findings"]] == [finding.key for finding in report.findings]
    assert len(read["layers"]) == report.run.network.depth == len(table(report))
    page = to_html(report)
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert page.count("<svg") == (2 if report.run.network.depth > 1 else 0)
    outside = set(re.findall(r"https?://[^\"' <]+", page)) - {"http://www.w3.org/2000/svg",
                                                              "http://www.w3.org/1999/xlink"}
    assert not outside
    for svg in re.findall(r"<svg.*?</svg>", page, re.DOTALL):
        ElementTree.fromstring(svg)
    assert not re.search(r"\b(nan|inf|None)\b", re.sub(r"<svg.*?</svg>|<style.*?</style>", "", page, flags=re.DOTALL))


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_has_a_report(activation):
    assert table(report_on(activation, depth=3, width=8)).shape[0] == 3


@pytest.mark.filterwarnings("error")
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_whatever_is_drawn_gets_a_report_in_words(data):
    pick = lambda *choices: data.draw(st.sampled_from(choices))  # noqa: E731
    sizes = tuple(data.draw(st.lists(st.sampled_from([1, 2, 3, 8, 17]), min_size=2, max_size=7)))
    dtype = pick("float32", "float64")
    network = Network(sizes, pick(*ACTIVATIONS), pick(*INITIALIZERS), gain=pick(0, 1, 1e-30, 1e20, -2, 1e300),
                      bias=pick(0, 5, -1e10, 1e300), bias_std=pick(0, 1, 1e20), seed=pick(0, 1, 2), dtype=dtype)
    batch = make_normal(sizes[0], sizes[-1], pick(1, 2, 9, 30), seed=pick(0, 1), dtype=dtype)
    batch = replace(batch, x=batch.x * batch.x.dtype.type(pick(0, 1, 1e-30, 1e30)))
    report = diagnose(start_of(network, batch, "drawn"))
    json.loads(to_json(report), parse_constant=pytest.fail)
    assert pictures(report)
    words = " ".join([*(finding.words + finding.rule for finding in report.findings), comparison(report).to_string(),
                      table(report).to_string()])
    assert not re.search(r"\b(nan|NaN|inf|None)\b", words)
