"""Seven steps for a newcomer: guess first, then see it computed."""

import streamlit as st

from initviz import app
from initviz.app import claims as experiments
from initviz.app.lesson import panels as lesson
from initviz.app.lesson.steps import STEPS

app.require_entrance()
seed = app.current_settings().seed

st.header("Seven steps", anchor=False)
key = lesson.choose_step()
step = STEPS[key]

st.subheader(step.title, anchor=False)
st.markdown(step.task)
guess = lesson.ask(key, step)
if guess is None:
    st.info("Guess first; then it is computed.", icon=":material/help:")
    st.stop()

seen = lesson.look(key, seed)
right = step.right(seen)
lesson.judge(guess, right)
st.markdown(seen.said)
lesson.draw(seen)
with st.container(horizontal=True):
    lesson.offer_next(key)
    st.link_button("Go on from here", experiments.explorer_address(step.page, {"seed": seed} | step.changes),
                   icon=":material/open_in_new:", key="explore", help="The same case, in a new tab, with every control "
                   "there is.")
lesson.show_progress(seed)
