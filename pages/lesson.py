"""A lesson for a newcomer: guess first, then see it computed."""

import streamlit as st

from initviz import app
from initviz.app import claims as experiments
from initviz.app.lesson import before, closing
from initviz.app.lesson import panels as lesson
from initviz.app.lesson.steps import STEPS

app.require_entrance()
seed = app.current_settings().seed

st.header("Guess first, then see it computed", anchor=False)
key = lesson.choose_step()
step = STEPS[key]

st.subheader(step.title, anchor=False)
st.markdown(step.task)
left, right = st.columns([3, 2], gap="medium")
rest = st.container()
with right:
    guess = lesson.ask(key, step)
if guess is None or key != "hand":  # the small network is drawn with all that can be done to it below
    with left:
        before.show(key, seed)
if guess is None:
    right.info("Guess first; then it is computed.", icon=":material/help:")
else:
    outcome = lesson.computed(key, seed)
    with right:
        lesson.judge(guess, step, step.right(outcome))
    with rest:
        st.markdown(outcome.summary)
        lesson.draw(key, outcome, seed)
        with st.container(horizontal=True):
            lesson.offer_next(key)
            address = experiments.explorer_address(step.page, {"seed": seed} | step.changes | step.more)
            st.link_button("Go on from here", address, icon=":material/open_in_new:", key="explore",
                           help="The same case, in a new tab, with every control there is.")
        if key == list(STEPS)[-1]:
            closing.show(seed)
lesson.show_progress(seed)
