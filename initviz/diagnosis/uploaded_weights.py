"""Weights from an uploaded file: the initialization they make, where it came from, and how it is written back."""

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
class UploadedWeights:
    """Weights from a file: its content, the reading that was chosen, and the file's name."""

    checkpoint: Checkpoint
    reading: Reading
    name: str


def initialization_for(network: Network, batch: Batch, name: str, uploaded: UploadedWeights | None,
                       chosen: Mapping[str, Any]) -> Initialization:
    """The initialization that ``network`` draws, called ``name``, or the uploaded weights if there are any.

    ``chosen`` names the data that the batch was taken from.
    """
    if uploaded:
        parameters = uploaded.checkpoint.parameters(uploaded.reading)
        initialization = initialization_from(*parameters, network, batch, uploaded.name)
    else:
        initialization = initialization_of(network, batch, name)
    return replace(initialization, data=MappingProxyType(dict(chosen)),
                   file=MappingProxyType(uploaded.reading.settings(uploaded.name) if uploaded else {}))


def write(initialization: Initialization, uploaded: UploadedWeights | None) -> bytes:
    """Parameters as a file: with the names, layout, dtype and format of the uploaded file, else as an .npz."""
    if uploaded is None:
        return state_dict(initialization.weights, initialization.biases)
    return uploaded.checkpoint.write(initialization.weights, initialization.biases, uploaded.reading)
