"""The variance argument on a page: the sum, ReLU's half, the way back."""

from __future__ import annotations

import streamlit as st

from initviz import app
from initviz.app.caches import cached
from initviz.app.lesson import variance
from initviz.charts import plots as charts
from initviz.charts.plots import Plot
from initviz.core.wording import number

LEAST, MOST, STEP, FIRST = 1, 12, 1, 2  # thousandths: Var W


@cached(2e6)
def _forward(thousandths: int, seed: int) -> tuple[Plot, str]:
    return variance.forward(thousandths / 1000, seed)


@cached(1e6)
def _there_and_back(seed: int) -> tuple[Plot, Plot]:
    return variance.there_and_back(seed)


def _plot(plot: Plot) -> None:
    st.markdown(f"**{plot.title}**")
    app.show(charts.picture(plot), charts.data(plot))


SUM = r"""**The sum.** The weights are independent with mean 0, so the variances of the terms add up:

$$z_j = \sum_i x_i W_{ij} \;\Rightarrow\; \operatorname{Var} z = n \operatorname{Var} W \operatorname{E} x^2$$

A layer multiplies the variance by **n Var W**, and so does the next. Move Var W until the variance stays what it is:
without an activation, and then with ReLU."""
N = variance.WIDTH
RELU = ("**ReLU's half, He's 2.** ReLU sets negative sums to 0. They are as likely as positive ones and as large, so "
        "half of the mean square is left: the factor a layer is ½ n Var W. It is 1 where Var W = **2 / n**, here "
        f"{number(2 / N)}: He's rule. Without an activation, and for tanh near 0, it is 1 where Var W = **1 / n**, "
        f"here {number(1 / N)}: LeCun's.")
BACK = ("**The way back.** The gradient goes through the same weights the other way: a δ is a sum over the n_out "
        "neurons that follow, so its factor is n_out Var W. Where a layer narrows or widens, no Var W keeps both: 1 / "
        "n_in keeps the signal, 1 / n_out the gradient. **Xavier's compromise** takes the mean of both fans, Var W = "
        f"2 / (n_in + n_out). Here layers of {variance.NARROWING[0]} to {variance.NARROWING[-2]} neurons, without an "
        "activation:")


def show(seed: int) -> None:
    """The argument in three parts."""
    st.markdown(SUM)
    thousandths = st.slider("Var W, in thousandths", LEAST, MOST, FIRST, STEP, key="variance", bind="query-params",
                            help=f"Variance of every weight of {variance.LAYERS} layers of n = {N} neurons, drawn "
                                 "from a "
                            "normal distribution of mean 0.")
    plot, sentence = _forward(thousandths, seed)
    _plot(plot)
    st.markdown(sentence)
    st.caption(f"Solid: measured on {variance.SAMPLES} samples. Dashed: predicted. The weights are one draw: the "
               "deeper, the further it may stray from what is expected.")
    st.markdown(RELU)
    st.markdown(BACK)
    for place, plot in zip(st.columns(2), _there_and_back(seed), strict=True):
        with place:
            _plot(plot)
    st.caption("Flat is what a rule is made for. Dashed: predicted, the product of the layers' factors. Sources: LeCun "
               "et al. 1998, section 4.6; Glorot and Bengio 2010, equations 10 to 12; He et al. 2015, section 2.2.")
