"""The study notes, sentence by sentence: each put to the test, with what it predicts beside what happens."""

import streamlit as st

from initviz import ui
from initviz.experiments import FAILS, HOLDS, PARTLY
from initviz.notes import NOTES
from initviz.ui import experiments

ui.require_entrance()
settings = ui.current_settings()

st.header("The notes, put to the test", anchor=False)
st.markdown("Seventeen sentences as notes on weight initialisation have them. Each predicts something; it is computed, "
            "and the verdict is how many of the predictions come true.")

words = {HOLDS: "holds", PARTLY: "holds only in part", FAILS: "does not hold"}
key = experiments.choose("Sentence", "note", NOTES)
experiments.show_experiment(key, NOTES[key], settings.seed, words)
experiments.show_all("notes", NOTES, settings.seed, words)
