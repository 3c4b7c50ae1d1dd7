"""The diagram of a wiring: a box a tensor, dotted where exactly zero passes, and the answers under the boxes."""

import numpy as np
import pytest

from initviz.charts import wiring
from initviz.charts.picture import save
from initviz.training.zero_placement import WIRINGS, combinations, is_zero, tensors_of
from initviz.training.zero_reasons import symbol


@pytest.mark.parametrize("key", WIRINGS)
def test_every_tensor_is_one_box_and_no_two_nodes_stand_in_one_place(key):
    case = WIRINGS[key]
    data = wiring.data(case.expression, case.usual)
    assert sorted(data["boxes"]["name"]) == sorted(map(symbol, tensors_of(case.expression)))
    places = [*zip(data["boxes"]["x"], data["boxes"]["y"], strict=True),
              *zip(data["operators"]["x"], data["operators"]["y"], strict=True)]
    assert len(places) == len(set(places))
    assert max(x for x, _ in places) == data["frame"]["columns"][0] - 1
    assert wiring.height(case.expression) == wiring.LANE * data["frame"]["lanes"][0]


@pytest.mark.parametrize("key", WIRINGS)
def test_what_leaves_the_network_is_dotted_exactly_where_the_output_is_zero(key):
    case = WIRINGS[key]
    for states in combinations(case):
        segments = wiring.data(case.expression, states)["segments"]
        last = int(np.argmax(segments["x2"]))
        zero = {name: state == "zero" for name, state in states.items()}
        assert segments["zero"][last] == is_zero(case.expression, zero)
        assert not segments["zero"][0] or zero[next(iter(tensors_of(case.expression)))]


def test_a_branch_leaves_the_stream_and_comes_back_to_it():
    case = WIRINGS["residual"]
    data = wiring.data(case.expression, case.usual)
    lanes = dict(zip(data["boxes"]["name"], data["boxes"]["y"], strict=True))
    assert lanes == {"W_in": 0, "W₁": 1, "W₂": 1, "W_out": 0}
    assert data["arrows"]["upward"].count(True) == 1


def test_answers_stand_under_the_states_and_the_picture_is_drawn():
    case = WIRINGS["lora"]
    data = wiring.data(case.expression, case.usual, {"B": "step 0"})
    remarks = dict(zip(data["boxes"]["name"], data["boxes"]["remark"], strict=True))
    assert remarks == {"W₀": "random", "A": "random", "B": "zero\nstep 0"}
    drawn = save(wiring.picture(), data, height=wiring.height(case.expression)).decode()
    assert "step 0" in drawn
    assert "W₀" in drawn
