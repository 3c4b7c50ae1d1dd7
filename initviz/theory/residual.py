"""What a wide network of any layers, with skips and normalizations, should do: mean squares forward and back.

The signal is followed by three numbers: its mean square, its mean over the neurons, and the mean product of one
neuron's values for two samples. A branch that ends with random weights of mean 0 is uncorrelated with its stream, but
for the means that common biases give both, so that mean squares add up; an activation of a normal signal maps the
three as mean-field theory says; a normalization divides by a size that is one of their differences. The gradient's mean
square is multiplied on its way back by what the signal's derivatives are, as if they were independent of it.

Sources: Yang and Schoenholz 2017 (residual); Yang et al. 2019 (BatchNorm); De and Smith 2020 (BatchNorm in branches);
Xiong et al. 2020 (pre- and post-norm). Terms of 1/width and 1/batch are left out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from initviz.core.architecture import Architecture
from initviz.core.arrays import Array
from initviz.core.initializers import law_of
from initviz.core.layers import Activation, BatchNorm, Dense, Layer, LayerNorm, Residual, RMSNorm, walk
from initviz.core.layers.chain import path_of
from initviz.theory.mean_field import Field

GROUPS = 8  # of samples of about one length


@dataclass(frozen=True)
class Signal:
    """What is expected of a signal (batch, width): mean square, mean over the neurons, and ``covariance``, the mean
    over the neurons of the product of two samples' values, NaN where it is not followed. ``normal`` says that each
    neuron is normally distributed. Of several signals at once each is an array (signals,).
    """

    square: Any
    mean: Any = 0.0
    covariance: Any = 0.0
    normal: bool = False


@dataclass(frozen=True)
class Expectation:
    """What is expected at the output of one layer: the signal, and the mean square of the gradient with respect to it,
    relative to that of the network's output.
    """

    signal: Signal
    gradient: Any


class _UnknownError(Exception):
    """Theory does not speak of a network; the message is a sentence of why."""


@dataclass(frozen=True)
class _Step:
    """A layer with its path, the signal after it, and how it multiplies the gradient's mean square on its way back."""

    path: str
    signal: Signal
    back: Any
    branch: tuple[_Step, ...] = ()
    scale: float = 1.0


def _dense(layer: Dense, width: int, x: Signal, path: str) -> _Step:
    law = law_of(layer.initializer, **dict(layer.initializer_params))
    fixed = law.mean(width, layer.width) or (not law.random and law.variance(width, layer.width))
    if fixed and layer.gain:
        raise _UnknownError(f"Theory does not speak of weights that are not random around 0, as those of layer {path}.")
    variance = law.variance(width, layer.width) * layer.gain**2
    bias = layer.bias_std**2 + law.bias_variance(width, layer.width) + layer.bias**2
    after = Signal(width * variance * x.square + bias, layer.bias, width * variance * x.covariance + bias, True)
    return _Step(path, after, layer.width * variance)


def _covariance_after(field: Field, x: Signal, variance: Array, mean: Array) -> Array:
    """The mean product of two samples' values after an activation; NaN where it is not followed."""
    if np.isnan(x.covariance).any():
        return np.full(np.shape(variance), math.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        shared = np.where(variance > 0, np.clip((x.covariance - field.bias**2) / variance, 0.0, 1.0), 0.0)
    if not shared.any():
        return np.square(mean)
    return np.vectorize(lambda q, c: field.product(field.value, q, q, c))(variance, shared)


def _activation(layer: Activation, width: int, x: Signal, path: str) -> _Step:
    if not x.normal:
        raise _UnknownError("Theory does not speak of an activation whose input is not normal, as that of layer "
                            f"{path}.")
    variance = np.maximum(x.square - np.square(x.mean), 0.0)
    after = np.zeros((4, *np.shape(variance)))
    for input_mean in np.unique(x.mean):  # one, unless signals of several sizes are divided by their own
        field = Field(layer.key, layer.params, float(input_mean))
        has_mean = np.broadcast_to(x.mean == input_mean, np.shape(variance))
        moments = field.moments(variance)
        covariance = _covariance_after(field, x, variance, moments.mean)
        after = np.where(has_mean, [moments.square, moments.mean, covariance, moments.derivative_square], after)
    square, mean, covariance, derivative_square = after
    return _Step(path, Signal(square, mean, covariance, False), derivative_square)


# What each normalization takes off the mean square before it divides by the rest.
_TAKEN_OFF: Mapping[type[Layer], Callable[[Signal], float]] = MappingProxyType({
    LayerNorm: lambda x: x.mean**2, RMSNorm: lambda x: 0.0, BatchNorm: lambda x: x.covariance})


def _norm(layer: Any, width: int, x: Signal, path: str) -> _Step:
    off = _TAKEN_OFF[type(layer)](x)
    factor = layer.weight**2 / (np.maximum(x.square - off, 0.0) + layer.eps)
    mean = np.sqrt(factor) * x.mean if isinstance(layer, RMSNorm) else 0.0
    return _Step(path, Signal(factor * (x.square - off), mean, factor * (x.covariance - off), x.normal), factor)


def _residual(layer: Residual, width: int, x: Signal, path: str) -> _Step:
    if not any(isinstance(inner, Dense) for inner in layer.branch):
        raise _UnknownError(f"Theory does not speak of a branch without weights, as that of layer {path}.")
    branch = _steps(layer.branch, width, x, path)
    end, branch_share = branch[-1].signal, layer.scale**2
    of_means = 2 * layer.scale * x.mean * end.mean  # all else of the two is uncorrelated
    after = Signal(x.square + branch_share * end.square + of_means, x.mean + layer.scale * end.mean,
                   x.covariance + branch_share * end.covariance + of_means, x.normal and end.normal)
    return _Step(path, after, 1 + branch_share * math.prod(step.back for step in branch), branch, layer.scale)


_STEPS: Mapping[type[Layer], Callable[[Any, int, Signal, str], _Step]] = MappingProxyType({
    Dense: _dense, Activation: _activation, LayerNorm: _norm, RMSNorm: _norm, BatchNorm: _norm, Residual: _residual})


def _steps(layers: Sequence[Layer], width: int, x: Signal, path: str = "") -> tuple[_Step, ...]:
    steps = []
    for index, layer in enumerate(layers):
        layer_path = path_of(path, index)
        if type(layer) not in _STEPS:
            raise _UnknownError(f"Theory does not speak of {layer.label}, as that of layer {layer_path}.")
        step = _STEPS[type(layer)](layer, width, x, layer_path)
        steps.append(step)
        x, width = step.signal, layer.output_width(width)
    return tuple(steps)


def _with_gradients(steps: Sequence[_Step], gradient: Any) -> dict[str, Expectation]:
    expectations: dict[str, Expectation] = {}
    for step in reversed(steps):
        expectations[step.path] = Expectation(step.signal, gradient)
        if step.branch:
            expectations |= _with_gradients(step.branch, step.scale**2 * gradient)
        gradient = gradient * step.back
    return expectations


def expect(layers: Sequence[Layer], width: int, *, square: Any = 1.0,
           covariance: Any = 0.0) -> dict[str, Expectation] | None:
    """What is expected of each layer, by path; None where the theory does not apply (``why_unknown`` says why).

    ``square`` is the mean square of the inputs (batch, width), ``covariance`` the mean product of a feature's values
    for two samples, NaN where no layer asks for it; of several signals at once they are arrays. The first layer may be
    any; an activation needs a dense layer before it.
    """
    try:
        return _with_gradients(_steps(layers, width, Signal(square, covariance=covariance)), 1.0)
    except _UnknownError:
        return None


def why_unknown(layers: Sequence[Layer], width: int) -> str | None:
    """One sentence on why the theory does not apply to these layers; None where it does."""
    try:
        _steps(layers, width, Signal(1.0))
    except _UnknownError as reason:
        return str(reason)
    return None


@dataclass(frozen=True, eq=False)
class BlockPrediction:
    """What theory predicts for each stage of a network of blocks: arrays (stages,), as the rows of its BlockRun.

    "activation" is the stage's output, "preactivation" what a block adds to the stream (without a skip the output of
    its dense layer), "delta" the gradient with respect to the stage's output.
    """

    activation_rms: Array
    activation_std: Array
    preactivation_rms: Array
    preactivation_std: Array
    delta_rms: Array

    def expected(self, quantity: str, statistic: str) -> Array:
        """The prediction for "activation", "preactivation" or "delta", as "rms" or "std" (a delta's mean is 0)."""
        expected_values: Array = getattr(self, f"{quantity}_{'rms' if quantity == 'delta' else statistic}")
        return expected_values


def predict_blocks(network: Architecture, x: Array, output_error: float = 1.0) -> BlockPrediction | None:
    """What theory predicts for a network of blocks on inputs ``x`` (batch, features); None where it does not apply.

    ``output_error`` is the mean square of the gradient at the output.
    """
    values = np.asarray(x, np.float64)
    lengths = np.square(values).mean(axis=1)
    if any(isinstance(layer, BatchNorm) for _, layer, _ in walk(network.layers, network.inputs)):
        groups, covariance = [lengths], _covariance(values)  # it divides all samples by one size
    else:  # every sample has a size of its own, which a normalization takes away
        groups, covariance = np.array_split(np.sort(lengths), min(GROUPS, len(lengths))), math.nan
    expectations = expect(network.layers, network.inputs, square=np.array([group.mean() for group in groups]),
                          covariance=covariance)
    if expectations is None:
        return None
    weights = [len(group) for group in groups]
    rows = np.array([[np.average(np.broadcast_to(value, len(groups)), weights=weights)
                      for value in _rows(network, paths, expectations)] for paths in network.stages])
    rows[:, 4] *= output_error
    return BlockPrediction(*np.sqrt(np.maximum(rows, 0.0)).T)


def _covariance(values: Array) -> float:
    """Mean product of a feature's values for two samples of (batch, features); 0 of a single sample."""
    count = len(values)
    total = float(np.square(values.sum(axis=0)).mean())
    return (total - float(np.square(values).mean()) * count) / (count * (count - 1)) if count > 1 else 0.0


def _rows(network: Architecture, paths: Sequence[str], expectations: Mapping[str, Expectation]) -> list[Any]:
    """Of one stage: mean square and variance of its output, the same of what it adds, mean square of the gradient."""
    end, added = expectations[paths[-1]], _added(network, paths, expectations)
    return [end.signal.square, end.signal.square - end.signal.mean**2, added.square, added.square - added.mean**2,
            end.gradient]


def _added(network: Architecture, paths: Sequence[str], expectations: Mapping[str, Expectation]) -> Signal:
    """What a stage adds to the stream: its scaled branch, or the output of its dense layer."""
    layers = {path: network.layers[int(path)] for path in paths}
    for path, layer in layers.items():
        if isinstance(layer, Residual):
            branch = expectations[path_of(path, len(layer.branch) - 1)].signal
            return Signal(layer.scale**2 * branch.square, layer.scale * branch.mean)
    return next(expectations[path].signal for path, layer in layers.items() if isinstance(layer, Dense))
