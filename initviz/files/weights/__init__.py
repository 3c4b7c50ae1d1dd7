"""Weights from a file: .npz, .safetensors or PyTorch's state dicts of multilayer perceptrons, none of them trusted.

Nothing in a file is run or unpickled, sizes are checked before memory is taken, and every fault is a ValueError of one
sentence that says what would be right.
"""

from initviz.files.weights.containers import CONVERSIONS, SUFFIXES, SUFFIXES_SAID, WRITTEN
from initviz.files.weights.folded import PLACE_LABELS, PLACES
from initviz.files.weights.readings import LAYOUT_LABELS, MOST_PARAMETERS, Checkpoint, Reading, read, told_apart
from initviz.files.weights.tensors import EXAMINED

MOST_ARRAYS, MOST_BYTES = EXAMINED.arrays, EXAMINED.file_bytes
__all__ = [
    "CONVERSIONS", "LAYOUT_LABELS", "MOST_ARRAYS", "MOST_BYTES", "MOST_PARAMETERS", "PLACES", "PLACE_LABELS",
    "SUFFIXES", "SUFFIXES_SAID", "WRITTEN", "Checkpoint", "Reading", "read", "told_apart",
]
