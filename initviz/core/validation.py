"""What a value may be, written once: the check, its sentence, a slider's ends and the tests read the same record."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Interval:
    """A closed interval of finite numbers; ``integer`` admits whole numbers only."""

    low: float
    high: float
    integer: bool = False

    def __str__(self) -> str:
        kind = "integer" if self.integer else "number"
        if math.isfinite(self.low) and math.isfinite(self.high):
            return f"{'an' if self.integer else 'a'} {kind} between {self.low:g} and {self.high:g}"
        return f"a finite {kind}" + (f" of at least {self.low:g}" if math.isfinite(self.low) else "")

    def __contains__(self, value: Any) -> bool:
        if isinstance(value, bool | np.bool_) or not hasattr(value, "__float__"):
            return False
        try:
            finite = math.isfinite(float(value))
            return finite and bool(self.low <= value <= self.high) and (not self.integer or value == int(value))
        except (OverflowError, TypeError, ValueError):  # an integer beyond every float, an array, a word that is none
            return False

    def nearest(self, value: float) -> float:
        """The allowed number closest to a number that need not be finite (but is not NaN)."""
        clamped = min(max(value, self.low), self.high)
        return round(clamped) if self.integer else float(clamped)


@dataclass(frozen=True)
class Choices:
    """A few positive numbers to choose from, rising, for what is set by its order of magnitude; 0 may come first."""

    values: tuple[float, ...]

    def __str__(self) -> str:
        return f"one of {', '.join(f'{value:g}' for value in self.values)}"

    def __contains__(self, value: object) -> bool:
        return value in self.values

    def nearest(self, value: float) -> float:
        """The value closest in ratio to a number that need not be finite (but is not NaN)."""
        if value <= 0:
            return self.values[0]
        positive = [allowed for allowed in self.values if allowed > 0]
        return min(positive, key=lambda allowed: abs(math.log(allowed) - math.log(min(max(value, 1e-300), 1e300))))


@dataclass(frozen=True)
class Parameter:
    """A number that an activation or an initializer takes besides its input.

    ``allowed`` is an Interval, or a tuple of names to choose from.
    """

    name: str
    default: Any
    allowed: Interval | tuple[str, ...]
    help: str


ANY = Interval(-math.inf, math.inf)


def check(field: str, value: Any, allowed: Interval | Collection[str]) -> Any:
    """Return ``value`` where it is allowed; raise ValueError naming field, limits and value where it is not."""
    if isinstance(allowed, Interval):
        if value not in allowed:
            raise ValueError(f"{field} must be {allowed}, got {value!r}")
        return int(value) if allowed.integer else float(value)
    if not isinstance(value, str) or value not in allowed:
        raise ValueError(f"{field} must be one of {', '.join(allowed)}, got {value!r}")
    return value


def check_parameters(owner: str, given: dict[str, Any], declared: tuple[Parameter, ...]) -> dict[str, Any]:
    """Return every declared parameter, given or default; raise ValueError for an unknown name or a bad value."""
    known = {parameter.name: parameter for parameter in declared}
    for name in given:
        if name not in known:
            takes = ", ".join(known) or "no parameters"
            raise ValueError(f"{owner} takes {takes}, got {name!r}")
    return {name: check(f"{owner} {name}", given.get(name, p.default), p.allowed) for name, p in known.items()}


@dataclass(frozen=True)
class Control:
    """One thing to set. ``allowed`` is an Interval (``step`` apart on a slider), a Choices, or maps keys to labels.

    ``many`` controls hold a tuple of keys.
    """

    label: str
    default: Any
    allowed: Interval | Choices | Mapping[str, str]
    help: str
    step: float = 1
    many: bool = False

    @property
    def highest(self) -> float:
        """The upper end of an Interval."""
        if not isinstance(self.allowed, Interval):
            raise TypeError(f"{self.label} has no upper end")
        return self.allowed.high
