"""The README says what is so."""

import contextlib
import io
import re
import shlex
from pathlib import Path

from initviz import Network, make_batch, simulate
from initviz.charts import depth
from initviz.charts.picture import chart
from initviz.cli import main

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_the_examples_run():
    said = []
    for example in re.findall(r"```python\n(.*?)```", README, re.DOTALL):
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            exec(example, {})
        said.append(output.getvalue())
    comparison, sweep, drawing = said
    assert "constant: 1 different neurons of 128" in comparison
    assert re.fullmatch(r"\d+ of 100 gradients survive\n", sweep)
    assert drawing == ""


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
    named = re.findall(r"[\w./-]+\.(?:py|txt|gz|md)\b|\.ci/run", README)
    modules = [module.replace(".", "/") + ".py" for module in re.findall(r"-m (tests[\w.]+)", README)]
    assert len(modules) == len(list((ROOT / "tests/benchmarks").glob("[a-z]*.py")))
    assert all((ROOT / name).exists() for name in named + modules)


def test_there_are_two_commands_of_one_line():
    fences = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    assert [fence.count("\n") for fence in fences] == [1, 1]
    assert all(fence.startswith("python3 -m venv .venv && .venv/bin/pip install -r ") for fence in fences)
