"""Drive the app in a real headless Chromium: start the server, open a page, wait until it stands still."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]
DESKTOP = {"viewport": {"width": 1440, "height": 900}}
LIMIT = 180  # seconds: a shared machine may be slow
STILL = 350  # milliseconds without a change of the page

# Counts script runs, remembers when the page last changed and what was announced (a toast goes by itself, on a slow
# machine before anybody looks), from before the page's first script on.
WATCH = """
window.seen = {runs: 0, changed: 0, state: [], toasts: new Set()};
new MutationObserver(records => {
  const now = performance.now();
  seen.changed = now;
  for (const toast of document.querySelectorAll("[data-testid='stToast']")) seen.toasts.add(toast.textContent);
  for (const record of records) {
    if (record.attributeName !== "data-test-script-state") continue;
    const state = record.target.getAttribute("data-test-script-state");
    seen.state.push([now, state]);
    if (state === "running") seen.runs += 1;
  }
}).observe(document, {subtree: true, childList: true, attributes: true, characterData: true});
"""
STANDS = """still => document.querySelector("[data-testid='stApp'][data-test-script-state='notRunning']")
  && !document.querySelector("[data-testid='stSkeleton'], [data-testid='stSpinner']")
  && document.querySelector("[data-testid='stMain'] [data-testid='stHeading'], [data-testid='stException']")
  && [...document.querySelectorAll("[data-testid='stVegaLiteChart']")].every(
    chart => !chart.checkVisibility() || chart.querySelector("svg path, svg text, svg image, canvas"))
  && performance.now() - seen.changed > still"""
# What a chart shows: its paths, where they stand, their colors, its words. The order of an axis' ticks and the ids
# depend on what was shown before.
PICTURE = """() => [...document.querySelectorAll("[data-testid='stVegaLiteChart']")].map(chart =>
  [chart.getAttribute("aria-label"), ...[...chart.querySelectorAll("svg path, svg text, svg rect, svg line")]
    .filter(mark => mark.getAttribute("opacity") !== "0").map(mark =>
      [mark.tagName, mark.getAttribute("d"), mark.getAttribute("transform"), mark.getAttribute("fill"),
       mark.tagName === "text" ? mark.textContent : ""].join(" ")).sort()])"""


def find_browser() -> str | None:
    """An installed Chromium or Chrome."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def free_port() -> int:
    """A port of the loopback on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def serve(script: str = "app.py") -> Iterator[str]:
    """A server of the app on a free loopback port; yields its address."""
    with serve_process(script) as (base, _, _):
        yield base


@contextlib.contextmanager
def serve_process(script: str = "app.py", port: int = 0) -> Iterator[
        tuple[str, subprocess.Popen[bytes], Callable[[], str]]]:
    """The same, on a port that may be given; yields its address, the process and what reads its log so far."""
    port = port or free_port()
    with tempfile.TemporaryFile("w+") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "streamlit", "run", script, f"--server.port={port}",
             "--server.address=127.0.0.1", "--server.headless=true", "--server.fileWatcherType=none"],
            cwd=ROOT, stdout=log, stderr=subprocess.STDOUT, env=os.environ | {"PYTHONUNBUFFERED": "1"})
        try:
            deadline = time.monotonic() + LIMIT
            while True:
                with contextlib.suppress(OSError), urllib.request.urlopen(
                        f"http://127.0.0.1:{port}/_stcore/health", timeout=2) as answer:
                    if answer.status == 200:
                        break
                if server.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"the server did not start: {_read(log)[-2000:]}")
                time.sleep(0.1)
            yield f"http://127.0.0.1:{port}", server, lambda: _read(log)
        finally:
            server.terminate()
            server.wait(20)


def _read(log: Any) -> str:
    return os.pread(log.fileno(), 10**7, 0).decode(errors="replace")  # does not move where the server writes


@contextlib.contextmanager
def launch() -> Iterator[Any]:
    """A headless browser."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=find_browser(), args=FLAGS, headless=True)
        try:
            yield browser
        finally:
            browser.close()


class Screen:
    """One person's browser window with the app in it. Notes every console error and page error."""

    def __init__(self, browser: Any, base: str, **view: Any) -> None:
        self.base = base
        self.errors: list[str] = []
        self.context = browser.new_context(**DESKTOP | view)
        self.page = self.context.new_page()
        self.page.set_default_timeout(LIMIT * 1000)
        self.page.add_init_script(WATCH)
        self.runs = 0
        self.received = 0  # bytes
        self.page.on("websocket", lambda socket: socket.on("framereceived", self._count))
        # At a deep link the front end first asks for PAGE/_stcore/..., is told 404 and goes on to /_stcore/...
        self.page.on("console", lambda message: self.errors.append(message.text)
                     if message.type == "error" and "/_stcore/" not in message.location.get("url", "") else None)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))

    def open(self, address: str = "") -> Screen:
        """Go to an address below the app's, or a whole one, and wait."""
        self.page.goto(address if address.startswith("http") else f"{self.base}/{address}")
        return self.settle()

    def settle(self) -> Screen:
        """Wait until the script has run and the page stands still; no exception may be shown."""
        self.page.wait_for_function(STANDS, arg=STILL, polling=50)
        self.check()
        return self

    def check(self) -> None:
        """Nothing went wrong so far."""
        shown = self.page.locator("[data-testid='stException']").all_inner_texts()
        assert not shown, shown
        assert not self.errors, self.errors

    def _count(self, frame: str | bytes) -> None:
        # The page's own state is no witness: a busy browser paints the start and the end of a short run as one.
        from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

        if isinstance(frame, bytes):
            self.received += len(frame)
            self.runs += ForwardMsg.FromString(frame).WhichOneof("type") == "script_finished"

    def act(self, action: Callable[[], Any]) -> Screen:
        """Do what starts the script anew, and wait for what follows."""
        runs, deadline = self.runs, time.monotonic() + LIMIT
        action()
        while self.runs == runs:
            assert time.monotonic() < deadline, "nothing ran"
            self.page.wait_for_timeout(20)  # messages are delivered while Playwright waits
        return self.settle()

    def press(self, slider: str, key: str, times: int = 1) -> Screen:
        """Press a key on a control's slider."""
        handle = self.slider(slider)
        for _ in range(times):
            self.act(lambda: handle.press(key))
        return self

    def slider(self, key: str) -> Any:
        """The slider of a control."""
        return self.page.locator(f".st-key-{key} input[type='range']")

    def button(self, key: str) -> Any:
        """The button of that key."""
        return self.page.locator(f".st-key-{key} button:visible").first

    def visit(self, title: str) -> Screen:
        """Go to another page by the navigation, through its menu where the page stands in one."""
        link = self.page.get_by_test_id("stTopNavLink").filter(has_text=title)
        menus = iter(self.page.get_by_test_id("stTopNavSection").all())
        while not link.count():
            self.page.keyboard.press("Escape")  # closes the menu that did not hold it
            next(menus).click()
            link = self.page.get_by_test_id("stTopNavDropdownLink").filter(has_text=title)
        return self.act(link.first.click)

    def charts(self) -> Any:
        """Every chart."""
        return self.page.get_by_test_id("stVegaLiteChart")

    def picture(self) -> str:
        """All that the charts draw, as text that two visits can compare."""
        return json.dumps(self.page.evaluate(PICTURE), indent=0)

    def words(self) -> list[str]:
        """All that the page says: cards, sentences."""
        return self.page.locator("[data-testid='stMain'] [data-testid='stMarkdown'], "
                                 "[data-testid='stMain'] [data-testid='stCaptionContainer']").all_inner_texts()

    def toasts(self) -> list[str]:
        """All that was announced since the page was opened."""
        return self.page.evaluate("[...seen.toasts]")

    def query(self) -> str:
        """The address's question, as the person would copy it."""
        return self.page.evaluate("decodeURIComponent(location.search.replaceAll('+', ' '))")

    def overflow(self) -> int:
        """By how many pixels the page is wider than its window."""
        return self.page.evaluate("""Math.max(...["[data-testid='stMain']", "html"].map(name => {
            const box = document.querySelector(name); return box.scrollWidth - box.clientWidth; }))""")

    def close(self) -> None:
        self.context.close()
