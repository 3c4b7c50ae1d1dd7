"""What the Signal page alone asks and shows."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from initviz.app.affordable import operations
from initviz.app.caches import cached
from initviz.app.controls import set_controls
from initviz.app.pictures import show
from initviz.app.runs import cached_batch
from initviz.app.settings import CONTROLS, SCRUBBED, Settings
from initviz.app.signal import sentences as say
from initviz.charts import distributions
from initviz.charts.picture import Data
from initviz.core.cost import MOST_OPERATIONS
from initviz.core.initializers import label_of
from initviz.core.network import Network
from initviz.core.simulation import Run, simulate_each
from initviz.diagnosis.verdict import judge


def look_into_clicked_layer() -> None:
    """Callback of a click on a distribution."""
    clicked = st.session_state["distributions"].selection.get("cell", [])
    if clicked:
        set_controls({"layer": int(clicked[0]["layer"])})


def cards(runs: Sequence[Run], theories: Sequence[str]) -> list[str]:
    """One text an initializer: its verdict, the three numbers that justify it, and the word ``against_theory``."""
    texts = []
    for run, theory in zip(runs, theories, strict=True):
        found = judge(run)
        word = "Theory", theory.split(",")[0]  # the reason stands below the depth charts
        facts = [f":small[{name} **{value}**]" for name, value in (*found.numbers, word)]
        texts.append("  \n".join([
            f"**{label_of(run.network.initializer)}**", f":{found.kind.color}[{found.icon}] {found.words}", *facts]))
    return texts


@cached(8e6)
def cached_film(frames: tuple[tuple[Network, ...], ...], input_key: str, count: int, scale: str,
                quantity: str) -> tuple[Data, list[list[str]]]:
    """The distributions of each frame, and each network's kind of verdict there."""
    networks = list(dict.fromkeys(network for frame in frames for network in frame))
    batch = cached_batch(input_key, count, networks[0].seed, networks[0].sizes[0])
    runs = dict(zip(networks, simulate_each(networks, batch, scale=scale, counted=(quantity,), pairs=False),
                    strict=True))
    shown = [[runs[network] for network in frame] for frame in frames]
    return distributions.film_data(shown, quantity), [[judge(run).key for run in frame] for frame in shown]


def show_film(settings: Settings) -> None:
    """The distributions with a slider inside the picture; one sentence instead where that would cost too much."""
    frames, name = settings.scrubbed(), CONTROLS[settings.scrub].label
    cost = len(frames) * operations(settings)
    if cost > MOST_OPERATIONS:
        st.info(f"The {len(frames)} pictures of this slider would take about {cost / 1e9:,.0f} billion operations, "
                f"where this app allows {MOST_OPERATIONS / 1e9:,.0f}: choose narrower or fewer layers, or a smaller "
                "batch. The sliders at the side compute one picture at a time.", icon=":material/hourglass_disabled:")
        return
    with st.container(), st.spinner("Computing the picture for every value of its slider"):
        data, kinds = cached_film(tuple(frame.networks() for frame in frames), settings.input, settings.batch,
                                  settings.scale, settings.quantity)
    low, high, step = SCRUBBED[settings.scrub]
    show(distributions.film(name, low, high, step, CONTROLS[settings.scrub].default), data,
         height=distributions.height(settings.depth), key="film")
    st.caption(say.scrub([label_of(key) for key in settings.init], name,
                         [getattr(frame, settings.scrub) for frame in frames], kinds))
