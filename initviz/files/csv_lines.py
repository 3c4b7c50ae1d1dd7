"""What a CSV file's lines are: comments, titles above the columns, rows; and what stands between a row's cells."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from initviz.core.wording import named
from initviz.files.csv_numbers import ERRORS, is_number

MOST_HEAD, HEAD_ROWS = 10**6, 20  # letters and rows, to learn how a file is written
SEPARATORS = ",;\t|"
SPACES = r"\s+"
BLOCK = 1 << 18  # bytes that are looked through for comments at once
ERROR = re.compile(b"|".join(re.escape(error.encode()) for error in ERRORS))  # which begin like a comment
MOST_TITLES = 50


def from_first_row(data: bytes) -> bytes:
    """The data without lines of spaces and separators alone at its beginning; none where all lines are such."""
    start = re.search(rb"[^\s,;|]", data)
    if start is None:
        return b""
    begin = max(data.rfind(b"\n", 0, start.start()), data.rfind(b"\r", 0, start.start())) + 1
    return data[begin:] if begin else data


def without_comments(data: bytes, notes: list[str]) -> tuple[bytes, bytes]:
    """The lines that begin with neither # nor //, and the last comment above them; says in ``notes`` what it left."""
    if b"#" not in data and (b"/" not in data or b"//" not in data):  # one letter is found in no time
        return data, b""
    lines, count, last, above = [], 0, b"", True
    for block in _blocks(data):
        ends = block.count(b"\n") - block.endswith(b"\n")
        if block.startswith(b"#") and block.count(b"\n#") == ends and not ERROR.search(block):
            comments = block.count(b"\n") + (not block.endswith(b"\n"))  # all lines are
            last = block.rstrip(b"\r\n")[block.rstrip(b"\r\n").rfind(b"\n") + 1:] if above else last
            count += comments
            continue
        if b"#" not in block and b"//" not in block:
            lines.append(block)
            above = above and block.isspace()
            continue
        for line in block.splitlines(keepends=True):
            if (begin := line.lstrip(b" \t")).startswith((b"#", b"//")) and not ERROR.match(begin):
                count += 1
                last = line if above else last
            else:
                lines.append(line)
                above = above and line.isspace()
    if count:
        notes.append(f"{count:,} comment line{'' if count == 1 else 's'} {'is' if count == 1 else 'are'} left out.")
    return b"".join(lines), last


def without_titles(data: bytes, separator: str, notes: list[str]) -> bytes:
    """The data without what stands above the columns, a sentence or a row of one cell; says in ``notes`` what."""
    titles: list[str] = []
    while len(titles) < MOST_TITLES:
        lines = [line for line in data[:MOST_HEAD].decode(errors="ignore").splitlines()[:HEAD_ROWS]
                 if line.strip(f"{SEPARATORS} ")]
        if not _is_title(lines, separator):
            break
        titles.append(lines[0].strip(f"{SEPARATORS} "))
        data = from_first_row(data[data.find(lines[0].encode()) + len(lines[0].encode()):])
    if titles:
        notes.append(f"What stands above the columns is left out: {named(titles)}.")
    return data


def _is_title(lines: Sequence[str], separator: str) -> bool:
    """Whether the first line has fewer cells than the lines below, of which the first has words above numbers."""
    if lines and lines[0].lstrip().startswith(("%", "@")):  # a comment of MATLAB, a line of ARFF
        return True
    if len(lines) < 4 or lines[0].count('"') % 2:
        return False
    if not any(mark in lines[0] for mark in SEPARATORS):  # a sentence, where the last lines are rows
        last = lines[-3:]
        between = separator or separator_of(last)
        return between != SPACES and not is_number(lines[0]) and len(
            {line.count(between) for line in last} - {0}) == 1 and all(between in line for line in last)
    separator = separator or separator_of(lines[1:])
    if separator == SPACES:
        return False
    cells = [[cell.strip() for cell in line.split(separator)] for line in lines[:4]]
    first, second, third, fourth = cells
    if len(second) < 2 or len(second) != len(third) or len(third) != len(fourth):
        return False
    named_below = not any(map(is_number, second)) and all(second) and any(map(is_number, third))
    alone = sum(map(bool, first)) == 1 and len(first) == len(second) > 2
    return named_below and (alone or (len(first) < len(second) - 1 and not is_number(first[0])))


def _blocks(data: bytes) -> Iterator[bytes]:
    """The data in pieces of whole lines."""
    begin = 0
    while begin < len(data):
        end = data.find(b"\n", begin + BLOCK) + 1 or len(data)
        yield data[begin:end]
        begin = end


def whole_lines(head: str) -> list[str]:
    """The first lines that are not blank; a cell in quotation marks may go over several, as a name of two lines does.
    """
    lines: list[str] = []
    for line in head.splitlines()[:2 * HEAD_ROWS]:
        if lines and lines[-1].count('"') % 2 and len(lines) <= MOST_TITLES:
            lines[-1] += f" {line}"
        elif line.strip():
            lines.append(line)
    return lines[:HEAD_ROWS]


def separator_of(lines: Sequence[str]) -> str:
    """Semicolons, tabs or bars where two lines have as many, as commas may be decimal; else what the first has most of.

    Spaces where nothing else stands between numbers.
    """
    first, second = lines[0], lines[1] if len(lines) > 1 else ""
    for separator in ";\t|":
        if 0 < first.count(separator) == second.count(separator):
            return separator
    if not any(separator in first for separator in SEPARATORS):
        fields = [line.replace('"', "").split() for line in lines[:-1] if line.strip()]
        if len(fields) > 1 and len({*map(len, fields[1:])}) == 1 and len(fields[1]) > 1 and all(
                map(is_number, fields[1])) and len(fields[0]) in (len(fields[1]), len(fields[1]) - 1):
            return SPACES
    return max(SEPARATORS, key=first.count)
