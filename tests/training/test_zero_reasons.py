"""The reason that is given of a tensor's first gradient agrees with when it comes, and formulas with their wirings."""

import pytest

from initviz.training.zero_placement import WIRINGS, combinations, predict
from initviz.training.zero_reasons import reasons, sentence, symbol, written


@pytest.mark.parametrize("key", WIRINGS)
def test_a_gradient_comes_in_step_0_exactly_where_nothing_blocks_it(key):
    expression = WIRINGS[key].expression
    for states in combinations(WIRINGS[key]):
        fates = predict(expression, states)
        for name, reason in reasons(expression, states).items():
            assert reason.first_step == fates[name].first_step
            assert (not reason.blocking) == (reason.first_step == 0)
            assert sentence(name, reason, is_zero_itself=states[name] == "zero").endswith(".")


@pytest.mark.parametrize("key", ["chain", "relu_chain", "lora", "readout"])
def test_a_wiring_is_written_as_its_formula(key):
    assert f"y = {written(WIRINGS[key].expression)}" == WIRINGS[key].formula


def test_a_lora_pairs_factors_explain_each_other():
    wiring = WIRINGS["lora"]
    why = reasons(wiring.expression, wiring.usual)
    assert why["B"].factors == ("A x",)
    assert why["A"].blocking == ("B",)
    assert "waits one step" in sentence("A", why["A"], is_zero_itself=False)
    assert (symbol("gamma"), symbol("W1")) == ("γ", "W₁")
