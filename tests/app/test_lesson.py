"""The steps of the lesson: every number has its answer, and the answers are those that a person should learn."""

import dataclasses
import itertools
import math
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from initviz.app.lesson import small_network, variance, worksheet
from initviz.app.lesson.computed import StepOutcome
from initviz.app.lesson.panels import INTERACTIVE
from initviz.app.lesson.steps import GUESS_ORDER, STEPS

RIGHT = {"layer": "All 128", "zeros": "One: the rest are its copies", "constant": "One: the rest are its copies",
         "hand": "One: the others are still its copies", "variance": "About 250",
         "small": "Less than a hundredth", "large": "More than half", "scaled": "A fifth to four fifths",
         "train": "Some", "exceptions": "In step 1"}


@pytest.mark.parametrize("key", STEPS)
@pytest.mark.parametrize("seed", [0, 1])
def test_a_step_computes_its_answer(key, seed):
    step = STEPS[key]
    outcome = step.compute(step.settings(seed))
    assert step.right(outcome).label == RIGHT[key]
    assert outcome.summary.endswith(".")
    assert (outcome.run is not None or outcome.plot is not None) != (key in INTERACTIVE)


@pytest.mark.parametrize("key", STEPS)
def test_the_answers_leave_no_number_out_and_have_names_of_their_own(key):
    answers = STEPS[key].answers
    assert len({answer.label for answer in answers}) == len(answers) <= 10
    ends = sorted((answer.low, answer.high) for answer in answers)
    whole = key in ("layer", "zeros", "constant", "hand", "train", "exceptions")
    assert ends[0][0] == 0
    assert all(after[0] - before[1] == whole for before, after in itertools.pairwise(ends))
    assert STEPS[key].right(StepOutcome(ends[-1][1], "")) in answers


def test_the_answer_follows_the_measurement_and_not_the_step():
    step = STEPS["constant"]
    random = dataclasses.replace(step.settings(0), init=("he_normal",))
    assert step.right(step.compute(random)).label == "All 128"


@pytest.mark.parametrize("key", STEPS)
def test_every_answer_has_a_reason_against_it_and_no_two_ratios_of_different_powers_share_one(key):
    for answer in STEPS[key].answers:
        assert answer.reason.endswith(".")
    if key in ("small", "scaled"):
        step = STEPS[key]
        assert step.right(StepOutcome(0.4, "")) is not step.right(StepOutcome(0.01, ""))
        assert step.right(StepOutcome(0.4, "")) is not step.right(StepOutcome(0.1, ""))


def test_the_guesses_of_the_first_lesson_keep_their_places_in_the_address():
    assert GUESS_ORDER[:7] == ("layer", "zeros", "constant", "small", "large", "scaled", "train")
    assert set(GUESS_ORDER) == set(STEPS)


def test_the_factor_a_layer_is_named_only_where_it_is_one():
    small = STEPS["small"].compute(STEPS["small"].settings(0))
    scaled = STEPS["scaled"].compute(STEPS["scaled"].settings(0))
    assert "so would the next" in small.summary
    assert "no factor a layer" in scaled.summary
    measured, geometric = scaled.plot.lines
    assert measured.y[-1] == pytest.approx(1 / math.sqrt(2 * 99), rel=0.5)  # chance of one draw
    assert geometric.y[-1] < measured.y[-1] / 1000


def test_the_last_step_shows_that_plain_gradient_descent_leaves_small_weights_where_they_are():
    outcome = STEPS["train"].compute(STEPS["train"].settings(0))
    plain = outcome.plot.lines[-1]
    by_adam = next(line for line in outcome.plot.lines if line.initializer == "normal")
    assert plain.y[-1] > 2
    assert by_adam.y[-1] < 0.5
    assert "Adam divides" in outcome.summary


# ---------------------------------------------------------------------------------------------- by hand

def nudged(weights, place, by):
    return tuple(w + by * (at == place) for at, w in enumerate(weights))


def test_equal_weights_stay_equal_through_steps_and_a_nudged_one_parts():
    weights = small_network.EQUAL
    for _ in range(50):
        weights = small_network.stepped(weights)
    assert weights != small_network.EQUAL
    assert small_network.copies(weights) == [0, 0, 0]
    apart = small_network.stepped(nudged(small_network.EQUAL, 0, 0.05))
    assert small_network.copies(apart) == [0, 1, 1]
    _, last = small_network.matrices(apart)
    assert not np.isclose(last[0, 0], last[1, 0], rtol=1e-3)  # not only the weight that was nudged
    assert "h₂ and h₃ have equal weights" in small_network.summary(apart)


def test_a_step_goes_against_the_gradient_of_the_loss():
    weights = small_network.random_weights(3)
    derivatives = small_network.gradients(weights)
    for place, derivative in enumerate(derivatives):
        up, down = (small_network.computed(nudged(weights, place, by)).loss for by in (1e-6, -1e-6))
        assert derivative == pytest.approx((up - down) / 2e-6, rel=1e-5, abs=1e-8)
    assert small_network.computed(small_network.stepped(weights)).loss < small_network.computed(weights).loss


def test_the_chain_of_zeros_ends_at_exactly_0_for_every_weight():
    assert small_network.stepped(small_network.ZERO) == small_network.ZERO
    for edge in range(small_network.COUNT):
        lines = small_network.chain(small_network.ZERO, edge)
        assert lines[0].endswith("= −2")
        assert lines[-2].endswith("= 0")
    assert "exactly 0" in small_network.summary(small_network.ZERO)


def test_the_chain_writes_the_gradient_that_is_computed():
    weights = small_network.random_weights(0)
    for edge, derivative in enumerate(small_network.gradients(weights)):
        said = small_network.chain(weights, edge)[-2].rsplit("= ", 1)[1].replace("−", "-")
        assert float(said) == pytest.approx(derivative, rel=0.01)


@pytest.mark.parametrize("text", ["", "1,2", "nan," * 8 + "nan", "inf" + ",1" * 8, "1e9" + ",1" * 8, "<b>" * 9])
def test_rubbish_is_no_weights(text):
    assert small_network.read_weights(text) is None


def test_weights_come_back_from_the_address_to_six_digits():
    weights = small_network.random_weights(1)
    np.testing.assert_allclose(small_network.read_weights(small_network.write_weights(weights)), weights, rtol=1e-5)


# ---------------------------------------------------------------------------------------------- variance

@pytest.mark.parametrize("thousandths", [1, 2, 4, 8, 12])
def test_the_predicted_variance_is_what_is_measured(thousandths):
    plot, _ = variance.forward(thousandths / 1000, 0)
    for line in plot.lines:
        np.testing.assert_allclose(np.log(line.y), np.log(line.expected), atol=4 * math.sqrt(5 * 10 / variance.WIDTH))


def test_each_rule_keeps_what_it_is_made_for_and_xavier_lies_between():
    for seed in range(3):
        there, back = variance.there_and_back(seed)
        for plot, kept in ((there, 0), (back, 1)):
            for line in plot.lines:
                np.testing.assert_allclose(np.log(line.y), np.log(line.expected), atol=0.7)
            np.testing.assert_allclose(plot.lines[kept].expected, 1, rtol=1e-9)
            ends = [line.expected[-1 if plot is there else 0] for line in plot.lines]
            assert min(ends[:2]) < ends[2] < max(ends[:2])


# ---------------------------------------------------------------------------------------------- the worksheet

class Outline(HTMLParser):
    """Every tag closes, and what is loaded from elsewhere is noted."""

    def __init__(self):
        super().__init__()
        self.open, self.loaded = [], []

    def handle_starttag(self, tag, attributes):
        self.loaded += [value for name, value in attributes if name in ("src", "href")]
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_worksheet_holds_every_question_and_on_a_later_page_every_computed_answer():
    outcomes = {key: step.compute(step.settings(0)) for key, step in STEPS.items()}
    page = worksheet.html(outcomes, 0)
    outline = Outline()
    outline.feed(page)
    assert (outline.open, outline.loaded) == ([], [])
    questions, answers = page.split('<div class="answers">')
    for key, step in STEPS.items():
        assert step.question in questions.replace("&#x27;", "'")
        assert f"{step.title}: {RIGHT[key]}" in answers
        assert questions.count("☐") == sum(len(step.answers) for step in STEPS.values())
    assert "break-before: page" in page
    assert len(re.findall("<svg", page)) == 2
