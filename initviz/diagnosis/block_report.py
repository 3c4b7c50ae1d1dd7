"""The report on a network of blocks: verdict and findings, every block, theory beside it, and the same after LSUV."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
import pandas as pd

from initviz.core.architecture import BRANCH_SCALES, KINDS, Architecture
from initviz.core.arrays import Array
from initviz.core.batches import Batch
from initviz.core.propagation import QUIET
from initviz.core.schemes import SCHEMES
from initviz.core.simulation import BlockRun, simulate_blocks
from initviz.core.wording import number
from initviz.diagnosis.block_remedies import lsuv_blocks
from initviz.diagnosis.thresholds import DEFAULTS, Thresholds
from initviz.diagnosis.verdict import Verdict, judge
from initviz.theory.residual import BlockPrediction, predict_blocks, why_unknown

BLOCK_COLUMNS: Mapping[str, str] = MappingProxyType({
    "block": "Block", "skip_rms": "Skip", "branch_rms": "Branch", "output_rms": "Stream after it",
    "branch_to_skip": "Branch ÷ skip", "cosine": "Cosine", "delta_rms": "Gradient dL/dx"})


@dataclass(frozen=True, eq=False)
class BlockReport:
    """A network of blocks on a batch: its run, the verdict with all findings, what theory expects (None where it does
    not speak), and the verdict on the same network after LSUV.
    """

    network: Architecture
    run: BlockRun
    verdict: Verdict
    prediction: BlockPrediction | None
    after_lsuv: Verdict

    @property
    def failed(self) -> bool:
        """Whether a finding is an error."""
        return any(finding.severity == "error" for finding in self.verdict.findings)


def diagnose_blocks(network: Architecture, batch: Batch, thresholds: Thresholds = DEFAULTS, *,
                    parameters: Mapping[str, Array] | None = None) -> BlockReport:
    """Examine a network of blocks on a batch, as drawn or with the parameters given; ValueError where the batch does
    not fit.
    """
    run = simulate_blocks(network, batch, counted=(), parameters=parameters)
    after = simulate_blocks(network, batch, counted=(), parameters=lsuv_blocks(network, batch))
    prediction = None if parameters is not None else predict_blocks(
        network, batch.x, float(run.column("delta_rms")[-1]) ** 2)
    return BlockReport(network, run, judge(run, thresholds), prediction, judge(after, thresholds))


def say_network(network: Architecture) -> str:
    """The network in words: its blocks, their formula and source."""
    kind = KINDS[network.kind]
    norm = "" if network.normalization == "none" else f", norm {network.normalization}"
    scale = f", a = {number(network.scale)}" if kind.skips else ""
    return (f"{kind.label}, {network.blocks} blocks of width {network.width}: {kind.formula}{norm}{scale} "
            f"({kind.source})")


def blocks_table(run: BlockRun) -> pd.DataFrame:
    """One row per block, in words: root mean square of skip, branch, stream and gradient, ratio and cosine."""
    table = run.blocks[list(BLOCK_COLUMNS)].rename(columns=BLOCK_COLUMNS)
    texts = table.map(lambda value: number(float(value)) if np.isfinite(value) else "not defined")
    if run.hidden_gradient_is_round_off:
        texts[BLOCK_COLUMNS["delta_rms"]] = "0 (errors cancel)"
    texts["Block"] = table["Block"].map("{:.0f}".format)
    return texts


def beside_theory(run: BlockRun, prediction: BlockPrediction | None) -> str:
    """How far a run is from what theory expects of it: words that follow "Theory:"."""
    if prediction is None:
        why = why_unknown(run.network.layers, run.network.inputs) or ""
        return f"none, as {why[:1].lower()}{why[1:].rstrip('.')}"
    sentences = []
    for way, measured, expected in (("forward", run.column("activation_rms"), prediction.activation_rms),
                                    ("backward", run.column("delta_rms"), prediction.delta_rms)):
        with np.errstate(**QUIET):
            apart = np.abs(np.log(measured[:-1] / expected[:-1]))
        defined = apart[np.isfinite(apart)]
        if defined.size:
            sentences.append(f"{way} by a factor of {number(float(np.exp(defined.max())), 3)}")
    return f"at most off {' and '.join(sentences)}" if sentences else "nothing goes through, as measured"


def to_json(report: BlockReport) -> str:
    """The report as JSON: the network, verdict, findings, one row per block, theory, and the verdict after LSUV."""
    blocks = report.run.blocks.astype(object).where(report.run.blocks.notna(), None).to_dict("records")
    return json.dumps({
        "kind": report.network.kind, "scheme": report.network.scheme, "initializer": report.network.initializer,
        "verdict": report.verdict.key, "loss": report.run.loss, "blocks": blocks,
        "theory": beside_theory(report.run, report.prediction), "after_lsuv": report.after_lsuv.key,
        "findings": [{"key": f.key, "severity": f.severity, "title": f.title, "text": f.text, "layer": f.layer}
                     for f in report.verdict.findings]}, indent=1)


def alternatives(network: Architecture) -> dict[str, Architecture]:
    """The same blocks with another scale of their branches, or by another scheme that is defined for them, by label."""
    if not KINDS[network.kind].skips:
        return {}
    changed = {f"Branches × {key.replace('sqrt(L)', '√L')}": {"branch_scale": key, "scheme": "none"}
               for key in BRANCH_SCALES}
    changed |= {scheme.label: {"branch_scale": "1", "scheme": key} for key, scheme in SCHEMES.items()
                if scheme.changes_something}
    better = {}
    for name, changes in changed.items():
        try:
            alternative = replace(network, **changes)  # type: ignore[arg-type]
        except ValueError:  # the scheme is not defined for these blocks
            continue
        if alternative.layers != network.layers:
            better[name] = alternative
    return better
