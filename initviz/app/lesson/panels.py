"""What the page Lesson asks and shows."""

from __future__ import annotations

import streamlit as st

from initviz import app
from initviz.app.caches import cached
from initviz.app.lesson import by_hand, variance_panel, worksheet
from initviz.app.lesson.computed import StepOutcome
from initviz.app.lesson.steps import GUESS_ORDER, STEPS, Answer, Step
from initviz.charts import distributions
from initviz.charts import plots as charts
from initviz.charts.plots import Plot

GUESSES = "guesses"
ANSWERS = "0123456789"
INTERACTIVE = {"hand": by_hand.show, "variance": variance_panel.show}  # steps that one can play with, given the seed
FORWARD, WAY_BACK = range(2)


@cached(8e6)
def computed(key: str, seed: int) -> StepOutcome:
    """What a step computes for a seed, shared read-only by all sessions."""
    return STEPS[key].compute(STEPS[key].settings(seed))


def choose_step() -> str:
    """Which step, bound to the address."""
    titles = {key: f"{number}. {step.title}" for number, (key, step) in enumerate(STEPS.items(), 1)}
    app.expect_choice("step", "Step", titles)
    key = st.segmented_control("Step", list(STEPS), default="layer", required=True, wrap=True, key="step",
                               format_func=titles.__getitem__, bind="query-params",
                               help="Any step can be opened at any time; a link keeps the step and the guesses.")
    return key if key in STEPS else "layer"


def _guesses() -> dict[str, int | None]:
    """The number of the answer guessed at each step, None before there is one; kept in the address as 0-2------."""
    text = st.query_params.get(GUESSES) or st.session_state.get(GUESSES, "")
    marks = dict(zip(GUESS_ORDER, text, strict=False))
    return {key: int(marks[key]) if marks.get(key, "") in ANSWERS[:len(STEPS[key].answers)] and key in marks else None
            for key in GUESS_ORDER}


def ask(key: str, step: Step) -> str | None:
    """The guess, kept in the address with those of the other steps; None before there is one."""
    guesses = _guesses()
    labels = [answer.label for answer in step.answers]
    guess = st.radio(step.question, labels, index=guesses[key], key=f"guess_{key}",
                     help="A wrong guess costs nothing: it is where there is something to see.")
    guesses[key] = labels.index(guess) if guess in labels else None
    text = "".join("-" if place is None else str(place) for place in guesses.values())
    if text.strip("-"):
        st.session_state[GUESSES] = st.query_params[GUESSES] = text
    elif st.query_params.pop(GUESSES, ""):  # an address whose guesses are none that can be made
        st.session_state[GUESSES] = "none"
    return guess


def judge(guess: str, step: Step, right: Answer) -> None:
    """Whether the guess is what was measured, and if not, why it could not be."""
    if guess == right.label:
        st.success(f"Right. {right.label}.", icon=":material/check:")
    else:
        reason = next(answer.reason for answer in step.answers if answer.label == guess)
        st.warning(f"{reason}\n\nMeasured: **{right.label}**.", icon=":material/lightbulb:")


def draw(key: str, outcome: StepOutcome, seed: int) -> None:
    """Draw what a step computed, with its controls."""
    if outcome.plot is not None:
        plot(outcome.plot)
    if outcome.run is not None:
        app.show(distributions.picture(), distributions.data([outcome.run], "activation"),
                 height=distributions.height(outcome.run.network.depth), key="lesson")
        st.caption("One row a layer: the distribution of its neurons' outputs over the batch, drawn to its own peak.")
    if key in INTERACTIVE:
        INTERACTIVE[key](seed)


def plot(plotted: Plot) -> None:
    """A plot under its title."""
    st.markdown(f"**{plotted.title}**")
    app.show(charts.picture(plotted), charts.data(plotted))


def offer_next(key: str) -> None:
    """A button to the next step, where there is one."""
    keys = list(STEPS)
    if key != keys[-1]:
        following = keys[keys.index(key) + 1]
        st.button(f"Next: {STEPS[following].title}", icon=":material/arrow_forward:", key="next_step",
                  on_click=app.set_state, args=({"step": following},), help="Guesses are kept.")


def _forget() -> None:
    for key in (GUESSES, by_hand.WEIGHTS, *(f"guess_{step}" for step in STEPS)):
        st.session_state.pop(key, None)
        st.query_params.pop(key, None)
    app.set_state({"step": next(iter(STEPS))})


def show_progress(seed: int) -> None:
    """How many of the guesses so far were right, of those in this session or its address; what else is to be had."""
    guesses = {key: place for key, place in _guesses().items() if place is not None}
    right = sum(STEPS[key].answers[place] == STEPS[key].right(computed(key, seed)) for key, place in guesses.items())
    st.caption(f"Guesses so far: {len(guesses)} of {len(STEPS)}, {right} of them right.")
    with st.container(horizontal=True):
        app.download("Worksheet", f"initialization-worksheet-{seed}.html", lambda: worksheet.html(
            {key: computed(key, seed) for key in STEPS}, seed), "text/html", key="worksheet",
            help="A page to print: the questions with room for predictions, and on a second page the answers as "
                 "computed "
            f"with seed {seed}. Some seconds of computing.")
        st.button("Begin the lesson again", icon=":material/restart_alt:", key="forget", on_click=_forget,
                  help="Forgets the guesses and the small network's weights, and goes to the first step. The controls "
                  "in the sidebar stay.")
