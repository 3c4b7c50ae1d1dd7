"""The Training and Symmetry pages in a real browser."""

from __future__ import annotations

import contextlib

import pytest

from initviz.app.claims import explorer_address
from initviz.claims.experiment import ON_ZEROS, on_zeros
from initviz.training.zero_placement import FIRST_WIRING

pytestmark = pytest.mark.browser

MOONS = "training?input=Two moons&width=16&depth=3&batch=64&steps=50"
LONG = "training?input=Two moons&width=64&depth=10&steps=2000"
TRAINS = "() => /^Training.*step [1-9]/s.test(document.querySelector(\"[data-testid='stProgress']\")?.innerText ?? '')"
STOPPED = "() => document.querySelector(\"[data-testid='stProgress']\")?.innerText.startsWith('Stopped')"
PRESSES = 10
FILM = ("() => [...document.querySelectorAll(\"[aria-label^='Decision boundaries'] svg image\")]"
        ".map(image => image.outerHTML).join()")
SCRUB = """to => { const slider = document.querySelector("form.vega-bindings input[type='range'], .vega-bind input");
  slider.value = to; slider.dispatchEvent(new Event('input', {bubbles: true})); }"""


def progress(window):
    """What the progress bar says."""
    return window.page.get_by_test_id("stProgress").inner_text()


def test_the_scrubber_moves_the_boundary_without_the_server(screen):
    window = screen(MOONS)
    last, runs = window.page.evaluate(FILM), window.page.evaluate("seen.runs")
    window.page.evaluate(SCRUB, 0)
    window.page.wait_for_function(f"last => ({FILM})() !== last", arg=last)
    window.page.evaluate(SCRUB, 100)
    window.page.wait_for_function(f"last => ({FILM})() === last", arg=last)
    assert window.page.evaluate("seen.runs") == runs


def test_a_finished_race_is_kept_for_a_person_who_comes_back(screen):
    window = screen(MOONS)
    assert progress(window).startswith("Finished: 50 steps")
    table, curves = window.page.get_by_test_id("stDataFrame").count(), window.charts().nth(0).inner_html()
    assert table == 1
    window.visit("Formulas")
    window.page.get_by_role("link", name="Training").first.click()
    window.page.get_by_test_id("stProgress").wait_for()
    assert progress(window).startswith("Finished: 50 steps")
    window.settle()
    assert len(window.charts().nth(0).inner_html()) == pytest.approx(len(curves), rel=0.05)


def test_the_stop_button_stops_and_the_race_goes_on_where_it_was(screen):
    window = screen("formulas?depth=2")
    window.page.goto(f"{window.base}/{LONG}")
    window.button("stop").wait_for()
    window.page.wait_for_function(TRAINS)
    window.button("stop").click()
    window.page.wait_for_function(STOPPED)
    window.settle()
    stopped = progress(window)
    assert "of 2000" in stopped
    window.page.wait_for_timeout(600)
    assert progress(window) == stopped
    window.button("go").click()
    window.page.wait_for_function(
        "said => document.querySelector(\"[data-testid='stProgress']\").innerText !== said", arg=stopped)
    assert progress(window).startswith("Training")


def test_the_headers_stop_stops_the_race_as_the_pages_does_and_it_goes_on(screen):
    from playwright.sync_api import TimeoutError, expect

    window = screen("formulas?depth=2")
    window.page.goto(f"{window.base}/{LONG}")
    window.page.wait_for_function(TRAINS)
    stop = window.page.get_by_test_id("stStatusWidget").get_by_role("button", name="Stop")
    for _ in range(PRESSES):  # the header offers Stop while a look runs; one pressed as the look ends stops nothing
        with contextlib.suppress(TimeoutError):
            stop.click(timeout=3000)
            window.page.wait_for_function(STOPPED, timeout=3000)
            break
    expect(window.button("stop")).to_be_disabled()
    window.button("go").click()
    window.page.wait_for_function(TRAINS)  # the bar is drawn before the buttons beside it
    expect(window.button("stop")).to_be_enabled()


def test_the_curves_grow_while_the_race_is_run(screen):
    window = screen("formulas?depth=2")
    window.page.goto(f"{window.base}/{LONG}")
    grown = "() => document.querySelectorAll(\"[aria-label^='Training loss'] svg path[stroke-width='2.2']\")[0]?" \
            ".getAttribute('d')"
    window.page.wait_for_function(f"() => ({grown})()")
    first = window.page.evaluate(grown)
    window.page.wait_for_function(f"first => ({grown})() !== first", arg=first)
    window.check()


def test_the_step_slider_trains_and_the_copies_stay_copies(screen):
    window = screen("symmetry?init=Constant&width=16&depth=3&batch=32&steps=10")
    neurons = window.page.get_by_test_id("stTable").filter(has_text="Symmetry gap")
    before = neurons.inner_text()
    assert "1 of 16" in before
    window.press("after_steps", "ArrowRight", times=3)
    after = neurons.inner_text()
    assert "1 of 16" in after
    assert "after_steps=5" in window.query()
    assert after != before


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (1280, 720)])
def test_both_collapses_are_seen_before_one_scrolls(screen, width, height):
    window = screen("symmetry", viewport={"width": width, "height": height})
    drawn = window.page.locator("[aria-label^='Outputs of the neurons layer by layer'] svg").first.bounding_box()
    assert drawn["y"] + drawn["height"] <= height


@pytest.mark.parametrize("wiring", [FIRST_WIRING, "alpha"])
def test_a_link_to_where_zeros_may_stand_opens_that_topic(screen, wiring):
    window = screen(explorer_address(*on_zeros(wiring)).removeprefix("./"))
    window.page.get_by_role("heading", name=ON_ZEROS).wait_for()
    assert window.page.get_by_role("tab", selected=True).inner_text() == ON_ZEROS


@pytest.mark.parametrize("view", [{}, {"viewport": {"width": 390, "height": 844}}], ids=["laptop", "phone"])
def test_where_zeros_may_stand_is_drawn_guessed_and_answered(screen, view):
    window = screen("symmetry?depth=2&width=8&batch=8&topic=Where may zeros stand?", **view)
    diagram = window.page.locator("[aria-label^='A small network: tensors'] svg").first
    assert "zero" in diagram.text_content()
    assert "step" not in diagram.text_content()
    pills = window.page.get_by_test_id("stButtonGroup").filter(has_text="Which tensors ever get")
    window.act(lambda: pills.get_by_role("button", name="B").click())
    window.act(lambda: window.button("zeros_compare").click())
    assert "step 1" in diagram.text_content()
    assert "waits one step" in window.page.get_by_test_id("stAlert").filter(has_text="Not so").inner_text()
    assert window.page.get_by_label("Largest entry of each tensor's gradient").count()
    window.act(lambda: window.button("zeros_usual").click())
    assert window.overflow() == 0
    window.check()
