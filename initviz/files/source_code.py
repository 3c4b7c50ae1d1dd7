"""A network as source code in four frameworks, complete and runnable, and its parameters as a file.

What draws a weight and what an activation is in a framework stand in the two tables; here is only what lies between.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from string import Template
from textwrap import indent
from types import MappingProxyType
from typing import Any

import numpy as np

from initviz.core.activations import ACTIVATIONS
from initviz.core.arrays import Array
from initviz.core.frameworks import FRAMEWORKS
from initviz.core.initializers import INITIALIZERS
from initviz.core.network import Network
from initviz.core.validation import check

_NUMPY = '''"""$title, in NumPy."""
$imports

SIZES = $sizes


def draw(rng, fan_in, fan_out$first):
    """Weights (fan_in, fan_out) and biases (fan_out,) of one layer."""
$weight
    b = $bias
    return $scaled, b


def activate(z):
    return $activation


def forward(x, parameters):
    """Outputs (batch, outputs) of inputs (batch, inputs); the last layer is linear."""
    for layer, (W, b) in enumerate(parameters, 1):
        x = x @ W + b
        if layer < len(parameters):
            x = activate(x)
    return x


rng = np.random.default_rng($seed)
parameters = [draw(rng, fan_in, fan_out$is_first) for $shapes]

if __name__ == "__main__":
    outputs = forward(rng.standard_normal((256, SIZES[0])), parameters)
    print("standard deviation of the outputs:", outputs.std())
'''

_PYTORCH = '''"""$title, in PyTorch."""
$imports

SIZES = $sizes


class Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = torch.nn.ModuleList(
            torch.nn.Linear(fan_in, fan_out) for fan_in, fan_out in zip(SIZES[:-1], SIZES[1:]))
        for $loop in $layers:
            draw(layer, layer.in_features, layer.out_features$is_first)

    def forward(self, z):
        for layer in self.layers[:-1]:
            z = layer(z)
            z = $activation
        return self.layers[-1](z)  # linear


def draw(layer, fan_in, fan_out$first):
    """Draw a layer's weight (fan_out, fan_in) and bias (fan_out,)."""
$weight
    with torch.no_grad():
$scaled        layer.bias.copy_($bias)


torch.manual_seed($seed)
network = Network()

if __name__ == "__main__":
    with torch.no_grad():
        outputs = network(torch.randn(256, SIZES[0]))
    print("standard deviation of the outputs:", outputs.std().item())
'''

_KERAS = '''"""$title, in Keras 3."""
$imports

SIZES = $sizes


def activate(z):
    return $activation


def draw(fan_in, fan_out$first):
    """An initializer of kernels (fan_in, fan_out): one a layer, as an initializer returns the same values twice."""
$weight
    return initializer


keras.utils.set_random_seed($seed)
network = keras.Sequential([keras.Input((SIZES[0],))])
for fan_in, fan_out in zip(SIZES[:-1], SIZES[1:]):
    last = len(network.layers) == len(SIZES) - 2
    layer = keras.layers.Dense(fan_out, None if last else activate, kernel_initializer=draw(fan_in, fan_out$is_first))
    network.add(layer)
$scaled    layer.bias.assign($bias)

if __name__ == "__main__":
    outputs = network(keras.random.normal((256, SIZES[0])))
    print("standard deviation of the outputs:", float(keras.ops.std(outputs)))
'''

_JAX = '''"""$title, in JAX."""
$imports

SIZES = $sizes


def draw(key, fan_in, fan_out$first):
    """Weights (fan_in, fan_out) and biases (fan_out,) of one layer."""
    key, bias_key, noise_key = jax.random.split(key, 3)
$weight
    b = $bias
    return $scaled, b


def activate(z):
    return $activation


def forward(parameters, x):
    """Outputs (batch, outputs) of inputs (batch, inputs); the last layer is linear."""
    for W, b in parameters[:-1]:
        x = activate(x @ W + b)
    W, b = parameters[-1]
    return x @ W + b


keys = jax.random.split(jax.random.key($seed), len(SIZES))
parameters = [draw(key, fan_in, fan_out$is_first) for $shapes]

if __name__ == "__main__":
    outputs = forward(parameters, jax.random.normal(keys[0], (256, SIZES[0])))
    print("standard deviation of the outputs:", outputs.std())
'''

# What a script may import, by how its text names it: only what it uses is imported.
_IMPORTS = {
    "NumPy": {"math.": "import math", "np.": "import numpy as np"},
    "PyTorch": {"math.": "import math", "np.": "import numpy as np", "torch.": "import torch",
                "F.": "import torch.nn.functional as F"},
    "Keras": {"math.": "import math", "keras.": "import keras", "np.": "import numpy as np"},
    "JAX": {"math.": "import math", "jax.": "import jax", "jnp.": "import jax.numpy as jnp",
            "np.": "import numpy as np"},
}
_STANDARD = ("import math",)

# Per framework: the script; the name that a weight's expression is given; a bias of zeros; a bias's noise; how the
# weights are multiplied by the gain ({} is the gain), and what stands there where it is 1.
_FRAMES: Mapping[str, tuple[str, str, str, str, str, str]] = MappingProxyType({
    "NumPy": (_NUMPY, "W", "np.zeros(fan_out)", "rng.standard_normal(fan_out)", "{} * W", "W"),
    "PyTorch": (_PYTORCH, "", "torch.zeros(fan_out)", "torch.randn(fan_out)",
                "        layer.weight.mul_({})\n", ""),
    "Keras": (_KERAS, "initializer", "keras.ops.zeros(fan_out)", "keras.random.normal((fan_out,))",
              "    layer.kernel.assign({} * layer.kernel)\n", ""),
    "JAX": (_JAX, "W", "jnp.zeros(fan_out)", "jax.random.normal(noise_key, (fan_out,))", "{} * W", "W"),
})
# Per framework: what draw is given where the first layer has a law of its own, and where the last has; the loop over
# the layers' shapes, plain and numbered.
_FIRST: Mapping[str, tuple[str, str, str, str]] = MappingProxyType({
    "NumPy": (", first=layer == 0", ", last=layer == len(SIZES) - 2", "fan_in, fan_out in zip(SIZES[:-1], SIZES[1:])",
              "layer, (fan_in, fan_out) in enumerate(zip(SIZES[:-1], SIZES[1:]))"),
    "PyTorch": (", first=layer is self.layers[0]", ", last=layer is self.layers[-1]", "", ""),
    "Keras": (", first=not network.layers", ", last=last", "", ""),
    "JAX": (", first=layer == 0", ", last=layer == len(SIZES) - 2",
            "key, fan_in, fan_out in zip(keys[1:], SIZES[:-1], SIZES[1:])",
            "layer, (key, fan_in, fan_out) in enumerate(zip(keys[1:], SIZES[:-1], SIZES[1:]))"),
})
# Per framework: what draw is given of a layer's gain and bias; these by name, the bias as an array.
_EACH: Mapping[str, tuple[str, str, str]] = MappingProxyType({
    "NumPy": (", gain=GAINS[layer], bias=BIASES[layer]", "gain", "np.asarray(bias)"),
    "PyTorch": (", gain=GAINS[index], bias=BIASES[index]", "gain", "torch.tensor(bias)"),
    "Keras": ("", "GAINS[len(network.layers) - 1]",
              "keras.ops.convert_to_tensor(BIASES[len(network.layers) - 1])"),
    "JAX": (", gain=GAINS[layer], bias=BIASES[layer]", "gain", "jnp.asarray(bias)"),
})
assert tuple(_FRAMES) == tuple(_FIRST) == tuple(_EACH) == FRAMEWORKS


def _imports(framework: str, text: str) -> str:
    """The imports that a script's text needs, the standard library's first."""
    lines = [line for prefix, line in _IMPORTS[framework].items() if re.search(rf"(?<![\w.]){re.escape(prefix)}", text)]
    groups = [sorted(line for line in lines if (line in _STANDARD) == standard) for standard in (True, False)]
    return "\n" + "\n\n".join("\n".join(group) for group in groups if group)


def law_lines(initializer: str, params: Mapping[str, Any], bias: float | str, bias_std: float,
              framework: str, *, knows_first: bool = False) -> tuple[str, str]:
    """The lines that draw a layer's weight and the expression of its bias, in that framework.

    ``bias`` is a number, or an expression of one. Where the first layer has a law of its own the lines read
    ``first``; with ``knows_first`` the function around them has an argument of that name, else it is set to False.
    """
    _, name, zeros, noise, _, _ = _FRAMES[framework]
    entry = INITIALIZERS[initializer]
    weight = entry.code[framework].format(**dict(params))
    if name and f"{name} = " not in weight and f"def {name}(" not in weight:
        weight = f"{name} = {weight}"
    if entry.first_law and not knows_first:
        weight = f"first = False\n{weight}"
    terms = [entry.bias_code[framework]] if entry.bias_code else []
    terms += [f"{bias_std!r} * {noise}"] if bias_std else []
    if bias or not terms:
        terms = [f"{zeros} + {bias if isinstance(bias, str) else repr(bias)}" if bias else zeros, *terms]
    return weight, " + ".join(terms)


def with_imports(framework: str, script: str) -> str:
    """A script whose text has $imports, with the imports that it needs."""
    return Template(script).substitute(imports=_imports(framework, script))


def code(network: Network, framework: str) -> str:
    """The whole script: draws the network by the same law, with its gain and biases, and sends a batch forward.

    Draws are the framework's own, so that values differ from NumPy's and moments do not. ValueError for a framework
    that is not one of FRAMEWORKS.
    """
    script, _, _, _, scaled, plain = _FRAMES[check("framework", framework, FRAMEWORKS)]
    phi, depth = ACTIVATIONS[network.activation], network.depth
    first, last, shapes, numbered = _FIRST[framework]
    loop_arguments, gain_name, bias_name = _EACH[framework]
    gain, each_bias = network.gain, network.bias
    per_layer = isinstance(gain, tuple) or isinstance(each_bias, tuple)
    laws = [network.initializer_of(layer) for layer in (0, *([depth - 1] if network.output_initializer else []))]
    apart = any(INITIALIZERS[key].first_law for key, _ in laws)
    own_bias = bias_name if per_layer or isinstance(each_bias, tuple) else each_bias
    lines = [law_lines(key, params, own_bias, network.bias_std, framework, knows_first=apart) for key, params in laws]
    weight, bias = lines[0]
    if len(lines) > 1:
        weight = "\n".join(["if last:", indent(lines[1][0], "    "), "else:", indent(weight, "    ")])
        bias = bias if bias == lines[1][1] else f"({lines[1][1]}) if last else ({bias})"
    named = [*(["first"] if apart else []), *(["last"] if len(lines) > 1 else []),
             *(["gain", "bias"] if per_layer and loop_arguments else [])]
    constants = "".join(f"\n{name} = {values!r}" for name, values in (
        ("GAINS", tuple(map(network.gain_of, range(depth)))), ("BIASES", tuple(map(network.bias_of, range(depth)))))
        if per_layer)
    labels = " and ".join(INITIALIZERS[key].label for key in dict.fromkeys(key for key, _ in laws))
    parts = {
        "first": "".join(f", {name}" for name in named),
        "is_first": (first if apart else "") + (last if len(lines) > 1 else "") + (loop_arguments if per_layer else ""),
        "loop": "index, layer" if per_layer else "layer",
        "layers": "enumerate(self.layers)" if per_layer else "self.layers",
        "shapes": numbered if apart or per_layer or len(lines) > 1 else shapes,
        "title": f"{'-'.join(map(str, network.sizes))}, {phi.label}, {labels}",
        "sizes": repr(network.sizes) + constants, "weight": indent(weight, "    "), "bias": bias,
        "seed": str(network.seed), "activation": phi.code[framework].format(**dict(network.activation_params)),
        "scaled": scaled.format(gain_name) if per_layer else plain if gain == 1 else scaled.format(repr(gain))}
    return with_imports(framework, Template(script).substitute(parts, imports="$imports"))


def state_dict(weights: Sequence[Array], biases: Sequence[Array]) -> bytes:
    """The parameters as an .npz whose names and shapes (fan_out, fan_in) are those of the PyTorch script's network.

    ``network.load_state_dict({name: torch.from_numpy(array) for name, array in numpy.load(file).items()})`` reads it.
    """
    arrays: dict[str, Any] = {}
    for layer, (w, b) in enumerate(zip(weights, biases, strict=True)):
        arrays |= {f"layers.{layer}.weight": np.ascontiguousarray(w.T), f"layers.{layer}.bias": b}
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()
