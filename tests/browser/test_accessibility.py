"""axe-core's rules on every page in both themes, and on what a page shows only when it is asked."""

from __future__ import annotations

import pytest
from browser.test_browser import ADDRESSES, VIEWS

pytestmark = pytest.mark.browser

# The marks of st.metric's own little charts have no names, and st.multiselect writes white on the theme's primary
# colour: on a dark page no colour stands out 4.5 to 1 as text and from white.
NOT_OURS = {"light": ("metric_chart_",), "dark": ("metric_chart_", "span[title=")}


ASKED = ["theory?show=Variance map", "theory?show=Depth × width&depth=3", "theory?show=Number formats",
         "lesson?step=zeros&guesses=-0-----", "?embed=true", "?layer=2", "?scrub=Gain&depth=4",
         "formulas?table=Activations", "symmetry?matrix=Similarities&moment=10",
         "training?steps=10&minibatch=16&tuned=Best for each", "diagnose?data=Your CSV", "diagnose?architecture=64-x"]


@pytest.mark.parametrize(("address", "view"), [(address, view) for address in ADDRESSES for view in ("light", "dark")]
                         + [(address, "light") for address in ASKED])
def test_no_page_has_a_serious_violation(screen, address, view):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    window = screen(address, **VIEWS[view])
    found = [(violation["id"], node["target"], node["failureSummary"])
             for violation in axe.run(window.page).response["violations"]
             if violation["impact"] in ("serious", "critical")
             for node in violation["nodes"] if not any(part in str(node["target"]) for part in NOT_OURS[view])]
    assert not found, found
