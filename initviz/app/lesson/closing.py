"""The lesson's closing card: which initializer for which layer."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from initviz.app.claims import explorer_address
from initviz.app.pictures import small_print
from initviz.claims.experiment import on_zeros
from initviz.core.initializers import INITIALIZERS


@dataclass(frozen=True)
class Advice:
    """When to use an initializer, why, its source, and the page and controls that show it."""

    when: str
    initializer: str
    why: str
    source: str
    link: str
    activation: str


ADVICE = (
    Advice("tanh; layers that narrow or widen", "xavier_normal", "between what keeps the signal and what "
                                                                           "keeps "
           "the gradient", "Glorot and Bengio 2010", "https://proceedings.mlr.press/v9/glorot10a.html", "tanh"),
    Advice("ReLU, Leaky ReLU", "he_normal", "ReLU drops half of the mean square, so twice the variance",
           "He et al. 2015", "https://arxiv.org/abs/1502.01852", "relu"),
    Advice("SELU", "lecun_normal", "SELU's own constants then hold mean 0 and variance 1", "Klambauer et al. 2017",
           "https://arxiv.org/abs/1706.02515", "selu"),
    Advice("very deep linear or tanh networks", "orthogonal", "square ones stretch no direction more than another",
           "Saxe et al. 2014", "https://arxiv.org/abs/1312.6120", "tanh"))


def show(seed: int) -> None:
    """The card."""
    with st.container(border=True):
        st.markdown("**Use this when**")
        rows = []
        for advice in ADVICE:
            address = explorer_address("signal", {"init": (advice.initializer,), "activation": advice.activation,
                                               "seed": seed})
            rows.append(f"- {advice.when}: **[{INITIALIZERS[advice.initializer].label}]({address})**, {advice.why} "
                        f"([{advice.source}]({advice.link}))")
        st.markdown("\n".join(rows))
        zeros = explorer_address(*on_zeros())
        st.markdown("**Never** all zeros or one constant in every layer: copies with equal biases and equal outgoing "
                    "weights stay copies under gradient descent and Adam. Biases may be 0, and so may a tensor whose "
                    "other factor is not zero while something random stands behind it, as the output layer's weights: "
                    f"[where zeros may stand]({zeros}).")
        small_print("Under He's rule GELU and SiLU lose their signal in deep networks; a gain of their own and random "
                    f"biases hold it: [Formulas]({explorer_address('formulas', {})}) has them, and shows how popular "
                    f"pairs drift with depth. [Diagnose]({explorer_address('diagnose', {})}) looks at your own "
                    "network.")
