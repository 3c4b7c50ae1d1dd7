import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from unittest import mock

import numpy as np
import pytest

from initviz import (
    KINDS,
    SCHEMES,
    Architecture,
    Network,
    Recipe,
    make_batch,
    propagate_layers,
    sweep,
    train,
)
from initviz.core.batches import make_split
from initviz.core.exchange import all_alike, layers_of_neurons
from initviz.core.layers.chain import chain_backward
from initviz.training.gradient_descent import block_race, race

BATCH = make_batch("digits", 64, dtype="float64")


def network(**fields):
    return Architecture(**{"width": 16, "blocks": 3, "dtype": "float64"} | fields)


def after(described, recipe, **options):
    trained = block_race([described], BATCH, recipe, **options).advance()
    return trained.named(*trained.parameters()[0])


def gradients(described, parameters):
    return propagate_layers(described.layers, parameters, BATCH.x, BATCH.targets, loss=BATCH.loss).gradients


@pytest.mark.parametrize(("kind", "normalization"), [("residual", "none"), ("residual", "batch"),
                                                     ("normalized", "batch"), ("pre_norm", "rms")])
def test_constant_weights_stay_copies_to_the_last_bit_where_their_gradients_have_round_off(kind, normalization):
    rng = np.random.default_rng(0)

    def with_round_off(*given):
        dx, found = chain_backward(*given)
        return dx, {name: array * (1 + 1e-15 * rng.standard_normal(array.shape)) for name, array in found.items()}

    described = network(kind=kind, normalization=normalization, initializer="constant", activation="tanh")
    with mock.patch("initviz.training.gradient_descent.blocks.chain_backward", with_round_off):
        trained = block_race([described], BATCH, Recipe("adam", 0.01, 20)).advance()
    assert trained.histories[0].loss[-1] < trained.histories[0].loss[0]
    assert trained.histories[0].symmetry_gap[-1][:-1].max() == 0
    parameters = trained.named(*trained.parameters()[0])
    assert all(all_alike(parameters, places) for places in layers_of_neurons(described, parameters))


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_step_of_gradient_descent_subtracts_the_gradient_times_the_rate(scheme):
    described = Architecture.of(scheme, width=16, blocks=3, dtype="float64")
    before = described.draw()
    found = after(described, Recipe("sgd", 0.1, 1))
    step = gradients(described, before)
    assert found.keys() == before.keys()
    for name, array in found.items():
        assert array.shape == before[name].shape
        assert array == pytest.approx(before[name] - 0.1 * step[name], rel=1e-12, abs=1e-15)


def test_adam_moves_every_named_parameter_as_kingma_and_ba_write_it():
    described = network(kind="pre_norm", normalization="layer", learned_scale=True, branch_scale=0.5)
    parameters = described.draw()
    mean, square = ({name: np.zeros_like(array) for name, array in parameters.items()} for _ in range(2))
    for t in (1, 2, 3):
        for name, g in gradients(described, parameters).items():
            mean[name] = 0.9 * mean[name] + 0.1 * g
            square[name] = 0.999 * square[name] + 0.001 * g * g
            step = mean[name] / (1 - 0.9**t) / (np.sqrt(square[name] / (1 - 0.999**t)) + 1e-8)
            parameters[name] = parameters[name] - 0.01 * step
    found = after(described, Recipe("adam", 0.01, 3))
    for name, array in parameters.items():
        assert found[name] == pytest.approx(array, rel=1e-9, abs=1e-12)


def test_the_plain_kind_trains_as_the_plain_network():
    recipe = Recipe("momentum", 0.05, 12)
    plain = race([Network((64, 16, 16, 16, 16, 10), seed=2, dtype="float64")], BATCH, recipe).advance().histories[0]
    ours = train(network(kind="plain", seed=2), BATCH, recipe)
    assert ours.steps == plain.steps
    for name in ("loss", "accuracy", "gradient_norm", "update_ratio", "symmetry_gap", "dead_share"):
        assert np.array(getattr(ours, name)) == pytest.approx(np.array(getattr(plain, name)), rel=1e-9, nan_ok=True)


@pytest.mark.parametrize("kind", KINDS)
def test_networks_trained_side_by_side_train_as_each_alone(kind):
    described = network(kind=kind, normalization=KINDS[kind].normalizations[-1], learned_scale=True)
    networks = [replace(described, seed=seed) for seed in range(3)]
    training, held_out = make_split("digits", 64, 32, dtype="float64")
    recipe = Recipe("adam", 0.01, 10, batch_size=16)
    together = block_race(networks, training, recipe, held_out=held_out).advance()
    for one, history in zip(networks, together.histories, strict=True):
        alone = block_race([one], training, recipe, held_out=held_out, seed=0).advance().histories[0]
        assert history.loss == pytest.approx(alone.loss, rel=1e-6)
        assert history.held_out_accuracy == alone.held_out_accuracy
        assert len(history.gradient_norm[0]) == len(together.weights)


@pytest.mark.parametrize("scheme", ["fixup", "skipinit", "zero_gamma", "gpt2", "deepnorm", "batch_norm"])
def test_every_scheme_learns_the_digits(scheme):
    history = train(Architecture.of(scheme, width=32, blocks=4), make_batch("digits", 256), Recipe("adam", 3e-3, 80))
    assert history.diverged_at is None
    assert history.accuracy[-1] > 0.85


def test_constant_weights_stay_copies_through_training_in_every_kind():
    for kind, norm in (("residual", "none"), ("pre_norm", "rms"), ("post_norm", "rms"), ("normalized", "batch")):
        described = network(kind=kind, normalization=norm, initializer="constant",
                            initializer_params={"value": 0.05}, width=16)
        history = train(described, BATCH, Recipe("sgd", 0.01, 20))
        assert history.diverged_at is None
        # the input layer's neurons have the same weights, up to the order in which a product adds
        assert np.array(history.symmetry_gap)[:, :-1].max() < 1e-9, kind


def test_branches_of_zero_scale_get_their_first_gradient_one_step_after_the_scale():
    described = network(branch_scale="0", learned_scale=True)
    history = train(described, BATCH, Recipe("sgd", 0.1, 2))
    norms = np.array(history.gradient_norm)
    inside = slice(1, -1)
    assert (norms[0, inside] == 0).all()
    assert (norms[1, inside] > 0).all()


def test_a_network_that_diverges_is_taken_out_and_marked():
    networks = [network(gain=gain) for gain in (1.0, 1e8)]
    trained = block_race(networks, BATCH, Recipe("sgd", 0.001, 5)).advance()
    assert trained.histories[0].diverged_at is None
    assert trained.histories[1].diverged_at is not None
    assert trained.parameters()[1] is None


def test_what_cannot_be_trained_together_is_refused_in_words():
    with pytest.raises(ValueError, match=r"dropout must be 0 for networks of blocks, got 0\.2"):
        train(network(), BATCH, Recipe(dropout=0.2))
    with pytest.raises(ValueError, match="networks must have the same blocks"):
        block_race([network(), network(kind="pre_norm", normalization="layer")], BATCH)


def test_a_sweep_takes_networks_of_blocks_on_any_executor():
    networks = [Architecture(32, 32, 6, 10, kind, norm, branch_scale=scale, seed=seed)
                for kind, norm, scale in (("residual", "none", 1.0), ("residual", "none", "1/sqrt(L)"),
                                          ("pre_norm", "layer", 1.0)) for seed in range(3)]
    here = list(sweep(networks))
    with ThreadPoolExecutor(2) as pool:
        assert list(sweep(networks, executor=pool)) == here
    assert [outcome.network for outcome in here] == networks
    grown, kept = here[0].signal, here[3].signal
    # five more blocks: the mean square of He's branches of two layers grows by 3 a block, and by 1 + 2/6
    assert math.log(grown) == pytest.approx(2.5 * math.log(3), rel=0.2)
    assert math.log(kept) == pytest.approx(2.5 * math.log(4 / 3), rel=0.35)
    assert here[3].survives
    assert not here[0].survives
