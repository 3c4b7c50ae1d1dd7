"""The Theory page in a real browser."""

from __future__ import annotations

import re

import pytest

pytestmark = pytest.mark.browser

SMALL = "theory?width=16&depth=5&batch=16"
SWEEP = "theory?show=Depth × width&deepest=100&widest=256&seeds=100&width=16&depth=5&batch=16"


def diagram(window):
    """The phase diagram."""
    return window.page.locator("[aria-label^='Phase diagram'] svg")


def sigmas(window):
    """sigma_w and sigma_b as the address has them."""
    return tuple(float(re.search(rf"{key}=([\d.]+)", window.query())[1]) for key in ("sigma_w", "sigma_b"))


def test_a_click_in_the_diagram_moves_the_network_there(screen):
    window = screen(SMALL)
    plane = diagram(window)
    box, before, drawn = plane.bounding_box(), window.picture(), plane.evaluate("svg => svg.outerHTML")
    window.act(lambda: plane.click(position={"x": 0.3 * box["width"], "y": 0.3 * box["height"]}))
    left = sigmas(window)
    assert "is ordered" in " ".join(window.words())
    window.act(lambda: plane.click(position={"x": 0.9 * box["width"], "y": 0.6 * box["height"]}))
    right = sigmas(window)
    assert "is chaotic" in " ".join(window.words())
    assert right[0] > left[0] + 1
    assert right[1] < left[1]
    assert all(10 * value == pytest.approx(round(10 * value)) for value in left + right)
    assert window.picture() != before
    assert plane.evaluate("svg => svg.outerHTML") != drawn
    again = screen(f"theory{window.query()}")
    assert sigmas(again) == right


def test_a_sweep_can_be_stopped_and_goes_on(screen):
    window = screen(SMALL)
    window.page.goto(f"{window.base}/{SWEEP}")
    said = "() => document.querySelector(\"[data-testid='stProgress']\")?.innerText ?? ''"
    window.page.wait_for_function(f"() => /^Sweeping: [1-9]/.test(({said})())")
    window.button("sweep_stop").click()
    window.page.wait_for_function(f"() => ({said})().startsWith('Stopped')")
    window.settle()
    stopped = window.page.evaluate(said)
    window.page.wait_for_timeout(700)
    assert window.page.evaluate(said) == stopped
    window.button("sweep_go").click()
    window.page.wait_for_function(f"said => ({said})() !== said && ({said})().startsWith('Sweeping')", arg=stopped)
    window.check()
