"""This session's race."""

from __future__ import annotations

import streamlit as st

from initviz.contest import Contest, Terms
from initviz.settings import Settings

FIRST_LOOK, NEXT_LOOK = 0.15, 0.5  # seconds of racing between two looks at the curves: drawing them takes time, too


def current_contest(settings: Settings) -> Contest:
    """The race for these settings: the one begun before where there is one, as far as it got."""
    held = st.session_state.get("contest")
    if held is None or held.terms != Terms.of(settings):
        held = st.session_state["contest"] = Contest(settings)
    return held


def forget_contest() -> None:
    """Callback: the next run begins the race anew."""
    st.session_state.pop("contest", None)
