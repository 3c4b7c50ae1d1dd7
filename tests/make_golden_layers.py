"""Makes golden_layers.json: passes through tuples of layers, computed with PyTorch's autograd in float64.

Run from the repository's root: ``python tests/make_golden_layers.py``. Needs PyTorch; reading the numbers does not. A
layer is written as ["dense", width], ["activation", key, parameters], ["layer" | "rms" | "batch"] for a normalization,
or ["residual", scale, learned, [layers of the branch]]. Arrays are made by the hash of hashed.py, so that the file
holds results alone. This file shares no line with the package.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import hashed
import numpy as np

FILE = Path(__file__).with_name("golden_layers.json")
EPS = 1e-5


def act(key="relu", **params):
    return ["activation", key, params]


def branch(width, norm=None, expansion=1, count=2, phi="relu", last_norm=False):
    """Layers of a residual branch: a norm, then dense layers with activations between them (or before a single one)."""
    inner = [[norm]] if norm else []
    if count == 1:
        return [*inner, act(phi), ["dense", width]]
    inner += [["dense", expansion * width], act(phi), ["dense", width]]
    return inner + ([[norm]] if norm and last_norm else [])


def network(kind, width=8, blocks=3, outputs=5, norm="layer", scale=1.0, learned=False, **more):
    """Embedding, blocks, and a last layer."""
    layers = [["dense", width]]
    for _ in range(blocks):
        if kind == "post":
            layers += [["residual", scale, learned, branch(width, None, **more)], [norm]]
        elif kind == "normalized":
            layers += [["dense", width], [norm], act(more.get("phi", "relu"))]
        else:
            layers.append(["residual", scale, learned, branch(width, norm if kind == "pre" else None, **more)])
    return [*layers, *([[norm]] if kind == "pre" else []), ["dense", outputs]]


def configurations():
    """Name, layers, and what differs from the defaults: 6 inputs, batch 7, softmax_ce."""
    for norm in ("layer", "rms", "batch"):
        for kind in ("pre", "post", "normalized"):
            for loss in ("softmax_ce", "mse"):
                yield f"{kind}_{norm}_{loss}", network(kind, norm=norm), {"loss": loss}
        yield f"pre_{norm}_expansion_4_one_more", network("pre", norm=norm, expansion=4, phi="gelu"), {}
        yield f"post_{norm}_one_layer_branch", network("post", norm=norm, count=1, phi="tanh"), {"loss": "mse"}
        yield f"pre_{norm}_last_norm_learned_0", network("pre", norm=norm, last_norm=True, scale=0.0, learned=True), {}
        yield f"pre_{norm}_batch_2", network("pre", norm=norm, phi="silu"), {"batch": 2}
        yield f"pre_{norm}_odd", network("pre", width=7, norm=norm, expansion=3, phi="elu"), {"batch": 9, "inputs": 11}
    for phi in ("relu", "tanh", "sigmoid", "gelu", "gelu_tanh", "silu", "selu", "softplus", "softsign", "mish", "erf",
                "hardtanh"):
        yield f"residual_{phi}", network("none", phi=phi, scale=0.5), {"loss": "mse" if phi > "rz" else "softmax_ce"}
    yield "residual_leaky_relu", [["dense", 8], ["residual", 1.0, False, [
        ["dense", 8], act("leaky_relu", negative_slope=0.2), ["dense", 8]]], ["dense", 3]], {}
    yield "residual_one_layer", network("none", count=1, scale=1 / math.sqrt(3)), {}
    yield "residual_expansion_4", network("none", expansion=4, scale=1 / 3), {"loss": "mse"}
    yield "residual_learned_0", network("none", scale=0.0, learned=True), {}
    yield "residual_learned_0_tanh", network("none", scale=0.0, learned=True, phi="tanh", count=1), {"loss": "mse"}
    yield "residual_learned_half", network("none", scale=0.5, learned=True), {"batch": 2}
    yield "residual_negative", network("none", scale=-0.7), {}
    yield "deep_pre_layer_64", network("pre", width=6, blocks=64, scale=0.125), {"batch": 4, "brief": True}
    yield "deep_post_rms_64", network("post", width=6, blocks=64, norm="rms", phi="tanh"), {"batch": 4, "brief": True}
    yield "deep_residual_64", network("none", width=6, blocks=64, scale=1 / 8), {"batch": 4, "brief": True}
    yield "deep_batch_16", network("normalized", width=6, blocks=16, norm="batch", phi="tanh"), {"batch": 12}
    yield "nested", [["dense", 6], ["residual", 0.5, True, [["dense", 6], ["residual", 1.0, False, [
        ["layer"], act("tanh"), ["dense", 6]]], act("relu"), ["dense", 6]]], ["rms"], ["dense", 2]], {"loss": "mse"}
    yield "norm_first", [["layer"], ["dense", 5], act("tanh"), ["batch"], ["dense", 4]], {"batch": 3}
    yield "width_1", [["dense", 1], ["residual", 1.0, False, [["dense", 1], act("tanh")]], ["dense", 3]], {}
    yield "plain", [["dense", 9], act("tanh"), ["dense", 9], act("relu"), ["dense", 4]], {}


def shapes(layers, width, path=""):
    """Name, shape, role and (for a scale) value of each parameter, and the width of the output."""
    found = []
    for index, (kind, *rest) in enumerate(layers):
        here = f"{path}{index}."
        if kind == "dense":
            found += [(here + "weight", (width, rest[0]), "weight", None), (here + "bias", (rest[0],), "bias", None)]
            width = rest[0]
        elif kind == "residual":
            scale, learned, inner = rest
            found += shapes(inner, width, here)[0]
            if learned:
                found.append((here + "scale", (), "scale", scale))
        elif kind != "activation":
            found.append((here + "weight", (width,), "gamma", None))
            if kind != "rms":
                found.append((here + "bias", (width,), "bias", None))
    return found, width


def arrays(config):
    """Parameters by name, inputs and targets of one configuration."""
    seed, batch = config["seed"], config["batch"]
    named, outputs = shapes(config["layers"], config["inputs"])
    parameters = {}
    for tensor, (name, shape, role, value) in enumerate(named, 10):
        unit = hashed.unit_uniform(seed, tensor, shape) if shape else None
        parameters[name] = {"weight": lambda u=unit, s=shape: u / math.sqrt(s[0]), "bias": lambda u=unit: 0.1 * u,
                            "gamma": lambda u=unit: 1 + 0.2 * u, "scale": lambda v=value: np.array(v)}[role]()
    x = hashed.unit_uniform(seed, 5000, (batch, config["inputs"]))
    targets = (np.arange(batch) % outputs if config["loss"] == "softmax_ce"
               else hashed.unit_uniform(seed, 6000, (batch, outputs)))
    return parameters, x, targets


def passed(layers, parameters, x, path, seen):
    """The output of a chain, in PyTorch; ``seen`` collects the output of every layer."""
    import torch
    from torch.nn import functional

    functions = {"tanh": torch.tanh, "sigmoid": torch.sigmoid, "erf": torch.erf,
                 "gelu_tanh": lambda z: functional.gelu(z, approximate="tanh")}
    for index, (kind, *rest) in enumerate(layers):
        here = f"{path}{index}"
        get = lambda name, here=here: parameters[f"{here}.{name}"]  # noqa: E731
        if kind == "dense":
            x = functional.linear(x, get("weight").T, get("bias"))
        elif kind == "activation":
            key, params = rest
            x = functions.get(key, getattr(functional, key, None))(x, **params)
        elif kind == "layer":
            x = functional.layer_norm(x, x.shape[-1:], get("weight"), get("bias"), EPS)
        elif kind == "rms":
            x = functional.rms_norm(x, x.shape[-1:], get("weight"), EPS)
        elif kind == "batch":
            x = functional.batch_norm(x, None, None, get("weight"), get("bias"), training=True, eps=EPS)
        else:
            scale, learned, inner = rest
            x = x + (get("scale") if learned else scale) * passed(inner, parameters, x, f"{here}.", seen)
        seen[here] = x
    return x


def summary(array):
    """Length, first entry, and the product with a direction that no two entries share."""
    direction = np.sin(1 + np.arange(array.size))
    return [float(np.linalg.norm(array)), float(array.flat[0]), float(array.ravel() @ direction)]


def computed(config):
    """Loss, output, gradients and activations of one configuration, by PyTorch."""
    import torch
    from torch.nn import functional

    parameters, x, targets = arrays(config)
    leaves = {name: torch.tensor(array, dtype=torch.float64, requires_grad=True) for name, array in parameters.items()}
    entry = torch.tensor(x, requires_grad=True)
    seen = {}
    output = passed(config["layers"], leaves, entry, "", seen)
    losses = {"softmax_ce": functional.cross_entropy, "mse": functional.mse_loss}
    loss = losses[config["loss"]](output, torch.tensor(targets))
    loss.backward()
    keep = (lambda name, index: index % 16 < 7) if config["brief"] else (lambda name, index: True)
    return {"loss": loss.item(), "output": summary(output.detach().numpy()), "input": summary(entry.grad.numpy()),
            "gradients": {name: summary(leaf.grad.numpy()) for index, (name, leaf) in enumerate(leaves.items())
                          if keep(name, index)},
            "activations": {path: summary(array.detach().numpy()) for index, (path, array) in enumerate(seen.items())
                            if keep(path, index)}}


def main():
    import torch

    cases = []
    for seed, (name, layers, more) in enumerate(configurations(), 1):
        config = {"name": name, "layers": layers, "inputs": 6, "batch": 7, "loss": "softmax_ce", "seed": seed,
                  "brief": False} | more
        cases.append({"config": config, "result": computed(config)})
    rows = ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases)
    FILE.write_text(f'{{"torch": "{torch.__version__}", "dtype": "float64", "cases": [\n{rows}\n]}}\n')


if __name__ == "__main__":
    main()
