"""Chains of layers: what every kind of layer can do, and how several follow each other, forward and back.

Arrays of a signal are (batch, width), or (networks, batch, width) for a stack of networks; each parameter then carries
the same leading axis.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from numpy.random import Generator

from initviz.core.arrays import Array
from initviz.core.buffers import Buffers, NewArrays

Parameters = Mapping[str, Array]  # by name
Shapes = dict[str, tuple[int, ...]]


class Observer(Protocol):
    """Interface of objects that are told of every layer's output and gradient while a signal passes."""

    def forward(self, path: str, layer: Layer, x: Array, y: Array, saved: Any) -> None:
        """A layer made y of x."""

    def backward(self, path: str, layer: Layer, dy: Array) -> None:
        """The gradient with respect to a layer's output; it may be overwritten after this call."""


@dataclass(frozen=True, eq=False)
class LayerContext:
    """Where in a network a layer stands, whose memory it uses, and who looks on.

    ``overwrite`` allows the backward pass to write into the gradient that it is given. ``weight_gradients``, where
    given, takes the path of each dense layer and what computes the gradient of its weights, to be called before it
    takes the next one; that gradient is then not returned, and its memory is used again.
    """

    path: str = ""
    buffers: Buffers = field(default_factory=NewArrays)
    observer: Observer | None = None
    overwrite: bool = False
    weight_gradients: Callable[[str, Callable[[], Array]], None] | None = None

    def inside(self, index: int) -> LayerContext:
        """The context of the layer with that index in a chain that stands here."""
        return LayerContext(path_of(self.path, index), self.buffers, self.observer, self.overwrite,
                            self.weight_gradients)


ALONE = LayerContext()


def path_of(path: str, index: int) -> str:
    """The path of a layer of a chain, as a state dict names it: "2", or inside of a residual layer "2.0"."""
    return f"{path}.{index}" if path else str(index)


class Layer(ABC):
    """One kind of layer, described by a frozen record.

    A layer takes a signal of some width. ``shapes`` names its parameters, ``draw`` makes them, ``forward`` returns the
    output and what the way back needs, ``backward`` the gradients of the input and of each parameter.
    """

    label: ClassVar[str]

    def output_width(self, width: int) -> int:
        """Width of the output for an input of that width."""
        return width

    def shapes(self, width: int) -> Shapes:
        """Shape of each parameter, by name, for an input of that width."""
        return {}

    def draw(self, width: int, rng: Generator, dtype: str = "float64") -> dict[str, Array]:
        """Initial parameters for an input of that width."""
        return {}

    @abstractmethod
    def forward(self, parameters: Parameters, x: Array, context: LayerContext = ALONE) -> tuple[Array, Any]:
        """The output, and what ``backward`` needs of this pass."""

    @abstractmethod
    def backward(self, parameters: Parameters, saved: Any, dy: Array,
                 context: LayerContext = ALONE) -> tuple[Array, dict[str, Array]]:
        """The gradient of the input and of each parameter, from that of the output."""


def along(path: str, layers: Sequence[Layer], parameters: Parameters) -> Iterator[tuple[str, Layer, Parameters]]:
    """Each layer of a chain with its path and its own parameters."""
    of_layers: list[dict[str, Array]] = [{} for _ in layers]
    for name, array in parameters.items():
        first, _, inner_name = name.partition(".")
        if inner_name:
            of_layers[int(first)][inner_name] = array
    for index, layer in enumerate(layers):
        yield path_of(path, index), layer, of_layers[index]


def chain_width(layers: Sequence[Layer], width: int) -> int:
    """Width of the output of a chain."""
    for layer in layers:
        width = layer.output_width(width)
    return width


def chain_shapes(layers: Sequence[Layer], width: int) -> Shapes:
    """Shape of each parameter of a chain, by path: {"0.weight": (64, 128), "0.bias": (128,), ...}."""
    shapes: Shapes = {}
    for index, layer in enumerate(layers):
        shapes |= {f"{index}.{name}": shape for name, shape in layer.shapes(width).items()}
        width = layer.output_width(width)
    return shapes


def chain_forward(layers: Sequence[Layer], parameters: Parameters, x: Array,
                  context: LayerContext = ALONE) -> tuple[Array, list[Any]]:
    """The output of a chain, and what each of its layers saved."""
    saved = []
    for index, (path, layer, of_layer) in enumerate(along(context.path, layers, parameters)):
        y, saved_by_layer = layer.forward(of_layer, x, context.inside(index))
        if context.observer:
            context.observer.forward(path, layer, x, y, saved_by_layer)
        saved.append(saved_by_layer)
        x = y
    return x, saved


def chain_backward(layers: Sequence[Layer], parameters: Parameters, saved: Sequence[Any], dy: Array,
                   context: LayerContext = ALONE) -> tuple[Array, dict[str, Array]]:
    """The gradient of the input of a chain and of each of its parameters, by path."""
    gradients: dict[str, Array] = {}
    for index, (path, layer, of_layer) in reversed(list(enumerate(along(context.path, layers, parameters)))):
        if context.observer:
            context.observer.backward(path, layer, dy)
        dy, its_gradients = layer.backward(of_layer, saved[index], dy, context.inside(index))
        gradients |= {f"{index}.{name}": gradient for name, gradient in its_gradients.items()}
    return dy, gradients
