"""Back and forward in a real browser: each step is a state that was shown."""

import pytest

from initviz.app.presets import PRESETS

pytestmark = pytest.mark.browser
ENTRIES = """() => navigation.entries().map(entry =>
  decodeURIComponent(entry.url.replace(/^.*?:\\d+\\//, "").replaceAll("+", " ")))"""


def entries(window):
    """The addresses that back and forward go through."""
    return window.page.evaluate(ENTRIES)


def shown(window):
    """All that the charts draw; what a chart keeps of earlier runs, without a size, is left out."""
    return {line for line in window.picture().splitlines() if len(line.split()) > 2}


def checked(window):
    """The presets that are marked as shown."""
    marks = window.page.locator("[class*='st-key-preset_'] button").filter(
        has=window.page.locator("[data-testid='stIconMaterial']"))
    return {text.removeprefix("check").strip() for text in marks.all_inner_texts()}


def test_a_preset_is_one_step_of_the_history_and_back_shows_what_was_shown_before(screen):
    window = screen()
    first = shown(window)
    window.act(window.button("preset_large").click)
    large = shown(window)
    window.act(window.button("preset_xavier_relu").click)
    assert entries(window) == ["", "?init=Normal&std=1", "?activation=ReLU&init=Xavier normal&std=1"]
    window.act(window.page.go_back)
    assert shown(window) == large
    assert checked(window) == {PRESETS["large"].label}
    assert window.slider("std").input_value() == "1"
    window.act(window.page.go_back)
    assert shown(window) == first
    assert checked(window) == set()
    window.act(window.page.go_forward)
    assert shown(window) == large


def test_reset_is_one_step_of_the_history(screen):
    window = screen("?depth=4&gain=2&activation=ReLU")
    before = shown(window)
    window.act(window.button("reset").click)
    assert entries(window)[-2:] == ["?depth=4&gain=2&activation=ReLU", ""]
    window.act(window.page.go_back)
    assert shown(window) == before
    assert window.slider("depth").input_value() == "4"


def test_a_click_in_the_phase_diagram_is_one_step_of_the_history(screen):
    window = screen("theory?deepest=10&seeds=5")
    window.act(lambda: window.charts().first.locator("svg, canvas").first.click(position={"x": 200, "y": 120}))
    first, after = entries(window)
    assert first == "theory?deepest=10&seeds=5"
    assert "sigma_w" in after
    assert "sigma_b" in after
    window.act(window.page.go_back)
    assert (window.slider("sigma_w").input_value(), window.slider("sigma_b").input_value()) == ("1.5", "0.3")


def test_another_page_is_one_step_and_back_brings_settings_and_choices_of_the_page_left(screen):
    window = screen("?sample=2")
    window.act(window.button("preset_constant").click)
    before = shown(window)
    window.visit("Lesson")
    window.visit("Theory")
    window.act(lambda: window.page.get_by_role("tab", name="Two inputs").click())
    window.visit("Symmetry")
    constant, own = "init=Constant&sample=2", "&show=Two inputs"
    assert entries(window) == ["?sample=2", *(f"{page}?{constant}" for page in ("", "lesson")),
                               *(f"{page}?{constant}{own}" for page in ("theory", "symmetry"))]
    window.act(window.page.go_back)
    assert window.page.get_by_role("tab", selected=True).all_inner_texts() == ["Two inputs"]
    window.act(window.page.go_back)
    window.act(window.page.go_back)
    assert shown(window) == before


def test_a_page_that_is_visited_again_has_its_own_choices_and_its_link_those_alone(screen):
    window = screen("theory?show=Two+inputs&deepest=10&seeds=5")
    window.visit("Formulas")
    window.act(lambda: window.page.get_by_test_id("stPopover").locator("button").first.click())
    assert "show=" not in window.page.get_by_test_id("stCode").first.inner_text()
    window.act(lambda: window.page.keyboard.press("Escape"))
    window.visit("Theory")
    assert window.page.get_by_role("tab", selected=True).all_inner_texts() == ["Two inputs"]
    assert "show=Two inputs" in window.query()


def test_back_to_an_address_that_was_not_allowed_opens_the_nearest_that_is(screen):
    window = screen("?seed=inf&depth=3")
    window.act(window.button("preset_zero").click)
    window.act(window.page.go_back)
    window.page.go_back()
    window.page.wait_for_timeout(1500)
    window.settle()
    assert "depth=3" in window.query()
    assert "inf" not in window.query()


def test_a_link_with_a_setting_by_its_former_name_opens_what_it_did(screen):
    window = screen("diagnose?architecture=64-16-10&start=He normal")
    assert window.query() == "?architecture=64-16-10&initializer=He normal"
    assert window.page.locator(".st-key-initializer input").input_value() == "He normal"
