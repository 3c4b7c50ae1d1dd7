"""axe-core's rules on every page in both themes, and on what a page shows only when it is asked."""

from __future__ import annotations

import numpy as np
import pytest
from browser.test_browser import ADDRESSES, SMALL, VIEWS
from charts.test_palette import contrast

pytestmark = pytest.mark.browser

# The marks of st.metric's own little charts have no names, and st.multiselect writes white on the theme's primary
# color: on a dark page no color stands out 4.5 to 1 as text and from white.
NOT_OURS = {"light": ("metric_chart_",), "dark": ("metric_chart_", "span[title=")}
ASKED = ["theory?show=Variance map", "theory?show=Depth × width", "theory?show=Number formats",
         "lesson?step=zeros&guesses=-0-----", "?embed=true", "?layer=2", "?scrub=Gain", "formulas?table=Activations",
         "symmetry?matrix=Similarities&after_steps=10", "training?minibatch=16&tuned=Best for each",
         "diagnose?data=Your CSV", "diagnose?architecture=64-x"]
# What stands at the charts' axes: the color of each word and how much of it is painted over the page.
WORDS = """() => [...document.querySelectorAll(".role-axis-label text, .role-axis-title text")]
  .filter(text => text.textContent && +(text.getAttribute("opacity") ?? 1)).map(text => {
    const style = getComputedStyle(text);
    return [style.fill.match(/\\d+/g).slice(0, 3).map(Number), style.fillOpacity * style.opacity]; })"""
BACKGROUND = "app => getComputedStyle(app).backgroundColor.match(/\\d+/g).slice(0, 3).map(Number)"


@pytest.mark.parametrize(("address", "view"), [(address, view) for address in ADDRESSES for view in ("light", "dark")]
                         + [(address, "light") for address in ASKED])
def test_what_is_shown_fits_its_window_in_its_theme_and_has_no_serious_violation(screen, address, view):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    window = screen(f"{address}{'&' if '?' in address else '?'}{SMALL}", **VIEWS[view])
    assert window.overflow() <= 1
    page = np.array(window.page.get_by_test_id("stApp").evaluate(BACKGROUND))
    assert (page.sum() > 3 * 128) == (view == "light")
    for color, share in window.page.evaluate(WORDS):
        assert contrast(share * np.array(color) + (1 - share) * page, page) >= 4.5
    assert window.page.locator("[data-testid='stVegaLiteChart'] canvas").count() == 0  # where text is always black
    assert not violations(axe, window, view)
    if address in ADDRESSES:
        assert_what_a_click_opens_has_no_serious_violation(axe, window, view)


def assert_what_a_click_opens_has_no_serious_violation(axe, window, view):
    but = "scrollable-region-focusable",  # a browser makes what scrolls focusable by itself, Streamlit's boxes too
    for expander in window.page.get_by_test_id("stExpander").locator("summary").all():
        expander.click()
    window.settle()
    assert not violations(axe, window, view, but)
    for popover in window.page.get_by_test_id("stPopover").get_by_role("button").all():
        popover.click()
        window.page.get_by_test_id("stPopoverBody").wait_for()
        window.settle()
        assert not violations(axe, window, view, but, "[data-testid=stPopoverBody]")
        window.page.keyboard.press("Escape")
        window.page.get_by_test_id("stPopoverBody").wait_for(state="hidden")


def violations(axe, window, view, but=(), inside=None):
    """What axe finds that is serious and ours, ``but`` for these rules, on the page or ``inside`` a part of it."""
    return [(violation["id"], node["target"], node["failureSummary"])
            for violation in axe.run(window.page, inside).response["violations"]
            if violation["impact"] in ("serious", "critical") and violation["id"] not in but
            for node in violation["nodes"] if not any(part in str(node["target"]) for part in NOT_OURS[view])]
