"""Charts and files on a page."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa  # what Streamlit itself sends data frames with
import streamlit as st

from initviz.app.sharing import presenting
from initviz.charts.picture import Data, Picture, SavedPicture
from initviz.core.wording import listed
from initviz.diagnosis.scale_reasons import ScaleReason

ROW, HEAD, MOST_TABLE = 35, 38, 430  # pixels
PICTURE_TYPES = {"svg": "image/svg+xml", "png": "image/png"}
MOST_SLUG = 60  # letters of a file's name


def show(picture: Picture, data: Data, **options: Any) -> Any:
    """Draw a picture, or redraw the one that was drawn ``into``; the browser updates a constant spec in place."""
    place = options.pop("into", st)
    spec = picture.enlarged if presenting() else picture.spec
    datasets = {name: pa.table({column: pa.array(values) for column, values in table.items()})
                for name, table in data.items()}
    return place.vega_lite_chart({**spec, "datasets": datasets}, alt=picture.alt, **options)


def download(label: str, file_name: str, content: Callable[[], bytes | str], mime: str, *, key: str, help: str) -> None:
    """A button that makes the file when it is pressed."""
    st.download_button(label, content, file_name, mime, key=key, help=help, icon=":material/download:",
                       on_click="ignore")


def offer_pictures(settings: str, pictures: Sequence[SavedPicture], key: str = "pictures") -> None:
    """The pictures of a page as files, each with title, axes and the ``settings`` that made it, behind one button."""
    with st.popover("Save pictures" if len(pictures) > 1 else "Save the picture", icon=":material/image:", key=key,
                    help="With title, axes and settings, on white, to print or to show."):
        for place, saved in enumerate(pictures):
            with st.container(horizontal=True):
                for form, mime in PICTURE_TYPES.items():
                    download(f"{saved.title} ({form.upper()})", f"{_slug(saved.title)}.{form}",
                             functools.partial(saved.file, form, settings), mime, key=f"{key}_{place}_{form}",
                             help="Lines and letters, to be enlarged or edited." if form == "svg" else
                             "Pixels, for slides and documents.")


def _slug(title: str) -> str:
    """A title as the name of a file."""
    return "initviz-" + "-".join(re.findall(r"[a-z0-9]+", title.lower()))[:MOST_SLUG]


def more(words: str, label: str = "More") -> None:
    """Details of a picture, behind a click: how it is measured, formulas, sources."""
    with st.popover(label, icon=":material/info:"):
        st.markdown(words)


def small_print(*lines: str) -> None:
    """Small text that may hold links: in a caption, which is paler, a link has too little contrast."""
    st.markdown("  \n".join(f":small[{line}]" for line in lines))


def say_reasons(reasons: Sequence[ScaleReason]) -> None:
    """Why scales shrink, stay or grow, a line a reason."""
    st.markdown("\n".join(f"- :small[**{reason.happens}** ({listed(reason.labels)}): {reason.why}.]"
                          for reason in reasons) or "There are fewer than two hidden layers: nothing to compare.")


def table_height(rows: int) -> int:
    return min(HEAD + ROW * rows, MOST_TABLE)
