"""The networks of a file: what stands under two names is two networks, never one because the shapes happen to chain."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

from initviz.files.weights.names import by_template, layer_of, split
from initviz.files.weights.vocabulary import (
    COPY,
    DECODERS,
    ENCODERS,
    ENSEMBLES,
    HEADS,
    LAST,
    LAYERS,
    MEAN,
    PARALLEL,
    POLICY,
    SERIES,
    SPREAD,
    TRUNKS,
    VALUE,
    are_exclusive,
    words,
)

MAIN = "main"  # the network whose layers have no name of their own beside one that has


@dataclass(frozen=True)
class Part:
    """Layers, by their place among a file's matrices, under the name of a network."""

    name: str
    layers: tuple[int, ...]


Ends = Callable[[Sequence[int]], list[tuple[int, int]]]


def _stem(name: str) -> str:
    """A layer's name without its number: target_fc of target_fc1, W_a of W1_a."""
    return re.sub(r"[._/\-]*[0-9]+", "", name).strip("._/-") or MAIN


def _tower(name: str) -> str:
    """What of a layer's name names its network: q1 of q1_fc1 and of fc1_q1, tower_a of tower_a2, "" of fc2."""
    tokens = [token for token in re.split(r"[_\-]+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name)) if token]
    is_layer = [re.sub("[0-9]+$", "", token).lower() in LAYERS for token in tokens]
    tower = [token for index, token in enumerate(tokens) if not is_layer[index] and not (
        token.isdigit() and (index == len(tokens) - 1 or (index > 0 and is_layer[index - 1])))]
    if tower and not any(is_layer) and tower[-1] == tokens[-1]:
        tower[-1] = tower[-1].rstrip("0123456789") or tower[-1]
    return "_".join(tower)


def _with_towers(layers: Sequence[str]) -> list[str] | None:
    """The names with their towers as steps of the path, as q1.q1_fc1; None where no two towers have two layers each."""
    paths = [re.split(r"[./](?=[^./]*$)", layer) for layer in layers]
    towers = [(".".join(path[:-1]), _tower(path[-1]) or MAIN) for path in paths]
    several = Counter(before for (before, _), count in Counter(towers).items() if count > 1)
    if not any(count > 1 for count in several.values()):
        return None
    return [".".join([part for part in (before, tower, path[-1]) if part]) if several[before] > 1 else layer
            for (before, tower), path, layer in zip(towers, paths, layers, strict=True)]


# ---------------------------------------------------------------------------------------------- networks

def parts(layers: Sequence[str], ends: Ends) -> list[Part]:
    """The networks of these layers, by their names; ``ends`` gives the inputs and outputs that some layers chain to.

    Parts under different names are networks of their own, except numbered blocks that follow one another and a part
    that by its name is the head of the one before. Where encoder and decoder chain, both together are offered last. A
    layer that fits no network is one of its own.
    """
    prefix = _shared_prefix(layers)
    if prefix:
        return [Part(f"{prefix}.{part.name}" if part.name else prefix, part.layers)
                for part in parts([layer[len(prefix) + 1:] for layer in layers], ends)]
    flat = not any(re.search(r"[./]", layer) for layer in layers)
    members = tuple(range(len(layers)))
    if networks := _parallel(layers, ends):
        return networks
    splits: list[Callable[[], list[Part]]] = [
        lambda: _series(layers, ends), lambda: _by_tower(layers, ends), lambda: _parts(layers, members, 0, ends)]
    for split_by in splits if flat else [splits[2], *splits[:2]]:
        if len(networks := split_by()) > 1:
            return networks
    return _repeated(layers, ends) or _sides(layers, ends) or [Part("", members)]


def _shared_prefix(layers: Sequence[str]) -> str:
    """The step that all paths begin with, such as module, where it is no list of networks; "" where there is none."""
    first = {re.split(r"[./]", layer)[0] for layer in layers}
    step = first.pop()
    return "" if first or words(step) & ENSEMBLES or not all(re.search(r"[./]", layer) for layer in layers) else step


def _parallel(layers: Sequence[str], ends: Ends) -> list[Part]:
    """Networks that have one of a list of heads behind the layers that all share; none where there is no such list."""
    paths = [re.split(r"[./]", layer) for layer in layers]
    keys = [next((".".join(path[:place + 2]) for place, step in enumerate(path[:-1]) if words(step) & PARALLEL), "")
            for path in paths]
    shared = [index for index, key in enumerate(keys) if not key]
    networks = [Part(key, (*shared, *(index for index, other in enumerate(keys) if other == key)))
             for key in dict.fromkeys(filter(None, keys))]
    return networks if shared and len(networks) > 1 and all(ends(part.layers) for part in networks) else []


def _by_tower(layers: Sequence[str], ends: Ends) -> list[Part]:
    """Networks that are told apart by a word of their layers' names, as pi_fc1, pi_out and v_fc1, v_out."""
    names = _with_towers(layers)
    return [] if names is None or _counted(layers, ends) else _parts(names, tuple(range(len(layers))), 0, ends)


def _counted(layers: Sequence[str], ends: Ends) -> bool:
    """Whether one numbering runs through all layers and they chain, as conv0, fc1, fc2, conv3 do."""
    numbers = [split(layer)[1] for layer in layers]
    return {*map(len, numbers)} == {1} and len({*numbers}) == len(numbers) and bool(ends(range(len(layers))))


def _series(layers: Sequence[str], ends: Ends) -> list[Part]:
    """Networks whose layers are numbered alike, as fc1, fc2 and target_fc1, target_fc2; none where there are none."""
    groups = by_template(layers)
    if _in_one_list(layers) and ends(range(len(layers))):
        return []
    names, reaches = [_stem(layers[group[0]]) for group in groups], [ends(group) for group in groups]
    if len(groups) < 2 or min(map(len, groups)) < 2 or not all(reaches):
        return []

    counted = _counted(layers, ends)

    def apart(a: int, b: int) -> bool:
        both = words(names[a]) | words(names[b])
        return (are_exclusive(names[a], names[b]) or bool(both & ENCODERS and both & DECODERS)
                or not (counted or both <= LAYERS) or not ends([*groups[a], *groups[b]])
                or (len(groups[a]) == len(groups[b]) and reaches[a] == reaches[b]))

    if not all(apart(a, b) for a, b in combinations(range(len(groups)), 2)):
        return []
    series = _joined([Part(name, tuple(group)) for name, group in zip(names, groups, strict=True)], ends, "")
    return [*series, *_both(series, ends)]


def _in_one_list(layers: Sequence[str]) -> bool:
    """Whether all layers stand in one list, as those of torch.nn.Sequential do, whatever they are within it."""
    return all(re.match(r"[0-9]+(?:[./]|$)", layer) for layer in layers)


def _repeated(layers: Sequence[str], ends: Ends) -> list[Part]:
    """Networks of as many layers and inputs that follow one another under one numbering, as critics of l1 to l3 and l4
    to l6; none else.

    Numbers 11, 12, 21, 22 are of networks 1 and 2 where these are alike, and fc1_1, fc2_1, fc1_2, fc2_2 too where the
    second number tells them apart.
    """
    order, *others = by_template(layers)
    if others or len(order) < 4:
        return []
    tens: dict[int, list[int]] = {}
    for index in order:
        tens.setdefault((split(layers[index])[1] or (0,))[-1] // 10, []).append(index)
    if len(tens) > 1 and 0 not in tens and len({len(run) for run in tens.values()}) == 1:
        runs = [tuple(run) for run in tens.values()]
        if len(runs[0]) > 1 and ends(runs[0]) and (not ends(order) or all(ends(run) == ends(runs[0]) for run in runs)):
            return _runs(layers, runs)
    if runs := _by_second_number(layers, order, ends):
        return _runs(layers, runs)
    if ends(order):
        return []
    for count in range(2, len(order) // 2 + 1):
        size, remainder = divmod(len(order), count)
        runs = [tuple(order[first:first + size]) for first in range(0, len(order), size)]
        reaches = [ends(run) for run in runs]
        if not remainder and reaches[0] and all(_taking(reach) == _taking(reaches[0]) for reach in reaches):
            return _runs(layers, runs)
    return []


def _by_second_number(layers: Sequence[str], order: Sequence[int], ends: Ends) -> list[tuple[int, ...]]:
    """The layers of each second number, or second digit; none where the numbers chain as they are, unless each second
    number's layers stand together in the file.
    """
    runs: dict[int, list[int]] = {}
    for index in order:
        numbers = split(layers[index])[1]
        if len(numbers) > 2 or (len(numbers) == 1 and not 10 < numbers[0] < 100) or not numbers:
            return []
        runs.setdefault(numbers[1] if len(numbers) == 2 else numbers[0] % 10, []).append(index)
    reaches = [ends(run) for run in runs.values()]
    if len({*map(len, runs.values())}) > 1 or len(order) < 2 * len(runs) or len(runs) < 2 or not reaches[0]:
        return []
    together = [index for run in runs.values() for index in run] == list(range(len(order)))
    alike = all(reach == reaches[0] if ends(order) else _taking(reach) == _taking(reaches[0]) for reach in reaches)
    return [tuple(run) for run in runs.values()] if alike and (together or not ends(order)) else []


def _taking(reach: list[tuple[int, int]]) -> list[int]:
    return [inputs for inputs, _ in reach]


def _runs(layers: Sequence[str], runs: Sequence[tuple[int, ...]]) -> list[Part]:
    return [Part(f"{layers[run[0]]} to {layers[run[-1]]}", run) for run in runs]


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
    main = Part(prefix or MAIN, tuple(singles))
    if len(parts) == 1:
        if len(singles) > 1 and _copies(parts[0], main, ends):
            return [main, *parts]
        return [Part(parts[0].name if not singles else prefix, members)]
    if len(singles) > 1 and all(_stands_alone(part, main, ends) for part in parts):
        return [main, *parts]
    parts = _joined(parts, ends, prefix)
    if len(parts) == 1 and len(parts[0].layers) + len(singles) == len(members):
        return [Part(prefix, members)]
    return _with_singles(parts, singles, layers, ends)


def _copies(part: Part, main: Part, ends: Ends) -> bool:
    """Whether the layers beside a part are another network: it is a copy of theirs, or they do not chain with it."""
    return _stands_alone(part, main, ends) or (
        bool(alone := ends(main.layers)) and alone == ends(part.layers) and len(part.layers) == len(main.layers))


def _stands_alone(part: Part, main: Part, ends: Ends) -> bool:
    """Whether the layers beside a part chain by themselves, and not with it, or it is a copy by its name."""
    return bool(ends(main.layers)) and (
        not ends([*part.layers, *main.layers]) or bool(words(part.name) & COPY))


def _joined(parts: list[Part], ends: Ends, prefix: str) -> list[Part]:
    """The parts, those that are one network put together: numbered blocks, layers by their names, a trunk and its head.
    """
    def last(part: Part) -> str:
        return part.name.removeprefix(prefix).strip("./")

    def chain(sequence: Sequence[Part]) -> list[tuple[int, int]]:
        return ends([layer for part in sequence for layer in part.layers])

    top = [re.split(r"[./]", last(part))[0] for part in parts]
    numbered = all(SERIES.fullmatch(name) for name in top) and len({split(name)[0] for name in top}) == 1
    numbered = numbered and not any(
        a == b and ends(part.layers) == ends(other.layers)  # two within a block, as the halves of a coupling layer
        for (a, part), (b, other) in combinations(zip(top, parts, strict=True), 2))
    plain = all(words(last(part)) and words(last(part)) <= LAYERS for part in parts)
    if (numbered or plain) and chain(parts) and not words(prefix) & ENSEMBLES:
        return [Part(prefix, tuple(layer for part in parts for layer in part.layers))]
    for trunk in [part for part in parts if words(last(part)) & TRUNKS or last(part) == MAIN]:
        others = [part for part in parts if part != trunk]
        if all(chain([trunk, part]) and _follows(part, trunk, ends) for part in others) and not (
                last(trunk) == MAIN and any(_copies(part, trunk, ends) for part in others)):
            joined = [Part(part.name, (*trunk.layers, *part.layers)) for part in others]
            return joined if len(others) > 1 or words(last(others[0])) & HEADS else parts
    return parts


def _follows(part: Part, before: Part, ends: Ends) -> bool:
    """Whether a part can take what the one before gives, as far as both chain by themselves."""
    gives, takes = ends(before.layers), ends(part.layers)
    return not (gives and takes) or any(a[1] == b[0] for a in gives for b in takes)


def _both(parts: list[Part], ends: Ends) -> list[Part]:
    """Two parts that chain, one after the other, as an encoder and a decoder do; none where they are alike."""
    if len(parts) != 2 or are_exclusive(parts[0].name, parts[1].name) or ends(parts[0].layers) == ends(
            parts[1].layers) or split(parts[0].name)[0] == split(parts[1].name)[0]:
        return []
    for pair in sorted((parts, parts[::-1]), key=lambda pair: not words(pair[0].name) & ENCODERS):
        if not parts_in_order([part.name for part in pair]):
            continue
        layers = tuple(layer for part in pair for layer in part.layers)
        if _follows(pair[1], pair[0], ends) and ends(layers):
            return [Part("+".join(part.name for part in pair), layers)]
    return []


def _with_singles(parts: list[Part], singles: list[int], layers: Sequence[str], ends: Ends) -> list[Part]:
    """The parts with the layers that stand outside: each with the part whose words it shares, or a network of its own.

    A layer that shares no word and fits every part is a trunk of all.
    """
    def shared_words(layer: int, part: Part) -> int:
        layer_words, part_words = words(layers[layer]), words(part.name)
        same = len((layer_words & part_words) - {"net", "network", "mlp", "layer", "model"})
        return same + sum(bool(layer_words & group and part_words & group) for group in (POLICY, VALUE)) + bool(
            layer_words & (MEAN | SPREAD) and part_words & ENCODERS)

    assigned: dict[int, list[int]] = {place: [] for place in range(len(parts))}
    others: list[tuple[int, Part]] = []
    alone: list[Part] = []
    for single in sorted(singles, key=lambda layer: -max(shared_words(layer, part) for part in parts)):
        twins = [(place, twin) for place, singles_there in assigned.items() for twin in singles_there
                 if are_exclusive(layers[twin], layers[single]) and ends([twin]) == ends([single])]
        fitting = [place for place, part in enumerate(parts) if ends([*part.layers, *assigned[place], single])]
        fitting.sort(key=lambda place: (-shared_words(single, parts[place]), len(assigned[place])))
        named = bool(fitting) and bool(shared_words(single, parts[fitting[0]]))
        if twins and not named:
            place, twin = twins[0]
            others.append((place, Part(layers[single], tuple(sorted({
                *parts[place].layers, *assigned[place], single} - {twin})))))
        elif len(fitting) == len(parts) and not named and (
                words(layers[single]) & TRUNKS or words(layers[single]) <= LAYERS | {MAIN}):
            for place in fitting:
                assigned[place].append(single)
        elif fitting:
            assigned[fitting[0]].append(single)
        else:
            alone.append(Part(layers[single], (single,)))
    parts = [Part(part.name, tuple(sorted((*part.layers, *assigned[place])))) for place, part in enumerate(parts)]
    both = _both(parts, ends)
    for place, other in others if both else ():
        pair = [other if place == which else part for which, part in enumerate(parts)]
        both += [Part(f"{both[0].name} by {other.name}", part.layers) for part in _both(pair, ends)]
    return [*parts, *(part for _, part in others), *both, *alone]


def _sides(layers: Sequence[str], ends: Ends) -> list[Part]:
    """Two networks of one layer or more that share none, as actor and critic; encoder and decoder, and both together.

    Between encoder and decoder may stand two heads, of the mean and of the variance; what is beside them is alone.
    """
    sides = [[index for index, layer in enumerate(layers) if words(layer) & side] for side in (ENCODERS, DECODERS)]
    others = [index for index in range(len(layers)) if index not in sides[0] + sides[1]]
    between = [index for index in others if words(layers[index]) & (MEAN | SPREAD)]
    if all(side and ends(side) for side in sides) and not {*sides[0]} & {*sides[1]} and (between or not others):
        networks = [Part(_stem(layers[side[0]]), tuple(side)) for side in sides]
        return [*_with_singles(networks, between, layers, ends),
                *(Part(layers[index], (index,)) for index in others if index not in between)]
    if len(layers) == 2 and are_exclusive(*layers):
        return [Part(layer, (index,)) for index, layer in enumerate(layers)]
    return []


def together(names: Sequence[str]) -> bool:
    """Whether the layers of each part of a network follow one another, as the parts of a model are called."""
    parents = [re.split(r"[./](?=[^./]*$)", layer_of(name))[0] if re.search(r"[./]", layer_of(name)) else name
               for name in names]
    changes = sum(a != b for a, b in pairwise(parents))
    return changes == len({*parents}) - 1


def parts_in_order(names: Sequence[str]) -> bool:
    """Whether no layer of a decoder comes before one of an encoder, nor a head before its trunk, by their names."""
    for first, second in ((ENCODERS, DECODERS), (TRUNKS, LAST)):
        sides = [bool(words(name) & second) for name in names if words(name) & (first | second)]
        if sides != sorted(sides):
            return False
    return True
