"""Text from outside, shown as it is: never as markup."""

from __future__ import annotations

import re

import streamlit as st

MOST_LETTERS = 400  # of a sentence that may name what somebody wrote


def plain(text: str) -> str:
    """A text as Markdown that shows it as it is, whatever a file's author wrote; what is not seen, such as a mark that
    turns the direction of what follows, by its number.
    """
    printable = "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode()
                   for letter in " ".join(text.split()))
    return re.sub(r"([\\`*_{}\[\]()#+\-.!~$:<>|&^=@/])", r"\\\1", printable)


def complain(error: ValueError) -> None:
    """The one sentence that a bad input gets."""
    sentence = plain(str(error)[:MOST_LETTERS])
    st.error(f"{sentence[:1].upper()}{sentence[1:]}.", icon=":material/error:")
