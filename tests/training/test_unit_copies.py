"""Which of the units that start as copies part: what is predicted is what training measures."""

from itertools import product

import pytest

from initviz.training.unit_copies import COPIES, COUNT, counts, measured, predicted, predicted_rank
from initviz.training.zero_placement import STATES, learned_rank

STAY = {"experts", "experts_constant", "heads", "heads_zero_output"}


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("key", COPIES)
def test_units_part_where_predicted(key, seed):
    assert measured(COPIES[key], seed=seed) == predicted(COPIES[key]) == (1 if key in STAY else COUNT)


def test_units_that_start_equal_are_one_before_training_unless_their_own_weights_are_random():
    for copies in COPIES.values():
        own_random = any(copies.states.get(part) == "random" for part in copies.parts)
        assert measured(copies, steps=0) == (COUNT if own_random else 1)


def test_residual_layers_with_zero_last_weights_are_still_copies_after_one_step():
    assert [measured(COPIES["residual_zero"], steps=steps) for steps in (1, 2)] == [1, COUNT]


@pytest.mark.parametrize(("a", "b"), list(product(STATES, repeat=2)))
def test_the_rank_that_a_lora_pair_learns_is_predicted(a, b):
    assert {predicted_rank(a, b)} == {learned_rank(a, b, seed=seed) for seed in (0, 1)}


def test_the_table_says_of_every_row_what_was_predicted_and_measured():
    rows = counts(0)
    assert [row.measured for row in rows[:3]] == [8, 1, 0]
    assert all(row.predicted == row.measured <= row.of for row in rows)
