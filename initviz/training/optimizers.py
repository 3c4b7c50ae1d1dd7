"""The table of optimizers: a new one is one entry here.

From that follow its choice in the app and its place in the address, the memory that its training is said to take, and
the rates that are tried for it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from initviz.core.arrays import Array
from initviz.core.buffers import Buffers

MOMENTUM = 0.9
DECAY, SQUARE_DECAY, EPSILON = 0.9, 0.999, 1e-8


class Adam:
    """Adam (Kingma and Ba 2015), in PyTorch's form and with its defaults, of parameters with a rate each."""

    def __init__(self, parameters: Sequence[Array]) -> None:
        self.means = [np.zeros_like(p) for p in parameters]
        self.squares = [np.zeros_like(p) for p in parameters]
        self.step = 0

    def updates(self, gradients: Sequence[Array], rates: Sequence[Any]) -> list[Array]:
        """Overwrite each gradient with the step to subtract from its parameter; each has its own learning rate."""
        self.step += 1
        unbiased, root = 1 - DECAY**self.step, math.sqrt(1 - SQUARE_DECAY**self.step)
        spare = np.empty(max(g.size for g in gradients), gradients[0].dtype)
        for mean, square, g, rate in zip(self.means, self.squares, gradients, rates, strict=True):
            adam_update(mean, square, g, rate / unbiased, root, spare)
        return list(gradients)


def adam_update(mean: Array, square: Array, g: Array, step_size: Any, root: float, spare: Array) -> None:
    """Update the running means with the gradient g; overwrite g with the step to subtract; ``spare`` is work memory."""
    term = spare[: g.size].reshape(g.shape)
    mean += np.multiply(1 - DECAY, np.subtract(g, mean, out=term), out=term)
    square *= SQUARE_DECAY
    square += np.multiply(1 - SQUARE_DECAY, np.multiply(g, g, out=term), out=term)
    np.sqrt(square, out=term)
    term /= root
    term += EPSILON
    np.multiply(step_size, mean, out=g)
    g /= term


# Overwrites each gradient with what to subtract from its parameter. Its arguments: the optimizer's states, one list of
# arrays like the parameters each; the gradients; the learning rates, in a shape that multiplies them; the number of the
# step, from 1; and buffers for work memory.
Update = Callable[[Sequence[Sequence[Array]], Sequence[Array], Array, int, Buffers], None]


@dataclass(frozen=True)
class Optimizer:
    """How a gradient becomes a step.

    ``constants`` names what is fixed of it, for people; "" where nothing is. ``states`` is how many arrays as large as
    each parameter it keeps from step to step, all 0 at first. ``rates`` are tried where the best one is sought.
    """

    label: str
    constants: str
    states: int
    rates: tuple[float, ...]
    update: Update


def _descend(states: Sequence[Sequence[Array]], gradients: Sequence[Array], rate: Array, step: int,
             buffers: Buffers) -> None:
    for g in gradients:
        np.multiply(rate, g, out=g)


def _descend_with_momentum(states: Sequence[Sequence[Array]], gradients: Sequence[Array], rate: Array, step: int,
                           buffers: Buffers) -> None:
    """PyTorch's form: the gradient is added to the decayed velocity, whose product with the rate is the step."""
    for velocity, g in zip(states[0], gradients, strict=True):
        velocity *= MOMENTUM
        velocity += g
        np.multiply(rate, velocity, out=g)


def _adam(states: Sequence[Sequence[Array]], gradients: Sequence[Array], rate: Array, step: int,
          buffers: Buffers) -> None:
    step_size, root = rate / (1 - DECAY**step), math.sqrt(1 - SQUARE_DECAY**step)
    spare = buffers.array("spare", (max(g.size for g in gradients),), gradients[0].dtype)
    for mean, square, g in zip(*states, gradients, strict=True):
        adam_update(mean, square, g, step_size, root, spare)


OPTIMIZERS: Mapping[str, Optimizer] = MappingProxyType({
    "sgd": Optimizer("Gradient descent", "", 0, (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0), _descend),
    "momentum": Optimizer(  # which adds up to ten steps
        "Momentum", f"momentum {MOMENTUM:g}", 1, (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2),
        _descend_with_momentum),
    "adam": Optimizer(  # which divides by the gradient's size
        "Adam", f"Adam with beta {DECAY:g} and {SQUARE_DECAY:g}", 2,
        (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1), _adam)})
OPTIMIZER_LABELS = MappingProxyType({key: optimizer.label for key, optimizer in OPTIMIZERS.items()})
OPTIMIZER_HELP = ("How a gradient becomes a step; "
                  f"{', '.join(optimizer.constants for optimizer in OPTIMIZERS.values() if optimizer.constants)}.")
