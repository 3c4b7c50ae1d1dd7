"""Expressions: products, sums and activations over named tensors."""

from __future__ import annotations

from dataclasses import dataclass

Shape = tuple[str, ...]


@dataclass(frozen=True)
class BatchInput:
    """The batch (samples, features)."""


@dataclass(frozen=True)
class NamedTensor:
    """A tensor by its name; ``axes`` names what each axis counts: two tensors that share a name share the units."""

    name: str
    axes: Shape


@dataclass(frozen=True)
class MatMul:
    """``left @ right``."""

    left: Expression
    right: Expression


@dataclass(frozen=True)
class Multiply:
    """The product element by element, of a row or a scalar with every row where one factor has fewer axes."""

    left: Expression
    right: Expression


@dataclass(frozen=True)
class Add:
    """The sum."""

    left: Expression
    right: Expression


@dataclass(frozen=True)
class Activate:
    """phi, element by element."""

    key: str
    inner: Expression


@dataclass(frozen=True)
class Transpose:
    """The last two axes exchanged."""

    inner: Expression


@dataclass(frozen=True)
class Softmax:
    """Softmax over the last axis."""

    inner: Expression


@dataclass(frozen=True)
class Pick:
    """One place of the last axis, which keeps its length of 1."""

    inner: Expression
    place: int


Expression = BatchInput | NamedTensor | MatMul | Multiply | Add | Activate | Transpose | Softmax | Pick


def tensors_of(expression: Expression) -> dict[str, NamedTensor]:
    """The tensors of an expression by name, in the order in which they are met."""
    match expression:
        case NamedTensor():
            return {expression.name: expression}
        case MatMul(left, right) | Multiply(left, right) | Add(left, right):
            return tensors_of(left) | tensors_of(right)
        case Activate(_, inner) | Transpose(inner) | Softmax(inner) | Pick(inner, _):
            return tensors_of(inner)
        case BatchInput():
            return {}
