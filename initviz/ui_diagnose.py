"""What the page Diagnose asks, and what it keeps for this session; nothing uploaded is kept beyond it."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable
from dataclasses import replace
from typing import Any

import streamlit as st

from initviz import export, ui
from initviz.initializers import INITIALIZERS
from initviz.inputs import INPUTS, Batch, batch_for
from initviz.network import Network, read_sizes
from initviz.repair import Start, start_of
from initviz.report import THRESHOLDS, Report, diagnose, mend_lines, table, to_html, to_json
from initviz.report.thresholds import Lines
from initviz.settings import Settings, check_diagnosis

FIRST_SIZES = "64-128-128-128-128-128-128-10"
FRAMEWORK_DEFAULTS = {"torch_linear": "PyTorch by default", "keras_dense": "Keras by default",
                      "flax_dense": "Flax by default"}
STARTS = (*FRAMEWORK_DEFAULTS, *(key for key in INITIALIZERS if key not in FRAMEWORK_DEFAULTS))
SOURCES = {"digits": INPUTS["digits"].label, "normal": INPUTS["normal"].label}
COLORS = {"grave": "red", "warning": "orange", "note": "gray"}
MOST_LETTERS = 400  # of a sentence that may name what somebody wrote
ROW, HEAD, MOST_TABLE = 35, 38, 430  # pixels


def plain(text: str) -> str:
    """A text as Markdown that shows it as it is, whatever a file's author wrote."""
    return re.sub(r"([\\`*_{}\[\]()#+\-.!~$:<>|&^=@/])", r"\\\1", " ".join(text.split()))


def complain(error: ValueError) -> None:
    """The one sentence that a bad input gets."""
    sentence = plain(str(error)[:MOST_LETTERS])
    st.error(f"{sentence[:1].upper()}{sentence[1:]}.", icon=":material/error:")


def kept(name: str, terms: Hashable, make: Callable[[], Any]) -> Any:
    """What ``make`` gives for these terms, kept in this session until the terms change."""
    held = st.session_state.get(name)
    if held is None or held[0] != terms:
        held = st.session_state[name] = (terms, make())
    return held[1]


def _say_start(key: str) -> str:
    return f"{INITIALIZERS[key].label} ({FRAMEWORK_DEFAULTS[key]})" if key in FRAMEWORK_DEFAULTS else (
        INITIALIZERS[key].label)


def ask(settings: Settings) -> tuple[Hashable, Start] | None:
    """The start that the controls describe, and the terms it stands for; None after saying what is wrong with them."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        text = st.text_input("Layer sizes", FIRST_SIZES, key="architecture", bind="query-params", width=290,
                             help="From the inputs to the outputs, such as 784-512-512-10.")
        key = st.selectbox("Start", STARTS, format_func=_say_start, key="start", bind="query-params", width=290,
                           help="What your framework does where nothing is said, or any initialiser of the table.")
        source = st.segmented_control("Data", list(SOURCES), default="digits", required=True, key="data",
                                      format_func=SOURCES.__getitem__, bind="query-params",
                                      help="What is sent through the network. Standard normals suit any sizes.")
    key, source = key if key in STARTS else STARTS[0], source if source in SOURCES else "digits"
    st.caption(f"From the sidebar: {settings.network(key).apply_activation()[0].label}, gain {settings.gain:g}, "
               f"{settings.batch} samples, seed {settings.seed}, biases {settings.bias:g} ± {settings.bias_std:g}. "
               "Its depth, width, input and list of initialisers are for the other pages.")
    try:
        sizes = read_sizes(text or "")
        check_diagnosis(sizes, settings.batch)
        network = replace(settings.network(key), sizes=sizes)
        terms = (network, source, settings.batch)
        batch = _batch(sizes, source, settings)
        return terms, start_of(network, batch, _say_start(key))
    except ValueError as error:
        complain(error)
        return None


def _batch(sizes: tuple[int, ...], source: str, settings: Settings) -> Batch:
    """The batch asked for; where the sizes do not fit it, a button offers those that do."""
    try:
        return replace(batch_for(sizes, source, settings.batch, seed=settings.seed), name=SOURCES[source])
    except ValueError:
        offer_sizes(sizes, INPUTS[source].features or sizes[0], INPUTS[source].classes)
        raise


def offer_sizes(sizes: tuple[int, ...], features: int, outputs: int) -> None:
    """A button that gives the network the inputs and outputs that the data needs."""
    fitting = "-".join(map(str, (features, *sizes[1:-1], outputs)))
    st.button(f"Use {fitting}", on_click=ui.set_state, args=({"architecture": fitting},), key="fit",
              type="primary", help="The same hidden layers, with the inputs and outputs of the data.")


def ask_lines() -> dict[str, float]:
    """The thresholds, each to be changed, with who draws it there."""
    with st.expander("Thresholds", icon=":material/tune:"):
        st.caption("Ratios between layers come first; what has no source is a convention. The help text of each names "
                   "its source.")
        with st.grid(min_column_width=230):
            for key, line in THRESHOLDS.items():
                st.number_input(line.label, float(line.allowed.low), float(line.allowed.high), line.default,
                                max(line.default / 10, 1e-4), format="%g", key=f"line_{key}", bind="query-params",
                                help=f"{line.help} Source: {line.source}.")
    return mend_lines({key: st.session_state.get(f"line_{key}") for key in THRESHOLDS})


def current_report(terms: Hashable, start: Start, lines: Lines) -> Report:
    """The report on a start, computed once for the same terms in a row."""
    report: Report = kept("diagnosis", (terms, tuple(lines.items())), lambda: diagnose(start, lines))
    return report


# ---------------------------------------------------------------------------------------------- what is shown

def show_findings(report: Report) -> None:
    """Every finding in its place."""
    if not report.findings:
        st.success("No rule finds anything wrong with this start on this data.", icon=":material/check_circle:")
    for finding in report.findings:
        st.markdown(f":{COLORS[finding.severity]}-badge[{finding.severity}] **{finding.title}**: {finding.words}"
                    f"  \n:small[:gray[Rule: {finding.rule}. Source: {finding.source}. Firmness: {finding.firm}.]]")


def show_layers(report: Report) -> None:
    """The table of layers, its shares as bars."""
    frame = table(report).set_index("Layer")
    numbers = report.layers
    bars = {"Signal": numbers["activation_rms"], "Gradient": numbers["delta_rms"]}
    hidden = max(report.run.network.depth - 1, 1)
    for title, values in bars.items():
        finite = values[:hidden].where(values[:hidden].map(lambda v: v < float("inf")))
        most = finite.max()
        frame[title] = (finite / most if most > 0 else finite * 0).reindex(numbers.index).to_numpy()
    frame["Different"] = (numbers["distinct_neurons"] / numbers["fan_out"]).to_numpy()
    shares = [title for title, name in (("Dead", "dead_share"), ("Saturated", "saturated_share")) if title in frame]
    for title in shares:
        frame[title] = numbers[f"{title.lower()}_share"].to_numpy()
    order = ["Shape", "Activations, rms", "Signal", "Deltas, rms", "Gradient", "Different neurons", "Different",
             *shares, "Weights, std", "Preactivations, std", "Weight gradients, rms"]
    helps = {"Signal": "Activations' root mean square ÷ the largest hidden layer's.",
             "Gradient": "Deltas' root mean square ÷ the largest hidden layer's.",
             "Different": "Different neurons ÷ all of the layer.",
             "Dead": "Neurons that are off for the whole batch.",
             "Saturated": "Activations beyond 97 % of the way to an end of their range."}
    st.dataframe(frame[order], width="stretch", height=min(HEAD + ROW * len(frame), MOST_TABLE), column_config={
        title: st.column_config.ProgressColumn(title, help=words, min_value=0.0, max_value=1.0, format="percent",
                                               width="small")
        for title, words in helps.items() if title in frame})


def show_code(network: Network, better: Network) -> None:
    """The start as source, as it is or as the table would have it."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        which = st.segmented_control("Start of the code", ["Recommended", "As chosen"], default="Recommended",
                                     required=True, key="code_start", bind="query-params",
                                     help="The table's start for this activation, or the one chosen above.")
        framework = st.segmented_control("Code for", export.FRAMEWORKS, default="PyTorch", required=True,
                                         key="code_for", bind="query-params", help="A complete script that runs.")
    framework = framework if framework in export.FRAMEWORKS else "PyTorch"
    st.code(export.code(network if which == "As chosen" else better, framework), language="python")


def show_downloads(report: Report) -> None:
    """The report and the repaired weights as files."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        ui.download("Report (HTML)", "diagnosis.html", lambda: to_html(report), "text/html", key="report_html",
                    help="One file with its charts inside; opens without a server and without a network.")
        ui.download("Report (JSON)", "diagnosis.json", lambda: to_json(report), "application/json", key="report_json",
                    help="Findings, layers, remedies and thresholds.")
        for remedy, _ in report.remedies:
            if remedy.key != "standardised":
                ui.download(f"{remedy.label} (.npz)", f"{remedy.key}.npz",
                            lambda start=remedy.start: export.state_dict(start.weights, start.biases),
                            "application/octet-stream", key=f"weights_{remedy.key}",
                            help="These parameters under the names and shapes of the PyTorch code's network: "
                                 "layers.0.weight (out, in), layers.0.bias and so on.")
