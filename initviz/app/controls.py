"""The controls that pages share: each is a widget, a part of the address and a field of Settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import streamlit as st

from initviz.app.address import (
    RENAMED,
    nearest_allowed,
    nearest_to_texts,
    notice_of,
    read_address,
    read_settings,
    texts_of,
    write_address,
)
from initviz.app.entrance import FIRST_PAGE
from initviz.app.outside_text import plain
from initviz.app.settings import (
    CONTROLS,
    DEFAULTS,
    MOST_INITIALIZERS,
    PLACED_BY_PAGE,
    Settings,
    in_use,
)
from initviz.core.validation import Choices, Interval, Parameter

UNREAD, CHANGED, FORMER = "address unread", "address changed", "names of before"  # in the session
MOST_NAME = 40  # letters of a name from an address


def _copied(key: str, value: Any) -> Any:
    """A control's value in the type that its widget holds."""
    return list(value) if CONTROLS[key].many else value


def set_controls(changes: Mapping[str, Any]) -> None:
    """Set controls from a callback: a preset, a reset, an address."""
    for key, value in changes.items():
        st.session_state[key] = _copied(key, value)


def set_state(changes: Mapping[str, Any]) -> None:
    """Set widgets that are no controls from a callback."""
    for key, value in changes.items():
        st.session_state[key] = value


def reset() -> None:
    """Every control as on the first visit."""
    set_controls(DEFAULTS)


def open_address() -> None:
    """On a session's first run, put the allowed values nearest to what the address holds in their place.

    A bound widget reads the address in its own way and drops what it cannot read: so before any widget exists the
    allowed values are written into the address in the widgets' own words, and the script starts again. What is no
    control is left "unread" for the page's own widgets.
    """
    if UNREAD in st.session_state:
        return
    query = {RENAMED.get(key, key): st.query_params.get_all(key) for key in st.query_params}
    st.session_state.setdefault(FORMER, {RENAMED[key]: key for key in st.query_params if key in RENAMED})
    if query.keys() != {*st.query_params}:
        st.query_params.from_dict(query)
        st.rerun()
    values, notices = read_address(query)
    st.session_state[UNREAD] = {key: texts for key, texts in query.items() if key not in CONTROLS}
    st.session_state[CHANGED] = list(notices.values())
    if values:
        st.query_params.update({key: write_address(key, value) for key, value in values.items()})
        set_controls(values)
        st.rerun()


def expect(name: str, spec: Parameter) -> None:
    """Called before a widget bound to the address is made: reads what the address gave it, as open_address does."""
    texts = st.session_state.get(UNREAD, {}).pop(name, None)
    if texts is None:
        return
    value, notice = nearest_to_texts(spec, texts)
    if notice:
        st.session_state[CHANGED].append(notice)
    if texts != texts_of(spec, value):
        st.query_params[name] = texts_of(spec, value)
        st.session_state[name] = value
        st.rerun()


def expect_choice(name: str, label: str, labels: Mapping[str, str] | Sequence[str], default: str = "") -> None:
    """``expect`` for one of several keys, or labels by key; the default is the first."""
    by_key = labels if isinstance(labels, Mapping) else {label: label for label in labels}
    if by_key:
        expect(name, Parameter(label, default or next(iter(by_key)), by_key, ""))


def _dropped(name: str, texts: Sequence[str]) -> bool:
    """Whether the widget ``name``, which nobody announced, did not take what the address gave it."""
    if st.query_params.get_all(name):  # a value that is the default is left out of an address
        return False
    value = st.session_state[name]
    try:
        return bool(float(texts[-1]) != value) if isinstance(value, float) else texts[-1].lower() != str(value).lower()
    except ValueError:
        return True


def tell_changes(*, whole: bool = True) -> None:
    """After a page has run: one notice of all that the address asked for and did not get.

    A name that no widget has read is unknown where the ``whole`` page has run, and else waits for it.
    """
    changed: list[str] = st.session_state.get(CHANGED, [])
    unread: dict[str, list[str]] = st.session_state.get(UNREAD, {})
    if not changed and not unread:
        return
    session_keys = {str(key) for key in st.session_state}  # a name from outside may be one that Streamlit refuses
    for name, texts in list(unread.items()):
        called = plain(st.session_state.get(FORMER, {}).get(name, name)[:MOST_NAME]) or "without a name"
        if name in session_keys:
            if _dropped(name, texts):
                changed.append(f"What {called} asks for is not allowed, so it is {plain(str(st.session_state[name]))}.")
        elif whole:
            changed.append(f"There is no setting {called} on this page, so it is left out.")
        else:
            continue
        unread.pop(name)
    if changed:
        st.toast(notice_of(changed), icon=":material/info:", duration="long" if len(changed) == 1 else "infinite")
        changed.clear()


def stop() -> None:
    """End a page's run here, as st.stop does, which lets nothing be told afterwards."""
    tell_changes(whole=False)
    st.stop()


def control(key: str, **options: Any) -> None:
    """The widget of a control, bound to the address."""
    widget(CONTROLS[key], key, **options)


def widget(spec: Parameter, key: str, **options: Any) -> Any:
    """A widget for what ``spec`` allows, bound to the address under ``key``; returns its value."""
    expect(key, spec)
    shared: dict[str, Any] = {"key": key, "help": spec.help, "bind": "query-params"} | options
    if isinstance(spec.allowed, Interval):
        kind = int if spec.allowed.integer else float
        low, high, default, step = (kind(v) for v in (spec.allowed.low, spec.allowed.high, spec.default, spec.step))
        if key in ("seed", "sample"):
            return st.number_input(spec.label, low, high, default, step, **shared)
        return st.slider(spec.label, low, high, default, step, **shared)
    if isinstance(spec.allowed, Choices):
        width = shared.pop("width", 230)
        return st.select_slider(spec.label, spec.allowed.values, spec.default, format_func="{:g}".format, width=width,
                                **shared)
    if spec.many:
        return st.multiselect(spec.label, list(spec.allowed), list(spec.default),
                              format_func=spec.allowed.__getitem__, max_selections=MOST_INITIALIZERS, **shared)
    if len(spec.allowed) > (4 if getattr(spec, "place", "") == "sidebar" else 5) or key == "input":
        return st.selectbox(spec.label, list(spec.allowed), list(spec.allowed).index(spec.default),
                            format_func=spec.allowed.__getitem__, **shared)
    return st.segmented_control(spec.label, list(spec.allowed), default=spec.default, required=True, wrap=True,
                                format_func=spec.allowed.__getitem__, **shared)


def sidebar(page: str) -> None:
    """The controls that pages share and this one, by its address ("" is the first), uses; others keep their values."""
    page, settings = page or FIRST_PAGE, current_settings()
    placed = PLACED_BY_PAGE.get(page, ())
    keys = [key for key in CONTROLS if in_use(key, page, settings) and placed is not None and key not in placed]
    # Where a page chooses an initializer of its own, the parameters of all of them stand behind a click.
    folded = [key for key in keys if CONTROLS[key].place == "expander" or any(
        page not in CONTROLS[choice].pages for choice, _ in CONTROLS[key].owners)]
    with st.sidebar:
        for key in keys:
            if CONTROLS[key].place == "sidebar" and key not in folded:
                control(key)
        if folded:
            with st.expander("Biases" if all(CONTROLS[key].place == "expander" for key in folded)
                             else "Biases and single parameters"):
                for key in folded:
                    control(key)
        st.button("Reset the controls", icon=":material/restart_alt:", on_click=reset, width="stretch",
                  key="reset", help="Every control of every page as on the first visit: "
                  "the same seed, the same weights. The guesses in the lesson stay until it is begun again there.")


def current_settings() -> Settings:
    """The Settings that the controls describe, each value the nearest allowed one."""
    return read_settings({field.name: st.session_state[field.name] for field in fields(Settings)
                          if field.name in st.session_state})


def layer_control(key: str, most: int, label: str = "") -> int:
    """Which layer to look into, up to the last there is; 0, where the control allows it, is none."""
    spec = CONTROLS[key]
    least = spec.default
    value = st.session_state.get(key, least)
    layer = min(max(nearest_allowed(key, value)[0], least), most)
    if layer != value or key not in st.session_state:  # what is written here counts more than what back restores
        st.session_state[key] = layer
    if most > least:
        layer = st.select_slider(
            label or spec.label, range(least, most + 1), format_func=lambda layer: str(layer) if layer else "none",
            key=key, help=spec.help, bind="query-params")
    return layer
