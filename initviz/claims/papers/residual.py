"""Residual networks: Yang and Schoenholz 2017, Zhang et al. 2019, De and Smith 2020."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from initviz.charts.plots import Line, Plot
from initviz.claims.experiment import Check, Experiment, Result
from initviz.claims.papers.block_passes import INPUT, SURE, branch, passed
from initviz.core.architecture import Architecture
from initviz.core.arrays import Array
from initviz.core.layers import BatchNorm, Dense, Residual
from initviz.core.validation import Choices, Interval, Parameter
from initviz.core.wording import number
from initviz.theory.mean_field import Field

CLASSES = 10
WIDTHS: Mapping[str, Parameter] = MappingProxyType({"width": Parameter(
    "Width", 128, Interval(64, 256, integer=True), "Neurons of the stream.", 64)})

# ---------------------------------------------------------------------------------------- Yang and Schoenholz 2017

TANH = Field("tanh")
TANH_BLOCKS, TANH_NETWORKS, TANH_BATCH = 100, 16, 2
P_100, LOG_RATIO = 84.449, 10.546  # from inputs of mean square 1, by another quadrature


@functools.cache
def tanh_theory() -> tuple[Array, Array]:
    """Theory's mean square p of the stream, and how much of the logarithm of the gradient's growth each block makes:
    p becomes p + E tanh(g)^2, the gradient is multiplied by 1 + E tanh'(g)^2, where g is normal of variance p. Arrays
    (blocks + 1,), the input first, and (blocks,).
    """
    squares, steps = [1.0], []
    for _ in range(TANH_BLOCKS):
        moments = TANH.moments(squares[-1])
        squares.append(squares[-1] + float(moments.square))
        steps.append(math.log1p(float(moments.derivative_square)))
    return np.array(squares), np.array(steps)


def _yang_and_schoenholz(seed: int, width: float) -> Result:
    """Mean square and gradient of residual tanh networks of a hundred blocks."""
    n = int(width)
    layers = (*(Residual(*branch(n, "lecun_normal", "tanh")),) * TANH_BLOCKS, Dense(CLASSES, "lecun_normal"))
    squares = passed(layers, n, TANH_NETWORKS, TANH_BATCH, seed, back=True)
    p, steps = tanh_theory()
    measured = np.r_[squares.signal[INPUT].mean(), squares.signals(layers, Residual).mean(axis=1)]
    gradients = squares.gradients(layers, Residual)
    # Block by block from the last one back; the first block's output is as far as gradients are looked at.
    grown = np.log((gradients / gradients[-1]).mean(axis=1))
    expected = np.r_[np.cumsum(steps[:0:-1])[::-1], 0.0]
    # Twice the product of skip and branch has the variance 4 p E tanh^2 / width, the gradient's 4 E tanh'^2 / width.
    of_p = math.sqrt(4 * float((p[:-1] * np.diff(p)).sum()) / n / TANH_NETWORKS) / p[-1]
    of_log = math.sqrt(4 * float(np.expm1(steps).sum()) / n / TANH_NETWORKS)
    blocks = np.arange(TANH_BLOCKS + 1)
    far = blocks[25:]
    power = float(np.polyfit(np.log(far), np.log(np.cumsum(steps)[far - 1]), 1)[0])
    checks = [
        Check.within("p of 100 blocks by theory", float(p[-1]), P_100, 1e-4,
                     "Derived by another quadrature; its digits."),
        Check.within("p of 100 blocks, measured", float(measured[-1]), P_100, SURE * of_p,
                     f"Derived; four standard errors of {TANH_NETWORKS} networks, √(4 Σ p E φ²/width) of each."),
        Check.within("ln of the gradient's growth through 100 blocks by theory", float(steps.sum()), LOG_RATIO, 1e-4,
                     "Derived by another quadrature; its digits."),
        Check("ln of the gradient's growth through 99 blocks, measured", float(grown[0]),
              float(expected[0]) - SURE * of_log, float(expected[0]) + SURE * of_log, float(expected[0]),
              f"Derived; four standard errors of {TANH_NETWORKS} networks, √(4 Σ E φ'²/width) of each."),
        Check("Power of l with which ln of the growth goes, by theory, from block 25 on", power, 0.45, 0.6, 0.5,
              "Derived: a sum of steps that fall as 1/√l goes as √l, where l is large; what is not yet so at 25 blocks "
              "moves it by less than 0.1.")]
    plots = [Plot("Mean square of the stream", "block", [Line("measured", blocks, measured, p)], points=False),
             Plot("ln of the gradient's mean square over that at the last block", "block",
                  [Line("measured", blocks[1:], grown, expected)], points=False)]
    return Result(checks, plots, f"After {TANH_BLOCKS} blocks the stream's mean square is "
                  f"{number(float(measured[-1]))}, and on its way back the gradient's mean square is multiplied by "
                  f"{number(float(np.exp(grown[0])))}.")


# ---------------------------------------------------------------------------------------------- Zhang et al. 2019

FIXUP_NETWORKS, FIXUP_BATCH = 48, 8
DEPTH, SCALED_DEPTH = 10, 20


def growth_error(blocks: int, a: float, width: int, networks: int) -> float:
    """Standard error, relative to the mean, of the growth of a residual ReLU stream averaged over networks.

    Of one input a block multiplies the mean square by 1 + 2c + b, where c, the product of skip and branch, has the
    variance a^2/width, and b, the branch, a^4 (5 + 2)/width: 5 of the ReLU layer, 2 of the last (Hanin and Nica 2018).
    """
    variance = (4 * a**2 + 7 * a**4) / width / (1 + a**2) ** 2
    return math.sqrt(math.expm1(blocks * math.log1p(variance)) / networks)


def _zhang(seed: int, width: float, blocks: float) -> Result:
    """How the mean square of a residual stream grows: plain, with branches divided by sqrt(L), and under Fixup."""
    n, depth = int(width), int(blocks)
    scaled = 1 / math.sqrt(SCALED_DEPTH)
    growths, checks = {}, []
    for name, count, a in (("branches as they are", depth, 1.0), ("branches ÷ √L", SCALED_DEPTH, scaled)):
        layers = (Residual(*branch(n, "he_normal"), scale=a),) * count
        signals = passed(layers, n, FIXUP_NETWORKS, FIXUP_BATCH, seed)
        squares = signals.signals(layers, Residual) / signals.signal[INPUT]
        growths[name] = np.r_[1.0, squares.mean(axis=1)]
        error = growth_error(count, a, n, FIXUP_NETWORKS)
        checks.append(Check.within(
            f"Mean square after {count} blocks, {name}", float(growths[name][-1]), (1 + a * a) ** count, SURE * error,
            f"Derived: (1 + a²)^L, exact in expectation at any width; four standard errors of {FIXUP_NETWORKS} "
            f"networks, {number(100 * error, 2)} % each."))
    fixup = Architecture.of("fixup", inputs=n, width=n, blocks=depth, seed=seed, outputs=CLASSES)
    squares = passed(fixup.layers, n, 1, FIXUP_BATCH, seed).signals(fixup.layers, Residual)[:, 0]
    growths["Fixup"] = np.r_[1.0, squares / squares[0]]
    checks.append(Check("Mean square after the last block over the first, Fixup", float(growths["Fixup"][-1]), 1, 1, 1,
                        "By construction: the last layer of a branch is zero, so that blocks pass the stream on "
                        "unchanged, "
                        "to the last bit."))
    expected = {"branches as they are": 2.0, "branches ÷ √L": 1 + scaled**2, "Fixup": 1.0}
    plot = Plot("Mean square of the stream over that of the input, log axis", "block", [
        Line(name, np.arange(len(values)), values, expected[name] ** np.arange(len(values)))
        for name, values in growths.items()], log=True)
    full, divided = (number(float(growths[name][-1])) for name in ("branches as they are", "branches ÷ √L"))
    return Result(checks, [plot], f"After {depth} blocks the stream's mean square is {full} times the input's; with "
                  f"branches divided by √{SCALED_DEPTH} it is {divided} times after {SCALED_DEPTH}; under Fixup it "
                  "does not change.")


# ---------------------------------------------------------------------------------------------- De and Smith 2020

SKIP_BLOCKS, OF_A_BLOCK = 50, 0.06  # and how far a mean square may lie off at width and batch 192
SKIP_WIDTH = 192


def _de_and_smith(seed: int, width: float) -> Result:
    """The stream's variance under branches that end with BatchNorm, and a branch's share of it."""
    n = int(width)
    first, phi, second = branch(n, "he_normal")
    layers = (Residual(first, BatchNorm(), phi, second, BatchNorm()),) * SKIP_BLOCKS
    signals = passed(layers, n, 1, n, seed)
    squares = signals.signals(layers, Residual)[:, 0]
    last = len(layers[0].branch) - 1
    shares = np.array([signals.signal[f"{block}.{last}"][0] for block in range(SKIP_BLOCKS)]) / squares
    blocks = np.arange(1, SKIP_BLOCKS + 1)
    tolerance = OF_A_BLOCK * (SKIP_WIDTH / n)
    why = ("Derived: skip and branch are uncorrelated but for chance. 6 % at a width and a batch of 192 is four times "
           "what networks differed by there, and it falls with the product's root.")
    skipinit = (Residual(*branch(n, "he_normal"), scale=0.0, learned=True),) * 3
    closed = passed(skipinit, n, 1, 8, seed).signal
    checks = [Check.furthest("Variance of the stream, l + 1", squares, blocks + 1.0, tolerance, why),
              Check.furthest("Branch's share of it, 1/(l + 1)", shares, 1 / (blocks + 1.0), tolerance, why),
              Check("SkipInit: mean square after a block over that before it", float(closed["2"][0] / closed["1"][0]),
                    1, 1, 1, "By construction: a learned scalar at zero multiplies each branch; to the last bit.")]
    plots = [Plot("Variance of the stream after each block", "block", [Line("measured", blocks, squares, blocks + 1.0)],
                  points=False),
             Plot("Share of each branch in the variance of the stream, log axis", "block",
                  [Line("measured", blocks, shares, 1 / (blocks + 1.0))], log=True, points=False)]
    return Result(checks, plots, f"After {SKIP_BLOCKS} blocks the variance is {number(float(squares[-1]))}, and the "
                  f"last branch is {number(float(shares[-1]))} of it: deep blocks are close to their skips.")


FIGURES: Mapping[str, Experiment] = MappingProxyType({
    "yang_schoenholz": Experiment(
        "Yang and Schoenholz 2017, mean field residual networks",
        "In a residual tanh network the mean square of the stream grows in proportion to the depth and the gradient "
        "like the exponential of its root, not of the depth itself.",
        "x + V tanh(W x), W and V of variance 1/n, 100 blocks, n = 128, 16 networks, two standard normal inputs each; "
        "a random gradient from a last dense layer. Biases are zero.",
        "tanh is bounded, so that each block adds at most 1 to the mean square. The larger the stream, the more of the "
        "branch's neurons are saturated, and the less a block adds to the gradient.",
        "Yang and Schoenholz 2017, \"Mean field residual networks: on the edge of chaos\", NeurIPS",
        _yang_and_schoenholz, WIDTHS, lambda knobs: ("signal", {
            "kind": "residual", "activation": "tanh", "init": ("lecun_normal",), "depth": 100, "width": knobs["width"],
            "input": "normal", "batch": 64, "spread": "rms"}),
        apart="It shows one network.", peak_bytes=180e6),
    "fixup": Experiment(
        "Zhang et al. 2019, Fixup",
        "Without normalization the variance of a residual network grows exponentially with its depth. Branches divided "
        "by √L keep it bounded, and Fixup keeps it as it is.",
        "x + a W₂ relu(W₁ x), Var W₁ 2/n, Var W₂ 1/n, n = 128, 48 networks, 8 standard normal inputs each; a = 1, and "
        "a = 1/√20 in 20 blocks; Fixup as its scheme is. Replaced: the paper's convolutional blocks.",
        "Skip and branch are uncorrelated, so that their variances add up: each block multiplies by 1 + a². What is "
        "multiplied by a constant above 1 in every block is exponential in their number.",
        "Zhang, Dauphin and Ma 2019, \"Fixup initialization: residual learning without normalization\", ICLR",
        _zhang, MappingProxyType(dict(WIDTHS) | {"blocks": Parameter(
            "Blocks", DEPTH, Interval(2, 20, integer=True), "Of the network whose branches are not divided.", 1)}),
        lambda knobs: ("signal", {
            "kind": "residual", "activation": "relu", "init": ("he_normal",), "gain": 0.85, "input": "normal",
            "depth": knobs["blocks"] + 2, "width": knobs["width"], "batch": 64, "spread": "rms"}),
        apart="There a gain of 0.85 on both layers stands for the two variances, and it shows one network."),
    "de_smith": Experiment(
        "De and Smith 2020, BatchNorm biases blocks towards their skips",
        "A branch that ends with BatchNorm has variance 1 at any depth, so that the variance of the stream grows as "
        "l + 1 and deep blocks are nearly their skips. A learned scalar at zero (SkipInit) does the same.",
        "x + BatchNorm(W₂ relu(BatchNorm(W₁ x))), 50 blocks, width and batch 192; SkipInit on three blocks without "
        "normalization. Replaced: the paper's convolutions and images, n = B = 512.",
        "BatchNorm gives each branch the variance 1 whatever the stream's is, and the variances add up. So the share "
        "of a branch falls as one over the number of blocks, which is what keeps the gradient.",
        "De and Smith 2020, \"Batch normalization biases residual blocks towards the identity function in deep "
        "networks\", NeurIPS", _de_and_smith,
        MappingProxyType({"width": Parameter("Width and batch", SKIP_WIDTH, Choices((64, 128, 192, 256)),
                                             "Neurons, and samples.")}),
        lambda knobs: ("signal", {
            "kind": "residual", "normalization": "batch", "activation": "relu", "init": ("he_normal",), "depth": 52,
            "width": int(knobs["width"]), "batch": int(knobs["width"]), "input": "normal", "spread": "rms"}),
        peak_bytes=145e6)})
