"""The entrance: page config, navigation, the shared sidebar."""

from pathlib import Path

import streamlit as st

from initviz import ui

st.set_page_config(page_title="initviz: weight initialisation, seen", page_icon=Path(__file__).parent / "initviz/data/icon.png", layout="wide")

# Each url_path differs from its file's stem: otherwise a deep link into a server that has just started would run the
# bare page file, without this entrance.
page = st.navigation([
    st.Page("pages/signal.py", title="Signal", icon=":material/stacked_line_chart:", url_path="forward-and-back",
            default=True, help="Watch a signal go through a network and the gradient come back"),
    st.Page("pages/formulas.py", title="Formulas", icon=":material/function:", url_path="formula-table",
            help="Every initialiser and activation: formula, variance, source, code"),
], position="top")

ui.open_address()
ui.sidebar()
ui.show_notices()
page.run()
