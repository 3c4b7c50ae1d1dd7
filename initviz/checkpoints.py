"""Weights from a file: .npz and .safetensors state dicts of multilayer perceptrons, read without trusting them.

Nothing in a file is run or unpickled, sizes are checked before memory is taken, and every fault is a ValueError of one
sentence that says what would be right.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import PurePath
from types import MappingProxyType
from typing import Any

import numpy as np
import safetensors
from numpy.typing import NDArray

from initviz.limits import check

Array = NDArray[Any]
MOST_ARRAYS, MOST_PARAMETERS = 200, 20_000_000
MOST_BYTES, MOST_UNPACKED, MOST_HEADER = 64 * 10**6, 8 * MOST_PARAMETERS, 10**6
MOST_SHOWN = 60  # letters of a name in a sentence
SUFFIXES = (".npz", ".safetensors")
DIRECTORY_ENTRY = b"PK\x01\x02"
FLOATS: Mapping[str, np.dtype[Any]] = MappingProxyType(
    {"F16": np.dtype("<f2"), "F32": np.dtype("<f4"), "F64": np.dtype("<f8")})
DTYPE_NAMES = MappingProxyType({"float16": "F16", "bfloat16": "BF16", "float32": "F32", "float64": "F64"})
ALLOWED = "float16, bfloat16, float32 or float64"
_Arranged = tuple[tuple[int, ...], list[str], list[str | None]]  # sizes (none: no chain), names of matrices, of biases
LAYOUT_LABELS = MappingProxyType({"torch": "PyTorch, (out, in)", "keras": "Keras and Flax, (in, out)"})


@dataclass(frozen=True)
class Layout:
    """One way to read a file's matrices: "torch" is (out, in), "keras" (in, out); ``sizes`` run inputs to outputs."""

    key: str
    label: str
    sizes: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """The arrays of a file by name, as they are there, but for bfloat16, which float32 holds exactly.

    ``dtypes`` are the names of the file's own number formats.
    """

    suffix: str
    arrays: Mapping[str, Array]
    dtypes: Mapping[str, str]

    def layouts(self) -> list[Layout]:
        """The layouts in which the shapes chain from inputs to outputs, at least one; ValueError where none does."""
        found = [Layout(key, label, sizes) for key, label in LAYOUT_LABELS.items()
                 if (sizes := self._arranged(key)[0])]
        if not found:
            shapes = ", ".join(str(self.arrays[name].shape) for name in self._matrices()[:6])
            raise ValueError(f"the shapes {shapes} do not chain: each matrix must take as many values as the one "
                             "before gives, with at most one bias a layer of as many values")
        kernels = sum(name.endswith(("kernel", "kernel:0")) for name in self.arrays)
        return found[::-1] if kernels else found

    def parameters(self, layout: str) -> tuple[list[Array], list[Array]]:
        """Weights (fan_in, fan_out) and biases (fan_out,), all float64 where any is, else float32; no bias is zeros."""
        check("layout", layout, LAYOUT_LABELS.keys())
        sizes, matrices, biases = self._arranged(layout)
        if not sizes:
            raise ValueError(f"the shapes do not chain in the layout {LAYOUT_LABELS[layout]}")
        dtype = np.float64 if "float64" in self.dtypes.values() else np.float32
        weights = [np.ascontiguousarray(self._turned(name, layout), dtype) for name in matrices]
        return weights, [np.zeros(size, dtype) if name is None else self.arrays[name].astype(dtype)
                         for name, size in zip(biases, sizes[1:], strict=True)]

    def write(self, weights: Sequence[Array], biases: Sequence[Array], layout: str) -> bytes:
        """A file with these parameters under the names, shapes and number formats of this one."""
        _, matrices, names = self._arranged(layout)
        arrays = dict(self.arrays)
        for name, weight in zip(matrices, weights, strict=True):
            arrays[name] = weight.T if layout == "torch" else weight
        arrays |= {name: bias for name, bias in zip(names, biases, strict=True) if name is not None}
        write = _write_npz if self.suffix == ".npz" else _write_safetensors
        return write({name: (arrays[name], self.dtypes[name]) for name in self.arrays})

    def _turned(self, name: str, layout: str) -> Array:
        return self.arrays[name].T if layout == "torch" else self.arrays[name]

    def _matrices(self) -> list[str]:
        return [name for name, array in self.arrays.items() if array.ndim == 2]

    def _arranged(self, layout: str) -> _Arranged:
        """The layers in the order of the numbers in the names, else in that of the file: the first that chains at all.

        Where names have no numbers the file's order is tried first.
        """
        orders = [sorted(self._matrices(), key=_natural), self._matrices()]
        numbered = any(letter.isdigit() for name in orders[0] for letter in name)
        for matrices in orders if numbered else orders[::-1]:
            if any(self._chained(matrices, key)[0] for key in LAYOUT_LABELS):
                return self._chained(matrices, layout)
        return (), [], []

    def _chained(self, matrices: list[str], layout: str) -> _Arranged:
        shapes = [self._turned(name, layout).shape for name in matrices]
        biases = self._biases(matrices)
        if shapes and biases is not None and all(a[1] == b[0] for a, b in pairwise(shapes)) and all(
                name is None or len(self.arrays[name]) == shape[1]
                for name, shape in zip(biases, shapes, strict=True)):
            return (shapes[0][0], *(shape[1] for shape in shapes)), matrices, biases
        return (), [], []

    def _biases(self, matrices: list[str]) -> list[str | None] | None:
        """The bias of each matrix: by the part of the name before the last point or slash, else by order."""
        vectors = sorted((name for name, array in self.arrays.items() if array.ndim == 1), key=_natural)
        if not vectors:
            return [None] * len(matrices)
        owners: dict[str, str | None] = {_owner(name): name for name in vectors}
        if len(owners) == len(vectors) and owners.keys() <= {_owner(name) for name in matrices} and len(
                {_owner(name) for name in matrices}) == len(matrices):
            return [owners.get(_owner(name)) for name in matrices]
        if len(vectors) == len(matrices):
            return list(vectors)
        return None


def _owner(name: str) -> str:
    return re.split(r"[./](?=[^./]*$)", name)[0] if re.search(r"[./]", name) else ""


def _natural(name: str) -> list[tuple[int, str]]:
    """A key that puts layer 2 before layer 10."""
    return [(int(part), "") if part.isascii() and part.isdigit() and len(part) < 10 else (-1, part)
            for part in re.split(r"([0-9]+)", name)]


def _shown(name: str) -> str:
    return repr(name if len(name) <= MOST_SHOWN else f"{name[:MOST_SHOWN]}...")


# ---------------------------------------------------------------------------------------------- reading

def read(data: bytes, name: str) -> Checkpoint:
    """The arrays of a file's content; its name says by its end what it is. ValueError for all that cannot be used."""
    suffix = PurePath(name).suffix.lower()
    if suffix not in SUFFIXES:
        raise ValueError(f"a file of weights must end in {' or '.join(SUFFIXES)}, got {_shown(name)}")
    if not data:
        raise ValueError("the file is empty: save a state dict with numpy.savez or safetensors")
    if len(data) > MOST_BYTES:
        raise ValueError(f"the file must be at most {MOST_BYTES / 1e6:,.0f} MB, got {len(data) / 1e6:,.0f}")
    found = _read_npz(data) if suffix == ".npz" else _read_safetensors(data)
    arrays, dtypes = {}, {}
    for key, (array, dtype) in found.items():
        if array.ndim not in (1, 2):
            kind = "a convolution's weights or a larger block" if array.ndim > 2 else "a single number"
            raise ValueError(f"the array {_shown(key)} of shape {array.shape} must be a matrix or a bias, and is "
                             f"{kind}: only multilayer perceptrons are examined here")
        if not array.size:
            raise ValueError(f"the array {_shown(key)} of shape {array.shape} must not be empty")
        if bad := int(array.size - np.isfinite(array).sum()):
            raise ValueError(f"the array {_shown(key)} must hold finite numbers, and {bad:,} of {array.size:,} are NaN "
                             "or infinite")
        arrays[key], dtypes[key] = array, dtype
    if not any(array.ndim == 2 for array in arrays.values()):
        raise ValueError("the file must hold at least one matrix of weights")
    total = sum(array.size for array in arrays.values())
    if total > MOST_PARAMETERS:
        raise ValueError(f"there must be at most {MOST_PARAMETERS:,} parameters, got {total:,}")
    return Checkpoint(suffix, MappingProxyType(arrays), MappingProxyType(dtypes))


def _too_many(count: int | str) -> ValueError:
    return ValueError(f"the file must hold at most {MOST_ARRAYS} arrays, got {count}")


def _read_npz(data: bytes) -> dict[str, tuple[Array, str]]:
    if data.count(DIRECTORY_ENTRY) > 4 * MOST_ARRAYS:  # before a directory of a million names is made
        raise _too_many("far more")
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
        entries = archive.infolist()
    except Exception:  # a damaged directory fails in many ways
        raise ValueError("this is no .npz file, or a damaged one: save the arrays with numpy.savez") from None
    if len(entries) > MOST_ARRAYS:
        raise _too_many(len(entries))
    found, left = {}, MOST_UNPACKED
    for entry in entries:
        name = entry.filename.removesuffix(".npy")
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError(f"the array {_shown(name)} must be stored or deflated, as numpy.savez does")
        try:
            with archive.open(entry) as packed:
                content = packed.read(left + 1)  # counted as it unpacks: the directory may lie
        except Exception:  # damaged data fails in many ways
            raise ValueError(f"the array {_shown(name)} is damaged and cannot be unpacked") from None
        left -= len(content)
        if left < 0:
            raise ValueError(f"the file must unpack to at most {MOST_UNPACKED / 1e6:,.0f} MB, and holds more")
        found[name] = _read_npy(content, name)
    return found


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
        raise ValueError(f"the entry {_shown(name)} is no array that numpy.savez wrote") from None
    if dtype.hasobject:
        raise ValueError(f"the array {_shown(name)} holds Python objects, which are never loaded: save plain numbers "
                         f"of {ALLOWED}")
    if dtype.kind != "f" or dtype.name not in DTYPE_NAMES:
        raise ValueError(f"the array {_shown(name)} must be of {ALLOWED}, got {dtype.name}")
    body = content[file.tell():]
    if any(length < 0 for length in shape) or count * dtype.itemsize != len(body):
        raise ValueError(f"the array {_shown(name)} must have the {count * dtype.itemsize:,} bytes that its header "
                         f"says, got {len(body):,}")
    array = np.frombuffer(body, dtype).reshape(shape, order="F" if fortran else "C")
    return array.astype(dtype.newbyteorder("="), copy=False), dtype.name


def _read_safetensors(data: bytes) -> dict[str, tuple[Array, str]]:
    header = int.from_bytes(data[:8], "little")
    if len(data) < 8 or header > min(len(data) - 8, MOST_HEADER):
        raise ValueError(f"this is no .safetensors file, or a cut one: its header says that it has {header:,} bytes, "
                         f"where the file has {max(len(data) - 8, 0):,} left and at most {MOST_HEADER:,} are read")
    try:
        tensors = safetensors.deserialize(data)  # type: ignore[no-untyped-call]
    except BaseException as error:  # a panic of the Rust code is no Exception
        if isinstance(error, KeyboardInterrupt | SystemExit | MemoryError):
            raise
        raise ValueError("the header of this .safetensors file is damaged, or does not fit its data: save the arrays "
                         "with safetensors") from None
    if len(tensors) > MOST_ARRAYS:
        raise _too_many(len(tensors))
    found = {}
    for name, tensor in tensors:
        dtype, shape, body = tensor["dtype"], tensor["shape"], tensor["data"]
        if dtype not in DTYPE_NAMES.values():
            raise ValueError(f"the array {_shown(name)} must be of {ALLOWED}, got {dtype}")
        if dtype == "BF16":  # the upper half of a float32
            array = (np.frombuffer(body, "<u2").astype(np.uint32) << 16).view(np.float32)
        else:
            array = np.frombuffer(body, FLOATS[dtype])
        found[name] = (array.reshape(shape), {code: name for name, code in DTYPE_NAMES.items()}[dtype])
    return found


# ---------------------------------------------------------------------------------------------- writing

def _write_npz(arrays: Mapping[str, tuple[Array, str]]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:  # numpy.savez has no way to say a name such as "file"
        for name, (array, dtype) in arrays.items():
            with archive.open(f"{name}.npy", "w") as entry:
                np.lib.format.write_array(entry, np.ascontiguousarray(array, dtype), allow_pickle=False)
    return file.getvalue()


def _write_safetensors(arrays: Mapping[str, tuple[Array, str]]) -> bytes:
    """The format is a length, a JSON header and the bytes: github.com/huggingface/safetensors, section "Format".

    The package's own writer knows no bfloat16 without a further package.
    """
    header, bodies, place = {}, [], 0
    for name, (array, dtype) in arrays.items():
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
