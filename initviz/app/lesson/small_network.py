"""A network small enough to be followed by hand: 2 inputs, 3 hidden tanh neurons, 1 output, one sample, no biases.

All numbers are those of ``propagate`` in float64.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from initviz.charts.network_diagram import names_of
from initviz.core.arrays import Array
from initviz.core.initializers import initialize
from initviz.core.network import stream
from initviz.core.propagation import Propagation, propagate
from initviz.core.wording import listed, number

SIZES = INPUTS, HIDDEN, OUTPUTS = 2, 3, 1
COUNT = INPUTS * HIDDEN + HIDDEN * OUTPUTS  # of weights
X, TARGETS = np.array([[1.0, -0.5]]), np.array([[1.0]])
RATE = 0.2
MOST_WEIGHT = 2.0  # that the slider reaches
SAME = 1e-9  # relative: weights that differ by less are equal
DIGITS = 2

Weights = tuple[float, ...]  # COUNT numbers: x₁ → h₁, x₁ → h₂, ..., h₃ → ŷ
EQUAL: Weights = (0.5,) * COUNT
ZERO: Weights = (0.0,) * COUNT


def matrices(weights: Weights) -> list[Array]:
    """The weight matrices, (2, 3) and (3, 1)."""
    first = INPUTS * HIDDEN
    return [np.array(weights[:first]).reshape(INPUTS, HIDDEN), np.array(weights[first:]).reshape(HIDDEN, OUTPUTS)]


def random_weights(seed: int) -> Weights:
    """Xavier's weights for a seed."""
    rng = stream(seed)
    weights = [initialize("xavier_normal", *shape, rng=rng) for shape in ((INPUTS, HIDDEN), (HIDDEN, OUTPUTS))]
    return tuple(float(value) for w in weights for value in w.ravel())


def computed(weights: Weights) -> Propagation:
    """The forward and the backward pass on the one sample; the loss is (ŷ - target)²."""
    layers = matrices(weights)
    return propagate(layers, [np.zeros(w.shape[1]) for w in layers], X, TARGETS, activation="tanh", loss="mse")


def gradients(weights: Weights) -> Weights:
    """The derivative of the loss with respect to each weight."""
    return tuple(float(value) for gradient in computed(weights).weight_gradients for value in gradient.ravel())


def stepped(weights: Weights) -> Weights:
    """The weights after one step of gradient descent."""
    return tuple(w - RATE * g for w, g in zip(weights, gradients(weights), strict=True))


def edge_names() -> list[str]:
    """A name for each weight, such as x₁ → h₂."""
    names = names_of(SIZES)
    return [f"{names[layer][i]} → {names[layer + 1][j]}" for layer, w in enumerate(matrices(EQUAL))
            for i, j in np.ndindex(*w.shape)]


def copies(weights: Weights) -> list[int]:
    """The group of each hidden neuron: neurons of one group have equal incoming and outgoing weights."""
    first, last = matrices(weights)
    neurons = np.vstack([first, last.T]).T  # (hidden, incoming and outgoing weights)
    kinds: list[Array] = []
    groups = []
    for neuron in neurons:
        same = [place for place, kind in enumerate(kinds) if np.allclose(neuron, kind, rtol=SAME, atol=SAME)]
        groups.append(same[0] if same else len(kinds))
        if not same:
            kinds.append(neuron)
    return groups


def summary(weights: Weights) -> str:
    """Which hidden neurons are copies of one another, and what their gradients do about it."""
    groups = copies(weights)
    names = names_of(SIZES)[1]
    if not any(gradients(weights)):
        return "Every weight's gradient is exactly 0: a step of gradient descent changes nothing, nor does a later one."
    alike = [[names[j] for j, group in enumerate(groups) if group == kind] for kind in dict.fromkeys(groups)]
    together = [listed(members) for members in alike if len(members) > 1]
    apart = [members[0] for members in alike if len(members) == 1]
    if not together:
        return ("The three hidden neurons have different weights: each gets a gradient of its own, and each learns "
                "something else.")
    same = (f"{together[0]} have equal weights, so the same value, the same δ and the same gradients: a step moves "
            "them alike, and they stay copies.")
    return same + (f" {listed(apart)} has a weight that the others have not, so a gradient of its own: it goes its own "
                   "way." if apart else "")


def chain(weights: Weights, edge: int) -> list[str]:
    """The chain rule from the loss to one weight, a line of numbers a link."""
    def n(value: float) -> str:
        text = number(value, DIGITS)
        return f"({text})" if value < 0 else text

    passed, (first, last) = computed(weights), matrices(weights)
    names = names_of(SIZES)
    y, back = float(passed.activations[1][0, 0]), float(passed.deltas[1][0, 0])
    lines = [f"At the output: δ = 2 (ŷ − target) = 2 × ({n(y)} − {n(float(TARGETS[0, 0]))}) = {number(back, DIGITS)}"]
    inner = edge < first.size
    i, j = divmod(edge, HIDDEN) if inner else (edge - first.size, 0)
    delta = float(passed.deltas[0][0, j]) if inner else back
    if inner:
        derivative = 1 - math.tanh(float(passed.preactivations[0][0, j]))**2
        lines.append(f"Back to {names[1][j]}: δ = w({names[1][j]} → ŷ) × δ(ŷ) × tanh′ = {n(float(last[j, 0]))} "
                     f"× {n(back)} × {n(derivative)} = {number(delta, DIGITS)}")
    source = float(X[0, i]) if inner else float(passed.activations[0][0, i])
    gradient = gradients(weights)[edge]
    lines.append(f"The weight's gradient: {names[0 if inner else 1][i]} × δ = {n(source)} × {n(delta)} = "
                 f"{number(gradient, DIGITS)}")
    lines.append(f"A step: w − {RATE:g} × gradient = {n(weights[edge])} − {RATE:g} × {n(gradient)} = "
                 f"{number(weights[edge] - RATE * gradient, DIGITS)}")
    return lines


def read_weights(text: str) -> Weights | None:
    """Weights from a text of COUNT numbers with commas between them; None for any other text."""
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError:
        return None
    return values if len(values) == COUNT and all(abs(value) <= 1e3 for value in values) else None


def write_weights(weights: Sequence[float]) -> str:
    """The weights as a text for the address, six digits each."""
    return ",".join(f"{value:.6g}" for value in weights)
