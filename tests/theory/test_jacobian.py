import math

import numpy as np
import pytest

from initviz import Network, propagate
from initviz.theory.correlation import measured_correlations, two_inputs
from initviz.theory.jacobian import spectrum
from initviz.theory.prediction import expected_correlations


def test_singular_values_are_those_of_finite_differences():
    network = Network((12, 12, 12, 3), "tanh", "lecun_normal", gain=1.4, bias_std=0.2, dtype="float64")
    x = two_inputs(12, 0.0)[0]
    weights, biases = network.parameters()

    def hidden(inputs):
        return propagate(weights, biases, inputs, np.zeros((len(inputs), 3)), activation="tanh",
                         loss="mse").activations[1]

    step = 1e-6
    jacobian = (hidden(x + step * np.eye(12)) - hidden(x - step * np.eye(12))) / (2 * step)
    found = spectrum(network, x, [2])
    assert found.values[0] == pytest.approx(np.linalg.svd(jacobian, compute_uv=False), rel=1e-6, abs=1e-8)


@pytest.mark.parametrize(("activation", "initializer", "gain", "variance"), [
    ("linear", "lecun_normal", 1.0, 10.0), ("linear", "orthogonal", 1.0, 0.0),
    ("relu", "lecun_normal", math.sqrt(2), 20.0), ("relu", "orthogonal", math.sqrt(2), 10.0)])
def test_mean_and_variance_of_the_squares_are_those_of_dynamical_isometry(activation, initializer, gain, variance):
    """Pennington, Schoenholz and Ganguli 2017, at criticality and depth 10: L, 0, 2L and L."""
    width, squares = 200, []
    for seed in range(6):
        network = Network((width,) * 11 + (10,), activation, initializer, gain=gain, seed=seed)
        found = spectrum(network, two_inputs(width, 0, seed)[0], [10])
        squares.append(found.values[0] ** 2)
    assert found.mean_square[0] == pytest.approx(1)
    assert found.variance[0] == pytest.approx(variance, abs=1e-9)
    assert np.mean(squares) == pytest.approx(1, abs=0.25)
    assert np.mean([s.var() for s in squares]) == pytest.approx(variance, rel=0.4, abs=1e-6)


def test_a_sparse_matrix_spreads_by_its_neurons_own_lengths():
    found = [spectrum(Network((400, 400, 10), "linear", "sparse", gain=1 / math.sqrt(15), seed=seed),
                      two_inputs(400, 0, seed)[0], [1]) for seed in range(4)]
    measured = [part.values[0] ** 2 for part in found]
    assert found[0].variance[0] == pytest.approx(1 + 2 / 15)
    assert np.mean([squares.var() / squares.mean() ** 2 for squares in measured]) == pytest.approx(1 + 2 / 15, abs=0.04)


def test_tanh_near_isometry():
    network = Network((200,) * 31 + (10,), "tanh", "orthogonal", gain=math.sqrt(1.05), bias_std=math.sqrt(2.01e-5))
    found = spectrum(network, math.sqrt(0.025) * two_inputs(200, 0)[0], [30])
    assert (found.values[0] ** 2).var() == pytest.approx(0.144, rel=0.3)
    assert found.values[0].min() > 0.1


@pytest.mark.parametrize(("network", "layers", "words"), [
    (Network((8, 9, 8, 2)), [1], "sizes must be one width"), (Network((8, 8, 2)), [2], "layers must be hidden"),
    (Network((8, 8, 2)), [], "layers must be hidden")])
def test_what_has_no_square_jacobian_is_refused(network, layers, words):
    with pytest.raises(ValueError, match=words):
        spectrum(network, np.ones(8), layers)


def test_overflow_and_constant_weights_have_no_prediction():
    found = spectrum(Network((8, 8, 2), "relu", "constant"), np.ones(8), [1])
    assert np.isnan(found.mean_square).all()
    assert np.isfinite(found.values).all()
    lost = spectrum(Network((8,) * 60 + (2,), "linear", "normal", gain=1e30), np.ones(8), [59])
    assert np.isnan(lost.values).all()


# ---------------------------------------------------------------------------------------------- two inputs

@pytest.mark.parametrize("c", [-1.0, -0.3, 0.0, 0.5, 1.0])
def test_two_inputs_have_their_length_and_correlation(c):
    x = two_inputs(50, c, seed=3)
    assert (x * x).mean(axis=1) == pytest.approx([1, 1])
    assert (x[0] * x[1]).mean() == pytest.approx(c, abs=1e-12)


@pytest.mark.parametrize(("sigma_w", "start"), [(1.3, 0.2), (2.5, 0.8), (4.0, 0.5)])
def test_correlations_are_those_of_poole(sigma_w, start):
    """Poole et al. 2016, figure 2: N = 1000, sigma_b 0.3; a mean over ten networks within 0.06."""
    networks = [Network((1000, *[1000] * 6, 10), "tanh", "lecun_normal", gain=sigma_w, bias_std=0.3, seed=seed)
                for seed in range(10)]
    measured = np.mean([measured_correlations(network, start) for network in networks], axis=0)
    assert measured == pytest.approx(expected_correlations(networks[0], start), abs=0.06)


def test_silence_has_no_correlation():
    silent = Network((8, 8, 8, 2), "tanh", "lecun_normal", gain=0.0)
    assert np.isnan(expected_correlations(silent, 0.5)).all()
    assert np.isnan(measured_correlations(silent, 0.5)).all()
