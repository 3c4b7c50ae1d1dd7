import json
import math
import re
import string
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from initviz import INITIALIZERS, initialize, variance_scaling
from initviz.core.frameworks import FRAMEWORKS
from initviz.core.initializers import law_of
from initviz.core.initializers.laws import FANS, TRUNCATED_STD, UNIT_DRAWS
from initviz.core.validation import Interval

GOLDEN = json.loads((Path(__file__).parents[1] / "golden.json").read_text())
GOLDEN_SHAPES = {(case["fan_in"], case["fan_out"]): case for case in GOLDEN["initializers"]}
SHAPES = ((400, 1600), (784, 10), (64, 64), (300, 100), (10, 784))
STANDARD_ERRORS = 5
every_initializer = pytest.mark.parametrize("key", INITIALIZERS)
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)


def drawn(key, fan_in, fan_out, seed=0, **params):
    return initialize(key, fan_in, fan_out, rng=np.random.default_rng(seed), **params)


def assert_keeps_promise(w, mean, variance, standard_errors=STANDARD_ERRORS):
    """Mean and variance of ``w`` are the promised ones, up to so many standard errors of each.

    The standard error of a mean is sqrt(m2 / N), that of a variance sqrt((m4 - m2^2) / N); m4 is the sample's own.
    """
    m2, m4 = np.mean((w - mean) ** 2), np.mean((w - mean) ** 4)
    round_off = 1e-12 * (mean**2 + variance)
    assert abs(w.mean() - mean) <= standard_errors * math.sqrt(m2 / w.size) + 1e-12 * abs(mean)
    assert abs(m2 - variance) <= standard_errors * math.sqrt(max(m4 - m2**2, 0) / w.size) + round_off


def choices(key):
    """Default parameters of an entry, and for each of them one other allowed value."""
    entry = INITIALIZERS[key]
    yield {}
    for name, p in entry.parameters.items():
        if isinstance(p.allowed, Interval):
            yield {name: p.allowed.nearest(0.37)}
        else:
            yield from ({name: word} for word in p.allowed if word != p.default)


CASES = [(key, params) for key in INITIALIZERS for params in choices(key)]


@every_shape
@pytest.mark.parametrize(("key", "params"), CASES, ids=str)
def test_drawn_weights_have_the_promised_mean_and_variance(key, params, shape):
    promise = law_of(key, **params)
    w = drawn(key, *shape, **params)
    assert w.shape == shape
    assert_keeps_promise(w, promise.mean(*shape), promise.variance(*shape))
    if np.array_equal(w, drawn(key, *shape, seed=1, **params)):  # nothing random: exact
        assert w.mean() == pytest.approx(promise.mean(*shape), abs=1e-14)
        assert w.var() == pytest.approx(promise.variance(*shape), abs=1e-14)


@pytest.mark.parametrize("shape", GOLDEN_SHAPES, ids=str)
def test_promised_variances_agree_with_the_formulas_of_the_papers(shape):
    case = GOLDEN_SHAPES[shape]
    for key, params, want in (
            ("xavier_normal", {}, "glorot"), ("xavier_uniform", {}, "glorot"), ("keras_dense", {}, "glorot"),
            ("he_normal", {}, "he_fan_in"), ("he_uniform", {}, "he_fan_in"),
            ("he_normal", {"mode": "fan_out"}, "he_fan_out"), ("he_uniform", {"mode": "fan_out"}, "he_fan_out"),
            ("he_normal", {"negative_slope": 0.2}, "leaky02_he"), ("he_uniform", {"negative_slope": 0.2}, "leaky02_he"),
            ("lecun_normal", {}, "lecun"), ("lecun_uniform", {}, "lecun"),
            ("torch_linear", {}, "torch_linear_default")):
        assert law_of(key, **params).variance(*shape) == pytest.approx(case[want]["var"], rel=1e-12)
    assert math.sqrt(law_of("orthogonal").variance(*shape)) == pytest.approx(case["orthogonal_elem_std"], rel=1e-12)
    assert 5 / 3 * math.sqrt(law_of("xavier_normal").variance(*shape)) == pytest.approx(
        case["glorot_tanh_gain"]["std"], rel=1e-12)


@pytest.mark.parametrize("shape", GOLDEN_SHAPES, ids=str)
def test_uniform_weights_fill_their_bounds_and_stay_inside(shape):
    for key, name in (("xavier_uniform", "glorot"), ("keras_dense", "glorot"), ("he_uniform", "he_fan_in"),
                      ("lecun_uniform", "lecun"), ("torch_linear", "torch_linear_default"), ("uniform", None)):
        bound = GOLDEN_SHAPES[shape][name]["uniform_bound"] if name else 0.05
        for dtype in (np.float32, np.float64):
            largest = np.abs(drawn(key, *shape, dtype=dtype)).max()
            assert 0.995 * bound < largest <= bound * (1 + 4 * np.finfo(dtype).eps)


def test_the_truncated_normal_is_cut_at_two_standard_deviations_of_its_parent():
    assert abs(TRUNCATED_STD - GOLDEN["truncation"]["constant_in_libraries"]) < 1e-15
    w = drawn("truncated_normal", 400, 1600, std=0.1)
    assert 0.199 < np.abs(w).max() <= 0.2 * (1 + 1e-15)
    assert law_of("truncated_normal", std=0.1).variance(1, 1) == pytest.approx(0.01 * GOLDEN["truncation"]["variance"])
    assert np.mean(w**4) / np.mean(w**2) ** 2 == pytest.approx(GOLDEN["truncation"]["kurtosis"], abs=0.02)


@pytest.mark.parametrize("shape", GOLDEN_SHAPES, ids=str)
def test_truncated_variance_scaling_widens_its_parent_so_that_the_promised_variance_is_left(shape):
    law = variance_scaling(2, "fan_in", "truncated_normal")
    w = law.draw(*shape, np.random.default_rng(3), np.float64)
    want = GOLDEN_SHAPES[shape]["he_fan_in"]
    assert law.variance(*shape) == pytest.approx(want["var"])
    assert_keeps_promise(w, 0, want["var"])
    assert 0.98 * want["trunc_max"] < np.abs(w).max() <= want["trunc_max"] * (1 + 1e-14)


@pytest.mark.parametrize("mode", FANS)
@pytest.mark.parametrize("distribution", UNIT_DRAWS)
def test_variance_scaling_gives_scale_over_fan(mode, distribution):
    fan = {"fan_in": 300, "fan_out": 100, "fan_avg": 200, "fan_geo_avg": math.sqrt(30000)}[mode]
    law = variance_scaling(1.5, mode, distribution)
    assert law.variance(300, 100) == pytest.approx(1.5 / fan)
    assert_keeps_promise(law.draw(300, 100, np.random.default_rng(0), np.float64), 0, 1.5 / fan)


def test_variance_scaling_refuses_unknown_words():
    with pytest.raises(ValueError, match="mode must be one of fan_in, fan_out, fan_avg, fan_geo_avg, got 'fan'"):
        variance_scaling(1, "fan", "normal")
    with pytest.raises(ValueError, match="distribution must be one of normal, uniform, truncated_normal, got 'cauchy'"):
        variance_scaling(1, "fan_in", "cauchy")


@pytest.mark.parametrize("shape", [(50, 50), (80, 30), (30, 80), (1, 7), (7, 1), (1, 1)])
def test_orthogonal_weights_have_orthonormal_rows_or_columns_whichever_are_fewer(shape):
    w = drawn("orthogonal", *shape)
    gram = w.T @ w if shape[0] >= shape[1] else w @ w.T
    np.testing.assert_allclose(gram, np.eye(min(shape)), atol=1e-12)
    assert not np.array_equal(w, drawn("orthogonal", *shape, seed=1)) or shape == (1, 1)


def test_orthogonal_weights_are_haar_distributed_so_that_no_sign_is_preferred():
    corners = [drawn("orthogonal", 2, 2, seed) for seed in range(400)]
    for entry in np.array(corners).reshape(400, 4).T:
        assert_keeps_promise(entry, 0, 0.5)
    assert abs(np.mean([np.sign(np.linalg.det(w)) for w in corners])) < STANDARD_ERRORS / math.sqrt(400)


@every_shape
def test_sparse_weights_give_each_neuron_fifteen_inputs_or_all_there_are(shape):
    w = drawn("sparse", *shape)
    assert (np.count_nonzero(w, axis=0) == min(15, shape[0])).all()
    if shape[0] > 15:  # every input is as likely as any other: binomial counts
        used, share = np.count_nonzero(w, axis=1), 15 / shape[0]
        spread = math.sqrt(shape[1] * share * (1 - share))
        assert np.abs(used - shape[1] * share).max() <= max(6 * spread, 6)


@pytest.mark.parametrize("shape", [(5, 3), (4, 4), (1, 1), (3, 1)])
def test_zero_identity_is_a_partial_identity_where_a_layer_does_not_widen(shape):
    np.testing.assert_array_equal(drawn("zero_identity", *shape), np.eye(*shape))


def test_zero_identity_is_a_scaled_hadamard_matrix_cut_to_shape_where_a_layer_widens():
    root_half = math.sqrt(0.5)
    np.testing.assert_allclose(drawn("zero_identity", 1, 2), [[root_half, root_half]])
    signs = np.array([[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1]])
    np.testing.assert_allclose(drawn("zero_identity", 3, 4), signs / 2)
    np.testing.assert_allclose(drawn("zero_identity", 2, 3), signs[:2, :3] / 2)
    for power in (1, 3, 6):
        w = drawn("zero_identity", 2**power - 1, 2**power)
        np.testing.assert_allclose(w @ w.T, np.eye(2**power - 1), atol=1e-12)


@pytest.mark.parametrize("key", ["identity", "zero_identity", "orthogonal"])
def test_initializers_that_pass_everything_on_have_full_rank_at_every_shape(key):
    for fan_in in range(1, 14):
        for fan_out in range(1, 20):
            assert np.linalg.matrix_rank(drawn(key, fan_in, fan_out)) == min(fan_in, fan_out)


@every_initializer
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("gain", [0.5, 1.7, -3, 0])
def test_gain_multiplies_every_weight_exactly(key, dtype, gain):
    plain = drawn(key, 40, 30, dtype=dtype)
    np.testing.assert_array_equal(drawn(key, 40, 30, dtype=dtype, gain=gain), plain * dtype(gain))


@every_shape
@pytest.mark.parametrize("kind", ["normal", "uniform"])
def test_initializers_of_one_distribution_draw_the_same_units_scaled(kind, shape):
    lecun = drawn(f"lecun_{kind}", *shape)
    for other in ("xavier", "he"):
        scale = math.sqrt(law_of(f"{other}_{kind}").variance(*shape) / law_of(f"lecun_{kind}").variance(*shape))
        np.testing.assert_allclose(drawn(f"{other}_{kind}", *shape), lecun * scale, rtol=1e-14)


@pytest.mark.parametrize("shape", GOLDEN_SHAPES, ids=str)
def test_the_xavier_of_many_notes_is_lecun_normal(shape):
    notes = np.random.default_rng(0).standard_normal(shape) / np.sqrt(shape[0])
    np.testing.assert_allclose(notes, drawn("lecun_normal", *shape), rtol=1e-14)
    ratio = np.median(notes / drawn("xavier_normal", *shape))
    assert ratio == pytest.approx(GOLDEN_SHAPES[shape]["seed_note_xavier"]["ratio_to_true_glorot"], rel=1e-12)
    assert (ratio == pytest.approx(0.7116, abs=5e-5)) == (shape == (784, 10))


@every_initializer
def test_every_entry_says_what_it_is(key):
    entry = INITIALIZERS[key]
    for text in (entry.label, entry.latex, entry.source, entry.sentence, entry.made_for):
        assert text.strip()
    assert re.fullmatch("#[0-9A-Fa-f]{6}", entry.color)
    assert tuple(entry.code) == FRAMEWORKS
    for parameter in entry.parameters.values():
        assert parameter.help.strip()
        assert parameter.default in parameter.allowed


def test_no_two_initializers_share_a_label_or_a_color():
    for field in ("label", "color"):
        assert len({getattr(entry, field) for entry in INITIALIZERS.values()}) == len(INITIALIZERS)


@every_initializer
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_fields_of_a_code_line_are_the_parameters_of_its_entry(key, framework):
    fields = {name for _, name, _, _ in string.Formatter().parse(INITIALIZERS[key].code[framework]) if name is not None}
    assert fields == set(INITIALIZERS[key].parameters)


@pytest.mark.parametrize("shape", [(100, 80), (80, 100), (64, 64)], ids=str)
@pytest.mark.parametrize(("key", "params"), CASES, ids=str)
def test_the_numpy_line_draws_the_law_that_it_stands_beside(key, params, shape):
    entry, law = INITIALIZERS[key], law_of(key, **params)
    line = entry.code["NumPy"].format(**{name: p.default for name, p in entry.parameters.items()} | params)
    names = {"np": np, "rng": np.random.default_rng(7), "fan_in": shape[0], "fan_out": shape[1],
             "first": False}
    if "W = " in line:
        exec(line, names)
    else:
        names["W"] = eval(line, names)
    assert names["W"].shape == shape
    assert_keeps_promise(names["W"], law.mean(*shape), law.variance(*shape))
    if key == "sparse":  # its inputs are chosen in another way
        assert (np.count_nonzero(names["W"], axis=0) == 15).all()
    else:
        np.testing.assert_allclose(names["W"], drawn(key, *shape, seed=7, **params), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("framework", ["PyTorch", "Keras", "JAX"])
@every_initializer
def test_the_other_frameworks_lines_are_python(key, framework):
    entry = INITIALIZERS[key]
    compile(entry.code[framework].format(**{name: p.default for name, p in entry.parameters.items()}), key, "exec")


def test_an_unknown_key_or_parameter_raises_value_error_naming_the_known_ones():
    with pytest.raises(ValueError, match=r"initializer must be one of zeros, ones, .*, got 'xavier'"):
        drawn("xavier", 3, 3)
    with pytest.raises(ValueError, match="he_normal takes mode, negative_slope, got 'fan'"):
        drawn("he_normal", 3, 3, fan="fan_in")
    with pytest.raises(ValueError, match="zeros takes no parameters, got 'value'"):
        drawn("zeros", 3, 3, value=1)


@pytest.mark.parametrize(("key", "name"), [(key, name) for key, entry in INITIALIZERS.items()
                                           for name in entry.parameters])
def test_a_bad_value_raises_value_error_naming_parameter_value_and_limits(key, name):
    allowed = INITIALIZERS[key].parameters[name].allowed
    limits = str(allowed) if isinstance(allowed, Interval) else ", ".join(allowed)
    never = [math.nan, math.inf, -math.inf, "x", True, None]
    for bad in never if -0.1 in allowed else [*never, -0.1]:
        with pytest.raises(ValueError, match="must be") as raised:
            drawn(key, 3, 3, **{name: bad})
        assert f"{key} {name}" in str(raised.value)
        assert repr(bad) in str(raised.value)
        assert limits in str(raised.value)


@pytest.mark.parametrize("bad", [0, -1, 2.5, math.inf, math.nan, "3", None, True])
@pytest.mark.parametrize("field", ["fan_in", "fan_out"])
def test_a_fan_that_is_no_positive_integer_raises_value_error(field, bad):
    with pytest.raises(ValueError, match=f"{field} must be a finite integer of at least 1, got {bad!r}"):
        initialize("he_normal", **({"fan_in": 3, "fan_out": 3} | {field: bad}), rng=np.random.default_rng(0))


@pytest.mark.parametrize("bad", [math.nan, math.inf, "2", None, True])
def test_a_gain_that_is_no_finite_number_raises_value_error(bad):
    with pytest.raises(ValueError, match=f"gain must be a finite number, got {bad!r}"):
        drawn("he_normal", 3, 3, gain=bad)


def test_a_gain_beyond_single_precision_gives_infinite_weights_in_silence():
    with np.errstate(all="raise"):
        assert np.isinf(drawn("he_normal", 3, 3, gain=1e300, dtype=np.float32)).all()


@every_initializer
@settings(max_examples=15)
@given(fan_in=st.integers(1, 40), fan_out=st.integers(1, 40), dtype=st.sampled_from(["float32", "float64"]),
       seed=st.integers(0, 9))
def test_any_shape_gives_finite_weights_of_that_shape_and_dtype_reproducibly(key, fan_in, fan_out, dtype, seed):
    w = drawn(key, fan_in, fan_out, seed, dtype=dtype)
    assert w.shape == (fan_in, fan_out)
    assert w.dtype == dtype
    assert np.isfinite(w).all()
    np.testing.assert_array_equal(w, drawn(key, fan_in, fan_out, seed, dtype=dtype))
