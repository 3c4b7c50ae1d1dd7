"""Files to look at without one of your own, drawn when they are asked for."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from initviz.app.caches import cached
from initviz.core.arrays import Array
from initviz.diagnosis.audit import Examination, examine
from initviz.files.weights.tensors import Container, Tensor

BLOCKS, WIDTH, TOKENS, POSITIONS, RANK = 12, 96, 400, 64, 8
NamedArrays = Iterator[tuple[str, Array]]


@dataclass(frozen=True)
class Example:
    """A state dict: what it is called, how its tensors are drawn, and the recipe that it should follow."""

    label: str
    draw: Callable[[np.random.Generator], NamedArrays]
    recipe: str | None = None


def _normal(rng: np.random.Generator, shape: tuple[int, ...], std: float) -> Array:
    values: Array = rng.standard_normal(shape, dtype=np.float32) * np.float32(std)
    return values


def _uniform(rng: np.random.Generator, shape: tuple[int, ...], end: float) -> Array:
    return rng.uniform(-end, end, shape).astype(np.float32)


def _filled(value: float, *shape: int) -> Array:
    return np.full(shape, value, np.float32)


def _gpt2(rng: np.random.Generator, into_stream: float) -> NamedArrays:
    """A small GPT-2 with the names and layouts of its state dict."""
    yield "wte.weight", _normal(rng, (TOKENS, WIDTH), 0.02)
    yield "wpe.weight", _normal(rng, (POSITIONS, WIDTH), 0.01)
    for block in range(BLOCKS):
        for name, inputs, outputs, std in (("attn.c_attn", WIDTH, 3 * WIDTH, 0.02),
                                           ("attn.c_proj", WIDTH, WIDTH, into_stream),
                                           ("mlp.c_fc", WIDTH, 4 * WIDTH, 0.02),
                                           ("mlp.c_proj", 4 * WIDTH, WIDTH, into_stream)):
            yield f"h.{block}.{name}.weight", _normal(rng, (inputs, outputs), std)
            yield f"h.{block}.{name}.bias", _filled(0, outputs)
        for name in ("ln_1", "ln_2"):
            yield f"h.{block}.{name}.weight", _filled(1, WIDTH)
            yield f"h.{block}.{name}.bias", _filled(0, WIDTH)
    yield "ln_f.weight", _filled(1, WIDTH)
    yield "ln_f.bias", _filled(0, WIDTH)


def _encoder(rng: np.random.Generator) -> NamedArrays:
    """PyTorch's nn.TransformerEncoder as it is constructed: copies of one layer."""
    layer = {
        "self_attn.in_proj_weight": _uniform(rng, (3 * WIDTH, WIDTH), math.sqrt(6 / (4 * WIDTH))),
        "self_attn.in_proj_bias": _filled(0, 3 * WIDTH),
        "self_attn.out_proj.weight": _uniform(rng, (WIDTH, WIDTH), 1 / math.sqrt(WIDTH)),
        "self_attn.out_proj.bias": _filled(0, WIDTH),
        "linear1.weight": _uniform(rng, (4 * WIDTH, WIDTH), 1 / math.sqrt(WIDTH)),
        "linear1.bias": _uniform(rng, (4 * WIDTH,), 1 / math.sqrt(WIDTH)),
        "linear2.weight": _uniform(rng, (WIDTH, 4 * WIDTH), 1 / math.sqrt(4 * WIDTH)),
        "linear2.bias": _uniform(rng, (WIDTH,), 1 / math.sqrt(4 * WIDTH)),
        **{f"norm{number}.{name}": _filled(value, WIDTH) for number in (1, 2)
           for name, value in (("weight", 1), ("bias", 0))}}
    for block in range(BLOCKS // 2):
        for name, values in layer.items():
            yield f"layers.{block}.{name}", values


def _adapters(rng: np.random.Generator) -> NamedArrays:
    """LoRA's factors on the queries and values of each block, zero in both factors on the values."""
    for block in range(BLOCKS):
        for name in ("q_proj", "v_proj"):
            factor = _uniform(rng, (RANK, WIDTH), 1 / math.sqrt(WIDTH))
            yield f"layers.{block}.{name}.lora_A.weight", factor * np.float32(name == "q_proj")
            yield f"layers.{block}.{name}.lora_B.weight", _filled(0, WIDTH, RANK)


EXAMPLES: Mapping[str, Example] = MappingProxyType({
    "unscaled": Example("GPT-2 without its 1/√(2L)", lambda rng: _gpt2(rng, 0.02), "gpt2"),
    "gpt2": Example("GPT-2 as it is meant", lambda rng: _gpt2(rng, 0.02 / math.sqrt(2 * BLOCKS)), "gpt2"),
    "encoder": Example("PyTorch's TransformerEncoder", _encoder, "torch"),
    "lora": Example("LoRA, some with both factors zero", _adapters, "lora")})


@cached(8e6)
def examined_example(key: str, seed: int) -> Examination:
    """The examination of an example, shared by all sessions."""
    tensors = tuple(Tensor(name, values.shape, "float32", lambda values=values: values)  # type: ignore[misc]
                    for name, values in EXAMPLES[key].draw(np.random.default_rng(seed)))
    return examine([Container(tensors, MappingProxyType({}))])
