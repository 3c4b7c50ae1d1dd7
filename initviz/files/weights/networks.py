"""The networks of a file: what stands under two names is two networks, never one because the shapes happen to chain."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

from initviz.files.weights.names import by_template, split
from initviz.files.weights.orders import Shape

MOST_HEADS = 6  # layers among which heads are looked for
TRUNKS = frozenset({"shared", "trunk", "backbone", "base", "body", "features", "feature", "torso", "stem", "common",
                    "extractor", "embedding", "embed"})
HEADS = frozenset({"head", "classifier", "output", "out", "fc", "final", "predictor", "top", "readout", "logits",
                   "projection", "proj", "linear", "last"})
ENSEMBLES = frozenset({"models", "ensemble", "members", "critics", "actors", "nets", "networks", "experts",
                       "estimators", "agents", "qs"})
ENCODERS, DECODERS = frozenset({"encoder", "enc", "encode"}), frozenset({"decoder", "dec", "decode"})
SERIES = re.compile(r"(?:[a-z]*(?:block|layer|stage|module|hidden|dense|linear|fc|h)s?_?)?[0-9]+", re.IGNORECASE)
COPY = {"target", "ema", "old"}  # what the name of a network's copy has more
# Words for one thing, and pairs of things of which a network has one.
POLICY, VALUE = {"action", "actor", "policy", "pi", "act"}, {"value", "critic", "v", "vf", "q", "qf", "val"}
MEAN, SPREAD = {"mu", "mean", "means", "loc"}, {"logvar", "logstd", "var", "std", "sigma", "logsigma", "variance"}
RIVALS = ((POLICY, VALUE), (MEAN, SPREAD), ({"online", "local"}, {"target"}),
          ({"teacher"}, {"student"}),
          ({"generator", "gen", "g"}, {"discriminator", "disc", "d"}))


@dataclass(frozen=True)
class Part:
    """Layers, by their place among a file's matrices, under the name of a network."""

    name: str
    layers: tuple[int, ...]


Ends = Callable[[Sequence[int]], list[tuple[int, int]]]


def words(name: str) -> set[str]:
    """The words of a name, in small letters: q_net.valueHead as {q, net, value, head}; log_var is one word."""
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    joined = re.sub(r"(?i)log[_ ]?(var|std|sigma)", r"log\1", apart)
    return {word for word in re.split(r"[^a-z]+", joined.lower()) if word}


def rivals(a: str, b: str) -> bool:
    """Whether two names are of things of which a network has one, such as an actor and a critic."""
    one, other = words(a), words(b)
    return bool(one and other and one ^ other and not (one ^ other) - COPY) or any(
        (one & first and other & second) or (one & second and other & first) for first, second in RIVALS)


def parts(layers: Sequence[str], ends: Ends) -> list[Part]:
    """The networks of these layers, by their names; ``ends`` gives the inputs and outputs that some layers chain to.

    Parts under different names are networks of their own, except numbered blocks that follow one another and a part
    that by its name is the head of the one before. Where encoder and decoder chain, both together are offered last.
    """
    members = tuple(range(len(layers)))
    first = [layer.split("_")[0] for layer in layers]
    flat = not any(re.search(r"[./]", layer) for layer in layers)
    if flat and (series := _series(layers, ends)):
        return series
    if flat and len(set(first)) > 1 and min(map(first.count, first)) > 1:
        return _parts([layer.replace("_", ".", 1) for layer in layers], members, 0, ends)
    found = _parts(layers, members, 0, ends)
    return found if len(found) > 1 else _series(layers, ends) or _repeated(layers, ends) or found


def _series(layers: Sequence[str], ends: Ends) -> list[Part]:
    """Networks whose layers are numbered alike, as fc1, fc2 and target_fc1, target_fc2; none where there are none."""
    groups = by_template(layers)
    names, reaches = [_stem(layers[group[0]]) for group in groups], [ends(group) for group in groups]
    if len(groups) < 2 or min(map(len, groups)) < 2 or not all(reaches):
        return []

    def apart(a: int, b: int) -> bool:
        both = words(names[a]) | words(names[b])
        return rivals(names[a], names[b]) or bool(both & ENCODERS and both & DECODERS) or (
            len(groups[a]) == len(groups[b]) and reaches[a] == reaches[b])

    if not all(apart(a, b) for a, b in combinations(range(len(groups)), 2)):
        return []
    series = [Part(name, tuple(group)) for name, group in zip(names, groups, strict=True)]
    return [*series, *_both(series, ends)]


def _repeated(layers: Sequence[str], ends: Ends) -> list[Part]:
    """Networks that follow one another under one numbering, as two critics of l1 to l3 and l4 to l6; none else."""
    order, *others = by_template(layers)
    if others or len(order) < 4 or ends(order):
        return []
    for count in range(2, len(order) // 2 + 1):
        size, rest = divmod(len(order), count)
        runs = [tuple(order[first:first + size]) for first in range(0, len(order), size)]
        if not rest and ends(runs[0]) and all(ends(run) == ends(runs[0]) for run in runs):
            return [Part(f"{layers[run[0]]} to {layers[run[-1]]}", run) for run in runs]
    return []


def _stem(name: str) -> str:
    """A layer's name without its number: target_fc of target_fc1, W_a of W1_a."""
    return re.sub(r"[._/\-]*[0-9]+", "", name).strip("._/-") or "main"


def _parts(layers: Sequence[str], members: tuple[int, ...], depth: int, ends: Ends) -> list[Part]:
    paths = {index: re.split(r"[./]", layers[index]) for index in members}
    prefix = ".".join(paths[members[0]][:depth])
    groups: dict[str, list[int]] = {}
    for index in members:
        if len(paths[index]) > depth + 1:
            groups.setdefault(paths[index][depth], []).append(index)
    towers = {name: group for name, group in groups.items() if len(group) > 1}
    singles = [index for index in members if not any(index in group for group in towers.values())]
    if not towers:
        return [Part(prefix, members)]
    parts = [part for group in towers.values() for part in _parts(layers, tuple(group), depth + 1, ends)]
    if len(parts) == 1:
        return [Part(parts[0].name if not singles else prefix, members)]
    parts = _joined(parts, ends, prefix)
    if len(parts) == 1:
        return [Part(prefix, members)]
    return _with_singles(parts, singles, layers, ends)


def _joined(parts: list[Part], ends: Ends, prefix: str) -> list[Part]:
    """The parts, those that are one network put together: numbered blocks, a trunk and its head."""
    def last(part: Part) -> str:
        return part.name.removeprefix(prefix).strip("./")

    def chain(some: Sequence[Part]) -> list[tuple[int, int]]:
        return ends([layer for part in some for layer in part.layers])

    top = [re.split(r"[./]", last(part))[0] for part in parts]
    numbered = all(SERIES.fullmatch(name) for name in top) and len({split(name)[0] for name in top}) == 1
    if numbered and chain(parts) and not words(prefix) & ENSEMBLES:
        return [Part(prefix, tuple(layer for part in parts for layer in part.layers))]
    for trunk in [part for part in parts if words(last(part)) & TRUNKS]:
        rest = [part for part in parts if part != trunk]
        if all(chain([trunk, part]) for part in rest):
            joined = [Part(part.name, (*trunk.layers, *part.layers)) for part in rest]
            return joined if len(rest) > 1 or words(last(rest[0])) & HEADS else parts
    return parts


def _both(parts: list[Part], ends: Ends) -> list[Part]:
    """Two parts that chain, one after the other, as an encoder and a decoder do; none where they are alike."""
    if len(parts) != 2 or rivals(parts[0].name, parts[1].name) or ends(parts[0].layers) == ends(parts[1].layers):
        return []
    for pair in sorted((parts, parts[::-1]), key=lambda pair: not words(pair[0].name) & ENCODERS):
        layers = tuple(layer for part in pair for layer in part.layers)
        one, other = ends(pair[0].layers), ends(pair[1].layers)
        meet = not (one and other) or any(a[1] == b[0] for a in one for b in other)
        if meet and ends(layers):
            return [Part("+".join(part.name for part in pair), layers)]
    return []


def _with_singles(parts: list[Part], singles: list[int], layers: Sequence[str], ends: Ends) -> list[Part]:
    """The parts with the layers that stand outside: each with the part whose words it shares, else one with each."""
    def shared(layer: int, part: Part) -> int:
        one, other = words(layers[layer]), words(part.name)
        same = len((one & other) - {"net", "network", "mlp", "layer", "model"})
        return same + sum(bool(one & group and other & group) for group in (POLICY, VALUE)) + bool(
            one & (MEAN | SPREAD) and other & ENCODERS)

    given: dict[int, list[int]] = {place: [] for place in range(len(parts))}
    others: list[Part] = []
    for single in sorted(singles, key=lambda layer: -max(shared(layer, part) for part in parts)):
        twins = [(place, twin) for place, some in given.items() for twin in some
                 if rivals(layers[twin], layers[single]) and ends([twin]) == ends([single])]
        fitting = [place for place, part in enumerate(parts) if ends([*part.layers, *given[place], single])]
        fitting.sort(key=lambda place: (-shared(single, parts[place]), len(given[place])))
        if twins and not (fitting and shared(single, parts[fitting[0]])):
            place, twin = twins[0]
            others.append(Part(layers[single], tuple(sorted({*parts[place].layers, *given[place], single} - {twin}))))
        elif fitting:
            given[fitting[0]].append(single)
    parts = [Part(part.name, tuple(sorted((*part.layers, *given[place])))) for place, part in enumerate(parts)]
    return [*parts, *others, *_both(parts, ends)]


def heads(layers: Sequence[str], members: Sequence[int], shapes: Sequence[Shape], ends: Ends,
          chosen: Sequence[int] = ()) -> list[Part]:
    """Networks that have one of several layers in the same place: the most alike in shape first; none where none fit.

    A network with two heads, of the mean and of the variance, or of a policy and of a value. ``chosen`` says which
    layers are the heads.
    """
    def with_each(some: Sequence[int]) -> list[Part]:
        rest = [index for index in members if index not in some]
        fit = rest and all(ends([*rest, head]) for head in some)
        return [Part(layers[head], tuple(sorted((*rest, head)))) for head in some] if fit else []

    if chosen:
        return with_each(chosen)
    alike: dict[Shape, list[int]] = {}
    taking: dict[int, list[int]] = {}
    for index in members:
        alike.setdefault(shapes[index], []).append(index)
        taking.setdefault(shapes[index][0], []).append(index)
    groups = [group for group in (*alike.values(), *taking.values()) if len(group) > 1]
    for size in range(2, MOST_HEADS + 1):
        for group in groups:
            for some in combinations(group, size) if len(group) <= 2 * MOST_HEADS else ():
                if chosen_heads := with_each(some):
                    return chosen_heads
    return []


def encoders_first(names: Sequence[str]) -> bool:
    """Whether no layer of a decoder comes before one of an encoder, by their names."""
    sides = ["d" if words(name) & DECODERS else "e" for name in names if words(name) & (DECODERS | ENCODERS)]
    return sides == sorted(sides, reverse=True)
