"""Every experiment of the notes and the papers: its verdict, and whatever its knobs and seed are set to."""

from __future__ import annotations

import math

import numpy as np
import pytest

from initviz.experiments import FAILS, HOLDS, PARTLY, Check, Experiment, Finding, Line, Plot
from initviz.limits import Interval, Ladder
from initviz.notes import NOTES
from initviz.notes.remedies import kurtosis
from initviz.papers import PAPERS
from initviz.settings import DEFAULTS, affordable, mend, read_settings

DISAGREE = {  # the papers' sentences that a computation does not bear out, by what is measured
    "lecun_tanh": ["Variance of f(x) for a unit normal x"],
    "glorot_singular_values": ["Normalised: mean singular value of a layer's Jacobian"]}
VERDICTS = {  # of the notes: the predictions of a sentence that fail, by their place
    "zeros_symmetry": [], "zeros_stuck": [1, 2], "zeros_vanish": [1], "zeros_output": [], "same_symmetry": [],
    "same_signal": [2], "same_slow": [0, 1], "same_gradient": [], "same_optimum": [1, 2],
    "xavier_formula": [0, 1, 2, 3], "xavier_smooth": [2, 3], "he": [], "lecun": [1, 2], "gaussian": [0, 1, 2, 3],
    "scale": [3], "converge": [0, 1, 4, 5], "crucial": [2]}
BENT = [  # what turning a knob must do to the verdict
    ("zeros_stuck", {"activation": "tanh"}, HOLDS), ("zeros_output", {"activation": "sigmoid", "depth": 2}, PARTLY),
    ("same_slow", {"epsilon": 0.01}, HOLDS), ("same_slow", {"optimizer": "adam"}, FAILS),
    ("same_signal", {"activation": "tanh"}, PARTLY), ("same_gradient", {"loss": "softmax_ce"}, FAILS),
    ("same_gradient", {"activation": "tanh"}, PARTLY), ("same_optimum", {"depth": 2}, FAILS),
    ("xavier_formula", {"shape": "square"}, PARTLY), ("xavier_smooth", {"depth": 3}, HOLDS),
    ("he", {"slope": 1}, PARTLY), ("lecun", {"outputs": 256}, PARTLY),
    ("converge", {"activation": "tanh"}, HOLDS), ("converge", {"depth": 3}, HOLDS)]
EXPERIMENTS: dict[str, Experiment] = {**NOTES, **PAPERS}
REACH = 1e-9  # of a check's interval beside the target that lies in it


def ends(experiment: Experiment) -> list[dict[str, object]]:
    """Each knob at each of its ends or choices, the others as on the first visit."""
    found = []
    for name, knob in experiment.knobs.items():
        values = ((knob.allowed.low, knob.allowed.high) if isinstance(knob.allowed, Interval) else
                  (knob.allowed.values[0], knob.allowed.values[-1]) if isinstance(knob.allowed, Ladder) else
                  tuple(knob.allowed))
        found += [{**experiment.defaults(), name: value} for value in values]
    return found


def assert_sound(finding: Finding) -> None:
    """It can be drawn and read: lines of one length, checks with names of their own, a sentence."""
    assert 1 <= len(finding.plots) <= 2
    for plot in finding.plots:
        assert plot.lines
        assert plot.title
        assert len({line.label for line in plot.lines}) == len(plot.lines)
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
    assert "nan" not in finding.said.split()
    assert finding.said.endswith(".")


@pytest.mark.parametrize("key", PAPERS)
def test_a_paper_gets_the_verdict_that_it_always_got(key):
    finding = PAPERS[key].run(0, **PAPERS[key].defaults())
    assert_sound(finding)
    assert [check.what for check in finding.checks if not check.holds] == DISAGREE.get(key, [])


def test_the_notes_are_seventeen_in_their_order():
    assert list(VERDICTS) == list(NOTES)
    assert [int(experiment.title.split(".")[0]) for experiment in NOTES.values()] == list(range(1, 18))


@pytest.mark.parametrize("key", NOTES)
def test_a_sentence_of_the_notes_gets_the_verdict_that_it_always_got(key):
    finding = NOTES[key].run(0, **NOTES[key].defaults())
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
            assert mend(name, value)[1] == "", (name, value)
        settings = read_settings(DEFAULTS | controls)
        assert affordable(settings, training=page == "training")


def test_kurtosis_is_3_for_a_gaussian_and_9_fifths_for_a_uniform_law():
    rng = np.random.default_rng(0)
    assert kurtosis(rng.standard_normal(400_000)) == pytest.approx(3, abs=0.05)
    assert kurtosis(rng.random(400_000)) == pytest.approx(1.8, abs=0.01)


@pytest.mark.parametrize(("key", "knobs"), [
    (key, knobs) for key, experiment in EXPERIMENTS.items() for knobs in ends(experiment)], ids=str)
@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_every_knob_can_be_turned_to_its_ends(key, knobs):
    assert_sound(EXPERIMENTS[key].run(1, **knobs))


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
    assert first.said != second.said


def test_a_verdict_follows_from_the_checks():
    plots = [Plot("y", "x", [Line("a", np.arange(2), np.arange(2))])]
    good, bad = Check("good", 1.0, 0.5, 1.5), Check("bad", math.nan, -math.inf, math.inf)
    for checks, verdict in (([good], HOLDS), ([good, bad], PARTLY), ([bad], FAILS)):
        assert Finding(checks, plots, "Said.").verdict == verdict
    assert Check.most("m", 1, 1).holds
    assert not Check.most("m", 1.1, 1).holds
    assert Check.least("l", 1, 1).holds
    assert not Check.least("l", 0.9, 1).holds
    assert Check.within("w", -1.1, -1, 0.2).holds
    assert not Check.within("w", 1, -1, 0.2).holds
    assert Check.furthest("f", np.array([1.0, 2.2, 3]), (1, 2, 3), 0.05).what == "f: layer 2, the furthest off"
