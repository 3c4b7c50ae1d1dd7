import json
from pathlib import Path

import make_golden_layers as made
import numpy as np
import pytest

import initviz
from initviz import (
    Activation,
    BatchNorm,
    Dense,
    LayerNorm,
    Network,
    Residual,
    RMSNorm,
    draw_parameters,
    propagate_layers,
)
from initviz.core.layers import layers_of

TESTS = Path(__file__).parents[1]
CASES = {case["config"]["name"]: case for case in json.loads((TESTS / "golden_layers.json").read_text())["cases"]}
NORMS = {"layer": LayerNorm, "rms": RMSNorm, "batch": BatchNorm}
KINDS = [Dense(4), Activation("tanh"), LayerNorm(), RMSNorm(), BatchNorm(), Residual(Dense(4), scale=0.5),
         Residual(LayerNorm(), Dense(6), Activation("relu"), Dense(4), scale=0.3, learned=True)]


def built(layers):
    """Records of the package from the layers of a golden configuration."""
    def one(kind, *rest):
        if kind == "dense":
            return Dense(rest[0])
        if kind == "activation":
            return Activation(rest[0], **rest[1])
        if kind == "residual":
            return Residual(*built(rest[2]), scale=rest[0], learned=rest[1])
        return NORMS[kind]()
    return tuple(one(*layer) for layer in layers)


def close(ours, theirs):
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    return bool(np.all(np.abs(ours - theirs) <= 1e-12 + 1e-9 * np.abs(theirs)))


def passed(layers, x, targets, loss="mse", seed=0, dtype="float64"):
    parameters = draw_parameters(layers, x.shape[-1], seed=seed, dtype=dtype)
    return parameters, propagate_layers(layers, parameters, x.astype(dtype), targets, loss=loss)


@pytest.fixture
def x():
    return np.random.default_rng(0).standard_normal((5, 4))


@pytest.fixture
def targets():
    return np.random.default_rng(1).standard_normal((5, 4))


def test_there_are_more_than_forty_configurations():
    assert len(CASES) == len(list(made.configurations())) >= 40


@pytest.mark.parametrize("name", CASES)
def test_a_pass_agrees_with_pytorch_autograd(name):
    config, result = CASES[name]["config"], CASES[name]["result"]
    parameters, x, targets = made.arrays(config)
    ours = propagate_layers(built(config["layers"]), parameters, x, targets, loss=config["loss"])
    assert close(ours.loss, result["loss"])
    assert close(made.summary(ours.output), result["output"])
    assert close(made.summary(ours.input_gradient), result["input"])
    assert list(ours.gradients) == list(parameters)
    for part in ("gradients", "activations"):
        for path, numbers in result[part].items():
            assert close(made.summary(getattr(ours, part)[path]), numbers), (part, path)
    if not config["brief"]:
        assert ours.activations.keys() == result["activations"].keys()
        assert ours.gradients.keys() == result["gradients"].keys()


@pytest.mark.parametrize("layer", KINDS, ids=lambda layer: layer.label)
def test_one_layer_goes_forward_and_back_by_itself(layer, x, targets):
    parameters = layer.draw(4, np.random.default_rng(2))
    assert {name: array.shape for name, array in parameters.items()} == layer.shapes(4)
    _, saved = layer.forward(parameters, x)
    before = targets.copy()
    dx, gradients = layer.backward(parameters, saved, targets)
    assert (targets == before).all()
    assert gradients.keys() == parameters.keys()

    def value(x, parameters):
        return float((layer.forward(parameters, x)[0] * targets).sum())

    step = 1e-6
    direction = np.random.default_rng(3).standard_normal(x.shape)
    derivative = (value(x + step * direction, parameters) - value(x - step * direction, parameters)) / (2 * step)
    assert derivative == pytest.approx((dx * direction).sum(), rel=1e-7, abs=1e-8)
    for name, array in parameters.items():
        direction = np.random.default_rng(4).standard_normal(array.shape)
        ends = [value(x, parameters | {name: array + sign * step * direction}) for sign in (1, -1)]
        derivative = (ends[0] - ends[1]) / (2 * step)
        assert derivative == pytest.approx((gradients[name] * direction).sum(), rel=1e-7, abs=1e-8)


@pytest.mark.parametrize("layer", KINDS, ids=lambda layer: layer.label)
def test_records_are_frozen_hashable_and_equal_by_value(layer):
    if not isinstance(layer, Residual | Activation):
        assert eval(repr(layer), {type(layer).__name__: type(layer)}) == layer
    assert hash(layer) == hash(layer)
    with pytest.raises(AttributeError):
        layer.label = "another"


def test_records_tell_their_values_apart():
    assert Activation("leaky_relu", negative_slope=0.1) != Activation("leaky_relu")
    assert Residual(Dense(3), scale=0.5) == Residual(Dense(3), scale=0.5) != Residual(Dense(3), scale=0.5, learned=True)
    assert len({LayerNorm(), LayerNorm(), RMSNorm(), LayerNorm(eps=0)}) == 3


def test_a_plain_tuple_of_layers_is_the_plain_network_bit_for_bit():
    network = Network((6, 9, 9, 4), "tanh", "torch_linear", gain=1.2, bias_std=0.1, seed=3, dtype="float64")
    dense = [Dense(n, "torch_linear", gain=1.2, bias_std=0.1) for n in (9, 9, 4)]
    layers = (dense[0], Activation("tanh"), dense[1], Activation("tanh"), dense[2])
    assert layers_of(network) == layers
    x, y = np.random.default_rng(0).standard_normal((8, 6)), np.arange(8) % 4
    weights, biases = network.parameters()
    parameters, ours = passed(layers, x, y, "softmax_ce", seed=3)
    plain = initviz.propagate(weights, biases, x, y, activation="tanh", loss="softmax_ce")
    assert ours.loss == plain.loss
    assert (ours.input_gradient == plain.input_gradient).all()
    for index, layer in enumerate((0, 2, 4)):
        assert (parameters[f"{layer}.weight"] == weights[index]).all()
        assert (parameters[f"{layer}.bias"] == biases[index]).all()
        assert (ours.activations[str(layer)] == plain.preactivations[index]).all()
        assert (ours.gradients[f"{layer}.weight"] == plain.weight_gradients[index]).all()
        assert (ours.gradients[f"{layer}.bias"] == plain.bias_gradients[index]).all()


def test_a_stack_of_networks_passes_as_each_by_itself(x, targets):
    layers = (Dense(4), *KINDS, Residual(BatchNorm(), Dense(4), scale=0.0, learned=True), Dense(4))
    drawn = [draw_parameters(layers, 4, seed=seed) for seed in range(3)]
    stacked = {name: np.stack([one[name] for one in drawn]) for name in drawn[0]}
    ours = propagate_layers(layers, stacked, x, targets, loss="mse")
    for index, parameters in enumerate(drawn):
        alone = propagate_layers(layers, parameters, x, targets, loss="mse")
        assert ours.loss[index] == pytest.approx(alone.loss, rel=1e-12)
        assert ours.input_gradient[index] == pytest.approx(alone.input_gradient, rel=1e-9, abs=1e-14)
        for name, gradient in alone.gradients.items():
            assert ours.gradients[name][index] == pytest.approx(gradient, rel=1e-9, abs=1e-14)
            assert ours.gradients[name].shape == stacked[name].shape


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_pass_keeps_the_dtype_of_the_arrays(x, targets, dtype):
    layers = (Dense(4), *KINDS)
    _, ours = passed(layers, x, targets.astype(dtype), dtype=dtype)
    for arrays in (ours.gradients, ours.activations):
        assert {array.dtype for array in arrays.values()} == {np.dtype(dtype)}
    assert ours.output.dtype == ours.input_gradient.dtype == dtype


@pytest.mark.parametrize("scale", [0.0, 0.7])
def test_a_learned_scale_of_zero_leaves_the_stream_and_its_branch_without_gradient_exactly(x, targets, scale):
    branch = (LayerNorm(), Dense(8), Activation("relu"), Dense(4))
    _, ours = passed((Dense(4), Residual(*branch, scale=scale, learned=True), Dense(4)), x, targets)
    inside = [ours.gradients[name] for name in ours.gradients if name.startswith("1.") and name != "1.scale"]
    assert (ours.activations["1"] == ours.activations["0"]).all() == (scale == 0)
    assert all((gradient == 0).all() for gradient in inside) == (scale == 0)
    assert ours.gradients["1.scale"] != 0


def test_zero_gamma_leaves_the_stream_and_all_behind_it_without_gradient_exactly(x, targets):
    layers = (Dense(4), Residual(Dense(4), BatchNorm(weight=0.0)), Dense(4))
    _, ours = passed(layers, x, targets)
    assert (ours.activations["1"] == ours.activations["0"]).all()
    assert (ours.gradients["1.0.weight"] == 0).all()
    assert (ours.gradients["1.1.weight"] != 0).all()


@pytest.mark.parametrize("width", [3, 7, 100])
@pytest.mark.parametrize("value", [0.1, 1e6 / 3, -1e-7])
def test_layer_norm_of_copies_is_exactly_zero(width, value):
    y, _ = LayerNorm().forward({"weight": np.ones(width), "bias": np.zeros(width)}, np.full((2, width), value))
    assert (y == 0).all()


def test_batch_norm_of_a_constant_neuron_is_exactly_zero_and_the_others_are_normalized():
    x = np.random.default_rng(0).standard_normal((50, 3))
    x[:, 1] = 0.1
    y, _ = BatchNorm(eps=0.0 + 1e-12).forward({"weight": np.ones(3), "bias": np.zeros(3)}, x)
    assert (y[:, 1] == 0).all()
    assert y[:, [0, 2]].std(axis=0) == pytest.approx([1, 1])


def test_a_batch_norm_on_a_batch_of_one_is_refused_in_words():
    layers = (Dense(4), Residual(BatchNorm(), Dense(4)))
    with pytest.raises(ValueError, match=r"^batch must be at least 2 samples where BatchNorm takes its variance over "
                                         r"them, got 1$"):
        passed(layers, np.ones((1, 4)), np.ones((1, 4)))


@pytest.mark.parametrize(("make", "words"), [
    (lambda: Dense(0), "width must be an integer between 1 and 1e"),
    (lambda: Dense(3, "he"), "initializer must be one of"),
    (lambda: Dense(3, bias_std=-1), "bias_std must be a finite number of at least 0, got -1"),
    (lambda: Activation("rleu"), "activation must be one of"),
    (lambda: Activation("relu", slope=1), "relu takes no parameters, got 'slope'"),
    (lambda: LayerNorm(eps=-1), "eps must be a finite number of at least 0, got -1"),
    (lambda: Residual(), r"branch must be at least one layer, each an argument of its own, got \(\)"),
    (lambda: Residual(Dense(2), scale=float("nan")), "scale must be a finite number, got nan"),
    (lambda: draw_parameters((Residual(Dense(3)),), 2), "branch must end as wide as its input, 2, .* got 3"),
])
def test_bad_values_are_refused_in_words(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_parameters_that_do_not_fit_are_refused_in_words(x, targets):
    layers = (Dense(4), Residual(Dense(4), scale=0, learned=True))
    good = draw_parameters(layers, 4)
    stacked = {name: np.stack([array] * 3) for name, array in good.items()}
    for parameters, words in (
            ({name: array for name, array in good.items() if name != "1.0.bias"}, "parameters lack '1.0.bias'"),
            (good | {"2.weight": x}, "parameters must not have '2.weight'"),
            (good | {"0.weight": np.ones((3, 4))}, r"'0.weight' must have shape \(4, 4\), got \(3, 4\)"),
            (good | {"1.0.weight": stacked["1.0.weight"]}, r"'1.0.weight' must have shape \(4, 4\), got \(3, 4, 4\)"),
            (good | {"0.bias": np.ones((1, 4))}, r"'0.bias' must have shape \(4,\), got \(1, 4\)"),
            (stacked | {"0.bias": np.ones((2, 4))}, r"'0.bias' must have shape \(3, 4\), got \(2, 4\)"),
            (stacked | {"1.scale": np.ones(1)}, r"'1.scale' must have shape \(3,\), got \(1,\)"),
            (good | {"0.weight": x + 1j}, "'0.weight' must be an array of real numbers"),
            (list(good), "parameters must map names such as '0.weight' to arrays")):
        with pytest.raises(ValueError, match=words):
            propagate_layers(layers, parameters, x, targets, loss="mse")
    with pytest.raises(ValueError, match="layers must be at least one layer"):
        propagate_layers((), {}, x, targets, loss="mse")
    with pytest.raises(ValueError, match=r"^x must be an array of real numbers, got \[\[1, 2\], \[3\]\]$"):
        propagate_layers(layers, good, [[1, 2], [3]], targets, loss="mse")
    with pytest.raises(ValueError, match=r"x must have shape \(batch, features\)"):
        propagate_layers(layers, good, x[0], targets, loss="mse")
    with pytest.raises(ValueError, match="targets must have shape"):
        propagate_layers(layers, good, x, targets[:2], loss="mse")


def test_the_same_seed_draws_the_same_dense_layers_whatever_stands_between():
    plain = draw_parameters((Dense(4), Dense(4)), 4, seed=5)
    blocks = draw_parameters((LayerNorm(), Dense(4), Residual(BatchNorm(), Dense(4))), 4, seed=5)
    assert (plain["0.weight"] == blocks["1.weight"]).all()
    assert (plain["1.weight"] == blocks["2.1.weight"]).all()
