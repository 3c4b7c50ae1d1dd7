"""A forward and a backward pass through any tuple of layers, exact and in the dtype of the arrays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from initviz.core.arrays import Array
from initviz.core.layers.chain import (
    Layer,
    LayerContext,
    Shapes,
    chain_backward,
    chain_forward,
    chain_shapes,
    path_of,
)
from initviz.core.layers.kinds import Activation, Dense
from initviz.core.layers.residual import Residual
from initviz.core.network import BIAS_STREAM, WEIGHT_STREAM, Network, stream
from initviz.core.propagation import LOSSES, QUIET, check_targets, floating

LAYER_STREAM = 6  # of layers that are not dense; beside those of network.py and of training

@dataclass(frozen=True, eq=False)
class LayerPropagation:
    """What one pass through a tuple of layers computed.

    ``gradients`` has the parameters' names; ``activations`` maps the path of each layer, those inside of branches
    too, to its output (batch, width). Of a stack of networks ``loss`` is an array (networks,).
    """

    loss: Any
    output: Array
    gradients: dict[str, Array]
    input_gradient: Array
    activations: dict[str, Array]


@dataclass(eq=False)
class _Outputs:
    """An observer that keeps every layer's output."""

    activations: dict[str, Array] = field(default_factory=dict)

    def forward(self, path: str, layer: Layer, x: Array, y: Array, saved: Any) -> None:
        self.activations[path] = y

    def backward(self, path: str, layer: Layer, dy: Array) -> None:
        pass


@dataclass(eq=False)
class LayerObserver:
    """An observer that keeps one measurement of every layer's output, and one of the gradient with respect to it."""

    of_output: Callable[[str, Layer, Array], Any]
    of_gradient: Callable[[str, Layer, Array], Any]
    outputs: dict[str, Any] = field(default_factory=dict)
    gradients: dict[str, Any] = field(default_factory=dict)

    def forward(self, path: str, layer: Layer, x: Array, y: Array, saved: Any) -> None:
        """Measure an output."""
        self.outputs[path] = self.of_output(path, layer, y)

    def backward(self, path: str, layer: Layer, dy: Array) -> None:
        """Measure a gradient."""
        self.gradients[path] = self.of_gradient(path, layer, dy)


def layers_of(network: Network) -> tuple[Layer, ...]:
    """A multilayer perceptron as a tuple of layers; ``draw_parameters`` of it are the network's own.

    Raises ValueError for a bias of one number per neuron, which no layer has.
    """
    phi, dense = Activation(network.activation, **dict(network.activation_params)), []
    for layer, width in enumerate(network.sizes[1:]):
        bias, (key, params) = network.bias_of(layer), network.initializer_of(layer)
        if isinstance(bias, tuple):
            raise ValueError(f"bias of layer {layer + 1} must be a number for a tuple of layers, got one per neuron")
        dense.append(Dense(width, key, network.gain_of(layer), bias, network.bias_std, params))
    hidden = [layer for linear in dense[:-1] for layer in (linear, phi)]
    return (*hidden, dense[-1])


def walk(layers: Sequence[Layer], width: int, path: str = "") -> Iterator[tuple[str, Layer, int]]:
    """Each layer with its path and the width of its input; a residual layer after the layers of its branch."""
    for index, layer in enumerate(layers):
        layer_path = path_of(path, index)
        if isinstance(layer, Residual):
            yield from walk(layer.branch, width, layer_path)
        yield layer_path, layer, width
        width = layer.output_width(width)


def draw_parameters(layers: Sequence[Layer], width: int, *, seed: int = 0, dtype: str = "float64") -> dict[str, Array]:
    """Initial parameters of a tuple of layers for inputs of that width, by path.

    The l-th dense layer draws from the streams of the l-th layer of a ``Network`` of the same seed, whatever stands
    between: so a plain tuple of layers has the network's parameters. Every other layer has a stream of its own.
    """
    parameters: dict[str, Array] = {}
    dense = 0
    for index, (path, layer, fan_in) in enumerate(walk(layers, width)):
        if isinstance(layer, Dense):
            drawn = layer.draw(fan_in, stream(seed, WEIGHT_STREAM, dense), dtype, stream(seed, BIAS_STREAM, dense))
            dense += 1
        elif isinstance(layer, Residual):
            drawn = {"scale": np.array(layer.scale, dtype)} if layer.learned else {}
        else:
            drawn = layer.draw(fan_in, stream(seed, LAYER_STREAM, index), dtype)
        parameters |= {f"{path}.{name}": array for name, array in drawn.items()}
    return parameters


def check_layers(layers: Sequence[Layer], parameters: Mapping[str, Array], x: Array) -> None:
    """Raise ValueError where layers, parameters and input do not fit each other."""
    if not layers or not all(isinstance(layer, Layer) for layer in layers):
        raise ValueError(f"layers must be at least one layer, got {layers!r}")
    if x.ndim not in (2, 3) or x.shape[-2] == 0:
        raise ValueError(f"x must have shape (batch, features) with at least one row, got {x.shape}")
    shapes = chain_shapes(layers, x.shape[-1])
    for name in [*shapes, *parameters]:
        if name not in parameters or name not in shapes:
            state = "lack" if name in shapes else "must not have"
            raise ValueError(f"parameters {state} {name!r} for these layers, got {_first_few(parameters)}")
    stack = _stack_of(shapes, parameters, x)
    for name, shape in shapes.items():
        actual = parameters[name].shape
        if actual != stack + shape and (shape or stack or actual != (1,)):  # one number may have the shape (1,)
            raise ValueError(f"parameters {name!r} must have shape {stack + shape}, got {actual}")


def _stack_of(shapes: Shapes, parameters: Mapping[str, Array], x: Array) -> tuple[int, ...]:
    """The leading axis of networks that the input or else most parameters have, as a shape; empty without one."""
    if x.ndim == 3:
        return x.shape[:1]
    leading = Counter(parameters[name].shape[:parameters[name].ndim - len(shape)] for name, shape in shapes.items()
                      if shape)
    most = leading.most_common(1)[0][0] if leading else ()
    return most if len(most) == 1 else ()


def _first_few(names: Mapping[str, Any], most: int = 12) -> str:
    listed_names = list(names)
    return ", ".join(listed_names[:most] + ["..."] * (len(listed_names) > most)) or "none"


def propagate_layers(layers: Sequence[Layer], parameters: Mapping[str, Any], x: Any, targets: Any, *,
                     loss: str) -> LayerPropagation:
    """One forward and one backward pass through a tuple of layers with explicit parameters.

    ``parameters`` maps names such as "0.weight" (fan_in, fan_out), "2.1.bias" and "2.scale" to arrays; all may carry a
    leading axis of networks. ``loss`` is one of LOSSES: "mse" (mean over batch and outputs),
    "softmax_ce" (mean over the batch; integer classes), "bce", "sigmoid_mse" or "tanh_mse". Raises ValueError for names
    or shapes that do not fit, and for a batch of 1 under BatchNorm.
    """
    layers = (layers,) if isinstance(layers, Layer) else tuple(layers)
    if not isinstance(parameters, Mapping):
        raise ValueError(f"parameters must map names such as '0.weight' to arrays, got {parameters!r:.60}")
    named = {name: floating(array, f"parameters {name!r}") for name, array in parameters.items()}
    x = floating(x, "x")
    dtype, targets = np.result_type(x, *named.values()), np.asarray(targets)
    named = {name: array.astype(dtype, copy=False) for name, array in named.items()}
    x = np.ascontiguousarray(x, dtype)
    check_layers(layers, named, x)
    observer = _Outputs()
    with np.errstate(**QUIET):
        output, saved = chain_forward(layers, named, x, LayerContext(observer=observer))
        check_targets(targets, loss, x.shape[-2], output.shape[-1])
        value, error = LOSSES[loss](output, targets)
        input_gradient, gradients = chain_backward(layers, named, saved, error, LayerContext(overwrite=True))
    return LayerPropagation(float(value) if np.ndim(value) == 0 else value, output,
                            {name: gradients[name] for name in named}, input_gradient, observer.activations)
