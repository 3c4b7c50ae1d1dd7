import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from initviz.core.activations import ACTIVATIONS
from initviz.core.batches import make_batch
from initviz.core.network import Network
from initviz.core.simulation import GROWN, SHRUNK, simulate
from initviz.theory.mean_field import Field
from initviz.theory.recommendation import recommended_point

GOLDEN = json.loads((Path(__file__).parents[1] / "golden.json").read_text())["mean_field"]["edge_points"]
WITHOUT_A_STABLE_EDGE = ("sigmoid", "softplus")
BATCH = make_batch("digits", 64, seed=0)


@pytest.mark.parametrize("key", ACTIVATIONS)
def test_a_recommended_point_is_on_the_edge_of_chaos_and_stable(key):
    point = recommended_point(key)
    assert point.stable_edge == (key not in WITHOUT_A_STABLE_EDGE)
    assert point.length_derivative <= 1 + 1e-7
    if point.stable_edge:
        at = Field(key).moments(max(point.q, 1e-12))
        assert point.sigma_w**2 * float(at.derivative_square) == pytest.approx(1, rel=1e-6)
        assert float(Field(key).length(point.q, point.sigma_w, point.sigma_b)) == pytest.approx(point.q, abs=1e-9)


@pytest.mark.parametrize("key", ["gelu", "silu"])
def test_the_half_stable_points_agree_with_the_oracle(key):
    point, want = recommended_point(key), GOLDEN[key]
    assert (point.sigma_w**2, point.sigma_b**2) == pytest.approx((want["sigma_w2"], want["sigma_b2"]), rel=1e-5)


@pytest.mark.parametrize("key", ["tanh", "erf", "hardtanh", "lecun_tanh"])
def test_a_bounded_odd_activation_gets_the_inverse_of_its_derivative_at_0(key):
    point = recommended_point(key)
    assert point.sigma_w == pytest.approx(1 / float(ACTIVATIONS[key].derivative(np.zeros(1))[0]))
    assert point.sigma_b == 0


def test_relu_gets_hes_gain_whatever_its_parameters():
    assert recommended_point("relu").sigma_w == pytest.approx(math.sqrt(2))
    assert recommended_point("leaky_relu", {"negative_slope": 0.5}).sigma_w == pytest.approx(math.sqrt(2 / 1.25))
    with pytest.raises(ValueError, match="negative_slope"):
        recommended_point("leaky_relu", {"negative_slope": 7})


@pytest.mark.parametrize("key", ACTIVATIONS)
def test_fifty_layers_neither_explode_nor_vanish_by_their_own_recommendation(key):
    point = recommended_point(key)
    network = Network((64, *[256] * 49, 10), key, "lecun_normal", point.sigma_w, bias_std=point.sigma_b)
    moves = []
    for seed in range(5):
        run = simulate(replace(network, seed=seed), BATCH, counted=())
        signal, delta = run.column("activation_rms")[:-1], run.column("delta_rms")[:-1]
        moves.append((signal[-1] / signal[0], delta[0] / delta[-1]))
    forward, backward = np.exp(np.mean(np.log(moves), axis=0))  # of single draws a wide law's tails are beyond it
    assert SHRUNK < forward < GROWN
    assert backward < GROWN
    assert (backward > SHRUNK) == (key not in WITHOUT_A_STABLE_EDGE)
