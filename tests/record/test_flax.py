"""The recorder of Flax models: recordings that it made, and its numbers beside those of the recorder for PyTorch."""

from __future__ import annotations

import gzip
import importlib.util
import json
import math
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import jsonschema
import numpy as np
import pytest

from initviz.diagnosis.recording import examine
from initviz.diagnosis.recording.report import facts
from initviz.files.recording import SCHEMA, read_recording

torch = pytest.importorskip("torch")
from initviz.record import pytorch

FOLDER = Path(__file__).parent / "flax"  # made by make_flax.py
RECORDED = ("mlp", "cnn", "gpt", "constant")
RECORDER = Path(pytorch.__file__).with_name("flax.py")


@pytest.fixture(scope="module")
def recorder():
    """The recorder without JAX and Flax, which are no part of the tests' requirements."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("jax", "jax.numpy", "flax", "flax.linen"):
            patch.setitem(sys.modules, name, ModuleType(name))
        sys.modules["jax"].numpy, sys.modules["flax"].linen = sys.modules["jax.numpy"], sys.modules["flax.linen"]
        spec = importlib.util.spec_from_file_location("flax_recorder", RECORDER)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        yield module


def report(name):
    return examine(read_recording((FOLDER / f"{name}.json.gz").read_bytes()))


@pytest.mark.parametrize("name", RECORDED)
def test_its_recordings_follow_the_schema(name):
    data = (FOLDER / f"{name}.json.gz").read_bytes()
    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text("utf-8"))).validate(json.loads(gzip.decompress(data)))
    assert len(data) <= pytorch.MOST_BYTES


@pytest.mark.parametrize("name", ["mlp", "cnn", "gpt"])
def test_sound_models_have_no_error_and_no_warning_and_the_laws_of_flax(name):
    given = report(name)
    assert given.recording.framework.startswith("Flax ")
    assert [finding for finding in given.findings if finding.severity != "note"] == []
    laws = {record.name: " ".join(law.text for law in record.laws) for record in given.weights.tensors}
    assert all("Flax" in law for tensor, law in laws.items() if tensor.endswith("kernel") and "Attention" not in tensor)
    assert "outputs of 0 cost ln" in facts(given)["Loss"]


def test_a_layer_of_one_value_is_an_error_that_names_it():
    errors = [finding.modules[0] for finding in report("constant").findings if finding.severity == "error"]
    assert errors[0] == "Block_2.Dense_0"


def test_rows_name_what_they_were_computed_from():
    rows = report("gpt").recording.rows
    softmax = next(row for row in rows if row.kind == "softmax")
    assert [rows[place].path.rpartition(".")[2] for place in softmax.sources] == ["query", "key"]
    assert softmax.entropy == pytest.approx(1 - 0.5 / math.log(32), abs=0.03)  # of scores of variance 1


@pytest.mark.parametrize("shape", [(16, 12), (4, 8, 12)])
def test_its_numbers_are_those_of_the_recorder_for_pytorch(recorder, shape):
    values = np.random.default_rng(0).normal(0.3, 2, shape).astype(np.float32)
    values[..., 3], values[..., 5] = 0, values[..., 6]
    tensor = torch.tensor(values)
    expected = pytorch._moments(tensor) | pytorch._unit_numbers(tensor, -1, True)
    expected |= {name: pytorch._bound(expected[name]) for name in ("least", "most")}
    found = recorder._output(values, "Dense")
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-5, abs=1 if name == "histogram" else 1e-6), name


def test_a_parameter_has_the_same_moments_and_the_same_copies(recorder):
    values = np.random.default_rng(0).normal(0, 2, (12, 20)).astype(np.float32)
    values[:, 4] = values[:, 7]
    expected = pytorch._parameter(torch.tensor(values))
    found = recorder._parameter("Dense_0.kernel", values, np.zeros_like(values), 0.1, {"Dense_0": "Dense"})
    assert found["module"] == "Dense"
    assert found["gradients"] == [{"rms": 0.0, "zero_share": 1.0, "exact_zero": True}]
    assert found["repeated"] == [0, 1]
    for name in ("rms", "mean", "std", "least", "most", "kurtosis"):
        assert found[name] == pytest.approx(expected[name], rel=1e-5, abs=1e-6)


def test_sources_are_the_nearest_outputs(recorder):
    x, a, b, c, d, e, p, q = (object() for _ in range(8))
    equations = [SimpleNamespace(invars=given, outvars=[made]) for given, made in (
        ([x], a), ([a, p], b), ([b, x], c), ([b, c], d), ([d, q], e))]
    assert recorder._sources(SimpleNamespace(invars=[p, q], eqns=equations), 2) == [frozenset(), frozenset({0})]
    learned = SimpleNamespace(invars=[x, p, q], eqns=equations)
    assert recorder._sources(learned, 2) == [frozenset({-1}), frozenset({-1, 0})]


def test_outputs_of_the_data_alone_are_left_out(recorder):
    rows = [{"path": "Dropout_0", "from": []}, {"path": "Dense_0", "from": []}, {"path": "", "same_as": 1},
            {"path": "", "same_as": 0}, {"path": "Dense_1", "from": [1]}]
    assert recorder._without_data(rows, {1, 4}) == [
        {"path": "Dense_0", "from": []}, {"path": "", "same_as": 0}, {"path": "Dense_1", "from": [0]}]


def test_it_writes_the_version_and_the_bins_of_the_other_one(recorder):
    for name in ("VERSION", "MOST_BYTES", "MOST_SAMPLES", "LEAST_EXPONENT", "MOST_EXPONENT"):
        assert getattr(recorder, name) == getattr(pytorch, name)
