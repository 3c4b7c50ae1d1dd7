"""Simulations and predictions that all sessions share, and what is too costly for them."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from typing import TypeVar

import streamlit as st

from initviz.app.affordable import (
    MOST_TRAINING_OPERATIONS,
    affordable,
    nearest_affordable,
    network_bytes,
    network_operations,
    operations,
    peak_bytes,
    training_operations,
)
from initviz.app.caches import cached
from initviz.app.capacity import room_for
from initviz.app.controls import set_controls, stop
from initviz.app.settings import CONTROLS, Settings
from initviz.core.architecture import Architecture
from initviz.core.batches import Batch, make_batch
from initviz.core.cost import MOST_BYTES, MOST_OPERATIONS
from initviz.core.network import Network
from initviz.core.simulation import BlockRun, Run, simulate_blocks, simulate_each
from initviz.theory.fluctuations import Fluctuations, fluctuations
from initviz.theory.prediction import Prediction, predict
from initviz.theory.residual import BlockPrediction, predict_blocks
from initviz.theory.trajectory import can_predict

SAMPLES = 512  # of an input, from which the batches of theory's band are drawn
SLOW = 10e9  # operations: some seconds
T = TypeVar("T")
AnyNetwork = TypeVar("AnyNetwork", bound=Network | Architecture)


@cached(8e6)
def cached_batch(key: str, count: int, seed: int, features: int) -> Batch:
    """A batch of an input."""
    return make_batch(key, count, seed=seed, features=features)


@cached(24e6)
def cached_runs(networks: tuple[Network | Architecture, ...], input_key: str, count: int, scale: str, quantity: str,
                correlations: bool, sample: int) -> list[Run]:
    """Simulations of networks of one seed, with the histograms and one sample's neurons of one quantity."""
    batch = cached_batch(input_key, count, networks[0].seed, networks[0].sizes[0])
    row = min(sample, count) - 1
    with room_for(max(network_bytes(network, count) for network in networks)):
        if is_slow(networks, count):
            return each_with_progress(
                networks, lambda network: _simulated([network], batch, scale, quantity, correlations, row)[0], count,
                "Simulating network after network")
        return _simulated(networks, batch, scale, quantity, correlations, row)


def _simulated(networks: Sequence[Network | Architecture], batch: Batch, scale: str, quantity: str, correlations: bool,
               sample: int) -> list[Run]:
    of_plain = iter(simulate_each([network for network in networks if isinstance(network, Network)], batch, scale=scale,
                                  counted=(quantity,), correlations=correlations, sample=sample))
    return [simulate_blocks(network, batch, scale=scale, counted=(quantity,), sample=sample)
            if isinstance(network, Architecture) else next(of_plain) for network in networks]


def compare(settings: Settings, *, correlations: bool = False) -> list[Run]:
    """A run for each chosen initializer, at least one; ``correlations`` measures correlations of neurons as well."""
    return cached_runs(settings.networks(), settings.input, settings.batch, settings.scale, settings.quantity,
                       correlations, settings.sample)


@cached(4e6)
def _fluctuations(network: Network, input_key: str, count: int) -> Fluctuations:
    """Those of networks of one law and batches of one input: of any seed, so ``network`` has none of its own."""
    samples = cached_batch(input_key, max(count, SAMPLES), network.seed, network.sizes[0])
    return fluctuations(network, samples.x, samples.targets, count)


@cached(4e6)
def _prediction(network: Network, input_key: str, count: int, delta_rms: float) -> Prediction:
    x = cached_batch(input_key, count, network.seed, network.sizes[0]).x
    return predict(network, x, delta_rms**2, _fluctuations(replace(network, seed=0), input_key, count))


@cached(4e6)
def _block_prediction(network: Architecture, input_key: str, count: int, delta_rms: float) -> BlockPrediction | None:
    x = cached_batch(input_key, count, network.seed, network.sizes[0]).x
    return predict_blocks(network, x, delta_rms**2)


def cached_block_predictions(runs: Sequence[BlockRun], input_key: str) -> list[BlockPrediction | None]:
    """What theory expects of the runs' networks of blocks; None where the theory does not speak of one."""
    run_of = {run.network: run for run in runs}
    return each_with_progress(tuple(run_of), lambda network: _block_prediction(
        network, input_key, run_of[network].batch, float(run_of[network].column("delta_rms")[-1])),
        runs[0].batch if runs else 0, "Asking the theory of one network after another")


def is_slow(networks: Sequence[Network | Architecture], batch: int) -> bool:
    """Whether a simulation of each takes some seconds, so that one wants to see how far it is."""
    return sum(network_operations(network, batch) for network in networks) > SLOW


def each_with_progress(networks: Sequence[AnyNetwork], make: Callable[[AnyNetwork], T], batch: int,
                       words: str) -> list[T]:
    """The result of ``make`` for each network, in order; under a progress bar where their simulations take long."""
    results: list[T] = []

    def work() -> Generator[float, None, list[T]]:
        for count, network in enumerate(networks):
            yield count / len(networks)
            results.append(make(network))
        return results

    return with_progress(work(), words) if is_slow(networks, batch) else [make(network) for network in networks]


def cached_prediction(run: Run, input_key: str) -> Prediction | None:
    """What theory expects of a run's network; None where the theory does not speak of such weights."""
    if not can_predict(run.network):
        return None
    return _prediction(run.network, input_key, run.batch, float(run.column("delta_rms")[-1]))


def with_progress(work: Generator[float, None, T], words: str) -> T:
    """Run a generator to its end under a progress bar and return what it returns.

    Each step of the bar is a moment at which a script that nobody waits for any more is stopped.
    """
    bar = st.progress(0.0, words)
    while True:
        try:
            bar.progress(min(next(work), 1.0), words)
        except StopIteration as end:
            bar.empty()
            result: T = end.value
            return result


def refuse_the_unaffordable(settings: Settings, *, training: bool = False, in_float64: bool = False) -> None:
    """Where a comparison or a race would cost too much for a shared machine, say so, offer the nearest, and stop."""
    if affordable(settings, training=training, in_float64=in_float64):
        return
    nearest = nearest_affordable(settings, training=training, in_float64=in_float64)
    changes = {name: getattr(nearest, name) for name in ("steps", "batch", "width", "depth")
               if getattr(nearest, name) != getattr(settings, name)}
    offer = ", ".join(f"{CONTROLS[name].label.lower()} {value}" for name, value in changes.items())
    cost, most = ((training_operations(settings), MOST_TRAINING_OPERATIONS) if training
                  else (operations(settings), MOST_OPERATIONS))
    memory = peak_bytes(settings, training=training, in_float64=in_float64)
    st.warning(
        f"This would take about {cost / 1e9:,.0f} billion operations and {memory / 1e6:,.0f} MB, where this app allows "
        f"{most / 1e9:,.0f} and {MOST_BYTES / 1e6:,.0f}. The nearest that fits: {offer}.",
        icon=":material/hourglass_disabled:")
    st.button(f"Use {offer}", on_click=set_controls, args=(changes,), key="afford",
              help="Sets these controls; everything else stays.")
    stop()
