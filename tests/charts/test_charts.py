"""Every picture keeps one constant spec, whatever the run; what varies travels in its data."""

import base64
import importlib
import inspect
import io
import pkgutil
import subprocess
import sys
from dataclasses import replace

import altair as alt
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from initviz import charts, make_batch, simulate
from initviz.app.settings import Settings
from initviz.charts import curves, depth, distributions, frames, neurons
from initviz.charts.picture import DIVERGING, MISSING, color_of, rgb, save, sequential, spread_apart
from initviz.core.initializers import INITIALIZERS, label_of
from initviz.core.simulation import QUANTITIES
from initviz.core.wording import number
from initviz.theory.prediction import predict
from initviz.theory.trajectory import can_predict

CASES = {
    "first visit": Settings(),
    "relu, deep": replace(Settings(), activation="relu", depth=60, width=16, batch=32),
    "overflow": replace(Settings(), activation="linear", init=("ones", "zeros"), depth=40, width=64, batch=8),
    "one layer": replace(Settings(), depth=1, width=8, batch=8),
    "one hidden neuron layer": replace(Settings(), depth=2, width=2, batch=8, input="moons"),
    "symlog": replace(Settings(), scale="symlog", depth=4, width=16, batch=32),
}


def runs_of(settings):
    batch = make_batch(settings.input, settings.batch, seed=settings.seed, features=settings.width)
    return [simulate(network, batch, scale=settings.scale) for network in settings.networks()]


def pixels(url):
    """The image that a link carries, as (rows, columns, 3)."""
    head, _, content = url.partition(",")
    assert head == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(content))).convert("RGB"))


def framed(data):
    return {name: pd.DataFrame(dict(columns)) for name, columns in data.items()}


RUNS = {name: runs_of(settings) for name, settings in CASES.items()}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("quantity", QUANTITIES)
def test_distributions_are_drawn_for_every_run(name, quantity):
    found = framed(distributions.data(RUNS[name], quantity))
    shown = len(distributions.shown_layers(CASES[name].depth))
    assert len(found["cells"]) == len(RUNS[name]) * shown
    drawn = set(np.floor(found["outline"]["x"]).astype(int)) | {int(x) for x in found["spikes"]["x"]} | {
        int(x) for x in found["notes"]["x"]}
    assert drawn == set(range(len(RUNS[name])))
    assert found["outline"]["y"].sub(found["outline"]["base"]).between(-1e-6, distributions.PEAK + 1e-6).all()
    for frame in found.values():
        assert not frame.isin(["nan", "inf", "None"]).any(axis=None)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(("picture", "quantity"), [
    (depth.forward_picture, "activation"), (depth.backward_picture, "delta")])
def test_depth_charts_have_a_finite_axis_and_a_name_for_every_run(name, picture, quantity):
    found = framed(depth.data(RUNS[name], [None] * len(RUNS[name]), quantity, "std"))
    frame = found["frame"].iloc[0]
    assert 0 < frame["low"] < frame["high"] < np.inf
    assert len(found["names"]) == len(RUNS[name])
    assert (found["lines"]["y"] > 0).all()
    assert picture().spec is picture().spec


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("quantity", ["activation", "delta"])
def test_the_median_sample_is_drawn_with_the_middle_of_the_samples_whatever_theory_expects(name, quantity):
    runs = RUNS[name]
    predictions = [predict(run.network, make_batch(CASES[name].input, CASES[name].batch, seed=CASES[name].seed,
                                                   features=CASES[name].width).x)
                   if can_predict(run.network) else None for run in runs]
    found = framed(depth.data(runs, predictions, quantity, "median_rms"))
    assert np.isfinite(found["expected"][["x", "y", "low", "high"]]).all(axis=None)
    for run in runs if quantity == "activation" else []:
        label = label_of(run.network.initializer)
        band, line = (found[table][lambda rows, label=label: rows["label"] == label] for table in ("expected", "lines"))
        measured = run.column("activation_median_rms")[:max(run.network.depth - 1, 1)]
        np.testing.assert_allclose(line["y"], measured[np.isfinite(measured) & (measured > 0)])
        assert (band["low"] <= band["y"] * (1 + 1e-6)).all()
        assert (band["y"] <= band["high"] * (1 + 1e-6)).all()
        assert len(band) or not line.shape[0]


def test_collapse_is_said_where_a_log_axis_cannot_show_it():
    names = depth.data(RUNS["first visit"], [None] * len(RUNS["first visit"]), "activation", "std")["names"]["text"]
    assert "Zeros (0)" in set(names)
    names = depth.data(RUNS["overflow"], [None] * len(RUNS["overflow"]), "activation", "std")["names"]["text"]
    assert "Ones (overflow)" in set(names)


def test_a_layer_of_zeros_is_one_spike_and_not_a_histogram():
    found = framed(distributions.data(
        [run for run in RUNS["first visit"] if run.network.initializer == "zeros"], "activation"))
    assert found["outline"].empty
    assert len(found["spikes"]) == 10
    assert set(found["notes"]["text"]) == {"128 neurons,\nall 0", "10 neurons,\nall 0"}
    assert set(found["notes"]["short"]) == {"all 0"}


def test_equal_columns_show_copies():
    constant = next(run for run in RUNS["first visit"] if run.network.initializer == "constant")
    shown = pixels(neurons.data([neurons.HeatMap("Constant", constant.samples[2])])["maps"]["url"][0])
    assert shown.shape[1] > 1
    assert (shown == shown[:, :1]).all()
    assert len(np.unique(shown[:, 0], axis=0)) > 1


def test_a_heat_map_shows_signs_and_what_is_no_number():
    values = np.array([[1.0, -0.5], [0.0, np.inf]])
    found = neurons.data([neurons.HeatMap("He normal", values)])["maps"]
    (top, half), (middle, lost) = pixels(found["url"][0])
    assert tuple(top) == rgb(DIVERGING[-1])
    assert tuple(middle) == rgb(DIVERGING[3])
    assert half[2] > half[0]
    assert tuple(lost) == MISSING
    assert found["title"][0] == "He\nnormal\noverflow"


GIVEN = {"str": "Title", "bool": True, "float": 4.0}


def every_picture():
    """What each function of the room makes that returns a Picture and asks for words, truths or numbers only."""
    made = []
    for module in map(importlib.import_module, (f"initviz.charts.{part.name}" for part in pkgutil.iter_modules(
            charts.__path__))):
        for make in vars(module).values():
            if inspect.isroutine(inspect.unwrap(make)) and make.__module__ == module.__name__ and (
                    make.__annotations__.get("return") == "Picture"):
                asked = [parameter for parameter in inspect.signature(make).parameters.values()
                         if parameter.default is inspect.Parameter.empty]
                if all(parameter.annotation in GIVEN for parameter in asked):
                    made.append(make(**{parameter.name: GIVEN[parameter.annotation] for parameter in asked}))
    return made


def test_every_chart_is_valid_and_can_be_saved():
    data = distributions.data(RUNS["first visit"], "activation")
    svg = save(distributions.picture(), data, height=300)
    assert svg.startswith(b"<svg")
    assert b"Xavier" in svg
    lines = depth.data(RUNS["first visit"], [None] * len(RUNS["first visit"]), "activation", "std")
    assert save(depth.forward_picture(), lines, height=300, form="png").startswith(b"\x89PNG")
    pictures = every_picture()
    assert len(pictures) >= 15
    for picture in (*pictures, distributions.picture(), depth.forward_picture(), depth.backward_picture(),
                    neurons.picture(), frames.boundaries(), frames.first_weights()):
        assert alt.Chart.from_dict({**picture.spec, "usermeta": {}}) is not None
        assert picture.alt


def test_films_carry_a_column_a_frame_whatever_the_number_of_snapshots():
    for count in (1, 3, 12, 20):
        found = frames.data([frames.Film("He normal", np.zeros((count, 4, 4), np.int8))], list(range(count)))
        assert [name for name in found["images"] if name.startswith("f")] == [f"f{i}" for i in range(count)]
        assert list(found["steps"]["step"])[-1] == count - 1


def test_names_at_the_lines_ends_do_not_overlap():
    placed = spread_apart([0.5, 0.5, 0.5, 0.1, 0.99], 0.1, 0.0, 1.0)
    ordered = np.sort(placed)
    assert np.diff(ordered).min() >= 0.1 - 1e-9
    assert (ordered[0], ordered[-1]) >= (0.0, 0.0)
    assert ordered[-1] <= 1.0
    assert placed[3] == 0.1


def test_no_points_at_all_give_an_empty_chart_with_an_axis():
    empty = np.zeros(0)
    found = curves.data([curves.Series("Zeros", "#000000", empty, empty)], log=True, last=100.0)
    assert all(np.isfinite(values).all() for values in found["frame"].values())


def test_every_initializer_has_a_color_of_its_own_and_a_name():
    assert len({color_of(key) for key in INITIALIZERS}) == len(INITIALIZERS)
    assert len({label_of(key) for key in INITIALIZERS}) == len(INITIALIZERS)
    assert len(sequential(100)) == 100


def test_a_layer_whose_values_nearly_agree_says_how_nearly():
    batch = make_batch("digits", 32)
    faint = simulate(replace(Settings(), depth=4, width=32, std=1e-4).network("normal"), batch)
    for one_sample in (True, False):
        notes = framed(distributions.data([faint], "activation", one_sample=one_sample))["notes"]
        texts = [text for text in notes["short"] if "→" not in text]
        assert texts
        assert all(text.startswith("within ±") for text in texts)


def run_of(name, key):
    return next(run for run in RUNS[name] if run.network.initializer == key)


def test_one_sample_draws_copies_as_one_needle_and_different_neurons_as_a_spread():
    for key in ("zeros", "constant"):
        found = framed(distributions.data([run_of("first visit", key)], "activation"))
        assert found["outline"].empty
        assert len(found["spikes"]) == len(found["notes"]) == 10
        assert all(text.startswith("128 neurons,\nall ") for text in found["notes"]["text"][:9])
    for key in ("xavier_normal", "he_normal", "lecun_normal"):
        found = framed(distributions.data([run_of("first visit", key)], "activation"))
        assert found["spikes"].empty
        occupied = found["outline"].assign(height=found["outline"]["y"] - found["outline"]["base"]).query("height > 0")
        assert occupied.groupby("base").size()[1:].min() >= 12  # of 45 bins, in the hidden layers; the output is last


def test_a_needle_stands_at_its_value_and_says_it():
    run = run_of("first visit", "constant")
    found = framed(distributions.data([run], "activation"))
    first = run.neurons["activation"][0]
    assert np.ptp(first) <= 1e-6
    assert found["notes"]["text"][0] == f"128 neurons,\nall {number(float(first[0]))}"
    ticks = found["ticks"]
    places = [float(label.replace("−", "-")) for label in ticks["label"]]
    assert np.interp(found["spikes"]["x"][0], ticks["x"], places) == pytest.approx(first[0], abs=1e-3)


def test_all_samples_show_the_samples_spread_even_of_copies():
    found = framed(distributions.data([run_of("first visit", "constant")], "activation", one_sample=False))
    assert not found["outline"].empty
    assert "neurons" not in " ".join(found["notes"]["text"])


def test_exact_zeros_of_relu_are_a_spike_with_their_share():
    settings = replace(Settings(), activation="relu", init=("he_normal",), depth=4)
    (run,) = runs_of(settings)
    found = framed(distributions.data([run], "activation"))
    shares = [np.mean(values == 0) for values in run.neurons["activation"][:3]]
    assert min(shares) > 0.3
    assert list(found["notes"]["text"][:3]) == [f"{100 * share:.0f} % exactly 0" for share in shares]
    tall = found["spikes"]["y"] - found["spikes"]["base"]
    bins = found["outline"]["y"] - found["outline"]["base"]
    assert len(tall) == 3
    assert tall.min() >= bins.max() - 1e-6


@pytest.mark.parametrize("scale", ["linear", "symlog"])
def test_weights_stand_on_an_axis_with_their_numbers_whatever_the_fan_in(scale):
    settings = replace(Settings(), init=("constant",), constant=0.1, depth=3, scale=scale)
    found = framed(distributions.data(runs_of(settings), "weight"))
    assert found["axis"]["title"][0] == "weight"
    assert found["spikes"]["x"].nunique() == 1  # 64 and 128 inputs
    assert set(found["notes"]["text"]) == {"all 0.1"}
    if scale == "linear":
        ticks = found["ticks"]
        places = [float(label.replace("−", "-")) for label in ticks["label"]]
        assert np.interp(found["spikes"]["x"][0], ticks["x"], places) == pytest.approx(0.1, abs=1e-6)


def test_values_that_overflow_or_lie_beyond_the_axis_are_said():
    notes = framed(distributions.data(RUNS["overflow"], "activation"))["notes"]["text"]
    assert "overflow" in set(notes)
    assert any("→" in text or "←" in text for text in notes)


@pytest.mark.parametrize("depth", [1, 2, 10, 100])
def test_the_picture_keeps_its_height_from_ten_layers_on(depth):
    assert distributions.height(depth) <= distributions.height(10) <= 430


def test_the_verdict_stands_over_its_column():
    heads = [distributions.Head(f"word {i}", "#123456", f"facts {i}") for i in range(5)]
    found = framed(distributions.data(RUNS["first visit"], "activation", heads))["columns"]
    assert list(found["word"]) == [head.word for head in heads]
    assert list(found["label"]) == [label_of(run.network.initializer) for run in RUNS["first visit"]]


def test_a_presented_chart_has_larger_text_and_a_spec_as_constant():
    for picture in (distributions.picture(), depth.forward_picture(), neurons.picture()):
        assert picture.enlarged is picture.enlarged
        assert picture.enlarged["config"]["axis"]["labelFontSize"] > 12
    sizes = [[layer["mark"].get("fontSize") for layer in spec["layer"] if "fontSize" in layer["mark"]]
             for spec in (distributions.picture().spec, distributions.picture().enlarged)]
    assert all(large > plain for plain, large in zip(*sizes, strict=True))


def test_a_saved_picture_carries_its_title_its_axis_and_its_settings():
    data = distributions.data(RUNS["first visit"], "weight")
    svg = save(distributions.picture(), data, height=300, title="Weights, layer by layer", settings="tanh · depth 10")
    for said in (b"Weights, layer by layer", b"tanh \xc2\xb7 depth 10", b">weight<", b">layer 1<"):
        assert said in svg


def test_a_chart_is_made_while_another_session_loads_pandas():
    script = """
import sys, threading
import altair as alt
import PIL.Image, initviz.core.initializers
loading = threading.Thread(target=lambda: __import__("pandas"))
loading.start()
while "pandas" not in sys.modules:
    pass
from initviz.charts.picture import Picture
Picture.of("lines", alt.Chart(alt.NamedData("d")).mark_line().encode(x=alt.X("a:Q", scale=alt.Scale(domain=[0, 1]))))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
