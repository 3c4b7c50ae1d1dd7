"""An audit of a 124-million-parameter file beside NumPy's mean, std, min and max of every tensor, and its memory.

    python -m tests.benchmarks.audit

GPT-2 small in float32, drawn here. Both read the same file in one run, in turn, on one thread; medians of five. Prints
the ratio and the memory that the audit takes above the largest tensor; exit code 1 where either misses its target.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

from initviz.diagnosis.audit import audit

MOST_RATIO, MOST_MEGABYTES, RUNS = 1.5, 300, 5
WIDTH, BLOCKS, TOKENS, POSITIONS = 768, 12, 50257, 1024


def draw() -> dict[str, np.ndarray]:
    """A state dict of GPT-2 small."""
    rng = np.random.default_rng(0)

    def normal(rows: int, columns: int, std: float) -> np.ndarray:
        return rng.standard_normal((rows, columns), dtype=np.float32) * np.float32(std)

    state = {"wte.weight": normal(TOKENS, WIDTH, 0.02), "wpe.weight": normal(POSITIONS, WIDTH, 0.01),
             "ln_f.weight": np.ones(WIDTH, np.float32), "ln_f.bias": np.zeros(WIDTH, np.float32)}
    for block in range(BLOCKS):
        for name, inputs, outputs in (("attn.c_attn", 1, 3), ("attn.c_proj", 1, 1), ("mlp.c_fc", 1, 4),
                                      ("mlp.c_proj", 4, 1)):
            std = 0.02 / (2 * BLOCKS) ** 0.5 if name.endswith("c_proj") else 0.02
            state[f"h.{block}.{name}.weight"] = normal(inputs * WIDTH, outputs * WIDTH, std)
            state[f"h.{block}.{name}.bias"] = np.zeros(outputs * WIDTH, np.float32)
        for name in ("ln_1", "ln_2"):
            state[f"h.{block}.{name}.weight"] = np.ones(WIDTH, np.float32)
            state[f"h.{block}.{name}.bias"] = np.zeros(WIDTH, np.float32)
    return state


def numpy_moments(path: Path) -> None:
    """What NumPy is asked for: four numbers of each tensor."""
    with safe_open(path, "np") as file:
        for name in file.keys():  # noqa: SIM118  (it is no dict)
            values = file.get_tensor(name)
            values.mean(), values.std(), values.min(), values.max()


def seconds(work: object, *given: object) -> float:
    began = time.perf_counter()
    work(*given)  # type: ignore[operator]
    return time.perf_counter() - began


def peak() -> float:
    """Megabytes that this process has held at most (Linux; what getrusage says includes its parent's)."""
    status = Path("/proc/self/status").read_text()
    return float(status.split("VmHWM:")[1].split()[0]) * 1024 / 1e6


def main() -> int:
    if "--memory" in sys.argv:
        small = Path(sys.argv[-1]).with_name("small.safetensors")
        save_file({"a.weight": np.random.default_rng(0).standard_normal((64, 64)).astype(np.float32)}, small)
        audit(small)  # what is imported at the first use
        before = peak()
        audit(sys.argv[-1], "gpt2")
        print(f"{peak() - before:.0f}")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "gpt2.safetensors"
        state = draw()
        count, largest = sum(v.size for v in state.values()), max(v.nbytes for v in state.values()) / 1e6
        save_file(state, path)
        del state
        numpy_moments(path)  # the file is in the system's cache
        times = [(seconds(numpy_moments, path), seconds(audit, path, "gpt2")) for _ in range(RUNS)]
        ratio = median(ours for _, ours in times) / median(numpy for numpy, _ in times)
        held = float(subprocess.run([sys.executable, "-m", "tests.benchmarks.audit", "--memory", str(path)], check=True,
                                    capture_output=True, text=True).stdout)
    above = held - largest
    print(f"{count / 1e6:.0f} million parameters: audit ÷ NumPy {ratio:.2f} (at most {MOST_RATIO}); memory above the "
          f"largest tensor of {largest:.0f} MB: {above:.0f} MB (at most {MOST_MEGABYTES})")
    return int(ratio > MOST_RATIO or above > MOST_MEGABYTES)


if __name__ == "__main__":
    raise SystemExit(main())
