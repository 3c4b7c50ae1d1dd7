"""Every experiment of the notes and the papers: its verdict, and whatever its knobs and seed are set to."""

from __future__ import annotations

import math
import tracemalloc
from itertools import pairwise

import numpy as np
import pytest

from initviz.app.address import nearest_allowed, read_settings
from initviz.app.affordable import affordable
from initviz.app.settings import DEFAULTS
from initviz.charts.plots import Line, Plot
from initviz.claims.experiment import FAILS, HOLDS, PARTLY, Check, Experiment, Result
from initviz.claims.notes import NOTES, remedies
from initviz.claims.notes import local_optima as optimum
from initviz.claims.notes.initializers import kurtosis
from initviz.claims.papers import PAPERS, glorot
from initviz.claims.papers import finite_width as chance
from initviz.core.initializers import INITIALIZERS
from initviz.core.propagation import propagate
from initviz.core.validation import Choices, Interval

DISAGREE = {  # the papers' sentences that a computation does not bear out, by what is measured
    "lecun_tanh": ["Variance of f(x) for a unit normal x"],
    "glorot_singular_values": ["Normalized: mean singular value of a layer's Jacobian"]}
VERDICTS = {  # of the notes: the predictions of a sentence that fail, by their place
    "zeros_symmetry": [], "zeros_stuck": [1, 2], "zeros_vanish": [1], "zeros_output": [], "same_symmetry": [],
    "same_signal": [2], "same_slow": [0, 1, 2], "same_gradient": [], "same_optimum": [1, 2],
    "xavier_formula": [0, 1, 2, 3], "xavier_smooth": [2, 3], "he": [], "lecun": [1, 2], "gaussian": [0, 1, 2, 3, 4],
    "scale": [3], "converge": [0, 1, 4, 5], "crucial": [2]}
BENT = [  # what turning a knob must do to the verdict
    ("zeros_stuck", {"activation": "tanh"}, HOLDS), ("zeros_output", {"activation": "sigmoid", "depth": 2}, PARTLY),
    ("zeros_output", {"activation": "sigmoid", "depth": 6}, HOLDS),
    ("same_slow", {"epsilon": 1e-4}, HOLDS), ("same_slow", {"epsilon": 1e-4, "optimizer": "momentum"}, HOLDS),
    ("same_slow", {"epsilon": 1e-3}, PARTLY), ("same_slow", {"epsilon": 0.01}, PARTLY),
    ("same_slow", {"epsilon": 1e-8, "optimizer": "adam"}, PARTLY),
    ("same_slow", {"optimizer": "adam"}, FAILS), ("same_signal", {"product": 1.5}, HOLDS),
    ("same_signal", {"activation": "tanh"}, PARTLY), ("same_gradient", {"loss": "softmax_ce"}, PARTLY),
    ("same_gradient", {"depth": 6}, HOLDS),
    ("same_gradient", {"activation": "tanh"}, PARTLY), ("same_optimum", {"depth": 2}, FAILS),
    ("xavier_formula", {"shape": "square"}, PARTLY), ("xavier_smooth", {"depth": 3}, HOLDS),
    ("he", {"slope": 1}, PARTLY), ("lecun", {"outputs": 256}, PARTLY),
    ("scale", {"activation": "tanh"}, PARTLY), ("converge", {"activation": "tanh"}, HOLDS),
    ("converge", {"depth": 3}, HOLDS)]
EXPERIMENTS: dict[str, Experiment] = {**NOTES, **PAPERS}
COLORED = {"Zeros", "Constant", "Xavier", "He", "LeCun", *(entry.label for entry in INITIALIZERS.values())}
SEEDS = (0, 13)
REACH = 1e-9  # of a check's interval beside the target that lies in it


def ends(experiment: Experiment) -> list[dict[str, object]]:
    """Each knob at each of its ends or choices, the others as on the first visit."""
    settings = []
    for name, knob in experiment.knobs.items():
        values = ((knob.allowed.low, knob.allowed.high) if isinstance(knob.allowed, Interval) else
                  (knob.allowed.values[0], knob.allowed.values[-1]) if isinstance(knob.allowed, Choices) else
                  tuple(knob.allowed))
        settings += [{**experiment.defaults(), name: value} for value in values]
    return settings


def assert_sound(finding: Result) -> None:
    """It can be drawn and read: lines of one length, checks with names of their own, a sentence."""
    assert 1 <= len(finding.plots) <= 2
    for plot in finding.plots:
        assert plot.lines
        assert plot.title
        assert len({line.label for line in plot.lines}) == len(plot.lines)
        assert all(line.initializer for line in plot.lines if line.label in COLORED)
        for line in plot.lines:
            assert np.shape(line.x) == np.shape(line.y) != (0,)
            assert line.expected is None or np.shape(line.expected) == np.shape(line.x)
            assert np.isfinite(line.x).all()
    assert finding.checks
    assert len({check.what for check in finding.checks}) == len(finding.checks)
    for check in finding.checks:
        assert check.low <= check.high
        if check.target is not None:
            room = REACH * max(abs(check.target), 1e-300)
            assert check.low - room <= check.target <= check.high + room
    assert "nan" not in finding.summary.split()
    assert finding.summary.endswith(".")


def dearest(experiment):
    """Its knobs, each at the upper end."""
    return {name: knob.allowed.high if isinstance(knob.allowed, Interval)
            else knob.allowed.values[-1] if isinstance(knob.allowed, Choices) else knob.default
            for name, knob in experiment.knobs.items()}


@pytest.mark.parametrize(("seed", "experiment"), [*enumerate([*PAPERS.values(), *NOTES.values()])],
                         ids=[*PAPERS, *NOTES])
@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_a_run_holds_no_more_than_is_taken_for_it(seed, experiment):  # a seed of its own: some share their passes
    tracemalloc.start()
    try:
        finding = experiment.run(seed, **dearest(experiment))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak <= experiment.peak_bytes
    if experiment.peak_bytes > Experiment.peak_bytes:
        assert peak >= 0.5 * experiment.peak_bytes
    assert_sound(finding)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("key", PAPERS)
def test_a_paper_gets_the_verdict_that_it_always_got(key, seed):
    finding = PAPERS[key].run(seed, **PAPERS[key].defaults())
    assert_sound(finding)
    assert [check.what for check in finding.checks if not check.holds] == DISAGREE.get(key, [])


def test_the_notes_are_seventeen_in_their_order():
    assert list(VERDICTS) == list(NOTES)
    assert [int(experiment.title.split(".")[0]) for experiment in NOTES.values()] == list(range(1, 18))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("key", NOTES)
def test_a_sentence_of_the_notes_gets_the_verdict_that_it_always_got(key, seed):
    finding = NOTES[key].run(seed, **NOTES[key].defaults())
    assert_sound(finding)
    assert [i for i, check in enumerate(finding.checks) if not check.holds] == VERDICTS[key]


@pytest.mark.parametrize(("key", "knobs", "verdict"), BENT, ids=str)
def test_a_knob_bends_the_verdict(key, knobs, verdict):
    assert NOTES[key].run(0, **NOTES[key].defaults() | knobs).verdict == verdict


@pytest.mark.parametrize("key", NOTES)
def test_a_sentence_opens_in_the_explorer_with_settings_that_it_can_afford(key):
    experiment = NOTES[key]
    for knobs in (experiment.defaults(), *ends(experiment)):
        page, controls = experiment.explore(knobs)
        assert page in ("signal", "symmetry", "training", "formulas")
        for name, value in controls.items():
            assert nearest_allowed(name, value)[1] == "", (name, value)
        settings = read_settings(DEFAULTS | controls)
        assert affordable(settings, training=page == "training")


def test_a_link_carries_the_rate_and_the_moment_of_the_run():
    for key, rate, after_steps in (("zeros_symmetry", 0.5, 100), ("zeros_stuck", 0.5, 20), ("same_symmetry", 0.1, 100)):
        controls = NOTES[key].explore(NOTES[key].defaults())[1]
        assert (controls["rate"], controls["after_steps"]) == (rate, after_steps)


def test_a_link_shows_the_framework_defaults_and_the_wrong_scale():
    assert {"torch_linear", "keras_dense", "flax_dense"} <= set(
        NOTES["gaussian"].explore(NOTES["gaussian"].defaults())[1]["init"])
    wrong = NOTES["crucial"].explore({"depth": 20})[1]
    assert (wrong["init"], wrong["gain"]) == (("he_normal",), 0.1)


def test_a_card_says_what_the_explorer_cannot_show():
    for key, what in (("same_gradient", "softmax cross-entropy"), ("same_optimum", "curvature"), ("lecun", "outputs"),
                      ("xavier_formula", "one width"), ("scale", "inputs"), ("zeros_symmetry", "100 steps")):
        assert what in NOTES[key].apart


@pytest.mark.parametrize("shape", ["taper", "square", "widen"])
def test_a_link_to_the_formulas_has_a_layer_of_the_shape(shape):
    settings = read_settings(DEFAULTS | NOTES["xavier_formula"].explore({"shape": shape})[1])
    assert remedies.SHARED[shape] in pairwise(settings.sizes)
    assert remedies.SHARED[shape] in pairwise(remedies.SHAPES[shape])


def test_copies_are_said_to_be_copies():
    summary = NOTES["zeros_symmetry"].run(0, activation="tanh", depth=3).summary
    assert summary.startswith("Zeros: all 16 neurons of a layer are copies")


def test_a_gradient_that_is_nowhere_has_vanished():
    vanished, exploded = NOTES["same_gradient"].run(0, activation="relu", product=1.5, loss="softmax_ce",
                                                    depth=20).checks
    assert vanished.measured == exploded.measured == 0


def test_adam_breaks_the_symmetry_at_once_under_softmax_and_is_not_called_slow():
    result = NOTES["same_slow"].run(0, epsilon=1e-8, optimizer="adam", loss="softmax_ce")
    assert result.summary.endswith("the copies have split by step 1.")
    assert [check.holds for check in result.checks] == [True, False, False]


def test_adam_takes_its_time_under_the_squared_error_and_the_longer_the_less_noise_there_is():
    splits = [NOTES["same_slow"].run(0, epsilon=epsilon, optimizer="adam", loss="mse").checks[1].measured
              for epsilon in (1e-4, 1e-6, 1e-8)]
    assert 1 < splits[0] < splits[1] < splits[2]


def test_he_learns_at_22_and_30_layers_and_xavier_at_22_alone():
    result = PAPERS["he_depth"].run(1, width=128)
    assert result.verdict == "holds"
    assert sum("learns" in check.what or "stalls" in check.what for check in result.checks) == 4


def test_published_targets_that_were_not_held_against_the_text_are_marked():
    marked = [experiment for experiment in PAPERS.values() if experiment.unchecked]
    assert len(marked) == 7
    assert all(any(check.target is not None for check in result.checks)
               for result in [PAPERS["lu"].run(0, depth=20)])


def test_the_curvature_is_that_of_the_loss():
    batch, rng = optimum.teacher(0), np.random.default_rng(0)
    at = ([rng.standard_normal((6, 8)), rng.standard_normal((8, 3))], [rng.standard_normal(8), rng.standard_normal(3)])
    value, direction = optimum.curvature(at, batch)

    def loss(step: float) -> float:
        return propagate(*optimum.moved(at, step * direction), batch.x, batch.targets, activation="tanh",
                         loss="mse").loss
    assert value < 0
    assert (loss(1e-3) + loss(-1e-3) - 2 * loss(0)) / 1e-6 == pytest.approx(value, rel=1e-3)


@pytest.mark.parametrize("seed", [13, 15, 33, 44])
def test_copies_settle_on_a_saddle_and_leave_it(seed):
    finding = NOTES["same_optimum"].run(seed, depth=3)
    assert finding.checks[-1].measured < -0.05
    assert "they leave for" in finding.summary


@pytest.mark.parametrize("depth", [31, 60])
def test_a_spread_that_is_round_off_counts_as_none(depth):
    assert NOTES["xavier_smooth"].run(0, depth=depth).checks[-1].measured == 0


@pytest.mark.parametrize("activation", ["tanh", "relu", "sigmoid"])
def test_weights_that_are_not_drawn_break_the_symmetry(activation):
    finding = NOTES["gaussian"].run(0, activation=activation, depth=10)
    assert finding.checks[-1].what.startswith("Random needed")
    assert finding.checks[-1].measured > 50


@pytest.mark.parametrize("seed", [3, 15])
def test_a_deep_network_learns_from_the_right_scale_and_not_from_a_tenth(seed):
    assert [check.holds for check in NOTES["crucial"].run(seed, depth=40).checks] == [True, True, False, True]


@pytest.mark.parametrize("key", ["schoenholz", "poole"])
def test_the_depth_scales_and_fixed_points_are_theorys_to_a_millionth(key):
    finding = PAPERS[key].run(0, **PAPERS[key].defaults())
    exact = [c for c in finding.checks if c.what.startswith(("ξ_c", "χ₁")) or "by theory" in c.what]
    assert len(exact) == {"schoenholz": 12, "poole": 6}[key]
    assert all(c.high - c.low <= 2.1e-6 * max(1, abs(c.target)) and c.holds for c in exact)


def test_the_lectures_smallest_row_is_checked_down_to_the_last_layer():
    check = next(c for c in PAPERS["cs231n"].run(0).checks if c.what == "tanh, 0.01: standard deviation, layer 10")
    assert check.target == pytest.approx(0.213546 * 0.223607**9)
    assert check.high == pytest.approx(1.03 * check.target)


@pytest.mark.parametrize("drawn", ["layers", "maps"])
def test_lengths_begin_apart_and_are_drawn_with_the_map(drawn):
    lengths, _ = PAPERS["poole"].run(0, width=300, drawn=drawn).plots
    if drawn == "maps":
        assert all(np.abs(line.y / line.expected - 1).max() < 0.3 for line in lengths.lines[:3])
    else:
        assert all(abs(low.y[0] - high.y[0]) > 5 * abs(low.y[-1] - high.y[-1])
                   for low, high in zip(lengths.lines[::2], lengths.lines[1::2], strict=True))


def test_the_variance_over_the_layers_goes_by_the_sum_of_the_reciprocal_widths():
    for shape in chance.SHAPES.values():
        assert sum(1 / n for n in shape(chance.SUM)) == pytest.approx(chance.SUM, rel=1e-9)
        assert chance.expected_variance(shape(chance.SUM)) == pytest.approx(0.276, abs=0.006)


def test_the_law_of_a_squared_length_is_that_of_the_matrix_products():
    law = np.log(chance.squared_lengths((30,) * 5, 4000, 0)[-1])
    real = np.log(chance.multiplied_lengths(4000, 5, 30, 0)[-1])
    assert law.mean() == pytest.approx(real.mean(), abs=0.08)
    assert law.std() == pytest.approx(real.std(), rel=0.06)


def test_a_layer_of_which_no_neuron_is_on_ends_the_signal():
    lengths = chance.squared_lengths((1,) * 8, 1000, 0)
    assert (lengths[0] == 0).mean() == pytest.approx(0.5, abs=0.06)
    assert (lengths[1:][lengths[:-1] == 0] == 0).all()


def test_glorots_targets_are_derived_for_the_width():
    wide, narrow = (glorot.expected("normalized", width) for width in (1000, 100))
    assert wide["deltas"][0] == pytest.approx(0.408, abs=2e-3)
    assert wide["weight_gradients"][0] == pytest.approx(1.141, abs=2e-3)
    assert narrow["weight_gradients"][0] < 1
    for key in ("glorot_6", "glorot_7", "glorot_8"):
        assert all(PAPERS[key].run(seed, width=100).verdict == HOLDS for seed in range(3))


@pytest.mark.parametrize(("key", "knobs"), [("martens_sparse", {"incoming": 1}), ("poole", {"width": 50}),
                                            ("pennington", {"depth": 12}), ("pennington", {"depth": 50})], ids=str)
def test_a_knobs_end_is_no_reason_to_disagree(key, knobs):
    for seed in range(3):
        assert PAPERS[key].run(seed, **PAPERS[key].defaults() | knobs).verdict == HOLDS


def test_the_means_own_column_and_the_divisions_are_computed():
    checks = {c.what: c for key in ("klambauer", "lsuv") for c in PAPERS[key].run(0, **PAPERS[key].defaults()).checks}
    assert checks["Jacobian: mean and variance by mean, the larger"].measured == 0
    assert checks["tanh: divisions of a layer, at most"].measured == 1


def test_the_update_ratios_of_the_lecture_have_a_line_a_layer():
    plot, = PAPERS["makemore"].run(0, gain=1.65, drawn="updates").plots
    assert [line.label for line in plot.lines] == ["layer 1", "layer 2", "layer 3", "layer 4", "layer 5", "output"]
    assert plot.guides[0][0] == -3


def test_one_rule_has_one_color_in_both_tables_of_the_lecture():
    colors = {(plot.title.split(":")[0], line.label): line.initializer
              for plot in PAPERS["cs231n"].run(0).plots for line in plot.lines}
    assert colors["tanh", "1/√n"] == colors["ReLU", "1/√n"] == "lecun_normal"
    assert all(colors.values())


def test_kurtosis_is_3_for_a_gaussian_and_9_fifths_for_a_uniform_law():
    rng = np.random.default_rng(0)
    assert kurtosis(rng.standard_normal(400_000)) == pytest.approx(3, abs=0.05)
    assert kurtosis(rng.random(400_000)) == pytest.approx(1.8, abs=0.01)


@pytest.mark.parametrize(("key", "knobs"), [
    (key, knobs) for key, experiment in EXPERIMENTS.items() for knobs in ends(experiment)
    if knobs != dearest(experiment) or key in NOTES], ids=str)  # the dearest are run above
@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_every_knob_can_be_turned_to_its_ends(key, knobs):
    finding = EXPERIMENTS[key].run(1, **knobs)
    assert_sound(finding)
    assert finding.verdict != PARTLY or EXPERIMENTS[key].condition or key in PAPERS


@pytest.mark.parametrize("key", EXPERIMENTS)
def test_an_experiment_says_what_it_does_and_where_it_is_from(key):
    experiment = EXPERIMENTS[key]
    for text in (experiment.title, experiment.claim, experiment.setting, experiment.reason, experiment.source):
        assert text.strip() == text != ""
    assert 2 <= experiment.reason.count(". ") + 1 <= 3
    assert all(knob.help for knob in experiment.knobs.values())


def test_another_seed_gives_other_numbers():
    first, second = (PAPERS["hanin_rolnick"].run(seed, depth=20) for seed in (0, 1))
    assert [c.measured for c in first.checks] != [c.measured for c in second.checks]
    assert first.summary != second.summary


@pytest.mark.parametrize("key", ["yang_schoenholz", "fixup", "de_smith", "batch_norm_gradient", "xiong"])
def test_a_paper_of_blocks_opens_in_the_explorer_with_settings_that_it_can_afford(key):
    for knobs in (PAPERS[key].defaults(), *ends(PAPERS[key])):
        page, controls = PAPERS[key].explore(knobs)
        assert page == "signal"
        assert all(nearest_allowed(name, value)[1] == "" for name, value in controls.items())
        settings = read_settings(DEFAULTS | controls)
        assert affordable(settings)
        assert settings.networks()[0].kind == settings.kind


def test_a_residual_stream_grows_as_the_expectation_at_every_width_within_its_error():
    for width in (64, 192):
        grown, scaled, fixup = PAPERS["fixup"].run(5, width=width, blocks=6).checks
        assert grown.target == 2**6
        assert grown.holds
        assert scaled.target == pytest.approx(2.6533, abs=1e-4)
        assert fixup.low == fixup.high == fixup.measured == 1


def test_a_verdict_follows_from_the_checks():
    plots = [Plot("y", "x", [Line("a", np.arange(2), np.arange(2))])]
    good, bad = Check("good", 1.0, 0.5, 1.5), Check("bad", math.nan, -math.inf, math.inf)
    for checks, verdict in (([good], HOLDS), ([good, bad], PARTLY), ([bad], FAILS)):
        assert Result(checks, plots, "Said.").verdict == verdict
    assert Check.most("m", 1, 1).holds
    assert not Check.most("m", 1.1, 1).holds
    assert Check.least("l", 1, 1).holds
    assert not Check.least("l", 0.9, 1).holds
    assert Check.within("w", -1.1, -1, 0.2).holds
    assert not Check.within("w", 1, -1, 0.2).holds
    assert Check.furthest("f", np.array([1.0, 2.2, 3]), (1, 2, 3), 0.05).what == "f: layer 2, the furthest off"
