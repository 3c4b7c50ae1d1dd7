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
st.markdown("The same network learns the same data in the same order, from different initial weights. Which let it "
            "learn, and what stops the others?")
with st.container(horizontal=True):
    for key in ("optimizer", "rate", "steps"):
        app.control(key)
more, single, weights = st.columns(3)
with more, st.expander("Data, loss, rates", icon=":material/tune:"):
    source = request.ask_source()
    for key in ("minibatch", "tuned", "loss"):
        app.control(key)

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
    terms = request.ask(settings, source, single, weights)
if terms is None:
    app.stop()

training.watch_race(terms)
