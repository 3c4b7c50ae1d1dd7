import json
import math
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from initviz.core.activations import ACTIVATIONS
from initviz.core.batches import make_batch
from initviz.core.initializers import INITIALIZERS
from initviz.core.network import Network
from initviz.core.simulation import simulate, simulate_each
from initviz.theory.dead_neurons import born_dead, expected_dead_shares, mean_cosine
from initviz.theory.fluctuations import fluctuations
from initviz.theory.mean_field import Field, depth_scale, expectation
from initviz.theory.phase_diagram import critical_line, phase_diagram
from initviz.theory.prediction import predict
from initviz.theory.trajectory import can_predict, sigmas

GOLDEN = json.loads((Path(__file__).parents[1] / "golden.json").read_text())["mean_field"]
NAMES = {"leaky_relu_0.01": ("leaky_relu", (("negative_slope", 0.01),)),
         "leaky_relu_0.2": ("leaky_relu", (("negative_slope", 0.2),))}
SCALED = "erf_unit_slope"  # erf(sqrt(pi) x / 2): erf with another length
CLOSE = 1e-6


def field(name: str) -> Field:
    return Field(*NAMES.get(name, (name, ())))


@pytest.mark.parametrize("name", [name for name in GOLDEN["gaussian_moments"] if name != SCALED])
def test_moments_agree_with_the_oracle(name):
    for q, want in GOLDEN["gaussian_moments"][name].items():
        have = field(name).moments(float(q))
        for ours, theirs in (("mean", "E_phi"), ("square", "E_phi2"), ("derivative_square", "E_dphi2"),
                             ("derivative_fourth", "E_dphi4")):
            assert getattr(have, ours) == pytest.approx(want[theirs], rel=1e-11, abs=1e-12), (q, ours)


def closed_gelu(q):
    return q / 4 + q / (2 * math.pi) * math.asin(q / (1 + q)) + q**2 / (math.pi * (1 + q) * math.sqrt(1 + 2 * q))


CLOSED = {  # E phi^2 by theory.md's closed forms, at any length
    "linear": lambda q: q, "relu": lambda q: q / 2, "erf": lambda q: 2 / math.pi * math.asin(2 * q / (1 + 2 * q)),
    "gelu": closed_gelu}


@pytest.mark.parametrize("name", CLOSED)
@pytest.mark.parametrize("q", [1e-6, 0.3, 1.0, 9.0, 100.0, 1e5])
def test_the_quadrature_agrees_with_closed_forms_where_gauss_hermite_does_not(name, q):
    assert float(field(name).moments(q).square) == pytest.approx(CLOSED[name](q), rel=1e-9)


@pytest.mark.parametrize("c", [-1.0, -0.4, 0.0, 0.5, 0.99, 1.0])
@pytest.mark.parametrize(("q1", "q2"), [(1.0, 1.0), (0.2, 5.0)])
def test_products_agree_with_the_closed_forms(c, q1, q2):
    k = c * math.sqrt(q1 * q2)
    arc = (math.sqrt(1 - c * c) + c * (math.pi - math.acos(c))) / (2 * math.pi)
    erf = 2 / math.pi * math.asin(2 * k / math.sqrt((1 + 2 * q1) * (1 + 2 * q2)))
    relu = Field("relu")
    assert relu.product(relu.value, q1, q2, c) == pytest.approx(math.sqrt(q1 * q2) * arc, rel=1e-9, abs=1e-12)
    assert relu.product(relu.derivative, q1, q2, c) == pytest.approx(
        (math.pi - math.acos(c)) / (2 * math.pi), rel=1e-3, abs=1e-3)
    assert Field("erf").product(Field("erf").value, q1, q2, c) == pytest.approx(erf, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("point", GOLDEN["tanh_points"], ids=lambda p: f"{p['sigma_w2']:.3g},{p['sigma_b2']:.3g}")
def test_fixed_points_and_depth_scales_agree_with_the_oracle(point):
    found = Field("tanh").fixed_point(math.sqrt(point["sigma_w2"]), math.sqrt(point["sigma_b2"]))
    assert found.phase == point["phase"]
    for have, want in ((found.q, "q_star"), (found.chi, "chi1"), (found.depth_of_length, "xi_q"),
                       (found.depth_of_correlation, "xi_c"), (found.depth_of_gradient, "xi_grad_signed"),
                       (found.length_derivative, "q_map_slope"), (found.correlation_derivative, "slope_at_c_star")):
        assert have == pytest.approx(point[want], rel=CLOSE), want
    assert found.correlation == pytest.approx(point["c_star"], rel=CLOSE, abs=1e-9)


@pytest.mark.parametrize("point", GOLDEN["critical_line"]["tanh"], ids=lambda p: f"{p['sigma_b2']:.3g}")
def test_the_critical_line_agrees_with_the_oracle(point):
    sigma_w, sigma_b = Field("tanh").critical(point["q_star"])
    assert sigma_w**2 == pytest.approx(point["sigma_w2"], rel=CLOSE)
    assert sigma_b**2 == pytest.approx(point["sigma_b2"], rel=1e-5)  # a difference of two numbers of size q


@pytest.mark.parametrize("name", ["gelu", "silu"])
def test_the_points_of_both_slopes_1_agree_with_the_oracle(name):
    want = GOLDEN["edge_points"][name]
    found = Field(name).fixed_point(math.sqrt(want["sigma_w2"]), math.sqrt(want["sigma_b2"]), want["q_star"])
    assert found.q == pytest.approx(want["q_star"], rel=CLOSE)
    assert found.chi == pytest.approx(1, rel=CLOSE)
    assert found.length_derivative == pytest.approx(1, rel=1e-5)


def test_the_correlation_map_of_he_agrees_with_the_oracle():
    c, want = 0.0, {int(layer): value for layer, value in GOLDEN["relu_he_correlation_map_from_c0_0"]}
    for layer in range(1, max(want) + 1):
        c = Field("relu").correlation(c, 1, 1, math.sqrt(2), 0)
        if layer in want:
            assert c == pytest.approx(want[layer], rel=CLOSE)


def test_lecun_with_tanh_decays_as_the_oracle_says():
    q, gradient, rows = 1.0, 1.0, {row["layer"]: row for row in GOLDEN["tanh_lecun_decay"]}
    for layer in range(1, max(rows) + 1):
        at = Field("tanh").moments(q)
        gradient *= float(at.derivative_square)
        if layer in rows:
            assert q == pytest.approx(rows[layer]["var_z"], rel=CLOSE)
            assert math.sqrt(at.square) == pytest.approx(rows[layer]["std_h"], rel=CLOSE)
            assert gradient == pytest.approx(rows[layer]["cum_chi"], rel=CLOSE)
        q = float(at.square)


def test_selu_and_lecuns_tanh_settle_where_golden_says():
    selu, lecun = GOLDEN["selu"], GOLDEN["lecun_tanh"]
    assert Field("selu").fixed_point(1, 0).chi == pytest.approx(selu["chi1_lecun"], rel=CLOSE)
    found = Field("lecun_tanh").fixed_point(1, 0)
    assert found.q == pytest.approx(lecun["q_star_lecun"], rel=CLOSE)
    assert found.chi == pytest.approx(lecun["chi1_at_q_star"], rel=CLOSE)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_the_table_is_close_to_the_integrals_and_growth_is_the_slope(name):
    q = np.array([3e-30, 2.7e-7, 0.013, 0.9, 31.0, 8e3, 4e9])
    exact, quick = Field(name).moments(q), Field(name).tabulated(q)
    for part in ("square", "derivative_square"):
        assert getattr(quick, part) == pytest.approx(getattr(exact, part), rel=1e-6), part
    step = 1e-4
    around = Field(name).moments(np.array([0.7 * (1 - step), 0.7 * (1 + step)])).square
    assert float(Field(name).moments(0.7).growth) == pytest.approx(
        float(np.diff(around)[0]) / (2 * step * 0.7), rel=1e-6)


def test_an_expectation_may_be_shifted():
    assert float(expectation(np.square, 2.0, 3.0)) == pytest.approx(11)
    assert float(expectation(lambda z: (z > 0) * 1.0, 4.0, 2.0)) == pytest.approx(
        0.5 * (1 + math.erf(1 / math.sqrt(2))), rel=1e-12)
    assert float(Field("relu", bias=1.0).length(0.0, 2.0, 0.5)) == pytest.approx(4.25)


def test_a_diagram_agrees_with_the_fixed_points():
    sigma_w, sigma_b = np.linspace(0, 4, 17), np.linspace(0, 2, 9)
    for name in ("tanh", "gelu", "relu"):
        q, chi = phase_diagram(Field(name), sigma_w, sigma_b)
        for row in (1, 4, 8):
            for column in (0, 3, 5, 9, 16):
                start = sigma_w[column] ** 2 + sigma_b[row] ** 2
                point = Field(name).fixed_point(sigma_w[column], sigma_b[row], start)
                assert math.isinf(q[row, column]) == math.isinf(point.q)
                if math.isfinite(point.q):
                    assert q[row, column] == pytest.approx(point.q, rel=3e-3)
                    assert chi[row, column] == pytest.approx(point.chi, rel=3e-3, abs=1e-12)


@given(st.sampled_from(sorted(ACTIVATIONS)), st.floats(0, 4), st.floats(0, 2))
@settings(max_examples=40)
def test_no_point_warns_or_fails(name, sigma_w, sigma_b):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = Field(name).fixed_point(sigma_w, sigma_b)
    assert found.q >= 0
    assert found.phase in ("ordered", "chaotic", "critical", "unbounded")
    assert math.isinf(found.q) or math.isnan(found.correlation) or 0 <= found.correlation <= 1


def test_a_negative_sigma_is_refused():
    with pytest.raises(ValueError, match="sigma_w must be"):
        Field("tanh").fixed_point(-1, 0)


def test_every_factor_has_a_depth_scale():
    assert depth_scale(math.exp(-0.5)) == pytest.approx(2)
    assert depth_scale(0) == 0
    assert math.isinf(depth_scale(1))
    assert depth_scale(math.exp(0.5)) == pytest.approx(-2)
    assert math.isnan(depth_scale(math.nan))


# ---------------------------------------------------------------------------------------------- a network's prediction

BANDS = {
    "He, ReLU": Network((64, *[100] * 20, 10), "relu", "he_normal"),
    "LeCun, tanh": Network((64, *[100] * 10, 10), "tanh", "lecun_normal"),
    "chaotic": Network((64, *[16] * 10, 10), "tanh", "lecun_normal", gain=2.0, bias_std=0.3),
    "too small": Network((64, *[100] * 10, 10), "tanh", "normal"),
    "PyTorch": Network((64, *[100] * 8, 10), "relu", "torch_linear"),
    "uneven, fan_out": Network((64, 200, 30, 300, 50, 10), "relu", "he_uniform",
                               initializer_params={"mode": "fan_out"}),
    "Glorot, sigmoid": Network((64, *[64] * 6, 10), "sigmoid", "xavier_normal"),
    "a common bias": Network((64, *[60] * 10, 10), "gelu", "he_normal", bias=0.2),
    "two inputs": Network((2, *[32] * 6, 2), "tanh", "xavier_normal"),
    "linear": Network((64, *[50] * 15, 10), "linear", "lecun_normal"),
    "falling to nothing": Network((64, *[64] * 30, 10), "gelu", "he_normal"),
    "deep and chaotic": Network((64, *[64] * 50, 10), "tanh", "lecun_normal", gain=1.5, bias_std=0.3),
    "narrow": Network((64, *[16] * 10, 10), "relu", "he_normal"),
}


def _coverage(network, source, batch_size, seeds, wrong=1.0):
    """Shares of seeds whose hidden layers all lie inside the band, and the least share of a single layer, by quantity
    and statistic; the networks drawn have ``wrong`` times the gain of which the band is.
    """
    samples = make_batch(source, 512, seed=0, features=network.sizes[0])
    fluctuating = fluctuations(network, samples.x, samples.targets, batch_size)
    inside: dict[tuple[str, str], list[np.ndarray]] = {}
    for seed in range(seeds):
        batch = make_batch(source, batch_size, seed=seed, features=network.sizes[0])
        drawn = replace(network, seed=seed, gain=wrong * network.gain)
        run, = simulate_each([drawn], batch, counted=(), correlations=False)
        expected = predict(network, batch.x, float(run.column("delta_rms")[-1]) ** 2, fluctuating)
        for quantity, statistic in (("preactivation", "rms"), ("activation", "rms"), ("activation", "std"),
                                    ("delta", "rms")):
            low, high = expected.band(quantity, statistic)
            found = run.column(f"{quantity}_{statistic}")
            inside.setdefault((quantity, statistic), []).append(((found >= low) & (found <= high))[:-1])
    hits = {key: np.array(values) for key, values in inside.items()}
    return ({key: values.all(axis=1).mean() for key, values in hits.items()},
            {key: values.mean(axis=0).min() for key, values in hits.items()})


@pytest.mark.parametrize("name", BANDS)
def test_the_band_holds_95_percent_of_200_seeds(name):
    network = BANDS[name]
    _, of_a_layer = _coverage(network, "moons" if network.sizes[0] == 2 else "digits", 16, 200)
    for key, share in of_a_layer.items():
        assert share >= 0.95, key


CALIBRATED = {
    "He, ReLU": (Network((64, *[64] * 10, 10), "relu", "he_normal"), "digits", 32),
    "orthogonal, tanh": (Network((64, *[32] * 20, 10), "tanh", "orthogonal"), "digits", 32),
    "He, GELU": (Network((64, *[32] * 12, 10), "gelu", "he_normal"), "digits", 8),
    "sparse, tanh, few samples": (Network((64, *[64] * 5, 10), "tanh", "sparse", gain=0.26), "digits", 8),
}


@pytest.mark.parametrize("name", CALIBRATED)
def test_whole_runs_lie_inside_the_band_for_about_96_percent_of_300_seeds(name):
    network, source, batch_size = CALIBRATED[name]
    whole, _ = _coverage(network, source, batch_size, 300)
    for key, share in whole.items():
        assert 0.92 <= share <= 0.99, key  # 94 to 98 %, and almost two standard errors of 300 seeds


@pytest.mark.parametrize("wrong", [0.9, 1.1])
def test_a_law_that_is_wrong_by_10_percent_in_gain_leaves_the_band_within_20_layers(wrong):
    network = Network((64, *[256] * 19, 10), "relu", "he_normal")
    whole, _ = _coverage(network, "digits", 32, 20, wrong)
    assert whole["activation", "rms"] == 0
    assert whole["delta", "rms"] == 0


def test_the_band_of_one_input_is_no_wider_than_the_laws_it_claims():
    def spread(found):
        """Of ln of the preactivations' mean square, if the band were six standard deviations of it wide."""
        low, high = found.band("preactivation", "rms")
        return 2 * np.log(high / low) / 6

    n = 100
    he = spread(predict(BANDS["He, ReLU"], np.ones((1, 64))))[1:20]
    layers = np.arange(1, 20)  # that came before; each adds this log-variance, exactly: a chi-squared of a binomial
    claimed = np.sqrt(0.05194 * layers + 2 / n)
    # That 96 % of whole runs lie inside takes about three standard deviations, as many in every layer.
    assert (he >= 0.85 * claimed).all()
    assert (he <= 1.1 * claimed).all()
    assert he / claimed == pytest.approx(np.full(19, (he / claimed).mean()), rel=0.1)
    # The variance of an average of z^2 in stable tanh layers at (1.3, 0.3): theory says 0.01016 for this width
    stable = spread(predict(Network((n, *[n] * 40, 10), "tanh", "lecun_normal", gain=1.3, bias_std=0.3),
                            np.ones((1, n))))[-2]
    claimed = math.sqrt(0.01016) / 0.607046791909
    assert 0.75 * claimed <= stable <= 1.15 * claimed


def test_too_few_neurons_have_no_band():
    for network in (Network((64, 4, 4, 10), "relu", "he_normal"),
                    Network((64, 32, 32, 10), "relu", "he_normal", bias=-9)):
        found = predict(network, np.ones((1, 64)))
        assert np.isnan(found.band("activation", "rms")).all()
        assert np.isfinite(found.activation_rms).all()


def test_a_prediction_agrees_with_the_oracle_to_the_last_layer():
    depth = max(row["layer"] for row in GOLDEN["tanh_lecun_decay"])
    network = Network((8,) * (depth + 1) + (10,), "tanh", "lecun_normal")
    found = predict(network, np.ones((1, 8)))
    for row in GOLDEN["tanh_lecun_decay"]:
        assert found.activation_std[row["layer"] - 1] == pytest.approx(row["std_h"], rel=CLOSE)
        assert found.preactivation_std[row["layer"] - 1] ** 2 == pytest.approx(row["var_z"], rel=CLOSE)


@pytest.mark.parametrize("gain", [1e-4, 0.5, 8.0, 1e4])
def test_a_prediction_scales_with_the_gain_however_far(gain):
    sizes = (64, *[64] * 30, 10)
    plain, scaled = (predict(Network(sizes, "relu", "he_normal", gain=g), np.ones((1, 64))) for g in (1.0, gain))
    layers = np.arange(1, 31)
    assert np.log(scaled.activation_rms[:30]) == pytest.approx(
        np.log(plain.activation_rms[:30]) + layers * math.log(gain), rel=1e-9)


@pytest.mark.parametrize(("name", "sigma_w", "chi", "correlation"), [
    ("relu", 1.4, 0.98, 1), ("leaky_relu", 1.4, 0.980098, 1), ("tanh", 0.9, 0.81, math.nan), ("linear", 0.5, 0.25,
                                                                                           math.nan)])
def test_a_vanishing_signal_keeps_the_slope_that_it_has_on_its_way(name, sigma_w, chi, correlation):
    found = Field(name).fixed_point(sigma_w, 0, sigma_w**2)
    assert found.q == 0
    assert found.phase == "ordered"
    assert found.chi == pytest.approx(chi, rel=1e-6)
    assert found.correlation == pytest.approx(correlation, nan_ok=True)


def test_a_critical_line_is_drawn_only_where_lengths_settle_on_it():
    for name in ("tanh", "gelu", "silu", "relu"):
        sigma_w, sigma_b = critical_line(Field(name))
        q, chi = (np.diag(part) for part in phase_diagram(Field(name), sigma_w, sigma_b))
        assert len(sigma_w) > (0 if name == "relu" else 50)
        assert np.isfinite(q).all()
        assert chi == pytest.approx(np.ones(len(chi)), abs=0.02)
    assert float(np.ptp(critical_line(Field("relu"))[0])) < 1e-6


def test_predictions_of_uneven_layers_telescope():
    sizes = (300, 100, 200, 50, 10)
    he = predict(Network(sizes, "relu", "he_normal"), np.ones((1, 300)))
    assert he.activation_rms[:-1] == pytest.approx(np.ones(4)[:3])
    assert he.delta_rms[0] == pytest.approx(math.sqrt(10 / 2 * 2 / 100))
    assert sigmas(Network(sizes, "relu", "torch_linear"), 0) == pytest.approx((math.sqrt(1 / 3), math.sqrt(1 / 900)))


@pytest.mark.parametrize("key", INITIALIZERS)
def test_theory_speaks_of_random_weights_only(key):
    network = Network((8, 8, 8), "tanh", key)
    assert can_predict(network) == (key not in ("zeros", "ones", "constant", "identity", "zero_identity"))
    if not can_predict(network):
        with pytest.raises(ValueError, match="initializer must draw random weights"):
            predict(network, np.ones((1, 8)))


@pytest.mark.parametrize("network", [
    Network((4, 2), "relu", "he_normal"),
    Network((4, 4, 4, 2), "relu", "normal", gain=1e30), Network((4, 4, 4, 2), "tanh", "normal", gain=1e-30),
    Network((1, 1, 1), "sigmoid", "he_normal", bias=-3.0)])
def test_extreme_networks_are_predicted_without_a_warning(network):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = predict(network, np.zeros((2, network.sizes[0])))
        predict(network, np.ones((2, network.sizes[0])))
    assert len(found.delta_rms) == len(found.activation_std) == network.depth
    assert not np.isnan(found.activation_rms).any()


# ---------------------------------------------------------------------------------------------- neurons that are off

@pytest.mark.parametrize(("width", "probability"), [(2, 0.9437), (3, 0.7369), (5, 0.2720), (10, 0.0097)])
def test_as_many_networks_are_born_dead_as_theory_says(width, probability):
    assert born_dead([width] * 10) == pytest.approx(probability, abs=5e-5)
    rng = np.random.default_rng(7)
    h = rng.standard_normal((4000, 1, width))
    for _ in range(10):
        h = np.maximum(h @ rng.standard_normal((4000, width, width)), 0)
    share = float((h == 0).all(axis=(1, 2)).mean())
    assert abs(share - probability) < 4 * math.sqrt(probability * (1 - probability) / 4000)


def test_a_network_without_hidden_layers_cannot_be_born_dead_and_a_wide_one_hardly():
    assert born_dead([]) == 0
    assert born_dead([128]) == pytest.approx(2.0**-128)
    assert born_dead([1]) == 0.5
    with pytest.raises(ValueError, match=r"widths must be a finite integer of at least 1, got 0"):
        born_dead([3, 0])


def test_the_dead_share_of_a_batch_follows_theory():
    network = Network((256, *[256] * 20, 10), "relu", "he_normal")
    batch = make_batch("normal", 128, seed=0, features=256)
    expected = expected_dead_shares(network, batch.x)
    runs = [simulate(replace(network, seed=seed), batch, counted=()).column("dead_share")[:-1] for seed in range(8)]
    assert expected[[4, 9, 19]] == pytest.approx([0.0435, 0.146, 0.266], abs=5e-4)
    error = np.std(runs, axis=0) / math.sqrt(len(runs))
    assert (np.abs(np.mean(runs, axis=0) - expected) < 4 * error + 1 / 256).all()


def test_two_samples_share_dead_neurons_as_the_arc_sine_says():
    x = np.array([[1.0, 0.0], [0.6, 0.8]])
    one_layer = Network((2, 8, 1), "relu", "he_normal")
    assert expected_dead_shares(one_layer, x)[0] == pytest.approx(0.25 + math.asin(0.6) / (2 * math.pi), rel=1e-9)
    assert mean_cosine(x) == pytest.approx(0.6)


@pytest.mark.parametrize(("bias", "share"), [(1e3, 0.0), (-1e3, 1.0)])
def test_a_large_bias_decides_for_all_neurons(bias, share):
    network = Network((4, 8, 8, 1), "relu", "he_normal", bias=bias)
    assert expected_dead_shares(network, np.eye(4))[0] == share


@pytest.mark.parametrize("x", [np.zeros((3, 4)), np.full((3, 4), 1e200)])
def test_without_a_length_no_dead_share_is_expected(x):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isnan(expected_dead_shares(Network((4, 8, 8, 1), "relu", "he_normal"), x)).all()


def test_lengths_of_a_sine_are_right_however_wide_its_preactivations():
    field, omega = Field("sine"), 30.0
    for q in (1e-6, 1e-3, 1.0, 1e4):
        square = (1 - math.exp(-2 * omega**2 * q)) / 2
        assert float(field.length(q, 1.0, 0.0)) == pytest.approx(square, rel=CLOSE)
        assert float(field.chi(q, 1.0)) == pytest.approx(omega**2 * (1 - square), rel=CLOSE)
        assert field.lengths(q, [(1.0, 0.0)] * 2)[1] == pytest.approx(square, rel=CLOSE)


def test_the_gain_that_keeps_a_length_of_1_is_he_s_for_relu():
    assert Field("relu").gain() == pytest.approx(math.sqrt(2), rel=CLOSE)
    assert Field("linear").gain() == pytest.approx(1, rel=CLOSE)
    assert Field("tanh").gain() ** -2 == pytest.approx(0.394294, rel=1e-5)  # E tanh(g)^2
