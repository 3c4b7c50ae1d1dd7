"""The page Training: the race of this session, and the panels that show it as far as it got."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import streamlit as st
from streamlit.runtime.scriptrunner import StopException

from initviz.app.capacity import CAPACITY, WAITING, held_in_session
from initviz.app.controls import control, current_settings, expect_choice
from initviz.app.history import note_choices_of_fragment
from initviz.app.outside_text import plain
from initviz.app.pictures import offer_pictures, show
from initviz.app.settings import MEASURE_LABELS
from initviz.app.sharing import described
from initviz.app.training import sentences
from initviz.charts import curves, frames
from initviz.charts.distributions import shown_layers
from initviz.charts.picture import ORDERED, Data, SavedPicture, color_of, sequential
from initviz.core.initializers import label_of
from initviz.core.propagation import LOSS_LABELS
from initviz.core.wording import number
from initviz.diagnosis.presentation import UPLOADED_COLOR
from initviz.training.gradient_descent import History
from initviz.training.race import outcomes
from initviz.training.race.films import placed_points
from initviz.training.race.live import MORE_SEEDS, MOST_SEEDS, LiveRace
from initviz.training.race.memory import RECORD_BYTES, race_peak_bytes
from initviz.training.race.terms import RaceTerms

FIRST_LOOK, NEXT_LOOK = 0.15, 0.4  # seconds of racing between two looks at the curves: drawing them takes time, too
UPLOADED = "uploaded"  # the contender that no initializer draws
LOOK_FOR_ROOM = 1.0  # seconds between the browser's requests while a race waits for others to end
PAUSE = 0.1  # seconds between the browser's requests for the next look; one that comes too early waits


def current_race(terms: RaceTerms) -> LiveRace | None:
    """The race of these terms: the one begun before where there is one, as far as it got; None where the memory
    that it takes is still taken by others.
    """
    holding = held_in_session("race")
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


def watch_race(terms: RaceTerms) -> None:
    """Show the race, and while it runs, again and again: the browser asks for each look, a short run of a fragment.

    Nothing is computed for a person who has left.
    """
    race = current_race(terms)
    watched = race is None or race.running
    st.fragment(_look, run_every=None if not watched else PAUSE if race else LOOK_FOR_ROOM)(terms, watched)


def _look(terms: RaceTerms, watched: bool) -> None:
    """One look; the Stop of the browser's header, which ends its script, stops the race as the page's does."""
    race, holding = current_race(terms), held_in_session("race")
    if race is None:
        st.info(f"{WAITING}.", icon=":material/hourglass_top:")
        return
    try:
        with CAPACITY.using(holding):
            _race_on(race, watched)
        note_choices_of_fragment()
    except StopException:
        race.stop()  # the browser asks for one more look, which draws the stopped race
        raise
    finally:
        if race.finished:
            CAPACITY.take(holding, RECORD_BYTES)


def _race_on(race: LiveRace, watched: bool) -> None:
    """Race on for a moment, then draw all; ``watched`` is whether the browser asks for the next look."""
    if race.running:
        race.advance(until=time.monotonic() + (NEXT_LOOK if race.progress else FIRST_LOOK))
    if race.running != watched:
        st.rerun()
    _progress(race)
    with st.container():
        sentence = sentences.losses(race.terms.labels, race.all_histories, race.loss_of_constant,
                                softmax=race.batch.loss == "softmax_ce")
        st.markdown(f"**{plain(sentence)}**" if sentence else "")
    in_the_plane = race.batch.features == 2
    if in_the_plane:
        _decision_boundaries(race)
    _loss_and_accuracy(race)
    with st.container():
        reasons = "" if race.running else sentences.reasons(race.terms.labels, race.histories, race.loss_of_constant)
        if reasons:
            st.markdown(f"**Why not all have learned**\n\n{reasons}")
    st.dataframe(outcomes.table(race.terms.labels, race.rates, race.all_histories, race.loss_of_constant,
                                race.terms.recipe.steps), hide_index=True, width="stretch")
    if not in_the_plane:
        _first_weights(race)
    _layers(race)


def _progress(race: LiveRace) -> None:
    """How far the race is, with what stops it, lets it go on and begins it anew."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.progress(race.progress, race.status, width=260)
        st.button("Stop", icon=":material/stop:", on_click=race.stop, disabled=not race.running, key="stop",
                  help="Keep what has been computed so far.")
        st.button("Go on", icon=":material/play_arrow:", on_click=race.resume, disabled=not race.stopped, key="go",
                  help="Continue the stopped race.")
        st.button("Again", icon=":material/replay:", on_click=forget_race, key="again", help="Run the race anew.")
        st.button(f"{MORE_SEEDS} more seeds", icon=":material/casino:", on_click=race.repeat, key="repeat",
                  disabled=not race.finished or not race.seeds_left,
                  help="The same data and order, other weights: curves and table then show the spread, of at most "
                       f"{MOST_SEEDS} seeds.")


def _colors(race: LiveRace) -> list[str]:
    """The contenders' colors, that of uploaded weights first."""
    colors = [color_of(network.initializer) for network in race.terms.networks]
    return [*([UPLOADED_COLOR] if race.terms.weights else []), *colors]


def _line(label: str, color: str, seeds: Sequence[History], measure: str) -> curves.Series:
    """A contender's curve, up to the last step at which it is known; after a repeat within the band of its seeds."""
    history, spread = seeds[0], outcomes.spread_over_seeds(seeds, measure)
    steps, values = np.array(history.steps), np.array(getattr(history, measure), float)
    remark = "" if history.diverged_at is None else f"diverged at {history.diverged_at}"
    finite = np.isfinite(values) if not remark else np.ones(len(values), bool)
    of_seeds = spread and (spread[0][finite], spread[1][finite], spread[2][finite])
    return curves.Series(label, color, steps[finite], values[finite], remark, lost_high=bool(remark), expected=of_seeds)


def _lines(race: LiveRace, measure: str, *, log: bool, guide: tuple[float, str]) -> Data:
    """The curves so far, one line per contender."""
    contenders = zip(race.terms.labels, _colors(race), race.all_histories, strict=True)
    lines = [_line(*contender, measure) for contender in contenders]
    return curves.data(lines, log=log, last=race.terms.recipe.steps, guides=[guide])


def _loss_and_accuracy(race: LiveRace) -> None:
    classes, constant = race.classes, race.loss_of_constant
    softmax = race.batch.loss == "softmax_ce"
    left, right = st.columns(2) if classes else (st.container(), None)
    guide = constant, (f"equal odds, ln {classes}" if softmax else "a constant output") + f" = {number(constant)}"
    drawn = [SavedPicture(
        curves.picture("Training loss against the step, one line an initializer, log axis", "step", log=True,
                       points=False),
        _lines(race, "loss", log=True, guide=guide), "Loss on the training batch, log axis",
        LOSS_LABELS[race.batch.loss])]
    with left:
        st.markdown(f"**Loss** ({LOSS_LABELS[race.batch.loss]}) on the training batch, log axis")
        show(drawn[0].picture, drawn[0].data)
    if right is not None:
        drawn.append(SavedPicture(
            curves.picture("Held-out accuracy against the step, one line an initializer", "step", log=False,
                           points=False),
            _lines(race, "held_out_accuracy", log=False, guide=(1 / classes, "chance")), "Accuracy on held-out samples",
            "share that is right"))
        with right:
            st.markdown("**Accuracy** on held-out samples, share that is right")
            show(drawn[1].picture, drawn[1].data)
            st.caption(plain(sentences.accuracies(race.terms.labels, race.all_histories, classes)))
    if not race.running:
        offer_pictures(_settings_of(race), drawn)


def _settings_of(race: LiveRace) -> str:
    """What the race is of, for a file that stands alone."""
    terms = race.terms
    own = [f"layer sizes {'-'.join(map(str, terms.networks[0].sizes))}",
           *([terms.data.training.name] if terms.data else [])] if terms.data or terms.weights else []
    network = described(current_settings(), "training", ("optimizer", "rate", "minibatch", "tuned", "loss"),
                        ("input", "depth", "width") if terms.data else ("depth", "width") if terms.weights else ())
    return " · ".join([network, *own, race.status])


def _films(race: LiveRace) -> tuple[list[frames.Film], list[int]]:
    """A film of each contender that has one, and the steps of the longest."""
    films = [frames.Film(label + (" diverged" if history.diverged_at is not None else ""),
                         np.stack(list(film.values())))
             for label, history, film in zip(race.terms.labels, race.histories, race.films, strict=True) if film]
    return films, max((list(film) for film in race.films), key=len)


def _decision_boundaries(race: LiveRace) -> None:
    films, steps = _films(race)
    if films:
        st.markdown("**Decision boundaries**; the slider under the picture goes through the steps")
        show(frames.boundaries(), frames.data(films, steps, placed_points(race.batch)))


def _first_weights(race: LiveRace) -> None:
    films, steps = _films(race)
    if films:
        st.markdown("**Weights of the first twelve neurons** as images; the slider under the picture goes through the "
                    "steps")
        show(frames.first_weights(), frames.data(films, steps))
        st.caption("A pixel is the weight of one input: red positive, blue negative, scaled to the largest shown.")


def _layers(race: LiveRace) -> None:
    """One measure of each layer of one contender over the steps."""
    with st.container(horizontal=True):
        labels = {**({UPLOADED: race.terms.labels[0]} if race.terms.weights else {}),
                  **{network.initializer: label_of(network.initializer) for network in race.terms.networks}}
        last = list(labels)[-1]
        expect_choice("contender", "Contender", labels, last)
        contender = st.segmented_control(
            "Contender", list(labels), default=last, required=True, format_func=lambda key: plain(labels[key]),
            key="contender", help="Whose layers are drawn.", bind="query-params", wrap=True) or last
        control("measure")
    measure = current_settings().measure
    history = race.histories[list(labels).index(contender if contender in labels else last)]
    values = np.array([*getattr(history, measure)] or np.zeros((0, 0)))
    # Not finite where a weight or an update is 0, as at the last step, which has none.
    finite = np.isfinite(values).all(axis=1)
    chosen = shown_layers(values.shape[1], len(ORDERED)) if values.size else []
    every_name = outcomes.layer_names(race.terms.networks[0], measure)
    names = [every_name[layer - 1] for layer in chosen]
    layers = [curves.Series(name, color, np.array(history.steps)[finite], values[finite, layer - 1])
              for name, layer, color in zip(names, chosen, sequential(len(chosen)), strict=True)]
    logarithmic = measure in ("gradient_norm", "symmetry_gap")
    st.markdown(f"**{outcomes.TITLES[measure]}** of each layer over the steps")
    show(curves.picture(f"{MEASURE_LABELS[measure]} of each layer over the steps", "step", log=logarithmic,
                        points=False),
         curves.data(layers if finite.any() else [], log=logarithmic, last=race.terms.recipe.steps,
                     guides=[(-3.0, "about 1e-3")] if measure == "update_ratio" else ()))
    st.caption(f"{sentences.layers(history, measure, every_name)} {outcomes.EXPLANATIONS[measure]}")
