"""How long after a key press on a slider the last chart is repainted, on the first visit's settings.

    python -m tests.benchmarks.slider [--presses 16] [--rounds 3] [--slider gain depth] [--address '']

In a headless Chromium, after a few presses that are not counted; in turns with an app that draws the same charts and
computes nothing. Prints per slider the median and the 95th percentile
of the time from the key press to the first frame after the charts' last change, and of its parts: until the browser
has sent the new value, until it has received the server's last message, until that frame.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from browser.driver import Screen, find_browser, launch, serve

FLOOR = "tests/benchmarks/floor.py"
QUIET = 400  # milliseconds without a change: the press is over
UNCOUNTED = 4

# Remembers when the browser last spoke to the server and the server to it.
SOCKET = """
window.talk = {sent: 0, received: 0};
window.WebSocket = class extends WebSocket {
  constructor(...args) {
    super(...args);
    this.addEventListener("message", event => { talk.received = event.timeStamp; });
  }
  send(data) { talk.sent ||= performance.now(); super.send(data); }
};
"""
# Remembers when the key went down and when a chart last changed; every change waits for the frame that shows it.
WATCH = """() => {
  window.press = {down: 0, changed: 0, painted: 0};
  document.addEventListener("keydown", () => { press.down = performance.now(); talk.sent = 0; }, true);
  const observer = new MutationObserver(() => {
    press.changed = performance.now();
    requestAnimationFrame(() => setTimeout(() => { press.painted = performance.now(); }));
  });
  for (const chart of document.querySelectorAll("[data-testid='stVegaLiteChart']"))
    observer.observe(chart, {subtree: true, childList: true, attributes: true, characterData: true});
}"""
OVER = """quiet => press.changed > press.down && press.painted >= press.changed
  && document.querySelector("[data-testid='stApp'][data-test-script-state='notRunning']")
  && performance.now() - press.painted > quiet"""


def measure(window: Screen, slider: str, presses: int) -> list[tuple[float, float, float]]:
    """Milliseconds from the press until sent, until received, until the last chart is repainted, for each press."""
    found = []
    handle = window.slider(slider)
    handle.focus()
    for press in range(presses + UNCOUNTED):
        handle.press("ArrowRight")  # always on: a value that was shown before would come from a cache
        window.page.wait_for_function(OVER, arg=QUIET, polling=50)
        down, *moments = window.page.evaluate("[press.down, talk.sent, talk.received, press.painted]")
        if press >= UNCOUNTED:
            found.append(tuple(moment - down for moment in moments))
        time.sleep(0.05)
    window.check()
    return found


def ninety_five(values: list[float]) -> float:
    return statistics.quantiles(values, n=20, method="inclusive")[-1]


def row(name: str, values: list[float]) -> str:
    return f"  {name:34}{statistics.median(values):8.0f}{ninety_five(values):8.0f}{min(values):8.0f}"


def table(title: str, found: list[tuple[float, float, float]]) -> None:
    print(f"{title}, {len(found)} presses, ms{'median':>30}{'95 %':>8}{'least':>8}")
    print(row("key press to last chart repainted", [painted for *_, painted in found]))
    print(row("  key press to value sent", [sent for sent, *_ in found]))
    print(row("  to the server's last message", [received - sent for sent, received, _ in found]))
    print(row("  to the last repaint", [painted - received for _, received, painted in found]), flush=True)


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--presses", type=int, default=16, help="of each slider in each of the rounds; at most 16")
    ask.add_argument("--rounds", type=int, default=3, help="the app and the floor take turns")
    ask.add_argument("--slider", nargs="+", default=["gain"])
    ask.add_argument("--address", default="", help="page and settings, such as '?activation=ReLU'")
    args = ask.parse_args()
    if find_browser() is None:
        sys.exit("needs Chromium or Chrome")
    found: dict[str, list[tuple[float, float, float]]] = {}
    with launch() as browser:
        for _ in range(args.rounds):
            for script, sliders in (("app.py", args.slider), (FLOOR, ["gain"])):
                with serve(script) as base:
                    window = Screen(browser, base)
                    window.page.add_init_script(SOCKET)
                    window.open(args.address if script != FLOOR else "")
                    window.page.evaluate(WATCH)
                    for slider in sliders:
                        name = slider if script != FLOOR else "floor"
                        found.setdefault(name, []).extend(measure(window, slider, args.presses))
                    window.close()
    for name, presses in found.items():
        table(name, presses)
    floor = [painted for *_, painted in found["floor"]]
    for slider in args.slider:
        times = [painted for *_, painted in found[slider]]
        print(f"{slider} ÷ floor: median {statistics.median(times) / statistics.median(floor):.2f}, 95th percentile ÷ "
              f"median of the floor {ninety_five(times) / statistics.median(floor):.2f}")


if __name__ == "__main__":
    main()
