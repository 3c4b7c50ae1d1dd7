"""The commands: read the options, call the package, print."""

from __future__ import annotations

import argparse
import math
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from initviz.cli.columns import aligned
from initviz.cli.exit_codes import FOUND_ERROR
from initviz.cli.options import INIT, INPUT, activation_params, check_together
from initviz.core.batches import INPUTS, Batch, batch_for, check_fit
from initviz.core.cost import check_diagnosis, check_simulation
from initviz.core.initializers import INITIALIZERS, law_of
from initviz.core.network import Bias, Network, read_sizes, with_output_bias
from initviz.core.simulation import layer_table, simulate
from initviz.core.validation import check
from initviz.core.wording import named, number
from initviz.diagnosis.exports import to_html, to_json
from initviz.diagnosis.initialization import Initialization
from initviz.diagnosis.presentation import comparison, facts, say_trial, shares_of_largest, table, trial_table
from initviz.diagnosis.remedies import recommended
from initviz.diagnosis.report import Report, diagnose
from initviz.diagnosis.thresholds import check_thresholds
from initviz.diagnosis.trial import Evidence, Trial, with_evidence
from initviz.diagnosis.uploaded_weights import UploadedWeights, initialization_for, write
from initviz.files import csv_table
from initviz.files import weights as checkpoints
from initviz.files.source_code import code

BAR = 10  # signs of a bar of full length
MOST_FILE_BYTES = 10**9  # the readers have lower limits: this one is for what is not even to be opened
MOST_LETTERS = 300  # of the orders in a sentence


# ---------------------------------------------------------------------------------------------- what is asked

def _network(options: argparse.Namespace, sizes: tuple[int, ...], key: str) -> Network:
    params = activation_params(options)
    output = options.output_init
    return Network(sizes, options.activation, key, 1.0 if options.gain is None else options.gain,
                   _biases(options, len(sizes) - 1), bias_std=options.bias_std or 0.0, seed=options.seed,
                   activation_params=params,
                   initializer_params=INITIALIZERS[key].following(params) | dict(options.param),
                   output_initializer=output,
                   output_initializer_params=INITIALIZERS[output].following(params) if output else ())


def _biases(options: argparse.Namespace, depth: int) -> Bias:
    """The biases of every layer, the last one's from ``--output-bias`` where that is given."""
    bias: Bias = options.bias or 0.0
    return bias if options.output_bias is None else with_output_bias(bias, options.output_bias, depth)


def _sizes(options: argparse.Namespace) -> tuple[int, ...]:
    if options.sizes is None:
        raise ValueError("--sizes must be given, such as --sizes 784-512-512-10")
    return read_sizes(options.sizes)


def _content(path: Path) -> bytes:
    """A file's bytes; ValueError where there are too many."""
    size = path.stat().st_size
    if size > MOST_FILE_BYTES:
        raise ValueError(f"{path} must be at most {MOST_FILE_BYTES / 1e6:,.0f} MB, got {size / 1e6:,.0f}")
    return path.read_bytes()


def _uploaded_weights(options: argparse.Namespace) -> UploadedWeights | None:
    """The uploaded weights, where a file is given; ValueError where its layout or order must be given, too."""
    if options.weights is None:
        return None
    checkpoint = _network_of(options, _with_biases(
        options, checkpoints.read(_content(options.weights), options.weights.name)))
    for note in checkpoint.notes():
        print(f"initviz: {note}", file=sys.stderr)
    layouts = checkpoint.layouts()
    if len(layouts) > 1 and options.layout is None:
        raise ValueError("--layout must be given, as the shapes fit each of " + ", ".join(layouts))
    layout = check("--layout", options.layout, layouts) if options.layout is not None else layouts[0]
    if options.order:
        names = [name.strip() for name in options.order.split(",")]
        return UploadedWeights(checkpoint, checkpoint.reading(layout, names), options.weights.name)
    readings = checkpoint.readings(layout)
    if not checkpoint.order_is_known(layout):
        orders = [",".join(reading.matrices) for reading in readings]
        listed = [order for index, order in enumerate(orders)
                 if index == 0 or len("".join(orders[:index + 1])) < MOST_LETTERS]
        raise ValueError(f"--order must be given, as names and shapes fit {len(orders)} orders: {' or '.join(listed)}"
                         + (" and others" if len(listed) < len(orders) else ""))
    return UploadedWeights(checkpoint, readings[0], options.weights.name)


def _with_biases(options: argparse.Namespace, checkpoint: checkpoints.Checkpoint) -> checkpoints.Checkpoint:
    """The file with biases of their own; ValueError where they are folded into the matrices and it is not known where.
    """
    places = checkpoint.folds()
    if options.folded_bias is None and len(places) > 1:
        more = " or ".join(dict.fromkeys(place.split("-")[1] for place in places))
        raise ValueError(f"--folded-bias must be given, as each matrix has one {more} more than the one before gives, "
                         f"which holds its biases: {' or '.join(places)}")
    if options.folded_bias is None and not places:
        return checkpoint
    if not places:
        raise ValueError("--folded-bias must not be given, as the file's matrices hold no biases")
    return checkpoint.unfolded(check("--folded-bias", options.folded_bias or places[0], places))


def _network_of(options: argparse.Namespace, checkpoint: checkpoints.Checkpoint) -> checkpoints.Checkpoint:
    """The network of a file that is examined; ValueError where the file holds several and none was named."""
    networks = checkpoint.networks()
    if options.network is not None:
        if "" in networks:
            raise ValueError(f"--network must not be given, as the file holds one network, got {options.network!r}")
        return networks[check("--network", options.network, networks.keys())]
    if len(networks) > 1:
        named = [f"{name} ({network.sizes()})" for name, network in networks.items()]
        listed = [name for index, name in enumerate(named) if len("".join(named[:index + 1])) < MOST_LETTERS]
        raise ValueError(f"--network must be given, as the file holds {len(networks)} networks: {', '.join(listed)}"
                         + (" and others" if len(listed) < len(named) else ""))
    return networks[""]


def _data(options: argparse.Namespace, sizes: tuple[int, ...]) -> tuple[Batch, dict[str, Any]]:
    """The batch, and what was chosen of it; what a CSV file's reader notes is printed before anything can fail."""
    if options.data is None:
        key = options.input or INPUT
        batch = batch_for(sizes, key, options.batch, seed=options.seed, loss=options.loss)
        return replace(batch, name=INPUTS[key].label), {"input": key, "seed": options.seed}
    read = csv_table.read(_content(options.data))
    for note in read.notes:
        print(f"initviz: {note}", file=sys.stderr)
    columns = read.columns
    targets = [read.check("--target", name) for name in csv_table.names_in(options.target, columns)] if (
        options.target) else [read.default_target()]
    settings: dict[str, Any] = {
        "kind": options.target_kind or "auto", "standardize": not options.raw, "one_hot": options.one_hot,
        "standardize_target": not options.raw_target, "drop": tuple(csv_table.names_in(options.drop or "", columns)),
        "inputs": tuple(csv_table.names_in(options.inputs, columns)) if options.inputs else None}
    batch = read.batch(targets, count=options.batch, seed=options.seed, outputs=sizes[-1], loss=options.loss,
                       **settings)
    print(f"initviz: {csv_table.describe_target(targets, batch, not options.raw_target)}", file=sys.stderr)
    _check_columns(sizes, batch, read.counting(), settings["drop"])
    return replace(batch, name=options.data.name), {
        "file": options.data.name, "target": ", ".join(targets), "target_kind": settings.pop("kind"),
        "seed": options.seed,
        **settings}


def _check_columns(sizes: tuple[int, ...], batch: Batch, counting: Sequence[str], dropped: Sequence[str]) -> None:
    """Raise ValueError where the sizes do not fit the data, naming columns that may be too many."""
    try:
        check_fit(sizes, batch)
    except ValueError as error:
        remaining = [name for name in counting if name not in dropped]
        if batch.features - sizes[0] != len(remaining) or not remaining:
            raise
        verb = "counts" if len(remaining) == 1 else "count"
        raise ValueError(f"{error}: {named(remaining)} only {verb} the rows and can be "
                         f"left out with --drop {shlex.quote(','.join(remaining))}") from None


def _check_cost(options: argparse.Namespace, check_limit: Callable[[], None]) -> None:
    """ValueError, naming the option that lifts it, where the limit is passed and not lifted."""
    if options.no_limit:
        return
    try:
        check_limit()
    except ValueError as error:
        raise ValueError(f"{error}, or give --no-limit") from None


def _initialization(options: argparse.Namespace, network: Network, uploaded: UploadedWeights | None) -> Initialization:
    if options.data is None:  # before the batch is drawn; a file's rows are limited by its reader
        _check_cost(options, lambda: check_diagnosis(network.sizes, options.batch))
    batch, chosen = _data(options, network.sizes)
    _check_cost(options, lambda: check_diagnosis(network.sizes, len(batch.x)))
    return initialization_for(network, batch, INITIALIZERS[network.initializer].label, uploaded, chosen)


# ---------------------------------------------------------------------------------------------- what is printed

def _table(frame: pd.DataFrame) -> str:
    """A table's columns under their names, without its index."""
    return aligned([list(frame.columns), *frame.astype(str).values.tolist()])


def _bars(lengths: Sequence[float]) -> list[str]:
    """Bars of lengths between 0 and 1; none where one is not defined."""
    return ["" if math.isnan(length) else "#" * max(round(BAR * length), 1 if length > 0 else 0) for length in lengths]


def text(report: Report, evidence: Evidence | None = None) -> str:
    """The report for a terminal, after the answer of a trial where one was made."""
    frame = table(report)
    for title, lengths in shares_of_largest(report).items():
        frame[title] = _bars(lengths)
    findings = [f"[{finding.severity}] {finding.title}: {finding.text}\n    Rule: {finding.rule}. Source: "
             f"{finding.source}. Firmness: {finding.firmness}." for finding in report.findings]
    sections = ["\n".join(f"{name}: {value}" for name, value in facts(report).items()),
             _table(frame) + "\nBars: hidden layers beside the largest.",
             "\n".join([report.summary, *findings])]
    if evidence is not None:
        sections.insert(1, f"Is it the initialization? {evidence.answer.text}\n{_table(trial_table(evidence))}\n"
                        f"{say_trial()}")
    if report.remedies:
        sections += ["Before and after, on the same data:\n" + _table(comparison(report)),
                  "\n".join(f"{remedy.label}: {remedy.why}" for remedy, _ in report.remedies)]
    return "\n\n".join(sections)


# ---------------------------------------------------------------------------------------------- the commands

def run_diagnose(options: argparse.Namespace) -> int:
    """Print a report, or the code of an initialization; FOUND_ERROR where a finding is an error."""
    check_together(options)
    _check_out(options)
    uploaded, lines = _uploaded_weights(options), check_thresholds(dict(options.threshold))
    network = _network(options, uploaded.reading.sizes if uploaded else _sizes(options), options.init or INIT)
    if options.code:
        if uploaded and not options.recommended:
            raise ValueError("--code must not be given with --weights but with --recommended, too: no law draws them")
        print(code(recommended(network)[0] if options.recommended else network, options.code), end="")
        return 0
    report = diagnose(_initialization(options, network, uploaded), lines)
    if options.repair:
        _write_repaired(options, report, uploaded)
    evidence = Evidence.of(Trial(report).advance()) if options.trial else None
    if evidence is not None:
        report = with_evidence(report, evidence.answer)
    if options.html:
        options.html.write_text(to_html(report, evidence), encoding="utf-8")
    print(to_json(report, evidence) if options.json else text(report, evidence))
    return FOUND_ERROR if report.severity == "error" else 0


def _check_out(options: argparse.Namespace) -> None:
    """Raise ValueError where repaired parameters would be written in another format, or over what they repair."""
    if options.out is None:
        return
    suffix = checkpoints.WRITTEN.get(options.weights.suffix.lower(), ".npz") if options.weights else ".npz"
    if options.out.suffix.lower() != suffix:
        raise ValueError(f"--out must end in {suffix}, got {options.out.name!r}")
    if options.weights and options.out.exists() and options.out.samefile(options.weights):
        raise ValueError("--out must be another file than that of --weights")


def _write_repaired(options: argparse.Namespace, report: Report, uploaded: UploadedWeights | None) -> None:
    remedied = {remedy.key: remedy.initialization for remedy, _ in report.remedies if remedy.key != "standardized"}
    initialization = remedied[check("--repair", options.repair, remedied.keys())]
    options.out.write_bytes(write(initialization, uploaded))


def run_formulas(options: argparse.Namespace) -> int:
    """Print the table of initializers."""
    sizes = read_sizes(options.sizes) if options.sizes else ()
    shapes = list(dict.fromkeys(zip(sizes[:-1], sizes[1:], strict=True)))
    print(_table(pd.DataFrame([{
        "Key": key, "Name": entry.label, "Made for": entry.made_for,
        **{f"{a} → {b}": number(math.sqrt(law_of(key, first=(a, b) == shapes[0]).variance(a, b)))
           for a, b in shapes}, "Source": entry.source}
        for key, entry in INITIALIZERS.items()])))
    return 0


def run_simulate(options: argparse.Namespace) -> int:
    """Print every layer of every initializer."""
    check_together(options)
    sizes = _sizes(options)
    _check_cost(options, lambda: check_simulation(sizes, options.batch, len(set(options.init)),
                                                  orthonormal="orthogonal" in options.init))
    batch = batch_for(sizes, options.input or INPUT, options.batch, seed=options.seed, loss=options.loss)
    runs = [simulate(_network(options, sizes, key), batch, counted=()) for key in dict.fromkeys(options.init)]
    layers = layer_table(runs)
    if options.csv:
        print(layers.to_csv(index=False), end="")
        return 0
    columns = ["initializer", "layer", "fan_in", "fan_out", "weight_std", "preactivation_std", "activation_rms",
             "delta_rms", "weight_gradient_rms", "distinct_neurons"]
    print(_table(layers[columns].map(lambda value: number(value) if isinstance(value, float) else value)))
    return 0
