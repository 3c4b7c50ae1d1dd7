"""The page Recording through Streamlit's own test harness."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from files.test_recording import mutations, packed, unpacked
from pages.test_pages import charts, masked_spec, sound, visit, words

from initviz.app.recording.request import COMPARISONS, EXAMPLES, FOLDER
from initviz.diagnosis.recording.views import VIEWS

RECORDING = "pages/recording.py"


def upload(at, data, name="mine.json.gz", key="recording_file"):
    return sound(at.file_uploader(key=key).upload(name, data).run())


def test_every_shipped_recording_is_an_example():
    assert {path.name.split(".")[0] for path in Path(FOLDER).glob("*.json.gz")} == set(EXAMPLES)


def plainly(at):
    """All that the page says, without what keeps text from being markup."""
    return words(at).replace("\\", "")


@pytest.mark.parametrize("key", EXAMPLES)
def test_every_example_opens_by_its_key_in_the_address_and_says_the_answer_first(key):
    at = visit(RECORDING, example=key)
    assert at.session_state["example"] == key
    assert not at.toast
    (answer,) = [*at.success, *at.warning, *at.error]
    verdict = {"mlp": "Vanishing", "lora": "One step late"}.get(key, "Healthy")
    assert f"{EXAMPLES[key]}.** {verdict}" in answer.value.replace("\\", "")
    assert ("To fix it:** Multiply the weights" in answer.value) == (key == "mlp")
    assert any("Firmness" in table.value for table in at.table)
    assert len(charts(at)) == {"policy": 2, "gpt": 4, "gpt_wide": 4}.get(key, 3)


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_draws_the_same_charts(view):
    first = {chart.alt: masked_spec(chart) for chart in charts(visit(RECORDING, example="resnet"))}
    then = {chart.alt: masked_spec(chart) for chart in charts(visit(RECORDING, example="resnet", shown=view))}
    assert first == then


def test_two_recordings_are_drawn_together_and_their_differences_told():
    at = visit(RECORDING, example="mlp", beside="mlp_he")
    assert "Gone: The signal vanishes" in plainly(at)
    assert "Power of width, signal" not in [name for frame in at.dataframe for name in frame.value.columns]
    wide = visit(RECORDING, example="gpt", beside="gpt_wide")
    assert "4 times as wide" in plainly(wide)
    assert "Power of width, change by a step" in wide.dataframe[0].value.columns


def test_every_example_beside_every_other_one():
    for key in EXAMPLES:
        assert not visit(RECORDING, example="mlp", beside=key).toast
    assert set(COMPARISONS) == {*EXAMPLES, "none"}


def test_a_recording_of_ones_own_takes_the_place_of_the_example():
    given = unpacked("gpt") | {"model": "MyModel"}
    at = upload(visit(RECORDING), packed(given))
    assert "MyModel" in words(at)
    assert len(charts(at)) == 4
    both = upload(at, (FOLDER / "gpt_wide.json.gz").read_bytes(), "wide.json.gz", "recording_beside")
    assert "4 times as wide" in plainly(both)


@pytest.mark.parametrize("data", [
    b"", b"\x1f\x8b", b"{}", gzip.compress(b"[1]", mtime=0), packed(unpacked("mlp") | {"version": 9})],
    ids=["nothing", "a beginning", "not packed", "a list", "another version"])
def test_what_is_no_recording_gets_one_sentence_and_the_example_stays(data):
    at = upload(visit(RECORDING), data)
    assert len(at.error) == 1
    assert "The example is shown instead" in words(at)
    assert len(charts(at)) == 3


def test_mutated_recordings_are_shown_or_refused():
    shown = 0
    for _, data in mutations(60, seed=3):
        at = visit(RECORDING).file_uploader(key="recording_file").upload("mine.json.gz", data).run()
        assert not at.exception
        assert len(at.error) <= 1
        shown += not at.error
    assert shown > 3


def test_the_recorder_can_be_copied_and_downloaded():
    at = visit(RECORDING)
    assert "record(model, inputs, targets, loss_function" in at.code[0].value
    assert next(button.label for button in at.get("download_button")) == "The recorder (recorder.py)"


def test_the_report_is_a_file():
    at = visit(RECORDING, example="mlp", beside="mlp_he")
    labels = [button.label for button in at.get("download_button")]
    assert {"The report (JSON)", "The comparison (JSON)"} <= set(labels)
