"""What values are allowed: checks, error messages, sliders and tests read the same records."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
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
    """One thing that can be set: a parameter of an initializer or activation, a control on a page, a threshold.

    Parameters stand in mappings, whose keys are their names. ``allowed`` is an Interval, a Choices, or maps keys to
    labels; where ``many``, the value is a tuple of keys. ``step`` lies between the values of a slider, which spans
    ``slider`` where that is given and else all that is allowed. ``source`` says who chose the default.

    A parameter of an initializer or activation is the setting ``setting`` of the app, by default its owner's key and
    its own name, such as "he_normal_mode". A parameter of an initializer that ``follows_activation`` is no setting: it
    takes the value of the activation's parameter of the same name, or its default where the activation has none.
    """

    label: str
    default: Any
    allowed: Interval | Choices | Mapping[str, str]
    help: str
    step: float = 1
    many: bool = False
    source: str = ""
    slider: Interval | None = None
    setting: str = ""
    follows_activation: bool = False

    @property
    def interval(self) -> Interval:
        """The allowed Interval; raises TypeError if the allowed values are of another kind."""
        if not isinstance(self.allowed, Interval):
            raise TypeError(f"{self.label} is not a number of an interval")
        return self.allowed


ANY = Interval(-math.inf, math.inf)
NOT_NEGATIVE = Interval(0, math.inf)
NO_PARAMETERS: Mapping[str, Parameter] = MappingProxyType({})
ParamItems = tuple[tuple[str, Any], ...]  # values of parameters by name, sorted, so that what holds them is hashable


def check(field: str, value: Any, allowed: Interval | Choices | Collection[str]) -> Any:
    """Return ``value`` where it is allowed; raise ValueError naming field, limits and value where it is not."""
    if isinstance(allowed, Choices):
        if isinstance(value, bool) or value not in allowed:
            raise ValueError(f"{field} must be {allowed}, got {value!r}")
        return value
    if isinstance(allowed, Interval):
        if value not in allowed:
            raise ValueError(f"{field} must be {allowed}, got {value!r}")
        return int(value) if allowed.integer else float(value)
    if not isinstance(value, str) or value not in allowed:
        raise ValueError(f"{field} must be one of {', '.join(allowed)}, got {value!r}")
    return value


def params_of(field: str, params: Mapping[str, Any] | ParamItems) -> dict[str, Any]:
    """The values of parameters by name; raise ValueError where they are no mapping or pairs of the two."""
    try:
        return dict(params)
    except (TypeError, ValueError):
        raise ValueError(f"{field} must map names to values, got {params!r}") from None


def setting_of(owner: str, name: str, parameter: Parameter) -> str:
    """The setting, in an address and on the command line, of the parameter ``name`` of an entry ``owner``."""
    return parameter.setting or f"{owner}_{name}"


def check_parameters(owner: str, params: dict[str, Any], declared: Mapping[str, Parameter]) -> dict[str, Any]:
    """Return every declared parameter, given or default; raise ValueError for an unknown name or a bad value."""
    for name in params:
        if name not in declared:
            takes = ", ".join(declared) or "no parameters"
            raise ValueError(f"{owner} takes {takes}, got {name!r}")
    return {name: check(f"{owner} {name}", params.get(name, p.default), p.allowed) for name, p in declared.items()}
