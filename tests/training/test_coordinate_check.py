"""The coordinate check reproduces the slopes of the theory (Yang et al. 2022) over widths 64 to 2,048."""

import json
import math
import subprocess
import sys
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from initviz.__main__ import main
from initviz.training.coordinate_check import (
    PARAMETRIZATIONS,
    WIDTHS,
    CoordinateCheck,
    CoordinateSettings,
    coordinates,
    every_setting,
    expected_slopes,
    measure,
    peak_bytes,
    read_widths,
    sentence,
    sizes_table,
    slope,
    slope_text,
    slopes,
)


@pytest.fixture(scope="module")
def table():
    with ThreadPoolExecutor(2) as pool:
        return slopes(list(coordinates(every_setting(WIDTHS), executor=pool)))


def value(table, parametrization, layer, step, optimizer="sgd"):
    row = table[(table.parametrization == parametrization) & (table.layer == layer) & (table.step == step)
                & (table.optimizer == optimizer)]
    assert len(row) == 1
    return float(row["slope"].iloc[0])


@pytest.mark.parametrize(("parametrization", "output"), [("standard", 0.0), ("mup", -0.5)])
def test_initial_sizes_do_not_go_with_the_width_but_for_the_output_of_mup(table, parametrization, output):
    for layer, expected in (("z1", 0), ("z2", 0), ("output", output)):
        assert value(table, parametrization, layer, 0) == pytest.approx(expected, abs=0.1)


def test_one_rate_changes_a_standard_output_in_proportion_to_the_width_and_mups_alike_at_every_width(table):
    assert value(table, "standard", "output", 1) == pytest.approx(1, abs=0.1)
    for step in (1, 2, 3, 4):
        for layer in ("z1", "z2", "output"):
            assert value(table, "mup", layer, step) == pytest.approx(0, abs=0.1), (layer, step)


def test_sentences_say_what_the_slopes_do(table):
    assert sentence(table, "standard", "sgd").endswith("is too large for a wider one.")
    assert sentence(table, "mup", "sgd").endswith("so that a learning rate fits them all.")
    assert "no slope is defined" in sentence(table[table.optimizer == "sgd"], "mup", "adam")


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("parametrization", PARAMETRIZATIONS)
def test_measured_slopes_are_those_that_counting_powers_of_the_width_gives(table, parametrization, optimizer):
    known = [(step, slopes) for step in range(5) if (slopes := expected_slopes(parametrization, optimizer, step))]
    assert [step for step, _ in known] == ([0, 1] if parametrization == "standard" else [0, 1, 2, 3, 4])
    for step, slopes in known:
        for layer, expected in zip(("z1", "z2", "output"), slopes, strict=True):
            assert value(table, parametrization, layer, step, optimizer) == pytest.approx(expected, abs=0.1), (
                step, layer)


def test_a_pool_of_processes_measures_the_same():
    given = [sys.executable, "-m", "initviz", "coordinates", "--widths", "16", "32", "--seeds", "1", "--steps", "1",
             "--json"]
    alone, apart = (subprocess.run([*given, "--workers", workers], capture_output=True, check=True).stdout
                    for workers in ("1", "2"))
    assert json.loads(apart)["sizes"]
    assert apart == alone


@pytest.mark.parametrize(("text", "widths"), [
    ("64, 128, 256", (64, 128, 256)), (" 256 64;128,", (64, 128, 256)), ("64 64 100", (64, 100))])
def test_widths_are_read_from_a_text(text, widths):
    assert read_widths(text) == widths


@pytest.mark.parametrize("text", ["", "64", "64, 64", "64, x", "64, 4096", "4, 64", "64.5, 128",
                                  " ".join(map(str, range(8, 30)))])
def test_a_text_that_names_no_widths_is_refused_in_words(text):
    with pytest.raises(ValueError, match="widths must be"):
        read_widths(text)


@pytest.mark.parametrize(("steepness", "error", "text"), [
    (-0.516, 0.026, "−0.52 ± 0.03"), (-0.001, 0.004, "0.00 ± 0.00"), (1.0, math.nan, "1.00"),
    (math.nan, math.nan, "not defined")])
def test_a_slope_in_words(steepness, error, text):
    assert slope_text(steepness, error) == text


def test_parametrizations_are_the_same_network_at_the_base_width():
    standard, mup = (measure(CoordinateSettings(64, key)) for key in PARAMETRIZATIONS)
    assert (standard.initial == mup.initial).all()
    assert (standard.changes == mup.changes).all()


def test_a_change_is_that_of_gradient_descent():
    from initviz import Network, make_batch, propagate

    settings = CoordinateSettings(48, "mup", rate=0.5, steps=1)
    batch = make_batch("normal", 64, features=8)
    weights, biases = Network((8, 48, 48, 10), "relu", "lecun_normal").parameters()
    wider = 48 / 64
    weights[-1] = weights[-1] * np.float32(wider**-0.5)
    first = propagate(weights, biases, batch.x, batch.targets, activation="relu", loss="softmax_ce")
    rates = np.float32([0.5 * wider, 0.5, 0.5 / wider])
    moved = [w - rate * g for w, rate, g in zip(weights, rates, first.weight_gradients, strict=True)]
    shifted = [b - rate * g for b, rate, g in zip(
        biases, np.float32([0.5 * wider, 0.5 * wider, 0.5]), first.bias_gradients, strict=True)]
    then = propagate(moved, shifted, batch.x, batch.targets, activation="relu", loss="softmax_ce")
    expected = [math.sqrt(np.mean((b - a) ** 2)) for a, b in zip(first.preactivations, then.preactivations,
                                                                 strict=True)]
    assert measure(settings).changes[0] == pytest.approx(expected, rel=1e-4)


def test_a_slope_is_that_of_least_squares_with_its_error():
    widths, rng = np.repeat([64, 128, 256, 512], 50), np.random.default_rng(0)
    sizes = 3 * widths**0.7 * np.exp(0.2 * rng.standard_normal(200))
    found, error = slope(widths, sizes)
    x = np.log(widths)
    assert found == pytest.approx(np.polyfit(x, np.log(sizes), 1)[0])
    assert error == pytest.approx(0.2 / math.sqrt(((x - x.mean()) ** 2).sum()), rel=4 / math.sqrt(2 * 198))
    assert abs(found - 0.7) < 4 * error
    assert all(map(math.isnan, slope([64, 128], [0.0, 1.0])))
    assert math.isnan(slope([64, 128], [1.0, 2.0])[1])


def test_networks_that_diverge_are_counted_and_left_out():
    table = slopes(list(coordinates(every_setting((64, 128), ("standard",), ("sgd",), seeds=1, rate=1e12))))
    assert table[table.step == 4].diverged.max() > 0
    assert np.isfinite(table[table.step == 0]["slope"]).all()


def test_an_executor_gives_the_same_and_a_check_can_be_stopped_and_resumed():
    settings = every_setting((16, 32), seeds=1, steps=1)
    with ThreadPoolExecutor(2) as pool:
        apart = sizes_table(list(coordinates(settings, executor=pool)))
    check = CoordinateCheck(settings)
    check.advance(0)
    assert len(check.measured) == 1
    assert 0 < check.progress < 1
    check.stop()
    assert check.stopped
    check.resume()
    while not check.finished:
        check.advance(0)
    assert check.progress == 1
    assert sizes_table(check.measured).equals(apart)


@pytest.mark.parametrize(("fields", "words"), [
    ({"width": 0}, "width must be an integer between 1 and 1e"),
    ({"width": 8, "parametrization": "ntk"}, "parametrization must be one of standard, mup, got 'ntk'"),
    ({"width": 8, "steps": 0}, "steps must be an integer between 1 and 100, got 0"),
    ({"width": 8, "rate": -1}, "rate must be a finite number of at least 0, got -1")])
def test_bad_settings_are_refused_in_words(fields, words):
    with pytest.raises(ValueError, match=words):
        CoordinateSettings(**fields)


def test_the_command_prints_slopes_or_json(capsys):
    given = ["coordinates", "--widths", "16", "32", "--seeds", "2", "--steps", "1", "--optimizer", "sgd"]
    assert main(given) == 0
    text = capsys.readouterr().out
    assert "change, step 1" in text
    assert "muP, gradient descent: " in text
    assert main([*given, "--json", "--workers", "2"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {row["layer"] for row in found["slopes"]} == {"z1", "z2", "output"}
    assert len(found["sizes"]) == 2 * 2 * 2 * 3 * 2  # widths, parametrizations, seeds, layers, steps
    assert len(found["sentences"]) == 2
    assert main(["coordinates", "--widths", "16"]) == 2
    assert capsys.readouterr().err == "initviz: widths must be at least two, got 16\n"


@pytest.mark.parametrize(("width", "hidden", "optimizer"), [(1024, 3, "adam"), (512, 4, "sgd")])
def test_the_measured_peak_of_a_check_lies_between_a_half_and_eleven_tenths_of_the_estimate(width, hidden, optimizer):
    settings = CoordinateSettings(width=width, hidden=hidden, optimizer=optimizer, steps=1)
    tracemalloc.start()
    try:
        measure(settings)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert 0.5 < peak / peak_bytes([settings]) < 1.1
