"""What theory expects of one network: the scale of each layer's signal and gradient, with its band at finite width."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from initviz.core.arrays import Array
from initviz.core.network import Network
from initviz.core.propagation import QUIET
from initviz.theory.fluctuations import Fluctuations, fluctuations
from initviz.theory.trajectory import can_predict, field_of, sigmas, trajectory_of


@dataclass(frozen=True, eq=False)
class Prediction:
    """What theory predicts for each layer of one network: arrays (depth,) of root mean squares and standard deviations.

    Deltas start from the measured error at the output. ``fluctuations`` say how far networks of this width stray.
    """

    preactivation_rms: Array
    preactivation_std: Array
    activation_rms: Array
    activation_std: Array
    delta_rms: Array
    fluctuations: Fluctuations

    def expected(self, quantity: str, statistic: str) -> Array:
        """The prediction for "activation", "preactivation" or "delta", as "rms" or "std" (a delta's mean is 0)."""
        values: Array = getattr(self, _name(quantity, statistic))
        return values

    def band(self, quantity: str, statistic: str) -> tuple[Array, Array]:
        """Least and most of the statistic in each layer: every hidden layer lies between them in about 96 % of all
        draws of the weights. NaN where the signal of so many draws dies that there is no such band.
        """
        with np.errstate(**QUIET):
            least, most = self.expected(quantity, statistic) * np.exp(
                self.fluctuations.logs[_name(quantity, statistic)])
        return least, most


def _name(quantity: str, statistic: str) -> str:
    return f"{quantity}_{'rms' if quantity == 'delta' else statistic}"


def predict(network: Network, x: Array, output_error: Array | float = 1.0,
            fluctuating: Fluctuations | None = None) -> Prediction:
    """What theory expects of a network on the inputs ``x`` (batch, features).

    ``output_error`` is the mean square of dL/dz at the output, per sample (batch,) or one number. Every sample has a
    length of its own; a layer's mean square is their mean. ``fluctuating`` is what ``fluctuations`` found of the
    network on such inputs; without it, it is computed of ``x``. Raises ValueError where ``can_predict`` is False.
    """
    if not can_predict(network):
        raise ValueError(f"initializer must draw random weights of mean 0 for a prediction, got {network.initializer}")
    with np.errstate(**QUIET):
        trajectory = trajectory_of(network, np.square(x, dtype=np.float64).mean(axis=1))
        squares = trajectory.squares(np.arange(len(x)), output_error)
        return Prediction(**{name: np.exp(logs / 2) for name, logs in squares.items()},
                          fluctuations=fluctuating or fluctuations(network, x))


def expected_correlations(network: Network, correlation: float, mean_square: float = 1.0) -> Array:
    """Correlation of two inputs' preactivations (less the common bias) in each hidden layer; NaN at length 0.

    ``correlation`` is the inputs' cosine, ``mean_square`` that of their entries.
    """
    with np.errstate(**QUIET):
        return field_of(network).correlations(correlation, mean_square, _hidden_sigmas(network))


def expected_lengths(network: Network, mean_square: float = 1.0) -> Array:
    """Variance of the preactivations in each hidden layer, for inputs whose entries have that mean square."""
    with np.errstate(**QUIET):
        return field_of(network).lengths(mean_square, _hidden_sigmas(network))


def _hidden_sigmas(network: Network) -> list[tuple[float, float]]:
    return [sigmas(network, layer) for layer in range(max(network.depth - 1, 1))]
