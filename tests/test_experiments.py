"""Every experiment of the notes and the papers: its verdict, and whatever its knobs and seed are set to."""

from __future__ import annotations

import math

import numpy as np
import pytest

from initviz.experiments import FAILS, HOLDS, PARTLY, Check, Experiment, Finding, Line, Plot
from initviz.limits import Interval, Ladder
from initviz.papers import PAPERS

DISAGREE = {  # the papers' sentences that a computation does not bear out, by what is measured
    "lecun_tanh": ["Variance of f(x) for a unit normal x"],
    "glorot_singular_values": ["Normalised: mean singular value of a layer's Jacobian"]}
EXPERIMENTS: dict[str, Experiment] = {**PAPERS}
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
    assert Check.most("m", 1, 1).holds and not Check.most("m", 1.1, 1).holds
    assert Check.least("l", 1, 1).holds and not Check.least("l", 0.9, 1).holds
    assert Check.within("w", -1.1, -1, 0.2).holds and not Check.within("w", 1, -1, 0.2).holds
    assert Check.furthest("f", np.array([1.0, 2.2, 3]), (1, 2, 3), 0.05).what == "f: layer 2, the furthest off"
