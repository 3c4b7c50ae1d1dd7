"""What the page Diagnose asks, and what it keeps for this session; nothing uploaded is kept beyond it."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import pandas as pd
import streamlit as st

from initviz import app
from initviz.app.outside_text import complain, plain
from initviz.app.pictures import table_height
from initviz.app.settings import CONTROLS, Settings
from initviz.app.single_layers import ask_single_layers
from initviz.app.uploads import ask_file, once_a_session
from initviz.core.batches import BOUNDS, INPUTS, Batch, check_fit, classes_for, make_normal, suited
from initviz.core.cost import check_diagnosis, diagnosis_bytes
from initviz.core.initializers import INITIALIZERS
from initviz.core.network import read_sizes
from initviz.core.wording import counted
from initviz.diagnosis.initialization import Initialization
from initviz.diagnosis.uploaded_weights import UploadedWeights, initialization_for
from initviz.files import csv_table
from initviz.files import weights as checkpoints

FIRST_SIZES = "64-128-128-128-128-128-128-10"
FRAMEWORK_DEFAULTS = {"torch_linear": "PyTorch by default", "keras_dense": "Keras by default",
                      "flax_dense": "Flax by default"}
INITIALIZATIONS = (*FRAMEWORK_DEFAULTS, *(key for key in INITIALIZERS if key not in FRAMEWORK_DEFAULTS))
BESIDE_SIZES = ("kind", "activation", "loss")  # settings that stand beside the layer sizes
SOURCES = {"digits": INPUTS["digits"].label, "normal": INPUTS["normal"].label, "csv": "Your CSV"}
MOST_MEGABYTES = 20


def initializer_label(key: str) -> str:
    return f"{INITIALIZERS[key].label} ({FRAMEWORK_DEFAULTS[key]})" if key in FRAMEWORK_DEFAULTS else (
        INITIALIZERS[key].label)


@dataclass(frozen=True)
class Data:
    """The samples that are sent through the network: the batch, the terms by which it is known, and how it was read."""

    batch: Batch
    terms: Hashable
    chosen: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class DiagnoseRequest:
    """The initialization that the controls describe, the terms by which it is known, and the uploaded weights, if any.
    """

    make: Callable[[], Initialization]
    nbytes: float  # that its diagnosis takes
    terms: Hashable
    uploaded: UploadedWeights | None


def ask() -> DiagnoseRequest | None:
    """The request that the controls describe; None after one sentence on what is wrong with it or missing."""
    row = st.container(horizontal=True, vertical_alignment="bottom")
    left, right = st.columns(2)
    with left:
        uploaded, settled = ask_weights()
    text, key = FIRST_SIZES, INITIALIZATIONS[0]
    with row:
        if uploaded is None:  # a file brings its own
            text, key = ask_drawn()
        source, settings = ask_beside(key, drawn=uploaded is None)
    try:
        with right:
            single = ask_single_layers() if uploaded is None else None
        outputs = uploaded.reading.sizes[-1] if uploaded else read_sizes(text)[-1]
        data = ask_table(settings, outputs) if source == "csv" else None
        if not settled or (source == "csv" and data is None):
            return None
        sizes = uploaded.reading.sizes if uploaded else read_sizes(text)
        check_diagnosis(sizes, settings.batch)
        network = replace(settings.network(key), sizes=sizes)
        network = single.apply(network) if single else network
        data = data or drawn_data(source, settings, sizes)
        if uploaded is not None and source == "digits" and adapted(sizes, data.batch) != sizes:
            data = normal_instead(data.batch, settings, uploaded)
        if source == "csv" and uploaded is None and (fitting := fitted(sizes, data.batch)) != sizes:
            sizes, network = fitting, replace(network, sizes=fitting)
            check_diagnosis(sizes, settings.batch)
        if not fits(sizes, data.batch, uploaded):
            return None
        terms = (network, data.terms, settings.batch, uploaded)
        return DiagnoseRequest(lambda: initialization_for(
            network, data.batch, initializer_label(key), uploaded, data.chosen),
            diagnosis_bytes(sizes, settings.batch), terms, uploaded)
    except ValueError as error:
        complain(error)
        return None


def ask_drawn() -> tuple[str, str]:
    """The text of the layer sizes, the architecture, and the key of the initialization."""
    text = st.text_input("Layer sizes", FIRST_SIZES, key="architecture", bind="query-params", width=290,
                         help="From the inputs to the outputs, such as 784-512-512-10. Of residual and normalized "
                              "networks: inputs, the width of the first layer and of each block, outputs.") or ""
    app.control("kind", width=190)
    app.expect_choice("initializer", "Initialization", {key: initializer_label(key) for key in INITIALIZATIONS})
    key = st.selectbox("Initialization", INITIALIZATIONS, format_func=initializer_label, key="initializer",
                       bind="query-params", width=270,
                       help="The default of your framework, or any initializer of the table.")
    return text, key if key in INITIALIZATIONS else INITIALIZATIONS[0]


def ask_beside(key: str, *, drawn: bool) -> tuple[str, Settings]:
    """Ask for activation, data, loss and an initializer's parameters; returns the data's key and the settings."""
    app.control("activation", width=170)
    source = _ask_source()
    app.control("loss", width=230)
    return source, _ask_more(key, drawn=drawn)


def _ask_source() -> str:
    """Ask for the data; returns a key of SOURCES."""
    app.expect_choice("data", "Data", SOURCES)
    app.expect_choice("target_kind", "Target is", csv_table.TARGET_KINDS, "auto")  # asked once a file is there
    source = st.segmented_control("Data", list(SOURCES), default="digits", required=True, key="data",
                                  format_func=SOURCES.__getitem__, bind="query-params",
                                  help="What is sent through the network. Standard normals suit any sizes.")
    return source if source in SOURCES else "digits"


def _ask_more(initializer: str, *, drawn: bool) -> Settings:
    """The other settings that mean something here; ``drawn`` is whether the weights are, and not those of a file."""
    settings = app.current_settings()
    chosen = {("activation", settings.activation), *([("init", initializer)] if drawn else [])}
    drawing = [key for key, spec in CONTROLS.items() if {("init", initializer)} & set(spec.owners)]
    with st.popover("More", icon=":material/tune:", key="more",
                    help="Gain, batch, seed, biases and what the initializer and the activation take."):
        for key, spec in CONTROLS.items():
            of_weights = key in ("gain", "bias", "bias_std", *drawing)
            if key not in BESIDE_SIZES and "diagnose" in spec.pages and (drawn or not of_weights) and (
                    not spec.owners or chosen & set(spec.owners)):
                app.control(key)
    return app.current_settings()


def drawn_data(source: str, settings: Settings, sizes: tuple[int, ...]) -> Data:
    """A batch of the app's own."""
    loss = settings.wanted_loss
    batch = (make_normal(sizes[0], classes_for(sizes[-1], loss), settings.batch, seed=settings.seed)
             if source == "normal" else app.cached_batch(source, settings.batch, settings.seed, sizes[0]))
    batch = suited(batch, loss or None, sizes[-1])
    return Data(replace(batch, name=SOURCES[source]), (source, loss), {"input": source, "seed": settings.seed})


def normal_instead(batch: Batch, settings: Settings, uploaded: UploadedWeights) -> Data:
    """Standard normal data for uploaded weights that the batch does not fit, and a sentence that says so."""
    sizes = uploaded.reading.sizes
    st.info(plain(f"{uploaded.name} has {_ends(sizes[0], sizes[-1])}, and "
                  f"{batch.name} {batch.features} and {batch.outputs}: standard normal data go through it instead. "
                  "Your CSV can bring its own."), icon=":material/fit_width:")
    return drawn_data("normal", settings, sizes)


def ask_weights() -> tuple[UploadedWeights | None, bool]:
    """The uploaded weights, where there is a readable file, and whether nothing is left to be chosen."""
    uploaded, settled, complaint = None, True, None
    with st.expander("Your weights", icon=":material/upload_file:"):
        file = ask_file(f"A {checkpoints.SUFFIXES_SAID} file",
                         [suffix[1:] for suffix in (*checkpoints.SUFFIXES, *checkpoints.CONVERSIONS)], "weights_file",
                         "The state dict of a multilayer perceptron: weights and biases. It is read in memory, never "
                         "run, and forgotten with this session.", MOST_MEGABYTES)
        if file is None:
            st.session_state.pop("weights read", None)
            return None, True
        try:
            checkpoint = once_a_session("weights read", file.file_id, lambda: _readable(file.getvalue(), file.name))
            checkpoint = _ask_network(_ask_biases(checkpoint, file.file_id), file.file_id)
            reading = _ask_reading(checkpoint, file.file_id)
            settled = reading is not None
            uploaded = UploadedWeights(checkpoint, reading, file.name) if reading else None
        except ValueError as error:
            complaint = error
    if complaint is not None:
        complain(complaint)
        st.caption("The layer sizes and the initialization above are examined instead.")
    elif uploaded is not None:
        st.caption(plain(f"{uploaded.name} is examined: its sizes, weights and biases."))
    return uploaded, settled


def _readable(data: bytes, name: str) -> checkpoints.Checkpoint:
    """A file's arrays; ValueError also where they are no network in any layout."""
    checkpoint = checkpoints.read(data, name)
    networks = checkpoint.networks()
    if len(networks) == 1 and not checkpoint.folds():
        networks[""].layouts()
    return checkpoint


def _ask_biases(checkpoint: checkpoints.Checkpoint, file_id: str) -> checkpoints.Checkpoint:
    """The file with biases of their own, where each matrix holds them as a column or row."""
    places = checkpoint.folds()
    if not places:
        return checkpoint
    place = places[0]
    if len(places) > 1:
        place = st.selectbox("Biases in each matrix", places, key=f"folded_bias_{file_id}", width=420,
                             format_func=checkpoints.PLACE_LABELS.__getitem__,
                             help="Each matrix takes one value more than the one before gives, which always is 1: its "
                                  "weights are the biases. Shapes do not tell whether they come last or first.")
    return checkpoint.unfolded(place)


def _ask_network(checkpoint: checkpoints.Checkpoint, file_id: str) -> checkpoints.Checkpoint:
    """The network that is examined, of those that a file holds."""
    networks = checkpoint.networks()
    if len(networks) == 1:
        name = ""
    else:
        st.caption(f"The file holds {len(networks)} networks, each under its own names.")
        name = st.selectbox("Network", list(networks), key=f"network_{file_id}", width=420,
                            format_func=lambda name: f"{name}: {networks[name].sizes()}",
                            help="The one that is examined. A file may hold an online and a target network, a policy "
                                 "and a value, or an encoder and a decoder.")
    for note in networks[name].notes():
        st.caption(plain(note))
    return networks[name]


def _ask_reading(checkpoint: checkpoints.Checkpoint, file_id: str) -> checkpoints.Reading | None:
    """The layout and the order of the layers; None while the order is still to be chosen."""
    readings = {layout: checkpoint.readings(layout) for layout in checkpoint.layouts()}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        layout = st.selectbox("Layout of its matrices", list(readings), key=f"layout{checkpoint.named}", width=420,
                              format_func=lambda key: f"{checkpoints.LAYOUT_LABELS[key]}: "
                                                      f"{'-'.join(map(str, readings[key][0].sizes))}",
                              help="Found from the shapes that chain; please confirm. Square layers fit both.")
        orders, order_is_known = readings[layout], checkpoint.order_is_known(layout)
        place: int | None = 0
        if len(orders) > 1:
            labels = checkpoints.told_apart(orders)
            place = st.selectbox("Order of its layers", range(len(orders)), 0 if order_is_known else None, width=420,
                                 key=f"order_{file_id}_{checkpoint.named}_{layout}",
                                 format_func=lambda place: labels[place],
                                 placeholder="Choose the order",
                                 help="Where orders differ, which array is which layer. Names that are equal but for a "
                                      "number leave no choice.")
    if place is None:
        st.info(f"Names and shapes fit {len(orders)} orders: choose the one in which your network applies its layers.",
                icon=":material/reorder:")
        return None
    reading = orders[place]
    st.dataframe(pd.DataFrame({
        "Layer": range(1, len(reading.matrices) + 1), "Weights": reading.matrices,
        "Inputs → outputs": [f"{a} → {b}" for a, b in pairwise(reading.sizes)],
        "Bias": [bias or "none" for bias in reading.biases]}), hide_index=True,
        height=table_height(len(reading.matrices)))
    return reading


def ask_table(settings: Settings, outputs: int | None, held_out: int = 0) -> Data | None:
    """A batch of the uploaded table, with so many rows more to hold out; None where no file was given yet."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        file = ask_file("A CSV file of numbers", ["csv", "tsv", "txt", "dat", "data"], "data_file",
                         "With a header or not. It is read in memory and forgotten with this session.", MOST_MEGABYTES)
        if file is None:
            st.session_state.pop("data read", None)
            st.info("Choose a CSV file.", icon=":material/upload_file:")
            return None
        read = once_a_session("data read", file.file_id, lambda: csv_table.read(file.getvalue()))
        targets = st.multiselect("Target", read.columns, [read.default_target()], key=f"target_{file.file_id}",
                                 width=240, placeholder="Columns to be predicted",
                                 help="What is to be predicted: one column, or several of numbers.")
        kinds = csv_table.TARGET_KINDS
        kind = st.segmented_control("Target is", list(kinds), default="auto", required=True, key="target_kind",
                                    format_func=kinds.__getitem__, bind="query-params",
                                    help="Classes by cross-entropy, or numbers by the squared error. As found: words "
                                         "and few whole numbers are classes.")
        kind = kind if kind in kinds else "auto"
        standardize = st.toggle("Standardize", True, key="standardize", bind="query-params",
                                help="Every input column with mean 0 and standard deviation 1. Off shows what unscaled "
                                     "inputs do.")
        standardize_target = st.toggle("Standardize the target", True, key="standardize_target", bind="query-params",
                                       help="A target of numbers with mean 0 and standard deviation 1. Off leaves it "
                                            "in its own scale.")
        one_hot = st.toggle("Words as inputs", False, key="one_hot", bind="query-params",
                            help="An input of 0 or 1 for each word, in columns of few words.")
        inputs = tuple(st.multiselect("Inputs", read.columns, key=f"inputs_{file.file_id}", width=240,
                                      placeholder="All others of numbers",
                                      help="The columns that are sent through; if none is named, all others that "
                                           "can be."))
        drop = tuple(st.multiselect("Leave out", read.columns, key=f"drop_{file.file_id}", width=240,
                                    placeholder="Columns that are no inputs",
                                    help="Such as a column that counts the rows."))
    for note in read.notes:
        st.caption(plain(note))
    loss = settings.wanted_loss
    outputs = 1 if loss in BOUNDS and outputs != 2 else outputs
    if not targets:
        st.info("Choose what is to be predicted.", icon=":material/target:")
        return None
    terms = (file.file_id, tuple(targets), inputs, kind, standardize, settings.batch + held_out, settings.seed,
             standardize_target, one_hot, drop, outputs, loss)
    batch = once_a_session("uploaded batch", terms, lambda: read.batch(
        targets, kind=kind, standardize=standardize, count=settings.batch + held_out, seed=settings.seed, drop=drop,
        inputs=inputs or None,
        one_hot=one_hot, standardize_target=standardize_target, outputs=outputs, loss=loss))
    st.caption(plain(csv_table.describe_target(targets, batch, standardize_target)))
    return Data(replace(batch, name=file.name), terms, {
        "file": file.name, "target": ", ".join(targets), "target_kind": kind, "standardize": standardize,
        "seed": settings.seed, "standardize_target": standardize_target, "one_hot": one_hot, "drop": drop,
        "inputs": inputs or None})


def adapted(sizes: tuple[int, ...], batch: Batch) -> tuple[int, ...]:
    """The same hidden layers, with the inputs and outputs of the data."""
    return (batch.features, *sizes[1:-1], batch.outputs)


def fitted(sizes: tuple[int, ...], batch: Batch, verb: str = "examined") -> tuple[int, ...]:
    """``adapted``, and a sentence that says so where it changes something; ``done`` is what becomes of it."""
    fitting = adapted(sizes, batch)
    if fitting != sizes:
        st.info(plain(f"{batch.name} has {_ends(batch.features, batch.outputs)}: "
                      f"{'-'.join(map(str, fitting))} is {verb}."), icon=":material/fit_width:")
    return fitting


def fits(sizes: tuple[int, ...], batch: Batch, uploaded: UploadedWeights | None) -> bool:
    """Whether the sizes begin and end as the data do; else one sentence, and buttons that make them fit."""
    fitting = adapted(sizes, batch)
    if fitting == sizes:
        return True
    try:
        check_fit(sizes, batch)
    except ValueError as error:
        complain(error if uploaded is None else ValueError(
            f"the data must have {_ends(sizes[0], sizes[-1])}, as "
            f"{uploaded.name} has, got {_ends(batch.features, batch.outputs)} of "
            f"{batch.name}: use standard normal data"))
    with st.container(horizontal=True):
        st.button("Use standard normal data", on_click=app.set_state, args=({"data": "normal"},), key="use_normal",
                  help="Independent unit normals, as many as the first layer takes, with as many classes as the last "
                       "gives.")
        if uploaded is None:
            sizes_text = "-".join(map(str, fitting))
            st.button(f"Use {sizes_text}", on_click=app.set_state, args=({"architecture": sizes_text},), key="fit",
                      help="The same hidden layers, with the inputs and outputs of the data.")
    return False


def _ends(inputs: int, outputs: int) -> str:
    return f"{counted(inputs, 'input')} and {counted(outputs, 'output')}"
