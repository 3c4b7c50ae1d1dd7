"""Damaged, lying and hostile files: an audit reads them, or refuses them in one sentence."""

from __future__ import annotations

import io
import json
import random
import zipfile
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from initviz.diagnosis.audit import audit

MUTATED = 5_000
RESOURCES = Path(__file__).parents[2] / "files"
HUGE = (0, -1, 1, 2**31, 2**40, 2**63, 10**30, 1.5, True, None, "x", [], {}, [2**40])
SEGMENTS = ("a.weight", "layers.0.weight", "", "\x1b[2J", "x" * 3000, "lora_A.weight", "\ud7ff", "__metadata__")


def state():
    rng = np.random.default_rng(0)
    return {"layers.0.weight": rng.standard_normal((12, 8), dtype=np.float32),
            "layers.1.weight": rng.standard_normal((12, 8), dtype=np.float32),
            "layers.0.bias": np.zeros(12, np.float32), "emb.weight": rng.standard_normal((5, 8)).astype(np.float16),
            "conv.weight": rng.standard_normal((4, 3, 3, 3))}


def with_header(header, body):
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + body


def lying_safetensors(rng, whole):
    """A well-formed container, one field of whose header says something else."""
    length = int.from_bytes(whole[:8], "little")
    header, body = json.loads(whole[8:8 + length]), whole[8 + length:]
    name = rng.choice([name for name in header if name != "__metadata__"])
    field = rng.choice(["dtype", "shape", "data_offsets", "name", "entry"])
    if field == "dtype":
        header[name][field] = rng.choice(["F16", "BF16", "F64", "I64", "F8_E4M3", "F4", "", 3, None])
    elif field in ("shape", "data_offsets"):
        values = list(header[name][field])
        values[rng.randrange(len(values))] = rng.choice(HUGE)
        header[name][field] = values if rng.random() < 0.9 else rng.choice(HUGE)
    elif field == "name":
        header[rng.choice(SEGMENTS)] = header.pop(name)
    else:
        header[name] = rng.choice(HUGE)
    return with_header(header, body)


def lying_npz(rng, whole):
    """An archive, the header of one of whose arrays says something else."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(whole)) as old, zipfile.ZipFile(file, "w", rng.choice([0, 8])) as new:
        chosen = rng.choice(old.namelist())
        for name in old.namelist():
            data = old.read(name)
            if name == chosen:
                shape = tuple(rng.choice([0, 1, 3, 12, 2**20, 2**40, -4]) for _ in range(rng.randrange(5)))
                kind = rng.choice(["<f4", "<f8", "<f2", "|O", "<i8", "<U9", "<V4", "nonsense"])
                text = (str({"descr": kind, "fortran_order": rng.random() < 0.5, "shape": shape}) + "\n").encode()
                data = data[:8] + len(text).to_bytes(2, "little") + text + data[-rng.randrange(1, 400):]
                name = rng.choice([name, *(f"{part}.npy" for part in SEGMENTS[:4])])
            new.writestr(name, data)
    return file.getvalue()


def damaged(rng, whole):
    """Bytes changed, cut out, doubled or cut off."""
    data = bytearray(whole)
    for _ in range(rng.choice([1, 1, 2, 8])):
        at = rng.randrange(len(data))
        way, end = rng.choice(["change", "cut out", "double", "cut off"]), at + rng.randrange(1, 40)
        if way == "change":
            data[at] = rng.randrange(256)
        elif way == "double":
            data[at:at] = data[at:end]
        elif len(data) > 100:
            del data[at:end if way == "cut out" else None]
            data = data or bytearray(b"x")
    return bytes(data)


def extreme_values(rng, _):
    """A file that is right, of numbers that are hard."""
    numbers = np.array([0, -0.0, np.nan, np.inf, -np.inf, 1e-45, 3e38, -3e38, 1, 1e-20, 65504], np.float32)
    kept = rng.sample(range(len(numbers)), rng.randrange(1, 5))
    drawn = np.random.default_rng(rng.randrange(2**30))
    shape = rng.choice([(1,), (9,), (1, 1), (40, 1), (1, 40), (12, 8), (20, 20), (2, 3, 3, 3), (2, 2, 2, 2, 2, 2)])
    return save({rng.choice(["a.weight", "h.0.c_proj.weight", "q.lora_A.weight", "w_ih_l0", "x.bias"]):
                 numbers[drawn.choice(kept, shape)]})


def originals():
    npz = io.BytesIO()
    np.savez(npz, **state())
    return {".safetensors": save(state()), ".npz": npz.getvalue(), ".pt": (RESOURCES / "mlp.pt").read_bytes()}


@pytest.mark.filterwarnings("error", "ignore:Duplicate name")
def test_thousands_of_mutated_files_are_audited_or_refused_in_one_sentence(tmp_path):
    rng = random.Random(0)
    whole = originals()
    ways = [(".safetensors", lying_safetensors), (".npz", lying_npz), (".safetensors", extreme_values),
            *((suffix, damaged) for suffix in whole)]
    sentences, broken = [], []
    for number in range(MUTATED):
        suffix, way = ways[number % len(ways)]
        path = tmp_path / f"file{suffix}"
        path.write_bytes(way(rng, whole[suffix]))
        try:
            found = audit(path, rng.choice([None, "torch", "gpt2", "lora", "vit"]))
            json.loads(found.to_json())
            assert len(found.frame) == len(found.tensors)
        except ValueError as error:
            sentences.append(str(error))
        except Exception as error:
            broken.append((number, way.__name__, suffix, error))
    assert not broken
    assert not [sentence for sentence in sentences if not sentence or "\n" in sentence or len(sentence) > 500]
    assert MUTATED // 10 < len(sentences) < MUTATED


@pytest.mark.parametrize("count", [10**6, 10**12])
def test_a_header_that_claims_more_than_the_file_holds_takes_no_memory(tmp_path, count):
    header = {"a": {"dtype": "F32", "shape": [count], "data_offsets": [0, 4 * count]}}
    path = tmp_path / "huge.safetensors"
    path.write_bytes(with_header(header, b"1234"))
    with pytest.raises(ValueError, match="damaged"):
        audit(path)
