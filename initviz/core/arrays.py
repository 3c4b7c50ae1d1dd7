"""The type of every array, and what counts as round-off in one."""

from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]
ROUND_OFF = 64  # multiples of eps, relative to the largest entry, below which a spread is round-off
