"""The trunk of a recorded model: the outputs whose scale can be compared with one another along its depth.

A branch beside a skip is small or behind a normalization by design, and is no part of the trunk. Along the trunk a
scale is compared forward up to a normalization, which sets it anew, and backward through it.
"""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass
from functools import cached_property

from initviz.files.recording import RecordedParameter, Recording, Row

ACTIVATIONS = frozenset({
    "relu", "relu6", "leakyrelu", "elu", "selu", "celu", "gelu", "silu", "mish", "tanh", "sigmoid", "hardtanh",
    "hardswish", "hardsigmoid", "softplus", "softsign", "logsigmoid", "glu", "prelu", "rrelu", "threshold", "swish",
    "geluactivation", "newgeluactivation", "quickgeluactivation", "siluactivation"})
PASSING = ("dropout", "identity")  # kinds that pass on what they read
MOST_POWER = math.log(sys.float_info.max)
INPUT = -1  # the place of the model's input
RECTIFIERS = frozenset({"relu", "relu6", "threshold"})
GATES = frozenset({"sigmoid", "hardsigmoid"})
RECURRENT = ("lstm", "gru", "rnn")  # kinds whose outputs gates keep in their range, at any scale of the weights
MOST_SUMS = 4  # of two projections in one module; more are the steps of a recurrence


def plain_kind(row: Row) -> str:
    """A kind without case and underscores: leaky_relu and LeakyReLU are one."""
    return row.kind.lower().replace("_", "")


def is_activation(row: Row) -> bool:
    """Whether the output is a nonlinearity's."""
    return plain_kind(row) in ACTIVATIONS


def is_normalization(row: Row) -> bool:
    """Whether the output is a normalization's, which sets the scale anew."""
    return "norm" in row.kind.lower()


def is_embedding(row: Row) -> bool:
    """Whether the output is a table's."""
    return "embedding" in row.kind.lower() or row.kind == "Embed"  # PyTorch's, Flax's


@dataclass(frozen=True)
class Stretch:
    """A change between two places of the trunk: the later value over the earlier one, in so many steps."""

    value: float
    begin: int
    end: int
    steps: int

    @property
    def a_step(self) -> float:
        """The factor of a step, as a geometric mean."""
        return math.exp(math.log(self.value) / self.steps)


@dataclass(frozen=True, eq=False)
class Trunk:
    """A recording's rows as a graph: which lie in branches, and which can be compared."""

    recording: Recording

    @property
    def rows(self) -> tuple[Row, ...]:
        """The recording's."""
        return self.recording.rows

    @cached_property
    def measured(self) -> tuple[int, ...]:
        """Places of the rows that are no other's tensor."""
        return tuple(index for index, row in enumerate(self.rows) if row.same_as is None)

    @cached_property
    def _behind(self) -> list[int]:
        """Of each row the rows that it was computed from, directly or not, as the bits of a number."""
        behind: list[int] = []
        for row in self.rows:
            bits = 0
            for source in row.sources:
                bits |= behind[source] | 1 << source
            behind.append(bits)
        return behind

    @cached_property
    def in_branches(self) -> int:
        """The rows between a skip and the addition that ends its branch, as the bits of a number."""
        inside = 0
        for row in self.rows:
            if row.skip is not None:
                inside |= self._branch_of(row)
        return inside

    def _branch_of(self, row: Row) -> int:
        skip = branch = 0
        if row.skip is not None:
            for source in row.skip.sources:
                skip |= self._behind[source] | 1 << source
            for source in set(row.sources) - set(row.skip.sources):
                branch |= self._behind[source] | 1 << source
        return branch & ~skip

    @cached_property
    def _gate_branches(self) -> int:
        """The rows from which a gate is computed beside what it multiplies, as the bits of a number: its values are
        shares, as in a squeeze-and-excitation."""
        inside = 0
        for row in self.rows:
            gates = [source for source in row.sources if plain_kind(self.rows[source]) in GATES]
            for gate in gates if row.skip is None else ():
                gated = [source for source in row.sources if self._behind[gate] >> source & 1]
                if gated:
                    nearest = max(gated)
                    inside |= (self._behind[gate] | 1 << gate) & ~(self._behind[nearest] | 1 << nearest)
        return inside

    def behind(self, paths: Container[str]) -> frozenset[str]:
        """Paths of the modules that those of given paths are computed from."""
        bits = 0
        for index in self.measured:
            if self.rows[index].path in paths:
                bits |= self._behind[index]
        return frozenset(row.path for index, row in enumerate(self.rows) if bits >> index & 1)

    @cached_property
    def _normalizations(self) -> int:
        return sum(1 << index for index in self.normalizations)

    @cached_property
    def normalizations(self) -> frozenset[int]:
        """Places of normalizations' outputs; of a module that also activates, of the part inside it before that."""
        holders = {row.path for row in self.rows if is_normalization(row)}
        return frozenset(index for index in self.measured if is_normalization(row := self.rows[index]) or (
            row.path.rpartition(".")[0] in holders and not is_activation(row)))

    def is_normalized_between(self, begin: int, end: int) -> bool:
        """Whether a normalization divides what goes from one place to another: in front of it weights have no scale."""
        return begin in self.only_normalized or bool(
            self._normalizations & (self._behind[end] | 1 << end) & ~(self._behind[begin] | 1 << begin))

    def sets_anew(self, index: int) -> bool:
        """Whether a normalization sets the scale of a row, or of the branch that it adds."""
        return index in self.normalizations or bool(self._branch_of(self.rows[index]) & self._normalizations)

    @cached_property
    def in_recurrences(self) -> frozenset[int]:
        """Sums of two projections that one module makes again and again: the states of a recurrence."""
        sums = [index for index in self.measured if (skip := self.rows[index].skip) is not None and not skip.identity]
        counts = Counter(self.rows[index].path for index in sums)
        return frozenset(index for index in sums if counts[self.rows[index].path] > MOST_SUMS)

    @cached_property
    def in_zero_branches(self) -> frozenset[str]:
        """Paths of the modules in branches that add exactly 0 at first to a skip that is not 0."""
        inside = 0
        for row in self.rows:
            if row.skip is not None and row.skip.branch_rms == 0 < row.skip.skip_rms:
                inside |= self._branch_of(row)
        return frozenset(row.path for index, row in enumerate(self.rows) if inside >> index & 1)

    @cached_property
    def only_normalized(self) -> frozenset[int]:
        """Places that nothing reads but normalizations, and additions that carry them on, such as a pre-norm stream.

        A layer behind a normalization sees the same at any size of what is normalized; the gradient is divided by it.
        """
        readers: dict[int, set[bool]] = {}
        for index in reversed(self.measured):
            row = self.rows[index]
            carried = row.skip.sources if row.skip is not None and row.skip.identity else ()
            normalizes = index in self.normalizations or (
                plain_kind(row).startswith(PASSING) and readers.get(index) == {True})
            for source in set(row.sources) - set(carried):
                readers.setdefault(source, set()).add(normalizes)
        return frozenset(index for index, kinds in readers.items() if kinds == {True})

    def weight_of(self, row: Row) -> RecordedParameter | None:
        """The matrix or kernel by which a module multiplies its inputs; None where it has none."""
        if row.function or is_embedding(row) or is_normalization(row) or plain_kind(row).startswith(RECURRENT):
            return None
        return self._weights.get(row.path)

    @cached_property
    def _weights(self) -> dict[str, RecordedParameter]:
        parameters: dict[str, RecordedParameter] = {}
        for parameter in self.recording.parameters:
            names = [parameter.name, *(name for group in self.recording.tied if parameter.name in group
                                       for name in group)]
            if len(parameter.shape) > 1:
                for name in names:
                    parameters.setdefault(name.rpartition(".")[0], parameter)
        return parameters

    @cached_property
    def products(self) -> tuple[int, ...]:
        """Places of the rows of modules that multiply by a weight, containers left out."""
        return tuple(index for index in self.measured if not self.rows[index].container
                     and self.weight_of(self.rows[index]) is not None)

    @cached_property
    def consumed(self) -> frozenset[int]:
        """Places of the rows that others are computed from."""
        return frozenset(source for row in self.rows for source in row.sources)

    @cached_property
    def heads(self) -> tuple[int, ...]:
        """Places of the products that no other product or activation comes from: the outputs."""
        leading = 0
        for index in self.measured:
            if is_activation(self.rows[index]) or index in self.products or self.rows[index].skip is not None:
                leading |= self._behind[index]
        return tuple(index for index in self.products if not leading >> index & 1 and (
            self.rows[index].sources or len(self.products) == 1))

    @cached_property
    def levels(self) -> tuple[int, ...]:
        """Places of the trunk's rows, in order: embeddings, activations, and sums of a skip and its branch.

        The products where there are fewer than two of these. An embedding that all samples share, as of positions, is
        none: its gradient is their sum.
        """
        shared = {source for row in self.rows for source in row.sources
                  if is_embedding(self.rows[source]) and self.rows[source].shape[:1] != row.shape[:1]}
        inside = self.in_branches | self._gate_branches
        outside = [index for index in self.measured if not inside >> index & 1 and index not in shared
                   and index not in self.in_recurrences]
        levels = tuple(index for index in outside if not self.rows[index].container and (
            is_activation(self.rows[index]) or is_embedding(self.rows[index]) or self.rows[index].skip is not None)
            and index not in self._ends)
        if sum(not is_embedding(self.rows[index]) for index in levels) > 1:
            return levels
        return tuple(sorted({*levels, *(index for index in outside if index in self.products
                                       and index not in self.heads and not self._feeds_activation(index))}))

    @cached_property
    def _ends(self) -> frozenset[int]:
        """Sums that end a model, such as the last layer with an adapter beside it."""
        activations = 0
        for index in self.measured:
            if is_activation(self.rows[index]) or index in self.products:
                activations |= self._behind[index]
        sums = [(index, row.skip) for index in self.measured if (row := self.rows[index]).skip is not None]
        return frozenset(index for index, skip in sums if skip is not None and not skip.identity
                         and not activations >> index & 1)

    def _feeds_activation(self, index: int) -> bool:
        return any(index in self.rows[reader].sources for reader in self.measured if is_activation(self.rows[reader]))

    def preactivation_of(self, index: int) -> Row | None:
        """The row that an activation is computed from; None for another kind of row, or where it is not known."""
        row = self.rows[index]
        if not is_activation(row) or len(row.sources) != 1:
            return None
        before = self.rows[row.sources[0]]
        return before if before.shape == row.shape and not is_activation(before) else None

    def level(self, index: int) -> float:
        """The signal: the median sample's root mean square where it is known."""
        row = self.rows[index]
        return row.rms if math.isnan(row.median_rms) else row.median_rms

    def gradient_scale(self, index: int) -> float:
        """What is compared of the gradient: its length, times the signal where a normalization divides by that."""
        return self.gradient_length(index) * (self.rows[index].rms if index in self.only_normalized else 1.0)

    def gradient_length(self, index: int) -> float:
        """The gradient: the length for a sample of dL/dz before an activation, else of dL/dh; NaN for none."""
        row = self.preactivation_of(index) or self.rows[index]
        row = row if row.gradient is not None else self.rows[index]
        if row.gradient is None or not row.shape or not row.shape[0]:
            return math.nan
        return row.gradient.rms * math.sqrt(math.prod(row.shape) / row.shape[0])


def extreme_stretches(trunk: Trunk, value: Callable[[int, int], float], *, forward: bool,
                      ends: Callable[[int], bool] | None = None) -> list[Stretch]:
    """The greatest fall and the greatest growth from a level to a later one with nothing but modules between.

    ``value`` is that of a place, for a fall (-1) or a growth (1); those that are 0 or not finite are passed over.
    A place of ``ends`` ends a stretch, without it a normalization; forward the INPUT, where its scale is known, begins
    one.
    """
    ends = ends or trunk.normalizations.__contains__
    stretches_of_signs = ([*_stretches(trunk, value, sign, forward, ends)] for sign in (-1, 1))
    return [max(stretches, key=lambda stretch: sign * math.log(stretch.value))
            for sign, stretches in zip((-1, 1), stretches_of_signs, strict=True) if stretches]


def _ratio(later: float, earlier: float) -> float:
    """Of two positive numbers; infinite where it is beyond the largest number."""
    power = math.log(later) - math.log(earlier)
    return math.exp(power) if power < MOST_POWER else math.inf


def _stretches(trunk: Trunk, value: Callable[[int, int], float], sign: int, forward: bool,
               ends: Callable[[int], bool]) -> Iterator[Stretch]:
    """Of each level the change from the earlier one that is furthest from it."""
    levels = frozenset(trunk.levels)
    size = value(INPUT, sign) if forward and trunk.recording.input is not None else math.nan
    entering = (size, INPUT, 0) if 0 < size < math.inf else None
    carried: list[tuple[float, int, int] | None] = []  # by each row: the furthest value behind it, its place, the steps
    for index, row in enumerate(trunk.rows):
        sources = row.skip.sources if row.skip is not None and row.skip.identity else row.sources
        behind = [candidate for source in sources if (candidate := carried[source]) is not None]
        if not sources and entering is not None and not is_embedding(row):
            behind.append(entering)
        if ends(index):
            behind = []
        furthest = max(behind, key=lambda candidate: -sign * candidate[0], default=None)
        if index in levels:
            level = value(index, sign)
            if 0 < level < math.inf:
                if furthest is not None and 0 < (change := _ratio(level, furthest[0])) < math.inf:
                    if change != 1:
                        yield Stretch(change, furthest[1], index, furthest[2] + 1)
                    furthest = max((furthest[0], furthest[1], furthest[2] + 1), (level, index, 0),
                                   key=lambda candidate: -sign * candidate[0])
                else:
                    furthest = level, index, 0
        carried.append(furthest)
