"""What a session holds ends with it: on a real server, in this process, with sessions that speak the app's protocol."""

import asyncio
import gc
import io
import socket
import uuid
import weakref
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
import pytest
from streamlit import config
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.Common_pb2 import FileUploaderState, UploadedFileInfo
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime import get_instance
from streamlit.runtime.uploaded_file_manager import UploadedFileRec
from streamlit.web.server.server import Server
from websockets.asyncio.client import connect

from initviz.app import uploads
from initviz.app.audit import request as audit
from initviz.app.diagnose import panels, request
from initviz.app.recording import request as recording
from initviz.app.training import panels as training

ROOT = Path(__file__).parents[2]
LIMIT = 400  # seconds: a shared machine may be slow
KEPT = 1  # seconds that a session without a connection is kept
MOST_OTHERS = 20  # sessions that come: on a busy machine one that has left ends late
SMALL = {"depth": 3, "width": 8, "batch": 16, "steps": 10, "init": "He normal"}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def npz(sizes=(64, 16, 16, 10)):
    file, rng = io.BytesIO(), np.random.default_rng(0)
    np.savez(file, **{f"{layer}.weight": rng.standard_normal((fan_out, fan_in)).astype("f")
                      for layer, (fan_in, fan_out) in enumerate(zip(sizes, sizes[1:], strict=False))})
    return file.getvalue()


TABLE = "\n".join(["a,b,kind", *(f"{row / 7:.3f},{row * row % 13},{row % 2}" for row in range(400))]).encode()
RECORDED = (recording.FOLDER / "mlp.json.gz").read_bytes()
# The page, what its address says, the uploader's key and the file.
UPLOADS = (
    ("diagnose", {}, "weights_file", "mine.npz", npz()),
    ("diagnose", {"data": "Your CSV"}, "data_file", "mine.csv", TABLE),
    ("training", SMALL, "weights_file", "mine.npz", npz()),
    ("training", SMALL | {"trained_on": "Your CSV"}, "data_file", "mine.csv", TABLE),
    ("audit", {}, "audit_file", "mine.npz", npz()), ("recording", {}, "recording_file", "a.json.gz", RECORDED))
MAKERS = ((uploads, "Upload"), (panels, "diagnose"), (request, "_readable"), (request.csv_table, "read"),
          (training, "LiveRace"), (audit, "_examined"), (recording, "examine"))  # of what is made of an upload


async def finished(session):
    """The messages until a script has ended."""
    messages = []
    async for data in session:
        messages.append(ForwardMsg.FromString(data))
        if messages[-1].WhichOneof("type") == "script_finished" and messages[-1].script_finished in (
                ForwardMsg.FINISHED_SUCCESSFULLY, ForwardMsg.FINISHED_FRAGMENT_RUN_SUCCESSFULLY):
            return messages
    raise AssertionError("the server closed the session")


async def visit(port, page, query, upload=None):
    """A session that opens a page, uploads a file where one is given, waits for the end and leaves."""
    message = BackMsg()
    message.rerun_script.page_name, message.rerun_script.query_string = page, urlencode(query)
    async with connect(f"ws://127.0.0.1:{port}/_stcore/stream", subprotocols=["streamlit"], max_size=None) as session:
        await session.send(message.SerializeToString())
        seen = await finished(session)
        if upload is None:
            return
        key, name, data = upload
        session_id = next(one.new_session.initialize.session_id for one in seen if one.HasField("new_session"))
        uploader = next(one.delta.new_element.file_uploader.id for one in seen if one.HasField("delta")
                        and one.delta.new_element.file_uploader.id.endswith(f"-{key}"))
        file_id = str(uuid.uuid4())
        get_instance().uploaded_file_mgr.add_file(session_id, UploadedFileRec(file_id, name, "", data))
        state = message.rerun_script.widget_states.widgets.add()
        state.id = uploader
        state.file_uploader_state_value.CopyFrom(FileUploaderState(uploaded_file_info=[
            UploadedFileInfo(file_id=file_id, name=name, size=len(data))]))
        await session.send(message.SerializeToString())
        await finished(session)


async def alive_after_others(port, made):
    """By maker, how many things were made in sessions that have ended, and how many of them are alive."""
    server = Server(str(ROOT / "app.py"), False)
    await server.start()
    try:
        await visit(port, "diagnose", {"seed": 1})  # the first of all: what it made once stayed
        for page, query, *upload in UPLOADS:
            await visit(port, page, query, upload)
        before = {maker: list(references) for maker, references in made.items()}
        for page in (*dict.fromkeys(page for page, *_ in UPLOADS), *["formulas"] * MOST_OTHERS):
            await asyncio.sleep(KEPT)
            await visit(port, page, SMALL | {"seed": 2})
            recording.example_report.cache_clear()  # what is shipped is kept for all sessions
            gc.collect()
            alive = {maker: (len(some), sum(one() is not None for one in some)) for maker, some in before.items()}
            if not any(count for _, count in alive.values()):
                break
        return alive
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


def remembered(monkeypatch, module, name):
    """Weak references to all that the function or class ``name`` makes from now on."""
    made, make = [], getattr(module, name)

    def remember(*args, **options):
        one = make(*args, **options)
        made.append(weakref.ref(one))
        return one

    monkeypatch.setattr(module, name, remember)
    return made


def test_what_a_session_held_is_collected_once_it_has_ended_and_others_have_come(port, monkeypatch):
    made = {name: remembered(monkeypatch, module, name) for module, name in MAKERS}
    found = asyncio.run(asyncio.wait_for(alive_after_others(port, made), LIMIT))
    assert all(count for count, _ in found.values()), found
    assert not any(alive for _, alive in found.values()), found
