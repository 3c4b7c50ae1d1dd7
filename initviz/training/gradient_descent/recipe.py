"""Recipe: how to train."""

from __future__ import annotations

from dataclasses import dataclass

from initviz.core.validation import NOT_NEGATIVE, Interval, check
from initviz.training.optimizers import OPTIMIZERS

WHOLE = Interval(0, 10_000_000, integer=True)


@dataclass(frozen=True)
class Recipe:
    """How to train: optimizer (a key of OPTIMIZERS), learning rate, steps, samples a step, dropout.

    ``batch_size`` 0 is full batch. ``dropout`` is the share of hidden activations set to 0, the others scaled up.
    """

    optimizer: str = "sgd"
    rate: float = 0.1
    steps: int = 200
    batch_size: int = 0
    dropout: float = 0.0

    def __post_init__(self) -> None:
        check("optimizer", self.optimizer, OPTIMIZERS.keys())
        check("rate", self.rate, NOT_NEGATIVE)
        check("steps", self.steps, WHOLE)
        check("batch_size", self.batch_size, WHOLE)
        check("dropout", self.dropout, Interval(0, 0.95))
