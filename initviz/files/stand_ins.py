"""What is often downloaded in the place of a file: a pointer of Git LFS, or the web page that shows it."""

from __future__ import annotations

import re

POINTER = b"version https://git-lfs.github.com/spec/"
PAGE = re.compile(rb"\s*<(?:!doctype html|html|head)\b", re.IGNORECASE)
MOST_START = 256  # bytes that tell


def check_is_itself(start: bytes) -> None:
    """Raise ValueError where a file that begins with ``start`` only stands for another one."""
    if start.startswith(POINTER):
        raise ValueError("this is a pointer of Git LFS, and not the file itself: fetch it with git lfs pull")
    if PAGE.match(start[:MOST_START]):
        raise ValueError("this is a web page, and not the file itself: download the file that it shows")
