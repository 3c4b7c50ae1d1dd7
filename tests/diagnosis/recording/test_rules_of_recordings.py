"""Findings on recordings: the same as of the package's own runs, and each fault by name, module and remedy."""

from __future__ import annotations

import copy
import gzip
import json
import math
import time
from pathlib import Path

import pytest
from files.test_recording import mutations, packed, unpacked

from initviz.core.wording import number
from initviz.diagnosis.recording import Comparison, examine
from initviz.diagnosis.recording.comparison import comparison_table, comparison_to_json
from initviz.diagnosis.recording.learning import update_ratio
from initviz.diagnosis.recording.report import facts, table, to_json, weights_table
from initviz.files.recording import read_recording

FOLDER = Path(__file__).parents[3] / "initviz/data/recordings"
EXAMPLES = sorted(path.name.split(".")[0] for path in FOLDER.glob("*.json.gz"))


def example(name):
    return examine(read_recording((FOLDER / f"{name}.json.gz").read_bytes()))


def put(given, place, value):
    for key in place[:-1]:
        given = given[key]
    given[place[-1]] = value


def changed(name, *changes):
    """An example of which each (place, value) is changed."""
    given = unpacked(name)
    for place, value in changes:
        put(given, place, value)
    return given


def edited(name, *changes):
    """The report on such an example."""
    return examine(read_recording(packed(changed(name, *changes))))


def keys(report, *severities):
    return [finding.key for finding in report.findings if not severities or finding.severity in severities]


def found(report, key):
    return next(finding for finding in report.findings if finding.key == key)


def row_of(name, path, kind):
    rows = unpacked(name)["rows"]
    return next(place for place, row in enumerate(rows) if (row["path"], row["kind"]) == (path, kind))


@pytest.mark.parametrize("name", EXAMPLES)
def test_findings_are_in_order_name_a_module_and_say_what_would_mend_it(name):
    report = example(name)
    order = ["error", "warning", "note"]
    ranks = [order.index(finding.severity) for finding in report.findings]
    assert ranks == sorted(ranks)
    for finding in report.findings:
        if finding.severity != "note":
            assert finding.modules
            assert finding.remedy
        assert finding.rule
        assert finding.source
        assert finding.text.endswith(".")


def test_pytorch_default_loses_the_signal_of_a_deep_relu_network_and_he_keeps_it():
    default, he = example("mlp"), example("mlp_he")
    assert keys(default, "warning") == ["signal", "gradient", "alike", "preactivations"]
    assert found(default, "signal").modules == ("15 (ReLU)", "the input")
    assert default.kind.word == "Vanishing"
    assert keys(he, "error", "warning") == []
    assert he.kind.word == "Healthy"


def test_sound_models_of_each_kind_have_no_error_and_no_warning():
    for name in ("resnet", "gpt", "gpt_wide", "policy", "lora"):
        assert keys(example(name), "error", "warning") == [], name


def test_the_trunk_of_a_gpt_is_its_stream_and_of_a_resnet_its_sums():
    gpt, resnet = example("gpt"), example("resnet")
    rows = gpt.recording.rows
    assert [rows[place].label for place in gpt.trunk.levels][:3] == ["wte", "h.0 add", "h.0 add, call 2"]
    assert sum(rows[place].skip is not None for place in gpt.trunk.levels) == 24
    assert len(gpt.trunk.levels) == 25  # without the positions, which all samples share
    rows = resnet.recording.rows
    assert all(rows[place].skip is not None or rows[place].kind == "ReLU" for place in resnet.trunk.levels)
    assert "layer1.0.relu" not in [rows[place].label for place in resnet.trunk.levels]  # inside a branch
    assert "layer1.0.relu, call 2" in [rows[place].label for place in resnet.trunk.levels]  # behind the sum


def test_two_steps_tell_gradients_that_come_later():
    report = example("lora")
    assert found(report, "late").modules[0] == "0.lora_A"
    assert found(report, "late").severity == "note"
    given = unpacked("lora")
    for parameter in given["parameters"]:
        parameter["gradients"] = parameter["gradients"][:1]
    once = examine(read_recording(packed(given)))
    assert found(once, "behind_zero").modules == ("0.lora_A",)
    assert found(once, "behind_zero").severity == "note"
    unexplained = edited("mlp", (("parameters", 0, "gradients", 0, "exact_zero"), True))
    assert "steps=2" in found(unexplained, "zero_gradient").remedy
    for parameter in given["parameters"]:
        parameter["gradients"] *= 2
    assert found(examine(read_recording(packed(given))), "no_gradient").severity == "error"


@pytest.mark.parametrize("value", [1e-300, 1e300])
def test_a_growth_beyond_the_largest_number_is_told(value):
    first = example("mlp").trunk.levels[0]
    changes = [(("rows", first, name), 1 / value) for name in ("rms", "median_rms")]
    changes += [(("rows", place, name), value) for place in example("mlp").trunk.levels[1:]
                for name in ("rms", "median_rms")]
    assert examine(read_recording(packed(changed("mlp", *changes)))).findings


def test_a_parameter_that_the_loss_does_not_depend_on_is_named():
    report = edited("mlp", (("parameters", 0, "gradients"), [None]))
    assert found(report, "unused").modules == ("0.weight",)


def test_the_first_loss_is_held_against_what_such_logits_cost():
    assert facts(example("gpt"))["Loss"].endswith("ln 128 = 4.852, independent normal logits of this spread 4.866")
    loud = edited("gpt", (("loss", "value"), 110.0), (("loss", "logit_std"), 14.6))
    assert found(loud, "loss").severity == "warning"
    assert "of standard deviation 14.6, as these have, 38.19" in found(loud, "loss").text
    assert found(loud, "loss").modules == ("lm_head",)
    assert found(edited("gpt", (("loss", "value"), 1e5)), "loss").severity == "error"
    assert found(edited("gpt", (("loss", "value"), 2.0)), "loss").title == "Learned already"


def test_updates_are_the_rates_of_the_optimizer_over_the_weights():
    adam = found(example("policy"), "updates")
    assert "One step of Adam" in adam.text
    body = next(p for p in example("policy").recording.parameters if p.name == "body.0.weight")
    assert body.rate == 3e-4
    assert number(3e-4 / body.rms) in adam.text
    slow = edited("mlp_he", (("parameters", 0, "gradients", 0, "rms"), 1e-9))
    assert found(slow, "updates").severity == "warning"
    assert "0 (Linear)" in found(slow, "updates").modules


@pytest.mark.parametrize(("optimizer", "gradient", "size"), [  # of torch.optim's first step over the rate, measured
    ("Adam", 1e-2, 1.0), ("Adam", 1e-9, 0.0909), ("AdamW", 1e-9, 0.0909), ("Adamax", 1e-9, 0.0909),
    ("NAdam", 1e-2, 1.0564), ("RAdam", 1e-2, 1e-2), ("RMSprop", 1e-2, 10.0), ("RMSprop", 1e-9, 0.0990),
    ("Adagrad", 1e-9, 0.909), ("Adadelta", 1e-2, 3.01e-3), ("Rprop", 1e-9, 1.0), ("SGD", 1e-2, 1e-2),
    ("AdamW8bit", 1e-2, 1.0)])
def test_the_first_update_is_as_large_as_the_optimizer_makes_it(optimizer, gradient, size):
    report = edited("policy", (("optimizer",), optimizer), (("parameters", 0, "gradients", 0, "rms"), gradient),
                    (("parameters", 0, "gradients", 0, "zero_share"), 0.0))
    parameter = report.recording.parameters[0]
    assert update_ratio(report.recorded, parameter) == pytest.approx(parameter.rate * size / parameter.rms, rel=0.01)
    assert f"One step of {optimizer}" in found(report, "updates").text


@pytest.mark.parametrize("optimizer", ["Adafactor", "Lamb", "Muon", "MyOwn"])
def test_updates_of_an_optimizer_whose_first_step_is_not_known_are_not_said(optimizer):
    report = edited("policy", (("optimizer",), optimizer))
    assert "One step of" not in found(report, "updates").text
    assert "Update ÷ weight" not in weights_table(report)
    assert "Update ÷ weight" in weights_table(edited("policy"))


def test_what_is_not_finite_is_an_overflow_at_its_first_module():
    report = edited("mlp", *((("rows", place, name), "inf") for place in (4, 5, 6) for name in ("rms", "most")))
    assert found(report, "overflow").modules == ("4 (Linear)",)
    assert report.severity == "error"
    assert report.kind.word == "Overflow"
    back = edited("mlp", *((("rows", 2, "gradient", name), "nan") for name in ("rms", "most", "least")))
    assert found(back, "overflow").modules == ("2 (Linear)",)


def test_unscaled_inputs_are_found():
    report = edited("mlp_he", (("input", "rms"), 128.0), (("input", "median_rms"), 128.0))
    assert found(report, "inputs_scale").severity == "warning"


def test_attention_that_looks_at_one_place_is_named():
    place = row_of("gpt", "h.4.attn", "softmax")
    report = edited("gpt", (("rows", place, "entropy"), 0.03), (("rows", place, "score_std"), 30.0))
    assert found(report, "attention").modules == ("h.4.attn softmax",)
    assert "Divide the scores by 30" in found(report, "attention").remedy


def test_a_policy_that_has_chosen_is_named():
    place = row_of("policy", "", "logsumexp")
    assert found(edited("policy", (("rows", place, "entropy"), 0.4)), "decided").severity == "warning"


def test_a_branch_that_drowns_its_skip_is_named():
    place = row_of("gpt", "h.3", "add")
    report = edited("gpt", (("rows", place, "skip", "branch_rms"), 5.0))
    assert found(report, "branches").modules == ("h.3 add",)


def test_tokens_that_are_alike_are_named():
    last = example("gpt").trunk.levels[-1]
    assert found(edited("gpt", (("rows", last, "token_cosine"), 0.99999)), "alike").title == "Tokens look alike"


def test_number_formats_are_judged_by_the_histogram():
    report = edited("mlp_he", (("rows", 3, "histogram"), [-30, 500, 100, 0, 0, 0, 0, 0, 400]))
    assert "60 % of the outputs of 3 (ReLU)" in found(report, "format").text
    assert "fp16" in found(report, "format").title


def test_what_a_recording_does_not_show_is_told():
    report = edited("mlp", (("uncalled",), ["2"]), (("compiled",), True), (("rows_left_out",), 7))
    assert {"uncalled", "compiled", "left_out"} <= set(keys(report, "note"))
    assert "m.forward()" in found(report, "uncalled").text


def test_the_weights_are_audited_from_their_fingerprints():
    laws = {record.name: " ".join(law.text for law in record.laws) for record in example("gpt").weights.tensors}
    assert "N(0, 0.02²)" in laws["wte.weight"]
    assert "N(0, 0.02²)" in laws["h.0.c_fc.weight"]
    assert "N(0, 0.02²)" not in laws["h.0.c_proj.weight"]
    laws = {record.name: " ".join(law.text for law in record.laws) for record in example("mlp").weights.tensors}
    assert all("PyTorch's Linear and Conv default" in law for name, law in laws.items() if name.endswith("weight"))
    laws = {record.name: " ".join(law.text for law in record.laws) for record in example("policy").weights.tensors}
    assert "orthogonal, gain 1.41" in laws["body.2.weight"]
    assert "orthogonal, gain 0.01" in laws["actor.weight"]


def test_equal_blocks_are_found_by_their_hashes():
    given = unpacked("gpt")
    hashes = {p["name"].replace("h.0.", "h.#."): p for p in given["parameters"] if p["name"].startswith("h.0.")}
    for parameter in given["parameters"]:
        if parameter["name"].startswith("h.5."):
            parameter["hash"] = hashes[parameter["name"].replace("h.5.", "h.#.")]["hash"]
    report = examine(read_recording(packed(given)))
    assert found(report, "weights_equal").severity == "error"
    assert report.kind.word == "Equal layers"


def test_an_error_in_the_weights_is_found_in_its_place():
    report = edited("mlp_he", (("parameters", 4, "least"), 0.0001))
    assert "weights_one_sign" in keys(report, "error")


# ---------------------------------------------------------------------------------------------- two recordings

def test_before_and_after_say_what_is_gone():
    compared = Comparison(example("mlp"), example("mlp_he"))
    assert [finding.key for finding in compared.gone] == ["signal", "gradient", "alike", "preactivations"]
    assert compared.new == ()
    assert "Gone: The signal vanishes" in compared.summary
    assert len(comparison_table(compared)) == len(compared.matched) == 19


def test_two_widths_give_the_exponents_of_width():
    compared = Comparison(example("gpt"), example("gpt_wide"))
    assert compared.width_ratio == 4
    slopes = {pair.label: compared.slope(pair, "rms") for pair in compared.matched}
    assert slopes["wte"] == pytest.approx(0, abs=0.02)
    assert slopes["h.0.attn.c_attn"] == pytest.approx(0.5, abs=0.1)  # one law for every width: grows as the root
    assert all(math.isfinite(compared.slope(pair, "change_rms")) for pair in compared.matched)
    assert "4 times as wide" in compared.summary
    assert "to the power of" in compared.summary


def test_recordings_of_different_models_say_that_nothing_is_in_both():
    assert "No output has the same" in Comparison(example("mlp"), example("gpt")).summary


def test_a_recording_without_sources_is_examined_as_a_chain():
    given = unpacked("mlp")
    for row in given["rows"]:
        row.pop("from", None)
    assert keys(examine(read_recording(packed(given)))) == keys(example("mlp"))


# ---------------------------------------------------------------------------------------------- whatever comes

def extremes():
    """Recordings each of whose numbers in turn is as large, as small or as undefined as a recorder writes it."""
    def numbers(part, place):
        for key, inside in part.items() if isinstance(part, dict) else enumerate(part[:2]):
            if isinstance(inside, dict | list):
                yield from numbers(inside, (*place, key))
            elif isinstance(inside, float):
                yield (*place, key)

    for name in ("mlp", "gpt"):
        given = unpacked(name)
        given["rows"], given["parameters"] = given["rows"][:8], given["parameters"][:2]
        for at in numbers(given, ()):
            for value in (0.0, -1e300, 1e-300, 1e300, "inf", "nan"):
                changed = copy.deepcopy(given)
                put(changed, at, value)
                yield None, packed(changed)


def test_every_mutation_that_is_read_is_examined_and_compared():
    whole, examined = example("mlp"), 0
    for _, data in (*mutations(400, seed=1), *extremes()):
        try:
            recording = read_recording(data)
        except ValueError:
            continue
        report = examine(recording)
        json.loads(to_json(report))
        table(report)
        weights_table(report)
        facts(report)
        compared = Comparison(whole, report)
        json.loads(comparison_to_json(compared))
        comparison_table(compared)
        examined += 1
    assert examined > 40


def test_a_recording_as_large_as_is_read_is_soon_examined():
    given = unpacked("mlp")
    row, parameter = given["rows"][1], given["parameters"][0]
    given["rows"] = [row | {"path": str(place), "from": [max(place - 1, 0)] if place else []} for place in range(4000)]
    given["parameters"] = [parameter | {"name": f"{place}.weight"} for place in range(4000)]
    data = gzip.compress(json.dumps(given).encode())
    begun = time.process_time()
    report = examine(read_recording(data))
    assert len(report.trunk.levels) == 4000
    json.loads(to_json(report))
    assert time.process_time() - begun < 15  # about 3


def test_rows_that_all_come_from_all_others_are_soon_examined():
    given = unpacked("mlp")
    row = given["rows"][1]
    given["rows"] = [row | {"path": str(place), "from": list(range(max(0, place - 120), place))}
                     for place in range(4000)]
    begun = time.process_time()
    examine(read_recording(packed(given)))
    assert time.process_time() - begun < 15


def test_each_head_of_a_policy_and_the_entropy_of_its_choice_are_told():
    said = facts(example("policy"))["Output sizes"]
    assert "actor 0.0048" in said
    assert "critic 0.5" in said
    assert "entropy of the choice 1 ln n" in said


def test_the_weights_table_has_the_first_update_and_the_gradient_of_each_step():
    policy = weights_table(example("policy")).set_index("Parameter")
    actor = next(p for p in example("policy").recording.parameters if p.name == "actor.weight")
    assert policy.loc["actor.weight", "Update ÷ weight"] == number(3e-4 / actor.rms)
    lora = weights_table(example("lora")).set_index("Parameter")
    assert lora.loc["0.lora_A", "Gradient, rms"].startswith("exactly 0, then ")
    assert lora.loc["0.base.weight", "Gradient, rms"] == "none, then none"
