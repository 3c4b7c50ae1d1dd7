"""What a race showed: in words what became of each contender, and a table of them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from initviz.core.architecture import Architecture
from initviz.core.arrays import Array
from initviz.core.layers import Activation, Dense, walk
from initviz.core.network import Network
from initviz.core.wording import number
from initviz.training.gradient_descent import History, last_known

LEARNED = 0.5  # of the loss of a constant output, ln K of K classes: the loss counted as learned in the table
STILL = 0.02  # of the same: a loss that moved by less did not learn
TITLES = {"gradient_norm": "Norm of dL/dW (log axis)", "update_ratio": "log₁₀ of update ÷ weight",
          "dead_share": "Share of dead neurons", "symmetry_gap": "Symmetry gap (log axis)"}
EXPLANATIONS = {
    "gradient_norm": "Drawn is the Frobenius norm of dL/dW.",
    "update_ratio": "log10 of the root mean square of the update over that of the weights. The dotted line is the "
                    "rule of thumb of about 1e-3 (Karpathy, makemore part 3; CS231n, neural networks 3).",
    "dead_share": "Share of a layer's neurons that are at or below 0 for the whole batch; defined for ReLU only.",
    "symmetry_gap": "Largest distance of a neuron's incoming weights from the first neuron's, relative to it; 0 for "
                    "copies.",
}


def layer_names(network: Network | Architecture, measure: str) -> list[str]:
    """Names of the columns of a history's measure: of a network of blocks its dense layers, or for "dead_share"
    its activations.
    """
    if isinstance(network, Network):
        return [*(f"layer {layer}" for layer in range(1, network.depth)), *(["output"] * (measure != "dead_share"))]
    kind = Activation if measure == "dead_share" else Dense
    paths = [path for path, layer, _ in walk(network.layers, network.inputs) if isinstance(layer, kind)]
    stages = [next(stage for stage, paths in enumerate(network.stages) if path.partition(".")[0] in paths)
              for path in paths]
    of_stage = ["first layer", *(f"block {block}" for block in range(1, network.blocks + 1)), "output"]
    return [of_stage[stage] + (f", layer {stages[:index].count(stage) + 1}" if stages.count(stage) > 1 else "")
            for index, stage in enumerate(stages)]


def outcome(history: History, constant: float, steps: int) -> str:
    """In words, what became of one contender in a race of so many steps; ``constant`` is a constant output's loss."""
    if history.diverged_at is not None:
        return f"diverged at step {history.diverged_at}"
    if not history.loss:
        return "not begun"
    if not steps:
        return "not trained"
    if history.loss[-1] > history.loss[0] + STILL * constant:
        return "got worse"
    if history.loss[-1] <= LEARNED * constant:
        return "learned"
    if history.steps[-1] < steps:
        return f"at step {history.steps[-1]} of {steps}"
    return "did not learn" if history.loss[0] - history.loss[-1] < STILL * constant else "still learning"


def _spread(values: Sequence[float | int | None], missing: str) -> str:
    """The median of what is known, with the least and the most where there are several."""
    finite = sorted(v for v in values if v is not None and math.isfinite(v))
    if not finite:
        return missing
    middle = number(float(np.median(finite)))
    remark = f", {len(values) - len(finite)} {missing}" if len(finite) < len(values) else ""
    return middle + (f" ({number(finite[0])} to {number(finite[-1])}{remark})" if len(values) > 1 else "")


def spread_over_seeds(seeds: Sequence[History], measure: str) -> tuple[Array, Array, Array] | None:
    """Median, least and most of a measure at each recorded step, over the seeds that got as far as the first did."""
    columns = [getattr(history, measure) for history in seeds if history.steps == seeds[0].steps]
    if len(columns) < 2:
        return None
    values = np.array(columns)
    return np.median(values, axis=0), values.min(axis=0), values.max(axis=0)


def _last(history: History, values: Sequence[float], times: float = 1) -> float | None:
    last = last_known(values)
    return times * last if last is not None and history.diverged_at is None else None


def table(labels: Sequence[str], rates: Sequence[float], histories: Sequence[Sequence[History]], constant: float,
          steps: int) -> pd.DataFrame:
    """One row per contender; ``histories`` holds one history a seed for each, and figures are median (least to most).

    ``constant`` is the loss of a constant output, of which a part counts as learned.
    """
    threshold = LEARNED * constant
    accuracies = [value for seeds in histories for history in seeds for value in history.accuracy]
    of_classes = not accuracies or not all(map(math.isnan, accuracies))
    rows = []
    for label, rate, seeds in zip(labels, rates, histories, strict=True):
        outcomes = [outcome(history, constant, steps) for history in seeds]
        what_happened = outcomes[0] if len(set(outcomes)) == 1 else ", ".join(
            f"{outcomes.count(words)} {words}" for words in dict.fromkeys(outcomes))
        begun = [history for history in seeds if history.loss or history.diverged_at is not None]
        ended = "diverged" if any(history.diverged_at is not None for history in seeds) else "not begun"
        rows.append({
            "Initializer": label, "Rate": rate, "What happened": what_happened,
            f"Steps to loss {number(threshold)}": _spread([h.steps_to(threshold) for h in begun],
                                                          "never" if begun else "not begun"),
            "First loss": _spread([h.loss[0] if h.loss else None for h in begun],
                                  "overflow" if begun else "not begun"),
            "Last loss": _spread([_last(h, h.loss) for h in begun], ended),
            **({"Accuracy, %": _spread([_last(h, h.accuracy, 100) for h in begun], ended),
                "Held-out accuracy, %": _spread([_last(h, h.held_out_accuracy, 100) for h in begun], ended)}
               if of_classes else {})})
    return pd.DataFrame(rows)
