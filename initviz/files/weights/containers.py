"""The two formats of weights files, from bytes to arrays and back."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import safetensors

from initviz.core.arrays import Array

MOST_ARRAYS, MOST_PARAMETERS = 200, 20_000_000
MOST_BYTES, MOST_UNPACKED, MOST_HEADER = 64 * 10**6, 8 * MOST_PARAMETERS, 10**6
MOST_SHOWN = 60  # letters of a name in a sentence
SUFFIXES = (".npz", ".safetensors")
DIRECTORY_ENTRY = b"PK\x01\x02"
FLOATS: Mapping[str, np.dtype[Any]] = MappingProxyType(
    {"F16": np.dtype("<f2"), "F32": np.dtype("<f4"), "F64": np.dtype("<f8")})
DTYPE_NAMES = MappingProxyType({"float16": "F16", "bfloat16": "BF16", "float32": "F32", "float64": "F64"})
ALLOWED = "float16, bfloat16, float32 or float64"
METADATA = "__metadata__"  # the one name of a .safetensors header that is no array
NORMALIZATION = re.compile(  # what PyTorch and Keras keep of a batch normalization
    r"(?:^|[./])(?:running_mean|running_var|num_batches_tracked|moving_mean|moving_variance)(?::0)?$")


@dataclass(frozen=True)
class Content:
    """What a file holds: arrays and their number formats' names, both by name and in its order, and its metadata."""

    arrays: Mapping[str, Array]
    dtypes: Mapping[str, str]
    metadata: Mapping[str, str]


def shown(name: str) -> str:
    """A name in a sentence, cut where it is long."""
    return repr(name if len(name) <= MOST_SHOWN else f"{name[:MOST_SHOWN]}...")


# ---------------------------------------------------------------------------------------------- reading

def read(data: bytes, suffix: str, name: str) -> Content:
    """What a file of that suffix holds; ValueError where it is damaged, too large or holds anything but floats."""
    if suffix not in SUFFIXES:
        raise ValueError(f"a file of weights must end in {' or '.join(SUFFIXES)}, got {shown(name)}")
    if not data:
        raise ValueError("the file is empty: save a state dict with numpy.savez or safetensors")
    if len(data) > MOST_BYTES:
        raise ValueError(f"the file must be at most {MOST_BYTES / 1e6:,.0f} MB, got {len(data) / 1e6:,.0f}")
    return _read_npz(data) if suffix == ".npz" else _read_safetensors(data)


def write(content: Content, suffix: str) -> bytes:
    """The file of that suffix."""
    return _write_npz(content) if suffix == ".npz" else _write_safetensors(content)


def _check_names(names: Iterable[str]) -> None:
    """Raise ValueError for a normalization layer, before its counter is said to be no float."""
    for name in names:
        if NORMALIZATION.search(name):
            raise ValueError(f"the array {shown(name)} must belong to a layer of weights, and is a batch "
                             "normalization's: only multilayer perceptrons without normalization are examined here")


def _too_many(count: int | str) -> ValueError:
    return ValueError(f"the file must hold at most {MOST_ARRAYS} arrays, got {count}")


def _read_npz(data: bytes) -> Content:
    if data.count(DIRECTORY_ENTRY) > 4 * MOST_ARRAYS:  # before a directory of a million names is made
        raise _too_many("far more")
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
        entries = archive.infolist()
    except Exception:  # a damaged directory fails in many ways
        raise ValueError("this is no .npz file, or a damaged one: save the arrays with numpy.savez") from None
    if len(entries) > MOST_ARRAYS:
        raise _too_many(len(entries))
    _check_names(entry.filename.removesuffix(".npy") for entry in entries)
    arrays, dtypes, left = {}, {}, MOST_UNPACKED
    for entry in entries:
        name = entry.filename.removesuffix(".npy")
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError(f"the array {shown(name)} must be stored or deflated, as numpy.savez does")
        try:
            with archive.open(entry) as packed:
                content = packed.read(left + 1)  # counted as it unpacks: the directory may lie
        except Exception:  # damaged data fails in many ways
            raise ValueError(f"the array {shown(name)} is damaged and cannot be unpacked") from None
        left -= len(content)
        if left < 0:
            raise ValueError(f"the file must unpack to at most {MOST_UNPACKED / 1e6:,.0f} MB, and holds more")
        arrays[name], dtypes[name] = _read_npy(content, name)
    return Content(arrays, dtypes, {})


def _read_npy(content: bytes, name: str) -> tuple[Array, str]:
    """One array of an .npz, pickling off: the header is held against the length before anything is made of it."""
    file = io.BytesIO(content)
    try:
        version = np.lib.format.read_magic(file)
        headers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        shape, fortran, dtype = headers[version](file)
        count = 1
        for length in shape:
            count *= int(length)
    except Exception:  # a header is a Python literal and fails in many ways
        raise ValueError(f"the entry {shown(name)} is no array that numpy.savez wrote") from None
    if dtype.hasobject:
        raise ValueError(f"the array {shown(name)} holds Python objects, which are never loaded: save plain numbers "
                         f"of {ALLOWED}")
    if dtype.kind != "f" or dtype.name not in DTYPE_NAMES:
        raise ValueError(f"the array {shown(name)} must be of {ALLOWED}, got {dtype.name}")
    body = content[file.tell():]
    if any(length < 0 for length in shape) or count * dtype.itemsize != len(body):
        raise ValueError(f"the array {shown(name)} must have the {count * dtype.itemsize:,} bytes that its header "
                         f"says, got {len(body):,}")
    array = np.frombuffer(body, dtype).reshape(shape, order="F" if fortran else "C")
    return array.astype(dtype.newbyteorder("="), copy=False), dtype.name


def _read_safetensors(data: bytes) -> Content:
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or length > min(len(data) - 8, MOST_HEADER):
        raise ValueError(f"this is no .safetensors file, or a cut one: its header says that it has {length:,} bytes, "
                         f"where the file has {max(len(data) - 8, 0):,} left and at most {MOST_HEADER:,} are read")
    try:
        tensors = dict(safetensors.deserialize(data))  # type: ignore[no-untyped-call]
        header = json.loads(data[8:8 + length])
        names = sorted(tensors, key=lambda name: header[name]["data_offsets"])  # the package's own order is random
        metadata = dict(header.get(METADATA) or {})
    except BaseException as error:  # a panic of the Rust code is no Exception
        if isinstance(error, KeyboardInterrupt | SystemExit | MemoryError):
            raise
        raise ValueError("the header of this .safetensors file is damaged, or does not fit its data: save the arrays "
                         "with safetensors") from None
    if len(tensors) > MOST_ARRAYS:
        raise _too_many(len(tensors))
    _check_names(names)
    arrays, dtypes = {}, {}
    for name in names:
        dtype, shape, body = (tensors[name][key] for key in ("dtype", "shape", "data"))
        if dtype not in DTYPE_NAMES.values():
            raise ValueError(f"the array {shown(name)} must be of {ALLOWED}, got {dtype}")
        if dtype == "BF16":  # the upper half of a float32
            array = (np.frombuffer(body, "<u2").astype(np.uint32) << 16).view(np.float32)
        else:
            array = np.frombuffer(body, FLOATS[dtype])
        arrays[name] = array.reshape(shape)
        dtypes[name] = next(numpy_name for numpy_name, code in DTYPE_NAMES.items() if code == dtype)
    return Content(arrays, dtypes, metadata)


# ---------------------------------------------------------------------------------------------- writing

def _write_npz(content: Content) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:  # numpy.savez has no way to say a name such as "file"
        for name, array in content.arrays.items():
            with archive.open(f"{name}.npy", "w") as entry:
                np.lib.format.write_array(entry, np.ascontiguousarray(array, content.dtypes[name]), allow_pickle=False)
    return file.getvalue()


def _write_safetensors(content: Content) -> bytes:
    """The format is a length, a JSON header and the bytes: github.com/huggingface/safetensors, section "Format".

    The package's own writer knows no bfloat16 without a further package.
    """
    header: dict[str, Any] = {METADATA: dict(content.metadata)} if content.metadata else {}
    bodies, place = [], 0
    for name, array in content.arrays.items():
        dtype = content.dtypes[name]
        body = _bfloat16(array) if dtype == "bfloat16" else np.ascontiguousarray(array, FLOATS[DTYPE_NAMES[dtype]])
        header[name] = {"dtype": DTYPE_NAMES[dtype], "shape": list(array.shape),
                        "data_offsets": [place, place + body.nbytes]}
        bodies.append(body.tobytes())
        place += body.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return b"".join([len(text).to_bytes(8, "little"), text, *bodies])


def _bfloat16(array: Array) -> Array:
    """The upper halves of float32 numbers, rounded to nearest, ties to even."""
    bits = np.ascontiguousarray(array, np.float32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2")
