"""Neurons that are copies of one another, and what makes them different."""

import streamlit as st

from initviz import app
from initviz.app.lesson import by_hand
from initviz.app.symmetry import network, zeros

app.require_entrance()
settings = app.current_settings()

st.header("Copies, or different neurons?", anchor=False)
st.markdown("A network can collapse in two ways that have nothing to do with each other: its neurons can be "
            "**copies** of one neuron, and its signal can lose its **scale**. Equal weights keep neurons equal, step "
            "after step:")
by_hand.show(settings.seed, brief=True)
whole_network = st.container()
with st.container():  # before the whole network, which may stop the page
    st.subheader("Where may zeros stand?", anchor="zeros")
    zeros.show(settings.seed)
    st.subheader("Other copies that must part", anchor=False)
    zeros.show_copies(settings.seed)
with whole_network:
    network.show(settings)
