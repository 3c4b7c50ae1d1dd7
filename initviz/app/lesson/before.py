"""What a step of the lesson begins with: a picture to look at before the guess."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType

import streamlit as st

from initviz import app
from initviz.app.caches import cached
from initviz.app.lesson import by_hand, small_network, variance
from initviz.app.lesson.steps import STEPS
from initviz.charts import neurons, wiring
from initviz.charts import plots as charts
from initviz.charts.neurons import HeatMap
from initviz.charts.plots import Plot
from initviz.core.batches import digit_pixels, make_batch
from initviz.core.initializers import label_of
from initviz.training.zero_placement import WIRINGS

REACH = 0.3  # of the colors of weights: about three standard deviations of Xavier's in the first layer
BESIDE = "xavier_normal"  # drawn beside the others' weights
FEW_HIGH, MANY_HIGH = 300, 190  # pixels: two maps side by side are larger than six
DRAWN = min(neurons.MOST_COLUMNS, neurons.MOST_ROWS)


def _weights(key: str, initializer: str, seed: int) -> HeatMap:
    weights, _ = STEPS[key].settings(seed).network(initializer).parameters()
    return HeatMap(label_of(initializer), weights[0], REACH)


@cached(2e6)
def _maps(key: str, seed: int) -> tuple[HeatMap, ...]:
    """The first digit, and the first layer's weights under each initializer that the step has."""
    settings = STEPS[key].settings(seed)
    weights = tuple(_weights(key, initializer, seed) for initializer in settings.init)
    if len(weights) > 1:
        return weights
    if settings.init[0] != BESIDE:
        return (*weights, _weights(key, BESIDE, seed))
    digit = digit_pixels(make_batch(settings.input, settings.batch, seed=seed).x[:1]).reshape(8, 8)
    return HeatMap("A\N{NO-BREAK SPACE}digit", digit / 16, 1.0), *weights


@cached(1e6)
def _sums(seed: int) -> Plot:
    return variance.growing_sums(seed)


def _show_weights(key: str, seed: int) -> None:
    maps = _maps(key, seed)
    st.markdown("**What goes in, and the weights of layer 1**" if maps[0].reach == 1 else "**The weights of layer 1**")
    app.show(neurons.picture(square=True), neurons.data(maps), height=FEW_HIGH if len(maps) <= 2 else MANY_HIGH,
             key="before_maps")
    st.caption(f"One column per neuron, {DRAWN} of them, one row per pixel: red weights are positive, blue negative, "
               f"gray 0; full color from ±{REACH:g} on.")


def _show_sums(seed: int) -> None:
    plot = _sums(seed)
    st.markdown(f"**{plot.title}**")
    app.show(charts.picture(plot), charts.data(plot), key="before_sums")
    st.caption("Weights and inputs are drawn at random, so the terms push up and down.")


def _show_small_network(_: int) -> None:
    by_hand.draw(small_network.EQUAL, backward=False)


def _show_wiring(_: int) -> None:
    lora = WIRINGS["lora"]
    app.show(wiring.picture(), wiring.data(lora.expression, dict(lora.usual), {}),
             height=wiring.height(lora.expression), key="before_wiring")
    st.caption("Dotted: what passes there is exactly zero before training.")


_OTHERS: MappingProxyType[str, Callable[[int], None]] = MappingProxyType(
    {"hand": _show_small_network, "variance": _show_sums, "exceptions": _show_wiring})


def show(key: str, seed: int) -> None:
    """The picture of a step before the guess."""
    if key in _OTHERS:
        _OTHERS[key](seed)
    else:
        _show_weights(key, seed)
