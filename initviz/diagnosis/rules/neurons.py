"""Rules of a layer's neurons: silent, copies, dead, saturated, or the same for every sample."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from initviz.core.statistics import ratio
from initviz.core.wording import number, percent, ranges
from initviz.diagnosis.findings import CONVENTION, EXACT, Finding, MeasuredRun
from initviz.diagnosis.rules.grades import DEAD_SOURCE, SATURATED_SOURCE, say_share_rule, share_severity

COPIES_STAY = "Copies whose outgoing weights are equal get equal gradients and stay copies."


def silent(m: MeasuredRun) -> Iterator[Finding]:
    """A layer whose every output is 0, unless it wakes by itself (a note elsewhere says so)."""
    run = m.run
    layer = m.silent_layer
    if layer is None:
        return
    index = layer - 1
    width = int(run.column("fan_out")[index])
    nothing = "nothing of the input goes on"
    if run.column("dead_share")[index] == 1 and run.column("preactivation_rms")[index] > 0:
        kind, title, text = "dead", "Dead layer", f"All of layer {layer}'s neurons are off for every sample: {nothing}."
    elif run.column("distinct_weights")[index] == 1 and width > 1:
        kind, title = "silent", "Silent layer"
        text = f"In layer {layer} all {width} neurons are copies, and every output is exactly 0: {nothing}."
    else:
        kind, title = "vanishing", "Silent layer"
        text = f"Every output of layer {layer} is exactly 0: {nothing}."
    yield Finding("dead" if kind == "dead" else "silent", "error", kind, title, text, 0.0, layer,
                  "some output is not 0", "follows from z = h W + b", EXACT)


def copies(m: MeasuredRun) -> Iterator[Finding]:
    """Neurons with equal weights; those that only look equal; dead neurons are no copies."""
    run = m.run
    width, distinct = run.column("fan_out")[:-1], run.column("distinct_neurons")[:-1]
    weights, outgoing = run.column("distinct_weights")[:-1], run.column("equal_outgoing")[:-1] > 0
    sounds = (run.column("activation_rms")[:-1] > 0) & (distinct > 0)
    all_copies = sounds & (weights == 1) & (width > 1)
    staying = np.flatnonzero(all_copies & outgoing) + 1
    if staying.size:
        layer = int(staying[0])
        n = int(width[layer - 1])
        more = f"; so are those of {len(staying)} hidden layers" if len(staying) > 1 else ""
        yield Finding("copies", "error", "collapsed", "Copies", f"In layer {layer} all {n} neurons are copies, 1 "
                      f"different neuron of {n}{more}. {COPIES_STAY}", 1.0, layer,
                      "more than one different neuron on this batch", "symmetry under exchanging two neurons", EXACT)
        return
    leaving = np.flatnonzero(all_copies) + 1
    if leaving.size:
        yield Finding("copies", "note", "", "Copies at first", f"The neurons of layer {ranges(leaving.tolist())} have "
                      "equal incoming weights, but different outgoing ones: the first steps tell them apart.", 1.0,
                      int(leaving[0]), "copies have equal outgoing weights, too",
                      "symmetry under exchanging two neurons", EXACT)
    if m.silent_layer is None:
        yield from _partial_copies(m, sounds & ~all_copies)


def _partial_copies(m: MeasuredRun, sounds: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Iterator[Finding]:
    run, share = m.run, m.thresholds["different"]
    width, distinct = run.column("fan_out")[:-1], run.column("distinct_neurons")[:-1]
    dead = np.round(np.nan_to_num(run.column("dead_share")[:-1]) * width)
    living, kinds = width - dead, distinct - (dead > 0)
    few = np.flatnonzero(sounds & (living > 1) & (kinds < share * living)) + 1
    if not few.size:
        return
    layer = int(few[0])
    count, n = f"{distinct[layer - 1]:.0f}", int(width[layer - 1])
    s = "" if count == "1" else "s"
    weights = float(run.column("distinct_weights")[layer - 1])
    if np.isnan(weights):  # what a block puts out depends on the weights of all before it
        title, text = "Copies", f"Layer {layer} has {count} different neuron{s} of {n} on this batch."
    elif weights < share * n:
        title, text = "Copies", f"Layer {layer} has {count} different neuron{s} of {n}. {COPIES_STAY}"
    else:
        title = "Not told apart"
        text = (f"Layer {layer} has {count} different neuron{s} of {n} on this batch, though their weights differ: "
                f"{run.network.dtype} does not tell them apart.")
    yield Finding("copies", "warning", "collapsed", title, text, float(distinct[layer - 1]), layer,
                  f"at least {percent(share)} of a layer's living neurons differ on this batch", "convention",
                  CONVENTION)


def dead(m: MeasuredRun) -> Iterator[Finding]:
    """Neurons that are off for every sample."""
    layer, share = m.worst("dead_share")
    if not 0 < share < 1:  # a layer that is off as a whole is silent
        return
    count = round(share * m.run.column("fan_out")[layer - 1])
    severity = share_severity(share, m.thresholds)
    alike = "; dead neurons are alike, and not counted as copies" if count > 1 else ""
    yield Finding("dead", severity, "" if severity == "note" else "dead", "Dead ReLUs",
                  f"{percent(share)} of layer {layer}'s neurons, {count} of {m.run.column('fan_out')[layer - 1]}, are "
                  f"off for every sample of the batch: their weights get no gradient from these {m.run.batch} "
                  f"samples{alike}.", share, layer,
                  say_share_rule(m.thresholds), DEAD_SOURCE, CONVENTION)


def saturated(m: MeasuredRun) -> Iterator[Finding]:
    """Outputs at the ends of a bounded activation's range."""
    layer, share = m.worst("saturated_share")
    if share > m.thresholds["mostly"]:
        yield Finding("saturated", share_severity(share, m.thresholds), "saturated",
                      "Saturated", f"{percent(share)} of layer {layer}'s outputs are at the ends of their range, "
                      "beyond 97 % of the way from its middle.", share, layer,
                      say_share_rule(m.thresholds), SATURATED_SOURCE, CONVENTION)


def _compares_samples(m: MeasuredRun) -> bool:
    """Whether there are hidden layers, and samples that differ."""
    batch = m.initialization.batch if m.initialization is not None else None
    return m.hidden > 0 and m.run.batch > 1 and m.run.input_rms > 0 and (
        batch is None or bool(np.ptp(batch.x, axis=0).any()))


def _identical_layer(m: MeasuredRun) -> int | None:
    """The first hidden layer whose outputs are not 0 and the same for every sample."""
    same = np.flatnonzero((m.run.column("equal_samples")[:-1] > 0) & (m.run.column("activation_rms")[:-1] > 0))
    return int(same[0]) + 1 if same.size and _compares_samples(m) else None


def input_lost(m: MeasuredRun) -> Iterator[Finding]:
    """A layer that puts out the same for every sample, unless its zero weights soon get a gradient."""
    layer = _identical_layer(m)
    if layer is not None and (m.first_step is None or m.run.column("weight_rms")[layer - 1] != 0):
        yield Finding("alike", "error", "alike", "Input lost", f"Layer {layer} puts out the same for every sample, bit "
                      "by bit.", 0.0, layer, "some output depends on the sample", "follows from z = h W + b", EXACT)


def alike(m: MeasuredRun) -> Iterator[Finding]:
    """Samples that the last hidden layer hardly tells apart."""
    if not _compares_samples(m) or _identical_layer(m) is not None:
        return
    rms = float(m.run.column("activation_rms")[-2])
    value = ratio(float(m.run.column("sample_spread")[-2]), rms)
    if value < m.thresholds["alike"] and rms > 0:
        by = f"by {number(value)} of their root mean square" if value else "by round-off only"
        yield Finding("alike", "warning", "alike", "Inputs look alike", f"In layer {m.hidden} samples differ {by}: "
                      "the network hardly tells its inputs apart.", value, m.hidden,
                      f"at least {number(m.thresholds['alike'])}", "convention; Schoenholz et al. 2017 for the effect",
                      CONVENTION)
