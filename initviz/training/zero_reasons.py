"""Why a tensor gets a gradient or waits: the other factors of its products, and which of them are zero when."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from initviz.core.wording import listed
from initviz.training.zero_placement import (
    Activate,
    Add,
    BatchInput,
    Expression,
    MatMul,
    Multiply,
    NamedTensor,
    is_zero,
    passes_at_zero,
    predict,
    tensors_of,
)

SYMBOLS = {"gamma": "γ", "alpha": "α"}
PHI = {"relu": "ReLU"}


def symbol(name: str) -> str:
    """A tensor's name as formulas write it: γ, W₁."""
    if name in SYMBOLS:
        return SYMBOLS[name]
    return name[:-1] + chr(0x2080 + int(name[-1])) if name[-1].isdigit() else name


def written(expression: Expression) -> str:
    """An expression as a formula on column vectors, as papers write it: B A x."""
    match expression:
        case BatchInput():
            return "x"
        case NamedTensor(name):
            return symbol(name)
        case MatMul(left, right):
            return f"{written(right)} {_inner(left)}"
        case Multiply(left, right):
            first, second = (right, left) if isinstance(right, NamedTensor) else (left, right)
            return f"{_inner(first)} · {_inner(second)}"
        case Add(left, right):
            return f"{written(left)} + {written(right)}"
        case Activate(key, inner):
            return f"{PHI.get(key, key)}({written(inner)})"
    raise TypeError(f"expression must be made of products, sums and activations, got {type(expression).__name__}")


def _inner(expression: Expression) -> str:
    return f"({written(expression)})" if isinstance(expression, Add) else written(expression)


@dataclass(frozen=True)
class _Derivative:
    """The derivative of an activation, by which a gradient is multiplied on its way back."""

    of: Activate


_Factor = Expression | _Derivative


def _routes(expression: Expression, name: str) -> Iterator[tuple[_Factor, ...]]:
    """For each way from the output back to a tensor, what its gradient is multiplied by on that way."""
    match expression:
        case NamedTensor(other):
            if other == name:
                yield ()
        case MatMul(left, right) | Multiply(left, right):
            for factor, other_factor in ((left, right), (right, left)):
                for route in _routes(factor, name):
                    yield (other_factor, *route)
        case Add(left, right):
            yield from _routes(left, name)
            yield from _routes(right, name)
        case Activate(_, inner):
            for route in _routes(inner, name):
                yield (_Derivative(expression), *route)


def _blocks(factor: _Factor, zero: Mapping[str, bool]) -> bool:
    """Whether nothing comes through."""
    if isinstance(factor, _Derivative):
        return is_zero(factor.of.inner, zero) and not passes_at_zero(factor.of.key)
    return is_zero(factor, zero)


@dataclass(frozen=True)
class Reason:
    """Why a tensor's first gradient comes in ``first_step`` (None: never).

    Of the way back to it on which the fewest factors are zero in step 0: those (``blocking``), and all of them
    (``factors``), as formulas.
    """

    blocking: tuple[str, ...]
    factors: tuple[str, ...]
    first_step: int | None


def reasons(expression: Expression, states: Mapping[str, str]) -> dict[str, Reason]:
    """For each tensor, why its first gradient comes when ``predict`` says."""
    zero = {name: states[name] == "zero" for name in tensors_of(expression)}
    fates = predict(expression, states)
    by_name = {}
    for name in zero:
        route = min(_routes(expression, name), key=lambda factors: sum(_blocks(factor, zero) for factor in factors))
        by_name[name] = Reason(
            tuple(_named(factor) for factor in route if _blocks(factor, zero)),
            tuple(_named(factor) for factor in route if not isinstance(factor, _Derivative)), fates[name].first_step)
    return by_name


def _named(factor: _Factor) -> str:
    return f"the derivative of {written(factor.of)}" if isinstance(factor, _Derivative) else written(factor)


def sentence(name: str, reason: Reason, *, is_zero_itself: bool) -> str:
    """Why this tensor moves when it does."""
    tensor = symbol(name)
    if not reason.blocking:
        others = listed(reason.factors)
        return (f"{tensor} is zero, but what multiplies it ({others}) is not: it gets a gradient in step 0."
                if is_zero_itself else f"Nothing that multiplies {tensor} ({others}) is zero: it gets a gradient in "
                "step 0.")
    blocking = listed(reason.blocking)
    if reason.first_step is None:
        return f"What multiplies {tensor} on the way back ({blocking}) is zero and stays so: it never gets a gradient."
    steps = "one step" if reason.first_step == 1 else f"{reason.first_step} steps"
    return f"What multiplies {tensor} on the way back ({blocking}) is zero at first: it waits {steps}."


def rule(expression: Expression, states: Mapping[str, str]) -> str:
    """Which zeros of this case are harmless and which are not, and why: a sentence a kind.

    A zero is harmless where its other factor is not zero, now or after some steps, and something random stands behind
    it, weights or data, so that its units differ after training.
    """
    fates, why = predict(expression, states), reasons(expression, states)
    zeros = [name for name in fates if states[name] == "zero"]
    moving = [name for name in zeros if fates[name].first_step is not None]
    copies = [name for name in moving if not all(fates[name].units_differ.values())]
    harmless = [name for name in moving if name not in copies]
    fatal = [name for name in zeros if name not in moving]
    if not zeros:
        return "No tensor is zero: each gets a gradient at once, and copies part where something random stands behind."
    sentences = []
    if harmless:
        latest = max(fates[name].first_step or 0 for name in harmless)
        its, are = (("its", "is") if len(harmless) == 1 and len(why[harmless[0]].factors) == 1 else
                    ("its", "are") if len(harmless) == 1 else ("their", "are"))
        factors = "; ".join(listed(why[name].factors) for name in harmless)
        told_apart = (f", and what stands behind, random weights or the data, tells {its} units apart"
                      if any(fates[name].units_differ for name in harmless) else "")
        sentences.append(f"**Zero is harmless in {_names(harmless)}**: {its} other factor{'s' * (are == 'are')} "
                         f"({factors}) {are} not zero{f' from step {latest} on' if latest else ''}{told_apart}.")
    if copies:
        sentences.append(f"**Zero in {_names(copies)} ends in copies**: a gradient comes, but nothing stands "
                         "behind that could tell all units apart: random weights are missing.")
    if fatal:
        factors = "; ".join(f"{symbol(name)}: {listed(why[name].blocking)}" for name in fatal)
        sentences.append(f"**Zero is fatal in {_names(fatal)}**: the gradient passes a factor that stays zero "
                         f"({factors}).")
    return " ".join(sentences)


def _names(names: Sequence[str]) -> str:
    return listed([symbol(name) for name in names])
