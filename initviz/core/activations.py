"""Activation functions phi and their derivatives, one table.

Every function works element by element, in the dtype it is given, and stays finite and silent for large arguments.
At a kink the derivative is the one PyTorch's autograd takes (ReLU: 0 at 0).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np

from initviz.core.arrays import Array
from initviz.core.frameworks import code_in
from initviz.core.validation import NO_PARAMETERS, Interval, Parameter, check, check_parameters

SELU_ALPHA = 1.6732632423543772  # mean 0 and variance 1 are kept under unit normal input: Klambauer et al. 2017
SELU_LAMBDA = 1.0507009873554805
LECUN_SCALE, LECUN_SLOPE = 1.7159, 2.0 / 3.0  # LeCun et al. 1998, "Efficient BackProp", section 4.4


def _sigmoid(z: Array) -> Array:
    decay = np.exp(-np.abs(z))
    return np.where(z >= 0, 1, decay) / (1 + decay)


def _softplus(z: Array) -> Array:
    return np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z)))


def erf(z: Array) -> Array:
    """The error function, elementwise."""
    from scipy import special  # here, because it takes half as long to load as all of initviz

    values: Array = special.erf(z)
    return values


def _normal_cdf(z: Array) -> Array:
    return (1 + erf(z * math.sqrt(0.5))) / 2


def _normal_pdf(z: Array) -> Array:
    near = np.clip(z, -40, 40)
    return np.exp(-near * near / 2) / math.sqrt(2 * math.pi)


_GELU_SLOPE, _GELU_CUBIC = math.sqrt(2 / math.pi), 0.044715


def _gelu_tanh_inner(near: Array) -> Array:
    return np.tanh(_GELU_SLOPE * (near + _GELU_CUBIC * near * near * near))


def _gelu_tanh(z: Array) -> Array:
    # beyond |z| = 10 the inner tanh is +-1 to the last bit: clipping keeps the cube finite
    return 0.5 * np.maximum(z, -10) * (1 + _gelu_tanh_inner(np.clip(z, -10, 10)))


def _gelu_tanh_derivative(z: Array, h: Array) -> Array:
    near = np.clip(z, -10, 10)
    inner = _gelu_tanh_inner(near)
    return 0.5 * (1 + inner) + 0.5 * near * (1 - inner * inner) * _GELU_SLOPE * (1 + 3 * _GELU_CUBIC * near * near)


FAR = 1e4  # beyond it these activations are 0 or z to the last bit; infinity times 0 would be no number


def _silu(z: Array) -> Array:
    return np.maximum(z, -FAR) * _sigmoid(z)


def _silu_derivative(z: Array, h: Array) -> Array:
    s = _sigmoid(z)
    return s + np.clip(z, -FAR, FAR) * s * (1 - s)


def _softsign(z: Array) -> Array:
    near = np.clip(z, -1e30, 1e30)
    return near / (1 + np.abs(near))


def _softsign_derivative(z: Array, h: Array) -> Array:
    r = 1 / (1 + np.abs(z))
    return r * r


def _mish(z: Array) -> Array:
    return np.maximum(z, -FAR) * np.tanh(_softplus(z))


def _mish_derivative(z: Array, h: Array) -> Array:
    t = np.tanh(_softplus(z))
    return t + np.clip(z, -FAR, FAR) * (1 - t * t) * _sigmoid(z)


MOST_RADIANS = 1e5  # beyond it single precision misses the place in a sine's period by more than 0.2 degrees


def _radians(z: Array, w0: float) -> Array:
    return w0 * np.clip(z, -MOST_RADIANS / w0, MOST_RADIANS / w0)


def _elu(z: Array, alpha: float = 1.0) -> Array:
    return np.where(z > 0, z, alpha * np.expm1(np.minimum(z, 0)))


def _elu_derivative(z: Array, alpha: float = 1.0) -> Array:
    return np.where(z > 0, z.dtype.type(1), alpha * np.exp(np.minimum(z, 0)))


@dataclass(frozen=True)
class ActivationFunction:
    """One activation function.

    ``phi(z, **params)`` and ``phi_prime(z, h, **params)`` are the bare functions; call ``value`` and ``derivative``,
    which fill in the parameters. ``lower`` and ``upper`` are the ends of the range of phi. ``code`` maps a framework
    to the expression of phi(z) there, with ``{parameter}`` fields.
    """

    label: str
    latex: str
    source: str
    phi: Callable[..., Array]
    phi_prime: Callable[..., Array]
    code: Mapping[str, str]
    lower: float = -math.inf
    upper: float = math.inf
    parameters: Mapping[str, Parameter] = field(default_factory=lambda: NO_PARAMETERS)
    period_of: Callable[..., float] = lambda **params: math.inf  # of its parameters
    dies: bool = False  # exactly zero value and derivative for all z <= 0
    remark: str = ""

    def value(self, z: Array, **params: Any) -> Array:
        """phi(z), elementwise; same shape and dtype as ``z``."""
        return self.phi(z, **check_parameters(self.label, params, self.parameters))

    def derivative(self, z: Array, h: Array | None = None, **params: Any) -> Array:
        """phi'(z), elementwise; pass ``h = phi(z)`` where it is known already and some activations need less work."""
        params = check_parameters(self.label, params, self.parameters)
        return self.phi_prime(z, self.phi(z, **params) if h is None else h, **params)

    def period(self, **params: Any) -> float:
        """The distance at which phi repeats itself; infinite where it does not."""
        return self.period_of(**check_parameters(self.label, params, self.parameters))

    def radian(self, **params: Any) -> float:
        """By how much z moves a periodic phi by a radian, as 1/w0 of sin(w0 z); 1 for one that has no period."""
        period = self.period(**params)
        return period / (2 * math.pi) if math.isfinite(period) else 1.0

    @property
    def bounded(self) -> bool:
        """Whether phi has a finite lower and upper end."""
        return math.isfinite(self.lower) and math.isfinite(self.upper)

    @property
    def saturates(self) -> bool:
        """Whether phi has a finite lower and upper end and stays near them."""
        return self.bounded and math.isinf(self.period())

ACTIVATIONS: Mapping[str, ActivationFunction] = MappingProxyType({
    "linear": ActivationFunction(
        "Linear", r"z", "identity",
        phi=lambda z: z,
        phi_prime=lambda z, h: np.ones_like(z),
        code=code_in("z", "z", "z", "z")),
    "tanh": ActivationFunction(
        "tanh", r"\tanh z", "LeCun et al. 1998, section 4.4",
        phi=np.tanh,
        phi_prime=lambda z, h: 1 - h * h,
        code=code_in("np.tanh(z)", "torch.tanh(z)", "keras.ops.tanh(z)", "jnp.tanh(z)"),
        lower=-1, upper=1),
    "relu": ActivationFunction(
        "ReLU", r"\max(0, z)", "Nair and Hinton 2010",
        phi=lambda z: np.clip(z, 0, math.inf),  # several times faster than np.maximum(z, 0)
        phi_prime=lambda z, h: (z > 0).astype(z.dtype),
        code=code_in("np.maximum(z, 0)", "torch.relu(z)", "keras.ops.relu(z)", "jax.nn.relu(z)"),
        lower=0, dies=True),
    "leaky_relu": ActivationFunction(
        "Leaky ReLU", r"\max(0, z) + a\,\min(0, z)", "Maas, Hannun and Ng 2013",
        phi=lambda z, negative_slope: np.where(z > 0, z, negative_slope * z),
        phi_prime=lambda z, h, negative_slope: np.where(z > 0, z.dtype.type(1), z.dtype.type(negative_slope)),
        code=code_in("np.where(z > 0, z, {negative_slope} * z)",
                     "F.leaky_relu(z, {negative_slope})", "keras.ops.leaky_relu(z, {negative_slope})",
                     "jax.nn.leaky_relu(z, {negative_slope})"),
        parameters=MappingProxyType({"negative_slope": Parameter(
            "Leaky ReLU's slope", 0.01, Interval(0, 1),
            "Slope of Leaky ReLU below 0. He's variance takes it into account.", 0.01, setting="slope")})),
    "sigmoid": ActivationFunction(
        "Sigmoid", r"1 / (1 + e^{-z})", "Rumelhart, Hinton and Williams 1986",
        phi=_sigmoid,
        phi_prime=lambda z, h: h * (1 - h),
        code=code_in("(1 + np.tanh(z / 2)) / 2", "torch.sigmoid(z)", "keras.ops.sigmoid(z)", "jax.nn.sigmoid(z)"),
        lower=0, upper=1),
    "elu": ActivationFunction(
        "ELU", r"z \text{ if } z > 0 \text{ else } e^z - 1", "Clevert, Unterthiner and Hochreiter 2016",
        phi=_elu,
        phi_prime=lambda z, h: _elu_derivative(z),
        code=code_in("np.where(z > 0, z, np.expm1(np.minimum(z, 0)))", "F.elu(z)", "keras.ops.elu(z)", "jax.nn.elu(z)"),
        lower=-1),
    "selu": ActivationFunction(
        "SELU", r"\lambda z \text{ if } z > 0 \text{ else } \lambda\alpha(e^z - 1)", "Klambauer et al. 2017, eq. (2)",
        phi=lambda z: SELU_LAMBDA * _elu(z, SELU_ALPHA),
        phi_prime=lambda z, h: SELU_LAMBDA * _elu_derivative(z, SELU_ALPHA),
        code=code_in(
            f"{SELU_LAMBDA} * np.where(z > 0, z, {SELU_ALPHA} * np.expm1(np.minimum(z, 0)))",
            "F.selu(z)", "keras.ops.selu(z)", "jax.nn.selu(z)"),
        lower=-SELU_LAMBDA * SELU_ALPHA),
    "gelu": ActivationFunction(
        "GELU (erf form)", r"z\,\Phi(z)", "Hendrycks and Gimpel 2016, section 2",
        phi=lambda z: np.maximum(z, -FAR) * _normal_cdf(z),
        phi_prime=lambda z, h: _normal_cdf(z) + np.clip(z, -40, 40) * _normal_pdf(z),
        code=code_in("z * (1 + np.vectorize(math.erf)(z / np.sqrt(2))) / 2",
                     "F.gelu(z)", "keras.ops.gelu(z, approximate=False)", "jax.nn.gelu(z, approximate=False)"),
        lower=-0.17, remark="The exact form, PyTorch's default."),
    "gelu_tanh": ActivationFunction(
        "GELU (tanh form)",
        r"\tfrac{z}{2}\left(1 + \tanh u\right)\\ u = \sqrt{2/\pi}\,(z + 0.044715\,z^3)",
        "Hendrycks and Gimpel 2016, section 2",
        phi=_gelu_tanh,
        phi_prime=_gelu_tanh_derivative,
        code=code_in("z * (1 + np.tanh(np.sqrt(2 / np.pi) * (z + 0.044715 * z**3))) / 2",
                     'F.gelu(z, approximate="tanh")', "keras.ops.gelu(z, approximate=True)",
                     "jax.nn.gelu(z, approximate=True)"),
        lower=-0.1701, remark="An approximation of the erf form, at most 5e-4 away from it; JAX's default."),
    "silu": ActivationFunction(
        "SiLU (Swish)", r"z\,\sigma(z)", "Elfwing, Uchibe and Doya 2018; Ramachandran, Zoph and Le 2017",
        phi=_silu,
        phi_prime=_silu_derivative,
        code=code_in("z * (1 + np.tanh(z / 2)) / 2", "F.silu(z)", "keras.ops.silu(z)", "jax.nn.silu(z)"),
        lower=-0.2785),
    "softplus": ActivationFunction(
        "Softplus", r"\ln(1 + e^z)", "Dugas et al. 2001",
        phi=_softplus,
        phi_prime=lambda z, h: _sigmoid(z),
        code=code_in("np.logaddexp(0, z)", "F.softplus(z)", "keras.ops.softplus(z)", "jax.nn.softplus(z)"),
        lower=0),
    "softsign": ActivationFunction(
        "Softsign", r"z / (1 + |z|)", "Bergstra et al. 2009",
        phi=_softsign,
        phi_prime=_softsign_derivative,
        code=code_in("z / (1 + np.abs(z))", "F.softsign(z)", "keras.ops.softsign(z)", "jax.nn.soft_sign(z)"),
        lower=-1, upper=1),
    "hardtanh": ActivationFunction(
        "Hard tanh", r"\min(1, \max(-1, z))", "Collobert et al. 2011",
        phi=lambda z: np.clip(z, -1, 1),
        phi_prime=lambda z, h: (np.abs(z) < 1).astype(z.dtype),
        code=code_in("np.clip(z, -1, 1)", "F.hardtanh(z)", "keras.ops.clip(z, -1.0, 1.0)", "jnp.clip(z, -1, 1)"),
        lower=-1, upper=1),
    "lecun_tanh": ActivationFunction(
        "LeCun's tanh", r"1.7159\,\tanh(2z/3)", "LeCun et al. 1998, section 4.4",
        phi=lambda z: LECUN_SCALE * np.tanh(LECUN_SLOPE * z),
        phi_prime=lambda z, h: LECUN_SCALE * LECUN_SLOPE * (1 - (h / LECUN_SCALE) ** 2),
        code=code_in("1.7159 * np.tanh(2 * z / 3)",
                     "1.7159 * torch.tanh(2 * z / 3)",
                     "1.7159 * keras.ops.tanh(2 * z / 3)", "1.7159 * jnp.tanh(2 * z / 3)"),
        lower=-LECUN_SCALE, upper=LECUN_SCALE),
    "mish": ActivationFunction(
        "Mish", r"z \tanh(\ln(1 + e^z))", "Misra 2020",
        phi=_mish,
        phi_prime=_mish_derivative,
        code=code_in("z * np.tanh(np.logaddexp(0, z))", "F.mish(z)", "keras.activations.mish(z)", "jax.nn.mish(z)"),
        lower=-0.3089),
    "sine": ActivationFunction(
        "Sine", r"\sin(\omega_0 z)", "Sitzmann et al. 2020, section 3.2",
        phi=lambda z, w0: np.sin(_radians(z, w0)),
        phi_prime=lambda z, h, w0: w0 * np.cos(_radians(z, w0)),
        code=code_in("np.sin({w0} * z)", "torch.sin({w0} * z)", "keras.ops.sin({w0} * z)", "jnp.sin({w0} * z)"),
        lower=-1, upper=1, period_of=lambda w0: 2 * math.pi / w0,
        parameters=MappingProxyType({"w0": Parameter(
            "Sine's ω₀", 30.0, Interval(0.01, 1000), "Frequency: the sine runs through a period where z moves by "
            "2π/ω₀. SIREN's initialization takes it into account; 30 is its paper's.", slider=Interval(1, 100),
            setting="w0")})),
    "erf": ActivationFunction(
        "erf", r"\mathrm{erf}(z)", "Williams 1998, whose covariance of it has a closed form",
        phi=erf,
        phi_prime=lambda z, h: 2 / math.sqrt(math.pi) * np.exp(-np.clip(z, -30, 30) ** 2),
        code=code_in("np.vectorize(math.erf)(z)", "torch.erf(z)", "keras.ops.erf(z)", "jax.scipy.special.erf(z)"),
        lower=-1, upper=1),
})


def activation(key: str) -> ActivationFunction:
    """The activation function of that key; raises ValueError naming the known keys for any other."""
    return ACTIVATIONS[check("activation", key, ACTIVATIONS.keys())]
