"""The table of normalizations of blocks: a new one is a kind of layer and one entry here.

From that follow the choice in the app, its place in the address, the command line, and the code in each framework.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from initviz.core.frameworks import code_in
from initviz.core.layers.kinds import BatchNorm, LayerNorm, Norm, RMSNorm


@dataclass(frozen=True)
class Normalization:
    """One normalization: the kind of layer, what it makes of neurons that are copies of one another, and its code.

    ``of_copies`` follows the layer's name in a sentence. ``code`` maps a framework to a function ``{name}(width, eps,
    weight=1.0)``, which gives the layer; in NumPy and JAX that is a function of the signal, and ``parameter`` notes an
    array that is learned.
    """

    layer: type[Norm]
    of_copies: str
    code: Mapping[str, str]

    @property
    def label(self) -> str:
        """The layer's name."""
        return self.layer.label


def _code(arrays: str, torch: str, keras: str) -> Mapping[str, str]:
    """One text for each framework; NumPy and JAX differ in the module's name alone, which is xp in ``arrays``."""
    return code_in(arrays.replace("xp.", "np."), torch, keras, arrays.replace("xp.", "jnp."))


def _torch(kind: str) -> str:
    return f'''
def {{name}}(width, eps, weight=1.0):
    norm = torch.nn.{kind}(width, eps=eps)
    torch.nn.init.constant_(norm.weight, weight)
    return norm
'''


def _keras(kind: str) -> str:
    return f'''
def {{name}}(width, eps, weight=1.0):
    return keras.layers.{kind}(epsilon=eps, gamma_initializer=keras.initializers.Constant(weight))
'''


NORMALIZATIONS: Mapping[str, Normalization] = MappingProxyType({
    "layer": Normalization(
        LayerNorm, "subtracts the mean over a sample's neurons, which of copies leaves 0 (or round-off) over the root "
        "of ε: what it is given is lost",
        _code('''
def {name}(width, eps, weight=1.0):
    gamma, beta = parameter(xp.full(width, weight)), parameter(xp.zeros(width))
    return lambda x: (x - x.mean(-1, keepdims=True)) / xp.sqrt(x.var(-1, keepdims=True) + eps) * gamma + beta
''', _torch("LayerNorm"), _keras("LayerNormalization"))),
    "rms": Normalization(
        RMSNorm, "divides copies by their own size, which leaves 1 or −1: of a sample only its sign is kept",
        _code('''
def {name}(width, eps, weight=1.0):
    gamma = parameter(xp.full(width, weight))
    return lambda x: x / xp.sqrt((x * x).mean(-1, keepdims=True) + eps) * gamma
''', _torch("RMSNorm"), '''
def {name}(width, eps, weight=1.0):
    norm = keras.layers.RMSNormalization(epsilon=eps)
    norm.build((None, width))
    norm.scale.assign(keras.ops.full((width,), weight))
    return norm
''')),
    "batch": Normalization(
        BatchNorm, "scales each neuron by itself over the batch, and copies alike",
        _code('''
def {name}(width, eps, weight=1.0):
    """By the mean and variance of the batch, as in training."""
    gamma, beta = parameter(xp.full(width, weight)), parameter(xp.zeros(width))
    return lambda x: (x - x.mean(0)) / xp.sqrt(x.var(0) + eps) * gamma + beta
''', _torch("BatchNorm1d"), _keras("BatchNormalization"))),
})
