import json
from pathlib import Path

import hashed
import numpy as np
import pytest

import initviz

GOLDEN = json.loads((Path(__file__).parents[1] / "golden.json").read_text())
CONFIGS = {case["config"]["name"]: case for case in GOLDEN["configs"]}


def close(ours, theirs):
    ours, theirs = np.asarray(ours, float), np.asarray(theirs, float)
    return bool(np.all(np.abs(ours - theirs) <= 1e-12 + 1e-9 * np.abs(theirs)))


@pytest.mark.parametrize("name", CONFIGS)
def test_a_pass_agrees_with_pytorch_autograd(name):
    config, result = CONFIGS[name]["config"], CONFIGS[name]["result"]
    weights, biases, x, targets = hashed.build(config)
    ours = initviz.propagate(weights, biases, x, targets, activation=config["activation"], loss=config["loss"])
    assert close(ours.loss, result["loss"])
    assert close(np.linalg.norm(ours.input_gradient), result["input_grad_norm"])
    assert len(result["layers"]) == len(weights)
    for layer, (want, w, z, h, delta, dw, db) in enumerate(zip(
            result["layers"], weights, ours.preactivations, ours.activations, ours.deltas, ours.weight_gradients,
            ours.bias_gradients, strict=True), 1):
        norm = np.linalg.norm
        have = {
            "W": {"mean": w.mean(), "std": w.std()},
            "z": {"mean": z.mean(), "std": z.std()},
            "h": {"mean": h.mean(), "std": h.std()},
            "delta": {"mean": delta.mean(), "std": delta.std(), "norm": norm(delta)},
            "dW": {"mean": dw.mean(), "std": dw.std(), "norm": norm(dw), "max_abs": np.abs(dw).max(),
                   "first": dw[0, 0], "last": dw[-1, -1]},
            "db": {"norm": norm(db), "first": db[0]},
            "z_first": z[0, 0], "z_last": z[-1, -1], "layer": layer}
        for key, value in want.items():
            pairs = value.items() if isinstance(value, dict) else [(None, value)]
            for part, number in pairs:
                assert close(have[key][part] if part else have[key], number), (layer, key, part)
