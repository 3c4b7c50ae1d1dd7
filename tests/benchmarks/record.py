"""How long recording a step of GPT-2 small takes beside a plain step, and how large the file is.

    python -m tests.benchmarks.record

The model has the shapes of GPT-2 small (124 million parameters, half of the blocks with fused attention), drawn at
random, and two sequences of its 1,024 tokens. A plain step is a forward and a backward pass; both take turns in one
process on all cores. Needs about 8 GB.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from record.models import gpt

from initviz.record.pytorch import record

TURNS = 3


def seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def main() -> None:
    model, run = gpt(vocabulary=50257, tokens=1024, width=768, heads=12, blocks=12)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "gpt2.json.gz"

        def plain() -> None:
            run().backward()
            model.zero_grad(set_to_none=True)

        plain()
        times = [(seconds(plain), seconds(lambda: record(model, run, path))) for _ in range(TURNS)]
        ratios = sorted(recorded / step for step, recorded in times)
        print(f"recording / plain step: {', '.join(f'{ratio:.2f}' for ratio in ratios)}; plain step "
              f"{min(step for step, _ in times):.1f} s")
        print(f"file: {path.stat().st_size / 1000:.1f} kB")


if __name__ == "__main__":
    main()
