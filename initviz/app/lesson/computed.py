"""What the steps of the lesson compute: the number that decides, what it means, and what to draw."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from initviz.app.lesson import small_network, variance
from initviz.app.settings import Settings
from initviz.charts.plots import Line, Plot
from initviz.core.arrays import Array
from initviz.core.batches import make_batch
from initviz.core.initializers import label_of
from initviz.core.simulation import Run, signal_ratio, simulate
from initviz.core.wording import listed, number, percent
from initviz.training.gradient_descent import History, Recipe, race, recorded_steps
from initviz.training.race.outcomes import LEARNED
from initviz.training.zero_placement import WIRINGS, measure

DESCENT_RATE = 0.1  # of plain gradient descent, beside the race by Adam
DESCENT_ON = ("normal", "xavier_normal")
DEEP = 100
LORA_STEPS = 20  # drawn
STEADY = 0.1  # relative: factors a layer that differ by less are called one factor


@dataclass(frozen=True, eq=False)
class StepOutcome:
    """What a step computed: the number that decides, sentences on it, and what to draw: a run, a plot, or both."""

    measured: float
    summary: str
    run: Run | None = None
    plot: Plot | None = None


def _run(settings: Settings) -> Run:
    batch = make_batch(settings.input, settings.batch, seed=settings.seed)
    return simulate(settings.network(settings.init[0]), batch, scale=settings.scale, counted=("activation",))


def _last(run: Run, name: str) -> float:
    """A statistic of the last hidden layer."""
    return float(run.column(name)[-2])


def first_layer(settings: Settings) -> StepOutcome:
    """Different neurons of the first layer."""
    run = _run(settings)
    width = settings.width
    distinct = float(run.column("distinct_neurons")[0])
    stuck = float(run.column("saturated_share")[0])
    return StepOutcome(distinct, f"Layer 1 has {distinct:.0f} different neurons of {width}, and {percent(stuck)} of "
                       "their outputs are beyond ±0.97. A layer can tell inputs apart where its neurons differ and its "
                       "outputs are neither 0 nor stuck at the ends.", run)


def copies(settings: Settings) -> StepOutcome:
    """Different neurons of the last hidden layer."""
    run = _run(settings)
    distinct, rms = _last(run, "distinct_neurons"), _last(run, "activation_rms")
    back = "nothing" if run.hidden_gradient_is_round_off or not run.column("weight_gradient_rms")[0] else "something"
    neurons = (f"one neuron {settings.width} times" if distinct == 1 else
               f"{distinct:.0f} different neurons of {settings.width}")
    return StepOutcome(distinct, f"The last hidden layer is {neurons}, with outputs of a root mean square of "
                       f"{number(rms)}. On the way back {back} of the gradient reaches layer 1.", run)


def by_hand(settings: Settings) -> StepOutcome:
    """Different hidden neurons of the small network of equal weights after a step of gradient descent."""
    after = small_network.stepped(small_network.EQUAL)
    first, last = small_network.matrices(after)
    incoming = "; ".join(" and ".join(number(float(w)) for w in column) for column in first.T)
    outgoing = ", ".join(number(float(w)) for w in last[:, 0])
    return StepOutcome(float(len(set(small_network.copies(after)))), "After the step the weights into h₁, h₂ and h₃ "
                       f"are {incoming}; those out of them {outgoing}.")


def sum_of_terms(settings: Settings) -> StepOutcome:
    """The variance of a sum of as many terms as a neuron has inputs."""
    measured = variance.variance_of_a_sum(settings.seed)
    return StepOutcome(measured, f"The measured variance is {number(measured)}, a standard deviation of "
                       f"{number(math.sqrt(measured))}: the variances of independent terms add up, and there are "
                       f"{variance.WIDTH} of them.")


def _factor(rms: Array, first: int, last: int) -> float:
    """The factor a layer between two of them, counted from 1."""
    return float((rms[last - 1] / rms[first - 1]) ** (1 / (last - first)))


def scale(settings: Settings) -> StepOutcome:
    """The last hidden layer's root mean square over the first's; where the factor a layer changes, a deep network."""
    run = _run(settings)
    ratio, rms = signal_ratio(run), run.column("activation_rms")[:-1]
    early, late = _factor(rms, 1, 3), _factor(rms, len(rms) - 2, len(rms))
    text = (f"The last hidden layer's signal is {number(ratio)} of the first's, while "
            f"{_last(run, 'distinct_neurons'):.0f} of {settings.width} neurons differ.")
    if abs(late / early - 1) < STEADY:
        return StepOutcome(ratio, f"{text} Each layer multiplies it by about {number(early)}, and so would the next: "
                           "near 0 tanh is a straight line, whatever comes.", run)
    deep = _run(replace(settings, depth=DEEP))
    layers, measured = np.arange(1, DEEP), deep.column("activation_rms")[:-1]
    factor = ratio ** (1 / (len(rms) - 1))
    plot = Plot(f"Root mean square of each layer's outputs, the same network {DEEP} layers deep (log axis)", "layer", [
        Line("measured", layers, measured, 1 / np.sqrt(2 * layers), settings.init[0]),
        Line(f"× {number(factor)} a layer", layers, measured[0] * factor ** (layers - 1.0))], log=True, points=False)
    return StepOutcome(ratio, f"{text} That is no factor a layer: from layer 1 to 3 it is {number(early)}, from "
                       f"layer {len(rms) - 2} to {len(rms)} {number(late)}, for the smaller a signal is, the less tanh "
                       f"squeezes it. {DEEP} layers deep, {number(signal_ratio(deep))} is left, near the dashed 1/√(2l)"
                       f" of theory, where {number(factor)} a layer would leave {number(factor ** (DEEP - 2))}.",
                       run, plot)


def saturation(settings: Settings) -> StepOutcome:
    """The share of the last hidden layer's outputs at tanh's ends."""
    run = _run(settings)
    share = _last(run, "saturated_share")
    return StepOutcome(share, f"{percent(share)} of the last hidden layer's outputs are at tanh's ends, where its "
                       "derivative is almost 0. What comes back is multiplied by it: such neurons hardly learn.", run)


def training(settings: Settings) -> StepOutcome:
    """How many of the initializers learn; and two of them under plain gradient descent, to tell why."""
    batch = make_batch(settings.input, settings.batch, seed=settings.seed)
    recipe, record = Recipe(settings.optimizer, settings.rate, settings.steps), recorded_steps(settings.steps, 40)
    run = race(settings.plain_networks(), batch, recipe, record=record).advance()
    plain = race([settings.network(key) for key in DESCENT_ON], batch, replace(
        recipe, optimizer="sgd", rate=DESCENT_RATE), record=record).advance()
    chance = math.log(batch.outputs)

    def last(history: History) -> float:
        return history.loss[-1] if history.diverged_at is None else math.inf

    losses = {key: last(history) for key, history in zip(settings.init, run.histories, strict=True)}
    learned = [label_of(key) for key, loss in losses.items() if loss <= LEARNED * chance]
    stuck = [label_of(key) for key, loss in losses.items() if loss > LEARNED * chance]
    lines = [Line(label_of(key), np.array(history.steps), np.array(history.loss), initializer=key)
             for key, history in zip(settings.init, run.histories, strict=True)]
    small, scaled = plain.histories
    lines.append(Line(f"{label_of(DESCENT_ON[0])}, plain descent", np.array(small.steps), np.array(small.loss)))
    text = [f"{listed(learned) if learned else 'None'} came below half of the loss of mere chance, {chance:.2f}.",
            f"Still above it: {listed(stuck)}." if stuck else "All learned."]
    if losses[DESCENT_ON[0]] <= LEARNED * chance < last(small) / LEARNED:
        text.append(
            f"**Why do small random weights learn here, when their signal dies?** Adam divides a gradient by its own "
            f"size, so that even a tiny gradient makes a full step; the neurons differ, so the weights grow "
            f"until a signal passes. Plain gradient descent (rate {DESCENT_RATE:g}, the same steps) takes the "
            f"gradient as it is, and ends at {number(last(small))} with them, at {number(last(scaled))} with Xavier.")
    if not {"Zeros", "Constant"} & set(learned):
        text.append("Zeros give the weights no gradient to divide, and copies stay copies under any optimizer that "
                    "treats every neuron alike.")
    return StepOutcome(float(len(learned)), " ".join(text), plot=Plot(
        "Loss during training", "step", lines, guides=[(chance, "chance, ln 10")], points=False))


def zeros_beside_random(settings: Settings) -> StepOutcome:
    """The step in which both factors of a LoRA pair have got a gradient, and what both being zero would do."""
    wiring = WIRINGS["lora"]
    usual = measure(wiring.expression, dict(wiring.usual), seed=settings.seed)
    zeros = measure(wiring.expression, dict(wiring.usual) | {"A": "zero"}, seed=settings.seed)
    first = {name: usual.fates[name].first_step for name in ("A", "B")}
    latest = max(math.inf if step is None else step for step in first.values())
    moved = any(zeros.fates[name].first_step is not None for name in ("A", "B"))
    plot = Plot("Largest entry of the gradient of A and of B over the steps (log axis)", "step", [
        Line(name, np.arange(LORA_STEPS), np.array(usual.gradients[name][:LORA_STEPS])) for name in ("A", "B")],
        log=True)
    return StepOutcome(latest, f"B gets its first gradient in step {first['B']} and A in step {first['A']}. With A all "
                       f"zeros too {'something moves' if moved else 'neither ever moves: each waits for the other'}. A "
                       "zero is harmless where its other factor is not zero and something random stands behind it.",
                       plot=plot)
