"""The reader of recordings: what it gives, what it refuses in one sentence, and thousands of damaged files."""

from __future__ import annotations

import copy
import gzip
import json
import math
import random
import time
import tracemalloc
import zlib
from pathlib import Path

import jsonschema
import pytest

from initviz.files.recording import MOST_JSON_BYTES, SCHEMA, read_recording

FOLDER = Path(__file__).parents[2] / "initviz/data/recordings"
EXAMPLES = sorted(FOLDER.glob("*.json.gz"))
MUTATED = 2_000
VALIDATOR = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text("utf-8")))


def unpacked(name):
    return json.loads(gzip.decompress((FOLDER / f"{name}.json.gz").read_bytes()))


def packed(value):
    return gzip.compress(json.dumps(value).encode(), mtime=0)


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(VALIDATOR.schema)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_every_example_is_small_follows_the_schema_and_is_read(path):
    data = path.read_bytes()
    assert len(data) <= 64_000
    given = json.loads(gzip.decompress(data))
    VALIDATOR.validate(given)
    for form in (data, gzip.decompress(data)):
        recording = read_recording(form)
        assert [row.path for row in recording.rows] == [row["path"] for row in given["rows"]]
        assert [p.name for p in recording.parameters] == [p["name"] for p in given["parameters"]]
        assert recording.loss.value == given["loss"]["value"]


def test_all_five_kinds_of_models_are_examples():
    assert {path.name.split(".")[0] for path in EXAMPLES} >= {"mlp", "resnet", "gpt", "policy", "lora"}


def test_what_is_not_finite_is_read_as_such():
    given = unpacked("mlp")
    given["rows"][0] |= {"rms": "inf", "mean": "nan", "least": "-inf"}
    row = read_recording(packed(given)).rows[0]
    assert (row.rms, row.least, math.isnan(row.mean), row.finite) == (math.inf, -math.inf, True, False)


def test_fields_that_are_not_known_are_passed_over():
    given = unpacked("mlp") | {"note": ["of a later recorder"]}
    assert repr(read_recording(packed(given))) == repr(read_recording(packed(unpacked("mlp"))))


def changed(place, value):
    def change():
        given = unpacked("mlp")
        part = given
        for key in place[:-1]:
            part = part[key]
        part[place[-1]] = value
        return packed(given)
    return change


@pytest.mark.parametrize(("make", "sentence"), [
    (lambda: b"", "the file must be JSON"), (lambda: b"\x1f\x8b", "a whole gzip file"),
    (lambda: b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
    (lambda: b"<!doctype html><html>", "this is a web page"),
    (lambda: (FOLDER / "mlp.json.gz").read_bytes()[:-20], "a whole gzip file"), (lambda: b"[]", "must be object"),
    (lambda: b'{"a": NaN}', "must be JSON"), (lambda: b"[" * 100_000, "must be JSON"),
    (lambda: b"\xff\xfe", "must be JSON"), (lambda: b"9" * 5_000, "must be JSON"),
    (lambda: gzip.compress(b" " * (MOST_JSON_BYTES + 1)), "at most 8 MB of JSON"),
    (lambda: b"[" + b"{}," * 900_000 + b"{}]", "at most 800,000 values"),
    (lambda: random.Random(0).randbytes(4_000_001), "at most 4 MB"),
    (changed(("version",), 2), "version must be 1"), (changed(("format",), "other"), "format must be"),
    (changed(("rows", 0, "rms"), "big"), r"rows\[0\].rms must match"),
    (changed(("rows", 1, "from"), [1]), r"rows\[1\].from must be places of earlier measured rows, got 1"),
    (changed(("rows", 1, "same_as"), 5), "must be the place of an earlier measured row"),
    (changed(("rows", 1, "distinct"), 10**6), "at most its units"),
    (changed(("rows", 2), {"path": "", "kind": "", "call": 1, "shape": [], "dtype": ""}), "holds neither"),
    (changed(("rows", 0, "zero_share"), 1.5), "zero_share must be at least 0 and at most 1, got 1.5"),
    (changed(("rows", 0, "shape"), [True]), r"shape\[0\] must be integer"),
    (changed(("parameters", 1, "name"), "0.weight"), "no other parameter's"),
    (changed(("parameters", 1, "gradients"), []), "as many steps"),
    (changed(("model",), "x" * 500), "model must have at most 400 letters"),
    (changed(("rows", 0, "path"), "\ud800"), r"rows\[0\].path must be valid Unicode"),
    (changed(("rows",), [{}] * 5000), "rows must have 0 to 4000 entries")])
def test_a_bad_recording_gets_one_sentence(make, sentence):
    with pytest.raises(ValueError, match=sentence) as caught:
        read_recording(make())
    assert len(str(caught.value)) < 300


def test_a_small_file_that_unpacks_to_much_takes_little_memory():
    bomb = gzip.compress(b"0" * 200_000_000)
    assert len(bomb) < 300_000
    tracemalloc.start()
    with pytest.raises(ValueError, match="at most 8 MB"):
        read_recording(bomb)
    assert tracemalloc.get_traced_memory()[1] < 60_000_000
    tracemalloc.stop()


def test_a_recorder_of_another_framework_may_write_the_least():
    def row(path, kind, rms):
        return {"path": path, "kind": kind, "call": 1, "shape": [8, 4], "dtype": "float32", "rms": rms, "mean": 0,
                "std": rms, "least": -rms, "most": rms, "zero_share": 0}

    given = {"format": "initviz recording", "version": 1, "framework": "JAX 0.9", "model": "MLP",
             "loss": {"value": 1.5}, "parameters": [
                 {"name": "Dense_0/kernel", "module": "Dense", "shape": [4, 4], "dtype": "float32", "trainable": True,
                  "gradients": []}],
             "rows": [row("Dense_0", "Dense", 1.0), row("", "relu", 0.7), row("Dense_1", "Dense", 1.0)]}
    VALIDATOR.validate(given)
    recording = read_recording(packed(given))
    assert [row.sources for row in recording.rows] == [(), (0,), (1,)]
    assert recording.framework == "JAX 0.9"


HOSTILE = (None, True, -1, 0, 1, 2, 1e308, -1e308, 10**400, 0.5, "", "nan", "inf", "-inf", "x", "x" * 1000, [], {},
           [0], [[]], {"a": 1}, [None], ["nan"], [-65, 1001], 3999, 10**12, "<b>&amp;</b>", "\0\n", [1] * 200)


def somewhere(rng, part):
    """A container within a JSON value that holds something, and a key of it."""
    while True:
        key = rng.choice(list(part) if isinstance(part, dict) else range(len(part)))
        inside = part[key]
        if not isinstance(inside, dict | list) or not inside or rng.random() < 0.1:
            return part, key
        part = inside


def well_formed(rng, given):
    """A recording with a few of its values replaced, left out or doubled."""
    given = copy.deepcopy(given)
    for _ in range(rng.choice([1, 1, 1, 2, 5])):
        part, key = somewhere(rng, given)
        action = rng.random()
        if action < 0.15:
            del part[key]
        elif action < 0.25 and isinstance(part, list):
            part.insert(key, copy.deepcopy(part[key]))
        else:
            part[key] = copy.deepcopy(rng.choice(HOSTILE))
    return given


def damaged(rng, data):
    """Bytes with some of them changed, cut out or doubled."""
    data = bytearray(data)
    for _ in range(rng.choice([1, 1, 3, 20])):
        place = rng.randrange(len(data))
        kind = rng.random()
        if kind < 0.6:
            data[place] = rng.randrange(256)
        elif kind < 0.8:
            del data[place:place + rng.randrange(1, 50)]
        else:
            data[place:place] = data[place:place + rng.randrange(1, 50)]
    return bytes(data)


def small():
    """Recordings of each kind, cut to a few rows so that thousands are soon read."""
    for name in ("mlp", "resnet", "gpt", "policy", "lora"):
        given = unpacked(name)
        given["rows"], given["parameters"] = given["rows"][:14], given["parameters"][:6]
        yield given


def mutations(count, seed=0):
    rng, originals = random.Random(seed), list(small())
    for place in range(count):
        given = originals[place % len(originals)]
        if place % 4 == 0:
            yield None, damaged(rng, json.dumps(given).encode())
        elif place % 40 == 1:
            yield None, damaged(rng, packed(given))
        else:
            mutated = well_formed(rng, given)
            yield mutated, gzip.compress(json.dumps(mutated).encode(), 1)


def test_two_thousand_mutations_are_read_or_refused_in_one_sentence():
    read = refused = 0
    slowest = 0.0
    for mutated, data in mutations(MUTATED):
        begun, sentence = time.process_time(), ""
        try:
            read_recording(data)
            read += 1
        except ValueError as error:
            sentence = str(error)
            refused += 1
            assert 10 < len(sentence) < 500, sentence
            assert "\n" not in sentence
        slowest = max(slowest, time.process_time() - begun)
        if mutated is not None and not VALIDATOR.is_valid(mutated):
            assert sentence, mutated
    assert read > MUTATED / 10
    assert refused > MUTATED / 4
    assert slowest < 2


def test_compressed_data_that_lies_about_itself_is_refused():
    whole = packed(unpacked("mlp"))
    for data in (whole + b"trailing", whole[:10] + zlib.compress(b"{}"), b"\x1f\x8b\x08\x00" + bytes(30)):
        with pytest.raises(ValueError, match="whole gzip file"):
            read_recording(data)
