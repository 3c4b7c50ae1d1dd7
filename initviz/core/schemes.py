"""Schemes: what a paper changes of the initialization of a network of blocks. A new one is one entry of the table.

A scheme is data: the network that it was made for, the scale of its branches, and for each part of the network that it
changes the law of the weights and a factor. L is the number of blocks, m the number of dense layers in a branch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

Factor = Callable[[int, int], float]  # of L and m
NO_VALUES: Mapping[str, Any] = MappingProxyType({})

# The parts of a network of blocks that a scheme may change.
PARTS: Mapping[str, str] = MappingProxyType({
    "input": "the first dense layer",
    "branch": "the dense layers of a branch, all but its last",
    "branch_last": "the last dense layer of a branch, which writes into the stream",
    "output": "the last dense layer",
    "branch_norm": "the last normalization of a branch"})


@dataclass(frozen=True)
class SchemeChange:
    """What happens to one part of the network.

    ``initializer`` with ``params`` replaces the law of the part's weights where it is given; ``factor`` multiplies
    them (of "branch_norm": is their initial value). ``formula`` says it.
    """

    part: str
    formula: str
    initializer: str | None = None
    params: Mapping[str, Any] = field(default_factory=lambda: NO_VALUES)
    factor: Factor = lambda blocks, layers: 1.0


@dataclass(frozen=True)
class Scheme:
    """One scheme. ``settings`` are the fields of an Architecture that it was made for; ``kinds`` those it is defined
    for; ``scale`` the factor of its branches with ``scale_formula``, ``learned`` where that is trained.
    """

    label: str
    sentence: str
    source: str
    kinds: tuple[str, ...]
    settings: Mapping[str, Any]
    changes: tuple[SchemeChange, ...] = ()
    scale: Factor | None = None
    scale_formula: str = ""
    learned: bool = False

    @property
    def changes_something(self) -> bool:
        """Whether it is more than a kind of network and the usual initialization."""
        return bool(self.changes) or self.scale is not None


def _settings(kind: str, **more: Any) -> Mapping[str, Any]:
    return MappingProxyType({"kind": kind} | more)


def _fixup_factor(blocks: int, layers: int) -> float:
    return blocks ** (-1 / (2 * layers - 2)) if layers > 1 else 1.0


_GPT2: dict[str, Any] = {"initializer": "normal", "params": MappingProxyType({"std": 0.02})}
_SKIPPING = ("residual", "pre_norm", "post_norm")

SCHEMES: Mapping[str, Scheme] = MappingProxyType({
    "none": Scheme(
        "None", "Every dense layer is drawn by the chosen initializer, and branches have the chosen scale.", "baseline",
        ("plain", *_SKIPPING, "normalized"), _settings("residual")),
    "plain": Scheme(
        "Plain", "Dense layers and activations alone, without a skip and without a normalization.", "baseline",
        ("plain",), _settings("plain")),
    "residual": Scheme(
        "Residual", "Under ReLU and He's variance, with branches of factor 1 that nothing normalizes, the mean square "
        "of the stream doubles or more in every block, on average; under tanh, which is bounded, it grows at most in "
        "proportion to the depth.",
        "He et al. 2016", ("residual",), _settings("residual")),
    "fixup": Scheme(
        "Fixup", "Branches begin at zero, and their first layers are drawn smaller the deeper the network is, so that "
        "a step of training changes the output by about the same amount at any depth.",
        "Zhang, Dauphin and Ma 2019, section 3", ("residual",), _settings("residual", initializer="he_normal"),
        (SchemeChange("branch", "L^(−1/(2m − 2)) × the initializer", factor=_fixup_factor),
         SchemeChange("branch_last", "0", "zeros"), SchemeChange("output", "0", "zeros")),
        scale=lambda blocks, layers: 1.0, scale_formula="1, learned", learned=True),
    "skipinit": Scheme(
        "SkipInit, ReZero", "A learned scalar that begins at zero multiplies each branch: the network begins as its "
        "skips alone.",
        "De and Smith 2020; Bachlechner et al. 2021", ("residual",), _settings("residual"),
        scale=lambda blocks, layers: 0.0, scale_formula="0, learned", learned=True),
    "zero_gamma": Scheme(
        "Zero gamma", "The weight of the last normalization of each branch begins at zero, so that blocks begin as "
        "their skips alone.",
        "Goyal et al. 2017, section 5.1", ("residual",), _settings("residual", normalization="batch"),
        (SchemeChange("branch_norm", "0", factor=lambda blocks, layers: 0.0),)),
    "gpt2": Scheme(
        "GPT-2", "One standard deviation for all weights, less for those that write into the stream, so that its size "
        "does not grow with depth. √(2 L) counts two branches a block, attention and feed-forward, as GPT-2 has.",
        "Radford et al. 2019, section 2.3, and the released code (0.02)", ("pre_norm",),
        _settings("pre_norm", normalization="layer", expansion=4, activation="gelu_tanh"),
        (SchemeChange("input", "N(0, 0.02²)", **_GPT2), SchemeChange("branch", "N(0, 0.02²)", **_GPT2),
         SchemeChange("branch_last", "N(0, 0.02²) / √(2 L)", **_GPT2,
                      factor=lambda blocks, layers: 1 / math.sqrt(2 * blocks)),
         SchemeChange("output", "N(0, 0.02²)", **_GPT2))),
    "deepnorm": Scheme(
        "DeepNorm", "The skip of a post-norm block counts more than its branch, and branches are drawn smaller; a "
        "normalization makes α x + branch and x + branch / α the same, but for its ε. α and β count two branches a "
        "block, attention and feed-forward.",
        "Wang et al. 2022, figure 2 (encoder only: α = (2 L)^(1/4), β = (8 L)^(−1/4))", ("post_norm",),
        _settings("post_norm", normalization="layer", expansion=4, initializer="xavier_normal"),
        (SchemeChange("branch", "(8 L)^(−1/4) × Xavier", "xavier_normal",
                      factor=lambda blocks, layers: (8 * blocks) ** -0.25),
         SchemeChange("branch_last", "(8 L)^(−1/4) × Xavier", "xavier_normal",
                      factor=lambda blocks, layers: (8 * blocks) ** -0.25)),
        scale=lambda blocks, layers: (2 * blocks) ** -0.25, scale_formula="1/α = (2 L)^(−1/4)"),
    "pre_norm": Scheme(
        "Pre-norm", "Each branch normalizes what it takes from the stream, which grows like the root of the depth.",
        "Xiong et al. 2020, table 1", ("pre_norm",),
        _settings("pre_norm", normalization="layer", expansion=4, initializer="xavier_uniform")),
    "post_norm": Scheme(
        "Post-norm, 2017", "The sum of stream and branch is normalized after every block.",
        "Vaswani et al. 2017, section 3.1", ("post_norm",),
        _settings("post_norm", normalization="layer", expansion=4, initializer="xavier_uniform")),
    "batch_norm": Scheme(
        "BatchNorm without skip", "Every layer is normalized over the batch: the signal keeps its size, and the "
        "gradient's mean square grows by about π/(π − 1) a layer on its way back under ReLU.",
        "Yang et al. 2019", ("normalized",), _settings("normalized", normalization="batch")),
})
