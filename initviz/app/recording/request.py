"""What the page Recording asks: a recording, an example or an uploaded one, and one to compare it with."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import streamlit as st

from initviz import app
from initviz.app.uploads import ask_file, once_a_session
from initviz.core.wording import cut
from initviz.diagnosis.recording import RecordingReport, examine
from initviz.diagnosis.recording.views import VIEWS
from initviz.files.recording import MOST_BYTES, read_recording

FOLDER = Path(__file__).parents[2] / "data/recordings"
EXAMPLES: Mapping[str, str] = MappingProxyType({
    "mlp": "ReLU network, default", "mlp_he": "ReLU network, He normal", "resnet": "ResNet-18", "gpt": "GPT, 12 blocks",
    "gpt_wide": "GPT, 4 times as wide", "policy": "Actor-critic", "lora": "LoRA adapters"})
FIRST = "mlp"
NOTHING = "none"
COMPARISONS: Mapping[str, str] = MappingProxyType({NOTHING: "Nothing", **EXAMPLES})


@dataclass(frozen=True, eq=False)
class RecordingRequest:
    """A report and its name; where one is to be compared with it, that one's too."""

    report: RecordingReport
    name: str
    other: RecordingReport | None
    other_name: str
    view: str


Named = tuple[RecordingReport, str]


@dataclass(frozen=True, eq=False)
class UploadedRecordings:
    """The reports on uploaded files, with their names, and why others were refused."""

    first: Named | None
    second: Named | None
    refused: tuple[ValueError, ...]


@functools.cache
def example_report(key: str) -> RecordingReport:
    """The report on a shipped example, made once for all sessions."""
    return examine(read_recording((FOLDER / f"{key}.json.gz").read_bytes()))


def ask_files() -> UploadedRecordings:
    """The recordings that are uploaded."""
    refused: list[ValueError] = []
    with st.popover("Open your own recording", icon=":material/upload_file:", key="uploads"):
        first = _uploaded("A recording", "recording_file", refused)
        second = _uploaded("One to compare it with", "recording_beside", refused)
    return UploadedRecordings(first, second, tuple(refused))


def ask_example() -> str:
    """The example that is chosen."""
    app.expect_choice("example", "Example", EXAMPLES, FIRST)
    _forget_unknown("example", EXAMPLES)
    key = st.segmented_control("Example", list(EXAMPLES), default=FIRST, required=True, wrap=True, key="example",
                               format_func=EXAMPLES.__getitem__, bind="query-params",
                               help="A recorded model of each kind. A recording of your own takes its place.")
    return key if key in EXAMPLES else FIRST


def ask_view(uploaded: UploadedRecordings, example: str) -> RecordingRequest:
    """Ask which outputs are shown, and beside which other recording."""
    first, second = uploaded.first, uploaded.second
    with st.container(horizontal=True, vertical_alignment="bottom"):
        compared_with = _choice("beside", "Compare with", COMPARISONS, NOTHING,
                         "Before and after a change, or one model at two widths.")
        view = _choice("shown", "Shown", VIEWS, "depth",
                       "The model's depth: outputs outside of branches, whose scale can be compared. Modules: "
                       "closed containers, each with its last output.")
    report, name = (example_report(example), EXAMPLES[example]) if first is None else first
    if second is not None:
        return RecordingRequest(report, name, *second, view)
    other = example_report(compared_with) if compared_with != NOTHING else None
    return RecordingRequest(report, name, other, COMPARISONS[compared_with], view)


def _choice(key: str, label: str, labels: Mapping[str, str], default: str, words: str) -> str:
    """One of several, in the address by its label or its key."""
    app.expect_choice(key, label, labels, default)
    _forget_unknown(key, labels)
    chosen = st.selectbox(label, list(labels), list(labels).index(default), format_func=labels.__getitem__, key=key,
                          bind="query-params", width=290, help=words)
    return chosen if chosen in labels else default


def _forget_unknown(key: str, labels: Mapping[str, str]) -> None:
    """Drop a value that another page's widget of this name has left."""
    if key in st.session_state and st.session_state[key] not in labels:
        del st.session_state[key]


def _uploaded(label: str, key: str, refused: list[ValueError]) -> Named | None:
    """The report on the uploaded file, if any; what is no recording is added to ``refused``."""
    file = ask_file(label, ["gz", "json"], key, "What record() wrote: statistics in JSON, compressed. It is read in "
                    "memory, and forgotten with this session.", max(MOST_BYTES // 1_000_000, 1))
    if file is None:
        return None
    try:
        report: RecordingReport = once_a_session(f"{key} read", file.file_id,
                                       lambda: examine(read_recording(file.getvalue(), file.name)))
    except ValueError as error:
        refused.append(error)
        return None
    return report, cut(file.name)
