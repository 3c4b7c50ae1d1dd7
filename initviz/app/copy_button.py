"""A button that puts a text on the clipboard, which Streamlit has only beside code."""

from __future__ import annotations

import streamlit as st

_component = st.components.v2.component(
    "initviz_copy_button",
    html="<div><button type='button'></button><span role='status'></span></div>",
    css="""
div { display: flex; flex-wrap: wrap; align-items: center; gap: 0.25rem 0.75rem; font: 0.875rem var(--st-font);
  color: var(--st-text-color); }
button { font: inherit; color: inherit; min-height: 2.5rem; padding: 0.25rem 0.75rem; cursor: pointer;
  background: var(--st-background-color); border: 1px solid var(--st-border-color);
  border-radius: var(--st-button-radius); }
button:hover, button:focus-visible { color: var(--st-primary-color); border-color: var(--st-primary-color); }
span { font-size: 0.875rem; }""",
    js="""
const copied = async text => {
  try {
    await navigator.clipboard.writeText(text)
    return true
  } catch {  // a page that is not served over https has no clipboard
    const area = Object.assign(document.createElement("textarea"), { value: text, readOnly: true })
    area.style.cssText = "position: fixed; opacity: 0"
    document.body.append(area)
    area.select()
    const done = document.execCommand("copy")
    area.remove()
    return done
  }
}

export default function ({ data, parentElement }) {
  const [button, said] = ["button", "span"].map(tag => parentElement.querySelector(tag))
  button.textContent = data.label
  button.onclick = async () => {
    said.textContent = await copied(data.text) ? data.done : "The browser does not allow it: download the file."
  }
}""")


def copy_button(label: str, text: str, label_when_copied: str, *, key: str) -> None:
    """A button that copies ``text`` and then says ``done`` beside it."""
    _component(key=key, data={"label": label, "text": text, "done": label_when_copied}, width="content")
