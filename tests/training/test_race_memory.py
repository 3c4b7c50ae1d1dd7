"""What a race is estimated to take is what it takes at its peak.

Measured with tracemalloc, which NumPy reports its arrays to: it sees what the race asks for, whatever the allocator
keeps of earlier tests, which a process's resident memory does not tell apart.
"""

import time
import tracemalloc
from dataclasses import replace

import pytest

from initviz.app.affordable import affordable, affordable_race_steps, peak_bytes, race_terms
from initviz.app.settings import Settings
from initviz.core.batches import make_split
from initviz.core.cost import MOST_BYTES
from initviz.training.race.live import MOST_SEEDS, LiveRace
from initviz.training.race.memory import rates_at_once

FIVE = ("zeros", "constant", "xavier_normal", "he_normal", "lecun_normal")
EIGHT = (*FIVE, "xavier_uniform", "he_uniform", "orthogonal")
EDGES = {
    "first visit": {"steps": 10}, "one layer": {"depth": 1, "steps": 10, "batch": 1024},
    "deepest": {"depth": 100, "steps": 2, "width": 64},
    "deepest, each for itself": {"depth": 100, "steps": 2, "width": 64, "batch": 512},
    "widest": {"width": 1024, "depth": 3, "steps": 1},
    "one worker": {"width": 768, "depth": 10, "steps": 1, "init": EIGHT},
    "largest batch": {"batch": 1024, "steps": 3},
    "samples a step": {"batch": 1024, "minibatch": 32, "depth": 5, "steps": 5},
    "momentum": {"optimizer": "momentum", "width": 512, "depth": 4, "steps": 2},
    "Adam": {"optimizer": "adam", "width": 512, "depth": 4, "steps": 2},
    "rates tried": {"tuned": "best", "steps": 2}, "rates tried a few at a time": {
        "tuned": "best", "width": 256, "depth": 6, "steps": 2, "optimizer": "adam", "init": EIGHT},
    "filmed": {"input": "moons", "width": 256, "depth": 6, "steps": 10}, "eight": {"init": EIGHT, "steps": 5}}


def peak(settings):
    for network in settings.networks():
        network.parameters()  # draws and data that all pages share are bounded elsewhere
    make_split(settings.input, 8, 8)
    tracemalloc.start()
    try:
        race = LiveRace(race_terms(settings))
        while not race.finished:
            race.advance(time.monotonic())  # a step for each worker: so all work, however busy the machine is
        return tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("changes", EDGES.values(), ids=EDGES.keys())
def test_the_measured_peak_lies_between_a_half_and_eleven_tenths_of_the_estimate(changes):
    settings = replace(Settings(), **{"init": FIVE} | changes)
    held, most = peak(settings)
    assert 0.5 < most / peak_bytes(settings, training=True) < 1.1
    assert held < 0.5 * most + 1e6


def test_what_would_end_a_small_server_is_refused():
    costly = replace(Settings(), init=EIGHT, width=640, depth=9, steps=10, optimizer="adam", tuned="best")
    assert peak_bytes(costly, training=True) > MOST_BYTES
    assert not affordable(costly, training=True)
    assert MOST_BYTES <= 300e6  # five sessions of it and the server do not fit into 2 GB otherwise


@pytest.mark.parametrize("changes", [{"width": 1024}, {"depth": 100}, {"batch": 1024}, {"steps": 2000},
                                     {"width": 1024, "tuned": "best"}, {"depth": 100, "tuned": "best"}])
def test_no_choice_of_one_control_is_refused_on_the_first_visit(changes):
    settings = replace(Settings(), **changes)
    steps = affordable_race_steps(race_terms(settings))
    assert steps >= 20
    assert affordable(replace(settings, steps=steps), training=True)


def test_repeats_end_where_the_page_says():
    small = replace(Settings(), init=("he_normal",), input="moons", depth=2, width=2, batch=8, steps=1)
    race = LiveRace(race_terms(small))
    for _ in range(MOST_SEEDS):
        while not race.finished:
            race.advance(time.monotonic() + 0.2)
        race.repeat()
    assert race.finished
    assert race.seeds_left == 0
    assert len(race.all_histories[0]) == MOST_SEEDS


def test_what_would_take_minutes_is_refused_though_its_memory_is_small():
    slow = replace(Settings(), init=EIGHT, width=1024, depth=10, batch=1024)
    assert peak_bytes(slow) <= MOST_BYTES
    assert not affordable(slow)
    assert all(affordable(replace(Settings(), **change)) for change in (
        {"width": 1024}, {"depth": 100}, {"batch": 1024}, {"init": EIGHT}))


def test_a_race_of_many_minutes_is_cut_to_the_steps_that_it_can_afford():
    long = replace(Settings(), init=EIGHT, width=512, depth=9, batch=512, steps=2000)
    assert not affordable(long, training=True)
    assert affordable_race_steps(race_terms(long)) < 2000


def test_rates_are_tried_side_by_side_where_they_are_small_and_take_no_more_than_the_race_where_they_are_large():
    first_visit = replace(Settings(), tuned="best")
    assert rates_at_once(race_terms(first_visit)) > 1
    large = replace(first_visit, width=768)
    assert peak_bytes(large, training=True) <= peak_bytes(replace(large, tuned="same"), training=True)
