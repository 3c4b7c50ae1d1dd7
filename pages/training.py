"""A race: the same data, the same luck, every chosen initialiser."""

import math
import time

import numpy as np
import streamlit as st

from initviz import contest, ui
from initviz.charts import curves, frames
from initviz.charts.picture import color_of, label_of, sequential
from initviz.diagnosis import number
from initviz.settings import MEASURE_LABELS

ui.require_entrance()
settings = ui.current_settings()

st.header("What does a start cost?", anchor=False)
with st.container(horizontal=True, vertical_alignment="bottom"):
    for key in ("optimizer", "rate", "steps", "minibatch", "tuned"):
        ui.control(key)

with st.container():
    ui.refuse_the_unaffordable(settings, training=True)
    if not settings.init:
        st.info("Choose at least one initialiser in the sidebar.", icon=":material/tune:")
        st.stop()

race, labels = ui.current_contest(settings), [label_of(key) for key in settings.init]
colors = [color_of(key) for key in settings.init]
classes = settings.sizes[-1]

with st.container(horizontal=True, vertical_alignment="center"):
    bar = st.progress(race.progress, race.said, width=420)
    st.button("Stop", icon=":material/stop:", on_click=race.stop, disabled=race.finished or race.stopped, key="stop",
              help="Keep what has been computed so far.")
    st.button("Go on", icon=":material/play_arrow:", on_click=race.resume, disabled=not race.stopped, key="go",
              help="Continue the stopped race.")
    st.button("Again", icon=":material/replay:", on_click=ui.forget_contest, key="again", help="Run the race anew.")


def lines(measure: str, log: bool):
    """The curves so far, a line a contender."""
    return curves.data([
        curves.Series(label, color, np.array(history.steps), np.array(getattr(history, measure)),
                      f"diverged at {history.diverged_at}" if history.diverged_at is not None else "",
                      lost_high=history.diverged_at is not None)
        for label, color, history in zip(labels, colors, race.histories, strict=True)], log=log, last=settings.steps)


left, right = st.columns(2)
with left:
    st.markdown(f"**Loss** on the training batch; saying nothing costs ln {classes} = {number(math.log(classes))}")
    loss_picture = curves.picture("Training loss against the step, one line an initialiser, log axis", "step", log=True,
                                  points=False)
    loss_chart = ui.show(loss_picture, lines("loss", True))
with right:
    st.markdown("**Accuracy** on held-out samples")
    accuracy_picture = curves.picture("Held-out accuracy against the step, one line an initialiser", "step", log=False,
                                      points=False)
    accuracy_chart = ui.show(accuracy_picture, lines("held_out_accuracy", False))

while not (race.finished or race.stopped):
    race.advance(until=time.monotonic() + 0.2)
    bar.progress(race.progress, race.said)
    ui.show(loss_picture, lines("loss", True), into=loss_chart)
    ui.show(accuracy_picture, lines("held_out_accuracy", False), into=accuracy_chart)
    if race.finished:
        st.rerun()

films = [frames.Film(label, np.stack(list(film.values())))
         for label, film in zip(labels, race.films, strict=True) if film]
if films:
    steps = list(max(race.films, key=len))
    if settings.sizes[0] == 2:
        st.markdown("**Decision boundaries**; the slider under the picture goes through the steps")
        ui.show(frames.boundaries(), frames.data(films, steps, contest.placed_points(race.batch)))
    else:
        st.markdown("**Weights of the first twelve neurons** as images; the slider under the picture goes through the "
                    "steps")
        ui.show(frames.first_weights(), frames.data(films, steps))

with st.container(horizontal=True, vertical_alignment="bottom"):
    contender = st.segmented_control(
        "Contender", settings.init, default=settings.init[-1], required=True, format_func=label_of, key="contender",
        help="Whose layers are drawn.", bind="query-params", wrap=True) or settings.init[-1]
    ui.control("measure")
history = race.histories[settings.init.index(contender if contender in settings.init else settings.init[-1])]
values = np.array([*getattr(history, settings.measure)] or np.zeros((0, 0)))
layers = [curves.Series(f"layer {layer + 1}", color, np.array(history.steps), values[:, layer])
          for layer, color in enumerate(sequential(values.shape[1]))]
logarithmic = settings.measure in ("gradient_norm", "symmetry_gap")
ui.show(curves.picture(f"{MEASURE_LABELS[settings.measure]} of each layer over the steps", "step", log=logarithmic,
                       points=False),
        curves.data(layers[:: max(1, len(layers) // 10)], log=logarithmic, last=settings.steps,
                    guides=[(-3.0, "about 1e-3")] if settings.measure == "update_ratio" else ()))
st.caption(contest.EXPLANATIONS[settings.measure])

st.dataframe(contest.table(labels, race.rates, race.all_histories, classes), hide_index=True, width="stretch")
st.button(f"Repeat from {contest.MORE_SEEDS} more seeds", icon=":material/casino:", on_click=race.repeat, key="repeat",
          disabled=not race.finished, help="The same data and order, other weights: the table then shows the spread.")
