"""The coordinate check of the Theory page: what a learning rate tuned at one width does at another."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import pandas as pd
import streamlit as st

from initviz import app
from initviz.app.capacity import room_for
from initviz.app.outside_text import complain
from initviz.app.settings import Settings
from initviz.charts import coordinates as chart
from initviz.charts.picture import Data
from initviz.training import coordinate_check as check
from initviz.training.gradient_descent import OPTIMIZER_LABELS

OPTIMIZERS = {key: OPTIMIZER_LABELS[key] for key in check.OPTIMIZERS}
SEEDS, STEPS = 3, 4
SIZES_OF = ("Initial sizes", "Change after 1 step", *(f"Change after {step} steps" for step in range(2, STEPS + 1)))
REDRAW_SECONDS = 0.3  # of computing between two pictures
MOST_OPERATIONS = 400e9


def show(settings: Settings) -> None:
    """The check for widths of one's own: two charts, a table of slopes, and one sentence a parametrization."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        text = st.text_input("Widths", ", ".join(map(str, check.WIDTHS)), key="widths", bind="query-params", width=290,
                             help=f"Of the two hidden layers: 2 to {check.MOST_WIDTHS} whole numbers up to "
                                  f"{check.WIDTHS[-1]:,}.")
        app.expect_choice("trained_by", "Trained by", OPTIMIZERS)
        optimizer = st.segmented_control("Trained by", list(OPTIMIZERS), default="sgd", required=True,
                                         format_func=OPTIMIZERS.__getitem__, key="trained_by",
                                         bind="query-params", help="On the whole batch.")
        app.expect_choice("size_of", "Size of", SIZES_OF, SIZES_OF[1])
        size_of = st.selectbox("Size of", SIZES_OF, index=1, key="size_of", bind="query-params", width=220,
                               help="The root mean square of each layer's preactivations over the batch, or of their "
                                   "change since the initialization.")
    try:
        one_check = _current_check(settings, text or "")
    except ValueError as error:
        complain(error)
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        bar = st.progress(one_check.progress, _status(one_check), width=420)
        st.button("Stop", icon=":material/stop:", on_click=one_check.stop, key="check_stop",
                  disabled=one_check.finished or one_check.stopped, help="Keep what has been computed so far.")
        st.button("Go on", icon=":material/play_arrow:", on_click=one_check.resume, key="check_go",
                  disabled=not one_check.stopped or one_check.finished, help="Continue the stopped check.")
    optimizer, step = optimizer or "sgd", SIZES_OF.index(size_of) if size_of in SIZES_OF else 1
    places = []
    for side, (key, parametrization) in zip(st.columns(2), check.PARAMETRIZATIONS.items(), strict=True):
        with side:
            st.markdown(f"**{parametrization.label}**, {OPTIMIZER_LABELS[optimizer]}: "
                        f"{size_of[:1].lower()}{size_of[1:]} (log axes)")
            places.append((key, app.show(chart.picture(), _data(one_check, key, optimizer, step), key=f"width_{key}")))
    remaining = one_check.settings[len(one_check.measured):]
    with room_for(0.0 if one_check.stopped else check.peak_bytes(remaining)):
        while not (one_check.finished or one_check.stopped):
            one_check.advance(until=time.monotonic() + REDRAW_SECONDS)
            bar.progress(one_check.progress, _status(one_check))
            for key, slot in places:
                app.show(chart.picture(), _data(one_check, key, optimizer, step), into=slot)
            if one_check.finished:
                st.rerun()
    _words(settings, one_check.measured)


def _words(settings: Settings, measured: Sequence[check.Coordinates]) -> None:
    if len({result.settings.width for result in measured}) < 2:
        return
    slopes = check.slopes(measured)
    st.markdown("  \n".join(check.sentence(slopes, parametrization, optimizer)
                            for optimizer in OPTIMIZERS for parametrization in check.PARAMETRIZATIONS))
    st.dataframe(_table(slopes), hide_index=True, width="stretch")
    first = measured[0].settings
    rates = " and ".join(f"{rate:g} ({OPTIMIZER_LABELS[key]})" for key, rate in check.RATES.items())
    app.more(
        f"{first.hidden} hidden layers of ReLU, {SEEDS} networks of each width with weights of standard deviation "
        f"1/√fan_in, {first.batch} standard normal inputs of {first.features} features. {check.BASE_WIDTH} is the "
        f"width at which the parametrizations are one network, with the rates {rates}; of the sidebar only the seed "
        "counts. Behind a name: the slope of log size against log width by least squares and its standard error. "
        "Dashed: the slope that counting powers of the width gives, where one power leads. muP draws the output's "
        "weights smaller by √(64/width) and scales the rates of each layer with the width. :small[Yang et al. 2022, "
        "table 3 and appendix D.1.] `initviz coordinates --workers N` computes the same in N processes.")


def _table(slopes: pd.DataFrame) -> pd.DataFrame:
    """One row per parametrization, optimizer and step, one column per layer: slope and error in words."""
    rows: dict[tuple[str, str, str], dict[str, str]] = {}
    for row in slopes.itertuples():
        key = (OPTIMIZER_LABELS[row.optimizer], check.PARAMETRIZATIONS[row.parametrization].label, SIZES_OF[row.step])
        rows.setdefault(key, {})[row.layer] = check.slope_text(row.slope, row.error)
        if row.diverged:
            rows[key]["Diverged"] = f"{row.diverged} networks"
    return pd.DataFrame([{"Optimizer": o, "Parametrization": p, "Slope of": m, **cells}
                         for (o, p, m), cells in rows.items()]).fillna("")


def _data(one_check: check.CoordinateCheck, parametrization: str, optimizer: str, step: int) -> Data:
    return chart.data([result for result in one_check.measured if result.settings.parametrization == parametrization
                       and result.settings.optimizer == optimizer], step)


def _status(one_check: check.CoordinateCheck) -> str:
    progress = f"{len(one_check.measured)} of {len(one_check.settings)} networks"
    return f"Finished: {progress}" if one_check.finished else f"Stopped: {progress}" if one_check.stopped else progress


def _current_check(settings: Settings, text: str) -> check.CoordinateCheck:
    """This session's check of these widths: the one begun before where there is one, as far as it got."""
    settings_of_check = [replace(setting, seed=setting.seed + settings.seed) for setting in check.every_setting(
        check.read_widths(text), seeds=SEEDS, steps=STEPS)]
    work = check.operations(settings_of_check)
    if work > MOST_OPERATIONS:
        raise ValueError(f"widths must take at most {MOST_OPERATIONS / 1e9:,.0f} billion operations together, got "
                         f"{work / 1e9:,.0f} billion: name fewer or smaller ones")
    current: check.CoordinateCheck | None = st.session_state.get("coordinate check")
    if current is None or current.settings != settings_of_check:
        current = st.session_state["coordinate check"] = check.CoordinateCheck(settings_of_check)
    return current
