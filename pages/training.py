"""A race: every chosen initializer trained on the same data, in the same order."""

import streamlit as st

from initviz import app
from initviz.app.blocks import plain_only
from initviz.app.training import panels as training

app.require_entrance()
asked = app.current_settings()

st.header("What does an initialization cost?", anchor=False)
settings = plain_only(asked, "The race stacks plain networks; `initviz.train` trains networks of blocks.")
with st.container(horizontal=True):
    for key in ("optimizer", "rate", "steps", "minibatch", "tuned"):
        app.control(key)

with st.container():
    app.refuse_the_unaffordable(settings, training=True)
    if not settings.init:
        st.info("Choose at least one initializer in the sidebar.", icon=":material/tune:")
        app.stop()

training.watch_race()
