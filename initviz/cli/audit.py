"""``initviz audit``: which law drew each tensor of a file, and what is wrong with it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from initviz.cli.columns import aligned, printable
from initviz.cli.exit_codes import FOUND_ERROR
from initviz.core.wording import number
from initviz.diagnosis.audit import RECIPES, Audit, audit
from initviz.diagnosis.audit.recipes import learned

MOST_NAME, MOST_LAW = 44, 70  # letters of a column


def add_command(subcommands: Any) -> None:
    """Add the command to the subparsers of the command line."""
    command = subcommands.add_parser(
        "audit", help="which initializer drew each tensor of a file, and is it the one that was asked for",
        description="Reads a state dict tensor by tensor (the file may be larger than memory), names the laws that may "
                    "have drawn each, and finds copies, zeros and scales that do not belong. Exit code: 0, "
                    f"{FOUND_ERROR} where a finding is an error, 2 where the input is bad.")
    command.add_argument("files", nargs="+", metavar="FILE",
                         help=".safetensors (or its .index.json), .npz, .pt or .pth; several are shards of one model")
    command.add_argument("--recipe", metavar="NAME|FILE", help=f"hold the file against a recipe: {', '.join(RECIPES)}, "
                         "or a TOML file of patterns and laws")
    command.add_argument("--learn", metavar="FILE", type=Path, help="write the recipe that the file follows, as TOML")
    command.add_argument("--json", action="store_true", help="print tensors and findings as one JSON object")
    command.add_argument("--all", action="store_true", help="print every tensor, not one line a family of blocks")
    command.set_defaults(run=run_audit)


def run_audit(options: argparse.Namespace) -> int:
    """Print the audit; FOUND_ERROR where a finding is an error."""
    audited = audit(options.files, options.recipe)
    if options.learn is not None:
        options.learn.write_text(learned(audited.tensors, options.learn.stem).to_toml(), "utf-8")
    print(audited.to_json() if options.json else _text(audited, every=options.all))
    return FOUND_ERROR if audited.severity == "error" else 0


def _rows(audited: Audit, every: bool) -> list[tuple[str, str, str, str]]:
    """Name, shape, standard deviation and law; one row for tensors of a family that say the same."""
    groups: dict[tuple[str, ...], list[tuple[float, str]]] = {}
    for record, law in zip(audited.tensors, audited.frame["law"], strict=True):
        shape = " × ".join(map(str, record.shape)) or "1"
        free = all(law.free for law in record.laws) and bool(record.laws)  # of a formula with the tensor's own scale
        kind = law if record.measures.one_value else law.split("(")[0] if free else law.split(":")[0]
        key = (record.name, shape, law) if every else (record.role.family, shape, kind)
        groups.setdefault(key, []).append((record.measures.std, law))
    return [_row(key[0], key[1], sorted(members, key=lambda member: member[0])) for key, members in groups.items()]


def _row(name: str, shape: str, members: list[tuple[float, str]]) -> tuple[str, str, str, str]:
    """A row of tensors by their standard deviation and law, the smallest first."""
    (least, first), (most, last) = members[0], members[-1]
    std = number(least) if number(least) == number(most) else f"{number(least)} to {number(most)}"
    law = f"{first} to {last}" if first != last and first.startswith(("N(0, ", "U(±")) else first
    return name + (f"  ({len(members)})" if len(members) > 1 else ""), shape, std, law


def _text(audited: Audit, every: bool) -> str:
    rows = [tuple(printable(cell, most) for cell, most in zip(row, (MOST_NAME, 24, 20, MOST_LAW), strict=True))
            for row in [("tensor", "shape", "std", "law"), *_rows(audited, every)]]
    lines = [aligned(rows)]
    lines += ["", *(f"Tied, one tensor under several names: {printable(', '.join(names), 200)}"
                    for names in audited.tied)]
    lines += [printable(f"{audited.say_passed_over}.", 200)] if audited.passed_over else []
    lines += [printable(f"{audited.say_uncovered}.", 400)] if audited.say_uncovered else []
    for finding in audited.findings:
        lines += [f"[{finding.severity}] {printable(finding.text, 400)}.", f"    {finding.rule}; {finding.source}"]
    if not audited.findings:
        lines.append("Nothing found." if audited.recipe is None else f"Nothing deviates from {audited.recipe.name}.")
    return "\n".join(lines)
