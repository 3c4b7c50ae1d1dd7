"""Experiments: what a claim or a paper's figure says, put to the test. One shape serves notes and papers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np

from initviz.charts.plots import Plot
from initviz.core.arrays import Array
from initviz.core.validation import Parameter
from initviz.training.zero_placement import FIRST_WIRING, WIRINGS

HOLDS, PARTLY, FAILS = "holds", "holds only if", "does not hold"
ON_ZEROS = "Where may zeros stand?"  # the topic of the page Symmetry


def on_zeros(wiring: str = FIRST_WIRING) -> tuple[str, Mapping[str, str]]:
    """Where that topic is asked of a wiring: the page with its anchor, and what the page's address says.

    The wiring that is shown first is left out: Streamlit would drop it from the address, and the anchor with it.
    """
    chosen = {} if wiring == FIRST_WIRING else {"wiring": WIRINGS[wiring].label}
    return "symmetry#zeros", MappingProxyType({"topic": ON_ZEROS, **chosen})


@dataclass(frozen=True)
class Check:
    """One measured number and where it must lie: ``low <= measured <= high``. NaN lies nowhere.

    ``target`` is the published or derived number where there is one; ``why`` gives the reason of the tolerance.
    """

    what: str
    measured: float
    low: float
    high: float
    target: float | None = None
    why: str = ""

    @property
    def holds(self) -> bool:
        """Whether the number lies where it must."""
        return bool(self.low <= self.measured <= self.high)

    @classmethod
    def within(cls, what: str, measured: float, target: float, relative: float, why: str = "") -> Check:
        """The number must lie within ``relative`` times the target of it."""
        tolerance = abs(target) * relative
        return cls(what, measured, target - tolerance, target + tolerance, target, why)

    @classmethod
    def furthest(cls, what: str, measured: Array, targets: Sequence[float] | Array, relative: float,
                 why: str = "") -> Check:
        """Of numbers one a layer, the one furthest from its target relative to it; the first layer is 1."""
        ratios = np.abs(np.asarray(measured, float) / np.asarray(targets, float) - 1)
        worst = int(np.argmax(ratios))  # NaN, where there is one
        return cls.within(f"{what}: layer {worst + 1}, the furthest off", float(measured[worst]),
                          float(targets[worst]), relative, why)

    @classmethod
    def most(cls, what: str, measured: float, high: float, why: str = "") -> Check:
        """The number must be at most ``high``."""
        return cls(what, measured, -math.inf, high, None, why)

    @classmethod
    def least(cls, what: str, measured: float, low: float, why: str = "") -> Check:
        """The number must be at least ``low``."""
        return cls(what, measured, low, math.inf, None, why)


@dataclass(frozen=True, eq=False)
class Result:
    """What one run found: its checks, its plots (at most two), and what is seen, in sentences with its numbers."""

    checks: Sequence[Check]
    plots: Sequence[Plot]
    summary: str

    @property
    def verdict(self) -> str:
        """HOLDS where every check does, FAILS where none does, else PARTLY."""
        outcomes = [check.holds for check in self.checks]
        return HOLDS if all(outcomes) else PARTLY if any(outcomes) else FAILS


@dataclass(frozen=True)
class Experiment:
    """A setting, a run, a criterion and a source.

    ``claim`` is the sentence of the notes or the figure of the paper; ``setting`` says what is computed and what had to
    be replaced; ``reason`` says in two sentences why the verdict is what it is. ``run(seed, **knobs)`` takes a value
    for each of ``knobs``. ``explore`` maps the knobs' values to a page's name and the controls that show the case
    there, None where no page does; ``unchecked`` says which published targets were not held against the source's text,
    empty where all were; ``apart`` says in a sentence what that page cannot show of it. ``condition``
    completes "holds only if", for the settings that make it the verdict. ``limit`` says in a sentence where the claim
    ends, and names the page that shows it, with its anchor and controls. ``peak_bytes`` bounds what a run holds at
    once, whatever its knobs.
    """

    title: str
    claim: str
    setting: str
    reason: str
    source: str
    run: Callable[..., Result]
    knobs: Mapping[str, Parameter] = field(default_factory=lambda: MappingProxyType({}))
    explore: Callable[[Mapping[str, Any]], tuple[str, Mapping[str, Any]]] | None = None
    condition: str = ""
    apart: str = ""
    limit: tuple[str, str, Mapping[str, Any]] | None = None
    unchecked: str = ""
    peak_bytes: float = 75e6

    def defaults(self) -> dict[str, Any]:
        """The default value of each knob."""
        return {name: knob.default for name, knob in self.knobs.items()}
