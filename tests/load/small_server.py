"""Five people with the dearest settings that the controls allow, on every page, against one server of 1 GB.

    python -m tests.load.small_server [--sessions 5] [--seconds 120] [--page training]

Bounded and on loopback only: it starts the server itself. Each session opens its page anew until the time is over, each
time with another seed, so that nothing is shared. Prints, for each page, the most memory the server held and the
longest that a session waited for anything; exit code 1 where the server held MOST_BYTES or a session waited LONGEST.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from pathlib import Path
from urllib.parse import urlencode

import psutil
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import connect

sys.path.insert(0, str(Path(__file__).parents[1]))

from browser.driver import serve_process

MOST_BYTES, LONGEST = 900e6, 20.0  # of a server of 1 GB; seconds without an answer
MOST_SESSIONS, MOST_SECONDS = 20, 600
MANY = ("Zeros", "Constant", "Xavier normal", "He normal", "LeCun normal", "Orthogonal", "Xavier uniform", "He uniform")
DEAREST = {  # about what the limits of work and memory still let through
    "": {"init": MANY, "depth": 10, "width": 512, "batch": 512},
    "symmetry": {"init": MANY, "depth": 10, "width": 512, "moment": 10, "steps": 2000},
    "training": {"init": MANY, "depth": 6, "width": 256, "batch": 512, "steps": 200, "tuned": "Best for each",
                 "optimizer": "Adam"},
    "theory": {"init": MANY, "depth": 100, "width": 128, "batch": 1024, "deepest": 100, "widest": 256, "seeds": 100},
    "diagnose": {"architecture": "64-512-512-512-512-512-10", "batch": 1024},
    "lesson": {}, "notes": {}, "papers": {}, "formulas": {"width": 1024, "depth": 100}}


async def visit(address: str, page: str, seed: int) -> float:
    """Open a page and read until the script has ended; the longest wait for a message in seconds."""
    message, longest = BackMsg(), 0.0
    message.rerun_script.page_name = page
    message.rerun_script.query_string = urlencode(DEAREST[page] | {"seed": seed}, doseq=True)
    async with connect(address, subprotocols=["streamlit"], max_size=None, open_timeout=LONGEST) as session:
        await session.send(message.SerializeToString())
        asked = time.perf_counter()
        async for data in session:
            longest, asked = max(longest, time.perf_counter() - asked), time.perf_counter()
            said = ForwardMsg.FromString(data)
            if said.WhichOneof("type") == "delta" and said.delta.new_element.WhichOneof("type") == "exception":
                raise RuntimeError(f"{page}: {said.delta.new_element.exception.message}")
            if said.WhichOneof("type") == "script_finished" and (
                    said.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY):
                return longest
    raise ConnectionError(f"{page}: the server closed the connection")


async def stay(address: str, page: str, number: int, until: float) -> float:
    """Visits until the time is over; the longest wait."""
    longest, visits = 0.0, 0
    while time.perf_counter() < until:
        longest = max(longest, await visit(address, page, 1000 * number + visits))
        visits += 1
    return longest


async def load(address: str, page: str, server: psutil.Process, sessions: int, seconds: float) -> tuple[float, int]:
    """The longest wait of all sessions, and the most memory that the server held."""
    peak = 0

    async def watch() -> None:
        nonlocal peak
        while True:
            peak = max(peak, server.memory_info().rss)
            await asyncio.sleep(0.05)

    watching = asyncio.create_task(watch())
    until = time.perf_counter() + seconds
    waits = await asyncio.gather(*(stay(address, page, number, until) for number in range(sessions)))
    watching.cancel()
    return max(waits), peak


def main() -> int:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--sessions", type=int, default=5)
    ask.add_argument("--seconds", type=float, default=120, help="for each page")
    ask.add_argument("--page", choices=DEAREST, help="one page alone; '' is the first")
    args = ask.parse_args()
    if not (0 < args.sessions <= MOST_SESSIONS and 0 < args.seconds <= MOST_SECONDS):
        ask.error(f"at most {MOST_SESSIONS} sessions for {MOST_SECONDS} s")
    failed = False
    with serve_process() as (base, process, _):
        address, server = base.replace("http", "ws") + "/_stcore/stream", psutil.Process(process.pid)
        for page in DEAREST if args.page is None else [args.page]:
            wait, peak = asyncio.run(load(address, page, server, args.sessions, args.seconds))
            print(f"{page or 'signal'}: memory at most {peak / 1e6:.0f} MB, longest wait {wait:.1f} s", flush=True)
            failed |= peak > MOST_BYTES or wait > LONGEST
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
