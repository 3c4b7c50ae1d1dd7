"""A new initializer, activation, scheme of blocks and normalization are one entry of one table each."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
INITIALIZER, = re.findall(r"```py\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
ACTIVATION = '''    "square_plus": ActivationFunction(
        "Squareplus", r"(z + \\sqrt{z^2 + b}) / 2", "Barron 2021",
        phi=lambda z, b: (z + np.sqrt(z * z + b)) / 2,
        phi_prime=lambda z, h, b: (1 + z / np.sqrt(z * z + b)) / 2,
        code=code_in("(z + np.sqrt(z**2 + {b})) / 2", "(z + torch.sqrt(z**2 + {b})) / 2",
                     "(z + keras.ops.sqrt(z**2 + {b})) / 2", "(z + jnp.sqrt(z**2 + {b})) / 2"),
        lower=0, parameters=MappingProxyType({"b": Parameter(
            "Squareplus' b", 4.0, Interval(0.01, 100), "b, which rounds the corner at 0.")})),
'''
SCHEME = '''    "halved": Scheme(
        "Halved", "Branches have half their size.", "nobody", ("residual", "pre_norm"), _settings("pre_norm"),
        (SchemeChange("branch_last", "half the initializer", factor=lambda blocks, layers: 0.5),)),
'''
KIND = '''class AbsNorm(Norm):
    """Each sample divided by its mean absolute value over the neurons."""

    label, centers = "AbsNorm", False

    def forward(self, parameters, x, place=None):
        size = np.abs(x).mean(axis=-1, keepdims=True) + self.eps
        return x / size * parameters["weight"][..., None, :], (x / size, size)

    def backward(self, parameters, saved, dy, place=None):
        h, size = saved
        g = dy * parameters["weight"][..., None, :]
        return (g - np.sign(h) * (g * h).mean(axis=-1, keepdims=True)) / size, {"weight": (dy * h).sum(axis=-2)}


'''
NORMALIZATION = r'''    "abs": Normalization(AbsNorm, "divides copies by their own size", _code("""
def {name}(width, eps, weight=1.0):
    gamma = parameter(xp.full(width, weight))
    return lambda x: x / (xp.abs(x).mean(-1, keepdims=True) + eps) * gamma
""", "\ndef {name}(width, eps, weight=1.0):\n    return AbsNorm(width, eps)\n",
        "\ndef {name}(width, eps, weight=1.0):\n    return AbsNorm(eps)\n")),
'''
TABLE = "NORMALIZATIONS: Mapping[str, Normalization] = MappingProxyType({\n"
FIRST_ENTRIES = {"initviz/core/initializers/table.py": ('    "zeros": Initializer(', INITIALIZER),
                 "initviz/core/activations.py": ('    "linear": ActivationFunction(', ACTIVATION),
                 "initviz/core/schemes.py": ('    "plain": Scheme(', SCHEME),
                 "initviz/core/layers/normalizations.py": (TABLE, f"import numpy as np\n\n\n{KIND}")}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A copy of the app whose tables have one entry more each."""
    root = tmp_path_factory.mktemp("checkout")
    for name in ("initviz", "pages", ".streamlit"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "app.py", root)
    for name, (first, entry) in FIRST_ENTRIES.items():
        text = (root / name).read_text()
        assert text.count(first) == 1
        (root / name).write_text(text.replace(first, entry + first + NORMALIZATION * (first == TABLE)))
    return root


def run(checkout, script):
    """The lines that a script prints in the copy."""
    done = subprocess.run([sys.executable, "-c", script], cwd=checkout, capture_output=True, text=True, check=False,
                          env=os.environ | {"PYTHONPATH": str(checkout)}, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_they_are_settings_drawn_computed_and_exported(checkout):
    run(checkout, """
import numpy as np
from dataclasses import replace
from initviz.app.address import read_address, read_settings
from initviz.app.settings import CONTROLS
from initviz.files.source_code import code
query = {"init": ["scaled_normal"], "scaled_normal_scale": ["3"], "activation": ["square_plus"],
         "square_plus_b": ["0.5"], "width": ["200"], "depth": ["2"]}
values, notices = read_address(query)
assert not notices, notices
settings = read_settings(values)
(network,) = settings.networks()
assert dict(network.initializer_params) == {"scale": 3} and dict(network.activation_params) == {"b": 0.5}
assert abs(network.parameters()[0][0].var() * 64 / 3 - 1) < 0.05
names = {"__name__": "exported"}
exec(code(network, "NumPy"), names)
assert abs(names["parameters"][0][0].var() * 64 / 3 - 1) < 0.05
assert np.isclose(names["activate"](np.array(2.0)), (2 + 4.5 ** 0.5) / 2)
for framework in ("PyTorch", "Keras", "JAX"):
    assert "3" in code(network, framework) and "z**2 + 0.5" in code(network, framework)
assert read_address({"scaled_normal_scale": ["9"]})[1]["scaled_normal_scale"].startswith("Scaled normal's scale must")
""")


def test_they_are_in_the_sidebar_where_they_are_chosen_and_on_the_formulas(checkout):
    run(checkout, """
import os
from streamlit.testing.v1 import AppTest
def visit(page, **query):
    at = AppTest.from_file(os.path.abspath("app.py"), default_timeout=60)
    for key, value in query.items():
        at.query_params[key] = value
    at.switch_page(page).run()
    assert not at.exception, at.exception[0].message
    return at
def labels(at):
    return {slider.label: slider.value for slider in at.sidebar.slider}
chosen = visit("pages/signal.py", init="scaled_normal", activation="square_plus", scaled_normal_scale="2.5",
               depth="3", width="16")
assert labels(chosen)["Scaled normal's scale"] == 2.5 and labels(chosen)["Squareplus' b"] == 4, labels(chosen)
assert not chosen.toast
other = labels(visit("pages/signal.py", init="zeros", depth="3", width="16"))
assert "Scaled normal's scale" not in other and "Squareplus' b" not in other
at = visit("pages/formulas.py", formula="scaled_normal", scaled_normal_scale="3")
assert at.dataframe[0].value.loc["scaled_normal", "Formula"] == "W ∼ N(0, s/n_in)"
assert abs(at.dataframe[0].value.loc["scaled_normal", "Variance"] - 3 / 128) < 1e-12
assert "np.sqrt(3.0 / fan_in)" in at.code[0].value, at.code[0].value
at = visit("pages/formulas.py", table="Activations", function="square_plus")
assert "np.sqrt(z**2 + 4.0)" in at.code[0].value
""")


def test_the_command_line_takes_their_parameters(checkout):
    lines = run(checkout, """
from initviz.cli import main
main(["simulate", "--sizes", "8-16-4", "--init", "scaled_normal", "--param", "scale=3",
      "--activation", "square_plus", "--square-plus-b", "0.5"])
""")
    assert any("scaled_normal" in line or "Scaled normal" in line for line in lines)


def test_a_scheme_and_a_normalization_are_settings_computed_trained_and_exported(checkout):
    run(checkout, """
import numpy as np
from dataclasses import replace
from initviz import Recipe, make_batch, propagate_layers, simulate, train
from initviz.app.address import read_address, read_settings
from initviz.files.block_code import block_code
from initviz.theory.residual import why_unknown
query = {"kind": ["Pre-norm"], "normalization": ["AbsNorm"], "branch_scale": ["Halved"], "init": ["he_normal"],
         "width": ["16"], "depth": ["4"]}
values, notices = read_address(query)
assert not notices, notices
(network,) = read_settings(values).networks()
assert (network.normalization, network.scheme) == ("abs", "halved")
network = replace(network, dtype="float64")
plain, halved = (replace(network, scheme=scheme).draw()["1.3.weight"] for scheme in ("none", "halved"))
assert np.allclose(halved, plain / 2)
batch = make_batch("digits", 32, dtype="float64")
parameters = network.draw()
passed = propagate_layers(network.layers, parameters, batch.x, batch.targets, loss=batch.loss)
for name in ("0.weight", "1.0.weight", "2.1.weight"):
    changed = {key: array.copy() for key, array in parameters.items()}
    changed[name].flat[3] += 1e-6
    loss = propagate_layers(network.layers, changed, batch.x, batch.targets, loss=batch.loss).loss
    assert np.isclose((loss - passed.loss) / 1e-6, passed.gradients[name].flat[3], rtol=1e-3, atol=1e-8), name
assert simulate(network, batch).blocks.shape[0] == 2
assert train(network, batch, Recipe("sgd", 0.1, 5)).loss[-1] < passed.loss
assert "AbsNorm" in why_unknown(network.layers, network.inputs)
names = {"__name__": "exported"}
exec(block_code(network, "NumPy"), names)
exported = dict(zip(parameters, names["parameters"], strict=True))
assert np.allclose(names["chain"](names["layers"], batch.x), propagate_layers(
    network.layers, exported, batch.x, batch.targets, loss=batch.loss).output)
assert all("def abs_norm" in block_code(network, framework) for framework in ("PyTorch", "Keras", "JAX"))
""")


def test_a_scheme_and_a_normalization_are_in_the_controls_of_every_page_and_on_the_command_line(checkout):
    lines = run(checkout, """
import os
from streamlit.testing.v1 import AppTest
from initviz.cli import main
for page in ("signal", "symmetry", "theory", "diagnose"):
    at = AppTest.from_file(os.path.abspath("app.py"), default_timeout=60)
    query = {"kind": "Pre-norm", "normalization": "AbsNorm", "branch_scale": "Halved", "init": "constant",
             "initializer": "Constant", "architecture": "64-16-16-10", "width": "16", "depth": "4"}
    for key, value in query.items():
        at.query_params[key] = value
    at.switch_page(f"pages/{page}.py").run()
    assert not at.exception, at.exception[0].message
    boxes = {box.key: box for box in at.selectbox}
    assert boxes["normalization"].value == "abs" and boxes["branch_scale"].value == "halved", page
    text = " ".join(element.value for element in [*at.markdown, *at.caption])
    assert page == "diagnose" or "AbsNorm divides copies by their own size" in text or page == "theory", page
main(["blocks", "--kind", "pre_norm", "--normalization", "abs", "--scheme", "halved", "--width", "16"])
""")
    assert any("Scheme: Halved" in line for line in lines)
