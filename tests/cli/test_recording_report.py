"""The command ``report``: text, JSON, two recordings, exit codes."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from initviz.cli import main

FOLDER = Path(__file__).parents[2] / "initviz/data/recordings"


def example(name):
    return str(FOLDER / f"{name}.json.gz")


def changed(tmp_path, **fields):
    given = json.loads(gzip.decompress(Path(example("mlp")).read_bytes())) | fields
    path = tmp_path / "changed.json.gz"
    path.write_bytes(gzip.compress(json.dumps(given).encode()))
    return str(path)


def test_a_recording_is_reported_with_modules_and_remedies(capsys):
    assert main(["report", example("mlp")]) == 0
    text = capsys.readouterr().out
    assert "[warning] The signal vanishes: The signal of 15 (ReLU)" in text
    assert "Fix: " in text
    assert "outputs of 0 cost ln 10 = 2.303, independent normal logits of this spread 2.304" in text
    assert text.splitlines()[0] == "Model: Sequential"


def test_json_holds_the_findings(capsys):
    assert main(["report", example("gpt"), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["severity"] == "note"
    assert len(report["trunk"]) == 25


def test_two_recordings_are_compared_and_the_second_gives_the_exit_code(capsys, tmp_path):
    bad = changed(tmp_path, loss={"value": 1e5, "kind": "cross_entropy", "classes": 10})
    assert main(["report", bad, example("mlp_he")]) == 0
    text = capsys.readouterr().out
    assert "Gone:" in text
    assert "Initial loss" in text
    assert main(["report", example("mlp_he"), bad]) == 1
    assert "New:" in capsys.readouterr().out
    assert main(["report", example("gpt"), example("gpt_wide"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["width_ratio"] == 4


def test_every_output_is_printed_on_request(capsys):
    main(["report", example("mlp")])
    few = capsys.readouterr().out.count("(Linear)   Linear")
    main(["report", example("mlp"), "--all"])
    assert (few, capsys.readouterr().out.count("(Linear)  ") >= 10) == (0, True)


def test_thresholds_can_be_moved(capsys):
    assert main(["report", example("mlp"), "--threshold", "shrunk=0.0001", "--threshold", "alike=0.001",
                 "--threshold", "preactivation=100"]) == 0
    assert "[warning]" not in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [[__file__], [example("mlp")] * 3, ["missing.json.gz"],
                                       [example("mlp"), "--threshold", "unknown=1"]])
def test_bad_input_gets_one_sentence_and_exit_code_2(arguments, capsys):
    assert main(["report", *arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith("initviz: ")
    assert error.count("\n") == 1


def test_names_of_a_file_are_printed_without_control_characters(capsys, tmp_path):
    main(["report", changed(tmp_path, model="a\x1b[31m\nb")])
    assert "\x1b" not in capsys.readouterr().out
