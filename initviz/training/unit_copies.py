"""Units initialized as copies: LoRA ranks, experts, attention heads, layers. Which part, predicted and measured.

Units stay equal where exchanging two of them leaves the network as it is: then their gradients are equal too, in every
step. The prediction asks just that of the expression and the initial states; the measurement is gradient descent.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from types import MappingProxyType

import numpy as np

from initviz.core.arrays import Array
from initviz.training.zero_placement import (
    APART,
    CONSTANT,
    WIRINGS,
    Activate,
    Add,
    BatchInput,
    Expression,
    MatMul,
    Multiply,
    NamedTensor,
    Pick,
    Softmax,
    Transpose,
    descend,
    learned_rank,
    predict,
    tensors_of,
)

COUNT, STEPS, RATE = 4, 50, 0.1
SAMPLES, TOKENS = 16, 3
LORA_RANK = 8
UNITS: Mapping[str, int] = MappingProxyType({"in": 6, "hidden": 6, "out": 6, "unit": COUNT})
X = BatchInput()


@dataclass(frozen=True)
class Copies:
    """Units of one kind that are initialized equal.

    ``parts`` are the tensors of a unit, without its number; ``states`` those that are not one draw for all units:
    "zero", "constant", "random" (a draw for each). ``tokens``: the input is a sequence.
    """

    label: str
    initialized: str
    expression: Expression
    parts: tuple[str, ...]
    states: Mapping[str, str]
    because: str
    tokens: bool = False


def _experts() -> Expression:
    gates = Softmax(MatMul(X, NamedTensor("G", ("in", "unit"))))

    def expert(unit: int) -> Expression:
        hidden = Activate("tanh", MatMul(X, NamedTensor(f"W1.{unit}", ("in", "hidden"))))
        return Multiply(Pick(gates, unit), MatMul(hidden, NamedTensor(f"W2.{unit}", ("hidden", "out"))))
    return functools.reduce(Add, map(expert, range(COUNT)))


def _heads() -> Expression:
    def head(unit: int) -> Expression:
        q, k, v = (MatMul(X, NamedTensor(f"{name}.{unit}", ("in", "hidden"))) for name in "QKV")
        return MatMul(MatMul(Softmax(MatMul(q, Transpose(k))), v), NamedTensor(f"O.{unit}", ("hidden", "out")))
    return functools.reduce(Add, map(head, range(COUNT)))


def _chain() -> Expression:
    h: Expression = X
    for unit in range(COUNT):
        h = Activate("tanh", MatMul(h, NamedTensor(f"W.{unit}", ("in", "hidden"))))
    return MatMul(h, NamedTensor("W_out", ("hidden", "out")))


def _residual_chain() -> Expression:
    h: Expression = X
    for unit in range(COUNT):
        h = Add(h, MatMul(Activate("tanh", MatMul(h, NamedTensor(f"W1.{unit}", ("in", "hidden")))),
                          NamedTensor(f"W2.{unit}", ("hidden", "in"))))
    return MatMul(h, NamedTensor("W_out", ("in", "out")))


def _states(**states: str) -> Mapping[str, str]:
    return MappingProxyType(states)


_SIDE_BY_SIDE = "Exchanging two of them changes nothing, so their gradients are equal in every step."
_DEPTH = "They stand at different depths: exchanging two of them gives another network, and other gradients."

COPIES: Mapping[str, Copies] = MappingProxyType({
    "experts": Copies("Experts", "all equal, the router zero", _experts(), ("W1", "W2"), _states(G="zero"),
                      _SIDE_BY_SIDE),
    "experts_constant": Copies("Experts", "all equal, the router one constant", _experts(), ("W1", "W2"),
                               _states(G="constant"), _SIDE_BY_SIDE),
    "experts_routed": Copies("Experts", "all equal, the router random", _experts(), ("W1", "W2"), _states(G="random"),
                             "The router weighs them differently, so their gradients differ."),
    "heads": Copies("Attention heads", "all equal", _heads(), ("Q", "K", "V", "O"), _states(), _SIDE_BY_SIDE, True),
    "heads_zero_output": Copies("Attention heads", "all equal, their output projections zero", _heads(),
                                ("Q", "K", "V", "O"), _states(O="zero"), _SIDE_BY_SIDE, True),
    "heads_output": Copies("Attention heads", "Q, K, V equal, their output projections random", _heads(),
                           ("Q", "K", "V", "O"), _states(O="random"),
                           "What comes back to each passes another output projection.", True),
    "layers": Copies("Layers of a chain", "all equal", _chain(), ("W",), _states(), _DEPTH),
    "residual_layers": Copies("Residual layers", "all equal", _residual_chain(), ("W1", "W2"), _states(), _DEPTH),
    "residual_zero": Copies("Residual layers", "all equal, their last weights zero", _residual_chain(), ("W1", "W2"),
                            _states(W2="zero"), f"{_DEPTH} In step 0 they are still equal: each is the identity."),
})


# ---------------------------------------------------------------------------------------------- prediction

def _exchanged(expression: Expression, first: int, second: int) -> str:
    """The expression as a text after two units changed places; sums and products in an order of their own."""
    def place(unit: int) -> int:
        return {first: second, second: first}.get(unit, unit)

    def write(part: Expression) -> str:
        match part:
            case BatchInput():
                return "x"
            case NamedTensor(name):
                stem, _, unit = name.partition(".")
                return f"{stem}.{place(int(unit))}" if unit else name
            case Add():
                return f"add({', '.join(sorted(map(write, _terms(part))))})"
            case Multiply(left, right):
                return f"times({', '.join(sorted((write(left), write(right))))})"
            case MatMul(left, right):
                return f"({write(left)} @ {write(right)})"
            case Activate(key, inner):
                return f"{key}({write(inner)})"
            case Transpose(inner):
                return f"transpose({write(inner)})"
            case Softmax(inner):
                return f"softmax({write(inner)})"
            case Pick(inner, unit):
                return f"{write(inner)}[{place(unit)}]"
    return write(expression)


def _terms(expression: Expression) -> list[Expression]:
    return ([*_terms(expression.left), *_terms(expression.right)] if isinstance(expression, Add) else [expression])


def predicted(copies: Copies) -> int:
    """How many different units training leaves, from the expression and the states alone.

    They stay copies where every exchange of two gives the same expression and the same initial values.
    """
    same_values = "random" not in copies.states.values()
    same_network = all(_exchanged(copies.expression, 0, unit) == _exchanged(copies.expression, 0, 0)
                       for unit in range(1, COUNT))
    return 1 if same_values and same_network else COUNT


# ---------------------------------------------------------------------------------------------- measurement

def _initial(copies: Copies, rng: np.random.Generator) -> dict[str, Array]:
    shared: dict[str, Array] = {}
    arrays = {}
    for name, tensor in tensors_of(copies.expression).items():
        stem = name.partition(".")[0]
        shape = tuple(UNITS[axis] for axis in tensor.axes)
        normal_draws = rng.standard_normal(shape) / math.sqrt(shape[0])
        equal = shared.setdefault(stem, normal_draws)
        arrays[name] = {"zero": np.zeros(shape), "constant": np.full(shape, CONSTANT), "random": normal_draws}.get(
            copies.states.get(stem, ""), equal)
    return arrays


def measured(copies: Copies, *, seed: int = 0, steps: int = STEPS) -> int:
    """How many different units there are after so many steps of gradient descent."""
    rng = np.random.default_rng(seed)
    arrays = _initial(copies, rng)
    samples = (SAMPLES, TOKENS) if copies.tokens else (SAMPLES,)
    x, targets = rng.standard_normal((*samples, UNITS["in"])), rng.standard_normal((*samples, UNITS["out"]))
    trained, _, _ = descend(copies.expression, arrays, x, targets, steps, RATE)
    units = [np.concatenate([trained[f"{tensor}.{unit}"].ravel() for tensor in copies.parts]) for unit in range(COUNT)]
    return _different(units)


def _different(units: Sequence[Array]) -> int:
    """Units of which no two are equal but for round-off."""
    kinds: list[Array] = []
    for unit in units:
        if all(np.abs(unit - kind).max() > APART * np.abs(unit).max() for kind in kinds):
            kinds.append(unit)
    return len(kinds)


def predicted_rank(a: str, b: str) -> int:
    """The rank that a LoRA pair of rank LORA_RANK learns, from the initial states of its factors alone."""
    fates = predict(WIRINGS["lora"].expression, {"W0": "random", "A": a, "B": b})
    if fates["A"].first_step is None and fates["B"].first_step is None:
        return 0
    return LORA_RANK if fates["A"].units_differ["a"] or fates["B"].units_differ["a"] else 1


@dataclass(frozen=True)
class Count:
    """One case: which units, how they are initialized, and how many differ after training, predicted and measured."""

    label: str
    initialized: str
    of: int
    predicted: int
    measured: int
    because: str


_RANKS = {0: "Each factor waits for the other: B A stays zero.",
          1: "The eight ranks are copies, and exchanging two of them changes nothing.",
          LORA_RANK: "A random factor stands behind the ranks and tells them apart."}


def counts(seed: int) -> list[Count]:
    """Every case that the page shows, LoRA's ranks first."""
    ranks = [Count("LoRA ranks", f"A {a}, B {b}", LORA_RANK, predicted_rank(a, b), learned_rank(a, b, seed=seed),
                   _RANKS[predicted_rank(a, b)])
             for a, b in product(("random", "constant", "zero"), ("zero",))]
    return ranks + [Count(copies.label, copies.initialized, COUNT, predicted(copies), measured(copies, seed=seed),
                          copies.because) for copies in COPIES.values()]
