"""The pages of experiments: each experiment shown, run with another seed, and all at once."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest
from pages.test_pages import press, visit, words

from initviz.app.claims import explorer_address
from initviz.claims.notes import NOTES
from initviz.claims.papers import PAPERS
from initviz.training.zero_placement import WIRINGS

PAGES = {"notes": ("note", NOTES), "papers": ("paper", PAPERS)}
ALL = [(page, key) for page, (_, experiments) in PAGES.items() for key in experiments]


@pytest.mark.parametrize(("page", "key"), ALL)
def test_every_experiment_is_shown_with_its_verdict_pictures_and_numbers(page, key):
    name, experiments = PAGES[page]
    at = visit(f"pages/{page}.py", **{name: experiments[key].title})
    assert experiments[key].claim in words(at)
    assert "-badge[" in words(at)
    assert experiments[key].apart in words(at)
    if "holds only if]" in words(at):
        assert f"**{experiments[key].condition}.**" in words(at)
    assert 1 <= len(at.get("vega_lite_chart")) <= 2
    assert len(at.table) == 1


@pytest.mark.parametrize("page", PAGES)
def test_another_seed_changes_the_numbers_and_the_address(page):
    name, experiments = PAGES[page]
    key = "hanin_rolnick" if page == "papers" else "xavier_smooth"
    at = visit(f"pages/{page}.py", **{name: experiments[key].title})
    before = at.table[0].value
    press(at, "another_seed")
    assert at.session_state["seed"] == 1
    assert not at.table[0].value.equals(before)


@pytest.mark.parametrize("page", PAGES)
def test_all_at_once_lists_every_verdict(page):
    at = press(visit(f"pages/{page}.py"), "run_all")
    assert list(at.table[1].value["Experiment"]) == [e.title for e in PAGES[page][1].values()]


@pytest.mark.parametrize("page", PAGES)
def test_an_unknown_experiment_in_the_address_shows_the_first(page):
    name, experiments = PAGES[page]
    first = next(iter(experiments.values()))
    assert first.claim in words(visit(f"pages/{page}.py", **{name: "<b>nothing</b>"}))


def test_the_notes_on_zeros_say_where_they_end_and_link_there():
    at = visit("pages/notes.py", note="zeros_symmetry")
    assert "**Its limit.**" in words(at)
    wanted = urlencode({"topic": "Where may zeros stand?"})
    assert f"./symmetry?{wanted}#zeros" in words(at)


@pytest.mark.parametrize("key", ["lora", "rezero", "goyal"])
def test_a_paper_on_zeros_opens_its_wiring_where_zeros_are_asked_about(key):
    place, controls = PAPERS[key].explore(PAPERS[key].defaults())
    assert explorer_address(place, controls).endswith("#zeros")
    at = visit("pages/symmetry.py", depth=2, width=8, batch=8, **controls)
    assert not at.warning
    assert WIRINGS[at.selectbox(key="wiring").value].label == controls.get("wiring", WIRINGS["lora"].label)
