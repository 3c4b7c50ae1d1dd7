"""The command ``blocks``: the report on a residual or normalized network, or its code."""

from __future__ import annotations

import argparse
from typing import Any

from initviz.cli.exit_codes import FOUND_ERROR
from initviz.core.activations import ACTIVATIONS
from initviz.core.architecture import BRANCH_SCALES, KINDS, WITHOUT_NORM, Architecture
from initviz.core.batches import INPUTS, make_batch
from initviz.core.cost import check_block_simulation
from initviz.core.frameworks import FRAMEWORKS
from initviz.core.initializers import INITIALIZERS, label_of
from initviz.core.layers import NORMALIZATIONS
from initviz.core.schemes import SCHEMES
from initviz.diagnosis.block_report import (
    BlockReport,
    beside_theory,
    blocks_table,
    diagnose_blocks,
    say_network,
    to_json,
)
from initviz.files.block_code import block_code

FIELDS = ("kind", "normalization", "branch_scale", "activation", "initializer", "gain", "expansion")


def add_command(subcommands: Any) -> None:
    """Add the command to the subparsers of the command line."""
    command = subcommands.add_parser(
        "blocks", help="the report on a network of residual or normalized blocks",
        description="Draws a network of blocks, sends a batch through and the gradient back, and prints its verdict "
                    "and findings, stream, branch and skip of every block, theory beside them, and the verdict after "
                    f"LSUV. Exit code: 0, {FOUND_ERROR} where a finding is an error.")
    command.add_argument("--scheme", default="none", choices=SCHEMES, metavar="KEY",
                         help="what a paper sets, which the options below replace: "
                              f"{', '.join(SCHEMES)} (default: %(default)s)")
    for name, keys, words in (("kind", KINDS, "how blocks are built"),
                              ("normalization", (WITHOUT_NORM, *NORMALIZATIONS),
                               "by default the first that the kind allows"),
                              ("activation", ACTIVATIONS, "inside of the blocks"),
                              ("initializer", INITIALIZERS, "of the dense layers")):
        command.add_argument(f"--{name}", choices=keys, metavar="KEY", help=f"{words}: {', '.join(keys)}")
    command.add_argument("--branch-scale", type=_scale, metavar="SCALE",
                         help="what multiplies each branch: a number, or of the number of blocks L "
                              f"{', '.join(BRANCH_SCALES)}")
    command.add_argument("--gain", type=float, help="multiplies every weight (default: 1)")
    command.add_argument("--expansion", type=int, help="of the inner layer of a branch (default: 1)")
    command.add_argument("--width", type=int, default=128, help="of the stream (default: %(default)s)")
    command.add_argument("--blocks", type=int, default=8, help="how many (default: %(default)s)")
    command.add_argument("--input", default="digits", choices=INPUTS, metavar="KEY",
                         help=f"what is sent through: {', '.join(INPUTS)} (default: %(default)s)")
    command.add_argument("--batch", type=int, default=128, help="samples (default: %(default)s)")
    command.add_argument("--seed", type=int, default=0, help="of weights and samples (default: %(default)s)")
    command.add_argument("--json", action="store_true", help="print the report as JSON")
    command.add_argument("--code", choices=FRAMEWORKS, help="print the code of the initialization, and no report")
    command.set_defaults(run=run_blocks)


def _scale(text: str) -> float | str:
    try:
        return text if text in BRANCH_SCALES else float(text)
    except ValueError:
        allowed = ", ".join(BRANCH_SCALES)
        raise argparse.ArgumentTypeError(f"must be a number or one of {allowed}, got {text!r}") from None


def _network(options: argparse.Namespace) -> Architecture:
    source = INPUTS[options.input]
    fields = {name: value for name in FIELDS if (value := getattr(options, name)) is not None}
    if options.scheme == "none" and options.kind and options.normalization is None:
        fields["normalization"] = KINDS[options.kind].normalizations[0]
    return Architecture.of(
        options.scheme, inputs=source.features or options.width, outputs=source.classes, width=options.width,
        blocks=options.blocks, seed=options.seed, **fields)


def run_blocks(options: argparse.Namespace) -> int:
    """Print the report, or the code; FOUND_ERROR where a finding is an error."""
    network = _network(options)
    if options.code:
        if options.json:
            raise ValueError("--json must not be given with --code, which prints no report")
        print(block_code(network, options.code), end="")
        return 0
    check_block_simulation(network, options.batch, networks=2)
    report = diagnose_blocks(network, make_batch(options.input, options.batch, seed=options.seed,
                                                 features=network.inputs))
    print(to_json(report) if options.json else _text(report))
    return FOUND_ERROR if report.failed else 0


def _text(report: BlockReport) -> str:
    findings = [f"[{finding.severity}] {finding.title}: {finding.text}\n    Law: {finding.rule}. Source: "
                f"{finding.source}. Firmness: {finding.firmness}." for finding in report.verdict.findings]
    sections = [f"{say_network(report.network)}\nInitializer: {label_of(report.network.initializer)}\n"
             f"Scheme: {SCHEMES[report.network.scheme].label}\nVerdict: {report.verdict.words}\n"
             f"Theory: {beside_theory(report.run, report.prediction)}",
             blocks_table(report.run).to_string(index=False), "\n".join(findings) or "Nothing found.",
             f"After LSUV: {report.after_lsuv.words}"]
    return "\n\n".join(sections)
