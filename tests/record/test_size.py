"""A recording is at most 64 kB, however large the model: coarser first, then shorter, and it says so."""

import copy
import functools
import gzip
import json

import jsonschema
import pytest

torch = pytest.importorskip("torch")
from record.models import MODELS, gpt

from initviz.diagnosis.recording import examine
from initviz.diagnosis.recording.report import facts
from initviz.files.recording import SCHEMA, read_recording
from initviz.record import pytorch as recorder

VALIDATOR = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text("utf-8")))


@functools.cache
def recorded(name):
    return recorder.record(*MODELS[name](), steps=2)


def written(recording, monkeypatch, most_bytes):
    monkeypatch.setattr(recorder, "MOST_BYTES", most_bytes)
    data = recorder._packed(copy.deepcopy(recording))
    VALIDATOR.validate(json.loads(gzip.decompress(data)))
    return data


def severe(report):
    return [(finding.key, finding.modules[0]) for finding in report.findings if finding.severity != "note"]


@pytest.mark.parametrize("name", MODELS)
def test_a_file_never_exceeds_its_budget_and_a_sound_model_stays_sound(name, monkeypatch):
    for most_bytes in (9_000, 5_000, 2_500, 1_200):
        data = written(recorded(name), monkeypatch, most_bytes)
        assert len(data) <= most_bytes
        assert severe(examine(read_recording(data))) == []


def test_what_is_left_out_is_counted_and_said(monkeypatch):
    whole = recorded("gpt")
    report = examine(read_recording(written(whole, monkeypatch, 5_000)))
    recording = report.recording
    assert recording.digits == 3
    assert len(recording.parameters) + recording.parameters_left_out == len(whole["parameters"])
    assert len(recording.rows) + recording.rows_left_out == len(whole["rows"])
    assert recording.rows_left_out > 0
    note = next(finding for finding in report.findings if finding.key == "left_out")
    assert f"{recording.rows_left_out:,} outputs and {recording.parameters_left_out:,} parameters" in note.text
    assert f"beside {recording.rows_left_out:,} left out" in facts(report)["Outputs"]


def test_faults_stay_in_a_file_that_is_cut(monkeypatch):
    model, run = gpt()
    with torch.no_grad():
        model.h[7].c_fc.weight.fill_(0.02)
        model.h[9].load_state_dict(model.h[2].state_dict())
    faults = severe(examine(read_recording(written(recorder.record(model, run), monkeypatch, 5_000))))
    assert ("weights_copies", "h.7.c_fc.weight") in faults
    assert "weights_equal" in [key for key, _ in faults]


def test_more_rows_and_parameters_than_a_reader_takes_are_cut(monkeypatch):
    monkeypatch.setattr(recorder, "MOST_ROWS", 40)
    monkeypatch.setattr(recorder, "MOST_PARAMETERS", 30)
    recording = read_recording(written(recorded("gpt"), monkeypatch, 10**6))
    assert len(recording.rows) <= 40
    assert len(recording.parameters) <= 30


def test_thousands_of_modules_with_long_names_fit(monkeypatch):
    whole = dict(recorded("gpt"))
    name = "a_module_with_a_long_name." * 10
    whole["rows"] = [row | {"path": f"{name}{copied}.{row['path']}"} for copied in range(6) for row in whole["rows"]]
    whole["parameters"] = [part | {"name": f"{name}{copied}.{part['name']}"}
                           for copied in range(6) for part in whole["parameters"]]
    whole["uncalled"] = [f"{name}{place}" for place in range(5_000)]
    data = written(whole, monkeypatch, recorder.MOST_BYTES)
    assert len(data) <= recorder.MOST_BYTES
    assert read_recording(data).rows_left_out > 0
