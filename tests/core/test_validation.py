import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from initviz.core.validation import ANY, Interval, Parameter, check, check_parameters

WHOLE = Interval(1, 10, integer=True)


@pytest.mark.parametrize("value", [1, 10, 3.0, np.int64(5), np.float32(2)])
def test_an_allowed_number_comes_back_as_a_plain_number(value):
    assert check("depth", value, WHOLE) == value
    assert type(check("depth", value, WHOLE)) is int
    assert type(check("gain", value, ANY)) is float


@pytest.mark.parametrize("value", [0, 11, 2.5, math.nan, math.inf, -math.inf, True, np.True_, "3", None, 1j, 10**400,
                                   np.array([1, 2])])
def test_any_other_value_raises_value_error_naming_field_limits_and_value(value):
    with pytest.raises(ValueError, match="depth must be an integer between 1 and 10, got ") as raised:
        check("depth", value, WHOLE)
    assert repr(value) in str(raised.value)


def test_the_ends_of_an_integer_interval_are_exact_beyond_what_a_float_holds():
    wide = Interval(0, 2**63 - 1, integer=True)
    assert check("seed", 2**63 - 1, wide) == 2**63 - 1
    with pytest.raises(ValueError, match="seed must be"):
        check("seed", 2**63, wide)


@pytest.mark.parametrize(("interval", "sentence"), [
    (Interval(0, 4), "a number between 0 and 4"),
    (WHOLE, "an integer between 1 and 10"),
    (Interval(0, math.inf), "a finite number of at least 0"),
    (Interval(1, math.inf, integer=True), "a finite integer of at least 1"),
    (ANY, "a finite number")])
def test_an_interval_says_what_it_allows(interval, sentence):
    assert str(interval) == sentence


@given(st.floats(allow_nan=False), st.booleans())
def test_the_nearest_number_of_an_interval_is_allowed_and_an_allowed_one_is_its_own(value, integer):
    interval = Interval(-3, 7, integer)
    assert interval.nearest(value) in interval
    if value in interval:
        assert interval.nearest(value) == value


def test_a_word_outside_the_list_raises_value_error_naming_field_list_and_word():
    assert check("loss", "mse", ("mse", "softmax_ce")) == "mse"
    for value in ("Mse", "", None, 3):
        with pytest.raises(ValueError, match=f"loss must be one of mse, softmax_ce, got {value!r}"):
            check("loss", value, ("mse", "softmax_ce"))


def test_parameters_are_completed_with_defaults_and_unknown_ones_refused():
    declared = {"std": Parameter("Std", 0.5, Interval(0, 1), ""),
                "mode": Parameter("Mode", "a", {"a": "A", "b": "B"}, "")}
    assert check_parameters("normal", {"mode": "b"}, declared) == {"std": 0.5, "mode": "b"}
    with pytest.raises(ValueError, match="normal takes std, mode, got 'sd'"):
        check_parameters("normal", {"sd": 1}, declared)
    with pytest.raises(ValueError, match="zeros takes no parameters, got 'std'"):
        check_parameters("zeros", {"std": 1}, {})
    with pytest.raises(ValueError, match="normal std must be a number between 0 and 1, got 2"):
        check_parameters("normal", {"std": 2}, declared)
