import numpy as np
import pytest

from initviz import Architecture, make_batch
from initviz.training.block_attempts import BLOCK_ATTEMPTS, Places, try_blocks
from initviz.training.gradient_descent import Recipe
from initviz.training.symmetry import SPLIT

BATCH = make_batch("digits", 64, dtype="float64")
CASES = {"residual": {}, "fixup": {"scheme": "fixup"}, "skipinit": {"scheme": "skipinit"},
         "pre_norm": {"kind": "pre_norm", "normalization": "layer"},
         "pre_norm_rms": {"kind": "pre_norm", "normalization": "rms"},
         "post_norm": {"kind": "post_norm", "normalization": "layer"}}


def tried(steps=60, epsilon=1e-4, **fields):
    network = Architecture(**{"width": 16, "blocks": 2, "activation": "tanh", "initializer": "constant"} | fields)
    work = try_blocks(network, BATCH, Recipe("sgd", 0.1, steps), epsilon)
    while True:
        try:
            next(work)
        except StopIteration as end:
            return {result.key: result for result in end.value}


ALL = {name: tried(**fields) for name, fields in CASES.items()}


def test_every_attempt_is_tried_in_the_tables_order_and_to_its_end():
    for results in ALL.values():
        assert list(results) == list(BLOCK_ATTEMPTS)
        assert all(result.steps[-1] == 60 for result in results.values())


@pytest.mark.parametrize("case", CASES)
def test_nothing_and_adam_alone_leave_copies_everywhere(case):
    for key in ("nothing", "adam"):
        result = ALL[case][key]
        assert set(result.gaps["stream"]) | set(result.gaps["branch"]) == {0.0}
        assert (result.last_stream_kinds, result.last_branch_kinds) == (1, (1, 1))


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("key", ["input", "output"])
def test_a_random_first_or_last_layer_parts_the_stream_and_never_the_neurons_inside_branches(case, key):
    result = ALL[case][key]
    assert (result.stream_kinds, result.branch_kinds) == (16, (1, 1))
    assert (result.last_stream_kinds, result.last_branch_kinds) == (16, (1, 1))
    assert result.split_at("stream") is not None
    assert set(result.gaps["branch"]) == {0.0}


def test_one_random_block_parts_the_stream_and_leaves_the_other_blocks_neurons_copies():
    result = ALL["residual"]["block"]
    assert result.last_stream_kinds == 16
    assert result.last_branch_kinds == result.branch_kinds == (16, 1)


def test_layer_norm_of_copies_keeps_random_branches_from_ever_parting_the_stream():
    stuck, free = (ALL[case]["inner"] for case in ("pre_norm", "pre_norm_rms"))
    assert stuck.split_at("stream") is None
    assert set(stuck.gaps["stream"]) == {0.0}
    assert free.split_at("stream") is not None


def test_no_more_neurons_ever_differ_than_may_not_change_places():
    for results in ALL.values():
        for result in results.values():
            assert result.last_stream_kinds <= result.stream_kinds
            assert all(last <= first for last, first in zip(result.last_branch_kinds, result.branch_kinds, strict=True))


def test_an_attempt_changes_the_weights_that_it_names_and_no_others():
    network = Architecture(width=16, blocks=3, initializer="constant", dtype="float64")
    places, constants = Places.of(network), network.draw()
    assert {places.output, *places.inner, *places.writers} == {name for name in constants if name.endswith("weight")}
    for key, attempt in BLOCK_ATTEMPTS.items():
        changed = attempt.parameters(constants, places, np.random.default_rng(0), 1e-3)
        found = {name for name, array in changed.items() if (array != constants[name]).any()}
        assert found == {*attempt.drawn(places), *([name for name in constants if name.endswith("weight")]
                                                   if attempt.noisy else []),
                         *([name for name in constants if name.endswith("bias")] if attempt.biases else [])}, key
        assert all(np.ptp(array) == 0 for array in constants.values())


def test_a_smaller_perturbation_splits_later_and_a_gap_is_what_the_first_step_is_read_from():
    large, small = (tried(epsilon=epsilon, steps=100)["noise"] for epsilon in (1e-2, 1e-4))
    assert large.split_at("stream") < small.split_at("stream")
    before = small.steps.index(small.split_at("stream")) - 1
    assert small.gaps["stream"][before] <= SPLIT < small.gaps["stream"][before + 1]


def test_attempts_are_made_one_after_another_where_memory_is_short(monkeypatch):
    monkeypatch.setattr("initviz.training.block_symmetry.TOGETHER_BYTES", 1.0)
    alone = tried()
    for key, result in ALL["residual"].items():
        assert alone[key].gaps["stream"] == pytest.approx(result.gaps["stream"], rel=1e-6, abs=1e-12)
        assert alone[key].last_branch_kinds == result.last_branch_kinds


@pytest.mark.parametrize("fields", [{"kind": "normalized", "normalization": "batch"}, {"branch_layers": 1},
                                    {"initializer": "he_normal"}])
def test_what_cannot_be_tried_is_refused_in_words(fields):
    with pytest.raises(ValueError, match="network must have skips, 2 layers a branch and constants"):
        tried(**fields)
