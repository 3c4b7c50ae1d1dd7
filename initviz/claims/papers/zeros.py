"""Zeros put into a network on purpose: LoRA, ReZero, zero gamma, ZerO."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from initviz.charts.plots import Line, Plot
from initviz.claims.experiment import ON_ZEROS, Check, Experiment, Result, on_zeros
from initviz.core.architecture import Architecture
from initviz.core.arrays import Array
from initviz.core.batches import Batch, make_batch
from initviz.core.initializers import INITIALIZERS
from initviz.core.layers import propagate_layers
from initviz.core.network import Network
from initviz.core.simulation import simulate_blocks
from initviz.core.validation import Interval, Parameter
from initviz.core.wording import number
from initviz.training.gradient_descent import Recipe, block_race, race
from initviz.training.zero_placement import APART, WIRINGS, Measurement, measure, numerical_rank

SAMPLES = 128
BY_CONSTRUCTION = "Derived: a product with an exact zero is an exact zero, in every precision."


def _digits(seed: int) -> Batch:
    return make_batch("digits", SAMPLES, seed=seed, dtype="float64")


# ---------------------------------------------------------------------------------------------- Hu et al. 2021

LORA_SIDE, LORA_STEPS = 16, 50
RANDOM, CONSTANT, ZERO = "A random", "A constant", "A zero too"


def _values(factors: Measurement) -> Array:
    """Singular values of the learned product."""
    return np.asarray(np.linalg.svd(factors.arrays["A"] @ factors.arrays["B"], compute_uv=False))


def _lora(seed: int, rank: float) -> Result:
    """Which rank is learned from three initializations of A, B being zero."""
    units = {"in": LORA_SIDE, "a": int(rank), "out": LORA_SIDE}
    runs = {label: measure(WIRINGS["lora"].expression, {"W0": "random", "A": state, "B": "zero"}, seed=seed,
                           steps=LORA_STEPS, units=units)
            for label, state in ((RANDOM, "random"), (CONSTANT, "constant"), (ZERO, "zero"))}
    ranks = {label: numerical_rank(_values(run)) for label, run in runs.items()}
    first = {name: runs[RANDOM].fates[name].first_step for name in ("A", "B")}
    checks = [
        Check("Step of B's first gradient", float(-1 if first["B"] is None else first["B"]), 0, 0, 0,
              "Derived: what multiplies B, A x, is not zero."),
        Check("Step of A's first gradient", float(-1 if first["A"] is None else first["A"]), 1, 1, 1,
              "Derived: it passes B, which is zero in step 0 alone."),
        Check(f"A random: rank of B A after {LORA_STEPS} steps", ranks[RANDOM], rank, rank, rank,
              "Derived: random rows of A tell the ranks apart."),
        Check("A constant: rank of B A", ranks[CONSTANT], 1, 1, 1, "Derived: the ranks are copies and stay copies."),
        Check("A zero too: rank of B A", ranks[ZERO], 0, 0, 0, BY_CONSTRUCTION)]
    steps = np.arange(LORA_STEPS)
    plots = [
        Plot("Largest entry of the gradients of A and B against the step, A random (log axis)", "step", [
            Line(name, steps, np.array(runs[RANDOM].gradients[name])) for name in ("A", "B")], log=True, points=False),
        Plot("Singular values of the learned B A, in falling order", "place", [
            Line(label, np.arange(1, int(rank) + 1), _values(run)[:int(rank)]) for label, run in runs.items()])]
    return Result(checks, plots, f"B moves in step {first['B']}, A in step {first['A']}. After {LORA_STEPS} steps B A "
                  f"has rank {ranks[RANDOM]} of {int(rank)} where A is random, {ranks[CONSTANT]} where it is one "
                  f"constant, {ranks[ZERO]} where it is zero too.")


# ---------------------------------------------------------------------------------------------- first steps of blocks

def _first_gradients(network: Architecture, batch: Batch, steps: int = 2, rate: float = 0.1) -> list[dict[str, float]]:
    """For each step of gradient descent, the largest entry of every parameter's gradient by its name."""
    parameters, largest = dict(network.draw()), []
    for _ in range(steps):
        gradients = propagate_layers(network.layers, parameters, batch.x, batch.targets, loss=batch.loss).gradients
        largest.append({name: float(np.abs(gradient).max()) for name, gradient in gradients.items()})
        parameters = {name: array - rate * gradients[name] for name, array in parameters.items()}
    return largest


def _waiting(network: Architecture, zero: str, batch: Batch) -> list[Check]:
    """Checks that the zero parameter of each block moves in step 0, and everything in its branch one step later.

    ``zero`` is the end of the zero parameters' names.
    """
    zeros = tuple(f"{path[0]}.{zero}" for path in network.block_paths)
    blocks = tuple(f"{path[0]}." for path in network.block_paths)
    first, second = _first_gradients(network, batch)
    behind = [name for name in first if name.startswith(blocks) and name.endswith("weight") and name not in zeros]
    return [
        Check.least("Smallest of the zero parameters' gradients in step 0, the largest being 1",
                    min(first[name] for name in zeros) / max(first[name] for name in zeros), 1e-9,
                    "Derived: none is exactly zero, for what multiplies it is not."),
        Check("Largest gradient of a branch's weights in step 0", max(first[name] for name in behind), 0, 0, 0,
              BY_CONSTRUCTION),
        Check.least("Branch weights with a gradient in step 1, share of all",
                    float(np.mean([second[name] > 0 for name in behind])), 1,
                    "Derived: the zero parameters have moved, and let it pass.")]


# ---------------------------------------------------------------------------------------------- Bachlechner et al. 2021

REZERO_WIDTH, REZERO_STEPS, REZERO_RATE = 32, 100, 1e-3


def _rezero(seed: int, depth: float) -> Result:
    """ReZero's blocks as they begin, and their training beside plain layers."""
    batch, blocks = _digits(seed), int(depth)
    common: dict[str, Any] = {"inputs": 64, "width": REZERO_WIDTH, "blocks": blocks, "seed": seed, "dtype": "float64",
                              "activation": "relu", "initializer": "he_normal"}
    networks = {"ReZero": Architecture.of("skipinit", branch_layers=1, **common),
                "plain": Architecture(kind="plain", **common)}
    run = simulate_blocks(networks["ReZero"], batch)
    stream = run.column("activation_rms")[:-1]
    recipe = Recipe("adam", REZERO_RATE, steps=REZERO_STEPS)
    histories = {label: block_race([network], batch, recipe).advance().histories[0]
                 for label, network in networks.items()}
    loss = {label: np.ravel(history.loss) for label, history in histories.items()}
    checks = [
        Check("Root mean square of the stream, last block over first layer", float(stream[-1] / stream[0]), 1, 1, 1,
              "Derived: x + 0 · F(x) is x, exactly."),
        *_waiting(networks["ReZero"], "scale", batch),
        Check.most(f"Loss after {REZERO_STEPS} steps of Adam, ReZero over plain", float(loss["ReZero"][-1]
                                                                                       / loss["plain"][-1]), 0.8,
                   "The paper's order alone: ReZero learns faster than plain layers; here by a fifth at least.")]
    plot = Plot("Loss during training (log axis)", "step", [
        Line(label, np.asarray(histories[label].steps, float), loss[label]) for label in networks], log=True,
        points=False)
    return Result(checks, [plot], f"With every α at 0 the {blocks} blocks pass the stream on as it is. After "
                  f"{REZERO_STEPS} steps of Adam ReZero's loss is {number(float(loss['ReZero'][-1]))}, that of plain "
                  f"layers {number(float(loss['plain'][-1]))}.")


# ---------------------------------------------------------------------------------------------- Goyal et al. 2017

GAMMA_WIDTH = 64


def _zero_gamma(seed: int, blocks: float) -> Result:
    """The stream and its gradient along the depth, the last gamma of each branch at 0 and at 1."""
    batch = _digits(seed)
    common: dict[str, Any] = {"inputs": 64, "width": GAMMA_WIDTH, "blocks": int(blocks), "seed": seed,
                              "dtype": "float64", "activation": "relu", "initializer": "he_normal"}
    networks = {"γ = 0": Architecture.of("zero_gamma", **common),
                "γ = 1": Architecture(kind="residual", normalization="batch", **common)}
    runs = {label: simulate_blocks(network, batch) for label, network in networks.items()}
    square = {label: run.column("activation_rms")[:-1] ** 2 for label, run in runs.items()}
    back = {label: run.column("delta_rms")[:-1] for label, run in runs.items()}
    places = np.arange(int(blocks) + 1)
    expected = square["γ = 1"][0] + places  # each branch adds a mean square of 1
    checks = [
        Check("γ = 0: mean square of the stream, last block over first layer",
              float(square["γ = 0"][-1] / square["γ = 0"][0]), 1, 1, 1, "Derived: each block begins as its skip."),
        Check("γ = 0: gradient of the first layer over that of the last block",
              float(back["γ = 0"][0] / back["γ = 0"][-1]), 1, 1, 1, "Derived: on its way back too."),
        Check.within(f"γ = 1: mean square of the stream after {int(blocks)} blocks", float(square["γ = 1"][-1]),
                     float(expected[-1]), 0.2, "Derived: a normalized branch adds a mean square of 1 a block; 20 % for "
                     f"what stream and branch have in common in one draw of {GAMMA_WIDTH} neurons."),
        *_waiting(networks["γ = 0"], "4.weight", batch)]
    plot = Plot("Mean square of the stream against the block (log axis)", "block", [
        Line("γ = 0", places, square["γ = 0"], np.full(len(places), square["γ = 0"][0])),
        Line("γ = 1", places, square["γ = 1"], expected)], log=True)
    return Result(checks, [plot], f"With γ at 0 the stream is after {int(blocks)} blocks what it was; with γ at 1 its "
                  f"mean square has grown {number(float(square['γ = 1'][-1] / square['γ = 1'][0]))} times.")


# ---------------------------------------------------------------------------------------------- Zhao et al. 2022

ZERO_STEPS, ZERO_RATE = 100, 0.1
ZERO_COMPARED = ("identity", "zero_identity", "he_normal")
ZERO_LABELS = {"identity": "partial identity", "zero_identity": "ZerO", "he_normal": "He"}


def _zero_identity(seed: int, width: float) -> Result:
    """The rank of what a square layer behind a widening one learns."""
    batch, n = _digits(seed), int(width)
    networks = [Network((64, n, n, 10), "relu", key, seed=seed, dtype="float64") for key in ZERO_COMPARED]
    again = Network((64, n, n, 10), "relu", "zero_identity", seed=seed + 1, dtype="float64")
    finished = race(networks, batch, Recipe(rate=ZERO_RATE, steps=ZERO_STEPS)).advance()
    changes = {}
    for key, network, trained in zip(ZERO_COMPARED, networks, finished.parameters(), strict=True):
        before, after = network.parameters()[0], (trained or network.parameters())[0]
        changes[key] = np.linalg.svd(after[1] - before[1], compute_uv=False)
    ranks = {key: numerical_rank(values) for key, values in changes.items()}
    losses = {key: np.ravel(history.loss) for key, history in zip(ZERO_COMPARED, finished.histories, strict=True)}
    difference = max(float(np.abs(first - second).max()) for first, second in zip(
        networks[1].parameters()[0], again.parameters()[0], strict=True))
    checks = [
        Check("ZerO: largest difference between the weights of two seeds", difference, 0, 0, 0,
              "Derived: nothing is drawn."),
        Check.most("Partial identity: rank of what layer 2 learns", ranks["identity"], 64,
                   "Published, theorem 1: never more than the number of inputs, 64."),
        Check.least("ZerO: rank of what layer 2 learns", ranks["zero_identity"], 65,
                    "The paper's claim: the Hadamard matrix of the widening layer lifts that limit."),
        Check.most("ZerO: loss after training, as a part of that before",
                   float(losses["zero_identity"][-1] / losses["zero_identity"][0]), 0.1,
                   "The paper's claim in kind: a network without random weights learns; a tenth is our mark.")]
    most = 1 + max(ranks.values())
    plots = [
        Plot("Loss during training (log axis)", "step", [
            Line(ZERO_LABELS[key], np.asarray(history.steps, float), losses[key], initializer=key)
            for key, history in zip(ZERO_COMPARED, finished.histories, strict=True)], log=True, points=False),
        Plot("Singular values of what layer 2 learns, in falling order (log axis)", "place", [
            Line(ZERO_LABELS[key], np.arange(1, len(values[:most]) + 1),
                 np.where(values > APART * values[0], values, np.nan)[:most], initializer=key)
            for key, values in changes.items()], log=True, points=False, guides=[])]
    return Result(checks, plots, f"Of {n} directions layer 2 learns {ranks['identity']} from a partial identity, "
                  f"{ranks['zero_identity']} from ZerO, {ranks['he_normal']} from {INITIALIZERS['he_normal'].label}.")


# ---------------------------------------------------------------------------------------------- the table

def _to_zeros(wiring: str) -> Callable[[Mapping[str, Any]], tuple[str, Mapping[str, Any]]]:
    return lambda knobs: on_zeros(wiring)


ON_SYMMETRY = f"There under “{ON_ZEROS}”, as one small wiring."


def _knob(name: str, label: str, default: float, low: float, high: float, help: str, step: float = 1
          ) -> Mapping[str, Parameter]:
    return MappingProxyType({name: Parameter(label, default, Interval(low, high, integer=True), help, step)})


FIGURES: Mapping[str, Experiment] = MappingProxyType({
    "lora": Experiment(
        "Hu et al. 2021, LoRA's zero B",
        "A is drawn from a Gaussian and B is zero, so that B A is zero when training begins.",
        f"y = W₀ x + B A x with {LORA_SIDE} inputs and outputs, {LORA_STEPS} steps of gradient descent on the squared "
        "error of random targets, float64. Replaced: the paper adapts language models.",
        "B is multiplied by A x, which is random, so it moves at once and its ranks differ; A waits one step for B. "
        "With A constant the ranks are copies of one another, and with both zero each waits for the other.",
        "Hu et al. 2021, \"LoRA: Low-rank adaptation of large language models\", section 4.1", _lora,
        _knob("rank", "Rank", 8, 2, 12, "Rows of A and columns of B."), _to_zeros("lora"), apart=ON_SYMMETRY),
    "rezero": Experiment(
        "Bachlechner et al. 2021, ReZero",
        "Blocks x + α F(x) with α = 0 begin as the identity, and very deep networks of them train fast.",
        f"Blocks of one ReLU layer of {REZERO_WIDTH} neurons on {SAMPLES} digits, {REZERO_STEPS} steps of Adam at "
        f"{REZERO_RATE:g}, beside as many plain layers; He's weights in both. Replaced: the paper trains 32 layers of "
        "256 neurons on CIFAR-10.",
        "A zero α passes the stream and its gradient on untouched at any depth. α itself is multiplied by F(x), which "
        "is not zero, so it moves in step 0, and the branch from step 1 on.",
        "Bachlechner et al. 2021, \"ReZero is all you need: Fast convergence at large depth\", sections 3 and 4",
        _rezero, _knob("depth", "Blocks", 32, 32, 48, "Layers of the plain network as well.", 8), _to_zeros("alpha"),
        apart=ON_SYMMETRY),
    "goyal": Experiment(
        "Goyal et al. 2017, zero gamma",
        "γ = 0 in the last batch normalization of each residual block lets the signal pass through the skips alone at "
        "first, which makes the beginning of training easier.",
        f"Residual blocks of two layers of {GAMMA_WIDTH} neurons with batch normalization on {SAMPLES} digits, one "
        "pass and two steps of gradient descent, float64. Replaced: the paper trains ResNet-50 on ImageNet. "
        "Whether it ends better is not tested here.",
        "A block whose branch ends in γ = 0 adds nothing, so neither the stream nor its gradient grows with depth. γ "
        "is multiplied by the normalized branch, which is not zero: it moves in step 0, the branch from step 1 on.",
        "Goyal et al. 2017, \"Accurate, large minibatch SGD: Training ImageNet in 1 hour\", section 5.1", _zero_gamma,
        _knob("blocks", "Blocks", 16, 4, 32, "Residual blocks between the first layer and the last.", 4),
        _to_zeros("gamma"), apart=ON_SYMMETRY),
    "zhao": Experiment(
        "Zhao et al. 2022, ZerO",
        "A network can be initialized with zeros and ones alone: a partial identity, and a Hadamard matrix where a "
        "layer widens, without which the layers behind could learn no more directions than there are inputs.",
        f"64-n-n-10 with ReLU on {SAMPLES} digits, {ZERO_STEPS} steps of gradient descent at {ZERO_RATE:g}, float64; "
        "the rank is of the change of the square layer's weights. Replaced: the paper trains ResNets.",
        "A partial identity leaves every neuron beyond the inputs at zero, with nothing that comes in and nothing "
        "that goes back. The Hadamard matrix fills them; copies among them have outgoing weights of their own, which "
        "part them.",
        "Zhao, Schäfer and Anandkumar 2022, \"ZerO initialization: Initializing neural networks with only zeros and "
        "ones\", theorem 1 and section 3", _zero_identity,
        _knob("width", "Width n", 128, 96, 192, "Neurons in each hidden layer; more than the 64 inputs.", 32),
        lambda knobs: ("symmetry", MappingProxyType({"init": ("zero_identity", "identity", "he_normal"),
                                                     "activation": "relu", "depth": 3, "width": int(knobs["width"])})),
        apart="There with layers of one width behind the first.",
        unchecked="Theorem 1, quoted from knowledge."),
})
