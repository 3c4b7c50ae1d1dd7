"""Many people at once: sessions that speak the app's own protocol and each move a slider, against one server process.

    python -m tests.load.crowd [--sessions 40] [--seconds 180] [--every 2] [--waves 2] [--page ''] [--slider gain]

Bounded and on loopback only: it starts the server itself. Prints, for each wave, the median and the 95th percentile of
a rerun (from the value sent to the script's end), errors, bytes a rerun, and the server's memory: at its peak, and
after the sessions have gone. Exit code 1 where a rerun failed or the log holds an error.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import connect

sys.path.insert(0, str(Path(__file__).parents[1]))

from browser.driver import serve_process

MOST_SESSIONS, MOST_SECONDS = 200, 1800
LONGEST = 120.0  # seconds: a rerun that takes longer has failed
TROUBLE = ("Error", "Warning", "WARNING", "Traceback")
RECOVERY = 20.0  # seconds after the last session has gone until the memory is read


@dataclass
class Tally:
    """What the sessions of one wave saw."""

    reruns: list[float] = field(default_factory=list)
    opened: list[float] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    peak: int = 0


class Visitor:
    """One session: a socket, the page's slider, and the hashes of messages that a browser would keep."""

    def __init__(self, socket: Any, slider: str, tally: Tally) -> None:
        self.socket, self.slider, self.tally = socket, slider, tally
        self.widget_id = ""
        self.low, self.high, self.step = 0.0, 1.0, 0.1
        self.kept: set[str] = set()

    async def rerun(self, query: str, value: float | None = None) -> float:
        """Ask for a run with the slider at ``value`` and read until the script has ended; seconds taken."""
        message = BackMsg()
        message.rerun_script.query_string = query
        message.rerun_script.cached_message_hashes.extend(self.kept)
        if value is not None:
            state = message.rerun_script.widget_states.widgets.add()
            state.id = self.widget_id
            state.double_array_value.data.append(value)
        began = time.perf_counter()
        await self.socket.send(message.SerializeToString())
        size = await asyncio.wait_for(self._read(), LONGEST)
        self.tally.sizes.append(size)
        return time.perf_counter() - began

    async def _read(self) -> int:
        size = 0
        async for data in self.socket:
            size += len(data)
            message = ForwardMsg.FromString(data)
            if message.metadata.cacheable:
                self.kept.add(message.hash)
            kind = message.WhichOneof("type")
            if kind == "delta":
                self._note(message.delta.new_element)
            elif kind == "script_finished" and message.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY:
                return size
        raise ConnectionError("the server closed the connection")

    def _note(self, element: Any) -> None:
        kind = element.WhichOneof("type")
        if kind == "exception":
            self.tally.errors.append(element.exception.message)
        if kind == "slider" and element.slider.id.endswith(f"-{self.slider}"):
            self.widget_id = element.slider.id
            self.low, self.high, self.step = element.slider.min, element.slider.max, element.slider.step


async def visit(address: str, page: str, slider: str, number: int, until: float, every: float, tally: Tally) -> None:
    """Open the page, then move the slider every so many seconds until the time is over."""
    rng = random.Random(number)
    await asyncio.sleep(rng.random() * every)
    try:
        async with connect(address, subprotocols=["streamlit"], max_size=None, open_timeout=LONGEST) as socket:
            visitor = Visitor(socket, slider, tally)
            tally.opened.append(await visitor.rerun(page))
            while time.perf_counter() < until:
                began = time.perf_counter()
                value = visitor.low + visitor.step * rng.randint(0, round((visitor.high - visitor.low) / visitor.step))
                tally.reruns.append(await visitor.rerun(f"{slider}={value:.12g}", value))
                await asyncio.sleep(max(0.0, began + every - time.perf_counter()))
    except (OSError, TimeoutError, ConnectionError) as error:
        tally.errors.append(f"session {number}: {type(error).__name__} {error}")


async def watch(server: psutil.Process, tally: Tally) -> None:
    """Remember the most memory that the server held."""
    while True:
        tally.peak = max(tally.peak, server.memory_info().rss)
        await asyncio.sleep(0.1)


async def wave(address: str, server: psutil.Process, args: argparse.Namespace, offset: int) -> Tally:
    """One crowd, from its first visitor to its last."""
    tally = Tally()
    watching = asyncio.create_task(watch(server, tally))
    until = time.perf_counter() + args.seconds
    await asyncio.gather(*(visit(address, args.page, args.slider, offset + number, until, args.every, tally)
                           for number in range(args.sessions)))
    watching.cancel()
    return tally


def quantiles(values: list[float]) -> str:
    if len(values) < 2:
        return "too few"
    return f"median {statistics.median(values):.2f} s, 95 % {statistics.quantiles(values, n=20)[-1]:.2f} s"


def main() -> int:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--sessions", type=int, default=40)
    ask.add_argument("--seconds", type=float, default=180)
    ask.add_argument("--every", type=float, default=2, help="seconds between the moves of one session")
    ask.add_argument("--waves", type=int, default=2)
    ask.add_argument("--page", default="", help="the address's question, such as 'depth=20'")
    ask.add_argument("--slider", default="gain")
    args = ask.parse_args()
    if not (0 < args.sessions <= MOST_SESSIONS and 0 < args.seconds <= MOST_SECONDS):
        ask.error(f"at most {MOST_SESSIONS} sessions for {MOST_SECONDS} s")
    failed = False
    with serve_process() as (base, process, read_log):
        address, server = base.replace("http", "ws") + "/_stcore/stream", psutil.Process(process.pid)
        print(f"{args.sessions} sessions, a move of {args.slider} every {args.every:g} s, {args.seconds:g} s; memory "
              f"before anybody came: {server.memory_info().rss / 1e6:.0f} MB", flush=True)
        for number in range(args.waves):
            tally = asyncio.run(wave(address, server, args, 1000 * number))
            time.sleep(RECOVERY)
            size = statistics.median(tally.sizes) / 1e3 if tally.sizes else 0
            print(f"wave {number + 1}: {len(tally.reruns)} reruns, {quantiles(tally.reruns)}; first picture "
                  f"{quantiles(tally.opened)}; errors {len(tally.errors)}; {size:.0f} kB a rerun; memory at most "
                  f"{tally.peak / 1e6:.0f} MB, {RECOVERY:g} s after {server.memory_info().rss / 1e6:.0f} MB",
                  flush=True)
            for error in tally.errors[:5]:
                print(f"  {error}")
            failed |= bool(tally.errors or not tally.reruns)
        troubles = [line for line in read_log().splitlines() if any(word in line for word in TROUBLE)]
        print(f"lines of trouble in the log: {len(troubles)}")
        for line in troubles[:5]:
            print(f"  {line}")
        failed |= bool(troubles)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
