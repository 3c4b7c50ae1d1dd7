"""The memory that all sessions' computations take at once: who does not fit waits, and is told so.

A server of 1 GB holds the modules, what sessions share, and about MOST_AT_ONCE of work. What a session has begun and
nobody looks at any more gives way first: it is begun anew where its session comes back.
"""

from __future__ import annotations

import ctypes
import itertools
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import Any, TypeVar

import streamlit as st

MOST_AT_ONCE = 300e6  # bytes
IDLE = 15.0  # seconds without a look: then what a session holds may give way to others' work
POLL_SECONDS = 0.25  # between two attempts to find room
NOTED, LONG = 0.5, 2.0  # seconds between two looks at a computation, and until one is told of it
SMALL = 16e6  # bytes: below it nothing waits; a first visit's computations take less
WAITING = "Other visitors' computations take the memory of this server; this one is next when they end"

Result = TypeVar("Result")
_numbers = itertools.count()


class Holding:
    """What a session holds of the capacity: ``value``, which is None before it is made and after it gave way.

    It may give way where nobody has used it for ``idle`` seconds.
    """

    def __init__(self, idle: float = IDLE) -> None:
        self.idle = idle
        self.value: Any = None
        self.nbytes = 0.0
        self.busy = 0  # script runs that are using it
        self.number = 0  # in the queue
        self.seen = time.monotonic()


class Capacity:
    """A budget of bytes that is taken and given back; whoever asked first and still asks is the first to get them."""

    def __init__(self, most: float) -> None:
        self.most = most
        self._lock = threading.Lock()
        self._held: weakref.WeakSet[Holding] = weakref.WeakSet()
        self._asking: weakref.WeakSet[Holding] = weakref.WeakSet()

    @property
    def taken(self) -> float:
        """Bytes that are held."""
        with self._lock:
            return sum(holding.nbytes for holding in self._held)

    def take(self, holding: Holding, nbytes: float) -> bool:
        """Hold so many bytes in place of what it holds, where there is room, or where what is idle gives way for it.

        More than there is at all is had by whoever is alone.
        """
        with self._lock:
            holding.seen = time.monotonic()
            if nbytes > max(holding.nbytes, SMALL) and not self._has_turn(holding, nbytes):
                return False
            self._asking.discard(holding)
            self._held.add(holding)
            less, holding.nbytes = holding.nbytes - nbytes, nbytes
        if less >= SMALL:
            release_free_memory()
        return True

    def _has_turn(self, holding: Holding, nbytes: float) -> bool:
        """Whether nobody who asked before still asks, and there is room."""
        if holding not in self._asking:
            holding.number = next(_numbers)
            self._asking.add(holding)
        before = any(other.number < holding.number and holding.seen - other.seen < IDLE for other in self._asking)
        return not before and self._make_room(holding, nbytes, holding.seen)

    def _make_room(self, holding: Holding, nbytes: float, now: float) -> bool:
        others = [other for other in self._held if other is not holding]
        spare = self.most - nbytes - sum(other.nbytes for other in others)
        idle = sorted((other for other in others if not other.busy and now - other.seen >= other.idle),
                      key=lambda other: other.seen)
        if spare + sum(other.nbytes for other in idle) < 0 and len(idle) < len(others):
            return False
        for other in idle:
            if spare >= 0:
                break
            spare += other.nbytes
            other.value, other.nbytes = None, 0.0
            self._held.discard(other)
        return True

    def give_back(self, holding: Holding) -> None:
        """Hold nothing, and ask for nothing, any more."""
        with self._lock:
            nbytes, holding.nbytes, holding.value = holding.nbytes, 0.0, None
            self._held.discard(holding)
            self._asking.discard(holding)
        if nbytes >= SMALL:
            release_free_memory()

    @contextmanager
    def using(self, holding: Holding) -> Iterator[None]:
        """Meanwhile the holding does not give way."""
        with self._lock:
            holding.busy += 1
        try:
            yield
        finally:
            with self._lock:
                holding.busy -= 1
                holding.seen = time.monotonic()


CAPACITY = Capacity(MOST_AT_ONCE)


def wait_for(holding: Holding, nbytes: float, needed: Holding | None = None) -> None:
    """Take so many bytes, and until there is room say so on the page.

    What is ``needed`` with it may give way meanwhile, so that two sessions never wait for each other: then the page
    begins anew.
    """
    place, began = None, time.monotonic()
    try:
        while not CAPACITY.take(holding, nbytes):
            place = place or st.empty()
            place.info(f"{WAITING} ({time.monotonic() - began:.0f} s so far).", icon=":material/hourglass_top:")
            time.sleep(POLL_SECONDS)
            if needed is not None and needed.value is None:
                st.rerun()
    except BaseException:  # the script is stopped while it waits
        CAPACITY.give_back(holding)
        raise
    if place is not None:
        place.empty()


def held_in_session(name: str, idle: float = IDLE) -> Holding:
    """The Holding of this session under a name, made where there is none."""
    if name not in st.session_state:
        st.session_state[name] = Holding(idle)
    holding: Holding = st.session_state[name]
    return holding


@contextmanager
def room_for(nbytes: float) -> Iterator[None]:
    """Room for a computation of so many bytes, given back when it ends."""
    holding = Holding()
    wait_for(holding, nbytes)
    try:
        with CAPACITY.using(holding):
            yield
    finally:
        CAPACITY.give_back(holding)


def computed(task: str, compute: Callable[[], Result]) -> Result:
    """What a function returns; where that takes long the page says ``what`` is done, and for how many seconds so far.

    The function runs on a thread of its own and must not draw on the page.
    """
    with ThreadPoolExecutor(1) as worker:
        running, place, began = worker.submit(compute), st.empty(), time.monotonic()
        while not wait([running], NOTED).done:
            if (passed := time.monotonic() - began) >= LONG:
                place.info(f"{task}: {passed:.0f} s so far.", icon=":material/hourglass_top:")
        place.empty()
        return running.result()


def _trim() -> Callable[[int], int] | None:
    return getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None


_malloc_trim = _trim()


def release_free_memory() -> None:
    """Give the system back what the C library keeps of freed memory, where it is glibc."""
    if _malloc_trim is not None:
        _malloc_trim(0)
