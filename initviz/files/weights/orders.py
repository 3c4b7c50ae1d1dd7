"""Orders in which matrices chain: each takes as many values as the one before it gives.

Matrices are edges between numbers of values, so that an order is a walk over every edge once (Euler 1736): whether the
rest can still be walked is known at each step, and without further conditions no step is taken in vain.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

Shape = tuple[int, int]  # fan_in, fan_out
MOST_ORDERS = 24
MOST_STEPS = 5_000


def chained(shapes: Sequence[Shape], order: Sequence[int]) -> bool:
    """Whether the matrices chain in this order."""
    return all(shapes[a][1] == shapes[b][0] for a, b in pairwise(order))


def find_orders(shapes: Sequence[Shape], groups: Sequence[Sequence[int]],
                ends: Sequence[int] | None = None) -> tuple[list[tuple[int, ...]], bool]:
    """Orders of all indices in which the shapes chain, and whether these are all that there are.

    Each index is in one of the ``groups``, whose own order stays. ``ends`` are the wanted fan_outs, first to last. The
    search ends after MOST_ORDERS orders or MOST_STEPS steps; what comes early in the shapes is tried first.
    """
    orders: list[tuple[int, ...]] = []
    vain: set[tuple[tuple[int, ...], int | None]] = set()
    steps = 0

    def go_on(used: tuple[int, ...], order: tuple[int, ...], at: int | None) -> bool:
        """Whether the search need not end here."""
        nonlocal steps
        if len(order) == len(shapes):
            orders.append(order)
            return len(orders) <= MOST_ORDERS
        steps += 1
        if steps > MOST_STEPS:
            return False
        before = len(orders)
        heads = sorted((group[used[place]], place) for place, group in enumerate(groups) if used[place] < len(group))
        for index, place in heads:
            fan_in, fan_out = shapes[index]
            after = (*used[:place], used[place] + 1, *used[place + 1:])
            if (at not in (None, fan_in) or (ends is not None and ends[len(order)] != fan_out)
                    or (after, fan_out) in vain):
                continue
            remaining = [shapes[i] for g, count in zip(groups, after, strict=True) for i in g[count:]]
            if _can_be_walked(remaining, fan_out) and not go_on(after, (*order, index), fan_out):
                return False
        if len(orders) == before:
            vain.add((used, at))
        return True

    complete = go_on((0,) * len(groups), (), None) if shapes else True
    return orders[:MOST_ORDERS], complete


def _can_be_walked(shapes: Sequence[Shape], start: int) -> bool:
    """Whether a walk from ``start`` can take every edge once: degrees balance but for its ends, all is connected."""
    balance: Counter[int] = Counter()
    neighbors: dict[int, set[int]] = {start: set()}
    for a, b in shapes:
        balance[a] += 1
        balance[b] -= 1
        neighbors.setdefault(a, set()).add(b)
        neighbors.setdefault(b, set()).add(a)
    odd = sorted(count for count in balance.values() if count)
    if odd and not (odd == [-1, 1] and balance[start] == 1):
        return False
    reached, left = {start}, [start]
    while left:
        new = neighbors[left.pop()] - reached
        reached |= new
        left.extend(new)
    return len(reached) == len(neighbors)
