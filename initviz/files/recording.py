"""Recordings of a model's first training step: the reader, and what it gives.

The format is the JSON schema ``initviz/data/recording.schema.json``; recorders for other frameworks write the same.
What is read is data alone: nothing in it is run, and work and memory are bounded before they are spent.
"""

from __future__ import annotations

import functools
import gzip
import io
import json
import math
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from initviz.core.wording import shown
from initviz.files.json_schema import check_schema
from initviz.files.stand_ins import check_is_itself

SCHEMA = Path(__file__).parents[1] / "data/recording.schema.json"
SUFFIXES = (".json.gz", ".json", ".gz")
MOST_BYTES, MOST_JSON_BYTES = 4_000_000, 8_000_000  # as it is, and unpacked; a recorder writes 64,000 at most
MOST_VALUES = 800_000
VERSION = 1
T = TypeVar("T")


@dataclass(frozen=True)
class TensorStatistics:
    """Root mean square, mean, standard deviation, extremes and share of exact zeros of a tensor.

    ``histogram`` is the least exponent of 2, then the shares in thousandths of the magnitudes between one power of 2
    and the next, of those that are not 0; empty where it is not known.
    """

    rms: float = math.nan
    mean: float = math.nan
    std: float = math.nan
    least: float = math.nan
    most: float = math.nan
    zero_share: float = math.nan
    histogram: tuple[int, ...] = ()

    @property
    def finite(self) -> bool:
        """Whether no value is infinite or not a number."""
        return math.isfinite(self.least) and math.isfinite(self.most)

    @property
    def all_zero(self) -> bool:
        """Whether every value is exactly 0."""
        return self.least == self.most == 0


@dataclass(frozen=True)
class Skip:
    """The two terms of a sum, measured before it; ``identity`` says that the branch was computed from the skip."""

    skip_rms: float
    branch_rms: float
    cosine: float
    identity: bool = True
    sources: tuple[int, ...] = ()


@dataclass(frozen=True)
class Row(TensorStatistics):
    """One output of a module or function: where it is, and what it measures; NaN where a number is not known.

    ``sources`` are the places of the rows from which it was computed, ``same_as`` that of an earlier row of the same
    tensor.
    """

    path: str = ""
    kind: str = ""
    call: int = 1
    shape: tuple[int, ...] = ()
    dtype: str = ""
    container: bool = False
    function: bool = False
    same_as: int | None = None
    sources: tuple[int, ...] = ()
    median_rms: float = math.nan
    change_rms: float = math.nan
    units: int = 0
    zero_units: int = 0
    distinct: int = 0
    rank: float = math.nan
    token_cosine: float = math.nan
    sample_cosine: float = math.nan
    saturated_share: float = math.nan
    entropy: float = math.nan
    score_std: float = math.nan
    channel_mean_square: float = math.nan
    channel_variance: float = math.nan
    skip: Skip | None = None
    gradient: TensorStatistics | None = None

    @property
    def label(self) -> str:
        """The module's path, with the name of a function or of what has a number for a name, and the later calls."""
        name = self.path or "the model"
        if self.function:
            name = f"{name} {self.kind}"
        elif self.path.rpartition(".")[2].isdigit():
            name = f"{name} ({self.kind})"
        return name + (f", call {self.call}" if self.call > 1 else "")


@dataclass(frozen=True)
class ParameterGradient:
    """The gradient of a parameter in one step."""

    rms: float
    zero_share: float
    exact_zero: bool


@dataclass(frozen=True)
class RecordedParameter(TensorStatistics):
    """A parameter: its form, moments, structure and the gradient of each recorded step, None where there is none."""

    name: str = ""
    module: str = ""
    shape: tuple[int, ...] = ()
    dtype: str = ""
    trainable: bool = True
    rate: float | None = None
    measured: int | None = None
    kurtosis: float = math.nan
    hash: str = ""
    repeated: tuple[int, ...] = (0, 0)
    isometry: float = math.nan
    singular_values: tuple[float, ...] = ()
    gradients: tuple[ParameterGradient | None, ...] = ()

    @property
    def path(self) -> str:
        """The path of its module."""
        return self.name.rpartition(".")[0]

    @property
    def count(self) -> int:
        """Number of its values."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class Loss:
    """The first loss, its kind, and of classes their number and the standard deviation of the logits between them."""

    value: float
    kind: str | None = None
    classes: int | None = None
    logit_std: float = math.nan


@dataclass(frozen=True)
class RecordedInput:
    """The scale of the model's input, to three digits."""

    shape: tuple[int, ...]
    rms: float
    median_rms: float


@dataclass(frozen=True)
class Recording:
    """One recorded training step of a model."""

    framework: str
    model: str
    loss: Loss
    rows: tuple[Row, ...]
    parameters: tuple[RecordedParameter, ...]
    input: RecordedInput | None = None
    training: bool = True
    autocast: bool = False
    compiled: bool = False
    optimizer: str | None = None
    rows_left_out: int = 0
    parameters_left_out: int = 0
    digits: int = 7
    uncalled: tuple[str, ...] = ()
    tied: tuple[tuple[str, ...], ...] = ()

    @property
    def steps(self) -> int:
        """How many steps the gradients were measured in."""
        return max((len(parameter.gradients) for parameter in self.parameters), default=1)


# ---------------------------------------------------------------------------------------------- reading

def read_recording(data: bytes, name: str = "the file") -> Recording:
    """The recording that a file holds, compressed or not; raises ValueError if it is no recording.

    ``name`` is how sentences call the file.
    """
    check_is_itself(data)
    content = _json(_unpacked(data, shown(name) if name != "the file" else name))
    version = content.get("version") if isinstance(content, dict) else None
    if type(version) is int and version != VERSION:
        raise ValueError(f"version must be {VERSION}, the format that is read here, got {version!r:.20}")
    check_schema(content, _schema())
    rows = tuple(_record(Row, row) for row in _in_a_chain(content["rows"]))
    parameters = tuple(_record(RecordedParameter, parameter) for parameter in content["parameters"])
    _check_rows(rows)
    _check_parameters(parameters)
    loss = _record(Loss, content["loss"])
    return _record(Recording, {**content, "rows": rows, "parameters": parameters, "loss": loss})


@functools.cache
def _schema() -> Mapping[str, Any]:
    return dict(json.loads(SCHEMA.read_text("utf-8")))


def _unpacked(data: bytes, name: str) -> bytes:
    if len(data) > MOST_BYTES:
        raise ValueError(f"{name} must be at most {MOST_BYTES / 1e6:g} MB, got {len(data) / 1e6:.3g}")
    if data[:2] == b"\x1f\x8b":
        try:
            data = gzip.GzipFile(fileobj=io.BytesIO(data)).read(MOST_JSON_BYTES + 1)
        except (OSError, EOFError, zlib.error):
            raise ValueError(f"{name} must be a whole gzip file, and its end or a part of it is missing or damaged"
                             ) from None
    if len(data) > MOST_JSON_BYTES:
        raise ValueError(f"{name} must hold at most {MOST_JSON_BYTES / 1e6:g} MB of JSON, and holds more")
    values = sum(data.count(sign) for sign in (b",", b"[", b"{"))
    if values > MOST_VALUES:
        raise ValueError(f"{name} must hold at most {MOST_VALUES:,} values, got about {values:,}")
    return data


def _json(text: bytes) -> Any:
    def refuse(word: str) -> None:
        raise ValueError(f"{word} is no JSON")

    try:
        return json.loads(text.decode("utf-8"), parse_constant=refuse)
    except (ValueError, RecursionError):
        raise ValueError("the file must be JSON as a recorder writes it, and is not") from None


def _number(value: Any) -> float:
    try:
        return float(value)  # "nan", "inf" and "-inf" among them
    except OverflowError:
        return math.inf if value > 0 else -math.inf


@functools.cache
def _hints(cls: type) -> Mapping[str, Any]:
    return get_type_hints(cls)


def _converted(value: Any, kind: Any) -> Any:
    """A JSON value as the field of a record has it."""
    if kind is float or (kind == float | None and value is not None):
        return math.nan if value is None else _number(value)
    if kind is int or (kind == int | None and value is not None):
        return int(value)
    if kind == tuple[float, ...]:
        return tuple(map(_number, value))
    if kind == tuple[int, ...]:
        return tuple(map(int, value))
    if kind == tuple[str, ...]:
        return tuple(value)
    if kind == tuple[tuple[str, ...], ...]:
        return tuple(map(tuple, value))
    if kind == RecordedInput | None:
        return None if value is None else _record(RecordedInput, value)
    if kind == Skip | None:
        return _record(Skip, value)
    if kind == TensorStatistics | None:
        return _record(TensorStatistics, value)
    if kind == tuple[ParameterGradient | None, ...]:
        return tuple(None if gradient is None else _record(ParameterGradient, gradient) for gradient in value)
    return value


def _record(cls: type[T], content: Mapping[str, Any]) -> T:
    """A record of what was given of it; other fields keep their defaults."""
    given = {("sources" if name == "from" else name): value for name, value in content.items()}
    hints: Mapping[str, Any] = _hints(cls)  # type: ignore[arg-type]
    values = {field.name: _converted(given[field.name], hints[field.name])
             for field in fields(cls) if field.name in given}  # type: ignore[arg-type]
    return cls(**values)


def _in_a_chain(rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The rows; one that does not say what it was computed from comes from the measured row before."""
    before: list[int] = []
    for index, row in enumerate(rows):
        if "same_as" in row:
            yield row
        else:
            yield {"from": before} | row
            before = [index]


def _check_rows(rows: tuple[Row, ...]) -> None:
    """Raise ValueError where rows refer to what is no earlier row, or hold counts that cannot be."""
    for index, row in enumerate(rows):
        row_name = f"rows[{index}]"
        if row.same_as is not None:
            if row.same_as >= index or rows[row.same_as].same_as is not None:
                raise ValueError(f"{row_name}.same_as must be the place of an earlier measured row, got {row.same_as}")
            continue
        for field, sources in (("from", row.sources), ("skip.from", row.skip.sources if row.skip else ())):
            bad = next((source for source in sources if source >= index or rows[source].same_as is not None), None)
            if bad is not None:
                raise ValueError(f"{row_name}.{field} must be places of earlier measured rows, got {bad}")
        if math.isnan(row.zero_share):
            raise ValueError(f"{row_name} must hold the moments or same_as, and holds neither")
        for name in ("zero_units", "distinct"):
            if getattr(row, name) > row.units:
                raise ValueError(f"{row_name}.{name} must be at most its units, {row.units}, got {getattr(row, name)}")


def _check_parameters(parameters: tuple[RecordedParameter, ...]) -> None:
    """Raise ValueError for two parameters of one name, and where they were not all recorded in as many steps."""
    names: set[str] = set()
    for index, parameter in enumerate(parameters):
        if parameter.name in names:
            raise ValueError(f"parameters[{index}].name must be no other parameter's, got {shown(parameter.name)}")
        names.add(parameter.name)
        if len(parameter.gradients) != len(parameters[0].gradients):
            raise ValueError(f"parameters[{index}].gradients must have as many steps as the first parameter's, "
                             f"{len(parameters[0].gradients)}, got {len(parameter.gradients)}")
