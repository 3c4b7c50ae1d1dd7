"""How many draws of the weights have every hidden layer inside theory's band, forward and backward: a table.

    python -m tests.benchmarks.coverage [draws]

A band is calibrated where whole runs lie inside for 94 to 98 % of draws; one that always holds says nothing. Drawn at
random are 72 settings of all activations, twelve laws, depths 3 to 40 and widths 8 to 64, and 36
more by which nothing was tuned; the named ones are shown one by one. How many draws are inside is itself a matter of
chance: of 300 draws it strays by 1.1 %, so that of bands that hold exactly 96 % one of twelve would seem to miss; of
2,000 it strays by 0.4 %.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from initviz.core.activations import ACTIVATIONS
from initviz.core.batches import INPUTS, make_batch
from initviz.core.network import Network
from initviz.core.simulation import simulate_each
from initviz.theory.fluctuations import fluctuations
from initviz.theory.prediction import predict
from initviz.theory.trajectory import can_predict

Setting = tuple[Network, str, int]  # network, input, samples of a batch
QUANTITIES = (("activation", "rms"), ("activation", "std"), ("delta", "rms"))
WANTED = 94, 98  # percent
A_BATCH = 10  # networks that see the same batch
NAMED: dict[str, Setting] = {
    "He, ReLU, 10 x 64": (Network((64, *[64] * 10, 10), "relu", "he_normal"), "digits", 32),
    "He, ReLU, 30 x 64": (Network((64, *[64] * 30, 10), "relu", "he_normal"), "digits", 32),
    "LeCun, tanh, 9 x 128, batch 128": (Network((64, *[128] * 9, 10), "tanh", "lecun_normal"), "digits", 128),
    "LeCun, SELU, 20 x 64": (Network((64, *[64] * 20, 10), "selu", "lecun_normal"), "digits", 32),
    "He, GELU, 20 x 32": (Network((64, *[32] * 20, 10), "gelu", "he_normal"), "digits", 32),
    "Xavier uniform, GELU, 5 x 32": (Network((64, *[32] * 5, 10), "gelu", "xavier_uniform"), "digits", 32),
    "PyTorch, ReLU, 8 x 64": (Network((64, *[64] * 8, 10), "relu", "torch_linear"), "digits", 32),
    "taper, He, ReLU": (Network((64, 128, 64, 32, 16, 10), "relu", "he_normal"), "digits", 32),
    "orthogonal, tanh, 20 x 32": (Network((64, *[32] * 20, 10), "tanh", "orthogonal"), "digits", 32),
    "sparse, tanh, 5 x 64, batch 8": (Network((64, *[64] * 5, 10), "tanh", "sparse", gain=0.26), "digits", 8),
    "sparse, ReLU, 5 x 128, batch 4": (Network((64, *[128] * 5, 10), "relu", "sparse", gain=0.36), "digits", 4),
    "sparse, tanh, 9 x 256, batch 8": (Network((64, *[256] * 9, 10), "tanh", "sparse", gain=0.26), "digits", 8),
}
LAWS = ("he_normal", "he_uniform", "lecun_normal", "lecun_uniform", "xavier_normal", "xavier_uniform", "orthogonal",
        "sparse", "torch_linear", "truncated_normal", "normal", "uniform")


def random_settings(count: int, seed: int) -> list[Setting]:
    """Settings of every activation and law, at a scale between 0.7 and 1.8 of LeCun's."""
    rng, found = np.random.default_rng(seed), []
    while len(found) < count:
        activation = list(ACTIVATIONS)[len(found) % len(ACTIVATIONS)]
        law = str(rng.choice(LAWS))
        depth, width = (round(math.exp(rng.uniform(*np.log(ends)))) for ends in ((3, 40), (8, 64)))
        source = str(rng.choice(["digits", "digits", "digits", "normal", "moons"]))
        hidden = np.geomspace(64, width, depth - 1).round() if rng.random() < 0.2 else [width] * (depth - 1)
        gain = round(float(rng.uniform(0.7, 1.8)), 2) if rng.random() < 0.4 else 1.0
        params = {"truncated_normal": {"std": gain / math.sqrt(width)}, "normal": {"std": gain / math.sqrt(width)},
                  "uniform": {"limit": gain * math.sqrt(3 / width)}}.get(law, {})
        network = Network(
            (INPUTS[source].features or width, *(int(size) for size in hidden), INPUTS[source].classes), activation,
            law, gain=1.0 if params else gain / math.sqrt(15) if law == "sparse" else gain,
            bias=float(rng.choice([0, 0, 0, 0.2, -0.2])), bias_std=float(rng.choice([0, 0, 0.1, 0.3])),
            initializer_params=params, activation_params={"w0": 1.0} if activation == "sine" else {})
        if can_predict(network):
            found.append((network, source, int(rng.choice([4, 8, 16, 32, 64]))))
    return found


def coverage(setting: Setting, draws: int) -> list[float]:
    """Percent of draws whose hidden layers all lie inside the band, of each of QUANTITIES; NaN where there is none."""
    network, source, batch_size = setting
    samples = make_batch(source, 512, seed=0, features=network.sizes[0])
    fluctuating = fluctuations(network, samples.x, samples.targets, batch_size)
    if any(np.isnan(ends[:, :-1]).any() for ends in fluctuating.logs.values()):
        return [math.nan] * len(QUANTITIES)
    inside = []
    for first in range(1, draws + 1, A_BATCH):
        batch = make_batch(source, batch_size, seed=first, features=network.sizes[0])
        drawn = [replace(network, seed=first + more) for more in range(A_BATCH)]
        expected = predict(network, batch.x, fluctuating=fluctuating)
        for run in simulate_each(drawn, batch, counted=(), correlations=False):
            error = float(run.column("delta_rms")[-1])  # at the output, of which the deltas are multiples
            inside.append([])
            for quantity, statistic in QUANTITIES:
                low, high = expected.band(quantity, statistic)
                found = run.column(f"{quantity}_{statistic}") / (error if quantity == "delta" else 1)
                inside[-1].append(((found >= low) & (found <= high))[:-1].all())
    return [100 * float(share) for share in np.mean(inside, axis=0)]


def summary(name: str, settings: Iterable[Setting], draws: int) -> None:
    """Print in how many of the settings the share is as WANTED."""
    shares = np.array([coverage(setting, draws) for setting in settings])
    without = np.isnan(shares).any(axis=1)
    print(f"{name}: {without.sum()} of them without a band, as in some draws no signal is left")
    shares = shares[~without]
    error = 100 * math.sqrt(0.04 * 0.96 / draws)
    for words, more in (("94 to 98 %", 0.0), ("the same, within two standard errors", 2 * error)):
        right = 100 * ((shares >= WANTED[0] - more) & (shares <= WANTED[1] + more)).mean(axis=0)
        print(f"{f'{name}: settings with {words}, %':68}" + "".join(f"{share:9.0f}" for share in right), flush=True)
    for words, values in (("mean", shares.mean(axis=0)), ("least", shares.min(axis=0)), ("most", shares.max(axis=0))):
        print(f"{f'  {words} share of whole runs inside, %':68}" + "".join(f"{share:9.1f}" for share in values))


def main() -> None:
    draws = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    print(f"{'whole runs inside, %':68}{'forward':>9}{'its std':>9}{'backward':>9}")
    for name, setting in NAMED.items():
        print(f"{name:68}" + "".join(f"{share:9.1f}" for share in coverage(setting, draws)), flush=True)
    summary("72 settings", random_settings(72, 0), draws)
    summary("36 held-out settings", random_settings(36, 77), draws)


if __name__ == "__main__":
    main()
