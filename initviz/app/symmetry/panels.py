"""Training of copies that all sessions share."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from initviz.app.caches import cached
from initviz.app.capacity import room_for
from initviz.app.runs import cached_batch, with_progress
from initviz.core.architecture import Architecture
from initviz.core.batches import Batch
from initviz.core.cost import training_bytes
from initviz.core.network import Network
from initviz.training.block_symmetry import BlockCopies, block_development_bytes, develop_blocks
from initviz.training.gradient_descent import Recipe
from initviz.training.symmetry import ATTEMPTS, AttemptResult, LayerView, develop, development_bytes, try_all


def in_float64(batch: Batch) -> Batch:
    """The batch in float64, its inputs cast from the float32 of the other pages."""
    return replace(batch, x=batch.x.astype(np.float64))


@cached(16e6)
def cached_attempts(network: Network, input_key: str, count: int, recipe: Recipe,
                    epsilon: float) -> list[AttemptResult]:
    """Every way to break the symmetry, tried."""
    batch = in_float64(cached_batch(input_key, count, network.seed, network.sizes[0]))
    with room_for(training_bytes(network.sizes, count, networks=len(ATTEMPTS), itemsize=8, states=2)):
        return with_progress(try_all(network, batch, recipe, epsilon), "Trying every way to break the symmetry")


@cached(32e6)
def cached_views(networks: tuple[Network, ...], input_key: str, count: int, recipe: Recipe,
                 steps: int) -> list[list[LayerView]]:
    """The hidden layers of each network after so many steps of training."""
    first = networks[0]
    batch = in_float64(cached_batch(input_key, count, first.seed, first.sizes[0]))
    with room_for(development_bytes(networks, count, recipe)):
        return with_progress(develop(networks, batch, recipe, steps), "Training the copies")


@cached(32e6)
def cached_block_copies(networks: tuple[Architecture, ...], input_key: str, count: int, recipe: Recipe,
                        steps: int) -> list[BlockCopies]:
    """Copies in networks of blocks, looked at after so many steps of training."""
    first = networks[0]
    batch = in_float64(cached_batch(input_key, count, first.seed, first.inputs))
    with room_for(block_development_bytes(networks, count, recipe)):
        return with_progress(develop_blocks(networks, batch, recipe, steps), "Training the copies")
