"""The exported source runs and draws what it says."""

import ast
import builtins
import io
import itertools
import math
import re
import subprocess
import sys

import numpy as np
import pytest

from initviz import ACTIVATIONS, INITIALIZERS, Network, make_batch
from initviz.core.activations import activation
from initviz.core.frameworks import FRAMEWORKS
from initviz.core.initializers import law_of
from initviz.diagnosis.remedies import lsuv
from initviz.files.source_code import code, state_dict

SIZES = (60, 100, 80, 10)
GAIN, BIAS, BIAS_STD = 1.5, 0.25, 0.5
STANDARD_ERRORS = 5
POINTS = np.linspace(-5, 5, 101)
# Every name of Keras and JAX that the tables use, as read in Keras 3.15 and JAX 0.10.
NAMES = {
    "Keras": {
        "keras.Input", "keras.Sequential", "keras.activations.mish", "keras.layers.Dense",
        "keras.utils.set_random_seed", "keras.random.normal", "keras.random.uniform",
        *(f"keras.initializers.{name}" for name in (
            "Constant", "Identity", "LecunNormal", "Ones", "Orthogonal", "RandomNormal", "RandomUniform",
            "TruncatedNormal", "VarianceScaling", "Zeros")),
        *(f"keras.ops.{name}" for name in (
            "argsort", "cast", "clip", "convert_to_tensor", "elu", "erf", "gelu", "leaky_relu", "relu", "selu",
            "sigmoid", "silu", "sin", "softplus", "softsign", "std", "tanh", "zeros"))},
    "JAX": {
        "jax.scipy.special.erf", "jnp.asarray", "jnp.clip", "jnp.eye", "jnp.sin", "jnp.tanh", "jnp.zeros",
        *(f"jax.random.{name}" for name in ("key", "normal", "split", "uniform")),
        *(f"jax.nn.{name}" for name in ("elu", "gelu", "leaky_relu", "mish", "relu", "selu", "sigmoid", "silu",
                                        "soft_sign", "softplus")),
        *(f"jax.nn.initializers.{name}" for name in (
            "constant", "lecun_normal", "normal", "ones", "orthogonal", "truncated_normal", "variance_scaling",
            "zeros"))},
}


def network_of(key, **changes):
    return Network(SIZES, "tanh", key, **{"gain": GAIN, "bias": BIAS, "bias_std": BIAS_STD} | changes)


def run(network, framework):
    names = {"__name__": "exported"}
    exec(compile(code(network, framework), f"{framework} {network.initializer}", "exec"), names)
    return names


def assert_moments(values, mean, variance):
    m2, m4 = np.mean((values - mean) ** 2), np.mean((values - mean) ** 4)
    exact = 1e-5 * (abs(mean) + math.sqrt(variance)) + 1e-12
    assert abs(values.mean() - mean) <= STANDARD_ERRORS * math.sqrt(m2 / values.size) + exact
    assert abs(m2 - variance) <= STANDARD_ERRORS * math.sqrt(max(m4 - m2**2, 0) / values.size) + exact


def assert_drawn_as_promised(network, weights, biases):
    units = []
    for layer, (w, b, (fan_in, fan_out)) in enumerate(
            zip(weights, biases, itertools.pairwise(network.sizes), strict=True)):
        law = law_of(network.initializer, first=layer == 0, **dict(network.initializer_params))
        assert w.shape == (fan_in, fan_out)
        assert b.shape == (fan_out,)
        assert_moments(w, GAIN * law.mean(fan_in, fan_out), GAIN**2 * law.variance(fan_in, fan_out))
        units.append((b - BIAS) / math.sqrt(BIAS_STD**2 + law.bias_variance(fan_in, fan_out)))
        if not law.random:
            np.testing.assert_allclose(w, GAIN * law.draw(fan_in, fan_out, None, np.float64), rtol=1e-6)
    assert_moments(np.concatenate(units), 0, 1)  # a single layer has too few biases for its own standard error


@pytest.mark.parametrize("key", INITIALIZERS)
def test_the_numpy_script_draws_the_law_with_its_gain_and_biases(key):
    names = run(network_of(key), "NumPy")
    assert_drawn_as_promised(network_of(key), *zip(*names["parameters"], strict=True))


@pytest.mark.parametrize("key", INITIALIZERS)
def test_the_pytorch_script_draws_the_law_with_its_gain_and_biases(key):
    pytest.importorskip("torch", reason="pip install -r tests/benchmarks/requirements.txt")
    layers = run(network_of(key), "PyTorch")["network"].layers
    assert_drawn_as_promised(network_of(key), [layer.weight.detach().numpy().astype(float).T for layer in layers],
                             [layer.bias.detach().numpy().astype(float) for layer in layers])


@pytest.mark.parametrize("key", ACTIVATIONS)
def test_the_scripts_activation_is_the_tables(key):
    params = dict.fromkeys(ACTIVATIONS[key].parameters, 0.3)
    network = Network((4, 3, 2), key, activation_params=params)
    want = activation(key).value(POINTS, **params)
    np.testing.assert_allclose(run(network, "NumPy")["activate"](POINTS), want, rtol=1e-9, atol=1e-12)
    torch = pytest.importorskip("torch", reason="pip install -r tests/benchmarks/requirements.txt")
    line = ACTIVATIONS[key].code["PyTorch"].format(**params)
    found = eval(line, {"torch": torch, "F": torch.nn.functional, "z": torch.from_numpy(POINTS)})
    np.testing.assert_allclose(found.numpy(), want, rtol=1e-9, atol=1e-12)


def test_the_numpy_script_computes_what_the_package_computes():
    network = Network((5, 7, 6, 3), "gelu", "torch_linear", gain=1.3, seed=4)
    names = run(network, "NumPy")
    x = np.random.default_rng(1).standard_normal((9, 5))
    h = x
    for layer, (w, b) in enumerate(names["parameters"], 1):
        h = h @ w + b
        h = activation("gelu").value(h) if layer < network.depth else h
    np.testing.assert_allclose(names["forward"](x, names["parameters"]), h, rtol=1e-12)


def test_a_script_runs_on_its_own():
    done = subprocess.run([sys.executable, "-c", code(Network(initializer="sparse", activation="erf"), "NumPy")],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("standard deviation of the outputs: ")


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("key", INITIALIZERS)
def test_every_script_is_python_that_imports_what_it_names(key, framework):
    for phi in ACTIVATIONS:
        source = code(Network(SIZES, phi, key, GAIN, BIAS, bias_std=BIAS_STD), framework)
        compiled = compile(source, key, "exec")
        assert "$" not in source
        known = set(dir(builtins)) | set(compiled.co_names)
        for module in ("math", "np", "F", "jnp", "torch", "keras", "jax"):
            used = re.search(rf"(?<![\w.]){module}\.", source)
            imported = re.search(rf"import (?:[\w.]+ as )?{module}$", source, re.MULTILINE)
            assert bool(used) == bool(imported), (module, source)
        assert "draw" in known
        for name in re.findall(r"(?<![\w.])(?:keras|jax|jnp)(?:\.\w+)+", source.split('"""', 2)[2]):
            assert name in NAMES[framework] or name in ("jax.numpy",), name


def test_a_plain_network_has_no_gain_and_no_noise_in_its_script():
    for framework in FRAMEWORKS:
        source = code(Network(SIZES, "relu", "he_normal"), framework)
        assert "1.0 *" not in source
        assert " + " not in source.replace("W + b", "").replace("(1 + 0.0", "")


def test_an_unknown_framework_is_refused():
    network = Network()
    with pytest.raises(ValueError, match="framework must be one of NumPy, PyTorch, Keras, JAX"):
        code(network, "Caffe")


def test_parameters_as_a_file_have_the_names_and_shapes_of_the_pytorch_script():
    network = Network((64, 16, 12, 10), "tanh")
    weights = lsuv(network, make_batch("digits", 64))
    held = np.load(io.BytesIO(state_dict(weights, [np.zeros(w.shape[1], np.float32) for w in weights])))
    assert {name: held[name].shape for name in held} == {
        "layers.0.weight": (16, 64), "layers.0.bias": (16,), "layers.1.weight": (12, 16), "layers.1.bias": (12,),
        "layers.2.weight": (10, 12), "layers.2.bias": (10,)}
    torch = pytest.importorskip("torch", reason="pip install -r tests/benchmarks/requirements.txt")
    into = run(network, "PyTorch")["network"]
    into.load_state_dict({name: torch.from_numpy(held[name]) for name in held})
    np.testing.assert_array_equal(into.layers[1].weight.detach().numpy().T, weights[1])


PRIOR = tuple(np.log([0.5, 0.3, 0.2]).tolist())
SMALL_HEAD = Network((40, 60, 50, 3), "tanh", "torch_linear", gain=(1.414, 1.414, 0.01), bias=(0.0, 0.5, PRIOR), seed=3,
                     output_initializer="orthogonal")


def assert_is_the_small_head(weights, biases):
    head = weights[2].astype(float)
    np.testing.assert_allclose(head.T @ head, 1e-4 * np.eye(3), atol=1e-8)
    np.testing.assert_allclose(biases[2], PRIOR, rtol=1e-6)
    for layer, mean in ((0, 0.0), (1, 0.5)):
        fan_in, fan_out = SMALL_HEAD.sizes[layer:layer + 2]
        law = SMALL_HEAD.law_of(layer)
        assert_moments(weights[layer].astype(float), 0, 1.414**2 * law.variance(fan_in, fan_out))
        assert_moments(biases[layer].astype(float), mean, law.bias_variance(fan_in, fan_out))


def test_the_numpy_script_draws_a_policys_small_head_and_a_prior_bias():
    assert_is_the_small_head(*zip(*run(SMALL_HEAD, "NumPy")["parameters"], strict=True))


def test_the_pytorch_script_draws_a_policys_small_head_and_a_prior_bias():
    pytest.importorskip("torch", reason="pip install -r tests/benchmarks/requirements.txt")
    layers = run(SMALL_HEAD, "PyTorch")["network"].layers
    assert_is_the_small_head([layer.weight.detach().numpy().T for layer in layers],
                             [layer.bias.detach().numpy() for layer in layers])


def test_the_package_draws_a_policys_small_head_and_a_prior_bias():
    assert_is_the_small_head(*SMALL_HEAD.parameters())


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("changes", [
    {"gain": (1.0, 1.0, 0.01)}, {"output_initializer": "zeros"}, {"initializer": "siren", "gain": (1.0, 2.0, 1.0)},
    {"output_initializer": "siren", "bias": (0.0, 0.0, PRIOR)}], ids=repr)
def test_scripts_of_layers_that_differ_use_no_name_that_they_do_not_define(framework, changes):
    script = code(Network(**{"sizes": (4, 5, 5, 3), "activation": "tanh", "initializer": "he_normal"} | changes),
                  framework)
    assert ("GAINS" in script) == ("gain" in changes or "bias" in changes)
    tree = ast.parse(script)
    stored = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    stored |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    stored |= {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    stored |= {(alias.asname or alias.name).split(".")[0] for node in ast.walk(tree)
               if isinstance(node, ast.Import) for alias in node.names}
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    assert used <= stored | set(dir(builtins)) | {"__name__"}
