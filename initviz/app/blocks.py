"""Networks of blocks in the app: what can be chosen of them, and the Architecture that settings describe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

import streamlit as st

from initviz.core.architecture import BRANCH_SCALES, KINDS, Architecture
from initviz.core.schemes import SCHEMES

if TYPE_CHECKING:
    from initviz.app.settings import Settings

USUAL = MappingProxyType({"residual": "none", "pre_norm": "layer", "post_norm": "layer", "normalized": "batch"})
BORDERS = 2  # rows of a network of blocks that are no block: the first dense layer and the last
LEAST_DEPTH = BORDERS + 1
OFFERED_SCHEMES = ("fixup", "skipinit", "zero_gamma", "gpt2", "deepnorm")

ARCHITECTURE_LABELS = MappingProxyType({key: kind.label for key, kind in KINDS.items()})
NORMALIZATION_LABELS = MappingProxyType({
    "usual": "Usual", "none": "None", "layer": "LayerNorm", "rms": "RMSNorm", "batch": "BatchNorm"})
BRANCH_LABELS: Mapping[str, str] = MappingProxyType(
    {key: key.replace("sqrt(L)", "√L") for key in BRANCH_SCALES}
    | {key: SCHEMES[key].label for key in OFFERED_SCHEMES})
WITH_SKIPS = tuple(key for key, kind in KINDS.items() if kind.skips)
WITH_BLOCKS = tuple(USUAL)


def normalization_of(settings: Settings) -> str:
    """The normalization that is used: the chosen one, or the architecture's usual one.

    Zero gamma speaks of the last normalization of a branch, so that its usual one is BatchNorm.
    """
    if settings.normalization != "usual":
        return settings.normalization
    return "batch" if settings.branch_scale == "zero_gamma" and settings.kind == "residual" else (
        USUAL[settings.kind])


def unfit_scheme(settings: Settings) -> str:
    """A sentence where the chosen scheme is not defined for the chosen architecture; empty where it is."""
    if settings.kind not in WITH_SKIPS or settings.branch_scale not in SCHEMES:
        return ""
    scheme = SCHEMES[settings.branch_scale]
    if settings.kind not in scheme.kinds:
        where = " and ".join(KINDS[kind].label.lower() for kind in scheme.kinds)
        return f"{scheme.label} is defined for {where} networks, so that branches have the scale 1 here."
    if normalization_of(settings) == "none" and any(change.part == "branch_norm" for change in scheme.changes):
        return f"{scheme.label} needs a normalization in each branch, so that branches have the scale 1 here."
    return ""


def architecture_of(settings: Settings, initializer: str) -> Architecture:
    """The network of blocks that settings describe, with so many rows as their depth, and at least one block.

    Without a normalization pre-norm and post-norm are the residual network, and what has no skip the plain one.
    """
    kind, normalization = settings.kind, normalization_of(settings)
    if normalization == "none" and kind != "residual":
        kind = "residual" if KINDS[kind].skips else "plain"
    skips = KINDS[kind].skips
    named = settings.branch_scale if skips and not unfit_scheme(settings) else "1"
    scheme = named if named in SCHEMES and kind in SCHEMES[named].kinds else "none"
    return Architecture(
        settings.sizes[0], settings.width, max(settings.depth - BORDERS, 1), settings.sizes[-1], kind, normalization,
        expansion=SCHEMES[scheme].settings.get("expansion", 1), branch_scale=named if named in BRANCH_SCALES else "1",
        scheme=scheme, activation=settings.activation, initializer=initializer, gain=settings.gain, bias=settings.bias,
        bias_std=settings.bias_std, seed=settings.seed,
        activation_params=settings.activation_params(settings.activation),
        initializer_params=settings.initializer_params(initializer))


def too_shallow(settings: Settings) -> str:
    """A sentence where the depth leaves no room for a block; empty where it does."""
    if settings.kind == "plain" or settings.depth >= LEAST_DEPTH:
        return ""
    return ("A network of blocks has at least one between its first and last layer: choose a depth of at least "
            f"{LEAST_DEPTH}.")


def remarks_on_training(settings: Settings) -> str:
    """What must be known of a race of these networks of blocks; empty where there is nothing."""
    batch_norm = settings.kind != "plain" and normalization_of(settings) == "batch"
    return " ".join(filter(None, [unfit_scheme(settings), "Under BatchNorm held-out samples are normalized by their "
                                  "own batch, and points of the plane by all that are drawn." if batch_norm else ""]))


def plain_only(settings: Settings, why: str) -> Settings:
    """The same settings for a page that shows plain networks alone; where blocks are chosen it says why."""
    if settings.kind == "plain":
        return settings
    st.info(f"{why} So the plain network is shown here.", icon=":material/layers:")
    return replace(settings, kind="plain")
