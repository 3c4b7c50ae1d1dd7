"""How long a pass with all statistics through a pre-norm residual network takes beside PyTorch doing the same.

    python -m tests.benchmarks.blocks

Both draw nothing while the clock runs, and measure the same: of every layer the moments of its output and of the
gradient with respect to it, and the size of every weight's gradient; of every block the counted bins of stream, branch,
gradient, weight and weight gradient, the diversity of the stream's neurons, and skip, branch, their ratio and cosine.
They take turns in processes of their own; PyTorch takes all cores, NumPy's products one thread each, two at a time.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from functools import partial

import initviz
from initviz.core.simulation import bins_of, simulate_blocks, units_of
from tests.benchmarks.simulate import Pass, contest

SHAPES = ((12, 256, 256), (24, 512, 512))  # blocks, width, batch
EXPANSION = 4


def described(blocks: int, width: int, batch: int) -> tuple[initviz.Architecture, initviz.Batch]:
    network = initviz.Architecture(64, width, blocks, 10, "pre_norm", "layer", expansion=EXPANSION)
    return network, initviz.make_batch("normal", batch, features=64)


def ours(*shape: int) -> Pass:
    """initviz."""
    network, batch = described(*shape)
    parameters = network.draw()
    return lambda: simulate_blocks(network, batch, parameters=parameters)


def pytorch(*shape: int) -> Pass:
    """The same with PyTorch's operators and its autograd."""
    import torch
    from torch.nn import functional

    network, batch = described(*shape)
    drawn = {name: torch.tensor(array).requires_grad_() for name, array in network.draw().items()}
    x, targets = torch.tensor(batch.x), torch.tensor(batch.targets)
    axis = bins_of("activation", initviz.ACTIVATIONS["linear"])
    units = units_of(network.sizes, batch.x, batch.targets, batch.loss)

    def moments_of(v: torch.Tensor) -> tuple[object, ...]:
        low, high = torch.aminmax(v)
        std, mean = torch.std_mean(v, correction=0)
        return mean, std, low, high, torch.hypot(mean, std), 1 - torch.count_nonzero(v) / v.numel()

    def counted(v: torch.Tensor, unit: float) -> torch.Tensor:
        low, high = axis.low * unit, axis.high * unit
        inner = torch.histc(v, axis.count, low, high)  # which leaves out what lies beyond the ends
        return torch.cat([(v < low).sum().reshape(1), inner, (v > high).sum().reshape(1)])

    def diversity_of(h: torch.Tensor) -> tuple[object, ...]:
        tolerance = 64 * torch.finfo(h.dtype).eps * h.abs().max()
        distinct = torch.unique(torch.round((torch.rand(len(h)) @ h) / tolerance)).numel()
        covariance = torch.cov(h.T, correction=0)
        power = covariance.diagonal()
        participation = power.sum() ** 2 / (covariance * covariance).sum()
        deviation = power.sqrt()
        r = covariance.abs() / deviation / deviation[:, None]
        between = h.var(dim=1, correction=0).mean().sqrt()
        return distinct, participation, r.sum(), between, power.mean().sqrt()

    def dense(h: torch.Tensor, path: str) -> torch.Tensor:
        return torch.addmm(drawn[f"{path}.bias"], h, drawn[f"{path}.weight"])

    def norm(h: torch.Tensor, path: str) -> torch.Tensor:
        return functional.layer_norm(h, h.shape[-1:], drawn[f"{path}.weight"], drawn[f"{path}.bias"])

    def simulate() -> list[object]:
        for parameter in drawn.values():
            parameter.grad = None
        kept, streams, branches = [], [], []

        def keep(v: torch.Tensor) -> torch.Tensor:
            v.retain_grad()
            kept.append(v)
            return v

        h = keep(dense(x, "0"))
        streams.append(h)
        for block in range(1, network.blocks + 1):
            z = keep(dense(keep(norm(h, f"{block}.0")), f"{block}.1"))
            branch = keep(dense(keep(torch.relu(z)), f"{block}.3"))
            branches.append((h, branch, z))
            h = keep(h + branch)
            streams.append(h)
        h = keep(dense(keep(norm(h, str(network.blocks + 1))), str(network.blocks + 2)))
        streams.append(h)
        functional.cross_entropy(h, targets).backward()
        found: list[object] = []
        weights = ["0.weight", *(f"{block}.3.weight" for block in range(1, network.blocks + 1)),
                   f"{network.blocks + 2}.weight"]
        with torch.no_grad():
            for v in kept:
                found += [moments_of(v), moments_of(v.grad)]
            found += [drawn[f"{block}.1.weight"].grad.square().mean() for block in range(1, network.blocks + 1)]
            for skip, branch, z in branches:
                products = (skip * branch).sum(), (skip * skip).sum(), (branch * branch).sum()
                found += [products, (z.amax(dim=0) <= 0).float().mean()]
            for stage, (stream, name) in enumerate(zip(streams, weights, strict=True)):
                added = branches[stage - 1][1] if 0 < stage <= network.blocks else stream
                weight = drawn[name]
                found.append(diversity_of(stream))
                for quantity, v in (("activation", stream), ("preactivation", added), ("delta", stream.grad),
                                    ("weight", weight), ("weight_gradient", weight.grad)):
                    found.append(counted(v, units[quantity][stage]))
                    if "weight" in quantity:
                        found.append(moments_of(v))
        return found

    return simulate


CONTENDERS = {"ours": ours, "torch": pytorch}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20, help="passes of each contender (default: 20)")
    parser.add_argument("--work", action="store_true", help="seconds of the processor, all threads together, which "
                        "other programs disturb less; for PyTorch set OMP_NUM_THREADS=1, as threads that wait count")
    given = parser.parse_args()
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # which the contenders' processes inherit
    print("Best of the passes, medians in brackets; milliseconds, the ratio, and peak memory of each process in MB.\n")
    print("blocks width batch |   ours  torch |   torch/ours  | MB ours torch")
    for shape in SHAPES:
        seconds, memory = contest({name: partial(make, *shape) for name, make in CONTENDERS.items()}, given.rounds,
                                  time.process_time if given.work else time.perf_counter)
        best = {name: min(times) * 1e3 for name, times in seconds.items()}
        middle = {name: statistics.median(times) * 1e3 for name, times in seconds.items()}
        print(f"{shape[0]:6} {shape[1]:5} {shape[2]:5} | {best['ours']:6.1f} {best['torch']:6.1f} | "
              f"{best['torch'] / best['ours']:5.2f} ({middle['torch'] / middle['ours']:5.2f})  | "
              f"{memory['ours']:7.0f} {memory['torch']:5.0f}", flush=True)


if __name__ == "__main__":
    main()
