"""Results that all sessions share: the last ones, as far as a number of bytes goes."""

from __future__ import annotations

import functools
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from typing import Any, ParamSpec, TypeVar

import numpy as np

Given = ParamSpec("Given")
Made = TypeVar("Made")


def size_of(value: Any) -> int:
    """About how many bytes a value holds: arrays, and whatever containers and records they stand in."""
    if isinstance(value, np.ndarray):
        return int(value.nbytes) + 100
    if isinstance(value, Mapping):
        return sum(map(size_of, value.values())) + 100
    if isinstance(value, list | tuple):
        return sum(map(size_of, value)) + 60
    return sum(map(size_of, vars(value).values())) + 60 if hasattr(value, "__dict__") else sys.getsizeof(value)


def cached(most_bytes: float) -> Callable[[Callable[Given, Made]], Callable[Given, Made]]:
    """Keep what a function of hashable arguments made, the least used first to go, up to so many bytes together.

    Like functools.lru_cache, which counts results and not their size, and unlike Streamlit's caches, which take two
    milliseconds to hash a description. What it returns is shared: nobody may change it.
    """
    def keep(make: Callable[Given, Made]) -> Callable[Given, Made]:
        held: OrderedDict[Hashable, tuple[Made, int]] = OrderedDict()
        lock = threading.Lock()

        @functools.wraps(make)
        def found(*args: Given.args, **kwargs: Given.kwargs) -> Made:
            key = (args, tuple(kwargs.items()))
            with lock:
                if key in held:
                    held.move_to_end(key)
                    return held[key][0]
            made = make(*args, **kwargs)  # two sessions may make the same at once: neither waits for the other
            with lock:
                held[key] = (made, size_of(made))
                while sum(size for _, size in held.values()) > most_bytes:
                    held.popitem(last=False)
            return made
        return found
    return keep
