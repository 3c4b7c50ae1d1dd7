import math

import numpy as np
import pytest

from initviz import Architecture, make_batch, propagate_layers
from initviz.training.block_symmetry import FEW_STEPS, develop_blocks
from initviz.training.gradient_descent import Recipe
from initviz.training.symmetry import SHOWN

BATCH = make_batch("digits", 48, dtype="float64")


def exhaust(work):
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value


def developed(*initializers, scheme="residual", after_steps=0, recipe=None, **fields):
    networks = [Architecture.of(scheme, **{"width": 16, "blocks": 3, "activation": "tanh"} | fields |
                                {"initializer": initializer}) for initializer in initializers]
    return exhaust(develop_blocks(networks, BATCH, recipe or Recipe("sgd", 0.1), after_steps))


def counted(counts, part):
    return {getattr(count, part) for count in counts} - {None}


def test_what_is_seen_is_what_a_pass_computes():
    (found,) = developed("he_normal", branch_scale="1/sqrt(L)", expansion=2)
    network = Architecture(width=16, blocks=3, activation="tanh", branch_scale="1/sqrt(L)", expansion=2)
    parameters = {name: array.astype(float) for name, array in network.draw().items()}
    passed = propagate_layers(network.layers, parameters, BATCH.x, BATCH.targets, loss=BATCH.loss)
    assert len(found.views) == len(found.first) == 4
    assert found.views[0].branch is None
    assert found.views[0].added is None
    for block, view in enumerate(found.views[1:], 1):
        branch = passed.activations[f"{block}.1"]
        for seen, h, name in ((view.stream, passed.activations[f"{block}"], "2"), (view.branch, branch, "0"),
                              (view.added, passed.activations[f"{block}.2"] / math.sqrt(3), "2")):
            np.testing.assert_allclose(seen.activations, h[:SHOWN, :SHOWN], rtol=1e-12)
            np.testing.assert_allclose(seen.gradient, passed.gradients[f"{block}.{name}.weight"][:SHOWN, :SHOWN],
                                       rtol=1e-9, atol=1e-15)
            assert seen.neurons == h.shape[1]
            assert seen.rms == pytest.approx(math.sqrt(np.mean(h**2)))


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
@pytest.mark.parametrize(("scheme", "normalization"), [
    ("residual", "none"), ("residual", "batch"), ("pre_norm", "rms"), ("pre_norm", "batch"), ("post_norm", "rms"),
    ("batch_norm", "batch"), ("fixup", "none"), ("skipinit", "none"), ("zero_gamma", "batch")])
def test_constants_stay_copies_in_stream_and_branch_whatever_the_blocks(scheme, normalization, optimizer):
    (found,) = developed("constant", scheme=scheme, normalization=normalization, recipe=Recipe(optimizer, 0.01),
                         after_steps=20)
    assert found.steps == 20
    assert set(found.stream_kinds) | set(found.branch_kinds) == {1}
    for part in ("stream", "branch", "added"):
        assert counted(found.first, part) | counted(found.last, part) <= {1}
    assert found.moved > 0


@pytest.mark.parametrize(("scheme", "normalization"), [
    ("fixup", "none"), ("skipinit", "none"), ("zero_gamma", "batch")])
def test_a_branch_that_begins_at_zero_adds_copies_of_zero_which_part(scheme, normalization):
    found, _ = developed("he_normal", "constant", scheme=scheme, normalization=normalization)
    assert found.zero_branches
    assert found.steps == FEW_STEPS
    assert counted(found.first, "added") == {1}
    assert counted(found.last, "added") == counted(found.first, "stream") == {16}
    assert found.views[1].added.rms == 0


def test_layer_norm_of_copies_is_0_over_the_root_of_eps_and_passes_no_gradient_of_copies():
    for scheme in ("pre_norm", "post_norm"):
        (found,) = developed("constant", scheme=scheme)
        assert (found.norm.label, found.norm.stage) == ("LayerNorm", 1)
        assert found.norm.input_rms > 0
        assert found.norm.output_rms == 0
        assert found.norm.gradient_out == 0
        assert found.moved == 0
        assert counted(found.last, "stream") == {1}


def test_rms_norm_of_copies_leaves_their_signs_and_batch_norm_their_samples():
    signs, samples = (developed("constant", scheme="pre_norm", normalization=norm)[0].norm for norm in ("rms", "batch"))
    assert signs.output_rms == pytest.approx(1, abs=0.05)
    assert samples.output_rms == pytest.approx(1, abs=1e-3)
    assert developed("he_normal", scheme="pre_norm", normalization="rms")[0].norm is None


def test_copies_that_come_out_of_the_first_layer_part_in_a_block_of_different_weights():
    (found,) = developed("constant", scheme="deepnorm")
    assert [count.stream for count in found.first] == [1, 16, 16, 16]
    assert set(found.stream_kinds) == {16}


def test_zeros_never_move_and_are_no_signal_at_all():
    zeros, constant = developed("zeros", "constant", after_steps=10)
    assert zeros.zero_stream
    assert zeros.zero_branches
    assert zeros.moved == 0
    assert not constant.zero_stream
    assert constant.dense == zeros.dense == 8


def test_a_network_that_diverges_is_seen_before_it_did_or_not_at_all():
    steep = Recipe("sgd", 1e9)
    (before,) = developed("he_normal", recipe=steep, activation="relu")
    (after,) = developed("he_normal", recipe=steep, activation="relu", after_steps=5)
    assert len(before.views) == 4
    assert after.views == []
    assert before.last == after.last == []
    assert counted(before.first, "stream") == {16}


def test_networks_are_looked_at_one_after_another_where_memory_is_short(monkeypatch):
    together = developed("constant", "he_normal", "zeros", after_steps=3)
    monkeypatch.setattr("initviz.training.block_symmetry.TOGETHER_BYTES", 1.0)
    alone = developed("constant", "he_normal", "zeros", after_steps=3)
    for one, other in zip(together, alone, strict=True):
        assert (one.first, one.last, one.moved, one.stream_kinds) == (other.first, other.last, other.moved,
                                                                     other.stream_kinds)
        np.testing.assert_allclose(one.views[-1].stream.activations, other.views[-1].stream.activations, rtol=1e-9)
