"""Claims 1 to 4: why initializing with zeros is a problem."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from initviz.charts.plots import Line, Plot
from initviz.claims.experiment import Check, Experiment, Result, on_zeros
from initviz.core.activations import ACTIVATIONS
from initviz.core.arrays import Array
from initviz.core.batches import Batch, loss_of_constant_output, make_batch
from initviz.core.network import Network
from initviz.core.propagation import Propagation, propagate
from initviz.core.statistics import distinct_neurons
from initviz.core.validation import Interval, Parameter
from initviz.core.wording import number
from initviz.training.gradient_descent import History, Parameters, Recipe, race, recorded_steps
from initviz.training.symmetry import OBSERVED_STEPS

SAMPLES, WIDTH, RATE, STEPS, EARLY = 128, 16, 0.5, 200, 20
SETTING = (f"The digits, {SAMPLES} of them, hidden layers of {WIDTH} neurons, softmax cross-entropy, biases 0, "
           f"float64; training is {STEPS} steps of gradient descent at a rate of {RATE:g}, beside Xavier's "
           "initialization on the same samples. ")
EXACT = "Copies count as one neuron where they differ by round-off alone, and zeros are exact."
NO_PART = "Largest part of the layer's values that round-off may take."
NAMES = MappingProxyType({"zeros": "Zeros", "constant": "Constant", "xavier_normal": "Xavier"})
LIMIT = ("A tensor of zeros is harmless where its other factor is not zero and something random stands behind it: "
         "LoRA, ReZero, a zero output layer.", *on_zeros())


def activation_knob(default: str, *keys: str) -> Parameter:
    """The choice among some activations."""
    return Parameter("Activation", default, MappingProxyType({key: ACTIVATIONS[key].label for key in keys}),
                     "φ of the hidden layers; the last layer is linear.")


def depth_knob(default: int, least: int, most: int, extra: str = "") -> Parameter:
    """Number of weight layers."""
    return Parameter("Depth", default, Interval(least, most, integer=True),
                     f"Number of weight layers, the output layer included. {extra}".strip())


def digits(seed: int) -> Batch:
    """The digits of this seed, in float64."""
    return make_batch("digits", SAMPLES, seed=seed, dtype="float64")


def networks(activation: str, depth: int, seed: int, initializer: str = "zeros", value: float = 0.0) -> list[Network]:
    """The initialization in question, and Xavier's beside it."""
    sizes = (64, *[WIDTH] * (depth - 1), 10)
    params = {"value": value} if initializer == "constant" else {}
    return [Network(sizes, activation, initializer, seed=seed, dtype="float64", initializer_params=params),
            Network(sizes, activation, "xavier_normal", seed=seed, dtype="float64")]


def passed(network: Network, parameters: Parameters, batch: Batch) -> Propagation:
    """One pass of the batch with these parameters."""
    return propagate(*parameters, batch.x, batch.targets, activation=network.activation, loss=batch.loss)


def trained(compared: list[Network], batch: Batch, steps: int = STEPS, rate: float = RATE,
            record: list[int] | None = None, snapshots: tuple[int, ...] = ()) -> tuple[list[History], list[Parameters]]:
    """Histories and last parameters; those at initialization where training left the finite numbers."""
    run = race(compared, batch, Recipe(rate=rate, steps=steps), record=record or [0], snapshots=snapshots).advance()
    return run.histories, [end or network.parameters()
                           for network, end in zip(compared, run.parameters(), strict=True)]


def most_distinct(network: Network, parameters: Parameters, batch: Batch) -> int:
    """Different neurons in the hidden layer that has most of them."""
    return max(distinct_neurons(h) for h in passed(network, parameters, batch).activations[:-1])


def copies(compared: list[Network], seed: int, rate: float = RATE) -> Result:
    """Whether the neurons of the first of ``compared`` are copies, before training and after it."""
    batch = digits(seed)
    moments = (0, 1, 2, 5, 10, 20, 50, 100, STEPS)
    histories, ends = trained(compared, batch, rate=rate, snapshots=moments)
    counts = [[most_distinct(network, history.snapshots[step], batch) for step in moments if step in history.snapshots]
              for network, history in zip(compared, histories, strict=True)]
    checks = [Check("Different neurons in a hidden layer at initialization, most of all layers", counts[0][0], 1, 1, 1,
                    EXACT),
              Check(f"The same after {moments[len(counts[0]) - 1]} steps", counts[0][-1], 1, 1, 1, EXACT)]
    neuron = np.arange(1, WIDTH + 1)
    names = [NAMES[network.initializer] for network in compared]
    plots = [
        Plot("Activation of each neuron of layer 1 for one image, after training", "neuron", [
            Line(name, neuron, passed(network, end, batch).activations[0][0], initializer=network.initializer)
            for name, network, end in zip(names, compared, ends, strict=True)]),
        Plot("Different neurons in the richest hidden layer during training", "step", [
            Line(name, np.array(moments[:len(counts_of)]), np.array(counts_of), initializer=network.initializer)
            for name, network, counts_of in zip(names, compared, counts, strict=True)])]
    stopped = histories[0].diverged_at
    different = (f"all {WIDTH} neurons of a layer are copies" if counts[0][-1] == 1 else
                 f"{counts[0][-1]} of {WIDTH} neurons are different")
    divergence = "" if stopped is None else f" Training {names[0].lower()} left the finite numbers at step {stopped}."
    return Result(checks, plots, f"{names[0]}: {different} after training; Xavier: {counts[1][-1]} of {WIDTH} are "
                  f"different.{divergence}")


def _symmetry(seed: int, activation: str, depth: float) -> Result:
    """Claim 1."""
    return copies(networks(activation, int(depth), seed), seed)


def _stuck(seed: int, activation: str, depth: float) -> Result:
    """Claim 2: how much the gradients of a layer's weights differ from one another."""
    batch, compared = digits(seed), networks(activation, int(depth), seed)
    history = trained(compared[:1], batch, EARLY, snapshots=(0, EARLY))[0][0]
    first, later = (passed(compared[0], history.snapshots[step], batch).weight_gradients for step in (0, EARLY))
    hidden = float(max(np.ptp(gradient) for gradient in first[:-1]))
    between = float(max(np.ptp(gradient, axis=1).max() / (np.abs(gradient).max() or 1) for gradient in later[:-1]))
    checks = [
        Check("Hidden layers, step 0: largest less smallest dL/dW", hidden, 0, 0, 0, "The same on each weight."),
        Check("Output layer, step 0: the same", float(np.ptp(first[-1])), 0, 0, 0, "The same on each weight."),
        Check(f"Layer 1 after {EARLY} steps: the same", float(np.ptp(later[0])), 0, 0, 0, "The same on each weight."),
        Check.most(f"Between the neurons of a layer after {EARLY} steps, relative", between, 1e-9,
                   "The same on each neuron. " + NO_PART)]
    plots = [
        Plot(f"{title}, over the largest", x_title, [
            Line(f"{name} {neuron + 1}", np.arange(1, len(values) + 1), values / (np.abs(gradient).max() or 1))
            for neuron, values in enumerate(rows)], points=False) for title, x_title, name, gradient, rows in (
            ("dL/dW of the output layer at initialization", "output", "from neuron", first[-1], first[-1][:2]),
            (f"dL/dW of layer 1 after {EARLY} steps", "pixel", "neuron", later[0], later[0][:, :2].T))]
    if not any(gradient.any() for gradient in (*first, *later)):
        return Result(checks, plots, "Every gradient of a weight is 0: they are the same, which says little.")
    if not later[0].any():
        return Result(checks, plots, f"After {EARLY} steps nothing has come back to layer 1 yet, whose gradient is "
                       f"still 0; in the output layer it has run from {number(float(first[-1].min()))} to "
                       f"{number(float(first[-1].max()))} from step 0 on.")
    return Result(checks, plots, f"After {EARLY} steps the gradients of a neuron's weights run from "
                   f"{number(float(later[0].min()))} to {number(float(later[0].max()))} over the pixels; between "
                   f"neurons they differ by {number(between)} of the largest.")


def _norms(gradients: list[Array]) -> Array:
    return np.array([float(np.linalg.norm(gradient)) for gradient in gradients])


def _vanish(seed: int, activation: str, depth: float) -> Result:
    """Claim 3: the norms of the gradients at zero, and through training."""
    batch, compared = digits(seed), networks(activation, int(depth), seed)
    histories, _ = trained(compared, batch, record=recorded_steps(STEPS))
    initial = [_norms(passed(network, network.parameters(), batch).weight_gradients) for network in compared]
    largest = float(np.max(histories[0].gradient_norm))
    checks = [
        Check("Vanish: largest norm of dL/dW of a hidden layer, step 0", float(initial[0][:-1].max()), 0, 0, 0,
              "Nothing comes back through weights that are 0."),
        Check.least(f"Explode: largest norm of any dL/dW in {STEPS} steps over the largest under Xavier at step 0",
                    largest / float(initial[1].max()), 10, "Ten times as large: a convention.")]
    layers = np.arange(1, int(depth) + 1)
    plots = [
        Plot("Norm of dL/dW by layer at initialization", "layer", [
            Line(NAMES[network.initializer], layers, norms, initializer=network.initializer)
            for network, norms in zip(compared, initial, strict=True)]),
        Plot("Norm of layer 1's dL/dW during training", "step", [
            Line(NAMES[network.initializer], np.array(history.steps), np.array(history.gradient_norm)[:, 0],
                 initializer=network.initializer) for network, history in zip(compared, histories, strict=True)],
             points=False)]
    return Result(checks, plots, f"The gradient of the hidden weights is exactly 0 at initialization, and the largest "
                   f"of all layers and steps is {number(largest)}; Xavier starts at "
                   f"{number(float(initial[1].max()))}." if not initial[0][:-1].any() else
                   f"The gradient of the hidden weights starts at {number(float(initial[0][:-1].max()))}.")


def _no_variation(seed: int, activation: str, depth: float) -> Result:
    """Claim 4: how much the outputs vary from image to image."""
    batch, compared = digits(seed), networks(activation, int(depth), seed)
    histories, ends = trained(compared, batch, record=recorded_steps(STEPS))
    outputs = [passed(compared[0], compared[0].parameters(), batch).activations[-1],
               *(passed(network, end, batch).activations[-1] for network, end in zip(compared, ends, strict=True))]
    variation = [float(np.ptp(output, axis=0).max()) for output in outputs]
    checks = [
        Check("Largest output at initialization", float(np.abs(outputs[0]).max()), 0, 0, 0, "Zero outputs."),
        Check(f"Largest less smallest value of an output over the images after {STEPS} steps", variation[1], 0, 0, 0,
              "Constant outputs.")]
    image = np.arange(1, 41)
    plots = [
        Plot("First output for each of 40 images, after training", "image", [
            Line(NAMES[network.initializer], image, output[:len(image), 0], initializer=network.initializer)
            for network, output in zip(compared, outputs[1:], strict=True)], points=False),
        Plot("Loss during training", "step", [
            Line(NAMES[network.initializer], np.array(history.steps), np.array(history.loss),
                 initializer=network.initializer) for network, history in zip(compared, histories, strict=True)],
             guides=[(loss_of_constant_output(batch), "entropy of the classes")], points=False)]
    return Result(checks, plots, f"After training an output varies by {number(variation[1])} over the images "
                   f"(Xavier's by {number(variation[2])}), and the loss is {number(histories[0].loss[-1], 4)} where "
                   f"the entropy of the classes is {number(loss_of_constant_output(batch), 4)}.")


def to_symmetry(initializer: str, rate: float = RATE, after_steps: int = OBSERVED_STEPS[-1],
                matrix: str = "activations") -> Callable[[Mapping[str, Any]], tuple[str, Mapping[str, Any]]]:
    """The Symmetry page with the initialization of an experiment, after so many steps at that rate."""
    def explore(knobs: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
        controls = {"init": (initializer, "xavier_normal"), "activation": knobs["activation"],
                    "depth": int(knobs.get("depth", 3)), "width": WIDTH, "batch": SAMPLES, "after_steps": after_steps,
                    "rate": rate, "matrix": matrix}
        return "symmetry", controls | ({"constant": knobs["value"]} if "value" in knobs else {})
    return explore


SHORTER = f"There training stops after {OBSERVED_STEPS[-1]} steps, not {STEPS}."


def _to_signal(knobs: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    return "signal", {"init": ("zeros", "xavier_normal"), "activation": knobs["activation"],
                      "depth": int(knobs["depth"]), "width": WIDTH, "batch": SAMPLES, "quantity": "weight_gradient"}


def _to_training(knobs: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    return "training", {"init": ("zeros", "xavier_normal"), "activation": knobs["activation"],
                        "depth": int(knobs["depth"]), "width": WIDTH, "batch": SAMPLES, "rate": RATE, "steps": STEPS}


def _knobs(default: str, depth: int = 3) -> Mapping[str, Parameter]:
    return MappingProxyType({"activation": activation_knob(default, "tanh", "relu", "sigmoid"),
                             "depth": depth_knob(depth, 2, 10)})


CLAIMS: Mapping[str, Experiment] = MappingProxyType({
    "zeros_symmetry": Experiment(
        "1. Zeros: the symmetry problem",
        "With all weights zero every neuron computes the same output, and there is no room to specialize.",
        SETTING + "Neurons count as different where their outputs over the batch differ by more than round-off.",
        "Exchanging two neurons of a layer changes nothing, so they get the same gradient and stay copies. A layer of "
        "copies is worth one neuron, however wide it is.",
        "Goodfellow, Bengio and Courville 2016, \"Deep Learning\", section 8.4", _symmetry, _knobs("tanh"),
        to_symmetry("zeros"), apart=SHORTER, limit=LIMIT),
    "zeros_stuck": Experiment(
        "2. Zeros: getting stuck during training",
        "The gradients on each weight are the same, so the updates are identical and nothing differentiates.",
        SETTING + f"Looked at are the first step and step {EARLY}.",
        "The gradient is the same across the neurons of a layer, not across weights: under sigmoid it differs between "
        "the outputs at once, and between the pixels once the layers above have moved, which every further layer puts "
        "off. Where φ(0) = 0 every gradient of a weight is 0 for ever, and the sentence is true because nothing at "
        "all happens.",
        "Follows from dL/dW = hᵀδ with h and δ of copies; Goodfellow, Bengio and Courville 2016, section 8.4",
        _stuck, _knobs("sigmoid"), to_symmetry("zeros", after_steps=EARLY, matrix="gradient"),
        "φ(0) = 0, where every weight's gradient is 0, or “each weight” is read as each neuron", limit=LIMIT),
    "zeros_vanish": Experiment(
        "3. Zeros: vanishing or exploding gradients",
        "All-zero weights can make the gradients vanish or explode.",
        SETTING + "Norms are Frobenius norms of a layer's dL/dW.",
        "What flows back is multiplied by the weights above, which are 0: the hidden layers get exactly nothing at "
        "first. There is nothing that could grow, so all zeros do not make a gradient explode.",
        "Follows from δ_l = δ_{l+1} Wᵀ φ'(z_l); Goodfellow, Bengio and Courville 2016, section 8.4", _vanish,
        _knobs("tanh", 5), _to_signal, "“or explode” is struck out: zeros leave nothing to grow"),
    "zeros_output": Experiment(
        "4. Zeros: lack of output variation",
        "The outputs are zero or constant.",
        SETTING + "An output is constant where it does not vary from image to image.",
        "Where φ(0) = 0 only the output's bias ever moves, so the outputs stay constant and the loss ends at the "
        "entropy of the classes. Sigmoid gives 0.5 at 0, its weights do move, and in time the outputs vary, one "
        f"neuron's worth of it; each further layer delays that, soon beyond these {STEPS} steps.",
        "Follows from h = φ(0) in every layer; the entropy is the least cross-entropy of a constant output",
        _no_variation, _knobs("tanh"), _to_training, "φ(0) = 0, or training has not moved the hidden weights yet"),
})
