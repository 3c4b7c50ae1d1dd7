"""Run: what one simulation computed, and its tables."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from initviz.core.arrays import Array
from initviz.core.network import Network
from initviz.core.statistics import Bins, ratio
from initviz.core.validation import check

if TYPE_CHECKING:
    import pandas as pd  # half of what importing initviz would take: loaded by the first table


SHRUNK, GROWN = 0.1, 10.0  # conventions: a tenth or tenfold over the hidden layers


@dataclass(frozen=True, eq=False)
class Run:
    """What one simulation found; small, whatever the size of the network.

    ``columns`` maps a statistic's name to its value per layer, ``counts`` a quantity to its histograms (layers,
    bins + 2), ``samples`` holds the first activations of each layer: one (rows, neurons) array each.
    ``neurons`` holds what the sample of row ``sample`` gives every neuron: of each counted quantity of
    NEURON_QUANTITIES an array (fan_out,) for each layer.
    ``hidden_gradient_is_round_off`` says that the error cancels exactly at the output layer's input. ``input_rms`` and
    ``input_median_rms`` are the inputs' root mean square, and the median over samples of a sample's; ``zero_loss`` is
    the loss of an output of zeros.
    """

    network: Network
    batch: int
    loss: float
    outputs: int
    columns: dict[str, Array]
    bins: dict[str, Bins]
    units: dict[str, list[float]]
    counts: dict[str, Array]
    samples: list[Array]
    hidden_gradient_is_round_off: bool
    input_rms: float
    input_median_rms: float
    zero_loss: float
    sample: int = 0
    neurons: dict[str, list[Array]] = field(default_factory=dict)

    @cached_property
    def layers(self) -> pd.DataFrame:
        """One row per weight layer; statistics of each quantity as ``{quantity}_{mean,std,min,max,rms,zero_share}``.

        ``activation_{median,p10,p90}_rms`` are quantiles over samples of a sample's root mean square;
        ``distinct_weights`` counts neurons that differ in an incoming weight or the bias; ``equal_outgoing`` is 1 where
        all outgoing weights of a layer's neurons are equal, ``equal_samples`` where its output is the same for every
        sample, bit by bit.
        """
        import pandas as pd

        return pd.DataFrame(self.columns)

    def column(self, name: str) -> Array:
        """One statistic per layer, first layer first."""
        return self.columns[name]

    def histogram(self, quantity: str) -> pd.DataFrame:
        """Counted bins: one row per layer and bin, ends included: layer, left, right (in units), unit, count, share.

        ValueError for a quantity that was not counted.
        """
        import pandas as pd

        check("quantity", quantity, self.counts.keys())
        bins, counts = self.bins[quantity], self.counts[quantity]
        edges = np.concatenate([[-np.inf], bins.edge_values, [np.inf]])
        layers, cells = counts.shape
        total = counts.sum(axis=1, keepdims=True)
        return pd.DataFrame({
            "layer": np.repeat(np.arange(1, layers + 1), cells),
            "left": np.tile(edges[:-1], layers), "right": np.tile(edges[1:], layers),
            "unit": np.repeat(self.units[quantity], cells),
            "count": counts.ravel(), "share": (counts / np.maximum(total, 1)).ravel()})

    @property
    def delta_symbol(self) -> str:
        """The symbol of the derivative that "delta" is."""
        return "dL/dz"

    @property
    def gradient_ratio(self) -> float:
        """Root mean square of the first layer's weight gradient over the last's; NaN where there is no gradient."""
        rms = self.columns["weight_gradient_rms"]
        return ratio(0.0 if self.hidden_gradient_is_round_off else float(rms[0]), float(rms[-1]))

    @property
    def overflow_layer(self) -> int | None:
        """The first layer whose preactivations are not all finite numbers; None where all are."""
        overflowing = np.flatnonzero(~np.isfinite(self.columns["preactivation_rms"]))
        return int(overflowing[0]) + 1 if overflowing.size else None


def signal_ratio(run: Run) -> float:
    """Root mean square of the last hidden layer's activations over the first's; NaN where there is no signal."""
    rms = run.column("activation_rms")[:-1]
    return ratio(float(rms[-1]), float(rms[0])) if rms.size else math.nan


def gradient_return(run: Run) -> float:
    """Length of the first hidden layer's delta over the last hidden layer's; NaN where there is none."""
    length = (run.column("delta_rms") * np.sqrt(run.column("fan_out")))[:-1]
    if not length.size or run.hidden_gradient_is_round_off:
        return math.nan
    return ratio(float(length[0]), float(length[-1]))


def layer_table(runs: Sequence[Run]) -> pd.DataFrame:
    """One row per initializer and layer: every statistic."""
    import pandas as pd

    return pd.concat([run.layers.assign(initializer=run.network.initializer) for run in runs],
                     ignore_index=True).set_index(["initializer", "layer"]).reset_index()


def histogram_table(runs: Sequence[Run], quantity: str) -> pd.DataFrame:
    """One row per initializer, layer and bin of one quantity."""
    import pandas as pd

    return pd.concat([run.histogram(quantity).assign(initializer=run.network.initializer, quantity=quantity)
                      for run in runs], ignore_index=True).set_index(["initializer", "quantity", "layer"]).reset_index()
