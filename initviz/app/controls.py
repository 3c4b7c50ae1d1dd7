"""The entrance, and the controls that pages share: each is a widget, a part of the address and a field of Settings."""

from __future__ import annotations

import functools
import gc
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import streamlit as st

from initviz.app.settings import (
    CONTROLS,
    DEFAULTS,
    MOST_INITIALIZERS,
    Settings,
    nearest_allowed,
    read_address,
    read_settings,
    write_address,
)
from initviz.core.validation import Choices, Interval, Parameter

PAGES = Path(__file__).parents[2] / "pages"
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
    return list(value) if CONTROLS[key].many else value


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


def accept_key(name: str, labels: Mapping[str, str]) -> None:
    """Called before a choice bound to the address is made: let an address name a choice by its key, too."""
    given = st.query_params.get(name)
    if given is not None and given in labels and name not in st.session_state:
        st.query_params[name] = labels[given]
        st.session_state[name] = given
        st.rerun()


def show_notices() -> None:
    """What was mended in the address, until the next rerun."""
    for notice in st.session_state.pop("notices", []):
        st.toast(notice, icon=":material/info:", duration="long")
    st.session_state["notices"] = []


def control(key: str, **options: Any) -> None:
    """The widget of a control, bound to the address."""
    widget(CONTROLS[key], key, **options)


def widget(spec: Parameter, key: str, **options: Any) -> Any:
    """A widget for what ``spec`` allows, bound to the address under ``key``; returns its value."""
    shared: dict[str, Any] = {"key": key, "help": spec.help, "bind": "query-params"} | options
    if isinstance(spec.allowed, Interval):
        kind = int if spec.allowed.integer else float
        low, high, default, step = (kind(v) for v in (spec.allowed.low, spec.allowed.high, spec.default, spec.step))
        if key == "seed":
            return st.number_input(spec.label, low, high, default, step, **shared)
        return st.slider(spec.label, low, high, default, step, **shared)
    if isinstance(spec.allowed, Choices):
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
        st.button("Reset the controls", icon=":material/restart_alt:", on_click=reset, width="stretch",
                  key="reset", help="Every control of every page as on the first visit: "
                  "the same seed, the same weights. The guesses in the lesson stay until it is begun again there.")


def current_settings() -> Settings:
    """What the controls say, made valid."""
    return read_settings({field.name: st.session_state[field.name] for field in fields(Settings)
                          if field.name in st.session_state})


def layer_control(key: str, most: int) -> int:
    """Which layer to look into, up to the last there is; 0, where the control allows it, is none."""
    spec = CONTROLS[key]
    least = spec.default
    layer = st.session_state[key] = min(max(nearest_allowed(key, st.session_state.get(key, least))[0], least), most)
    if most > least:
        st.select_slider(spec.label, range(least, most + 1), format_func=lambda layer: str(layer) if layer else "none",
                         key=key, help=spec.help, bind="query-params")
    return layer
