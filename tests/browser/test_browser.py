"""The app as a person meets it, in a real browser."""

from __future__ import annotations

import csv
import io

import pytest
from browser.driver import ROOT

from initviz.app.presets import PRESETS
from initviz.app.settings import CONTROLS, DEFAULTS
from initviz.core.initializers import INITIALIZERS

pytestmark = pytest.mark.browser

FIRST_PAGE = "signal"
ADDRESSES = ["" if path.stem == FIRST_PAGE else path.stem for path in sorted((ROOT / "pages").glob("*.py"))]
VIEWS = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2, "is_mobile": True,
              "has_touch": True}}
SMALL = "depth=3&width=16&steps=10"
MARK = "document.querySelectorAll(\"[data-testid='stVegaLiteChart'] svg\").forEach(svg => svg.marked = true)"
MARKED = "[...document.querySelectorAll(\"[data-testid='stVegaLiteChart'] svg\")].map(svg => svg.marked === true)"


def test_the_app_opens_and_draws_its_charts(screen):
    window = screen()
    assert window.page.title() == "Signal · initviz: weight initialization, seen"
    assert window.charts().count() == 3
    assert window.page.locator("[data-testid='stVegaLiteChart'] svg").count() == 3
    assert len(window.picture()) > 10_000
    assert window.query() == ""


@pytest.mark.parametrize(("slider", "query"), [("gain", "?gain=1.05"), ("depth", "?depth=11")])
def test_an_arrow_key_on_a_slider_changes_the_picture_in_place_and_writes_the_address(screen, slider, query):
    window = screen()
    before = window.picture()
    window.page.evaluate(MARK)
    window.press(slider, "ArrowRight")
    assert window.picture() != before
    assert window.page.evaluate(MARKED) == [True] * 3
    assert window.query() == query
    window.press(slider, "ArrowLeft")
    assert window.picture() == before
    assert window.page.evaluate(MARKED) == [True] * 3
    assert window.query() == ""


def test_a_preset_changes_the_initializers_the_heads_and_the_address_and_is_marked(screen):
    window = screen()
    window.act(window.button("preset_he_relu").click)
    assert window.query() == "?activation=ReLU&init=He normal"
    chosen = window.page.locator(".st-key-init [data-baseweb='tag'], .st-key-init [aria-label^='Remove ']")
    assert chosen.count() == 1
    heads = " ".join(window.page.locator(".st-key-distributions svg text").all_text_contents())
    assert [entry.label for entry in INITIALIZERS.values() if entry.label in heads] == ["He normal"]
    presets = window.page.locator("[class*='st-key-preset_'] button")
    marked = presets.filter(has=window.page.get_by_test_id("stIconMaterial"))
    assert {text.removeprefix("check").strip() for text in marked.all_inner_texts()} == {"He, ReLU"}


def wandered(window):
    """A window in which somebody has set a few things by mouse and keyboard."""
    window.act(window.button("preset_xavier_relu").click)
    window.press("depth", "ArrowLeft", 2)
    window.press("gain", "ArrowRight", 2)
    window.act(window.page.locator(".st-key-quantity").get_by_text("Deltas").click)
    window.act(window.page.locator(".st-key-spread").get_by_text("Root mean square").click)
    return window


def test_a_copied_link_opens_the_same_picture_elsewhere(fresh_server, screen):
    first = wandered(screen())
    link = first.page.url.removeprefix(first.base)
    for base in (first.base, fresh_server):  # the second has answered nobody yet
        second = screen(base + link)
        assert second.words() == first.words()
        assert second.picture() == first.picture()
        assert second.query() == first.query()


@pytest.mark.parametrize("page", ["training", "notes"])  # that every page begins alike is tested without a browser
def test_a_link_to_another_page_opens_it_on_a_server_that_has_just_started(fresh_server, screen, page):
    window = screen(f"{fresh_server}/{page}?depth=3&seed=7&init=He+normal")
    assert window.page.locator(".st-key-seed input").input_value() == "7"
    if page in CONTROLS["depth"].pages:
        assert window.slider("depth").input_value() == "3"
    named = window.page.get_by_test_id("stTopNavLink").count()
    for menu in window.page.get_by_test_id("stTopNavSection").all():
        menu.click()
        links = window.page.get_by_test_id("stTopNavDropdownLink")
        links.first.wait_for()
        named += links.count()
        window.page.keyboard.press("Escape")
        links.first.wait_for(state="detached")
    assert named == len(ADDRESSES)
    assert window.page.url.split("?")[0] == f"{fresh_server}/{page}"
    assert window.page.locator("[data-testid='stMain'] h2").count() == 1


def test_the_settings_go_with_a_person_from_page_to_page(screen):
    window = screen("?depth=3&seed=7")
    for path in sorted((ROOT / "pages").glob("*.py")):
        if path.stem == FIRST_PAGE:
            continue
        window.visit(path.stem.capitalize())
        if path.stem == "diagnose":  # its seed stands behind a click
            window.page.locator(".st-key-more button").first.click()
        if path.stem != "recording":  # which draws nothing
            assert window.page.locator(".st-key-seed input").input_value() == "7"
        window.page.keyboard.press("Escape")
        assert "seed=7" in window.query()
        page = window.page.url.split("?")[0].removeprefix(f"{window.base}/") or "signal"
        hidden = page not in CONTROLS["depth"].pages
        assert window.slider("depth").count() == (not hidden)
        assert hidden or window.slider("depth").input_value() == "3"
    window.visit("Signal")
    assert window.query() == "?depth=3&seed=7"


def test_reset_brings_the_same_weights_back(screen):
    window = screen()
    picture, words = window.picture(), window.words()
    wandered(window)
    seed = window.page.locator(".st-key-seed input")
    seed.fill("5")
    window.act(lambda: seed.press("Enter"))
    assert window.picture() != picture
    window.act(window.button("reset").click)
    assert window.picture() == picture
    assert window.words() == words
    assert window.query() == ""


@pytest.mark.parametrize(("given", "query", "notice"), [
    ("?depth=-3", "?depth=1", "Depth must be"),
    ("?depth=3.6", "?depth=4", "Depth must be"),
    ("?seed=1e400&depth=2", "?depth=2&seed=9999", "Seed must be"),
    ("?init=nonsense", "", "Initializers"),
    ("?init=he_normal&init=nonsense", "?init=He normal", "Initializers"),
    ("?constant=nan", "", "Constant's value was not a number"),
    ("?activation=&quantity=", "", "Activation was not"),
    ("?layer=500&width=8", "?width=8&layer=10", "Look into layer"),
    ("?input=" + "ab%25/<>%C3%A9" * 80, "", "Input was not"),
], ids=lambda value: value[:24])
def test_a_malformed_address_is_mended_with_a_notice(screen, given, query, notice):
    window = screen(given)
    assert sorted(window.query().strip("?").split("&")) == sorted(query.strip("?").split("&"))
    assert any(notice in toast for toast in window.toasts())
    assert window.charts().count() >= (1 if query == "?depth=1" else 3)


@pytest.mark.parametrize(("key", "suffix", "start"), [
    ("numbers", "csv", b"initializer,layer,"), ("histograms", "csv", b"initializer,quantity,layer,"),
    ("pictures_0_svg", "svg", b"<svg "), ("pictures_0_png", "png", b"\x89PNG\r\n\x1a\n")])
def test_a_download_is_a_file_of_its_kind(screen, key, suffix, start):
    window = screen()
    if key.startswith("pictures"):
        window.button("pictures").click()
    with window.page.expect_download() as coming:
        window.button(key).click()
    content = coming.value.path().read_bytes()
    assert coming.value.suggested_filename.endswith(f".{suffix}")
    assert content.startswith(start)
    if suffix == "csv":
        rows = list(csv.DictReader(io.StringIO(content.decode())))
        assert {row["initializer"] for row in rows} == set(DEFAULTS["init"])
        assert {row["layer"] for row in rows} == {str(layer) for layer in range(1, 11)}
    else:
        assert len(content) > 20_000


@pytest.mark.parametrize("address", ADDRESSES)
def test_every_page_fits_a_phone(screen, address):
    assert screen(f"{address}?{SMALL}", **VIEWS["phone"]).overflow() <= 1


def test_a_preset_fits_a_phone(screen):
    window = screen(**VIEWS["phone"])
    window.act(window.button("preset_large").click)
    assert window.overflow() <= 1
    assert window.charts().count() == 3


def test_the_tab_key_reaches_every_slider_of_the_sidebar_and_the_presets(screen):
    window = screen()
    reached = set()
    for _ in range(120):  # once round the page
        window.page.keyboard.press("Tab")
        reached.add(window.page.evaluate(
            "[...(document.activeElement?.closest('[class*=st-key-]')?.classList ?? [])]"
            ".find(name => name.startsWith('st-key-'))?.slice(7) ?? document.activeElement?.tagName"))
        if "BODY" in reached:
            break
    assert "BODY" in reached  # the focus is nowhere held
    assert {"depth", "width", "gain", "constant", "batch", "seed", "reset"} <= reached
    assert {f"preset_{name}" for name in PRESETS} <= reached
    assert "quantity" in reached


def test_an_unaffordable_comparison_is_refused_and_its_offer_accepted(screen):
    window = screen("?depth=30&width=1024&batch=1024&init=Zeros&init=Constant&init=Ones")
    assert window.charts().count() == 0
    window.act(window.button("afford").click)
    assert window.charts().count() == 3


def test_an_embedded_lesson_is_the_lesson_alone(screen):
    window = screen("lesson?embed=true")
    assert window.page.get_by_test_id("stSidebar").count() == 0
    assert window.page.get_by_test_id("stTopNavLink").count() == 0
    assert window.charts().count() == 1  # what the question is about; the answer's picture joins it
    window.act(window.page.locator(".st-key-guess_layer [role='radiogroup'] label").first.click)
    assert window.charts().count() == 2
    window.act(window.button("next_step").click)
    assert "step=" in window.query()
    assert window.page.get_by_test_id("stSidebar").count() == 0


BUDGET = 150_000  # bytes of one rerun, at the first visit's settings


def test_a_rerun_of_the_first_page_stays_within_its_bytes(screen):
    window = screen()
    for slider in ("gain", "depth", "width"):
        sent = window.received
        window.press(slider, "ArrowRight")
        assert window.received - sent <= BUDGET
