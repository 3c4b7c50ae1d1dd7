"""The table of initializers: a new one is one entry here, and appears on every page and in the tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from textwrap import indent
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import DTypeLike, NDArray

from initviz.core.frameworks import code_in
from initviz.core.initializers import laws
from initviz.core.initializers.laws import Law, variance_scaling
from initviz.core.validation import ANY, NO_PARAMETERS, NOT_NEGATIVE, Interval, Parameter, check, check_parameters

FREQUENCY = Interval(0.01, 1000)
DTYPES = ("float32", "float64")


@dataclass(frozen=True)
class Initializer:
    """One initializer: what it draws, what it promises, what it was made for and where it comes from.

    ``latex`` is the law of one weight; ``law_of(**params)`` makes the Law; ``color`` is its color in every picture. The
    gain that multiplies any of them is not part of the formula.

    ``code`` maps a framework to the lines that draw the same law for a layer ``(fan_in, fan_out)``, with
    ``{parameter}`` fields: in NumPy (with ``rng``) and JAX (with ``key``) an expression of the weights or lines that
    end by setting ``W``, in PyTorch lines that fill ``layer.weight`` (fan_out, fan_in), in Keras an expression of an
    initializer or lines that define ``initializer``. ``bias_code`` does so for what is drawn of a bias, in every
    framework an expression.

    ``first_law`` makes the Law of the layer that reads the inputs, where that has one of its own; the lines of
    ``code`` are then told by the name ``first`` whether they draw it.
    """

    label: str
    latex: str
    made_for: str
    source: str
    sentence: str
    color: str
    law: Callable[..., Law]
    code: Mapping[str, str]
    parameters: Mapping[str, Parameter] = field(default_factory=lambda: NO_PARAMETERS)
    bias_code: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    first_law: Callable[..., Law] | None = None

    def following(self, activation_params: Mapping[str, Any]) -> dict[str, Any]:
        """The parameters that follow those of an activation, with its values."""
        return {name: activation_params[name] for name, parameter in self.parameters.items()
                if parameter.follows_activation and name in activation_params}


def _scaled_code(scale: str, mode: str, distribution: str) -> Mapping[str, str]:
    """The lines for ``variance_scaling``: NumPy and PyTorch by formula, Keras and JAX by their own generator."""
    fan = {"fan_in": "fan_in", "fan_avg": "((fan_in + fan_out) / 2)", "{mode}": "{mode}"}[mode]
    keras_name = {"normal": "untruncated_normal", "uniform": "uniform"}[distribution]
    if distribution == "normal":
        numpy = f"rng.standard_normal((fan_in, fan_out)) * np.sqrt({scale} / {fan})"
        pytorch = f"torch.nn.init.normal_(layer.weight, std=math.sqrt({scale} / {fan}))"
    else:
        numpy = f"rng.uniform(-1, 1, (fan_in, fan_out)) * np.sqrt(3 * {scale} / {fan})"
        pytorch = (f"bound = math.sqrt(3 * {scale} / {fan})\n"
                   "torch.nn.init.uniform_(layer.weight, -bound, bound)")
    return code_in(numpy, pytorch,
                 f'keras.initializers.VarianceScaling({scale}, "{mode}", "{keras_name}")',
                 f'jax.nn.initializers.variance_scaling({scale}, "{mode}", "{distribution}")(key, (fan_in, fan_out))')


_STD = Parameter(
    "Normal's standard deviation", 0.01, NOT_NEGATIVE, "sigma of Normal, and of Truncated normal before its cut.", 0.01,
    slider=Interval(0, 2), setting="std")
_HE_PARAMETERS = MappingProxyType({
    "mode": Parameter(
        "He's fan", "fan_in", MappingProxyType({"fan_in": "fan_in", "fan_out": "fan_out"}),
        "fan_in keeps the signal's scale forward, fan_out the gradient's backward.", setting="mode"),
    "negative_slope": Parameter(
        "Slope below 0", 0.0, Interval(0, 1), "a, the slope of a leaky ReLU for negative preactivations.",
        follows_activation=True)})


def _he(distribution: str) -> Callable[..., Law]:
    return lambda mode, negative_slope: variance_scaling(2 / (1 + negative_slope**2), mode, distribution)


_ZERO_IDENTITY = (
    "H = np.ones((1, 1))\nwhile len(H) < fan_out:\n    H = np.block([[H, H], [H, -H]])\n"
    "W = np.eye(fan_in, fan_out) if fan_out <= fan_in else H[:fan_in, :fan_out] / np.sqrt(len(H))\n")
_HE_SCALE = "(2 / (1 + {negative_slope}**2))"

INITIALIZERS: Mapping[str, Initializer] = MappingProxyType({
    "zeros": Initializer(
        "Zeros", r"W = 0", "biases, gates and last layers of residual branches", "baseline",
        "With biases of 0 every neuron of a layer is the same. In a deep network of zeros alone where φ(0) = 0, as for "
        "tanh and ReLU, no weight ever gets a gradient; with sigmoid weights do move, but the neurons stay copies.",
        "#6E6E6E", lambda: laws.filled(0.0),
        code_in("np.zeros((fan_in, fan_out))", "torch.nn.init.zeros_(layer.weight)",
              "keras.initializers.Zeros()", "jax.nn.initializers.zeros(key, (fan_in, fan_out))")),
    "ones": Initializer(
        "Ones", r"W = 1", "gains of normalization layers", "baseline",
        "With equal biases every neuron of a layer is a copy of the others: it adds up all its inputs, and the more "
        "there are, the larger is their sum.",
        "#998F8F", lambda: laws.filled(1.0),
        code_in("np.ones((fan_in, fan_out))", "torch.nn.init.ones_(layer.weight)",
              "keras.initializers.Ones()", "jax.nn.initializers.ones(key, (fan_in, fan_out))")),
    "constant": Initializer(
        "Constant", r"W = c", "nothing: a baseline for the symmetry of copies", "baseline",
        "With equal biases every neuron of a layer is a copy of the others, whatever the constant; where the next "
        "layer's weights are one constant, too, gradient descent, momentum and Adam keep them copies.",
        "#8C6D46", lambda value: laws.filled(value),
        code_in("np.full((fan_in, fan_out), {value})", "torch.nn.init.constant_(layer.weight, {value})",
              "keras.initializers.Constant({value})", "jax.nn.initializers.constant({value})(key, (fan_in, fan_out))"),
        MappingProxyType({"value": Parameter(
            "Constant's value", 0.1, ANY, "c, the one value of every weight under Constant.", 0.01,
            slider=Interval(-2, 2), setting="constant")})),
    "identity": Initializer(
        "Identity", r"W = I", "square linear and ReLU layers, recurrent nets", "Le, Jaitly and Hinton 2015",
        "Passes the first inputs through unchanged and mixes nothing; where a layer narrows, the others are lost.",
        "#8F5CF5", lambda: laws.partial_identity(),
        code_in("np.eye(fan_in, fan_out)", "torch.nn.init.eye_(layer.weight)",
              "keras.initializers.Identity()", "jnp.eye(fan_in, fan_out)")),
    "uniform": Initializer(
        "Uniform", r"W \sim U(-a, a)", "nothing in particular: its scale ignores the layer's size", "baseline",
        "One range for every layer, so that the signal's growth depends on the width.",
        "#8F0AFF", lambda limit: laws.independent(lambda fan_in, fan_out: limit / 3**0.5, "uniform"),
        code_in("rng.uniform(-{limit}, {limit}, (fan_in, fan_out))",
              "torch.nn.init.uniform_(layer.weight, -{limit}, {limit})",
              "keras.initializers.RandomUniform(-{limit}, {limit})",
              "jax.random.uniform(key, (fan_in, fan_out), minval=-{limit}, maxval={limit})"),
        MappingProxyType({"limit": Parameter(
            "Uniform's bound", 0.05, NOT_NEGATIVE, "a of Uniform: weights lie between -a and a.", 0.01,
            source="Keras' default", slider=Interval(0, 2), setting="limit")})),
    "normal": Initializer(
        "Normal", r"W \sim N(0, \sigma^2)", "nothing in particular: its scale ignores the layer's size",
        "Krizhevsky, Sutskever and Hinton 2012 used 0.01",
        "One scale for every layer: neurons differ, but preactivations are the larger the wider the layer before is.",
        "#B885A3", lambda std: laws.independent(lambda fan_in, fan_out: std, "normal"),
        code_in("rng.standard_normal((fan_in, fan_out)) * {std}", "torch.nn.init.normal_(layer.weight, std={std})",
              'keras.initializers.RandomNormal(stddev={std})',
              "jax.nn.initializers.normal({std})(key, (fan_in, fan_out))"),
        MappingProxyType({"std": _STD})),
    "truncated_normal": Initializer(
        "Truncated normal", r"W \sim N(0, \sigma^2),\ |W| \le 2\sigma", "transformers use 0.02",
        "TensorFlow's and Keras' TruncatedNormal",
        "A normal redrawn beyond two standard deviations, which leaves 0.88 of the standard deviation asked for.",
        "#AD3D5C", lambda std: laws.truncated(std),
        code_in("W = rng.standard_normal((fan_in, fan_out))\nwhile (outside := np.abs(W) > 2).any():\n"
              "    W[outside] = rng.standard_normal(outside.sum())\nW *= {std}",
              "torch.nn.init.trunc_normal_(layer.weight, std=1.0, a=-2.0, b=2.0)\n"
              "with torch.no_grad():\n    layer.weight.mul_({std})",
              "keras.initializers.TruncatedNormal(stddev={std})",
              "jax.nn.initializers.truncated_normal({std})(key, (fan_in, fan_out))"),
        MappingProxyType({"std": _STD})),
    "xavier_normal": Initializer(
        "Xavier normal", r"W \sim N\left(0, \tfrac{2}{n_{in} + n_{out}}\right)",
        "odd activations of slope 1 at 0, as tanh", "Glorot and Bengio 2010, eq. (12)",
        "A compromise between keeping the signal forward (1/fan_in) and the gradient backward (1/fan_out).",
        "#0072B2", lambda: variance_scaling(1, "fan_avg", "normal"), _scaled_code("1.0", "fan_avg", "normal")),
    "xavier_uniform": Initializer(
        "Xavier uniform", r"W \sim U\left(\pm\sqrt{\tfrac{6}{n_{in} + n_{out}}}\right)",
        "odd activations of slope 1 at 0, as tanh", "Glorot and Bengio 2010, eq. (16)",
        "The form that the paper proposed; the same variance as Xavier normal.",
        "#707AA3", lambda: variance_scaling(1, "fan_avg", "uniform"), _scaled_code("1.0", "fan_avg", "uniform")),
    "he_normal": Initializer(
        "He normal", r"W \sim N\left(0, \tfrac{2}{(1 + a^2)\,n}\right)", "ReLU and its leaky kin",
        "He et al. 2015, section 2.2",
        "Twice LeCun's variance, since a ReLU lets only half of a symmetric signal's mean square through. n is the fan "
        "whose side keeps its scale on average, a the slope of a leaky ReLU.",
        "#D55E00", _he("normal"), _scaled_code(_HE_SCALE, "{mode}", "normal"), _HE_PARAMETERS),
    "he_uniform": Initializer(
        "He uniform", r"W \sim U\left(\pm\sqrt{\tfrac{6}{(1 + a^2)\,n}}\right)", "ReLU and its leaky kin",
        "He et al. 2015 for the variance; the uniform form is the libraries'",
        "The same variance as He normal, drawn from a range.",
        "#8F5C00", _he("uniform"), _scaled_code(_HE_SCALE, "{mode}", "uniform"), _HE_PARAMETERS),
    "lecun_normal": Initializer(
        "LeCun normal", r"W \sim N\left(0, \tfrac{1}{n_{in}}\right)", "SELU; 1.7159 tanh(2z/3) with normalized inputs",
        "LeCun et al. 1998, eq. (16)",
        "On average a linear layer's output has the mean square of its input.",
        "#009E73", lambda: variance_scaling(1, "fan_in", "normal"), _scaled_code("1.0", "fan_in", "normal")),
    "lecun_uniform": Initializer(
        "LeCun uniform", r"W \sim U\left(\pm\sqrt{\tfrac{3}{n_{in}}}\right)",
        "SELU; 1.7159 tanh(2z/3) with normalized inputs", "LeCun et al. 1998, eq. (16)",
        "The same variance as LeCun normal, drawn from a range.",
        "#8F9947", lambda: variance_scaling(1, "fan_in", "uniform"), _scaled_code("1.0", "fan_in", "uniform")),
    "orthogonal": Initializer(
        "Orthogonal", r"W^\top W = I \text{ or } W W^\top = I", "deep linear and tanh networks",
        "Saxe, McClelland and Ganguli 2014",
        "Orthonormal rows or columns with no preferred direction: where a layer does not narrow, its product with the "
        "weights keeps a signal's length exactly, not on average.",
        "#6699C2", lambda: laws.orthogonal(),
        code_in("q, r = np.linalg.qr(rng.standard_normal((max(fan_in, fan_out), min(fan_in, fan_out))))\n"
              "q = q * np.sign(np.diagonal(r))\nW = q if fan_in >= fan_out else q.T",
              "torch.nn.init.orthogonal_(layer.weight)", "keras.initializers.Orthogonal()",
              "jax.nn.initializers.orthogonal()(key, (fan_in, fan_out))")),
    "sparse": Initializer(
        "Sparse", r"W \sim N(0, 1) \text{ for 15 inputs}\\ \text{of each neuron, else } 0",
        "deep nets trained by Hessian-free optimization", "Martens 2010; Sutskever et al. 2013",
        "Fifteen incoming weights a neuron: neurons differ strongly, and from 15 inputs on the scale does not depend "
        "on the width.",
        "#CC7070", lambda: laws.sparse(15),
        code_in("W = rng.standard_normal((fan_in, fan_out))\n"
              "keep = rng.random((fan_in, fan_out)).argsort(axis=0) < 15\nW = W * keep",
              "W = torch.randn(fan_out, fan_in)\n"
              "layer.weight.data = W * (torch.rand(fan_out, fan_in).argsort(1).argsort(1) < 15)",
              "def initializer(shape, dtype=None):\n"
              "    rank = keras.ops.argsort(keras.random.uniform(shape), axis=0)\n"
              "    return keras.random.normal(shape, dtype=dtype) * keras.ops.cast(rank < 15, dtype)",
              "W_key, rank_key = jax.random.split(key)\n"
              "rank = jax.random.uniform(rank_key, (fan_in, fan_out)).argsort(axis=0)\n"
              "W = jax.random.normal(W_key, (fan_in, fan_out)) * (rank < 15)")),
    "siren": Initializer(
        "SIREN", r"W \sim U\left(\pm\sqrt{\tfrac{6}{n_{in}}}/\omega_0\right)\\"
        r"\text{first layer: } U\left(\pm\tfrac{1}{n_{in}}\right)",
        "sine networks that represent images, sounds and shapes",
        "Sitzmann et al. 2020, section 3.2 and supplement 1.5",
        "Keeps what a sine reads, ω₀z, at a standard deviation of 0.89 from layer to layer (1 in the paper, which "
        "takes a sine's outputs for arcsine distributed). The first layer's own range does not depend on ω₀.",
        "#2A6C78", lambda w0: variance_scaling(2 / w0**2, "fan_in", "uniform"),
        code_in("rng.uniform(-1, 1, (fan_in, fan_out)) * (1 / fan_in if first else np.sqrt(6 / fan_in) / {w0})",
                "bound = 1 / fan_in if first else math.sqrt(6 / fan_in) / {w0}\n"
                "torch.nn.init.uniform_(layer.weight, -bound, bound)",
                "bound = 1 / fan_in if first else math.sqrt(6 / fan_in) / {w0}\n"
                "initializer = keras.initializers.RandomUniform(-bound, bound)",
                "bound = 1 / fan_in if first else math.sqrt(6 / fan_in) / {w0}\n"
                "W = jax.random.uniform(key, (fan_in, fan_out), minval=-bound, maxval=bound)"),
        MappingProxyType({"w0": Parameter(
            "SIREN's ω₀", 30.0, FREQUENCY, "ω₀ of the sine that follows, by which the range is divided.",
            follows_activation=True)}),
        first_law=lambda w0: laws.independent(lambda fan_in, fan_out: 1 / (fan_in * 3**0.5), "uniform")),
    "torch_linear": Initializer(
        "PyTorch's Linear", r"W, b \sim U\left(\pm\tfrac{1}{\sqrt{n_{in}}}\right)",
        "the default of PyTorch",
        "torch.nn.Linear (kaiming_uniform_ with a = sqrt(5)); Glorot and Bengio 2010, eq. (1)",
        "A third of LeCun's variance, under which tanh and ReLU shrink a signal to what random biases put in its "
        "place.",
        "#D61F85", lambda: laws.torch_linear(),
        code_in("rng.uniform(-1, 1, (fan_in, fan_out)) / np.sqrt(fan_in)  # biases: the same range",
              "torch.nn.init.kaiming_uniform_(layer.weight, a=math.sqrt(5))  # torch.nn.Linear's default",
              'keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform")',
              'jax.nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")(key, (fan_in, fan_out))'),
        bias_code=code_in("rng.uniform(-1, 1, fan_out) / np.sqrt(fan_in)",
                        "(2 * torch.rand(fan_out) - 1) / math.sqrt(fan_in)",
                        "keras.random.uniform((fan_out,), -1, 1) / math.sqrt(fan_in)",
                        "jax.random.uniform(bias_key, (fan_out,), minval=-1, maxval=1) / math.sqrt(fan_in)")),
    "keras_dense": Initializer(
        "Keras' Dense", r"W \sim U\left(\pm\sqrt{\tfrac{6}{n_{in} + n_{out}}}\right),\ b = 0",
        "the default of Keras", "keras.layers.Dense (glorot_uniform); Glorot and Bengio 2010, eq. (16)",
        "Xavier uniform, and biases of zero.",
        "#9985EB", lambda: variance_scaling(1, "fan_avg", "uniform"), _scaled_code("1.0", "fan_avg", "uniform")),
    "flax_dense": Initializer(
        "Flax's Dense", r"W \sim N\left(0, \tfrac{1}{n_{in}}\right) \text{ cut at } 2\sigma,\ b = 0",
        "the default of Flax", "flax.linen.Dense (lecun_normal, truncated); LeCun et al. 1998, eq. (16)",
        "LeCun's variance from a truncated normal that is widened to keep it, and biases of zero.",
        "#5C7A85", lambda: variance_scaling(1, "fan_in", "truncated_normal"),
        code_in("W = rng.standard_normal((fan_in, fan_out))\nwhile (outside := np.abs(W) > 2).any():\n"
              "    W[outside] = rng.standard_normal(outside.sum())\nW /= 0.87962566103423978 * np.sqrt(fan_in)",
              "std = 1 / (0.87962566103423978 * math.sqrt(fan_in))  # the cut leaves 0.88 of it\n"
              "torch.nn.init.trunc_normal_(layer.weight, std=std, a=-2 * std, b=2 * std)",
              "keras.initializers.LecunNormal()", "jax.nn.initializers.lecun_normal()(key, (fan_in, fan_out))")),
    "zero_identity": Initializer(
        "ZerO", r"W = I,\ \text{or } I\,H\,I \text{ where a layer widens}",
        "residual networks; it learns without randomness",
        "Zhao, Schäfer and Anandkumar 2022, algorithm 1",
        "0, 1 and −1 up to a scale: a widening layer, by Hadamard, has at most 2^⌈log₂ fan_in⌉ different neurons.",
        "#528F1F", lambda: laws.zero_identity(),
        code_in(_ZERO_IDENTITY.rstrip(),
              _ZERO_IDENTITY + "with torch.no_grad():\n    layer.weight.copy_(torch.from_numpy(W.T))",
              "def initializer(shape, dtype=None):\n    fan_in, fan_out = shape\n"
              + indent(_ZERO_IDENTITY, "    ") + "    return keras.ops.convert_to_tensor(W, dtype)",
              _ZERO_IDENTITY + "W = jnp.asarray(W)")),
})


def law_of(key: str, *, first: bool = False, **params: Any) -> Law:
    """The Law of the initializer ``key``, of the network's ``first`` layer or of any other.

    Raises ValueError for an unknown key, parameter or value.
    """
    entry = INITIALIZERS[check("initializer", key, INITIALIZERS.keys())]
    law = entry.first_law if first and entry.first_law else entry.law
    return law(**check_parameters(key, params, entry.parameters))


def initialize(key: str, fan_in: int, fan_out: int, *, rng: Generator, gain: float = 1.0,
               dtype: DTypeLike = np.float64, first: bool = False, **params: Any) -> NDArray[Any]:
    """Weights of shape (fan_in, fan_out) drawn by the initializer ``key``, times ``gain``.

    ``first`` says that the layer reads the network's inputs, which few initializers draw by another law (SIREN does).
    Two initializers of one distribution given generators in the same state draw the same units, scaled. ``dtype`` is
    float32 or float64. Raises ValueError for an unknown key or parameter, a fan below 1, a gain that is not finite,
    another dtype, or an ``rng`` that is no generator.
    """
    if not isinstance(rng, Generator):
        raise ValueError(f"rng must be a numpy.random.Generator, such as numpy.random.default_rng(0), got {rng!r}")
    if str(getattr(dtype, "__name__", dtype)) not in DTYPES:
        raise ValueError(f"dtype must be one of {', '.join(DTYPES)}, got {dtype!r}")
    fan = Interval(1, float("inf"), integer=True)
    shape = check("fan_in", fan_in, fan), check("fan_out", fan_out, fan)
    gain = check("gain", gain, ANY)
    with np.errstate(over="ignore", invalid="ignore"):  # what the dtype cannot hold becomes inf
        weights = law_of(key, first=first, **params).draw(*shape, rng, dtype)
        if gain != 1:
            weights *= np.asarray(gain, dtype)
    return weights


def label_of(key: str) -> str:
    """The label of an initializer."""
    return INITIALIZERS[key].label
