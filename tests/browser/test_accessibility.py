"""axe-core's rules on every page, in both themes."""

from __future__ import annotations

import pytest
from browser.test_browser import ADDRESSES, VIEWS

pytestmark = pytest.mark.browser

# The marks of st.metric's own little charts have no names, and st.multiselect writes white on the theme's primary
# colour: on a dark page no colour stands out 4.5 to 1 as text and from white.
NOT_OURS = {"light": ("metric_chart_",), "dark": ("metric_chart_", "span[title=")}


@pytest.mark.parametrize("view", ["light", "dark"])
@pytest.mark.parametrize("address", ADDRESSES)
def test_no_page_has_a_serious_violation(screen, address, view):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    window = screen(address, **VIEWS[view])
    found = [(violation["id"], node["target"], node["failureSummary"])
             for violation in axe.run(window.page).response["violations"]
             if violation["impact"] in ("serious", "critical")
             for node in violation["nodes"] if not any(part in str(node["target"]) for part in NOT_OURS[view])]
    assert not found, found
