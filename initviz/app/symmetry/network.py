"""Copies in the network of the sidebar: what its neurons put out, and what breaks their symmetry."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import streamlit as st

from initviz import app
from initviz.app.affordable import affordable_attempt_steps
from initviz.app.blocks import plain_only
from initviz.app.settings import Settings
from initviz.app.symmetry import panels as symmetry
from initviz.app.symmetry import sentences as say
from initviz.charts import collapse, curves, neurons
from initviz.charts.picture import UNORDERED
from initviz.core.initializers import label_of
from initviz.core.network import Network
from initviz.core.statistics import participation_baseline
from initviz.core.wording import number
from initviz.training.gradient_descent import Recipe
from initviz.training.symmetry import ATTEMPTS, SPLIT

MOST_SAMPLES = 128


def show(asked: Settings) -> None:
    """The network's layers as they are, and the attempts to break their symmetry."""
    st.subheader("In a whole network", anchor=False)
    settings = replace(plain_only(asked, "Copies are counted in the weights of one layer, and a block has several."),
                       batch=min(asked.batch, MOST_SAMPLES), steps=max(asked.moment, 1))
    with st.container():
        if not settings.init:
            st.info("Choose at least one initializer in the sidebar.", icon=":material/tune:")
            return
        if settings.depth < 2:
            st.info("A network of one layer has no hidden neurons that could be copies: choose a depth of at least 2.",
                    icon=":material/tune:")
            return
        app.refuse_the_unaffordable(settings, training=True, in_float64=True)
    with st.container(horizontal=True):
        for key in ("moment", "optimizer", "rate"):
            app.control(key)
    recipe = Recipe(settings.optimizer, settings.rate)
    _show_layers(asked, settings, recipe)
    _break_symmetry(asked, settings, recipe)


def _show_layers(asked: Settings, settings: Settings, recipe: Recipe) -> None:
    labels = [label_of(key) for key in settings.init]
    networks = _networks(settings)
    baseline = participation_baseline(settings.batch, settings.width)
    with st.container():
        views = symmetry.cached_views(networks, settings.input, settings.batch, recipe, settings.moment)

    st.markdown("**What the neurons of each layer put out**: in each cell a column a neuron, a row a sample")
    app.show(collapse.picture(), collapse.data([
        collapse.Column(label, [collapse.Layer(view.activations, view.rms, say.effective_neurons(view))
                                for view in layers]) for label, layers in zip(labels, views, strict=True)]))
    st.caption("Stripes across a cell are copies: every neuron puts out the same. Stripes down it: a neuron puts out "
               "the same for every sample. Pale is weak: each power of ten below the strongest layer takes "
               f"1/{collapse.DECADES} of the color. Red is positive, blue negative. Under a name: the effective number "
               "of neurons of the last hidden layer, their participation ratio tr(K)²/‖K‖² of the covariance K: 1 for "
               "copies, "
               f"{number(baseline)} for independent neurons on {settings.batch} samples. {say.collapses(labels, views)}"
               + (f" The first {MOST_SAMPLES} samples of the batch are used." if asked.batch > MOST_SAMPLES else ""))

    with st.container(horizontal=True):
        app.control("matrix")
        layer = app.layer_control("hidden", settings.depth - 1)
    similar = settings.matrix == "similarities"
    maps = [neurons.HeatMap(label, getattr(layers[layer - 1], settings.matrix), 1.0 if similar else None,
                            "not defined" if similar else "overflow")
            for label, layers in zip(labels, views, strict=True) if layers]
    some = (f"The first {neurons.MOST_COLUMNS} of {settings.width} neurons. " if settings.width > neurons.MOST_COLUMNS
            else "")
    if maps:
        rows = {"activations": "sample", "gradient": "input", "similarities": "neuron"}[settings.matrix]
        st.markdown(f"**Layer {layer}**: a column a neuron, a row a{'n' if rows == 'input' else ''} {rows}")
        app.show(neurons.picture(square=similar), neurons.data(maps))
    st.caption(f"{some}{say.MATRIX_WORDS[settings.matrix]} {say.copies(labels, views, layer)}" + (
        "" if settings.width % 8 == 0 else
        " The width is no multiple of 8: a product may add the terms of some neurons in another order, and copies may "
        "differ by round-off, about 1e-16 of their size at first."))


def _networks(settings: Settings) -> tuple[Network, ...]:
    return tuple(replace(network, dtype="float64") for network in settings.plain_networks())


def _break_symmetry(asked: Settings, settings: Settings, recipe: Recipe) -> None:
    st.subheader("Break it", anchor=False)
    first = _networks(settings)[0]
    constant = settings.initializer_params("constant")["value"]
    value = constant or 0.1
    st.markdown(f"One hidden layer of {settings.width} neurons, every weight {value:g}"
                + ("" if constant else " (the constant 0 would make it Zeros)")
                + ". What makes its copies different, and after how many steps?")
    with st.container(horizontal=True):
        for key in ("epsilon", "steps"):
            app.control(key)
    steps = affordable_attempt_steps(settings, asked.steps)
    if steps < asked.steps:
        st.caption(f"At this width and batch {steps} steps are made, not {asked.steps}.")
    network = Network((first.sizes[0], settings.width, first.sizes[-1]), settings.activation, "constant",
                      seed=settings.seed, dtype="float64", activation_params=first.activation_params,
                      initializer_params={"value": value})
    with st.container():
        results = symmetry.cached_attempts(network, settings.input, settings.batch, replace(recipe, steps=steps),
                                           asked.epsilon)
    thin = max(1, steps // 100)
    st.markdown("**Symmetry gap** over the steps (log axis)")
    series = [curves.Series(ATTEMPTS[result.key].label, color, np.array(result.steps[::thin]),
                            np.array(result.gap[::thin]), "" if any(result.gap) else "0")
              for result, color in zip(results, UNORDERED, strict=False)]
    app.show(curves.picture("Symmetry gap of each attempt against the step, log axis", "step", log=True, points=False),
             curves.data(series, log=True, guides=[(SPLIT, "")], last=steps))
    st.caption(f"A gap above the dotted line, {SPLIT:g}, counts as split. {say.attempts(results, steps)}")
    st.dataframe(pd.DataFrame(say.attempt_rows(results, settings.optimizer)), hide_index=True, width="stretch")
