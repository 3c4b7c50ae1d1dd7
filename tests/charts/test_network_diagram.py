"""The drawing of a small network says what propagation computes."""

import numpy as np
import pytest

from initviz import propagate
from initviz.charts import network_diagram
from initviz.charts.picture import save
from initviz.core.wording import number

RNG = np.random.default_rng(0)
WEIGHTS = [RNG.standard_normal((2, 3)), RNG.standard_normal((3, 1))]
X, TARGETS = np.array([[1.0, -0.5]]), np.array([[1.0]])
PASSED = propagate(WEIGHTS, [np.zeros(3), np.zeros(1)], X, TARGETS, activation="tanh", loss="mse")


def drawn(**options):
    return network_diagram.data(WEIGHTS, X, TARGETS, PASSED, groups=[0, 1, 1], **options)


def test_every_edge_carries_its_weight_and_its_gradient():
    edges = drawn()["edges"]
    assert edges["name"][:3] == ["x₁ → h₁", "x₁ → h₂", "x₁ → h₃"]
    assert edges["weight"] == [number(float(w)) for weight in WEIGHTS for w in weight.ravel()]
    assert edges["gradient"] == [number(float(g)) for gradient in PASSED.weight_gradients for g in gradient.ravel()]
    assert edges["size"] == pytest.approx([abs(w) for weight in WEIGHTS for w in weight.ravel()])
    assert {color for color, w in zip(edges["color"], np.concatenate([w.ravel() for w in WEIGHTS]), strict=True)
            if w < 0} == {network_diagram.NEGATIVE}


def test_every_neuron_carries_its_value_and_its_delta_and_copies_share_a_color():
    nodes = drawn()["nodes"]
    hidden = slice(2, 5)
    assert nodes["value"][hidden] == [number(float(h)) for h in PASSED.activations[0][0]]
    assert nodes["remark"][hidden] == [f"δ {number(float(d))}" for d in PASSED.deltas[0][0]]
    first, second, third = nodes["color"][hidden]
    assert first != second == third
    assert number(PASSED.loss) in nodes["remark"][-1]


def test_on_the_way_there_no_gradient_is_shown():
    shown = drawn(backward=False)
    assert set(shown["edges"]["gradient"]) == set(shown["edges"]["shown"]) == {""}
    assert not any("δ" in remark for remark in shown["nodes"]["remark"])


def test_the_labels_of_one_layers_edges_stand_apart():
    edges = drawn()["edges"]
    heights = np.sort(edges["label_y"][:6])
    assert np.diff(heights).min() * network_diagram.HEIGHT > 28  # pixels: two lines of text


def test_it_is_a_valid_chart_and_only_its_data_changes():
    assert save(network_diagram.picture(), drawn(chosen=2), height=network_diagram.HEIGHT).startswith(b"<svg")
    assert network_diagram.picture() is network_diagram.picture()
