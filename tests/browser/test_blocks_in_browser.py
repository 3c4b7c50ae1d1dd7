"""Residual and normalized networks on the pages of plain ones, in a real browser."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.browser

SMALL = "kind=Residual&init=He normal&activation=ReLU&width=16&depth=5&batch=16"


@pytest.mark.parametrize(("page", "words"), [
    ("symmetry", "What stays copies, and why"), ("theory", "Residual: 3 blocks"), ("diagnose", "Block by block")])
def test_a_residual_network_is_shown_and_follows_the_choice_of_a_normalization(screen, page, words):
    window = screen(f"{page}?{SMALL}")
    assert words in window.page.get_by_test_id("stMain").inner_text()
    before = window.picture()
    window.page.get_by_role("combobox", name="Normalization").click()
    window.act(lambda: window.page.get_by_role("option", name="LayerNorm", exact=True).click())
    assert "normalization=LayerNorm" in window.query()
    assert words in window.page.get_by_test_id("stMain").inner_text()
    assert window.picture() != before
