"""An app that computes nothing: the first page's charts for gains that were computed before, and a slider to choose.

What it takes to redraw them is Streamlit's and the browser's share of the first page's slider, and its floor.
"""

import streamlit as st

from initviz import ui
from initviz.charts import depth, distributions
from initviz.settings import Settings

GAINS = 41

st.set_page_config(layout="wide")


@st.cache_resource
def pictures():
    """The datasets of the three charts for every gain of the slider, from 0 to 2."""
    found = []
    for step in range(GAINS):
        settings = Settings(gain=0.05 * step)
        runs = ui.compare(settings)
        predictions = [ui.cached_prediction(run, settings.input) for run in runs]
        found.append((distributions.data(runs, "activation"), depth.data(runs, predictions, "activation", "std"),
                      depth.data(runs, predictions, "delta", "std")))
    return found


with st.sidebar:
    gain = st.slider("Gain", 0.0, 2.0, 1.0, 0.05, key="gain")
st.header("Floor")
shapes, forward, backward = pictures()[round(gain / 0.05)]
ui.show(distributions.picture(), shapes, height=distributions.height(10), key="distributions")
left, right = st.columns(2)
with left:
    ui.show(depth.forward_picture(), forward, key="forward")
with right:
    ui.show(depth.backward_picture(), backward, key="backward")
ui.keep_modules()
