"""The command line's options, what each means, and which cannot be given together."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from initviz.cli import argument_types, audit, blocks, coordinates, recording
from initviz.cli.exit_codes import BAD_INPUT, FOUND_ERROR, IN_WORDS
from initviz.core.activations import ACTIVATIONS
from initviz.core.batches import INPUTS
from initviz.core.frameworks import FRAMEWORKS
from initviz.core.initializers import INITIALIZERS
from initviz.core.propagation import LOSS_LABELS, LOSSES
from initviz.core.validation import check_parameters, setting_of
from initviz.diagnosis.thresholds import THRESHOLDS
from initviz.files import csv_table
from initviz.files import weights as checkpoints

ACTIVATION, INIT, INPUT = "relu", "he_normal", "normal"
REPAIRS = ("recommended", "lsuv", "rescaled")
PARAMETERS = "; ".join(f"{key}: {', '.join(entry.parameters)}"
                       for key, entry in INITIALIZERS.items() if entry.parameters)


def _activation_options() -> dict[str, dict[str, str]]:
    """The options of activations: for each the activations that take it, and the parameter's name there."""
    options: dict[str, dict[str, str]] = {}
    for key, entry in ACTIVATIONS.items():
        for name, parameter in entry.parameters.items():
            options.setdefault(setting_of(key, name, parameter), {})[key] = name
    return options


ACTIVATION_OPTIONS: Mapping[str, Mapping[str, str]] = MappingProxyType(_activation_options())

# An option that was asked for, and those that would be ignored beside it, with the reason; then those that need it.
USELESS_WITH: Mapping[str, tuple[tuple[str, ...], str]] = MappingProxyType({
    "weights": (("sizes", "init", "param", "gain", "bias", "bias_std", "output_init", "output_bias"),
                "which bring their own"),
    "data": (("input",), "which is the input"),
    "code": (("json", "html", "trial", "repair", "out", "threshold", "data", "input", "loss"),
             "which prints no report")})
NEEDED_BY: Mapping[str, tuple[str, ...]] = MappingProxyType({
    "weights": ("network", "folded_bias", "layout", "order"),
    "data": ("target", "target_kind", "raw", "raw_target", "inputs", "drop", "one_hot"),
    "code": ("recommended",), "repair": ("out",), "out": ("repair",)})


def check_together(options: argparse.Namespace) -> None:
    """Raise ValueError for an option that would be ignored beside the others, or without one that is missing."""
    named = {name for name, value in vars(options).items() if value is not None and value is not False and value != []}
    for name, (useless, why) in USELESS_WITH.items():
        for option in useless:
            if {name, option} <= named:
                raise ValueError(f"{_dashed(option)} must not be given with {_dashed(name)}, {why}")
    for name, needing in NEEDED_BY.items():
        for option in needing:
            if option in named and name not in named:
                raise ValueError(f"{_dashed(option)} must not be given without {_dashed(name)}")
    for name, owners in ACTIVATION_OPTIONS.items():
        if name in named and options.activation not in owners:
            raise ValueError(f"{_dashed(name)} must not be given without --activation {' or '.join(owners)}")


def _dashed(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def activation_params(options: argparse.Namespace) -> dict[str, Any]:
    """Every parameter of the chosen activation, given or default; ValueError for a bad value."""
    key = options.activation
    params = {owners[key]: getattr(options, name) for name, owners in ACTIVATION_OPTIONS.items()
             if key in owners and getattr(options, name) is not None}
    return check_parameters(key, params, ACTIVATIONS[key].parameters)


def _network_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--sizes", help="layer sizes from the inputs to the outputs, such as 784-512-512-10")
    command.add_argument("--activation", default=ACTIVATION, choices=ACTIVATIONS, metavar="KEY",
                         help=f"of the hidden layers: {', '.join(ACTIVATIONS)} (default: %(default)s)")
    for name, owners in ACTIVATION_OPTIONS.items():
        parameter = next(ACTIVATIONS[key].parameters[parameter_name] for key, parameter_name in owners.items())
        command.add_argument(_dashed(name), type=argument_types.number_or_word, metavar="VALUE",
                             help=f"of {', '.join(owners)}: {parameter.help} (default: {parameter.default})")
    command.add_argument("--param", type=argument_types.parameter, action="append", default=[], metavar="NAME=VALUE",
                         help="a parameter of the initializer, such as std=0.02 or mode=fan_out; may be repeated "
                              f"({PARAMETERS})")
    command.add_argument("--gain", type=argument_types.numbers, metavar="NUMBERS",
                         help="multiplies every weight, or one number per weight layer with commas between them, such "
                              "as 1.414,1.414,0.01 (default: 1)")
    command.add_argument("--bias", type=argument_types.numbers, metavar="NUMBERS",
                         help="what every bias is at first, or one number per weight layer (default: 0)")
    command.add_argument("--output-init", choices=INITIALIZERS, metavar="KEY",
                         help="the initializer of the last layer, where it is another")
    command.add_argument("--output-bias", type=argument_types.numbers, metavar="NUMBERS",
                         help="the biases of the last layer, one number or one per output, such as the logarithms of "
                              "the classes' shares (default: --bias)")
    command.add_argument("--bias-std", type=float, help="standard deviation of normal noise on the biases (default: 0)")
    command.add_argument("--input", choices=INPUTS, metavar="KEY",
                         help=f"what is sent through the network: {', '.join(INPUTS)} (default: {INPUT})")
    command.add_argument("--loss", choices=LOSSES, metavar="KEY",
                         help="of the outputs: " + "; ".join(f"{key}: {LOSS_LABELS[key]}" for key in LOSSES) +
                              " (default: what the target suggests)")
    command.add_argument("--batch", type=int, default=128, help="number of samples (default: %(default)s)")
    command.add_argument("--seed", type=int, default=0, help="fixes every random number (default: %(default)s)")
    command.add_argument("--no-limit", action="store_true",
                         help="compute networks that are too costly for the app's shared server, too")


def _weights_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--weights", type=Path, metavar="FILE",
                         help=f"examine the weights of this {checkpoints.SUFFIXES_SAID} file, which bring "
                              f"their sizes: at most {checkpoints.MOST_BYTES / 1e6:.0f} MB, {checkpoints.MOST_ARRAYS} "
                              f"arrays and {checkpoints.MOST_PARAMETERS:,} parameters")
    command.add_argument("--network", metavar="NAME",
                         help="the one that is examined, where the file holds several, such as an online and a target "
                              "network, or a policy and a value")
    command.add_argument("--folded-bias", choices=checkpoints.PLACES, metavar="PLACE",
                         help="where each matrix holds its biases, if it takes one more than the one before gives: "
                              f"{', '.join(checkpoints.PLACES)}")
    command.add_argument("--layout", metavar="KEY",
                         help="of the file's matrices, where their shapes leave a choice: " + "; ".join(
                             f"{key}: {label}" for key, label in checkpoints.LAYOUT_LABELS.items()))
    command.add_argument("--order", metavar="NAMES",
                         help="the file's matrices from the inputs to the outputs, with commas between them, where "
                              "names and shapes leave a choice")


def _data_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--data", type=Path, metavar="FILE",
                         help="send the rows of this CSV file through the network: at most "
                              f"{csv_table.MOST_BYTES / 1e6:.0f} MB and {csv_table.MOST_COLUMNS:,} columns; the "
                              f"first {csv_table.MOST_ROWS:,} rows are read")
    command.add_argument("--target", metavar="COLUMN",
                         help="the CSV file's column to predict, or several of numbers with commas between them "
                              "(default: the one named label, target, class or y, else the last that is not constant)")
    command.add_argument("--target-kind", choices=csv_table.TARGET_KINDS, metavar="KIND",
                         help="what the target is: classes, numbers, or auto, which takes words and few whole numbers "
                              "for classes (default: auto)")
    command.add_argument("--inputs", metavar="COLUMNS",
                         help="the CSV file's input columns, with commas between them (default: all others of numbers)")
    command.add_argument("--drop", metavar="COLUMNS",
                         help="columns that are no inputs, such as one that counts the rows, with commas between them")
    command.add_argument("--one-hot", action="store_true",
                         help="make an input of 0 or 1 of each word in columns of few words")
    command.add_argument("--raw", action="store_true", help="do not standardize the CSV file's input columns")
    command.add_argument("--raw-target", action="store_true",
                         help="leave a target of numbers in its own scale (default: standardized)")


def _report_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--threshold", type=argument_types.threshold, action="append", default=[],
                         metavar="NAME=NUMBER", help="moves a threshold; may be repeated (" + ", ".join(
                             f"{key}={threshold.default:g}" for key, threshold in THRESHOLDS.items()) + ")")
    command.add_argument("--trial", action="store_true",
                         help="train it for a moment as it is and with each remedy: is it the initialization? What "
                              "then trains as it is counts as no error, in the exit code, too")
    command.add_argument("--json", action="store_true", help="print the report as JSON")
    command.add_argument("--html", type=Path, metavar="FILE", help="also write the report as one HTML file")
    command.add_argument("--repair", choices=REPAIRS, metavar="KEY",
                         help=f"also write repaired parameters to the file of --out: {', '.join(REPAIRS)}")
    command.add_argument("--out", type=Path, metavar="FILE",
                         help="where --repair writes: the names, layout and format of the file of --weights, else an "
                              ".npz with those of the PyTorch code's network")
    command.add_argument("--code", choices=FRAMEWORKS,
                         help="print the code of the initialization in that framework, and no report")
    command.add_argument("--recommended", action="store_true",
                         help="the code of the initialization recommended for this activation instead")


def parser(commands: Mapping[str, Callable[[argparse.Namespace], int]]) -> argparse.ArgumentParser:
    """The whole command line; ``commands`` maps a command's name to what runs it and returns the exit code."""
    command_line = argparse.ArgumentParser(
        "initviz", description="What weight initialization does to a multilayer perceptron.", epilog=IN_WORDS)
    subcommands = command_line.add_subparsers(dest="command", required=True)

    diagnose = subcommands.add_parser(
        "diagnose", help="what is wrong with an initialization, and what would fix it",
        description="Prints the findings on an initialization, errors first, and what would fix them on the same data. "
                    f"Exit code: 0, {FOUND_ERROR} where a finding is an error, {BAD_INPUT} where the input is bad.")
    _network_options(diagnose)
    diagnose.add_argument("--init", choices=INITIALIZERS, metavar="KEY",
                          help=f"how the weights are drawn: {', '.join(INITIALIZERS)} (default: {INIT})")
    for add_options in (_weights_options, _data_options, _report_options):
        add_options(diagnose)

    formulas = subcommands.add_parser(
        "formulas", help="the table of initializers",
        description="Prints every initializer with its source; with --sizes also the standard deviation that it gives "
                    "each layer.")
    formulas.add_argument("--sizes", help="layer sizes, such as 784-512-512-10")

    simulate = subcommands.add_parser(
        "simulate", help="every statistic of every layer",
        description="Sends a batch through and the gradient back, and prints what each layer holds.")
    _network_options(simulate)
    simulate.add_argument("--init", default=[INIT], nargs="+", choices=INITIALIZERS, metavar="KEY",
                          help="one or several initializers, compared on the same random numbers: "
                               f"{', '.join(INITIALIZERS)} (default: {INIT})")
    simulate.add_argument("--csv", action="store_true", help="print all statistics as CSV instead of a few as a table")
    for command in (diagnose, formulas, simulate):
        command.set_defaults(run=commands[command.prog.split()[-1]])
    for module in (blocks, coordinates, audit, recording):
        module.add_command(subcommands)
    return command_line
