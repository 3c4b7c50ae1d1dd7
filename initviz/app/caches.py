"""Results that all sessions share: the last ones used, as far as a number of bytes goes."""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, TypeVar

import cachetools
import numpy as np

P = ParamSpec("P")
T = TypeVar("T")


def size_of(value: Any) -> int:
    """About how many bytes a value holds: arrays, and whatever containers and records they stand in."""
    if isinstance(value, np.ndarray):
        return int(value.nbytes) + 100
    if isinstance(value, Mapping):
        return sum(size_of(key) + size_of(item) for key, item in value.items()) + 100
    if isinstance(value, list | tuple):
        return sum(map(size_of, value)) + 60
    return sum(map(size_of, vars(value).values())) + 160 if hasattr(value, "__dict__") else sys.getsizeof(value)


def cached(most_bytes: float) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Keep what a function of hashable arguments returned, the least recently used first to go, up to so many bytes.

    What it was given counts as well as what it returned. Streamlit's caches take two milliseconds to hash a description
    and are bounded in number; functools.lru_cache is bounded in number too. What it returns is shared: nobody may
    change it. Two sessions may compute the same at once: neither waits for the other.
    """
    def keep(function: Callable[P, T]) -> Callable[P, T]:
        @cachetools.cached(cachetools.LRUCache(most_bytes, getsizeof=size_of), lock=threading.Lock())
        def with_arguments(*args: P.args, **kwargs: P.kwargs) -> tuple[Any, ...]:
            return function(*args, **kwargs), *args, *kwargs.values()

        @functools.wraps(function)
        def shared(*args: P.args, **kwargs: P.kwargs) -> T:
            returned: T = with_arguments(*args, **kwargs)[0]
            return returned
        return shared
    return keep
