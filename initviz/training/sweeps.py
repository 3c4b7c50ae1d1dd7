"""Many networks, one after another or side by side on any executor: does their gradient survive?"""

from __future__ import annotations

import collections
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar

import numpy as np

from initviz.core.architecture import Architecture
from initviz.core.batches import Batch, make_batch
from initviz.core.buffers import borrowed_buffers
from initviz.core.layers.chain import LayerContext, chain_backward, chain_forward
from initviz.core.layers.passes import LayerObserver
from initviz.core.network import Network
from initviz.core.propagation import LOSSES, QUIET, backward, forward
from initviz.core.simulation import GROWN, SHRUNK
from initviz.core.statistics import moments, ratio

Item = TypeVar("Item")
T = TypeVar("T")
AHEAD = 32  # networks given to an executor before the first answer is waited for


@dataclass(frozen=True)
class Outcome:
    """What one network did to its signal and its gradient.

    ``signal`` is the root mean square of the last hidden layer's activations over the first's, ``gradient`` the length
    of the first hidden layer's delta over the last hidden layer's; NaN where there is none. Of an Architecture both are
    of the stream, after the first and the last block.
    """

    network: Network | Architecture
    signal: float
    gradient: float

    @property
    def survives(self) -> bool:
        """Whether the gradient arrives neither below a tenth nor above ten times its length, as in the verdicts."""
        return SHRUNK <= self.gradient <= GROWN


def probe(network: Network | Architecture, input: str = "normal", count: int = 16) -> Outcome:
    """One pass forward and back of ``count`` samples of an input; the input depends on the network's seed alone."""
    batch = make_batch(input, count, seed=network.seed, features=network.sizes[0], dtype=network.dtype)
    if isinstance(network, Architecture):
        return _probe_blocks(network, batch)
    weights, biases = network.parameters()
    _, params = network.activation_entry()
    with np.errstate(**QUIET), borrowed_buffers() as buffers:
        passed = list(forward(weights, biases, batch.x, network.activation, (), buffers, **params))
        if network.depth < 2 or not np.isfinite(passed[-1][1]).all():
            return Outcome(network, math.nan, math.nan)
        zs, hs = [z for z, _ in passed], [h for _, h in passed]
        _, error = LOSSES[batch.loss](hs[-1], batch.targets)
        lengths = [moments(delta).rms * math.sqrt(delta.shape[1])
                   for delta, _ in backward(weights, batch.x, zs, hs, error, network.activation, (), buffers,
                                            keep=False, **params)]
        return Outcome(network, ratio(moments(hs[-2]).rms, moments(hs[0]).rms), ratio(lengths[-1], lengths[1]))


def _probe_blocks(network: Architecture, batch: Batch) -> Outcome:
    """The outcome of a network of blocks, of the stream after its first and its last block."""
    first, last = network.block_paths[0][-1], network.block_paths[-1][-1]
    observer = LayerObserver(lambda path, layer, y: moments(y).rms if path in (first, last) else None,
                         lambda path, layer, dy: moments(dy).rms if path in (first, last) else None)
    parameters = network.draw()
    with np.errstate(**QUIET), borrowed_buffers() as buffers:
        context = LayerContext(buffers=buffers, observer=observer, overwrite=True)
        output, saved = chain_forward(network.layers, parameters, batch.x, context)
        if not np.isfinite(output).all():
            return Outcome(network, math.nan, math.nan)
        _, error = LOSSES[batch.loss](output, batch.targets)
        chain_backward(network.layers, parameters, saved, error, context)
    return Outcome(network, ratio(observer.outputs[last], observer.outputs[first]),
                   ratio(observer.gradients[first], observer.gradients[last]))


def sweep(networks: Iterable[Network | Architecture], *, input: str = "normal", count: int = 16,
          executor: Executor | None = None) -> Iterator[Outcome]:
    """The outcome of each network, in order, as it is found.

    ``executor`` is any ``concurrent.futures.Executor``: a pool of processes, or Dask's ``client.get_executor()`` for a
    cluster. None computes here. Closing the iterator calls off what has not begun.
    """
    return in_order(partial(probe, input=input, count=count), networks, executor)


def in_order(work: Callable[[Item], T], items: Iterable[Item], executor: Executor | None = None) -> Iterator[T]:
    """``work(item)`` for each item, in order, here or on an executor, which is given at most AHEAD items in advance."""
    if executor is None:
        yield from map(work, items)
        return
    waiting: collections.deque[Future[T]] = collections.deque()
    try:
        for item in items:
            waiting.append(executor.submit(work, item))
            if len(waiting) > AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


@dataclass(eq=False)
class Survival:
    """A sweep of one network over depths, widths and seeds that is made a little at a time."""

    network: Network
    depths: Sequence[int]
    widths: Sequence[int]
    seeds: int
    outcomes: list[Outcome] = field(default_factory=list)
    stopped: bool = False

    def __post_init__(self) -> None:
        self._left = sweep(self.networks())

    @property
    def terms(self) -> tuple[Network, tuple[int, ...], tuple[int, ...], int]:
        """The arguments on which the sweep depends; two of the same terms have the same outcomes."""
        return self.network, tuple(self.depths), tuple(self.widths), self.seeds

    def networks(self) -> Iterator[Network]:
        """All seeds of all sizes: one seed of each size first, so that a picture is there early."""
        for seed in range(self.seeds):
            for depth in self.depths:
                for width in self.widths:
                    yield replace(self.network, sizes=(width,) * depth + (10,), seed=seed)

    @property
    def total(self) -> int:
        """How many networks there are."""
        return self.seeds * len(self.depths) * len(self.widths)

    @property
    def finished(self) -> bool:
        """Whether every network has been computed."""
        return len(self.outcomes) >= self.total

    @property
    def progress(self) -> float:
        """Share of the networks computed, 0 to 1."""
        return len(self.outcomes) / self.total

    @property
    def text(self) -> str:
        """The progress in words."""
        words = "Finished" if self.finished else "Stopped" if self.stopped else "Sweeping"
        return f"{words}: {len(self.outcomes)} of {self.total} networks"

    def stop(self) -> None:
        """Keep what there is."""
        self.stopped = True

    def resume(self) -> None:
        """Go on where it was stopped."""
        self.stopped = False

    def advance(self, until: float) -> None:
        """Compute until that moment of ``time.monotonic()``, one network at least."""
        for outcome in self._left:
            self.outcomes.append(outcome)
            if time.monotonic() >= until:
                return

    def shares(self) -> dict[tuple[int, int], tuple[float, int]]:
        """Per (depth, width) the share of seeds whose gradient survives, and of how many."""
        survivals: dict[tuple[int, int], list[bool]] = {}
        for outcome in self.outcomes:
            survivals.setdefault((outcome.network.depth, outcome.network.sizes[0]), []).append(outcome.survives)
        return {size: (sum(survived) / len(survived), len(survived)) for size, survived in survivals.items()}
