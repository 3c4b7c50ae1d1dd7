"""Copies: neurons that may change places, whose gradients are equal, here to the last bit.

A product may add the terms of equal columns in different orders, and training enlarges what round-off tells apart,
under Adam the most. So the gradient of copies is that of the first of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

import numpy as np

from initviz.core.arrays import Array
from initviz.core.exchange import Place, all_alike
from initviz.core.layers.chain import Parameters


class Copies:
    """Which gradients of a stack of networks are those of copies.

    ``networks`` are the initial parameters of each by name, ``order`` is that of the gradients, and ``layers`` are the
    places of each layer of hidden neurons.
    """

    def __init__(self, networks: Sequence[Parameters], order: Sequence[str], layers: Iterable[Sequence[Place]]) -> None:
        self._copied = np.zeros((len(order), len(networks), 2), bool)  # whether rows, whether columns are copies
        for places in layers:
            for index, parameters in enumerate(networks):
                if all_alike(parameters, places):
                    for name, axis in places:
                        self._copied[order.index(name), index, axis] = True
        self._plan()

    def keep(self, kept: Array) -> None:
        """Leave only some networks in the stack: ``kept`` says of each whether it stays."""
        self._copied = self._copied[:, kept]
        self._plan()

    def _plan(self) -> None:
        self._parts: list[tuple[int, slice, tuple[slice, slice, slice]]] = []  # gradient, where to write, what to read
        for place, of_networks in enumerate(self._copied.tolist()):
            for (rows, columns), group in groupby(range(len(of_networks)), of_networks.__getitem__):
                if rows or columns:
                    first, *others = group
                    networks = slice(first, first + len(others) + 1)
                    self._parts.append((place, networks, (networks, slice(1 if rows else None),
                                                          slice(1 if columns else None))))

    def equalize(self, gradients: Sequence[Array]) -> None:
        """Give copies the gradient of the first of them, in place; each is (networks, rows, columns)."""
        for place, networks, first in self._parts:
            gradient = gradients[place]
            gradient[networks] = gradient[first]
