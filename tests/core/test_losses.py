"""Losses of one output layer: binary cross-entropy and bounded outputs, held to PyTorch and to differences."""

from __future__ import annotations

import numpy as np
import pytest

from initviz import propagate
from initviz.core.propagation import LOSS_LABELS, LOSSES


def case(loss, dtype=float):
    rng = np.random.default_rng(0)
    output = (3 * rng.standard_normal((7, 2))).astype(dtype)
    return output, (rng.random((7, 2)) < 0.5).astype(dtype)


@pytest.mark.parametrize(("loss", "torch_loss"), [
    ("bce", lambda nn, z, t: nn.functional.binary_cross_entropy_with_logits(z, t)),
    ("sigmoid_mse", lambda nn, z, t: nn.functional.mse_loss(z.sigmoid(), t)),
    ("tanh_mse", lambda nn, z, t: nn.functional.mse_loss(z.tanh(), t))])
def test_losses_agree_with_torch(loss, torch_loss):
    torch = pytest.importorskip("torch", reason="tests/benchmarks/requirements.txt brings PyTorch")
    output, targets = case(loss)
    z = torch.tensor(output, requires_grad=True)
    expected = torch_loss(torch.nn, z, torch.tensor(targets))
    expected.backward()
    value, gradient = LOSSES[loss](output, targets)
    assert value == pytest.approx(expected.item(), rel=1e-12)
    np.testing.assert_allclose(gradient, z.grad.numpy(), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("loss", ["bce", "sigmoid_mse", "tanh_mse"])
def test_gradients_are_those_of_differences(loss):
    output, targets = case(loss)
    gradient = LOSSES[loss](output, targets)[1]
    for place in np.ndindex(output.shape):
        step = np.zeros_like(output)
        step[place] = 1e-6
        derivative = (LOSSES[loss](output + step, targets)[0] - LOSSES[loss](output - step, targets)[0]) / 2e-6
        assert gradient[place] == pytest.approx(derivative, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("z", [-1e4, -100.0, -20.0, 0.0, 20.0, 100.0, 1e4])
def test_binary_cross_entropy_is_stable_in_float32(z):
    for target in (0.0, 1.0):
        value, gradient = LOSSES["bce"](np.array([[z]], np.float32), np.array([[target]], np.float32))
        assert value == pytest.approx(np.logaddexp(0, z) - z * target, rel=1e-6, abs=1e-8)
        assert gradient.dtype == np.float32
        assert np.isfinite(gradient).all()


def test_targets_of_binary_cross_entropy_are_between_0_and_1():
    weights, x = [np.ones((3, 1))], np.ones((2, 3))
    with pytest.raises(ValueError, match="targets must be between 0 and 1 for bce, got 0 to 2"):
        propagate(weights, [np.zeros(1)], x, np.array([[0.0], [2.0]]), activation="relu", loss="bce")
    with pytest.raises(ValueError, match=r"targets must have shape \(2, 1\) for bce, got \(2,\)"):
        propagate(weights, [np.zeros(1)], x, np.array([0.0, 1.0]), activation="relu", loss="bce")


def test_every_loss_has_a_label():
    assert LOSS_LABELS.keys() == LOSSES.keys()
