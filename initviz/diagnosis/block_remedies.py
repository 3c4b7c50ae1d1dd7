"""Remedies for networks of blocks: LSUV (Mishkin and Matas 2016) for any layers, by the names of their parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from initviz.core.architecture import Architecture
from initviz.core.arrays import Array
from initviz.core.batches import Batch, check_fit
from initviz.core.layers import Dense, Layer, Residual
from initviz.core.layers.chain import LayerContext, along
from initviz.core.layers.passes import check_layers
from initviz.core.propagation import QUIET
from initviz.core.validation import Interval, check
from initviz.diagnosis.remedies import MOST_TRIES, TOLERANCE, unit_variance


def rescale_blocks(parameters: Mapping[str, Array], network: Architecture, batch: Batch, *,
                   tolerance: float = TOLERANCE, most_tries: int = MOST_TRIES) -> dict[str, Array]:
    """The parameters, each dense layer's weight multiplied by one number so that its output's variance is near 1.

    Layers come in the order of the pass, those of a branch on what it takes from the stream; scales, biases and
    normalizations stay. A layer is left as it is where no number helps: an output that does not vary, as behind a
    weight of zeros. Raises ValueError where parameters or batch do not fit.
    """
    check("tolerance", tolerance, Interval(0, 1))
    most_tries = check("most_tries", most_tries, Interval(1, 1000, integer=True))
    check_fit(network.sizes, batch)
    x = batch.x.astype(network.dtype, copy=False)
    check_layers(network.layers, parameters, x)
    rescaled = dict(parameters)

    def adapt(layers: Sequence[Layer], x: Array, path: str, parameters: Mapping[str, Array]) -> Array:
        for layer_path, layer, named in along(path, layers, parameters):
            if isinstance(layer, Dense):
                weight, x = unit_variance(named["weight"], named["bias"], x, tolerance, most_tries)
                rescaled[f"{layer_path}.weight"] = weight
            elif isinstance(layer, Residual):
                x = x + adapt(layer.branch, x, layer_path, named) * named.get("scale", layer.scale)
            else:
                x = layer.forward(named, x, LayerContext(layer_path))[0]
        return x

    with np.errstate(**QUIET):
        adapt(network.layers, x, "", parameters)
    return rescaled


def lsuv_blocks(network: Architecture, batch: Batch, *, tolerance: float = TOLERANCE,
                most_tries: int = MOST_TRIES) -> dict[str, Array]:
    """LSUV for a network of blocks: orthonormal weights of its seed, rescaled on the batch, and biases of 0.

    Scales of branches stay as they are, and so does what a scheme sets to zero.
    """
    plain = replace(network, initializer="orthogonal", initializer_params=(), gain=1.0, bias=0.0, bias_std=0.0)
    return rescale_blocks(plain.draw(), plain, batch, tolerance=tolerance, most_tries=most_tries)
