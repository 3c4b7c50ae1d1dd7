"""The picture of both collapses: copies are equal columns, loss of scale is transparency."""

import base64
import io

import numpy as np
from PIL import Image

from initviz.charts import collapse, neurons, partings

RNG = np.random.default_rng(0)
DIFFERENT = RNG.standard_normal((24, 24))
COPIES = np.repeat(DIFFERENT[:, :1], 24, axis=1)


def cell(layer, strongest):
    """A layer's cell in colors and transparency (samples, neurons, 4), beside a layer of the scale ``strongest``."""
    beside = collapse.HiddenLayer(strongest * DIFFERENT, strongest, 20)
    shown = collapse.data([collapse.Column("this", [layer]), collapse.Column("that", [beside])])["cells"]
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(shown["url"][0].partition(",")[2]))).convert("RGBA"))


def test_copies_are_equal_columns_and_different_neurons_are_not():
    assert (np.ptp(cell(collapse.HiddenLayer(COPIES, 1.0, 1), 1.0).astype(int), axis=1) == 0).all()
    assert np.ptp(cell(collapse.HiddenLayer(DIFFERENT, 1.0, 20), 1.0).astype(int), axis=1).max() > 100


def test_a_weak_layer_is_as_colored_and_more_transparent_by_the_same_for_each_power_of_ten():
    full = cell(collapse.HiddenLayer(DIFFERENT, 1.0, 20), 1.0)
    weaker = [cell(collapse.HiddenLayer(scale * DIFFERENT, scale, 20), 1.0) for scale in (1e-1, 1e-2, 1e-3, 1e-300)]
    assert all((np.abs(one[..., :3].astype(int) - full[..., :3]) <= 1).all() for one in weaker[:3])
    alphas = [int(one[0, 0, 3]) for one in (full, *weaker)]
    assert alphas[0] == 255
    assert np.allclose(-np.diff(alphas[:4]), 255 / collapse.DECADES, atol=1)
    assert alphas[-1] == 0


def test_no_signal_overflow_and_divergence_are_said():
    nothing = collapse.HiddenLayer(np.zeros((24, 24)), 0.0, 0)
    over = collapse.HiddenLayer(np.full((24, 24), np.inf), np.inf, np.nan)
    shown = collapse.data([collapse.Column("Zeros", [nothing]), collapse.Column("Ones", [over]),
                           collapse.Column("Xavier normal", [])])
    assert list(shown["cells"]["note"]) == ["all 0", "overflow"]
    assert list(shown["columns"]["title"]) == ["Zeros", "Ones", "Xavier\nnormal"]
    assert collapse.data([])["cells"]["url"] == []


def test_a_lane_is_one_line_while_neurons_are_copies_and_strands_from_where_they_differ():
    shown = partings.data([partings.Lane("Random", 0, 8), partings.Lane("Noise", 60, 8), partings.Lane("Odd", 80, 2),
                           partings.Lane("Nothing", None, 1)], 100)
    assert list(zip(shown["copies"]["x"], shown["copies"]["to"], strict=True)) == [(0, 60), (0, 80), (0, 100)]
    strands = {lane: {name for name in shown["strands"]["strand"] if name.startswith(f"{lane} ")} for lane in range(4)}
    assert [len(names) for names in strands.values()] == [5, 5, 2, 0]
    assert list(shown["names"]["text"]) == ["no copies", "at step 60", "at step 80", "never"]


def test_similarities_are_drawn_square_and_whole():
    url = neurons.data([neurons.HeatMap("Xavier normal", np.corrcoef(DIFFERENT.T), 1.0)])["maps"]["url"][0]
    assert Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))).size == (24, 24)
    mark = neurons.picture(square=True).spec["layer"][0] if "layer" in neurons.picture().spec else neurons.picture(
        square=True).spec
    assert mark["mark"]["aspect"] is True
    assert mark["encoding"]["y2"] == {"value": "height"}
