import tracemalloc

import pytest

from initviz import KINDS, Architecture, make_batch, simulate
from initviz.core import buffers
from initviz.core.cost import block_bytes, block_operations, check_block_simulation, pass_operations

EVERY = [("residual", "none"), *((kind, entry.normalizations[-1]) for kind, entry in KINDS.items())]


def test_the_plain_kind_costs_what_the_plain_network_costs():
    network = Architecture(64, 128, 6, 10, "plain")
    assert block_operations(network, 256) == pass_operations(network.sizes, 256)


@pytest.mark.parametrize(("kind", "norm"), EVERY)
def test_memory_is_estimated_to_a_factor_of_two(kind, norm, monkeypatch):
    monkeypatch.setattr(buffers, "_IDLE", [])  # so that all of it is asked for anew
    network, batch = Architecture(64, 256, 4, 10, kind, norm, expansion=4), make_batch("digits", 512)
    tracemalloc.start()
    simulate(network, batch, counted=())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert block_bytes(network, 512) / 2 < peak < 2 * block_bytes(network, 512)


def test_what_is_too_costly_is_refused_in_words():
    check_block_simulation(Architecture(), 256)
    with pytest.raises(ValueError, match=r"^these sizes on 100000 samples would take about [\d,]+ billion operations"):
        check_block_simulation(Architecture(width=1024), 100_000)


@pytest.mark.parametrize(("nbytes", "kept"), [(30_000_000, True), (100_000_000, False)])
def test_the_memory_of_a_pass_is_kept_for_the_next_unless_it_is_large(nbytes, kept, monkeypatch):
    monkeypatch.setattr(buffers, "_IDLE", [])
    with buffers.borrowed_buffers() as borrowed:
        borrowed.array("outputs", (nbytes,), "uint8")
    assert [idle.nbytes for idle in buffers._IDLE] == [nbytes] * kept
