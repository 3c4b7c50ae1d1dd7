"""A network of blocks as source code in four frameworks, complete and runnable.

All four scripts have one shape: small functions that make a layer, one function that makes a block, and a chain of
them. What draws a weight and what an activation is stand in the tables; here is only what lies between.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import Template
from textwrap import indent
from types import MappingProxyType
from typing import Any, cast

from initviz.core.activations import ACTIVATIONS
from initviz.core.architecture import KINDS, Architecture
from initviz.core.frameworks import FRAMEWORKS
from initviz.core.initializers import INITIALIZERS
from initviz.core.layers import NORMALIZATIONS, Activation, Dense, Layer, Residual, walk
from initviz.core.layers.chain import chain_width
from initviz.core.schemes import SCHEMES
from initviz.core.validation import check
from initviz.files.source_code import law_lines, with_imports

_BODY = '''

def block():
    """The layers of one block."""
    return [
$block]


layers = [
$first]
for _ in range($blocks):
    layers += block()
layers += [
$last]
'''

_NUMPY = '''"""$title, in NumPy."""
$$imports

rng = np.random.default_rng($seed)
parameters = []  # in the order of the layers


def parameter(array):
    parameters.append(array)
    return array


$laws$helpers$body

if __name__ == "__main__":
    outputs = chain(layers, rng.standard_normal((256, $inputs)))
    print("standard deviation of the outputs:", outputs.std())
'''

_PYTORCH = '''"""$title, in PyTorch."""
$$imports

torch.manual_seed($seed)


$laws$helpers$body
network = torch.nn.Sequential(*layers)

if __name__ == "__main__":
    with torch.no_grad():
        outputs = network(torch.randn(256, $inputs))
    print("standard deviation of the outputs:", outputs.std().item())
'''

_KERAS = '''"""$title, in Keras 3."""
$$imports

keras.utils.set_random_seed($seed)


$laws$helpers$body
entry = keras.Input(($inputs,))
network = keras.Model(entry, chain(layers, entry))

if __name__ == "__main__":
    outputs = network(keras.random.normal((256, $inputs)), training=True)
    print("standard deviation of the outputs:", float(keras.ops.std(outputs)))
'''

_JAX = '''"""$title, in JAX."""
$$imports

keys = iter(jax.random.split(jax.random.key($seed), $draws))
parameters = []  # in the order of the layers


def parameter(array):
    parameters.append(array)
    return array


$laws$helpers$body

if __name__ == "__main__":
    outputs = chain(layers, jax.random.normal(next(keys), (256, $inputs)))
    print("standard deviation of the outputs:", outputs.std())
'''

_CHAIN = '''
def chain(layers, x):
    for layer in layers:
        x = layer(x)
    return x
'''

_ARRAYS = {  # NumPy and JAX differ in the module's name alone; xp is it
    "dense": '''
def dense(fan_in, fan_out, draw):
    W, b = draw(fan_in, fan_out)
    W, b = parameter(W), parameter(b)
    return lambda x: x @ W + b
''',
    "activation": '''
def activation():
    return lambda z: $activation
''',
    "residual": '''
def residual(branch, scale, learned):
    """x + scale * branch(x)."""
    scale = parameter(xp.array(scale)) if learned else scale
    return lambda x: x + scale * chain(branch, x)
''',
}


def _arrays(module: str) -> Mapping[str, str]:
    return MappingProxyType({name: text.replace("xp.", f"{module}.") for name, text in _ARRAYS.items()})


_TORCH = {
    "dense": '''
def dense(fan_in, fan_out, draw):
    layer = torch.nn.Linear(fan_in, fan_out)
    draw(layer, fan_in, fan_out)
    return layer
''',
    "activation": '''
class Activation(torch.nn.Module):
    def forward(self, z):
        return $activation


def activation():
    return Activation()
''',
    "residual": '''
class Residual(torch.nn.Sequential):
    """x + scale * branch(x)."""

    def __init__(self, branch, scale, learned):
        super().__init__(*branch)
        self.scale = torch.nn.Parameter(torch.tensor(scale)) if learned else scale

    def forward(self, x):
        return x + self.scale * super().forward(x)


def residual(branch, scale, learned):
    return Residual(branch, scale, learned)
''',
}

_KERAS_LAYERS = {
    "dense": '''
def dense(fan_in, fan_out, draw):
    initializer, gain, bias = draw(fan_in, fan_out)
    layer = keras.layers.Dense(fan_out, kernel_initializer=initializer)
    layer.build((None, fan_in))
    layer.kernel.assign(gain * layer.kernel)
    layer.bias.assign(bias)
    return layer
''',
    "activation": '''
def activation():
    return keras.layers.Activation(lambda z: $activation)
''',
    "residual": '''
class Scale(keras.layers.Layer):
    def __init__(self, scale, learned):
        super().__init__()
        self.scale = self.add_weight(shape=(), initializer=keras.initializers.Constant(scale), trainable=learned)

    def call(self, x):
        return self.scale * x


def residual(branch, scale, learned):
    """x + scale * branch(x)."""
    scaled = Scale(scale, learned)
    return lambda x: x + scaled(chain(branch, x))
''',
}

_LAWS: Mapping[str, str] = MappingProxyType({
    "NumPy": '''
def $name(fan_in, fan_out):
    """$label: weights (fan_in, fan_out) and biases (fan_out,) of one layer."""
$weight
    b = $bias
    return ${times}W, b
''',
    "PyTorch": '''
def $name(layer, fan_in, fan_out):
    """$label: draw a layer's weight (fan_out, fan_in) and bias (fan_out,)."""
$weight
    with torch.no_grad():
$multiplied        layer.bias.copy_($bias)
''',
    "Keras": '''
def $name(fan_in, fan_out):
    """$label: an initializer of kernels (fan_in, fan_out), what multiplies them, and the bias (fan_out,)."""
$weight
    return initializer, $gain, $bias
''',
    "JAX": '''
def $name(fan_in, fan_out):
    """$label: weights (fan_in, fan_out) and biases (fan_out,) of one layer."""
    key, bias_key, noise_key = jax.random.split(next(keys), 3)
$weight
    b = $bias
    return ${times}W, b
''',
})


@dataclass(frozen=True)
class _Frame:
    """The script of one framework, its functions that make layers, and whether it needs ``chain``."""

    script: str
    helpers: Mapping[str, str]
    chain: bool


_FRAMES: Mapping[str, _Frame] = MappingProxyType({
    "NumPy": _Frame(_NUMPY, _arrays("np"), True), "PyTorch": _Frame(_PYTORCH, _TORCH, False),
    "Keras": _Frame(_KERAS, _KERAS_LAYERS, True), "JAX": _Frame(_JAX, _arrays("jnp"), True)})

_NORM_NAMES: Mapping[type[Layer], str] = MappingProxyType(
    {entry.layer: f"{key}_norm" for key, entry in NORMALIZATIONS.items()})
_Law = tuple[str, tuple[tuple[str, Any], ...], float]


def _law(layer: Dense) -> _Law:
    """The law by which a dense layer is drawn, without its width: initializer, parameters and gain."""
    return layer.initializer, tuple(dict(layer.initializer_params).items()), layer.gain


def _expressions(layers: Sequence[Layer], width: int, names: Mapping[_Law, str]) -> str:
    """The lines of a list of layers, each ended by a comma."""
    lines = []
    for layer in layers:
        if isinstance(layer, Dense):
            lines.append(f"dense({width}, {layer.width}, {names[_law(layer)]}),\n")
        elif isinstance(layer, Activation):
            lines.append("activation(),\n")
        elif isinstance(layer, Residual):
            inner = indent(_expressions(layer.branch, width, names), "    ")
            lines.append(f"residual([\n{inner}], {layer.scale!r}, {layer.learned}),\n")
        else:
            norm: Any = layer
            weight = "" if norm.weight == 1 else f", {norm.weight!r}"
            lines.append(f"{_NORM_NAMES[type(layer)]}({width}, {norm.eps!r}{weight}),\n")
        width = layer.output_width(width)
    return "".join(lines)


def _helper_of(layer: Layer) -> str:
    named: Mapping[type[Layer], str] = {Dense: "dense", Activation: "activation", Residual: "residual", **_NORM_NAMES}
    return named[type(layer)]


def block_code(network: Architecture, framework: str) -> str:
    """The whole script: draws the network by the same laws, and sends a batch forward.

    Draws are the framework's own, so that values differ from NumPy's and moments do not. Of the PyTorch script the
    names of the network's state dict are those of ``network.draw()``; its weights are (fan_out, fan_in). ValueError
    for a framework that is not one of FRAMEWORKS.
    """
    frame = _FRAMES[check("framework", framework, FRAMEWORKS)]
    dense = [layer for _, layer, _ in walk(network.layers, network.inputs) if isinstance(layer, Dense)]
    laws = list(dict.fromkeys(map(_law, dense)))
    names = {law: "draw" if len(laws) == 1 else f"draw_{index}" for index, law in enumerate(laws, 1)}
    used = {_helper_of(layer) for _, layer, _ in walk(network.layers, network.inputs)}
    texts = dict(frame.helpers) | {name: entry.code[framework].replace("{name}", name)
                                   for entry in NORMALIZATIONS.values() if (name := _NORM_NAMES[entry.layer])}
    helpers = [text for name, text in texts.items() if name in used]
    expression = ACTIVATIONS[network.activation].code[framework].format(**dict(network.activation_params))
    first, block, last = (
        indent(_expressions(layers, width, names), " " * spaces)
        for layers, width, spaces in zip(_parts(network), _widths(network), (4, 8, 4), strict=True))
    body = Template(_BODY).substitute(block=block + "    ", first=first, last=last, blocks=network.blocks)
    parts = {
        "title": _title(network), "seed": network.seed, "inputs": network.inputs, "body": body,
        "draws": len(dense) + 1, "laws": "\n".join(_law_code(network, law, names[law], framework)
                                                    for law in laws).lstrip("\n"),
        "helpers": "\n" + "\n".join([*([_CHAIN] if frame.chain else []), *helpers]).replace(
            "$activation", expression)}
    return with_imports(framework, Template(frame.script).substitute(parts))


def _parts(network: Architecture) -> tuple[Sequence[Layer], ...]:
    """The layers before the blocks, of one block, and after the blocks."""
    paths = network.stages
    first, size = len(paths[0]), len(paths[1])
    return network.layers[:first], network.layers[first:first + size], network.layers[-len(paths[-1]):]


def _widths(network: Architecture) -> tuple[int, int, int]:
    """The widths that those are given."""
    return network.inputs, network.width, chain_width(network.layers[:-len(network.stages[-1])], network.inputs)


def _title(network: Architecture) -> str:
    layers = [layer for _, layer, _ in walk(network.layers, network.inputs)]
    initializers = {layer.initializer for layer in layers if isinstance(layer, Dense)}
    label = INITIALIZERS[network.initializer].label
    terms = [f"{network.blocks} blocks ({KINDS[network.kind].label})", f"width {network.width}",
             ACTIVATIONS[network.activation].label, *([label] if network.initializer in initializers else []),
             *([SCHEMES[network.scheme].label] if network.scheme != "none" else [])]
    return ", ".join(dict.fromkeys(terms))


def _law_code(network: Architecture, law: _Law, name: str, framework: str) -> str:
    initializer, params, gain = law
    weight, bias = law_lines(initializer, dict(params), cast(float, network.bias), network.bias_std, framework)
    return Template(_LAWS[framework]).substitute(
        name=name, label=INITIALIZERS[initializer].label, weight=indent(weight, "    "), bias=bias, gain=repr(gain),
        times="" if gain == 1 else f"{gain!r} * ",
        multiplied="" if gain == 1 else f"        layer.weight.mul_({gain!r})\n")


