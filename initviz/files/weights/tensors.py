"""One tensor of a file, what a file may ask for, and what every format needs to read its own."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import IO, Any, BinaryIO

import numpy as np

from initviz.core.arrays import Array
from initviz.core.wording import MOST_SHOWN, shown

CHUNK = 1 << 20  # bytes that are read at once
ALLOWED = "float16, bfloat16, float32 or float64"
FLOATS: Mapping[str, np.dtype[Any]] = MappingProxyType(
    {name: np.dtype(name) for name in ("float16", "float32", "float64")})
ITEM_BYTES: Mapping[str, int] = MappingProxyType({"float16": 2, "bfloat16": 2, "float32": 4, "float64": 8})


@dataclass(frozen=True)
class Limits:
    """What a file may ask for: arrays, bytes of the file, bytes of all arrays once loaded, bytes of a header."""

    arrays: int
    file_bytes: int
    loaded_bytes: int
    header_bytes: int


# Of a network that is examined at once: file and arrays together stay below 2.5 times the largest file.
EXAMINED = Limits(200, 64 * 10**6, 96 * 10**6, 10**6)


@dataclass(frozen=True)
class Tensor:
    """One array of a file, not yet read.

    ``dtype`` is float16, bfloat16, float32, float64 or the format's own name of another; ``load`` reads it, bfloat16 as
    float32, and raises ValueError where it is damaged or no array of floats.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    load: Callable[[], Array]

    @property
    def size(self) -> int:
        """Number of values."""
        return product(self.shape)

    @property
    def loaded_bytes(self) -> int:
        """Memory that it takes once loaded."""
        return self.size * max(ITEM_BYTES.get(self.dtype, 1), 4 if self.dtype == "bfloat16" else 0)


@dataclass(frozen=True)
class Container:
    """The tensors of a file, in its order, and what a .safetensors says of itself."""

    tensors: tuple[Tensor, ...]
    metadata: Mapping[str, str]

    def __iter__(self) -> Iterator[Tensor]:
        return iter(self.tensors)


@dataclass(frozen=True)
class Content:
    """What a file holds: arrays and their number formats' names, both by name and in its order, and its metadata."""

    arrays: Mapping[str, Array]
    dtypes: Mapping[str, str]
    metadata: Mapping[str, str]


def product(shape: tuple[int, ...]) -> int:
    """Number of values of an array of that shape, exact however large."""
    count = 1
    for length in shape:
        count *= length
    return count


def not_floats(name: str, dtype: str) -> ValueError:
    """The error's text for an array that does not hold floats."""
    return ValueError(f"the array {shown(name)} must be of {ALLOWED}, got {dtype[:MOST_SHOWN]}")


def filled(file: IO[bytes], count: int, dtype: np.dtype[Any], name: str) -> Array:
    """``count`` values from where an open file stands, in the machine's order of bytes, and in no memory but theirs.

    ``dtype`` says in which order they are stored. Raises ValueError where there are fewer.
    """
    array = np.empty(count, dtype)
    view, place = memoryview(array.view(np.uint8).data), 0
    while place < len(view):
        read = file.readinto(view[place:place + CHUNK])  # type: ignore[attr-defined]  # binary files all have it
        if not read:
            raise ValueError(f"the array {shown(name)} must have {array.nbytes:,} bytes, got {place:,}")
        place += read
    return array if dtype.isnative else array.byteswap(inplace=True).view(dtype.newbyteorder("="))


def from_bfloat16(bits: Array) -> Array:
    """The float32 numbers whose upper halves these are."""
    wide = bits.astype(np.uint32)
    wide <<= 16
    return wide.view(np.float32)


def size_of(file: BinaryIO) -> int:
    """Bytes of an open file."""
    return file.seek(0, io.SEEK_END)


def too_many(count: int | str, limits: Limits) -> ValueError:
    """The error's text for a file of more arrays than are read."""
    return ValueError(f"the file must hold at most {limits.arrays} arrays, got {count}")


def too_large(limits: Limits) -> ValueError:
    """The error's text for a file that takes more memory than is allowed."""
    return ValueError(f"the file must unpack to at most {limits.loaded_bytes / 1e6:,.0f} MB, and holds more")
