"""``initviz report``: what a recorded step of a model shows, and two recordings beside each other."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from initviz.cli.argument_types import threshold
from initviz.cli.columns import aligned, printable
from initviz.cli.exit_codes import FOUND_ERROR
from initviz.diagnosis.recording import Comparison, RecordingReport, examine
from initviz.diagnosis.recording.comparison import comparison_table, comparison_to_json
from initviz.diagnosis.recording.recorded import RecordedFinding
from initviz.diagnosis.recording.report import facts, table, to_json, weights_table
from initviz.diagnosis.thresholds import check_thresholds
from initviz.files.recording import MOST_BYTES, read_recording

MOST_CELL = 44  # letters


def add_command(subcommands: Any) -> None:
    """Add the command to the subparsers of the command line."""
    command = subcommands.add_parser(
        "report", help="what a recorded step of a model of your own shows",
        description="Reads what initviz/record/pytorch.py wrote and prints what is found of the model, errors first, "
                    f"each with its module and what would fix it. Exit code: 0, {FOUND_ERROR} where a finding is an "
                    "error (of two recordings in the second), 2 where the input is bad.")
    command.add_argument("files", nargs="+", type=Path, metavar="FILE",
                         help=f"a recording, at most {MOST_BYTES / 1e6:g} MB; of two, such as before and after a "
                              "change or of two widths, also what differs")
    command.add_argument("--threshold", type=threshold, action="append", default=[], metavar="NAME=NUMBER",
                         help="moves a line, as for diagnose; may be repeated")
    command.add_argument("--json", action="store_true", help="print the report as JSON")
    command.add_argument("--all", action="store_true", help="print every recorded output, not only those along the "
                                                            "model's depth, and every parameter")
    command.set_defaults(run=run_report)


def _report(path: Path, thresholds: dict[str, float]) -> RecordingReport:
    if path.stat().st_size > MOST_BYTES:
        raise ValueError(f"{path} must be at most {MOST_BYTES / 1e6:g} MB, got {path.stat().st_size / 1e6:.3g}")
    return examine(read_recording(path.read_bytes(), path.name), thresholds)


def run_report(options: argparse.Namespace) -> int:
    """Print the report on one recording, or on two and what differs; FOUND_ERROR where a finding is an error."""
    if len(options.files) > 2:
        raise ValueError(f"files must be one recording or two, got {len(options.files)}")
    thresholds = check_thresholds(dict(options.threshold))
    reports = [_report(path, thresholds) for path in options.files]
    if len(reports) == 2:
        compared = Comparison(*reports)
        print(comparison_to_json(compared) if options.json else _compared_text(compared))
    else:
        print(to_json(reports[0]) if options.json else _text(reports[0], every=options.all))
    return FOUND_ERROR if reports[-1].severity == "error" else 0


# ---------------------------------------------------------------------------------------------- what is printed

def _table(frame: pd.DataFrame) -> str:
    return aligned([[printable(str(cell), MOST_CELL) for cell in row]
                    for row in (tuple(frame.columns), *frame.itertuples(index=False))])


def _findings(findings: Sequence[RecordedFinding]) -> list[str]:
    lines = []
    for finding in findings:
        lines.append(f"[{finding.severity}] {finding.title}: {printable(finding.text, 600)}")
        if finding.remedy:
            lines.append(f"    Fix: {printable(finding.remedy, 400)}")
        lines.append(f"    Rule: {finding.rule}. Source: {finding.source}. Firmness: {finding.firmness}.")
    return lines


def _text(report: RecordingReport, *, every: bool) -> str:
    return "\n\n".join([
        "\n".join(f"{name}: {printable(value, 400)}" for name, value in facts(report).items()),
        _table(table(report, None if every else report.trunk.levels)),
        *([_table(weights_table(report))] if every else []),
        "\n".join([report.summary, *_findings(report.findings)])])


def _compared_text(compared: Comparison) -> str:
    sections = [printable(compared.summary, 1000), _table(comparison_table(compared))]
    for name, findings in (("Gone", compared.gone), ("New", compared.new)):
        if findings:
            sections.append("\n".join([f"{name}:", *_findings(findings)]))
    return "\n\n".join(sections)
