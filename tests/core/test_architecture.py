import math

import numpy as np
import pytest

from initviz import (
    KINDS,
    SCHEMES,
    Activation,
    Architecture,
    BatchNorm,
    Dense,
    LayerNorm,
    Network,
    Residual,
    RMSNorm,
    propagate,
    propagate_layers,
)

EVERY = [(kind, norm) for kind, entry in KINDS.items() for norm in entry.normalizations]


def stds(architecture):
    """Standard deviation of each weight, by name."""
    return {name: float(array.std()) for name, array in architecture.draw().items() if array.ndim == 2}


@pytest.mark.parametrize(("kind", "norm"), EVERY)
@pytest.mark.parametrize("branch_layers", [1, 2])
def test_every_kind_with_every_normalization_passes_in_finite_numbers(kind, norm, branch_layers):
    network = Architecture(6, 8, 3, 4, kind, norm, branch_layers, expansion=2, branch_scale="1/sqrt(L)")
    x, targets = np.random.default_rng(0).standard_normal((9, 6)).astype("float32"), np.arange(9) % 4
    passed = propagate_layers(network.layers, network.draw(), x, targets, loss="softmax_ce")
    assert passed.output.shape == (9, 4)
    assert all(np.isfinite(gradient).all() and gradient.any() for gradient in passed.gradients.values()
               if gradient.ndim == 2)
    assert len(network.block_paths) == 3
    blocks = [path for paths in network.block_paths for path in paths]
    assert blocks == [str(index) for index in range(int(blocks[0]), int(blocks[-1]) + 1)]
    behind = len(network.layers) - 1 - int(blocks[-1])
    assert behind == (2 if kind == "pre_norm" else 1)


def test_the_plain_kind_is_the_plain_network():
    network = Network((6, 8, 8, 8, 4), "tanh", "lecun_normal", seed=2, dtype="float64")
    ours = Architecture(6, 8, 2, 4, "plain", activation="tanh", initializer="lecun_normal", seed=2, dtype="float64")
    x, targets = np.random.default_rng(0).standard_normal((9, 6)), np.arange(9) % 4
    plain = propagate(*network.parameters(), x, targets, activation="tanh", loss="softmax_ce")
    assert propagate_layers(ours.layers, ours.draw(), x, targets, loss="softmax_ce").loss == plain.loss
    assert ours.depth == network.depth


@pytest.mark.parametrize(("kind", "norm", "block"), [
    ("residual", "none", (Residual(Dense(8), Activation("relu"), Dense(4)),)),
    ("residual", "batch", (Residual(Dense(8), BatchNorm(), Activation("relu"), Dense(4), BatchNorm()),)),
    ("pre_norm", "layer", (Residual(LayerNorm(), Dense(8), Activation("relu"), Dense(4)),)),
    ("post_norm", "rms", (Residual(Dense(8), Activation("relu"), Dense(4)), RMSNorm())),
    ("normalized", "batch", (Dense(4), BatchNorm(), Activation("relu"))),
    ("plain", "none", (Dense(4), Activation("relu")))])
def test_blocks_are_built_as_their_formula_says(kind, norm, block):
    network = Architecture(3, 4, 2, 2, kind, norm, expansion=2)
    first = int(network.block_paths[0][0])
    assert network.layers[first:first + len(block)] == block
    assert network.layers[-1] == Dense(2)


@pytest.mark.parametrize(("given", "scale"), [(0.3, 0.3), ("1", 1), ("1/sqrt(L)", 0.25), ("1/L", 1 / 16), ("0", 0)])
def test_a_branch_scale_is_a_number_or_follows_from_the_blocks(given, scale):
    assert Architecture(blocks=16, branch_scale=given).layers[1].scale == scale


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_scheme_makes_a_network_and_says_what_it_changes(scheme):
    network = Architecture.of(scheme, width=16, blocks=3)
    assert network.scheme == scheme
    entry = SCHEMES[scheme]
    assert network.kind in entry.kinds
    assert entry.source
    assert entry.sentence.endswith(".")
    assert all(change.formula for change in entry.changes)
    assert bool(entry.scale) == bool(entry.scale_formula)
    assert hash(network) == hash(Architecture.of(scheme, width=16, blocks=3))


def test_fixup_zeroes_last_layers_and_scales_the_first_ones_of_branches():
    network = Architecture.of("fixup", width=200, blocks=16)
    found = network.draw()
    for paths in network.block_paths:
        assert (found[f"{paths[0]}.2.weight"] == 0).all()
        assert found[f"{paths[0]}.scale"] == 1
        expected = math.sqrt(2 / 200) / 4  # He's, and L^(-1/2) for two layers in a branch
        # std of 40,000 normal values is known to 1/sqrt(80,000) of itself
        assert found[f"{paths[0]}.0.weight"].std() == pytest.approx(expected, rel=4 / math.sqrt(80_000))
    assert (found["17.weight"] == 0).all()


def test_skipinit_and_zero_gamma_begin_as_their_skips_alone_exactly():
    x, targets = np.random.default_rng(0).standard_normal((9, 64)).astype("float32"), np.arange(9)
    for scheme in ("skipinit", "zero_gamma"):
        network = Architecture.of(scheme, width=16, blocks=3)
        passed = propagate_layers(network.layers, network.draw(), x, targets, loss="softmax_ce")
        for paths in network.block_paths:
            assert (passed.activations[paths[0]] == passed.activations["0"]).all()
            assert (passed.gradients[f"{paths[0]}.0.weight"] == 0).all()


def test_gpt2_draws_with_002_and_less_into_the_stream():
    found = stds(Architecture.of("gpt2", width=128, blocks=8))
    for name, std in found.items():
        expected = 0.02 / math.sqrt(2 * 8) if name.endswith(".3.weight") else 0.02
        size = 1280 if name == "10.weight" else 8192  # the smallest weights
        assert std == pytest.approx(expected, rel=4 / math.sqrt(2 * size)), name


def test_deepnorm_scales_branches_and_their_weights():
    blocks = 8
    network = Architecture.of("deepnorm", width=64, blocks=blocks)
    assert network.layers[1].scale == pytest.approx((2 * blocks) ** -0.25)
    xavier = math.sqrt(2 / (64 + 256)) * (8 * blocks) ** -0.25
    found = stds(network)
    assert found["1.0.weight"] == pytest.approx(xavier, rel=4 / math.sqrt(2 * 64 * 256))
    assert found["1.2.weight"] == pytest.approx(xavier, rel=4 / math.sqrt(2 * 64 * 256))
    assert found["0.weight"] == pytest.approx(math.sqrt(2 / 128), rel=4 / math.sqrt(2 * 64 * 64))


@pytest.mark.parametrize(("fields", "words"), [
    ({"kind": "resnet"}, "kind must be one of plain, residual, pre_norm, post_norm, normalized, got 'resnet'"),
    ({"blocks": 0}, "blocks must be an integer between 1 and 1000, got 0"),
    ({"kind": "pre_norm"}, "normalization must be layer or rms or batch where kind is pre_norm, got 'none'"),
    ({"kind": "plain", "normalization": "layer"}, "normalization must be none where kind is plain, got 'layer'"),
    ({"scheme": "deepnorm"}, "kind must be post_norm where scheme is deepnorm, got 'residual'"),
    ({"scheme": "zero_gamma"}, "normalization must be layer or rms or batch where scheme is zero_gamma, got 'none'"),
    ({"branch_scale": "1/sqrt L"}, r"branch_scale must be one of 1, 1/sqrt\(L\), 1/L, 0, got '1/sqrt L'"),
    ({"branch_layers": 3}, "branch_layers must be an integer between 1 and 2, got 3"),
    ({"activation_params": {"slope": 1}}, "relu takes no parameters, got 'slope'"),
])
def test_bad_fields_are_refused_in_words(fields, words):
    with pytest.raises(ValueError, match=f"^{words}$"):
        Architecture(**fields)
