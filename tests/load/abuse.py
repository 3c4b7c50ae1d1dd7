"""Addresses and widgets as nobody should set them, on every page, through Streamlit's own test harness.

    python -m tests.load.abuse [--addresses 10000] [--walks 2000] [--seed 0]

Every run of a page must show no exception, say no nan, inf or None, and warn of nothing. Prints how many were tried;
exit code 1 at the first that failed, with what repeats it.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
import warnings
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from pages.test_pages import NOT_SAID, PAGES, sound, visit
from streamlit.testing.v1 import AppTest

from initviz.app.settings import CONTROLS
from initviz.claims.notes import NOTES
from initviz.claims.papers import PAPERS
from initviz.core.validation import Choices, Interval

SMALL = {"depth": 4, "width": 8, "batch": 8, "steps": 10, "deepest": 10, "widest": 16, "seeds": 5}
RUBBISH = ("", "nan", "inf", "-inf", "1e9", "-1e309", "0x10", "1,5", "True", "null", "None", "[]", "{}", "<b>x</b>",
           "<script>alert(1)</script>", "**bold**", ":red[x]", "$x$", "ünïcödé", "\u202e", "日本語", "🙂", "\0", "%00",
           "../..", "a" * 1000, "1" * 400, "-0", " 3 ", "3.7", "1e-300", "'; drop", "ReLU", "Zeros", "zeros", "digits")
QUOTABLE = tuple(text for text in RUBBISH if not NOT_SAID.search(text))  # for a field that is quoted when it is wrong
STEPS = 5  # of a walk


def some_value(rng: random.Random, key: str) -> Any:
    """A value for a control: often allowed, sometimes at an end, sometimes none at all."""
    control = CONTROLS[key]
    if rng.random() < 0.4:
        return rng.choice(RUBBISH)
    if isinstance(control.allowed, Interval):
        low, high = control.allowed.low, control.allowed.high
        value = rng.choice([low, high, low - 1, high + 1, rng.uniform(low, high)])
        return round(value) if control.allowed.integer and rng.random() < 0.9 else value
    choices = list(control.allowed.values if isinstance(control.allowed, Choices) else control.allowed.values())
    return rng.sample(choices, rng.randint(0, min(3, len(choices)))) if control.many else rng.choice(choices)


def some_address(rng: random.Random) -> tuple[str, dict[str, Any]]:
    """A page and what its address asks."""
    query = dict(SMALL) if rng.random() < 0.7 else {}
    for key in rng.sample(list(CONTROLS), rng.randint(0, 8)):
        value = some_value(rng, key)
        query[key] = [value, rng.choice(RUBBISH)] if rng.random() < 0.1 and not isinstance(value, list) else value
    for name, choices in (("note", NOTES), ("paper", PAPERS)):
        if rng.random() < 0.3:
            query[name] = rng.choice([*(experiment.title for experiment in choices.values()), *RUBBISH])
    for name in ("show", "table", "architecture", "initializer", "data", "nonsense", "line_dead"):
        if rng.random() < 0.1:
            query[name] = rng.choice([*QUOTABLE, "64-16-10", "2-3", "64-99999-10", "Dead neurons", "Popular pairs"])
    return rng.choice(PAGES), query


def move(rng: random.Random, at: AppTest) -> str:
    """Use one widget that the page shows, and say which."""
    widgets: list[Any] = [*at.slider, *at.select_slider, *at.selectbox, *at.multiselect, *at.number_input, *at.toggle,
                          *at.text_input, *at.button_group, *(b for b in at.button if not b.disabled)]
    widget = rng.choice(widgets)
    kind = type(widget).__name__
    if kind == "Button":
        widget.click()
        return f"{widget.key} clicked"
    if kind == "Slider":
        value: Any = rng.choice([widget.min, widget.max, widget.min + widget.step * rng.randint(
            0, max(0, round((widget.max - widget.min) / widget.step)))])
        value = min(value, widget.max)
    elif kind == "NumberInput":
        value = type(widget.value)(rng.randint(int(widget.min), int(widget.max)))
    elif kind == "TextInput":
        value = rng.choice([*QUOTABLE, "64-16-10", "8-4-2"]).replace("\0", "")
    elif kind == "Toggle":
        value = rng.random() < 0.5
    elif kind == "Multiselect":
        options = list(CONTROLS["init"].allowed)
        value = rng.sample(options, rng.randint(0, 4))
    elif kind == "SelectSlider":
        widget.set_value(rng.choice(list(CONTROLS[widget.key].allowed.values)) if widget.key in CONTROLS
                         and isinstance(CONTROLS[widget.key].allowed, Choices) else widget.value)
        return f"{widget.key} = {widget.value!r}"
    elif kind == "ButtonGroup":
        key = widget.key
        if key not in CONTROLS or not isinstance(CONTROLS[key].allowed, dict | type(CONTROLS["mode"].allowed)):
            return "nothing"
        value = rng.choice(list(CONTROLS[key].allowed))
    else:
        value = rng.randrange(len(widget.options))
        widget.select_index(value)
        return f"{widget.key} = option {value}"
    widget.set_value(value)
    return f"{widget.key} = {value!r}"


def walk(rng: random.Random) -> tuple[str, list[str]]:
    """Open a page at small sizes and use some of its widgets; the page and what was done."""
    page = rng.choice(PAGES)
    at, done = visit(page, **SMALL), []
    for _ in range(STEPS):
        done.append(move(rng, at))
        try:
            sound(at.run())
        except Exception as error:
            raise AssertionError(f"{page}, {done}: {error}") from error
    return page, done


def open_address(rng: random.Random) -> None:
    """Open some address; AssertionError with the address where it is not sound."""
    page, query = some_address(rng)
    try:
        visit(page, **query)
    except Exception as error:
        raise AssertionError(f"{page}?{query}: {error}") from error


def main() -> int:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--addresses", type=int, default=10_000)
    ask.add_argument("--walks", type=int, default=2_000)
    ask.add_argument("--seed", type=int, default=0)
    args = ask.parse_args()
    warnings.simplefilter("error", RuntimeWarning)
    rng, began = random.Random(args.seed), time.perf_counter()
    for number in range(args.addresses):
        open_address(rng)
        if number % 500 == 499:
            print(f"{number + 1} addresses, {time.perf_counter() - began:.0f} s", flush=True)
    for number in range(args.walks):
        walk(rng)
        if number % 100 == 99:
            print(f"{number + 1} walks of {STEPS} moves, {time.perf_counter() - began:.0f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
