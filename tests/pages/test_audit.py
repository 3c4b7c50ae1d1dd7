"""The page Audit: examples that work at once, a file of one's own, a recipe of one's own, and bad ones."""

from __future__ import annotations

import io

import numpy as np
import pytest
from pages.test_pages import charts, sound, visit, words

from initviz.app.audit.examples import EXAMPLES
from initviz.app.audit.request import RECIPE_LABELS
from initviz.diagnosis.audit import RECIPES

AUDIT = "pages/audit.py"


def saved(**arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def blocks(seed=0, count=6):
    rng = np.random.default_rng(seed)
    return {f"layers.{block}.weight": (rng.standard_normal((64, 64)) / 8).astype("f") for block in range(count)}


def upload(at, key, name, data):
    return sound(at.file_uploader(key=key).upload(name, data).run())


def test_the_first_visit_shows_the_scale_that_was_never_applied():
    at = visit(AUDIT)
    assert "24 errors" in at.error[0].value
    assert len(charts(at)) == 1


@pytest.mark.parametrize(("example", "heads", "pictures"), [
    ("gpt2", "Nothing is found", 1), ("encoder", "1 error", 2), ("lora", "errors", 1)])
def test_each_example_shows_what_its_name_says(example, heads, pictures):
    at = visit(AUDIT, example=EXAMPLES[example].label)
    assert heads in words(at) + "".join(element.value for element in (*at.error, *at.success))
    assert len(charts(at)) == pictures


def test_every_recipe_can_be_chosen():
    assert set(RECIPES) < set(RECIPE_LABELS)
    at = visit(AUDIT, example=EXAMPLES["gpt2"].label, recipe=RECIPE_LABELS["torch"])
    assert "errors" in at.error[0].value


def test_a_file_of_ones_own_takes_the_place_of_the_example_and_outlives_a_visit_elsewhere():
    at = upload(visit(AUDIT), "audit_file", "mine.npz", saved(**blocks()))
    assert "mine" in at.success[0].value
    assert at.selectbox(key="example").disabled
    at.switch_page("pages/signal.py").run()
    at.switch_page(AUDIT).run()
    assert "mine" in at.success[0].value
    at.button(key="audit_forget").click().run()
    assert "24 errors" in at.error[0].value


@pytest.mark.parametrize(("name", "data"), [
    ("bad.npz", b"hello"), ("bad.safetensors", b"\x08" + bytes(7) + b"nonsense"), ("bad.pt", b"PK"),
    ("model.onnx", b"x"), ("integers.npz", saved(a=np.arange(3)))])
def test_a_bad_file_gets_one_sentence_and_the_example_stays(name, data):
    at = upload(visit(AUDIT), "audit_file", name, data)
    assert len(at.error) == 2
    assert "24 errors" in at.error[1].value


def test_a_recipe_of_ones_own_is_held_against_the_file_and_a_bad_one_is_refused():
    at = visit(AUDIT, recipe=RECIPE_LABELS["file"])
    text = b"name = 'ours'\n[[tensor]]\npattern = '*ln_*.weight'\nlaw = 'constant'\nstd = '2'"
    at = upload(at, "recipe_file", "ours.toml", text)
    assert "25 errors" in at.error[0].value
    at = upload(at, "recipe_file", "ours.toml", b"x = [")
    assert "TOML" in at.error[0].value
