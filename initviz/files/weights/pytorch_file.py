"""The zip format of torch.save, read without PyTorch and without running its pickle.

The pickle in the archive is gone through instruction by instruction: each of the few that a state dict needs has its
meaning here, each name that it may mention stands in a table, and anything else is refused. No object is made but
dicts, lists, tuples, numbers, texts and the records below. The format: pytorch.org/docs/stable/notes/serialization.html
and ``torch/_utils.py`` for what ``_rebuild_tensor_v2`` is given.
"""

from __future__ import annotations

import pickletools
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any, BinaryIO, Literal

import numpy as np

from initviz.core.arrays import Array
from initviz.core.wording import shown
from initviz.files.weights.npz_file import entries_of
from initviz.files.weights.tensors import (
    FLOATS,
    ITEM_BYTES,
    Container,
    Limits,
    Tensor,
    filled,
    from_bfloat16,
    not_floats,
    product,
)

LEGACY = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19"  # torch.save's magic number before version 1.6
BROKEN = "this is no file of torch.save, or a damaged one: save model.state_dict() with torch.save"
SAVE_ANEW = ('save it anew: import torch; state = torch.load(FILE, weights_only=True); torch.save(state, "weights.pt")')
STORAGES: Mapping[str, str] = MappingProxyType({
    "torch.HalfStorage": "float16", "torch.BFloat16Storage": "bfloat16", "torch.FloatStorage": "float32",
    "torch.DoubleStorage": "float64", "torch.LongStorage": "int64", "torch.IntStorage": "int32",
    "torch.ShortStorage": "int16", "torch.CharStorage": "int8", "torch.ByteStorage": "uint8",
    "torch.BoolStorage": "bool", "torch.ComplexFloatStorage": "complex64", "torch.ComplexDoubleStorage": "complex128"})
TENSOR, PARAMETER, ORDERED = "torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_parameter", (
    "collections.OrderedDict")
# What checkpoints hold beside tensors, such as options or a number format: taken in as a name, and never called.
INERT = frozenset({
    "torch.Size", "torch.device", "numpy.dtype", "numpy.ndarray", "_codecs.encode", "argparse.Namespace",
    "datetime.datetime", *(f"numpy.{core}.multiarray.{name}" for core in ("core", "_core") for name in (
        "scalar", "_reconstruct")),
    *(f"pathlib.{kind}Path" for kind in ("", "Posix", "PurePosix", "Windows", "PureWindows")),
    *(f"{module}.{name}" for module in ("__builtin__", "builtins") for name in (
        "set", "frozenset", "complex", "slice", "bytearray", "list", "int", "float", "dict", "str", "bool")),
    *(f"torch.{name}" for name in ("float16", "bfloat16", "float32", "float64", "int8", "uint8", "int16", "int32",
                                   "int64", "bool", "complex64", "complex128", "float8_e4m3fn", "float8_e5m2"))})
DICTS = frozenset({ORDERED, "collections.defaultdict"})  # made empty, whatever they are given
KNOWN = frozenset({TENSOR, PARAMETER, *DICTS, *STORAGES, *INERT})
# In keys that a checkpoint has beside its models; callbacks and loops are Lightning's.
NOT_WEIGHTS = re.compile(r"optim|(?<![a-z])opt(?![a-z])|sched|scaler|rng|callbacks|loops|hyper_?param", re.IGNORECASE)
MOST_DEPTH, MOST_AXES = 8, 32
Order = Literal["<", ">"]  # of the bytes of a number


@dataclass(frozen=True)
class Name:
    """A name that a pickle mentions."""

    name: str


@dataclass(frozen=True)
class Storage:
    """A piece of memory in the archive: its key, number format and number of values."""

    key: str
    dtype: str
    count: int


@dataclass(frozen=True)
class View:
    """A tensor: where in a storage it begins, its shape and its strides, all in values."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


# ---------------------------------------------------------------------------------------------- the pickle

CONSTANTS: Mapping[str, Callable[[], Any]] = MappingProxyType({
    "EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_SET": list, "EMPTY_TUPLE": tuple, "NONE": lambda: None,
    "NEWTRUE": lambda: True, "NEWFALSE": lambda: False})
ARGUMENTS = frozenset({
    "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT",
    "SHORT_BINBYTES", "BINBYTES", "SHORT_BINSTRING", "BINSTRING"})
IGNORED = frozenset({"PROTO", "FRAME", "STOP"})
TUPLES: Mapping[str, int] = MappingProxyType({"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3})


class Machine:
    """What a pickle describes, by its instructions; ValueError at the first that no state dict needs."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        self.steps: dict[str, Callable[[Any], None]] = {
            "MARK": lambda _: self.marks.append(len(self.stack)), "TUPLE": lambda _: self.push(tuple(self.marked())),
            "APPEND": lambda _: self.extend([self.stack.pop()]), "APPENDS": lambda _: self.extend(self.marked()),
            "ADDITEMS": lambda _: self.extend(self.marked()), "FROZENSET": lambda _: self.push(tuple(self.marked())),
            "SETITEM": lambda _: self.update(self.popped(2)), "SETITEMS": lambda _: self.update(self.marked()),
            "BINPUT": self.remember, "LONG_BINPUT": self.remember, "MEMOIZE": lambda _: self.remember(len(self.memo)),
            "BINGET": lambda place: self.push(self.memo[place]), "LONG_BINGET": lambda place: self.push(
                self.memo[place]),
            "GLOBAL": lambda words: self.push(_named(*words.split(" "))),
            "STACK_GLOBAL": lambda _: self.push(_named(*self.popped(2))),
            "BINPERSID": lambda _: self.push(_storage(self.stack.pop())),
            "REDUCE": lambda _: self.push(_made(*self.popped(2))),
            "NEWOBJ": lambda _: self.push(_made(*self.popped(2))), "BUILD": lambda _: self.drop()}

    def read(self, data: bytes) -> Any:
        """What the pickle describes."""
        for instruction, argument, _ in pickletools.genops(data):
            name = instruction.name
            if name in self.steps:
                self.steps[name](argument)
            elif name in CONSTANTS:
                self.push(CONSTANTS[name]())
            elif name in ARGUMENTS:
                self.push(argument)
            elif name in TUPLES:
                self.push(tuple(self.popped(TUPLES[name])))
            elif name not in IGNORED:
                raise RefusedError(f"this file's pickle has the instruction {name}, which no state dict needs and "
                                   "which is never run: save model.state_dict() alone")
        return self.stack.pop()

    def push(self, value: Any) -> None:
        """Put a value on the stack."""
        self.stack.append(value)

    def drop(self) -> None:
        """Take the state that an object would be given, such as a state dict's _metadata."""
        self.stack.pop()

    def remember(self, place: int) -> None:
        """Keep the value on top under a number."""
        self.memo[place] = self.stack[-1]

    def popped(self, count: int) -> list[Any]:
        """The values on top, lowest first."""
        if len(self.stack) < count:
            raise IndexError
        values = self.stack[-count:]
        del self.stack[-count:]
        return values

    def marked(self) -> list[Any]:
        """The values since the last mark."""
        place = self.marks.pop()
        values = self.stack[place:]
        del self.stack[place:]
        return values

    def extend(self, values: list[Any]) -> None:
        """Append to the list on top."""
        if not isinstance(self.stack[-1], list):
            raise TypeError
        self.stack[-1].extend(values)

    def update(self, values: list[Any]) -> None:
        """Set items of the dict on top; keys are texts and numbers, which are hashed without going deep."""
        if not isinstance(self.stack[-1], dict) or not all(
                isinstance(key, str | int | float | None) for key in values[::2]):
            raise TypeError
        self.stack[-1].update(zip(values[::2], values[1::2], strict=True))


class RefusedError(ValueError):
    """A pickle that asks for what no state dict needs."""


def _named(module: str, name: str) -> Name:
    full = f"{module}.{name}"
    if full in KNOWN:
        return Name(full)
    if full.startswith(("torch._utils._rebuild", "torch.qint", "torch.quint")):
        raise RefusedError(f"this file has a tensor of another kind ({shown(name)}), such as a sparse, quantized or "
                           "8-bit one, or one without values: save dense tensors of float32")
    if full.startswith(("torch.nn.", "__torch__.")) or full.split(".")[0] == "__main__":
        raise RefusedError(f"this file holds an object ({shown(full)}), such as a whole model, whose code is never "
                           "run: save model.state_dict() alone with torch.save")
    raise RefusedError(f"this file's pickle asks for {shown(full)}, which no state dict needs and which is never run: "
                       "save model.state_dict() alone with torch.save")


def _storage(persistent_id: Any) -> Storage:
    kind, storage, key, _, count = persistent_id
    if kind != "storage" or not isinstance(storage, Name) or not isinstance(key, str) or not _whole(count):
        raise TypeError
    return Storage(key, STORAGES[storage.name], count)


def _made(called: Any, given: Any) -> Any:
    """What a call describes: a tensor, an empty dict, or a name that stands for what is never made."""
    if not isinstance(called, Name) or not isinstance(given, tuple):
        raise TypeError
    if called.name in DICTS:
        return {}
    if called.name == PARAMETER and isinstance(given[0], View):
        return given[0]
    if called.name != TENSOR:
        return Name(called.name)
    storage, offset, shape, strides, *more = given
    if len(more) > 2 and more[2]:  # its numbers are to be negated or conjugated
        raise RefusedError("this file has a tensor that is a view with another sign: save it after .resolve_neg()")
    lengths = (offset, *shape, *strides)
    if not isinstance(storage, Storage) or not all(map(_whole, lengths)) or len(shape) != len(strides) or (
            len(shape) > MOST_AXES):
        raise TypeError
    return View(storage, offset, tuple(shape), tuple(strides))


def _whole(number: Any) -> bool:
    return type(number) is int and 0 <= number < 1 << 62


# ---------------------------------------------------------------------------------------------- the archive

def container(file: BinaryIO, size: int, limits: Limits) -> Container:
    """The tensors of an open file of torch.save: of a state dict, or of one in a checkpoint."""
    file.seek(0)
    if file.read(len(LEGACY)) == LEGACY:
        raise ValueError(f"this file is of PyTorch before 1.6, whose format is a pickle throughout: {SAVE_ANEW}")
    archive, entries = entries_of(file, limits, BROKEN)
    by_name = {entry.filename: entry for entry in entries}
    pickles = [name for name in by_name if name == "data.pkl" or name.endswith("/data.pkl")]
    if any(name.endswith("constants.pkl") for name in by_name):
        raise ValueError("this file must be a state dict, and is TorchScript: save model.state_dict() with torch.save")
    if len(pickles) != 1:
        raise ValueError(BROKEN)
    prefix = pickles[0].removesuffix("data.pkl")
    try:
        described = Machine().read(_content(archive, by_name[pickles[0]], limits.header_bytes))
        order = _content(archive, by_name[f"{prefix}byteorder"], 16) if f"{prefix}byteorder" in by_name else b"little"
    except RefusedError:
        raise
    except Exception:  # a damaged pickle fails in many ways
        raise ValueError(BROKEN) from None
    views = _state_dict(described)
    if not views:
        raise ValueError("this file must hold a state dict of tensors, and has none: save model.state_dict() with "
                         "torch.save")
    spot: Order = ">" if order == b"big" else "<"
    return Container(tuple(_tensor(file, size, by_name, prefix, name, view, spot) for name, view in views.items()),
                     MappingProxyType({}))


def _content(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, most: int) -> bytes:
    if entry.file_size > most or entry.compress_type != zipfile.ZIP_STORED:
        raise ValueError
    with archive.open(entry) as packed:
        return packed.read(most)


def _state_dict(described: Any) -> dict[str, View]:
    """The tensors by their names: of the dict itself, or of the dicts that a checkpoint keeps its models in.

    Of a single model the names are its own; those of several, as of a model and its moving average, begin with its key.
    """
    if isinstance(described, list | tuple):  # of parameters, one by one
        described = {f"arr_{place}": value for place, value in enumerate(described)}
    leaves = list(_leaves(described, (), set())) if isinstance(described, dict) else []
    models = dict.fromkeys(path[0] for path, _ in leaves if len(path) > 1 and not NOT_WEIGHTS.search(path[0]))
    if models and not any(len(path) == 1 and "." in path[0] for path, _ in leaves):
        leaves = [(path[1:] if len(models) == 1 else path, view) for path, view in leaves
                  if len(path) > 1 and path[0] in models]
    return {".".join(path): view for path, view in leaves}


def _leaves(value: Mapping[Any, Any], path: tuple[str, ...], seen: set[int]) -> Iterator[tuple[tuple[str, ...], View]]:
    """The tensors of nested dicts with their keys, but for an optimizer's; a dict in two places is gone through once.
    """
    seen.add(id(value))
    if "param_groups" in value and path:
        return
    for key, inner in value.items():
        if isinstance(inner, View):
            yield (*path, str(key)), inner
        elif isinstance(inner, dict) and id(inner) not in seen and len(path) < MOST_DEPTH:
            yield from _leaves(inner, (*path, str(key)), seen)


def _tensor(file: BinaryIO, size: int, entries: Mapping[str, zipfile.ZipInfo], prefix: str, name: str, view: View,
            spot: Order) -> Tensor:
    """A tensor, where its storage holds all that its shape and strides reach."""
    dtype, entry = view.storage.dtype, entries.get(f"{prefix}data/{view.storage.key}")
    if dtype not in ITEM_BYTES:
        return Tensor(name, view.shape, dtype, partial(_not_floats, name, dtype))
    reach = 0 if 0 in view.shape else 1 + sum(
        (length - 1) * stride for length, stride in zip(view.shape, view.strides, strict=True))
    if entry is None or entry.compress_type != zipfile.ZIP_STORED or entry.file_size != (
            view.storage.count * ITEM_BYTES[dtype]) or view.offset + reach > view.storage.count or (
            entry.header_offset + entry.file_size > size) or product(view.shape) > max(reach, size):  # spread too far
        raise ValueError(f"the array {shown(name)} must lie within its storage, as torch.save writes it")
    return Tensor(name, view.shape, dtype, partial(_load, file, entry.header_offset, name, view, reach, spot))


def _not_floats(name: str, dtype: str) -> Array:
    raise not_floats(name, dtype)


def _load(file: BinaryIO, header: int, name: str, view: View, reach: int, spot: Order) -> Array:
    dtype = view.storage.dtype
    file.seek(header)
    local = file.read(30)  # a local header of a zip archive, then the name and what is extra
    file.seek(header + 30 + int.from_bytes(local[26:28], "little") + int.from_bytes(local[28:30], "little")
              + view.offset * ITEM_BYTES[dtype])
    stored = np.dtype(f"{spot}u2") if dtype == "bfloat16" else FLOATS[dtype].newbyteorder(spot)
    flat = filled(file, reach, stored, name)
    flat = from_bfloat16(flat) if dtype == "bfloat16" else flat
    array = np.lib.stride_tricks.as_strided(flat, view.shape, [flat.itemsize * stride for stride in view.strides],
                                            writeable=False)
    return array if product(view.shape) == reach else array.copy()
