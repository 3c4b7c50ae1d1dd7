"""How long after a key press on a slider the last chart is repainted, on every page with sliders.

    python -m tests.benchmarks.slider [--page signal theory] [--presses 16] [--rounds 3]

In a headless Chromium, on the first visit's settings, after a few presses that are not counted. Every value is new:
none comes from a cache. In turns with it two floors: the same page once more, where all is in the cache, so that
nothing is computed; and an app that has nothing but the page's charts, recorded, and the slider. Prints for each the
median and the 95th percentile of the time from the key press to the first frame after the charts' last change, the
parts of it (until the browser has sent the value, until it has received the server's last message, until that frame),
the bytes received, and the ratio of the page to the floor. Then a residual network takes turns with a plain one of as
many operations. Last come the sliders that stand at a picture, and those inside pictures, which do not ask the server.
"""

from __future__ import annotations

import argparse
import logging
import os
import pickle
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

sys.path.insert(0, str(Path(__file__).parents[1]))

from browser.driver import Screen, find_browser, launch, serve
from pages.test_pages import visit

from initviz import app

QUIET = 400  # milliseconds without a change: the press is over
UNCOUNTED = 4
REMEMBERED, CHARTS = "  nothing computed", "  charts alone"


@dataclass(frozen=True)
class Case:
    """A page and its address, the slider to move, where it starts, and how many charts stand in each row."""

    address: str
    slider: str
    first: float
    step: float
    rows: tuple[int, ...]


CASES = {
    "signal": Case("", "gain", 1.0, 0.05, (1, 2)),
    "symmetry": Case("symmetry", "gain", 1.0, 0.05, (1, 1, 1, 1, 1)),
    "theory": Case("theory?show=Signal and gradient", "sigma_w", 1.5, 0.05, (1, 2)),
    "diagnose": Case("diagnose", "gain", 1.0, 0.05, (2,)),
    "notes": Case("notes?note=11. Xavier: smooth propagation", "xavier_smooth_depth", 10, 1, (1,)),
    "papers": Case("papers", "lecun_tanh_depth", 20, 1, (2,)),
    "formulas": Case("formulas?table=Popular pairs", "width", 64, 1, (1,)),
}
AT_THE_PICTURE = {  # sliders that stand at a picture and move a control of the sidebar: the address and the input
    "signal, gain": ("?scrub=gain&gain=0", "input[type='range'][max='4'][step='0.2']"),
    "signal, constant": ("?scrub=constant&constant=-0.5", "input[type='range'][max='0.5'][step='0.05']")}
# Of equal operations: two layers a block, and the first and last.
EIGHT_BLOCKS, AS_PLAIN = "signal, 8 blocks", "signal, 18 layers"
EQUAL = {EIGHT_BLOCKS: "?init=He normal&activation=ReLU&gain=1&kind=Residual",
         AS_PLAIN: "?init=He normal&activation=ReLU&gain=1&depth=18"}
IN_THE_PICTURE = {"training, step": "training?steps=10"}

# Remembers when the browser last spoke to the server and the server to it, and how much that was.
SOCKET = """
window.talk = {sent: 0, received: 0, bytes: 0};
window.WebSocket = class extends WebSocket {
  constructor(...args) {
    super(...args);
    this.addEventListener("message", event => {
      talk.received = event.timeStamp; talk.bytes += event.data.size ?? event.data.byteLength ?? 0; });
  }
  send(data) { talk.sent ||= performance.now(); super.send(data); }
};
"""
# Remembers when the key went down and when a chart last changed; every change waits for the frame that shows it.
WATCH = """() => {
  window.press = {down: 0, changed: 0, painted: 0};
  document.addEventListener("keydown", () => {
    press.down = performance.now(); talk.sent = 0; talk.bytes = 0; }, true);
  const observer = new MutationObserver(() => {
    press.changed = performance.now();
    requestAnimationFrame(() => setTimeout(() => { press.painted = performance.now(); }));
  });
  for (const chart of document.querySelectorAll("[data-testid='stVegaLiteChart']"))
    observer.observe(chart, {subtree: true, childList: true, attributes: true, characterData: true});
}"""
OVER = """quiet => press.painted >= press.changed && talk.received > press.down
  && document.querySelector("[data-testid='stApp'][data-test-script-state='notRunning']")
  && performance.now() - Math.max(press.painted, talk.received) > quiet"""
# Moves the slider inside a picture through its values and back, and waits for each frame.
SCRUB = """async () => {
  const slider = document.querySelector("form.vega-bindings input[type='range'], .vega-bind input"), times = [];
  const [low, high, step] = [+slider.min, +slider.max, +slider.step];
  for (let turn = 0; turn < 40; turn++) {
    const began = performance.now();
    slider.value = low + step * (turn % Math.round((high - low) / step + 1));
    slider.dispatchEvent(new Event("input", {bubbles: true}));
    await new Promise(done => requestAnimationFrame(() => setTimeout(done)));
    times.push(performance.now() - began);
  }
  return times;
}"""

Press = tuple[float, float, float, float]  # milliseconds until sent, received, painted; bytes received


def record(case: Case, count: int) -> Any:
    """The charts of the page for so many places of its slider, as ``floor.py`` reads them."""
    address, _, question = case.address.partition("?")
    query = dict(part.split("=") for part in question.split("&")) if question else {}
    places: list[list[Any]] = []

    def show(picture: Any, data: Any, **options: Any) -> Any:
        places[-1].append((picture, data, {key: options[key] for key in ("height", "key") if key in options}))

    with mock.patch.object(app, "show", show):
        for place in range(count):
            places.append([])
            visit(f"pages/{address or 'signal'}.py", **query, **{case.slider: f"{case.first + case.step * place:g}"})
    return case.rows, places


def measure(browser: Any, base: str, address: str, slider: str, presses: int) -> list[Press]:
    """What each of so many key presses took in a new window, after a few that do not count.

    ``slider`` is the key of a widget, or a CSS selector.
    """
    window, measured = Screen(browser, base), []
    window.page.add_init_script(SOCKET)
    window.open(address)
    window.page.evaluate(WATCH)
    handle = window.page.locator(slider) if "[" in slider else window.slider(slider)
    handle.focus()
    for press in range(presses + UNCOUNTED):
        handle.press("ArrowRight")  # always on: a value that was shown before would come from a cache
        window.page.wait_for_function(OVER, arg=QUIET, polling=50)
        down, sent, received, painted, size = window.page.evaluate(
            "[press.down, talk.sent, talk.received, press.painted, talk.bytes]")
        if press >= UNCOUNTED:
            measured.append((sent - down, received - down, max(painted, received) - down, size))
        time.sleep(0.05)
    window.check()
    window.close()
    return measured


def ninety_five(values: list[float]) -> float:
    return statistics.quantiles(values, n=20, method="inclusive")[-1]


def line(name: str, presses: list[Press]) -> str:
    painted = [press[2] for press in presses]
    parts = ([sent for sent, *_ in presses], [received - sent for sent, received, *_ in presses],
             [painted - received for _, received, painted, _ in presses])
    return (f"{name:22}{statistics.median(painted):8.0f}{ninety_five(painted):8.0f}" + "".join(
        f"{statistics.median(part):8.0f}" for part in parts)
        + f"{statistics.median(press[3] for press in presses) / 1000:8.0f}")


def take_turns(browser: Any, name: str, case: Case, args: argparse.Namespace) -> None:
    """Measure a page and its two floors in turns, and print all three."""
    measured: dict[str, list[Press]] = {name: [], REMEMBERED: [], CHARTS: []}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "floor.pickle"
        file.write_bytes(pickle.dumps(record(case, args.presses + UNCOUNTED + 1)))
        os.environ["FLOOR"] = str(file)
        start = f"{'&' if '?' in case.address else '?'}{case.slider}={case.first:g}"
        for _ in range(args.rounds):
            for script, address, slider, whose in (
                    ("app.py", case.address + start, case.slider, (name, REMEMBERED)),
                    ("tests/benchmarks/floor.py", "", "place", (CHARTS,))):
                with serve(script) as base:
                    for who in whose:
                        measured[who].extend(measure(browser, base, address, slider, args.presses))
    ours = [press[2] for press in measured[name]]
    for who, presses in measured.items():
        floor = statistics.median(press[2] for press in presses)
        ratios = "" if who == name else f"{statistics.median(ours) / floor:10.2f}{ninety_five(ours) / floor:8.2f}"
        print(line(who, presses) + ratios, flush=True)


def compare_blocks(browser: Any, args: argparse.Namespace) -> None:
    """Measure a residual network and a plain one in turns, and print both with their ratio."""
    measured: dict[str, list[Press]] = {name: [] for name in EQUAL}
    with serve() as base:
        for _ in range(args.rounds):
            for name, address in EQUAL.items():
                measured[name].extend(measure(browser, base, address, "gain", args.presses))
    ours, plain = ([press[2] for press in measured[name]] for name in (EIGHT_BLOCKS, AS_PLAIN))
    print(line(EIGHT_BLOCKS, measured[EIGHT_BLOCKS]))
    print(line(AS_PLAIN, measured[AS_PLAIN]) + f"{statistics.median(ours) / statistics.median(plain):10.2f}"
          f"{ninety_five(ours) / ninety_five(plain):8.2f}", flush=True)


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--page", nargs="*", default=list(CASES), choices=CASES)
    ask.add_argument("--presses", type=int, default=16, help="in each of the rounds")
    ask.add_argument("--rounds", type=int, default=3, help="the app and the floor take turns")
    args = ask.parse_args()
    if find_browser() is None:
        sys.exit("needs Chromium or Chrome")
    logging.getLogger("streamlit").setLevel(logging.ERROR)  # recording a page outside a server is meant
    print("Milliseconds from the key press; ratio: the page to the median of this floor\n"
          f"{'':22}{'median':>8}{'95 %':>8}{'sent':>8}{'server':>8}{'browser':>8}{'kB':>8}{'ratio':>10}{'95 %':>8}")
    with launch() as browser:
        for name in args.page:
            take_turns(browser, name, CASES[name], args)
        compare_blocks(browser, args)
        with serve() as base:
            for name, (address, slider) in AT_THE_PICTURE.items():
                print(line(f"at it: {name}", measure(browser, base, address, slider, args.presses)), flush=True)
            print("\nA slider inside the picture, milliseconds from a move to the frame that shows it")
            for name, address in IN_THE_PICTURE.items():
                window = Screen(browser, base).open(address)
                times = window.page.evaluate(SCRUB)[5:]
                print(f"{name:22}{statistics.median(times):8.0f}{ninety_five(times):8.0f}", flush=True)
                window.close()


if __name__ == "__main__":
    main()
