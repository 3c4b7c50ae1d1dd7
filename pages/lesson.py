"""A lesson for a newcomer: guess first, then see it computed."""

import streamlit as st

from initviz import app
from initviz.app import claims as experiments
from initviz.app.lesson import closing
from initviz.app.lesson import panels as lesson
from initviz.app.lesson.steps import STEPS

app.require_entrance()
seed = app.current_settings().seed

st.header("Guess first, then see it computed", anchor=False)
key = lesson.choose_step()
step = STEPS[key]

st.subheader(step.title, anchor=False)
st.markdown(step.task)
guess_place, rest = st.container(), st.container()
with guess_place:
    guess = lesson.ask(key, step)
with rest:
    if guess is None:
        st.info("Guess first; then it is computed.", icon=":material/help:")
        lesson.show_before(key)
    else:
        outcome = lesson.computed(key, seed)
        lesson.judge(guess, step, step.right(outcome))
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
