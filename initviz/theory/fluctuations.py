"""How far networks of finite width deviate from infinite width: measured on many small networks of the same law.

A layer's mean square is an average over its neurons, so that it strays by about 1/width in mean and variance, and what
it strays by is passed on from layer to layer (Hanin and Nica 2018, for ReLU). No formula holds for every law and
activation; draws of the very law do. Wide networks are drawn narrower, and what they stray by is scaled.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from initviz.core.arrays import Array
from initviz.core.initializers import laws
from initviz.core.network import Network
from initviz.core.propagation import LOSSES, QUIET
from initviz.theory.trajectory import STATISTICS, Trajectory, trajectory_of

COVERAGE = 0.963  # of the drawn networks lie inside the band in every hidden layer
MOST_LOST = 0.02  # share of networks whose signal may die before a band says nothing
POOL = 128  # matrices of each shape; as many networks are drawn at once
ROUNDING = 2e-5  # relative, of a mean square: what float32 may stray by
SEED = 1


@dataclass(frozen=True)
class Effort:
    """How many networks are drawn, how wide they are at most, and how many samples go through each."""

    groups: int  # of POOL networks
    width: int
    samples: int


EFFORTS = tuple(Effort(*numbers) for numbers in (
    (8, 64, 64), (8, 64, 32), (4, 64, 64), (4, 64, 32), (4, 64, 16), (4, 64, 8), (4, 48, 8), (4, 32, 8), (2, 160, 8),
    (2, 64, 8), (2, 64, 4), (2, 32, 8), (2, 32, 4), (1, 32, 4)))  # best first
MOST_WORK = 4e8  # multiplications of ten layers, deeper ones in proportion: some 50 ms
DEEPEST = 40  # beyond it no more is spent
MOST_STRAYED = 1.0  # sum of 1/width over the layers, up to which what narrower networks stray by can be scaled
NARROWEST = 16  # neurons of a layer that is made narrower
NEIGHBORS = 2  # layers on either side that a correction is averaged over
WIDTH_OF_A_CALL = 40  # an activation with all that is measured of it costs as much as so many multiplications


@dataclass(frozen=True, eq=False)
class Fluctuations:
    """For each of the STATISTICS the least and the most (2, depth) of its logarithm, relative to infinite width.

    In COVERAGE of all draws of weights every hidden layer lies between them. NaN where the signal of so many networks
    dies that there is no such band.
    """

    logs: Mapping[str, Array]


def fluctuations(network: Network, x: Array, targets: Array | None = None, batch: int | None = None,
                 effort: Effort | None = None) -> Fluctuations:
    """How the statistics of a network's layers vary with its weights, and with its batch.

    Batches are samples of ``x`` (samples, features): all of them, or ``batch`` of them, drawn anew for every network.
    The loss is cross-entropy, with random classes where no ``targets`` (samples,) are given.
    """
    batch = len(x) if batch is None else min(batch, len(x))
    with np.errstate(**QUIET):
        trajectory = trajectory_of(network, np.square(x, dtype=np.float64).mean(axis=1))
        if targets is None:
            targets = np.random.default_rng(SEED).integers(network.sizes[-1], size=len(x))
        draws = _Draws(network, np.asarray(x), targets, trajectory, batch, effort or _affordable(network, batch))
        return Fluctuations({name: _simultaneous(logs, max(network.depth - 1, 1)) / 2
                             for name, logs in draws.strayed().items()})


def _affordable(network: Network, batch: int) -> Effort:
    """The first of EFFORTS that costs no more than a moment and makes no layer too narrow for its law."""
    hidden = network.sizes[1:-1] or (1,)
    most = MOST_WORK * min(max(network.depth, 10), DEEPEST) / 10

    def work(effort: Effort) -> float:
        width, samples = min(effort.width, max(hidden)), min(effort.samples, batch)
        return effort.groups * POOL * network.depth * samples * width * (width + WIDTH_OF_A_CALL)

    def is_wide_enough(effort: Effort) -> bool:
        scale = effort.width / max(hidden)
        return scale >= 1 or (scale * min(hidden) >= NARROWEST
                              and sum(1 / size for size in hidden) <= MOST_STRAYED * scale)

    cheap = [effort for effort in EFFORTS if work(effort) <= most] or [EFFORTS[-1]]
    return next((effort for effort in cheap if is_wide_enough(effort)), cheap[0])


def _simultaneous(logs: Array, hidden: int) -> Array:
    """(2, layers): ends between which COVERAGE of the networks (networks, layers) lie in every hidden layer.

    The ends lie as many one-sided deviations from the median, up and down, in every layer.
    """
    overflowing = ~np.isfinite(logs)
    if overflowing[:, :hidden].any(axis=1).mean() > MOST_LOST:
        return np.full((2, logs.shape[1]), math.nan)
    middle = _middle_and_variance(logs)[0]
    apart = np.where(overflowing, 0, logs - middle)
    up, down = (np.sqrt(2 * np.square(np.clip(sign * apart, 0, None)).mean(axis=0)) + ROUNDING / 2 for sign in (1, -1))
    farthest = np.where(overflowing, math.inf, apart / np.where(apart > 0, up, -down))[:, :hidden].max(axis=1)
    most = float(np.sort(farthest)[math.ceil(COVERAGE * (len(farthest) + 1)) - 1])
    return np.stack([middle - most * down, middle + most * up])


class _Draws:
    """Networks of a law, narrower where it is wide: layer by layer from one pool of matrices of each shape.

    Each group takes the pool's matrices in an order of its own in every layer, so that no network has one twice.
    """

    def __init__(self, network: Network, x: Array, targets: Array, trajectory: Trajectory, batch: int,
                 effort: Effort) -> None:
        self.network, self.x, self.targets, self.trajectory, self.effort = network, x, targets, trajectory, effort
        self.batch, self.count = batch, min(batch, effort.samples)
        self.scale = min(1.0, effort.width / max(network.sizes[1:-1], default=1))
        hidden = [max(1, round(self.scale * size)) for size in network.sizes[1:-1]]
        self.sizes = (network.sizes[0], *hidden, network.sizes[-1])
        spread = max(float(np.abs(np.nan_to_num(levels)).max()) for levels in (
            np.log(trajectory.activation), np.log(trajectory.preactivation), trajectory.delta))
        self.dtype = np.dtype(np.float32 if spread < 40 else np.float64)
        self.rng = np.random.default_rng((SEED, network.depth))
        self.pools: dict[tuple[Any, ...], Array] = {}

    def strayed(self) -> dict[str, Array]:
        """Logarithms of the statistics' squares (networks, depth), less those of infinite width, as of the network's
        own width and batch.

        Means over m samples vary by a + b/m: what half of the samples say as well gives b, and so a whole batch.
        """
        groups = [self._group() for _ in range(self.effort.groups)]
        logarithms = {}
        for name in STATISTICS:
            logs, *halves = (np.concatenate([group[part][name] for group in groups]) for part in range(len(groups[0])))
            middle, variance = _middle_and_variance(logs)
            of_batch, variance_of_batch = middle, variance
            if halves:
                left = 1 - self.count / self.batch
                of_halves = np.mean([_middle_and_variance(half) for half in halves], axis=0)
                moved, more = (_smoothed(change) for change in (
                    of_halves[0] - middle, of_halves[1] / np.where(variance > 0, variance, 1) - 1))
                of_batch = middle - left * moved
                variance_of_batch = variance * np.clip(1 - left * more, 1 - left, 1)
            spread = np.sqrt(self.scale * variance_of_batch / np.where(variance > 0, variance, 1))
            # What half the variance does not explain is no matter of width, as of few inputs that are not normal.
            logarithms[name] = of_batch + (1 - self.scale) * variance_of_batch / 2 + spread * (logs - middle)
        return logarithms

    def _group(self) -> list[dict[str, Array]]:
        """What POOL networks stray by, each statistic (networks, depth); where the batch is larger, of halves as well.
        """
        depth = self.network.depth
        self.pools.pop(self._key(depth - 1), None)  # few weights: drawn anew
        chosen = self._batches()
        orders = self.rng.permutation(max(POOL, depth))[:depth] % POOL
        # No law tells a neuron from its negative: so the pool serves every group and layer anew.
        scales = [self._scale(layer) * self.rng.choice([-1, 1], self.sizes[layer]).astype(self.dtype)
                  for layer in range(depth)]
        passed = self._pass(self.x[chosen].astype(self.dtype), self.targets[chosen], orders, scales)
        slices = [slice(None)]
        if self.count < self.batch:
            slices += [slice(self.count // 2), slice(self.count // 2, None)]
        return [self._less_expected({name: values[..., rows] for name, values in passed.items()}, chosen[:, rows])
                for rows in slices]

    def _batches(self) -> Array:
        """Which samples each network of a group gets: (networks, samples)."""
        if self.count == len(self.x):
            return np.tile(np.arange(self.count), (POOL, 1))
        sharing = len(self.x) // self.count  # networks that share a deck of the samples
        decks = [self.rng.permutation(len(self.x))[:sharing * self.count] for _ in range(math.ceil(POOL / sharing))]
        return np.concatenate(decks).reshape(-1, self.count)[:POOL]

    def _less_expected(self, passed: Mapping[str, Array], chosen: Array) -> dict[str, Array]:
        expected = self.trajectory.squares(chosen)
        expected["delta_rms"] = expected["delta_rms"] + self._correction()[:, None]
        mean_of = {name: values.mean(axis=-1) for name, values in passed.items()}
        squares = {"delta_rms": mean_of["delta"] / mean_of["delta"][-1]}
        for name in ("preactivation", "activation"):
            squares |= {f"{name}_rms": mean_of[name],
                        f"{name}_std": np.maximum(mean_of[name] - mean_of[f"{name}_mean"]**2, 0)}
        return {name: (np.log(squares[name]) - expected[name]).T for name in STATISTICS}

    def _correction(self) -> Array:
        """What the narrower fan_in of the output layer adds to the logarithm of the deltas' squares (depth,)."""
        wider = math.log(self.network.sizes[-2] / self.sizes[-2])
        return np.where(np.arange(self.network.depth) < self.network.depth - 1, wider, 0.0)

    def _pass(self, x: Array, targets: Array, orders: Array, scales: Sequence[Array]) -> dict[str, Array]:
        """Mean squares over the neurons and means of preactivations and activations, and mean squares of the deltas:
        (depth, networks, samples).
        """
        phi, params = self.network.activation_entry()
        depth, h = self.network.depth, x
        derivatives: list[Array] = []
        logs: dict[str, list[Array]] = {name: [] for name in (
            "preactivation", "preactivation_mean", "activation", "activation_mean", "delta")}
        for layer in range(depth):
            h = z = self._times(h * scales[layer], layer, orders[layer]) + self._bias(layer)
            if layer < depth - 1:
                h = phi.value(z, **params)
                derivatives.append(phi.derivative(z, h, **params))
            for name, values in (("preactivation", z), ("activation", h)):
                logs[name].append(_mean_squares(values))
                logs[f"{name}_mean"].append(values.mean(axis=2))
        outputs = z.shape[-1]
        delta = LOSSES["softmax_ce"](z.reshape(-1, outputs), targets.ravel())[1].reshape(z.shape)
        logs["delta"].append(_mean_squares(delta))
        for layer in reversed(range(1, depth)):
            delta = self._times(delta, layer, orders[layer], transposed=True)
            delta *= derivatives[layer - 1] * scales[layer]
            logs["delta"].append(_mean_squares(delta))
        logs["delta"].reverse()
        return {name: np.array(values) for name, values in logs.items()}

    def _times(self, h: Array, layer: int, first: int, transposed: bool = False) -> Array:
        """The product with each network's weights of a layer: the pool's from the ``first`` on, and round again."""
        pool = self._pool(layer)
        if transposed:
            pool = pool.swapaxes(1, 2)
        out = np.empty((*h.shape[:-1], pool.shape[-1]), self.dtype)
        np.matmul(h[:POOL - first], pool[first:], out=out[:POOL - first])
        if first:
            np.matmul(h[POOL - first:], pool[:first], out=out[POOL - first:])
        return out

    def _key(self, layer: int) -> tuple[Any, ...]:
        """What layers that share a pool have in common; the output layer, drawn anew in each group, has its own."""
        return self.network.initializer_of(layer)[0], self.sizes[layer:layer + 2], layer == self.network.depth - 1

    def _scale(self, layer: int) -> float:
        """What a pool's matrices are multiplied by: the variance is that of the full width, relative to fan_in."""
        network, fans = self.network, self.network.sizes[layer:layer + 2]
        return network.gain_of(layer) * math.sqrt(fans[0] * network.law_of(layer).variance(*fans) / self.sizes[layer])

    def _pool(self, layer: int) -> Array:
        """POOL matrices of a layer's shape and law, of variance 1."""
        key = self._key(layer)
        if key not in self.pools:
            law, (_, (fan_in, fan_out), of_output) = self.network.law_of(layer), key
            if law.incoming and of_output:
                # Few weights to an output reach few neurons, however many there are: of fewer neurons as large a part.
                law = laws.sparse(max(1, round(law.incoming * fan_in / self.network.sizes[layer])))
            if law.family not in laws.UNIT_DRAWS:
                pool = np.stack([law.draw(fan_in, fan_out, self.rng, self.dtype) for _ in range(POOL)])
                pool /= self.dtype.type(math.sqrt(law.variance(fan_in, fan_out)))
            elif of_output:
                pool = laws.UNIT_DRAWS[law.family]((POOL, fan_in, fan_out), self.rng, self.dtype)
            else:
                pool = _unit_pool(law.family, fan_in, fan_out).astype(self.dtype, copy=False)
            self.pools[key] = pool
        return self.pools[key]

    def _bias(self, layer: int) -> Any:
        network, fan_in = self.network, self.network.sizes[layer]
        law, shape = network.law_of(layer), (POOL, 1, self.sizes[layer + 1])
        bias: Any = self.dtype.type(network.bias_of(layer))
        if network.bias_std:
            bias = bias + self.dtype.type(network.bias_std) * self.rng.standard_normal(shape).astype(self.dtype)
        if law.bias:
            bias = bias + law.bias(fan_in, math.prod(shape), self.rng, self.dtype).reshape(shape)
        return bias


@functools.lru_cache(maxsize=1)  # at most 13 MB
def _unit_pool(family: str, fan_in: int, fan_out: int) -> Array:
    """POOL matrices of independent entries of mean 0 and variance 1, the same for all laws of a family: to draw them
    takes as long as all that a law does with them.
    """
    rng = np.random.default_rng((SEED, fan_in, fan_out))  # pools of two shapes may not stray together
    return laws.UNIT_DRAWS[family]((POOL, fan_in, fan_out), rng, np.float32)


def _middle_and_variance(logs: Array) -> Array:
    """Median and variance (2, depth) of logarithms (networks, depth).

    The variance is that of a normal law with the same 16 % and 84 % quantiles: a few far out do not count.
    """
    ordered = np.sort(np.where(np.isnan(logs), -math.inf, logs).T, axis=1)
    low, middle, high = (ordered[:, round(rank * (len(logs) - 1))] for rank in (0.1587, 0.5, 0.8413))
    return np.stack([middle, np.square((high - low) / 2)])


def _smoothed(values: Array) -> Array:
    """Means over neighboring hidden layers of what changes slowly with depth (depth,); the output layer's stays."""
    hidden, window = values[:-1], np.ones(2 * NEIGHBORS + 1)
    if not hidden.size:
        return values
    sums, counts = (np.convolve(summands, window)[NEIGHBORS:NEIGHBORS + hidden.size]
                    for summands in (hidden, np.ones(hidden.size)))
    return np.append(sums / counts, values[-1])


def _mean_squares(values: Array) -> Array:
    """Over the last axis, in float64: (networks, samples)."""
    return np.vecdot(values, values).astype(np.float64) / values.shape[-1]
