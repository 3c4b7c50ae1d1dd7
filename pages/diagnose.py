"""A practitioner's own network: what is wrong with its initialization, what would fix it, and what to write."""

import streamlit as st

from initviz import app
from initviz.app.diagnose import blocks, panels, request
from initviz.app.outside_text import plain
from initviz.charts.picture import SavedPicture
from initviz.diagnosis.presentation import comparison, in_a_line, pictures, reasons
from initviz.diagnosis.remedies import in_words, recommended
from initviz.diagnosis.trial import with_evidence

app.require_entrance()

st.header("Is it the initialization?", anchor=False)
st.markdown("Describe your network: what does its initialization do to your data before anything is learned, what is "
            "wrong, and what fixes it?")
answer = st.container()  # before the controls, which fill a phone's first screen

if app.current_settings().kind != "plain":
    with st.container():
        described = blocks.ask()
        thresholds = panels.ask_thresholds()
    if described is not None:
        blocks.show(described, thresholds, answer)
    app.stop()

with st.container():
    chosen = request.ask()
thresholds = panels.ask_thresholds()
if chosen is None:
    app.stop()

with answer:
    report = panels.current_report(chosen, thresholds)
    st.caption(plain(in_a_line(report)))
    evidence = panels.tried(report)
better, why = recommended(report.initialization.network)
judged = with_evidence(report, evidence.answer) if evidence else report
st.subheader("What is found", anchor=False)
panels.show_findings(judged)

st.subheader("Layer by layer", anchor=False)
panels.show_layers(report)
st.caption("Signal and Gradient: beside the largest hidden layer's; empty for the output, which has another scale.")

st.subheader("Before and after, on the same data", anchor=False)
st.dataframe(comparison(judged), hide_index=True, width="stretch")
drawn = pictures(report)
for place, (title, (picture, data)), why_so in zip(st.columns(2), drawn.items(), reasons(report), strict=True):
    with place:
        st.markdown(f"**{title}** (log axis)")
        app.show(picture, data)
        app.say_reasons(why_so)
app.offer_pictures(in_a_line(report), [
    SavedPicture(picture, data, f"{title}, log axis", "root mean square") for title, (picture, data) in drawn.items()])
panels.show_remedies(report)

st.subheader("The code", anchor=False)
panels.show_code(report.initialization, better)
st.caption(f"Recommended: {in_words(better)}. {why}")
panels.show_downloads(report, evidence, chosen, thresholds)
