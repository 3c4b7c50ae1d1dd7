"""A server and a browser for the tests; without a browser they skip, in CI they fail."""

from __future__ import annotations

import importlib.util
import os

import pytest
from browser.driver import Screen, find_browser, launch, serve


@pytest.fixture(scope="session")
def browser():
    missing = []
    if importlib.util.find_spec("playwright") is None:
        missing.append("Playwright: pip install -r tests/requirements.txt")
    if find_browser() is None:
        missing.append("Chromium or Chrome: `sudo apt-get install chromium`, `brew install --cask chromium`")
    if missing:
        reason = f"the browser tests need {' and '.join(missing)}"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    with launch() as running:
        yield running


@pytest.fixture(scope="session")
def server(browser):
    with serve() as base:
        yield base


@pytest.fixture
def screen(browser, server):
    """Opens windows on the app: screen(address, **options of a browser context)."""
    windows = []

    def open_window(address="", base=server, **view):
        windows.append(Screen(browser, base, **view))
        return windows[-1].open(address)

    yield open_window
    for window in windows:
        errors = window.errors
        window.close()
        assert not errors, errors


@pytest.fixture
def fresh_server(browser):
    """A server that has answered nobody yet; named before ``screen``, it outlives the windows on it."""
    with serve() as base:
        yield base
