"""The Theory page: every tab, at ordinary and at extreme points."""

import numpy as np
import pytest
from pages.test_pages import charts, press, sound, visit, words

from initviz.app.settings import ARCHITECTURE_LABELS
from initviz.app.theory import quantities, sentences
from initviz.core.batches import make_batch
from initviz.core.network import Network
from initviz.core.simulation import gradient_return, simulate
from initviz.theory.mean_field import Field
from initviz.theory.prediction import expected_correlations, predict

THEORY = "pages/theory.py"
TABS = ("What it means", "Signal and gradient", "Variance map", "Two inputs", "Dead neurons", "Depth × width",
        "Singular values", "Number formats", "Coordinate check")
SMALL = {"widths": "8, 16", "depth": 4, "width": 8, "batch": 8, "deepest": 10, "widest": 16, "seeds": 5}
POINTS = {
    "ordinary": {}, "relu": {"activation": "relu", "sigma_w": 1.4},
    "relu, no weights": {"activation": "relu", "sigma_w": 0},
    "relu, nothing at all": {"activation": "relu", "sigma_w": 0, "sigma_b": 0},
    "relu, a bias": {"activation": "relu", "bias": -1},
    "no weights": {"sigma_w": 0}, "nothing at all": {"sigma_w": 0, "sigma_b": 0},
    "critical": {"sigma_w": 1, "sigma_b": 0}, "no fixed point": {"sigma_w": 4, "activation": "relu"},
    "one layer": {"depth": 1}, "two layers": {"depth": 2}, "two neurons": {"width": 2}, "alike": {"correlation": 1},
    "opposite": {"correlation": -1}, "a bias": {"bias": 1, "activation": "softplus"}, "no initializer": {"init": ""},
    "leaky": {"activation": "leaky_relu", "slope": 0.3}}


@pytest.mark.parametrize("tab", TABS)
@pytest.mark.parametrize("point", POINTS)
@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_every_tab_shows_something_at_every_point(tab, point):
    at = visit(THEORY, show=tab, **(SMALL | POINTS[point]))
    assert at.get("vega_lite_chart") or at.info


def test_the_words_follow_the_point():
    for sigma_w, phase in ((0.5, "ordered"), (3.0, "chaotic")):
        assert f"the network is {phase}" in words(visit(THEORY, sigma_w=sigma_w, **SMALL))
    assert "the network is critical" in words(visit(THEORY, sigma_w=1, sigma_b=0, **SMALL))
    assert "without bound" in words(visit(THEORY, sigma_w=3, activation="relu", **SMALL))
    assert "$c^*$ = **0.122" in words(visit(THEORY, sigma_w=2.5, sigma_b=0.3, **SMALL))  # Poole et al. 2016


@pytest.mark.parametrize("activation", ["tanh", "relu", "gelu"])
def test_the_classic_points_are_where_their_names_say(activation):
    at = visit(THEORY, activation=activation, **SMALL)
    for name, phases in (("Too small", ("ordered",)), ("On the line", ("critical",)),
                         ("Too large", ("chaotic", "without bound"))):
        press(at, f"point_{name}")
        assert any(f"the network is {phase}" in words(at) for phase in phases)
        assert at.button(key=f"point_{name}").icon == ":material/check:"


def test_a_gradient_reaches_as_far_as_the_prediction_says():
    network = Network((64, *[64] * 40, 10), "tanh", "lecun_normal", 1.3, bias_std=0.2)
    deltas = predict(network, np.ones((1, 64))).delta_rms[:-1]
    reached = quantities.expected_reach(Field("tanh"), 1.3, 0.2, 1.0)
    np.testing.assert_allclose(reached[:40], deltas[0] / deltas, rtol=1e-4)


def test_an_initializer_without_a_point_in_the_diagram_is_named():
    said = words(visit(THEORY, init=["zeros", "constant", "he_normal", "normal"], std=1, **SMALL | {"width": 64}))
    assert "Not in it: Zeros and Constant, whose weights are not random. Beyond its edge: Normal (σ_w = " in said
    assert "Not in it" not in words(visit(THEORY, init=["he_normal"], **SMALL))


def test_dead_neurons_are_predicted_and_counted():
    said = words(visit(THEORY, show="Dead neurons", activation="relu", depth=11, width=3, batch=8, sigma_b=0))
    assert "probability 0.737" in said  # 10 layers of 3 neurons: theory's 0.7369
    assert "No neuron of tanh is ever off" in words(visit(THEORY, show="Dead neurons", **SMALL))


def test_a_sweep_ends_with_a_share_for_every_size():
    at = visit(THEORY, show="Depth × width", **SMALL)
    held = at.session_state["survival"]
    assert held.finished
    assert len(held.shares()) == len(held.depths) * len(held.widths) == 3 * 3
    assert sound(at.run()).session_state["survival"] is held


def test_the_charts_of_signal_name_theorys_band():
    said = words(visit("pages/signal.py", init=["he_normal", "zeros", "constant"], activation="relu", depth=4,
                       width=32))
    assert ("Theory: He normal in its band; Zeros none, as the weights are all 0; Constant none, as the weights "
            "are not random.") in said
    narrow = words(visit("pages/signal.py", init=["he_normal"], activation="relu", depth=4, width=3))
    assert "Theory: He normal no band" in narrow


@pytest.mark.parametrize("changes", [
    {"std": 1, "init": "normal", "width": 64, "depth": 30}, {"gain": 4, "init": "he_normal", "width": 64, "depth": 60},
    {"gain": 0.02, "init": "he_normal", "width": 64, "depth": 60}])
def test_theory_follows_a_signal_however_far_it_grows_or_fades(changes):
    assert " in its band" in words(visit("pages/signal.py", activation="relu", **changes))


def test_formulas_show_gains_and_drifts():
    assert "Gain that keeps a variance of 1: **1.593**" in words(visit("pages/formulas.py", table="Activations"))
    at = visit("pages/formulas.py", table="Popular pairs")
    table = at.dataframe[0].value.set_index("Initializer and activation")
    assert table.loc["He normal, GELU (erf form)", "Layer 5"] == "1.37"
    assert "is 0.1011, and 1/√(2·50) is 0.1" in words(at)


def test_a_refused_size_is_refused_here_too():
    at = visit(THEORY, depth=100, width=1024, batch=1024)
    assert at.warning
    press(at, "afford")


def at_point(activation, sigma_w, sigma_b, depth):
    """Where deep layers settle, and the prediction of a network there, from a unit input."""
    network = Network((64, *[64] * (depth - 1), 10), activation, "lecun_normal", sigma_w, bias_std=sigma_b)
    return Field(activation).fixed_point(sigma_w, sigma_b, sigma_w**2 + sigma_b**2), predict(network, np.ones((1, 64)))


def test_a_phase_says_what_becomes_of_two_inputs_and_how_much_of_it_this_depth_feels():
    still = sentences.phase(*at_point("tanh", 0.8, 0.0, 10))
    assert "leave two inputs' correlation as it is" in still
    assert "become alike" not in still
    assert "inputs become alike" in sentences.phase(*at_point("tanh", 0.8, 0.3, 10))
    selu = sentences.phase(*at_point("selu", 1.0, 0.0, 4))
    assert "Over the 3 hidden layers drawn here the gradient's length is multiplied by 1.072, which is little;" in selu
    assert "by ten in" in selu
    assert sentences.phase(Field("tanh").fixed_point(0, 0), None).endswith("as it is")


@pytest.mark.parametrize("activation", ["tanh", "gelu", "silu", "linear", "hardtanh", "softsign"])
def test_deep_layers_leave_a_correlation_as_it_is_where_that_is_said_whatever_the_first_ones_did(activation):
    network = Network((64, *[64] * 59, 10), activation, "lecun_normal", 0.8)
    assert "as it is" in sentences.correlation_goes(Field(activation).fixed_point(0.8, 0.0, 0.64))
    for first in (-0.5, 0.5, 0.9):
        found = expected_correlations(network, first)
        assert found[-1] == pytest.approx(found[29], abs=2e-3)
    assert (abs(found[-1] - 0.9) > 5e-3) == (activation != "linear")  # so it is not the inputs' own


def test_what_theory_does_to_a_gradient_is_said_of_the_network_shown_not_of_its_limit():
    fixed_point, prediction = at_point("tanh", 1.0, 0.0, 10)
    assert fixed_point.chi == pytest.approx(1)
    said = sentences.gradient_goes(fixed_point, prediction)
    factor = float(said.rsplit("by ", 1)[1].rstrip("."))
    run = simulate(Network((64, *[512] * 9, 10), "tanh", "lecun_normal"), make_batch("normal", 64, features=64),
                   counted=())
    assert factor == pytest.approx(gradient_return(run), rel=0.15)
    assert factor < 0.5


def test_a_coordinate_check_ends_with_a_slope_a_layer_and_one_sentence_a_rate():
    at = visit(THEORY, show="Coordinate check", **SMALL)
    held = at.session_state["coordinate check"]
    assert held.finished
    assert {one.settings.width for one in held.measured} == {8, 16}
    said = words(at)
    assert all(f"{name}, {optimizer}: " in said for name in ("Standard", "muP") for optimizer in (
        "gradient descent", "Adam"))
    assert sound(at.run()).session_state["coordinate check"] is held


@pytest.mark.parametrize("widths", ["8", "8, many", "8, 100000"])
def test_widths_that_are_none_get_one_sentence(widths):
    assert "Widths must be" in visit(THEORY, show="Coordinate check", **(SMALL | {"widths": widths})).error[0].value


def blocks_table(at):
    return at.dataframe[0].value.set_index(["Initializer", "Mean square"])


@pytest.mark.parametrize(("kind", "changes", "stream", "gradient"), [
    ("Residual", {}, "× 3", "× 3"), ("Residual", {"branch_scale": "1/√L"}, "× 1.25", "× 1.25"),
    ("Residual", {"normalization": "BatchNorm"}, "+ 1", None), ("Pre-norm", {}, "+ 2", None),
    ("Pre-norm", {"init": ["lecun_normal"]}, "+ 0.5", None), ("Normalized, no skip", {}, "× 1", "× 1.467"),
    ("Normalized, no skip", {"normalization": "LayerNorm"}, "× 1", "× 1")])
def test_blocks_are_expected_to_grow_as_their_papers_say(kind, changes, stream, gradient):
    at = visit(THEORY, **{"depth": 10, "width": 256, "batch": 128, "activation": "relu", "init": ["he_normal"],
                          "kind": kind} | changes)
    found = blocks_table(at).reset_index("Initializer", drop=True)
    ways = [way for way in found.index if way != "gradient, backward"]
    assert found.loc[ways[0], "A block: theory"] == stream
    assert gradient in (None, found.loc["gradient, backward", "A block: theory"])
    for way in found.index:
        theory, measured = (float(found.loc[way, f"All blocks: {by}"].removeprefix("× ").replace(",", ""))
                            for by in ("theory", "measured"))
        assert measured == pytest.approx(theory, rel=0.5)  # one draw of the weights


@pytest.mark.parametrize("kind", [kind for kind in ARCHITECTURE_LABELS if kind != "plain"])
def test_where_theory_does_not_speak_of_blocks_the_reason_is_one_sentence(kind):
    at = visit(THEORY, **SMALL | {"depth": 4}, kind=kind, init=["constant", "zeros"])
    assert len(charts(at)) == 7  # two of blocks, the phase diagram, the gradient's reach, three of what quantities mean
    assert (blocks_table(at).loc["Constant", "A block: theory"] == "none").all()
    assert (blocks_table(at).loc["Zeros"] == "0").all(axis=None)
    assert "Constant none, as theory does not speak of weights that are not random around 0" in words(at)
    assert "**At the cross** the network is" in words(at)
    assert "choose a depth of at least 3" in words(visit(THEORY, **SMALL | {"depth": 2}, kind=kind))
