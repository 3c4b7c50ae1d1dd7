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
from initviz.charts.picture import color_of
from initviz.core.batches import loss_of_constant_output, make_normal
from initviz.core.simulation import simulate
from initviz.diagnosis.exports import to_html, to_json
from initviz.diagnosis.findings import EXACT, RATIO, SEVERITIES
from initviz.diagnosis.initialization import initialization_from, initialization_of
from initviz.diagnosis.layer_scales import extreme_changes, signal_levels
from initviz.diagnosis.presentation import REMEDY_COLORS, UPLOADED_COLOR, comparison, pictures, say_pictures, table
from initviz.diagnosis.report import diagnose
from initviz.diagnosis.thresholds import DEFAULTS, THRESHOLDS, check_thresholds, clamp_thresholds
from initviz.diagnosis.verdict import judge

DIGITS = make_batch("digits", 128)


def report_on(activation="relu", initializer="he_normal", depth=5, width=64, batch=DIGITS, thresholds=DEFAULTS,
              **changes):
    network = Network((batch.features, *[width] * (depth - 1), batch.outputs), activation, initializer, **changes)
    return diagnose(initialization_of(network, batch, initializer), thresholds)


def found(report, key):
    return next((finding for finding in report.findings if finding.key == key), None)


@pytest.mark.parametrize("activation", ["tanh", "relu", "sigmoid", "linear"])
@pytest.mark.parametrize("initializer", INITIALIZERS)
@pytest.mark.parametrize("depth", [2, 9])
def test_the_verdict_is_the_most_severe_finding(activation, initializer, depth):
    report = diagnose(initialization_of(Network((64, *[32] * (depth - 1), 10), activation, initializer), DIGITS, ""),
                      with_remedies=False)
    alarming = [finding for finding in report.findings if finding.severity != "note"]
    if alarming:
        assert report.verdict.key == alarming[0].kind
        assert report.verdict.sentence.startswith(alarming[0].text)
    else:
        assert report.verdict.key in ("healthy", "drifting", "late")
    of_the_run = {finding.key for finding in judge(report.run).findings}
    assert of_the_run == {finding.key for finding in report.findings} - {"bias", "inputs_constant"}


def test_a_moved_threshold_moves_the_verdict_too():
    run = simulate(Network((64, *[64] * 9, 10), "relu", "xavier_normal"), DIGITS)
    assert judge(run).key == "vanishing"
    eased = judge(run, check_thresholds({"shrunk": 1e-6}))
    assert eased.key != "vanishing"
    assert not {"signal", "gradient"} & {finding.key for finding in eased.findings}


def test_findings_come_errors_first_and_each_says_its_number_rule_source_and_firmness():
    for key in ("zeros", "constant", "torch_linear", "normal"):
        findings = report_on(initializer=key, depth=9).findings
        order = [SEVERITIES.index(finding.severity) for finding in findings]
        assert order == sorted(order)
        for finding in findings:
            assert all((finding.text, finding.rule, finding.source, finding.firmness, finding.title))
            assert isinstance(finding.number, float)


TINY, HUGE = ({"initializer": "normal", "depth": 2, "initializer_params": {"std": std}} for std in (1e-8, 100))


@pytest.mark.parametrize(("case", "key", "severity", "words", "firm"), [
    ({"activation": "tanh", "initializer": "constant"}, "copies", "error", "1 different neuron of 64", EXACT),
    ({"initializer": "zeros"}, "silent", "error", "exactly 0", EXACT),
    ({"activation": "linear", "initializer": "ones", "depth": 40}, "overflow", "error", "float32", EXACT),
    ({"initializer": "normal", "depth": 6}, "signal", "error", "each layer keeps", RATIO),
    ({"initializer": "xavier_normal", "depth": 10}, "signal", "warning", "Layer 9's signal is 0.0", RATIO),
    (TINY, "signal", "error", "Layer 1's signal is 5.6 × 10⁻⁸ times the input's.", RATIO),
    (HUGE, "signal", "error", "times the input's", RATIO), (HUGE, "loss", "error", "ln 10", "convention"),
    ({"initializer": "normal", "depth": 3}, "preactivations", "warning", "deviation of 0.0", "convention"),
    ({"activation": "sigmoid", "initializer": "lecun_normal", "depth": 9}, "gradient", "error", "dL/dz", RATIO),
    ({"bias": -3.0}, "dead", "error", "are off for every sample", EXACT),
    ({"activation": "tanh", "initializer": "normal", "gain": 100.0}, "saturated", "warning", "97 %", "convention"),
    ({"gain": 3.0}, "loss", "warning", "ln 10 = 2.303", "convention"),
    ({"gain": 3.0}, "output", "warning", "standard deviation", "convention"),
    ({"initializer": "torch_linear", "depth": 2}, "bias", "note", "root mean square", "convention"),
    ({"activation": "tanh", "initializer": "constant"}, "late", "note", "errors cancel", EXACT),
    ({"activation": "sigmoid", "initializer": "lecun_normal"}, "alike", "warning", "tells its inputs apart",
     "convention"),
    ({"activation": "sigmoid", "initializer": "normal", "depth": 9}, "alike", "warning", "by round-off only",
     "convention"),
    ({"activation": "sigmoid", "initializer": "zeros", "bias_std": 0.3, "depth": 9}, "alike", "error",
     "the same for every sample", EXACT)])
def test_each_fault_is_found(case, key, severity, words, firm):
    finding = found(report_on(**case), key)
    assert finding is not None
    assert (finding.severity, finding.firmness) == (severity, firm)
    assert words in finding.text


def own(weights, biases=None, activation="relu", batch=DIGITS):
    """An initialization of given weights."""
    biases = biases or [np.zeros(w.shape[1], w.dtype) for w in weights]
    return initialization_from(weights, biases, Network(activation=activation), batch, "own")


def test_a_dip_in_the_middle_is_found_with_its_layer():
    weights, biases = Network((64, 48, 48, 48, 10)).parameters()
    weights = [w.copy() for w in weights]
    weights[1] *= np.float32(1e-6)
    weights[2] *= np.float32(1e6)
    finding = found(diagnose(own(weights, biases)), "signal")
    assert (finding.severity, finding.layer, finding.title) == ("error", 2, "The signal vanishes")
    assert "times layer 1's" in finding.text


def test_the_extreme_changes_are_those_from_a_place_to_a_later_one():
    fall, growth = extreme_changes(np.array([1.0, 4.0, 2.0, 8.0, 0.5, 1.0]))
    assert (fall, growth) == (pytest.approx((1 / 16, 3, 4)), pytest.approx((8, 0, 3)))
    for levels in (np.ones(1), np.array([1.0, 0.0]), np.array([1.0, np.inf])):
        assert extreme_changes(levels) == []


@pytest.mark.filterwarnings("error")
@given(st.lists(st.floats(-30, 30), min_size=2, max_size=7))
def test_the_extreme_changes_are_those_of_all_pairs(logs):
    levels = np.exp(logs)
    pairs = [levels[b] / levels[a] for b in range(len(levels)) for a in range(b)]
    assert [change.value for change in extreme_changes(levels)] == pytest.approx([min(pairs), max(pairs)])


def test_a_bounded_activation_of_large_inputs_loses_no_signal():
    report = report_on("tanh", "lecun_normal", batch=replace(DIGITS, x=DIGITS.x * 1e4))
    assert found(report, "signal") is None
    median = report.run.column("activation_median_rms")[0]
    assert signal_levels(report.run)[1] == pytest.approx(median / report.run.input_median_rms)


def test_a_vanishing_gradient_is_an_error_only_as_its_source_tests_it():
    network = Network((64, *[64] * 8, 10), "sigmoid", "lecun_normal")
    report = diagnose(initialization_of(network, DIGITS, ""))
    run, finding = report.run, found(report, "gradient")
    norms = [float(np.sqrt(n_in * n_out) * rms) for n_in, n_out, rms in zip(
        run.column("fan_in"), run.column("fan_out"), run.column("weight_gradient_rms"), strict=True)]
    assert finding.severity == "error"
    assert finding.number == pytest.approx(norms[0] / norms[-1])
    assert (norms[0] / norms[-1], norms[0]) < (1e-3, 1e-4)
    louder = diagnose(initialization_of(network, DIGITS, ""), check_thresholds({"faint": 1e-6}))
    assert found(louder, "gradient").severity == "warning"
    assert found(louder, "gradient").number != finding.number  # now that of the lengths


def test_a_gradient_that_overflows_or_does_not_arrive_is_an_error():
    network = Network((64, *[256] * 99, 10), "softsign", "normal", initializer_params={"std": 2.0})
    report = diagnose(initialization_of(network, make_batch("digits", 64), ""), with_remedies=False)
    overflow = found(report, "gradient")
    assert (overflow.severity, overflow.title) == ("error", "The gradient overflows")
    weights, biases = Network((64, 16, 16, 10)).parameters()
    stopped = found(diagnose(own(weights, [biases[0], biases[1] - np.float32(1e3), biases[2]])), "gradient")
    assert (stopped.severity, stopped.text) == ("error", "No hidden layer gets a gradient.")


# ---------------------------------------------------------------------------------------------- copies and learned

def test_neurons_that_float32_does_not_tell_apart_are_no_copies():
    report = report_on(depth=2, initializer="normal", initializer_params={"std": 1e-9}, bias=0.1)
    finding = found(report, "copies")
    assert (finding.severity, finding.title, finding.firmness) == ("warning", "Not told apart", "convention")
    assert "though their weights differ: float32" in finding.text


def test_copies_in_part_of_a_layer_are_found_by_their_weights():
    weights, biases = Network((64, 40, 40, 10)).parameters()
    weights[0] = np.repeat(weights[0][:, ::4], 4, axis=1)
    finding = found(diagnose(own(weights, biases)), "copies")
    assert (finding.severity, finding.title) == ("warning", "Copies")
    assert "Layer 1 has 10 different neurons of 40" in finding.text


def test_imbalanced_classes_are_not_taken_for_something_learnt():
    y = np.where(np.arange(256) % 32 == 0, 1, 0)
    batch = Batch(np.random.default_rng(0).standard_normal((256, 20)).astype(np.float32), y, "softmax_ce", 2)
    share = 1 / 32
    entropy = -share * math.log(share) - (1 - share) * math.log(1 - share)
    assert loss_of_constant_output(batch) == pytest.approx(entropy)
    prior = np.log([1 - share, share]).astype(np.float32)
    knows_the_prior = [np.zeros((20, 8), np.float32), np.zeros((8, 2), np.float32)], [np.zeros(8, np.float32), prior]
    report = diagnose(own(*knows_the_prior, batch=batch))
    assert report.run.loss == pytest.approx(entropy, rel=1e-5)
    assert found(report, "loss") is None


def test_weights_that_know_the_data_are_said_to_and_drawn_ones_never():
    x = np.eye(8, dtype=np.float32)[np.arange(64) % 8]
    batch = Batch(x, np.arange(64) % 8, "softmax_ce", 8)
    initialization = own([5 * np.eye(8, dtype=np.float32), np.eye(8, dtype=np.float32)], batch=batch)
    assert found(diagnose(initialization), "loss").title == "Learned already"
    assert found(diagnose(replace(initialization, drawn=True)), "loss") is None


def test_a_good_start_has_no_error_and_no_warning():
    report = report_on(width=128)
    assert (report.count("error"), report.count("warning")) == (0, 0)
    assert report.severity == "note"


@pytest.mark.parametrize(("change", "key"), [
    (lambda x: x * 1000, "inputs_scale"), (lambda x: x + 50, "inputs_offset"),
    (lambda x: x * np.where(np.arange(64) == 30, 1e4, 1).astype(np.float32), "inputs_columns")])
def test_unscaled_inputs_are_found_and_standardizing_mends_them(change, key):
    report = report_on(batch=replace(DIGITS, x=change(DIGITS.x)))
    assert found(report, key).severity == ("error" if key == "inputs_scale" else "warning")
    assert report.verdict.key == "inputs"
    remedy, after = report.remedies[-1]
    assert remedy.key == "standardized"
    assert found(after, key) is None


def test_an_inputs_column_that_does_not_vary_is_noted():
    x = DIGITS.x.copy()
    x[:] = np.random.default_rng(0).standard_normal(x.shape)
    x[:, 3] = 7.0
    assert "1 of 64" in found(report_on(batch=replace(DIGITS, x=x)), "inputs_constant").text


def test_outputs_of_0_cost_ln_k_or_the_targets_mean_square():
    assert simulate(Network((64, 10)), DIGITS).zero_loss == pytest.approx(math.log(10))
    batch = Batch(np.ones((2, 2)), np.array([[1.0], [3.0]]), "mse", 1)
    assert loss_of_constant_output(batch) == 1
    assert simulate(Network((2, 1), dtype="float64"), batch).zero_loss == 5


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
    assert clamp_thresholds({key: math.nan})[key] == line.default
    assert clamp_thresholds({key: 1e300})[key] == line.allowed.high
    with pytest.raises(ValueError, match=f"threshold {key} must be"):
        check_thresholds({key: -1})


def test_moving_a_threshold_moves_its_finding():
    assert found(report_on(depth=3), "signal") is None
    assert found(report_on(depth=3, thresholds=check_thresholds({"shrunk": 0.999, "grown": 1.0})), "signal") is not None
    with pytest.raises(ValueError, match="threshold must be one of"):
        check_thresholds({"nonsense": 1})


def test_remedies_mend_what_a_default_start_loses():
    report = report_on("tanh", "normal", depth=12)
    assert report.severity == "error"
    for remedy, after in report.remedies:
        assert after.severity != "error", remedy.key
    assert list(comparison(report)["Initialization"]) == ["As it is", "LeCun normal", "LSUV", "Rescaled"]


def test_what_was_tried_and_is_no_better_is_not_called_a_remedy():
    said = list(comparison(report_on("relu", "he_normal", depth=4))["Initialization"])
    assert said == ["As it is", "LSUV (no remedy here)", "Rescaled (no remedy here)"]


HOSTILE = "<script>alert('x')</script> & \"name\""


@pytest.mark.parametrize("case", [
    {}, {"activation": "linear", "initializer": "ones", "depth": 40}, {"initializer": "zeros"}, {"depth": 1},
    {"activation": "tanh", "initializer": "constant"}], ids=str)
def test_the_files_say_everything_and_need_nothing(case):
    report = report_on(batch=replace(DIGITS, name=HOSTILE), **case)
    read = json.loads(to_json(report), parse_constant=pytest.fail)
    assert [finding["key"] for finding in read["findings"]] == [finding.key for finding in report.findings]
    assert len(read["layers"]) == report.run.network.depth == len(table(report))
    assert isinstance(read["loss"], float) or read["loss"] in ("overflow", "not defined")
    assert all(not isinstance(value, str) or value in ("overflow", "not defined")
               for remedy in read["remedies"] for value in remedy["measures"].values())
    page = to_html(report)
    assert ('class="bar"' in page) == (report.run.network.depth > 1 and case != {"initializer": "zeros"})
    assert "<th>Seed</th><td>0</td>" in page
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert page.count("<svg") == (2 if report.run.network.depth > 1 else 0)
    outside = set(re.findall(r"https?://[^\"' <]+", page)) - {"http://www.w3.org/2000/svg",
                                                              "http://www.w3.org/1999/xlink"}
    assert not outside
    for svg in re.findall(r"<svg.*?</svg>", page, re.DOTALL):
        ElementTree.fromstring(svg)
    assert not re.search(r"\b(nan|inf|None)\b", re.sub(r"<svg.*?</svg>|<style.*?</style>", "", page, flags=re.DOTALL))


def test_a_report_can_be_repeated_from_its_settings():
    network = Network((64, 24, 10), "leaky_relu", "he_normal", 3.0, 0.1, 0.2, 7,
                      activation_params={"negative_slope": 0.2}, initializer_params={"mode": "fan_out"})
    data = {"input": "digits", "seed": 7}
    report = diagnose(replace(initialization_of(network, replace(DIGITS, name="Digits"), "He normal"), data=data))
    read = json.loads(to_json(report))["settings"]
    again = Network(tuple(read["sizes"]), read["activation"], read["initializer"], read["gain"], read["bias"],
                    read["bias_std"], read["seed"], read["dtype"], read["activation_params"],
                    read["initializer_params"])
    assert again == network
    assert read["data"] == {"name": "Digits", "samples": 128, "loss": "softmax_ce"} | data
    assert read["thresholds"] == dict(DEFAULTS)
    page = to_html(report)
    for said in ("Leaky ReLU (negative_slope 0.2)", "Digits, 128 samples",
                 "He normal (mode fan_out, negative_slope 0), gain 3, biases 0.1 ± 0.2"):
        assert said in page


def test_a_report_on_a_file_names_its_layout_its_arrays_and_what_the_target_is():
    weights, biases = Network((64, 24, 10)).parameters()
    file = {"file": "net.npz", "layout": "torch", "arrays": [["fc1.weight", "fc1.bias"], ["<b>out</b>.weight", None]]}
    initialization = replace(own(weights, biases), file=file, data={"target": "kind", "standardize": True})
    report = diagnose(initialization)
    read = json.loads(to_json(report))
    assert read["settings"]["weights"] == file
    assert read["settings"]["initializer"] is None
    assert table(report)["Array"].tolist() == ["fc1.weight", "<b>out</b>.weight"]
    page = to_html(report)
    assert "PyTorch, (out, in)" in page
    assert "<td>fc1.weight</td>" in page
    assert "<b>out</b>" not in page
    assert "target &#x27;kind&#x27; as 10 classes, standardized" in page


def test_a_table_has_one_column_for_different_neurons_and_whole_percentages():
    frame = table(report_on("relu", "he_normal", bias=-1.0))
    assert [column for column in frame if column.startswith("Different")] == ["Different neurons"]
    assert frame["Different neurons"][0].endswith(" of 64")
    assert all(re.fullmatch(r"(\d+ %|under 1 %|)", share) for share in frame["Dead"])


def test_lines_of_an_initializer_have_its_color_and_others_no_initializers():
    report = report_on("tanh", "normal")
    for _, data in pictures(report).values():
        colors = dict(zip(data["lines"]["label"], data["lines"]["color"], strict=True))
        assert colors["as it is"] == color_of("normal")
        assert colors["LeCun normal"] == color_of("lecun_normal")
        others = {colors["LSUV"], colors["Rescaled"]}
        assert len(others) == 2
        assert not others & {color_of(key) for key in INITIALIZERS}
    assert not {UPLOADED_COLOR, *REMEDY_COLORS.values()} & {color_of(key) for key in INITIALIZERS}
    assert len({UPLOADED_COLOR, *REMEDY_COLORS.values()}) == 4


def test_the_sentence_beside_the_pictures_says_why():
    said = say_pictures(report_on("tanh", "normal", depth=6))
    assert said.startswith("Forward: as it is shrinks: the weighted sum multiplies the mean square by 0.0")
    assert "Backward: as it is shrinks: the weights multiply the mean square by 0.0" in said
    assert "LeCun normal" in said or "LSUV" in said
    assert "nothing to compare" in say_pictures(report_on(depth=2))


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_has_a_report(activation):
    assert table(report_on(activation, depth=3, width=8)).shape[0] == 3


@pytest.mark.filterwarnings("error")
@settings(max_examples=60)
@given(data=st.data())
def test_whatever_is_drawn_gets_a_report_in_words(data):
    pick = lambda *choices: data.draw(st.sampled_from(choices))  # noqa: E731
    sizes = tuple(data.draw(st.lists(st.sampled_from([1, 2, 3, 8, 17]), min_size=2, max_size=7)))
    dtype = pick("float32", "float64")
    network = Network(sizes, pick(*ACTIVATIONS), pick(*INITIALIZERS), gain=pick(0, 1, 1e-30, 1e20, -2, 1e300),
                      bias=pick(0, 5, -1e10, 1e300), bias_std=pick(0, 1, 1e20), seed=pick(0, 1, 2), dtype=dtype)
    batch = make_normal(sizes[0], sizes[-1], pick(1, 2, 9, 30), seed=pick(0, 1), dtype=dtype)
    batch = replace(batch, x=batch.x * batch.x.dtype.type(pick(0, 1, 1e-30, 1e30)))
    report = diagnose(initialization_of(network, batch, "drawn"))
    json.loads(to_json(report), parse_constant=pytest.fail)
    assert pictures(report)
    words = " ".join([*(finding.text + finding.rule for finding in report.findings), comparison(report).to_string(),
                      table(report).to_string()])
    assert not re.search(r"\b(nan|NaN|inf|None)\b", words)


def test_a_scale_that_is_lost_here_is_not_said_to_hold():
    lost = report_on("tanh", "normal", depth=21, width=64)
    assert any(finding.key == "signal" for finding in lost.findings)
    assert all(finding.key != "drift" for finding in lost.findings)
    assert any(finding.key == "drift" for finding in report_on("tanh", "torch_linear", depth=4).findings)
