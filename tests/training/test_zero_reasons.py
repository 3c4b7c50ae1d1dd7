"""The reason that is given of a tensor's first gradient agrees with when it comes, and formulas with their wirings."""

import pytest

from initviz.training.zero_placement import WIRINGS, combinations, predict
from initviz.training.zero_reasons import reasons, rule, sentence, symbol, written


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


@pytest.mark.parametrize("key", WIRINGS)
def test_the_rule_names_every_zero_as_what_becomes_of_it(key):
    expression = WIRINGS[key].expression
    for states in combinations(WIRINGS[key]):
        fates = predict(expression, states)
        parts = dict.fromkeys(("harmless", "ends in copies", "fatal"), "")
        for part in rule(expression, states).split("**")[1::2]:
            parts[next(kind for kind in parts if kind in part)] = part
        for name, state in states.items():
            words = symbol(name)
            kind = ("fatal" if fates[name].first_step is None else
                    "harmless" if all(fates[name].units_differ.values()) else "ends in copies")
            for other, part in parts.items():
                named = words in part.removeprefix("Zero").replace(",", " ").split()
                assert named == (state == "zero" and other == kind)


def test_the_rule_of_a_lora_pair_is_the_known_one():
    expression = WIRINGS["lora"].expression
    assert rule(expression, {"W0": "random", "A": "random", "B": "zero"}).startswith(
        "**Zero is harmless in B**: its other factor (A x) is not zero, and")
    assert "copies" in rule(expression, {"W0": "random", "A": "constant", "B": "zero"})
    assert rule(expression, {"W0": "random", "A": "zero", "B": "zero"}).startswith("**Zero is fatal in A and B**")
