"""The page Training: the race of this session, and the panels that show it as far as it got."""

from __future__ import annotations

import math
import time

import numpy as np
import streamlit as st
from streamlit.runtime.scriptrunner import StopException

from initviz.app.affordable import race_terms
from initviz.app.capacity import CAPACITY, WAITING, held_in_session
from initviz.app.controls import control, current_settings, expect_choice
from initviz.app.history import note_choices_of_fragment
from initviz.app.pictures import show
from initviz.app.settings import MEASURE_LABELS, Settings
from initviz.app.training import sentences
from initviz.charts import curves, frames
from initviz.charts.distributions import shown_layers
from initviz.charts.picture import ORDERED, Data, color_of, sequential
from initviz.core.initializers import label_of
from initviz.core.wording import number
from initviz.training import race as races
from initviz.training.race import RECORD_BYTES, LiveRace, race_peak_bytes

FIRST_LOOK, NEXT_LOOK = 0.15, 0.4  # seconds of racing between two looks at the curves: drawing them takes time, too
LOOK_FOR_ROOM = 1.0  # seconds between the browser's requests while a race waits for others to end
PAUSE = 0.1  # seconds between the browser's requests for the next look; one that comes too early waits


def current_race(settings: Settings) -> LiveRace | None:
    """The race for these settings: the one begun before where there is one, as far as it got; None where the memory
    that it takes is still taken by others.
    """
    holding, terms = held_in_session("race"), race_terms(settings)
    if holding.value is not None and holding.value.terms != terms:
        CAPACITY.give_back(holding)
    if holding.value is None or not holding.value.finished:
        if not CAPACITY.take(holding, race_peak_bytes(terms)):
            return None
        with CAPACITY.using(holding):
            holding.value = holding.value or LiveRace(terms)
    race: LiveRace = holding.value
    return race


def forget_race() -> None:
    """Callback: the next run begins the race anew."""
    CAPACITY.give_back(held_in_session("race"))


def watch_race() -> None:
    """Show the race, and while it runs, again and again: the browser asks for each look, a short run of a fragment.

    Nothing is computed for a person who has left.
    """
    race = current_race(current_settings())
    watched = race is None or race.running
    st.fragment(_look, run_every=None if not watched else PAUSE if race else LOOK_FOR_ROOM)(watched)


def _look(watched: bool) -> None:
    """One look; the Stop of the browser's header, which ends its script, stops the race as the page's does."""
    settings = current_settings()
    race, holding = current_race(settings), held_in_session("race")
    if race is None:
        st.info(f"{WAITING}.", icon=":material/hourglass_top:")
        return
    try:
        with CAPACITY.using(holding):
            _race_on(settings, race, watched)
    except StopException:
        race.stop()  # the browser asks for one more look, which draws the stopped race
        raise
    finally:
        if race.finished:
            CAPACITY.take(holding, RECORD_BYTES)
    note_choices_of_fragment()


def _race_on(settings: Settings, race: LiveRace, watched: bool) -> None:
    """Race on for a moment, then draw all; ``watched`` is whether the browser asks for the next look."""
    if race.running:
        race.advance(until=time.monotonic() + (NEXT_LOOK if race.progress else FIRST_LOOK))
    if race.running != watched:
        st.rerun()
    _progress(race)
    if settings.sizes[0] == 2:
        _decision_boundaries(race)
    _loss_and_accuracy(settings, race)
    if settings.sizes[0] != 2:
        _first_weights(race)
    _layers(settings, race)
    labels, classes = [label_of(key) for key in settings.init], settings.sizes[-1]
    st.dataframe(races.table(labels, race.rates, race.all_histories, classes, settings.steps), hide_index=True,
                 width="stretch")
    st.button(f"Repeat from {races.MORE_SEEDS} more seeds", icon=":material/casino:", on_click=race.repeat,
              key="repeat", disabled=not race.finished or not race.seeds_left,
              help="The same data and order, other weights: curves and table then show the spread, of at most "
                   f"{races.MOST_SEEDS} seeds.")


def _progress(race: LiveRace) -> None:
    """How far the race is, with what stops it, lets it go on and begins it anew."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.progress(race.progress, race.status, width=420)
        st.button("Stop", icon=":material/stop:", on_click=race.stop, disabled=not race.running, key="stop",
                  help="Keep what has been computed so far.")
        st.button("Go on", icon=":material/play_arrow:", on_click=race.resume, disabled=not race.stopped, key="go",
                  help="Continue the stopped race.")
        st.button("Again", icon=":material/replay:", on_click=forget_race, key="again", help="Run the race anew.")


def _lines(settings: Settings, race: LiveRace, measure: str, *, log: bool, guide: tuple[float, str]) -> Data:
    """The curves so far, a line a contender; after a repeat with the median over seeds in a band of least and most."""
    return curves.data([
        curves.Series(label_of(key), color_of(key), np.array(history.steps), np.array(getattr(history, measure)),
                      f"diverged at {history.diverged_at}" if history.diverged_at is not None else "",
                      lost_high=history.diverged_at is not None, expected=races.spread_over_seeds(seeds, measure))
        for key, history, seeds in zip(settings.init, race.histories, race.all_histories, strict=True)],
        log=log, last=settings.steps, guides=[guide])


def _loss_and_accuracy(settings: Settings, race: LiveRace) -> None:
    labels, classes = [label_of(key) for key in settings.init], settings.sizes[-1]
    left, right = st.columns(2)
    with left:
        st.markdown("**Loss** (cross-entropy) on the training batch, log axis")
        equal_odds = math.log(classes), f"equal odds, ln {classes} = {number(math.log(classes))}"
        show(curves.picture("Training loss against the step, one line an initializer, log axis", "step", log=True,
                            points=False), _lines(settings, race, "loss", log=True, guide=equal_odds))
        st.caption(sentences.losses(labels, race.all_histories, classes))
    with right:
        st.markdown("**Accuracy** on held-out samples, share that is right")
        show(curves.picture("Held-out accuracy against the step, one line an initializer", "step", log=False,
                            points=False),
             _lines(settings, race, "held_out_accuracy", log=False, guide=(1 / classes, "chance")))
        st.caption(sentences.accuracies(labels, race.all_histories, classes))


def _films(race: LiveRace) -> tuple[list[frames.Film], list[int]]:
    """A film of each contender that has one, and the steps of the longest."""
    films = [frames.Film(label_of(network.initializer) + (" diverged" if history.diverged_at is not None else ""),
                         np.stack(list(film.values())))
             for network, history, film in zip(race.terms.networks, race.histories, race.films, strict=True) if film]
    return films, max((list(film) for film in race.films), key=len)


def _decision_boundaries(race: LiveRace) -> None:
    films, steps = _films(race)
    if films:
        st.markdown("**Decision boundaries**; the slider under the picture goes through the steps")
        show(frames.boundaries(), frames.data(films, steps, races.placed_points(race.batch)))


def _first_weights(race: LiveRace) -> None:
    films, steps = _films(race)
    if films:
        st.markdown("**Weights of the first twelve neurons** as images; the slider under the picture goes through the "
                    "steps")
        show(frames.first_weights(), frames.data(films, steps))
        st.caption("A pixel is the weight of one input: red positive, blue negative, scaled to the largest shown.")


def _layers(settings: Settings, race: LiveRace) -> None:
    """One measure of each layer of one contender over the steps."""
    with st.container(horizontal=True):
        expect_choice("contender", "Contender", {key: label_of(key) for key in settings.init}, settings.init[-1])
        contender = st.segmented_control(
            "Contender", settings.init, default=settings.init[-1], required=True, format_func=label_of,
            key="contender", help="Whose layers are drawn.", bind="query-params", wrap=True) or settings.init[-1]
        control("measure")
    measure = current_settings().measure
    history = race.histories[settings.init.index(contender if contender in settings.init else settings.init[-1])]
    values = np.array([*getattr(history, measure)] or np.zeros((0, 0)))
    known = np.isfinite(values).all(axis=1)  # not where a weight or an update is 0, as at the last step, which has none
    chosen = shown_layers(values.shape[1], len(ORDERED)) if values.size else []
    names = ["output" if layer == settings.depth else f"layer {layer}" for layer in chosen]
    layers = [curves.Series(name, color, np.array(history.steps)[known], values[known, layer - 1])
              for name, layer, color in zip(names, chosen, sequential(len(chosen)), strict=True)]
    logarithmic = measure in ("gradient_norm", "symmetry_gap")
    st.markdown(f"**{races.TITLES[measure]}** of each layer over the steps")
    show(curves.picture(f"{MEASURE_LABELS[measure]} of each layer over the steps", "step", log=logarithmic,
                        points=False),
         curves.data(layers if known.any() else [], log=logarithmic, last=settings.steps,
                     guides=[(-3.0, "about 1e-3")] if measure == "update_ratio" else ()))
    st.caption(f"{sentences.layers(history, measure)} {races.EXPLANATIONS[measure]}")
