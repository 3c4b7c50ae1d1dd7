"""What the Signal page alone asks and shows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from initviz.app.caches import cached
from initviz.app.controls import control, expect_choice, set_controls
from initviz.app.pictures import show
from initviz.app.presets import BLOCK_PRESETS, PRESETS
from initviz.app.runs import cached_batch, compare
from initviz.app.settings import CONTROLS, SCRUBBED, VIEW_LABELS, Settings
from initviz.app.signal import block_words
from initviz.app.signal import sentences as say
from initviz.app.signal.live_slider import live_slider
from initviz.charts import neurons
from initviz.charts.distributions import Head
from initviz.charts.picture import VERDICT_COLORS
from initviz.core.architecture import Architecture
from initviz.core.batches import Batch, digit_pixels
from initviz.core.frameworks import FRAMEWORKS
from initviz.core.initializers import label_of
from initviz.core.simulation import NEURON_QUANTITIES, BlockRun, simulate_blocks
from initviz.core.wording import number
from initviz.diagnosis.block_remedies import lsuv_blocks
from initviz.diagnosis.block_report import blocks_table
from initviz.diagnosis.thresholds import DEFAULTS, THRESHOLDS
from initviz.diagnosis.verdict import Verdict, judge
from initviz.files.block_code import block_code

Image = NDArray[np.uint8]
PANEL_WIDTH = 140  # pixels
PIXEL = 12  # pixels of the screen that one of a digit's takes
MOSAIC = 9  # samples shown where all are


# ---------------------------------------------------------------------------------------------- presets

def is_active(key: str, settings: Settings) -> bool:
    """Whether everything that the preset ``key`` sets is as it sets it."""
    preset = PRESETS.get(key) or BLOCK_PRESETS[key]
    return all(getattr(settings, name) == value for name, value in preset.settings.items())


def presets(settings: Settings) -> None:
    """A button for each classic case; the one that is shown is marked."""
    active = any(is_active(key, settings) for key in BLOCK_PRESETS)
    with st.container(horizontal=True, gap="xsmall"):
        for key in PRESETS:
            _preset_button(key, settings)
        with st.popover("Blocks", key="block_presets", icon=":material/check:" if active else None,
                        help="Residual and normalized networks: the classic cases."):
            for key, preset in BLOCK_PRESETS.items():
                _preset_button(key, settings)
                st.caption(preset.sentence)


def _preset_button(key: str, settings: Settings) -> None:
    preset = PRESETS.get(key) or BLOCK_PRESETS[key]
    st.button(preset.label, on_click=set_controls, args=(preset.settings,), key=f"preset_{key}",
              icon=":material/check:" if is_active(key, settings) else None, help=preset.sentence)


# ---------------------------------------------------------------------------------------------- the first picture

def head(verdict: Verdict) -> Head:
    """What stands over an initializer's column."""
    severity = "note" if verdict.key == "shallow" else next(
        (finding.severity for finding in verdict.findings if finding.kind == verdict.key), None)
    facts = "; ".join(f"{name} {value}" for name, value in (*verdict.numbers, *verdict.reach))
    return Head(f"{verdict.kind.mark} {verdict.word}", VERDICT_COLORS[severity], f"{verdict.sentence} {facts}.")


def look_into_clicked_layer() -> None:
    """Callback of a click on a distribution."""
    clicked = st.session_state["distributions"].selection.get("cell", [])
    if clicked:
        set_controls({"layer": int(clicked[0]["layer"])})


def _gray(batch: Batch) -> Image:
    """Images of the samples (count, rows, columns), of features in rows of one length: dark is high."""
    if batch.name == "digits":
        shades = digit_pixels(batch.x) / 16
    else:
        side = math.isqrt(batch.features - 1) + 1
        shades = np.pad(batch.x, ((0, 0), (0, -batch.features % side))) / 4 + 0.5
    rows = math.isqrt(shades.shape[1])
    images: Image = (255 - 255 * np.clip(shades, 0, 1)).reshape(len(shades), rows, -1).astype(np.uint8)
    return images


def _picture_of(batch: Batch, first: int, count: int) -> Image:
    """One sample, or ``count`` of them in a square, for the screen."""
    images = _gray(replace(batch, x=batch.x[first:first + count]))
    across = math.isqrt(count)
    rows = [np.concatenate(images[start:start + across], axis=1) for start in range(0, across * across, across)]
    return np.concatenate(rows).repeat(PIXEL // across, axis=0).repeat(PIXEL // across, axis=1)


def sample_panel(settings: Settings) -> None:
    """What goes into the network, and which of it is shown."""
    batch = cached_batch(settings.input, settings.batch, settings.seed, settings.sizes[0])
    one = settings.view == "one"
    at = settings.sample - 1
    if batch.features < 3:
        x = ", ".join(number(float(value)) for value in batch.x[at])
        st.markdown(f"Input ({x})" if one else f"{settings.batch} inputs of {batch.features} numbers")
    else:
        count = 1 if one else min(MOSAIC, math.isqrt(settings.batch) ** 2)
        noun = "digit" if settings.input == "digits" else "input"
        st.image(_picture_of(batch, at if one else 0, count), output_format="PNG",
                 alt=f"The {noun} that is sent through" if one else f"Some of the {noun}s that are sent through")
    if one:
        st.caption(f"class {batch.targets[at]}, sample {settings.sample} of {settings.batch}")
    view = CONTROLS["view"]
    st.radio(view.label, VIEW_LABELS, format_func=VIEW_LABELS.__getitem__, key="view", help=view.help,
             bind="query-params")
    if one:
        if st.session_state.get("sample", 1) > settings.batch:
            st.session_state["sample"] = settings.batch
        control("sample")


def scrubber(settings: Settings) -> None:
    """A slider at the picture for the gain or the constant: it moves that control, and so all that follows from it."""
    if settings.scrub not in SCRUBBED:
        return
    key = settings.scrub
    low, high, step = SCRUBBED[key]
    live_slider(CONTROLS[key].label, low, high, step, getattr(settings, key), key="live",
                moved=lambda value: set_controls({key: round(value, 9)}))
    st.caption(say.unmoved(settings, key, low, high))


def verdict_table(labels: Sequence[str], verdicts: Sequence[Verdict], theories: Sequence[str]) -> None:
    """The verdicts in a sentence each, and the numbers behind them, one row per initializer."""
    st.markdown("\n".join(f"- **{label}** {verdict.words} Theory: {theory}."
                          for label, verdict, theory in zip(labels, verdicts, theories, strict=True)))
    st.table(pd.DataFrame([{"Initializer": label, **dict((*verdict.numbers, *verdict.reach))}
                           for label, verdict in zip(labels, verdicts, strict=True)]).set_index("Initializer"))
    st.caption("Different: neurons of the last hidden layer that are no copies. Signal: root mean square of the median "
               "sample's activations, last hidden layer ÷ input. Gradient: length of the deltas, first hidden layer ÷ "
               "last. 1 keeps the scale. A layer: the factor of one layer, by a straight line through the logarithms. "
               f"Scale holds to depth: where the faster of the two, at its factor, leaves {number(DEFAULTS['shrunk'])} "
               f"to {number(DEFAULTS['grown'])}.")


def threshold_table() -> None:
    """Where the lines between the verdicts are drawn, and by whom."""
    st.table(pd.DataFrame([{"Line": line.label, "At": number(line.default), "What it does": line.help,
                            "Source": line.source} for line in THRESHOLDS.values()]).set_index("Line"))
    st.markdown(":small[[Diagnose](diagnose) moves each of them.]")


@cached(1e6)
def _after_lsuv(network: Architecture, input_key: str, count: int) -> str:
    """The verdict on a network of blocks after LSUV on the same batch."""
    batch = cached_batch(input_key, count, network.seed, network.inputs)
    return judge(simulate_blocks(network, batch, counted=(), parameters=lsuv_blocks(network, batch))).words


def blocks_panel(runs: Sequence[BlockRun], input_key: str) -> None:
    """The report on one initializer's network of blocks, on demand: every block, findings, LSUV, and the code."""
    with st.expander("Every block, findings and code", icon=":material/layers:", key="block_report",
                     on_change="rerun") as box:
        if not box.open:
            return
        run = runs[0]
        if len(runs) > 1:
            keys = [run.network.initializer for run in runs]
            expect_choice("blocks_of", "Blocks of", {key: label_of(key) for key in keys})
            chosen = st.segmented_control("Blocks of", keys, default=keys[0], required=True, format_func=label_of,
                                          key="blocks_of", help="Whose blocks are listed.", bind="query-params",
                                          wrap=True)
            run = runs[keys.index(chosen) if chosen in keys else 0]
        if block_words.has_skips(run):
            st.dataframe(blocks_table(run), hide_index=True, width="stretch")
            st.caption("Root mean squares over batch and neurons, the branch after its scale. The cosine is that of "
                       "skip and branch as vectors over the whole batch: near 0 their mean squares add up. It is not "
                       "defined where one of them is 0.")
        st.markdown("**What is found**" if (found := judge(run).findings) else "Nothing found.")
        for finding in found:
            st.markdown(f":gray-badge[{finding.severity}] **{finding.title}**: {finding.text}  \n"
                        f":small[:gray[Rule: {finding.rule}. Source: {finding.source}.]]")
        st.markdown(f"**After LSUV** on the same batch (Mishkin and Matas 2016): "
                    f"{_after_lsuv(run.network, input_key, run.batch)}")
        expect_choice("block_framework", "Code", list(FRAMEWORKS))
        framework = st.segmented_control("Code", list(FRAMEWORKS), default=next(iter(FRAMEWORKS)), required=True,
                                         key="block_framework", bind="query-params",
                                         help="This initialization, ready to run.")
        st.code(block_code(run.network, framework or next(iter(FRAMEWORKS))), language="python", height=320,
                wrap_lines=True)


# ---------------------------------------------------------------------------------------------- one layer

def _close_layer() -> None:
    set_controls({"layer": 0})


def _step_layer(layer: int) -> None:
    set_controls({"layer": layer})


@st.dialog("Single neurons of a layer", width="large", on_dismiss=_close_layer, icon=":material/grid_on:")
def layer_dialog(settings: Settings, layer: int) -> None:
    """Heat maps of one layer's neurons, one an initializer."""
    runs = compare(settings, correlations=True)
    with st.container(horizontal=True, vertical_alignment="center"):
        name = "Output layer" if layer == settings.depth else f"Layer {layer}"
        st.markdown(f"**{name}**: one column per neuron, one row per sample")
        for key, icon, words, to in (("previous", ":material/arrow_upward:", "The layer before", layer - 1),
                                     ("next", ":material/arrow_downward:", "The layer after", layer + 1)):
            if st.button(words, icon=icon, key=f"{key}_layer", on_click=_step_layer, args=(to,),
                         disabled=not 1 <= to <= settings.depth, help="Closer to the input." if key == "previous"
                         else "Closer to the output."):
                st.rerun()
    maps = [neurons.HeatMap(label_of(run.network.initializer), run.samples[layer - 1]) for run in runs]
    show(neurons.picture(), neurons.data(maps), key="neurons")
    st.caption(say.neurons(runs, layer))


def shows_one_sample(settings: Settings) -> bool:
    """Whether the first picture shows a single sample: of weights and their gradients there is no such thing."""
    return settings.view == "one" and settings.quantity in NEURON_QUANTITIES
