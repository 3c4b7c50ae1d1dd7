"""Photograph the pages for the README: ``python -m tests.pictures``."""

from __future__ import annotations

import io
import sys
from pathlib import Path

from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))

from browser.driver import Screen, find_browser, launch, serve

FOLDER = Path(__file__).parent / "pictures"
COLORS = 192  # of a picture: enough for charts and text, a third of the size
VIEW = {"viewport": {"width": 1280, "height": 760}, "color_scheme": "light"}
SHOTS = {  # page: address, and what is scrolled to the top, if anything
    "signal": ("", None),
    "lesson": ("lesson?step=large&guesses=02--2--", None),
    "symmetry": ("symmetry?init=Constant&init=Normal&init=Xavier+normal&moment=10", None),
    "training": ("training?input=Two+moons&depth=4&width=32&steps=200", None),
    "theory": ("theory", None),
    "diagnose": ("diagnose", None),
    "notes": ("notes", None),
    "papers": ("papers", None),
    "formulas": ("formulas", None),
}


def main() -> None:
    if find_browser() is None:
        sys.exit("needs Chromium or Chrome")
    FOLDER.mkdir(exist_ok=True)
    with serve() as base, launch() as browser:
        for name, (address, first) in SHOTS.items():
            window = Screen(browser, base, **VIEW).open(address)
            if first:
                window.page.locator(first).first.evaluate("place => place.scrollIntoView()")
                window.settle()
            picture = Image.open(io.BytesIO(window.page.screenshot())).convert("RGB").quantize(COLORS, dither=0)
            picture.save(FOLDER / f"{name}.png", optimize=True)
            print(name, (FOLDER / f"{name}.png").stat().st_size // 1000, "kB")
            window.close()


if __name__ == "__main__":
    main()
