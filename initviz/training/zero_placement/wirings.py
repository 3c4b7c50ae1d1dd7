"""Wirings: small networks in which zeros are put somewhere, with their usual states and sources."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from types import MappingProxyType

import numpy as np

from initviz.core.arrays import Array
from initviz.training.zero_placement.expressions import (
    Activate,
    Add,
    BatchInput,
    Expression,
    MatMul,
    Multiply,
    NamedTensor,
    tensors_of,
)
from initviz.training.zero_placement.measurement import APART, measure

STATES = MappingProxyType({"zero": "Zero", "constant": "Constant", "random": "Random"})


@dataclass(frozen=True)
class Wiring:
    """A small network: what it is, its expression, the usual states of its tensors, and where it is from."""

    label: str
    expression: Expression
    usual: Mapping[str, str]
    formula: str
    source: str


X = BatchInput()


def _linear(inner: Expression, name: str, fan_in: str, fan_out: str) -> MatMul:
    return MatMul(inner, NamedTensor(name, (fan_in, fan_out)))


def _branch(inner: Expression) -> Expression:
    """W2 tanh(W1 h) for a stream h of the units "a"."""
    return _linear(Activate("tanh", _linear(inner, "W1", "a", "b")), "W2", "b", "a")


STREAM = _linear(X, "W_in", "in", "a")

FIRST_WIRING = "lora"  # that is shown before another is chosen
WIRINGS: Mapping[str, Wiring] = MappingProxyType({
    "chain": Wiring(
        "A chain of layers",
        _linear(Activate("tanh", _linear(Activate("tanh", _linear(X, "W1", "in", "a")), "W2", "a", "b")),
                "W3", "b", "out"),
        MappingProxyType({"W1": "zero", "W2": "zero", "W3": "zero"}), "y = W₃ tanh(W₂ tanh(W₁ x))",
        "Goodfellow, Bengio and Courville 2016, section 8.4"),
    "relu_chain": Wiring(
        "A chain with ReLU",
        _linear(Activate("relu", _linear(X, "W1", "in", "a")), "W2", "a", "out"),
        MappingProxyType({"W1": "zero", "W2": "random"}), "y = W₂ ReLU(W₁ x)",
        "Goodfellow, Bengio and Courville 2016, section 8.4"),
    "lora": Wiring(
        "A LoRA pair", Add(_linear(X, "W0", "in", "out"), _linear(_linear(X, "A", "in", "a"), "B", "a", "out")),
        MappingProxyType({"W0": "random", "A": "random", "B": "zero"}), "y = W₀ x + B A x",
        "Hu et al. 2021, section 4.1"),
    "residual": Wiring(
        "A residual branch, last layer zero", _linear(Add(STREAM, _branch(STREAM)), "W_out", "a", "out"),
        MappingProxyType({"W_in": "random", "W1": "random", "W2": "zero", "W_out": "random"}),
        "y = W_out (h + W₂ tanh(W₁ h))", "Zhang et al. 2019, section 3"),
    "gamma": Wiring(
        "A residual branch, its last gain zero",
        _linear(Add(STREAM, Multiply(_branch(STREAM), NamedTensor("gamma", ("a",)))), "W_out", "a", "out"),
        MappingProxyType({"W_in": "random", "W1": "random", "W2": "random", "gamma": "zero", "W_out": "random"}),
        "y = W_out (h + γ · W₂ tanh(W₁ h))", "Goyal et al. 2017, section 5.1"),
    "alpha": Wiring(
        "A residual branch, its scale zero (ReZero)",
        _linear(Add(STREAM, Multiply(_branch(STREAM), NamedTensor("alpha", ()))), "W_out", "a", "out"),
        MappingProxyType({"W_in": "random", "W1": "random", "W2": "random", "alpha": "zero", "W_out": "random"}),
        "y = W_out (h + α W₂ tanh(W₁ h))", "Bachlechner et al. 2021, section 3"),
    "readout": Wiring(
        "A zero read-out", _linear(Activate("tanh", _linear(X, "W1", "in", "a")), "W_out", "a", "out"),
        MappingProxyType({"W1": "random", "W_out": "zero"}), "y = W_out tanh(W₁ x)", "Yang et al. 2022, appendix D.2"),
    "gate": Wiring(
        "A gate", _linear(Multiply(_linear(X, "V", "in", "a"), _linear(X, "G", "in", "a")), "W_out", "a", "out"),
        MappingProxyType({"V": "random", "G": "zero", "W_out": "random"}), "y = W_out (V x · G x)",
        "adaLN-Zero and zero convolutions are such gates"),
})


def combinations(wiring: Wiring) -> Iterator[dict[str, str]]:
    """Every choice of states for the tensors of a wiring."""
    names = list(tensors_of(wiring.expression))
    for states in product(STATES, repeat=len(names)):
        yield dict(zip(names, states, strict=True))


LORA_UNITS: Mapping[str, int] = MappingProxyType({"in": 12, "a": 8, "out": 12})


def learned_rank(a: str, b: str, *, seed: int = 0, steps: int = 50) -> int:
    """The rank of B A after so many steps, of a LoRA adapter of rank 8 whose factors are initialized so."""
    expression = WIRINGS["lora"].expression
    arrays = measure(expression, {"W0": "random", "A": a, "B": b}, seed=seed, steps=steps, units=LORA_UNITS).arrays
    return numerical_rank(np.linalg.svd(arrays["A"] @ arrays["B"], compute_uv=False))


def numerical_rank(values: Array) -> int:
    """How many singular values, in falling order, are more than round-off."""
    return int((values > APART * values[0]).sum()) if values[0] else 0
