"""A report as a page, a terminal and a file show it: tables in words, settings, pictures and captions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from initviz.charts import curves
from initviz.charts.picture import UNORDERED, Data, Picture, color_of
from initviz.core.initializers import INITIALIZERS
from initviz.core.network import NeuronBias
from initviz.core.propagation import LOSS_LABELS
from initviz.core.wording import MOST_NAMED, counted, listed, number, percent
from initviz.diagnosis.report import Report
from initviz.diagnosis.scale_reasons import ScaleReason, backward, forward
from initviz.diagnosis.trial import RATES, SAMPLES, STEPS, Evidence
from initviz.files.csv_table import kind_of_target
from initviz.files.weights import LAYOUT_LABELS
from initviz.training.gradient_descent import OPTIMIZER_LABELS

COLUMNS = {
    "layer": "Layer", "array": "Array", "shape": "Shape", "weight_std": "Weights, std",
    "preactivation_std": "Preactivations, std", "activation_rms": "Activations, rms", "delta_rms": "Deltas, rms",
    "weight_gradient_rms": "dL/dW, rms", "distinct_neurons": "Different neurons", "dead_share": "Dead",
    "saturated_share": "Saturated"}
MEASURES = {
    "error": "Errors", "warnings": "Warnings", "signal": "Signal, last hidden ÷ input",
    "gradient": "Gradient, first ÷ last hidden", "different_neurons": "Different neurons",
    "output_std": "Output, std", "loss": "Loss"}
# Thresholds that are no initializer's initialization: colors of no entry of the table, seen on white and on black.
UPLOADED_COLOR = UNORDERED[6]
REMEDY_COLORS = {"lsuv": UNORDERED[0], "rescaled": UNORDERED[8], "standardized": UNORDERED[2],
                 "standardized_targets": UNORDERED[2]}


def table(report: Report) -> pd.DataFrame:
    """One row per layer, as a person reads it: every number in words."""
    arrays = report.initialization.file.get("arrays", ())

    def in_words(row: Any) -> dict[str, str]:
        hidden = row.layer < report.run.network.depth
        return {
            "layer": str(row.layer) if hidden else "output", "array": arrays[row.layer - 1][0] if arrays else "",
            "shape": f"{row.fan_in} → {row.fan_out}",
            **{name: number(getattr(row, name)) for name in (
                "weight_std", "preactivation_std", "activation_rms", "delta_rms", "weight_gradient_rms")},
            "distinct_neurons": _neurons(row.distinct_neurons, row.fan_out),
            **{name: "" if math.isnan(getattr(row, name)) else percent(getattr(row, name))
               for name in ("dead_share", "saturated_share")}}

    frame = pd.DataFrame([in_words(row) for row in report.layers.itertuples(index=False)]).rename(columns=COLUMNS)
    unused = [name for name in ("dead_share", "saturated_share") if report.layers[name].isna().all()]
    return frame.drop(columns=[COLUMNS[name] for name in (*unused, *(() if arrays else ("array",)))])


def _neurons(different: float, width: int) -> str:
    return f"{different:.0f} of {width}" if different else "not defined"


def shares_of_largest(report: Report) -> dict[str, list[float]]:
    """The lengths of the bars of a table, 0 to 1: per layer the activations' and deltas' rms beside the largest hidden
    layer's; 1 where it overflows, NaN for the output, which has another scale.
    """
    columns = {}
    for title, name in (("Signal", "activation_rms"), ("Gradient", "delta_rms")):
        hidden = report.layers[name].to_numpy(float)[:-1]
        most = hidden[np.isfinite(hidden)].max(initial=0.0)
        shares = np.where(np.isfinite(hidden), hidden / (most or 1.0), np.where(np.isnan(hidden), np.nan, 1.0))
        columns[title] = [*shares.tolist(), math.nan]
    return columns


def comparison(report: Report) -> pd.DataFrame:
    """One row per initialization: as it is, then each remedy, by the few numbers that matter, in words.

    What was tried and is no remedy, since its own report is no better, is marked as such.
    """
    def in_words(other: Report) -> dict[str, str]:
        words = {name: str(value) if isinstance(value, int) else number(value, 3 if name == "loss" else 2)
                 for name, value in other.measures.items()}
        words["different_neurons"] = _neurons(other.measures["different_neurons"], int(other.measures["neurons"]))
        return {label: words[name] for name, label in MEASURES.items()}

    offered = [remedy for remedy, _ in report.offered]
    rows = [("As it is", report)] + [(remedy.label if remedy in offered else f"{remedy.label} (no remedy here)", other)
                                     for remedy, other in report.remedies]
    return pd.DataFrame([{"Initialization": label, **in_words(other)} for label, other in rows])


def trial_table(evidence: Evidence) -> pd.DataFrame:
    """One row per candidate of a trial: the lowest loss that it reached, and how, in words."""
    return pd.DataFrame([{
        "Initialization": outcome.label, "Loss": number(outcome.loss),
        "Optimizer": OPTIMIZER_LABELS[outcome.optimizer], "Rate": f"{outcome.rate:g}"}
        for outcome in evidence.outcomes])


def say_trial() -> str:
    """How the losses of a trial were measured, in a sentence."""
    return (f"The lowest loss of the whole batch after {STEPS} steps of {SAMPLES} samples, over gradient descent at "
            f"rates {listed([f'{rate:g}' for rate in RATES['sgd']])} and Adam at "
            f"{listed([f'{rate:g}' for rate in RATES['adam']])}.")


# ---------------------------------------------------------------------------------------------- what was examined

def settings(report: Report) -> dict[str, Any]:
    """All settings of a report by name, except the numbers in files: enough to repeat it."""
    initialization, network = report.initialization, report.run.network
    law = {
        "initializer": network.initializer, "initializer_params": dict(network.initializer_params),
        "gain": network.gain, "bias": network.bias, "bias_std": network.bias_std,
        "output_initializer": network.output_initializer,
        "output_initializer_params": dict(network.output_initializer_params)}
    return {
        "sizes": list(network.sizes), "activation": network.activation,
        "activation_params": dict(network.activation_params), **(law if initialization.drawn else dict.fromkeys(law)),
        "seed": network.seed, "dtype": network.dtype, "weights": dict(initialization.file) or None,
        "data": {"name": initialization.batch.name, "samples": len(initialization.batch.x),
                 "loss": initialization.batch.loss, **initialization.data},
        "thresholds": dict(report.thresholds)}


def facts(report: Report) -> dict[str, str]:
    """The examined network, initialization, data and verdict as texts by name; a user's own names stay as they are."""
    network, batch, initialization = report.run.network, report.initialization.batch, report.initialization
    phi, params = network.activation_entry()
    data = [batch.name, counted(len(batch.x), "sample")]
    if "target" in initialization.data:
        kind = kind_of_target(batch, initialization.data.get("standardize_target", True))
        data += [f"target {initialization.data['target']!r} as {kind}",
                 ("" if batch.loss in ("softmax_ce", "bce") else "inputs ") + (
                     "standardized" if initialization.data.get("standardize") else "not standardized")]
    return {
        "Network": "-".join(map(str, network.sizes)), "Activation": _with(phi.label, params),
        "Initialization": _say_initialization(report),
        **({"Layout": LAYOUT_LABELS[initialization.file["layout"]]} if initialization.file else {}),
        "Data": ", ".join(data), "Seed": str(network.seed),
        "Loss": f"{number(report.run.loss, 3)} ({LOSS_LABELS[batch.loss]})",
        "Verdict": report.verdict.words}


def in_a_line(report: Report) -> str:
    """What was examined, for a line under a title or over an answer."""
    said = facts(report)
    return " · ".join(said[name] for name in ("Network", "Activation", "Initialization", "Data"))


def _with(name: str, params: dict[str, Any]) -> str:
    settings = ", ".join(f"{key} {value if isinstance(value, str) else format(value, 'g')}"
                     for key, value in params.items())
    return f"{name} ({settings})" if settings else name


def _say_initialization(report: Report) -> str:
    network = report.run.network
    if not report.initialization.drawn:
        return report.initialization.name
    biases = _per_layer([network.bias_of(layer) for layer in range(network.depth)])
    biases += f" ± {network.bias_std:g}" if network.bias_std else ""
    of_law = " plus what the initializer draws" if INITIALIZERS[network.initializer].bias_code else ""
    key, params = network.initializer_of(network.depth - 1)
    output = f", output layer {_with(INITIALIZERS[key].label, params)}" if network.output_initializer else ""
    gains = _per_layer([network.gain_of(layer) for layer in range(network.depth)])
    return (f"{_with(report.initialization.name, dict(network.initializer_params))}{output}, gain {gains}, "
            f"biases {biases}{of_law}")


def _per_layer(values: Sequence[NeuronBias]) -> str:
    """A number that all layers share, else those of the layers from the first to the last, without the middle."""
    texts = [f"{value:g}" if isinstance(value, float) else f"{min(value):g} to {max(value):g}" for value in values]
    if len(set(texts)) == 1:
        return texts[0]
    texts = texts if len(texts) <= MOST_NAMED else [*texts[:MOST_NAMED - 2], "...", texts[-1]]
    return f"{', '.join(texts)} (per layer)"


# ---------------------------------------------------------------------------------------------- pictures

def pictures(report: Report) -> dict[str, tuple[Picture, Data]]:
    """The scale of the signal forward and of the gradient back, as it is and under each remedy, by their title."""
    hidden = max(report.run.network.depth - 1, 1)
    layers = np.arange(1, hidden + 1)

    def lines(column: str, right: bool) -> Data:
        variants = [("as it is", "", report)] + [(remedy.label, remedy.key, other) for remedy, other in report.remedies]
        series = []
        for label, key, variant in variants:
            values = variant.layers[column].to_numpy(float)[:hidden]
            overflows = not np.isfinite(values).all()
            remark = "overflow" if overflows else "0" if not values.any() else ""
            color = (color_of(variant.run.network.initializer) if variant.initialization.drawn else
                     REMEDY_COLORS.get(key, UPLOADED_COLOR))
            series.append(curves.Series(label, color, layers, values, remark, lost_high=overflows))
        return curves.data(series, log=True, labels_right=right)

    return {
        "Forward → Root mean square of the activations": (curves.picture(
            "Scale of the activations against the layer, as it is and under each remedy, log axis", "hidden layer",
            log=True), lines("activation_rms", True)),
        "← Backward Root mean square of the deltas dL/dz": (curves.picture(
            "Scale of the deltas against the layer, as it is and under each remedy, log axis", "hidden layer", log=True,
            labels_right=False), lines("delta_rms", False))}


def reasons(report: Report) -> tuple[list[ScaleReason], list[ScaleReason]]:
    """Why the scales of the two pictures shrink, stay or grow: as it is, and under the best remedy where it is better.
    """
    def faults(other: Report) -> tuple[int, int]:
        return other.count("error"), other.count("warning")

    runs, labels = [report.run], ["as it is"]
    best = min(report.remedies, key=lambda remedy: faults(remedy[1]), default=None)
    if best and faults(best[1]) < faults(report):
        runs, labels = [*runs, best[1].run], [*labels, best[0].label]
    return forward(runs, labels), backward(runs, labels)


def say_pictures(report: Report) -> str:
    """``reasons`` in a sentence each way."""
    ways = [f"{way}: " + "; ".join(
        f"{listed(reason.labels)} {reason.happens.lower()}: {reason.why}" for reason in of_way)
            for way, of_way in zip(("Forward", "Backward"), reasons(report), strict=True) if of_way]
    return ". ".join(ways) + "." if ways else "There are fewer than two hidden layers: nothing to compare."
