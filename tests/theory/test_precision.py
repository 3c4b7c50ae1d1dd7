import math

import numpy as np
import pytest

from initviz.theory.precision import FORMATS, leaves, lines_within, range_of

BY_NAME = {form.label: form for form in FORMATS}


def test_the_ends_are_those_of_the_formats():
    half = np.finfo(np.float16)
    assert (BY_NAME["fp16"].smallest, BY_NAME["fp16"].largest) == (half.smallest_subnormal, half.max)
    torch = pytest.importorskip("torch", reason="pip install -r tests/benchmarks/requirements.txt")
    for name, dtype in (("bf16", torch.bfloat16), ("fp8 E4M3", torch.float8_e4m3fn), ("fp8 E5M2", torch.float8_e5m2)):
        form = BY_NAME[name]
        assert form.largest == torch.finfo(dtype).max
        kept, lost = torch.tensor([form.smallest, form.smallest / 2], dtype=torch.float64).to(dtype).double().tolist()
        assert (kept, lost) == (form.smallest, 0)


def test_a_signal_leaves_where_it_vanishes_or_overflows():
    sizes = np.array([1.0, 1e-3, 1e-6, 1e-9, 1e-12])
    assert leaves(sizes, range(1, 6), BY_NAME["fp16"]) == 4
    assert leaves(sizes, range(5, 0, -1), BY_NAME["fp16"]) == 5
    assert leaves(sizes, range(1, 6), BY_NAME["bf16"]) is None
    assert leaves(sizes, range(1, 6), BY_NAME["fp8 E4M3"]) == 3  # a half of 2**-9 is still rounded up to it
    assert leaves(np.array([1.0, 500.0]), range(1, 3), BY_NAME["fp8 E4M3"]) == 2
    assert leaves(np.array([1.0, math.inf]), range(1, 3), BY_NAME["bf16"]) == 2


def test_only_lines_within_reach_are_drawn():
    assert [words for _, words in lines_within(1e-4, 1.0)] == ["fp8 E4M3 smallest", "fp8 E5M2 smallest"]
    assert range_of(np.array([0.0, math.nan, 2.0, 5.0, math.inf])) == (2, 5)
    assert range_of(np.zeros(3)) == (1, 1)
