"""Training of copies that all sessions share."""

from __future__ import annotations

from initviz.app.caches import cached
from initviz.app.runs import watch
from initviz.core.batches import make_batch
from initviz.core.network import Network
from initviz.training.gradient_descent import Recipe
from initviz.training.symmetry import LayerView, Result, develop, try_all


@cached(16e6)
def cached_attempts(network: Network, input_key: str, count: int, recipe: Recipe, epsilon: float) -> list[Result]:
    """Every way to break the symmetry, tried."""
    batch = make_batch(input_key, count, seed=network.seed, features=network.sizes[0], dtype="float64")
    return watch(try_all(network, batch, recipe, epsilon), "Trying every way to break the symmetry")


@cached(32e6)
def cached_views(networks: tuple[Network, ...], input_key: str, count: int, recipe: Recipe,
                 steps: int) -> list[list[LayerView]]:
    """The hidden layers of each network after so many steps of training."""
    first = networks[0]
    batch = make_batch(input_key, count, seed=first.seed, features=first.sizes[0], dtype="float64")
    return watch(develop(networks, batch, recipe, steps), "Training the copies")
