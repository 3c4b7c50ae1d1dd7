"""What a tensor is, guessed from its name and shape: its kind, its fans, and the family that it belongs to."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

NUMBER = re.compile(r"(?:(?<=[./_])|^)\d+(?=[./_]|$)")  # of a block: alone between separators
EMBEDDING = re.compile(r"(?:^|[._/])(?:\w*emb\w*|wte|wpe|lm_embed\w*)(?:[._/]|$)", re.IGNORECASE)
NORM = re.compile(
    r"(?:^|[._/])(?:\w*norm\w*|ln(?:_?\w+)?|bn\d*|gamma|beta|running_\w+)(?:[._/]|$)", re.IGNORECASE)
BIAS = re.compile(r"(?:^|[._/])(?:\w*bias\w*|b\d*)$", re.IGNORECASE)
LORA = re.compile(r"lora_?([AB])|lora_(up|down)", re.IGNORECASE)
RECURRENT = re.compile(r"weight_(?:ih|hh)_l\d+|bias_(?:ih|hh)_l\d+")
INPUTS_FIRST = re.compile(  # (fan_in, fan_out): Keras and Flax kernels, the Conv1D layers of GPT-2
    r"(?:^|[._/])kernel(?::0)?$|(?:^|\.)h\.\d+\.(?:attn|mlp|crossattention)\.c_(?:attn|proj|fc|q)\w*\.weight$",
    re.IGNORECASE)
GATES = {"lstm": 4, "gru": 3}


@dataclass(frozen=True)
class Place:
    """What a tensor is.

    ``kind`` is "linear", "convolution", "embedding", "norm", "bias", "recurrent", "lora" or "other"; ``fan_in`` and
    ``fan_out`` count a neuron's inputs and an input's neurons, 0 where a tensor has none; ``outputs_first`` says that
    its first axis is the neurons'. ``family`` is the name with its numbers as "#", ``numbers`` those numbers.
    """

    kind: str
    fan_in: int
    fan_out: int
    outputs_first: bool
    family: str
    numbers: tuple[int, ...]
    kernel: int = 1

    @property
    def fans(self) -> tuple[tuple[int, int], ...]:
        """(fan_in, fan_out) as frameworks count them; of a convolution also with fan_out as its filters alone."""
        counted = (self.fan_in, self.fan_out)
        return (counted, (self.fan_in, self.fan_out // self.kernel)) if self.kernel > 1 else (counted,)


def place_of(name: str, shape: tuple[int, ...]) -> Place:
    """What the tensor of that name and shape is."""
    numbers = tuple(int(number[:18]) for number in NUMBER.findall(name))
    outputs_first = not INPUTS_FIRST.search(name)
    kind = _kind(name, shape)
    fan_in, fan_out = _fans(shape, outputs_first) if kind not in ("bias", "norm") else (0, 0)
    kernel = math.prod(shape[2:] if outputs_first else shape[:-2]) if kind == "convolution" else 1
    return Place(kind, fan_in, fan_out, outputs_first, NUMBER.sub("#", name), numbers, kernel)


def _kind(name: str, shape: tuple[int, ...]) -> str:
    if RECURRENT.search(name) and len(shape) == 2:
        return "recurrent"
    if LORA.search(name) and len(shape) >= 2:
        return "lora"
    if BIAS.search(name) and (len(shape) < 2 or sorted(shape)[-2] == 1):
        return "bias"
    if len(shape) < 2:
        return "norm" if NORM.search(name) else "other"
    if len(shape) == 2:
        return "embedding" if EMBEDDING.search(name) and not NORM.search(name.rpartition(".")[0]) else "linear"
    return "convolution" if len(shape) <= 5 else "other"


def _fans(shape: tuple[int, ...], outputs_first: bool) -> tuple[int, int]:
    if len(shape) < 2:
        return 0, 0
    if outputs_first:  # (out, in, *kernel)
        field = math.prod(shape[2:])
        return shape[1] * field, shape[0] * field
    field = math.prod(shape[:-2])  # (*kernel, in, out)
    return shape[-2] * field, shape[-1] * field
