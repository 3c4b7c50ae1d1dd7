"""Copies in the network of the sidebar: what its neurons put out, and what breaks their symmetry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import streamlit as st

from initviz import app
from initviz.app.affordable import affordable_attempt_steps
from initviz.app.blocks import too_shallow
from initviz.app.settings import WITH_SKIPS, Settings
from initviz.app.sharing import described
from initviz.app.symmetry import block_sentences as blocks
from initviz.app.symmetry import break_blocks
from initviz.app.symmetry import panels as symmetry
from initviz.app.symmetry import sentences as say
from initviz.charts import collapse, curves, neurons, partings
from initviz.charts.picture import UNORDERED, SavedPicture
from initviz.core.architecture import KINDS
from initviz.core.initializers import label_of
from initviz.core.network import Network
from initviz.core.statistics import participation_baseline
from initviz.core.wording import number
from initviz.training.block_symmetry import FEW_STEPS
from initviz.training.gradient_descent import Recipe
from initviz.training.symmetry import ATTEMPTS, SPLIT, AttemptResult, LayerView

MOST_SAMPLES = 128


@dataclass(frozen=True, eq=False)
class Shown:
    """What the pictures show: of each initializer the neurons of its layers, and the names of those layers.

    ``chosen`` are the controls' settings, ``settings`` those in use: fewer samples, as many steps as are trained.
    """

    chosen: Settings
    settings: Settings
    recipe: Recipe
    views: Sequence[Sequence[LayerView]]
    names: Sequence[str]
    what: str


def show(chosen: Settings) -> Shown | None:
    """Both collapses in the network's layers; None after a sentence where it has none to show."""
    least = 1 if chosen.kind == "plain" else FEW_STEPS
    settings = replace(chosen, batch=min(chosen.batch, MOST_SAMPLES), steps=max(chosen.after_steps, least))
    with st.container():
        if not settings.init:
            st.info("Choose at least one initializer in the sidebar.", icon=":material/tune:")
            return None
        if settings.depth < 2:
            st.info("A network of one layer has no hidden neurons that could be copies: choose a depth of at least 2.",
                    icon=":material/tune:")
            return None
        if shallow := too_shallow(settings):
            st.info(shallow, icon=":material/tune:")
            return None
        app.refuse_the_unaffordable(settings, training=True, in_float64=True)
    picture = st.container()
    with st.container(horizontal=True):
        for key in ("after_steps", "optimizer", "rate"):
            app.control(key)
    recipe = Recipe(settings.optimizer, settings.rate)
    with picture:
        if settings.kind == "plain":
            pictured = _of_layers(chosen, settings, recipe)
            _show_layers(pictured)
        else:
            pictured = _show_blocks(chosen, settings, recipe)
    return pictured


def _of_layers(chosen: Settings, settings: Settings, recipe: Recipe) -> Shown:
    return Shown(chosen, settings, recipe,
                 symmetry.cached_views(_networks(settings), settings.input, settings.batch, recipe,
                                       settings.after_steps),
                 [f"layer {layer}" for layer in range(1, settings.depth)],
                 "What the neurons of each layer put out")


def _show_blocks(chosen: Settings, settings: Settings, recipe: Recipe) -> Shown:
    """A part of each block in pictures; what stays copies in words and numbers."""
    networks = tuple(settings.architecture(key) for key in settings.init)
    with st.container():
        counted = symmetry.cached_block_copies(networks, settings.input, settings.batch, recipe, settings.after_steps)
    part = "stream"
    if KINDS[networks[0].kind].skips:
        app.control("block_part")
        part = settings.block_part
    views = [[view for stage in copies.views if (view := stage.part(part))] for copies in counted]
    names = blocks.stage_names(networks[0])
    pictured = Shown(chosen, settings, recipe, views, names[0 if part == "stream" else 1:],
                  blocks.title(networks[0], part))
    _show_layers(pictured)
    st.markdown("**What stays copies, and why**")
    if settings.unfit_scheme:
        st.caption(settings.unfit_scheme)
    st.markdown(blocks.reasons(counted))
    st.dataframe(pd.DataFrame(blocks.count_rows(counted)), hide_index=True, width="stretch")
    app.more("Different neurons, from the block with fewest to that with most. Neurons may change places where all "
             "that writes into them and reads them is equal; then their gradients are equal in every step, and no "
             "more than the last column says can ever differ.")
    return pictured


def _show_layers(pictured: Shown) -> None:
    settings, views = pictured.settings, pictured.views
    labels = [label_of(key) for key in settings.init]
    baseline = participation_baseline(settings.batch, max((layers[-1].neurons for layers in views if layers),
                                                          default=settings.width))
    st.markdown(f"**{pictured.what}**: in each cell one column per neuron, one row per sample")
    data = collapse.data([
        collapse.Column(label, [collapse.HiddenLayer(view.activations, view.rms, say.effective_neurons(view))
                                for view in layers], *say.head(layers))
        for label, layers in zip(labels, views, strict=True)],
        pictured.names)
    app.show(collapse.picture(), data)
    st.markdown("Stripes **across** a cell are copies: every neuron puts out the same. Stripes **down** it: a neuron "
                "says the same of every sample. **Pale** is a weak signal.")
    if settings.kind == "plain":
        st.markdown(say.collapses(labels, views))
    with st.container(horizontal=True):
        app.more("Red is positive, blue negative. Each power of ten below the strongest layer takes "
                 f"1/{collapse.DECADES} of the color. A mouse that rests on a cell shows its scale and its effective "
                 "number of neurons, the participation ratio tr(K)²/‖K‖² of their covariance K: 1 for copies, "
                 f"{number(baseline)} for independent neurons on {settings.batch} samples."
                 + (f" The first {MOST_SAMPLES} samples of the batch are used."
                    if pictured.chosen.batch > MOST_SAMPLES else ""))
        app.offer_pictures(
            f"{described(settings, 'symmetry', ('optimizer', 'rate'))} · after {settings.after_steps} steps",
            [SavedPicture(collapse.picture(), data, f"{pictured.what}: a column a neuron, a row a sample",
                          height=collapse.HEIGHT)])


def show_neurons(pictured: Shown) -> None:
    """One layer's neurons, of each initializer."""
    settings = pictured.settings
    labels = [label_of(key) for key in settings.init]
    with st.container(horizontal=True):
        app.control("matrix")
        blocks_only = [name for name in pictured.names if name.startswith("block")]
        layer = app.layer_control("hidden", len(blocks_only or pictured.names), "Block" if blocks_only else "")
    index = layer - 1 + (len(pictured.names) - len(blocks_only) if blocks_only else 0)
    similar = settings.matrix == "similarities"
    maps = [neurons.HeatMap(label, getattr(layers[index], settings.matrix), 1.0 if similar else None,
                            "not defined" if similar else "overflow")
            for label, layers in zip(labels, pictured.views, strict=True) if layers]
    wide = next((layers[index].neurons for layers in pictured.views if layers), settings.width)
    cut_note = f"The first {neurons.MOST_COLUMNS} of {wide} neurons. " if wide > neurons.MOST_COLUMNS else ""
    name = pictured.names[index]
    if maps:
        rows = {"activations": "sample", "gradient": "input", "similarities": "neuron"}[settings.matrix]
        st.markdown(f"**{name[0].upper()}{name[1:]}**: one column per neuron, one row "
                    f"a{'n' if rows == 'input' else ''} {rows}")
        app.show(neurons.picture(square=similar), neurons.data(maps))
    st.caption(f"{cut_note}{say.MATRIX_WORDS[settings.matrix]}")
    st.table(pd.DataFrame(say.layer_rows(labels, pictured.views, index + 1)).set_index("Initializer"))
    app.more("Effective neurons: how many independent neurons would vary as much, a participation ratio. Scale: the "
             "root mean square of what the layer puts out. Symmetry gap: how far a neuron's incoming weights are from "
             "the first neuron's, relative to it; 0 for copies. Gradient: the root mean square of its weights' dL/dW.")


def _networks(settings: Settings) -> tuple[Network, ...]:
    return tuple(replace(network, dtype="float64") for network in settings.plain_networks())


def break_symmetry(pictured: Shown) -> None:
    """What makes copies different, tried."""
    chosen, settings, recipe = pictured.chosen, pictured.settings, pictured.recipe
    if settings.kind in WITH_SKIPS:
        break_blocks.show(chosen, settings)
        return
    first = _networks(settings)[0]
    constant = settings.initializer_params("constant")["value"]
    value = constant or 0.1
    st.markdown(f"One hidden layer of {settings.width} neurons, every weight {value:g}"
                + ("" if constant else " (the constant 0 would make it Zeros)")
                + ". What makes its copies different, and after how many steps?")
    with st.container(horizontal=True):
        for key in ("epsilon", "steps"):
            app.control(key)
    steps = affordable_attempt_steps(settings, chosen.steps)
    if steps < chosen.steps:
        st.caption(f"At this width and batch {steps} steps are made, not {chosen.steps}.")
    network = Network((first.sizes[0], settings.width, first.sizes[-1]), settings.activation, "constant",
                      seed=settings.seed, dtype="float64", activation_params=first.activation_params,
                      initializer_params={"value": value})
    with st.container():
        results = symmetry.cached_attempts(network, settings.input, settings.batch, replace(recipe, steps=steps),
                                           chosen.epsilon)
    lanes = sorted(results, key=lambda result: steps + 1 if result.split_at is None else result.split_at)
    st.markdown("**When copies part**: one line while all neurons are the same, strands from where they differ")
    app.show(partings.picture(), partings.data([
        partings.Lane(ATTEMPTS[result.key].label, result.split_at, result.neurons) for result in lanes], steps),
        height=partings.height(len(lanes)))
    st.markdown(say.attempts(results, steps))
    st.dataframe(pd.DataFrame(say.attempt_rows(results, settings.optimizer)), hide_index=True, width="stretch")
    with st.expander("The symmetry gap over the steps", icon=":material/show_chart:", key="gaps",
                     on_change="rerun") as box:
        if box.open:
            _show_gaps(results, steps)


def _show_gaps(results: Sequence[AttemptResult], steps: int) -> None:
    thin = max(1, steps // 100)
    series = [curves.Series(ATTEMPTS[result.key].label, color, np.array(result.steps[::thin]),
                            np.array(result.gap[::thin]), "" if any(result.gap) else "0")
              for result, color in zip(results, UNORDERED, strict=False)]
    app.show(curves.picture("Symmetry gap of each attempt against the step, log axis", "step", log=True, points=False),
             curves.data(series, log=True, guides=[(SPLIT, "")], last=steps))
    st.caption("Symmetry gap, on a log axis: how far the neurons' incoming weights are apart, relative to their "
               f"length. Above the dotted line, {SPLIT:g}, copies count as parted.")
