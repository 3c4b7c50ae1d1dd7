"""The README says what is so."""

import contextlib
import io
import re
import shlex
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from charts.test_palette import EYES, difference
from claims.test_experiments import DISAGREE

from initviz import Network, make_batch, simulate
from initviz.charts import depth
from initviz.charts.picture import chart
from initviz.claims.experiment import FAILS, HOLDS, PARTLY
from initviz.claims.notes import NOTES
from initviz.claims.papers import PAPERS
from initviz.cli import main
from initviz.core.initializers import table

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_the_examples_run():
    said = []
    for example in re.findall(r"```python\n(.*?)```", README, re.DOTALL):
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            exec(example, {})
        said.append(output.getvalue())
    comparison, sweep, blocks, drawing = said
    assert "constant: 1 different neurons of 128" in comparison
    assert re.fullmatch(r"\d+ of 100 gradients survive\n", sweep)
    assert "fixup: the stream grows 1-fold, the last branch is 0 of its skip\n" in blocks
    assert drawing == ""


def test_the_entry_of_a_new_initializer_draws_what_it_promises():
    example, = re.findall(r"```py\n(.*?)```", README, re.DOTALL)
    (key, entry), = eval("{" + example + "}", vars(table)).items()
    rule = entry.law(scale=1.5)
    weights = rule.draw(300, 200, np.random.default_rng(0), "float64")
    assert key not in table.INITIALIZERS
    assert entry.color not in {known.color for known in table.INITIALIZERS.values()}
    assert all(difference(entry.color, other.color, eyes) >= (8 if other.law(**{
        name: parameter.default for name, parameter in other.parameters.items()}).family == rule.family else 6)
        for other in table.INITIALIZERS.values() for eyes in EYES)
    assert weights.var() == pytest.approx(rule.variance(300, 200), rel=0.03)
    assert rule.variance(300, 200) == pytest.approx(1.5 / 300)
    same = eval(entry.code["NumPy"].format(scale=1.5),
                {"np": np, "rng": np.random.default_rng(0), "fan_in": 300, "fan_out": 200})
    np.testing.assert_allclose(same, weights)


def test_the_command_line_example_runs():
    command, = re.findall(r"\$ \.venv/bin/python -m initviz (.*)\n", README)
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        assert main(shlex.split(command)) == 0
    assert "PyTorch's Linear" in output.getvalue()


def test_a_chart_for_a_notebook_holds_its_data():
    run = simulate(Network((64, 16, 16, 10)), make_batch("digits", 32))
    spec = chart(depth.forward_picture(), depth.data([run], [None], "activation", "rms")).to_dict()
    assert len(spec["datasets"]["lines"]) == 2
    assert "currentColor" not in str(spec)


def test_every_file_named_exists():
    known = [*ROOT.glob("*"), *(ROOT / "initviz").rglob("*.py"), *(ROOT / "tests").glob("*.py")]
    made = {"recorder.py", "start.json.gz"}  # by the reader of "Your own PyTorch model"; a test there follows its lines
    for name in re.findall(r"[\w./-]*\w\.(?:py|txt|gz|md|toml)\b|\.ci/run", README):
        assert (ROOT / name).exists() or name in {path.name for path in known} | made, name
    modules = {module.replace(".", "/") + ".py" for module in re.findall(r"tests\.(?:benchmarks|load)\.\w+", README)}
    runnable = {*(ROOT / "tests/benchmarks").glob("*.py"), *(ROOT / "tests/load").glob("*.py")}
    imported = {ROOT / "tests/benchmarks/floor.py", ROOT / "tests/load/dearest.py"}
    assert {ROOT / module for module in modules} == runnable - imported


def test_the_verdicts_are_counted_as_the_readme_counts_them():
    notes = Counter(note.run(0, **note.defaults()).verdict for note in NOTES.values())
    assert f"| {notes[HOLDS]} / {notes[PARTLY]} / {notes[FAILS]} |" in README
    assert f"{len(PAPERS) - len(DISAGREE)} of {len(PAPERS)} |" in README


def test_there_are_two_commands_of_one_line():
    fences = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    assert [fence.count("\n") for fence in fences] == [1, 1]
    assert all(fence.startswith("python3 -m venv .venv && .venv/bin/pip install -r ") for fence in fences)
