"""What leaves the page: a link, the code that embeds it, and the view for a screen in front of a class."""

from __future__ import annotations

import html
from collections.abc import Collection, Mapping, Sequence
from urllib.parse import urlencode

import streamlit as st

from initviz.app.address import write_address
from initviz.app.controls import current_settings
from initviz.app.entrance import FIRST_PAGE
from initviz.app.history import choices_of_other_pages
from initviz.app.settings import CONTROLS, DEFAULTS, Settings, in_use
from initviz.core.validation import Choices, Interval

FRAME_HEIGHT = 720  # pixels of an embedded page
OF_NETWORK = ("sigma_w", "sigma_b")  # settings beside a page's pictures that say which network is drawn
NOT_SHARED = ("embed", "embed_options", "present")


def address(query: Mapping[str, Sequence[str]]) -> str:
    """The full address of this page with these values."""
    base = (st.context.url or "").split("?")[0]
    return f"{base}?{urlencode(query, doseq=True)}" if query else base


def _query(page: str) -> dict[str, list[str]]:
    """The names and values in the address that mean something on this page."""
    settings, others = current_settings(), choices_of_other_pages()
    return {key: st.query_params.get_all(key) for key in st.query_params if key not in NOT_SHARED
            and (in_use(key, page or FIRST_PAGE, settings) if key in CONTROLS else key not in others)}


def _embed_code(query: Mapping[str, Sequence[str]], title: str) -> str:
    source = html.escape(address({**query, "embed": ["true"]}))
    return (f'<iframe src="{source}" title="{html.escape(title)}" width="100%" height="{FRAME_HEIGHT}" '
            'style="border: 0"></iframe>')


def tools(page: str, title: str) -> None:
    """A link, the code to embed the page, and the switch to the view for a screen; in the sidebar."""
    with st.sidebar, st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        with st.popover("Share", icon=":material/share:", key="share", on_change="rerun",
                        help="A link to what is shown, and the code that puts it into another page.") as share:
            if share.open:
                query = _query(page)
                st.markdown("**Copy link**")
                st.code(address(query), language=None, wrap_lines=True)
                st.markdown("**Copy embed code**")
                st.code(_embed_code(query, f"initviz: {title}"), language=None, wrap_lines=True)
                st.caption("The copy button stands at the right of each. An embedded page has no controls around it "
                           "and names the network that it shows.")
        st.toggle("Present", key="present", bind="query-params",
                  help="For a screen in front of a class: larger text in charts, the controls put aside.")


def presenting() -> bool:
    """Whether the page is shown to a class."""
    return bool(st.session_state.get("present", st.query_params.get("present") == "true"))


def described(settings: Settings, page: str, also: Collection[str] = (), without: Collection[str] = ()) -> str:
    """The network and the input that a page shows, in words: what a reader needs to remake it.

    ``also`` are settings asked beside the page's pictures that belong to them, ``without`` are some that do not.
    """
    parts = []
    for key, control in CONTROLS.items():
        value, asked_here = getattr(settings, key), control.place == "page" and key not in (*OF_NETWORK, *also)
        if asked_here or key in without or not in_use(key, page or FIRST_PAGE, settings) or (
                control.place == "expander" and value == DEFAULTS[key]):
            continue
        named = isinstance(control.allowed, Interval | Choices)
        parts.append(f"{control.label.lower()} {value:g}" if named else ", ".join(write_address(key, value)))
    return " · ".join(parts)


def name_network(page: str, title: str) -> None:
    """Where no controls are seen: which network is shown, and the way to them."""
    description = described(current_settings(), page)
    with st.bottom:
        st.markdown(f":small[**{title}** of initviz: {description}. "
                    f"[Open it with its controls]({address(_query(page))})]")
