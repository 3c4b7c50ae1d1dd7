"""What is predicted of zeros from the expression alone is what training measures."""

from __future__ import annotations

import numpy as np
import pytest

from initviz.training.zero_placement import WIRINGS, combinations, learned_rank, measure, predict, tensors_of

CASES = [(key, states) for key, wiring in WIRINGS.items() for states in combinations(wiring)]


def test_every_state_of_every_tensor_is_offered():
    assert len(CASES) == sum(3 ** len(tensors_of(wiring.expression)) for wiring in WIRINGS.values()) > 600


@pytest.mark.parametrize("key", WIRINGS)
def test_prediction_and_training_agree_for_every_combination(key):
    expression = WIRINGS[key].expression
    for states in combinations(WIRINGS[key]):
        assert predict(expression, states) == dict(measure(expression, states).fates), states


@pytest.mark.parametrize(("key", "name", "first"), [
    ("lora", "B", 0), ("lora", "A", 1), ("residual", "W2", 0), ("residual", "W1", 1), ("gamma", "gamma", 0),
    ("gamma", "W2", 1), ("alpha", "alpha", 0), ("alpha", "W1", 1), ("readout", "W_out", 0), ("readout", "W1", 1),
    ("chain", "W1", None), ("chain", "W2", None), ("chain", "W3", None), ("relu_chain", "W1", None)])
def test_the_usual_zeros_wake_when_their_papers_say(key, name, first):
    wiring = WIRINGS[key]
    assert predict(wiring.expression, wiring.usual)[name].first_step == first
    gradients = measure(wiring.expression, wiring.usual).gradients[name]
    assert [size != 0 for size in gradients[:3]] == [first is not None and step >= first for step in range(3)]


@pytest.mark.parametrize(("a", "b", "rank"), [("random", "zero", 8), ("constant", "zero", 1), ("zero", "zero", 0)])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_rank_that_a_lora_pair_learns(a, b, rank, seed):
    assert learned_rank(a, b, seed=seed) == rank


def test_a_zero_that_never_wakes_stays_exactly_zero():
    trained = measure(WIRINGS["chain"].expression, WIRINGS["chain"].usual)
    assert all((array == 0).all() for array in trained.arrays.values())
    assert np.ptp(trained.loss) == 0
