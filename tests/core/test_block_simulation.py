import math

import numpy as np
import pandas as pd
import pytest

from initviz import KINDS, SCHEMES, Architecture, Network, make_batch, propagate_layers, simulate
from initviz.core.simulation import simulate_blocks

BATCH = make_batch("digits", 64)


def network(**fields):
    return Architecture(width=32, blocks=4, **fields)


@pytest.mark.parametrize("kind", KINDS)
def test_a_stage_is_measured_as_numpy_measures_it(kind):
    described = network(kind=kind, normalization=KINDS[kind].normalizations[-1], dtype="float64")
    run = simulate(described, BATCH)
    parameters = described.draw()
    passed = propagate_layers(described.layers, parameters, BATCH.x, BATCH.targets, loss=BATCH.loss)
    assert run.loss == pytest.approx(passed.loss)
    assert len(run.layers) == described.depth == 6
    for row, paths in zip(run.layers.itertuples(), described.stages, strict=True):
        h = passed.activations[paths[-1]]
        assert row.activation_std == pytest.approx(h.std())
        assert row.activation_rms == pytest.approx(math.sqrt((h**2).mean()))
        assert row.distinct_neurons == h.shape[1]
        name = [name for name, array in parameters.items() if name.partition(".")[0] in paths and array.ndim == 2][-1]
        assert row.weight_std == pytest.approx(parameters[name].std())
        assert row.weight_gradient_rms == pytest.approx(math.sqrt((passed.gradients[name] ** 2).mean()))
    assert set(run.every_layer.path) == set(passed.activations)
    assert run.every_layer.gradient_rms.gt(0).all()
    for row in run.every_layer[run.every_layer.kind == "Dense"].itertuples():
        gradient = passed.gradients[f"{row.path}.weight"]
        assert row.weight_gradient_rms == pytest.approx(math.sqrt((gradient**2).mean()))


def test_skip_branch_ratio_and_cosine_are_those_of_the_sum():
    described = network(branch_scale=0.5, dtype="float64", seed=3)
    seen = propagate_layers(described.layers, described.draw(), BATCH.x, BATCH.targets, loss=BATCH.loss).activations
    blocks = simulate(described, BATCH).blocks
    for block in range(1, 5):
        skip, branch = seen[str(block - 1)], 0.5 * seen[f"{block}.2"]
        row = blocks.iloc[block - 1]
        assert row.block == block
        assert row.skip_rms == pytest.approx(math.sqrt((skip**2).mean()))
        assert row.branch_rms == pytest.approx(math.sqrt((branch**2).mean()))
        assert row.branch_to_skip == pytest.approx(row.branch_rms / row.skip_rms)
        assert row.cosine == pytest.approx((skip * branch).sum() / np.linalg.norm(skip) / np.linalg.norm(branch))
        assert row.output_rms == pytest.approx(math.sqrt(((skip + branch) ** 2).mean()))


def test_the_plain_kind_is_simulated_as_the_plain_network():
    plain = simulate(Network((64, 32, 32, 32, 10), "tanh", "xavier_normal", seed=1), BATCH)
    ours = simulate(Architecture(64, 32, 2, 10, "plain", activation="tanh", initializer="xavier_normal", seed=1), BATCH)
    columns = [name for name in plain.layers if not name.startswith("delta")]  # there of the activations' inputs
    pd.testing.assert_frame_equal(ours.layers[columns], plain.layers[columns], rtol=1e-6)
    assert ours.counts.keys() == plain.counts.keys()
    for quantity in ("activation", "preactivation", "weight", "weight_gradient"):
        assert (ours.counts[quantity] == plain.counts[quantity]).all()


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_scheme_is_simulated_and_counts_every_value(scheme):
    described = Architecture.of(scheme, width=24, blocks=3)
    run = simulate(described, BATCH, scale="symlog")
    assert math.isfinite(run.loss)
    shares = run.histogram("activation").groupby("layer")["count"].sum()
    assert shares.tolist() == [64 * size for size in described.sizes[1:]]


def test_blocks_that_begin_as_their_skips_have_a_branch_of_exactly_zero_and_no_cosine():
    for scheme in ("skipinit", "zero_gamma", "fixup"):
        blocks = simulate(Architecture.of(scheme, width=24, blocks=3), BATCH).blocks
        assert (blocks.branch_rms == 0).all()
        assert (blocks.branch_to_skip == 0).all()
        assert blocks.cosine.isna().all()
        assert blocks.output_rms.nunique() == 1


def test_constant_weights_leave_one_distinct_neuron_in_every_stream():
    for kind, norm in (("residual", "none"), ("pre_norm", "rms"), ("pre_norm", "batch"), ("post_norm", "rms")):
        run = simulate(network(kind=kind, normalization=norm, initializer="constant", dtype="float64"), BATCH)
        assert (run.layers.distinct_neurons == 1).all(), kind


@pytest.mark.parametrize("kind", [kind for kind, record in KINDS.items() if record.skips])
def test_a_stream_is_symmetric_until_one_neuron_is_written_or_read_otherwise(kind):
    described = network(kind=kind, normalization=KINDS[kind].normalizations[-1], initializer="constant")
    drawn = described.draw()
    assert (simulate(described, BATCH).column("distinct_weights")[:-1] == 1).all()
    last = f"{len(described.layers) - 1}.weight"
    for name, place in (("0.weight", (3, 5)), ("0.bias", (5,)), (last, (5, 2))):
        changed = {key: array.copy() for key, array in drawn.items()}
        changed[name][place] += 0.01
        columns = simulate_blocks(described, BATCH, parameters=changed)
        assert np.isnan(columns.column("distinct_weights")).all(), name
    changed = {key: array.copy() for key, array in drawn.items()}
    changed[last.replace("weight", "bias")][2] += 0.01  # the output's neurons are not the stream's
    assert (simulate_blocks(described, BATCH, parameters=changed).column("distinct_weights")[:-1] == 1).all()


def test_layer_norm_of_copies_is_zero_and_nothing_flows():
    run = simulate(network(kind="post_norm", normalization="layer", initializer="constant", dtype="float64"), BATCH)
    assert (run.layers.activation_rms.iloc[1:] == 0).all()
    assert (run.layers.weight_gradient_rms == 0).all()


@pytest.mark.parametrize("width", [32, 37])
@pytest.mark.parametrize("kind", ["pre_norm", "post_norm", "normalized"])
def test_copies_are_equal_to_the_last_bit_before_a_normalization_divides_what_differs(kind, width):
    run = simulate(Architecture(width=width, blocks=6, kind=kind, normalization="layer", initializer="constant"), BATCH)
    assert (run.layers.distinct_neurons == 1).all()
    assert (run.layers.neuron_spread == 0).all()


def test_a_stream_that_overflows_is_said_so():
    run = simulate(Architecture(width=32, blocks=200, gain=10), BATCH)
    assert run.overflow_layer is not None
    assert math.isnan(run.layers.cosine.iloc[-2])


def test_a_batch_that_does_not_fit_is_refused_in_words():
    with pytest.raises(ValueError, match="sizes must begin with 64, as the data has 64 inputs, got 3"):
        simulate(Architecture(inputs=3), BATCH)
    with pytest.raises(ValueError, match="batch must be at least 2 samples where BatchNorm"):
        simulate(Architecture.of("batch_norm"), make_batch("digits", 1))


@pytest.mark.parametrize("fields", [{"kind": "pre_norm", "normalization": "layer", "expansion": 4},
                                    {"kind": "residual", "branch_layers": 1}, {"kind": "plain"},
                                    {"kind": "normalized", "normalization": "batch"}])
def test_a_second_thread_measures_the_same(fields, monkeypatch):
    described = network(**fields)
    alone = simulate(described, BATCH)
    monkeypatch.setattr("initviz.core.simulation.blocks.TOGETHER", 0)
    together = simulate(described, BATCH)
    pd.testing.assert_frame_equal(together.layers, alone.layers)
    pd.testing.assert_frame_equal(together.every_layer, alone.every_layer)
    assert (together.counts["activation"] == alone.counts["activation"]).all()
