"""Sine networks: the initializer whose first layer has a law of its own, and the activation it was made for."""

import math

import numpy as np
import pytest

from initviz import Network, initialize, simulate
from initviz.core.activations import ACTIVATIONS
from initviz.core.batches import make_normal
from initviz.core.initializers import INITIALIZERS, law_of
from initviz.files.source_code import code
from initviz.theory.mean_field import Field
from initviz.theory.prediction import predict

DEEP = Network((256, *[512] * 12, 10), "sine", "siren", seed=3, dtype="float64")


@pytest.mark.parametrize("w0", [1.0, 30.0])
def test_the_bounds_are_the_papers(w0):
    for first, bound in ((True, 1 / 50), (False, math.sqrt(6 / 50) / w0)):
        w = initialize("siren", 50, 4000, rng=np.random.default_rng(0), first=first, w0=w0)
        assert 0.999 * bound < np.abs(w).max() <= bound
        assert w.mean() == pytest.approx(0, abs=4 * bound / math.sqrt(3 * w.size))
        assert w.var() == pytest.approx(bound**2 / 3, rel=0.01)
        assert law_of("siren", first=first, w0=w0).variance(50, 4000) == pytest.approx(bound**2 / 3)


def test_only_sirens_first_layer_differs_from_the_others():
    for key in INITIALIZERS:
        first, other = (initialize(key, 8, 8, rng=np.random.default_rng(0), first=first) for first in (True, False))
        assert (first == other).all() == (key != "siren"), key


def test_a_network_draws_its_first_layer_by_the_first_law_alone():
    weights, _ = Network((100, 100, 100), "sine", "siren", dtype="float64").parameters()
    assert [np.abs(w).max() for w in weights] == pytest.approx([1 / 100, math.sqrt(6 / 100) / 30], rel=1e-3)


def test_what_the_sine_reads_keeps_its_standard_deviation_of_089_with_depth():
    q = 1.0
    for _ in range(100):
        q = 1 - math.exp(-2 * q)  # the variance of w0 z: 2 E sin^2 of the layer before's
    assert math.sqrt(q) == pytest.approx(0.89, abs=0.005)
    assert "0.89" in INITIALIZERS["siren"].sentence
    run = simulate(DEEP, make_normal(256, 10, 128, seed=3))
    assert 30 * run.layers.preactivation_std.iloc[8:12].to_numpy() == pytest.approx(math.sqrt(q), rel=0.03)


def test_theory_knows_the_first_layers_law():
    batch = make_normal(256, 10, 128, seed=3)
    measured = simulate(DEEP, batch).layers.preactivation_std.to_numpy()
    np.testing.assert_allclose(predict(DEEP, batch.x).expected("preactivation", "std"), measured, rtol=0.05)


def test_normal_expectations_of_a_sine_are_the_closed_forms():
    field = Field("sine", (("w0", 30.0),))
    for variance in (0.1, 0.8, 2.0, 50.0, 900.0, 1e9):  # of w0 z
        at = field.moments(variance / 900)
        assert float(at.square) == pytest.approx((1 - math.exp(-2 * variance)) / 2, rel=1e-8)
        assert float(at.derivative_square) == pytest.approx(450 * (1 + math.exp(-2 * variance)), rel=1e-8)


def test_a_sine_is_bounded_and_does_not_saturate():
    assert ACTIVATIONS["sine"].bounded
    run = simulate(DEEP, make_normal(256, 10, 128, seed=3))
    assert run.layers.saturated_share.fillna(0).max() == 0


@pytest.mark.parametrize("framework", ["NumPy", "PyTorch", "Keras", "JAX"])
def test_every_script_draws_the_first_layer_by_its_own_law_and_no_other_script_asks(framework):
    assert "1 / fan_in if first else" in code(DEEP, framework)
    assert "first" not in code(Network((4, 3, 2), "sine", "he_normal"), framework)
