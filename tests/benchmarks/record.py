"""How long recording a step of GPT-2 small takes beside a plain step, and how large the file is.

    python -m tests.benchmarks.record [cuda]

The model has the shapes of GPT-2 small (124 million parameters, half of the blocks with fused attention), drawn at
random, and two sequences of 128 or 512 tokens. A plain step is a forward and a backward pass; both take turns in one
process, on one thread and by the processor's time: on all cores a busy machine spreads the ratio from 0.8 to 4, and in
one turn to 12, as PyTorch's threads wait for one another. On a GPU the wall clock counts. Needs about 5 GB.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
import torch
from record.models import gpt

from initviz.record.pytorch import record

TOKENS, TURNS = (128, 512), 2


def seconds(work: Callable[[], object], device: str) -> float:
    if device == "cpu":
        begun = time.process_time()
        work()
        return time.process_time() - begun
    torch.cuda.synchronize()
    begun = time.perf_counter()
    work()
    torch.cuda.synchronize()
    return time.perf_counter() - begun


def measure(tokens: int, device: str) -> None:
    model, run = gpt(device, vocabulary=50257, tokens=tokens, width=768, heads=12, blocks=12)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "gpt2.json.gz"

        def plain() -> None:
            run().backward()
            model.zero_grad(set_to_none=True)

        plain()
        times = [(seconds(plain, device), seconds(lambda: record(model, run, path), device)) for _ in range(TURNS)]
        ratios = sorted(recorded / step for step, recorded in times)
        print(f"2 × {tokens} tokens: recording / plain step {', '.join(f'{ratio:.2f}' for ratio in ratios)}; plain "
              f"step {min(step for step, _ in times):.2g} s; file {path.stat().st_size / 1000:.1f} kB", flush=True)


def main() -> None:
    torch.set_num_threads(1)
    for tokens in TOKENS:
        measure(tokens, *sys.argv[1:] or ["cpu"])


if __name__ == "__main__":
    main()
