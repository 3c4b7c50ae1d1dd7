"""The lesson as a person walks it: the small network, the worksheet, every step on a phone."""

from __future__ import annotations

import re

import pytest
from browser.test_browser import MARK, MARKED, VIEWS

from initviz.app.lesson.steps import GUESS_ORDER, STEPS

pytestmark = pytest.mark.browser

WRONG = "0220211000"  # an answer to each step, most of them wrong
HAND = f"lesson?step=hand&guesses={WRONG}"
LABELS = ("() => [...document.querySelectorAll(\"[aria-label^='A small network'] svg text\")]"
          ".map(text => text.textContent)")


def test_a_step_keeps_copies_and_a_nudge_parts_them_in_the_drawing_which_stays_in_place(screen):
    window = screen(HAND)
    window.page.evaluate(MARK)
    assert window.page.evaluate(LABELS).count("0.5") == 9
    window.act(window.button("by_hand_step").click)
    labels = window.page.evaluate(LABELS)
    assert [labels.count(text) for text in ("0.619", "0.441", "0.562")] == [3, 3, 3]
    assert "weights=0.618" in window.query()
    window.press("by_hand_value", "ArrowRight")
    window.act(window.button("by_hand_step").click)
    assert "h₂ and h₃ have equal weights" in " ".join(window.words())
    assert window.page.evaluate(MARKED) == [True]
    link = window.page.url
    again = screen(link)
    assert again.page.evaluate(LABELS) == window.page.evaluate(LABELS)


def test_zeros_are_followed_to_an_exact_0(screen):
    window = screen(HAND)
    window.act(window.button("by_hand_zero").click)
    before = window.picture()
    assert "exactly 0" in " ".join(window.words())
    window.act(window.button("by_hand_step").click)
    assert window.picture() == before


@pytest.mark.parametrize("view", ["phone", "dark"])
@pytest.mark.parametrize("key", STEPS)
def test_every_step_fits_its_window_with_its_answer_open(screen, key, view):
    window = screen(f"lesson?step={key}&guesses={WRONG}", **VIEWS[view])
    assert window.overflow() <= 1
    assert window.charts().count() >= 1


def test_the_worksheet_opens_without_the_app_and_prints_its_answers_on_a_second_page(screen, browser):
    window = screen("lesson")
    with window.page.expect_download() as coming:
        window.button("worksheet").click()
    page = browser.new_page()
    requests = []
    page.on("request", lambda request: requests.append(request.url))
    page.set_content(coming.value.path().read_text())
    assert coming.value.suggested_filename.endswith(".html")
    assert page.locator("section.step").count() == 2 * len(STEPS)
    assert page.locator("svg").count() == 2
    assert not requests
    assert len(re.findall(rb"/Type\s*/Page\b", page.pdf(prefer_css_page_size=True))) == 2  # questions, answers
    page.close()


def test_begun_again_the_lesson_has_neither_guesses_nor_weights(screen):
    window = screen(HAND)
    window.act(window.button("by_hand_zero").click)
    window.act(window.button("forget").click)
    assert window.query() == ""
    assert f"0 of {len(GUESS_ORDER)}" in " ".join(window.words())
    assert window.page.locator("input[type='radio']:checked").count() <= 1  # that of the step
