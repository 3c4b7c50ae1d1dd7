"""What a value may be, written once: the check, its sentence, a slider's ends and the tests read the same record."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Interval:
    """A closed interval of finite numbers; ``integer`` admits whole numbers only."""

    low: float
    high: float
    integer: bool = False

    def __str__(self) -> str:
        kind = "an integer" if self.integer else "a number"
        if math.isinf(self.high):
            return f"a finite {kind.split()[1]} of at least {self.low:g}" if not math.isinf(self.low) else f"a finite {kind.split()[1]}"
        return f"{kind} between {self.low:g} and {self.high:g}"

    def __contains__(self, value: object) -> bool:
        if isinstance(value, bool) or not hasattr(value, "__float__"):
            return False
        number = float(value)
        return math.isfinite(number) and self.low <= number <= self.high and (not self.integer or number == int(number))

    def nearest(self, value: float) -> float:
        """The allowed number closest to a number that need not be finite (but is not NaN)."""
        clamped = min(max(value, self.low), self.high)
        return int(round(clamped)) if self.integer else float(clamped)


@dataclass(frozen=True)
class Parameter:
    """A number that an activation or an initialiser takes besides its input.

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
