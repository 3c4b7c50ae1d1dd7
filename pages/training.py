"""A race: every chosen initializer trained on the same data, in the same order."""

from dataclasses import replace

import streamlit as st

from initviz import app
from initviz.app import blocks
from initviz.app.training import panels as training
from initviz.app.training import request

app.require_entrance()
settings = app.current_settings()

st.header("What does an initialization cost?", anchor=False)
st.markdown("The same network learns the same data in the same order; only its initial weights differ. Which "
            "initialization learns, and what keeps the others from it?")
with st.container(horizontal=True):
    for key in ("optimizer", "rate", "steps", "minibatch", "tuned", "loss"):
        app.control(key)
    source = request.ask_source()

with st.container():
    app.refuse_the_unaffordable(replace(settings, steps=min(settings.steps, request.FEWEST_STEPS)), training=True)
    if not settings.init:
        st.info("Choose at least one initializer in the sidebar.", icon=":material/tune:")
        app.stop()
    if shallow := blocks.too_shallow(settings):
        st.info(shallow, icon=":material/tune:")
        app.stop()
    if remarks := blocks.remarks_on_training(settings):
        st.caption(remarks)
    terms = request.ask(settings, source)
if terms is None:
    app.stop()

training.watch_race(terms)
