"""The .npz format: a zip archive of .npy arrays, as numpy.savez writes it."""

from __future__ import annotations

import io
import re
import zipfile
from functools import partial
from types import MappingProxyType
from typing import BinaryIO

import numpy as np

from initviz.core.arrays import Array
from initviz.core.wording import shown
from initviz.files.weights.tensors import (
    ALLOWED,
    FLOATS,
    Container,
    Content,
    Limits,
    Tensor,
    filled,
    not_floats,
    product,
    size_of,
    too_large,
    too_many,
)

MOST_NPY_HEADER = 10_000  # bytes; numpy reads no longer one either
MAGIC = b"\x93NUMPY"
_ITEM = (r"'descr':\s*'(?P<descr>[^'\\]{1,40})'", r"'fortran_order':\s*(?P<fortran>True|False)",
         r"'shape':\s*\((?P<shape>(?:\s*[0-9]{1,19}L?\s*(?:,|(?=\))))*\s*)\)")
ITEMS = tuple(re.compile(item, re.ASCII) for item in _ITEM)
_ANY = "|".join(re.sub(r"\?P<\w+>", "?:", item) for item in _ITEM)
HEADER = re.compile(rf"\{{\s*(?:(?:{_ANY})\s*,\s*){{2}}(?:{_ANY})\s*,?\s*\}}\s*", re.ASCII)
RECORDS = re.compile(r"\{.*'descr':\s*\[", re.ASCII)
KINDS = MappingProxyType({"f": "float", "i": "int", "u": "uint", "c": "complex"})


class Directory:
    """A file of which at most ``most`` bytes are read at once, while a zip archive's directory is."""

    def __init__(self, file: BinaryIO, most: int) -> None:
        self.file, self.most = file, most
        self.seek, self.tell = file.seek, file.tell

    def seekable(self) -> bool:
        """As the file, which is."""
        return True

    def read(self, count: int | None = -1) -> bytes:
        """The next bytes; ValueError where more are asked for than a directory may have."""
        place = self.tell()
        left = size_of(self.file) - place
        self.seek(place)
        size = left if count is None or count < 0 else min(count, left)
        if size > self.most:
            raise ValueError("directory")
        return self.file.read(size)


def entries_of(file: BinaryIO, limits: Limits, broken: str) -> tuple[zipfile.ZipFile, list[zipfile.ZipInfo]]:
    """A zip archive and its entries; raises ValueError (``broken``) for others before a large directory is read."""
    directory = Directory(file, max(limits.header_bytes, 1 << 17))
    try:
        archive = zipfile.ZipFile(directory)
        entries = archive.infolist()
    except Exception as error:  # a damaged directory fails in many ways
        if error.args == ("directory",):
            raise too_many("far more", limits) from None
        raise ValueError(broken) from None
    if len(entries) > 4 * limits.arrays:
        raise too_many(len(entries), limits)
    directory.most = 1 << 62
    return archive, entries


def container(file: BinaryIO, size: int, limits: Limits) -> Container:
    """The arrays of an open .npz file; of each entry the header alone is unpacked."""
    archive, entries = entries_of(file, limits, "this is no .npz file, or a damaged one: save the arrays with "
                                                "numpy.savez")
    if len(entries) > limits.arrays:
        raise too_many(len(entries), limits)
    if sum(entry.file_size for entry in entries) > limits.loaded_bytes + MOST_NPY_HEADER * len(entries):
        raise too_large(limits)
    return Container(tuple(_tensor(archive, entry) for entry in entries), MappingProxyType({}))


def _tensor(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Tensor:
    name = entry.filename.removesuffix(".npy")
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"the array {shown(name)} must be stored or deflated, as numpy.savez does")
    try:
        with archive.open(entry) as packed:
            start = packed.read(12)
            version = start[6:8]
            length = int.from_bytes(start[8:10 if version == b"\1\0" else 12], "little")
            place = 10 if version == b"\1\0" else 12
            header = start[place:] + packed.read(min(max(length - (12 - place), 0), MOST_NPY_HEADER + 1))
    except Exception:  # damaged data fails in many ways
        raise ValueError(f"the array {shown(name)} is damaged and cannot be unpacked") from None
    text = header.decode("latin-1")
    wrong = start[:6] != MAGIC or version not in (b"\1\0", b"\2\0", b"\3\0") or len(header) != length or (
        length > MOST_NPY_HEADER)
    if not wrong and RECORDS.match(text):
        raise not_floats(name, "records of several fields")
    parts = [item.search(text) for item in ITEMS]
    if wrong or not HEADER.fullmatch(text) or None in parts:
        raise ValueError(f"the entry {shown(name)} is no array that numpy.savez wrote")
    descr, fortran, dimensions = (part[1] for part in parts if part is not None)
    shape = tuple(int(digits) for digits in re.findall("[0-9]+", dimensions))
    if len(shape) > 32:
        raise ValueError(f"the array {shown(name)} must have at most 32 axes, got {len(shape)}")
    if "O" in descr:
        raise ValueError(f"the array {shown(name)} holds Python objects, which are never loaded: save plain numbers "
                         f"of {ALLOWED}")
    dtype = _dtype_name(descr)
    if dtype in FLOATS:
        expected, actual = product(shape) * FLOATS[dtype].itemsize, entry.file_size - place - length
        if expected != actual:
            raise ValueError(f"the array {shown(name)} must have the {expected:,} bytes that its header says, got "
                             f"{actual:,}")
    return Tensor(name, shape, dtype, partial(_load, archive, entry, name, shape, dtype, descr, fortran == "True",
                                              place + length))


def _dtype_name(descr: str) -> str:
    """numpy's name of a number format such as <f4; any other text as it is."""
    match = re.fullmatch(r"[<>=|]?([fiuc])([0-9]{1,2})", descr)
    return f"{KINDS[match[1]]}{8 * int(match[2])}" if match else descr.strip("<>|=")


def _load(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, name: str, shape: tuple[int, ...], dtype: str, descr: str,
          fortran: bool, start: int) -> Array:
    if dtype not in FLOATS:
        raise not_floats(name, dtype)
    stored = FLOATS[dtype].newbyteorder(">" if descr.startswith(">") else "<")
    try:
        with archive.open(entry) as packed:
            packed.read(start)
            array = filled(packed, product(shape), stored, name)
    except Exception:  # damaged data fails in many ways
        raise ValueError(f"the array {shown(name)} is damaged and cannot be unpacked") from None
    return array.reshape(shape, order="F" if fortran else "C")


def write(content: Content) -> bytes:
    """An .npz file with these arrays."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:  # numpy.savez has no way to say a name such as "file"
        for name, array in content.arrays.items():
            with archive.open(f"{name}.npy", "w") as entry:
                np.lib.format.write_array(entry, np.asarray(array, content.dtypes[name], order="C"),
                                          allow_pickle=False)
    return file.getvalue()
