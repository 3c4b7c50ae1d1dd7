"""What the Theory page shows of one activation and one point (sigma_w, sigma_b), each computed by one function."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from initviz.app.settings import Settings
from initviz.charts.picture import color_of
from initviz.core.arrays import Array
from initviz.core.initializers import label_of
from initviz.core.network import Network
from initviz.core.propagation import QUIET
from initviz.core.simulation import Run
from initviz.core.wording import number
from initviz.theory.correlation import drawn_correlations, measured_correlations, two_inputs
from initviz.theory.jacobian import Spectrum, spectrum
from initviz.theory.mean_field import Field, preactivation_variance
from initviz.theory.phase_diagram import critical_line, phase_diagram
from initviz.theory.precision import FORMATS, Format, leaves
from initviz.theory.prediction import expected_correlations, expected_lengths
from initviz.theory.trajectory import can_predict, field_of, sigmas
from initviz.training.sweeps import Survival

CELLS = 200  # of the phase diagram, each way
WIDEST_JACOBIAN = 128
CLASSIC = {"Too small": 0.5, "On the line": 1, "Too large": 2}  # of the critical sigma_w
DEEPEST_GRADIENT = 100  # layers
SHOWN_LAYERS = 16
SIZES = (3, 5, 10, 20, 50, 100)  # depths: below 3 there is no way from one hidden layer to another
WIDTHS = (4, 8, 16, 32, 64, 128, 256)


@dataclass(frozen=True, eq=False)
class Diagram:
    """chi_1 over the plane (rows of rising sigma_b), the critical line, and its classic points."""

    chi: Array
    critical: tuple[Array, Array]
    classic: dict[str, tuple[float, float]]


def diagram(field: Field, most: tuple[float, float], mean_square: float) -> Diagram:
    """The phase diagram of an activation up to ``most`` (sigma_w, sigma_b), for inputs of that mean square."""
    _, chi = phase_diagram(field, np.linspace(0, most[0], CELLS), np.linspace(0, most[1], CELLS), mean_square)
    critical = critical_line(field, mean_square)
    return Diagram(chi, critical, classic_points(field, critical, most, mean_square))


def points(settings: Settings) -> list[tuple[str, str, float, float]]:
    """(label, color, sigma_w, sigma_b) of a hidden layer of each chosen initializer of which the theory speaks."""
    layer = 1 if settings.depth > 2 else 0
    return [(label_of(network.initializer), color_of(network.initializer), *sigmas(network, layer))
            for network in settings.plain_networks() if can_predict(network)]


def classic_points(field: Field, critical: tuple[Array, Array], most: tuple[float, float],
                   mean_square: float) -> dict[str, tuple[float, float]]:
    """(sigma_w, sigma_b) of the point on the critical line with the smallest biases, and of those with half and with
    twice its weights; empty where the line does not pass through the plane.
    """
    for b, w in sorted((float(b), float(w)) for w, b in zip(*critical, strict=True)):
        exact = round(w - 5e-12, 11), round(b, 11) if b > 1e-6 else 0.0  # never beyond what has a fixed point
        for sigma_w, sigma_b in ((round(w, 3), round(b, 3)), exact):
            start = preactivation_variance(mean_square, sigma_w, sigma_b)
            if 2 * sigma_w <= most[0] and sigma_b <= most[1] and (
                    field.fixed_point(sigma_w, sigma_b, start).phase == "critical"):
                return {name: (round(times * sigma_w, 11), sigma_b) for name, times in CLASSIC.items()}
    return {}


def expected_reach(field: Field, sigma_w: float, sigma_b: float, mean_square: float) -> Array:
    """The length of a gradient in the first hidden layer where it is 1 that many layers deeper, 0 first; for inputs of
    that mean square.
    """
    with np.errstate(**QUIET):
        squares = [float(moments.derivative_square[0]) for _, moments in field.layers(
            np.array([mean_square]), [(sigma_w, sigma_b)] * DEEPEST_GRADIENT, field.tabulated)]
        return np.concatenate([[1.0], np.cumprod(sigma_w * np.sqrt(squares))])


def measured_reach(run: Run) -> Array:
    """A run's gradient length in the first hidden layer over that in each deeper one, measured; empty where it is 0."""
    deltas = run.column("delta_rms")[:-1][:DEEPEST_GRADIENT + 1]
    if run.hidden_gradient_is_round_off or not (deltas.size and deltas.all()):
        return np.zeros(0)
    with np.errstate(**QUIET):
        return np.asarray(deltas[0] / deltas)


def correlations(network: Network, correlation: float) -> tuple[Array, Array, Array | None, Array | None]:
    """Correlation of two inputs, layer by layer: expected, measured, least and most of some other draws.

    The last two are None where other draws would take too long.
    """
    expected, measured = expected_correlations(network, correlation), drawn_correlations(network, correlation)
    low, high = (measured.min(axis=0), measured.max(axis=0)) if len(measured) else (None, None)
    return expected, measured_correlations(network, correlation), low, high


def spectra(network: Network) -> dict[str, Spectrum]:
    """The Jacobian's singular values with depth, Gaussian and orthogonal weights of one scale."""
    width = min(network.sizes[1], WIDEST_JACOBIAN)
    hidden = network.depth - 1
    layers = [int(layer) for layer in np.unique(np.linspace(1, hidden, min(hidden, SHOWN_LAYERS)).round())]
    x = two_inputs(width, 0.0, network.seed)[0]
    square = replace(network, sizes=(width,) * (hidden + 1) + (network.sizes[-1],))
    return {key: spectrum(replace(square, initializer=key), x, layers) for key in ("lecun_normal", "orthogonal")}


def spectrum_table(spectra: dict[str, Spectrum]) -> pd.DataFrame:
    """The last layer's singular values, measured and predicted."""
    rows = []
    for key, of_key in spectra.items():
        values = of_key.values[-1]
        squares = values * values
        rows.append({
            "Weights": label_of(key), "Largest": number(float(values[0])), "Median": number(float(np.median(values))),
            "Smallest": number(float(values[-1])), "Mean of s²": number(float(squares.mean())),
            "Theory, mean": number(float(of_key.mean_square[-1])), "Variance of s²": number(float(squares.var())),
            "Theory, variance": number(float(of_key.variance[-1]))})
    return pd.DataFrame(rows)


def survival(network: Network, deepest: int, widest: int, seeds: int) -> Survival:
    """The sweep of a network over depths and widths up to the given ones."""
    return Survival(network, [depth for depth in SIZES if depth <= deepest],
                    [width for width in WIDTHS if width <= widest], seeds)


def formats_table(runs: Sequence[Run]) -> pd.DataFrame:
    """One row per initializer, one column per format: the layers at which the signal and, on its way back, the gradient
    leave it.
    """
    rows = []
    for run in runs:
        hidden = max(run.network.depth - 1, 1)
        forward, backward = run.column("activation_rms")[:hidden], run.column("delta_rms")[:hidden]
        if run.hidden_gradient_is_round_off:
            backward = np.zeros(hidden)
        rows.append({"Initializer": label_of(run.network.initializer)} | {
            f"{form.label}, {number(form.smallest)} to {number(form.largest)}":
                f"signal {_leaving(forward, range(1, hidden + 1), form)}, "
                f"gradient {_leaving(backward, range(hidden, 0, -1), form)}" for form in FORMATS})
    return pd.DataFrame(rows)


def _leaving(sizes: Array, layers: range, form: Format) -> str:
    layer = leaves(sizes, layers, form) if sizes.any() else 0
    return "stays" if layer is None else f"leaves at {layer}" if layer else "is 0"


def staircase(network: Network, run: Run, mean_square: float) -> dict[str, Any]:
    """The variance map around the steps that a network takes on it: what ``charts.staircase.data`` draws.

    ``mean_square`` is that of the entries of the inputs.
    """
    steps = expected_lengths(network, mean_square)
    measured = np.square(run.column("preactivation_std")[:len(steps)])
    all_lengths = np.concatenate([steps, measured])
    most = 1.15 * max(float(all_lengths[np.isfinite(all_lengths)].max(initial=0)), 1e-6)
    q = np.concatenate([[0], np.geomspace(most * 1e-4, most, 200)])
    return {"q": q, "mapped": field_of(network).length(q, *sigmas(network, 1)), "lengths": np.minimum(steps, 10 * most),
            "measured": measured, "most": most}
