"""How much memory a race takes, and how many rates may be tried at once."""

from __future__ import annotations

from collections.abc import Mapping

from initviz.core.architecture import Architecture
from initviz.core.cost import MOST_BYTES, block_training_bytes, training_bytes
from initviz.training.gradient_descent import OPTIMIZERS
from initviz.training.race.films import GRID
from initviz.training.race.terms import HELD_OUT, RaceTerms

RECORD_BYTES = 0.3e6  # histories and films
SWEEP_BYTES = 64e6  # that trying rates may take, where the race itself takes less
WORKERS = 2
STACKED = 1 << 16  # values of a layer: up to so many, fewer calls are worth more than what stays in the cache
STACKED_BYTES = 128e6  # a race that would take more as stacks trains its contenders each for itself


def is_stacked(terms: RaceTerms) -> bool:
    """Whether the contenders are trained as stacks, one a worker, and not each for itself."""
    values = (terms.recipe.batch_size or terms.batch) * max(terms.networks[0].sizes)
    return values <= STACKED and _bytes(terms, 1, len(terms.labels)) <= STACKED_BYTES


def workers(terms: RaceTerms) -> int:
    """How many races go on at once: one where two would take more memory than a race may."""
    fits = is_stacked(terms) or _bytes(terms, 1, min(WORKERS, len(terms.labels))) <= MOST_BYTES
    return WORKERS if fits else 1


def race_bytes(terms: RaceTerms, rates: int = 1) -> float:
    """Memory of a race at its peak, of so many rates tried at once for each contender."""
    contenders = len(terms.labels)
    return _bytes(terms, rates, contenders if is_stacked(terms) else min(workers(terms), contenders))


def _bytes(terms: RaceTerms, rates: int, at_once: int) -> float:
    """Memory of a race at its peak, where ``at_once`` contenders make a step together."""
    networks, first = len(terms.labels) * rates, terms.networks[0]
    filmed = 2 * WORKERS * GRID**2 * sum(first.sizes[1:]) * 4 if first.sizes[0] == 2 else 0
    numbers: Mapping[str, int] = {
        "networks": networks, "at_once": at_once * rates, "minibatch": terms.recipe.batch_size,
        "states": OPTIMIZERS[terms.recipe.optimizer].states, "held_out": HELD_OUT if rates == 1 else 0}
    return RECORD_BYTES + filmed + (
        block_training_bytes(first, terms.batch, **numbers) if isinstance(first, Architecture)
        else training_bytes(first.sizes, terms.batch, **numbers))


def rates_at_once(terms: RaceTerms) -> int:
    """How many rates may be tried side by side without more memory than the race itself, or than a moderate one."""
    most = max(race_bytes(terms), SWEEP_BYTES)
    return max((count for count in range(1, len(OPTIMIZERS[terms.recipe.optimizer].rates) + 1)
                if race_bytes(terms, count) <= most), default=1)


def race_peak_bytes(terms: RaceTerms) -> float:
    """Memory that a race takes at its peak, the search for the best rates included."""
    return max(race_bytes(terms), race_bytes(terms, rates_at_once(terms)) if terms.tuned else 0.0)
