"""Scale against depth on a log axis, all initializers in one chart: the signal forward, the gradient backward."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from initviz.charts import curves
from initviz.charts.picture import Data, Picture, color_of, marker_of
from initviz.core.architecture import KINDS
from initviz.core.arrays import Array
from initviz.core.initializers import label_of
from initviz.core.simulation import BlockRun, Run
from initviz.theory.prediction import Prediction
from initviz.theory.residual import BlockPrediction


def forward_picture() -> Picture:
    """The activations' scale, layer by layer; names stand at the right, where the signal arrives."""
    return curves.picture("Scale of the activations against the layer, one line an initializer, log axis",
                          "hidden layer", log=True)


def backward_picture() -> Picture:
    """The deltas' scale, layer by layer; names stand at the left, where the gradient arrives."""
    return curves.picture("Scale of the deltas against the layer, one line an initializer, log axis",
                          "hidden layer", log=True, labels_right=False)


def statistic_of(quantity: str, spread: str) -> str:
    """The statistic drawn of a quantity: only activations, which are of one sample each, have a median sample."""
    return "rms" if spread == "median_rms" and quantity != "activation" else spread


def _remark(values: Array) -> str:
    """Why points are missing on a log axis."""
    return ("overflow" if not np.isfinite(values).all() else "0" if not values.any()
            else "0 beyond" if (values == 0).any() else "")


def _series(run: Run, prediction: Prediction | BlockPrediction | None, quantity: str, spread: str,
            name: str) -> curves.Series:
    layers, statistic = max(run.network.depth - 1, 1), statistic_of(quantity, spread)
    values = run.column(f"{quantity}_{statistic}")[:layers]
    if quantity == "delta" and run.hidden_gradient_is_round_off:
        values = np.zeros(layers)
    overflows = not np.isfinite(values).all()
    key = run.network.initializer
    expected = None
    if statistic == "median_rms":
        low, high = (run.column(f"{quantity}_{quantile}_rms")[:layers] for quantile in ("p10", "p90"))
        expected = values, low, high
    elif isinstance(prediction, BlockPrediction):
        line = prediction.expected(quantity, statistic)[:layers]
        expected = line, line, line
    elif prediction is not None:
        least, most = prediction.band(quantity, statistic)
        expected = prediction.expected(quantity, statistic)[:layers], least[:layers], most[:layers]
    return curves.Series(name or label_of(key), color_of(key), np.arange(1, layers + 1), values, _remark(values),
                         lost_high=overflows, expected=expected, marker=marker_of(key))


def _branch(run: BlockRun, prediction: BlockPrediction | None, spread: str) -> curves.Series:
    """What each block adds to the stream, after its scale: the blocks' own rows of a depth chart."""
    blocks = slice(1, run.network.depth - 1)
    statistic = statistic_of("preactivation", spread)
    values = run.column(f"preactivation_{statistic}")[blocks]
    key = run.network.initializer
    expected = None
    if prediction is not None:
        line = prediction.expected("preactivation", statistic)[blocks]
        expected = line, line, line
    return curves.Series(f"{label_of(key)}, branch", color_of(key), np.arange(2, run.network.depth), values,
                         _remark(values), lost_high=not np.isfinite(values).all(), expected=expected,
                         marker="triangle-right")


def data(runs: Sequence[Run], predictions: Sequence[Prediction | BlockPrediction | None], quantity: str, spread: str,
         guides: Sequence[tuple[float, str]] = (), name: str = "") -> Data:
    """One statistic ("std", "rms" or "median_rms") of the activations or deltas in the hidden layers.

    Of "median_rms" the line is the activations' root mean square in the median sample, and the band holds the middle
    80 % of the samples.

    The output layer is left out: its few neurons have another scale (a network of one layer has no other). Zeros,
    overflows and round-off have no place on a log axis: such points are left out and the name says why.
    ``predictions`` holds, run by run, what theory expects; None where it says nothing.
    Of blocks with skips the activations are the stream, and their branches are drawn beside it.
    ``guides`` are levels and their names; ``name`` stands for that of the initializer.
    """
    series = [_series(run, prediction, quantity, spread, name)
              for run, prediction in zip(runs, predictions, strict=True)]
    if quantity == "activation":
        series += [_branch(run, prediction if isinstance(prediction, BlockPrediction) else None, spread)
                   for run, prediction in zip(runs, predictions, strict=True)
                   if isinstance(run, BlockRun) and KINDS[run.network.kind].skips]
    return curves.data(series, log=True,
                       labels_right=quantity == "activation", guides=guides)
