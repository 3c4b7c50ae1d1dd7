"""The coordinate check: how the size of each layer's signal, and of its change in training, goes with the width.

A multilayer perceptron of several widths is drawn and trained for a few steps at one learning rate. Where a slope of
log size against log width is 0, what a rate does is the same at every width, and one that is tuned at a small width
fits a large one. Source: Yang et al. 2022, "Tensor Programs V", table 3 (muP) and appendix D.1 (the check).
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
import pandas as pd

from initviz.core.activations import ACTIVATIONS
from initviz.core.arrays import Array
from initviz.core.batches import INPUTS, Batch, make_batch
from initviz.core.buffers import Buffers
from initviz.core.cost import OPERATIONS_OF_A_DRAW, connections
from initviz.core.network import SEED, SIZE, Network
from initviz.core.propagation import LOSSES, QUIET, backward, forward
from initviz.core.statistics import moments
from initviz.core.validation import NOT_NEGATIVE, Interval, check
from initviz.core.wording import cut
from initviz.training.optimizers import Adam
from initviz.training.sweeps import in_order

WIDTHS = (64, 128, 256, 512, 1024, 2048)
BASE_WIDTH = 64  # at which the parametrizations are the same
OPTIMIZERS = ("sgd", "adam")
RATES = MappingProxyType({"sgd": 1.0, "adam": 0.01})  # with which a network of width 64 learns
STEPS = Interval(1, 100, integer=True)
SEEDS = Interval(1, 1000, integer=True)
HIDDEN = Interval(1, 20, integer=True)
MOST_WIDTHS = 12  # that a text may name
SEPARATE = 0.25  # a slope this far from 0 is said to depend on the width

Power = float  # of width / base width


@dataclass(frozen=True)
class Parametrization:
    """How standard deviations and learning rates go with the width: powers of width / base width.

    ``output_std`` is that of the output layer's weights beyond 1/sqrt(fan_in); ``rates`` maps an optimizer to the
    powers of the rates of input weights and biases, hidden weights and output weights.
    """

    label: str
    source: str
    output_std: Power
    rates: Mapping[str, tuple[Power, Power, Power]]


PARAMETRIZATIONS: Mapping[str, Parametrization] = MappingProxyType({
    "standard": Parametrization(
        "Standard", "LeCun et al. 1998; He et al. 2015", 0.0, MappingProxyType({"sgd": (0, 0, 0), "adam": (0, 0, 0)})),
    "mup": Parametrization(
        "muP", "Yang et al. 2022, table 3", -0.5, MappingProxyType({"sgd": (1, 0, -1), "adam": (0, -1, -1)})),
})


_FLAT = (0.0, 0.0, 0.0)
# What counting powers of the width gives for z1, z2 and the output of two hidden layers, where it is known: by
# parametrization, optimizer and step (0: the initial sizes). Of muP every change is flat.
_EXPECTED: Mapping[tuple[str, str, int], tuple[Power, Power, Power]] = MappingProxyType({
    ("standard", "sgd", 0): _FLAT, ("standard", "adam", 0): _FLAT,
    ("mup", "sgd", 0): (0, 0, -1 / 2), ("mup", "adam", 0): (0, 0, -1 / 2),
    ("standard", "sgd", 1): (-1 / 2, 1 / 2, 1), ("standard", "adam", 1): (0, 1, 3 / 2)})


def expected_slopes(parametrization: str, optimizer: str, step: int) -> tuple[Power, Power, Power] | None:
    """Slopes of log size against log width that counting powers of the width gives for z1, z2 and the output of two
    hidden layers: of the initial sizes (``step`` 0) or of the changes since. None where sums of several powers compete.

    A step of SGD moves an output weight by its rate times an activation, of size 1, and a hidden weight by an output
    weight, of size 1/sqrt(width), times an activation: sums over the width of such steps times activations are width
    and sqrt(width). Adam divides by a gradient's size: sums of equal steps are width, and through the output's
    weights width^(3/2). Source: Yang and Hu 2021; Yang et al. 2022, appendix J.
    """
    return _FLAT if parametrization == "mup" and step else _EXPECTED.get((parametrization, optimizer, step))


@dataclass(frozen=True)
class CoordinateSettings:
    """One network of the check: a multilayer perceptron of ``hidden`` layers of one width, trained for some steps.

    Weights are LeCun's, 1/sqrt(fan_in), biases 0. ``rate`` 0 takes the optimizer's of RATES. ``features`` is the number
    of inputs where the input leaves it free: few, so that what the first layer's weights add to a change, which does
    not go with the width, is small already in a narrow network. Raises ValueError naming the field, the value and what
    is allowed.
    """

    width: int
    parametrization: str = "standard"
    optimizer: str = "sgd"
    rate: float = 0.0
    steps: int = 4
    hidden: int = 2
    activation: str = "relu"
    input: str = "normal"
    features: int = 8
    batch: int = 64
    seed: int = 0

    def __post_init__(self) -> None:
        for name, allowed in (("width", SIZE), ("steps", STEPS), ("hidden", HIDDEN), ("features", SIZE),
                              ("batch", SIZE), ("rate", NOT_NEGATIVE), ("seed", SEED)):
            object.__setattr__(self, name, check(name, getattr(self, name), allowed))
        check("parametrization", self.parametrization, PARAMETRIZATIONS.keys())
        check("optimizer", self.optimizer, OPTIMIZERS)
        check("activation", self.activation, ACTIVATIONS.keys())

    @property
    def learning_rate(self) -> float:
        """The rate at the base width."""
        return self.rate or RATES[self.optimizer]


@dataclass(frozen=True, eq=False)
class Coordinates:
    """Sizes of one network: ``initial`` (layers,) is the root mean square of each layer's preactivations, the output's
    last; ``changes`` (steps, layers) that of their change since. Not finite where training diverged.
    """

    settings: CoordinateSettings
    initial: Array
    changes: Array


def measure(settings: CoordinateSettings) -> Coordinates:
    """Draw the network, train it, and measure every layer's preactivations on the training batch after each step."""
    batch = make_batch(settings.input, settings.batch, seed=settings.seed, features=settings.features)
    sizes = (batch.features, *[settings.width] * settings.hidden, batch.outputs)
    network = Network(sizes, settings.activation, "lecun_normal", seed=settings.seed)
    weights, biases = network.parameters()
    parametrization = PARAMETRIZATIONS[settings.parametrization]
    wider = settings.width / BASE_WIDTH
    weights[-1] *= weights[-1].dtype.type(wider**parametrization.output_std)
    of_input, of_hidden, of_output = (
        settings.learning_rate * wider**power for power in parametrization.rates[settings.optimizer])
    rates = [of_input, *[of_hidden] * (settings.hidden - 1), of_output,
             *[of_input] * settings.hidden, settings.learning_rate]  # an output's bias is as wide at every width
    step = {"sgd": _plain_step, "adam": Adam([*weights, *biases]).updates}[settings.optimizer]
    buffers, changes = Buffers(), []
    initial: list[Array] = []
    with np.errstate(**QUIET):
        for _ in range(settings.steps):
            before, gradients = _pass(network, weights, biases, batch, buffers)
            initial = initial or [z.copy() for z in before]
            for parameter, update in zip([*weights, *biases], step(gradients, rates), strict=True):
                parameter -= update
            preactivations = [z for z, _ in forward(weights, biases, batch.x, settings.activation, (), buffers)]
            changes.append([moments(z - z0).rms for z, z0 in zip(preactivations, initial, strict=True)])
    return Coordinates(settings, np.array([moments(z).rms for z in initial]), np.array(changes))


def _plain_step(gradients: Sequence[Array], rates: Sequence[float]) -> list[Array]:
    return [g * g.dtype.type(rate) for g, rate in zip(gradients, rates, strict=True)]


def _pass(network: Network, weights: Sequence[Array], biases: Sequence[Array], batch: Batch,
          buffers: Buffers) -> tuple[list[Array], list[Array]]:
    """Preactivations of each layer, and the gradients of all weights, then of all biases."""
    passed = list(forward(weights, biases, batch.x, network.activation, (), buffers))
    zs, hs = [z for z, _ in passed], [h for _, h in passed]
    _, error = LOSSES[batch.loss](zs[-1], batch.targets)
    of_weights, of_biases = [], []
    for delta, gradient in backward(weights, batch.x, zs, hs, error, network.activation, (), buffers):
        of_weights.append(gradient)
        of_biases.append(delta.sum(axis=0))
    return zs, of_weights[::-1] + of_biases[::-1]


def read_widths(text: str, most: int = WIDTHS[-1]) -> tuple[int, ...]:
    """Widths from a text such as "64, 128, 256", smallest first; raises ValueError for any other text."""
    parts = re.split(r"[\s,;]+", text.strip(" ,;\n\t"))
    if not all(re.fullmatch("[0-9]{1,7}", part) for part in parts) or not 2 <= len(set(parts)) <= MOST_WIDTHS:
        raise ValueError(f"widths must be 2 to {MOST_WIDTHS} different whole numbers such as 64, 128, 256, got "
                         f"{cut(text)!r}")
    return tuple(sorted({check("widths", int(part), Interval(8, most, integer=True)) for part in parts}))


def every_setting(widths: Sequence[int] = WIDTHS, parametrizations: Sequence[str] = tuple(PARAMETRIZATIONS),
                  optimizers: Sequence[str] = OPTIMIZERS, seeds: int = 3, **fields: object) -> list[CoordinateSettings]:
    """Every network of a check, narrow ones first; ValueError for fewer than two widths."""
    if len(set(widths)) < 2:
        raise ValueError(f"widths must be at least two, got {', '.join(map(str, widths)) or 'none'}")
    seeds = check("seeds", seeds, SEEDS)
    return [CoordinateSettings(width, parametrization, optimizer, seed=seed, **fields)  # type: ignore[arg-type]
            for width in sorted(set(widths)) for parametrization in parametrizations for optimizer in optimizers
            for seed in range(seeds)]


def coordinates(settings: Sequence[CoordinateSettings], *, executor: Executor | None = None) -> Iterator[Coordinates]:
    """The sizes of each network, in order, as they are computed: here, or on any ``concurrent.futures.Executor``."""
    return in_order(measure, settings, executor)


def operations(settings: Sequence[CoordinateSettings]) -> float:
    """Floating-point operations of a check: four passes' worth of products a step, and the draws."""
    total = 0.0
    for setting in settings:
        features = INPUTS[check("input", setting.input, INPUTS.keys())].features or setting.features
        weights = connections((features, *[setting.width] * setting.hidden, 10))
        total += 8 * setting.batch * setting.steps * weights + OPERATIONS_OF_A_DRAW * weights
    return total


def peak_bytes(settings: Sequence[CoordinateSettings]) -> float:
    """Memory that the widest network takes: weights and what they are drawn from, gradients, steps, Adam's two states,
    and the signals of a pass.
    """
    return max((4 * ((7 if setting.optimizer == "adam" else 5) * max(setting.hidden - 1, 1) * setting.width**2
                     + 6 * setting.hidden * setting.width * setting.batch) for setting in settings), default=0.0)


def sizes_table(measured: Sequence[Coordinates]) -> pd.DataFrame:
    """One row per network, layer and step: parametrization, optimizer, width, seed, layer, step (0: the initial size;
    then the change since), size (a root mean square).
    """
    rows = []
    for result in measured:
        setting = result.settings
        for step, sizes in enumerate([result.initial, *result.changes]):
            rows += [(setting.parametrization, setting.optimizer, setting.width, setting.seed,
                      layer_name(layer, len(sizes)), step, size) for layer, size in enumerate(sizes.tolist())]
    return pd.DataFrame(rows, columns=["parametrization", "optimizer", "width", "seed", "layer", "step", "size"])


def layer_name(layer: int, layers: int) -> str:
    """z1, z2, ... and output."""
    return "output" if layer == layers - 1 else f"z{layer + 1}"


def slope(widths: Sequence[float], sizes: Sequence[float]) -> tuple[float, float]:
    """Slope of log size against log width by least squares, and its standard error; NaN where it is not defined.

    Sizes that are 0 or not finite are left out; there must be two widths for a slope, three points for an error.
    """
    points = [(math.log(w), math.log(s)) for w, s in zip(widths, sizes, strict=True) if 0 < s < math.inf]
    if len({x for x, _ in points}) < 2:
        return math.nan, math.nan
    x, y = np.array(points).T
    x = x - x.mean()
    steepness = float(x @ y / (x @ x))
    residuals = y - y.mean() - steepness * x
    error = math.sqrt(float(residuals @ residuals) / (len(x) - 2) / float(x @ x)) if len(x) > 2 else math.nan
    return steepness, error


def slope_text(steepness: float, error: float) -> str:
    """A slope with its standard error, in words: to two decimals, as errors are of that order."""
    if not math.isfinite(steepness):
        return "not defined"
    rounded = f"{round(steepness, 2) + 0.0:.2f}".replace("-", "−")
    return f"{rounded} ± {error:.2f}" if math.isfinite(error) else rounded


def slopes(measured: Sequence[Coordinates]) -> pd.DataFrame:
    """One row per parametrization, optimizer, layer and step: slope of log size against log width, its standard error,
    and how many networks were left out since training diverged.
    """
    rows = []
    for keys, group in sizes_table(measured).groupby(["parametrization", "optimizer", "layer", "step"], sort=False):
        left_out = int((~np.isfinite(group["size"])).sum())
        rows.append((*keys, *slope(group["width"].tolist(), group["size"].tolist()), left_out))
    return pd.DataFrame(rows, columns=["parametrization", "optimizer", "layer", "step", "slope", "error", "diverged"])


def sentence(table: pd.DataFrame, parametrization: str, optimizer: str) -> str:
    """What a learning rate that is tuned at one width does at another, from the output's change after one step."""
    row = table[(table.parametrization == parametrization) & (table.optimizer == optimizer)
                & (table.layer == "output") & (table.step == 1)]
    value = float(row["slope"].iloc[0]) if len(row) else math.nan
    name = f"{PARAMETRIZATIONS[parametrization].label}, {'gradient descent' if optimizer == 'sgd' else 'Adam'}"
    if not math.isfinite(value):
        return f"{name}: the output's change is not a finite number at two widths, so that no slope is defined."
    if abs(value) < SEPARATE:
        return f"{name}: a step changes the output as much at every width, so that a learning rate fits them all."
    size = "large" if value > 0 else "small"
    return (f"{name}: in a network four times as wide a step changes the output {4**value:.1f} times as much, so that "
            f"a learning rate tuned at one width is too {size} for a wider one.")


@dataclass(eq=False)
class CoordinateCheck:
    """A check that is made a little at a time: narrow networks first, so that a picture is there early."""

    settings: Sequence[CoordinateSettings]
    measured: list[Coordinates] = field(default_factory=list)
    stopped: bool = False
    executor: Executor | None = None

    def __post_init__(self) -> None:
        self._left = coordinates(self.settings, executor=self.executor)

    @property
    def finished(self) -> bool:
        """Whether every network has been measured."""
        return len(self.measured) >= len(self.settings)

    @property
    def progress(self) -> float:
        """Share of the work that is done, 0 to 1."""
        return operations(self.settings[:len(self.measured)]) / operations(self.settings)

    def stop(self) -> None:
        """Keep what there is."""
        self.stopped = True

    def resume(self) -> None:
        """Go on where it was stopped."""
        self.stopped = False

    def advance(self, until: float) -> None:
        """Measure until that moment of ``time.monotonic()``, one network at least."""
        for result in self._left:
            self.measured.append(result)
            if time.monotonic() >= until:
                return


