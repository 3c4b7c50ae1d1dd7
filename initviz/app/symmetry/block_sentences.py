"""What the Symmetry page says of networks of blocks: which neurons are copies, which part in training, and why."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

from initviz.core.architecture import KINDS, Architecture
from initviz.core.initializers import label_of
from initviz.core.layers import NORMALIZATIONS
from initviz.core.schemes import SCHEMES
from initviz.core.wording import number, ranges
from initviz.training.block_symmetry import PARTS, BlockCopies, StageCounts

PART_WORDS = {"stream": "Stream", "branch": "Inside the branches", "added": "What the branches add"}

TITLES = {"stream": "The stream after the first layer and after each block",
          "branch": "What the neurons inside each block's branch put out",
          "added": "What each block's branch adds to the stream"}


def title(network: Architecture, part: str) -> str:
    """What a picture of a part of the blocks shows."""
    return TITLES[part] if KINDS[network.kind].skips else "What the neurons of each layer put out"


def stage_names(network: Architecture) -> list[str]:
    """What the rows of a picture of the stages are called."""
    if not KINDS[network.kind].skips:
        return [f"layer {layer}" for layer in range(1, network.depth)]
    return ["first layer", *(f"block {block}" for block in range(1, network.blocks + 1))]


# ---------------------------------------------------------------------------------------------- the table

def _of(counts: Iterable[StageCounts], part: str) -> list[int]:
    return [count for counts_ in counts if (count := getattr(counts_, part)) is not None]


def _range_of(counts: Sequence[int], neurons: int) -> str:
    if not counts:
        return "diverged"
    if 0 in counts:
        return "overflow"
    low, high = min(counts), max(counts)
    return f"{low if low == high else f'{low} to {high}'} of {neurons}"


def count_rows(networks: Sequence[BlockCopies]) -> list[dict[str, str]]:
    """One row per initializer and part of its blocks: how many different neurons before training and after it, and how
    many there can be at most.
    """
    rows = []
    for copies in networks:
        network = copies.network
        for part in PARTS if KINDS[network.kind].skips else ("stream",):
            neurons = network.width * (network.expansion if part == "branch" else 1)
            most = copies.branch_kinds if part == "branch" else copies.stream_kinds
            rows.append({
                "Initializer": label_of(network.initializer),
                "Neurons": PART_WORDS[part] if KINDS[network.kind].skips else "Each layer",
                "Before training": _range_of(_of(copies.first, part), neurons),
                f"After {copies.steps} steps": _range_of(_of(copies.last, part), neurons),
                "Can differ at most": _range_of(most, neurons)})
    return rows


# ---------------------------------------------------------------------------------------------- the reasons

def _stream(copies: BlockCopies) -> str:
    """Whether the stream's neurons are copies, and why."""
    width, kinds = copies.network.width, copies.stream_kinds[0]
    first, last = _of(copies.first, "stream"), _of(copies.last, "stream")
    if kinds == 1:
        return (f"the {width} neurons of the stream are copies and stay copies: any two may change places, as all are "
                "written and read with equal weights, so each step moves them alike; a skip passes on what there is"
                + (", and here that is 0" if copies.zero_stream else ""))
    if first[0] != 1:
        return "the neurons of the stream differ from the first layer on" + (
            "" if min(first) in (0, width) else f", {_range_of(first, width)}")
    block = next((block for block, count in enumerate(first) if count > 1), None)
    if block is not None:
        return (f"the first layer puts out copies, and block {block}, whose branch has different weights, adds "
                "something else to each")
    if not last:
        return "the neurons of the stream begin as copies"
    range_after = _range_of(last, width)
    if max(last) == 1:
        return ("the neurons of the stream are copies though they may not change places: no signal comes that could "
                f"tell them apart, and after {copies.steps} steps there still is {range_after}")
    return ("the neurons of the stream begin as copies, but are read or written with different weights, and so part: "
            f"after {copies.steps} steps {range_after}")


def _zero_factor(network: Architecture) -> str:
    """What makes every branch of a network add exactly 0, where it is its own weights or scale; else empty."""
    if network.scale == 0:
        return "its scale is 0"
    changes = {change.part: change for change in SCHEMES[network.scheme].changes}
    norm, last = changes.get("branch_norm"), changes.get("branch_last")
    if network.normalization != "none" and norm and norm.factor(network.blocks, network.branch_layers) == 0:
        return "the weight of its last normalization is 0"
    if (last.initializer if last and last.initializer else network.initializer) == "zeros":
        return "its last weights are 0"
    return ""


def _branches(copies: BlockCopies) -> str:
    """What the branches add, and whether their own neurons are copies."""
    network = copies.network
    branch_kinds = set(copies.branch_kinds)
    inner = network.expansion * network.width
    parts = []
    if copies.zero_branches:
        why = _zero_factor(network) or "what comes out of its activation is 0"
        parts.append(f"each branch adds exactly 0 at first, as {why}, so that a block is its skip alone")
    if branch_kinds == {1}:
        parts.append(f"the {inner} neurons inside a branch stay copies" + (
            f" as well: it counts as one neuron, {inner} times" if copies.stream_kinds[0] == 1 else
            f", though those of the stream are not: a branch of {inner} neurons counts as one"))
    elif copies.zero_branches:
        added = _of(copies.last, "added")
        if added:
            parts.append(f"that parts: after {copies.steps} steps it adds {_range_of(added, network.width)} different "
                         "outputs, as the neurons behind them differ" if max(added) > 1 else
                         f"after {copies.steps} steps it still adds the same to every neuron")
    return "; ".join(parts)


def _norm(copies: BlockCopies) -> str:
    """What the first normalization that is given copies makes of them, as measured."""
    norm = copies.norm
    if norm is None:
        return ""
    entry = NORMALIZATIONS[copies.network.normalization]
    back = ("at first no gradient comes back to it" if not norm.gradient_in > 0 else
            "of the gradient, which is equal for copies, nothing comes back through it" if norm.gradient_out == 0 else
            f"the gradient comes back {number(norm.gradient_out / norm.gradient_in)} times as large")
    if norm.output_rms == 0:
        back += ("; one that differs from neuron to neuron would come back up to 1/√ε = "
                 f"{number(1 / math.sqrt(norm.eps))} times as large")
    stage = [*stage_names(copies.network), "the last normalization"][norm.stage]
    return (f"{entry.label} {entry.of_copies}: in {stage} it puts out {number(norm.output_rms)} (root mean square) of "
            f"{number(norm.input_rms)}, and {back}")


def _layers(copies: BlockCopies) -> str:
    """Of a network without skips: which of its layers hold copies."""
    alike = [stage + 1 for stage, kinds in enumerate(copies.stream_kinds) if kinds == 1]
    if not alike:
        first = _of(copies.first, "stream")
        return "the neurons of every layer differ" + (
            "" if min(first) in (0, copies.network.width) else f", {_range_of(first, copies.network.width)}")
    layers = "every layer" if len(alike) == len(copies.stream_kinds) else f"layer {ranges(alike)}"
    return (f"the neurons of {layers} stay copies: any two may change places, as they are written and read with equal "
            "weights, so each step moves them alike")


def _learning(copies: BlockCopies) -> str:
    if not copies.last:
        return f"training has diverged within {copies.steps} steps"
    if copies.moved == 0:
        return (f"no weight moves in {copies.steps} steps, only biases may: what a weight is multiplied by, or what "
                "comes back to it, is 0")
    if copies.moved < copies.dense:
        return f"{copies.moved} of {copies.dense} weight matrices move in {copies.steps} steps"
    return ""


def _sentences(copies: BlockCopies) -> Iterator[str]:
    if KINDS[copies.network.kind].skips:
        yield _stream(copies)
        yield _branches(copies)
    else:
        yield _layers(copies)
    yield _norm(copies)
    yield _learning(copies)


def reasons(networks: Sequence[BlockCopies]) -> str:
    """A list of what stays copies and what does not, and why, initializers of which the same is said together."""
    sentences: dict[str, list[str]] = {}
    for copies in networks:
        words = ". ".join(text[0].upper() + text[1:] for text in _sentences(copies) if text)
        sentences.setdefault(words, []).append(label_of(copies.network.initializer))
    return "\n".join(f"- **{', '.join(labels)}**: {words}." for words, labels in sentences.items())
