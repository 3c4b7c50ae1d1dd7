"""The addresses that cost most, for every page of the navigation: what the limits of work and memory still let through.

Found by the app's own estimates, so that they stay the dearest where a limit moves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from initviz.app.address import write_address
from initviz.app.affordable import affordable, nearest_affordable
from initviz.app.lesson.steps import GUESS_ORDER, STEPS
from initviz.app.settings import Settings
from initviz.app.theory.panels import TABS
from initviz.claims.notes import NOTES
from initviz.claims.papers import PAPERS
from initviz.core.cost import check_diagnosis

PAGES = sorted(path.stem for path in (Path(__file__).parents[2] / "pages").glob("*.py"))  # the whole navigation
SESSIONS = 5  # that begin far apart in the list of a page's addresses
Address = Mapping[str, Sequence[str]]

MANY = ("zeros", "constant", "xavier_normal", "he_normal", "lecun_normal", "orthogonal", "xavier_uniform", "he_uniform")
CORNERS = (  # of what the controls allow
    {"depth": 10, "width": 1024, "batch": 1024}, {"depth": 100, "width": 256, "batch": 1024},
    {"depth": 3, "width": 1024, "batch": 1024}, {"depth": 30, "width": 512, "batch": 1024},
    {"depth": 6, "width": 256, "batch": 1024}, {"depth": 10, "width": 128, "batch": 1024})


def written(settings: Settings) -> dict[str, list[str]]:
    """The address of settings, without what is as on the first visit."""
    return {part.name: write_address(part.name, getattr(settings, part.name)) for part in fields(Settings)
            if getattr(settings, part.name) != getattr(Settings(), part.name)}


def corners(changes: Mapping[str, Any], **terms: bool) -> list[dict[str, list[str]]]:
    """The addresses nearest to each corner that the app lets through."""
    near = [nearest_affordable(replace(Settings(), init=MANY, **corner, **changes), **terms) for corner in CORNERS]
    return [written(settings) for settings in near if affordable(settings, **terms)]


def _signal() -> list[dict[str, list[str]]]:
    return [*corners({}), *corners({"kind": "pre_norm"})]


def _symmetry() -> list[dict[str, list[str]]]:
    attempts = {"steps": 2000, "after_steps": 10, "optimizer": "adam"}
    return [address | {"topic": [topic]} for topic in ("Layer by layer", "Break it")
            for address in corners(attempts, training=True, in_float64=True)]


def _training() -> list[dict[str, list[str]]]:
    return corners({"steps": 2000, "tuned": "best", "optimizer": "adam"}, training=True)


def _theory() -> list[dict[str, list[str]]]:
    sweep = {"deepest": 100, "widest": 256, "seeds": 100}
    return [address | {"show": [tab]} for tab in TABS for address in corners(sweep)]


def _diagnose() -> list[dict[str, list[str]]]:
    """The widest networks of some depths that are diagnosed."""
    addresses = []
    for depth, batch in ((2, 1024), (7, 1024), (7, 64), (30, 1024), (300, 256)):
        widths = [width for width in range(32, 8193, 32) if _is_diagnosed((64, *[width] * (depth - 1), 10), batch)]
        if widths:
            addresses.append({"architecture": ["-".join(map(str, (64, *[widths[-1]] * (depth - 1), 10)))],
                              "initializer": ["PyTorch Linear (PyTorch by default)"], "batch": [str(batch)]})
    return addresses


def _is_diagnosed(sizes: Sequence[int], batch: int) -> bool:
    try:
        check_diagnosis(sizes, batch)
    except ValueError:
        return False
    return True


def _lesson() -> list[dict[str, list[str]]]:
    titles = [f"{number}. {step.title}" for number, step in enumerate(STEPS.values(), 1)]
    return [{"step": [title], "guesses": ["0" * len(GUESS_ORDER)]} for title in titles]


DEAREST: Mapping[str, Callable[[], list[dict[str, list[str]]]]] = MappingProxyType({
    "signal": _signal, "symmetry": _symmetry, "training": _training, "theory": _theory, "diagnose": _diagnose,
    "lesson": _lesson, "notes": lambda: [{"note": [note.title]} for note in NOTES.values()],
    "papers": lambda: [{"paper": [paper.title]} for paper in PAPERS.values()],
    "formulas": lambda: [{"width": ["1024"], "depth": ["100"]}]})


def addresses(page: str, session: int) -> Iterator[Address]:
    """What one session asks of a page, again and again: never the seed of another, so that nothing is shared."""
    listed = DEAREST[page]() if page in DEAREST else [{}]
    first, visits = session * max(1, len(listed) // SESSIONS), 0
    while True:
        yield {**listed[(first + visits) % len(listed)], "seed": [str(1000 * session + visits)]}
        visits += 1
