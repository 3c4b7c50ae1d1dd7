"""How many draws of the weights have every hidden layer inside theory's band, forward and backward: a table.

    python tests/benchmarks/coverage.py [draws]

A band is calibrated where whole runs lie inside for 94 to 98 % of draws; one that always holds says nothing.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from initviz.core.batches import make_batch
from initviz.core.network import Network
from initviz.core.simulation import simulate_each
from initviz.theory.prediction import predict

SETTINGS = {
    "He, ReLU, 10 x 64": (Network((64, *[64] * 10, 10), "relu", "he_normal"), 32),
    "He, ReLU, 30 x 64": (Network((64, *[64] * 30, 10), "relu", "he_normal"), 32),
    "LeCun, tanh, 10 x 32": (Network((64, *[32] * 10, 10), "tanh", "lecun_normal"), 32),
    "LeCun, SELU, 20 x 64": (Network((64, *[64] * 20, 10), "selu", "lecun_normal"), 32),
    "Xavier uniform, GELU, 5 x 32": (Network((64, *[32] * 5, 10), "gelu", "xavier_uniform"), 32),
    "PyTorch, ReLU, 8 x 64": (Network((64, *[64] * 8, 10), "relu", "torch_linear"), 32),
    "taper, He, ReLU": (Network((64, 128, 64, 32, 16, 10), "relu", "he_normal"), 32),
    "orthogonal, tanh, 20 x 32": (Network((64, *[32] * 20, 10), "tanh", "orthogonal"), 32),
    "sparse, tanh, 5 x 64, batch 8": (Network((64, *[64] * 5, 10), "tanh", "sparse", gain=0.26), 8),
    "sparse, ReLU, 5 x 128, batch 4": (Network((64, *[128] * 5, 10), "relu", "sparse", gain=0.36), 4),
}


def coverage(network: Network, batch_size: int, draws: int) -> tuple[float, float, float]:
    """Shares of draws whose activations (rms), deltas (rms) and single layers of activations lie inside the band."""
    hits = []
    for seed in range(draws):
        drawn, batch = replace(network, seed=seed), make_batch("digits", batch_size, seed=seed)
        run, = simulate_each([drawn], batch, counted=(), pairs=False)
        expected = predict(drawn, batch.x, float(run.column("delta_rms")[-1]) ** 2)
        inside = []
        for quantity in ("activation", "delta"):
            low, high = expected.band(quantity, "rms")
            measured = run.column(f"{quantity}_rms")[:-1]
            inside.append((measured >= low[:-1]) & (measured <= high[:-1]))
        hits.append((inside[0].all(), inside[1].all(), inside[0].mean()))
    forward, backward, layer = np.mean(hits, axis=0)
    return float(forward), float(backward), float(layer)


def main() -> None:
    draws = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    print(f"{'whole runs inside, %':34}{'forward':>9}{'backward':>10}{'a layer':>9}")
    for name, (network, batch_size) in SETTINGS.items():
        print(f"{name:34}" + "".join(f"{100 * share:{width}.1f}" for share, width in zip(
            coverage(network, batch_size, draws), (9, 10, 9), strict=True)))


if __name__ == "__main__":
    main()
