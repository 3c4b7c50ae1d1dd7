"""How long the first visit's race takes in a browser: from the click on "Again" to the first curve, and to its end.

    python -m tests.benchmarks.race [--rounds 7]

The server and a headless Chromium share the machine, as on a person's laptop; the page is opened by its link, and the
first race is not counted. Prints the medians, and how long the same race takes without a browser.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import timeit
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from browser.driver import Screen, find_browser, launch, serve

from initviz.app.settings import Settings
from tests.benchmarks.train import race

# Watches the words over the progress bar, and the curves: at least three lines of a few points are a first look.
WATCH = """() => {
  const begin = began => { window.race = {began: began, seen: false, first: 0, end: 0}; };
  begin(0);
  document.addEventListener("click", event => {
    if (event.target.closest(".st-key-again")) begin(performance.now()); }, true);
  setInterval(() => {
    if (!race.began) return;
    const said = document.querySelector("[data-testid='stProgress']")?.innerText ?? "";
    race.seen ||= /step/.test(said) && !/Finished/.test(said);
    const points = [...(document.querySelector("[data-testid='stVegaLiteChart']")?.querySelectorAll("path") ?? [])]
      .map(path => (path.getAttribute("d") ?? "").split("L").length - 1).filter(count => count > 0 && count < 30);
    if (race.seen && points.length >= 3) race.first ||= performance.now() - race.began;
    if (race.seen && /Finished/.test(said)) race.end ||= performance.now() - race.began;
  }, 10);
}"""


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--rounds", type=int, default=7)
    rounds = ask.parse_args().rounds
    if find_browser() is None:
        sys.exit("needs Chromium or Chrome")
    found = []
    with serve() as base, launch() as browser:
        window = Screen(browser, base).open("training")
        window.page.evaluate(WATCH)
        for _ in range(rounds):
            window.page.locator(".st-key-again button").first.click()
            window.page.wait_for_function("race.end > 0")
            found.append(window.page.evaluate("[race.first, race.end]"))
            window.settle()
    first, end = (statistics.median(times) / 1000 for times in zip(*found, strict=True))
    bare = min(timeit.repeat(race(Settings()), number=1, repeat=3))
    print(f"first curve after {first:.2f} s, end after {end:.2f} s; without a browser {bare:.2f} s")


if __name__ == "__main__":
    main()
