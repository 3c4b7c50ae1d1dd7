"""Where zeros may stand, on the page Symmetry: a guess, then which tensors get a gradient, predicted and measured."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import streamlit as st

from initviz import app
from initviz.app.caches import cached
from initviz.charts import curves
from initviz.charts import wiring as diagram
from initviz.charts.picture import UNORDERED
from initviz.core.citations import linked
from initviz.core.validation import Parameter
from initviz.core.wording import listed
from initviz.training.unit_copies import STEPS as COPY_STEPS
from initviz.training.unit_copies import Count, counts
from initviz.training.zero_placement import (
    FIRST_WIRING,
    STATES,
    WIRINGS,
    Fate,
    Measurement,
    Wiring,
    measure,
    predict,
    tensors_of,
)
from initviz.training.zero_reasons import reasons, rule, sentence, symbol

FIRST_STEPS = 20  # drawn of the measurement
REVEALED = "zeros_revealed"  # in the session: the case whose answer was asked for


@cached(4e6)
def cached_measurement(key: str, states: tuple[str, ...], seed: int) -> Measurement:
    """Training of one wiring from these states, in the order of its tensors."""
    expression = WIRINGS[key].expression
    return measure(expression, dict(zip(tensors_of(expression), states, strict=True)), seed=seed)


@cached(1e6)
def cached_counts(seed: int) -> list[Count]:
    """Units initialized as copies, counted after training."""
    return counts(seed)


def _usual(key: str) -> None:
    app.set_state({f"{key}_{name}": state for name, state in WIRINGS[key].usual.items()})


def _reveal(case: tuple[str, ...]) -> None:
    st.session_state[REVEALED] = case


def show(seed: int) -> None:
    """The whole section."""
    st.markdown("No weight of a deep tanh network of zeros alone ever learns, and yet LoRA, ReZero and others put "
                "zeros into a network on purpose. Choose a wiring and how each tensor is initialized; guess which "
                "tensors ever get a gradient.")
    app.expect_choice("wiring", "Wiring", {key: wiring.label for key, wiring in WIRINGS.items()}, FIRST_WIRING)
    key = st.selectbox("Wiring", list(WIRINGS), list(WIRINGS).index(FIRST_WIRING), key="wiring", bind="query-params",
                       format_func=lambda key: WIRINGS[key].label, help="A small network of products, sums and "
                       "activations.")
    wiring = WIRINGS[key]
    st.markdown(f"**{wiring.formula}**")
    states = _choose_states(key, wiring)
    picture = st.container()
    case = (key, *states.values())
    names = list(states)
    guess = st.pills("Which tensors ever get a gradient that is not exactly 0?", names, selection_mode="multi",
                     format_func=symbol, key=f"moves_{key}", help="None of them is an answer too.")
    st.button("Compare with the computation", key="zeros_compare", on_click=_reveal, args=(case,),
              icon=":material/visibility:", help="Shows the prediction, and what training measures.")
    fates = predict(wiring.expression, states)
    revealed = st.session_state.get(REVEALED) == case
    with picture:
        app.show(diagram.picture(), diagram.data(wiring.expression, states, {
            name: _step(fate, "step ") for name, fate in fates.items()} if revealed else {}),
            height=diagram.height(wiring.expression), key="wiring_diagram")
    if revealed:
        _answer(key, wiring, states, set(guess), fates, seed)
    else:
        st.info("Guess first; then it is computed.", icon=":material/help:")
    app.small_print("Dotted: what passes there is exactly zero before training. A product passes nothing on where a "
                    "factor is zero, and passes no gradient back to a factor where the other is. Source of this "
                    f"wiring: {linked(wiring.source)}.")


def _choose_states(key: str, wiring: Wiring) -> dict[str, str]:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        states = {name: app.widget(Parameter(symbol(name), wiring.usual[name], STATES,
                                             "What the tensor holds before training."), f"{key}_{name}")
                  for name in tensors_of(wiring.expression)}
        st.button("As usual", key="zeros_usual", on_click=_usual, args=(key,), icon=":material/restart_alt:",
                  help="The states that the wiring is known for.")
    return states


def _answer(key: str, wiring: Wiring, states: Mapping[str, str], guess: set[str], fates: Mapping[str, Fate],
            seed: int) -> None:
    measurement = cached_measurement(key, tuple(states.values()), seed)
    why = {name: sentence(name, reason, is_zero_itself=states[name] == "zero")
           for name, reason in reasons(wiring.expression, states).items()}
    moved = {name for name, fate in fates.items() if fate.first_step is not None}
    wrong = [name for name in states if (name in guess) != (name in moved)]
    if wrong:
        st.warning("Not so: " + " ".join(why[name] for name in wrong), icon=":material/lightbulb:")
    else:
        st.success(f"Right. {listed([symbol(n) for n in states if n in moved])} move." if len(moved) > 1 else
                   f"Right. {symbol(next(iter(moved)))} moves." if moved else "Right. Nothing ever moves.",
                   icon=":material/check:")
    st.markdown(rule(wiring.expression, states))
    st.markdown("**Largest entry of each tensor's gradient** over the steps of gradient descent (log axis)")
    app.show(curves.picture("Largest entry of each tensor's gradient against the step, log axis", "step", log=True),
             curves.data([_gradients(name, color, measurement) for name, color in zip(states, UNORDERED, strict=False)],
                         log=True, last=FIRST_STEPS - 1), key="wiring_gradients")
    st.table([_row(name, states[name], fates[name], measurement.fates[name]) for name in states], hide_index=True)
    st.caption("First gradient: the first step whose gradient is not exactly 0. Copies: whether the tensor's rows (of "
               "one input each) or columns (of one output each) differ after training. Predicted from the wiring "
               "alone, without a number; measured by training.")


def _gradients(name: str, color: str, measurement: Measurement) -> curves.Series:
    sizes = np.array(measurement.gradients[name][:FIRST_STEPS])
    zero = np.flatnonzero(sizes == 0)
    remark = ("" if not zero.size else "exactly 0 in every step" if zero.size == len(sizes) else
              f"exactly 0 until step {zero[-1] + 1}")
    return curves.Series(symbol(name), color, np.arange(len(sizes)), sizes, remark)


def _step(fate: Fate, word: str = "") -> str:
    return "never" if fate.first_step is None else f"{word}{fate.first_step}"


def _differ(fate: Fate) -> str:
    return "one number" if not fate.units_differ else listed(
        [f"{word} differ" if differ else f"{word} are copies"
         for word, differ in zip(("rows", "columns") if len(fate.units_differ) > 1 else ("entries",),
                                 fate.units_differ.values(), strict=True)])


def _row(name: str, state: str, predicted: Fate, measured: Fate) -> dict[str, str]:
    return {"Tensor": symbol(name), "Initially": STATES[state].lower(), "First gradient, predicted": _step(predicted),
            "measured": _step(measured), "Copies, predicted": _differ(predicted), "measured ": _differ(measured)}


def show_copies(seed: int) -> None:
    """Other units that may be initialized as copies."""
    st.markdown("Layers, heads, experts and the ranks of a LoRA adapter may be initialized as copies too. They stay "
                "copies where exchanging two of them leaves the network as it is.")
    st.table([{"Units, initially": f"{row.label}, {row.initialized}",
               "Different: predicted": f"{row.predicted} of {row.of}",
               f"measured after {COPY_STEPS} steps": f"{row.measured} of {row.of}", "Because": row.because}
              for row in cached_counts(seed)], hide_index=True)
    st.caption("Small networks trained by gradient descent on random targets. Of a LoRA pair the rank of B A is "
               "counted.")
