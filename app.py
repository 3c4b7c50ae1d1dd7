"""The entrance: page config, navigation, the shared sidebar."""

from pathlib import Path

import streamlit as st

from initviz import app

# Before the navigation, which else fetches the page's own icon from elsewhere for the tab.
st.set_page_config(page_icon=Path(__file__).parent / "initviz/data/icon.png", layout="wide")

# A page's address is its file's name: see require_entrance for links into a server that has just started.
page = st.navigation([
    st.Page("pages/signal.py", title="Signal", icon=":material/stacked_line_chart:", default=True,
            help="Watch a signal go through a network and the gradient come back"),
    st.Page("pages/lesson.py", title="Lesson", icon=":material/school:",
            help="For a newcomer: guess first, then see it computed, step by step"),
    st.Page("pages/symmetry.py", title="Symmetry", icon=":material/content_copy:",
            help="Neurons that are copies of one another, and what makes them different"),
    st.Page("pages/training.py", title="Training", icon=":material/directions_run:",
            help="Train every start on the same data, and see what each costs"),
    st.Page("pages/theory.py", title="Theory", icon=":material/insights:",
            help="What should happen before anything is computed, drawn over what does"),
    st.Page("pages/diagnose.py", title="Diagnose", icon=":material/troubleshoot:",
            help="Your architecture, your data, your weights: what is wrong with the start, what mends it, its code"),
    st.Page("pages/notes.py", title="Notes", icon=":material/fact_check:",
            help="What notes on the subject say, sentence by sentence, put to the test"),
    st.Page("pages/papers.py", title="Papers", icon=":material/menu_book:",
            help="Figures of the papers remade, their numbers beside ours"),
    st.Page("pages/formulas.py", title="Formulas", icon=":material/function:",
            help="Every initializer and activation: formula, variance, source, code"),
], position="hidden" if st.context.is_embedded else "top")
st.set_page_config(page_title=f"{page.title} · initviz: weight initialization, seen")

app.open_address()
if not st.context.is_embedded:  # what a teacher puts into a page of their own shows no controls around it
    app.sidebar(page.url_path)
app.mark_entrance()
page.run()
app.tell_changes()
app.freeze_modules()
