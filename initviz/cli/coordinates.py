"""The command ``coordinates``: how sizes, and their changes in training, go with the width."""

from __future__ import annotations

import argparse
import json
import math
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import pandas as pd

from initviz.core.activations import ACTIVATIONS
from initviz.core.batches import INPUTS
from initviz.training.coordinate_check import (
    OPTIMIZERS,
    PARAMETRIZATIONS,
    RATES,
    WIDTHS,
    Coordinates,
    coordinates,
    every_setting,
    sentence,
    sizes_table,
    slope_text,
    slopes,
)


def add_command(subcommands: Any) -> None:
    """Add the command to the subparsers of the command line."""
    command = subcommands.add_parser(
        "coordinates", help="the coordinate check: what a learning rate tuned at one width does at another",
        description="Draws a multilayer perceptron of several widths, trains it for a few steps, and prints how the "
                    "size of each layer's preactivations, and of their change, goes with the width: the slope of log "
                    "size against log width with its standard error. Source: Yang et al. 2022.")
    command.add_argument("--widths", type=int, nargs="+", default=list(WIDTHS), metavar="N",
                         help=f"of the hidden layers, at least two (default: {' '.join(map(str, WIDTHS))})")
    command.add_argument("--parametrization", nargs="+", default=list(PARAMETRIZATIONS), choices=PARAMETRIZATIONS,
                         metavar="KEY", help=f"{', '.join(PARAMETRIZATIONS)} (default: both)")
    command.add_argument("--optimizer", nargs="+", default=list(OPTIMIZERS), choices=OPTIMIZERS, metavar="KEY",
                         help=f"{', '.join(OPTIMIZERS)} (default: both)")
    command.add_argument("--rate", type=float, help="learning rate at the smallest of the usual widths, 64 (default: "
                         + ", ".join(f"{rate:g} for {key}" for key, rate in RATES.items()) + ")")
    command.add_argument("--steps", type=int, default=4, help="of training (default: %(default)s)")
    command.add_argument("--hidden", type=int, default=2, help="hidden layers (default: %(default)s)")
    command.add_argument("--activation", default="relu", choices=ACTIVATIONS, metavar="KEY",
                         help=f"{', '.join(ACTIVATIONS)} (default: %(default)s)")
    command.add_argument("--input", default="normal", choices=INPUTS, metavar="KEY",
                         help=f"{', '.join(INPUTS)} (default: %(default)s)")
    command.add_argument("--features", type=int, default=8, help="inputs of normal (default: %(default)s)")
    command.add_argument("--batch", type=int, default=64, help="samples (default: %(default)s)")
    command.add_argument("--seeds", type=int, default=3, help="networks of each width (default: %(default)s)")
    command.add_argument("--workers", type=int, default=1, help="processes (default: %(default)s)")
    command.add_argument("--json", action="store_true", help="print slopes, sizes and sentences as JSON")
    command.set_defaults(run=run_coordinates)


def run_coordinates(options: argparse.Namespace) -> int:
    """Print the slopes, and what they mean for a learning rate."""
    if options.workers < 1:
        raise ValueError(f"--workers must be at least 1, got {options.workers}")
    settings = every_setting(
        options.widths, options.parametrization, options.optimizer, options.seeds, rate=options.rate or 0.0,
        steps=options.steps, hidden=options.hidden, activation=options.activation, input=options.input,
        features=options.features, batch=options.batch)
    if options.workers == 1:
        measured = list(coordinates(settings))
    else:
        with ProcessPoolExecutor(options.workers) as pool:
            measured = list(coordinates(settings, executor=pool))
    print(_json(measured) if options.json else _text(measured))
    return 0


def _sentences(table: pd.DataFrame) -> list[str]:
    pairs = table[["parametrization", "optimizer"]].drop_duplicates()
    return [sentence(table, row.parametrization, row.optimizer) for row in pairs.itertuples()]


def _json(measured: list[Coordinates]) -> str:
    def rows(table: pd.DataFrame) -> list[dict[str, Any]]:
        return [{name: None if isinstance(value, float) and not math.isfinite(value) else value
                 for name, value in row.items()} for row in table.to_dict("records")]

    table = slopes(measured)
    return json.dumps({"slopes": rows(table), "sizes": rows(sizes_table(measured)), "sentences": _sentences(table)},
                      indent=1)


def _text(measured: list[Coordinates]) -> str:
    table = slopes(measured)
    table["text"] = [slope_text(row.slope, row.error) for row in table.itertuples()]
    table["what"] = ["initialization" if step == 0 else f"change, step {step}" for step in table.step]
    wide = table.pivot_table(index=["parametrization", "optimizer", "what"], columns="layer", values="text",
                             aggfunc="first", sort=False).reset_index()
    wide.columns.name = None
    diverged = int(table[table.step > 0].groupby(["parametrization", "optimizer", "step"])["diverged"].max().max())
    sections = ["Slope of log size against log width, with its standard error:", wide.to_string(index=False),
             *_sentences(table)]
    if diverged:
        sections.append(f"Training diverged in {diverged} networks, which are left out of the later steps.")
    return "\n\n".join([sections[0] + "\n" + sections[1], "\n".join(sections[2:])])
