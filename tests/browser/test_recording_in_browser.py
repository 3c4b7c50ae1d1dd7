"""The page Recording in a real browser, with each shipped example."""

from __future__ import annotations

from pathlib import Path

import pytest

pytestmark = pytest.mark.browser

FOLDER = Path(__file__).parents[2] / "initviz/data/recordings"
RECORDER = Path(__file__).parents[2] / "initviz/record/pytorch.py"
SIGNAL, BRANCH = "Scale of the outputs", "Branch over skip"
CHARTS = {"mlp": 3, "mlp_he": 3, "resnet": 3, "gpt": 4, "gpt_wide": 4, "policy": 2, "lora": 3}


def drawn(window):
    """How many points each chart draws, by its name."""
    return window.page.evaluate("""() => Object.fromEntries([...document.querySelectorAll(
        "[data-testid='stVegaLiteChart']")].map(chart => [chart.getAttribute("aria-label") ?? "",
        chart.querySelectorAll("svg .mark-symbol path").length]))""")


@pytest.mark.parametrize("key", CHARTS)
def test_each_example_is_drawn(screen, key):
    window = screen(f"recording?example={key}")
    counts = drawn(window)
    assert len(counts) == CHARTS[key]
    assert all(count > 0 for count in counts.values()), counts
    assert window.page.locator("[data-testid='stException']").count() == 0


def test_containers_are_closed_and_opened_without_a_new_chart(screen):
    window = screen("recording?example=resnet&shown=1")
    closed = next(count for name, count in drawn(window).items() if name.startswith(SIGNAL))
    mark = "() => {document.querySelector(\"[data-testid='stVegaLiteChart'] svg\").dataset.kept = 'yes'}"
    window.page.evaluate(mark)
    window.page.get_by_role("combobox", name="Shown").click()
    window.act(lambda: window.page.get_by_role("option", name="Every output").click())
    opened = next(count for name, count in drawn(window).items() if name.startswith(SIGNAL))
    assert opened > 4 * closed
    assert window.page.evaluate(
        "() => document.querySelector(\"[data-testid='stVegaLiteChart'] svg\").dataset.kept") == "yes"


def test_an_uploaded_recording_is_compared_with_another_one(screen):
    window = screen("recording")
    window.page.get_by_role("button", name="Open your own recording").click()
    files = window.page.locator("[data-testid='stFileUploaderDropzoneInput']")
    window.act(lambda: files.nth(0).set_input_files(str(FOLDER / "gpt.json.gz")))
    assert len(drawn(window)) == 4
    window.act(lambda: files.nth(1).set_input_files(str(FOLDER / "gpt_wide.json.gz")))
    assert "4 times as wide" in " ".join(window.words())


def test_one_click_puts_the_whole_recorder_on_the_clipboard_and_another_downloads_it(screen):
    window = screen("recording", permissions=["clipboard-read", "clipboard-write"])
    window.page.get_by_role("button", name="Copy the recorder").click()
    window.page.get_by_text("save them as recorder.py").wait_for()
    assert window.page.evaluate("() => navigator.clipboard.readText()") == RECORDER.read_text("utf-8")
    window.page.get_by_role("button", name="How to record").click()
    with window.page.expect_download() as download:
        window.page.get_by_role("button", name="The recorder (recorder.py)").click()
    assert Path(download.value.path()).read_bytes() == RECORDER.read_bytes()


def test_the_example_of_one_page_is_not_asked_of_another(screen):
    window = screen("recording?example=gpt")
    for page in ("Audit", "Recording"):
        window.visit(page)
        assert window.page.locator("[data-testid='stException']").count() == 0
    assert "GPT, 12 blocks" in " ".join(window.words())
