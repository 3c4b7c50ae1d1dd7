"""What breaks the symmetry of a network of blocks, on the page Symmetry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import streamlit as st

from initviz import app
from initviz.app.affordable import MOST_ATTEMPT_OPERATIONS, most_steps
from initviz.app.caches import cached
from initviz.app.capacity import room_for
from initviz.app.runs import cached_batch, with_progress
from initviz.app.settings import BORDERS, Settings
from initviz.app.symmetry.panels import in_float64
from initviz.charts import curves
from initviz.charts.picture import UNORDERED
from initviz.core.architecture import Architecture
from initviz.core.cost import block_weights
from initviz.core.schemes import SCHEMES
from initviz.core.wording import number
from initviz.training.block_attempts import BLOCK_ATTEMPTS, BlockResult, attempts_bytes, try_blocks
from initviz.training.gradient_descent import Recipe
from initviz.training.symmetry import SPLIT

BLOCKS = 2  # that are tried, where there are as many: two tell whether one random block parts the other


@cached(16e6)
def cached_block_attempts(network: Architecture, input_key: str, count: int, recipe: Recipe,
                          epsilon: float) -> list[BlockResult]:
    """Every way to break the symmetry of blocks, tried."""
    batch = in_float64(cached_batch(input_key, count, network.seed, network.inputs))
    with room_for(attempts_bytes(network, count, recipe)):
        return with_progress(try_blocks(network, batch, recipe, epsilon), "Trying every way to break the symmetry")


def _initial(settings: Settings) -> Architecture:
    """The sidebar's blocks, at most two of them, with constants for weights."""
    network = replace(settings, depth=min(settings.depth, BORDERS + BLOCKS)).architecture("constant")
    value = dict(network.initializer_params)["value"]
    return network if value else replace(network, initializer_params={"value": 0.1})


def show(chosen: Settings, settings: Settings) -> None:
    """The attempts: the symmetry gap of stream or branches over the steps, in words, and a table."""
    network = _initial(settings)
    value = dict(network.initializer_params)["value"]
    which = "One of these blocks" if network.blocks == 1 else "Two of these blocks"
    scope = "" if network.scheme == "none" else f" that {SCHEMES[network.scheme].label} leaves to the initializer"
    st.markdown(f"{which}, every weight {value:g}{scope}. What makes the copies in the stream different, what those "
                "inside the branches, and after how many steps?")
    with st.container(horizontal=True):
        for key in ("epsilon", "steps"):
            app.control(key)
    one_step = 6 * len(BLOCK_ATTEMPTS) * settings.batch * block_weights(network)
    steps = most_steps(chosen.steps, one_step, MOST_ATTEMPT_OPERATIONS)
    if steps < chosen.steps:
        st.caption(f"At this width and batch {steps} steps are made, not {chosen.steps}.")
    recipe = Recipe(settings.optimizer, settings.rate, steps)
    with st.container():
        results = cached_block_attempts(network, settings.input, settings.batch, recipe, chosen.epsilon)
    part, name = ("branch", "inside the branches") if settings.block_part == "branch" else ("stream", "in the stream")
    st.markdown(f"**Symmetry gap {name}** over the steps (log axis)")
    thin = max(1, steps // 100)
    series = [curves.Series(BLOCK_ATTEMPTS[result.key].label, color, np.array(result.steps[::thin]),
                            np.array(result.gaps[part][::thin]), "" if any(result.gaps[part]) else "0")
              for result, color in zip(results, UNORDERED, strict=False)]
    app.show(curves.picture("Symmetry gap of each attempt against the step, log axis", "step", log=True, points=False),
             curves.data(series, log=True, guides=[(SPLIT, "")], last=steps))
    st.markdown(in_words(results, steps))
    app.more(f"The gap is the largest of those weights whose columns are these neurons; above the dotted line, "
             f"{SPLIT:g}, copies count as split. Neurons differ where they may not change places, as in the table "
             "above.")
    st.dataframe(pd.DataFrame(rows(results, network)), hide_index=True, width="stretch")


def _outcome(result: BlockResult) -> str:
    """Which of the four things came of an attempt."""
    if not result.last_stream_kinds:
        return "diverged"
    stream, inside = result.last_stream_kinds > 1, max(result.last_branch_kinds) > 1
    if stream and result.split_at("stream") is not None:
        return "both" if inside and result.split_at("branch") is not None else "branches" if not inside else "stream"
    return "neither"


def in_words(results: Sequence[BlockResult], steps: int) -> str:
    """Which attempts part the stream, which the branches too, and which nothing."""
    sentences = {
        "both": f"**Stream and branches come apart** within {steps} steps",
        "stream": f"**The stream comes apart**, and the neurons inside the branches by less than {SPLIT:g} in "
                  f"{steps} steps",
        "branches": "**The stream comes apart, the neurons inside the branches never do**: exchanging two of them "
                    "still changes nothing, so each branch counts as one neuron",
        "neither": f"**The stream stays copies**, or is apart by less than {SPLIT:g} in {steps} steps",
        "diverged": "**Training diverged**"}
    return "\n".join(f"- {words}: {'; '.join(names)}." for kind, words in sentences.items()
                     if (names := [BLOCK_ATTEMPTS[r.key].label for r in results if _outcome(r) == kind]))


def _split(step: int | None) -> str:
    return "never" if step is None else str(step)


def rows(results: Sequence[BlockResult], network: Architecture) -> list[dict[str, str]]:
    """A row an attempt: what is changed, and what came of it in the stream and inside the branches."""
    inner = network.expansion * network.width

    def inside(result: BlockResult) -> str:
        alike = len(set(result.last_branch_kinds)) == 1
        counts = str(result.last_branch_kinds[0]) if alike else " and ".join(map(str, result.last_branch_kinds))
        return f"{counts} of {inner}" if result.last_stream_kinds else "diverged"

    return [{
        "Attempt": BLOCK_ATTEMPTS[result.key].label,
        "Stream: split at step": _split(result.split_at("stream")),
        "Different neurons": (f"{result.last_stream_kinds} of {network.width}" if result.last_stream_kinds
                              else "diverged"),
        "Branches: split at step": _split(result.split_at("branch")), "Different neurons inside": inside(result),
        "First loss": number(result.first_loss), "Last loss": number(result.last_loss),
        "What is changed": BLOCK_ATTEMPTS[result.key].sentence} for result in results]
