"""What the page Diagnose shows of a report."""

from __future__ import annotations

import functools
import time
import weakref
from dataclasses import replace
from pathlib import PurePath

import pandas as pd
import streamlit as st

from initviz import app
from initviz.app.capacity import CAPACITY, computed, held_in_session, wait_for
from initviz.app.diagnose.request import DiagnoseRequest
from initviz.app.pictures import table_height
from initviz.core.cost import MOST_BYTES
from initviz.core.frameworks import FRAMEWORKS
from initviz.core.network import Network
from initviz.core.wording import counted, listed
from initviz.diagnosis.exports import to_html, to_json
from initviz.diagnosis.findings import Finding
from initviz.diagnosis.initialization import Initialization
from initviz.diagnosis.presentation import COLUMNS, say_trial, shares_of_largest, table, trial_table
from initviz.diagnosis.report import Report, diagnose
from initviz.diagnosis.thresholds import THRESHOLDS, Thresholds, clamp_thresholds
from initviz.diagnosis.trial import (
    MOST_OPERATIONS,
    STEPS,
    Evidence,
    Trial,
    report_bytes,
    trial_bytes,
    trial_operations,
    with_evidence,
)
from initviz.diagnosis.uploaded_weights import write
from initviz.files import source_code
from initviz.files.weights import WRITTEN

LOUDER = 1.1  # times the first loss: a remedy's that is worth a word
POLL_SECONDS = 0.25  # between two looks at a training
SOON = 2.0  # seconds: a report that is drawn may then give way to others' work; it is made again in seconds
ANSWER_ICONS = {"no": ":material/check_circle:", "yes": ":material/report:", "partly": ":material/hourglass_top:",
                "neither": ":material/help:"}
COLORS = {"error": "red", "warning": "orange", "note": "gray"}


def ask_thresholds() -> dict[str, float]:
    """The thresholds, each to be changed, with who draws it there."""
    with st.expander("Thresholds", icon=":material/tune:"):
        st.caption("Ratios between layers come first; what has no source is a convention. The help text of each names "
                   "its source.")
        with st.grid(min_column_width=230):
            for key, line in THRESHOLDS.items():
                st.number_input(line.label, float(line.interval.low), float(line.interval.high), line.default,
                                max(line.default / 10, 1e-4), format="%g", key=f"line_{key}", bind="query-params",
                                help=f"{line.help} Source: {line.source}.")
    return clamp_thresholds({key: st.session_state.get(f"line_{key}") for key in THRESHOLDS})


def current_report(chosen: DiagnoseRequest, thresholds: Thresholds) -> Report:
    """The report on an initialization, computed once for the same terms in a row, while the server has room for it."""
    holding, terms = held_in_session("diagnosis", SOON), (chosen.terms, tuple(thresholds.items()))
    if holding.value is None or holding.value[0] != terms:
        CAPACITY.give_back(holding)
        wait_for(holding, chosen.nbytes)
        with CAPACITY.using(holding):
            initialization = chosen.make()
            holding.value = terms, computed("Examining this network and its remedies",
                                            lambda: diagnose(initialization, thresholds))
        CAPACITY.take(holding, report_bytes(holding.value[1]))
    report: Report = holding.value[1]
    return report


def tried(report: Report) -> Evidence | None:
    """The answer to the page's question by a short training, with progress and a stop; None where it costs too much."""
    cost, memory = trial_operations(report), report_bytes(report) + trial_bytes(report)
    if cost > MOST_OPERATIONS or memory > MOST_BYTES:
        st.caption(f"No training is tried: it would take about {cost / 1e9:,.0f} billion operations and "
                   f"{memory / 1e6:,.0f} MB, where this app allows {MOST_OPERATIONS / 1e9:,.0f} and "
                   f"{MOST_BYTES / 1e6:,.0f}.")
        return None
    diagnosis, holding = held_in_session("diagnosis"), held_in_session("trial")
    terms = diagnosis.value and diagnosis.value[0]
    if holding.value is None or holding.value[0] != terms:
        CAPACITY.give_back(holding)
        holding.value = terms, Trial(report)
    trial: Trial = holding.value[1]
    if not trial.finished:
        wait_for(holding, trial_bytes(report), needed=diagnosis)
    with CAPACITY.using(diagnosis), CAPACITY.using(holding):
        _watch_trial(trial)
        if trial.finished:
            CAPACITY.take(holding, 0)
    evidence = Evidence.of(trial)
    show_answer(evidence, _say_training(trial))
    return evidence


def _say_training(trial: Trial) -> str:
    """What was trained, and how much of it."""
    share = "" if trial.progress >= 1 else (
        f" Stopped at {trial.progress:.0%}: the answer is of what was trained until then.")
    count = len(trial.labels) - 1
    remedies = f" and with {counted(count, 'remedy', 'remedies')}" if count else ""
    return (f"Trained for {STEPS} steps as it is{remedies}, each by gradient descent and by Adam, at two rates."
            f"{share}")


def _watch_trial(trial: Trial) -> None:
    """Run a trial to its end under a progress bar with a stop, which both go when nothing is left to be stopped."""
    place = st.empty()
    if not trial.finished:
        with place.container(horizontal=True, vertical_alignment="center"):
            words = f"Training it as it is and with {len(trial.labels) - 1} remedies"
            bar = st.progress(trial.progress, words, width=420)
            st.button("Stop", icon=":material/stop:", on_click=trial.stop, key="stop_trial",
                      help="Answer from what has been trained so far.")
            while not trial.finished:
                trial.advance(until=time.monotonic() + POLL_SECONDS)
                bar.progress(trial.progress, words)
    place.empty()


def show_answer(evidence: Evidence, training: str) -> None:
    """Yes or no, and the losses that say so, in words how they came about."""
    show = st.success if evidence.answer.key == "no" else st.warning
    show(evidence.answer.text, icon=ANSWER_ICONS[evidence.answer.key])
    st.caption(training)
    with st.expander("The losses", icon=":material/table:"):
        st.table(trial_table(evidence).set_index("Initialization"))
        st.caption(say_trial())


# ---------------------------------------------------------------------------------------------- what is shown

def show_findings(report: Report) -> None:
    """Every finding in a line, and their rules behind a click; the trial's answer stands above."""
    findings = [finding for finding in report.findings if finding.key != "trial"]
    if not findings:
        st.success("No rule finds anything wrong with this initialization on this data.",
                   icon=":material/check_circle:")
        return
    calmed = len(findings) < len(report.findings)
    st.markdown(f"**{replace(report, findings=tuple(findings)).summary}** " + (
        "It learns all the same, so that none of them needs mending here; a deeper network or another rate may feel "
        "them." if calmed else report.verdict.words))
    for finding in findings:
        st.markdown(f":{COLORS[finding.severity]}-badge[{finding.severity}] **{finding.title}**: {finding.text}"
                    f"{_say_remedies(report, finding)}")
    with st.expander("Rules and sources", icon=":material/rule:"):
        st.table(pd.DataFrame([{"Finding": finding.title, "Rule": finding.rule, "Source": finding.source,
                                "Firmness": finding.firmness} for finding in findings]).set_index("Finding"))


def _say_remedies(report: Report, finding: Finding) -> str:
    """Which remedies remove a finding, by the report of each."""
    labels = report.fixed_by(finding) if finding.severity != "note" else []
    return f" Fixed by {listed(labels)}." if labels else ""


def show_remedies(report: Report) -> None:
    """What each remedy is, which were tried and fix nothing, and why a first loss is higher."""
    offered = [remedy for remedy, _ in report.offered]
    lines = [f":small[**{remedy.label}**: {remedy.why}]" for remedy in offered]
    not_offered = [remedy.label for remedy, _ in report.remedies if remedy not in offered]
    if not_offered:
        lines.append(f":small[Tried, and no remedy here: {listed(not_offered)}.]")
    if any(after.run.loss > LOUDER * report.run.loss for _, after in report.offered):
        lines.append(":small[A higher first loss comes from wider outputs, which gradient descent unlearns in a few "
                     "steps; an output layer drawn ten times smaller begins near the loss of outputs of 0.]")
    st.markdown("  \n".join(lines))


def show_layers(report: Report) -> None:
    """The table of layers, its shares as bars."""
    frame = table(report).set_index("Layer")
    for title, lengths in shares_of_largest(report).items():
        frame[title] = [100 * length for length in lengths]
    shares = [title for title in ("Dead", "Saturated") if title in frame]
    for title in shares:
        frame[title] = 100 * report.layers[f"{title.lower()}_share"].to_numpy()
    titles = COLUMNS | {"signal": "Signal", "gradient": "Gradient"}
    order = [titles[name] for name in (
        "array", "shape", "activation_rms", "signal", "delta_rms", "gradient", "distinct_neurons", "dead_share",
        "saturated_share", "weight_std", "preactivation_std", "weight_gradient_rms") if titles[name] in frame]
    helps = {"Signal": "Activations' root mean square beside the largest hidden layer's.",
             "Gradient": "Deltas' root mean square beside the largest hidden layer's.",
             "Dead": "Neurons that are off for the whole batch.",
             "Saturated": "Activations beyond 97 % of the way to an end of their range."}
    st.dataframe(frame[order], placeholder="", width="stretch", height=table_height(len(frame)),
                 column_config={title: st.column_config.ProgressColumn(
                     title, help=words, min_value=0, max_value=100, format="%.1f %%", width="small")
                     for title, words in helps.items() if title in frame})


def show_code(initialization: Initialization, better: Network) -> None:
    """The initialization as source code: as chosen, or as recommended, as for uploaded weights."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        app.expect_choice("code_of", "Code of", ["Recommended", "As chosen"])
        which = st.segmented_control("Initialization of the code",
                                     ["Recommended", "As chosen"][:2 if initialization.drawn else 1],
                                     default="Recommended", required=True, key="code_of", bind="query-params",
                                     help="The table's initialization for this activation, or the one chosen above.")
        app.expect_choice("code_for", "Code for", FRAMEWORKS, "PyTorch")
        framework = st.segmented_control("Code for", FRAMEWORKS, default="PyTorch", required=True,
                                         key="code_for", bind="query-params", help="A complete script that runs.")
    framework = framework if framework in FRAMEWORKS else "PyTorch"
    chosen = initialization.network if which == "As chosen" and initialization.drawn else better
    st.code(source_code.code(chosen, framework), language="python", wrap_lines=True)


def show_downloads(report: Report, evidence: Evidence | None, chosen: DiagnoseRequest, thresholds: Thresholds) -> None:
    """The report and the repaired weights as files, the weights in the form in which they came.

    A button lives as long as its session, and the report only while there is room for it: then it is made again.
    """
    uploaded, report_reference = chosen.uploaded, weakref.ref(report)
    form = WRITTEN[PurePath(uploaded.name).suffix.lower()] if uploaded else ".npz"

    def again() -> Report:
        return report_reference() or diagnose(chosen.make(), thresholds)

    def judged() -> Report:
        return with_evidence(again(), evidence.answer) if evidence else again()

    def repaired(key: str) -> bytes:
        return write(next(remedy.initialization for remedy, _ in again().remedies if remedy.key == key), uploaded)

    with st.container(horizontal=True, vertical_alignment="bottom"):
        app.download("Report (HTML)", "diagnosis.html", lambda: to_html(judged(), evidence), "text/html",
                     key="report_html",
                     help="One file with its charts inside; opens without a server and without a network.")
        app.download("Report (JSON)", "diagnosis.json", lambda: to_json(judged(), evidence), "application/json",
                     key="report_json", help="Findings, the trial, layers, remedies and thresholds.")
        for remedy, _ in report.remedies:
            if remedy.key != "standardized":
                app.download(f"{remedy.label} ({form})", f"{remedy.key}{form}", functools.partial(repaired, remedy.key),
                            "application/octet-stream", key=f"weights_{remedy.key}",
                            help="These parameters in the names, layout and number format of your file."
                                 if uploaded else
                                 "These parameters under the names and shapes of the PyTorch code's network: "
                                 "layers.0.weight (out, in), layers.0.bias and so on.")
