"""What an audit keeps of a tensor, and a finding of it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from initviz.core.wording import number
from initviz.diagnosis.audit.kinds import TensorRole
from initviz.diagnosis.audit.laws import FAMILIES, FittingLaw
from initviz.diagnosis.audit.measures import Measures

BEYOND_DRAWS = 10  # standard deviations that no draw reaches, in a tensor of any size


@dataclass(frozen=True)
class TensorRecord:
    """One tensor: its name, shape and number format, what it is and measures, and the laws that may have drawn it."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    role: TensorRole
    measures: Measures
    laws: tuple[FittingLaw, ...]

    @property
    def described(self) -> str:
        """In words: its distribution and scale."""
        if self.measures.one_value:
            return f"one value, {number(self.measures.least)},"
        kind = self.laws[0].formula if self.laws else "no known law"
        times = self.measures.largest / self.measures.rms if self.measures.rms else 0.0
        beyond = f"; the largest value is {number(times, 3)} times that" if times > BEYOND_DRAWS else ""
        return f"a standard deviation of {number(self.measures.rms, 3)} ({kind}{beyond})"


def sampling_error(std: float, count: int, family: str = "normal") -> float:
    """Standard deviation of the root mean square of ``count`` draws of mean 0: std √((κ − 1) / 4N)."""
    return std * math.sqrt((FAMILIES[family].kurtosis - 1) / (4 * count))


@dataclass(frozen=True)
class AuditFinding:
    """One thing found in a file.

    ``measured`` is the number, ``expected`` what it should be, None where there is no such number, ``ratio`` the one
    over the other; ``expected_error`` is the sampling error (one standard deviation) of what is expected, 0 of what is
    exact. ``rule`` says how it was judged, ``source`` by whom.
    """

    key: str
    severity: str
    text: str
    tensors: tuple[str, ...]
    measured: float | None
    expected: float | None
    ratio: float | None
    rule: str
    source: str
    expected_error: float | None = None
