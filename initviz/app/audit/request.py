"""What the page Audit asks: a file or an example, and the recipe that it should follow."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import BinaryIO

import streamlit as st

from initviz import app
from initviz.app.audit.examples import EXAMPLES, examined_example
from initviz.app.outside_text import complain, plain
from initviz.core.wording import cut
from initviz.diagnosis.audit import RECIPES, Audit, Examination, examine
from initviz.diagnosis.audit.recipes import AuditRecipe, parse_recipe
from initviz.files.weights.containers import (
    CONVERSIONS,
    SUFFIXES,
    SUFFIXES_SAID,
    checked,
    container,
    is_index,
    of_index,
    shards_of,
)
from initviz.files.weights.tensors import Container, Limits, size_of

HELD = "audited file"  # in the session
MOST_MEGABYTES, MOST_RECIPE_MEGABYTES = 40, 1
MOST_TENSORS = 3000
UPLOADED = Limits(MOST_TENSORS, MOST_MEGABYTES * 10**6, 2 * MOST_MEGABYTES * 10**6, 10**6)
DEFAULT, NONE, FILE = "default", "none", "file"  # beside the names of RECIPES
RECIPE_LABELS = {DEFAULT: "Default: the example's, none for your file", NONE: "None: the file alone",
                 **{name: f"{name}: {recipe.source}" for name, recipe in RECIPES.items()}, FILE: "Your own, as TOML"}
one_at_a_time = threading.Lock()  # so that only one upload's largest tensor is in memory at once


@dataclass(frozen=True, eq=False)
class Examined:
    """A file that was given in this session: its examination, or why there is none; the file itself is not kept."""

    name: str
    file_ids: tuple[str, ...]
    examination: Examination | None
    complaint: str = ""


def ask(seed: int) -> tuple[str, Audit]:
    """The name of what is looked at, and its audit."""
    row = st.container(horizontal=True, vertical_alignment="bottom")
    with st.expander("Your own file", icon=":material/upload_file:"):
        uploaded = _ask_file()
    if uploaded is not None and uploaded.examination is None:
        complain(ValueError(uploaded.complaint))
        st.caption("The example is shown instead.")
        uploaded = None
    app.expect_choice("example", "Example", {key: example.label for key, example in EXAMPLES.items()})
    app.expect_choice("recipe", "Recipe", RECIPE_LABELS)
    with row:
        example = st.selectbox("Example", list(EXAMPLES), key="example", width=330, bind="query-params",
                               format_func=lambda key: EXAMPLES[key].label, disabled=uploaded is not None,
                               help="State dicts drawn here by the seed of the sidebar. Your own file takes their "
                                    "place.")
        chosen = st.selectbox("Recipe", list(RECIPE_LABELS), key="recipe", width=420, bind="query-params",
                              format_func=RECIPE_LABELS.__getitem__,
                              help="What each tensor should be: the file is held against it, tensor by tensor.")
    example = example if example in EXAMPLES else next(iter(EXAMPLES))
    recipe = _ask_recipe(chosen, None if uploaded else EXAMPLES[example].recipe)
    if uploaded is not None and uploaded.examination is not None:
        return uploaded.name, uploaded.examination.judged(recipe)
    return EXAMPLES[example].label, examined_example(example, seed).judged(recipe)


def _ask_recipe(chosen: str, default: str | None) -> AuditRecipe | None:
    """The recipe that is chosen; None, after a sentence, where a file is none."""
    if chosen != FILE:
        return RECIPES.get((default if chosen == DEFAULT else chosen) or NONE)
    file = st.file_uploader("A recipe", ["toml"], key="recipe_file", width=420, max_upload_size=MOST_RECIPE_MEGABYTES,
                            help="[[tensor]] tables of pattern, law and std, such as the learned recipe that can be "
                                 "downloaded below. Nothing in it is run.")
    if file is None:
        return None
    try:
        return parse_recipe(file.getvalue(), file.name)
    except ValueError as error:
        complain(error)
        st.caption("The file is judged without a recipe instead.")
        return None


def _ask_file() -> Examined | None:
    """The file that is given, or was before another page of this session was visited; None if no file is given."""
    def forget() -> None:
        if not st.session_state.get("audit_file"):
            st.session_state.pop(HELD, None)

    files = st.file_uploader(
        f"A state dict: {SUFFIXES_SAID}", [suffix[1:] for suffix in (*SUFFIXES, ".json", *CONVERSIONS)],
        key="audit_file", width=420, max_upload_size=MOST_MEGABYTES, on_change=forget, accept_multiple_files=True,
        help="Several files are the shards of one model, with or without their .safetensors.index.json. They are read "
             "in memory tensor by tensor, never run, and not kept: only their table is, for this session.")
    st.caption(f"Up to {MOST_MEGABYTES} MB and {MOST_TENSORS:,} tensors in all. The command line reads files larger "
               "than memory: `initviz audit FILE...`")
    uploaded: Examined | None = st.session_state.get(HELD)
    file_ids = tuple(file.file_id for file in files)
    if files and (uploaded is None or uploaded.file_ids != file_ids):
        with st.spinner("Reading each tensor"), one_at_a_time:
            uploaded = st.session_state[HELD] = _examined([(file.name, file) for file in files], file_ids)
    if not files and uploaded is not None:
        st.button(plain(f"Forget {cut(uploaded.name)}"), on_click=st.session_state.pop, args=(HELD, None),
                  key="audit_forget", help="The file that was given before is still shown.")
    return uploaded


def _examined(files: Sequence[tuple[str, BinaryIO]], file_ids: tuple[str, ...]) -> Examined:
    name = files[0][0] if len(files) == 1 else f"{len(files)} files, {files[0][0]} first"
    try:
        examination = examine(_containers(files))
        if not examination.tensors:
            raise ValueError("the file must hold tensors of floating-point numbers, and has none")
        return Examined(name, file_ids, examination)
    except ValueError as error:  # kept too: a file that takes long to refuse is refused once
        return Examined(name, file_ids, None, str(error))


def _containers(files: Sequence[tuple[str, BinaryIO]]) -> list[Container]:
    """The tensors of the shards that were given, all together within the limits; as their index says, if it is there.
    """
    total = sum(size_of(file) for _, file in files)
    if total > MOST_MEGABYTES * 10**6:
        raise ValueError(f"the files must be at most {MOST_MEGABYTES} MB together, got {total / 1e6:,.0f}")
    indices = [(name, file) for name, file in files if is_index(name)]
    shards = {name: file for name, file in files if not is_index(name)}
    by_index = [of_index(file, name, shards, UPLOADED) for name, file in indices]
    named = {shard for name, file in indices for shard in shards_of(file, name, UPLOADED)}
    containers = [*by_index, *(container(file, name, UPLOADED) for name, file in files
                          if not is_index(name) and name not in named)]
    checked(Container(tuple(tensor for content in containers for tensor in content), MappingProxyType({})), UPLOADED)
    return containers
