"""Copies: how different the neurons of a layer are, how training keeps copies alike, and what breaks the symmetry.

Everything here is float64, so that round-off is seen for what it is. If all weights of a layer are equal, exchanging
two of its neurons changes nothing; gradient descent, momentum and Adam commute with the exchange, so that copies stay
copies, to the last bit where their gradients are.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np

from initviz.core.arrays import Array
from initviz.core.batches import Batch
from initviz.core.cost import training_bytes
from initviz.core.initializers import initialize
from initviz.core.network import Network, stream
from initviz.core.propagation import propagate
from initviz.core.simulation import errors_cancel
from initviz.core.statistics import Diversity, distinct_neurons, diversity, moments
from initviz.training.gradient_descent import OPTIMIZERS, Parameters, Race, Recipe, recorded_steps, symmetry_gap

CHUNK = 0.1  # seconds between two looks at whether the work is still wanted
SHOWN = 24  # neurons, inputs and samples kept for a picture
SPLIT = 0.01  # copies count as split where their incoming weights differ by this part of their length
DROPOUT = 0.2
RANDOM_BIAS = 0.1
MOST_RECORDED = 400
TOGETHER_BYTES = 64e6
NOISE_STREAM = 5  # beside those of network.py and training.py


def similarity(h: Array) -> Array:
    """Correlation over the batch between the neurons of ``h`` (batch, neurons): an array (neurons, neurons).

    NaN where it is not defined: a neuron that does not vary over the batch has none.
    """
    largest = np.abs(h).max(initial=0)
    if not np.isfinite(largest) or largest == 0:
        return np.full((h.shape[1], h.shape[1]), math.nan)
    centered = h / largest - (h / largest).mean(axis=0)
    spread = np.sqrt(np.square(centered).sum(axis=0))
    spread[spread < 64 * np.finfo(h.dtype).eps * math.sqrt(len(h))] = math.nan
    return np.clip(centered.T @ centered / spread[:, None] / spread, -1, 1)

OBSERVED_STEPS = (0, 1, 2, 5, 10, 20, 50, 100)  # at which the neurons may be looked at


@dataclass(frozen=True, eq=False)
class LayerView:
    """One hidden layer after some steps of training: corners of its matrices for a picture, and its statistics.

    ``activations`` (samples, neurons), ``gradient`` (inputs, neurons) of the incoming weights, zeros where the errors
    cancel up to round-off (``canceled``), ``similarities`` (neurons, neurons). ``rms`` is the scale, ``gradient_rms``
    that of the whole gradient; the diversity's participation ratio is the effective number of neurons: how many
    independent ones there might as well be.
    """

    activations: Array
    gradient: Array
    similarities: Array
    neurons: int
    rms: float
    diversity: Diversity
    gap: float
    gradient_rms: float
    canceled: bool


def examine(network: Network, parameters: Parameters, batch: Batch) -> list[LayerView]:
    """The hidden layers of a network with these parameters on a batch; empty for a network of one layer."""
    weights, biases = parameters
    passed = propagate(weights, biases, batch.x.astype(np.float64), batch.targets, activation=network.activation,
                       loss=batch.loss, **dict(network.activation_params))
    views = []
    canceled = errors_cancel(passed.deltas[-1], weights[-1])
    for w, h, gradient in zip(weights[:-1], passed.activations[:-1], passed.weight_gradients[:-1], strict=True):
        views.append(LayerView(
            h[:SHOWN, :SHOWN].copy(), gradient[:SHOWN, :SHOWN] * (0.0 if canceled else 1.0),
            similarity(h[:, :SHOWN]), h.shape[1], moments(h).rms, diversity(h), float(symmetry_gap(w)),
            0.0 if canceled else moments(gradient).rms, canceled))
    return views


def draws_in_float64(network: Network) -> Parameters:
    """The parameters that the network draws in float32, as on every other page, cast to float64."""
    weights, biases = replace(network, dtype="float32").parameters()
    return [w.astype(np.float64) for w in weights], [b.astype(np.float64) for b in biases]


def _bytes_of_one(network: Network, samples: int, recipe: Recipe) -> float:
    return training_bytes(network.sizes, samples, itemsize=8, states=OPTIMIZERS[recipe.optimizer].states)


def development_bytes(networks: Sequence[Network], samples: int, recipe: Recipe) -> float:
    """Memory of ``develop`` at its peak."""
    return min(len(networks), _side_by_side(networks[0], samples, recipe)) * _bytes_of_one(networks[0], samples, recipe)


def _side_by_side(network: Network, samples: int, recipe: Recipe) -> int:
    return max(1, int(TOGETHER_BYTES // _bytes_of_one(network, samples, recipe)))


def develop(networks: Sequence[Network], batch: Batch, recipe: Recipe,
            steps: int) -> Generator[float, None, list[list[LayerView]]]:
    """Train the networks for so many steps, as many side by side as TOGETHER_BYTES lets; yields the share that is done,
    returns the hidden layers of each, from the draws of float32. A network that has diverged has none.
    """
    views: list[list[LayerView]] = []
    together = _side_by_side(networks[0], len(batch.x), recipe)
    for first in range(0, len(networks), together):
        group = networks[first:first + together]
        race = Race([draws_in_float64(network) for network in group], batch, replace(recipe, steps=steps),
                    activation=group[0].activation, activation_params=dict(group[0].activation_params),
                    seed=group[0].seed, record=[])
        if steps:
            yield from run(race, first / len(networks), len(group) / len(networks))
        views += [[] if arrays is None else examine(network, arrays, batch)
                  for network, arrays in zip(group, race.parameters(), strict=True)]
        yield len(views) / len(networks)
    return views


def run(race: Race, share_done: float = 0.0, share: float = 1.0, to: int | None = None) -> Iterator[float]:
    """Run a race to its end, or to a step, yielding now and then what part is done, where it is that share of a whole.
    """
    def goes_on() -> bool:
        return not race.finished and (to is None or race.step < to)

    while goes_on():
        until = time.monotonic() + CHUNK
        while goes_on() and time.monotonic() < until:
            race.advance(1)
        yield share_done + share * race.step / max(race.recipe.steps, 1)


# ---------------------------------------------------------------------------------------------- breaking it

ParameterChange = Callable[[Parameters, np.random.Generator, float], Parameters]


@dataclass(frozen=True)
class Attempt:
    """One way to treat a constant initialization: how its parameters are changed, and what of the training differs."""

    label: str
    sentence: str
    change: ParameterChange = lambda parameters, rng, epsilon: parameters
    recipe: tuple[tuple[str, Any], ...] = ()
    activation: str | None = None


def _noise(parameters: Parameters, rng: np.random.Generator, epsilon: float) -> Parameters:
    weights, biases = parameters
    return [w + epsilon * rng.standard_normal(w.shape) for w in weights], biases


def _last_place(parameters: Parameters, rng: np.random.Generator, epsilon: float) -> Parameters:
    weights, biases = parameters
    return [np.nextafter(w, w + rng.integers(-1, 2, w.shape)) for w in weights], biases


def _random_biases(parameters: Parameters, rng: np.random.Generator, epsilon: float) -> Parameters:
    weights, biases = parameters
    return weights, [b + RANDOM_BIAS * rng.standard_normal(b.shape) for b in biases]


def _xavier(weight: Array, rng: np.random.Generator) -> Array:
    return initialize("xavier_normal", *weight.shape, rng=rng)


def _random_output(parameters: Parameters, rng: np.random.Generator, epsilon: float) -> Parameters:
    weights, biases = parameters
    return [*weights[:-1], _xavier(weights[-1], rng)], biases


def _zero_output(parameters: Parameters, rng: np.random.Generator, epsilon: float) -> Parameters:
    weights, biases = parameters
    return [*(_xavier(w, rng) for w in weights[:-1]), np.zeros_like(weights[-1])], biases


def _zero_hidden(parameters: Parameters, rng: np.random.Generator, epsilon: float) -> Parameters:
    weights, biases = parameters
    return [*(np.zeros_like(w) for w in weights[:-1]), _xavier(weights[-1], rng)], biases


ATTEMPTS: Mapping[str, Attempt] = MappingProxyType({
    "nothing": Attempt("Nothing", "The constant initialization, as it is."),
    "adam": Attempt("Adam alone", "The constant initialization, trained with Adam.", recipe=(("optimizer", "adam"),)),
    "round_off": Attempt("Adam and round-off", "The same, with weights that may be off by a unit in the last place, as "
                         "products that add in different orders leave copies.", _last_place,
                         (("optimizer", "adam"),)),
    "noise": Attempt("Perturbation", "Normal noise of the chosen size on every weight.", _noise),
    "dropout": Attempt("Dropout", f"Dropout of {DROPOUT:g} on the hidden neurons while training.",
                       recipe=(("dropout", DROPOUT),)),
    "biases": Attempt("Random biases", f"Normally distributed biases of standard deviation {RANDOM_BIAS:g}.",
                      _random_biases),
    "output": Attempt("Random output weights", "Xavier's weights in the output layer alone.", _random_output),
    "zero_output": Attempt("Zero output layer", "Xavier's weights in the hidden layer, zeros in the output layer.",
                           _zero_output),
    "zero_hidden": Attempt("Zero hidden layer, tanh", "Zeros in the hidden layer, Xavier's weights in the output.",
                           _zero_hidden, activation="tanh"),
    "zero_hidden_relu": Attempt("Zero hidden layer, ReLU", "The same with ReLU.", _zero_hidden, activation="relu"),
})


def sentence_of(key: str, optimizer: str) -> str:
    """A sentence on what an attempt changes, where training otherwise uses that optimizer."""
    attempt = ATTEMPTS[key]
    tenth = dict(attempt.recipe).get("optimizer") == "adam" != optimizer
    return attempt.sentence.replace("with Adam.", "with Adam at a tenth of the rate.") if tenth else attempt.sentence


@dataclass(frozen=True, eq=False)
class AttemptResult:
    """What came of one attempt: symmetry gap of the hidden layer at the recorded steps, losses, neurons.

    ``split_at`` is the first recorded step whose gap exceeds SPLIT, None where there is none. ``neurons`` counts
    different incoming weights at the end, of ``width``; 0 where training diverged.
    """

    key: str
    steps: list[int]
    gap: list[float]
    first_loss: float
    last_loss: float
    split_at: int | None
    neurons: int
    width: int


def try_all(network: Network, batch: Batch, recipe: Recipe,
            epsilon: float) -> Generator[float, None, list[AttemptResult]]:
    """Every attempt of the table on a constant initialization of ``network``.

    Yields the share that is done, returns the results in the table's order. Raises ValueError where the network has
    not one hidden layer and float64.
    """
    if network.depth != 2 or network.dtype != "float64":
        raise ValueError(f"network must have depth 2 and dtype float64, got {network.depth} and {network.dtype}")
    groups: dict[tuple[Any, ...], list[str]] = {}
    for key, attempt in ATTEMPTS.items():
        terms = (attempt.activation or network.activation, *attempt.recipe)
        groups.setdefault(terms, []).append(key)
    results: dict[str, AttemptResult] = {}
    for keys in groups.values():
        race = _attempt(keys, network, batch, recipe, epsilon)
        yield from run(race, len(results) / len(ATTEMPTS), len(keys) / len(ATTEMPTS))
        for key, history, end in zip(keys, race.histories, race.parameters(), strict=True):
            gaps = [float(gap[0]) for gap in history.symmetry_gap]
            results[key] = AttemptResult(
                key, history.steps, gaps, history.loss[0] if history.loss else math.nan,
                history.loss[-1] if history.loss and history.diverged_at is None else math.nan,
                next((step for step, gap in zip(history.steps, gaps, strict=True) if gap > SPLIT), None),
                0 if end is None else distinct_neurons(end[0][0]), network.sizes[1])
    return [results[key] for key in ATTEMPTS]


def _attempt(keys: Sequence[str], network: Network, batch: Batch, recipe: Recipe, epsilon: float) -> Race:
    """The race of attempts that are trained alike."""
    attempt = ATTEMPTS[keys[0]]
    changed = replace(recipe, **dict(attempt.recipe))
    if changed.optimizer == "adam" != recipe.optimizer:
        changed = replace(changed, rate=recipe.rate / 10)
    parameters = draws_in_float64(network)
    initial = [ATTEMPTS[key].change(parameters, stream(network.seed, NOISE_STREAM), epsilon) for key in keys]
    activation = attempt.activation or network.activation
    return Race(initial, batch, changed, activation=activation, seed=network.seed,
                activation_params=dict(network.activation_params) if activation == network.activation else None,
                record=recorded_steps(recipe.steps, MOST_RECORDED))
