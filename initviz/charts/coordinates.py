"""Sizes of layers, and of their changes in training, against the width: both axes logarithmic."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from initviz.charts import curves
from initviz.charts.picture import Data, Picture, sequential
from initviz.training.coordinate_check import Coordinates, expected_slopes, layer_name, slope, slope_text


def picture() -> Picture:
    """One line per layer, named with its slope and the slope's standard error."""
    return curves.picture("Size of each layer, or of its change, against the width, both axes logarithmic",
                          "width (log axis)", log=True, base=2)


def data(measured: Sequence[Coordinates], step: int) -> Data:
    """Datasets for ``picture`` from the networks of one parametrization and optimizer: the initial sizes (``step`` 0)
    or those of the changes after so many steps, as geometric means over the seeds.

    Dashed is the slope that counting powers of the width gives, through the middle of the measured points.
    """
    widths = sorted({result.settings.width for result in measured})
    layers = measured[0].settings.hidden + 1 if measured else 0
    expected = expected_slopes(measured[0].settings.parametrization, measured[0].settings.optimizer, step) if (
        layers == 3) else None
    series = []
    for layer, color in zip(range(layers), sequential(layers), strict=True):
        sizes = [float((result.changes[step - 1] if step else result.initial)[layer]) for result in measured]
        text = slope_text(*slope([result.settings.width for result in measured], sizes)) if len(widths) > 1 else ""
        with np.errstate(all="ignore"):
            logs = np.array([np.mean([np.log(size) for result, size in zip(measured, sizes, strict=True)
                                      if result.settings.width == width]) for width in widths])
            y, finite = np.exp(logs), np.isfinite(logs)
        x = np.log2(np.array(widths, float))
        theory = None
        if expected is not None and finite.any():
            line = 2 ** (expected[layer] * (x - x[finite].mean())) * np.exp(logs[finite].mean())
            theory = line, line, line
        series.append(curves.Series(layer_name(layer, layers), color, x, y, text, lost_high=not finite.all(),
                                    expected=theory))
    datasets = dict(curves.data(series, log=True))
    datasets["ticks"] = {"x": np.log2(np.array(widths, float))}
    return datasets
