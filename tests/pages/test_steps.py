"""The page Lesson: guess, see, go on; the address keeps where one was."""

import pytest
from pages.test_pages import charts, press, sound, visit, words

from initviz.app.lesson.steps import STEPS

LESSON = "pages/lesson.py"


def title(key):
    return f"{list(STEPS).index(key) + 1}. {STEPS[key].title}"


@pytest.mark.parametrize("key", STEPS)
def test_a_step_asks_first_and_then_computes(key):
    at = visit(LESSON, step=title(key))
    assert "Guess first" in at.info[0].value
    assert len(charts(at)) == (key == "hand")  # the small network, whose way there a person is to think through
    sound(at.radio(key=f"guess_{key}").set_value(STEPS[key].answers[0].label).run())
    assert len(charts(at)) == {"scaled": 2, "variance": 3}.get(key, 1)
    assert len(at.success) + len(at.warning) == 1
    assert "Guesses so far: 1 of 9" in words(at)


def test_the_way_through_keeps_the_guesses_in_the_address():
    at = visit(LESSON)
    for key, step in STEPS.items():
        sound(at.radio(key=f"guess_{key}").set_value(step.answers[0].label).run())
        if key != "train":
            press(at, "next_step")
    assert at.query_params["guesses"] in ("000000000", ["000000000"])
    assert "Guesses so far: 9 of 9, 1 of them right" in words(at)  # the first answers: only the first step's is right


def test_a_link_opens_a_step_with_its_guesses():
    at = visit(LESSON, step=title("large"), guesses="02--2--")
    assert "Right. More than half" in at.success[0].value
    assert "Guesses so far: 3 of 9, 3 of them right" in words(at)


def test_an_address_may_name_a_step_by_its_key():
    at = visit(LESSON, step="large")
    assert at.query_params["step"] in (title("large"), [title("large")])
    assert [element.key for element in at.radio] == ["guess_large"]


@pytest.mark.parametrize("guesses", ["", "9999999", "abc", "-" * 500, "0" * 500, "<b>", "٣"])
def test_rubbish_in_the_address_is_no_guess(guesses):
    at = visit(LESSON, step="<b>nothing</b>", guesses=guesses)
    assert at.radio(key="guess_layer")
