"""Recipe: how to train."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

from initviz.core.validation import NOT_NEGATIVE, Interval, check

OPTIMIZER_LABELS = MappingProxyType({"sgd": "Gradient descent", "momentum": "Momentum", "adam": "Adam"})
OPTIMIZER_HELP = "How a gradient becomes a step; momentum 0.9, Adam with beta 0.9 and 0.999."
OPTIMIZERS = tuple(OPTIMIZER_LABELS)
STATES = MappingProxyType({"sgd": 0, "momentum": 1, "adam": 2})  # arrays beside each parameter
WHOLE = Interval(0, 10_000_000, integer=True)


@dataclass(frozen=True)
class Recipe:
    """How to train: optimizer ("sgd", "momentum" or "adam"), learning rate, steps, samples a step, dropout.

    ``batch_size`` 0 is full batch. ``dropout`` is the share of hidden activations set to 0, the others scaled up.
    """

    optimizer: str = "sgd"
    rate: float = 0.1
    steps: int = 200
    batch_size: int = 0
    dropout: float = 0.0

    def __post_init__(self) -> None:
        check("optimizer", self.optimizer, OPTIMIZERS)
        check("rate", self.rate, NOT_NEGATIVE)
        check("steps", self.steps, WHOLE)
        check("batch_size", self.batch_size, WHOLE)
        check("dropout", self.dropout, Interval(0, 0.95))
