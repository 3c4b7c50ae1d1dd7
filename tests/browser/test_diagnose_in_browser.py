"""The page Diagnose in a real browser: what a person uploads stays while they look at another page."""

from __future__ import annotations

import numpy as np
import pytest

pytestmark = pytest.mark.browser


def test_an_upload_survives_a_visit_to_another_page_of_the_session(screen, tmp_path):
    rng = np.random.default_rng(0)
    file = tmp_path / "mine.csv"
    rows = "".join(f"{a:.3f},{b:.3f},{'yes' if a > b else 'no'}\n" for a, b in rng.standard_normal((64, 2)))
    file.write_text(f"a,b,kind\n{rows}")
    window = screen("diagnose?data=csv&architecture=2-8-2&batch=32")
    window.act(lambda: window.page.locator(".st-key-data_file input[type='file']").set_input_files(str(file)))
    read = [words for words in window.words() if "The target 'kind' is read as 2 classes" in words]
    assert read
    window.visit("Notes")
    assert not [words for words in window.words() if "'kind'" in words]
    window.visit("Diagnose")
    assert [words for words in window.words() if "The target 'kind' is read as 2 classes" in words] == read
    assert window.page.get_by_role("button", name="Forget mine.csv").count() == 1
    assert window.charts().count() == 2
