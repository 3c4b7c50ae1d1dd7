"""Whatever the app has a table of, a new one is one entry of that table, and is met wherever it should be.

Initializers, activations, schemes of blocks, normalizations, kinds of layers, optimizers, presets, figures of papers,
rules, and an audit's laws and recipes.
"""

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
LAYER = '''@dataclass(frozen=True)
class Shift(Layer):
    """A learned random number a neuron is added."""

    label: ClassVar[str] = "Shift"

    def shapes(self, width):
        return {"bias": (width,)}

    def draw(self, width, rng, dtype="float64"):
        return {"bias": rng.standard_normal(width).astype(dtype)}

    def forward(self, parameters, x, context=ALONE):
        return x + _row(parameters["bias"]), None

    def backward(self, parameters, saved, dy, context=ALONE):
        return dy, {"bias": dy.sum(axis=-2)}


'''
OPTIMIZER = '''    "sign": Optimizer(
        "Sign descent", "", 1, (0.001, 0.003),
        lambda states, gradients, rate, step, buffers: [np.multiply(rate, np.sign(g), out=g) for g in gradients]),
'''
PRESET = '    "siren": _preset("SIREN, sine", "siren", "sine", "Sines of sines, at the scale made for them."),\n'
FIGURE = '''    "nobody": Experiment(
        "Nobody 2026, one and one", "One and one are two.", "A sum.", "By counting.", "Nobody 2026",
        lambda seed: Result([Check.within("1 + 1", 1.0 + 1.0, 2.0, 0.01)], [Plot("Sums", "term", [
            Line("sum", np.array([1.0, 2.0]), np.array([1.0, 2.0]))])], "They are 2.")),
'''
RULE = '''def odd_seed(m: MeasuredRun) -> Iterator[Finding]:
    """A seed that is odd."""
    if m.run.network.seed % 2:
        yield Finding("odd_seed", "warning", "uneven", "Odd seed", "The seed is odd.", float(m.run.network.seed), None,
                      "even", "nobody", "convention")


'''
AUDIT_RULE = '''def long_names(records: Records) -> Iterator[AuditFinding]:
    """Tensors whose names are long."""
    for record in records:
        if "long" in record.name:
            yield AuditFinding("long", "warning", f"{record.name} has a long name", (record.name,), None, None, None,
                               "names are short", "nobody")


'''
RULES = "RULES: tuple[Callable[[MeasuredRun], Iterator[Finding]], ...] = ("
AUDIT_RULES = "RULES: tuple[Callable[[Records], Iterator[AuditFinding]], ...] = ("
NORMALIZATIONS = "NORMALIZATIONS: Mapping[str, Normalization] = MappingProxyType({\n"
KINDS_OF_LAYERS = "@dataclass(frozen=True)\nclass LayerNorm(Norm):"
EDITS = {  # by file: what stands there once, and what takes its place
    "core/initializers/table.py": (first := '    "zeros": Initializer(', INITIALIZER + first),
    "core/activations.py": (first := '    "linear": ActivationFunction(', ACTIVATION + first),
    "core/schemes.py": (first := '    "plain": Scheme(', SCHEME + first),
    "core/layers/normalizations.py": (
        NORMALIZATIONS, f"import numpy as np\n\n\n{KIND}{NORMALIZATIONS}{NORMALIZATION}"),
    "core/layers/kinds.py": (KINDS_OF_LAYERS, LAYER + KINDS_OF_LAYERS),
    "training/optimizers.py": (first := '    "momentum": Optimizer(', OPTIMIZER + first),
    "app/presets.py": (first := '    "constant": _preset(', PRESET + first),
    "claims/papers/isometry.py": (first := '    "saxe": Experiment(', FIGURE + first),
    "diagnosis/rules/__init__.py": (RULES, f"{RULE}{RULES}odd_seed, "),
    "diagnosis/audit/rules.py": (AUDIT_RULES, f"{AUDIT_RULE}{AUDIT_RULES}long_names, "),
    "diagnosis/audit/laws.py": (first := "KNOWN_LAWS = (\n", first + '    KnownLaw("N(0, 0.3²)", "normal", "0.3", ("'
                                'Nobody\'s default",), "Nobody 2026"),\n'),
    "diagnosis/audit/recipes.py": (first := '    _recipe("keras"', '    _recipe("nobody", "Nobody 2026", ("*weight", '
                                   '"normal", "0.3"), ("*bias", "constant", "0")),\n' + first),
}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A copy of the app whose tables have one entry more each."""
    root = tmp_path_factory.mktemp("checkout")
    for name in ("initviz", "pages", ".streamlit"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "app.py", root)
    for name, (first, replacement) in EDITS.items():
        file = root / "initviz" / name
        assert file.read_text().count(first) == 1, name
        file.write_text(file.read_text().replace(first, replacement))
    return root


VISIT = """
import os
from streamlit.testing.v1 import AppTest
def visit(page, **query):
    at = AppTest.from_file(os.path.abspath("app.py"), default_timeout=60)
    for key, value in query.items():
        at.query_params[key] = value
    at.switch_page(f"pages/{page}.py").run()
    assert not at.exception, at.exception[0].message
    return at
def words(at):
    shown = [*at.markdown, *at.caption, *at.warning, *at.error, *at.success, *at.header]
    return " ".join(str(element.value) for element in shown)
"""


def run(checkout, script):
    """What a script prints in the copy, by lines."""
    done = subprocess.run([sys.executable, "-c", VISIT + script], cwd=checkout, capture_output=True, text=True,
                          check=False, env=os.environ | {"PYTHONPATH": str(checkout)}, timeout=120)
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
def labels(at):
    return {slider.label: slider.value for slider in at.sidebar.slider}
chosen = visit("signal", init="scaled_normal", activation="square_plus", scaled_normal_scale="2.5",
               depth="3", width="16")
assert labels(chosen)["Scaled normal's scale"] == 2.5 and labels(chosen)["Squareplus' b"] == 4, labels(chosen)
assert not chosen.toast
other = labels(visit("signal", init="zeros", depth="3", width="16"))
assert "Scaled normal's scale" not in other and "Squareplus' b" not in other
at = visit("formulas", formula="scaled_normal", scaled_normal_scale="3")
assert at.dataframe[0].value.loc["scaled_normal", "Formula"] == "W ∼ N(0, s/n_in)"
assert abs(at.dataframe[0].value.loc["scaled_normal", "Variance"] - 3 / 128) < 1e-12
assert "np.sqrt(3.0 / fan_in)" in at.code[0].value, at.code[0].value
at = visit("formulas", table="Activations", function="square_plus")
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
from initviz.cli import main
for page in ("signal", "symmetry", "theory", "diagnose"):
    at = visit(page, kind="Pre-norm", normalization="AbsNorm", branch_scale="Halved", init="constant",
               initializer="Constant", architecture="64-16-16-10", width="16", depth="4")
    boxes = {box.key: box for box in at.selectbox}
    assert boxes["normalization"].value == "abs" and boxes["branch_scale"].value == "halved", page
    assert page in ("diagnose", "theory") or "AbsNorm divides copies by their own size" in words(at), page
main(["blocks", "--kind", "pre_norm", "--normalization", "abs", "--scheme", "halved", "--width", "16"])
""")
    assert any("Scheme: Halved" in line for line in lines)


def test_a_kind_of_layer_draws_for_itself_and_is_passed_through_and_back(checkout):
    run(checkout, """
import numpy as np
from initviz import Activation, Dense, Residual, draw_parameters, propagate_layers
from initviz.core.layers.kinds import Shift
from initviz.theory.residual import why_unknown
layers = (Dense(6), Shift(), Residual(Activation("tanh"), Shift(), Dense(6)), Dense(3))
parameters = draw_parameters(layers, 4)
assert not np.allclose(parameters["1.bias"], parameters["2.1.bias"])
x, targets = np.random.default_rng(0).standard_normal((5, 4)), np.arange(5) % 3
passed = propagate_layers(layers, parameters, x, targets, loss="softmax_ce")
for name in ("0.weight", "1.bias", "2.1.bias"):
    changed = {key: array.copy() for key, array in parameters.items()}
    changed[name].flat[1] += 1e-6
    loss = propagate_layers(layers, changed, x, targets, loss="softmax_ce").loss
    assert np.isclose((loss - passed.loss) / 1e-6, passed.gradients[name].flat[1], rtol=1e-3, atol=1e-8), name
assert why_unknown(layers, 4) == "Theory does not speak of Shift, as that of layer 1."
""")


def test_an_optimizer_trains_its_rates_are_tried_and_its_memory_is_counted(checkout):
    run(checkout, """
import numpy as np
from dataclasses import replace
from initviz import Network, Recipe, make_batch, train
from initviz.app.address import read_address, read_settings
from initviz.app.affordable import race_terms
from initviz.claims.notes import NOTES
from initviz.training.gradient_descent import race
from initviz.training.race.memory import race_bytes
network = Network((64, 8, 10))
step = race([network], make_batch("digits", 32), Recipe("sign", 0.01, 1)).advance()
moved = step.parameters()[0][0][0] - network.parameters()[0][0]
assert np.allclose(np.abs(moved[moved != 0]), 0.01, rtol=1e-4) and moved.any()
values, notices = read_address({"optimizer": ["Sign descent"], "width": ["64"]})
assert not notices, notices
terms = race_terms(read_settings(values))
plain = replace(terms, recipe=replace(terms.recipe, optimizer="sgd"))
assert terms.recipe.optimizer == "sign" and race_bytes(terms) > race_bytes(plain)
assert "sign" in NOTES["same_slow"].knobs["optimizer"].allowed
small = dict(width="8", depth="3", batch="8", steps="10", init=["he_normal", "zeros"], optimizer="Sign descent")
at = visit("training", tuned="Best for each", **small)
assert at.session_state["optimizer"] == "sign" and at.session_state["tuned"] == "best"
assert set(at.dataframe[0].value["Rate"].astype(float)) <= {0.001, 0.003}
assert visit("training", **small).get("vega_lite_chart")
""")


def test_a_preset_is_a_button_that_sets_what_it_says_and_is_marked(checkout):
    run(checkout, """
at = visit("signal", depth="3", width="8", batch="8")
at.button(key="preset_siren").click().run()
assert not at.exception, at.exception[0].message
assert at.session_state["init"] == ["siren"] and at.session_state["activation"] == "sine"
assert at.button(key="preset_siren").icon == ":material/check:"
assert "made for them." in at.button(key="preset_siren").help
""")


def test_a_figure_of_a_paper_is_in_the_address_and_among_all(checkout):
    run(checkout, """
from initviz.claims.papers import PAPERS
at = visit("papers", paper="Nobody 2026, one and one")
assert "One and one are two." in words(at) and "agrees with the paper" in words(at)
assert at.get("vega_lite_chart") and any(f"All {len(PAPERS)} at once" == box.label for box in at.expander)
""")


def test_a_rule_is_met_on_signal_and_diagnose_and_on_the_command_line(checkout):
    lines = run(checkout, """
from initviz.cli import main
small = dict(width="8", depth="3", batch="8")
at = visit("diagnose", seed="7", **small)
assert "The seed is odd." in words(at), words(at)
assert "The seed is odd." not in words(visit("diagnose", seed="8", **small))
main(["diagnose", "--sizes", "64-32-10", "--init", "he_normal", "--seed", "7"])
""")
    assert any("The seed is odd." in line for line in lines)


def test_rules_laws_and_recipes_of_an_audit_are_met_on_the_page_and_on_the_command_line(checkout):
    lines = run(checkout, """
import numpy as np
from initviz import audit
from initviz.cli import main
from initviz.diagnosis.audit.recipes import learned
rng = np.random.default_rng(0)
np.savez("long.npz", **{f"{n}.long.weight": (0.3 * rng.standard_normal((96, 64))).astype("f") for n in range(4)})
assert learned(audit("long.npz").tensors, "a").entries[0].std == "0.3"
at = visit("audit", recipe="nobody: Nobody 2026")
assert at.session_state["recipe"] == "nobody" and "nobody" in words(at)
at.file_uploader(key="audit_file").upload("long.npz", open("long.npz", "rb").read()).run()
assert not at.exception and "has a long name" in words(at)
assert "N(0, 0.3²): Nobody's default" in set(at.dataframe[1].value["Law"])
assert main(["audit", "long.npz", "--recipe", "nobody", "--all"]) == 0
np.savez("long.npz", **{"long.weight": (0.2 * rng.standard_normal((96, 64))).astype("f")})
assert main(["audit", "long.npz", "--recipe", "nobody"]) == 1
""")
    said = "\n".join(lines)
    assert "N(0, 0.3²): Nobody's default" in said
    assert "0.long.weight has a long name" in said
    assert "where the recipe nobody asks for a normal law of standard deviation 0.3" in said
