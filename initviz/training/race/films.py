"""What is filmed of a race: decision boundaries of two inputs, or the first layer's weights as images."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from initviz.core.architecture import Architecture
from initviz.core.arrays import Array
from initviz.core.batches import Batch
from initviz.core.layers.chain import chain_forward
from initviz.core.network import Network
from initviz.core.propagation import QUIET, forward
from initviz.training.gradient_descent import Parameters

GRID = 28  # cells a side of a decision boundary
REACH = 2.6  # of the plane, in standard deviations of the inputs
IMAGES = (4, 3)  # rows and columns of the first neurons' weights
FRAMES = 12  # of a film, from the first step to the last
FILMED = ("digits", "moons", "circles", "spiral")
MOST_CLASSES = 3  # that the picture of a plane tells apart
LEAST_INSIDE = 0.5  # of somebody's own points, for a picture to be of them


def can_be_filmed(batch: Batch) -> bool:
    """Whether somebody's own data are points of the plane shown, of few classes."""
    inside = float((np.abs(batch.x) < REACH).all(axis=1).mean())
    return (batch.features == 2 and batch.outputs <= MOST_CLASSES and batch.classes() is not None
            and inside >= LEAST_INSIDE)


def grid() -> NDArray[np.float32]:
    """Points of the plane (GRID * GRID, 2), row by row from the top."""
    line = (np.arange(GRID) + 0.5) / GRID * 2 * REACH - REACH
    x, y = np.meshgrid(line, line[::-1])
    return np.stack([x.ravel(), y.ravel()], axis=1).astype(np.float32)


def _outputs(network: Network | Architecture, parameters: Parameters | Mapping[str, Array], x: Array) -> Array:
    """Outputs of a network for the inputs (batch, features)."""
    if isinstance(network, Architecture):
        assert isinstance(parameters, Mapping)
        return chain_forward(network.layers, parameters, x)[0]
    assert isinstance(parameters, tuple)
    *_, (_, outputs) = forward(*parameters, x, network.activation, **dict(network.activation_params))
    return outputs


def boundary(network: Network | Architecture, parameters: Parameters | Mapping[str, Array]) -> NDArray[np.int8]:
    """Per cell of the plane ten times the class plus nine times the confidence above chance: (GRID, GRID)."""
    with np.errstate(**QUIET):
        outputs = _outputs(network, parameters, grid())
        outputs = np.nan_to_num(outputs.astype(np.float64))
        if outputs.shape[1] == 1:  # of a sigmoid: the odds against 0
            outputs = np.hstack([np.zeros_like(outputs), outputs])
        p = np.exp(outputs - outputs.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    chance = 1 / p.shape[1]
    confidence = np.clip((p.max(axis=1) - chance) / (1 - chance), 0, 1)
    return (10 * p.argmax(axis=1) + np.round(9 * confidence)).astype(np.int8).reshape(GRID, GRID)


def weight_images(weight: Array, side: int = 8) -> NDArray[np.int8]:
    """The first neurons' incoming weights as images (rows * (side + 1), columns * (side + 1)), -100 to 100.

    ``weight`` (fan_in, fan_out) is the first layer's. Images are scaled to the largest magnitude among them; between
    them runs a line of zeros.
    """
    weight = weight.astype(np.float64)
    sheet = np.zeros((IMAGES[0] * (side + 1), IMAGES[1] * (side + 1)))
    for neuron in range(min(weight.shape[1], IMAGES[0] * IMAGES[1])):
        row, column = divmod(neuron, IMAGES[1])
        top, left = row * (side + 1), column * (side + 1)
        sheet[top: top + side, left: left + side] = weight[:, neuron].reshape(side, side)
    largest = np.abs(sheet).max()
    return np.round(100 * sheet / (largest or 1)).astype(np.int8)


def frame(network: Network | Architecture, parameters: Parameters | Mapping[str, Array]) -> NDArray[np.int8]:
    """What is filmed at one step: the decision boundary for two inputs, else the first layer's weights as images.

    ``parameters`` are weights and biases, of a network of blocks a mapping of names.
    """
    if network.sizes[0] == 2:
        return boundary(network, parameters)
    return weight_images(parameters["0.weight"] if isinstance(parameters, Mapping) else parameters[0][0])


def placed_points(batch: Batch, most: int = 150) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The first samples of a two-dimensional batch, as positions 0..1 of the plane shown, and their classes."""
    inside, classes = (np.abs(batch.x[:most]) < REACH).all(axis=1), batch.classes()
    assert classes is not None
    return (batch.x[:most][inside].astype(float) + REACH) / (2 * REACH), classes[:most][inside]
