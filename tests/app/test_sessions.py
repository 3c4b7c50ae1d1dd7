"""What a session holds ends with it: on a real server, in this process, with sessions that speak the app's protocol."""

import asyncio
import gc
import socket
import weakref
from pathlib import Path

import pytest
from streamlit import config
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.web.server.server import Server
from websockets.asyncio.client import connect

from initviz.app.diagnose import panels

APP = Path(__file__).parents[2] / "app.py"
LIMIT = 60  # seconds
KEPT = 1  # seconds that a session without a connection is kept


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


async def visit(port, page, query=""):
    """A session that opens a page, waits for its end and leaves."""
    message = BackMsg()
    message.rerun_script.page_name, message.rerun_script.query_string = page, query
    async with connect(f"ws://127.0.0.1:{port}/_stcore/stream", subprotocols=["streamlit"], max_size=None) as session:
        await session.send(message.SerializeToString())
        async for data in session:
            said = ForwardMsg.FromString(data)
            if said.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY and said.WhichOneof("type") == (
                    "script_finished"):
                return


async def reports_alive(port, reports):
    """Whether the first session's report is alive after it, and others, have come and gone."""
    server = Server(str(APP), False)
    await server.start()
    try:
        await visit(port, "diagnose", "seed=1")
        assert len(reports) == 1
        for seed in (2, 3):
            await asyncio.sleep(2 * KEPT)
            await visit(port, "diagnose", f"seed={seed}")
        await asyncio.sleep(KEPT)
        gc.collect()
        return [report() is not None for report in reports]
    finally:
        server.stop()
        await server.stopped
        gc.unfreeze()


@pytest.fixture
def port():
    options = {"server.port": free_port(), "server.address": "127.0.0.1", "server.headless": True,
               "server.fileWatcherType": "none", "server.disconnectedSessionTTL": KEPT}
    before = {name: config.get_option(name) for name in options}
    for name, value in options.items():
        config.set_option(name, value)
    yield options["server.port"]
    for name, value in before.items():
        config.set_option(name, value)


def test_a_report_on_diagnose_is_collected_once_its_session_has_ended_and_others_have_come(port, monkeypatch):
    reports, diagnose = [], panels.diagnose

    def remember(*args, **options):
        report = diagnose(*args, **options)
        reports.append(weakref.ref(report))
        return report

    monkeypatch.setattr(panels, "diagnose", remember)
    first, second, _ = asyncio.run(asyncio.wait_for(reports_alive(port, reports), LIMIT))
    assert not first
    assert not second
