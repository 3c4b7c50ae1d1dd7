import json
import math
from pathlib import Path
from unittest import mock

import hashed
import numpy as np
import pytest

from initviz import Batch, Network, make_batch
from initviz.core.batches import make_split
from initviz.training.gradient_descent import (
    Race,
    Recipe,
    best_rates,
    last_known,
    race,
    recorded_steps,
    symmetry_gap,
    train,
)
from initviz.training.gradient_descent.copies import Copies
from initviz.training.optimizers import OPTIMIZERS

GOLDEN = json.loads((Path(__file__).parents[1] / "golden.json").read_text())
CASES = {case["config"]["name"]: case for case in GOLDEN["configs"] if "train" in case["config"]}
MOONS, DIGITS = make_batch("moons", 128), make_batch("digits", 128)


def started(config, copies=1):
    weights, biases, x, targets = hashed.build(config)
    recipe = Recipe(config["train"]["opt"], config["train"]["lr"], config["train"]["steps"])
    return Race([(weights, biases)] * copies, Batch(x, targets, config["loss"], config["sizes"][-1]), recipe,
                activation=config["activation"], record=config["train"]["record"], snapshots=[recipe.steps])


@pytest.mark.parametrize("name", CASES)
def test_training_agrees_with_pytorch(name):
    config, result = CASES[name]["config"], CASES[name]["result"]
    for history in started(config, copies=3).advance().histories:
        losses = dict(zip(history.steps, history.loss, strict=True))
        for step, want in result["loss_after"].items():
            assert abs(losses[int(step)] - want) <= 1e-12 + 1e-9 * abs(want)
        weights, _ = history.snapshots[config["train"]["steps"]]
        np.testing.assert_allclose([np.linalg.norm(w) for w in weights], result["W_norm_after"], rtol=1e-9, atol=1e-12)


def test_momentum_agrees_with_its_recursion_by_hand():
    x, y = np.array([[1.0]]), np.array([[0.0]])
    history = Race([([np.array([[2.0]])], [np.zeros(1)])], Batch(x, y, "mse", 1), Recipe("momentum", 0.1, 2),
                   activation="linear", record=[0, 1, 2]).advance().histories[0]
    w = b = vw = vb = 0.0
    w = 2.0
    for _ in range(2):
        gradient = 2 * (w + b)
        vw, vb = 0.9 * vw + gradient, 0.9 * vb + gradient
        w, b = w - 0.1 * vw, b - 0.1 * vb
    assert history.loss[0] == pytest.approx(4.0)
    assert history.loss[2] == pytest.approx((w + b) ** 2)


def test_networks_in_a_stack_do_not_see_each_other():
    networks = [Network((2, 16, 16, 2), "tanh", key, dtype="float64") for key in ("he_normal", "identity", "zeros")]
    recipe = Recipe("adam", 0.01, 30, batch_size=32)
    together = race(networks, MOONS, recipe).advance().histories
    for network, history in zip(networks, together, strict=True):
        np.testing.assert_allclose(train(network, MOONS, recipe).loss, history.loss, rtol=1e-9)


def test_a_run_in_pieces_is_the_same_as_in_one_go():
    network, recipe = Network((2, 8, 2), "tanh"), Recipe("momentum", 0.05, 25, batch_size=16)
    whole = train(network, MOONS, recipe)
    pieces = race([network], MOONS, recipe)
    while not pieces.finished:
        pieces.advance(3)
    assert pieces.histories[0].loss == whole.loss
    assert pieces.histories[0].steps == whole.steps


def test_a_diverged_network_is_marked_and_does_not_stop_the_others():
    networks = [Network((2, 16, 2), "linear", "he_normal", dtype="float64")] * 2
    run = race(networks, make_split("moons", 64, 0)[0], Recipe("sgd", 0.1, 400), rates=[0.1, 1e6]).advance()
    calm, wild = run.histories
    assert run.finished
    assert calm.diverged_at is None
    assert calm.steps[-1] == 400
    assert wild.diverged_at is not None
    assert 0 < wild.diverged_at < 400
    assert all(math.isfinite(loss) for loss in wild.loss)
    alone = train(networks[0], make_split("moons", 64, 0)[0], Recipe("sgd", 0.1, 400))
    np.testing.assert_allclose(calm.loss, alone.loss, rtol=1e-9)


def test_a_start_whose_first_loss_overflows_diverges_at_step_0():
    history = train(Network((2, 64, 64, 64, 2), "linear", "ones", gain=1e20), MOONS, Recipe(steps=5))
    assert history.diverged_at == 0
    assert history.steps == []


def test_zero_steps_record_the_start_alone():
    history = train(Network((2, 8, 2), "tanh"), MOONS, Recipe(steps=0))
    assert history.steps == [0]
    assert len(history.loss) == 1


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize(("width", "dtype"), [(16, "float64"), (88, "float32"), (100, "float64")])
def test_constant_weights_stay_copies_to_the_last_bit(optimizer, width, dtype):
    network = Network((64, width, width, 10), "tanh", "constant", dtype=dtype)
    history = train(network, DIGITS, Recipe(optimizer, 0.01, 100))
    assert history.loss[-1] < history.loss[0]
    assert max(gap[:2].max() for gap in history.symmetry_gap) == 0


def test_copies_stay_equal_beside_networks_that_diverge_or_differ_and_these_are_left_as_they_are():
    fields = {"sizes": (64, 88, 88, 10), "activation": "tanh", "dtype": "float32"}
    networks = [Network(initializer=key, **fields, gain=gain) for key, gain in (
        ("constant", 1e38), ("constant", 1), ("he_normal", 1), ("zeros", 1), ("ones", 0.1))]
    together = race(networks, DIGITS, Recipe("adam", 0.01, 50)).advance()
    assert together.histories[0].diverged_at is not None
    for index in (1, 3, 4):
        assert together.histories[index].symmetry_gap[-1][:2].max() == 0
    with mock.patch.object(Copies, "equalize"):
        apart = race(networks[1:], DIGITS, Recipe("adam", 0.01, 50)).advance()
    for ours, theirs in zip(together.parameters()[2], apart.parameters()[1], strict=True):
        for array, same in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(array, same)


def test_neurons_whose_outgoing_weights_or_biases_differ_are_no_copies():
    constant, random = (Network((64, 16, 10), "tanh", key, bias_std=0.1).parameters()
                        for key in ("constant", "he_normal"))
    zeros = [np.zeros_like(b) for b in constant[1]]
    initial = [(constant[0], zeros), ([constant[0][0], random[0][1]], zeros), constant]
    trained = Race(initial, DIGITS, Recipe("sgd", 0.1, 20), activation="tanh").advance()
    gaps = [history.symmetry_gap[-1][0] for history in trained.histories]
    assert gaps[0] == 0
    assert min(gaps[1:]) > 1e-3


def test_dropout_splits_copies():
    constant = Network((2, 16, 16, 2), "tanh", "constant", dtype="float64")
    history = train(constant, MOONS, Recipe("sgd", 0.1, 20, dropout=0.2))
    assert history.symmetry_gap[0][0] == 0
    assert history.symmetry_gap[-1][0] > 1e-6


def test_the_symmetry_gap_is_relative_and_guarded():
    copies = np.ones((3, 4))
    other = copies.copy()
    other[:, 2] += [0.3, 0, 0]
    assert symmetry_gap(copies) == 0
    assert symmetry_gap(np.zeros((3, 4))) == 0
    assert symmetry_gap(other) == pytest.approx(0.3 / math.sqrt(3))
    assert symmetry_gap(np.stack([copies, other])).shape == (2,)


def test_update_ratio_is_not_defined_for_zero_weights_and_is_the_rate_times_the_gradient_else():
    zero, healthy = race([Network((2, 8, 2), "tanh", key, dtype="float64") for key in ("zeros", "he_normal")], MOONS,
                         Recipe("sgd", 0.5, 1), record=[0]).advance().histories
    assert np.isnan(zero.update_ratio[0][0])
    weights, _ = Network((2, 8, 2), "tanh", dtype="float64").parameters()
    want = math.log10(0.5 * healthy.gradient_norm[0][0] / np.linalg.norm(weights[0]))
    assert healthy.update_ratio[0][0] == pytest.approx(want)


def test_held_out_accuracy_is_that_of_other_samples():
    training, held_out = make_split("circles", 200, 100, seed=3)
    history = race([Network((2, 32, 32, 2), "tanh", "he_normal")], training, Recipe("adam", 0.01, 200),
                   held_out=held_out).advance().histories[0]
    assert history.held_out_accuracy[-1] > 0.9
    assert len(history.held_out_accuracy) == len(history.steps)


def test_held_out_samples_go_through_at_the_steps_asked_for_and_the_last():
    training, held_out = make_split("circles", 50, 50, seed=3)
    history, every = (race([Network((2, 8, 2), "tanh", "he_normal")], training, Recipe("sgd", 0.1, 20),
                           held_out=held_out, record=range(0, 21, 2), **steps).advance().histories[0]
                      for steps in ({"held_out_steps": [0, 8]}, {}))
    looked = ~np.isnan(history.held_out_accuracy)
    assert np.array(history.steps)[looked].tolist() == [0, 8, 20]
    assert np.array(history.held_out_accuracy)[looked].tolist() == np.array(every.held_out_accuracy)[looked].tolist()
    assert last_known(history.held_out_accuracy[:6]) == every.held_out_accuracy[4]
    assert last_known([]) is None


def test_snapshots_are_bounded_in_memory():
    network = Network((64, 512, 512, 10), "relu")
    wide = race([network] * 4, make_batch("digits", 8), Recipe(steps=40), snapshots=range(41)).advance()
    size = sum(array.nbytes for history in wide.histories for snapshot in history.snapshots.values()
               for part in snapshot for array in part)
    assert 0 < size <= 64e6
    assert 2 <= len(wide.histories[0].snapshots) < 41


def test_rates_are_tried_network_by_network_and_the_final_loss_tells_them_apart():
    initial = [Network((2, 16, 2), "tanh", key).parameters() for key in ("he_normal", "zeros")]
    rates = [1e-4, 0.3, 1e9]
    sweep = best_rates(initial, MOONS, Recipe("sgd", steps=30), rates, activation="tanh").advance()
    losses = [history.loss[-1] if history.loss else math.inf for history in sweep.histories]
    assert rates[int(np.argmin(losses[:3]))] == 0.3
    assert losses[3] == pytest.approx(math.log(2), rel=1e-3)  # zeros, at the lowest rate


def test_every_kind_of_bad_recipe_is_refused_by_name():
    for bad, words in (({"optimizer": "sgdd"}, "optimizer"), ({"rate": -1}, "rate"), ({"rate": math.nan}, "rate"),
                       ({"steps": -1}, "steps"), ({"steps": 2.5}, "steps"), ({"dropout": 1.0}, "dropout")):
        with pytest.raises(ValueError, match=words):
            Recipe(**bad)
    with pytest.raises(ValueError, match="same sizes"):
        race([Network((2, 8, 2)), Network((2, 9, 2))], MOONS)


def test_recorded_steps_hold_the_ends():
    assert recorded_steps(0) == [0]
    assert recorded_steps(1) == [0, 1]
    many = recorded_steps(2000)
    assert (many[0], many[-1]) == (0, 2000)
    assert len(many) <= 90


def test_one_sample_one_class_and_one_neuron_train_without_complaint():
    lonely = Batch(np.ones((1, 2), np.float32), np.zeros(1, int), "softmax_ce", 1)
    assert train(Network((2, 1, 1), "relu"), lonely, Recipe(steps=3)).loss[-1] == 0


def test_a_rate_beyond_float32_diverges_without_a_warning():
    network = Network((64, 8, 10), "tanh", "xavier_normal")
    history = train(network, make_batch("digits", 16), Recipe(rate=1e300, steps=5))
    assert history.diverged_at == 1
