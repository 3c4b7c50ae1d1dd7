"""Containers of tensors: what each tensor of a file is, known before any is read, and a loader for each alone.

``opened(path)`` describes the tensors of a file, or of the shards that a .safetensors.index.json names; each is loaded
by itself, so that a file larger than memory can be gone through. What a header or directory declares is held against
the file and the limits before memory is taken; nothing in a file is run.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO

from initviz.core.wording import MOST_SHOWN, is_unicode, shown
from initviz.files.stand_ins import MOST_START, check_is_itself
from initviz.files.weights import npz_file, pytorch_file, safetensors_file
from initviz.files.weights.tensors import (
    EXAMINED,
    Container,
    Content,
    Limits,
    Tensor,
    size_of,
    too_large,
    too_many,
)

SHARDED = ".safetensors.index.json"
DRAWN = 'the same weights can be saved by: '
SAVED = ('numpy.savez("weights.npz", **(loaded if isinstance(loaded, dict) else '
         '{{f"arr_{{place}}": array for place, array in enumerate(loaded)}}))')
OF_SKLEARN = 'loaded = [*loaded.coefs_, *loaded.intercepts_] if hasattr(loaded, "coefs_") else loaded; '
CONVERSIONS: Mapping[str, str] = MappingProxyType({  # the three statements that save what another format holds
    ".keras": 'import keras, numpy; loaded = keras.models.load_model({name!r}, compile=False); '
              'numpy.savez("weights.npz", **{{w.path: w.numpy() for w in loaded.weights}})',
    **dict.fromkeys((".h5", ".hdf5"), (
        'import h5py, numpy; loaded = {{}}; h5py.File({name!r}).visititems(lambda name, item: loaded.update({{name: '
        'item[()]}}) if isinstance(item, h5py.Dataset) and "optimizer" not in name else None); '
        'numpy.savez("weights.npz", **loaded)')),
    ".onnx": 'import onnx, numpy; graph = onnx.load({name!r}).graph; '
             'numpy.savez("weights.npz", **{{t.name: onnx.numpy_helper.to_array(t) for t in graph.initializer}})',
    **dict.fromkeys((".pkl", ".pickle"), (
        f'import pickle, numpy; loaded = pickle.load(open({{name!r}}, "rb")); {OF_SKLEARN}{SAVED}')),
    ".joblib": f'import joblib, numpy; loaded = joblib.load({{name!r}}); {OF_SKLEARN}{SAVED}',
    ".npy": 'import numpy; loaded = numpy.load({name!r}, allow_pickle=True); '
            'loaded = loaded.item() if not loaded.shape else loaded if loaded.dtype == object else [loaded]; ' + SAVED,
    ".mat": 'import scipy.io, numpy; loaded = scipy.io.loadmat({name!r}); '
            'numpy.savez("weights.npz", **{{key: loaded[key] for key in loaded if key[0] != "_"}})'})
WRITTEN: Mapping[str, str] = MappingProxyType({  # the format in which arrays that came in one are written
    ".npz": ".npz", **dict.fromkeys((".safetensors", ".pt", ".pth", ".bin", ".ckpt"), ".safetensors")})
SUFFIXES = tuple(WRITTEN)
SUFFIXES_SAID = f"{', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}"
FORMATS: Mapping[str, Callable[[BinaryIO, int, Limits], Container]] = MappingProxyType({
    ".npz": npz_file.container, ".safetensors": safetensors_file.container,
    **dict.fromkeys((".pt", ".pth", ".bin", ".ckpt"), pytorch_file.container)})


# ---------------------------------------------------------------------------------------------- reading

def container(file: BinaryIO, name: str, limits: Limits = EXAMINED) -> Container:
    """The tensors of an open file, whose name says by its end what it is; ValueError for all that is none.

    The loaders read from ``file``, which must stay open.
    """
    suffix = Path(name).suffix.lower()
    if suffix in CONVERSIONS:
        short = name if len(name) <= MOST_SHOWN else f"weights{suffix}"
        raise ValueError(f"a file of weights must end in {SUFFIXES_SAID}, got {shown(name)}: {DRAWN}"
                         + CONVERSIONS[suffix].format(name=short))
    if suffix not in FORMATS:
        raise ValueError(f"a file of weights must end in {SUFFIXES_SAID}, got {shown(name)}")
    size = size_of(file)
    if not size:
        raise ValueError("the file is empty: save a state dict with numpy.savez or safetensors")
    if size > limits.file_bytes:
        raise ValueError(f"the file must be at most {limits.file_bytes / 1e6:,.0f} MB, got {size / 1e6:,.0f}")
    file.seek(0)
    check_is_itself(file.read(MOST_START))
    contents = FORMATS[suffix](file, size, limits)
    names = set()
    for tensor in contents.tensors:
        if not is_unicode(tensor.name):
            raise ValueError(f"each array's name must be valid Unicode, got {shown(tensor.name)}")
        if tensor.name in names:
            raise ValueError(f"each array must have a name of its own, and {shown(tensor.name)} stands twice")
        names.add(tensor.name)
    return contents


@contextlib.contextmanager
def opened(path: Path, limits: Limits = EXAMINED) -> Iterator[Container]:
    """The tensors of a file, or of all shards where ``path`` is a .safetensors.index.json; closed on leaving.

    The limits hold for each shard.
    """
    with contextlib.ExitStack() as files:
        if not is_index(path.name):
            yield container(files.enter_context(path.open("rb")), path.name, limits)
            return
        index = files.enter_context(path.open("rb"))
        shards = {name: files.enter_context((path.parent / name).open("rb"))
                  for name in shards_of(index, path.name, limits) if _is_file(path.parent / name)}
        yield of_index(index, path.name, shards, limits)


def _is_file(path: Path) -> bool:
    """Whether there is such a file; False for what no file can be called, too."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def is_index(name: str) -> bool:
    """Whether a file of that name says which tensors are in which shard."""
    return name.lower().endswith(SHARDED)


def of_index(index: BinaryIO, name: str, shards: Mapping[str, BinaryIO], limits: Limits = EXAMINED) -> Container:
    """The tensors that an index of that name says, from its open shards by their names; ValueError where one lacks."""
    tensors: list[Tensor] = []
    for shard, names in shards_of(index, name, limits).items():
        if shard not in shards:
            raise ValueError(f"the shard {shown(shard)} must be given too, as {shown(name)} names it")
        shard_container = container(shards[shard], shard, limits)
        if lacking := sorted(names - {tensor.name for tensor in shard_container}):
            raise ValueError(f"the shard {shown(shard)} must hold {shown(lacking[0])}, as {shown(name)} says")
        tensors += [tensor for tensor in shard_container if tensor.name in names]
    return Container(tuple(tensors), MappingProxyType({}))


def shards_of(index: BinaryIO, name: str, limits: Limits = EXAMINED) -> dict[str, set[str]]:
    """The names of the arrays in each shard of an open index; raises ValueError for any other file."""
    size = size_of(index)
    if size > limits.header_bytes:
        raise ValueError(f"the index must be at most {limits.header_bytes / 1e6:g} MB, got {size / 1e6:,.1f}")
    index.seek(0)
    try:
        entries = json.loads(index.read())["weight_map"]
    except Exception:  # JSON fails in many ways
        entries = None
    if not isinstance(entries, dict):
        raise ValueError(f"{shown(name)} must be the index of a sharded .safetensors file, with its weight_map")
    by_shard: dict[str, set[str]] = {}
    for name, shard in entries.items():
        if not isinstance(shard, str) or Path(shard).name != shard or not shard.lower().endswith(".safetensors"):
            raise ValueError(f"a shard must be a .safetensors file beside its index, got {shown(str(shard))}")
        by_shard.setdefault(shard, set()).add(name)
    return dict(sorted(by_shard.items()))


def checked(contents: Container, limits: Limits = EXAMINED) -> Container:
    """The container, where its arrays are few and small enough to be loaded at once; else ValueError."""
    if len(contents.tensors) > limits.arrays:
        raise too_many(len(contents.tensors), limits)
    total = sum(tensor.loaded_bytes for tensor in contents.tensors)
    if total > limits.loaded_bytes:
        raise too_large(limits)
    return contents


def loaded(contents: Container) -> Content:
    """All arrays of a container."""
    return Content({tensor.name: tensor.load() for tensor in contents},
                   {tensor.name: tensor.dtype for tensor in contents}, contents.metadata)


# ---------------------------------------------------------------------------------------------- writing

def write(content: Content, suffix: str) -> bytes:
    """A file with these arrays, in the format in which arrays that came in a file of that suffix are written."""
    return npz_file.write(content) if WRITTEN[suffix] == ".npz" else safetensors_file.write(content)
