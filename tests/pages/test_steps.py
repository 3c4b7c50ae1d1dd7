"""The page Lesson: guess, see, go on; the address keeps where one was."""

import pytest
from pages.test_pages import charts, press, sound, visit, words

from initviz.app.lesson.steps import GUESS_ORDER, STEPS

LESSON = "pages/lesson.py"


def title(key):
    return f"{list(STEPS).index(key) + 1}. {STEPS[key].title}"


@pytest.mark.parametrize("key", STEPS)
def test_a_step_asks_first_and_then_computes(key):
    at = visit(LESSON, step=title(key))
    assert "Guess first" in at.info[0].value
    assert len(charts(at)) == 1  # what the step begins with
    sound(at.radio(key=f"guess_{key}").set_value(STEPS[key].answers[0].label).run())
    assert len(charts(at)) == {"hand": 1, "scaled": 3, "variance": 4}.get(key, 2)
    assert len(at.success) + len(at.warning) == 1
    assert "Guesses so far: 1 of 10" in words(at)


def test_the_way_through_keeps_the_guesses_in_the_address():
    at = visit(LESSON)
    for key, step in STEPS.items():
        sound(at.radio(key=f"guess_{key}").set_value(step.answers[0].label).run())
        if key != list(STEPS)[-1]:
            press(at, "next_step")
    assert at.query_params["guesses"] in ("0" * len(GUESS_ORDER), ["0" * len(GUESS_ORDER)])
    assert "Guesses so far: 10 of 10, 1 of them right" in words(at)  # the first answers: only the first step's is right


def test_a_link_opens_a_step_with_its_guesses():
    at = visit(LESSON, step=title("large"), guesses="02--2--")
    assert "Right. More than half" in at.success[0].value
    assert "Guesses so far: 3 of 10, 3 of them right" in words(at)


def test_an_address_may_name_a_step_by_its_key():
    at = visit(LESSON, step="large")
    assert at.query_params["step"] in (title("large"), [title("large")])
    assert [element.key for element in at.radio] == ["guess_large"]


def test_a_wrong_guess_gets_its_reason_and_the_answer():
    at = visit(LESSON, step="scaled", guesses="-----0---")
    assert "tanh then squeezes them" in at.warning[0].value
    assert "Measured: **A fifth to four fifths**" in at.warning[0].value
    assert "Not this time" not in words(at)


def test_the_small_network_steps_parts_at_a_nudge_and_is_kept_in_the_address():
    at = visit(LESSON, step="hand", guesses="-------2-")
    assert "h₁, h₂ and h₃ have equal weights" in words(at)
    press(at, "by_hand_step")
    assert "h₁, h₂ and h₃ have equal weights" in words(at)
    weights = str(at.query_params["weights"]).strip("[]'").split(",")
    assert len(set(weights)) == 3  # the same for each hidden neuron
    sound(at.slider(key="by_hand_value").set_value(1.5).run())
    press(at, "by_hand_step")
    assert "h₂ and h₃ have equal weights" in words(at)
    kept = str(at.query_params["weights"]).strip("[]'")
    again = visit(LESSON, step="hand", guesses="-------2-", weights=kept)
    assert "h₂ and h₃ have equal weights" in words(again)
    press(at, "by_hand_equal")
    assert "weights" not in at.query_params


def test_unreadable_weights_give_the_first_visits_and_a_notice():
    at = visit(LESSON, step="hand", guesses="-------2-", weights="1,2,<b>")
    assert "h₁, h₂ and h₃ have equal weights" in words(at)
    assert any("weights in the address" in toast.value for toast in at.toast)


def test_the_lesson_begun_again_has_no_guesses_and_the_reset_of_the_controls_keeps_them():
    at = visit(LESSON, step="large", guesses="02--2----", seed=5)
    press(at, "reset")
    assert at.session_state["seed"] == 0
    assert "Guesses so far: 3 of 10" in words(at)
    press(at, "forget")
    assert "Guesses so far: 0 of 10" in words(at)
    assert "guesses" not in at.query_params
    assert at.radio(key="guess_layer").value is None


def test_the_last_step_closes_with_what_to_use_when():
    at = visit(LESSON, step="exceptions", guesses="---------1")
    assert "A zero is harmless where its other factor is not zero" in words(at)
    assert "Use this when" in words(at)
    for source in ("arxiv.org/abs/1502.01852", "glorot10a"):
        assert source in words(at)


def test_the_variance_follows_its_slider():
    at = visit(LESSON, step="variance", guesses="--------2")
    assert "= 0.5." in words(at)
    sound(at.slider(key="variance").set_value(8).run())
    assert "n Var W = 250 × 0.008 = 2." in words(at)
    assert "n Var W = 250 × 0.012 = 3." in words(visit(LESSON, step="variance", guesses="--------2", variance=12))


@pytest.mark.parametrize("guesses", ["", "9999999", "abc", "-" * 500, "0" * 500, "<b>", "٣"])
def test_rubbish_in_the_address_is_no_guess(guesses):
    at = visit(LESSON, step="<b>nothing</b>", guesses=guesses)
    assert at.radio(key="guess_layer")
