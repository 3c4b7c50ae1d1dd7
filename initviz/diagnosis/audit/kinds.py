"""What a tensor is, guessed from its name and shape: its kind, its fans, and the family that it belongs to."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from initviz.core.arrays import Array

NUMBER = re.compile(r"(?:(?<=[./_])|^)\d+(?=[./_]|$)")  # of a block: alone between separators
EMBEDDING = re.compile(
    r"(?:^|[._/])(?:\w*emb\w*|wte|wpe|(?:\w*_)?tok(?:ens?)?|pos(?:itions?)?)(?:[._/]|$)", re.IGNORECASE)
NORM = re.compile(
    r"(?:^|[._/])(?:\w*norm\w*|ln(?:_?\w+)?|bn\d*|gamma|beta|running_\w+)(?:[._/]|$)", re.IGNORECASE)
BIAS = re.compile(r"(?:^|[._/])(?:\w*bias\w*|b\d*)$", re.IGNORECASE)
LORA = re.compile(r"lora[._]?(?:embedding_)?(?:[AB](?![a-z])|up|down)", re.IGNORECASE)
RECURRENT = re.compile(r"weight_(?:ih|hh)(?:_l\d+|$)")
INPUTS_FIRST = re.compile(r"(?:^|[._/])kernel(?::0)?$", re.IGNORECASE)  # of Keras and Flax
GPT2 = re.compile(r"(?:^|\.)h\.\d+\.(?:attn|mlp|crossattention)\.c_(attn|proj|fc|q)\w*\.weight$")
GATES = {"lstm": 4, "gru": 3}
GAIN = re.compile(  # lengths of weight normalization and scales of quantized weights, none of them drawn
    r"(?:^|[._/])(?:\w*weight_g|parametrizations\.\w+\.original0|\w*magnitude(?:_vector)?(?:\.\w+)*|g|"
    r"(?:\w+_)?scales?(?:_inv)?)$", re.IGNORECASE)
COMPUTED = re.compile(  # tables that a model computes once, and masks
    r"(?:^|[._/])(?:inv_freq|freqs?(?:_cis)?|(?:cos|sin)(?:_cached)?|pe|\w*mask\w*)$", re.IGNORECASE)
EXPERTS = re.compile(r"expert", re.IGNORECASE)


@dataclass(frozen=True)
class TensorRole:
    """What a tensor is.

    ``kind`` is "linear", "convolution", "embedding", "norm", "bias", "recurrent", "lora" or "other"; ``fan_in`` and
    ``fan_out`` count a neuron's inputs and an input's neurons, 0 where a tensor has none; ``outputs_first`` says that
    its first axis is the neurons', else its last is. ``family`` is the name with its numbers as "#", ``numbers`` those
    numbers; ``others`` are fans that it has where its shape may be meant otherwise.
    """

    kind: str
    fan_in: int
    fan_out: int
    outputs_first: bool
    family: str
    numbers: tuple[int, ...]
    kernel: int = 1
    others: tuple[tuple[int, int], ...] = ()

    @property
    def meant(self) -> tuple[tuple[int, int], ...]:
        """(fan_in, fan_out), the usual ones first."""
        return ((self.fan_in, self.fan_out), *self.others)

    @property
    def fans(self) -> tuple[tuple[int, int], ...]:
        """(fan_in, fan_out) as frameworks count them; of a convolution also with fan_out as its filters alone."""
        return (*self.meant, (self.fan_in, self.fan_out // self.kernel)) if self.kernel > 1 else self.meant

    def matrix(self, values: Array) -> Array:
        """A tensor of this role with its kernel's axes beside its inputs': (neurons, inputs), or the other way."""
        return values if values.ndim < 3 else values.reshape(self.matrix_shape(values.shape))

    def matrix_shape(self, shape: tuple[int, ...]) -> tuple[int, int]:
        """The lengths of ``matrix`` for a tensor of at least two axes."""
        if self.outputs_first and self.kind != "embedding":
            return shape[0], math.prod(shape[1:])
        return math.prod(shape[:-1]), shape[-1]


def role_of(name: str, shape: tuple[int, ...]) -> TensorRole:
    """What the tensor of that name and shape is."""
    numbers = tuple(int(number[:18]) for number in NUMBER.findall(name))
    outputs_first = not INPUTS_FIRST.search(name) and not _is_conv1d(name, shape)
    kind = _kind(name, shape)
    of_matrix = shape[1:] if kind == "embedding" and len(shape) == 3 else shape
    fan_in, fan_out = _fans(of_matrix, outputs_first) if kind not in ("bias", "norm") else (0, 0)
    kernel = math.prod(shape[2:] if outputs_first else shape[:-2]) if kind == "convolution" else 1
    others: tuple[tuple[int, int], ...] = ()
    if len(shape) == 3 and EXPERTS.search(name):  # a matrix an expert, either way round
        fan_in, fan_out, kernel, others = shape[2], shape[1], 1, ((shape[1], shape[2]),)
    elif len(shape) == 3 and "bilinear" in name.lower():  # whose default counts the first of its two inputs
        fan_in, fan_out, kernel = shape[1], shape[0], 1
    elif len(shape) == 3 and not outputs_first:  # of a convolution, or of heads and their lengths, out or in
        others = ((shape[0], shape[1] * shape[2]), (shape[0] * shape[1], shape[2]))
    return TensorRole(kind, fan_in, fan_out, outputs_first, NUMBER.sub("#", name), numbers, kernel, others)


def _is_conv1d(name: str, shape: tuple[int, ...]) -> bool:
    """Whether a matrix of a GPT-2 is a Conv1D's, (in, out), and not a Linear's: c_proj alone has fewer outputs."""
    match = GPT2.search(name)
    return match is not None and len(shape) == 2 and (
        shape[0] == shape[1] or (shape[0] > shape[1]) == (match[1] == "proj"))


def _kind(name: str, shape: tuple[int, ...]) -> str:
    if RECURRENT.search(name) and len(shape) == 2:
        return "recurrent"
    if LORA.search(name) and len(shape) >= 2:
        return "lora"
    if BIAS.search(name) and (len(shape) < 2 or sorted(shape)[-2] == 1 or (
            len(shape) == 2 and re.split(r"[./]", name)[-1] == "bias")):  # of several heads
        return "bias"
    if GAIN.search(name):
        return "norm"
    if len(shape) < 2:
        return "norm" if NORM.search(name) or re.split(r"[./]", name)[-1] in ("weight", "scale") else "other"
    if len(shape) == 2 or (len(shape) == 3 and shape[0] == 1 and EMBEDDING.search(name)):
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
