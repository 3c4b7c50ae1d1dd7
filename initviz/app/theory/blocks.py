"""The Theory page for networks of blocks: how the stream grows and the gradient comes back, expected and measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
import pandas as pd
import streamlit as st

from initviz import app
from initviz.app.blocks import too_shallow
from initviz.app.settings import Settings
from initviz.charts import depth
from initviz.core.architecture import KINDS, Architecture
from initviz.core.arrays import Array
from initviz.core.initializers import label_of
from initviz.core.simulation import BlockRun
from initviz.core.wording import counted, number
from initviz.diagnosis.block_report import beside_theory
from initviz.theory.residual import BlockPrediction

ALIKE = 0.02  # relative: factors or summands of the blocks that differ by less are called one

# What is known of each kind of block, normalized or not, with its source. q is the stream's mean square.
KNOWN: Mapping[tuple[str, bool], str] = MappingProxyType({
    ("residual", False): "A branch adds its own mean square, a² s q where it is in proportion to the stream as under "
                         "ReLU: so q grows like (1 + a² s)ˡ, and the gradient's like it on its way back (Zhang, "
                         "Dauphin and Ma 2019). Under tanh, which is bounded, q grows in proportion to the depth (Yang "
                         "and Schoenholz 2017).",
    ("residual", True): "A normalization at its end gives each branch the same size in every block, so q grows in "
                        "proportion to l: under BatchNorm it is l + 1, and block l changes the stream by 1/(l + 1) of "
                        "it (De and Smith 2020).",
    ("pre_norm", True): "A branch takes a normalized stream, so it adds the same in every block and q grows in "
                        "proportion to l: 1 + l/2 under ReLU and weights of variance 1/fan_in; the last normalization "
                        "divides by its root, so that the gradient of the last branch falls like (1 + L/2)^(−1/2) "
                        "(Xiong et al. 2020).",
    ("post_norm", True): "Each sum is normalized: q is 1 after every block, and what comes back is divided by the size "
                         "of the sum, 3/2 under ReLU and weights of variance 1/fan_in (Xiong et al. 2020).",
    ("normalized", True): "Each layer is normalized, so the signal keeps its size at any depth. Under BatchNorm and "
                          "ReLU the gradient's mean square grows by π/(π − 1) = 1.467 a layer on its way back, "
                          "whatever the gain (Yang et al. 2019); under LayerNorm by about 1.",
    ("plain", False): "Without skip and normalization this is the plain network, whose theory stands below."})


def _form(squares: Array) -> str:
    """How a mean square goes from block to block: "factor", "summand", or "both" where neither is one number."""
    factors, summands = squares[1:] / squares[:-1], np.diff(squares)
    if len(factors) < 2 or np.ptp(factors) < ALIKE * factors.max():
        return "factor"
    return "summand" if np.ptp(summands) < ALIKE * np.abs(summands).max() else "both"


def _a_block(squares: Array, form: str) -> str:
    """A block's part in the way of a mean square, in that form: its mean, or that of the first block and of the last.
    """
    if not np.isfinite(squares).all():
        return "overflow"
    if not squares.all():
        return "0"
    factors = squares[1:] / squares[:-1]
    if form == "factor":
        return f"× {number(float(np.exp(np.log(factors).mean())), 3)}"
    if form == "summand":
        return f"+ {number(float(np.diff(squares).mean()), 3)}".replace("+ −", "− ")
    return f"first × {number(float(factors[0]), 3)}, last × {number(float(factors[-1]), 3)}"


def _factor_over_all(squares: Array) -> str:
    return f"× {number(float(squares[-1] / squares[0]))}" if squares[0] and np.isfinite(squares[0]) else "0"


def _row(run: BlockRun, prediction: BlockPrediction | None, way: str, quantity: str, order: int) -> dict[str, str]:
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        measured = np.square(run.column(f"{quantity}_rms")[:-1])[::order]
        expected = None if prediction is None else np.square(prediction.expected(quantity, "rms")[:-1])[::order]
        form = "factor" if expected is None or not expected.all() else _form(expected)
        canceled = quantity == "delta" and run.hidden_gradient_is_round_off
        return {"Initializer": label_of(run.network.initializer), "Mean square": way,
                "A block: theory": "none" if expected is None else _a_block(expected, form),
                "A block: measured": "the errors cancel" if canceled else _a_block(measured, form),
                "All blocks: theory": "none" if expected is None else _factor_over_all(expected),
                "All blocks: measured": "the errors cancel" if canceled else _factor_over_all(measured)}


def rows(runs: Sequence[BlockRun], predictions: Sequence[BlockPrediction | None]) -> list[dict[str, str]]:
    """Two rows an initializer: the signal over its blocks, and the gradient on its way back."""
    stream = "stream" if KINDS[runs[0].network.kind].skips else "activations"
    ways = ((f"{stream}, forward", "activation", 1), ("gradient, backward", "delta", -1))
    return [_row(run, prediction, *way)
            for run, prediction in zip(runs, predictions, strict=True) for way in ways]


def what_is_known(network: Architecture) -> str:
    """The formula of these blocks and what follows from it, with its source."""
    kind = KINDS[network.kind]
    return f"Blocks of the form {kind.formula}. {KNOWN[network.kind, network.normalization != 'none']}"


def show(settings: Settings) -> None:
    """What is expected of the blocks of the sidebar, over what is measured."""
    if shallow := too_shallow(settings):
        st.info(shallow, icon=":material/tune:")
        return
    if not settings.init:
        st.info("Choose at least one initializer in the sidebar.", icon=":material/tune:")
        return
    runs = [run for run in app.compare(settings) if isinstance(run, BlockRun)]
    network = runs[0].network
    predictions = app.cached_block_predictions(runs, settings.input)
    st.subheader(f"{KINDS[network.kind].label}: {counted(network.blocks, 'block')}", anchor=False)
    ahead, back = st.columns(2)
    with ahead:
        st.markdown(f"**Forward →** Root mean square of {'the stream' if KINDS[network.kind].skips else 'activations'} "
                    "(log axis)")
        app.show(depth.forward_picture(), depth.data(runs, predictions, "activation", "rms"), key="blocks_forward")
    with back:
        st.markdown("**← Backward** Root mean square of the gradients (log axis)")
        app.show(depth.backward_picture(), depth.data(runs, predictions, "delta", "rms"), key="blocks_backward")
    theories = "; ".join(f"{label_of(run.network.initializer)} {beside_theory(run, prediction)}"
                         for run, prediction in zip(runs, predictions, strict=True))
    st.caption(f"Solid: measured. Dashed: theory of infinitely wide layers and large batches. Theory: {theories}. "
               f"{settings.unfit_scheme}")
    st.dataframe(pd.DataFrame(rows(runs, predictions)), hide_index=True, width="stretch")
    st.caption(f"The gradient goes from the last block to the first. {what_is_known(network)}")
