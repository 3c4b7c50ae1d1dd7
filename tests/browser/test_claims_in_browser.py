"""The pages of experiments in a real browser."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.browser


def test_a_sentence_opens_in_the_explorer_with_its_settings(screen):
    window = screen("notes?note=11. Xavier: smooth propagation&xavier_smooth_depth=12&seed=3")
    assert "the first of 11 hidden layers" in " ".join(window.words())
    with window.context.expect_page() as opened:
        window.page.locator(".st-key-explore a:visible").first.click()
    address = opened.value.url
    opened.value.close()
    there = screen(address)
    assert {"depth=12", "width=256", "activation=ReLU", "init=Xavier normal", "seed=3"} <= set(
        there.query()[1:].split("&"))
    assert "Xavier normal" in " ".join(there.words())
    assert there.charts().count() == 3


def test_a_link_opens_the_same_bent_experiment(screen):
    window = screen("notes?note=7. One value: slow convergence")
    assert "does not hold" in " ".join(window.words())
    window.press("same_slow_epsilon", "End")
    assert "holds only if" in " ".join(window.words())
    again = screen(f"notes{window.query()}")
    assert again.words() == window.words()
    assert again.picture() == window.picture()
