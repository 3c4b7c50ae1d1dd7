"""Classic cases to choose with a click: what each sets, and what it shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from initviz.app.settings import CONTROLS


@dataclass(frozen=True)
class Preset:
    """A classic case: what to set, and what it shows."""

    label: str
    settings: Mapping[str, Any]
    sentence: str


def _preset(label: str, init: str, activation: str, sentence: str, **more: Any) -> Preset:
    parameters = {key: spec.default for key, spec in CONTROLS.items()
                  if {("init", init), ("activation", activation)} & set(spec.owners)}
    changes = {"init": (init,), "activation": activation, "gain": 1.0, "bias": 0.0, "bias_std": 0.0,
               "kind": "plain"} | parameters | more
    return Preset(label, MappingProxyType(changes), sentence)


PRESETS: Mapping[str, Preset] = MappingProxyType({
    "zero": _preset("Zeros", "zeros", "tanh", "All weights 0: nothing goes forward, nothing comes back."),
    "constant": _preset("Constant", "constant", "tanh", "All weights 0.1: every layer holds one neuron many times.",
                        constant=0.1),
    "small": _preset("Too small", "normal", "tanh", "Normal weights of 0.01: the signal fades layer by layer.",
                     std=0.01),
    "large": _preset("Too large", "normal", "tanh", "Normal weights of 1: the wider the layers, the more neurons "
                     "saturate.", std=1.0),
    "xavier_tanh": _preset("Xavier, tanh", "xavier_normal", "tanh", "The combination Xavier was made for."),
    "xavier_relu": _preset("Xavier, ReLU", "xavier_normal", "relu", "A layer hands on 0.71 of its signal, on average."),
    "he_relu": _preset("He, ReLU", "he_normal", "relu", "The combination He was made for."),
    "lecun_selu": _preset("LeCun, SELU", "lecun_normal", "selu", "The self-normalizing combination."),
})


def _blocks(label: str, kind: str, init: str, sentence: str, *, branch_scale: str = "1",
            activation: str = "relu", **more: Any) -> Preset:
    return _preset(label, init, activation, sentence, kind=kind, normalization="usual",
                   branch_scale=branch_scale, **more)


HALVING = 0.841  # the fourth root of 1/2: two layers of He's variance and a ReLU then keep the mean square
BLOCK_PRESETS: Mapping[str, Preset] = MappingProxyType({
    "residual": _blocks(
        "Residual: 2 to the L", "residual", "he_normal", "Each branch adds as much as its skip passes, as two layers "
        "under He with a gain of 2^(−1/4) do: the mean square of the stream doubles in every block, on "
        "average.", gain=HALVING),
    "residual_scaled": _blocks(
        "Residual, 1/√L", "residual", "he_normal", "The same with branches divided by √L: however deep the network is, "
        "the mean square of the stream grows to at most e times its first, on average.",
        branch_scale="1/sqrt(L)", gain=HALVING),
    "fixup": _blocks("Fixup", "residual", "he_normal", "Zhang et al. 2019: the last layer of each branch and the "
                     "output layer begin at zero, so that the stream passes unchanged.", branch_scale="fixup"),
    "zero_gamma": _blocks("Zero gamma", "residual", "he_normal", "Goyal et al. 2017: the last BatchNorm of each branch "
                          "begins with weight zero, so that blocks begin as their skips.", branch_scale="zero_gamma"),
    "post_norm": _blocks("Post-norm, 2017", "post_norm", "xavier_uniform", "Vaswani et al. 2017: LayerNorm after each "
                         "sum holds the stream at one size."),
    "gpt2": _blocks("Pre-norm, GPT-2", "pre_norm", "normal", "Radford et al. 2019: weights of 0.02, those into the "
                    "stream divided by √(2 L), so that the stream does not grow with the depth.", branch_scale="gpt2",
                    activation="gelu_tanh", std=0.02),
    "batch_norm": _blocks("BatchNorm, no skip", "normalized", "he_normal", "Yang et al. 2019: the signal keeps its "
                          "size, but the gradient's mean square grows about π/(π − 1)-fold a layer on its way back."),
})
