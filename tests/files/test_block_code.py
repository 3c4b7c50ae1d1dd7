"""The exported source of networks of blocks runs, draws what it says, and computes what the package computes."""

import itertools
import re

import numpy as np
import pytest

from initviz import ACTIVATIONS, INITIALIZERS, KINDS, SCHEMES, Architecture, make_batch, propagate_layers
from initviz.core.frameworks import FRAMEWORKS
from initviz.files.block_code import block_code

BATCH = make_batch("digits", 64, dtype="float64")
EVERY = [Architecture.of(scheme, width=40, blocks=3) for scheme in SCHEMES] + [
    Architecture(64, 40, 3, 10, kind, norm, layers, expansion, "1/sqrt(L)", learned, activation="tanh", gain=1.5,
                 bias=0.2, bias_std=0.1, initializer="torch_linear")
    for kind, entry in KINDS.items() for norm in entry.normalizations
    for layers, expansion, learned in ((1, 1, False), (2, 3, True))]


def title(network):
    return f"{network.scheme} {network.kind} {network.normalization} {network.branch_layers}"


def run(network, framework):
    names = {"__name__": "exported"}
    exec(compile(block_code(network, framework), f"{framework} {title(network)}", "exec"), names)
    return names


def assert_same_scale(name, theirs, ours):
    """Two standard deviations, each known to 1/sqrt(2 N) of itself, within five standard errors."""
    assert theirs.shape == ours.shape, name
    if ours.std() == 0:
        assert theirs == pytest.approx(ours, abs=1e-6), name
    else:
        assert theirs.std() == pytest.approx(ours.std(), rel=5 * 1.5 / np.sqrt(2 * ours.size)), name


@pytest.mark.parametrize("network", EVERY, ids=title)
def test_numpy_draws_the_same_laws_in_the_same_order(network):
    names = run(network, "NumPy")
    ours = list(network.draw().values())
    assert len(names["parameters"]) == len(ours)
    for index, (theirs, mine) in enumerate(zip(names["parameters"], ours, strict=True)):
        assert_same_scale(index, np.asarray(theirs), mine.astype(float))
    assert np.isfinite(names["chain"](names["layers"], BATCH.x)).all()


@pytest.mark.parametrize("network", EVERY, ids=title)
def test_numpy_computes_what_the_package_computes(network):
    names = run(network, "NumPy")
    parameters = dict(zip(network.draw(), names["parameters"], strict=True))
    ours = propagate_layers(network.layers, parameters, BATCH.x, BATCH.targets, loss=BATCH.loss)
    assert names["chain"](names["layers"], BATCH.x) == pytest.approx(ours.output, rel=1e-9, abs=1e-11)


@pytest.mark.parametrize("network", EVERY, ids=title)
def test_pytorch_has_the_same_names_laws_and_outputs(network):
    torch = pytest.importorskip("torch")
    module = run(network, "PyTorch")["network"].double()
    ours = network.draw()
    theirs = {name: tensor.numpy() for name, tensor in module.state_dict().items()
              if "running" not in name and "num_batches" not in name}
    assert theirs.keys() == ours.keys()
    for name, array in ours.items():
        assert_same_scale(name, theirs[name].T, array.astype(float))
    parameters = {name: array.T for name, array in theirs.items()}
    passed = propagate_layers(network.layers, parameters, BATCH.x, BATCH.targets, loss=BATCH.loss)
    with torch.no_grad():
        assert module(torch.tensor(BATCH.x)).numpy() == pytest.approx(passed.output, rel=1e-9, abs=1e-11)


@pytest.mark.parametrize("framework", ["Keras", "JAX"])
@pytest.mark.parametrize("network", EVERY, ids=title)
def test_keras_and_jax_compile_with_no_field_left_open(network, framework):
    text = block_code(network, framework)
    compile(text, framework, "exec")
    assert "$" not in text
    assert not re.search(r"\bxp\.", text)


def test_every_initializer_and_activation_is_written_in_every_framework():
    for framework, key in itertools.product(FRAMEWORKS, INITIALIZERS):
        compile(block_code(Architecture(initializer=key, branch_scale=0.5), framework), key, "exec")
    for framework, key in itertools.product(FRAMEWORKS, ACTIVATIONS):
        compile(block_code(Architecture(activation=key), framework), key, "exec")


def test_another_framework_is_refused_in_words():
    with pytest.raises(ValueError, match="framework must be one of NumPy, PyTorch, Keras, JAX, got 'MXNet'"):
        block_code(Architecture(), "MXNet")
