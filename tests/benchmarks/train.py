"""Training steps a second of a race of five starts, as the app runs it, against PyTorch's eager loop.

    python -m tests.benchmarks.train

All train the same five networks on the same batch with gradient descent, in float32, interleaved in one run; printed
is the best of several tries. PyTorch only trains, its networks one after another, as a loop would. "Trained" is the
same of ours, "whole race" adds what the page shows: losses, accuracies on held-out samples, norms, updates, films.
"""

from __future__ import annotations

import math
import os
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
TRIES = 3
SIZES = {  # what the Training page offers, from its smallest to about its most costly
    "smallest: depth 2, width 2, batch 8": {"input": "moons", "depth": 2, "width": 2, "batch": 8, "steps": 500},
    "moons, depth 4, width 32, batch 128": {"input": "moons", "depth": 4, "width": 32, "steps": 500},
    "first visit: depth 10, width 128, batch 128": {},
    "depth 5, width 128, batch 512": {"depth": 5, "batch": 512},
    "depth 10, width 256, batch 1024": {"width": 256, "batch": 1024},
    "depth 3, width 1024, batch 256": {"depth": 3, "width": 1024},
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
    starts = [network.parameters() for network in settings.networks()]

    def run() -> None:
        for weights, biases in starts:
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


def main() -> None:
    try:
        import torch
    except ImportError:
        sys.exit("PyTorch is missing: pip install -r tests/benchmarks/requirements.txt")
    print(f"PyTorch {torch.__version__}, {torch.get_num_threads()} threads, {os.cpu_count()} cores\n")
    print(f"{'steps a second of five starts, tanh':46}{'PyTorch':>10}{'trained':>10}{'ratio':>8}"
          f"{'whole race':>14}{'ratio':>8}")
    for name, changes in SIZES.items():
        settings = replace(Settings(), init=STARTS, **changes)
        contenders = [pytorch(settings), trained(settings), race(settings)]
        best = [math.inf] * len(contenders)
        for _ in range(TRIES):
            for index, run in enumerate(contenders):
                begun = time.perf_counter()
                run()
                best[index] = min(best[index], time.perf_counter() - begun)
        theirs, alone, whole = (settings.steps / seconds for seconds in best)
        print(f"{name:46}{theirs:10.1f}{alone:10.1f}{alone / theirs:8.2f}{whole:14.1f}{whole / theirs:8.2f}",
              flush=True)


if __name__ == "__main__":
    main()
