"""A page of experiments: choose one, bend it, run it again with another seed, see all verdicts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from initviz import app
from initviz.app.address import texts_of, write_address
from initviz.app.caches import cached
from initviz.app.capacity import computed, room_for
from initviz.app.entrance import FIRST_PAGE
from initviz.app.settings import CONTROLS, DEFAULTS
from initviz.charts import plots as charts
from initviz.charts.picture import SavedPicture
from initviz.claims.experiment import FAILS, HOLDS, PARTLY, Check, Experiment, Result
from initviz.core.citations import linked
from initviz.core.wording import number

COLORS = {HOLDS: "green", PARTLY: "orange", FAILS: "red"}
DIGITS = 3
ICONS = {HOLDS: ":material/check_circle:", PARTLY: ":material/rule:", FAILS: ":material/cancel:"}


@cached(32e6)
def cached_result(run: Any, peak_bytes: float, seed: int, knobs: tuple[tuple[str, Any], ...]) -> Result:
    """The result of an experiment's run, shared read-only by all sessions."""
    with room_for(peak_bytes):
        return computed("Computing this experiment", lambda: run(seed, **dict(knobs)))


def result_of(experiment: Experiment, seed: int, knobs: Mapping[str, Any]) -> Result:
    """The result of the experiment for these knobs, computed once."""
    return cached_result(experiment.run, experiment.peak_bytes, seed, tuple(knobs.items()))


def allowed(check: Check) -> str:
    """Where a check's number must lie, in words."""
    low, high = number(check.low, DIGITS), number(check.high, DIGITS)
    if check.low == check.high:
        return f"exactly {low}"
    if check.low == -math.inf:
        return f"at most {high}"
    if check.high == math.inf:
        return f"at least {low}"
    if low == high:  # nearer than the digits show
        return f"{low} ± {number((check.high - check.low) / 2, 1)}"
    return f"{low} to {high}"


def _target(check: Check, unchecked: bool) -> str:
    if check.target is None:
        return ""
    return number(check.target, DIGITS) + (" †" if unchecked and check.why.startswith("Published") else "")


def table(result: Result, unchecked: bool) -> list[dict[str, str]]:
    """The checks of a result as rows of words; † marks published targets that were not held against the source."""
    return [{"": "✓" if check.holds else "✗", "Number": check.what, "Measured": number(check.measured, DIGITS),
             "Target": _target(check, unchecked), "Must be": allowed(check),
             "Because": f":small[:gray[{check.why}]]"}  # a column of its own: a cell's text wraps at 400 pixels
            for check in result.checks]


def condition(experiment: Experiment, result: Result) -> str:
    """What completes "holds only if"; empty where that is not the verdict."""
    return experiment.condition if result.verdict == PARTLY else ""


def _another_seed() -> None:
    seed = int(st.session_state.get("seed", DEFAULTS["seed"]))
    app.set_controls({"seed": seed + 1 if seed < CONTROLS["seed"].interval.high else 0})


def choose(noun: str, name: str, experiments: Mapping[str, Experiment]) -> str:
    """Which experiment to look at, bound to the address under ``name``."""
    app.expect_choice(name, noun, {key: experiment.title for key, experiment in experiments.items()})
    return st.selectbox(noun, list(experiments), format_func=lambda key: experiments[key].title, key=name,
                        bind="query-params", help="Type to search. The address names what is chosen.")


def explorer_address(place: str, controls: Mapping[str, Any]) -> str:
    """The address, beside this page's own, of a page with these controls; other names are of that page's own widgets.

    ``place`` is the page, with "#" and an anchor where a section of it is meant.

    A link into a new tab: st.switch_page refuses a page whose widgets are bound to the address, and st.page_link
    leaves the session's own values standing.
    """
    query = [(name, text) for name, value in controls.items()
             for text in (write_address(name, value) if name in CONTROLS else [str(value)])]
    page, mark, anchor = place.partition("#")
    return f"./{'' if page == FIRST_PAGE else page}?{urlencode(query)}{mark}{anchor}"


def _page(place: str) -> str:
    return place.partition("#")[0].capitalize()


def show_page(name: str, noun: str, experiments: Mapping[str, Experiment], seed: int, words: Mapping[str, str]) -> None:
    """A page of experiments: the choice of ``what``, in the address under ``name``, the one chosen, and all of them.

    ``words`` say a verdict.
    """
    key = choose(noun, name, experiments)
    show_experiment(key, experiments[key], seed, words)
    show_all(name, experiments, seed, words)


def show_experiment(key: str, experiment: Experiment, seed: int, words: Mapping[str, str]) -> None:
    """One experiment: its claim, its knobs, verdict, pictures, numbers and source."""
    st.markdown(f"**{experiment.claim}**")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        knobs = {name: app.widget(spec, f"{key}_{name}", width=290) for name, spec in experiment.knobs.items()}
        st.button("Another seed", icon=":material/casino:", on_click=_another_seed, key="another_seed",
                  help=f"Run it again with other random numbers. This is seed {seed}; the sidebar sets any.")
        if experiment.explore is not None:
            page, controls = experiment.explore(knobs)
            case = "The nearest" if experiment.apart else "The same"
            st.link_button("Open in the explorer", explorer_address(page, {"seed": seed, **controls}),
                           icon=":material/open_in_new:", key="explore", help=f"{case} case, in a new tab, on the page "
                           f"{_page(page)} with every control there is. {experiment.apart}".strip())
    result = result_of(experiment, seed, knobs)
    depends = condition(experiment, result)
    st.markdown(f":{COLORS[result.verdict]}-badge[{ICONS[result.verdict]} {words[result.verdict]}]"
                + (f" **{depends}.**" if depends else "") + f" :gray-badge[seed {seed}]  \n{result.summary}")
    drawn = [SavedPicture(charts.picture(plot), charts.data(plot), plot.title) for plot in result.plots]
    for place, saved in zip(st.columns(len(drawn)) if drawn else (), drawn, strict=True):
        with place:
            st.markdown(f"**{saved.title}**")
            app.show(saved.picture, saved.data)
    if any(line.expected is not None for plot in result.plots for line in plot.lines):
        st.caption("Solid: measured. Dashed: published or derived.")
    if drawn:
        chosen = [f"{spec.label.lower()} {', '.join(texts_of(spec, knobs[name]))}"
                  for name, spec in experiment.knobs.items()]
        app.offer_pictures(" · ".join([experiment.title, *chosen, f"seed {seed}"]), drawn)
    st.markdown(f"**Why.** {linked(experiment.reason)}")
    if experiment.limit is not None:
        sentence, where, shown = experiment.limit
        st.markdown(f"**Its limit.** {sentence} [See it on {_page(where)}]({explorer_address(where, shown)})")
    st.table(table(result, bool(experiment.unchecked)), hide_index=True)
    if experiment.unchecked:
        st.caption(f":material/unpublished: † Not checked against the source's text: {experiment.unchecked}")
    app.small_print(f"**What is computed.** {experiment.setting}", f"**Source.** {linked(experiment.source)}",
                    *([f"**In the explorer.** {experiment.apart}"] if experiment.apart else []))


def _ask_for_all(name: str, seed: int) -> None:
    st.session_state["ran_all"] = (name, seed)


def show_all(name: str, experiments: Mapping[str, Experiment], seed: int, words: Mapping[str, str]) -> None:
    """Every experiment's verdict at its first settings, computed when asked for."""
    with st.expander(f"All {len(experiments)} at once", icon=":material/checklist:"):
        st.button("Run them all", icon=":material/play_arrow:", key="run_all", on_click=_ask_for_all,
                  args=(name, seed), help=f"Each with its first settings and seed {seed}. What has been run before is "
                  "not run again.")
        if st.session_state.get("ran_all") != (name, seed):
            st.caption("Runs every experiment with its first settings and lists the verdicts.")
            return
        bar, rows = st.progress(0.0), []
        for count, experiment in enumerate(experiments.values(), 1):
            bar.progress(count / len(experiments), experiment.title)
            result = result_of(experiment, seed, experiment.defaults())
            holding = sum(check.holds for check in result.checks)
            verdict = f"{words[result.verdict]} {condition(experiment, result)}".strip()
            rows.append({"Experiment": experiment.title, "Verdict": verdict,
                         "Checks that hold": f"{holding} of {len(result.checks)}"})
        bar.empty()
        st.table(rows, hide_index=True)
