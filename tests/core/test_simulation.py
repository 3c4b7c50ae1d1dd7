import dataclasses
import math
import warnings

import numpy as np
import pandas as pd
import pytest

from initviz import ACTIVATIONS, INITIALIZERS, Batch, Network, make_batch, propagate, simulate
from initviz.core.simulation import QUANTITIES, SCALES

DIGITS = make_batch("digits", 64)
FIELDS = {"activation": "activations", "preactivation": "preactivations", "delta": "deltas",
          "weight_gradient": "weight_gradients"}


def silently(network, batch, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return simulate(network, batch, **options)


def deep(width=32, depth=5, **fields):
    return Network((64, *[width] * (depth - 1), 10), **fields)


def regression(batch, outputs, features=64):
    rng = np.random.default_rng(0)
    return Batch(rng.standard_normal((batch, features)), rng.standard_normal((batch, outputs)), "mse", outputs)


# ---------------------------------------------------------------------------------------------- what a run holds

@pytest.mark.parametrize("batch", [DIGITS, regression(64, 10)], ids=["softmax_ce", "mse"])
@pytest.mark.parametrize("activation", ["tanh", "relu", "gelu"])
@pytest.mark.parametrize("sizes", [(64, 48, 40, 10), (64, 300, 10), (64, 10)], ids=str)
def test_a_run_agrees_with_propagate_on_the_same_parameters(sizes, activation, batch):
    network = Network(sizes, activation, "xavier_normal", bias_std=0.1, dtype="float64")
    run, (weights, biases) = silently(network, batch), network.parameters()
    exact = propagate(weights, biases, batch.x.astype(float), batch.targets, activation=activation, loss=batch.loss)
    assert run.loss == pytest.approx(exact.loss, rel=1e-12)
    for quantity in QUANTITIES:
        arrays = weights if quantity == "weight" else getattr(exact, FIELDS[quantity])
        for name, measure in (("mean", np.mean), ("std", np.std), ("min", np.min), ("max", np.max),
                              ("rms", lambda a: np.sqrt(np.mean(a * a))), ("zero_share", lambda a: np.mean(a == 0))):
            want = [measure(a) for a in arrays]
            size = max(np.abs(a).max() for a in arrays)
            np.testing.assert_allclose(run.layers[f"{quantity}_{name}"], want, rtol=1e-10, atol=1e-15 * size)
            np.testing.assert_array_equal(run.column(f"{quantity}_{name}"), run.layers[f"{quantity}_{name}"])
    for sample, h in zip(run.samples, exact.activations, strict=True):
        np.testing.assert_allclose(sample, h[:32, :32], rtol=1e-12, atol=1e-14)


def test_the_table_of_layers_has_a_row_a_weight_layer():
    run = silently(deep(depth=4), DIGITS)
    assert run.layers["layer"].tolist() == [1, 2, 3, 4]
    assert run.layers["fan_in"].tolist() == [64, 32, 32, 32]
    assert run.layers["fan_out"].tolist() == [32, 32, 32, 10]


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("key", INITIALIZERS)
def test_every_value_lies_in_one_bin_of_its_histogram(key, scale):
    run = silently(deep(initializer=key, activation="tanh"), DIGITS, scale=scale)
    sizes = run.network.sizes
    for quantity in QUANTITIES:
        table = run.histogram(quantity)
        of_layer = table.groupby("layer")
        np.testing.assert_allclose(of_layer["share"].sum(), 1, rtol=1e-12)
        parameters = quantity in ("weight", "weight_gradient")
        want = [a * b if parameters else 64 * b for a, b in zip(sizes[:-1], sizes[1:], strict=True)]
        assert of_layer["count"].sum().tolist() == want
        for _, rows in of_layer:
            assert rows["left"].tolist()[1:] == rows["right"].tolist()[:-1]
            assert (rows["left"].iloc[0], rows["right"].iloc[-1]) == (-math.inf, math.inf)
            assert (rows["left"] < rows["right"]).all()


def test_the_histogram_of_weights_is_in_units_of_lecun():
    network = deep(initializer="normal", initializer_params={"std": 0.3}, width=100)
    table = silently(network, DIGITS).histogram("weight")
    assert table.groupby("layer")["unit"].first().tolist() == pytest.approx([1 / 8, 0.1, 0.1, 0.1, 0.1])
    second = table[table["layer"] == 2]
    inside = second[np.isfinite(second["left"] + second["right"])]
    middle = (inside["left"] + inside["right"]) / 2
    beyond = second["share"].iloc[[0, -1]].sum()
    assert np.average(middle, weights=inside["share"]) == pytest.approx(0, abs=0.1)
    assert beyond == pytest.approx(math.erfc(4 / 3 / math.sqrt(2)), abs=0.02)  # N(0, 3^2) beyond +-4 units


def test_the_axis_of_a_histogram_does_not_depend_on_what_is_drawn():
    first, second = (silently(deep(initializer=key), DIGITS) for key in ("he_normal", "ones"))
    for quantity in QUANTITIES:
        for column in ("left", "right", "unit"):
            np.testing.assert_array_equal(first.histogram(quantity)[column], second.histogram(quantity)[column])


@pytest.mark.parametrize("width", [24, 1024])
def test_the_same_description_gives_the_same_run(width):
    first, second = (silently(deep(width, activation="relu"), DIGITS) for _ in range(2))
    assert first.layers.equals(second.layers)
    assert first.loss == second.loss
    for quantity in QUANTITIES:
        assert first.histogram(quantity).equals(second.histogram(quantity))


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_single_precision_agrees_with_double_on_the_same_parameters(activation):
    rough = deep(activation=activation, initializer="constant", initializer_params={"value": 0.01}, bias=0.2)
    fine = dataclasses.replace(rough, dtype="float64")
    assert silently(rough, DIGITS).loss == pytest.approx(silently(fine, DIGITS).loss, rel=1e-5)
    columns = ("activation_rms", "activation_std", "weight_rms")
    rough, fine = silently(rough, DIGITS), silently(fine, DIGITS)
    for column in columns:
        np.testing.assert_allclose(rough.column(column), fine.column(column), rtol=2e-3, atol=1e-6)


def test_dead_and_saturated_shares_are_given_where_the_activation_can_die_or_saturate():
    def share(activation, name, **fields):
        return silently(deep(activation=activation, **fields), DIGITS).column(name)

    dead, alive = (share("relu", "dead_share", initializer="normal", bias=bias) for bias in (-100.0, 100.0))
    np.testing.assert_array_equal(dead[:-1], 1)
    np.testing.assert_array_equal(alive[:-1], 0)
    saturated, free = share("tanh", "saturated_share", gain=1e4), share("tanh", "saturated_share", gain=1e-4)
    assert (saturated[:-1] > 0.95).all()
    np.testing.assert_array_equal(free[:-1], 0)
    assert np.isnan([dead[-1], saturated[-1]]).all()
    assert np.isnan([*share("relu", "saturated_share"), *share("tanh", "dead_share")]).all()


# ---------------------------------------------------------------------------------------------- what a run finds

@pytest.mark.parametrize("activation", ["tanh", "relu", "leaky_relu", "gelu", "silu", "elu", "selu", "linear"])
@pytest.mark.parametrize("batch", [DIGITS, regression(64, 10)], ids=["softmax_ce", "mse"])
def test_zeros_give_no_weight_gradient_where_the_activation_is_zero_at_zero(activation, batch):
    run = silently(deep(initializer="zeros", activation=activation), batch)
    np.testing.assert_array_equal(run.column("weight_gradient_max"), 0)
    np.testing.assert_array_equal(run.column("weight_gradient_min"), 0)
    np.testing.assert_array_equal(run.column("delta_rms")[:-1], 0)
    assert run.column("delta_rms")[-1] > 0  # only the output's biases learn
    np.testing.assert_array_equal(run.column("activation_rms"), 0)
    np.testing.assert_array_equal(run.column("distinct_neurons"), 1)
    assert math.isnan(run.gradient_ratio)
    assert not run.hidden_gradient_is_round_off


@pytest.mark.parametrize(("activation", "at_zero"), [("sigmoid", 0.5), ("softplus", math.log(2))])
def test_zeros_give_the_output_layer_alone_a_gradient_where_the_activation_is_not_zero_at_zero(activation, at_zero):
    network = deep(initializer="zeros", activation=activation)
    run = silently(network, DIGITS)
    gradients = run.column("weight_gradient_rms")
    np.testing.assert_array_equal(gradients[:-1], 0)
    assert gradients[-1] > 0
    assert run.gradient_ratio == 0
    np.testing.assert_allclose(run.column("activation_mean")[:-1], at_zero, rtol=1e-6)
    last = propagate(*network.parameters(), DIGITS.x, DIGITS.targets, activation=activation, loss="softmax_ce")
    rows = last.weight_gradients[-1]  # the same for every hidden neuron, different for each output
    np.testing.assert_allclose(rows, np.broadcast_to(rows[0], rows.shape), rtol=1e-5)
    assert len(np.unique(rows[0].round(7))) > 1


@pytest.mark.parametrize("width", [16, 17, 100, 128])
@pytest.mark.parametrize("activation", ["tanh", "relu", "sigmoid", "gelu"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("value", [0.1, -0.03])
def test_constant_weights_give_one_distinct_neuron_and_no_hidden_gradient(width, activation, dtype, value):
    network = deep(width, activation=activation, initializer="constant", initializer_params={"value": value},
                   bias=0.1, dtype=dtype)
    run = silently(network, DIGITS)
    np.testing.assert_array_equal(run.column("distinct_neurons"), 1)
    np.testing.assert_allclose(run.column("neuron_spread"), 0)
    assert run.hidden_gradient_is_round_off or not run.column("delta_rms")[:-1].any()
    assert run.gradient_ratio == 0


def test_constant_weights_pass_a_gradient_back_from_a_squared_error():
    run = silently(deep(activation="tanh", initializer="constant"), regression(64, 10))
    np.testing.assert_array_equal(run.column("distinct_neurons"), 1)
    assert not run.hidden_gradient_is_round_off
    assert run.gradient_ratio > 0


@pytest.mark.parametrize("key", ["he_normal", "xavier_uniform", "orthogonal", "sparse", "zero_identity"])
def test_random_weights_and_hadamard_ones_give_as_many_distinct_neurons_as_there_are(key):
    run = silently(deep(activation="tanh", initializer=key), DIGITS)
    np.testing.assert_array_equal(run.column("distinct_neurons"), run.layers["fan_out"])
    assert not run.hidden_gradient_is_round_off
    assert 0 < run.gradient_ratio < math.inf


@pytest.mark.parametrize(("dtype", "layer"), [("float32", 4), ("float64", 31)])
@pytest.mark.parametrize("scale", SCALES)
def test_an_exploding_network_says_at_which_layer_it_overflowed_and_does_not_warn(dtype, layer, scale):
    network = deep(64, 100, activation="linear", gain=1e10, dtype=dtype)  # each layer multiplies by sqrt(2) 1e10
    run = silently(network, DIGITS, scale=scale)
    assert run.overflow_layer == layer
    assert math.isnan(run.loss)
    assert np.isfinite(run.column("preactivation_rms")[: layer - 1]).all()
    assert not np.isfinite(run.column("preactivation_rms")[layer - 1:]).any()
    np.testing.assert_array_equal(run.column("distinct_neurons")[layer - 1:], 0)
    assert math.isnan(run.gradient_ratio)
    for quantity in QUANTITIES:
        shares = run.histogram(quantity).groupby("layer")["share"].sum()
        assert all(share == pytest.approx(1) or share == 0 for share in shares)  # a layer of NaN has nothing to count


def test_a_network_that_keeps_its_scale_overflows_nowhere():
    assert silently(deep(), DIGITS).overflow_layer is None


@pytest.mark.parametrize("gain", [1e-10, 1e-30, 1e-38])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_vanishing_network_does_not_warn(activation, gain):
    run = silently(deep(depth=12, activation=activation, gain=gain), DIGITS)
    assert math.isfinite(run.loss)
    assert run.overflow_layer is None


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_an_exploding_network_does_not_warn_whatever_the_activation(activation):
    silently(deep(depth=12, activation=activation, gain=1e12), DIGITS)


@pytest.mark.parametrize("key", INITIALIZERS)
@pytest.mark.parametrize(("sizes", "batch"), [
    ((64, 10), 1), ((64, 1, 1, 10), 5), ((64, 8, 1), 5), ((64, 1), 1), ((1, 1, 1), 1)], ids=str)
def test_the_smallest_networks_and_batches_run(key, sizes, batch):
    rng = np.random.default_rng(0)
    data = Batch(rng.standard_normal((batch, sizes[0])), rng.integers(0, sizes[-1], batch), "softmax_ce", sizes[-1])
    run = silently(Network(sizes, "tanh", key), data)
    assert len(run.layers) == len(sizes) - 1
    assert math.isfinite(run.loss)
    assert (run.column("distinct_neurons") <= run.layers["fan_out"]).all()
    assert (run.column("distinct_neurons") >= 1).all()


def test_one_class_leaves_nothing_to_learn():
    batch = Batch(DIGITS.x, np.zeros(64, int), "softmax_ce", 1)
    run = silently(Network((64, 16, 1), "tanh"), batch)
    assert run.loss == 0
    np.testing.assert_array_equal(run.column("weight_gradient_rms"), 0)
    assert math.isnan(run.gradient_ratio)


def test_depth_one_has_no_hidden_layer():
    run = silently(Network((64, 10)), DIGITS)
    assert run.gradient_ratio == 1
    assert not run.hidden_gradient_is_round_off
    assert np.isnan(run.column("dead_share")).all()


@pytest.mark.parametrize(("sizes", "batch", "said"), [
    ((63, 10), DIGITS, "sizes must begin with 64, as many inputs as the data has, got 63"),
    ((64, 9), DIGITS, "targets must be classes from 0 to 8"),
    ((64, 10), regression(5, 9), r"targets must have shape \(5, 10\) for mse"),
    ((64, 10), Batch(DIGITS.x[:0], DIGITS.targets[:0]), "at least one row"),
    ((64, 10), Batch(DIGITS.x, DIGITS.targets[:9]), "targets must be 64 integer classes"),
    ((64, 10), Batch(DIGITS.x, DIGITS.targets, "hinge"), "loss must be one of mse, softmax_ce, .*got 'hinge'")])
def test_a_batch_that_does_not_fit_raises_value_error(sizes, batch, said):
    with pytest.raises(ValueError, match=said):
        simulate(Network(sizes), batch)


# ---------------------------------------------------------------------------------------------- theory

def squared_length_kept(key, width, depth, seed):
    """ln(|h_depth|^2 / |h_0|^2) of one sample."""
    x = np.random.default_rng((seed, 1)).standard_normal((1, width))
    network = Network((width,) * (depth + 2), "relu", key, seed=seed, dtype="float64")
    run = silently(network, Batch(x, np.zeros(1, int), "softmax_ce", width))
    return 2 * math.log(run.column("activation_rms")[depth - 1] / np.sqrt(np.mean(x * x)))


def test_he_keeps_the_length_of_a_signal_through_relu_inside_the_log_normal_band():
    # Hanin and Nica 2018: ln of the squared length is about N(-5L/2n, 5L/n); the bands are five standard errors wide
    width, depth, seeds = 100, 20, 50
    mean, variance = -5 * depth / (2 * width), 5 * depth / width
    kept = np.array([squared_length_kept("he_normal", width, depth, seed) for seed in range(seeds)])
    assert abs(kept.mean() - mean) < 5 * math.sqrt(variance / seeds)
    assert abs(kept.var(ddof=1) / variance - 1) < 5 * math.sqrt(2 / (seeds - 1))
    assert np.abs(kept - mean).max() < 5 * math.sqrt(variance)
    xavier = squared_length_kept("xavier_normal", width, depth, 0)
    assert xavier == pytest.approx(kept[0] - depth * math.log(2))  # the same luck, half the second moment a layer
    assert abs(xavier - mean) > 5 * math.sqrt(variance)


def test_lecun_keeps_the_length_of_a_signal_through_a_linear_net_inside_its_narrower_band():
    width, depth, seeds = 100, 20, 50
    kept = []
    for seed in range(seeds):
        x = np.random.default_rng((seed, 1)).standard_normal((1, width))
        run = silently(Network((width,) * (depth + 1), "linear", "lecun_normal", seed=seed, dtype="float64"),
                       Batch(x, np.zeros(1, int), "softmax_ce", width))
        kept.append(2 * math.log(run.column("activation_rms")[-1] / np.sqrt(np.mean(x * x))))
    variance = 2 * depth / width
    assert abs(np.mean(kept) + depth / width) < 5 * math.sqrt(variance / seeds)
    assert abs(np.var(kept, ddof=1) / variance - 1) < 5 * math.sqrt(2 / (seeds - 1))


def test_orthogonal_weights_keep_the_length_of_a_signal_exactly_through_a_linear_net():
    run = silently(Network((64,) * 31, "linear", "orthogonal", dtype="float64"),
                   Batch(DIGITS.x, DIGITS.targets, "softmax_ce", 64))
    rms = np.sqrt(np.mean(DIGITS.x.astype(float) ** 2))
    np.testing.assert_allclose(run.column("activation_rms"), rms, rtol=1e-12)


def test_an_unknown_scale_or_quantity_raises_value_error():
    with pytest.raises(ValueError, match="scale must be one of linear, symlog, got 'log'"):
        simulate(Network(), make_batch("digits", 8), scale="log")
    with pytest.raises(ValueError, match="counted must be one of"):
        simulate(Network(), make_batch("digits", 8), counted=("weights",))


def test_only_the_counted_quantities_have_histograms_and_everything_else_is_the_same():
    whole, part = simulate(Network(), make_batch("digits", 32)), simulate(
        Network(), make_batch("digits", 32), counted=("delta",))
    assert list(part.counts) == ["delta"]
    np.testing.assert_array_equal(part.counts["delta"], whole.counts["delta"])
    pd.testing.assert_frame_equal(part.layers, whole.layers)


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_a_large_layer_is_summarized_beside_the_products_to_the_same_numbers(activation, monkeypatch):
    network = Network((64, *[48] * 7, 10), activation, "he_normal", gain=3.0)
    batch = make_batch("digits", 96)
    at_once = simulate(network, batch)
    monkeypatch.setattr("initviz.core.simulation.plain.TOGETHER", 0)
    beside = simulate(network, batch)
    assert beside.loss == at_once.loss
    for name, column in at_once.columns.items():
        np.testing.assert_array_equal(beside.columns[name], column, name)
    for quantity, counts in at_once.counts.items():
        np.testing.assert_array_equal(beside.counts[quantity], counts, quantity)


def test_a_failure_beside_the_products_is_raised(monkeypatch):
    monkeypatch.setattr("initviz.core.simulation.plain.TOGETHER", 0)
    monkeypatch.setattr("initviz.core.simulation.plain.diversity_of_each", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        simulate(Network((64, 8, 10)), make_batch("digits", 8))
