"""The command line: a diagnosis for a terminal or a CI, the table of formulas, and a simulation's numbers."""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from initviz import checkpoints, spreadsheet
from initviz.activations import ACTIVATIONS
from initviz.diagnosis import number
from initviz.export import FRAMEWORKS, code
from initviz.initializers import INITIALIZERS, rule
from initviz.inputs import INPUTS, Batch, batch_for, check_fit
from initviz.limits import check
from initviz.network import Network, read_sizes
from initviz.repair import Start, start_from, start_of
from initviz.report import (
    THRESHOLDS,
    Report,
    check_lines,
    comparison,
    diagnose,
    facts,
    shares_of_largest,
    table,
    to_html,
    to_json,
)
from initviz.simulation import simulate
from initviz.tables import layers

FOUND, BAD_INPUT = 1, 2
BAR = 10
MOST_FILE_BYTES = 10**9


def _pair(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    try:
        return name, float(value)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be NAME=NUMBER, got {text!r}") from None


def _value(text: str) -> tuple[str, Any]:
    name, _, value = text.partition("=")
    try:
        return name, float(value)
    except ValueError:
        return name, value


def _network_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--sizes", help="layer sizes from the inputs to the outputs, such as 784-512-512-10")
    parser.add_argument("--activation", default="relu", choices=ACTIVATIONS, metavar="KEY",
                        help=f"of the hidden layers: {', '.join(ACTIVATIONS)} (default: %(default)s)")
    parser.add_argument("--slope", type=float, default=0.01, help="of leaky_relu below 0 (default: %(default)s)")
    parser.add_argument("--param", type=_value, action="append", default=[], metavar="NAME=VALUE",
                        help="a parameter of the initialiser, such as std=0.02 or mode=fan_out; may be repeated")
    parser.add_argument("--gain", type=float, default=1.0, help="multiplies every weight (default: %(default)s)")
    parser.add_argument("--bias", type=float, default=0.0, help="every bias starts at it (default: %(default)s)")
    parser.add_argument("--bias-std", type=float, default=0.0, help="normal noise on the biases (default: %(default)s)")
    parser.add_argument("--input", default="normal", choices=INPUTS, metavar="KEY",
                        help=f"data where no file is given: {', '.join(INPUTS)} (default: %(default)s)")
    parser.add_argument("--batch", type=int, default=128, help="number of samples (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="fixes every random number (default: %(default)s)")


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    whole = argparse.ArgumentParser("python -m initviz",
                                    description="What weight initialisation does to a multilayer perceptron.")
    commands = whole.add_subparsers(dest="command", required=True)

    one = commands.add_parser(
        "diagnose", help="what is wrong with a start, and what would mend it",
        description="Prints what is found of a start, the gravest first, and what would mend it on the same data. "
                    f"Exit code: 0, {FOUND} where a finding is grave, {BAD_INPUT} where the input is bad.")
    _network_options(one)
    one.add_argument("--init", default="he_normal", choices=INITIALIZERS, metavar="KEY",
                     help=f"how the weights are drawn: {', '.join(INITIALIZERS)} (default: %(default)s)")
    one.add_argument("--weights", type=Path, metavar="FILE",
                     help="examine the weights of this .npz or .safetensors file; they bring their sizes")
    one.add_argument("--layout", metavar="KEY", help="of the file's matrices, where their shapes leave a choice")
    one.add_argument("--data", type=Path, metavar="FILE", help="send the rows of this CSV file through the network")
    one.add_argument("--target", metavar="COLUMN", help="the CSV file's column to predict (default: the last)")
    one.add_argument("--raw", action="store_true", help="do not standardise the CSV file's columns")
    one.add_argument("--threshold", type=_pair, action="append", default=[], metavar="NAME=NUMBER",
                     help=f"moves a line, may be repeated: {', '.join(THRESHOLDS)}")
    one.add_argument("--json", action="store_true", help="print the report as JSON")
    one.add_argument("--html", type=Path, metavar="FILE", help="also write the report as one HTML file")
    one.add_argument("--code", choices=FRAMEWORKS, help="print the start's code in that framework instead of a report")
    one.set_defaults(run=_diagnose)

    two = commands.add_parser("formulas", help="the table of initialisers",
                              description="Prints every initialiser with its source; with --sizes also the standard "
                                          "deviation that it gives each layer.")
    two.add_argument("--sizes", help="layer sizes, such as 784-512-512-10")
    two.set_defaults(run=_formulas)

    three = commands.add_parser("simulate", help="every statistic of every layer",
                                description="Sends a batch through and the gradient back, and prints what each layer "
                                            "holds.")
    _network_options(three)
    three.add_argument("--init", default=["he_normal"], nargs="+", choices=INITIALIZERS, metavar="KEY",
                       help="one or several initialisers, compared on the same random numbers (default: he_normal)")
    three.add_argument("--csv", action="store_true", help="print all statistics as CSV instead of a few as a table")
    three.set_defaults(run=_simulate)
    return whole


# ---------------------------------------------------------------------------------------------- what is asked

def _sizes(options: argparse.Namespace) -> tuple[int, ...]:
    if options.sizes is None:
        raise ValueError("--sizes must be given, such as --sizes 784-512-512-10")
    return read_sizes(options.sizes)


def _network(options: argparse.Namespace, sizes: tuple[int, ...], key: str) -> Network:
    slope = {"negative_slope": options.slope} if options.activation == "leaky_relu" else {}
    names = {parameter.name for parameter in INITIALIZERS[key].parameters}
    given = dict(options.param)
    params = ({"negative_slope": options.slope} if slope and "negative_slope" in names else {}) | given
    return Network(sizes, options.activation, key, options.gain, options.bias, options.bias_std, options.seed,
                   activation_params=slope, initializer_params=params)


def _content(path: Path) -> bytes:
    """A file's bytes; ValueError where there are too many."""
    size = path.stat().st_size
    if size > MOST_FILE_BYTES:
        raise ValueError(f"{path} must be at most {MOST_FILE_BYTES / 1e6:,.0f} MB, got {size / 1e6:,.0f}")
    return path.read_bytes()


def _data(options: argparse.Namespace, sizes: tuple[int, ...]) -> Batch:
    if options.data is None:
        batch = batch_for(sizes, options.input, options.batch, seed=options.seed)
        return replace(batch, name=INPUTS[options.input].label)
    read = spreadsheet.read(_content(options.data))
    target = check("--target", options.target, read.columns) if options.target else read.columns[-1]
    batch = read.batch(target, standardise=not options.raw, count=options.batch, seed=options.seed)
    check_fit(sizes, batch)
    for note in read.notes:
        print(f"initviz: {note}", file=sys.stderr)
    return replace(batch, name=options.data.name)


def _start(options: argparse.Namespace) -> Start:
    if options.weights is None:
        network = _network(options, _sizes(options), options.init)
        return start_of(network, _data(options, network.sizes), INITIALIZERS[options.init].label)
    if options.sizes:
        raise ValueError("--sizes must not be given with --weights, which bring their own")
    checkpoint = checkpoints.read(_content(options.weights), options.weights.name)
    layouts = checkpoint.layouts()
    if len(layouts) > 1 and options.layout is None:
        raise ValueError("--layout must be given, as the shapes fit each of " + ", ".join(layouts))
    layout = check("--layout", options.layout, layouts) if options.layout else layouts[0]
    reading = checkpoint.readings(layout)[0]
    weights, biases = checkpoint.parameters(reading)
    network = _network(options, reading.sizes, options.init)
    return start_from(weights, biases, network, _data(options, network.sizes), options.weights.name)


# ---------------------------------------------------------------------------------------------- what is printed

def _aligned(frame: pd.DataFrame) -> str:
    rows = [list(frame.columns), *frame.astype(str).values.tolist()]
    widths = [max(len(row[column]) for row in rows) for column in range(len(frame.columns))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
                     for row in rows)


def _bars(lengths: Sequence[float]) -> list[str]:
    """Bars of lengths between 0 and 1; none where one is not defined."""
    return ["" if math.isnan(length) else "#" * max(round(BAR * length), 1 if length > 0 else 0) for length in lengths]


def text(report: Report) -> str:
    """The report for a terminal."""
    frame = table(report)
    for title, lengths in shares_of_largest(report).items():
        frame[title] = _bars(lengths)
    found = [f"[{finding.severity}] {finding.title}: {finding.words}\n    Rule: {finding.rule}. Source: "
             f"{finding.source}. Firmness: {finding.firm}." for finding in report.findings]
    parts = ["\n".join(f"{name}: {value}" for name, value in facts(report).items()),
             _aligned(frame) + "\nBars: hidden layers, the largest of full length.",
             "\n".join([report.summary, *found])]
    if report.remedies:
        parts += ["Before and after, on the same data:\n" + _aligned(comparison(report)),
                  "\n".join(f"{remedy.label}: {remedy.why}" for remedy, _ in report.remedies)]
    return "\n\n".join(parts)


def _diagnose(options: argparse.Namespace) -> int:
    start, lines = _start(options), check_lines(dict(options.threshold))
    if options.code:
        if not start.drawn:
            raise ValueError("--code must not be given with --weights: there is no law that draws them")
        print(code(start.network, options.code), end="")
        return 0
    report = diagnose(start, lines)
    if options.html:
        options.html.write_text(to_html(report), encoding="utf-8")
    print(to_json(report) if options.json else text(report))
    return FOUND if report.severity == "grave" else 0


def _formulas(options: argparse.Namespace) -> int:
    sizes = read_sizes(options.sizes) if options.sizes else ()
    shapes = list(dict.fromkeys(zip(sizes[:-1], sizes[1:], strict=True)))
    print(_aligned(pd.DataFrame([{
        "Key": key, "Name": entry.label, "Made for": entry.made_for,
        **{f"{a} → {b}": number(math.sqrt(rule(key).variance(a, b))) for a, b in shapes}, "Source": entry.source}
        for key, entry in INITIALIZERS.items()])))
    return 0


def _simulate(options: argparse.Namespace) -> int:
    sizes = _sizes(options)
    batch = batch_for(sizes, options.input, options.batch, seed=options.seed)
    runs = [simulate(_network(options, sizes, key), batch, counted=()) for key in dict.fromkeys(options.init)]
    found = layers(runs)
    if options.csv:
        print(found.to_csv(index=False), end="")
        return 0
    shown = ["initializer", "layer", "fan_in", "fan_out", "weight_std", "preactivation_std", "activation_rms",
             "delta_rms", "weight_gradient_rms", "distinct_neurons"]
    print(_aligned(found[shown].map(lambda value: number(value) if isinstance(value, float) else value)))
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code. Bad input is one sentence on stderr."""
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # a terminal that has no superscripts still gets its numbers
    options = parser().parse_args(arguments)
    try:
        code = int(options.run(options))
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # the reader, such as head, has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ValueError, OSError) as error:
        print(f"initviz: {error}", file=sys.stderr)
    except MemoryError:
        print("initviz: sizes must fit this machine's memory", file=sys.stderr)
    return BAD_INPUT
