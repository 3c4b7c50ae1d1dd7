"""What the rules look at in a recording, and a finding of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from initviz.core.wording import cut, first_few
from initviz.diagnosis.findings import Finding
from initviz.diagnosis.recording.trunk import INPUT, Trunk
from initviz.files.recording import Recording, Row

MOST_MODULES = 3  # named in a sentence


@dataclass(frozen=True)
class RecordedFinding(Finding):
    """A finding with the modules it is of, the first where it begins, and what would fix it ("" for a note)."""

    modules: tuple[str, ...] = ()
    remedy: str = ""


@dataclass(frozen=True, eq=False)
class Recorded:
    """A recording, the thresholds, and its trunk."""

    recording: Recording
    thresholds: Mapping[str, float]

    @cached_property
    def trunk(self) -> Trunk:
        """The outputs whose scale can be compared."""
        return Trunk(self.recording)

    @property
    def rows(self) -> tuple[Row, ...]:
        """The recording's."""
        return self.recording.rows

    @cached_property
    def silent_row(self) -> int | None:
        """The first place of the trunk whose every output is exactly 0; None where there is none."""
        return next((index for index in self.trunk.levels if self.rows[index].all_zero
                     and self.rows[index].skip is None), None)

    @property
    def errors_cancel(self) -> bool:
        """Whether the last units of the trunk are all copies: of a softmax's errors only round-off comes back then."""
        last = self.rows[self.trunk.levels[-1]] if self.trunk.levels else None
        return last is not None and last.units > 1 and last.distinct == 1

    def label(self, index: int) -> str:
        """The name of a row, cut where it is long."""
        return "the input" if index == INPUT else cut(self.rows[index].label)


def few(names: list[str]) -> str:
    """The first few names of modules or parameters, each cut where it is long, and how many more there are."""
    return first_few([cut(name) for name in names], MOST_MODULES)
