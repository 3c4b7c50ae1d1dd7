"""The .safetensors format: a length, a JSON header and the bytes (github.com/huggingface/safetensors, "Format").

The package of that name reads from a path or a whole file in memory and has no bfloat16 for NumPy; here one tensor is
read at a time, from any open file.
"""

from __future__ import annotations

import json
from functools import partial
from itertools import pairwise
from types import MappingProxyType
from typing import Any, BinaryIO

import numpy as np

from initviz.core.arrays import Array
from initviz.files.weights.tensors import (
    FLOATS,
    Container,
    Content,
    Limits,
    Tensor,
    filled,
    from_bfloat16,
    not_floats,
    product,
    too_many,
)

METADATA = "__metadata__"  # the one name of a header that is no array
CODES = MappingProxyType({"float16": "F16", "bfloat16": "BF16", "float32": "F32", "float64": "F64"})
NAMES = MappingProxyType({code: name for name, code in CODES.items()})
ITEM_BYTES = MappingProxyType({
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3"), 1), **dict.fromkeys(("I16", "U16", "F16", "BF16"), 2),
    **dict.fromkeys(("I32", "U32", "F32"), 4), **dict.fromkeys(("I64", "U64", "F64"), 8)})
MOST_AXES = 32
DAMAGED = ("the header of this .safetensors file is damaged, or does not fit its data: save the arrays with "
           "safetensors")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    unique = dict(pairs)
    if len(unique) < len(pairs):
        raise ValueError(DAMAGED)
    return unique


def container(file: BinaryIO, size: int, limits: Limits) -> Container:
    """The arrays of an open .safetensors file, in the order of their bytes."""
    file.seek(0)
    length = int.from_bytes(file.read(8), "little")
    if size < 8 or length > min(size - 8, limits.header_bytes):
        raise ValueError(f"this is no .safetensors file, or a cut one: its header says that it has {length:,} bytes, "
                         f"where the file has {max(size - 8, 0):,} left and at most {limits.header_bytes:,} are read")
    try:
        header = json.loads(file.read(length), object_pairs_hook=_unique)
        metadata = {str(key): str(value) for key, value in (header.pop(METADATA, None) or {}).items()}
        entries = [_entry(name, entry) for name, entry in header.items()]
    except Exception:  # JSON fails in many ways
        raise ValueError(DAMAGED) from None
    if len(entries) > limits.arrays:
        raise too_many(len(entries), limits)
    entries.sort(key=lambda entry: entry[3])
    ends = [0, *(place for *_, span in entries for place in span), size - 8 - length]
    if any(a != b for a, b in list(pairwise(ends))[::2]):  # a hole, an overlap, or bytes that are left over
        raise ValueError(DAMAGED)
    return Container(tuple(Tensor(name, shape, NAMES.get(code, code),
                                  partial(_load, file, 8 + length + span[0], name, shape, code))
                           for name, code, shape, span in entries), MappingProxyType(metadata))


def _entry(name: str, entry: dict[str, Any]) -> tuple[str, str, tuple[int, ...], tuple[int, int]]:
    code, shape, (begin, end) = entry["dtype"], entry["shape"], entry["data_offsets"]
    numbers = (*shape, begin, end)
    if (not isinstance(code, str) or len(shape) > MOST_AXES or any(type(n) is not int or n < 0 for n in numbers)
            or begin > end or (code in ITEM_BYTES and product(tuple(shape)) * ITEM_BYTES[code] != end - begin)):
        raise ValueError(DAMAGED)
    return name, code, tuple(shape), (begin, end)


def _load(file: BinaryIO, start: int, name: str, shape: tuple[int, ...], code: str) -> Array:
    if code not in NAMES:
        raise not_floats(name, code)
    file.seek(start)
    if code == "BF16":
        return from_bfloat16(filled(file, product(shape), np.dtype("<u2"), name)).reshape(shape)
    return filled(file, product(shape), FLOATS[NAMES[code]].newbyteorder("<"), name).reshape(shape)


def write(content: Content) -> bytes:
    """A .safetensors file with these arrays; the package's own writer knows no bfloat16 without a further package."""
    header: dict[str, Any] = {METADATA: dict(content.metadata)} if content.metadata else {}
    bodies, place = [], 0
    for name, array in content.arrays.items():
        dtype = content.dtypes[name]
        body = to_bfloat16(array) if dtype == "bfloat16" else np.ascontiguousarray(
            array, FLOATS[dtype].newbyteorder("<"))
        header[name] = {"dtype": CODES[dtype], "shape": list(array.shape), "data_offsets": [place, place + body.nbytes]}
        bodies.append(body.tobytes())
        place += body.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return b"".join([len(text).to_bytes(8, "little"), text, *bodies])


def to_bfloat16(array: Array) -> Array:
    """The upper halves of float32 numbers, rounded to nearest, ties to even."""
    bits = np.ascontiguousarray(array, np.float32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2")
