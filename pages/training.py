"""A race: the same data, the same luck, every chosen initializer."""

import math
import time

import numpy as np
import streamlit as st

from initviz import app
from initviz.app.settings import MEASURE_LABELS
from initviz.app.training import panels as training
from initviz.app.training import sentences as say
from initviz.charts import curves, frames
from initviz.charts.distributions import shown_layers
from initviz.charts.picture import ORDERED, color_of, sequential
from initviz.core.initializers import label_of
from initviz.core.wording import number
from initviz.training import race as races

app.require_entrance()
settings = app.current_settings()

st.header("What does an initialization cost?", anchor=False)
with st.container(horizontal=True):
    for key in ("optimizer", "rate", "steps", "minibatch", "tuned"):
        app.control(key)

with st.container():
    app.refuse_the_unaffordable(settings, training=True)
    if not settings.init:
        st.info("Choose at least one initializer in the sidebar.", icon=":material/tune:")
        app.stop()

race, labels = training.current_race(settings), [label_of(key) for key in settings.init]
colors = [color_of(key) for key in settings.init]
classes = settings.sizes[-1]

with st.container(horizontal=True, vertical_alignment="center"):
    bar = st.progress(race.progress, race.status, width=420)
    st.button("Stop", icon=":material/stop:", on_click=race.stop, disabled=race.finished or race.stopped, key="stop",
              help="Keep what has been computed so far.")
    st.button("Go on", icon=":material/play_arrow:", on_click=race.resume, disabled=not race.stopped, key="go",
              help="Continue the stopped race.")
    st.button("Again", icon=":material/replay:", on_click=training.forget_race, key="again",
              help="Run the race anew.")


def lines(measure: str, log: bool, guides: list[tuple[float, str]]):
    """The curves so far, a line a contender; after a repeat with the median over seeds in a band of least and most."""
    return curves.data([
        curves.Series(label, color, np.array(history.steps), np.array(getattr(history, measure)),
                      f"diverged at {history.diverged_at}" if history.diverged_at is not None else "",
                      lost_high=history.diverged_at is not None, expected=races.spread_over_seeds(seeds, measure))
        for label, color, history, seeds in zip(labels, colors, race.histories, race.all_histories, strict=True)],
        log=log, last=settings.steps, guides=guides)


chance = [(math.log(classes), f"equal odds, ln {classes} = {number(math.log(classes))}")], [(1 / classes, "chance")]
loss_picture = curves.picture("Training loss against the step, one line an initializer, log axis", "step", log=True,
                              points=False)
accuracy_picture = curves.picture("Held-out accuracy against the step, one line an initializer", "step", log=False,
                                  points=False)
boundaries = st.container()  # above the curves, where there are any
left, right = st.columns(2)
with left:
    st.markdown("**Loss** (cross-entropy) on the training batch, log axis")
    loss_chart = app.show(loss_picture, lines("loss", True, chance[0]))
    loss_words = st.empty()
with right:
    st.markdown("**Accuracy** on held-out samples, share that is right")
    accuracy_chart = app.show(accuracy_picture, lines("held_out_accuracy", False, chance[1]))
    accuracy_words = st.empty()


def say_curves() -> None:
    """The sentences under the curves, as far as the race has got."""
    loss_words.caption(say.losses(labels, race.all_histories, classes))
    accuracy_words.caption(say.accuracies(labels, race.all_histories, classes))


say_curves()
wait = training.FIRST_LOOK
while not (race.finished or race.stopped):
    race.advance(until=time.monotonic() + wait)
    wait = training.NEXT_LOOK
    bar.progress(race.progress, race.status)
    if race.finished:
        st.rerun()
    app.show(loss_picture, lines("loss", True, chance[0]), into=loss_chart)
    app.show(accuracy_picture, lines("held_out_accuracy", False, chance[1]), into=accuracy_chart)
    say_curves()

films = [frames.Film(f"{label} diverged" if history.diverged_at is not None else label, np.stack(list(film.values())))
         for label, history, film in zip(labels, race.histories, race.films, strict=True) if film]
if films:
    steps = list(max(race.films, key=len))
    if settings.sizes[0] == 2:
        with boundaries:
            st.markdown("**Decision boundaries**; the slider under the picture goes through the steps")
            app.show(frames.boundaries(), frames.data(films, steps, races.placed_points(race.batch)))
    else:
        st.markdown("**Weights of the first twelve neurons** as images; the slider under the picture goes through the "
                    "steps")
        app.show(frames.first_weights(), frames.data(films, steps))
        st.caption("A pixel is the weight of one input: red positive, blue negative, scaled to the largest shown.")

with st.container(horizontal=True):
    app.expect_choice("contender", "Contender", {key: label_of(key) for key in settings.init}, settings.init[-1])
    contender = st.segmented_control(
        "Contender", settings.init, default=settings.init[-1], required=True, format_func=label_of, key="contender",
        help="Whose layers are drawn.", bind="query-params", wrap=True) or settings.init[-1]
    app.control("measure")
history = race.histories[settings.init.index(contender if contender in settings.init else settings.init[-1])]
values = np.array([*getattr(history, settings.measure)] or np.zeros((0, 0)))
known = np.isfinite(values).all(axis=1)  # not where a weight or an update is 0, as at the last step, which has none
chosen = shown_layers(values.shape[1], len(ORDERED)) if values.size else []
names = ["output" if layer == settings.depth else f"layer {layer}" for layer in chosen]
layers = [curves.Series(name, color, np.array(history.steps)[known], values[known, layer - 1])
          for name, layer, color in zip(names, chosen, sequential(len(chosen)), strict=True)]
logarithmic = settings.measure in ("gradient_norm", "symmetry_gap")
st.markdown(f"**{races.TITLES[settings.measure]}** of each layer over the steps")
app.show(curves.picture(f"{MEASURE_LABELS[settings.measure]} of each layer over the steps", "step", log=logarithmic,
                       points=False),
        curves.data(layers if known.any() else [], log=logarithmic, last=settings.steps,
                    guides=[(-3.0, "about 1e-3")] if settings.measure == "update_ratio" else ()))
st.caption(f"{say.layers(history, settings.measure)} {races.EXPLANATIONS[settings.measure]}")

st.dataframe(races.table(labels, race.rates, race.all_histories, classes, settings.steps), hide_index=True,
             width="stretch")
st.button(f"Repeat from {races.MORE_SEEDS} more seeds", icon=":material/casino:", on_click=race.repeat, key="repeat",
          disabled=not race.finished or not race.seeds_left,
          help="The same data and order, other weights: curves and table then show the spread, of at most "
               f"{races.MOST_SEEDS} seeds.")
