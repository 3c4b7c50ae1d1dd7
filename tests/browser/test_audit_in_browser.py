"""The page Audit in a real browser: its first picture, its table, and a file whose names are markup."""

from __future__ import annotations

import numpy as np
import pytest

pytestmark = pytest.mark.browser

CUT = """() => { const grid = document.querySelector("[data-testid='stDataFrame'] .dvn-scroller");
    return grid.scrollWidth - grid.clientWidth }"""


def test_the_missing_scale_is_drawn_and_the_table_is_seen_whole_on_a_laptop(screen):
    window = screen("audit")
    assert "24 errors" in window.page.locator("[data-testid='stAlert']").first.inner_text()
    chart = window.page.locator("[data-testid='stVegaLiteChart'] svg")
    assert "expected of attn.c_proj and mlp.c_proj" in " ".join(chart.locator("text").all_text_contents())
    window.page.locator("[data-testid='stDataFrame'] .dvn-scroller").scroll_into_view_if_needed()
    assert window.page.evaluate(CUT) <= 0


def test_names_of_a_file_are_text_on_the_page(screen, tmp_path):
    rng = np.random.default_rng(0)
    name = "**b** <img src=x onerror=document.title=1> :red[r] $x^2$ ![i](https://a.b/c)"
    np.savez(tmp_path / "hostile.npz", **{f"{name}.{at}.weight": np.full((8, 8), 0.5) if at else rng.standard_normal(
        (8, 8)) for at in range(3)})
    window = screen("audit")
    window.page.get_by_text("Your own file").click()
    window.act(lambda: window.page.locator("[data-testid='stFileUploaderDropzoneInput']").first.set_input_files(
        str(tmp_path / "hostile.npz")))
    assert "<img src=x onerror=document.title=1> :red[r] $x^2$" in " ".join(window.words())
    assert window.page.locator("[data-testid='stMarkdown'] img, [data-testid='stMarkdown'] .katex").count() == 0
