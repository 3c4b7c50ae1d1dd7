"""Text from outside, shown as it is: never as markup."""

from __future__ import annotations

import re

import streamlit as st

MOST_LETTERS = 400  # of a sentence that may name what somebody wrote


def plain(text: str) -> str:
    """A text as Markdown that shows it as it is, whatever a file's author wrote."""
    return re.sub(r"([\\`*_{}\[\]()#+\-.!~$:<>|&^=@/])", r"\\\1", " ".join(text.split()))


def complain(error: ValueError) -> None:
    """The one sentence that a bad input gets."""
    sentence = plain(str(error)[:MOST_LETTERS])
    st.error(f"{sentence[:1].upper()}{sentence[1:]}.", icon=":material/error:")
