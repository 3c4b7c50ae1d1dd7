"""Neurons that are copies of one another, and what makes them different."""

import streamlit as st

from initviz import app
from initviz.app.lesson import by_hand
from initviz.app.symmetry import network, zeros
from initviz.claims.experiment import ON_ZEROS

app.require_entrance()
settings = app.current_settings()

st.header("Copies, or different neurons?", anchor=False)
st.markdown("A network can collapse in two independent ways: its neurons can be **copies** of one neuron, and its "
            "signal can lose its **scale**.")
whole_network = st.container()
st.subheader("Why do copies stay copies?", anchor=False)
st.markdown("Equal weights keep neurons equal, step after step:")
by_hand.show(settings.seed, brief=True)

TOPICS = ["Layer by layer", "Break it", ON_ZEROS, "Other copies that must part"]
if "wiring" in st.query_params and not {"topic"} & {*st.query_params, *st.session_state}:
    st.session_state["topic"] = ON_ZEROS  # a link to a wiring alone opens it too
app.expect_choice("topic", "Topic", TOPICS)
layers, attempts, placement, others = st.tabs(TOPICS, key="topic", on_change="rerun", bind="query-params")
# What does not depend on the whole network comes first, as that may stop the page.
if placement.open:
    with placement:
        st.subheader(ON_ZEROS, anchor="zeros")
        zeros.show(settings.seed)
if others.open:
    with others:
        zeros.show_copies(settings.seed)
with whole_network:
    shown = network.show(settings)
if layers.open and shown:
    with layers:
        network.show_neurons(shown)
if attempts.open and shown:
    with attempts:
        network.break_symmetry(shown)
