"""The figures of the papers, remade: each with the published or derived targets beside what is measured here."""

import streamlit as st

from initviz import app
from initviz.app import claims as experiments
from initviz.claims.experiment import FAILS, HOLDS, PARTLY
from initviz.claims.papers import PAPERS

app.require_entrance()

st.header("The papers, run again", anchor=False)
st.markdown("A figure or a number of a paper, computed in front of you: the setting as published, its targets beside "
            "ours, and how far they may lie apart and why.")
experiments.show_page("paper", "Paper", PAPERS, app.current_settings().seed,
                      {HOLDS: "agrees with the paper", PARTLY: "agrees in part", FAILS: "does not agree"})
