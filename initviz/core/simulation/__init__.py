"""Simulate: draw a network, send a batch forward and the gradient back, and keep statistics of every layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

from initviz.core.architecture import Architecture
from initviz.core.batches import Batch
from initviz.core.network import Network
from initviz.core.simulation.blocks import BlockRun, simulate_blocks
from initviz.core.simulation.plain import simulate_each, summarize
from initviz.core.simulation.quantities import NEURON_QUANTITIES, QUANTITIES, SCALES, bins_of, errors_cancel, units_of
from initviz.core.simulation.run import (
    GROWN,
    SHRUNK,
    Run,
    gradient_return,
    histogram_table,
    layer_table,
    signal_ratio,
)

__all__ = [
    "GROWN",
    "NEURON_QUANTITIES",
    "QUANTITIES",
    "SCALES",
    "SHRUNK",
    "BlockRun",
    "Run",
    "bins_of",
    "errors_cancel",
    "gradient_return",
    "histogram_table",
    "layer_table",
    "signal_ratio",
    "simulate",
    "simulate_blocks",
    "simulate_each",
    "summarize",
    "units_of",
]


@overload
def simulate(network: Network, batch: Batch, *, scale: str = ..., counted: Sequence[str] = ...) -> Run: ...


@overload
def simulate(network: Architecture, batch: Batch, *, scale: str = ..., counted: Sequence[str] = ...) -> BlockRun: ...


def simulate(network: Network | Architecture, batch: Batch, *, scale: str = "linear",
             counted: Sequence[str] = QUANTITIES) -> Run | BlockRun:
    """Draw the network's parameters, propagate the batch, summarize every layer, or of an Architecture every block.

    ``scale`` is that of the histograms' axes, "linear" or "symlog"; ``counted`` names the quantities that get one.
    Raises ValueError where the batch does not fit.
    """
    if isinstance(network, Architecture):
        return simulate_blocks(network, batch, scale=scale, counted=counted)
    return summarize(network, *network.parameters(), batch, scale=scale, counted=counted)
