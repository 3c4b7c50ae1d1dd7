"""Gradient descent from given parameters: several networks of one shape at once, on the same data in the same order."""

from __future__ import annotations

from typing import Any

from initviz.core.architecture import Architecture
from initviz.core.batches import Batch
from initviz.core.network import Network
from initviz.training.gradient_descent.blocks import BlockRace, block_race
from initviz.training.gradient_descent.history import History, last_known, recorded_steps, symmetry_gap
from initviz.training.gradient_descent.plain import Parameters, Race, Workspace, best_rates, race
from initviz.training.gradient_descent.recipe import Recipe
from initviz.training.optimizers import OPTIMIZER_HELP, OPTIMIZER_LABELS, OPTIMIZERS

__all__ = [
    "OPTIMIZERS",
    "OPTIMIZER_HELP",
    "OPTIMIZER_LABELS",
    "BlockRace",
    "History",
    "Parameters",
    "Race",
    "Recipe",
    "Workspace",
    "best_rates",
    "block_race",
    "last_known",
    "race",
    "recorded_steps",
    "symmetry_gap",
    "train",
]


def train(network: Network | Architecture, batch: Batch, recipe: Recipe | None = None, **options: Any) -> History:
    """Train one network to the end; see Recipe for how and Race, or of an Architecture BlockRace, for the options."""
    if isinstance(network, Architecture):
        return block_race([network], batch, recipe, **options).advance().histories[0]
    return race([network], batch, recipe, **options).advance().histories[0]
