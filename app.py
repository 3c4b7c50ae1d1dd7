"""The entrance: page config, navigation, the shared sidebar."""

from pathlib import Path
from typing import Literal

import streamlit as st

from initviz import app
from initviz.app import sharing

sidebar_state: Literal["auto", "collapsed"] = "collapsed" if sharing.presenting() else "auto"

# Before the navigation, which else fetches the page's own icon from elsewhere for the tab.
st.set_page_config(page_icon=Path(__file__).parent / "initviz/data/icon.png", layout="wide",
                   initial_sidebar_state=sidebar_state)

app.write_settings()

# A page's address is its file's name: see require_entrance for links into a server that has just started.
# Names without icons, and those of two kinds behind a menu each, fit a window of 1,024 pixels.
page = st.navigation({"": [
    st.Page("pages/signal.py", title="Signal", default=True,
            help="Watch a signal go through a network and the gradient come back"),
    st.Page("pages/lesson.py", title="Lesson",
            help="For a newcomer: guess first, then see it computed, step by step"),
    st.Page("pages/symmetry.py", title="Symmetry",
            help="Neurons that are copies of one another, and what makes them different"),
    st.Page("pages/training.py", title="Training",
            help="Train every initialization on the same data, and see what each costs"),
    st.Page("pages/theory.py", title="Theory",
            help="What should happen before anything is computed, drawn over what does"),
], "Check": [
    st.Page("pages/diagnose.py", title="Diagnose",
            help="Your architecture, your data, your weights: what is wrong with the initialization, what fixes it, "
                 "its code"),
    st.Page("pages/audit.py", title="Audit",
            help="Any model's weights file: which initializer drew each tensor, and is it the one you asked for"),
    st.Page("pages/recording.py", title="Recording",
            help="Your real PyTorch model, recorded by one line: signal, gradient, attention and weights of its first "
                 "step"),
], "Facts": [
    st.Page("pages/notes.py", title="Notes",
            help="What notes on the subject say, sentence by sentence, put to the test"),
    st.Page("pages/papers.py", title="Papers",
            help="Figures of the papers remade, their numbers beside ours"),
    st.Page("pages/formulas.py", title="Formulas",
            help="Every initializer and activation: formula, variance, source, code"),
]}, position="hidden" if st.context.is_embedded else "top")
st.set_page_config(page_title=f"{page.title} · initviz: weight initialization, seen",
                   initial_sidebar_state=sidebar_state)

app.open_address()
if not st.context.is_embedded:  # what a teacher puts into a page of their own shows no controls around it
    sharing.tools(page.url_path, page.title)
    app.sidebar(page.url_path)
if st.context.is_embedded or sharing.presenting():
    sharing.name_network(page.url_path, page.title)
app.mark_entrance()
page.run()
app.note_choices()
app.tell_changes()
app.freeze_modules()
