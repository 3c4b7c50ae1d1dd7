"""The page Diagnose for networks of blocks: the same questions, and the report on stream, branches and skips."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from initviz import app
from initviz.app.blocks import LEAST_DEPTH
from initviz.app.capacity import room_for
from initviz.app.claims import explorer_address
from initviz.app.diagnose.panels import COLORS
from initviz.app.diagnose.request import (
    Data,
    ask_beside,
    ask_drawn,
    ask_table,
    drawn_data,
    fits,
    fitted,
    initializer_label,
)
from initviz.app.outside_text import complain, plain
from initviz.app.settings import BORDERS, CONTROLS, DEFAULTS, Settings, in_use
from initviz.app.uploads import once_a_session
from initviz.charts import depth
from initviz.charts.picture import SavedPicture
from initviz.core.activations import ACTIVATIONS
from initviz.core.architecture import KINDS, Architecture
from initviz.core.batches import INPUTS
from initviz.core.cost import block_bytes, check_block_simulation
from initviz.core.frameworks import FRAMEWORKS
from initviz.core.network import read_sizes
from initviz.core.simulation import simulate_blocks
from initviz.core.wording import counted
from initviz.diagnosis.block_report import (
    BlockReport,
    alternatives,
    beside_theory,
    blocks_table,
    diagnose_blocks,
    to_json,
)
from initviz.diagnosis.thresholds import Thresholds
from initviz.diagnosis.verdict import Verdict, judge
from initviz.files.block_code import block_code

MOST_OTHERS = 12  # branch scales and schemes that may be tried beside


@dataclass(frozen=True, eq=False)
class BlockRequest:
    """The network that the controls describe, the data and where they come from, the settings, and the key of the
    initialization.
    """

    network: Architecture
    data: Data
    source: str
    settings: Settings
    key: str


def described(settings: Settings, key: str, sizes: tuple[int, ...]) -> Architecture:
    """The network of blocks of these layer sizes; ValueError where they do not describe one."""
    inside = set(sizes[1:-1])
    if len(sizes) <= LEAST_DEPTH or len(inside) > 1:
        raise ValueError("layer sizes must be inputs, one width for the first layer and for each block, and outputs, "
                         f"such as 64-128-128-10 for one block, got {'-'.join(map(str, sizes))}")
    of_size = replace(settings, depth=len(sizes) - 1, width=sizes[1])
    return replace(of_size.architecture(key), inputs=sizes[0], outputs=sizes[-1])


def ask() -> BlockRequest | None:
    """The request that the controls describe; None after one sentence on what is wrong with it or missing."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        text, key = ask_drawn()
        app.control("normalization", width=170)
        if app.current_settings().kind != "normalized":
            app.control("branch_scale", width=170)
        source, settings = ask_beside(key, drawn=True)
    try:
        sizes = read_sizes(text)
        network = described(settings, key, sizes)
        data = ask_table(settings, sizes[-1]) if source == "csv" else drawn_data(source, settings, sizes)
        if data is None:
            return None
        if source == "csv":
            sizes = fitted(sizes, data.batch)
            network = replace(network, inputs=sizes[0], outputs=sizes[-1])
        if not fits(sizes, data.batch, None):
            return None
        check_block_simulation(network, settings.batch, networks=MOST_OTHERS)
        return BlockRequest(network, data, source, settings, key)
    except ValueError as error:
        complain(error)
        return None


def show(chosen: BlockRequest, thresholds: Thresholds, answer: DeltaGenerator) -> None:
    """The whole report, its verdict at the place for the ``answer``."""
    network, batch = chosen.network, chosen.data.batch

    def make() -> tuple[BlockReport, Mapping[str, Verdict]]:
        with room_for(block_bytes(network, len(batch.x))):
            return diagnose_blocks(network, batch, thresholds), {
                label: judge(simulate_blocks(other, batch, counted=()), thresholds)
                for label, other in alternatives(network).items()}

    terms = network, chosen.data.terms, len(batch.x), tuple(thresholds.items())
    report, tried = once_a_session("block diagnosis", terms, make)
    with answer:
        _show_answer(chosen, report)
    _show_findings(chosen, report)
    _show_blocks(chosen, report)
    _show_others(report, tried)
    _show_code(report)
    _say_links(chosen)


def _in_a_line(chosen: BlockRequest, report: BlockReport) -> str:
    """What is examined."""
    network, batch = report.network, chosen.data.batch
    return " · ".join((
        "-".join(map(str, network.sizes)), KINDS[network.kind].label, ACTIVATIONS[network.activation].label,
        initializer_label(chosen.key), f"{batch.name}, {counted(len(batch.x), 'sample')}"))


def _show_answer(chosen: BlockRequest, report: BlockReport) -> None:
    """What is examined, and its verdict."""
    verdict = report.verdict
    st.caption(plain(_in_a_line(chosen, report)))
    gravest = verdict.findings[0].severity if verdict.findings else None
    show = {"error": st.error, "warning": st.warning}.get(gravest or "", st.success)
    show(verdict.words, icon=verdict.icon)


def _show_findings(chosen: BlockRequest, report: BlockReport) -> None:
    st.subheader("What is found", anchor=False)
    if chosen.settings.unfit_scheme:
        st.caption(chosen.settings.unfit_scheme)
    if not report.verdict.findings:
        st.success("No rule finds anything wrong with this initialization on this data.",
                   icon=":material/check_circle:")
    for finding in report.verdict.findings:
        st.markdown(f":{COLORS[finding.severity]}-badge[{finding.severity}] **{finding.title}**: {finding.text}  \n"
                    f":small[:gray[Rule: {finding.rule}. Source: {finding.source}. Firmness: {finding.firmness}.]]")


def _show_blocks(chosen: BlockRequest, report: BlockReport) -> None:
    network = report.network
    st.subheader("Block by block", anchor=False)
    saved = []
    for place, (way, what, picture, quantity) in zip(st.columns(2), (
            ("Forward →", "Root mean square of " + ("the stream" if KINDS[network.kind].skips else "activations"),
             depth.forward_picture(), "activation"),
            ("← Backward", "Root mean square of the gradients", depth.backward_picture(), "delta")), strict=True):
        data = depth.data([report.run], [report.prediction], quantity, "rms")
        saved.append(SavedPicture(picture, data, f"{way} {what}, log axis", "root mean square"))
        with place:
            st.markdown(f"**{way}** {what} (log axis)")
            app.show(picture, data, key=f"blocks_{quantity}")
    st.caption(f"Solid: measured. Dashed: theory. Theory: {beside_theory(report.run, report.prediction)}.")
    app.offer_pictures(_in_a_line(chosen, report), saved)
    if KINDS[network.kind].skips:
        st.dataframe(blocks_table(report.run), hide_index=True, width="stretch")
        app.more("Root mean squares over batch and neurons, the branch after its scale. The cosine is that of skip and "
                 "branch as vectors over the whole batch: near 0 their mean squares add up. It is not defined where "
                 "one of them is 0.")


def _show_others(report: BlockReport, tried: Mapping[str, Verdict]) -> None:
    st.subheader("Before and after, on the same data", anchor=False)
    judged = {"As it is": report.verdict, "LSUV": report.after_lsuv, **tried}
    st.dataframe(pd.DataFrame([{"Initialization": label, "Verdict": verdict.word, **dict(verdict.numbers)}
                               for label, verdict in judged.items()]), hide_index=True, width="stretch")
    app.small_print(
        "LSUV: orthonormal weights, each layer rescaled to unit variance on this batch (Mishkin and Matas 2016). The "
        "others change the scale of the branches, or what a paper changes, and leave the rest; "
        f"[Formulas]({explorer_address('formulas', {'joined': report.network.kind})}) has the source of each.")


def _show_code(report: BlockReport) -> None:
    st.subheader("The code", anchor=False)
    app.expect_choice("block_framework", "Code", list(FRAMEWORKS))
    framework = st.segmented_control("Code", list(FRAMEWORKS), default=next(iter(FRAMEWORKS)), required=True,
                                     key="block_framework", bind="query-params",
                                     help="This initialization, ready to run.")
    st.code(block_code(report.network, framework or next(iter(FRAMEWORKS))), language="python", height=320,
            wrap_lines=True)
    app.download("Report (JSON)", "diagnosis.json", lambda: to_json(report), "application/json", key="report_json",
                 help="Verdict, findings, every block, theory, and the verdict after LSUV.")


def _say_links(chosen: BlockRequest) -> None:
    """Where this very network is drawn, trained and counted; nothing where those pages have no such sizes or data."""
    settings, network = chosen.settings, chosen.network
    if chosen.source not in INPUTS:
        return
    settings_there = replace(settings, input=chosen.source, depth=network.blocks + BORDERS, width=network.width,
                    init=(chosen.key,))
    if settings_there.architecture(chosen.key) != network:
        return
    controls = {key: getattr(settings_there, key) for key in CONTROLS if in_use(key, "training", settings_there)
                and getattr(settings_there, key) != DEFAULTS[key]}
    with st.container(horizontal=True):
        for label, page, help in (("Draw it on Signal", "signal", "Distributions of every stage, and a slider."),
                                  ("Train it", "training", "Beside other initializers, on the same data."),
                                  ("Count its copies", "symmetry", "In the stream and inside the branches.")):
            st.link_button(label, explorer_address(page, controls), icon=":material/open_in_new:", key=f"to_{page}",
                           help=f"{help} Opens exactly this network.")
