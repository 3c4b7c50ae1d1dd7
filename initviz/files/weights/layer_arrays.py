"""The matrices and biases of a file, however they are stored, or what it holds that is no multilayer perceptron."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType
from typing import Any

import numpy as np

from initviz.core.arrays import Array
from initviz.core.wording import shown
from initviz.files.weights.names import layer_of, role, split

ONLY = "only multilayer perceptrons are examined here; Audit reads any file, array by array"
WITHOUT = ("only multilayer perceptrons without normalization are examined here: save what "
           "torch.nn.utils.fuse_linear_bn_eval makes of a batch normalization and its layer; Audit reads any file")
CHAIN = ("its connection around the layers would be lost in a plain chain: save the branch's layers alone to examine "
         "these")
# Names of arrays that belong to another kind of layer, what that is, and what helps.
OTHER_LAYERS = tuple((re.compile(rf"(?:^|[./_]){pattern}(?::0)?(?:$|(?<=\W)|(?=[./_]))", re.IGNORECASE), what, helps)
                     for pattern, what, helps in (
    (r"spectral_?norm(?:alization)?(?:_?[0-9]+)?", "a spectral normalization's",
     "save the weights that are applied, which it has divided"),
    (r"(?:running_mean|running_var|num_batches_tracked|moving_mean|moving_variance|bn_?(?:gain|bias|scale|shift)[0-9]*|"
     r"batch_stats|batch_?norm(?:alization)?(?:_?[0-9]+)?)", "a batch normalization's", WITHOUT),
    (r"(?:(?:weight|bias)_[ih]h(?:_l[0-9]+)?|recurrent_kernel|rnn|lstm|gru|[wub]_?hh|h2h|i2h)",
     "a recurrent layer's", ONLY),
    (r"(?:gate|gating|router|gate_(?:up_)?proj|up_gate|feed_forward[._/]w3)",
     "a gated layer's, which multiplies two layers' outputs", ONLY),
    (r"(?:exp_avg(?:_sq)?|momentum_buffer|max_exp_avg_sq)", "an optimizer's", "save model.state_dict()"),
    (r"lora_[a-z]+", "a low-rank adapter's", "merge it into the layer's weights, and save these"),
    (r"(?:weight|bias)_(?:mu|mean|sigma|std|rho|log_?(?:var|std|sigma)|epsilon|eps)|rho_(?:weight|bias)",
     "a noisy layer's", "save its mean or a draw as weight and bias"),
    (r"(?:weight|bias)_mask|(?<=[./])mask$", "a masked or pruned layer's",
     "save each weight times its mask, as torch.nn.utils.prune.remove leaves it"),
    (r"(?:in_proj_weight|in_proj_bias|[qkv]_proj|to_(?:[qkv]+)|w_?k|query|c_attn|attn|attention)",
     "an attention layer's", ONLY),
    (r"(?:shortcut|skip|downsample|residual|res_?blocks?|resnet|res)[0-9]*(?:_?(?:block|conn|proj|layer)[a-z]*)?"
     r"(?:_[0-9]+)?", "a residual block's", CHAIN)))
# Names of what stands in a file beside its networks: of an optimizer, a loss, random numbers, a scaling of the inputs.
BESIDE = re.compile(
    r"(?:^|[./])(?:optim(?:izer)?s?(?:_states?)?|opt_states?|n?adam[wx]?|rms_?prop|sgd|ada(?:grad|delta|factor|max))[./]|"
    r"(?:^|[./])(?:loss(?:es|_fn|_func(?:tion)?)?|criterion)[./]|(?:^|[./_])(?:pos|class|sample)_?weights?$|"
    r"(?:^|[./_])seed_generator[./_]|"
    r"(?:^|[./_])(?:(?:running|value|obs(?:ervation)?|state|return|reward)_(?:mean_std|rms)|[a-z]*normalizer)[./]",
    re.IGNORECASE)
SPECTRAL = re.compile(r"(.*)(?:weight_orig|parametrizations\.(?:weight|bias)\..*)")
GAIN = re.compile(r"(?P<layer>.*?)(?:(?P<plain>(?:weight|kernel)_g)|parametrizations\.(?P<new>weight)\.original0)")
VECTOR_WEIGHTS = re.compile("weight|scale|alpha|negative_slope|(?:gamma|beta|layer_?scale)_?[0-9]*")
SCALES = ("scale", "alpha", "gamma", "beta")  # of a branch, of one number
NORMALIZING = re.compile("scale|(?:gamma|beta|layer_?scale)_?[0-9]*")
NORM = re.compile(r"norm|(?:^|[._/])(?:ln|bn|gn)", re.IGNORECASE)
EMBEDDING = re.compile(
    r"(?:^|[._/])(?:[a-z]+_)?(?:emb(?:ed)?(?:dings?|s)?|wte|wpe)(?:_?[0-9]+)?(?:[._/](?:weight|embeddings?|vars[./]0))?"
    r"(?::0)?$", re.IGNORECASE)
WEIGHTS = re.compile(r"(?:^|[./_])w|weight|kernel", re.IGNORECASE)  # a name that may be of weights all the same
PRELU = re.compile(r"(?:^|[./_])p_?re_?lu", re.IGNORECASE)


@dataclass(frozen=True)
class Stored:
    """How a file keeps an array: as the product of a length ``gain`` and a direction, in another shape, or as the part
    ``index`` of a larger one.
    """

    name: str
    shape: tuple[int, ...]
    gain: str = ""
    axes: tuple[int, ...] = ()
    index: Any = None

    def write(self, array: Array, whole: Array) -> dict[str, Array]:
        """The arrays of the file that hold this one; ``whole`` is the file's own."""
        if self.index is not None:
            written = whole.copy()
            written[self.index] = array
            return {self.name: written}
        if not self.gain:
            return {self.name: array.reshape(self.shape)}
        return {self.name: array, self.gain: _lengths(array, self.axes).reshape(self.shape).astype(array.dtype)}


@dataclass(frozen=True)
class LayerArrays:
    """Matrices (2 axes) and biases (1 axis) by name, their number formats, and how the file keeps what differs.

    ``left`` names, with their shapes, the arrays that by their names are no layer's, such as a count of steps. Where
    biases are ``folded`` into the matrices, that says where, and ``owned`` whose each is.
    """

    arrays: Mapping[str, Array]
    dtypes: Mapping[str, str]
    stored: Mapping[str, Stored]
    left: tuple[str, ...] = ()
    owned: Mapping[str, str] | None = None
    folded: str = ""


def is_unrelated(name: str, names: Iterable[str]) -> bool:
    """Whether an array of a file with these names is no layer's: its name tells neither weights nor bias, others do."""
    return not role(name) and any(map(role, names))


def beside_networks(names: Sequence[str]) -> set[str]:
    """The names of arrays that say that they belong to no network; none where all would."""
    beside = {name for name in names if BESIDE.search(name)}
    return beside if len(beside) < len(names) else set()


def check_names(names: Iterable[str]) -> None:
    """Raise ValueError for an array that by its name belongs to no plain layer, before it is read."""
    for name in names:
        for pattern, kind, helps in OTHER_LAYERS:
            if pattern.search(name):
                raise ValueError(f"the array {shown(name)} must belong to a layer of weights, and is {kind}: {helps}")


def layer_arrays(arrays: Mapping[str, Array], dtypes: Mapping[str, str]) -> LayerArrays:
    """The matrices and biases that a file holds; ValueError where an array is neither."""
    of_no_layer = _matrices_of_no_layer(arrays)
    left = tuple(f"{shown(name)} {array.shape}" for name, array in arrays.items() if name in of_no_layer or (
        not (array.size and array.ndim) and is_unrelated(name, arrays)
        and not (PRELU.search(name) or GAIN.fullmatch(name))))
    arrays = {name: array for name, array in arrays.items() if f"{shown(name)} {array.shape}" not in left}
    for name, array in arrays.items():
        _check_values(name, array)
    plain_arrays, formats, stored = _without_weight_norm(arrays, dtypes)
    for name in plain_arrays:
        if match := SPECTRAL.fullmatch(name):
            raise ValueError(f"the array {shown(name)} is of a spectral normalization or another parametrization: "
                             "save the weights that are applied, after torch.nn.utils.remove_spectral_norm(layer) "
                             'or torch.nn.utils.parametrize.remove_parametrizations(layer, "weight") of '
                             f"{shown(match[1].rstrip('.'))}")
    for name, array in plain_arrays.items():
        if array.ndim == 0 and (PRELU.search(name) or role(name) == "bias"):
            stored[name] = Stored(name, array.shape)
            plain_arrays[name] = array.reshape(1)
        elif array.ndim not in (1, 2):
            kind = ("a convolution's weights or a larger block" if array.ndim > 2 else "a single number")
            raise ValueError(f"the array {shown(name)} of shape {array.shape} must be a matrix or a bias, and is "
                             f"{kind}: {ONLY}")
    for name in _flat_biases(plain_arrays):
        stored[name] = Stored(name, plain_arrays[name].shape)
        plain_arrays[name] = plain_arrays[name].reshape(-1)
    _check_vectors(plain_arrays)
    if not any(array.ndim == 2 for array in plain_arrays.values()):
        raise ValueError("the file must hold at least one matrix of weights")
    return LayerArrays(MappingProxyType(plain_arrays), MappingProxyType(formats), MappingProxyType(stored), left)


def _matrices_of_no_layer(arrays: Mapping[str, Array]) -> set[str]:
    """The matrices that by their names are no layer's, where others' names tell weights, each with its bias.

    Embeddings without a bias are such, of which rows are looked up, where other layers have one. Gradients beside the
    weights and data are too, or the frequencies of a Fourier feature; not what chains with them.
    """
    matrices = [name for name, array in arrays.items() if array.ndim == 2 and 1 not in array.shape]
    weights = {layer_of(name): name for name in matrices if role(name) == "weight"}
    not_weights = [name for name in matrices if role(name) != "weight"]
    biases = {layer_of(name) for name in arrays if role(name) == "bias"}
    looked_up = {name for name in matrices if biases and EMBEDDING.search(name) and layer_of(name) not in biases}
    weights = {layer: name for layer, name in weights.items() if name not in looked_up}
    if not weights or not set(weights) <= biases:
        return looked_up if len(looked_up) < len(matrices) else set()
    shapes = [arrays[name].shape for name in matrices if name not in looked_up]
    chain = any(all(b[axis] == a[1 - axis] for a, b in pairwise(shapes)) for axis in (0, 1))
    return looked_up | {name for name in not_weights if role(name) == "bias" or not (chain or WEIGHTS.search(name))}


def _check_values(name: str, array: Array) -> None:
    if not array.size:
        raise ValueError(f"the array {shown(name)} of shape {array.shape} must not be empty")
    if bad := int(array.size - np.isfinite(array).sum()):
        raise ValueError(f"the array {shown(name)} must hold finite numbers, and {bad:,} of {array.size:,} are NaN or "
                         "infinite")


def _lengths(direction: Array, axes: tuple[int, ...]) -> Array:
    return np.sqrt(np.square(direction, dtype=np.float64).sum(axis=axes, keepdims=True))


def _without_weight_norm(arrays: Mapping[str, Array], dtypes: Mapping[str, str]) -> tuple[
        dict[str, Array], dict[str, str], dict[str, Stored]]:
    """The arrays with w = g v / |v| in the place of g and v (Salimans and Kingma 2016, equation 2)."""
    plain_arrays, formats, stored = dict(arrays), dict(dtypes), {}
    for gain in list(arrays):
        match = GAIN.fullmatch(gain)
        direction = "" if match is None else f"{gain[:-1]}{'v' if match['plain'] else '1'}"
        if match is None or direction not in arrays:
            continue
        g, v = arrays[gain], arrays[direction]
        g = g.reshape((1,) * v.ndim) if g.size == 1 else g
        if g.ndim != v.ndim or any(a not in (1, b) for a, b in zip(g.shape, v.shape, strict=True)):
            raise ValueError(f"the array {shown(gain)} of shape {arrays[gain].shape} must be the lengths of "
                             f"{shown(direction)} of shape {v.shape}, as weight normalization keeps them")
        axes = tuple(axis for axis, length in enumerate(g.shape) if length == 1)
        lengths = _lengths(v, axes)
        if not lengths.all():
            raise ValueError(f"the array {shown(direction)} must have no direction of length 0")
        name = f"{match['layer']}{match['new'] or match['plain'].removesuffix('_g')}"
        plain_arrays = {name if key == direction else key: value for key, value in plain_arrays.items() if key != gain}
        plain_arrays[name] = (g * (v / lengths)).astype(v.dtype)
        formats[name] = dtypes[direction]
        stored[name] = Stored(direction, arrays[gain].shape, gain, axes)
    return plain_arrays, {name: formats[name] for name in plain_arrays}, stored


def _flat_biases(arrays: Mapping[str, Array]) -> list[str]:
    """The arrays of shape (1, n) or (n, 1) that are biases: by their names, or as every second array of a file.

    Where some names tell weights, one of that shape that tells nothing is none, as a log_std of a policy. Where no name
    does, arrays are biases where each follows a matrix that gives, in one layout, as many values, or
    where the second half of a file belongs so to the first; not the second of two matrices that chain by themselves.
    """
    flat = [name for name, array in arrays.items() if array.ndim == 2 and 1 in array.shape]
    if not flat or any(map(role, arrays)):
        return [name for name in flat if role(name) != "weight"]
    if any(array.ndim == 1 for array in arrays.values()):
        return []
    names = list(arrays)
    half = len(names) // 2
    for matrices, biases in ((names[::2], names[1::2]), (names[:half], names[half:])):
        shapes = [arrays[name].shape for name in matrices]
        if len(matrices) == len(biases) and set(biases) <= set(flat) and any(
                all(before[out] == after[1 - out] for before, after in pairwise(shapes))
                and [shape[out] for shape in shapes] == [arrays[name].size for name in biases] for out in (0, 1)):
            return [] if _are_two_weights(arrays) else biases
    return []


def _are_two_weights(arrays: Mapping[str, Array]) -> bool:
    """Whether two matrices without a name that tells, the second a row or column, are the weights of two layers.

    They are where they chain and are numbered alike, but for numpy.savez's arr_0 and arr_1, or where the second would
    be a bias that its layout cannot add: x W + b takes a row, W x + b a column.
    """
    if len(arrays) != 2 or (second := list(arrays.values())[1].shape) == (1, 1):
        return False
    first = next(iter(arrays.values())).shape
    names = {split(name)[0] for name in arrays}
    numbered = len(names) == 1 and names != {"arr_\0"}
    return (first[1] == second[0] and (numbered or first[0] != second[0])) or (
        first[0] == second[1] and (numbered or first[1] != second[1]))


def _check_vectors(arrays: Mapping[str, Array]) -> None:
    """Raise ValueError for a vector that multiplies: of a normalization, or the slopes of a PReLU."""
    layers = {layer_of(name) for name, array in arrays.items() if array.ndim == 2}
    biased = {layer_of(name): array.size for name, array in arrays.items() if array.ndim == 1 and role(name) == "bias"}
    for name, array in arrays.items():
        last = re.split(r"[./]", name.removesuffix(":0"))[-1]
        layer = re.split(r"[./](?=[^./]*$)", name)[0]
        slopes = bool(PRELU.search(name)) and (array.ndim == 1 or 1 in array.shape)
        norm = array.ndim == 1 and bool(NORM.search(name))
        one_row = array.size > 1 == biased.get(layer)  # of a layer of one output
        if array.ndim == 1 and role(name) == "weight" and not (slopes or norm) and (
                one_row or not VECTOR_WEIGHTS.fullmatch(last)):
            wanted = dict.fromkeys(((array.size, 1), (1, array.size)))
            raise ValueError(f"the array {shown(name)} of shape {array.shape} is of weights by its name, and must have "
                             f"two axes: save it as {' or '.join(map(str, wanted))}")
        if not (slopes or (norm and role(name))) and (
                array.ndim != 1 or not VECTOR_WEIGHTS.fullmatch(last) or layer in layers):
            continue
        begin = f"the array {shown(name)} of shape {array.shape} must be a matrix, and is a "
        if array.size == 1 and (slopes or last not in SCALES):
            raise ValueError(f"{begin}single number, as the learned slope of a PReLU: where all have one value, leave "
                             f"it out of the file and examine leaky_relu with slope {float(array.flat[0]):g}")
        if array.size == 1:
            raise ValueError(f"{begin}single number, as the scale of a residual branch or the learned slope of a "
                             f"PReLU: {ONLY}")
        if not slopes and (layer in biased or NORMALIZING.fullmatch(last) or NORM.search(name)):
            raise ValueError(f"{begin}row of weights, as in a normalization layer or the scale of a residual branch: "
                             f"{WITHOUT}")
        raise ValueError(f"{begin}row of weights, as the learned slopes of a PReLU or the scale of an RMS "
                         "normalization: where all are one slope, leave it out of the file and examine leaky_relu "
                         "with that slope")
