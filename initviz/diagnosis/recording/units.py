"""Rules of units, samples and attention in a recording: silent, copies, dead, saturated, decided, or all alike."""

from __future__ import annotations

import math
from collections.abc import Iterator

from initviz.core.wording import counted, cut, listed, number, percent
from initviz.diagnosis.findings import CONVENTION, EXACT
from initviz.diagnosis.recording.recorded import Recorded, RecordedFinding, few
from initviz.diagnosis.recording.trunk import RECTIFIERS, is_activation, plain_kind
from initviz.diagnosis.rules.grades import DEAD_SOURCE, SATURATED_SOURCE, say_share_rule, share_severity
from initviz.diagnosis.rules.neurons import COPIES_STAY
from initviz.files.recording import Row

MOST_COMPARED = 1 << 22  # weights: of larger matrices the recorder counts no copies
LEAST_SAMPLES = 8  # with fewer, units are equal by accident
LEAST_ENTROPY = 0.5  # of attention, of ln n
LEAST_POLICY = 0.9  # of a choice among actions
DRAW_ANEW = "Draw its weights at random: units with equal weights, outgoing ones too, stay equal."


def silent(m: Recorded) -> Iterator[RecordedFinding]:
    """A place of the trunk whose every output is exactly 0."""
    index = m.silent_row
    if index is None:
        return
    before = m.trunk.preactivation_of(index)
    dead = plain_kind(m.rows[index]) in RECTIFIERS and before is not None and not before.all_zero
    yield RecordedFinding(
        "dead" if dead else "silent", "error", "dead" if dead else "silent", "Silent module",
        f"Every output of {m.label(index)} is exactly 0: nothing of the input goes on.", 0.0, None,
        "some output is not 0", "follows from z = h W + b", EXACT, (m.label(index),),
        "Begin its biases at 0 and draw its weights with mean 0." if dead else
        "Draw the weights before it at random, with a standard deviation above 0.")


def _samples(row: Row) -> int:
    return math.prod(row.shape) // row.units if row.units else 0


def _equal_weights(m: Recorded, index: int) -> bool:
    """Whether all units of a module, or of that before an activation, have equal weights, as far as is known."""
    row = m.rows[index]
    before = row if index in m.trunk.products else m.trunk.preactivation_of(index)
    weight = m.trunk.weight_of(before) if before is not None else None
    if weight is None or weight.least == weight.most or weight.count > MOST_COMPARED:
        return True
    return weight.repeated[0] >= weight.shape[0] - 1 or min(weight.shape) <= 3


def copies(m: Recorded) -> Iterator[RecordedFinding]:
    """Modules whose units repeat one another; those that are 0 for every sample are no copies."""
    share = m.thresholds["different"]
    modules: list[str] = []
    partial: list[tuple[str, int, int]] = []
    for index in m.trunk.measured:
        row = m.rows[index]
        if row.container or not (index in m.trunk.products or is_activation(row)) or row.all_zero or (
                row.units < 2 or _samples(row) < LEAST_SAMPLES or not row.distinct):
            continue
        living, kinds = row.units - row.zero_units, row.distinct - (row.zero_units > 0)
        if living > 1 and kinds == 1 and _equal_weights(m, index):
            modules.append(m.label(index))
        elif living > 1 and kinds < share * living:
            partial.append((m.label(index), kinds, living))
    if modules:
        yield RecordedFinding(
            "copies", "error", "collapsed", "Copies", f"In {modules[0]} all units are copies, and so in "
            f"{len(modules):,} recorded outputs. {COPIES_STAY}" if len(modules) > 1 else
            f"In {modules[0]} all units are copies. "
            f"{COPIES_STAY}", 1.0, None, "more than one different unit on this batch",
            "symmetry under exchanging two neurons", EXACT, tuple(modules[:1]), DRAW_ANEW)
    elif partial and m.silent_row is None:
        label, kinds, living = partial[0]
        yield RecordedFinding(
            "copies", "warning", "collapsed", "Copies", f"{label} has {kinds:,} different units of {living:,} that are "
            f"not 0, and {len(partial):,} recorded outputs have fewer than {percent(share)}.", float(kinds), None,
            f"at least {percent(share)} of a module's living units differ on this batch", "convention", CONVENTION,
            (label,), DRAW_ANEW)


def dead(m: Recorded) -> Iterator[RecordedFinding]:
    """Rectifiers that are off for every sample."""
    rows = [(row.zero_units / row.units, index) for index in m.trunk.measured
            if plain_kind(row := m.rows[index]) in RECTIFIERS and row.zero_units]
    if not rows or max(rows)[0] == 1:  # a module that is off as a whole is silent
        return
    share, index = max(rows, key=lambda pair: pair[0])
    severity, label = share_severity(share, m.thresholds), m.label(index)
    yield RecordedFinding(
        "dead", severity, "" if severity == "note" else "dead", "Dead ReLUs", f"{percent(share)} of {label}'s units, "
        f"{m.rows[index].zero_units:,} of {m.rows[index].units:,}, are off for every sample of the batch: their "
        "weights get no gradient from it.", share, None, say_share_rule(m.thresholds), DEAD_SOURCE, CONVENTION,
        (label,), "" if severity == "note" else "Begin the biases before it at 0, draw the weights with mean 0, or "
        "use a leaky rectifier.")


def saturated(m: Recorded) -> Iterator[RecordedFinding]:
    """Outputs at the ends of a bounded activation's range."""
    rows = [(m.rows[index].saturated_share, index) for index in m.trunk.measured
            if m.rows[index].saturated_share > m.thresholds["mostly"]]
    if rows:
        share, index = max(rows)
        yield RecordedFinding(
            "saturated", share_severity(share, m.thresholds), "saturated", "Saturated", f"{percent(share)} of "
            f"{m.label(index)}'s outputs are at the ends of their range, beyond 97 % of the way from its middle.",
            share, None, say_share_rule(m.thresholds), SATURATED_SOURCE, CONVENTION, (m.label(index),),
            "Scale the inputs to mean 0 and standard deviation 1, and the weights before it down.")


def attention(m: Recorded) -> Iterator[RecordedFinding]:
    """Attention that is decided before anything is learned."""
    rows = [(row.entropy, index) for index, row in enumerate(m.rows) if row.entropy < LEAST_ENTROPY
            and plain_kind(row) in (
                "softmax", "scaleddotproductattention", "multiheadattentionforward") and len(row.shape) > 2]
    if rows:
        entropy, index = min(rows)
        score = m.rows[index].score_std
        yield RecordedFinding(
            "attention", "warning", "saturated", "Attention is decided", f"The attention of {m.label(index)} has an "
            f"entropy of {number(entropy)} ln n (scores of standard deviation {number(score)}): it looks at a few "
            "places, and hardly any gradient goes to the others.", entropy, None,
            f"at least {LEAST_ENTROPY:g} ln n; scores of variance 1 give ln n − 1/2",
            "convention; Zhai et al. 2023 for the collapse of attention's entropy", CONVENTION, (m.label(index),),
            f"Divide the scores by {number(max(score, 1.0))}: is the factor 1/√d missing, or are the query and key "
            "weights too large?")


def decided(m: Recorded) -> Iterator[RecordedFinding]:
    """A policy that prefers an action before anything is learned."""
    for index, row in enumerate(m.rows):
        if row.entropy < LEAST_POLICY and plain_kind(row) in ("softmax", "logsumexp") and len(row.shape) == 2:
            yield RecordedFinding(
                "decided", "warning", "output", "The choice is made", f"The softmax of {m.label(index)} has an entropy "
                f"of {number(row.entropy)} ln n before anything is learned: a policy that hardly explores.",
                row.entropy, None, f"at least {LEAST_POLICY:g} ln n", "convention; Andrychowicz et al. 2021, section "
                "3.2: a last layer 100 times smaller", CONVENTION, (m.label(index),),
                "Draw the weights of the layer before it 100 times smaller, such as orthogonal with gain 0.01.")
            return


def alike(m: Recorded) -> Iterator[RecordedFinding]:
    """Samples, or tokens, that the last place of the trunk hardly tells apart."""
    line = m.thresholds["alike"]
    for index in reversed(m.trunk.levels):
        row = m.rows[index]
        tokens = not math.isnan(row.token_cosine)
        cosine = row.token_cosine if tokens else row.sample_cosine
        if math.isnan(cosine) or row.all_zero:
            continue
        value = math.sqrt(max(1 - cosine, 0.0))
        if value < line:
            noun = "tokens" if tokens else "samples"
            yield RecordedFinding(
                "alike", "warning", "alike", f"{noun.capitalize()} look alike", f"In {cut(row.label)} {noun} have a "
                f"mean cosine of {cosine:.6g}: the model hardly tells them apart.", value, None,
                f"√(1 − cosine) at least {number(line)}", "convention; Schoenholz et al. 2017 for the effect, Dong et "
                "al. 2021 of attention", CONVENTION, (cut(row.label),),
                "Weights nearer to the edge of chaos, smaller biases, or skips keep inputs apart." if not tokens else
                "Skips and smaller branches keep tokens apart.")
        return


def uncertain(m: Recorded) -> Iterator[RecordedFinding]:
    """Which findings the recording cannot decide, and why."""
    recording = m.recording
    if recording.uncalled:
        names = list(recording.uncalled)
        yield RecordedFinding(
            "uncalled", "note", "", "Not seen", f"{few(names)} {'was' if len(names) == 1 else 'were'} used without a "
            "call of the module, by m.forward() or by a function that takes its weights: these outputs are not "
            "recorded.", float(len(names)), None, "every module is called", "hooks fire where a module is called",
            EXACT, tuple(names[:1]), "Call the module, m(x), where its output is of interest.")
    if recording.compiled:
        yield RecordedFinding(
            "compiled", "note", "", "Compiled", "The model is compiled, and was run uncompiled for the recording: "
            "compiled code may round differently.", 1.0, None, "hooks do not fire in compiled code",
            "documentation of torch.compile", EXACT)
    left_out = [counted(count, name) for name, count in (
        ("output", recording.rows_left_out), ("parameter", recording.parameters_left_out)) if count]
    if left_out:
        yield RecordedFinding(
            "left_out", "note", "", "Not in the file", f"{listed(left_out)} are left "
            f"out beside {len(recording.rows):,} and {len(recording.parameters):,} that are in the file, so that "
            "it stays small: evenly, but for those at which something is wrong.",
            float(recording.rows_left_out + recording.parameters_left_out), None, "all outputs are in the file",
            "the recorder's limit", EXACT, (), "Record a part of the model by itself, or fewer of its blocks.")
