"""What the page Formulas asks and shows: two tables, the entry chosen of each, and which initializer suits a layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from initviz import app
from initviz.app.formulas import quantities
from initviz.app.formulas.plain_text import plain_formula
from initviz.app.pictures import HEAD
from initviz.app.settings import Settings
from initviz.core.activations import ACTIVATIONS
from initviz.core.architecture import KINDS
from initviz.core.frameworks import FRAMEWORKS
from initviz.core.initializers import INITIALIZERS
from initviz.core.schemes import PARTS, SCHEMES, Scheme
from initviz.core.validation import Parameter
from initviz.core.wording import number
from initviz.theory.recommendation import recommended_point

CURVE = "φ(z) for z from −4 to 4; of a sine two periods."
MOST_TABLE = 440  # pixels, beyond which a table scrolls, so that the entry chosen stands in sight below it
TALL_ROW = 66  # pixels; beyond 4 rem Streamlit wraps text, so that all columns fit a window 1,024 pixels wide
LEAST_COLUMN = 380  # pixels of an entry's formula and of the code beside it; narrower windows stack them


def _choose(label: str, key: str, labels: Mapping[str, str], default: str, help: str) -> str:
    """One of several keys, bound to the address under ``key``."""
    chosen = app.widget(Parameter(label, default, labels, help), key)
    return chosen if chosen in labels else default


# ---------------------------------------------------------------------------------------------- which one for my layer

def show_answer(settings: Settings) -> None:
    """Which initializer suits the activation and the architecture chosen, with the reason and the source."""
    with st.container(border=True):
        st.markdown("**Which one for my layer?**")
        with st.container(horizontal=True, vertical_alignment="bottom"):
            app.control("activation", width=170)
            kind = _choose("Architecture", "joined", {key: kind.label for key, kind in KINDS.items()}, "plain",
                           "How the layers are joined.")
        settings = app.current_settings()
        answer = quantities.answer(settings)
        if KINDS[kind].skips or kind == "normalized":
            _show_schemes(kind, f"Dense layers before {ACTIVATIONS[settings.activation].label}, where no scheme "
                                f"changes them: {answer.words}, as in a plain network.")
        else:
            _show_recommended(settings, answer)


def _show_recommended(settings: Settings, answer: quantities.SuitableInitialization) -> None:
    st.markdown(f"{ACTIVATIONS[settings.activation].label}: {answer.words}. {answer.why}")
    st.markdown("Standard deviation of the weights: " + "; ".join(
        f"{quantities.LAYERS[role].lower()} layer, {promise.fan_in} → {promise.fan_out}: **{number(promise.std, 3)}**"
        for role, promise in answer.promises.items()) + ".")
    length = answer.drift.length
    halves = 0.4 < length[-1] / length[len(length) // 2 - 1] < 0.6
    st.caption(f"In {quantities.DRIFT_LAYERS} wide square layers theory makes of a variance of "
               f"{number(float(length[0]))} one of {number(float(length[-1]))}, and multiplies a squared gradient by "
               f"{number(float(answer.drift.gradient[-1]))}."
               + (" That is a slow fall: twice the depth halves it, where a gain a tenth smaller loses as much "
                  "about every three layers." if halves else "") + " :small[Schoenholz et al. 2017.]")


def _show_schemes(kind: str, dense: str) -> None:
    st.markdown(f"{dense} Blocks of {KINDS[kind].formula} ({KINDS[kind].source}). L is the number of blocks, m of "
                "dense layers in a branch.")
    st.table([{"Scheme": f"**{scheme.label}**", "What it changes": _changes(scheme), "Why": scheme.sentence,
               "Source": f":small[:gray[{scheme.source}]]"}
              for key, scheme in SCHEMES.items() if kind in scheme.kinds and key != "none"], hide_index=True)


def _changes(scheme: Scheme) -> str:
    changes = [f"{PARTS[change.part]}: {change.formula}" for change in scheme.changes]
    changes += [f"the factor of a branch: {scheme.scale_formula}"] if scheme.scale_formula else []
    return "; ".join(changes) or "nothing: each layer as the chosen initializer draws it"


# ---------------------------------------------------------------------------------------------- the two tables

def _ask_search(key: str) -> str:
    text = st.text_input("Search", key=key, bind="query-params", width=240, icon=":material/search:",
                         placeholder="name, formula, purpose, source", live="300ms",
                         help="Keeps the rows that hold this text.")
    return text or ""


def _searched(table: pd.DataFrame, text: str) -> pd.DataFrame:
    """The rows that hold the text, in whatever case."""
    words = table.map(lambda cell: cell if isinstance(cell, str) else "").agg(" ".join, axis=1).str.lower()
    return table[words.str.contains(text.strip().lower(), regex=False)]


def _show_table(table: pd.DataFrame, key: str, chosen: str, columns: Mapping[str, Any]) -> None:
    """A table whose rows are known by their index; a row that is clicked is kept under ``chosen``."""
    keys = list(table.index)

    def choose() -> None:
        rows = st.session_state[key].selection.rows
        if rows and rows[0] < len(keys):
            st.session_state[chosen] = keys[rows[0]]

    st.dataframe(table, hide_index=True, column_config=dict(columns), key=key, on_select=choose,
                 height=min(HEAD + TALL_ROW * len(table), MOST_TABLE), row_height=TALL_ROW,
                 selection_mode="single-row")
    if table.empty:
        st.caption("No row holds that text.")


def _show_code(lines: Mapping[str, str]) -> None:
    framework = _choose("Code for", "framework", {name: name for name in FRAMEWORKS}, "NumPy",
                        "The same mathematics in each.")
    st.code(lines[framework], language="python", wrap_lines=True)


def show_initializers(settings: Settings) -> None:
    """All initializers to compare, and the one chosen with its formula, moments, source and code."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        text = _ask_search("search_initializers")
        role = _choose("Layer", "part", quantities.LAYERS, "hidden",
                       "Whose fans the variances are for. Depth, width and input are the sidebar's.")
    fan_in, fan_out = quantities.layer_shape(role, settings)
    table = pd.DataFrame({key: {
        "Name": entry.label, "Formula": plain_formula(entry.latex),
        "Variance": (promise := quantities.promise(key, settings, role)).variance,
        "Weights": list(quantities.distribution(key, settings, role)), "Made for": entry.made_for,
        "Std": promise.std, "Source": entry.source} for key, entry in INITIALIZERS.items()}).T
    _show_table(_searched(table, text), "initializers", "formula", {
        "Name": st.column_config.TextColumn(width=92, pinned=True),
        "Formula": st.column_config.TextColumn(width=140),
        "Variance": st.column_config.NumberColumn(
            format="%.3g", width=72, help=f"Of a weight of the layer {fan_in} → {fan_out}, gain included."),
        "Weights": st.column_config.BarChartColumn(
            width=64, y_min=0, help="Drawn and counted between −4 and 4 times 1/√fan_in; the outermost bars "
                                    "hold all that lies beyond."),
        "Made for": st.column_config.TextColumn(width=160),
        "Std": st.column_config.NumberColumn(format="%.3g", width=72, help="The variance's square root."),
        "Source": st.column_config.TextColumn()})
    with st.container(border=True):
        _show_initializer(settings)


def _ask_entry(label: str, key: str, table: Mapping[str, Any], default: str) -> str:
    return _choose(label, key, {name: entry.label for name, entry in table.items()}, default,
                   "Or click the row in the table. The address keeps it.")


def _show_initializer(settings: Settings) -> None:
    """The initializer chosen: formula and moments, and its code beside them."""
    key = _ask_entry("Initializer", "formula", INITIALIZERS, "he_normal")
    entry = INITIALIZERS[key]
    with st.grid(2, min_column_width=LEAST_COLUMN) as halves:
        with halves.cell():
            st.latex(entry.latex)
            st.markdown(f"{entry.sentence} Key: `{key}`.")
            st.markdown("  \n".join(
                f":small[{promise.fan_in} → {promise.fan_out}: variance {number(promise.variance)}, standard deviation "
                f"{number(promise.std)}" + (f", mean {number(promise.mean)}" if promise.mean else "") + "]"
                for promise in quantities.promises(key, settings)))
            values = quantities.parameters_in_words(entry.parameters, settings.initializer_params(key))
            if values:
                st.markdown(f":small[Now {values}; the sidebar sets it.]")
            st.caption(f"Made for {entry.made_for}. Source: {entry.source}.")
        with halves.cell():
            _show_code({framework: quantities.code(key, framework, settings) for framework in FRAMEWORKS})


def show_activations(settings: Settings) -> None:
    """All activations to compare, and the one chosen with its formula, curve, source and code."""
    text = _ask_search("search_activations")
    table = pd.DataFrame({key: {
        "Name": entry.label, "Formula": plain_formula(entry.latex),
        "φ′(0)": quantities.derivative_at_zero(key, settings),
        "Gain": quantities.variance_keeping_gain(key, settings),
        "Curve": list(quantities.activation_curve(key, settings)), "Source": entry.source}
        for key, entry in ACTIVATIONS.items()}).T
    _show_table(_searched(table, text), "activations", "function", {
        "Name": st.column_config.TextColumn(width=92, pinned=True),
        "Formula": st.column_config.TextColumn(width=176),
        "φ′(0)": st.column_config.NumberColumn(format="%.3g", width=64, help="Derivative at 0."),
        "Gain": st.column_config.NumberColumn(
            format="%.4g", width=64, help="1/√(E φ²) for a unit normal z: with it LeCun's weights keep a variance of "
                                          "1."),
        "Curve": st.column_config.LineChartColumn(width=72, help=CURVE),
        "Source": st.column_config.TextColumn()})
    with st.container(border=True):
        _show_activation(settings)


def _show_activation(settings: Settings) -> None:
    """The activation chosen: formula, curve and gains, and its code beside them."""
    key = _ask_entry("Activation function", "function", ACTIVATIONS, "tanh")
    entry = ACTIVATIONS[key]
    with st.grid(2, min_column_width=LEAST_COLUMN) as halves:
        with halves.cell():
            st.latex(entry.latex)
            st.metric("Derivative at 0", number(quantities.derivative_at_zero(key, settings)), chart_type="line",
                      chart_data=quantities.activation_curve(key, settings), help=CURVE)
            gain = number(quantities.variance_keeping_gain(key, settings), 3)
            st.markdown(f":small[Gain that keeps a variance of 1: **{gain}** = 1/√(E φ²) for a unit normal z. "
                        f"Key: `{key}`.]")
            point = recommended_point(key, settings.activation_params(key))
            if point.stable_edge:
                biases = f", biases of standard deviation {number(point.sigma_b, 4)}" if point.sigma_b else ""
                st.markdown(f":small[For the deepest networks: gain **{number(point.sigma_w, 4)}**{biases}, a stable "
                            "point on the edge of chaos, χ₁ = 1 and V′(q) ≤ 1.]")
            values = quantities.parameters_in_words(entry.parameters, settings.activation_params(key))
            if values:
                st.markdown(f":small[Now {values}; the sidebar sets it.]")
            st.caption(f"{entry.remark} Source: {entry.source}.".strip())
        with halves.cell():
            _show_code({framework: quantities.activation_code(key, framework, settings) for framework in FRAMEWORKS})
