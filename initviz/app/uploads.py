"""Uploaded files, kept for the session, and what was computed from them until the terms change."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

import streamlit as st

from initviz.app.outside_text import plain
from initviz.core.wording import cut


@dataclass(frozen=True)
class Failed:
    """What could not be made, and the sentence that says why."""

    sentence: str


def once_a_session(name: str, terms: Hashable, make: Callable[[], Any]) -> Any:
    """The result of ``make`` for these terms, or its ValueError, kept in this session until the terms change."""
    entry = st.session_state.get(name)
    if entry is None or entry[0] != terms:
        try:
            entry = (terms, make())
        except ValueError as error:  # kept too: a file that takes long to refuse is refused once
            entry = (terms, Failed(str(error)))
        st.session_state[name] = entry
    if isinstance(entry[1], Failed):
        raise ValueError(entry[1].sentence)
    return entry[1]


@dataclass(frozen=True, eq=False)
class Upload:
    """A file that was uploaded in this session."""

    name: str
    file_id: str
    data: bytes

    def getvalue(self) -> bytes:
        """The file's content."""
        return self.data


def ask_file(label: str, types: list[str], key: str, words: str, megabytes: int) -> Upload | None:
    """The file that is given, or was before another page of this session was visited; None if no file is given."""
    def forget(key_of_upload: str = f"{key} held") -> None:
        if st.session_state.get(key) is None:
            st.session_state.pop(key_of_upload, None)

    file = st.file_uploader(label, types, key=key, width=420, max_upload_size=megabytes, on_change=forget, help=words)
    if file is not None:
        st.session_state[f"{key} held"] = Upload(file.name, file.file_id, file.getvalue())
    upload: Upload | None = st.session_state.get(f"{key} held")
    if file is None and upload is not None:
        st.button(plain(f"Forget {cut(upload.name)}"), on_click=st.session_state.pop, args=(f"{key} held", None),
                  key=f"{key}_forget", help="The file that was given before is still examined.")
    return upload
