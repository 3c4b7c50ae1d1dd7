import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from initviz import ACTIVATIONS
from initviz.core.activations import activation, erf
from initviz.core.propagation import QUIET

GOLDEN = json.loads((Path(__file__).parents[1] / "golden.json").read_text())["activations"]
# where the first or (softsign) the second derivative jumps
KINKS = {"relu": [0], "leaky_relu": [0], "elu": [0], "selu": [0], "hardtanh": [-1, 1], "softsign": [0]}
DTYPES = (np.float32, np.float64)
every_activation = pytest.mark.parametrize("key", ACTIVATIONS)
both_dtypes = pytest.mark.parametrize("dtype", DTYPES)


def key_and_parameters(case):
    name, _, slope = case.partition("_0.")
    return name, {"negative_slope": float(f"0.{slope}")} if slope else {}


def test_every_activation_has_golden_values():
    assert {key_and_parameters(case)[0] for case in GOLDEN} == set(ACTIVATIONS)


@pytest.mark.parametrize("case", GOLDEN)
def test_value_and_derivative_agree_with_pytorch_at_kinks_too(case):
    key, params = key_and_parameters(case)
    z, want = np.array(GOLDEN[case]["x"]), GOLDEN[case]
    phi = ACTIVATIONS[key]
    h = phi.value(z, **params)
    np.testing.assert_allclose(h, want["value"], rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(phi.derivative(z, **params), want["grad"], rtol=1e-12, atol=1e-15)
    np.testing.assert_array_equal(phi.derivative(z, h, **params), phi.derivative(z, **params))


@every_activation
def test_single_precision_agrees_with_double(key):
    z = np.linspace(-8, 8, 1601)
    single, phi = z.astype(np.float32), ACTIVATIONS[key]
    params = {"w0": 1.0} if key == "sine" else {}  # w0 multiplies the rounding of z
    for ours, want in ((phi.value(single, **params), phi.value(single.astype(float), **params)),
                       (phi.derivative(single, **params), phi.derivative(single.astype(float), **params))):
        assert ours.dtype == np.float32
        assert want.dtype == np.float64
        np.testing.assert_allclose(ours, want, rtol=1e-6, atol=2e-6)


@every_activation
def test_the_derivative_is_the_slope_of_the_value_away_from_kinks(key):
    phi, step = ACTIVATIONS[key], 1e-6
    z = np.linspace(-6, 6, 1999)
    for kink in KINKS.get(key, []):
        z = z[np.abs(z - kink) > step]
    assert z.size > 1990
    derivative = (phi.value(z + step) - phi.value(z - step)) / (2 * step)
    np.testing.assert_allclose(phi.derivative(z), derivative, rtol=0, atol=1e-8)


@every_activation
@both_dtypes
def test_large_and_tiny_arguments_give_finite_numbers_in_silence(key, dtype):
    ends = [1e4, 745, 710, 104, 88.8, 50, 20, 1e-4, 1e-30]
    z = np.array([*ends, 0, *np.negative(ends)], dtype)
    with np.errstate(all="raise", under="ignore"):
        assert np.isfinite(ACTIVATIONS[key].value(z)).all()
        assert np.isfinite(ACTIVATIONS[key].derivative(z)).all()


@every_activation
def test_a_derivative_is_finite_and_settled_at_1e30(key):
    phi = ACTIVATIONS[key]
    far = np.array([-1e30, -1e20, -1e10, 1e10, 1e20, 1e30], np.float32)
    near = np.repeat(np.array([-1e4, 1e4], np.float32), 3)
    with np.errstate(**QUIET):
        np.testing.assert_allclose(phi.derivative(far), phi.derivative(near), atol=1e-7)


@every_activation
def test_not_a_number_stays_not_a_number(key):
    assert np.isnan(ACTIVATIONS[key].value(np.array([math.nan]))).all()


@every_activation
@settings(max_examples=15)
@given(data=st.data())
def test_values_keep_shape_and_dtype_and_lie_in_the_stated_range(key, data):
    dtype = data.draw(st.sampled_from(DTYPES))
    z = data.draw(arrays(dtype, array_shapes(max_dims=3, max_side=5), elements=st.floats(-1e4, 1e4, width=32)))
    phi = ACTIVATIONS[key]
    before = z.copy()
    h, derivative = phi.value(z), phi.derivative(z)
    assert h.shape == derivative.shape == z.shape
    assert h.dtype == derivative.dtype == z.dtype
    slack = 4 * np.finfo(dtype).eps
    assert (h >= phi.lower - slack).all()
    assert (h <= phi.upper + slack).all()
    np.testing.assert_array_equal(z, before)


@every_activation
def test_the_stated_range_is_reached_and_not_left(key):
    phi = ACTIVATIONS[key]
    h = phi.value(np.concatenate([[-1e6, 1e6], np.linspace(-8, 8, 4001)]))
    for end, reached in ((phi.lower, h.min()), (phi.upper, h.max())):
        assert abs(reached) >= 1e4 if math.isinf(end) else abs(reached - end) < 1e-3
    assert phi.lower <= h.min() <= h.max() <= phi.upper
    assert phi.bounded == (math.isfinite(phi.lower) and math.isfinite(phi.upper))
    flat = abs(phi.derivative(np.array([1e3]))) < 1e-5
    assert phi.saturates == (phi.bounded and flat) == (phi.bounded and key != "sine")


@every_activation
def test_an_activation_that_dies_is_flat_at_zero_below_zero_and_no_other_is(key):
    phi, z = ACTIVATIONS[key], -np.linspace(0, 5, 51)
    assert phi.dies == (not phi.value(z).any() and not phi.derivative(z).any())


@every_activation
def test_every_activation_says_what_it_is(key):
    phi = ACTIVATIONS[key]
    assert phi.label
    assert phi.latex
    assert phi.source


def test_erf_agrees_with_the_standard_library():
    z = np.concatenate([np.linspace(-7, 7, 5001), [-math.inf, math.inf, 0.0, 1e-300]])
    np.testing.assert_allclose(erf(z), [math.erf(x) for x in z], rtol=0, atol=4e-16)


def test_the_tanh_form_of_gelu_stays_within_5e_4_of_the_erf_form():
    z = np.linspace(-8, 8, 9999)
    gap = np.abs(ACTIVATIONS["gelu"].value(z) - ACTIVATIONS["gelu_tanh"].value(z)).max()
    assert 1e-4 < gap <= 5e-4


def test_selu_keeps_mean_0_and_variance_1_of_a_unit_normal():
    z = np.linspace(-12, 12, 240001)
    density = np.exp(-z * z / 2)
    h = ACTIVATIONS["selu"].value(z)
    assert np.average(h, weights=density) == pytest.approx(0, abs=1e-7)
    assert np.average(h * h, weights=density) == pytest.approx(1, abs=1e-7)


def test_unknown_names_and_bad_slopes_raise_value_error():
    with pytest.raises(ValueError, match=r"activation must be one of linear, .*, got 'swoosh'"):
        activation("swoosh")
    with pytest.raises(ValueError, match="ReLU takes no parameters, got 'negative_slope'"):
        ACTIVATIONS["relu"].value(np.zeros(1), negative_slope=0.1)
    said = "Leaky ReLU negative_slope must be a number between 0 and 1, got"
    for bad in (-0.1, 1.1, math.nan, "x", True):
        with pytest.raises(ValueError, match=f"{said} {bad!r}"):
            ACTIVATIONS["leaky_relu"].derivative(np.zeros(1), negative_slope=bad)


@every_activation
@both_dtypes
def test_infinite_arguments_give_the_limits_in_silence(key, dtype):
    phi, ends = ACTIVATIONS[key], np.array([-math.inf, math.inf], dtype)
    with np.errstate(all="raise", under="ignore"):
        h, derivative = phi.value(ends), phi.derivative(ends)
    np.testing.assert_allclose(derivative, phi.derivative(np.array([-1e30, 1e30], dtype)), atol=1e-7)
    for found, far in zip(h, phi.value(np.array([-1e4, 1e4], dtype)), strict=True):
        assert math.isinf(found) if abs(far) > 99 else found == pytest.approx(far, abs=2e-4)
