"""Which initializer drew each tensor of a weights file, and whether it is the one that was asked for."""

import streamlit as st

from initviz import app
from initviz.app.audit import panels, request

app.require_entrance()
settings = app.current_settings()

st.header("Which initializer drew each tensor?", anchor=False)
st.markdown("Give the state dict of any model, transformers, convolutions and recurrent ones included: each tensor is "
            "told by the laws that may have drawn it, and held against what it should be.")

name, audit = request.ask(settings.seed)

panels.show_answer(name, audit)
panels.show_findings(audit)
panels.show_scales(name, audit)
panels.show_equal(name, audit)
panels.show_tensors(audit)
panels.show_downloads(audit)
