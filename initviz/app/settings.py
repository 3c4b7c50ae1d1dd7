"""Settings: everything a person can set, its limits, the address that holds it and the networks that it describes.

The whole state of the app is one frozen Settings. ``read_address`` makes one of whatever an address held.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from initviz.core.activations import ACTIVATIONS
from initviz.core.batches import INPUTS
from initviz.core.cost import (
    MOST_BYTES,
    MOST_OPERATIONS,
    connections,
    orthonormal_operations,
    pass_bytes,
    pass_operations,
)
from initviz.core.initializers import INITIALIZERS
from initviz.core.network import Network
from initviz.core.simulation import QUANTITIES, SCALES
from initviz.core.validation import Choices, Interval, Parameter
from initviz.training.gradient_descent import OPTIMIZER_HELP, OPTIMIZER_LABELS
from initviz.training.symmetry import OBSERVED_STEPS

MOST_INITIALIZERS = 8

QUANTITY_LABELS = MappingProxyType({
    "activation": "Activations", "preactivation": "Preactivations", "delta": "Deltas", "weight": "Weights",
    "weight_gradient": "Weight gradients"})
SCALE_LABELS = MappingProxyType({"linear": "Linear", "symlog": "Symmetric log"})
SCRUB_LABELS = MappingProxyType({"none": "Off", "gain": "Gain", "constant": "Constant's value"})
SCRUBBED = MappingProxyType({"gain": (0.0, 4.0, 0.2), "constant": (-0.5, 0.5, 0.05)})  # from, to, in steps of
SPREAD_LABELS = MappingProxyType({"std": "Standard deviation", "rms": "Root mean square"})
TUNED_LABELS = MappingProxyType({"same": "Same for all", "best": "Best for each"})
MEASURE_LABELS = MappingProxyType({
    "gradient_norm": "Gradient norm", "update_ratio": "Update ÷ weight", "dead_share": "Dead share",
    "symmetry_gap": "Symmetry gap"})
MATRIX_LABELS = MappingProxyType({
    "activations": "Activations", "gradient": "Weight gradients", "similarities": "Similarities"})
RATES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
assert (tuple(QUANTITY_LABELS), tuple(SCALE_LABELS)) == (QUANTITIES, SCALES)


def _labels(table: Mapping[str, Any]) -> Mapping[str, str]:
    return MappingProxyType({key: entry.label for key, entry in table.items()})


CONTROLS: Mapping[str, Parameter] = MappingProxyType({
    "init": Parameter(
        "Initializers", ("zeros", "constant", "xavier_normal", "he_normal", "lecun_normal"), _labels(INITIALIZERS),
        f"How the weights are drawn. Compare up to {MOST_INITIALIZERS} on the same random numbers. Where notes write "
        "Xavier as randn(fan_in, fan_out) / sqrt(fan_in), that formula is LeCun normal.", many=True),
    "activation": Parameter(
        "Activation", "tanh", _labels(ACTIVATIONS),
        "phi, applied to every hidden layer's preactivations: h = phi(z). The last layer is linear."),
    "input": Parameter(
        "Input", "digits", _labels(INPUTS), "What goes into the network, standardized, and its classes."),
    "depth": Parameter("Depth", 10, Interval(1, 100, integer=True),
                       "Number of weight layers, the output layer included."),
    "width": Parameter("Width", 128, Interval(2, 1024, integer=True),
                       "Neurons in each hidden layer. At multiples of 8 copies stay equal to the last bit."),
    "gain": Parameter("Gain", 1.0, Interval(0, 4), "Multiplies every weight, whatever the initializer.", 0.05),
    "constant": Parameter("Constant's value", 0.1, Interval(-2, 2),
                          "c, the one value of every weight under Constant.", 0.01),
    "batch": Parameter("Batch", 128, Interval(8, 1024, integer=True), "Number of samples sent through at once.", 8),
    "seed": Parameter("Seed", 0, Interval(0, 9999, integer=True),
                      "Fixes every random number: the same seed gives the same inputs, weights and picture."),
    "bias": Parameter("Bias", 0.0, Interval(-1, 1), "Every bias starts at this value.", 0.05),
    "bias_std": Parameter(
        "Bias spread", 0.0, Interval(0, 2),
        "Standard deviation of normal noise added to every bias (sigma_b of mean-field theory).", 0.05),
    "std": Parameter("Normal's standard deviation", 0.01, Interval(0, 2),
                     "sigma of Normal, and of Truncated normal before its cut.", 0.01),
    "limit": Parameter("Uniform's bound", 0.05, Interval(0, 2), "a of Uniform: weights lie between -a and a.", 0.01),
    "mode": Parameter("He's fan", "fan_in", MappingProxyType({"fan_in": "fan_in", "fan_out": "fan_out"}),
                      "fan_in keeps the signal's scale forward, fan_out the gradient's backward."),
    "slope": Parameter("Leaky ReLU's slope", 0.01, Interval(0, 1),
                       "Slope of Leaky ReLU below 0. He's variance takes it into account.", 0.01),
    "quantity": Parameter("Show", "activation", QUANTITY_LABELS,
                          "Activation h: what a neuron puts out. Preactivation z: its weighted sum, before phi. Delta "
                          "dL/dz: how the loss changes with z. Weight gradient dL/dW: how it changes with a weight W."),
    "scale": Parameter("Axis", "linear", SCALE_LABELS,
                       "Linear shows shapes around the healthy scale; symmetric log shows twelve powers of ten."),
    "scrub": Parameter(
        "Slider in the picture", "none", SCRUB_LABELS,
        "Computes the picture for many values at once; a slider under it then moves through them as fast as the "
        "browser draws."),
    "layer": Parameter("Look into layer", 0, Interval(0, 100, integer=True),
                       "Opens the layer's single neurons and samples. A click on a distribution does the same."),
    "optimizer": Parameter("Optimizer", "sgd", OPTIMIZER_LABELS,
                           OPTIMIZER_HELP),
    "rate": Parameter("Learning rate", 0.1, Choices(RATES), "Length of a step, times the gradient."),
    "steps": Parameter("Steps", 100, Choices((0, 10, 20, 50, 100, 200, 500, 1000, 2000)), "Updates of the weights."),
    "minibatch": Parameter("Samples a step (0: all)", 0, Choices((0, 8, 16, 32, 64, 128, 256)),
                           "Samples that each update sees; 0 is the whole batch."),
    "tuned": Parameter("Rates", "same", TUNED_LABELS,
                       "Best for each tries eight rates a start first, so that a start is not blamed for a rate."),
    "measure": Parameter("Explain by", "gradient_norm", MEASURE_LABELS, "What is drawn for each layer over the steps."),
    "moment": Parameter("After training for", 0, Choices(OBSERVED_STEPS),
                        "Steps of training before the look at neurons."),
    "matrix": Parameter("Show neurons by", "activations", MATRIX_LABELS,
                        "Activations: samples by neurons. Gradients: inputs by neurons. Similarities: neurons by "
                        "neurons, their correlation over the batch."),
    "hidden": Parameter("Hidden layer", 1, Interval(1, 100, integer=True), "Whose neurons are shown."),
    "epsilon": Parameter("Perturbation", 1e-4, Choices((0, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1)),
                         "Standard deviation of the normal noise added to every weight to break the symmetry."),
    "sigma_w": Parameter("σ_w", 1.5, Interval(0, 4), "Square root of fan_in times the variance of a weight: 1 under "
                         "LeCun, √2 under He, 1 under Xavier in a square layer.", 0.05),
    "sigma_b": Parameter("σ_b", 0.3, Interval(0, 2), "Standard deviation of the biases.", 0.05),
    "correlation": Parameter("Correlation of the two inputs", 0.5, Interval(-1, 1),
                             "Cosine of the angle between two inputs of one length.", 0.05),
    "deepest": Parameter("Deepest", 50, Choices((10, 20, 50, 100)), "Largest depth of the sweep."),
    "widest": Parameter("Widest", 64, Choices((16, 32, 64, 128, 256)), "Largest width of the sweep."),
    "seeds": Parameter("Seeds", 10, Choices((5, 10, 20, 50, 100)),
                       "Networks of each size, each with weights of its own."),
    "spread": Parameter("Scale measured by", "std", SPREAD_LABELS,
                        "Standard deviation ignores a common offset; the root mean square does not."),
})


@dataclass(frozen=True)
class Settings:
    """One value for each of CONTROLS, all allowed; the fields have the controls' names."""

    init: tuple[str, ...] = CONTROLS["init"].default
    activation: str = CONTROLS["activation"].default
    input: str = CONTROLS["input"].default
    depth: int = CONTROLS["depth"].default
    width: int = CONTROLS["width"].default
    gain: float = CONTROLS["gain"].default
    constant: float = CONTROLS["constant"].default
    batch: int = CONTROLS["batch"].default
    seed: int = CONTROLS["seed"].default
    bias: float = CONTROLS["bias"].default
    bias_std: float = CONTROLS["bias_std"].default
    std: float = CONTROLS["std"].default
    limit: float = CONTROLS["limit"].default
    mode: str = CONTROLS["mode"].default
    slope: float = CONTROLS["slope"].default
    quantity: str = CONTROLS["quantity"].default
    scale: str = CONTROLS["scale"].default
    scrub: str = CONTROLS["scrub"].default
    layer: int = CONTROLS["layer"].default
    spread: str = CONTROLS["spread"].default
    optimizer: str = CONTROLS["optimizer"].default
    rate: float = CONTROLS["rate"].default
    steps: int = CONTROLS["steps"].default
    minibatch: int = CONTROLS["minibatch"].default
    tuned: str = CONTROLS["tuned"].default
    measure: str = CONTROLS["measure"].default
    moment: int = CONTROLS["moment"].default
    matrix: str = CONTROLS["matrix"].default
    hidden: int = CONTROLS["hidden"].default
    epsilon: float = CONTROLS["epsilon"].default
    sigma_w: float = CONTROLS["sigma_w"].default
    sigma_b: float = CONTROLS["sigma_b"].default
    correlation: float = CONTROLS["correlation"].default
    deepest: int = CONTROLS["deepest"].default
    widest: int = CONTROLS["widest"].default
    seeds: int = CONTROLS["seeds"].default

    @property
    def sizes(self) -> tuple[int, ...]:
        """Inputs, hidden layers, outputs."""
        source = INPUTS[self.input]
        return (source.features or self.width, *[self.width] * (self.depth - 1), source.classes)

    def initializer_params(self, key: str) -> dict[str, Any]:
        """The parameters of the initializer ``key`` as these settings have them."""
        values = {"value": self.constant, "std": self.std, "limit": self.limit, "mode": self.mode,
                  "negative_slope": self.slope if self.activation == "leaky_relu" else 0.0}
        return {name: values[name] for name in INITIALIZERS[key].parameters}

    def network(self, key: str) -> Network:
        """The network that starts from the initializer ``key``."""
        slope = {"negative_slope": self.slope} if self.activation == "leaky_relu" else {}
        return Network(
            self.sizes, self.activation, key, self.gain, self.bias, self.bias_std, self.seed,
            activation_params=slope, initializer_params=self.initializer_params(key))

    def network_at_point(self, sizes: tuple[int, ...] | None = None, initializer: str = "lecun_normal") -> Network:
        """The network at (sigma_w, sigma_b): weights of variance sigma_w^2 / fan_in, biases of sigma_b^2."""
        slope = {"negative_slope": self.slope} if self.activation == "leaky_relu" else {}
        return Network(sizes or self.sizes, self.activation, initializer, self.sigma_w, self.bias, self.sigma_b,
                       self.seed, activation_params=slope)

    def networks(self) -> tuple[Network, ...]:
        """The networks to compare, in the order chosen."""
        return tuple(self.network(key) for key in self.init)

    def scrubbed(self) -> tuple[Settings, ...]:
        """These settings for each value of the slider in the picture, in its order; none where there is no slider."""
        if self.scrub not in SCRUBBED:
            return ()
        low, high, step = SCRUBBED[self.scrub]
        values = [round(low + step * index, 9) for index in range(round((high - low) / step) + 1)]
        changes: list[dict[str, Any]] = [{self.scrub: value} for value in values]
        return tuple(replace(self, **change) for change in changes)


# ---------------------------------------------------------------------------------------------- the address

def _nearest_number(control: Parameter, allowed: Interval | Choices, given: Any) -> tuple[Any, str]:
    try:
        value = float(given)
    except (TypeError, ValueError):
        value = math.nan
    if math.isnan(value):
        return control.default, f"{control.label} was not a number, so it is {control.default:g}."
    nearest = allowed.nearest(value)
    return nearest, "" if nearest == value else f"{control.label} must be {allowed}, so it is {nearest:g}."


def _nearest_choice(control: Parameter, labels: Mapping[str, str], given: Any) -> tuple[str, str]:
    keys = {label: key for key, label in labels.items()} | {key: key for key in labels}
    if isinstance(given, str) and given in keys:
        return keys[given], ""
    return control.default, f"{control.label} was not one of the choices, so it is {labels[control.default]}."


def _nearest_choices(control: Parameter, labels: Mapping[str, str], given: Any) -> tuple[tuple[str, ...], str]:
    keys = {label: key for key, label in labels.items()} | {key: key for key in labels}
    asked = list(dict.fromkeys(item for item in given if isinstance(item, str) and item))
    known = tuple(dict.fromkeys(keys[item] for item in asked if item in keys))
    if asked and not known:
        return control.default, f"{control.label}: none of those asked for is known, so the first visit's are shown."
    if len(known) > MOST_INITIALIZERS:
        return known[:MOST_INITIALIZERS], f"{control.label}: the first {MOST_INITIALIZERS} are shown; more do not fit."
    return known, f"{control.label}: what is not known is left out." if any(item not in keys for item in asked) else ""


def nearest_allowed(key: str, given: Any) -> tuple[Any, str]:
    """The allowed value nearest to what was given for a control, and a sentence where it had to be mended, else "".

    A number out of range becomes the nearest allowed one, anything that cannot be read the default. Choices may be
    given by key or by label.
    """
    control = CONTROLS[key]
    if isinstance(control.allowed, Interval | Choices):
        return _nearest_number(control, control.allowed, given)
    if control.many:
        return _nearest_choices(control, control.allowed, given if isinstance(given, Sequence) else ())
    return _nearest_choice(control, control.allowed, given)


def read_settings(given: Mapping[str, Any]) -> Settings:
    """Valid settings from whatever values are given by control; the default where there is none."""
    settings = Settings(**{key: nearest_allowed(key, given[key])[0] for key in CONTROLS if key in given})
    return replace(settings, layer=min(settings.layer, settings.depth))


def write_address(key: str, value: Any) -> list[str]:
    """The texts by which an address names a control's value: a number's digits, a choice's label."""
    control = CONTROLS[key]
    if isinstance(control.allowed, Interval | Choices):
        return [f"{value:.12g}"]
    return [control.allowed[choice] for choice in value] or [""] if control.many else [control.allowed[value]]


def read_address(query: Mapping[str, Sequence[str]]) -> tuple[dict[str, Any], dict[str, str]]:
    """Allowed values for the controls that an address names, and a sentence for each that had to be mended.

    Names that are not controls are ignored; of a repeated name that takes one value the last counts.
    """
    values, notices = {}, {}
    for key, control in CONTROLS.items():
        if key in query:
            texts = list(query[key])
            values[key], notice = nearest_allowed(key, texts if control.many else texts[-1] if texts else "")
            if notice:
                notices[key] = notice
    depth = values.get("depth", CONTROLS["depth"].default)
    if values.get("layer", 0) > depth:
        values["layer"] = depth
        notices["layer"] = f"{CONTROLS['layer'].label}: the network has no more than {depth}, so it is {depth}."
    return values, notices


# ---------------------------------------------------------------------------------------------- presets

@dataclass(frozen=True)
class Preset:
    """A classic case: what to set, and what it shows."""

    label: str
    settings: Mapping[str, Any]
    sentence: str


def _preset(label: str, init: str, activation: str, sentence: str, **more: Any) -> Preset:
    changes = {"init": (init,), "activation": activation, "gain": 1.0, "bias": 0.0, "bias_std": 0.0,
               "mode": "fan_in"} | more
    return Preset(label, MappingProxyType(changes), sentence)


PRESETS: Mapping[str, Preset] = MappingProxyType({
    "zero": _preset("Zeros", "zeros", "tanh", "All weights 0: nothing goes forward, nothing comes back."),
    "constant": _preset("Constant", "constant", "tanh", "All weights 0.1: every layer holds one neuron many times.",
                        constant=0.1),
    "small": _preset("Too small: 0.01", "normal", "tanh", "Normal weights of 0.01: the signal fades layer by layer.",
                     std=0.01),
    "large": _preset("Too large: 1.0", "normal", "tanh", "Normal weights of 1: every neuron saturates.", std=1.0),
    "xavier_tanh": _preset("Xavier, tanh", "xavier_normal", "tanh", "The pair Xavier was made for."),
    "xavier_relu": _preset("Xavier, ReLU", "xavier_normal", "relu", "The signal loses a factor of 0.71 a layer."),
    "he_relu": _preset("He, ReLU", "he_normal", "relu", "The pair He was made for."),
    "lecun_selu": _preset("LeCun, SELU", "lecun_normal", "selu", "The self-normalizing pair."),
})

DEFAULTS: Mapping[str, Any] = MappingProxyType({key: control.default for key, control in CONTROLS.items()})


# ---------------------------------------------------------------------------------------------- cost

MOST_TRAINING_OPERATIONS = 1000e9  # of one race, which shows itself as it goes and can be stopped
MOST_ATTEMPT_OPERATIONS = 60e9  # of all attempts to break the symmetry, in float64 and not shown as they go
ATTEMPTS_AT_MOST = 12
SMALLEST_WORTHWHILE = {"batch": 64, "width": 64, "depth": 1}


def operations(settings: Settings) -> float:
    """Floating-point operations of one comparison."""
    passes = len(settings.init) * pass_operations(settings.sizes, settings.batch)
    return passes + ("orthogonal" in settings.init) * orthonormal_operations(settings.sizes)


def training_operations(settings: Settings) -> float:
    """Floating-point operations of one race: three products a layer, step and contender."""
    batch = settings.minibatch or settings.batch
    return len(settings.init) * settings.steps * 6 * connections(settings.sizes) * batch


def affordable_attempt_steps(settings: Settings, steps: int) -> int:
    """The most steps, up to ``steps``, that trying every way to break the symmetry can afford."""
    ladder = CONTROLS["steps"].allowed
    assert isinstance(ladder, Choices)
    one = 6 * ATTEMPTS_AT_MOST * settings.batch * settings.width * (settings.sizes[0] + settings.sizes[-1])
    return int(max((value for value in ladder.values if value <= steps and value * one <= MOST_ATTEMPT_OPERATIONS),
                   default=0))


def peak_bytes(settings: Settings, networks: int = 1) -> float:
    """Memory of one comparison, whose passes follow each other, or of so many networks at once."""
    return networks * pass_bytes(settings.sizes, settings.batch)


def affordable(settings: Settings, *, training: bool = False) -> bool:
    """Whether a comparison, or a race, is cheap enough for a shared machine."""
    if training and training_operations(settings) > MOST_TRAINING_OPERATIONS:
        return False
    return (operations(settings) <= MOST_OPERATIONS
            and peak_bytes(settings, len(settings.init) if training else 1) <= MOST_BYTES)


def nearest_affordable(settings: Settings, *, training: bool = False) -> Settings:
    """The settings with the most steps, else also the largest batch, width and depth, that are affordable."""
    ladder = CONTROLS["steps"].allowed
    assert isinstance(ladder, Choices)
    steps = [value for value in ladder.values if 0 < value <= settings.steps]
    choices = {"steps": steps[::-1] if training else []} | {
        field: range(getattr(settings, field), min(smallest, getattr(settings, field)) - 1, -1)
        for field, smallest in SMALLEST_WORTHWHILE.items()}
    for field, values in choices.items():
        for value in values:
            change: dict[str, Any] = {field: value}
            candidate = replace(settings, **change)
            if affordable(candidate, training=training):
                return candidate
            if value == values[-1]:
                settings = candidate
    return settings


assert {field.name for field in dataclasses.fields(Settings)} == set(CONTROLS)
