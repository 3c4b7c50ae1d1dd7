"""A slider that speaks while it is dragged, which Streamlit's own does not."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

PAUSE = 60  # milliseconds between two values that are sent while the slider moves

_component = st.components.v2.component(
    "initviz_live_slider",
    html="<label><span></span> <output></output><input type='range'></label>",
    css="""
label { display: flex; align-items: center; gap: 0.75rem; font: 0.875rem var(--st-font); color: var(--st-text-color); }
input { flex: 1; max-width: 30rem; accent-color: var(--st-primary-color); }
output { min-width: 3.5em; text-align: right; font-variant-numeric: tabular-nums; }""",
    js="""
export default function ({ data, parentElement, setStateValue }) {
  const [name, output, input] = ["span", "output", "input"].map(tag => parentElement.querySelector(tag))
  const show = () => { output.textContent = Number(input.value).toFixed(2).replace("-", "−") }
  name.textContent = data.label
  input.setAttribute("aria-label", data.label)
  Object.assign(input, { min: data.low, max: data.high, step: data.step })
  if (input.timer === undefined && Number(input.value) !== data.value) input.value = data.value
  show()
  input.oninput = () => {
    show()
    input.timer ??= setTimeout(() => {
      input.timer = undefined
      setStateValue("value", Number(input.value))
    }, data.pause)
  }
}""")


def live_slider(label: str, low: float, high: float, step: float, value: float, *, key: str,
                moved: Callable[[float], None]) -> None:
    """A slider at ``value``; ``moved`` is called with each new value before the script runs again."""
    _component(key=key, data={"label": label, "low": low, "high": high, "step": step, "value": value, "pause": PAUSE},
               on_value_change=lambda: moved(float(st.session_state[key]["value"])))
