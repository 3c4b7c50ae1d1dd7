"""A report as a file: JSON for a program, HTML for a person. Neither needs anything from elsewhere to be read."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
import pandas as pd

from initviz.charts import curves
from initviz.charts.picture import UNORDERED, Data, Picture, save
from initviz.diagnosis import number, percent, verdict
from initviz.report.findings import Finding, Report
from initviz.report.thresholds import THRESHOLDS

COLUMNS = {
    "layer": "Layer", "shape": "Shape", "weight_std": "Weights, std", "preactivation_std": "Preactivations, std",
    "activation_rms": "Activations, rms", "delta_rms": "Deltas, rms", "weight_gradient_rms": "Weight gradients, rms",
    "distinct_neurons": "Different neurons", "dead_share": "Dead", "saturated_share": "Saturated"}
STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1b1f24; max-width: 1080px; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; margin: 1rem 0; font-size: 14px; display: block; overflow-x: auto }
th, td { text-align: left; padding: 0.25rem 0.75rem 0.25rem 0; border-bottom: 1px solid #d8dde3; vertical-align: top }
.grave { color: #b2182b; font-weight: 600 } .warning { color: #8a5a00; font-weight: 600 } .note { color: #57606a }
small { color: #57606a } figure { margin: 1rem 0 } svg { max-width: 100%; height: auto }
"""


def table(report: Report) -> pd.DataFrame:
    """A row a layer, as a person reads it: every number in words."""
    def said(row: Any) -> dict[str, str]:
        hidden = row.layer < report.run.network.depth
        return {
            "layer": str(row.layer) if hidden else "output", "shape": f"{row.fan_in} → {row.fan_out}",
            **{name: number(getattr(row, name)) for name in (
                "weight_std", "preactivation_std", "activation_rms", "delta_rms", "weight_gradient_rms")},
            "distinct_neurons": str(int(row.distinct_neurons)) if row.distinct_neurons else "not defined",
            **{name: "" if math.isnan(getattr(row, name)) else percent(getattr(row, name))
               for name in ("dead_share", "saturated_share")}}

    frame = pd.DataFrame([said(row) for row in report.layers.itertuples(index=False)]).rename(columns=COLUMNS)
    return frame.drop(columns=[COLUMNS[name] for name in ("dead_share", "saturated_share")
                               if report.layers[name].isna().all()])


def comparison(report: Report) -> pd.DataFrame:
    """A row a start: as it is, then each remedy, by the few numbers that matter."""
    rows = [("As it is", report)] + [(remedy.label, found) for remedy, found in report.remedies]
    return pd.DataFrame([{"Start": label, **found.measures} for label, found in rows])


def pictures(report: Report) -> dict[str, tuple[Picture, Data]]:
    """The scale of the signal forward and of the gradient back, as it is and under each remedy, by their title."""
    hidden = max(report.run.network.depth - 1, 1)
    layers = np.arange(1, hidden + 1)

    def lines(column: str, right: bool) -> Data:
        found = [("as it is", report)] + [(remedy.label, other) for remedy, other in report.remedies]
        series = []
        for (label, part), color in zip(found, UNORDERED[1:], strict=False):
            values = part.layers[column].to_numpy(float)[:hidden]
            lost = not np.isfinite(values).all()
            remark = "overflow" if lost else "0" if not values.any() else ""
            series.append(curves.Series(label, color, layers, values, remark, lost_high=lost))
        return curves.data(series, log=True, labels_right=right)

    return {
        "Forward → Root mean square of the activations": (curves.picture(
            "Scale of the activations against the layer, as it is and under each remedy, log axis", "hidden layer",
            log=True), lines("activation_rms", True)),
        "← Backward Root mean square of the deltas dL/dz": (curves.picture(
            "Scale of the deltas against the layer, as it is and under each remedy, log axis", "hidden layer", log=True,
            labels_right=False), lines("delta_rms", False))}


def facts(report: Report) -> dict[str, str]:
    """What was examined, by name; what a person called it stands as it was written."""
    network, batch = report.run.network, report.start.batch
    return {
        "Network": "-".join(map(str, network.sizes)), "Activation": network.activation_entry()[0].label,
        "Start": report.start.name, "Data": f"{batch.name}, {len(batch.x)} samples",
        "Loss": f"{number(report.run.loss, 3)} ({'cross-entropy' if batch.loss == 'softmax_ce' else 'squared error'})",
        "Verdict": verdict(report.run).words}


# ---------------------------------------------------------------------------------------------- JSON

def _plain(value: Any) -> Any:
    """A value that JSON has: what is not a finite number is said in words."""
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else number(float(value))
    return value.item() if isinstance(value, np.generic) else value


def _findings(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    return [{name: _plain(value) for name, value in vars(finding).items()} for finding in findings]


def to_json(report: Report) -> str:
    """The whole report; numbers that are not finite are words such as "overflow" and "not defined"."""
    network = report.run.network
    return json.dumps({
        **{name.lower(): value for name, value in facts(report).items()},
        "sizes": network.sizes, "seed": network.seed, "severity": report.severity,
        "findings": _findings(report.findings),
        "layers": [{name: _plain(value) for name, value in row.items()} for row in report.layers.to_dict("records")],
        "remedies": [{"key": remedy.key, "label": remedy.label, "why": remedy.why, "severity": found.severity,
                      "measures": dict(found.measures), "findings": _findings(found.findings)}
                     for remedy, found in report.remedies],
        "thresholds": {key: {"value": value, "source": THRESHOLDS[key].source} for key, value in report.lines.items()},
    }, ensure_ascii=False, indent=2, allow_nan=False)


# ---------------------------------------------------------------------------------------------- HTML

def _html_table(frame: pd.DataFrame) -> str:
    return frame.to_html(index=False, border=0, escape=True, classes=[])


def _html_finding(finding: Finding) -> str:
    return (f"<li><span class={finding.severity}>{finding.severity}</span> <b>{escape(finding.title)}</b>: "
            f"{escape(finding.words)}<br><small>Rule: {escape(finding.rule)}. Source: {escape(finding.source)}. "
            f"Firmness: {escape(finding.firm)}.</small></li>")


def to_html(report: Report) -> str:
    """One file with its charts inside, for any browser, with no server and no network. What people wrote is escaped."""
    about = "".join(f"<tr><th>{name}</th><td>{escape(value)}</td></tr>" for name, value in facts(report).items())
    found = "".join(map(_html_finding, report.findings)) or "<li>None.</li>"
    charts = "".join(f"<figure><figcaption><b>{escape(title)}</b></figcaption>"
                     f"{save(*part, height=curves.HEIGHT).decode()}</figure>"
                     for title, part in pictures(report).items()) if report.run.network.depth > 1 else ""
    why = "".join(f"<li><b>{escape(remedy.label)}</b>: {escape(remedy.why)}</li>" for remedy, _ in report.remedies)
    lines = pd.DataFrame([{"Threshold": THRESHOLDS[key].label, "Value": f"{value:g}", "Source": THRESHOLDS[key].source}
                          for key, value in report.lines.items()])
    return (f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>Diagnosis of a start</title>'
            f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head><body>'
            f"<h1>Diagnosis of a start</h1><table>{about}</table><h2>{escape(report.summary)}</h2><ul>{found}</ul>"
            f"<h2>Layer by layer</h2>{_html_table(table(report))}<h2>Before and after</h2>"
            f"{_html_table(comparison(report))}<ul>{why}</ul>{charts}<h2>Thresholds</h2>{_html_table(lines)}"
            "</body></html>\n")
