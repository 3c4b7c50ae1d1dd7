import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from initviz.app.address import nearest_allowed, read_address, read_settings
from initviz.app.affordable import affordable, nearest_affordable, operations
from initviz.app.presets import BLOCK_PRESETS, PRESETS
from initviz.app.settings import CONTROLS, DEFAULTS, MOST_INITIALIZERS, SCRUBBED, Settings
from initviz.app.sharing import described
from initviz.app.signal.sentences import picture_title
from initviz.core.architecture import Architecture
from initviz.core.batches import make_batch
from initviz.core.initializers import INITIALIZERS
from initviz.core.network import Network
from initviz.core.validation import Choices, Interval
from initviz.theory.residual import predict_blocks

ALL_PRESETS = dict(PRESETS) | dict(BLOCK_PRESETS)


def is_allowed(key, value):
    control = CONTROLS[key]
    if isinstance(control.allowed, Interval | Choices):
        return value in control.allowed
    if control.many:
        return isinstance(value, tuple) and set(value) <= set(control.allowed) and len(value) <= MOST_INITIALIZERS
    return value in control.allowed


@pytest.mark.parametrize(("query", "key", "value"), [
    ({"depth": ["-3"]}, "depth", 1), ({"depth": ["7"]}, "depth", 7), ({"depth": ["7.6"]}, "depth", 8),
    ({"depth": ["3", "4"]}, "depth", 4), ({"width": ["1e9"]}, "width", 1024), ({"gain": ["inf"]}, "gain", 4.0),
    ({"constant": ["nan"]}, "constant", 0.1), ({"constant": ["<script>"]}, "constant", 0.1),
    ({"init": ["nonsense"]}, "init", DEFAULTS["init"]), ({"init": ["zeros", "nonsense"]}, "init", ("zeros",)),
    ({"init": ["He normal", "he_normal"]}, "init", ("he_normal",)), ({"init": list(INITIALIZERS)}, "init",
                                                                     tuple(INITIALIZERS)[:MOST_INITIALIZERS]),
    ({"activation": ["ReLU"]}, "activation", "relu"), ({"activation": ["relu"]}, "activation", "relu"),
    ({"activation": [""]}, "activation", "tanh"), ({"seed": ["1e400"]}, "seed", 9999),
    ({"rate": ["0.03"]}, "rate", 0.02),
    ({"steps": ["-5"]}, "steps", 0), ({"batch": ["\x00"]}, "batch", 128)])
def test_an_address_opens_with_the_nearest_allowed_value(query, key, value):
    values, _ = read_address(query)
    assert values[key] == value


@pytest.mark.parametrize("query", [{"depth": ["-3"]}, {"width": ["1e9"]}, {"init": ["nonsense"]}, {"constant": ["nan"]},
                                   {"activation": ["?"]}, {"init": list(INITIALIZERS)}])
def test_every_mend_is_told_in_one_sentence(query):
    _, notices = read_address(query)
    (key,) = query
    assert list(notices) == [key]
    assert notices[key].startswith(CONTROLS[key].label)
    assert notices[key].endswith(".")


def test_a_good_address_is_not_commented():
    assert read_address({"depth": ["20"], "init": ["He normal", "Zeros"], "unknown": ["1"]})[1] == {}


@given(st.dictionaries(st.sampled_from(list(CONTROLS)), st.lists(st.text(max_size=30), max_size=4)))
def test_whatever_an_address_holds_the_settings_are_valid(query):
    settings = read_settings(read_address(query)[0])
    for key in CONTROLS:
        assert is_allowed(key, getattr(settings, key)), key
    assert all(isinstance(network, Network | Architecture) for network in settings.networks())


@given(st.sampled_from(list(CONTROLS)), st.one_of(
    st.none(), st.booleans(), st.floats(), st.integers(), st.text(), st.lists(st.one_of(st.text(), st.integers())),
    st.binary(), st.tuples(st.floats(), st.floats())))
def test_whatever_a_widget_returns_is_mended_to_something_allowed(key, given_value):
    assert is_allowed(key, nearest_allowed(key, given_value)[0])


def test_every_control_has_a_default_that_is_allowed_a_label_and_a_help_text():
    for key, control in CONTROLS.items():
        assert is_allowed(key, control.default), key
        assert control.label
        assert control.help.endswith("."), key


@pytest.mark.parametrize("key", ALL_PRESETS)
def test_every_preset_describes_networks(key):
    settings = replace(Settings(), **ALL_PRESETS[key].settings)
    assert len(settings.networks()) == 1
    for name, value in ALL_PRESETS[key].settings.items():
        assert is_allowed(name, value)


def test_he_takes_the_leaky_slope_into_account_only_for_leaky_relu():
    leaky = replace(Settings(), activation="leaky_relu", slope=0.5)
    assert dict(leaky.network("he_normal").initializer_params)["negative_slope"] == 0.5
    assert dict(replace(leaky, activation="relu").network("he_normal").initializer_params)["negative_slope"] == 0


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("changes", [
    {"depth": 100, "width": 1024, "batch": 1024}, {"depth": 100, "width": 1024, "batch": 8},
    {"depth": 100, "width": 300, "batch": 1024, "steps": 2000},
    {"depth": 100, "width": 1024, "batch": 1024, "kind": "pre_norm"}])
def test_the_nearest_affordable_settings_are_affordable_and_change_nothing_else(changes, training):
    costly = replace(Settings(), **changes)
    assert not affordable(costly, training=training)
    nearest = nearest_affordable(costly, training=training)
    assert affordable(nearest, training=training)
    assert replace(nearest, **{name: getattr(costly, name) for name in ("steps", "batch", "width", "depth")}) == costly
    assert math.isfinite(operations(costly))


def test_the_nearest_affordable_width_is_the_widest():
    costly = replace(Settings(), depth=100, width=1024, batch=1024, kind="pre_norm", init=tuple(INITIALIZERS)[:8])
    nearest = nearest_affordable(costly)
    assert nearest.width < costly.width
    assert not affordable(replace(nearest, width=nearest.width + 1))


def test_an_address_from_before_there_were_blocks_opens_the_network_that_it_named():
    values, notices = read_address({"init": ["He normal"], "activation": ["ReLU"], "depth": ["12"], "gain": ["1.5"]})
    assert not notices
    settings = read_settings(values)
    assert settings.networks() == (Network((64, *[128] * 11, 10), "relu", "he_normal", 1.5, initializer_params={
        "negative_slope": 0.0}),)


@pytest.mark.parametrize("key", ALL_PRESETS)
def test_a_preset_is_the_same_whatever_was_set_before(key):
    wild = replace(Settings(), gain=3.0, bias=0.5, bias_std=0.3, mode="fan_out", kind="post_norm",
                   normalization="rms", branch_scale="1/L")
    preset = ALL_PRESETS[key].settings
    assert replace(wild, **preset).networks() == replace(Settings(), **preset).networks()


@pytest.mark.parametrize("key", SCRUBBED)
def test_the_slider_at_the_picture_has_only_values_that_its_control_allows_the_default_among_them(key):
    low, high, step = SCRUBBED[key]
    values = [round(low + step * index, 9) for index in range(round((high - low) / step) + 1)]
    assert (values[0], values[-1]) == (low, high)
    assert CONTROLS[key].default in values
    assert all(is_allowed(key, value) for value in values)
    assert Settings().scrub not in SCRUBBED


@pytest.mark.parametrize(("key", "growth"), [("residual", 2.0), ("residual_scaled", 1 + 1 / 8), ("fixup", 1.0),
                                             ("zero_gamma", 1.0), ("post_norm", 1.0)])
def test_the_mean_square_of_a_presets_stream_grows_a_block_as_its_sentence_says(key, growth):
    network, = replace(Settings(), **BLOCK_PRESETS[key].settings).networks()
    found = predict_blocks(network, make_batch("digits", 32).x)
    squares = found.activation_rms[1 if key != "post_norm" else 2:-1] ** 2
    assert squares[1:] / squares[:-1] == pytest.approx(growth, rel=1e-3)


def test_without_a_normalization_pre_and_post_norm_are_the_residual_network_and_the_rest_the_plain_one():
    kinds = {kind: replace(Settings(), kind=kind, normalization="none").networks()[0].kind
             for kind in ("residual", "pre_norm", "post_norm", "normalized")}
    assert kinds == {"residual": "residual", "pre_norm": "residual", "post_norm": "residual", "normalized": "plain"}


def test_a_pages_network_is_described_by_what_says_which_one_it_is():
    assert "σ_w 1.5 · σ_b 0.3" in described(Settings(), "theory")
    assert "σ_w" not in described(Settings(), "signal")
    assert picture_title(Settings(quantity="weight"), one_sample=False) == "Weights, layer by layer"
