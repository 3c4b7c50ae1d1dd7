"""A sample of what `python -m tests.load.abuse` tries by the thousand."""

import random

import pytest
from load.abuse import open_address, walk

ADDRESSES, WALKS = 40, 8


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("seed", range(ADDRESSES // 10))
def test_no_address_breaks_a_page(seed):
    rng = random.Random(1000 + seed)
    for _ in range(10):
        open_address(rng)


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("seed", range(WALKS))
def test_no_walk_over_the_widgets_breaks_a_page(seed):
    walk(random.Random(seed))
