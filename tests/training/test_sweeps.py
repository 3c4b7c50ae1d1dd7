import math
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

import initviz
from initviz import Network
from initviz.core.batches import make_batch
from initviz.core.simulation import gradient_return, signal_ratio, simulate
from initviz.training.sweeps import Survival, probe

NETWORKS = [replace(Network((8, 8, 8, 8, 10), "tanh", "lecun_normal"), seed=seed) for seed in range(40)]


def key(outcome):
    return outcome.network, outcome.signal, outcome.gradient, outcome.survives


def test_a_probe_agrees_with_a_simulation():
    for network in (NETWORKS[0], Network((20, 30, 40, 10), "relu", "he_normal", seed=3)):
        batch = make_batch("normal", 16, seed=network.seed, features=network.sizes[0])
        run, found = simulate(network, batch), probe(network)
        assert found.signal == pytest.approx(signal_ratio(run), rel=1e-6)
        assert found.gradient == pytest.approx(gradient_return(run), rel=1e-6)
        assert found.survives


def test_what_explodes_or_vanishes_does_not_survive():
    deep = Network((16,) * 60 + (10,), "tanh", "lecun_normal", gain=0.5)
    assert not probe(deep).survives
    lost = probe(replace(deep, activation="relu", gain=1e6))
    assert math.isnan(lost.gradient)
    assert not lost.survives
    assert not probe(Network((4, 10))).survives  # no hidden layer


@pytest.mark.parametrize("pool", [ThreadPoolExecutor, ProcessPoolExecutor])
def test_any_executor_finds_the_same_in_the_same_order(pool):
    here = [key(outcome) for outcome in initviz.sweep(NETWORKS)]
    with pool(2) as executor:
        assert [key(outcome) for outcome in initviz.sweep(NETWORKS, executor=executor)] == here


def test_dask_finds_the_same():
    distributed = pytest.importorskip("distributed", reason="pip install -r tests/requirements.txt")
    local = {"n_workers": 1, "threads_per_worker": 2, "processes": False, "dashboard_address": None}
    with distributed.LocalCluster(**local) as cluster, distributed.Client(cluster) as client:
        found = [key(outcome) for outcome in initviz.sweep(NETWORKS[:8], executor=client.get_executor())]
    assert found == [key(outcome) for outcome in initviz.sweep(NETWORKS[:8])]


def test_closing_a_sweep_calls_off_what_has_not_begun():
    begun = []

    class Counting(ThreadPoolExecutor):
        def submit(self, function, *args, **kwargs):
            begun.append(super().submit(function, *args, **kwargs))
            return begun[-1]

    with Counting(1) as executor:
        sweep = initviz.sweep(NETWORKS * 10, executor=executor)
        next(sweep)
        sweep.close()
        assert len(begun) < 50
        assert any(future.cancelled() for future in begun)


def test_a_survival_grows_a_little_at_a_time_and_stops():
    survival = Survival(Network((8, 8, 10), "tanh", "lecun_normal"), [2, 5], [4, 8], 3)
    assert (survival.total, survival.progress, survival.shares()) == (12, 0, {})
    sizes = []
    while not survival.finished:
        survival.advance(until=0)
        sizes.append(len(survival.outcomes))
    assert sizes == list(range(1, 13))
    assert all(b - a == 1 for a, b in pairwise(sizes))
    shares = survival.shares()
    assert set(shares) == {(2, 4), (2, 8), (5, 4), (5, 8)}
    assert all(of == 3 and 0 <= share <= 1 for share, of in shares.values())
    assert shares[2, 8][0] == np.mean([o.survives for o in survival.outcomes if o.network.sizes == (8, 8, 10)])
    assert survival.text == "Finished: 12 of 12 networks"
