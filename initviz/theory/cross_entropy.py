"""What softmax cross-entropy costs before anything is learned."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from scipy import special

NODES = 1001  # of each of the two integrals
LARGEST = 100.0  # a standard deviation above which the loss grows in proportion to it


@lru_cache(maxsize=256)
def first_loss(classes: int, std: float) -> float:
    """Mean cross-entropy of independent normal logits of standard deviation ``std`` that know nothing of the classes.

    It is the mean of ln Σ exp(logit), as the target's own logit is 0 on average. That comes near ln C + std²/2 where
    there are many more classes than exp(std²); of few, the largest logit alone decides, which is less.
    """
    if std > LARGEST:
        return first_loss(classes, LARGEST) * std / LARGEST
    # ln S is the integral of exp(-e^u) - exp(-S e^u) over u; the mean of the second is one logit's, to the power C.
    outputs, step = np.linspace(-8 * std - math.log(classes) - 16, 8 * std + 4, NODES, retstep=True)
    z = np.linspace(-8.0, 8.0, NODES)
    density = np.exp(-z * z / 2)
    density /= density.sum()
    with np.errstate(over="ignore"):
        below_one = np.maximum(np.expm1(-np.exp(outputs[:, None] + std * z)) @ density, -1.0)
        return float((np.exp(-np.exp(outputs)) - np.exp(special.xlog1py(classes, below_one))).sum() * step)
