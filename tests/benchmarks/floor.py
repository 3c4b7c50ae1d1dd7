"""An app that computes nothing: a page's charts as they were recorded for each place of a slider, and that slider.

What it takes to redraw them is a floor of the page's slider. The recording is the file that ``FLOOR`` names: the charts
in each row of the page, and per place the datasets of each chart.
"""

import os
import pickle
from pathlib import Path

import streamlit as st

from initviz import app

st.set_page_config(layout="wide")


@st.cache_resource
def recording():
    """(charts in each row, per place (picture, data, options) of each chart)."""
    return pickle.loads(Path(os.environ["FLOOR"]).read_bytes())


rows, places = recording()
with st.sidebar:
    place = st.slider("Place", 0, len(places) - 1, 0, 1, key="place")
st.header("Floor")
charts = list(places[place])
for number in rows:
    for column in st.columns(number):
        with column:
            picture, data, options = charts.pop(0)
            app.show(picture, data, **options)
app.freeze_modules()
