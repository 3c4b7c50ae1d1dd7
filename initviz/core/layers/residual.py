"""The residual layer: a signal, plus a branch of layers that takes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.random import Generator

from initviz.core.arrays import Array
from initviz.core.layers.chain import (
    ALONE,
    Layer,
    LayerContext,
    Parameters,
    Shapes,
    chain_backward,
    chain_forward,
    chain_shapes,
    chain_width,
)
from initviz.core.validation import ANY, check


class SavedResidual(NamedTuple):
    """What a residual layer keeps of a pass: the branch's output before the scale, and what its layers keep."""

    branch: Array
    inner: list[Any]
    scale: Any


@dataclass(frozen=True, init=False)
class Residual(Layer):
    """``x + scale * branch(x)``, where ``branch`` is a chain of layers whose output is as wide as x.

    ``scale`` is a fixed number, or, where it is ``learned``, the initial value of the parameter "scale".
    """

    label: ClassVar[str] = "Residual"
    branch: tuple[Layer, ...]
    scale: float
    learned: bool

    def __init__(self, *branch: Layer, scale: float = 1.0, learned: bool = False) -> None:
        if not branch or not all(isinstance(layer, Layer) for layer in branch):
            raise ValueError(f"branch must be at least one layer, each an argument of its own, got {branch!r:.80}")
        object.__setattr__(self, "branch", branch)
        object.__setattr__(self, "scale", check("scale", scale, ANY))
        object.__setattr__(self, "learned", bool(learned))

    def output_width(self, width: int) -> int:
        """The input's; ValueError where the branch ends with another width."""
        end = chain_width(self.branch, width)
        if end != width:
            raise ValueError(f"branch must end as wide as its input, {width}, so that it can be added, got {end}")
        return width

    def shapes(self, width: int) -> Shapes:
        """Those of the branch, by path, and that of a learned scale, which is one number."""
        return chain_shapes(self.branch, width) | ({"scale": ()} if self.learned else {})

    def draw(self, width: int, rng: Generator, dtype: str = "float64") -> dict[str, Array]:
        """The branch's parameters, layer by layer, and a learned scale's initial value."""
        parameters: dict[str, Array] = {}
        for index, layer in enumerate(self.branch):
            parameters |= {f"{index}.{name}": array for name, array in layer.draw(width, rng, dtype).items()}
            width = layer.output_width(width)
        return parameters | ({"scale": np.array(self.scale, dtype)} if self.learned else {})

    def _scale(self, parameters: Parameters) -> Any:
        """The scale as a number, or of a stack of networks as an array (networks, 1, 1)."""
        if not self.learned:
            return self.scale
        scale = parameters["scale"]
        return scale.reshape(()) if scale.size == 1 else scale.reshape(-1, 1, 1)

    def forward(self, parameters: Parameters, x: Array, context: LayerContext = ALONE) -> tuple[Array, Any]:
        """x + scale * branch(x)."""
        branch, inner = chain_forward(self.branch, parameters, x, context)
        scale = self._scale(parameters)
        y = branch * scale
        y += x
        return y, SavedResidual(branch, inner, scale)

    def backward(self, parameters: Parameters, saved: Any, dy: Array,
                 context: LayerContext = ALONE) -> tuple[Array, dict[str, Array]]:
        """dx = dy + what the branch makes of scale * dy; dscale = the sum of dy * branch."""
        through, gradients = chain_backward(self.branch, parameters, saved.inner, dy * saved.scale, context)
        if self.learned:
            total = np.vecdot(dy, saved.branch).sum(axis=-1)
            gradients["scale"] = total.reshape(parameters["scale"].shape)
        # into dy where that is allowed: what comes through the branch lies in memory that the next branch uses
        return np.add(dy, through, out=dy if context.overwrite else None), gradients
