"""What a comparison, a race or an attempt costs that these settings ask for, and the nearest that costs less."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from initviz.app.settings import CONTROLS, Settings
from initviz.core.architecture import Architecture
from initviz.core.batches import BOUNDS, INPUTS
from initviz.core.cost import (
    MOST_BYTES,
    MOST_OPERATIONS,
    block_bytes,
    block_operations,
    block_training_bytes,
    block_weights,
    connections,
    orthonormal_operations,
    pass_bytes,
    pass_operations,
    training_bytes,
)
from initviz.core.network import Network
from initviz.core.validation import Choices
from initviz.training.gradient_descent import OPTIMIZERS, Recipe
from initviz.training.race.memory import race_peak_bytes
from initviz.training.race.terms import RaceTerms, with_ends

MOST_TRAINING_OPERATIONS = 1200e9  # of one race, which shows itself as it goes and can be stopped
MOST_ATTEMPT_OPERATIONS = 60e9  # of all attempts to break the symmetry, in float64 and not shown as they go
ATTEMPTS_AT_MOST = 12
SMALLEST_WORTHWHILE = {"batch": 64, "width": 64, "depth": 1}


def network_operations(network: Network | Architecture, batch: int) -> float:
    """Floating-point operations of one simulation, without those of drawing orthonormal weights."""
    return (block_operations(network, batch) if isinstance(network, Architecture)
            else pass_operations(network.sizes, batch))


def operations(settings: Settings) -> float:
    """Floating-point operations of one comparison."""
    passes = sum(network_operations(network, settings.batch) for network in settings.networks())
    return passes + ("orthogonal" in settings.init) * orthonormal_operations(settings.sizes)


def training_operations(settings: Settings) -> float:
    """Floating-point operations of one race: three products a layer, step and contender."""
    return race_operations(race_terms(settings)) if settings.init else 0.0


def race_operations(terms: RaceTerms) -> float:
    """Floating-point operations of a race of these terms."""
    first, batch = terms.networks[0], terms.recipe.batch_size or terms.batch
    weights = block_weights(first) if isinstance(first, Architecture) else connections(first.sizes)
    return len(terms.labels) * terms.recipe.steps * 6 * weights * batch


def most_steps(steps: int, one_network: float, most: float) -> int:
    """The largest choice of the steps, up to ``steps``, that takes at most ``most`` operations, of ``one`` a step."""
    return int(max(value for value in _steps_to(steps) if value * one_network <= most))


def _steps_to(most: int) -> list[int]:
    """The choices of the steps up to that one, least first."""
    choices = CONTROLS["steps"].allowed
    assert isinstance(choices, Choices)
    return [int(value) for value in choices.values if value <= most]


def affordable_attempt_steps(settings: Settings, steps: int) -> int:
    """The most steps, up to ``steps``, that trying every way to break the symmetry can afford."""
    one_network = 6 * ATTEMPTS_AT_MOST * settings.batch * settings.width * (settings.sizes[0] + settings.sizes[-1])
    return most_steps(steps, one_network, MOST_ATTEMPT_OPERATIONS)


def affordable_race_steps(terms: RaceTerms) -> int:
    """The most steps, up to those asked for, that a race can afford."""
    steps = terms.recipe.steps
    return most_steps(steps, race_operations(terms) / max(steps, 1), MOST_TRAINING_OPERATIONS)


def race_terms(settings: Settings) -> RaceTerms:
    """The terms of the race that these settings describe."""
    recipe = Recipe(settings.optimizer, settings.rate, settings.steps, settings.minibatch)
    networks, loss = settings.networks(), settings.wanted_loss
    if loss in BOUNDS and INPUTS[settings.input].classes == 2:
        networks = with_ends(networks, settings.sizes[0], 1)
    return RaceTerms(networks, settings.input, settings.batch, recipe, settings.tuned == "best", loss)


def network_bytes(network: Network | Architecture, batch: int) -> float:
    """Memory of one pass through a network."""
    return block_bytes(network, batch) if isinstance(network, Architecture) else pass_bytes(network.sizes, batch)


def peak_bytes(settings: Settings, *, training: bool = False, in_float64: bool = False) -> float:
    """Memory at its peak of one comparison, whose passes follow each other, or of a race; ``in_float64`` of training
    as the page Symmetry does, one network after another where they are large.
    """
    if in_float64:
        if settings.kind != "plain" and settings.init:
            network = replace(settings.architecture(settings.init[0]), dtype="float64")
            return block_training_bytes(network, settings.batch, states=OPTIMIZERS[settings.optimizer].states)
        return training_bytes(settings.sizes, settings.batch, itemsize=8, states=OPTIMIZERS[settings.optimizer].states)
    if training and settings.init:
        return race_peak_bytes(race_terms(settings))
    return max((network_bytes(network, settings.batch) for network in settings.networks()),
               default=pass_bytes(settings.sizes, settings.batch))


def affordable(settings: Settings, *, training: bool = False, in_float64: bool = False) -> bool:
    """Whether a comparison, or a race, is cheap enough for a shared machine."""
    if training and training_operations(settings) > MOST_TRAINING_OPERATIONS:
        return False
    return (operations(settings) <= MOST_OPERATIONS
            and peak_bytes(settings, training=training, in_float64=in_float64) <= MOST_BYTES)


def nearest_affordable(settings: Settings, *, training: bool = False, in_float64: bool = False) -> Settings:
    """The settings with the most steps, else also the largest batch, width and depth, that are affordable."""
    steps = [value for value in reversed(_steps_to(settings.steps)) if value]
    choices: dict[str, Sequence[float]] = {"steps": steps if training else []} | {
        field: range(getattr(settings, field), min(smallest, getattr(settings, field)) - 1, -1)
        for field, smallest in SMALLEST_WORTHWHILE.items()}
    for field, values in choices.items():
        def fits(value: float, field: str = field, settings: Settings = settings) -> bool:
            change: dict[str, Any] = {field: value}
            return affordable(replace(settings, **change), training=training, in_float64=in_float64)

        if not values:
            continue
        place = bisect_left(values, True, key=fits)  # what is larger costs more
        least: dict[str, Any] = {field: values[min(place, len(values) - 1)]}
        settings = replace(settings, **least)
        if place < len(values):
            break
    return settings
