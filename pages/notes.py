"""The study notes, sentence by sentence: each put to the test, with what it predicts beside what happens."""

import streamlit as st

from initviz import app
from initviz.app import claims as experiments
from initviz.claims.experiment import FAILS, HOLDS, PARTLY
from initviz.claims.notes import NOTES

app.require_entrance()

st.header("The notes, put to the test", anchor=False)
st.markdown("This app grew from a student's page of study notes on weight initialization. Here is each of its "
            "seventeen sentences, in its own words. Each predicts something; that is computed, and the verdict says "
            "whether all, some or none of the predictions come true.")
experiments.show_page("note", "Sentence", NOTES, app.current_settings().seed,
                      {HOLDS: "holds", PARTLY: "holds only if", FAILS: "does not hold"})
