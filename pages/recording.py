"""A person's own PyTorch model: what its first step does, from a recording of a few kilobytes."""

import streamlit as st

from initviz import app
from initviz.app.outside_text import complain
from initviz.app.recording import panels, request

app.require_entrance()

st.header("What does your real model do at its first step?", anchor=False)
st.markdown("Record one training step of a PyTorch model, a ResNet, a GPT or a policy, by one line. The file is small, "
            "holds no data and no weights, and this page needs no PyTorch to read it.")
with st.container(horizontal=True, vertical_alignment="center"):
    panels.show_recorder()
    uploaded = request.ask_files()
example = request.ask_example()
for error in uploaded.refused:
    complain(error)
    st.caption("The example is shown instead.")

answer = st.container()
chosen = request.ask_view(uploaded, example)
with answer:
    panels.show_answer(chosen)

panels.show_pictures(chosen)
panels.show_comparison(chosen)

st.subheader("What is found", anchor=False)
panels.show_findings(chosen.report, chosen.name)

st.subheader("Module by module", anchor=False)
panels.show_tables(chosen)
