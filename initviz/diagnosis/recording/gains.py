"""Rules of each module's own gain in a recording: zeros inside a branch, and weights far too large."""

from __future__ import annotations

import math
from collections.abc import Iterator
from statistics import median

from initviz.core.wording import number, percent
from initviz.diagnosis.findings import CONVENTION, EXACT, RATIO
from initviz.diagnosis.recording.recorded import Recorded, RecordedFinding
from initviz.diagnosis.recording.trunk import is_embedding
from initviz.diagnosis.recording.weights import role_of_parameter

LARGE, FAR_TOO_LARGE = 10**0.5, 30.0  # of a gain: variance of a weight times fan_in 10, and about 1,000
MOST_LAYERS = 0.75  # share of a model's modules that is most of them
LEAST_LAYERS = 3
LEAST_SUMS = 4  # of a stream
ONE_SCALE = 0.1  # relative
ALIKE = 0.999999  # a cosine of equal outputs


def blank(m: Recorded) -> Iterator[RecordedFinding]:
    """A module of zeros whose constant output another module reads, so that nothing of the input goes on through it.

    A zero that ends a branch beside a skip, or the model, is by design: what it is added to, or the loss, wakes it.
    """
    if m.silent_row is not None:
        return
    roots: dict[int, int] = {}  # of each place whose output says nothing, the place where that began
    products = frozenset(m.trunk.products)
    for index in m.trunk.measured:
        row, weight = m.rows[index], m.trunk.weight_of(m.rows[index]) if index in products else None
        read = [roots.get(source) for source in row.sources]
        root = next((source for source in read if source is not None), None) if read and None not in read else None
        if weight is not None and weight.all_zero:
            roots[index] = index if root is None else root
        elif root is not None and row.skip is None:
            if weight is not None and (
                    row.all_zero or not (row.sample_cosine < ALIKE or row.token_cosine < ALIKE)):
                yield RecordedFinding(
                    "silent", "error", "silent", "A module of zeros", f"The weights of {m.label(root)} are all 0, and "
                    f"{m.label(index)} reads nothing but what comes of them: nothing of the input goes on through "
                    "them.", 0.0, None, "a matrix of zeros ends a branch beside a skip, or the model",
                    "follows from z = h W + b", EXACT, (m.label(root),),
                    f"Draw the weights of {m.label(root)} at random.")
                return
            roots[index] = root


def unscaled_branches(m: Recorded) -> Iterator[RecordedFinding]:
    """A language model's branches that end in weights as wide as all others, where GPT-2's are divided by a root."""
    trunk = m.trunk
    if not any(is_embedding(row) for row in m.rows):
        return
    ends = [source for index in trunk.levels if index in trunk.only_normalized and (skip := m.rows[index].skip)
            and skip.identity for source in m.rows[index].sources if source in trunk.products and (
                source not in skip.sources)]
    stds = [[weight.std for index in indices if (weight := trunk.weight_of(m.rows[index])) is not None] for indices in (
        ends, [index for index in trunk.products if index not in ends and index not in trunk.heads])]
    if len(ends) >= LEAST_SUMS and stds[1] and 0 < median(stds[0]) < math.inf and abs(
            median(stds[0]) / median(stds[1]) - 1) < ONE_SCALE:
        root = f"√{len(ends)}"
        yield RecordedFinding(
            "unscaled_branches", "note", "", "Branches are not scaled", f"The {len(ends)} layers that end a branch are "
            f"drawn as wide as the others, with a standard deviation of {number(median(stds[0]), 3)}. GPT-2 divides it "
            f"by {root}, here to {number(median(stds[0]) / math.sqrt(len(ends)), 3)}; LLaMA and others do not.",
            median(stds[0]) / median(stds[1]), None, f"1/{root} of the others', in GPT-2",
            "Radford et al. 2019, section 2.3", CONVENTION, (m.label(ends[0]),))


def _gains(m: Recorded) -> dict[int, float]:
    """By how much a module multiplies the root mean square of what it reads; at most what its weights alone say.

    Weights may be large where a factor beside them is small, and an output where a bias is.
    """
    gains = {}
    for index in m.trunk.products:
        row, weight = m.rows[index], m.trunk.weight_of(m.rows[index])
        read = max((m.rows[source].rms for source in row.sources), default=math.nan)
        if not row.sources and m.recording.input is not None:
            read = m.recording.input.rms
        if weight is not None and weight.trainable and 0 < read < math.inf and row.rms < math.inf:
            gain = min(row.rms / read, weight.rms * math.sqrt(role_of_parameter(weight).fan_in))
            if gain > 0:
                gains[index] = gain
    return gains


def weights(m: Recorded) -> Iterator[RecordedFinding]:
    """Weights that are too large for their fan_in, in most modules or in one of them."""
    gains = _gains(m)
    if len(gains) < LEAST_LAYERS:
        return
    usual = median(gains.values())
    large = [index for index, gain in gains.items() if gain > LARGE]
    index = max(gains, key=gains.__getitem__)
    label, gain = m.label(index), gains[index]
    weight = m.trunk.weight_of(m.rows[index])
    fan_in = role_of_parameter(weight).fan_in if weight is not None else 1
    remedy = f"Draw its weights with a standard deviation near 1/√fan_in = {number(1 / math.sqrt(fan_in), 3)}"
    rule = f"a module multiplies what it reads by at most {number(LARGE)}, √10"
    source = "convention; He et al. 2015, section 2.2: the variance of a weight times fan_in is near 1"
    if len(large) > MOST_LAYERS * len(gains):
        yield RecordedFinding(
            "gain", "error" if usual > LARGE**1.5 else "warning", "exploding", "Weights too large",
            f"{len(large):,} of {len(gains):,} modules multiply the size of what they read by more than "
            f"{number(LARGE)}, the median one by {number(usual)} and {label} by {number(gain)}.", usual, None,
            f"{rule}, in {percent(1 - MOST_LAYERS)} of the modules or more", source, RATIO, (label,), f"{remedy}, and "
            "those of the others by their own fan_in.")
    elif gain > LARGE**2 and usual < LARGE:
        yield RecordedFinding(
            "gain", "error" if gain > FAR_TOO_LARGE else "warning", "uneven", "One module's weights are too large",
            f"{label} multiplies the size of what it reads by {number(gain)}, the median module by {number(usual)}.",
            gain, None, f"{rule}²; an error above {number(FAR_TOO_LARGE)}", source, CONVENTION, (label,), f"{remedy}.")
