"""Number formats: between which sizes a number is kept at all, and where a network leaves them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Format:
    """A binary format; ``smallest`` is its least positive (subnormal) number, ``largest`` its greatest."""

    label: str
    smallest: float
    largest: float
    source: str


FORMATS = (
    Format("fp16", 2.0**-24, 65504.0, "IEEE 754-2019, binary16"),
    Format("bf16", 2.0**-133, (2 - 2**-7) * 2.0**127, "Kalamkar et al. 2019"),
    Format("fp8 E4M3", 2.0**-9, 448.0, "Micikevicius et al. 2022, table 1"),
    Format("fp8 E5M2", 2.0**-16, 57344.0, "Micikevicius et al. 2022, table 1"),
)


def leaves(sizes: NDArray[Any], layers: Iterable[int], form: Format) -> int | None:
    """The first of the layers, in the order given, at which a size is rounded to 0 or overflows; None if none is.

    ``sizes[i]`` belongs to layer i + 1. Half of the smallest number is rounded to 0.
    """
    for layer in layers:
        size = float(sizes[layer - 1])
        if not math.isfinite(size) or size <= form.smallest / 2 or size > form.largest:
            return layer
    return None


def lines_within(low: float, high: float, margin: float = 100.0) -> list[tuple[float, str]]:
    """The formats' ends as (size, words) that lie not far beyond a range of sizes."""
    ends = [(form.smallest, f"{form.label} smallest") for form in FORMATS] + [
        (form.largest, f"{form.label} largest") for form in FORMATS]
    return [(size, words) for size, words in ends if low / margin <= size <= high * margin]


def range_of(*sizes: NDArray[Any]) -> tuple[float, float]:
    """The least and the largest of all positive finite sizes; (1, 1) where there is none."""
    magnitudes = np.concatenate([np.ravel(values) for values in sizes]) if sizes else np.zeros(0)
    magnitudes = magnitudes[np.isfinite(magnitudes) & (magnitudes > 0)]
    return (float(magnitudes.min()), float(magnitudes.max())) if magnitudes.size else (1.0, 1.0)
