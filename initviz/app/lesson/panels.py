"""What the page Lesson asks and shows."""

from __future__ import annotations

import streamlit as st

from initviz import app
from initviz.app.caches import cached
from initviz.app.lesson.steps import STEPS, Answer, Seen, Step
from initviz.charts import distributions
from initviz.charts import plots as charts

GUESSES = "guesses"
ANSWERS = "0123456789"


@cached(8e6)
def look(key: str, seed: int) -> Seen:
    """What a step computes for a seed, shared read-only by all sessions."""
    return STEPS[key].look(STEPS[key].settings(seed))


def choose_step() -> str:
    """Which step, bound to the address."""
    titles = {key: f"{number}. {step.title}" for number, (key, step) in enumerate(STEPS.items(), 1)}
    app.accept_key("step", titles)
    key = st.segmented_control("Step", list(STEPS), default="layer", required=True, wrap=True, key="step",
                               format_func=titles.__getitem__, bind="query-params",
                               help="Any step can be opened at any time; a link keeps the step and the guesses.")
    return key if key in STEPS else "layer"


def _guesses() -> dict[str, int | None]:
    """The number of the answer guessed at each step, None before there is one; kept in the address as 0-2----."""
    text = st.query_params.get(GUESSES) or st.session_state.get(GUESSES, "")
    marks = dict(zip(STEPS, text, strict=False))
    return {key: int(marks[key]) if marks.get(key, "") in ANSWERS[:len(step.answers)] and key in marks else None
            for key, step in STEPS.items()}


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
    return guess


def judge(guess: str, right: Answer) -> None:
    """Whether the guess is what was measured."""
    if guess == right.label:
        st.success(f"Right. {right.label}.", icon=":material/check:")
    else:
        st.warning(f"Not this time. {right.label}.", icon=":material/lightbulb:")


def draw(seen: Seen) -> None:
    """The run's distributions, or the plot."""
    if seen.run is not None:
        app.show(distributions.picture(), distributions.data([seen.run], "activation"),
                height=distributions.height(seen.run.network.depth), key="lesson")
        st.caption("One row a layer: the distribution of its neurons' outputs over the batch, drawn to its own peak.")
    if seen.plot is not None:
        st.markdown(f"**{seen.plot.title}**")
        app.show(charts.picture(seen.plot), charts.data(seen.plot))


def offer_next(key: str) -> None:
    """A button to the next step, where there is one."""
    keys = list(STEPS)
    if key != keys[-1]:
        following = keys[keys.index(key) + 1]
        st.button(f"Next: {STEPS[following].title}", icon=":material/arrow_forward:", key="next_step",
                  on_click=app.set_state, args=({"step": following},), help="Guesses are kept.")


def show_progress(seed: int) -> None:
    """How many of the guesses so far were right, of those in this session or its address."""
    made = {key: place for key, place in _guesses().items() if place is not None}
    right = sum(STEPS[key].answers[place] == STEPS[key].right(look(key, seed)) for key, place in made.items())
    st.caption(f"Guesses so far: {len(made)} of {len(STEPS)}, {right} of them right.")
