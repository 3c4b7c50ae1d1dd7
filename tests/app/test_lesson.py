"""The steps of the lesson: every number has its answer, and the answers are those that a person should learn."""

import dataclasses
import itertools

import pytest

from initviz.app.lesson.steps import STEPS, Seen

RIGHT = {"layer": "All 128", "zeros": "One: the rest are its copies", "constant": "One: the rest are its copies",
         "small": "Less than a hundredth", "large": "More than half", "scaled": "Weaker: a half to a hundredth",
         "train": "Some"}


@pytest.mark.parametrize("key", STEPS)
@pytest.mark.parametrize("seed", [0, 1])
def test_a_step_computes_its_answer(key, seed):
    step = STEPS[key]
    seen = step.look(step.settings(seed))
    assert step.right(seen).label == RIGHT[key]
    assert seen.said.endswith(".")
    assert (seen.run is None) != (seen.plot is None)


@pytest.mark.parametrize("key", STEPS)
def test_the_answers_leave_no_number_out_and_have_names_of_their_own(key):
    answers = STEPS[key].answers
    assert len({answer.label for answer in answers}) == len(answers) <= 10
    ends = sorted((answer.low, answer.high) for answer in answers)
    counted = key in ("layer", "zeros", "constant", "train")  # whole numbers: the next answer begins one later
    assert ends[0][0] == 0
    assert all(after[0] - before[1] == counted for before, after in itertools.pairwise(ends))
    assert STEPS[key].right(Seen(ends[-1][1], "")) in answers


def test_the_answer_follows_the_measurement_and_not_the_step():
    step = STEPS["constant"]
    random = dataclasses.replace(step.settings(0), init=("he_normal",))
    assert step.right(step.look(random)).label == "All 128"
