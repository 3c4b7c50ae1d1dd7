"""axe-core's rules on every page in both themes, and on what a page shows only when it is asked."""

from __future__ import annotations

import pytest
from browser.test_browser import ADDRESSES, SMALL, VIEWS

pytestmark = pytest.mark.browser

# The marks of st.metric's own little charts have no names, and st.multiselect writes white on the theme's primary
# colour: on a dark page no colour stands out 4.5 to 1 as text and from white.
NOT_OURS = {"light": ("metric_chart_",), "dark": ("metric_chart_", "span[title=")}
ASKED = ["theory?show=Variance map", "theory?show=Depth × width", "theory?show=Number formats",
         "lesson?step=zeros&guesses=-0-----", "?embed=true", "?layer=2", "?scrub=Gain", "formulas?table=Activations",
         "symmetry?matrix=Similarities&moment=10", "training?minibatch=16&tuned=Best for each",
         "diagnose?data=Your CSV", "diagnose?architecture=64-x"]
# The least contrast of what stands at the charts' axes, and how many charts are drawn on a canvas, whose text is black.
AXES = """() => {
  const light = color => { const parts = color.match(/[\\d.]+/g).slice(0, 3).map(part => part / 255)
    .map(part => part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]; };
  const page = getComputedStyle(document.querySelector("[data-testid='stApp']")).backgroundColor;
  const mixed = (color, share) => { const [a, b] = [color, page].map(one => one.match(/[\\d.]+/g).map(Number));
    return "rgb(" + [0, 1, 2].map(i => share * a[i] + (1 - share) * b[i]) + ")"; };
  const ratios = [...document.querySelectorAll(".role-axis-label text, .role-axis-title text")]
    .filter(text => text.textContent && +(text.getAttribute("opacity") ?? 1)).map(text => {
      const style = getComputedStyle(text);
      const pair = [light(mixed(style.fill, style.fillOpacity * style.opacity)), light(page)].sort((a, b) => b - a);
      return (pair[0] + 0.05) / (pair[1] + 0.05); });
  return [Math.min(21, ...ratios), document.querySelectorAll("[data-testid='stVegaLiteChart'] canvas").length];
}"""
BACKGROUND = "app => getComputedStyle(app).backgroundColor.match(/\\d+/g).slice(0, 3).map(Number)"


@pytest.mark.parametrize(("address", "view"), [(address, view) for address in ADDRESSES for view in ("light", "dark")]
                         + [(address, "light") for address in ASKED])
def test_what_is_shown_fits_its_window_in_its_theme_and_has_no_serious_violation(screen, address, view):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    window = screen(f"{address}{'&' if '?' in address else '?'}{SMALL}", **VIEWS[view])
    assert window.overflow() <= 1
    light = sum(window.page.get_by_test_id("stApp").evaluate(BACKGROUND)) > 3 * 128
    assert light == (view == "light")
    contrast, canvases = window.page.evaluate(AXES)
    assert contrast >= 4.5
    assert canvases == 0
    found = [(violation["id"], node["target"], node["failureSummary"])
             for violation in axe.run(window.page).response["violations"]
             if violation["impact"] in ("serious", "critical")
             for node in violation["nodes"] if not any(part in str(node["target"]) for part in NOT_OURS[view])]
    assert not found, found
