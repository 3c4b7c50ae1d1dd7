"""Photograph the pages for the README: ``python -m tests.pictures``."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from browser.driver import Screen, find_browser, launch, serve

FOLDER = Path(__file__).parent / "pictures"
WIDTH = 1280
SHOTS = {  # page: address, height
    "signal": ("", 1330),
    "lesson": ("lesson?step=large&guesses=02--2--", 1060),
    "symmetry": ("symmetry?init=Constant&init=Normal&init=Xavier+normal&after_steps=10", 1330),
    "training": ("training?input=Two+moons&depth=4&width=32&steps=200", 1100),
    "theory": ("theory", 830),
    "diagnose": ("diagnose", 1230),
    "audit": ("audit", 1230),
    "recording": ("recording?example=gpt&beside=gpt_wide", 1330),
    "notes": ("notes?note=same_signal", 1000),
    "papers": ("papers?paper=glorot_6", 1100),
    "formulas": ("formulas", 1330),
}


def main() -> None:
    if find_browser() is None:
        sys.exit("needs Chromium or Chrome")
    FOLDER.mkdir(exist_ok=True)
    with serve() as base, launch() as browser:
        for name, (address, height) in SHOTS.items():
            view = {"viewport": {"width": WIDTH, "height": height}, "color_scheme": "light"}
            window = Screen(browser, base, **view).open(address)
            window.page.screenshot(path=FOLDER / f"{name}.png")
            print(name, (FOLDER / f"{name}.png").stat().st_size // 1000, "kB")
            window.close()


if __name__ == "__main__":
    main()
