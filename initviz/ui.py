"""The only part of the package that imports streamlit: shared controls, cached runs, charts on a page."""

from __future__ import annotations

import functools
import gc
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import pyarrow as pa  # what Streamlit itself sends data frames with
import streamlit as st

from initviz import narration, outlook
from initviz.charts import distributions
from initviz.charts.picture import Data, Picture, label_of
from initviz.contest import Contest, Terms
from initviz.diagnosis import verdict
from initviz.inputs import Batch, make_batch
from initviz.limits import Interval, Ladder
from initviz.meanfield import Prediction, can_predict, predict
from initviz.network import Network
from initviz.settings import (
    CONTROLS,
    DEFAULTS,
    MOST_BYTES,
    MOST_INITIALIZERS,
    MOST_OPERATIONS,
    MOST_TRAINING_OPERATIONS,
    SCRUBBED,
    Control,
    Settings,
    affordable,
    mend,
    nearest_affordable,
    operations,
    peak_bytes,
    read_address,
    read_settings,
    training_operations,
    write_address,
)
from initviz.simulation import Run, simulate_each
from initviz.sweep import Survival
from initviz.symmetry import LayerView, Result, develop, try_all
from initviz.training import Recipe

PAGES = Path(__file__).parent.parent / "pages"
FIRST_PAGE = "signal.py"
SIDEBAR = ("init", "activation", "input", "depth", "width", "gain", "constant", "batch", "seed")
SIDEBAR_MORE = ("bias", "bias_std", "std", "limit", "mode", "slope")
UNUSED = {  # shared controls without a meaning on a page, by the page's address: they are not shown there
    **dict.fromkeys(("lesson", "notes", "papers"), {*SIDEBAR, *SIDEBAR_MORE} - {"seed"}),
    "diagnose": {"init", "input", "depth", "width"}, "formulas": {"init", "activation", "batch", "bias", "bias_std"}}


# ---------------------------------------------------------------------------------------------- the entrance

def mark_entrance() -> None:
    """Called by the entrance before it runs a page."""
    st.session_state["entered"] = True


def require_entrance() -> None:
    """Called first by every page: where the page was run without the entrance, start again through it.

    Beside a folder named pages/, Streamlit runs a deep link's page file alone until some script has called
    st.navigation once. Calling it here turns that off for the whole server.
    """
    if not st.session_state.pop("entered", False):
        pages = [st.Page(path, default=path.name == FIRST_PAGE) for path in PAGES.glob("*.py")]
        st.navigation(pages, position="hidden")
        st.rerun()


@functools.cache
def keep_modules() -> None:
    """Called once a page has been run: Streamlit collects garbage after every run, and need not look at modules.

    They are 300,000 objects and cost each rerun as long as a small network does.
    """
    gc.collect()
    gc.freeze()


# ---------------------------------------------------------------------------------------------- controls

def _held(key: str, value: Any) -> Any:
    """A control's value in the type that its widget holds."""
    return list(value) if CONTROLS[key].many else float(value) if key == "seed" else value


def set_controls(changes: Mapping[str, Any]) -> None:
    """Set controls from a callback: a preset, a reset, a mended address."""
    for key, value in changes.items():
        st.session_state[key] = _held(key, value)


def set_state(changes: Mapping[str, Any]) -> None:
    """Set widgets that are no controls from a callback."""
    for key, value in changes.items():
        st.session_state[key] = value


def reset() -> None:
    """Every control as on the first visit."""
    set_controls(DEFAULTS)


def open_address() -> None:
    """On a session's first run, mend what the address holds and remember a notice for each mend.

    A bound widget reads the address in its own way and drops what it cannot read: so before any widget exists the
    allowed values are written into the address in the widgets' own words, and the script starts again.
    """
    if "notices" in st.session_state:
        return
    values, notices = read_address({key: st.query_params.get_all(key) for key in st.query_params})
    st.session_state["notices"] = list(notices.values())
    if values:
        st.query_params.update({key: write_address(key, value) for key, value in values.items()})
        set_controls(values)
        st.rerun()


def show_notices() -> None:
    """What was mended in the address, until the next rerun."""
    for notice in st.session_state.pop("notices", []):
        st.toast(notice, icon=":material/info:", duration="long")
    st.session_state["notices"] = []


def control(key: str, **options: Any) -> None:
    """The widget of a control, bound to the address."""
    widget(CONTROLS[key], key, **options)


def widget(spec: Control, key: str, **options: Any) -> Any:
    """A widget for what ``spec`` allows, bound to the address under ``key``; returns its value."""
    shared: dict[str, Any] = {"key": key, "help": spec.help, "bind": "query-params"} | options
    if isinstance(spec.allowed, Interval):
        if key == "seed":  # a whole number_input cannot hold the inf that an address may name
            return st.number_input(spec.label, float(spec.allowed.low), float(spec.allowed.high), float(spec.default),
                                   1.0, format="%.0f", **shared)
        kind = int if spec.allowed.integer else float
        low, high, default, step = (kind(v) for v in (spec.allowed.low, spec.allowed.high, spec.default, spec.step))
        return st.slider(spec.label, low, high, default, step, **shared)
    if isinstance(spec.allowed, Ladder):
        width = shared.pop("width", 230)
        return st.select_slider(spec.label, spec.allowed.values, spec.default, format_func="{:g}".format, width=width,
                                **shared)
    if spec.many:
        return st.multiselect(spec.label, list(spec.allowed), list(spec.default),
                              format_func=spec.allowed.__getitem__, max_selections=MOST_INITIALIZERS, **shared)
    if len(spec.allowed) > 5 or key == "input":
        return st.selectbox(spec.label, list(spec.allowed), list(spec.allowed).index(spec.default),
                            format_func=spec.allowed.__getitem__, **shared)
    return st.segmented_control(spec.label, list(spec.allowed), default=spec.default, required=True, wrap=True,
                                format_func=spec.allowed.__getitem__, **shared)


def sidebar(page: str) -> None:
    """The controls that pages share, as far as the page of that address uses them; the others keep their values."""
    first, more = ([key for key in keys if key not in UNUSED.get(page, ())] for keys in (SIDEBAR, SIDEBAR_MORE))
    with st.sidebar:
        for key in first:
            control(key)
        if more:
            with st.expander("Biases and single parameters"):
                for key in more:
                    control(key)
        st.button("Reset all", icon=":material/restart_alt:", on_click=reset, width="stretch",
                  key="reset", help="Every control as on the first visit: the same seed, the same weights.")


def current_settings() -> Settings:
    """What the controls say, made valid."""
    return read_settings({field.name: st.session_state[field.name] for field in fields(Settings)
                          if field.name in st.session_state})




def layer_control(key: str, most: int) -> int:
    """Which layer to look into, up to the last there is; 0, where the control allows it, is none."""
    spec = CONTROLS[key]
    least = spec.default
    layer = st.session_state[key] = min(max(mend(key, st.session_state.get(key, least))[0], least), most)
    if most > least:
        st.select_slider(spec.label, range(least, most + 1), format_func=lambda layer: str(layer) if layer else "none",
                         key=key, help=spec.help, bind="query-params")
    return layer


def look_into_clicked_layer() -> None:
    """Callback of a click on a distribution."""
    clicked = st.session_state["distributions"].selection.get("cell", [])
    if clicked:
        set_controls({"layer": int(clicked[0]["layer"])})


# ---------------------------------------------------------------------------------------------- runs

@functools.lru_cache(maxsize=16)
def cached_batch(key: str, count: int, seed: int, features: int) -> Batch:
    """A batch, shared read-only by all sessions."""
    return make_batch(key, count, seed=seed, features=features)


@functools.lru_cache(maxsize=32)  # hashes networks in microseconds, where Streamlit's caches take two milliseconds
def cached_runs(networks: tuple[Network, ...], input_key: str, count: int, scale: str, quantity: str) -> list[Run]:
    """Simulations of networks of one seed, with the histograms of one quantity, shared read-only by all sessions."""
    batch = cached_batch(input_key, count, networks[0].seed, networks[0].sizes[0])
    return simulate_each(networks, batch, scale=scale, counted=(quantity,))


def compare(settings: Settings) -> list[Run]:
    """A run for each chosen initialiser, at least one."""
    return cached_runs(settings.networks(), settings.input, settings.batch, settings.scale, settings.quantity)


@functools.lru_cache(maxsize=8)
def cached_film(frames: tuple[tuple[Network, ...], ...], input_key: str, count: int, scale: str,
                quantity: str) -> tuple[Data, list[list[str]]]:
    """The distributions of each frame, and each network's kind of verdict there; shared read-only by all sessions."""
    networks = list(dict.fromkeys(network for frame in frames for network in frame))
    batch = cached_batch(input_key, count, networks[0].seed, networks[0].sizes[0])
    runs = dict(zip(networks, simulate_each(networks, batch, scale=scale, counted=(quantity,)), strict=True))
    shown = [[runs[network] for network in frame] for frame in frames]
    return distributions.film_data(shown, quantity), [[verdict(run).key for run in frame] for frame in shown]


@functools.lru_cache(maxsize=128)
def cached_prediction(run: Run, input_key: str) -> Prediction | None:
    """What theory expects of a run's network; None where the theory does not speak of such weights."""
    network = run.network
    if not can_predict(network):
        return None
    x = cached_batch(input_key, run.batch, network.seed, network.sizes[0]).x
    return predict(network, x, float(run.column("delta_rms")[-1]) ** 2)


def refuse_the_unaffordable(settings: Settings, *, training: bool = False) -> None:
    """Where a comparison or a race would cost too much for a shared machine, say so, offer the nearest, and stop."""
    if affordable(settings, training=training):
        return
    nearest = nearest_affordable(settings, training=training)
    changes = {name: getattr(nearest, name) for name in ("steps", "batch", "width", "depth")
               if getattr(nearest, name) != getattr(settings, name)}
    said = ", ".join(f"{CONTROLS[name].label.lower()} {value}" for name, value in changes.items())
    cost, most = ((training_operations(settings), MOST_TRAINING_OPERATIONS) if training
                  else (operations(settings), MOST_OPERATIONS))
    memory = peak_bytes(settings, len(settings.init) if training else 1)
    st.warning(
        f"This would take about {cost / 1e9:,.0f} billion operations and {memory / 1e6:,.0f} MB, where this app allows "
        f"{most / 1e9:,.0f} and {MOST_BYTES / 1e6:,.0f}. The nearest that fits: {said}.",
        icon=":material/hourglass_disabled:")
    st.button(f"Use {said}", on_click=set_controls, args=(changes,), key="afford",
              help="Sets these controls; everything else stays.")
    st.stop()


# ---------------------------------------------------------------------------------------------- races

def current_contest(settings: Settings) -> Contest:
    """This session's race for these settings: the one begun before where there is one, as far as it got."""
    held = st.session_state.get("contest")
    if held is None or held.terms != Terms.of(settings):
        held = st.session_state["contest"] = Contest(settings)
    return held


@st.cache_resource(max_entries=32, show_spinner="Trying every way to break the symmetry")
def cached_attempts(network: Network, input_key: str, count: int, recipe: Recipe, epsilon: float) -> list[Result]:
    """Every way to break the symmetry, tried; shared read-only by all sessions."""
    batch = make_batch(input_key, count, seed=network.seed, features=network.sizes[0], dtype="float64")
    return try_all(network, batch, recipe, epsilon)


@st.cache_resource(max_entries=16, show_spinner="Training the copies")
def cached_views(networks: tuple[Network, ...], input_key: str, count: int, recipe: Recipe,
                 moment: int) -> list[list[LayerView]]:
    """The hidden layers of each network after ``moment`` steps of training; shared read-only by all sessions."""
    first = networks[0]
    batch = make_batch(input_key, count, seed=first.seed, features=first.sizes[0], dtype="float64")
    return next(develop(networks, batch, recipe, [moment]))[1]


def forget_contest() -> None:
    """Callback: the next run begins the race anew."""
    st.session_state.pop("contest", None)


# ---------------------------------------------------------------------------------------------- theory

cached_diagram = functools.lru_cache(maxsize=32)(outlook.diagram)
cached_spectra = functools.lru_cache(maxsize=16)(outlook.spectra)
cached_correlations = functools.lru_cache(maxsize=64)(outlook.correlations)
cached_dead_shares = functools.lru_cache(maxsize=32)(
    lambda run, input_key: outlook.dead_shares(run, cached_batch(input_key, run.batch, run.network.seed,
                                                                 run.network.sizes[0]).x))
cached_fixed_point = functools.lru_cache(maxsize=64)(outlook.fixed_point)


def current_survival(network: Network, deepest: int, widest: int, seeds: int) -> Survival:
    """This session's sweep of a network's sizes: the one begun before where there is one, as far as it got."""
    held, wanted = st.session_state.get("survival"), outlook.survival(network, deepest, widest, seeds)
    if held is None or held.terms != wanted.terms:
        held = st.session_state["survival"] = wanted
    return held


def forget_survival() -> None:
    """Callback: the next run begins the sweep anew."""
    st.session_state.pop("survival", None)


def go_to_clicked_point() -> None:
    """Callback of a click on the phase diagram."""
    clicked = st.session_state["phase"].selection.get("spot", [])
    if clicked:
        set_controls({key: float(clicked[0][key]) for key in ("sigma_w", "sigma_b")})


# ---------------------------------------------------------------------------------------------- pictures

def show(picture: Picture, data: Data, **options: Any) -> Any:
    """Draw a picture, or redraw the one that was drawn ``into``; the browser updates a constant spec in place."""
    place = options.pop("into", st)
    datasets = {name: pa.table({column: pa.array(values) for column, values in table.items()})
                for name, table in data.items()}
    return place.vega_lite_chart({**picture.spec, "datasets": datasets}, alt=picture.alt, **options)


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
    st.caption(narration.scrub([label_of(key) for key in settings.init], name,
                               [getattr(frame, settings.scrub) for frame in frames], kinds))


def download(label: str, file_name: str, content: Callable[[], bytes | str], mime: str, *, key: str, help: str) -> None:
    """A button that makes the file when it is pressed."""
    st.download_button(label, content, file_name, mime, key=key, help=help, icon=":material/download:",
                       on_click="ignore")
