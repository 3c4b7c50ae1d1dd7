"""The numbers of several runs in one tidy table, for a file or a notebook."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from initviz.core.simulation import Run


def layers(runs: Sequence[Run]) -> pd.DataFrame:
    """A row an initialiser and layer: every statistic."""
    return pd.concat([run.layers.assign(initializer=run.network.initializer) for run in runs],
                     ignore_index=True).set_index(["initializer", "layer"]).reset_index()


def histograms(runs: Sequence[Run], quantity: str) -> pd.DataFrame:
    """A row an initialiser, layer and bin of one quantity."""
    return pd.concat([run.histogram(quantity).assign(initializer=run.network.initializer, quantity=quantity)
                      for run in runs], ignore_index=True).set_index(["initializer", "quantity", "layer"]).reset_index()
