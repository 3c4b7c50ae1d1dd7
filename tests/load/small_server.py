"""Five people with the dearest settings that the controls allow, on every page, against one server of 1 GB.

    python -m tests.load.small_server [--sessions 5] [--seconds 120] [--page training ...]

Bounded and on loopback only: it starts a server for each page. Each session opens its page anew until the time is over,
each time with another seed, so that nothing is shared, and asks for every further look that the page wants, as a
browser does. Prints, for each page, the most memory that the server held and the longest that a session waited for
anything; exit code 1 where the server held MOST_BYTES or a session waited LONGEST.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import psutil
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import connect

sys.path.insert(0, str(Path(__file__).parents[1]))

from browser.driver import serve_process
from load.dearest import PAGES, Address, addresses

MOST_BYTES, LONGEST = 900e6, 20.0  # of a server of 1 GB; seconds without an answer
MOST_SESSIONS, MOST_SECONDS = 20, 600
FIRST_PAGE = "signal"
REFUSALS = ("This would take", "these sizes on")  # how the app says that something costs too much


@dataclass
class Tally:
    """What the sessions on a page saw: the longest wait, pages read to the end and looks asked for beside them."""

    wait: float = 0.0
    at: str = ""
    pages: int = 0
    looks: int = 0
    begun: int = 0
    refused: list[str] = field(default_factory=list)


class Visit:
    """One visit of a page by a browser: it asks for a run, and for each look that a fragment wants until none does."""

    def __init__(self, socket: Any, page: str, address: Address, tally: Tally) -> None:
        self.socket, self.page, self.tally = socket, page, tally
        self.query = urlencode(address, doseq=True)
        self.wanted: dict[str, float] = {}  # fragments that run again and again, each with its pause
        self.due: dict[str, float] = {}
        self.asked: float | None = None  # since when an answer is awaited

    async def send(self, fragment: str = "") -> None:
        """Ask for a run of the page, or of a fragment of it."""
        message = BackMsg()
        message.rerun_script.page_name = "" if self.page == FIRST_PAGE else self.page
        message.rerun_script.query_string = self.query
        message.rerun_script.fragment_id = fragment
        message.rerun_script.is_auto_rerun = bool(fragment)
        self.tally.looks += bool(fragment)
        await self.socket.send(message.SerializeToString())
        if self.asked is None:
            self.asked = time.perf_counter()

    def waited(self) -> None:
        """Note how long an answer has been awaited."""
        if self.asked is not None and (wait := time.perf_counter() - self.asked) > self.tally.wait:
            self.tally.wait, self.tally.at = wait, self.query

    def hear(self, said: Any) -> bool:
        """Note what the server said; whether a run has ended."""
        kind = said.WhichOneof("type")
        self.waited()
        self.asked = self.asked and time.perf_counter()
        if kind == "new_session" and not said.metadata.run.fragment_ids:
            self.wanted.clear()
        elif kind == "auto_rerun":
            self.wanted[said.auto_rerun.fragment_id] = said.auto_rerun.interval
        elif kind == "stop_auto_rerun":
            for fragment in said.stop_auto_rerun.fragment_ids:
                self.wanted.pop(fragment, None)
        elif kind == "delta":
            self._look(said.delta.new_element)
        elif kind == "script_finished":
            ended = said.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN
            if ended:
                self.asked = None
            return ended
        return False

    def _look(self, element: Any) -> None:
        kind = element.WhichOneof("type")
        if kind == "exception":
            raise RuntimeError(f"{self.page}?{self.query}: {element.exception.message}")
        if kind == "alert" and element.alert.body.startswith(REFUSALS):
            self.tally.refused.append(f"{self.query}: {element.alert.body}")

    async def stay(self) -> None:
        """Ask and read until the page stands still."""
        await self.send()
        while True:
            pause = None if self.asked is not None or not self.wanted else min(self.wanted.values())
            try:
                data = await asyncio.wait_for(self.socket.recv(), pause)
            except TimeoutError:
                await self.send(min(self.wanted, key=self.wanted.__getitem__))
                continue
            if self.hear(ForwardMsg.FromString(data)) and not self.wanted:
                self.tally.pages += 1
                return


async def visits(server: str, page: str, number: int, seconds: float, tally: Tally) -> None:
    """Visits of one session until the time is over, the last of which is broken off."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            for address in addresses(page, number):
                async with connect(server, subprotocols=["streamlit"], max_size=None, open_timeout=None) as socket:
                    visit = Visit(socket, page, address, tally)
                    tally.begun += 1
                    try:
                        await visit.stay()
                    finally:
                        visit.waited()


async def load(address: str, page: str, server: psutil.Process, sessions: int, seconds: float) -> tuple[Tally, int]:
    """What all sessions saw, and the most memory that the server held."""
    peak, tally = 0, Tally()

    async def watch() -> None:
        nonlocal peak
        while True:
            peak = max(peak, server.memory_info().rss)
            await asyncio.sleep(0.05)

    watching = asyncio.create_task(watch())
    await asyncio.gather(*(visits(address, page, number, seconds, tally) for number in range(sessions)))
    watching.cancel()
    return tally, peak


def main() -> int:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--sessions", type=int, default=5)
    ask.add_argument("--seconds", type=float, default=120, help="for each page")
    ask.add_argument("--page", choices=PAGES, nargs="*", help="these pages alone")
    args = ask.parse_args()
    if not (0 < args.sessions <= MOST_SESSIONS and 0 < args.seconds <= MOST_SECONDS):
        ask.error(f"at most {MOST_SESSIONS} sessions for {MOST_SECONDS} s")
    failed = False
    for page in args.page or PAGES:
        with serve_process() as (base, process, read_log):
            address = base.replace("http", "ws") + "/_stcore/stream"
            try:
                tally, peak = asyncio.run(load(address, page, psutil.Process(process.pid), args.sessions, args.seconds))
            except RuntimeError as error:
                error.add_note(read_log()[-6000:])
                raise
        print(f"{page}: memory at most {peak / 1e6:.0f} MB, longest wait {tally.wait:.1f} s; {tally.pages} of "
              f"{tally.begun} pages read to their end, {tally.looks} further looks, {len(tally.refused)} refused",
              flush=True)
        for line in [f"longest at {tally.at[:160]}"] * (tally.wait > LONGEST) + tally.refused[:2]:
            print(f"  {line}")
        failed |= peak > MOST_BYTES or tally.wait > LONGEST or bool(tally.refused)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
