"""The first page in a real browser: what is seen before anything is touched, and what a click, a drag and back do."""

from __future__ import annotations

import re

import pytest

pytestmark = pytest.mark.browser

LAPTOPS = [(1440, 900), (1280, 720)]
# A needle or an outline stands in the column and row of its cell: how many of each a cell has.
CELLS = """() => {
  const marks = name => [...document.querySelectorAll(`.st-key-distributions svg .${name} > path,
    .st-key-distributions svg .${name} > line`)]
  const middle = mark => { const b = mark.getBoundingClientRect(); return [b.left + b.width / 2, b.top + b.height / 2] }
  const cells = [...document.querySelectorAll(".st-key-distributions svg .mark-rect")][0].children
  const inside = (cell, mark) => { const b = cell.getBoundingClientRect(), [x, y] = middle(mark)
    return b.left <= x && x <= b.right && b.top <= y && y <= b.bottom }
  const needles = marks("mark-rule")
  const outlines = [...document.querySelectorAll(".st-key-distributions svg .mark-area path")]
  return [...cells].map(cell => [needles.filter(mark => inside(cell, mark)).length,
                                 outlines.filter(mark => inside(cell, mark)).length])
}"""

# By how many pixels the worst text of a cell stands out of the cell that its middle is in.
OUTSTANDING = """() => {
  const picture = document.querySelector(".st-key-distributions svg.marks")
  const cells = [...picture.querySelector(".mark-rect").children].map(cell => cell.getBoundingClientRect())
  return Math.max(...[...picture.querySelectorAll(".mark-text text")].map(text => {
    const b = text.getBoundingClientRect(), x = (b.left + b.right) / 2, y = (b.top + b.bottom) / 2
    const cell = cells.find(c => c.left <= x && x <= c.right && c.top <= y && y <= c.bottom)
    return cell ? Math.max(cell.left - b.left, b.right - cell.right) : -1
  }))
}"""


def first_picture(window):
    """The distributions."""
    return window.page.locator(".st-key-distributions svg.marks")


def whole_in_window(window, place):
    """Whether a place of the page is wholly within the window."""
    box, size = place.bounding_box(), window.page.viewport_size
    return (box["x"] >= 0 and box["y"] >= 0 and box["x"] + box["width"] <= size["width"]
            and box["y"] + box["height"] <= size["height"])


@pytest.mark.parametrize(("width", "height"), LAPTOPS)
def test_the_first_picture_stands_above_the_fold_with_title_presets_verdicts_and_its_sample(screen, width, height):
    window = screen(viewport={"width": width, "height": height})
    page = window.page
    for place in (page.locator("h2"), first_picture(window), window.button("preset_zero"), window.button(
            "preset_lecun_selu"), page.locator("[data-testid='stImage'] img"), page.locator(".st-key-sample input")):
        assert whole_in_window(window, place)
    assert page.locator("[data-testid='stMain']").evaluate("main => main.scrollTop") == 0
    words = " ".join(first_picture(window).locator("text").all_text_contents())
    assert words.count("Healthy") + words.count("Drifting") == 3
    assert "all −0.611" in words


def test_what_is_written_in_a_cell_stays_in_it_at_every_width(screen):
    window = screen(viewport={"width": 1280, "height": 720})
    for width in (1280, 1024, 390):
        window.page.set_viewport_size({"width": width, "height": 720})
        window.settle()
        assert window.page.evaluate(OUTSTANDING) <= 2, width


def test_under_one_sample_constants_have_one_needle_a_layer_and_random_weights_a_spread(screen):
    window = screen()
    cells = window.page.evaluate(CELLS)
    assert len(cells) == 5 * 10
    assert cells[:20] == [[1, 0]] * 20
    assert cells[20:] == [[0, 1]] * 30


def test_all_samples_are_the_other_choice_and_stand_in_the_address(screen):
    window = screen()
    one = window.picture()
    window.act(window.page.locator(".st-key-view label").filter(has_text="All samples").click)
    assert window.query() == "?view=All samples"
    assert window.picture() != one
    assert window.page.evaluate(CELLS)[10] == [0, 1]  # a constant's first layer: the spread of the samples
    assert screen("?view=all").page.evaluate(CELLS) == window.page.evaluate(CELLS)


def test_another_sample_is_drawn_sent_through_and_written_into_the_address(screen):
    window = screen()
    image = window.page.locator("[data-testid='stImage'] img")
    first, picture = image.get_attribute("src"), window.picture()
    window.act(window.page.locator(".st-key-sample button").last.click)
    assert window.query() == "?sample=2"
    assert image.get_attribute("src") != first
    assert window.picture() != picture


@pytest.mark.parametrize(("width", "height"), LAPTOPS)
def test_a_click_on_a_cell_shows_the_layer_in_the_window_and_closing_it_goes_back(screen, width, height):
    window = screen(viewport={"width": width, "height": height})
    cells = first_picture(window).locator(".mark-rect").first.locator("path")
    window.act(lambda: cells.nth(26).click(position={"x": 5, "y": 5}))
    assert window.query() == "?layer=7"
    maps = window.page.get_by_role("dialog").locator("[aria-label^='Heat maps'] svg")
    assert maps.locator("image").count() == 5
    assert whole_in_window(window, maps)
    assert "Layer 7" in window.page.get_by_role("dialog").inner_text()
    window.act(window.button("next_layer").click)
    assert window.query() == "?layer=8"
    assert "Layer 8" in window.page.get_by_role("dialog").inner_text()
    window.act(lambda: window.page.keyboard.press("Escape"))
    assert window.page.get_by_role("dialog").count() == 0
    assert window.query() == ""


def test_a_layer_can_be_opened_by_the_keyboard_and_by_a_link(screen):
    window = screen()
    window.press("layer", "ArrowRight")
    assert window.query() == "?layer=1"
    assert window.page.get_by_role("dialog").locator("[aria-label^='Heat maps'] svg image").count() == 5
    assert screen("?layer=3").page.get_by_role("dialog").count() == 1


def test_back_after_a_click_on_a_cell_goes_to_the_picture_that_was_shown(screen):
    window = screen("?depth=4")
    before = window.page.evaluate(CELLS)
    window.act(lambda: first_picture(window).locator(".mark-rect").first.locator("path").nth(1).click(
        position={"x": 5, "y": 5}))
    assert window.query() == "?depth=4&layer=2"
    window.act(window.page.go_back)
    assert window.query() == "?depth=4"
    assert window.page.get_by_role("dialog").count() == 0
    assert window.page.evaluate(CELLS) == before


def test_the_slider_at_the_picture_moves_picture_verdicts_control_and_address_together(screen):
    window = screen("?scrub=gain&depth=6&width=32&init=Zeros&init=He+normal&activation=ReLU")
    live = window.page.locator("input[type='range'][max='4'][step='0.2']")
    picture = window.picture()
    assert "Gain does nothing for Zeros" in " ".join(window.words())
    window.act(lambda: live.fill("3"))
    assert "gain=3" in window.query()
    assert window.slider("gain").input_value() == "3"
    assert "Exploding" in " ".join(first_picture(window).locator("text").all_text_contents())
    assert window.picture() != picture
    window.press("gain", "Home")
    assert live.input_value() == "0"
    assert screen(window.query()).page.evaluate(CELLS) == window.page.evaluate(CELLS)


def test_share_gives_the_address_that_opens_the_same_picture_and_code_that_embeds_it(screen):
    window = screen("?depth=5")
    window.press("width", "ArrowRight")
    window.act(window.button("share").click)
    link, code = window.page.get_by_test_id("stPopoverBody").locator("code").all_inner_texts()
    assert screen(link).picture() == window.picture()
    source = re.search(r'src="([^"]+)"', code)[1].replace("&amp;", "&")
    embedded = screen(source)
    assert embedded.page.evaluate(CELLS) == window.page.evaluate(CELLS)
    assert embedded.page.get_by_test_id("stSidebar").count() == 0
    said = embedded.page.get_by_test_id("stBottom").inner_text()
    for words in ("Xavier normal", "tanh", "Digits", "depth 5", "width 129", "seed 0"):
        assert words in said


def test_the_presentation_view_has_larger_chart_text_and_puts_the_controls_aside(screen):
    plain, shown = screen(), screen("?present=true")
    sizes = [window.page.locator(".st-key-distributions .role-axis-label text").first.evaluate(
        "text => parseFloat(getComputedStyle(text).fontSize)") for window in (plain, shown)]
    assert sizes[1] > 1.2 * sizes[0]
    left = [window.page.locator(".st-key-seed input").bounding_box()["x"] for window in (plain, shown)]
    assert left[0] > 0 > left[1]
    assert "depth 10" in shown.page.get_by_test_id("stBottom").inner_text()


def test_in_a_narrow_window_the_navigation_folds_nothing_and_nothing_is_cut(screen):
    window = screen(viewport={"width": 1024, "height": 768})
    names = window.page.get_by_test_id("stTopNav").inner_text()
    assert "more" not in names
    assert "Check" in names
    assert names.split()[-1] == "Facts" or "Facts" in names
    assert window.overflow() <= 1
