import json
import math
from pathlib import Path

import hashed
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from initviz.core.statistics import (
    Bins,
    correlation_baseline,
    dead_share,
    distinct_neurons,
    diversity,
    diversity_of_each,
    moments,
    moments_of_each,
    participation_baseline,
    ratio,
    saturated_share,
)

GOLDEN = json.loads((Path(__file__).parents[1] / "golden.json").read_text())["metrics"]["values"]

H = hashed.unit_normal(1, 77, (64, 32))
V, W = hashed.unit_normal(1, 78, (64, 1)), hashed.unit_normal(1, 79, (1, 32))
ONE = np.ones((1, 32))
LAYERS = {
    "gaussian": H, "zeros": 0 * H, "constant_0.5": 0 * H + 0.5, "clones_v1": V @ ONE, "input_independent": 0 * V + W,
    "rank1_vw": V @ W, "two_groups": np.where(np.arange(32) < 16, V, -2 * V), "relu_gaussian": np.maximum(H, 0),
    "mixed_0.1": V @ ONE + 0.1 * H, "tiny_gaussian": 1e-200 * H}
every_layer = pytest.mark.parametrize("name", LAYERS)


def agrees(ours, theirs, tolerance):
    return math.isnan(ours) if theirs is None else ours == pytest.approx(theirs, rel=tolerance, abs=1e-12)


def test_every_golden_layer_is_rebuilt():
    assert set(LAYERS) == set(GOLDEN)
    for name, h in LAYERS.items():
        assert h.var() == pytest.approx(GOLDEN[name]["anova"]["total"], rel=1e-12, abs=1e-28)


@every_layer
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-9), (np.float32, 1e-4)])
def test_diversity_agrees_with_the_golden_metrics(name, dtype, tolerance):
    too_tiny = dtype == np.float32 and name == "tiny_gaussian"
    h = (1e-30 * H if too_tiny else LAYERS[name]).astype(dtype)
    found, want = diversity(h), GOLDEN[name]
    assert found.distinct_neurons == distinct_neurons(h) == want["distinct_neurons"]
    assert found.correlated_neurons == want["corr"]["defined"]
    assert agrees(found.mean_abs_correlation, want["corr"]["mean_abs"], tolerance)
    assert agrees(found.participation_ratio, want["participation_ratio_centered"], tolerance)
    size = np.abs(h).max() or 1  # keeps the squares of the tiny layer above zero
    for spread, axis in ((found.neuron_spread, 1), (found.sample_spread, 0)):
        exact = np.sqrt((h.astype(float) / size).var(axis=axis).mean())
        assert spread / size == pytest.approx(exact, rel=tolerance, abs=1e-14)


@every_layer
@pytest.mark.parametrize("scale", [1e-200, 1e-3, 1e3, 1e200])
def test_a_rescaled_layer_has_the_same_shape_metrics(name, scale):
    h = LAYERS[name] / max(np.abs(LAYERS[name]).max(), 1e-300)
    with np.errstate(all="raise", under="ignore"):
        plain, scaled = diversity(h), diversity(scale * h)
    for field in ("distinct_neurons", "correlated_neurons", "mean_abs_correlation", "participation_ratio"):
        assert getattr(scaled, field) == pytest.approx(getattr(plain, field), rel=1e-9, nan_ok=True)
    for field in ("neuron_spread", "sample_spread"):
        assert getattr(scaled, field) == pytest.approx(scale * getattr(plain, field), rel=1e-9, abs=0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_clones_with_round_off_count_as_one_neuron_without_spread_and_with_a_participation_ratio_of_one(dtype):
    rng = np.random.default_rng(0)
    h = np.repeat(rng.standard_normal((64, 1)), 17, axis=1).astype(dtype)
    h *= (1 + 3 * np.finfo(dtype).eps * rng.uniform(-1, 1, h.shape)).astype(dtype)
    assert np.ptp(h, axis=1).min() > 0
    found = diversity(h)
    assert found.distinct_neurons == distinct_neurons(h) == 1
    assert found.neuron_spread == 0
    assert found.correlated_neurons == 17
    assert found.mean_abs_correlation == pytest.approx(1, abs=1e-6)
    assert found.participation_ratio == pytest.approx(1, abs=1e-6)


def test_an_input_lost_to_round_off_leaves_no_sample_spread_and_no_correlation():
    rng = np.random.default_rng(0)
    h = np.tile(rng.standard_normal(16), (64, 1)).astype(np.float32)
    h *= (1 + 2e-7 * rng.uniform(-1, 1, h.shape)).astype(np.float32)
    assert np.ptp(h, axis=0).min() > 0
    found = diversity(h)
    assert found.distinct_neurons == 16
    assert (found.sample_spread, found.participation_ratio, found.correlated_neurons) == (0, 0, 0)
    assert math.isnan(found.mean_abs_correlation)


@settings(max_examples=50)
@given(groups=st.integers(1, 12), copies=st.integers(1, 5), batch=st.integers(1, 20), seed=st.integers(0, 99))
def test_copies_in_any_order_are_counted_once(groups, copies, batch, seed):
    rng = np.random.default_rng(seed)
    h = np.repeat(rng.standard_normal((batch, groups)), copies, axis=1)[:, rng.permutation(groups * copies)]
    assert distinct_neurons(h) == groups


def test_neurons_that_differ_on_one_sample_only_are_different():
    h = np.zeros((50, 3))
    h[:, :] = np.linspace(-1, 1, 50)[:, None]
    h[17, 1] += 1e-8
    h[30, 2] += 1e-10  # below the tolerance of 1e-9
    assert distinct_neurons(h) == 2


def test_dead_neurons_count_as_one():
    h = np.maximum(np.concatenate([H, -np.abs(H)], axis=1), 0)
    assert distinct_neurons(h) == 33


def test_a_wide_layers_correlations_are_the_same_some_rows_at_a_time(monkeypatch):
    h = np.tanh(np.random.default_rng(0).standard_normal((2, 40, 50)))
    h[:, :, 3], h[1, :, 10:20] = h[:, :, 30], 0
    whole = diversity_of_each(h, moments_of_each(h))
    monkeypatch.setattr("initviz.core.statistics.neurons.COVARIANCE_ROWS", 7)
    np.testing.assert_allclose(diversity_of_each(h, moments_of_each(h)), whole, rtol=1e-12)


def test_a_single_sample_or_neuron_has_no_correlation():
    one_sample, one_neuron = diversity(H[:1]), diversity(H[:, :1])
    assert (one_sample.distinct_neurons, one_sample.correlated_neurons, one_sample.sample_spread) == (32, 0, 0)
    assert (one_neuron.distinct_neurons, one_neuron.correlated_neurons, one_neuron.neuron_spread) == (1, 1, 0)
    assert math.isnan(one_sample.mean_abs_correlation)
    assert math.isnan(one_neuron.mean_abs_correlation)
    assert one_sample.participation_ratio == 0
    assert one_neuron.participation_ratio == pytest.approx(1)


@pytest.mark.parametrize("lost", [math.nan, math.inf, -math.inf])
def test_a_layer_that_is_not_finite_has_no_diversity(lost):
    h = H.copy()
    h[3, 4] = lost
    found = diversity(h)
    assert (found.distinct_neurons, found.correlated_neurons, distinct_neurons(h)) == (0, 0, 0)
    for number in (found.mean_abs_correlation, found.participation_ratio, found.neuron_spread, found.sample_spread):
        assert math.isnan(number)


@pytest.mark.parametrize(("batch", "neurons"), [(3, 40), (8, 32), (10, 500), (64, 32)])
def test_baselines_are_what_independent_neurons_measure(batch, neurons):
    found = [diversity(np.random.default_rng(seed).standard_normal((batch, neurons))) for seed in range(60)]
    for field, baseline in (("participation_ratio", participation_baseline(batch, neurons)),
                            ("mean_abs_correlation", correlation_baseline(batch))):
        measured = [getattr(f, field) for f in found]
        error = np.std(measured) / math.sqrt(len(measured))
        # The ratio's formula leaves out terms of 1 / (n + B)
        left_out = baseline / (batch + neurons) if field == "participation_ratio" else 0
        assert abs(np.mean(measured) - baseline) < 4 * error + left_out, field


def test_baselines_have_the_values_of_centered_columns():
    assert participation_baseline(10, 500) == pytest.approx(500 * 9 / 509)
    assert participation_baseline(1, 500) == 0
    assert [correlation_baseline(batch) for batch in (2, 3, 8)] == pytest.approx([1, 2 / math.pi, 0.3125])
    assert correlation_baseline(5000) == pytest.approx(math.sqrt(2 / (math.pi * 4999)), rel=1e-3)
    assert math.isnan(correlation_baseline(1))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("small", [1e-8, 1e-12, 1.0])
def test_small_neurons_beside_large_ones_are_told_apart_and_their_copies_are_not(dtype, small):
    h = np.random.default_rng(5).standard_normal((16, 20)).astype(dtype)
    h[:, 8:] *= dtype(small)
    assert distinct_neurons(h) == 20
    assert diversity(h).distinct_neurons == 20
    h[:, 15:] = h[:, 14:15]
    assert distinct_neurons(h) == diversity(h).distinct_neurons == 15


# ---------------------------------------------------------------------------------------------- histograms

BINS = (Bins(-4, 4), Bins(-1.12, 1.12, 45), Bins(0, 10, 7), Bins(-12, 12, 49, "symlog"), Bins(-3, 5, 16, "symlog"))


def values_at(bins, coordinate, unit):
    return coordinate * unit if bins.scale == "linear" else 2e-6 * unit * np.sinh(coordinate * math.log(10))


@pytest.mark.parametrize("bins", BINS, ids=str)
@pytest.mark.parametrize("unit", [1.0, 0.03, 250.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("count", [1, 999, 50001])  # many are counted another way
def test_counts_agree_with_numpys_histogram_away_from_edges(bins, unit, dtype, count):
    rng = np.random.default_rng(0)
    width = (bins.high - bins.low) / bins.count
    cell = rng.integers(-2, bins.count + 2, count)
    coordinate = bins.low + (cell + rng.uniform(0.1, 0.9, count)) * width
    values = values_at(bins, coordinate, unit).astype(dtype)
    before = values.copy()
    counts = bins.count_values(values, unit)
    np.testing.assert_array_equal(values, before)
    assert counts.dtype.kind == "i"
    np.testing.assert_array_equal(counts[1:-1], np.histogram(coordinate, bins.edges)[0])
    assert counts[0] == np.count_nonzero(coordinate < bins.low)
    assert counts[-1] == np.count_nonzero(coordinate > bins.high)
    np.testing.assert_array_equal(counts, bins.count_values(values.reshape(count, 1)[::-1], unit))


@pytest.mark.parametrize("bins", BINS, ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_infinities_are_counted_beyond_the_ends_and_nan_is_left_out(bins, dtype):
    inside = values_at(bins, np.array([(bins.low + bins.high) / 2 + 0.01]), 1.0)
    values = np.array([math.inf, math.inf, -math.inf, math.nan, *inside], dtype)
    with np.errstate(over="ignore", invalid="ignore"):
        counts = bins.count_values(values)
        nothing = bins.count_values(np.full(5, math.nan, dtype))
    assert counts.shape == nothing.shape == (bins.count + 2,)
    assert (counts[0], counts[-1], counts.sum(), nothing.sum()) == (1, 2, 4, 0)


@settings(max_examples=60)
@given(values=arrays(np.float32, st.integers(1, 40), elements=st.floats(width=32, allow_nan=False)),
       bins=st.sampled_from(BINS))
def test_everything_but_nan_is_counted_once(values, bins):
    with np.errstate(over="ignore", invalid="ignore"):
        counts = bins.count_values(values)
    assert counts.sum() == values.size
    assert counts.min() >= 0


def test_a_power_of_ten_lies_at_its_exponent_plus_six_on_a_symmetric_log_axis():
    bins, exponents = Bins(-12, 12, 49, "symlog"), np.arange(-3.0, 7.0)
    powers = 10.0**exponents
    np.testing.assert_allclose(bins.coordinate(0.03 * powers, 0.03), exponents + 6, atol=1e-6)
    np.testing.assert_allclose(bins.coordinate(-powers), -(exponents + 6), atol=1e-6)
    assert bins.coordinate(np.zeros(1))[0] == 0


# ---------------------------------------------------------------------------------------------- moments

SAMPLES = {"normal": H, "relu": np.maximum(H, 0), "shifted": H + 50, "skewed": np.exp(3 * H), "negative": -np.abs(H),
           "one": H[:1, :1], "constant": 0 * H - 0.3, "zeros": 0 * H, "spike": np.eye(64)}


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-10), (np.float32, 1e-5)])
@pytest.mark.parametrize("scale", [1.0, 1e-30, 1e30])
def test_moments_agree_with_numpy_in_silence_at_any_scale(name, dtype, tolerance, scale):
    x = (scale * SAMPLES[name]).astype(dtype)
    with np.errstate(all="raise", under="ignore"):
        found = moments(x)
    exact = x.astype(float)
    size = np.abs(exact).max()
    assert found.mean == pytest.approx(exact.mean(), rel=tolerance, abs=tolerance * size / 10)
    assert found.std == pytest.approx(exact.std(), rel=tolerance, abs=1e-15 * size)
    assert found.rms == pytest.approx(np.sqrt(np.mean(exact**2)), rel=tolerance, abs=0)
    assert (found.min, found.max) == (exact.min(), exact.max())
    assert found.zero_share == np.mean(exact == 0)
    assert found.finite


@pytest.mark.parametrize("scale", [1e-300, 1e-160, 1e160, 1e300])
def test_moments_survive_scales_whose_squares_do_not(scale):
    with np.errstate(all="raise", under="ignore"):
        found = moments(scale * H)
    assert found.std == pytest.approx(scale * H.std(), rel=1e-10, abs=0)
    assert found.rms == pytest.approx(scale * np.sqrt(np.mean(H**2)), rel=1e-10, abs=0)


def test_a_constant_layer_has_a_standard_deviation_of_exactly_zero():
    for value in (0.1, 1e-38, 3e38):
        found = moments(np.full((7, 9), value, np.float32))
        assert (found.std, found.mean, found.rms) == (0, np.float32(value), np.float32(value))


@pytest.mark.parametrize(("lost", "rms"), [(math.inf, math.inf), (-math.inf, math.inf), (math.nan, math.nan)])
def test_moments_of_what_overflowed_say_so(lost, rms):
    with np.errstate(all="raise"):
        found = moments(np.array([[0.0, lost], [1.0, 2.0]]))
    assert not found.finite
    assert math.isnan(found.mean)
    assert math.isnan(found.std)
    assert found.rms == pytest.approx(rms, nan_ok=True)
    assert found.zero_share == 0.25


# ---------------------------------------------------------------------------------------------- shares and ratios

def test_a_neuron_is_dead_where_no_sample_of_the_batch_is_above_zero():
    z = np.array([[-1.0, 0.0, 1.0, -2.0], [-3.0, 0.0, -1.0, 1e-9]])
    assert dead_share(z) == 0.5
    assert dead_share(-np.ones((3, 4))) == 1
    assert dead_share(np.ones((3, 4))) == 0


def test_an_activation_is_saturated_within_three_percent_of_either_end():
    h = np.array([-1, -0.98, -0.96, 0, 0.5, 0.969, 0.971, 1])
    assert saturated_share(h, -1, 1) == 4 / 8
    assert saturated_share((h + 1) / 2, 0, 1) == 4 / 8
    assert saturated_share(1.7159 * h, -1.7159, 1.7159) == 4 / 8


@pytest.mark.parametrize(("first", "last", "want"), [
    (1.0, 4.0, 0.25), (0.0, 3.0, 0.0), (3.0, 0.0, math.inf), (0.0, 0.0, math.nan), (math.nan, 1.0, math.nan),
    (1.0, math.nan, math.nan), (math.inf, 1.0, math.nan), (1.0, math.inf, math.nan), (math.inf, 0.0, math.nan)])
def test_a_ratio_is_nan_where_it_means_nothing(first, last, want):
    assert ratio(first, last) == pytest.approx(want, nan_ok=True)


def test_copies_beside_a_neuron_that_only_looks_near_are_counted_apart():
    rng = np.random.default_rng(0)
    h = rng.standard_normal((2, 3)).repeat(4, axis=1)
    h[:, 5] = h[:, 0] + np.array([1.0, -1.0]) * 3e-9  # not a copy, though near on most directions
    assert distinct_neurons(h) == 4


def test_rows_of_round_off_doubles_in_one_group_are_counted_as_one():
    rng = np.random.default_rng(0)
    h = np.repeat(rng.standard_normal((64, 2)), 9, axis=1)
    h *= 1 + 2 * np.finfo(float).eps * rng.uniform(-1, 1, h.shape)
    assert distinct_neurons(h[:, rng.permutation(18)]) == 2
