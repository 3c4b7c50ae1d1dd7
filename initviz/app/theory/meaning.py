"""The tab for a newcomer to the theory: each of its quantities in a sentence and a picture."""

from __future__ import annotations

from typing import Any

import numpy as np
import streamlit as st

from initviz.app.pictures import show
from initviz.app.theory import sentences as say
from initviz.charts import curves
from initviz.charts.picture import UNORDERED
from initviz.core.arrays import Array
from initviz.core.simulation import Run
from initviz.theory.mean_field import FixedPoint
from initviz.theory.prediction import Prediction

HEIGHT = 220  # pixels


def _draw(key: str, alt_text: str, measured: Array, expected: Array, *, log: bool,
          guides: list[tuple[float, str]] | None = None) -> None:
    layers = np.arange(1, len(measured) + 1)
    line = curves.Series("here", UNORDERED[1], layers, measured, lost_high=not np.isfinite(measured).all(),
                         expected=(expected, expected, expected))
    show(curves.picture(alt_text, "hidden layer", log=log), curves.data([line], log=log, guides=guides or []),
         height=HEIGHT, key=key)


def show_quantities(run: Run, prediction: Prediction | None, correlations: tuple[Any, ...],
                    fixed_point: FixedPoint) -> None:
    """Length, correlation and gradient over the hidden layers, each with where it goes and how fast."""
    hidden = run.network.depth - 1
    nothing = np.full(hidden, np.nan)
    length, alike, gradient = st.columns(3)
    with length:
        st.markdown("**Length q**: how large is the signal?")
        _draw("meaning_length", "Length of the signal against the layer, log axis",
              np.square(run.column("preactivation_std")[:hidden]),
              nothing if prediction is None else np.square(prediction.preactivation_std[:hidden]), log=True)
        st.markdown(f"{say.length_goes(fixed_point)} It is the variance of a neuron's sum before its activation. Far "
                    "from 1, smooth activations are flat or nearly straight lines; ReLU is the same at any.")
    with alike:
        st.markdown("**Correlation c**: are two inputs told apart?")
        _draw("meaning_correlation", "Correlation of two inputs against the layer", correlations[1], correlations[0],
              log=False)
        st.markdown(f"{say.correlation_goes(fixed_point)} At 1 a layer says the same of both, and what differed "
                    "between them is lost.")
    with gradient:
        st.markdown("**Gradient χ₁**: does the error reach layer 1?")
        _draw("meaning_gradient", "Scale of the gradient against the layer, log axis",
              np.zeros(hidden) if run.hidden_gradient_is_round_off else run.column("delta_rms")[:hidden],
              nothing if prediction is None else prediction.expected("delta", "rms")[:hidden], log=True)
        st.markdown(f"{say.gradient_goes(fixed_point, prediction)} On its way back, from right to left, its square is "
                    "multiplied by χ₁ in each layer, once lengths have settled.")
    st.caption("Solid: measured in this network. Dashed: theory, what infinitely wide layers do.")
