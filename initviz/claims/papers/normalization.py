"""Normalizations at initialization: Yang et al. 2019 on BatchNorm, Xiong et al. 2020 on LayerNorm's place."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from initviz.charts.plots import Line, Plot
from initviz.claims.experiment import Check, Experiment, Result
from initviz.claims.papers.block_passes import SURE, branch, passed
from initviz.claims.papers.residual import CLASSES, WIDTHS
from initviz.core.arrays import Array
from initviz.core.layers import Activation, BatchNorm, Dense, Layer, LayerNorm, Residual
from initviz.core.validation import Choices, Parameter
from initviz.core.wording import number

# ---------------------------------------------------------------------------------------------- Yang et al. 2019

BN_GROWTH = math.pi / (math.pi - 1)
BN_WIDTH, LAYERS, LN_NETWORKS, LN_BATCH = 256, 30, 8, 8
OF_A_LAYER = 0.04


def _yang(seed: int, batch: float) -> Result:
    """The gradient's mean square on its way back through ReLU layers with BatchNorm and with LayerNorm, no skip."""
    size = int(batch)
    lines, rates = [], {}
    for name, norm, networks, samples in (("BatchNorm", BatchNorm(), 1, size),
                                          ("LayerNorm", LayerNorm(), LN_NETWORKS, LN_BATCH)):
        layers = (*(Dense(BN_WIDTH, "he_normal"), norm, Activation("relu")) * LAYERS, Dense(CLASSES, "lecun_normal"))
        squares = passed(layers, BN_WIDTH, networks, samples, seed, back=True).gradients(layers, Activation)
        logs = np.log(squares / squares[-1]).mean(axis=1)
        rates[name] = math.exp(logs[0] / (LAYERS - 1))
        expected = BN_GROWTH if name == "BatchNorm" else 1.0
        lines.append(Line(name, np.arange(1, LAYERS + 1), np.exp(logs), expected ** np.arange(LAYERS - 1, -1, -1.0)))
    error = math.sqrt(5 / BN_WIDTH / (LAYERS - 1) / LN_NETWORKS)
    checks = [
        Check.within(f"BatchNorm: factor a layer, batch {size}", rates["BatchNorm"], BN_GROWTH, OF_A_LAYER,
                     "Published: π/(π − 1) for a wide network and a large batch; 4 % for one network of 256 neurons, "
                     "where terms of 1/width and 1/batch, which theory leaves out, move it by up to 2 %."),
        Check.within("LayerNorm: factor a layer", rates["LayerNorm"], 1.0, SURE * error,
                     "Derived: He's variance keeps the gradient, and LayerNorm divides by 1. Four standard errors: "
                     f"√(5/width) a layer over {LAYERS - 1} layers and {LN_NETWORKS} networks.")]
    plot = Plot("Mean square of the gradient over that at the last hidden layer, log axis", "layer", lines, log=True)
    through = rates["BatchNorm"] ** (LAYERS - 1)
    return Result(checks, [plot], f"On its way back through {LAYERS - 1} layers the gradient's mean square is "
                  f"multiplied by {number(rates['BatchNorm'])} a layer under BatchNorm, {number(through)} in "
                  f"all, and by {number(rates['LayerNorm'])} under LayerNorm.")


# ---------------------------------------------------------------------------------------------- Xiong et al. 2020

XIONG_BLOCKS, XIONG_NETWORKS, XIONG_BATCH = 12, 8, 4
GRADIENT_WIDTH, GRADIENT_NETWORKS, DEPTHS = 64, 32, (4, 8, 16, 32, 64)
GRADIENT_SPREAD = 0.8  # of one network's mean square of the gradient, relative to its mean, as measured


def transformer(kind: str, width: int, blocks: int) -> tuple[Layer, ...]:
    """The feed-forward blocks of a transformer, pre-norm or post-norm, between no embedding and a last dense layer."""
    inside = branch(width, "lecun_normal")
    if kind == "pre_norm":
        return (*(Residual(LayerNorm(), *inside),) * blocks, LayerNorm(), Dense(CLASSES, "lecun_normal"))
    return (LayerNorm(), *(Residual(*inside), LayerNorm()) * blocks, Dense(CLASSES, "lecun_normal"))


@functools.lru_cache(maxsize=8)
def last_gradients(kind: str, seed: int) -> Array:
    """Root mean square of the gradient of the last branch's last weight for one sample, for each of DEPTHS."""
    means = []
    for blocks in DEPTHS:
        layers = transformer(kind, GRADIENT_WIDTH, blocks)
        last = max(index for index, layer in enumerate(layers) if isinstance(layer, Residual))
        inner = len(layers[last].branch) - 1  # type: ignore[attr-defined]
        squares = passed(layers, GRADIENT_WIDTH, GRADIENT_NETWORKS, 1, seed, back=True)
        means.append(squares.weights[f"{last}.{inner}.weight"].mean())
    return np.sqrt(means)


def _xiong(seed: int, width: float) -> Result:
    """Mean squares of the stream, and how the last branch's gradient goes with the depth, pre-norm and post-norm."""
    n, blocks = int(width), np.arange(1, XIONG_BLOCKS + 1)
    post, pre = (transformer(kind, n, XIONG_BLOCKS) for kind in ("post_norm", "pre_norm"))
    sums = passed(post, n, XIONG_NETWORKS, XIONG_BATCH, seed).signals(post, Residual).mean(axis=1)
    growing = passed(pre, n, XIONG_NETWORKS, XIONG_BATCH, seed).signals(pre, Residual).mean(axis=1)
    # Of one block: the branch, 1/2 with the variance 7/width of its square, and twice its product with the skip.
    of_sum = math.sqrt((7 / 4 + 2) / n / (XIONG_BLOCKS * XIONG_NETWORKS)) / 1.5
    of_stream = math.sqrt((7 / 4 * XIONG_BLOCKS + 2 * float((1 + (blocks - 1) / 2).sum())) / n / XIONG_NETWORKS) / (
        1 + XIONG_BLOCKS / 2)
    depths = np.array(DEPTHS, float)
    gradients = {kind: last_gradients(kind, seed) for kind in ("pre_norm", "post_norm")}
    relative = {kind: values / values[0] for kind, values in gradients.items()}
    powers = {kind: np.log(1 + depths / 2) if kind == "pre_norm" else np.log(depths) for kind in gradients}
    slopes = {kind: float(np.polyfit(powers[kind], np.log(values), 1)[0]) for kind, values in gradients.items()}
    errors = {kind: GRADIENT_SPREAD / 2 / math.sqrt(GRADIENT_NETWORKS) / float(np.std(x) * math.sqrt(len(x)))
              for kind, x in powers.items()}
    checks = [
        Check.within("Post-norm: mean square of the sums before the norms", float(sums.mean()), 1.5, SURE * of_sum,
                     f"Published, lemma 2: 3/2; four standard errors of {XIONG_NETWORKS} networks."),
        Check.within(f"Pre-norm: mean square of the stream after {XIONG_BLOCKS} blocks", float(growing[-1]),
                     1 + XIONG_BLOCKS / 2, SURE * of_stream,
                     f"Published, lemma 2: 1 + l/2; four standard errors of {XIONG_NETWORKS} networks."),
        Check("Pre-norm: power of 1 + L/2 with which the last branch's gradient goes", slopes["pre_norm"],
              -0.5 - SURE * errors["pre_norm"], -0.5 + SURE * errors["pre_norm"], -0.5,
              f"Published, theorem 1; four standard errors of a line through {len(DEPTHS)} depths of "
              f"{GRADIENT_NETWORKS} networks, whose squares spread by 0.8 of their mean."),
        Check("Post-norm: power of L with which it goes", slopes["post_norm"], -SURE * errors["post_norm"],
              SURE * errors["post_norm"], 0.0, "Published, theorem 1: it does not; as above.")]
    plots = [
        Plot("Mean square of the stream, post-norm before each norm", "block", [
            Line("pre-norm", blocks, growing, 1 + blocks / 2),
            Line("post-norm", blocks, sums, np.full(len(blocks), 1.5))]),
        Plot("Gradient of the last branch's last weight over that in 4 blocks, log axis", "blocks", [
            Line("pre-norm", depths, relative["pre_norm"], np.sqrt(3 / (1 + depths / 2))),
            Line("post-norm", depths, relative["post_norm"], np.ones(len(depths)))], log=True)]
    return Result(checks, plots, f"After {XIONG_BLOCKS} blocks the pre-norm stream has a mean square of "
                  f"{number(float(growing[-1]))}, the post-norm sums one of {number(float(sums.mean()))}. From 4 to 64 "
                  "blocks the last branch's gradient is multiplied by "
                  f"{number(float(relative['pre_norm'][-1]))} pre-norm and {number(float(relative['post_norm'][-1]))} "
                  "post-norm.")


FIGURES: Mapping[str, Experiment] = MappingProxyType({
    "batch_norm_gradient": Experiment(
        "Yang et al. 2019, gradient explosion under BatchNorm",
        "In a deep network with BatchNorm and no skips the gradient explodes at initialization, whatever the weights' "
        "scale: under ReLU its mean square grows by π/(π − 1) a layer.",
        "30 layers of 256 neurons, ReLU after BatchNorm, one network on a batch of 256; LayerNorm instead, 8 networks "
        "on 8 samples each. Standard normal inputs, random classes.",
        "BatchNorm divides by what its input varies by over the batch, less than its size, which ReLU makes of one "
        "sign. That factor multiplies the gradient in every layer.",
        "Yang, Pennington, Rao, Sohl-Dickstein and Schoenholz 2019, \"A mean field theory of batch "
        "normalization\", ICLR",
        _yang, MappingProxyType({"batch": Parameter("Batch", 256, Choices((64, 128, 256, 512)),
                                                    "Samples that BatchNorm sees at once.")}),
        lambda knobs: ("signal", {
            "kind": "normalized", "normalization": "batch", "activation": "relu", "init": ("he_normal",), "depth": 31,
            "width": BN_WIDTH, "batch": int(knobs["batch"]), "input": "normal", "spread": "rms"}),
        unchecked="The factor π/(π − 1), quoted from knowledge."),
    "xiong": Experiment(
        "Xiong et al. 2020, where the normalization stands",
        "In a transformer with the normalization inside of the branches (pre-norm) the stream grows with the depth, "
        "and the gradient of the last block falls with it; with the normalization after the sums (post-norm) neither "
        "does.",
        "Feed-forward branches W₂ relu(W₁ x) alone, Var W 1/d, LayerNorm: d = 128, 12 blocks, 8 networks for the "
        "stream; d = 64, 4 to 64 blocks, 32 networks and one sample for the gradients. Left out: attention.",
        "A pre-norm branch is given a signal of size 1 and adds the variance 1/2. The final normalization divides by "
        "the stream's size, √(1 + L/2), and so the gradient, too.",
        "Xiong et al. 2020, \"On layer normalization in the transformer architecture\", ICML", _xiong, WIDTHS,
        lambda knobs: ("signal", {
            "kind": "pre_norm", "activation": "relu", "init": ("lecun_normal",), "depth": XIONG_BLOCKS + 2,
            "width": knobs["width"], "batch": 64, "input": "normal", "spread": "rms"}),
        apart="It shows one network, pre-norm; the sidebar has post-norm.",
        unchecked="Lemma 2 and theorem 1, quoted from knowledge.")})
