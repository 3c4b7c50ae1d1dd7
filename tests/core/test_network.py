import dataclasses
import math
import re

import numpy as np
import pytest

from initviz import ACTIVATIONS, INITIALIZERS, Network, initialize, propagate
from initviz.core.network import stream

every_initializer = pytest.mark.parametrize("key", INITIALIZERS)


def weights(**fields):
    return Network(**fields).parameters()[0]


def test_a_network_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Network().seed = 1


def test_equal_descriptions_are_equal_and_have_equal_hashes():
    same = [Network((4, 3, 2), "leaky_relu", "he_normal", activation_params=a, initializer_params=i)
            for a in ({}, (), {"negative_slope": 0.01}, (("negative_slope", 0.01),))
            for i in ({"mode": "fan_in", "negative_slope": 0}, (("negative_slope", 0.0), ("mode", "fan_in")), ())]
    same += [Network([4, 3.0, np.int64(2)], "leaky_relu", gain=1, bias=0, seed=np.int32(0)),
             Network(iter((4, 3, 2)), "leaky_relu")]
    assert len(set(same)) == 1
    assert len({hash(network) for network in same}) == 1
    assert all(network == same[0] for network in same)


@pytest.mark.parametrize("change", [
    {"sizes": (4, 4, 2)}, {"activation": "tanh"}, {"initializer": "zeros"}, {"gain": 2}, {"bias": 1}, {"bias_std": 1},
    {"seed": 1}, {"dtype": "float64"}, {"initializer_params": {"mode": "fan_out"}}])
def test_descriptions_that_differ_in_a_field_are_not_equal(change):
    assert Network((4, 3, 2)) != Network(**({"sizes": (4, 3, 2)} | change))


def test_depth_is_the_number_of_weight_layers():
    assert Network((5, 4)).depth == 1
    assert Network((5, 4, 3, 2)).depth == 3


def test_parameters_have_the_described_shapes_and_dtype():
    for dtype in ("float32", "float64"):
        w, b = Network((7, 5, 3), dtype=dtype, bias_std=0.1).parameters()
        assert [a.shape for a in w] == [(7, 5), (5, 3)]
        assert [a.shape for a in b] == [(5,), (3,)]
        assert {a.dtype for a in w + b} == {np.dtype(dtype)}


BAD = [
    *[("sizes", value, "integer") for value in ((), (3,), (0, 1), (2.5, 1), (3, -1), (True, 2), (3, "4"), (3, None),
                                                (math.nan, 2), (3, 10**400), "abc", b"abc", 5, None)],
    *[(field, value, "a finite number") for field in ("gain", "bias")
      for value in (math.nan, math.inf, -math.inf, "1", None, True, np.array([1.0, 2.0]))],
    *[("bias_std", value, "a finite number of at least 0") for value in (-1, math.nan, math.inf, "1", None)],
    *[("seed", value, "an integer between 0 and ") for value in (-1, 0.5, 2**63, 10**400, math.nan, "0", None, True)],
    *[("dtype", value, "float32, float64") for value in ("float16", "int64", "", None, np.float32)],
    *[("activation", value, "tanh, relu") for value in ("swish", "", None, 3, ["relu"])],
    *[("initializer", value, "zeros, ones") for value in ("xavier", "", None, 3, ["zeros"])]]


@pytest.mark.parametrize(("field", "value", "allowed"), BAD)
def test_a_bad_field_raises_value_error_naming_field_value_and_what_is_allowed(field, value, allowed):
    with pytest.raises(ValueError, match=rf"^{field} must be ") as raised:
        Network(**{field: value})
    said = str(raised.value)
    assert allowed in said
    shown = [repr(value)] + [repr(part) for part in (value if isinstance(value, tuple) else ())]
    assert any(said.endswith(f"got {part}") for part in shown)
    assert not said.endswith(".")


@pytest.mark.parametrize(("fields", "said"), [
    ({"activation_params": {"slope": 1}, "activation": "leaky_relu"}, "leaky_relu takes negative_slope, got 'slope'"),
    ({"activation_params": {"negative_slope": 1}}, "relu takes no parameters, got 'negative_slope'"),
    ({"activation_params": {"negative_slope": 2}, "activation": "leaky_relu"},
     "leaky_relu negative_slope must be a number between 0 and 1, got 2"),
    ({"initializer_params": {"mode": "fan_avg"}}, "he_normal mode must be one of fan_in, fan_out, got 'fan_avg'"),
    ({"initializer_params": {"std": 1}}, "he_normal takes mode, negative_slope, got 'std'"),
    ({"initializer_params": {"std": -1}, "initializer": "normal"},
     "normal std must be a finite number of at least 0, got -1"),
    ({"initializer_params": {"value": math.nan}, "initializer": "constant"},
     "constant value must be a finite number, got nan"),
    ({"initializer_params": "abc"}, "initializer_params must map names to values, got 'abc'"),
    ({"initializer_params": None}, "initializer_params must map names to values, got None"),
    ({"activation_params": 3}, "activation_params must map names to values, got 3")])
def test_bad_parameters_raise_value_error_naming_owner_value_and_what_is_allowed(fields, said):
    with pytest.raises(ValueError, match=r"takes|must") as raised:
        Network(**fields)
    assert str(raised.value) == said


@every_initializer
def test_the_same_seed_gives_the_same_parameters(key):
    network = Network((20, 17, 5), initializer=key, bias_std=0.1, seed=3)
    again = dataclasses.replace(network)
    for first, second in zip(network.parameters(), again.parameters(), strict=True):
        for a, b in zip(first, second, strict=True):
            np.testing.assert_array_equal(a, b)


@every_initializer
def test_random_initializers_differ_between_seeds_and_between_layers_and_fixed_ones_do_not(key):
    draws = [initialize(key, 20, 20, rng=np.random.default_rng(seed)) for seed in (0, 1)]
    fixed = np.array_equal(*draws)
    first, second = weights(sizes=(20, 20, 20), initializer=key)
    assert np.array_equal(first, second) == fixed
    assert np.array_equal(first, weights(sizes=(20, 20, 20), initializer=key, seed=1)[0]) == fixed


def test_a_layer_is_drawn_from_its_own_stream_whatever_stands_before_it():
    deep, shallow = weights(sizes=(6, 9, 9, 9, 2)), weights(sizes=(6, 9, 9, 3))
    np.testing.assert_array_equal(deep[1], shallow[1])
    rng = stream(0, 1, 2)
    np.testing.assert_array_equal(deep[2], initialize("he_normal", 9, 9, rng=rng, dtype="float32"))


def test_biases_do_not_take_luck_from_the_weights():
    plain, biased = Network((6, 5, 4)).parameters(), Network((6, 5, 4), bias=0.5, bias_std=2).parameters()
    for a, b in zip(plain[0], biased[0], strict=True):
        np.testing.assert_array_equal(a, b)
    assert not any(b.any() for b in plain[1])


def test_biases_have_the_described_mean_and_standard_deviation():
    (b,) = Network((1, 40000), bias=0.5, bias_std=2, dtype="float64").parameters()[1]
    assert abs(b.mean() - 0.5) < 5 * 2 / math.sqrt(b.size)
    assert abs(b.std() - 2) < 5 * 2 / math.sqrt(2 * b.size)


def test_torch_linear_draws_biases_that_fill_the_range_of_its_weights():
    w, b = Network((100, 20000, 2000), initializer="torch_linear", dtype="float64").parameters()
    for fan_in, bias in zip((100, 20000), b, strict=True):
        bound = 1 / math.sqrt(fan_in)
        assert 0.99 * bound < np.abs(bias).max() <= bound
        assert abs(bias.var() / (bound**2 / 3) - 1) < 5 * math.sqrt(0.8 / bias.size)  # a uniform's kurtosis is 1.8
    assert np.abs(w[0]).max() <= 0.1


@pytest.mark.parametrize("kind", ["normal", "uniform"])
@pytest.mark.parametrize("depth", [1, 5, 30, 100])
def test_xavier_over_he_is_a_power_of_root_half_at_every_layer_of_a_relu_net(kind, depth):
    fields = {"sizes": (32,) * (depth + 1), "dtype": "float64", "activation": "relu"}
    x = np.random.default_rng(0).standard_normal((16, 32))
    xavier, he = (propagate(*Network(initializer=f"{name}_{kind}", **fields).parameters(), x, np.arange(16) % 32,
                            activation="relu", loss="softmax_ce") for name in ("xavier", "he"))
    for layer, (ours, theirs) in enumerate(zip(xavier.activations, he.activations, strict=True), 1):
        assert ours.std() / theirs.std() == pytest.approx(math.sqrt(0.5) ** layer, rel=1e-12)


@every_initializer
def test_gain_multiplies_the_weights_and_leaves_the_biases_alone(key):
    one, two = (Network((9, 8, 7), initializer=key, gain=gain, bias_std=0.1).parameters() for gain in (1, 2))
    for a, b in zip(one[0], two[0], strict=True):
        np.testing.assert_array_equal(2 * a, b)
    for a, b in zip(one[1], two[1], strict=True):
        np.testing.assert_array_equal(a, b)


# A link must open the same picture a year later: these numbers change only with a change of what a seed means.
PINNED = {
    ("he_normal", "float32"): ([0.32242984, -1.5267165, -1.506107], [-0.48550248, 0.3145249, 0.35453287]),
    ("he_normal", "float64"): ([0.0728091447812014, -0.6933374117731596, -0.5780444670255906],
                               [-0.04326809330002452, 0.40097035114617696, -1.3654205338897054]),
    ("xavier_uniform", "float64"): ([0.7216560132527117, 0.10579911068547496, 0.5571735100573864],
                                    [-0.5383941248582257, 0.9319913603685293, 1.0570329497780575]),
    ("truncated_normal", "float64"): ([0.0010296768001436128, -0.009805271710302614, -0.008174783249223177],
                                      [-0.0005299237536409781, 0.004910863811463648, -0.016722917961741822]),
    ("orthogonal", "float64"): ([0.046069093659417026, -0.8916003554046628, -0.1391197493192371],
                                [0.17165061638721818, -0.06675715967368095, -0.9828934568538905]),
    ("sparse", "float64"): ([0.10296768001436127, -0.9805271710302613, -0.8174783249223175],
                            [-0.05299237536409781, 0.49108638114636477, -1.672291796174182])}


@pytest.mark.parametrize(("key", "dtype"), PINNED, ids=str)
def test_the_weights_of_seed_0_are_pinned(key, dtype):
    first, second = weights(sizes=(4, 3, 2), initializer=key, dtype=dtype)
    tolerance = 1e-6 if dtype == "float32" else 1e-12
    np.testing.assert_allclose(first[0], PINNED[key, dtype][0], rtol=tolerance)
    np.testing.assert_allclose(second[:, 1], PINNED[key, dtype][1], rtol=tolerance)


def test_the_biases_of_seed_0_are_pinned():
    first, _ = Network((4, 3, 2), bias=0.5, bias_std=0.25, dtype="float64").parameters()[1]
    np.testing.assert_allclose(first, [0.35003738, 0.41237062, 0.24902603], rtol=1e-7)


@pytest.mark.parametrize("key", ACTIVATIONS)
def test_activation_entry_gives_the_record_and_every_parameter(key):
    record, params = Network(activation=key).activation_entry()
    assert record is ACTIVATIONS[key]
    assert params == {name: p.default for name, p in record.parameters.items()}


@pytest.mark.parametrize("key", INITIALIZERS)
def test_numbers_that_single_precision_cannot_hold_become_infinite_in_silence(key):
    with np.errstate(all="raise"):
        _, b = Network((3, 2), initializer=key, gain=1e300, bias=1e300, bias_std=1e300).parameters()
    assert not np.isfinite(b[0]).any()


def test_a_gain_and_a_bias_per_layer_multiply_and_shift_the_same_draws():
    plain = Network((4, 5, 3))
    varied = Network((4, 5, 3), gain=(1.0, 0.01), bias=(0.0, (-1.0, 0.0, 1.0)))
    assert np.array_equal(varied.parameters()[0][0], plain.parameters()[0][0])
    assert np.array_equal(varied.parameters()[0][1], plain.parameters()[0][1] * np.float32(0.01))
    assert varied.parameters()[1][1].tolist() == [-1, 0, 1]
    assert hash(varied) != hash(plain)


def test_a_tuple_of_one_number_is_that_number():
    assert Network((4, 5, 3), gain=(2, 2), bias=[0.5, 0.5]) == Network((4, 5, 3), gain=2.0, bias=0.5)


def test_the_output_initializer_draws_the_last_layer_alone():
    varied = Network((4, 5, 3), output_initializer="zeros").parameters()[0]
    assert np.array_equal(varied[0], Network((4, 5, 3)).parameters()[0][0])
    assert not varied[1].any()


@pytest.mark.parametrize(("changes", "sentence"), [
    ({"gain": (1, 2, 3)}, "gain must be a number or 2, one per weight layer, got 3"),
    ({"gain": (1, "x")}, "gain of layer 2 must be a finite number, got 'x'"),
    ({"bias": (0, (1, 2))}, "bias of layer 2 must be a number or 3, one per neuron, got 2"),
    ({"bias": (0, ())}, "bias of layer 2 must be a finite number, got ()"),
    ({"output_initializer": "no"}, "output_initializer must be one of"),
    ({"output_initializer_params": {"std": 1}}, "output_initializer_params must not be given without")])
def test_what_a_layer_cannot_have_is_refused_by_name(changes, sentence):
    with pytest.raises(ValueError, match=re.escape(sentence)):
        Network((4, 5, 3), **changes)
