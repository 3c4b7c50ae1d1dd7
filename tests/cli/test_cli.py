"""The command line: what it prints, its exit codes, and one sentence for bad input."""

import io
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import safetensors.numpy

from initviz.cli import main
from initviz.core.initializers import INITIALIZERS

SMALL = ["--sizes", "20-16-16-10", "--batch", "32"]


def said(capsys, *arguments):
    code = main([str(argument) for argument in arguments])
    output = capsys.readouterr()
    return code, output.out, output.err


@pytest.mark.parametrize(("options", "code"), [
    (["--init", "he_normal"], 0), (["--init", "zeros"], 1), (["--init", "constant", "--activation", "tanh"], 1),
    (["--init", "torch_linear"], 0), (["--init", "he_normal", "--gain", "0"], 1)])
def test_the_exit_code_is_1_where_a_finding_is_an_error(capsys, options, code):
    found, out, err = said(capsys, "diagnose", *SMALL, *options)
    assert found == code
    assert not err
    assert ("[error]" in out) == (code == 1)
    assert "Before and after" in out


@pytest.mark.parametrize(("init", "answer", "key", "code"), [
    ("torch_linear", "No: as it is it reaches a loss of", "no", 0),
    ("zeros", "Yes: as it is it stays at a loss of", "yes", 1)])
def test_a_trial_answers_whether_it_is_the_initialization(capsys, tmp_path, init, answer, key, code):
    options = ["diagnose", "--sizes", "64-32-32-10", "--input", "digits", "--init", init, "--trial"]
    found, out, err = said(capsys, *options, "--html", tmp_path / "report.html")
    assert (found, err) == (code, "")
    assert f"Is it the initialization? {answer}" in out
    assert f"<b>{answer}" in (tmp_path / "report.html").read_text(encoding="utf-8")
    found, out, _ = said(capsys, *options, "--json")
    assert (found, json.loads(out)["trial"]["key"]) == (code, key)


@pytest.mark.parametrize(("std", "words"), [("1e-8", "The signal vanishes"), ("100", "The signal explodes")])
def test_a_network_of_one_hidden_layer_can_be_an_error(capsys, std, words):
    code, out, _ = said(capsys, "diagnose", "--sizes", "784-64-10", "--init", "normal", "--param", f"std={std}")
    assert code == 1
    assert f"[error] {words}" in out
    assert "Healthy" not in out


def test_json_is_the_whole_report(capsys):
    code, out, _ = said(capsys, "diagnose", *SMALL, "--init", "zeros", "--json")
    read = json.loads(out)
    assert code == 1
    assert read["severity"] == "error"
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


def test_the_recommended_starts_code_is_printed(capsys, files):
    for options in ([*SMALL, "--init", "zeros"], ["--weights", files / "small.npz"]):
        code, out, err = said(capsys, "diagnose", *options, "--code", "PyTorch", "--recommended")
        assert (code, err) == (0, "")
        assert "ReLU, He normal" in out


def test_the_report_holds_the_settings_that_repeat_it(capsys):
    options = [*SMALL, "--init", "he_normal", "--gain", "3", "--bias", "0.1", "--seed", "4", "--activation",
               "leaky_relu", "--slope", "0.2"]
    _, out, _ = said(capsys, "diagnose", *options, "--json")
    read = json.loads(out)["settings"]
    assert (read["gain"], read["bias"], read["seed"], read["activation_params"]) == (3, 0.1, 4, {"negative_slope": 0.2})
    assert read["data"] == {
        "name": "Standard normal", "samples": 32, "loss": "softmax_ce", "input": "normal", "seed": 4}
    _, out, _ = said(capsys, "diagnose", *options)
    assert "Initialization: He normal (mode fan_in, negative_slope 0.2), gain 3, biases 0.1" in out
    assert "Seed: 4" in out


def test_a_network_that_is_too_costly_needs_a_word(capsys, monkeypatch):
    monkeypatch.setattr("initviz.core.cost.MOST_OPERATIONS", 1e6)
    code, out, err = said(capsys, "diagnose", *SMALL)
    assert (code, out) == (2, "")
    assert err.rstrip().endswith("or give --no-limit")
    assert said(capsys, "diagnose", *SMALL, "--no-limit")[0] == 0


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


def test_simulate_prints_every_layer_of_every_initializer(capsys):
    code, out, _ = said(capsys, "simulate", *SMALL, "--init", "zeros", "he_normal", "--csv")
    frame = pd.read_csv(io.StringIO(out))
    assert code == 0
    assert frame.groupby("initializer").size().to_dict() == {"zeros": 3, "he_normal": 3}
    _, out, _ = said(capsys, "simulate", *SMALL)
    assert len(out.splitlines()) == 4


def test_formulas_lists_every_initializer(capsys):
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
    (["diagnose", *SMALL, "--html", "/no/such/folder/x.html"],
     "initviz: '/no/such/folder/x.html' cannot be opened: No such file or directory"),
    (["diagnose", *SMALL, "--target", "a"], "--target must not be given without --data"),
    (["diagnose", *SMALL, "--target-kind", "classes"], "--target-kind must not be given without --data"),
    (["diagnose", *SMALL, "--raw"], "--raw must not be given without --data"),
    (["diagnose", *SMALL, "--layout", "torch"], "--layout must not be given without --weights"),
    (["diagnose", *SMALL, "--order", "a,b"], "--order must not be given without --weights"),
    (["diagnose", *SMALL, "--slope", "0.1"], "--slope must not be given without --activation leaky_relu"),
    (["simulate", *SMALL, "--slope", "0"], "--slope must not be given without --activation leaky_relu"),
    (["diagnose", *SMALL, "--json", "--code", "NumPy"], "--json must not be given with --code, which prints no report"),
    (["diagnose", *SMALL, "--html", "x.html", "--code", "NumPy"], "--html must not be given with --code"),
    (["diagnose", *SMALL, "--loss", "mse", "--code", "NumPy"], "--loss must not be given with --code"),
    (["diagnose", *SMALL, "--recommended"], "--recommended must not be given without --code"),
    (["diagnose", *SMALL, "--repair", "lsuv"], "--repair must not be given without --out"),
    (["diagnose", *SMALL, "--out", "x.npz"], "--out must not be given without --repair"),
    (["diagnose", *SMALL, "--repair", "recommended", "--out", "x.npz"],
     "--repair must be one of lsuv, rescaled, got 'recommended'")])
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
    out = " ".join(capsys.readouterr().out.split())
    assert "%(" not in out
    if command == "diagnose":
        for said_there in ("torch: PyTorch, (out, in); keras", "constant: value", "at most 64 MB", "at most 20 MB",
                           "shrunk=0.1", "--target-kind", "--order", "--no-limit", "recommended, lsuv, rescaled"):
            assert said_there in out


def test_the_module_runs_without_streamlit():
    program = ("import sys; sys.argv = ['initviz', 'formulas']; sys.modules['streamlit'] = None; "
               "import runpy; runpy.run_module('initviz', run_name='__main__')")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60,
                          cwd=Path(__file__).parents[2])
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
    (tmp_path / "open.safetensors").write_bytes(safetensors.numpy.save({
        name: rng.standard_normal((6, 6)).astype(np.float32) for name in ("fc1.w", "fc2.w", "b.w")}))
    return tmp_path


def test_weights_and_data_of_ones_own_are_examined(capsys, files):
    code, out, _ = said(capsys, "diagnose", "--weights", files / "small.npz", "--data", files / "rows.csv",
                        "--batch", 40)
    assert code == 1  # the second layer keeps 3e-4 of the signal: 1e-4 times the root of half its 16 inputs
    assert "Network: 3-16-12-3" in out
    assert "Initialization: small.npz" in out
    assert "Data: rows.csv, 40 samples" in out


def test_a_csv_is_standardized_unless_it_is_to_stay_raw(capsys, files):
    options = ["diagnose", "--sizes", "3-8-3", "--data", files / "rows.csv", "--target", "kind", "--batch", "40"]
    assert "Unscaled inputs" not in said(capsys, *options)[1]
    assert "Unscaled inputs" in said(capsys, *options, "--raw")[1]


@pytest.mark.parametrize(("options", "sentence"), [
    (["--weights", "none.npz"], "'none.npz' cannot be opened: No such file or directory"),
    (["--weights", "rows.csv"], "initviz: "), (["--weights", "square.npz"], "--layout must be given"),
    (["--weights", "square.npz", "--layout", "zz"], "--layout must be one of"),
    (["--weights", "small.npz", "--sizes", "3-3"], "--sizes must not be given with --weights"),
    (["--weights", "small.npz", "--code", "NumPy"], "--code must not be given with --weights but with --recommended"),
    (["--weights", "small.npz", "--gain", "0"], "--gain must not be given with --weights, which bring their own"),
    (["--weights", "small.npz", "--output-init", "zeros"], "--output-init must not be given with --weights"),
    (["--weights", "small.npz", "--init", "zeros"], "--init must not be given with --weights"),
    (["--weights", "small.npz", "--bias", "1"], "--bias must not be given with --weights"),
    (["--weights", "small.npz", "--param", "std=1"], "--param must not be given with --weights"),
    (["--weights", "small.npz", "--repair", "lsuv", "--out", "fixed.safetensors"],
     "--out must end in .npz, got 'fixed.safetensors'"),
    (["--weights", "small.npz", "--repair", "lsuv", "--out", "small.npz"], "--out must be another file"),
    (["--weights", "open.safetensors", "--layout", "torch"], "--order must be given, as names and shapes fit 3 orders: "
     "b.w,fc1.w,fc2.w or fc1.w,b.w,fc2.w or fc1.w,fc2.w,b.w"),
    (["--weights", "open.safetensors", "--layout", "keras", "--order", "fc1.w"], "order must name each of "),
    (["--sizes", "3-8-3", "--data", "rows.csv", "--input", "normal"], "--input must not be given with --data"),
    (["--sizes", "3-8-3", "--data", "words.csv"], ""), (["--sizes", "3-8-3", "--data", "rows.csv", "--target", "zz"],
                                                       "--target must be one of a, b, c, kind, got 'zz'"),
    (["--sizes", "4-8-3", "--data", "rows.csv"], "sizes must begin with 3")])
def test_a_bad_file_gets_one_sentence(capsys, files, monkeypatch, options, sentence):
    monkeypatch.chdir(files)  # a long path is cut in messages
    code, out, err = said(capsys, "diagnose", *options)
    assert code == 2
    assert not out
    assert sentence in err.splitlines()[-1]
    assert len(err.splitlines()) == 1 or "--data" in options  # what the CSV's reader notes comes first


def test_what_the_csv_reader_notes_comes_before_what_does_not_fit(capsys, files):
    code, _, err = said(capsys, "diagnose", "--sizes", "4-8-3", "--data", files / "rows.csv")
    assert code == 2
    assert [line.removeprefix("initviz: ") for line in err.splitlines()] == [
        "The first line is taken for the columns' names.", "The target 'kind' is read as 3 classes: cross-entropy.",
        "sizes must begin with 3, as the data has 3 inputs, got 4"]


def test_the_target_can_be_said_to_be_numbers(capsys, files):
    options = ["diagnose", "--sizes", "3-8-1", "--data", files / "rows.csv", "--target-kind", "numbers", "--json"]
    code, out, err = said(capsys, *options)
    assert code == 0
    assert "The target 'kind' is read as numbers" in err
    assert json.loads(out)["settings"]["data"]["target_kind"] == "numbers"


def test_own_arrays_are_named_layer_by_layer(capsys, files):
    options = ["diagnose", "--weights", files / "open.safetensors", "--layout", "torch", "--order", "fc1.w, b.w,fc2.w"]
    code, out, _ = said(capsys, *options)
    assert code in (0, 1)
    lines = [line.split() for line in out.splitlines()]
    assert [line[1] for line in lines if line and line[0] in ("1", "2", "output")] == ["fc1.w", "b.w", "fc2.w"]
    _, out, _ = said(capsys, *options, "--json")
    assert json.loads(out)["settings"]["weights"] == {
        "file": "open.safetensors", "layout": "torch", "arrays": [["fc1.w", None], ["b.w", None], ["fc2.w", None]]}


def test_repaired_weights_are_written_as_they_came(capsys, files):
    _, _, err = said(capsys, "diagnose", "--weights", files / "small.npz", "--repair", "rescaled",
                     "--out", files / "fixed.npz")
    assert not err
    before, after = np.load(files / "small.npz"), np.load(files / "fixed.npz")
    assert {name: (a.shape, a.dtype) for name, a in after.items()} == {n: (a.shape, a.dtype) for n, a in before.items()}
    assert said(capsys, "diagnose", "--weights", files / "fixed.npz")[0] == 0


def test_repaired_parameters_of_a_drawn_start_have_the_names_of_the_pytorch_code(capsys, tmp_path):
    said(capsys, "diagnose", *SMALL, "--init", "zeros", "--repair", "recommended", "--out", tmp_path / "he.npz")
    held = np.load(tmp_path / "he.npz")
    assert held["layers.0.weight"].shape == (16, 20)
    assert held["layers.0.weight"].std() == pytest.approx((2 / 20) ** 0.5, rel=0.1)


def test_a_product_takes_one_thread_whatever_loaded_numpy():
    program = ("import numpy\nfrom threadpoolctl import threadpool_info\n{}\n"
               "print([pool['num_threads'] for pool in threadpool_info() if pool['user_api'] == 'blas'])")
    environment = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}

    def threads(line, **more):
        done = subprocess.run([sys.executable, "-c", program.format(line)], capture_output=True, text=True, timeout=60,
                              env=environment | more, cwd=Path(__file__).parents[2])
        assert done.returncode == 0, done.stderr
        found = set(json.loads(done.stdout.splitlines()[-1]))  # of NumPy's library, and of SciPy's where it is loaded
        assert found
        return found

    command = "from initviz.cli import main; main(['formulas'])"
    assert threads(command) == threads("import initviz.app") == {1}
    assert threads(command, OPENBLAS_NUM_THREADS="2") == {min(2, os.cpu_count())}


ALONE = """
import sys
sys.modules.update(dict.fromkeys(("streamlit", "cachetools", "pyarrow", "torch", "pytest")))  # as if not installed
import initviz
from initviz.cli import main
assert initviz.__file__.startswith(sys.path[0]), initviz.__file__
assert main(["diagnose", "--sizes", "64-32-10", "--activation", "relu", "--init", "torch_linear"]) == 0
assert main(["simulate", "--sizes", "64-32-10", "--init", "he_normal"]) == 0
*statements, chart = sys.argv[1].strip().splitlines()
names = {}
exec("\\n".join(statements), names)
shown = eval(chart, names)._repr_mimebundle_(None, None)
assert "vega" in str(shown), shown
"""


def test_the_built_package_works_outside_the_checkout_without_what_only_the_app_needs(tmp_path):
    pytest.importorskip("setuptools", minversion="77", reason="pip brings it where it builds")
    root = Path(__file__).parents[2]
    for name in ("pyproject.toml", "README.md", "LICENSE", "requirements.txt"):
        shutil.copy(root / name, tmp_path)
    for name in ("initviz", "pages"):
        shutil.copytree(root / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    done = subprocess.run([sys.executable, "-c", "from setuptools import build_meta; build_meta.build_wheel('.')"],
                          cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        names = wheel.namelist()
        metadata, scripts = (wheel.read(next(name for name in names if name.endswith(end))).decode()
                             for end in ("/METADATA", "/entry_points.txt"))
        wheel.extractall(tmp_path / "alone")
    assert {name.split("/")[0] for name in names if not name.split("/")[0].endswith(".dist-info")} == {"initviz"}
    data = [path for path in (root / "initviz" / "data").rglob("*") if path.is_file()]
    assert {path.relative_to(root).as_posix() for path in data} <= set(names)
    assert not any(name.startswith("initviz/app/") for name in names)
    assert "initviz = initviz.__main__:main" in scripts
    assert "Requires-Dist: numpy" in metadata
    _, in_a_notebook = (root / "README.md").read_text().split("A chart in a notebook:\n\n```python\n")
    done = subprocess.run([sys.executable, "-c", ALONE, in_a_notebook.split("```")[0]], cwd=tmp_path, text=True,
                          env=os.environ | {"PYTHONPATH": str(tmp_path / "alone"), "PYTHONSAFEPATH": "1"},
                          capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "Initialization: PyTorch's Linear" in done.stdout


# ---------------------------------------------------------------------------------------------- several networks

def test_one_of_several_networks_is_named(capsys, tmp_path):
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "two.npz", **{f"{part}.{layer}.weight": rng.standard_normal(shape)
                                      for part in ("online", "target") for layer, shape in ((0, (8, 4)), (2, (3, 8)))})
    code, out, err = said(capsys, "diagnose", "--weights", tmp_path / "two.npz")
    assert (code, out) == (2, "")
    assert err == ("initviz: --network must be given, as the file holds 2 networks: online (4-8-3), target (4-8-3)\n")
    code, out, err = said(capsys, "diagnose", "--weights", tmp_path / "two.npz", "--network", "target")
    assert "Network: 4-8-3" in out
    assert "target.2.weight" in out
    assert "online.2.weight" not in out
    assert "Of the networks in the file, 'target' is examined." in err
    _, _, err = said(capsys, "diagnose", "--weights", tmp_path / "two.npz", "--network", "x")
    assert "--network must be one of online, target, got 'x'" in err


def test_a_simulation_that_is_too_costly_needs_a_word(capsys, monkeypatch):
    monkeypatch.setattr("initviz.core.cost.MOST_OPERATIONS", 1e5)
    code, out, err = said(capsys, "simulate", *SMALL)
    assert (code, out) == (2, "")
    assert err.rstrip().endswith("or give --no-limit")
    assert said(capsys, "simulate", *SMALL, "--no-limit")[0] == 0


@pytest.mark.parametrize("command", ["simulate", "diagnose"])
def test_the_limit_is_checked_before_a_batch_is_drawn(capsys, command):
    code, _, err = said(capsys, command, "--sizes", "1000000-10-10", "--input", "normal", "--batch", "1000000")
    assert code == 2
    assert "billion operations" in err


def ended(*arguments, **options):
    return subprocess.run([sys.executable, "-m", "initviz", *arguments], stderr=subprocess.PIPE, text=True, **options)


def test_a_full_disk_ends_with_one_sentence_and_a_code_of_its_own():
    with open("/dev/full", "w") as full:
        process = ended("formulas", stdout=full)
    assert process.returncode == 74
    assert process.stderr == "initviz: the output could not be written: No space left on device\n"


@pytest.mark.parametrize("arguments", [["formulas"], ["diagnose", *SMALL]])
def test_a_pipe_that_closes_early_ends_with_one_sentence_and_a_shells_code(arguments):
    read, write = os.pipe()
    os.close(read)
    process = ended(*arguments, stdout=write)
    os.close(write)
    assert process.returncode == 141
    assert process.stderr == "initviz: the reader of the output closed it before its end\n"


def test_an_interrupted_run_ends_with_one_sentence_and_a_shells_code(capsys, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt
    monkeypatch.setattr("initviz.cli.commands.simulate", interrupt)
    code, out, err = said(capsys, "simulate", *SMALL)
    assert (code, out, err) == (130, "", "initviz: interrupted\n")


@pytest.mark.parametrize("module", ["numpy", "initviz.cli.blocks"])
def test_an_interrupt_while_modules_are_imported_ends_with_the_same_sentence(module):
    script = f"""
import runpy, sys
class Interrupt:
    def find_spec(self, name, *_):
        if name == {module!r}:
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupt())
sys.argv = ["initviz", "formulas"]
runpy.run_module("initviz", run_name="__main__")"""
    process = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (process.returncode, process.stdout, process.stderr) == (130, "", "initviz: interrupted\n")


def test_the_help_names_every_exit_code(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    said_of = " ".join(capsys.readouterr().out.split())
    assert all(f"{code} where " in said_of for code in (1, 2, 74, 130, 141))


# ---------------------------------------------------------------------------------------------- columns of a table

@pytest.fixture
def table(tmp_path):
    rng = np.random.default_rng(0)
    rows = "\n".join(f"{row + 1},{rng.normal():.3f},{rng.normal():.3f},0,{1e5 + 1e4 * rng.normal():.0f},"
                     f"{'ab'[row % 2]}" for row in range(40))
    (tmp_path / "table.csv").write_text(f"Id,x1,x2,blank,price,word\n{rows}\n")
    return tmp_path / "table.csv"


@pytest.mark.parametrize(("sizes", "options"), [
    ("5-8-2", []), ("4-8-2", ["--drop", "Id"]), ("2-8-2", ["--inputs", "x1,x2"]),
    ("2-8-2", ["--drop", "Id,blank,price"]),
    ("4-8-1", ["--target", "price"]), ("6-8-1", ["--target", "price", "--one-hot"]),
    ("2-8-3", ["--target", "price,x1,x2", "--inputs", "Id,blank"])])
def test_columns_can_be_chosen(capsys, table, sizes, options):
    code, out, err = said(capsys, "diagnose", "--sizes", sizes, "--data", table, *options)
    assert code in (0, 1), err
    assert f"Network: {sizes}" in out


def test_a_column_that_counts_the_rows_is_named_where_it_is_one_too_many(capsys, table):
    code, _, err = said(capsys, "diagnose", "--sizes", "4-8-2", "--data", table)
    assert code == 2
    assert err.splitlines()[-1].endswith("'Id' only counts the rows and can be left out with --drop Id")


def test_a_name_with_a_space_is_said_as_a_shell_takes_it(capsys, tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(",x,y\n" + "".join(f"{i * 7 % 30},{i * 11 % 30}.5,{i % 2}\n" for i in range(30)))
    code, _, err = said(capsys, "diagnose", "--sizes", "1-8-2", "--data", path)
    assert code == 2
    assert err.splitlines()[-1].endswith("can be left out with --drop 'column 1'")
    assert said(capsys, "diagnose", "--sizes", "1-8-2", "--data", path, "--drop", "column 1")[0] in (0, 1)


def test_a_target_is_left_in_its_own_scale_where_it_is_asked_for(capsys, table):
    options = ["diagnose", "--sizes", "4-8-1", "--data", table, "--target", "price", "--json"]
    _, out, err = said(capsys, *options, "--raw-target")
    assert "'price' is read as numbers, in their own scale" in err
    assert json.loads(out)["settings"]["data"]["standardize_target"] is False
    _, out, err = said(capsys, *options)
    assert "'price' is read as numbers, standardized" in err
    assert json.loads(out)["settings"]["data"]["standardize_target"] is True


def test_two_classes_for_one_output_are_a_sigmoid_with_binary_cross_entropy(capsys, tmp_path):
    (tmp_path / "xor.csv").write_text("x1,x2,y\n0,0,0\n0,1,1\n1,0,1\n1,1,0\n")
    code, out, err = said(capsys, "diagnose", "--sizes", "2-2-1", "--activation", "sigmoid", "--data",
                          tmp_path / "xor.csv")
    assert code in (0, 1)
    assert "2 classes for one output: sigmoid and binary cross-entropy" in err
    assert "(sigmoid and binary cross-entropy)" in out


def test_one_sigmoid_output_with_binary_cross_entropy_can_be_said(capsys):
    _, out, err = said(capsys, "diagnose", "--sizes", "2-2-1", "--input", "moons", "--loss", "bce", "--json")
    assert not err
    assert json.loads(out)["settings"]["data"]["loss"] == "bce"


@pytest.mark.parametrize("loss", ["mse", "bce", "sigmoid_mse", "tanh_mse"])
def test_every_loss_takes_the_classes_of_ten_outputs(capsys, loss):
    code, out, err = said(capsys, "diagnose", *SMALL, "--loss", loss, "--json")
    assert code in (0, 1)
    assert not err
    assert json.loads(out)["settings"]["data"]["loss"] == loss


def test_cross_entropy_of_one_output_is_refused_in_a_sentence(capsys):
    code, _, err = said(capsys, "diagnose", "--sizes", "5-4-1", "--loss", "softmax_ce")
    assert code == 2
    assert "loss must be one for a single output: mse, bce, sigmoid_mse, tanh_mse, got 'softmax_ce'" in err


def test_a_policys_small_head_and_a_prior_bias_can_be_said(capsys):
    code, out, err = said(capsys, "diagnose", "--sizes", "20-16-16-2", "--activation", "tanh", "--init", "orthogonal",
                          "--gain", "1.414,1.414,0.01", "--output-init", "lecun_normal", "--output-bias=-0.7,-0.7",
                          "--batch", "32", "--json")
    assert code in (0, 1)
    assert not err
    settings = json.loads(out)["settings"]
    assert settings["gain"] == [1.414, 1.414, 0.01]
    assert settings["bias"] == [0, 0, [-0.7, -0.7]]
    assert settings["output_initializer"] == "lecun_normal"


def test_a_gain_for_too_few_layers_is_refused_in_a_sentence(capsys):
    code, _, err = said(capsys, "diagnose", *SMALL, "--gain", "1,2")
    assert code == 2
    assert "gain must be a number or 3, one per weight layer, got 2" in err


def test_two_classes_of_the_apps_own_data_suit_one_output(capsys):
    assert main(["diagnose", "--sizes", "2-8-1", "--input", "moons"]) == 0
    assert "sigmoid and binary cross-entropy" in capsys.readouterr().out


def test_the_data_line_says_of_each_loss_what_was_done_to_the_target(tmp_path, capsys):
    path = tmp_path / "xor.csv"
    path.write_text("a,b,y\n0,0,0\n0,1,1\n1,0,1\n1,1,0\n")
    for loss in ("bce", "sigmoid_mse", "tanh_mse", "mse"):
        main(["diagnose", "--sizes", "2-2-1", "--activation", "tanh", "--data", str(path), "--loss", loss])
        assert "target 'y' as 2 classes for one output, " in capsys.readouterr().out
