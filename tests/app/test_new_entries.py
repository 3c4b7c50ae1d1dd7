"""A new initializer and a new activation, each with a parameter of its own, are one entry of one table each."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
INITIALIZER, = re.findall(r"```py\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
ACTIVATION = '''    "square_plus": Activation(
        "Squareplus", r"(z + \\sqrt{z^2 + b}) / 2", "Barron 2021",
        phi=lambda z, b: (z + np.sqrt(z * z + b)) / 2,
        phi_prime=lambda z, h, b: (1 + z / np.sqrt(z * z + b)) / 2,
        code=code_in("(z + np.sqrt(z**2 + {b})) / 2", "(z + torch.sqrt(z**2 + {b})) / 2",
                     "(z + keras.ops.sqrt(z**2 + {b})) / 2", "(z + jnp.sqrt(z**2 + {b})) / 2"),
        lower=0, parameters=MappingProxyType({"b": Parameter(
            "Squareplus' b", 4.0, Interval(0.01, 100), "b, which rounds the corner at 0.")})),
'''
FIRST_ENTRIES = {"initviz/core/initializers/table.py": ('    "zeros": Initializer(', INITIALIZER),
                 "initviz/core/activations.py": ('    "linear": Activation(', ACTIVATION)}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A copy of the app whose two tables have one entry more each."""
    root = tmp_path_factory.mktemp("checkout")
    for name in ("initviz", "pages", ".streamlit"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "app.py", root)
    for name, (first, entry) in FIRST_ENTRIES.items():
        text = (root / name).read_text()
        assert text.count(first) == 1
        (root / name).write_text(text.replace(first, entry + first))
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
