"""The page Diagnose: every start and framework, thresholds, and one sentence for what does not fit."""

import ast
import json

import pytest
from pages.test_pages import charts, press, sound, visit, words

from initviz.initializers import INITIALIZERS
from initviz.report import THRESHOLDS, to_json
from initviz.ui_diagnose import FRAMEWORK_DEFAULTS, plain

DIAGNOSE = "pages/diagnose.py"
SMALL = {"architecture": "64-16-16-10", "batch": 32}


@pytest.mark.parametrize("key", INITIALIZERS)
def test_every_start_gets_a_report(key):
    label = INITIALIZERS[key].label + (f" ({FRAMEWORK_DEFAULTS[key]})" if key in FRAMEWORK_DEFAULTS else "")
    at = visit(DIAGNOSE, **SMALL, start=label)
    assert at.selectbox(key="start").value == key
    assert not at.error
    assert len(charts(at)) == 2
    layers, comparison = (table.value for table in at.dataframe)
    assert len(layers) == 3
    assert comparison["Start"][0] == "As it is"


def test_zeros_are_grave_and_he_is_not():
    assert ":red-badge[grave]" in words(visit(DIAGNOSE, **SMALL, start="Zeros"))
    assert ":red-badge[grave]" not in words(visit(DIAGNOSE, **SMALL, start="He normal", activation="ReLU"))


@pytest.mark.parametrize("query", [
    {"architecture": "64-10"}, {"architecture": "5-1", "data": "Standard normal"}, {"activation": "Leaky ReLU"},
    {"architecture": "64 16, 16; 10"}, {"gain": 0}, {"gain": 4, "activation": "linear", "start": "Ones"}, {"bias": 1},
    {"architecture": "784-32-32-10", "data": "Standard normal"}, {"data": "zzz", "start": "zzz", "code_for": "zzz"},
    {"code_start": "zzz", "line_mostly": "nan", "line_loss": "inf"}], ids=str)
def test_the_ends_of_what_can_be_asked(query):
    at = visit(DIAGNOSE, **SMALL | query)
    assert not at.error
    assert len(charts(at)) == 2


@pytest.mark.parametrize(("architecture", "sentence"), [
    ("", "Sizes must be 2 to 1001 whole numbers"), ("784", "Sizes must be 2 to 1001 whole numbers"),
    ("64--10", "Sizes must be 2 to 1001"), ("64-x-10", "Sizes must be 2 to 1001"),
    ("64-<b>bold</b>-10", "bold"), ("64-0-10", "Sizes must be an integer between 1"),
    ("64-1000000-10", "billion operations"), ("-".join(["64"] * 2000), "Sizes must be 2 to 1001"),
    ("784-16-10", "Sizes must begin with 64"), ("64-16-3", "Sizes must end with 10")])
def test_a_bad_architecture_gets_one_sentence_and_the_controls_stay(architecture, sentence):
    at = visit(DIAGNOSE, **SMALL | {"architecture": architecture})
    assert len(at.error) == 1
    assert sentence in at.error[0].value
    assert "<b>" not in at.error[0].value
    assert not charts(at)
    sound(at.text_input(key="architecture").set_value("64-8-10").run())
    assert not at.error
    assert len(charts(at)) == 2


def test_sizes_that_fit_the_data_are_offered():
    at = press(visit(DIAGNOSE, **SMALL | {"architecture": "784-16-16-3"}), "fit")
    assert at.session_state["architecture"] == "64-16-16-10"
    assert len(charts(at)) == 2


def test_a_threshold_can_be_moved():
    at = visit(DIAGNOSE, **SMALL, start="He normal", activation="ReLU")
    assert "The signal" not in words(at)
    sound(at.number_input(key="line_shrunk").set_value(1.0).run())
    sound(at.number_input(key="line_grown").set_value(1.0).run())
    assert "**The signal" in words(at)
    assert {f"line_{key}" for key in THRESHOLDS} <= {box.key for box in at.number_input}


@pytest.mark.parametrize("framework", ["NumPy", "PyTorch", "Keras", "JAX"])
@pytest.mark.parametrize("which", ["Recommended", "As chosen"])
def test_the_code_is_a_whole_script_for_this_architecture(framework, which):
    at = visit(DIAGNOSE, **SMALL, code_for=framework, code_start=which, start="Sparse", activation="ReLU")
    source = at.code[0].value
    ast.parse(source)
    assert "SIZES = (64, 16, 16, 10)" in source
    assert ("Sparse" in source) == (which == "As chosen")


def test_the_report_can_be_taken_away():
    at = visit(DIAGNOSE, **SMALL)
    held = at.session_state["diagnosis"][1]
    assert json.loads(to_json(held))["network"] == "64-16-16-10"
    keys = {button.key for button in at.get("download_button")}
    assert {"report_html", "report_json", "weights_lsuv", "weights_rescaled", "weights_recommended"} <= keys


@pytest.mark.parametrize("text", ["<b>x</b>", "**x** [a](javascript:1) :red[x] $x$ `x`", "a\nb  \nc", "# x"])
def test_text_from_a_file_is_never_markup(text):
    shown = plain(text)
    assert "\n" not in shown
    for sign in "*[]:$`<>#":
        assert shown.count(sign) == shown.count("\\" + sign)
