"""Settings: everything a person can set, declared once, and the networks that it describes.

The whole state of the app is one frozen Settings. A setting is one field of ``DeclaredSettings`` or one parameter of an
initializer or activation: the field, its widget and its place in the address follow from that.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields, make_dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from initviz.core.activations import ACTIVATIONS
from initviz.core.architecture import BRANCH_SCALES, KINDS, Architecture
from initviz.core.batches import INPUTS
from initviz.core.initializers import INITIALIZERS
from initviz.core.layers import NORMALIZATIONS
from initviz.core.network import Network
from initviz.core.propagation import LOSS_LABELS
from initviz.core.schemes import SCHEMES
from initviz.core.simulation import QUANTITIES, SCALES
from initviz.core.validation import Choices, Interval, Parameter, setting_of
from initviz.training.gradient_descent import OPTIMIZER_HELP, OPTIMIZER_LABELS
from initviz.training.symmetry import OBSERVED_STEPS

MOST_INITIALIZERS = 8

QUANTITY_LABELS = MappingProxyType({
    "activation": "Activations", "preactivation": "Preactivations", "delta": "Deltas", "weight": "Weights",
    "weight_gradient": "Weight gradients"})
SCALE_LABELS = MappingProxyType({"linear": "Linear", "symlog": "Symmetric log"})
VIEW_LABELS = MappingProxyType({"one": "One sample", "all": "All samples"})
SCRUB_LABELS = MappingProxyType({"none": "Off", "gain": "Gain", "constant": "Constant's value"})
SCRUBBED = MappingProxyType({"gain": (0.0, 4.0, 0.2), "constant": (-0.5, 0.5, 0.05)})  # from, to, in steps of
SPREAD_LABELS = MappingProxyType({
    "std": "Standard deviation", "rms": "Root mean square", "median_rms": "Median sample"})
TUNED_LABELS = MappingProxyType({"same": "Same for all", "best": "Best for each"})
MEASURE_LABELS = MappingProxyType({
    "gradient_norm": "Gradient norm", "update_ratio": "Update ÷ weight", "dead_share": "Dead share",
    "symmetry_gap": "Symmetry gap"})
MATRIX_LABELS = MappingProxyType({
    "activations": "Activations", "gradient": "Weight gradients", "similarities": "Similarities"})
LOSS_CHOICES = MappingProxyType({"auto": "As the targets suggest"} | {
    key: label[0].upper() + label[1:] for key, label in LOSS_LABELS.items()})
USUAL_NORMALIZATIONS = MappingProxyType({
    "residual": "none", "pre_norm": "layer", "post_norm": "layer", "normalized": "batch"})
BORDERS = 2  # rows of a network of blocks that are no block: the first dense layer and the last
ARCHITECTURE_LABELS = MappingProxyType({key: kind.label for key, kind in KINDS.items()})
WITH_BLOCKS, WITH_SKIPS = tuple(USUAL_NORMALIZATIONS), tuple(key for key, kind in KINDS.items() if kind.skips)
NORMALIZATION_LABELS = MappingProxyType({
    "usual": "Usual", "none": "None"} | {key: entry.label for key, entry in NORMALIZATIONS.items()})
BRANCH_LABELS = MappingProxyType({key: key.replace("sqrt(L)", "√L") for key in BRANCH_SCALES} | {
    key: scheme.label for key, scheme in SCHEMES.items() if scheme.changes_something})
PART_LABELS = MappingProxyType({
    "stream": "The stream", "branch": "Inside the branch", "added": "What the branch adds"})
RATES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
assert (tuple(QUANTITY_LABELS), tuple(SCALE_LABELS)) == (QUANTITIES, SCALES)


def _labels(table: Mapping[str, Any]) -> Mapping[str, str]:
    return MappingProxyType({key: entry.label for key, entry in table.items()})


COMPARED = frozenset({"signal", "symmetry", "training", "theory"})  # pages that compare initializers in one network
WITH_NETWORK = COMPARED | {"diagnose", "formulas"}
EVERY_PAGE = WITH_NETWORK | {"lesson", "audit", "notes", "papers"}
# Controls of the sidebar that a page places itself, beside what they answer; None: all of them.
PLACED_BY_PAGE: Mapping[str, Collection[str] | None] = MappingProxyType({"diagnose": None, "formulas": {"activation"}})


@dataclass(frozen=True)
class Setting(Parameter):
    """A Parameter of the app: ``pages`` are the addresses of the pages on which it means something.

    Its control stands in the "sidebar", in the "expander" there or on the "page" itself. ``owners`` are the choices,
    each a setting's key and a value such as ("init", "normal"), of which one must be chosen for it to mean something.
    """

    pages: Collection[str] = EVERY_PAGE
    place: str = "page"
    owners: tuple[tuple[str, str], ...] = ()


def setting(label: str, default: Any, allowed: Interval | Choices | Mapping[str, str], pages: Collection[str],
            help: str, step: float = 1, *, many: bool = False, place: str = "page",
            owners: tuple[tuple[str, str], ...] = ()) -> Any:
    """A field of DeclaredSettings."""
    return field(default=default, metadata={"setting": Setting(
        label, default, allowed, help, step, many, pages=pages, place=place, owners=owners)})


@dataclass(frozen=True)
class DeclaredSettings:
    """What can be set beside the parameters of initializers and activations; all values are allowed ones."""

    init: tuple[str, ...] = setting(
        "Initializers", ("zeros", "constant", "xavier_normal", "he_normal", "lecun_normal"), _labels(INITIALIZERS),
        COMPARED,
        f"How the weights are drawn. Compare up to {MOST_INITIALIZERS} on the same random numbers. Where notes write "
        "Xavier as randn(fan_in, fan_out) / sqrt(fan_in), that formula is LeCun normal.", many=True, place="sidebar")
    activation: str = setting(
        "Activation", "tanh", _labels(ACTIVATIONS), WITH_NETWORK,
        "phi, applied to every hidden layer's preactivations: h = phi(z). The last layer is linear.", place="sidebar")
    kind: str = setting(
        "Architecture", "plain", ARCHITECTURE_LABELS, COMPARED | {"diagnose"},
        "What a layer is. Plain: φ(W x). Residual: x + a W₂ φ(W₁ x). Pre-norm: x + a W₂ φ(W₁ norm(x)). Post-norm: "
        "norm(x + a W₂ φ(W₁ x)). Normalized, no skip: φ(norm(W x)).", place="sidebar")
    normalization: str = setting(
        "Normalization", "usual", NORMALIZATION_LABELS, COMPARED | {"diagnose"},
        "Usual: LayerNorm in pre-norm and post-norm, BatchNorm where there is no skip, and here none in a residual "
        "network, though ResNets have BatchNorm: it then stands after each dense layer of a branch.", place="sidebar",
        owners=tuple(("kind", key) for key in WITH_BLOCKS))
    branch_scale: str = setting(
        "Branch scale", "1", BRANCH_LABELS, COMPARED | {"diagnose"},
        "The factor a of each branch, of the number of blocks L, or a paper's scheme, which sets the initial weights "
        "of branches as well: Formulas has each with its source.", place="sidebar",
        owners=tuple(("kind", key) for key in WITH_SKIPS))
    input: str = setting(
        "Input", "digits", _labels(INPUTS), COMPARED | {"formulas"},
        "What goes into the network, standardized, and its classes.", place="sidebar")
    depth: int = setting(
        "Depth", 10, Interval(1, 100, integer=True), COMPARED | {"formulas"},
        "Number of weight layers, the output layer included. In a network of blocks: the first layer, the blocks and "
        "the last layer.", place="sidebar")
    width: int = setting(
        "Width", 128, Interval(2, 1024, integer=True), COMPARED | {"formulas"},
        "Neurons in each hidden layer.", place="sidebar")
    gain: float = setting(
        "Gain", 1.0, Interval(0, 4), WITH_NETWORK,
        "Multiplies every weight, whatever the initializer.", 0.05, place="sidebar")
    batch: int = setting(
        "Batch", 128, Interval(8, 1024, integer=True), COMPARED | {"diagnose"},
        "Number of samples sent through at once.", 8, place="sidebar")
    seed: int = setting(
        "Seed", 0, Interval(0, 9999, integer=True), EVERY_PAGE,
        "Fixes every random number: the same seed gives the same inputs, weights and picture.", place="sidebar")
    bias: float = setting(
        "Bias", 0.0, Interval(-1, 1), COMPARED | {"diagnose"},
        "The initial value of every bias.", 0.05, place="expander")
    bias_std: float = setting(
        "Bias spread", 0.0, Interval(0, 2), COMPARED | {"diagnose"},
        "Standard deviation of normal noise added to every bias (sigma_b of mean-field theory).", 0.05,
        place="expander")
    quantity: str = setting(
        "Show", "activation", QUANTITY_LABELS, {"signal"},
        "Activation h: what a neuron puts out. Preactivation z: its weighted sum, before phi. Delta "
        "dL/dz: how the loss changes with z. Weight gradient dL/dW: how it changes with a weight W.")
    scale: str = setting(
        "Axis", "linear", SCALE_LABELS, {"signal"},
        "Linear shows shapes around the healthy scale; symmetric log shows twelve powers of ten.")
    view: str = setting(
        "Values of", "one", VIEW_LABELS, {"signal"},
        "One sample: a neuron has one value, so copies lie on one another. All samples: all values of all neurons, "
        "whose spread may be that of the samples alone.")
    sample: int = setting(
        "Sample", 1, Interval(1, 1024, integer=True), {"signal"},
        "Which sample of the batch is shown.")
    scrub: str = setting(
        "Slider at the picture", "none", SCRUB_LABELS, {"signal"},
        "A slider under the picture that moves everything while it is dragged.")
    layer: int = setting(
        "Look into layer", 0, Interval(0, 100, integer=True), {"signal"},
        "Opens the layer's single neurons and samples. A click on a distribution does the same.")
    optimizer: str = setting(
        "Optimizer", "sgd", OPTIMIZER_LABELS, {"training", "symmetry"},
        OPTIMIZER_HELP)
    rate: float = setting(
        "Learning rate", 0.1, Choices(RATES), {"training", "symmetry"},
        "A step is this times the gradient, or times what the optimizer makes of it.")
    steps: int = setting(
        "Steps", 100, Choices((0, 10, 20, 50, 100, 200, 500, 1000, 2000)), {"training", "symmetry"},
        "Updates of the weights.")
    minibatch: int = setting(
        "Samples a step (0: all)", 0, Choices((0, 8, 16, 32, 64, 128, 256)), {"training"},
        "Samples that each update sees; 0 is the whole batch.")
    tuned: str = setting(
        "Rates", "same", TUNED_LABELS, {"training"},
        "Best for each tries several rates per initializer first, so that none is blamed for a rate.")
    loss: str = setting(
        "Output and loss", "auto", LOSS_CHOICES, {"training", "diagnose"},
        "What the outputs are and what is minimized. Classes suggest softmax and cross-entropy, numbers the squared "
        "error. Two classes under a sigmoid or tanh need one output.")
    measure: str = setting(
        "Explain by", "gradient_norm", MEASURE_LABELS, {"training"},
        "What is drawn for each layer over the steps.")
    after_steps: int = setting(
        "After training for", 0, Choices(OBSERVED_STEPS), {"symmetry"},
        "Steps of training before the look at neurons.")
    matrix: str = setting(
        "Show neurons by", "activations", MATRIX_LABELS, {"symmetry"},
        "Activations: samples by neurons. Gradients: inputs by neurons. Similarities: neurons by "
        "neurons, their correlation over the batch.")
    block_part: str = setting(
        "Neurons of", "stream", PART_LABELS, {"symmetry"},
        "The stream after a block; the neurons between the two layers of its branch; what the branch adds to the "
        "stream, after its scale.", owners=tuple(("kind", key) for key in WITH_SKIPS))
    hidden: int = setting(
        "Hidden layer", 1, Interval(1, 100, integer=True), {"symmetry"},
        "Whose neurons are shown; of a network of blocks, which block's.")
    epsilon: float = setting(
        "Perturbation", 1e-4, Choices((0, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1)), {"symmetry"},
        "Standard deviation of the normal noise added to every weight to break the symmetry.")
    sigma_w: float = setting(
        "σ_w", 1.5, Interval(0, 4), {"theory"},
        "Square root of fan_in times the variance of a weight: 1 under "
        "LeCun, √2 under He, 1 under Xavier in a square layer.", 0.05)
    sigma_b: float = setting(
        "σ_b", 0.3, Interval(0, 2), {"theory"},
        "Standard deviation of the biases.", 0.05)
    correlation: float = setting(
        "Correlation of the two inputs", 0.5, Interval(-1, 1), {"theory"},
        "Cosine of the angle between two inputs of one length.", 0.05)
    deepest: int = setting(
        "Deepest", 50, Choices((10, 20, 50, 100)), {"theory"},
        "Largest depth of the sweep.")
    widest: int = setting(
        "Widest", 64, Choices((16, 32, 64, 128, 256)), {"theory"},
        "Largest width of the sweep.")
    seeds: int = setting(
        "Seeds", 10, Choices((5, 10, 20, 50, 100)), {"theory"},
        "Networks of each size, each with weights of its own.")
    spread: str = setting(
        "Scale measured by", "std", SPREAD_LABELS, {"signal"},
        "Standard deviation ignores a common offset; the root mean square does not. The median sample has the middle "
        "one of the samples' own root mean squares, which a few large ones do not move; its band holds 80 % of them.")

    @property
    def sizes(self) -> tuple[int, ...]:
        """Inputs, hidden layers, outputs."""
        source = INPUTS[self.input]
        return (source.features or self.width, *[self.width] * (self.depth - 1), source.classes)

    @property
    def wanted_loss(self) -> str | None:
        """The loss that was chosen, None for what the targets suggest."""
        return None if self.loss == "auto" else self.loss

    def initializer_params(self, key: str) -> dict[str, Any]:
        """The parameters of the initializer ``key`` as these settings have them."""
        entry = INITIALIZERS[key]
        followed = entry.following(self.activation_params(self.activation))
        return {name: followed.get(name, p.default) if p.follows_activation else getattr(self, setting_of(key, name, p))
                for name, p in entry.parameters.items()}

    def activation_params(self, key: str) -> dict[str, Any]:
        """The parameters of the activation ``key`` as these settings have them."""
        return {name: getattr(self, setting_of(key, name, p)) for name, p in ACTIVATIONS[key].parameters.items()}

    def network(self, key: str) -> Network:
        """The network that the initializer ``key`` draws."""
        return Network(
            self.sizes, self.activation, key, self.gain, self.bias, bias_std=self.bias_std, seed=self.seed,
            activation_params=self.activation_params(self.activation), initializer_params=self.initializer_params(key))

    def network_at_point(self, sizes: tuple[int, ...] | None = None, initializer: str = "lecun_normal") -> Network:
        """The network at (sigma_w, sigma_b): weights of variance sigma_w^2 / fan_in, biases of sigma_b^2."""
        return Network(sizes or self.sizes, self.activation, initializer, self.sigma_w, self.bias,
                       bias_std=self.sigma_b, seed=self.seed, activation_params=self.activation_params(self.activation))

    def plain_networks(self) -> tuple[Network, ...]:
        """The networks to compare, in the order chosen, whatever the architecture: as plain ones."""
        return tuple(self.network(key) for key in self.init)

    def networks(self) -> tuple[Network, ...] | tuple[Architecture, ...]:
        """The networks to compare, in the order chosen: of blocks where the architecture is not plain."""
        if self.kind == "plain":
            return self.plain_networks()
        return tuple(self.architecture(key) for key in self.init)

    @property
    def used_normalization(self) -> str:
        """The normalization of a network of blocks: the chosen one, or the architecture's usual one.

        Zero gamma speaks of the last normalization of a branch, so that its usual one is BatchNorm.
        """
        if self.normalization != "usual":
            return self.normalization
        zero_gamma = self.branch_scale == "zero_gamma" and self.kind == "residual"
        return "batch" if zero_gamma else USUAL_NORMALIZATIONS[self.kind]

    @property
    def unfit_scheme(self) -> str:
        """A sentence where the chosen scheme is not defined for the chosen architecture; empty where it is."""
        if self.kind not in WITH_SKIPS or self.branch_scale not in SCHEMES:
            return ""
        scheme = SCHEMES[self.branch_scale]
        if self.kind not in scheme.kinds:
            kinds = " and ".join(KINDS[kind].label.lower() for kind in scheme.kinds)
            return f"{scheme.label} is defined for {kinds} networks, so that branches have the scale 1 here."
        if self.used_normalization == "none" and any(change.part == "branch_norm" for change in scheme.changes):
            return f"{scheme.label} needs a normalization in each branch, so that branches have the scale 1 here."
        return ""

    def architecture(self, key: str) -> Architecture:
        """The network of blocks that the initializer ``key`` draws: as many rows as its depth, at least one block.

        Without a normalization pre-norm and post-norm are the residual network, and what has no skip the plain one.
        """
        kind, normalization = self.kind, self.used_normalization
        if normalization == "none" and kind != "residual":
            kind = "residual" if KINDS[kind].skips else "plain"
        branch_scale = self.branch_scale if KINDS[kind].skips and not self.unfit_scheme else "1"
        scheme = branch_scale if branch_scale in SCHEMES and kind in SCHEMES[branch_scale].kinds else "none"
        return Architecture(
            self.sizes[0], self.width, max(self.depth - BORDERS, 1), self.sizes[-1], kind, normalization,
            expansion=SCHEMES[scheme].settings.get("expansion", 1),
            branch_scale=branch_scale if branch_scale in BRANCH_SCALES else "1", scheme=scheme,
            activation=self.activation, initializer=key, gain=self.gain, bias=self.bias, bias_std=self.bias_std,
            seed=self.seed, activation_params=self.activation_params(self.activation),
            initializer_params=self.initializer_params(key))

# ----------------------------------------------------------------------- parameters of initializers and activations

TABLES: Mapping[str, Mapping[str, Any]] = MappingProxyType({"init": INITIALIZERS, "activation": ACTIVATIONS})


def _table_settings() -> dict[str, Setting]:
    """The parameters of the tables as settings. Parameters that name the same setting are one."""
    settings: dict[str, Setting] = {}
    for choice, table in TABLES.items():
        for owner, entry in table.items():
            for name, p in entry.parameters.items():
                if p.follows_activation:
                    continue
                key = setting_of(owner, name, p)
                owners = (*(settings[key].owners if key in settings else ()), (choice, owner))
                settings[key] = Setting(p.label, p.default, p.slider or p.allowed, p.help, p.step, source=p.source,
                                     pages=WITH_NETWORK, place="sidebar", owners=owners)
    return settings


_TABLE_SETTINGS = _table_settings()

if TYPE_CHECKING:
    Settings = DeclaredSettings
else:
    Settings = make_dataclass(
        "Settings", [(key, type(spec.default), field(default=spec.default, metadata={"setting": spec}))
                     for key, spec in _TABLE_SETTINGS.items()],
        bases=(DeclaredSettings,), frozen=True, namespace={"__module__": __name__, "__doc__": (
            "One value for each of CONTROLS, all allowed; the fields have the controls' names.")})


def _controls() -> dict[str, Setting]:
    """Every setting, those of a table after the choice among its entries."""
    declared = {f.name: f.metadata["setting"] for f in fields(DeclaredSettings)}
    assert not declared.keys() & _TABLE_SETTINGS.keys(), "a parameter must name a setting of its own"
    ordered: dict[str, Setting] = {}
    for key, spec in declared.items():
        ordered |= {key: spec} | {
            name: parameter for name, parameter in _TABLE_SETTINGS.items() if parameter.owners[0][0] == key}
    return ordered


CONTROLS: Mapping[str, Setting] = MappingProxyType(_controls())
DEFAULTS: Mapping[str, Any] = MappingProxyType({key: spec.default for key, spec in CONTROLS.items()})


def in_use(key: str, page: str, settings: Settings) -> bool:
    """Whether a setting means something on the page of that address.

    A parameter of an initializer or activation does where that is chosen, or where the page has no such choice.
    """
    spec = CONTROLS[key]
    chosen = {"init": settings.init, "activation": (settings.activation,), "kind": (settings.kind,)}
    return page in spec.pages and (not spec.owners or any(
        page not in CONTROLS[choice].pages or owner in chosen[choice] for choice, owner in spec.owners))
