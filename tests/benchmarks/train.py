"""Training steps a second of a race of five initializations, as the app runs it, against PyTorch's eager loop.

    python -m tests.benchmarks.train [--seconds 30]

All train the same five networks on the same batch with gradient descent, in float32, in turns in one run; printed are
medians. PyTorch only trains, its networks one after another, as a loop would. "Trained" is the
same of ours, "whole race" adds what the page shows: losses, accuracies on held-out samples, norms, updates, films.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from unittest import mock

from initviz.app.affordable import race_terms
from initviz.app.settings import Settings
from initviz.app.training.panels import NEXT_LOOK
from initviz.training.race.live import LiveRace

STARTS = ("zeros", "constant", "xavier_normal", "he_normal", "lecun_normal")
FEWEST, MOST = 3, 15  # turns
SIZES = {  # what the Training page offers, from its smallest to about its most costly
    "smallest: depth 2, width 2, batch 8": {"input": "moons", "depth": 2, "width": 2, "batch": 8, "steps": 500},
    "moons, depth 4, width 32, batch 128": {"input": "moons", "depth": 4, "width": 32, "steps": 500},
    "first visit: depth 10, width 128, batch 128": {},
    "depth 5, width 128, batch 512": {"depth": 5, "batch": 512},
    "depth 10, width 256, batch 1024": {"width": 256, "batch": 1024},
    "depth 3, width 1024, batch 256": {"depth": 3, "width": 1024, "batch": 256},
    "depth 100, width 64, batch 128": {"depth": 100, "width": 64, "batch": 128},
}


def race(settings: Settings) -> Callable[[], None]:
    """The page's race, from drawing the weights to the last step."""
    def run() -> None:
        live = LiveRace(race_terms(settings))
        while not live.finished:
            live.advance(time.monotonic() + NEXT_LOOK)
    return run


def trained(settings: Settings) -> Callable[[], None]:
    """The same race, of which only the ends are recorded."""
    run = race(settings)

    def only_train() -> None:
        with mock.patch.multiple("initviz.training.race.live", MOST_RECORDED=2, FILMED=()):
            run()
    return only_train


def pytorch(settings: Settings) -> Callable[[], None]:
    """The same networks in PyTorch's eager mode, one after another."""
    import torch

    batch = LiveRace(race_terms(settings)).batch
    x, y = torch.from_numpy(batch.x.copy()), torch.from_numpy(batch.targets.copy())
    activation = {"tanh": torch.tanh, "relu": torch.relu}[settings.activation]
    initial = [network.parameters() for network in settings.networks()]

    def run() -> None:
        for weights, biases in initial:
            parameters = [torch.tensor(array, requires_grad=True) for array in weights + biases]
            optimizer = torch.optim.SGD(parameters, lr=settings.rate)
            depth = len(weights)
            for _ in range(settings.steps):
                h = x
                for layer in range(depth):
                    h = torch.addmm(parameters[depth + layer], h, parameters[layer])
                    if layer < depth - 1:
                        h = activation(h)
                loss = torch.nn.functional.cross_entropy(h, y)
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                optimizer.step()
    return run


def in_turns(contenders: list[Callable[[], None]], seconds: float) -> list[float]:
    """The median time of each, after a turn that does not count; more turns as long as so many seconds are not over."""
    found: list[list[float]] = []
    end = time.perf_counter() + seconds
    while len(found) <= FEWEST or (len(found) <= MOST and time.perf_counter() < end):
        found.append([])
        for run in contenders:
            begun = time.perf_counter()
            run()
            found[-1].append(time.perf_counter() - begun)
    return [statistics.median(times) for times in zip(*found[1:], strict=True)]


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--seconds", type=float, default=30, help="for a size, if it needs no more for a few turns")
    ask.add_argument("--size", nargs="+", default=[""], help="only sizes that begin so")
    given = ask.parse_args()
    try:
        import torch
    except ImportError:
        sys.exit("PyTorch is missing: pip install -r tests/benchmarks/requirements.txt")
    print(f"PyTorch {torch.__version__}, {torch.get_num_threads()} threads, {os.cpu_count()} cores\n")
    print(f"{'steps a second of five networks, tanh':46}{'PyTorch':>10}{'trained':>10}{'ratio':>8}"
          f"{'whole race':>14}{'ratio':>8}")
    for name, changes in SIZES.items():
        if not name.startswith(tuple(given.size)):
            continue
        settings = replace(Settings(), init=STARTS, **changes)
        medians = in_turns([pytorch(settings), trained(settings), race(settings)], given.seconds)
        theirs, alone, whole = (settings.steps / seconds for seconds in medians)
        print(f"{name:46}{theirs:10.1f}{alone:10.1f}{alone / theirs:8.2f}{whole:14.1f}{whole / theirs:8.2f}",
              flush=True)


if __name__ == "__main__":
    main()
