"""Adam (Kingma and Ba 2015), in PyTorch's form and with its defaults."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from initviz.core.arrays import Array

DECAY, SQUARE_DECAY, EPSILON = 0.9, 0.999, 1e-8


class Adam:
    """The running means of the gradients of some parameters, and the steps that follow from them."""

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
