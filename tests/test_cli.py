"""The command line: what it prints, its exit codes, and one sentence for bad input."""

import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from initviz.cli import main
from initviz.initializers import INITIALIZERS

SMALL = ["--sizes", "20-16-16-10", "--batch", "32"]


def said(capsys, *arguments):
    code = main([str(argument) for argument in arguments])
    output = capsys.readouterr()
    return code, output.out, output.err


@pytest.mark.parametrize(("options", "code"), [
    (["--init", "he_normal"], 0), (["--init", "zeros"], 1), (["--init", "constant", "--activation", "tanh"], 1),
    (["--init", "torch_linear"], 0), (["--init", "he_normal", "--gain", "0"], 1)])
def test_the_exit_code_is_1_where_a_finding_is_grave(capsys, options, code):
    found, out, err = said(capsys, "diagnose", *SMALL, *options)
    assert found == code
    assert not err
    assert ("[grave]" in out) == (code == 1)
    assert "Before and after" in out


def test_json_is_the_whole_report(capsys):
    code, out, _ = said(capsys, "diagnose", *SMALL, "--init", "zeros", "--json")
    read = json.loads(out)
    assert code == 1
    assert read["severity"] == "grave"
    assert len(read["layers"]) == 3


def test_html_is_written(capsys, tmp_path):
    code, out, _ = said(capsys, "diagnose", *SMALL, "--html", tmp_path / "report.html")
    assert code == 0
    assert "Findings" in out
    assert (tmp_path / "report.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_code_is_printed_and_runs(capsys):
    code, out, _ = said(capsys, "diagnose", *SMALL, "--init", "he_uniform", "--code", "NumPy")
    assert code == 0
    exec(compile(out, "code", "exec"), {"__name__": "exported"})


def test_options_reach_the_network(capsys):
    _, plain, _ = said(capsys, "simulate", *SMALL, "--csv")
    _, doubled, _ = said(capsys, "simulate", *SMALL, "--csv", "--gain", "2")
    std = [pd.read_csv(io.StringIO(text))["weight_std"] for text in (plain, doubled)]
    assert (std[1] / std[0]).tolist() == pytest.approx([2, 2, 2])
    _, fan_out, _ = said(capsys, "simulate", "--sizes", "40-10-10", "--csv", "--param", "mode=fan_out")
    first = pd.read_csv(io.StringIO(fan_out))["weight_std"][0]
    assert first == pytest.approx((2 / 10) ** 0.5, rel=0.2)
    code, out, _ = said(capsys, "diagnose", *SMALL, "--threshold", "shrunk=1", "--threshold", "grown=1")
    assert code == 0
    assert "[warning]" in out


def test_simulate_prints_every_layer_of_every_initialiser(capsys):
    code, out, _ = said(capsys, "simulate", *SMALL, "--init", "zeros", "he_normal", "--csv")
    frame = pd.read_csv(io.StringIO(out))
    assert code == 0
    assert frame.groupby("initializer").size().to_dict() == {"zeros": 3, "he_normal": 3}
    _, out, _ = said(capsys, "simulate", *SMALL)
    assert len(out.splitlines()) == 4


def test_formulas_lists_every_initialiser(capsys):
    code, out, _ = said(capsys, "formulas", "--sizes", "784-512-10")
    assert code == 0
    assert all(any(line.startswith(f"{key} ") for line in out.splitlines()) for key in INITIALIZERS)
    assert "784 → 512" in out


@pytest.mark.parametrize(("arguments", "sentence"), [
    (["diagnose"], "--sizes must be given, such as --sizes 784-512-512-10"),
    (["diagnose", "--sizes", "784"], "sizes must be 2 to 1001 whole numbers such as 784-512-512-10, got '784'"),
    (["diagnose", "--sizes", "20-x-10"], "sizes must be 2 to 1001 whole numbers such as 784-512-512-10, got '20-x-10'"),
    (["diagnose", "--sizes", "0-10"], "sizes must be an integer between 1 and 1e+06, got 0"),
    (["diagnose", "--sizes", "20-10", "--input", "digits"],
     "sizes must begin with 64, as the data has 64 inputs, got 20"),
    (["diagnose", *SMALL, "--batch", "0"], "batch must be an integer between 1 and 1e+06, got 0"),
    (["diagnose", *SMALL, "--gain", "nan"], "gain must be a finite number, got nan"),
    (["diagnose", *SMALL, "--param", "zz=1"], "he_normal takes mode, negative_slope, got 'zz'"),
    (["diagnose", *SMALL, "--threshold", "dead=2"], "threshold must be one of different, "),
    (["diagnose", *SMALL, "--threshold", "mostly=2"], "threshold mostly must be a number between 0 and 1, got 2.0"),
    (["diagnose", *SMALL, "--html", "/no/such/folder/x.html"], "No such file or directory")])
def test_bad_input_gets_one_sentence_and_exit_code_2(capsys, arguments, sentence):
    code, out, err = said(capsys, *arguments)
    assert code == 2
    assert not out
    assert sentence in err
    assert err.startswith("initviz: ")
    assert err.count("\n") == 1


@pytest.mark.parametrize("arguments", [["nonsense"], ["diagnose", "--init", "xavier"], [],
                                       ["diagnose", "--threshold", "mostly=x"]])
def test_what_the_parser_refuses_also_ends_with_2(capsys, arguments):
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == 2


@pytest.mark.parametrize("command", ["diagnose", "formulas", "simulate"])
def test_help_names_every_option(capsys, command):
    with pytest.raises(SystemExit) as left:
        main([command, "--help"])
    assert left.value.code == 0
    assert "%(" not in capsys.readouterr().out


def test_the_module_runs_without_streamlit():
    program = ("import sys; sys.argv = ['initviz', 'formulas']; sys.modules['streamlit'] = None; "
               "import runpy; runpy.run_module('initviz', run_name='__main__')")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60,
                          cwd=Path(__file__).parents[1])
    assert done.returncode == 0, done.stderr
    assert "he_normal" in done.stdout


# ---------------------------------------------------------------------------------------------- own files

@pytest.fixture
def files(tmp_path):
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "small.npz", **{
        "0.weight": 1e-4 * rng.standard_normal((16, 3)), "0.bias": np.zeros(16),
        "2.weight": 1e-4 * rng.standard_normal((12, 16)), "2.bias": np.zeros(12),
        "4.weight": 1e-4 * rng.standard_normal((3, 12)), "4.bias": np.zeros(3)})
    np.savez(tmp_path / "square.npz", **{"w1": rng.standard_normal((10, 10)), "b1": np.zeros(10),
                                         "w2": rng.standard_normal((10, 10)), "b2": np.zeros(10)})
    rows = "\n".join(f"{rng.normal():.3f},{1e4 * rng.normal():.1f},{rng.normal():.3f},{row % 3}" for row in range(50))
    (tmp_path / "rows.csv").write_text(f"a,b,c,kind\n{rows}\n")
    (tmp_path / "words.csv").write_text("a,b\nx,y\nz,w\n")
    return tmp_path


def test_weights_and_data_of_ones_own_are_examined(capsys, files):
    code, out, _ = said(capsys, "diagnose", "--weights", files / "small.npz", "--data", files / "rows.csv",
                        "--batch", 40)
    assert code == 1  # the second layer keeps 3e-4 of the signal: 1e-4 times the root of half its 16 inputs
    assert "Network: 3-16-12-3" in out
    assert "Start: small.npz" in out
    assert "Data: rows.csv, 40 samples" in out


def test_a_csv_is_standardised_unless_it_is_to_stay_raw(capsys, files):
    options = ["diagnose", "--sizes", "3-8-3", "--data", files / "rows.csv", "--target", "kind", "--batch", "40"]
    assert "Unscaled inputs" not in said(capsys, *options)[1]
    assert "Unscaled inputs" in said(capsys, *options, "--raw")[1]


@pytest.mark.parametrize(("options", "sentence"), [
    (["--weights", "none.npz"], "No such file or directory"),
    (["--weights", "rows.csv"], "initviz: "), (["--weights", "square.npz"], "--layout must be given"),
    (["--weights", "square.npz", "--layout", "zz"], "--layout must be one of"),
    (["--weights", "small.npz", "--sizes", "3-3"], "--sizes must not be given with --weights"),
    (["--weights", "small.npz", "--code", "NumPy"], "--code must not be given with --weights"),
    (["--sizes", "3-8-3", "--data", "words.csv"], ""), (["--sizes", "3-8-3", "--data", "rows.csv", "--target", "zz"],
                                                       "--target must be one of a, b, c, kind, got 'zz'"),
    (["--sizes", "4-8-3", "--data", "rows.csv"], "sizes must begin with 3")])
def test_a_bad_file_gets_one_sentence(capsys, files, options, sentence):
    paths = [files / option if "." in option else option for option in options]
    code, out, err = said(capsys, "diagnose", *paths)
    assert code == 2
    assert not out
    assert sentence in err
    assert err.count("\n") == 1
