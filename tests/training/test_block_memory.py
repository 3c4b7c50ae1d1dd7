"""What developments of blocks and attempts on them are estimated to take is what they take at their peak."""

import tracemalloc

import pytest

from initviz import Architecture, make_batch
from initviz.training.block_attempts import attempts_bytes, try_blocks
from initviz.training.block_symmetry import block_development_bytes, develop_blocks
from initviz.training.gradient_descent import Recipe

EDGES = {"narrow": (Architecture(width=64, blocks=3, initializer="constant"), 128, "sgd"),
         "normalized": (Architecture(width=32, blocks=3, kind="pre_norm", normalization="layer",
                                     initializer="constant"), 256, "momentum"),
         "wide": (Architecture(width=192, blocks=1, expansion=4, initializer="constant"), 32, "adam")}


def peak(work):
    tracemalloc.start()
    try:
        for _ in work:
            pass
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(("network", "samples", "optimizer"), EDGES.values(), ids=EDGES.keys())
@pytest.mark.parametrize("count", [1, 4])
def test_a_development_takes_between_a_half_and_eleven_tenths_of_the_estimate(network, samples, optimizer, count):
    networks, recipe = [network] * count, Recipe(optimizer, 0.01)
    most = peak(develop_blocks(networks, make_batch("digits", samples), recipe, 1))
    assert 0.5 < most / block_development_bytes(networks, samples, recipe) < 1.1


@pytest.mark.parametrize(("network", "samples", "optimizer"), EDGES.values(), ids=EDGES.keys())
def test_attempts_take_between_a_half_and_eleven_tenths_of_the_estimate(network, samples, optimizer):
    recipe = Recipe(optimizer, 0.01, 2)
    most = peak(try_blocks(network, make_batch("digits", samples), recipe, 1e-3))
    assert 0.5 < most / attempts_bytes(network, samples, recipe) < 1.1
