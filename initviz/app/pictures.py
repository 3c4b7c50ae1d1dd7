"""Charts and files on a page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa  # what Streamlit itself sends data frames with
import streamlit as st

from initviz.app.sharing import presenting
from initviz.charts.picture import Data, Picture
from initviz.core.wording import listed
from initviz.diagnosis.scale_reasons import ScaleReason

ROW, HEAD, MOST_TABLE = 35, 38, 430  # pixels
PICTURE_TYPES = {"svg": "image/svg+xml", "png": "image/png"}


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
