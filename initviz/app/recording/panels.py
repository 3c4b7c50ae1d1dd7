"""What the page Recording shows of a report."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from initviz import app
from initviz.app.copy_button import copy_button
from initviz.app.outside_text import plain
from initviz.app.pictures import table_height
from initviz.app.recording.request import RecordingRequest
from initviz.charts.picture import SavedPicture
from initviz.core.citations import linked
from initviz.diagnosis.recording import Comparison, RecordingReport
from initviz.diagnosis.recording.comparison import comparison_table, comparison_to_json
from initviz.diagnosis.recording.recorded import RecordedFinding
from initviz.diagnosis.recording.report import facts, table, to_json, weights_table
from initviz.diagnosis.recording.views import (
    VIEWS,
    Compared,
    attention_picture,
    branch_of,
    gradient_of,
    positions_of,
    signal_of,
    units_picture,
)

RECORDER, FLAX = (Path(__file__).parents[2] / f"record/{name}.py" for name in ("pytorch", "flax"))
USE = '''from recorder import record  # or, where initviz is installed: from initviz.record.pytorch import record

record(model, inputs, targets, loss_function, "start.json.gz")
# or any step: record(model, run, "start.json.gz"), where run() does the forward pass and returns the loss
# steps=2 tells gradients that come later from those that never do; rate=optimizer adds update ÷ weight'''
COLORS = {"error": "red", "warning": "orange", "note": "gray"}


def show_recorder() -> None:
    """The one file that records a model, to copy or to download, and the line that uses it."""
    text = RECORDER.read_text("utf-8")
    copy_button("Copy the recorder", text, f"Copied, {len(text.splitlines()):,} lines: save them as recorder.py.",
                key="copy_recorder")
    with st.popover("How to record", icon=":material/code:", key="recorder"):
        st.markdown("One file that needs PyTorch alone. It leaves parameters, buffers, gradients, random states and "
                    "hooks as they were, and writes statistics of outputs, gradients and parameters: no sample, no "
                    "text, no target, no weight.")
        st.code(USE, language=None, wrap_lines=True)  # the colors of code have too little contrast in a popover
        app.download("The recorder (recorder.py)", "recorder.py", lambda: text, "text/x-python",
                     key="recorder_file", help="Put it beside your script.")
        app.download("The recorder for Flax (flax_recorder.py)", "flax_recorder.py", lambda: FLAX.read_text("utf-8"),
                     "text/x-python", key="flax_file", help="For models of Linen modules: record(loss, params, path), "
                     "where loss(params) calls the model. Skips are not seen.")


def show_answer(chosen: RecordingRequest) -> None:
    """The verdict, what would mend it, and the first loss, before anything else."""
    for report, name in ((chosen.report, chosen.name), (chosen.other, chosen.other_name)):
        if report is None:
            continue
        named_facts = facts(report)
        show = {"error": st.error, "warning": st.warning}.get(report.severity or "", st.success)
        remedy = f"  \n**To fix it:** {plain(report.remedy)}" if report.remedy else ""
        show(f"**{plain(name)}.** {plain(report.verdict)}{remedy}", icon=report.kind.icon)
        st.caption(" · ".join(f"{fact}: {plain(named_facts[fact])}" for fact in (
            "Model", "Parameters", "Outputs", "Mode", "Optimizer", "Output sizes", "Loss")))


def show_findings(report: RecordingReport, name: str) -> None:
    """Every finding: where, what, and what would fix it."""
    st.markdown(f"**{plain(name)}.** {report.summary}")
    for finding in report.findings:
        st.markdown(_words(finding))
    if report.findings:
        with st.expander("Rules and sources", icon=":material/rule:", key=f"rules_{name}"):
            st.table([{"Finding": plain(finding.title), "Rule": plain(finding.rule), "Source": linked(finding.source),
                       "Firmness": finding.firmness} for finding in report.findings], hide_index=True)


def _words(finding: RecordedFinding) -> str:
    remedy = f"  \n**To fix it:** {plain(finding.remedy)}" if finding.remedy else ""
    return (f":{COLORS[finding.severity]}-badge[{finding.severity}] **{plain(finding.title)}**: {plain(finding.text)}"
            f"{remedy}")


def show_pictures(chosen: RecordingRequest) -> None:
    """Signal and gradient, branches and attention, in the order of execution."""
    labels = (plain_label(chosen.name), plain_label(chosen.other_name))
    view = Compared.of(chosen.report, chosen.view, chosen.other, labels)
    drawn = [
        ("Forward →", "Root mean square of the outputs (log axis)", "root mean square", view.picture(
            "Scale of the outputs, module by module, log axis", signal_of)),
        ("← Backward", "Root mean square of the gradient by the outputs (log axis)", "root mean square", view.picture(
            "Scale of the gradient by the outputs, module by module, log axis", gradient_of)),
        ("Branch ÷ skip", "at each addition (log axis)", "branch ÷ skip", Compared.of(
            chosen.report, "all", chosen.other, labels).picture(
            "Branch over skip at each addition, log axis", branch_of, guides=[(1.0, "as large as the skip")])),
        ("Attention:", "entropy, and how alike tokens are", "entropy ÷ ln n, cosine", attention_picture(chosen.report)),
        ("Units", "that are 0 for every sample, and copies", "share of units",
         units_picture(chosen.report, view.positions))]
    shown = [(title, words, SavedPicture(*picture, f"{title} {words}", y_title))
             for title, words, y_title, picture in drawn if picture is not None]
    places = [column for _ in range(0, len(shown), 2) for column in st.columns(2)]
    for place, (title, words, saved) in zip(places, shown, strict=False):
        with place:
            st.markdown(f"**{title}** {words}")
            app.show(saved.picture, saved.data)
    st.caption(_say_pictures(chosen))
    names = [chosen.name, *([chosen.other_name] if chosen.other else [])]
    app.offer_pictures(f"{' beside '.join(names)} · {VIEWS[chosen.view].lower()}", [saved for *_, saved in shown])


def plain_label(name: str) -> str:
    """A name beside a line."""
    return name if len(name) <= 24 else f"{name[:21]}..."


def _say_pictures(chosen: RecordingRequest) -> str:
    skips = sum(row.skip is not None for row in chosen.report.recording.rows)
    parts = ["Modules stand in the order in which they ran; a point names its module, its kind and its number."]
    if chosen.view == "depth":
        parts.append("Along the depth stand embeddings, activations, and sums of a skip and its branch; what is inside "
                     "a branch is left out, as its scale is set by a normalization before it or is small by design.")
    elif chosen.view != "all":
        parts.append("A container has the numbers of the last output inside it.")
    if chosen.report.trunk.only_normalized & set(chosen.report.trunk.levels):
        parts.append("Here only normalizations read the stream: they divide by its size, and the gradient with it, so "
                     "the stream may grow, and of the gradient its product with the signal is compared.")
    if skips:
        parts.append("A branch far below its skip changes little; one far above drowns what came before.")
    if units_picture(chosen.report, positions_of(chosen.report.trunk, chosen.view)) is not None:
        parts.append("Units that are 0 for every sample get no gradient from it; copies get the same one.")
    return " ".join(parts)


def show_comparison(chosen: RecordingRequest) -> None:
    """What two recordings share and where they differ."""
    if chosen.other is None:
        return
    compared = Comparison(chosen.report, chosen.other)
    st.subheader("Beside each other", anchor=False)
    st.markdown(f"First: **{plain(chosen.name)}**. Second: **{plain(chosen.other_name)}**. {plain(compared.summary)}")
    frame = comparison_table(compared)
    if len(frame):
        st.dataframe(frame, hide_index=True, placeholder="", width="stretch", height=table_height(len(frame)))
    if compared.width_ratio != 1:
        st.caption("A power of width of 0 keeps its size at every width. A rate transfers where the change by a step "
                   "does so (Yang et al. 2022, the coordinate check); two recorded steps measure it.")
    app.download("The comparison (JSON)", "comparison.json", lambda: comparison_to_json(compared), "application/json",
                 key="comparison_json", help="Both reports, and every output that both recordings hold.")


def show_tables(chosen: RecordingRequest) -> None:
    """Every output of the view, and the laws that the weights follow."""
    report = chosen.report
    indices = tuple(position.row for position in positions_of(report.trunk, chosen.view))
    outputs, weights = st.tabs(["Outputs", "Weights"], key="recorded_tables")
    with outputs:
        frame = table(report, indices)
        st.dataframe(frame, hide_index=True, placeholder="", width="stretch", height=table_height(len(frame)))
    with weights:
        frame = weights_table(report)
        st.dataframe(frame, hide_index=True, placeholder="", width="stretch", height=table_height(len(frame)))
        st.caption("The laws are named from the recorded moments, extremes and hashes; the weights are not in the "
                   "file. Update ÷ weight: of the optimizer's first step at its rate, all else as PyTorch has it.")
    app.download("The report (JSON)", "recording_report.json", lambda: to_json(report), "application/json",
                 key="recording_json", help="Findings, the model's depth, and the laws of its weights.")
