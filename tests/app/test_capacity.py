"""Who does not fit into the server's memory waits, is told so, and gets it when others have ended or left."""

import gc
import threading
import time

import pytest
from streamlit.testing.v1 import AppTest

from initviz.app import capacity
from initviz.app.capacity import IDLE, MOST_AT_ONCE, SMALL, WAITING, Capacity, Holding
from initviz.core.cost import MOST_BYTES

MB = 1e6


@pytest.fixture
def clock(monkeypatch):
    """A clock that a test moves."""
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_the_dearest_that_the_controls_allow_fits_where_nobody_else_works():
    assert MOST_BYTES <= MOST_AT_ONCE
    assert Capacity(MOST_AT_ONCE).take(Holding(), MOST_BYTES)
    assert Capacity(100 * MB).take(Holding(), 500 * MB)  # by the command line's estimate more: alone it runs


def test_who_asked_first_is_first_and_small_work_never_waits(clock):
    room = Capacity(100 * MB)
    working, first, second = Holding(), Holding(), Holding()
    assert room.take(working, 80 * MB)
    assert not room.take(first, 90 * MB)
    assert not room.take(second, 20 * MB)  # would fit, but another asked before
    assert room.take(Holding(), SMALL)
    with room.using(working):
        clock[0] += 2 * IDLE
        assert not room.take(first, 90 * MB)
    room.give_back(working)
    gc.collect()  # the small one
    assert room.take(first, 90 * MB)
    assert not room.take(second, 20 * MB)
    assert room.taken == 90 * MB


def test_who_asks_no_more_holds_nobody_up(clock):
    room = Capacity(100 * MB)
    working, left, patient = Holding(), Holding(), Holding()
    assert room.take(working, 50 * MB)
    assert not room.take(left, 90 * MB)
    assert not room.take(patient, 40 * MB)
    clock[0] += IDLE
    assert room.take(patient, 40 * MB)


def test_what_nobody_looks_at_gives_way_and_what_is_used_does_not(clock):
    room = Capacity(100 * MB)
    abandoned, used = Holding(), Holding()
    abandoned.value, used.value = "race", "race"
    assert room.take(abandoned, 40 * MB)
    assert room.take(used, 40 * MB)
    with room.using(used):
        clock[0] += IDLE
        assert not room.take(Holding(), 70 * MB)
        assert abandoned.value == "race"  # would not have been enough
        assert room.take(late := Holding(), 50 * MB)
    assert late.nbytes == 50 * MB
    assert (abandoned.value, used.value) == (None, "race")


def test_a_session_that_ends_gives_its_share_back():
    room = Capacity(100 * MB)
    held = Holding()
    assert room.take(held, 90 * MB)
    del held
    gc.collect()
    assert room.taken == 0


def test_a_page_that_waits_says_so_and_goes_on_when_there_is_room(monkeypatch):
    def page():
        import streamlit as st

        from initviz.app.capacity import room_for

        with room_for(80e6):
            st.text("computed")

    room, other = Capacity(100 * MB), Holding()
    monkeypatch.setattr(capacity, "CAPACITY", room)
    assert room.take(other, 90 * MB)
    said = []
    empty = capacity.st.empty

    def noticed():
        place = empty()
        info = place.info

        def note(words, **more):
            said.append(words)
            if len(said) == 1:
                threading.Timer(0.1, room.give_back, [other]).start()
            return info(words, **more)

        monkeypatch.setattr(place, "info", note)
        return place

    monkeypatch.setattr(capacity.st, "empty", noticed)
    at = AppTest.from_function(page, default_timeout=30).run()
    assert not at.exception
    assert [text.value for text in at.text] == ["computed"]
    assert said[0].startswith(WAITING)
    assert not at.info
    assert room.taken == 0
