"""A server that is started anew under an open page: the browser finds its page and its settings again, by itself."""

import pytest
from browser.driver import Screen, free_port, serve_process

pytestmark = pytest.mark.browser


def on_signal(window):
    window.press("depth", "ArrowLeft", 2)
    window.press("gain", "ArrowRight")
    window.act(window.page.locator(".st-key-quantity").get_by_text("Deltas").click)


def on_symmetry(window):
    window.press("width", "ArrowRight")
    window.act(window.page.locator(".st-key-matrix").get_by_text("Similarities").click)


def on_theory(window):
    window.act(window.page.get_by_role("tab", name="Variance map").click)
    window.press("sigma_w", "ArrowRight", 2)


def on_lesson(window):
    window.act(window.page.locator(".st-key-step").get_by_text("Initialize with zeros").click)
    window.act(window.page.locator(".st-key-guess_zeros label").nth(1).click)


def on_diagnose(window):
    sizes = window.page.locator(".st-key-architecture input")
    sizes.fill("64-48-48-10")
    window.act(lambda: sizes.press("Enter"))


PAGES = {"": on_signal, "symmetry": on_symmetry, "theory": on_theory, "lesson": on_lesson,
         "diagnose?seed=3": on_diagnose}


def shown(window):
    return window.page.url, window.query(), window.words(), window.picture()


def test_open_pages_are_found_again_with_their_settings_after_a_restart_of_the_server(browser):
    port, windows, before = free_port(), {}, {}
    with serve_process(port=port) as (base, _, _):
        for address, use in PAGES.items():
            window = windows[address] = Screen(browser, base).open(address)
            use(window)
            before[address] = shown(window)
            assert window.query()
    for window in windows.values():
        window.page.get_by_text("Connection error").first.wait_for()
    with serve_process(port=port):
        for address, window in windows.items():
            window.page.wait_for_function("() => !document.querySelector('[data-testid=\"stConnectionStatus\"]')")
            window.page.get_by_text("Connection error").first.wait_for(state="hidden")
            gone = {error for error in window.errors if "server endpoint" in error or "not responding" in error}
            window.errors = [error for error in window.errors if error not in gone]
            window.settle()
            assert shown(window) == before[address], address
            assert window.page.get_by_text("Connection error").count() == 0
            window.close()
