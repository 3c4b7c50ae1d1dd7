"""How long the app takes to start, beside ``streamlit hello``, and what importing the package costs.

    python -m tests.benchmarks.start [--rounds 3]

From the start of the server's process to the first page standing still in a headless Chromium, in turns; then the
seconds of ``import initviz`` and of ``import numpy`` in new processes.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import streamlit
from browser.driver import find_browser, launch, serve

HELLO = str(Path(streamlit.__file__).parent / "hello" / "streamlit_app.py")
SHOWN = {"app.py": "() => document.querySelectorAll(\"[data-testid='stVegaLiteChart'] svg\").length >= 3",
         HELLO: "() => document.querySelector(\"[data-testid='stMain'] h1\")"}


def first_page(browser: object, script: str) -> float:
    """Seconds from the start of the server until the page is there."""
    began = time.perf_counter()
    with serve(script) as base:
        page = browser.new_page()
        page.goto(base)
        page.wait_for_function(SHOWN[script], polling=20, timeout=60_000)
        seconds = time.perf_counter() - began
        page.close()
    return seconds


def import_of(module: str) -> float:
    """Seconds of an import in a new process, less the interpreter's own start."""
    def run(code: str) -> float:
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        return time.perf_counter() - began
    return run(f"import {module}") - run("pass")


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--rounds", type=int, default=3)
    args = ask.parse_args()
    if find_browser() is None:
        sys.exit("needs Chromium or Chrome")
    found: dict[str, list[float]] = {script: [] for script in SHOWN}
    with launch() as browser:
        for _ in range(args.rounds):
            for script in SHOWN:
                found[script].append(first_page(browser, script))
    ours, hello = (statistics.median(times) for times in found.values())
    print(f"start to first picture {ours:.2f} s, streamlit hello {hello:.2f} s, ratio {ours / hello:.2f}")
    imports = {module: [] for module in ("initviz", "numpy", "initviz.app", "streamlit")}
    for _ in range(2 * args.rounds + 1):
        for module, times in imports.items():
            times.append(import_of(module))
    print(", ".join(f"import {module} {statistics.median(times):.2f} s" for module, times in imports.items()))


if __name__ == "__main__":
    main()
