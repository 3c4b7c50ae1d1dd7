"""The trajectory of samples through a network's layers in the limit of infinite width."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from initviz.core.arrays import Array
from initviz.core.network import Network
from initviz.theory.mean_field import Field, preactivation_variance

STATISTICS = ("preactivation_rms", "preactivation_std", "activation_rms", "activation_std", "delta_rms")


def can_predict(network: Network) -> bool:
    """Whether the theory applies: the weights are random with mean 0, and all hidden layers have the same bias."""
    hidden = {network.bias_of(layer) for layer in range(network.depth - 1)}
    if len(hidden) > 1 or isinstance(network.bias_of(network.depth - 1), tuple) or any(
            isinstance(bias, tuple) for bias in hidden):
        return False
    return all(law.random and network.gain_of(layer) != 0 and law.variance(*network.sizes[layer:layer + 2]) > 0
               for layer in range(network.depth) for law in [network.law_of(layer)])


def field_of(network: Network) -> Field:
    """The wide limit of a network's hidden layers."""
    bias = network.bias_of(0)
    if isinstance(bias, tuple):
        raise ValueError("bias must be one number per hidden layer for a prediction, got one per neuron")
    return Field(network.activation, network.activation_items, bias)


def sigmas(network: Network, layer: int) -> tuple[float, float]:
    """(sigma_w, sigma_b) of a layer, 0 the first: sigma_w^2 is fan_in times the variance of a weight, with the gain."""
    fan_in, fan_out = network.sizes[layer], network.sizes[layer + 1]
    law = network.law_of(layer)
    drawn_biases = law.bias_variance(fan_in, fan_out)
    return (abs(network.gain_of(layer)) * math.sqrt(fan_in * law.variance(fan_in, fan_out)),
            math.sqrt(network.bias_std**2 + drawn_biases))


@dataclass(frozen=True, eq=False)
class Trajectory:
    """Expected squares of each sample in each layer, arrays (depth, samples).

    ``preactivation`` E z^2 less the common ``bias`` (depth,), ``activation`` E h^2, ``mean`` E h, of the linear output
    layer those of z. ``delta`` is the logarithm of E (dL/dz)^2 where that is 1 at the output.
    """

    preactivation: Array
    activation: Array
    mean: Array
    delta: Array
    bias: Array

    def squares(self, chosen: Array, errors: Array | float = 1.0) -> dict[str, Array]:
        """Logarithms of what the STATISTICS of batches are the roots of: arrays (depth, ...).

        ``chosen`` (..., batch) are the samples of each batch, ``errors`` (batch,) their mean squares at the output.
        """
        z, h = self.preactivation[:, chosen].mean(axis=-1), self.activation[:, chosen].mean(axis=-1)
        centered = np.maximum(h - self.mean[:, chosen].mean(axis=-1) ** 2, 0)
        delta = self.delta[:, chosen] + np.log(np.maximum(errors, 1e-300))
        largest = delta.max(axis=-1, keepdims=True)
        deltas = largest[..., 0] + np.log(np.exp(delta - largest).mean(axis=-1))
        biased = (z.T + np.square(self.bias)).T
        squares = np.log([biased, z, h, centered])
        return dict(zip(STATISTICS, (*squares, deltas), strict=True))


def trajectory_of(network: Network, lengths: Array) -> Trajectory:
    """The trajectory of samples whose inputs have these mean squares (samples,)."""
    field, depth = field_of(network), network.depth
    sigmas_of_layers = [sigmas(network, layer) for layer in range(depth)]
    preactivations, activations, means, chis = [], [], [], []
    for q, moments in field.layers(lengths, sigmas_of_layers[:-1], field.tabulated):
        preactivations.append(q)
        activations.append(moments.square)
        means.append(moments.mean)
        chis.append(np.log(np.maximum(moments.derivative_square, 1e-300)))
    q = preactivation_variance(activations[-1] if activations else lengths, *sigmas_of_layers[-1])
    preactivations.append(q)  # of the linear output layer
    bias = np.array([network.bias_of(layer) for layer in range(depth)])
    activations.append(q + bias[-1]**2)
    means.append(np.full(len(q), bias[-1]))
    delta = np.zeros((depth, len(lengths)))
    for layer in reversed(range(depth - 1)):
        fan_in, fan_out = network.sizes[layer + 1:layer + 3]
        factor = network.gain_of(layer + 1)**2 * fan_out * network.law_of(layer + 1).variance(fan_in, fan_out)
        delta[layer] = delta[layer + 1] + chis[layer] + math.log(max(factor, 1e-300))
    return Trajectory(np.array(preactivations), np.array(activations), np.array(means), delta, bias)
