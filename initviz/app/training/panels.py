"""This session's race."""

from __future__ import annotations

import streamlit as st

from initviz.app.affordable import race_terms
from initviz.app.settings import Settings
from initviz.training.race import LiveRace

FIRST_LOOK, NEXT_LOOK = 0.15, 0.5  # seconds of racing between two looks at the curves: drawing them takes time, too


def current_race(settings: Settings) -> LiveRace:
    """The race for these settings: the one begun before where there is one, as far as it got."""
    held, terms = st.session_state.get("race"), race_terms(settings)
    if held is None or held.terms != terms:
        held = st.session_state["race"] = LiveRace(terms)
    return held


def forget_race() -> None:
    """Callback: the next run begins the race anew."""
    st.session_state.pop("race", None)
