"""The page Audit: examples that work at once, a file of one's own, a recipe of one's own, and bad ones."""

from __future__ import annotations

import io
import json
from itertools import pairwise

import numpy as np
import pytest
import safetensors.numpy
from pages.test_pages import charts, sound, visit, words

from initviz.app.audit.examples import EXAMPLES, examined_example
from initviz.app.audit.request import RECIPE_LABELS
from initviz.diagnosis.audit import RECIPES
from initviz.diagnosis.audit.pictures import scale_data

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


def test_lines_that_cover_one_another_are_all_seen_and_named():
    order = ["attn.c_proj", "mlp.c_proj", "attn.c_attn", "mlp.c_fc"]
    said = words(visit(AUDIT)).replace("\\", "")
    assert f"On one another, from the widest line to the one on top, run {', '.join(order[:3])} and {order[3]}." in said
    lines = scale_data(examined_example("unscaled", 0).judged(RECIPES["gpt2"]))["lines"]
    widths = dict(zip(lines["label"], lines["width"], strict=True))
    assert list(widths) == order  # as they are drawn
    assert all(below - above >= 2 for below, above in pairwise(widths.values()))


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


def shard(**arrays):
    return safetensors.numpy.save(arrays)


HALVES = [{name: values for name, values in blocks().items() if (name < "layers.3") == first}
          for first in (True, False)]
INDEX = json.dumps({"weight_map": {name: f"model-{part}.safetensors" for part, half in enumerate(HALVES)
                                   for name in half}})


@pytest.mark.parametrize("index", [[], [("model.safetensors.index.json", INDEX.encode(), "application/json")]])
def test_several_files_are_the_shards_of_one_model(index):
    shards = [(f"model-{part}.safetensors", shard(**half), "") for part, half in enumerate(HALVES)]
    at = visit(AUDIT)
    at = sound(at.file_uploader(key="audit_file").set_value([*index, *shards]).run())
    assert "Nothing is found" in at.success[0].value
    assert "6 tensors" in at.success[0].value
    assert f"{2 + len(index)} files" in at.success[0].value


@pytest.mark.parametrize(("files", "sentence"), [
    ([("model.safetensors.index.json", INDEX.encode())], "must be given too"),
    ([("a.safetensors", shard(**HALVES[0])), ("b.safetensors", shard(**HALVES[0]))], "stands in two"),
    ([("model.safetensors.index.json", b"[]"), ("a.safetensors", shard(**HALVES[0]))], "must be the index"),
    ([("config.json", b"{}"), ("a.safetensors", shard(**HALVES[0]))], "must end in"),
    ([("a.npz", bytes(25_000_000)), ("b.npz", bytes(25_000_000))], "40 MB together")])
def test_shards_that_are_no_model_get_one_sentence(files, sentence):
    at = visit(AUDIT)
    at = sound(at.file_uploader(key="audit_file").set_value([(name, data, "") for name, data in files]).run())
    assert sentence in at.error[0].value
    assert "24 errors" in at.error[1].value


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
