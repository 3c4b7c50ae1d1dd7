"""Buffers: large arrays whose memory is used again."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from initviz.core.arrays import Array

MOST_IDLE_BYTES = 64e6


class Buffers:
    """Memory by name, used again in every pass: the system hands out a large new array page by page, which takes
    longer than most of what is computed in it.
    """

    def __init__(self) -> None:
        self._held: dict[Hashable, Array] = {}

    def array(self, name: Hashable, shape: tuple[int, ...], dtype: Any) -> Array:
        """An array with any values in it; its memory is that of the array last asked for under this name."""
        size = math.prod(shape) * np.dtype(dtype).itemsize
        held = self._held.get(name)
        if held is None or held.nbytes < size:
            held = self._held[name] = np.empty(size, np.uint8)
        return held[:size].view(dtype).reshape(shape)

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return sum(held.nbytes for held in self._held.values())

    def clear(self) -> None:
        """Release all memory."""
        self._held.clear()


class NewArrays(Buffers):
    """Buffers that allocate a new array each time, for results that are kept."""

    def array(self, name: Hashable, shape: tuple[int, ...], dtype: Any) -> Array:
        """A new array."""
        return np.empty(shape, dtype)


_IDLE: list[Buffers] = []


@contextmanager
def borrowed_buffers() -> Iterator[Buffers]:
    """Buffers that no other thread uses meanwhile, with the memory of an earlier pass where that was not too large."""
    try:
        buffers = _IDLE.pop()
    except IndexError:
        buffers = Buffers()
    try:
        yield buffers
    finally:
        if buffers.nbytes + sum(idle.nbytes for idle in _IDLE) <= MOST_IDLE_BYTES:
            _IDLE.append(buffers)
