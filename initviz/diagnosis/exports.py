"""A report as a file: JSON for a program, HTML for a person. Neither needs anything from elsewhere to be read."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
import pandas as pd

from initviz.charts import curves
from initviz.charts.picture import save
from initviz.core.wording import number
from initviz.diagnosis.findings import Finding
from initviz.diagnosis.presentation import (
    comparison,
    facts,
    pictures,
    say_pictures,
    say_trial,
    settings,
    shares_of_largest,
    table,
    trial_table,
)
from initviz.diagnosis.report import Report
from initviz.diagnosis.thresholds import THRESHOLDS
from initviz.diagnosis.trial import SAMPLES, STEPS, Evidence

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1b1f24; max-width: 1080px; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; margin: 1rem 0; font-size: 14px; display: block; overflow-x: auto }
th, td { text-align: left; padding: 0.25rem 0.75rem 0.25rem 0; border-bottom: 1px solid #d8dde3; vertical-align: top }
.error { color: #b2182b; font-weight: 600 } .warning { color: #8a5a00; font-weight: 600 } .note { color: #57606a }
.bar { display: inline-block; height: 0.7em; min-width: 1px; background: #3f73b5 }
small { color: #57606a } figure { margin: 1rem 0 } svg { max-width: 100%; height: auto }
"""


# ---------------------------------------------------------------------------------------------- JSON

def _plain(value: Any) -> Any:
    """A value that JSON has: what is not a finite number is said in words."""
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else number(float(value))
    return value.item() if isinstance(value, np.generic) else value


def _plain_values(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _plain(value) for name, value in values.items()}


def _findings(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    return [_plain_values(vars(finding)) for finding in findings]


def _trial(evidence: Evidence) -> dict[str, Any]:
    return {**vars(evidence.answer), "steps": STEPS, "samples_a_step": SAMPLES,
            "outcomes": [_plain_values(vars(outcome)) for outcome in evidence.outcomes]}


def to_json(report: Report, evidence: Evidence | None = None) -> str:
    """The whole report; numbers that are not finite are words such as "overflow" and "not defined".

    ``evidence`` is what a trial gave, under "trial": null where none was made.
    """
    return json.dumps({
        **{name.lower(): value for name, value in facts(report).items()},
        "seed": report.run.network.seed, "loss": _plain(report.run.loss), "severity": report.severity,
        "settings": settings(report), "measures": _plain_values(report.measures),
        "findings": _findings(report.findings), "trial": _trial(evidence) if evidence else None,
        "layers": [_plain_values(row) for row in report.layers.to_dict("records")],
        "remedies": [{"key": remedy.key, "label": remedy.label, "why": remedy.why, "severity": remedied.severity,
                      "measures": _plain_values(remedied.measures), "findings": _findings(remedied.findings)}
                     for remedy, remedied in report.remedies],
        "thresholds": {key: {"value": value, "source": THRESHOLDS[key].source}
                       for key, value in report.thresholds.items()},
    }, ensure_ascii=False, indent=2, allow_nan=False)


# ---------------------------------------------------------------------------------------------- HTML

def _html_table(frame: pd.DataFrame, bars: Mapping[str, Sequence[float]] | None = None) -> str:
    """A table of texts, and behind them columns of bars of a length between 0 and 1."""
    head = "".join(f"<th>{escape(str(title))}</th>" for title in [*frame.columns, *(bars or {})])
    rows = []
    for index, row in enumerate(frame.itertuples(index=False)):
        cells = [escape(str(cell)) for cell in row]
        for lengths in (bars or {}).values():
            width = 0.0 if math.isnan(lengths[index]) else 100 * lengths[index]
            cells.append(f'<span class="bar" style="width: {width:.1f}px"></span>' if width else "")
        rows.append("".join(f"<td>{cell}</td>" for cell in cells))
    return f"<table><tr>{head}</tr>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>"


def _html_finding(finding: Finding) -> str:
    return (f"<li><span class={finding.severity}>{finding.severity}</span> <b>{escape(finding.title)}</b>: "
            f"{escape(finding.text)}<br><small>Rule: {escape(finding.rule)}. Source: {escape(finding.source)}. "
            f"Firmness: {escape(finding.firmness)}.</small></li>")


def to_html(report: Report, evidence: Evidence | None = None) -> str:
    """One file with its charts inside, for any browser, with no server and no network. What people wrote is escaped."""
    about = "".join(f"<tr><th>{name}</th><td>{escape(value)}</td></tr>" for name, value in facts(report).items())
    findings = "".join(map(_html_finding, report.findings)) or "<li>None.</li>"
    charts = "".join(f"<figure><figcaption><b>{escape(title)}</b></figcaption>"
                     f"{save(*picture_and_data, height=curves.HEIGHT).decode()}</figure>"
                     for title, picture_and_data in pictures(report).items()) if report.run.network.depth > 1 else ""
    why = "".join(f"<li><b>{escape(remedy.label)}</b>: {escape(remedy.why)}</li>" for remedy, _ in report.remedies)
    trial = ("" if evidence is None else
             f"<h2>Is it the initialization?</h2><p><b>{escape(evidence.answer.text)}</b></p>"
             f"{_html_table(trial_table(evidence))}<p><small>{escape(say_trial())}</small></p>")
    lines = pd.DataFrame([{"Threshold": THRESHOLDS[key].label, "Value": f"{value:g}", "Source": THRESHOLDS[key].source}
                          for key, value in report.thresholds.items()])
    return (f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
            f"<title>Diagnosis of an initialization</title>"
            f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head><body>'
            f"<h1>Diagnosis of an initialization</h1><table>{about}</table>{trial}<h2>{escape(report.summary)}</h2>"
            f"<ul>{findings}</ul>"
            f"<h2>Layer by layer</h2>{_html_table(table(report), shares_of_largest(report))}"
            "<p><small>Bars: hidden layers beside the largest.</small></p>"
            f"<h2>Before and after</h2>{_html_table(comparison(report))}<ul>{why}</ul>"
            f"<p>{escape(say_pictures(report))}</p>{charts}<h2>Thresholds</h2>{_html_table(lines)}"
            "</body></html>\n")
