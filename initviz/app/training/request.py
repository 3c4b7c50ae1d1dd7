"""What the page Training asks: whose weights and data race, and what single layers have of their own."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from initviz import app
from initviz.app.affordable import MOST_TRAINING_OPERATIONS, affordable_race_steps, race_operations, race_terms
from initviz.app.diagnose.request import ask_table, ask_weights, fitted
from initviz.app.outside_text import complain
from initviz.app.settings import Settings
from initviz.app.single_layers import ask_single_layers
from initviz.app.uploads import once_a_session
from initviz.core.architecture import Architecture
from initviz.core.batches import INPUTS, Batch, check_fit, classes_for, make_normal
from initviz.core.cost import MOST_BYTES
from initviz.core.network import Network
from initviz.core.wording import cut
from initviz.diagnosis.uploaded_weights import UploadedWeights
from initviz.files import csv_table
from initviz.training.race.memory import race_peak_bytes
from initviz.training.race.terms import HELD_OUT, RaceData, RaceTerms, RaceWeights, with_ends

FEWEST_STEPS = 10  # more are made where they can be afforded
SOURCES = {"input": "The sidebar's input", "csv": "Your CSV"}


def ask_source() -> str:
    """Whether the race is on the sidebar's input or on an uploaded table."""
    app.expect_choice("trained_on", "Data", SOURCES)
    app.expect_choice("target_kind", "Target is", csv_table.TARGET_KINDS, "auto")  # asked once a file is there
    source = st.segmented_control("Data", list(SOURCES), default="input", required=True, key="trained_on",
                                  format_func=SOURCES.__getitem__, bind="query-params",
                                  help="What the networks learn from.")
    return source if source in SOURCES else "input"


def ask(settings: Settings, source: str, left: DeltaGenerator, right: DeltaGenerator) -> RaceTerms | None:
    """The race that the controls describe; None after one sentence on what is wrong with it or missing.

    Single layers are asked for at the ``left`` place, uploaded weights at the ``right`` one.
    """
    try:
        terms = race_terms(settings)
        if isinstance(terms.networks[0], Architecture):
            return _with_data(settings, source, terms)
        with left:
            single = ask_single_layers()
        with right:
            weights, settled = ask_weights()
        sizes = weights.reading.sizes if weights else terms.networks[0].sizes
        data = _data(settings, source, sizes, weights)
        if not settled or (source == "csv" and data is None):
            return None
        if data:
            training = data.training
            if weights is None:
                sizes = fitted(sizes, training, "trained")
            check_fit(sizes, training)
            terms = replace(terms, data=data, batch=len(training.x))
        networks = tuple(single.apply(replace(network, sizes=sizes)) for network in terms.networks
                         if isinstance(network, Network))
        return _fitted(replace(terms, networks=networks, weights=_race_weights(weights) if weights else None))
    except ValueError as error:
        complain(error)
        return None


def _with_data(settings: Settings, source: str, terms: RaceTerms) -> RaceTerms | None:
    """The race of networks of blocks; None where the data are missing, ValueError for one that costs too much."""
    st.caption("Single layers and your own weights belong to the plain architecture.")
    if source == "csv":
        data = _data(settings, source, terms.networks[0].sizes, None)
        if data is None:
            return None
        fitted(terms.networks[0].sizes, data.training, "trained")
        terms = replace(terms, data=data, batch=len(data.training.x), networks=with_ends(
            terms.networks, data.training.features, data.training.outputs))
    return _fitted(terms)


def _race_weights(uploaded: UploadedWeights) -> RaceWeights:
    """The uploaded weights as a contender, the same for the same file."""
    weights: RaceWeights = once_a_session("race weights", uploaded, lambda: RaceWeights(
        cut(uploaded.name), uploaded.checkpoint.parameters(uploaded.reading)))
    return weights


def _data(settings: Settings, source: str, sizes: tuple[int, ...], weights: UploadedWeights | None) -> RaceData | None:
    """Somebody's own table, or what uploaded weights can be sent; None where the sidebar's input is taken as it is."""
    if source == "csv":
        table = ask_table(settings, sizes[-1], HELD_OUT)
        return _split(table.batch, (table.terms, settings.batch), settings) if table else None
    if weights is None:
        return None
    loss, entry = settings.wanted_loss, INPUTS[settings.input]
    if settings.input == "normal":
        terms = ("normal", sizes[0], sizes[-1], settings.batch, settings.seed, loss)
        return _split(make_normal(sizes[0], classes_for(sizes[-1], loss), settings.batch + HELD_OUT,
                                  seed=settings.seed), terms, settings)
    if (entry.features, entry.classes) != (sizes[0], classes_for(sizes[-1], loss)):
        st.button("Use standard normal inputs", on_click=app.set_controls, args=({"input": "normal"},),
                  key="race_normal", help="Independent unit normals, as many as the weights take.")
        raise ValueError(f"the input must have {sizes[0]:,} features and {sizes[-1]:,} outputs, as {cut(weights.name)} "
                         f"has, got {entry.features} and {entry.classes} of {entry.label}")
    return None


def _split(batch: Batch, terms: Hashable, settings: Settings) -> RaceData:
    data: RaceData = once_a_session("race data", terms, lambda: RaceData.of(batch, settings.batch))
    return data


def _fitted(terms: RaceTerms) -> RaceTerms:
    """The race with as many of its steps as a shared machine can afford; ValueError where it affords none."""
    chosen, steps = terms.recipe.steps, affordable_race_steps(terms)
    cost, memory = race_operations(terms), race_peak_bytes(terms)
    if (chosen and not steps) or memory > MOST_BYTES:
        raise ValueError(f"this race would take about {cost / 1e9:,.0f} billion operations and {memory / 1e6:,.0f} MB, "
                         f"where this app allows {MOST_TRAINING_OPERATIONS / 1e9:,.0f} and {MOST_BYTES / 1e6:,.0f}: "
                         "take fewer samples or initializers, or a narrower network")
    if steps < chosen:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(f"**{steps:,} steps are trained, not {chosen:,}**: in networks of this size, {chosen:,} take "
                       f"about {cost / 1e9:,.0f} billion operations, and this shared server allows "
                       f"{MOST_TRAINING_OPERATIONS / 1e9:,.0f}.", width="content")
            st.button(f"Set the steps to {steps:,}", on_click=app.set_controls, args=({"steps": steps},),
                      key="afford_steps", help="Narrower networks, fewer initializers or samples afford more steps.")
    return replace(terms, recipe=replace(terms.recipe, steps=steps))
