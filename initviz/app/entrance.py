"""The entrance: every page is reached through app.py, which makes the navigation and the sidebar.

Beside a folder named pages/, Streamlit runs a deep link's page file alone until some script has called st.navigation
once. A page that finds itself run without the entrance therefore starts again through it.
"""

from __future__ import annotations

import gc
import threading
from pathlib import Path

import streamlit as st

PAGES = Path(__file__).parents[2] / "pages"
FIRST_PAGE = "signal"
_frozen, _ended = threading.Event(), threading.Event()  # the modules; a session since then


def mark_entrance() -> None:
    """Called by app.py before it runs a page.

    A server's first visit keeps the modules loaded so far out of garbage collections at once: else these take 60 of its
    650 ms.
    """
    st.session_state["entered"] = True
    if not _frozen.is_set() and not _ended.is_set():
        gc.freeze()


def require_entrance() -> None:
    """Called first by every page: where the page was run without app.py, start again through it.

    Calling st.navigation here turns Streamlit's own handling of pages/ off for the whole server.
    """
    if not st.session_state.pop("entered", False):
        pages = [st.Page(path, default=path.stem == FIRST_PAGE) for path in PAGES.glob("*.py")]
        st.navigation(pages, position="hidden")
        st.rerun()


def _thaw(_: str) -> None:
    gc.unfreeze()
    _ended.set()
    _frozen.clear()


@st.cache_resource(scope="session", on_release=_thaw, show_spinner=False)
def _thaw_when_it_ends() -> str:
    """Once a session: what is frozen when it ends is thawed, so that what this session held can be collected."""
    return "released when the session ends"


def freeze_modules() -> None:
    """Called after each page: keeps the 130,000 objects of the modules out of the next garbage collections.

    Streamlit collects after every rerun, and every session waits meanwhile: measured in one run, a collection takes 64
    to 99 ms without this and 3 to 7 ms with it, beside the 60 ms of the first page's rerun. What sessions hold is
    frozen with the modules, and what is frozen is never collected: so each session's end thaws everything, and the next
    run collects and freezes again. A server's first visit has nothing of a session that ended, and does not wait for
    that.
    """
    _thaw_when_it_ends()
    if not _frozen.is_set():
        if _ended.is_set():
            _ended.clear()
            gc.collect()
        gc.freeze()
        _frozen.set()
