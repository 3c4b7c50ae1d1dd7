"""What a simulation costs against depth, width and batch, in time and in memory.

    python -m tests.benchmarks.scaling [--rounds 5]

One of the three is varied, from the smallest to the largest that is offered or asked for. Printed are the milliseconds
of a pass with all statistics (best of the rounds), the exponent of a power law through the upper half of the points,
and the memory that a process takes for its first pass beside what the formula says a backward pass needs: weights,
preactivations and activations of every layer, two deltas and one gradient. Every size has a process of its own.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import sys
import time
from itertools import pairwise

import numpy as np

import initviz
from initviz.core.threads import one_thread_a_product

one_thread_a_product()
FLOAT = 4  # bytes
SWEEPS = {  # what is varied, through which values, and what stays
    "depth": ((10, 30, 100, 300, 1000), {"width": 256, "batch": 128}),
    "width": ((16, 64, 256, 1024, 2048), {"depth": 5, "batch": 128}),
    "batch": ((16, 64, 256, 1024, 4096), {"depth": 10, "width": 128}),
}


def peak() -> float:
    """Most memory that this process has held, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def needed(sizes: tuple[int, ...], batch: int) -> float:
    """MB of a backward pass in float32: weights; z and h of every layer; two deltas, two gradients."""
    weights = [a * b for a, b in pairwise(sizes)]
    return FLOAT * (sum(weights) + 2 * batch * sum(sizes[1:]) + 2 * batch * max(sizes) + 2 * max(weights)) / 2**20


def measure(depth: int, width: int, batch: int, rounds: int) -> tuple[float, float]:
    """Best seconds of a simulation less its draws, and MB of memory taken."""
    network = initviz.Network((width,) * depth + (10,), "tanh", "xavier_normal")
    data = initviz.make_batch("normal", batch, features=width)
    initviz.simulate(initviz.Network((8, 8, 10)), initviz.make_batch("normal", 8, features=8))  # imports, BLAS' memory
    before, times = peak(), []
    for _ in range(rounds):
        began = time.perf_counter()
        initviz.simulate(network, data, counted=("activation",))
        times.append(time.perf_counter() - began)
    return min(times), peak() - before


def exponent(x: tuple[int, ...], y: list[float]) -> float:
    """Slope of ln y over ln x through the upper half of the points."""
    half = len(x) // 2
    return float(np.polyfit(np.log(x[half:]), np.log(y[half:]), 1)[0])


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--rounds", type=int, default=5)
    args = ask.parse_args()
    context = multiprocessing.get_context("spawn")
    for name, (values, others) in SWEEPS.items():
        print(f"{name}, {', '.join(f'{key} {value}' for key, value in others.items())}")
        print(f"{name:>8}{'ms':>10}{'MB taken':>10}{'needed':>10}{'ratio':>8}")
        seconds = []
        for value in values:
            sizes = {**others, name: value}
            with context.Pool(1) as pool:
                best, memory = pool.apply(measure, (sizes["depth"], sizes["width"], sizes["batch"], args.rounds))
            seconds.append(best)
            wanted = needed((sizes["width"],) * sizes["depth"] + (10,), sizes["batch"])
            print(f"{value:8}{best * 1e3:10.1f}{memory:10.0f}{wanted:10.0f}{memory / wanted:8.2f}", flush=True)
        print(f"time grows like {name} to the power of {exponent(values, seconds):.2f}\n")


if __name__ == "__main__":
    main()
