"""The report on networks of blocks, in Python and on the command line."""

import json
import math

import numpy as np
import pytest

from initviz import KINDS, SCHEMES, Architecture, make_batch
from initviz.__main__ import main
from initviz.diagnosis.block_report import beside_theory, blocks_table, diagnose_blocks, say_network

BATCH = make_batch("digits", 64)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("initializer", ["he_normal", "constant", "zeros"])
def test_every_kind_gets_a_verdict_and_a_table_of_its_blocks(kind, initializer):
    network = Architecture(kind=kind, normalization=KINDS[kind].normalizations[0], width=32, blocks=3,
                           initializer=initializer)
    report = diagnose_blocks(network, BATCH)
    assert report.failed == any(finding.severity == "error" for finding in report.verdict.findings)
    assert report.failed or initializer == "he_normal"
    assert list(blocks_table(report.run)["Block"]) == ["1", "2", "3"]
    assert beside_theory(report.run, report.prediction)
    assert KINDS[kind].formula in say_network(network)
    assert (", a = " in say_network(network)) == KINDS[kind].skips
    assert not any("dL/dz" in finding.text + finding.rule for finding in report.verdict.findings)


def test_lsuv_mends_a_stream_that_explodes():
    report = diagnose_blocks(Architecture(width=64, blocks=12, gain=1.5), BATCH)
    assert report.verdict.key == "exploding"
    assert any("the length of dL/dx in layer 1 is" in finding.text for finding in report.verdict.findings)
    assert report.after_lsuv.key != "exploding"
    assert not any(finding.severity == "error" for finding in report.after_lsuv.findings)


def test_theory_is_within_chance_of_what_is_measured():
    report = diagnose_blocks(Architecture(width=128, blocks=6, gain=2**-0.25), BATCH)
    measured, expected = report.run.column("activation_rms")[:-1], report.prediction.activation_rms[:-1]
    assert np.abs(np.log(measured / expected)).max() < 4 * math.sqrt(6 * 11 / 4 / 128) / 2


def test_the_command_prints_the_report_and_fails_where_a_finding_is_an_error(capsys):
    assert main(["blocks", "--kind", "residual", "--initializer", "constant", "--width", "16", "--blocks", "2"]) == 1
    text = capsys.readouterr().out
    assert "Verdict: Collapsed" in text
    assert "After LSUV: " in text
    assert main(["blocks", "--scheme", "fixup", "--width", "32", "--blocks", "2", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["scheme"] == "fixup"
    assert [block["branch_rms"] for block in report["blocks"]] == [0, 0]
    assert [block["cosine"] for block in report["blocks"]] == [None, None]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_command_prints_the_code_of_every_scheme(scheme, capsys):
    assert main(["blocks", "--scheme", scheme, "--code", "PyTorch", "--width", "16", "--blocks", "2"]) == 0
    assert "import torch" in capsys.readouterr().out


@pytest.mark.parametrize(("given", "words"), [
    (["--scheme", "fixup", "--kind", "pre_norm", "--normalization", "layer"],
     "kind must be residual where scheme is fixup"),
    (["--kind", "plain", "--normalization", "batch"], "normalization must be none where kind is plain"),
    (["--json", "--code", "JAX"], "--json must not be given with --code"),
    (["--width", "8000", "--blocks", "100"], "would take about")])
def test_what_does_not_fit_is_refused_in_one_sentence(given, words, capsys):
    assert main(["blocks", *given]) == 2
    assert words in capsys.readouterr().err
