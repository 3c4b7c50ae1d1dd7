"""Somebody's own weights: the start that they are, what a report says of where they come from, and the way back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from initviz.core.batches import Batch
from initviz.core.network import Network
from initviz.diagnosis.initialization import Initialization, initialization_from, initialization_of
from initviz.files.source_code import state_dict
from initviz.files.weights import Checkpoint, Reading


@dataclass(frozen=True)
class Own:
    """Somebody's own weights, the way in which they are read, and the name of their file."""

    checkpoint: Checkpoint
    reading: Reading
    name: str


def start_for(network: Network, batch: Batch, name: str, own: Own | None, chosen: Mapping[str, Any]) -> Initialization:
    """The start that a network draws, said as ``name``, or one's own weights; ``chosen`` says where the batch is from.
    """
    start = initialization_from(*own.checkpoint.parameters(own.reading), network, batch, own.name) if own else (
        initialization_of(network, batch, name))
    return replace(start, data=MappingProxyType(dict(chosen)),
                   file=MappingProxyType(own.reading.settings(own.name) if own else {}))


def write(start: Initialization, own: Own | None) -> bytes:
    """A start's parameters as a file: in the names, layout, number format and kind of one's own, else as an .npz."""
    if own is None:
        return state_dict(start.weights, start.biases)
    return own.checkpoint.write(start.weights, start.biases, own.reading)
