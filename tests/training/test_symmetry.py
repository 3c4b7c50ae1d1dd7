import math
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from initviz import Network, make_batch, propagate
from initviz.training.gradient_descent import Recipe
from initviz.training.symmetry import (
    ATTEMPTS,
    SPLIT,
    develop,
    development_bytes,
    draws_in_float64,
    examine,
    similarity,
    try_all,
)

BATCH = make_batch("digits", 64, dtype="float64")


def constant(width, **changes):
    return Network((64, width, 10), "tanh", "constant", dtype="float64", **changes)


def exhaust(work):
    """What a generator returns, once it has run to its end."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value


def tried(width=16, steps=200, epsilon=1e-4, rate=0.1):
    results = exhaust(try_all(constant(width), BATCH, Recipe("sgd", rate, steps), epsilon))
    return {result.key: result for result in results}


ONCE = tried()


def test_similarity_is_numpys_correlation_where_it_is_defined():
    h = np.random.default_rng(0).standard_normal((50, 6))
    np.testing.assert_allclose(similarity(h), np.corrcoef(h.T), atol=1e-12)
    np.testing.assert_allclose(similarity(1e-200 * h), np.corrcoef(h.T), atol=1e-12)


def test_neurons_that_do_not_vary_have_no_similarity():
    h = np.random.default_rng(0).standard_normal((50, 3))
    h[:, 1] = 0.7
    found = similarity(h)
    assert np.isnan(found[1]).all()
    assert np.isfinite(found[np.ix_([0, 2], [0, 2])]).all()
    assert np.isnan(similarity(np.zeros((5, 3)))).all()


def test_copies_are_similar_by_1():
    h = np.repeat(np.random.default_rng(0).standard_normal((50, 1)), 4, axis=1)
    np.testing.assert_allclose(similarity(h), 1, atol=1e-12)


def test_a_view_shows_what_propagation_computes():
    network = Network((64, 32, 16, 10), "tanh", "he_normal", dtype="float64")
    weights, biases = network.parameters()
    passed = propagate(weights, biases, BATCH.x, BATCH.targets, activation="tanh", loss="softmax_ce")
    views = examine(network, (weights, biases), BATCH)
    assert len(views) == 2
    for view, h, gradient in zip(views, passed.activations, passed.weight_gradients, strict=False):
        rows, columns = view.activations.shape
        np.testing.assert_array_equal(view.activations, h[:rows, :columns])
        np.testing.assert_array_equal(view.gradient, gradient[:24, :columns])
        assert view.rms == pytest.approx(math.sqrt(np.mean(h**2)))
        assert view.diversity.distinct_neurons == h.shape[1]


def test_small_random_weights_are_faint_but_different_and_a_constant_is_strong_but_copies():
    faint, copies = (examine(network, network.parameters(), BATCH)[-1] for network in (
        Network((64, *[64] * 5, 10), "tanh", "normal", dtype="float64", initializer_params={"std": 0.01}),
        Network((64, *[64] * 5, 10), "tanh", "constant", dtype="float64")))
    assert faint.rms < 1e-4
    assert faint.diversity.distinct_neurons == 64
    assert copies.rms > 0.5
    assert copies.diversity.distinct_neurons == 1


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
def test_copies_stay_copies_through_training_while_a_random_start_learns(optimizer):
    networks = [constant(16), replace(constant(16), initializer="xavier_normal", initializer_params={})]
    seen = [exhaust(develop(networks, BATCH, Recipe(optimizer, 0.01), steps)) for steps in (0, 1, 5, 30)]
    for copies, different in seen:
        assert copies[0].gap == 0
        assert copies[0].diversity.distinct_neurons == 1
        assert different[0].diversity.distinct_neurons == 16
    assert seen[-1][0][0].rms != seen[0][0][0].rms


def test_a_network_that_diverges_has_no_layers_to_show():
    network = replace(constant(16), activation="linear", initializer="he_normal", initializer_params={})
    assert exhaust(develop([network], BATCH, Recipe("sgd", 1e6), 50)) == [[]]


def test_training_can_be_left_between_any_two_of_its_steps():
    assert 0 < next(develop([constant(64)], BATCH, Recipe("sgd", 0.01), 100_000)) < 1
    attempts = try_all(constant(16), BATCH, Recipe("sgd", 0.1, 50), 1e-4)
    shares = [next(attempts) for _ in range(3)]
    assert shares == sorted(shares)
    assert 0 < shares[0] < shares[-1] < 1


def test_every_attempt_is_tried_in_the_tables_order():
    assert list(ONCE) == list(ATTEMPTS)
    assert all(result.steps[-1] == 200 for result in ONCE.values())


@pytest.mark.parametrize("key", ["nothing", "adam"])
@pytest.mark.parametrize("width", [16, 17])
def test_nothing_breaks_the_symmetry_at_any_width(key, width):
    result = (ONCE if width == 16 else tried(width=width, steps=150))[key]
    assert set(result.gap) == {0.0}
    assert result.neurons == 1
    assert result.last_loss < result.first_loss


def test_adam_enlarges_round_off_until_it_parts_copies():
    assert 0 < ONCE["round_off"].gap[0] < 1e-15
    assert ONCE["round_off"].split_at > 0
    assert ONCE["round_off"].neurons == 16


def test_gradients_that_cancel_are_shown_as_0():
    (view,) = examine(constant(16), constant(16).parameters(), BATCH)
    assert view.canceled
    assert not view.gradient.any()


@pytest.mark.parametrize("key", ["noise", "dropout", "biases", "output", "zero_output", "zero_hidden"])
def test_what_differs_between_neurons_breaks_the_symmetry(key):
    assert ONCE[key].split_at is not None
    assert ONCE[key].neurons == 16


def test_a_smaller_perturbation_splits_later():
    large, small = (tried(epsilon=epsilon)["noise"] for epsilon in (1e-2, 1e-4))
    assert large.split_at < small.split_at
    assert small.gap[0] < SPLIT


def test_zero_hidden_weights_learn_under_tanh_and_stay_dead_under_relu():
    learns, dead = ONCE["zero_hidden"], ONCE["zero_hidden_relu"]
    assert learns.last_loss < 0.5 * learns.first_loss
    assert set(dead.gap) == {0.0}
    assert dead.last_loss == pytest.approx(dead.first_loss, abs=0.05)


def test_only_one_hidden_layer_in_float64_can_be_tried():
    for network in (replace(constant(16), sizes=(64, 16, 16, 10)), replace(constant(16), dtype="float32")):
        with pytest.raises(ValueError, match="depth 2 and dtype float64"):
            exhaust(try_all(network, BATCH, Recipe(), 0.1))


def test_attempts_begin_with_the_draws_of_every_other_page():
    network = Network((64, 16, 10), "tanh", "constant", seed=3, bias_std=0.1)
    untouched = exhaust(try_all(replace(network, dtype="float64"), BATCH, Recipe("sgd", 0.1, 1), 1e-4))[0]
    assert untouched.key == "nothing"
    weights, biases = ([array.astype(float) for array in arrays] for arrays in network.parameters())
    elsewhere = propagate(weights, biases, BATCH.x, BATCH.targets, activation="tanh", loss="softmax_ce").loss
    assert untouched.first_loss == pytest.approx(elsewhere, rel=1e-13)
    drawn_in_float64 = replace(network, dtype="float64").parameters()
    apart = propagate(*drawn_in_float64, BATCH.x, BATCH.targets, activation="tanh", loss="softmax_ce").loss
    assert abs(apart - elsewhere) > 1e-6 * elsewhere


def test_symmetry_shows_the_draws_of_every_other_page():
    network = Network((64, 32, 16, 10), "tanh", "he_normal", seed=3)
    shown, _ = draws_in_float64(replace(network, dtype="float64"))
    for ours, elsewhere in zip(shown, network.parameters()[0], strict=True):
        assert ours.dtype == np.float64
        np.testing.assert_array_equal(ours, elsewhere)
    (views,) = exhaust(develop([replace(network, dtype="float64")], BATCH, Recipe("sgd", 0.1), 0))
    passed = propagate(shown, network.parameters()[1], BATCH.x, BATCH.targets, activation="tanh", loss="softmax_ce")
    np.testing.assert_array_equal(views[0].activations, passed.activations[0][:24, :24])


@pytest.mark.parametrize(("width", "depth", "count"), [(256, 5, 2), (512, 4, 3)])
def test_the_measured_peak_of_a_development_lies_between_a_half_and_eleven_tenths_of_the_estimate(width, depth, count):
    recipe, batch = Recipe("adam", 0.01, 2), make_batch("digits", 128)
    networks = [Network((64, *[width] * (depth - 1), 10), "tanh", key)
                for key in ("constant", "zeros", "he_normal")[:count]]
    for network in networks:
        network.parameters()  # draws that all pages share are bounded elsewhere
    tracemalloc.start()
    try:
        exhaust(develop(networks, batch, recipe, 2))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert 0.5 < peak / development_bytes(networks, 128, recipe) < 1.1
