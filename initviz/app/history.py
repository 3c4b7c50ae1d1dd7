"""The browser's history: one entry for each state that was shown, and none that nobody chose.

Streamlit pushes an entry for each bound setting that a callback sets, that a page brings back or that has no widget any
more, and back would then restore what stands in between. So before anything else changes the address, all settings
that are not as on the first visit are written into it in one step, on every page, in use there or not; and between two
runs nothing is bound, so that nothing of the address is taken away on the way to another page.
"""

from __future__ import annotations

from collections.abc import Iterable

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.scriptrunner_utils.script_run_context import ScriptRunContext

from initviz.app.address import read_address, write_address
from initviz.app.controls import UNREAD, current_settings, set_controls
from initviz.app.settings import CONTROLS, DEFAULTS

PAGE, CHOICES, BEFORE = "page shown", "choices of pages", "choices before"  # in the session


def _context() -> ScriptRunContext:
    context = get_script_run_ctx()
    assert context is not None, "not called by a script that Streamlit runs"
    return context


def _unbind(context: ScriptRunContext, names: Iterable[str]) -> list[str]:
    """Let the widgets' names go, which keep their place in the address; returns those of the page's own choices."""
    with context.session_state.query_params() as query:
        bound = {name: binding for name in names if (binding := query.get_binding_for_param(name))}
        for binding in bound.values():
            query.unbind_widget(binding.widget_id)
    everywhere = context.pages_manager.main_script_hash
    return [name for name, binding in bound.items() if name not in CONTROLS and binding.script_hash != everywhere]


def _restore(query: dict[str, list[str]]) -> None:
    """After back or forward: every control as the address has it, in use on this page or not."""
    values, notices = read_address(query)
    set_controls({**DEFAULTS, **values})
    if notices:  # an entry from before the address was read
        st.query_params.update({key: write_address(key, values[key]) for key in notices})
        st.rerun()


def write_settings() -> None:
    """Bring settings and address together in at most one entry; called before the navigation and any widget.

    What is written before the navigation stands on the entry of the page that comes next. A page's choices that are no
    controls come back with their page.
    """
    if UNREAD not in st.session_state:  # open_address comes first
        return
    context, choices = _context(), st.session_state.setdefault(CHOICES, {})
    query = {key: st.query_params.get_all(key) for key in st.query_params}
    last, page = st.session_state.get(PAGE), context.page_script_hash
    bound = _unbind(context, {*query, *CONTROLS})
    st.session_state[BEFORE] = {*bound, *choices.get(page, ())} if page == last else set()
    st.session_state[PAGE] = page
    if context.is_history_navigation:
        _restore(query)
        return
    settings = current_settings()
    texts = {key: texts for key, texts in query.items() if key not in CONTROLS}
    texts |= {key: write_address(key, getattr(settings, key)) for key in CONTROLS
               if getattr(settings, key) != DEFAULTS[key]}
    if last not in (None, page) and choices.get(page):
        texts |= choices.get(last, {}) | choices[page]
    if texts != query:
        st.query_params.from_dict(dict(sorted(texts.items())))


def note_choices() -> None:
    """After a page has run: what its address says beside the controls, for the page's next visit."""
    context = _context()
    query = {name: st.query_params.get_all(name) for name in _unbind(context, [*st.query_params])}
    st.session_state.setdefault(CHOICES, {})[context.page_script_hash] = query
    gone = (st.session_state.get(BEFORE, set()) & {*st.query_params}) - query.keys()
    if gone:  # choices that have no widget any more
        st.query_params.from_dict({name: st.query_params.get_all(name) for name in st.query_params if name not in gone})


def note_choices_of_fragment() -> None:
    """Remember this page's own choices after one of its fragments has run by itself."""
    context = _context()
    if context.fragment_ids_this_run:
        query = {name: st.query_params.get_all(name) for name in _unbind(context, [*st.query_params])}
        st.session_state[CHOICES].setdefault(context.page_script_hash, {}).update(query)


def choices_of_other_pages() -> set[str]:
    """Names in the address that belong to pages visited before, and mean nothing on this one."""
    choices = st.session_state.get(CHOICES, {})
    return set().union(*choices.values()) - choices.get(_context().page_script_hash, {}).keys()
