"""How long a simulation takes beside its bare matrix products, and beside PyTorch doing the same.

Run from the repository's root: ``python -m tests.benchmarks.simulate`` (``--help`` for rounds and activations).

Each contender lives in a process of its own, so that memory is told apart, and they take turns pass by pass, so that
whatever else the machine does falls on all of them. Parameters are drawn before the clock starts. NumPy's products run
on one thread, as in the app, or on as many as ``--threads`` says; PyTorch takes all cores.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from multiprocessing.connection import Connection

import numpy as np

import initviz
from initviz.core.simulation import bins_of, summarize, units_of

SHAPES = ((10, 128, 256), (10, 500, 1000), (30, 256, 512), (100, 256, 256))  # depth, width, batch
SECONDS = 20  # that the passes of one row may take together
Pass = Callable[[], object]


def described(depth: int, width: int, batch: int, activation: str) -> tuple[initviz.Network, initviz.Batch]:
    """A network whose layers are all of one width, so that all its products are equally large, and its batch."""
    initializer = "he_normal" if activation == "relu" else "xavier_normal"
    network = initviz.Network(sizes=(width,) * (depth + 1), activation=activation, initializer=initializer)
    return network, initviz.make_batch("normal", batch, features=width)


def drawing(network: initviz.Network, batch: initviz.Batch) -> Pass:
    """The draw of the parameters, which the passes do not contain."""
    return network.parameters


def bare(network: initviz.Network, batch: initviz.Batch) -> Pass:
    """The matrix products of a forward and a backward pass, and nothing else."""
    weights, _ = network.parameters()
    signals = [np.ascontiguousarray(np.resize(batch.x, (len(batch.x), size))) for size in network.sizes]

    def products() -> None:
        for h, w in zip(signals[:-1], weights, strict=True):
            h @ w
        for layer in reversed(range(len(weights))):
            signals[layer].T @ signals[layer + 1]
            if layer:
                signals[layer + 1] @ weights[layer].T

    return products


def ours(network: initviz.Network, batch: initviz.Batch) -> Pass:
    """initviz: the pass, every statistic, every histogram."""
    weights, biases = network.parameters()
    return lambda: summarize(network, weights, biases, batch)


def pytorch(network: initviz.Network, batch: initviz.Batch) -> Pass:
    """The same with PyTorch's operators and its autograd."""
    import torch
    from torch.nn import functional

    drawn = network.parameters()
    weights = [torch.tensor(w).requires_grad_() for w in drawn[0]]
    biases = [torch.tensor(b) for b in drawn[1]]
    x, targets = torch.tensor(batch.x), torch.tensor(batch.targets)
    phi, _ = network.activation_entry()
    act = {"tanh": torch.tanh, "relu": torch.relu}[network.activation]
    axes = {q: bins_of(q, phi) for q in initviz.simulation.QUANTITIES}
    units = units_of(network.sizes, batch.x, batch.targets, batch.loss)

    def by_histc(v: torch.Tensor, low: float, high: float, count: int) -> torch.Tensor:
        inner = torch.histc(v, count, low, high)  # which leaves out what lies beyond the ends
        return torch.cat([(v < low).sum().reshape(1), inner, (v > high).sum().reshape(1)])

    def by_bincount(v: torch.Tensor, low: float, high: float, count: int) -> torch.Tensor:
        slope = count / (high - low)
        codes = torch.mul(v.flatten(), slope).add_(1 - low * slope).clamp_(0, count + 1)
        return torch.bincount(codes.to(torch.int64), minlength=count + 2)

    def duration(count: Callable[..., torch.Tensor]) -> float:
        times = []
        for _ in range(9):
            start = time.perf_counter()
            count(torch.randn_like(x), -4.0, 4.0, 45)
            times.append(time.perf_counter() - start)
        return min(times)

    count = min((by_histc, by_bincount), key=duration)  # which is faster depends on the size

    def look_at(layer: int, quantity: str, v: torch.Tensor) -> tuple[object, ...]:
        axis, unit = axes[quantity], units[quantity][layer]
        low, high = torch.aminmax(v)
        std, mean = torch.std_mean(v, correction=0)
        zeros = 1 - torch.count_nonzero(v) / v.numel()
        return (mean, std, low, high, torch.hypot(mean, std), zeros,
                count(v, axis.low * unit, axis.high * unit, axis.count))

    def look_at_neurons(h: torch.Tensor) -> tuple[object, ...]:
        tolerance = 64 * torch.finfo(h.dtype).eps * h.abs().max()
        # a random projection tells columns apart; torch.unique(dim=1) of all of them takes far longer
        distinct = torch.unique(torch.round((torch.rand(len(h)) @ h) / tolerance)).numel()
        covariance = torch.cov(h.T, correction=0)
        power = covariance.diagonal()
        participation = power.sum() ** 2 / (covariance * covariance).sum()
        deviation = power.sqrt()
        neurons = h.shape[1]
        r = covariance.abs() / deviation / deviation[:, None]
        correlation = (r.sum() - neurons) / (neurons * (neurons - 1))
        between = h.var(dim=1, correction=0).mean().sqrt()
        return distinct, participation, correlation, between, power.mean().sqrt()

    def simulate() -> list[object]:
        found: list[object] = []
        for w in weights:
            w.grad = None
        zs, hs, h = [], [], x
        for layer, (w, b) in enumerate(zip(weights, biases, strict=True)):
            z = torch.addmm(b, h, w)
            z.retain_grad()
            h = z if layer == len(weights) - 1 else act(z)
            zs.append(z)
            hs.append(h)
        loss = functional.cross_entropy(h, targets)
        loss.backward()
        with torch.no_grad():
            for layer, (z, h, w) in enumerate(zip(zs, hs, weights, strict=True)):
                for quantity, v in (("activation", h), ("preactivation", z), ("delta", z.grad), ("weight", w),
                                    ("weight_gradient", w.grad)):
                    found.append(look_at(layer, quantity, v))
                found.append(look_at_neurons(h))
                if layer < len(weights) - 1:
                    found.append((z.amax(dim=0) <= 0).float().mean() if phi.dies else (h.abs() > 0.97).float().mean())
        return found

    return simulate


CONTENDERS = {"bare": bare, "ours": ours, "torch": pytorch, "draw": drawing}


def prepared(name: str, shape: tuple[int, int, int], activation: str) -> Pass:
    """A contender's pass of a network of that depth, width and batch."""
    return CONTENDERS[name](*described(*shape, activation))


def take_turns(prepare: Callable[[], Pass], turns: Connection, clock: Callable[[], float]) -> None:
    """Child process: a pass and its seconds by that clock for every ``True``, the peak memory in MB for ``False``."""
    one_pass = prepare()
    one_pass()
    turns.send("ready")
    while turns.recv():
        start = clock()
        one_pass()
        turns.send(clock() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    turns.send(peak / (2**20 if sys.platform == "darwin" else 2**10))


def contest(contenders: dict[str, Callable[[], Pass]], rounds: int,
            clock: Callable[[], float] = time.perf_counter) -> tuple[dict[str, list[float]], dict[str, float]]:
    """Seconds of each contender's passes, and its peak memory in MB."""
    context = multiprocessing.get_context("spawn")
    turns, names = {}, list(contenders)
    for name, prepare in contenders.items():
        turns[name], theirs = context.Pipe()
        context.Process(target=take_turns, args=(prepare, theirs, clock), daemon=True).start()
        turns[name].recv()
    seconds: dict[str, list[float]] = {name: [] for name in names}
    end = time.perf_counter() + SECONDS
    while len(seconds[names[0]]) < rounds and (time.perf_counter() < end or len(seconds[names[0]]) < 5):
        for name in names:
            turns[name].send(True)
            seconds[name].append(turns[name].recv())
    memory = {}
    for name in names:
        turns[name].send(False)
        memory[name] = turns[name].recv()
    return seconds, memory


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=60, help="passes of each contender (default: 60)")
    parser.add_argument("--threads", type=int, default=1, help="of one product of NumPy's (default: 1, as in the app)")
    parser.add_argument("--activations", nargs="+", default=["tanh"], choices=["tanh", "relu"])
    given = parser.parse_args()
    os.environ["OPENBLAS_NUM_THREADS"] = str(given.threads)  # which the contenders' processes inherit
    names = list(CONTENDERS)
    if find_spec("torch") is None:
        names.remove("torch")
        print("PyTorch is not installed, so it takes no part: pip install -r tests/benchmarks/requirements.txt\n")
    print("Best of the passes, medians in brackets; milliseconds, ratios, and peak memory of each process in MB.\n")
    print("activation depth width batch |   bare          ours  draw |    ours/bare     torch/ours  |"
          " MB bare  ours torch")
    for activation in given.activations:
        for shape in SHAPES:
            seconds, memory = contest({name: partial(prepared, name, shape, activation) for name in names},
                                      given.rounds)
            best = {name: min(times) * 1e3 for name, times in seconds.items()}
            middle = {name: statistics.median(times) * 1e3 for name, times in seconds.items()}
            rival, rival_middle = best.get("torch", math.nan), middle.get("torch", math.nan)
            print(f"{activation:<10} {shape[0]:5} {shape[1]:5} {shape[2]:5} | {best['bare']:6.1f} {best['ours']:13.1f} "
                  f"{best['draw']:5.1f} | {best['ours'] / best['bare']:5.2f} ({middle['ours'] / middle['bare']:5.2f})  "
                  f"{rival / best['ours']:5.2f} ({rival_middle / middle['ours']:5.2f})  | {memory['bare']:7.0f} "
                  f"{memory['ours']:5.0f} {memory.get('torch', math.nan):5.0f}", flush=True)


if __name__ == "__main__":
    main()
