"""What all sessions share is bounded by its size."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from initviz.app.caches import cached, size_of


def test_a_result_is_made_once():
    made = []

    @cached(1e6)
    def double(x, *, plus=0):
        made.append(x)
        return np.array([2 * x + plus])

    assert double(1) is double(1)
    assert double(1, plus=1)[0] == 3
    assert made == [1, 1]


def test_the_least_used_is_forgotten_when_all_together_are_too_large():
    made = []

    @cached(25_000)
    def fill(x):
        made.append(x)
        return np.full(1000, x, float)  # about 8,100 bytes: three of them fit

    for x in (1, 2, 3, 1, 4):
        fill(x)
    assert made == [1, 2, 3, 4]
    fill(1)
    assert made == [1, 2, 3, 4]
    fill(2)
    assert made == [1, 2, 3, 4, 2]


def test_what_is_larger_than_the_bound_is_returned_and_not_kept():
    @cached(100)
    def large(x):
        return np.zeros(1000)

    assert large(1) is not large(1)


def test_a_failure_is_not_kept():
    calls = []

    @cached(1e6)
    def fails_once(x):
        calls.append(x)
        if len(calls) == 1:
            raise ValueError("not yet")
        return x

    with pytest.raises(ValueError, match="not yet"):
        fails_once(1)
    assert fails_once(1) == 1


@dataclass
class Record:
    name: str
    values: np.ndarray


@pytest.mark.parametrize("value", [np.zeros(1000), [np.zeros(600), np.zeros(400)], {"a": np.zeros(1000)},
                                   ({"a": [np.zeros(1000)]},), Record("x", np.zeros(1000))], ids=type)
def test_a_size_counts_the_arrays_wherever_they_stand(value):
    assert 8000 <= size_of(value) <= 8000 + 1000


def test_what_a_result_was_made_from_counts_as_well():
    made = []

    @cached(25_000)
    def length(text):
        made.append(text[0])
        return len(text)

    for letter in ("a", "b", "c", "a"):
        length(letter * 10_000)  # three arguments of 10,000 bytes do not fit
    assert made == ["a", "b", "c", "a"]


def test_two_thousand_seeds_in_one_process_let_it_grow_by_less_than_60_megabytes():
    # resident memory, since freed arrays that the allocator cannot give back count for a server, too
    import psutil

    from initviz import app
    from initviz.app.settings import Settings

    process, small = psutil.Process(), replace(
        Settings(), init=("he_normal",), activation="relu", depth=8, width=32, batch=32, input="normal")

    def walk(seeds):
        for seed in seeds:
            settings = replace(small, seed=seed)
            for run in app.compare(settings):
                app.cached_prediction(run, settings.input)

    walk(range(9_900, 9_999))
    before = process.memory_info().rss
    walk(range(2_000))
    assert process.memory_info().rss - before < 60e6
