"""The first loss against draws of the logits."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import logsumexp

from initviz.theory.cross_entropy import LARGEST, first_loss


@pytest.mark.parametrize("classes", [2, 10, 1000])
@pytest.mark.parametrize("std", [0.1, 1, 3, 10, 2 * LARGEST])
def test_the_first_loss_is_that_of_logits_that_know_nothing(classes, std):
    drawn = logsumexp(std * np.random.default_rng(0).standard_normal((200_000 // classes, classes)), axis=1)
    assert first_loss(classes, std) == pytest.approx(drawn.mean(), abs=4 * drawn.std() / math.sqrt(len(drawn)))


def test_of_many_classes_it_is_ln_c_and_half_the_variance():
    assert first_loss(10**6, 1.0) == pytest.approx(math.log(10**6) + 0.5, abs=1e-4)
    assert first_loss(10, 0.0) == pytest.approx(math.log(10), abs=1e-6)
    assert first_loss(10, 5.0) < math.log(10) + 6  # not 12.5
