"""LSUV and its kin: unit variance on the data, directions kept, nothing divided by 0."""

import math
from dataclasses import replace

import numpy as np
import pytest

from initviz import ACTIVATIONS, Network, make_batch, propagate
from initviz.core.batches import batch_for
from initviz.core.simulation import GROWN, SHRUNK, simulate
from initviz.diagnosis.initialization import initialization_of
from initviz.diagnosis.remedies import TOLERANCE, in_words, lsuv, recommended, remedies, rescale, standardize_inputs
from initviz.diagnosis.report import diagnose
from initviz.theory.mean_field import Field
from initviz.theory.recommendation import recommended_point
from initviz.theory.trajectory import sigmas

DEEP = Network((64, *[256] * 11, 10), "tanh", "orthogonal")
BATCH = make_batch("digits", 256)


def variances(network, weights, biases, batch=BATCH):
    passed = propagate(weights, biases, batch.x.astype(network.dtype), batch.targets, activation=network.activation,
                       loss=batch.loss, **dict(network.activation_params))
    return np.array([z.var(dtype=float) for z in passed.preactivations])


@pytest.mark.parametrize("activation", ["linear", "tanh", "relu", "sigmoid", "gelu", "selu", "softplus"])
def test_lsuv_gives_every_layer_unit_variance_within_its_tolerance(activation):
    network = replace(DEEP, activation=activation, sizes=(64, *[64] * 11, 10))
    found = variances(network, lsuv(network, BATCH), [np.zeros(n, np.float32) for n in network.sizes[1:]])
    assert (np.abs(found - 1) < TOLERANCE).all()


def test_lsuv_starts_from_orthonormal_weights_and_needs_one_division_a_layer():
    network = replace(DEEP, sizes=(64, 64, 64, 10))
    for w in lsuv(network, BATCH, most_tries=1):
        gram = w.astype(float).T @ w
        np.testing.assert_allclose(gram / gram[0, 0], np.eye(len(gram)), atol=1e-5)
    found = variances(DEEP, lsuv(DEEP, BATCH, most_tries=1), [np.zeros(n, np.float32) for n in DEEP.sizes[1:]])
    assert (np.abs(np.sqrt(found) - 1) < 0.05).all()  # Mishkin and Matas 2016; on these data one try is enough


@pytest.mark.parametrize("gain", [1e-6, 1.0, 300.0])
def test_rescaled_weights_keep_their_directions(gain):
    network = replace(DEEP, initializer="he_normal", gain=gain)
    weights, biases = network.parameters()
    found = rescale(weights, biases, network, BATCH)
    for before, after in zip(weights, found, strict=True):
        ratio = after / before
        np.testing.assert_allclose(ratio, ratio[0, 0], rtol=1e-5)
    assert (np.abs(variances(network, found, biases) - 1) < TOLERANCE).all()


def test_weights_that_overflow_are_brought_back():
    network = Network((64, 64, 64, 10), "linear", "normal", gain=1e30)
    weights, biases = network.parameters()
    assert (np.abs(variances(network, rescale(weights, biases, network, BATCH), biases) - 1) < TOLERANCE).all()


@pytest.mark.parametrize("change", [{"initializer": "zeros"}, {"gain": 0.0}, {"initializer": "normal", "gain": 1e300}])
def test_where_no_number_helps_the_weights_stay_as_they_are(change):
    network = replace(DEEP, sizes=(64, 16, 16, 10), **change)
    weights, biases = network.parameters()
    for before, after in zip(weights, rescale(weights, biases, network, BATCH), strict=True):
        np.testing.assert_array_equal(before, after)


def test_a_layer_that_sees_only_its_bias_is_left_alone():
    network = Network((64, 16, 10), "relu", "he_normal", bias=-1e6)
    weights, biases = network.parameters()
    found = rescale(weights, biases, network, BATCH)
    np.testing.assert_array_equal(found[1], weights[1])


@pytest.mark.parametrize("key", ACTIVATIONS)
def test_the_recommended_initialization_keeps_a_length_in_a_wide_layer(key):
    better, why = recommended(Network((32, 32, 10), key, "ones", gain=3.0, bias=1.0, bias_std=2.0))
    if better.initializer == "siren":  # it keeps the length at which a sine's second moment gives it back, not 1
        length = 0.7968 / 900
        assert 2 / 900 * float(Field(key, better.activation_params).moments(length).square) == pytest.approx(
            length, rel=1e-3)
        return
    assert better.bias == 0
    sigma_w, sigma_b = sigmas(better, 1)
    field = Field(key, better.activation_items)
    lengths = field.lengths(1.0, [(sigma_w, sigma_b)] * 51)
    chi = field.chi(lengths[:-1], sigma_w)
    assert SHRUNK < math.sqrt(lengths[-1] / lengths[0]) < GROWN
    assert math.sqrt(math.prod(chi)) < GROWN
    assert math.sqrt(math.prod(chi)) > SHRUNK or not recommended_point(key).stable_edge
    assert why.endswith(".")


def test_sirens_gradient_is_measured_and_a_deep_sine_network_gets_the_edge_of_chaos_instead():
    shallow, why = recommended(Network((64, *[256] * 9, 10), "sine", "ones"))
    assert shallow.initializer == "siren"
    growth = float(why.split("√χ₁ = ")[1].split()[0])
    deltas = simulate(shallow, BATCH, counted=()).column("delta_rms")
    assert growth == pytest.approx((deltas[0] / deltas[8]) ** (1 / 8), rel=0.03)
    deep, why = recommended(Network((64, *[256] * 49, 10), "sine", "ones"))
    assert growth**48 > GROWN
    assert (deep.initializer, deep.gain) == ("lecun_normal", pytest.approx(1 / 30, rel=1e-2))
    assert "edge of chaos" in why


def test_selus_gradient_is_measured_and_a_very_deep_network_gets_the_edge_of_chaos_instead():
    shallow, why = recommended(Network((64, *[256] * 49, 10), "selu", "ones"))
    assert (shallow.initializer, shallow.gain, shallow.bias_std) == ("lecun_normal", 1, 0)
    growth = float(why.split("√χ₁ = ")[1].split()[0])
    assert growth == pytest.approx(math.sqrt(1.0715749925), rel=1e-3)  # Klambauer et al.'s constants, E phi'^2
    network = Network((64, *[256] * 99, 10), "selu", "ones")
    assert growth**98 > GROWN
    deep = recommended(network)[0]
    assert deep.bias_std > 0
    found = diagnose(initialization_of(deep, BATCH, "recommended"), with_remedies=False).findings
    assert not [finding for finding in found if finding.severity != "note" and finding.key in ("signal", "gradient")]
    line = recommended(Network((64, *[256] * 99, 10), "linear", "ones"))
    assert (line[0].gain, "√χ₁" in line[1]) == (1, False)


@pytest.mark.parametrize(("key", "said"), [
    ("gelu", "**LeCun normal** with a gain of 1.4082, biases of standard deviation 0.4158"),
    ("relu", "**He normal**, biases 0"), ("tanh", "**LeCun normal**, biases 0")])
def test_a_recommendation_is_said_with_its_biases(key, said):
    better, why = recommended(Network((64, 32, 10), key))
    assert in_words(better) == said
    assert ("biases of standard deviation" in why) == (better.bias_std > 0)


@pytest.mark.parametrize("key", ACTIVATIONS)
def test_fifty_layers_get_no_error_from_their_own_recommendation(key):
    better, why = recommended(Network((64, *[256] * 49, 10), key, "ones"))
    found = diagnose(initialization_of(better, BATCH, "recommended"), with_remedies=False).findings
    errors = [finding.kind for finding in found if finding.severity == "error"]
    assert not errors or (key in ("sigmoid", "softplus") and "needs another activation" in why), errors


def test_every_remedy_meets_the_same_data_and_the_recommended_start_is_not_its_own_remedy():
    default = initialization_of(Network((64, 16, 10), "relu", "torch_linear"), BATCH, "default")
    found = remedies(default)
    assert [remedy.key for remedy in found] == ["recommended", "lsuv", "rescaled"]
    assert all(remedy.initialization.batch is BATCH for remedy in found)
    better = initialization_of(recommended(default.network)[0], BATCH, "He")
    assert [remedy.key for remedy in remedies(better)] == ["lsuv", "rescaled"]


def test_standardized_inputs_have_mean_0_and_standard_deviation_1():
    batch = replace(BATCH, x=BATCH.x * 1000 + 50)
    x = standardize_inputs(initialization_of(Network((64, 16, 10)), batch, "")).initialization.batch.x
    spread = x.std(axis=0)
    assert np.allclose(x.mean(axis=0), 0, atol=1e-5)
    assert (np.isclose(spread, 1, atol=1e-4) | (spread == 0)).all()


@pytest.mark.parametrize(("options", "words"), [
    ({"tolerance": -1}, "tolerance must be a number between 0 and 1, got -1"),
    ({"most_tries": 0}, "most_tries must be an integer between 1 and 1000, got 0")])
def test_a_bad_option_is_refused(options, words):
    with pytest.raises(ValueError, match=words):
        lsuv(DEEP, BATCH, **options)


def test_data_of_another_width_are_refused():
    with pytest.raises(ValueError, match="weights of layer 1"):
        lsuv(DEEP, batch_for((32, 8, 10), "normal", 16))
