"""Weights from a file: .npz and .safetensors state dicts of multilayer perceptrons, read without trusting them.

Nothing in a file is run or unpickled, sizes are checked before memory is taken, and every fault is a ValueError of one
sentence that says what would be right.
"""

from initviz.files.weights.containers import MOST_ARRAYS, MOST_BYTES, MOST_PARAMETERS, SUFFIXES
from initviz.files.weights.readings import LAYOUT_LABELS, Checkpoint, Reading, read, told_apart

__all__ = [
    "LAYOUT_LABELS", "MOST_ARRAYS", "MOST_BYTES", "MOST_PARAMETERS", "SUFFIXES", "Checkpoint", "Reading", "read",
    "told_apart",
]
