"""Arrays of golden.json, rebuilt from its counter-based hash (splitmix64): bit-exact in any language."""

from __future__ import annotations

import numpy as np


def uniform01(seed: int, tensor: int, count: int) -> np.ndarray:
    x = np.uint64((seed << 48) + (tensor << 32)) + np.arange(count, dtype=np.uint64)
    z = (x + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    return (z >> np.uint64(11)).astype(float) * 2.0**-53


def unit_uniform(seed: int, tensor: int, shape: tuple[int, ...]) -> np.ndarray:
    return (np.sqrt(3) * (2 * uniform01(seed, tensor, int(np.prod(shape))) - 1)).reshape(shape)


def unit_normal(seed: int, tensor: int, shape: tuple[int, ...]) -> np.ndarray:
    u = uniform01(seed, tensor, 2 * int(np.prod(shape)))
    return (np.sqrt(-2 * np.log(1 - u[::2])) * np.cos(2 * np.pi * u[1::2])).reshape(shape)


def _weights(scheme: dict, seed: int, layer: int, fan_in: int, fan_out: int) -> np.ndarray:
    name, gain, shape = scheme["scheme"], scheme.get("gain", 1.0), (fan_in, fan_out)
    i, j = np.arange(fan_in)[:, None], np.arange(fan_out)[None, :]
    fan = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[scheme.get("fan", "fan_in")]
    if name == "hash_uniform":
        return gain / np.sqrt(fan) * unit_uniform(seed, 10 + layer, shape)
    if name == "hash_normal":
        return gain / np.sqrt(fan) * unit_normal(seed, 10 + layer, shape)
    if name == "sin":
        return gain * np.sin(7 * i + 3 * j + 11 * layer) / np.sqrt(fan_in)
    if name == "sin_full":
        return gain * np.sqrt(2) * np.sin(1 + (i + 1) * (j + 1) * np.sqrt(2) + 11 * layer) / np.sqrt(fan_in)
    if name == "constant":
        return np.full(shape, scheme["value"])
    if name == "identity":
        return gain * np.eye(fan_in, fan_out)
    if name == "householder":
        v = unit_uniform(seed, 10 + layer, (max(shape),))
        return (gain * (np.eye(len(v)) - 2 * np.outer(v, v) / (v @ v)))[:fan_in, :fan_out]
    raise ValueError(name)


def build(config: dict) -> tuple[list[np.ndarray], list[np.ndarray], np.ndarray, np.ndarray]:
    """Weights, biases, inputs and targets of one golden configuration."""
    sizes, seed, batch = config["sizes"], config["seed"], config["batch"]
    weights, biases = [], []
    for layer, (fan_in, fan_out) in enumerate(zip(sizes[:-1], sizes[1:], strict=True)):
        scheme = config["weights"]
        scheme = scheme["layers"][layer] if scheme["scheme"] == "mixed" else scheme
        weights.append(_weights(scheme, seed, layer, fan_in, fan_out))
        bias = config["biases"]
        biases.append(np.zeros(fan_out) if bias["scheme"] == "zeros"
                      else bias["std"] * unit_uniform(seed, 500 + layer, (fan_out,)))
    x = unit_uniform(seed, 1000, (batch, sizes[0]))
    targets = (np.arange(batch) % sizes[-1] if config["loss"] == "softmax_ce"
               else unit_uniform(seed, 2000, (batch, sizes[-1])))
    return weights, biases, x, targets
