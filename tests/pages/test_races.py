"""The Training and Symmetry pages at the ends of what can be set."""

from __future__ import annotations

import re

import numpy as np
import pytest
from pages.test_diagnose import state_dict, table_of, upload
from pages.test_pages import sound, visit

from initviz.training.race import outcomes
from initviz.training.race.live import MORE_SEEDS

TRAINING, SYMMETRY = "pages/training.py", "pages/symmetry.py"
SMALL = {"input": "moons", "depth": 3, "width": 8, "batch": 16, "steps": 10}


def raced(**query):
    """The Training page, looked at until its race has ended: in a browser a timer asks for each look."""
    at = visit(TRAINING, **query)
    while "race" in at.session_state and at.session_state["race"].value.running:
        sound(at.run())
    return at


def said(at):
    """All that the page says, without what keeps text from being markup."""
    return " ".join(element.value for element in (*at.markdown, *at.caption, *at.info)).replace("\\", "")


def measured(at, measure):
    """A column of the table of one layer's neurons, by initializer."""
    return next(table.value[measure].to_dict() for table in at.table if measure in table.value)


@pytest.mark.parametrize("changes", [
    {"rate": 10, "activation": "linear", "depth": 8, "steps": 50}, {"steps": 0}, {"depth": 1}, {"depth": 2, "width": 2},
    {"depth": 100, "steps": 10}, {"batch": 8}, {"minibatch": 8, "optimizer": "adam"}, {"tuned": "best"},
    {"init": ["ones"], "activation": "linear", "depth": 100, "width": 64}, {"input": "digits"}, {"input": "normal"},
    {"input": "spiral", "activation": "relu", "measure": "dead_share"}, {"measure": "update_ratio"},
    {"measure": "symmetry_gap", "init": ["zeros"]}])
def test_a_race_ends_with_pictures_and_a_table(changes):
    at = raced(**SMALL | changes)
    assert len(at.dataframe) == 1
    assert 3 <= len(at.get("vega_lite_chart")) <= 4
    happened = at.dataframe[0].value["What happened"]
    assert happened.str.len().gt(0).all()


@pytest.mark.parametrize("kind", ["Residual", "Pre-norm", "Post-norm", "Normalized, no skip"])
@pytest.mark.parametrize("changes", [{}, {"input": "digits", "measure": "dead_share", "activation": "relu"},
                                     {"tuned": "best", "minibatch": 8, "optimizer": "adam"}])
def test_networks_of_blocks_race_and_each_line_is_named_by_its_place(kind, changes):
    at = raced(**SMALL | {"depth": 4, "kind": kind} | changes)
    happened = at.dataframe[0].value["What happened"]
    assert happened.str.len().gt(0).all()
    held = at.session_state["race"].value
    assert {network.kind for network in held.terms.networks} == {
        {"Residual": "residual", "Pre-norm": "pre_norm", "Post-norm": "post_norm"}.get(kind, "normalized")}
    names = outcomes.layer_names(held.terms.networks[0], changes.get("measure", "gradient_norm"))
    measured = getattr(held.histories[-1], changes.get("measure", "gradient_norm"))
    assert len(names) == len(measured[-1]) == len(set(names))
    assert f"At step {SMALL['steps']}: {names[0]} " in said(at)


def test_fixup_learns_where_zeros_do_not():
    at = raced(**SMALL | {"kind": "Residual", "branch_scale": "Fixup", "init": ["he_normal", "zeros"], "steps": 100,
                          "activation": "relu", "depth": 6, "rate": 0.5, "batch": 64})
    happened = list(at.dataframe[0].value["What happened"])
    assert happened[0] in ("learned", "still learning")
    assert happened[1] == "did not learn"


def test_a_depth_without_room_for_a_block_is_said_in_one_sentence():
    assert "at least one between its first and last layer" in said(
        visit(TRAINING, **SMALL | {"depth": 2, "kind": "Residual"}))


def test_a_rate_that_diverges_is_said_with_its_step():
    at = raced(**SMALL | {"rate": 10, "activation": "linear", "depth": 8, "steps": 50, "init": ["he_normal"]})
    assert re.fullmatch(r"diverged at step \d+", at.dataframe[0].value["What happened"][0])


def test_a_repeat_from_other_seeds_shows_the_spread():
    at = raced(**SMALL | {"init": ["he_normal"]})
    at.button(key="repeat").click().run()
    while at.session_state["race"].value.running:
        sound(at.run())
    assert str(MORE_SEEDS) in at.button(key="repeat").label
    assert " to " in at.dataframe[0].value["Last loss"][0]


def test_a_race_that_runs_shows_all_its_panels_as_far_as_it_got_and_can_be_stopped():
    at = visit(TRAINING, **SMALL | {"width": 64, "depth": 10, "steps": 2000})
    race = at.session_state["race"].value
    assert race.running
    assert len(at.get("vega_lite_chart")) == 4
    assert at.dataframe[0].value["What happened"].str.fullmatch(r"at step \d+ of 2000|learned|got worse").all()
    at.button(key="stop").click().run()
    reached = race.histories[0].steps[-1]
    assert at.button(key="stop").disabled
    assert "Stopped" in race.status
    sound(at.run())
    assert race.histories[0].steps[-1] == reached
    sound(at.button(key="go").click().run())
    assert race.running


def test_a_race_that_costs_too_much_is_refused_with_the_nearest_that_does_not():
    at = visit(TRAINING, depth=100, width=512, batch=256, steps=2000)
    assert "The nearest that fits" in at.warning[0].value
    assert not at.get("vega_lite_chart")


def test_a_race_of_too_many_steps_is_run_with_fewer_and_a_click_sets_them(monkeypatch):
    monkeypatch.setattr("initviz.app.affordable.MOST_TRAINING_OPERATIONS", 1e6)
    at = raced(**SMALL | {"steps": 200})
    assert at.session_state["race"].value.terms.recipe.steps == 20
    assert "**20 steps are trained, not 200**" in said(at)
    sound(at.button(key="afford_steps").click().run())
    assert at.session_state["steps"] == 20
    assert "steps are trained, not" not in said(at)


@pytest.mark.parametrize("changes", [
    {}, {"depth": 2}, {"width": 2}, {"width": 17, "optimizer": "adam", "after_steps": 20}, {"matrix": "similarities"},
    {"matrix": "gradient", "init": ["zeros", "constant"]}, {"rate": 10, "activation": "linear", "after_steps": 100},
    {"init": ["ones"], "activation": "linear", "depth": 100, "width": 64, "batch": 8}, {"epsilon": 0}, {"constant": 0},
    {"hidden": 100}, {"steps": 0}])
def test_symmetry_shows_three_pictures_and_a_table(changes):
    at = visit(SYMMETRY, **SMALL | changes)
    assert len(at.get("vega_lite_chart")) == 3 or "diverged" in said(at)
    assert len(at.table) == 1
    at = visit(SYMMETRY, **SMALL | {"topic": "Break it"} | changes)
    assert len(at.get("vega_lite_chart")) == 3
    assert len(at.dataframe) == 1


def test_one_layer_has_no_copies_to_show_and_the_page_says_what_to_do():
    at = visit(SYMMETRY, **SMALL | {"depth": 1})
    assert "choose a depth of at least 2" in said(at)


def test_copies_and_small_random_weights_are_told_apart():
    at = visit(SYMMETRY, **SMALL | {"depth": 6, "width": 32, "input": "digits", "init": ["constant", "normal"]})
    assert measured(at, "Different neurons") == {"Constant": "1 of 32", "Normal": "32 of 32"}
    assert "**Constant**: **copies**. The neurons of a layer have equal weights" in said(at)
    assert "**Normal**: **different neurons**" in said(at)


def test_equal_weights_under_the_sigmoid_are_one_effective_neuron_and_zeros_under_tanh_are_no_signal():
    at = visit(SYMMETRY, **SMALL | {"depth": 6, "init": ["zeros", "constant"], "activation": "sigmoid", "hidden": 5})
    for measure, value in (("Different neurons", "1 of 8"), ("Effective neurons", "1"), ("Symmetry gap", "0")):
        assert measured(at, measure) == {"Zeros": value, "Constant": value}
    assert measured(at, "Scale")["Zeros"] == "0.5"
    assert "**Zeros and Constant**: **copies**" in said(at)
    at = visit(SYMMETRY, **SMALL | {"depth": 6, "init": ["zeros"]})
    assert "**Zeros**: **no signal**" in said(at)
    assert measured(at, "Effective neurons")["Zeros"] == "no signal"


def test_the_small_network_at_the_head_of_symmetry_is_the_lessons():
    at = visit(SYMMETRY, **SMALL, weights="0,0,0,0,0,0,0,0,0")
    assert "Every weight's gradient is exactly 0" in said(at)
    at.button(key="by_hand_equal").click().run()
    assert "stay copies" in said(at)


@pytest.mark.parametrize("loss", ["Sigmoid and binary cross-entropy", "Tanh and squared error",
                                  "Sigmoid and squared error", "Squared error"])
def test_a_race_of_another_output_and_loss_is_judged_by_it(loss):
    at = raced(**SMALL | {"loss": loss, "init": ["zeros", "he_normal"], "steps": 200, "rate": 0.5})
    race = at.session_state["race"].value
    assert race.batch.outputs == (2 if loss == "Squared error" else 1)
    assert f"**Loss** ({loss[0].lower()}{loss[1:]})" in said(at)
    assert "No better than a constant output: Zeros" in said(at)
    table = at.dataframe[0].value.set_index("Initializer")
    assert table["What happened"]["Zeros"] != "learned"
    assert float(table["Accuracy, %"]["He normal"]) > 80


def test_single_layers_have_gains_biases_and_an_initializer_of_their_own_in_a_race():
    at = raced(**SMALL | {"gains": "1.4, 1.4, 0.01", "output_init": "LeCun normal", "output_bias": "-0.1, -2.3"})
    network = at.session_state["race"].value.terms.networks[0]
    assert network.gain == (1.4, 1.4, 0.01)
    assert network.output_initializer == "lecun_normal"
    assert network.bias == (0, 0, (-0.1, -2.3))


def test_gains_for_too_few_layers_get_one_sentence():
    at = visit(TRAINING, **SMALL | {"gains": "1.4, 1.4"})
    assert [error.value for error in at.error] == ["Gain must be a number or 3, one per weight layer, got 2."]


def test_uploaded_weights_race_beside_what_initializers_draw():
    at = upload(raced(**SMALL | {"init": ["he_normal"]}), "weights_file", "net.npz", state_dict((2, 16, 16, 2)))
    while at.session_state["race"].value.running:
        sound(at.run())
    assert at.dataframe[-1].value["Initializer"].tolist() == ["net.npz", "He normal"]
    race = at.session_state["race"].value
    assert race.terms.networks[0].sizes == (2, 16, 16, 2)
    assert race.histories[0].loss[-1] < race.histories[0].loss[0]


def test_uploaded_weights_that_do_not_fit_the_input_are_offered_standard_normals():
    at = upload(visit(TRAINING, **SMALL), "weights_file", "net.npz", state_dict((7, 16, 3)))
    assert "7 features and 3 outputs" in at.error[0].value
    sound(at.button(key="race_normal").click().run())
    assert not at.error
    assert at.session_state["race"].value.batch.x.shape == (16, 7)


def test_an_uploaded_table_is_learned_from():
    at = visit(TRAINING, **SMALL | {"trained_on": "Your CSV", "init": ["he_normal"], "batch": 32})
    assert "Choose a CSV file" in at.info[-1].value
    at = upload(at, "data_file", "mine.csv", table_of())
    while at.session_state["race"].value.running:
        sound(at.run())
    race = at.session_state["race"].value
    assert race.terms.networks[0].sizes == (3, 8, 8, 3)
    assert race.held_out is not None
    assert not at.error
    assert "mine.csv has 3 inputs and 3 outputs: 3-8-8-3 is trained" in at.info[-1].value.replace("\\", "")


@pytest.mark.parametrize(("scale", "classes", "filmed"), [(1, 2, True), (1, 3, True), (100, 2, False), (1, 4, False)])
def test_a_table_of_two_columns_has_decision_boundaries(scale, classes, filmed):
    rng = np.random.default_rng(0)
    rows = "".join(f"{scale * a:.3f},{scale * b:.3f},k{place % classes}\n" for place, (a, b) in enumerate(
        rng.standard_normal((60, 2))))
    address = SMALL | {"trained_on": "Your CSV", "init": ["he_normal"], "batch": 32, "standardize": False}
    at = upload(visit(TRAINING, **address), "data_file", "mine.csv", f"a,b,y\n{rows}".encode())
    while at.session_state["race"].value.running:
        sound(at.run())
    assert not at.error
    assert ("Decision boundaries" in said(at)) == filmed


def test_a_table_of_numbers_is_a_regression_without_accuracies():
    rng = np.random.default_rng(0)
    rows = "".join(f"{a:.3f},{b:.3f},{a * b:.4f}\n" for a, b in rng.standard_normal((60, 2)))
    at = upload(visit(TRAINING, **SMALL | {"trained_on": "Your CSV", "init": ["he_normal"], "batch": 32}),
                "data_file", "mine.csv", f"a,b,y\n{rows}".encode())
    while at.session_state["race"].value.running:
        sound(at.run())
    assert "Accuracy, %" not in at.dataframe[0].value
    assert "(squared error)" in said(at)


def test_a_link_of_before_shows_neurons_after_the_same_steps_of_training():
    at = visit(SYMMETRY, depth=3, width=8, moment=10)
    assert at.select_slider(key="after_steps").value == 10
    assert "moment" not in at.query_params
    assert not at.toast
