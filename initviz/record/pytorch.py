"""Record what one training step of a PyTorch model does to its signal and gradient, in a file of a few kilobytes.

This file needs PyTorch and the standard library alone: copy it, or import it where initviz is installed.

    record(model, lambda: loss_function(model(inputs), targets), "start.json.gz")
    record(model, inputs, targets, loss_function, "start.json.gz")

The step is a forward and a backward pass without an update. Parameters, buffers, ``.grad``, random states, training
mode and hooks are afterwards what they were, also where the step raises. The file holds statistics of outputs,
gradients and parameters, module paths and class names: no sample, no text, no target, no weight. Of the inputs it holds
the shape and the root mean square to three digits; what else is no module's output and needs no gradient is left out,
and extremes of outputs are powers of 2.

Tested on the CPU and on one GPU, in float32, bfloat16 and under autocast.
"""

from __future__ import annotations

import ctypes
import gzip
import hashlib
import json
import math
import os
import random
import sys
from collections import Counter
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import fields, is_dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

VERSION = 1
MOST_BYTES = 64_000  # of the file, gzipped
MOST_ROWS, MOST_PARAMETERS = 4000, 10_000  # in the file
MOST_MEASURED = 20_000  # outputs
FEW_DIGITS, SOME_DIGITS = 3, 5  # of outputs, and of weights, whose law is told by them, in too large a file
MOST_SOURCES = 8  # of a row, where those between are left out
MOST_VALUES = 1 << 20  # of a tensor that are measured, evenly spaced; extremes are taken of all
MOST_WEIGHTS = 1 << 18  # of a parameter
MOST_COUNTED = 1 << 14  # of a histogram: so few that PyTorch computes them on one thread
MOST_EVERY = 1 << 23  # of an output whose every value is looked at for units that are 0
MOST_SAMPLES = 128  # rows of a matrix whose products are taken
LEAST_SQUARE = 1e-30  # below it a variance in float32 has lost digits
LEAST_EXPONENT, MOST_EXPONENT = -64, 64  # of the histogram of log2 magnitudes
ROUND_OFF = 64  # multiples of eps, relative to a unit's largest output, within which two units are copies
FUNCTIONS = frozenset({
    "relu", "relu_", "relu6", "leaky_relu", "leaky_relu_", "elu", "selu", "celu", "gelu", "silu", "mish", "tanh",
    "tanh_", "sigmoid", "sigmoid_", "hardtanh", "hardswish", "hardsigmoid", "softplus", "softsign", "logsigmoid", "glu",
    "prelu", "rrelu", "threshold", "scaled_dot_product_attention", "softmax", "log_softmax",
    "multi_head_attention_forward"})
ADDITIONS = frozenset({"add", "add_", "__add__", "__radd__", "__iadd__"})
SOFTMAX = frozenset({"softmax", "log_softmax", "logsumexp"})
SATURATING = {"tanh": (0.0, 1.0), "sigmoid": (0.5, 0.5)}  # the middle of the range, and half its length
SATURATED = 0.97  # of the way from the middle to an end (makemore part 3)
LOSSES = frozenset({
    "cross_entropy", "nll_loss", "mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss",
    "binary_cross_entropy", "binary_cross_entropy_with_logits", "kl_div"})
CHANNELS_FIRST = ("Conv", "BatchNorm", "InstanceNorm", "GroupNorm", "MaxPool", "AvgPool", "Adaptive", "Upsample")
NEVER_CALLED = (nn.Sequential, nn.ModuleList, nn.ModuleDict, nn.ParameterList, nn.ParameterDict)  # or as a list
INSIDE_ATTENTION = "NonDynamicallyQuantizableLinear"  # of nn.MultiheadAttention, whose output is its own
UNITS_LAST = ("Linear", "LayerNorm", "RMSNorm", "Embedding")


def record(model: nn.Module, *step: Any, steps: int = 1, rate: float | torch.optim.Optimizer | None = None,
           ) -> dict[str, Any]:
    """Record one step of ``model`` and return what was recorded.

    ``step`` is ``run`` or ``inputs, targets, loss``, then the path of the file (none: no file is written). ``run()``
    does a forward pass and returns the scalar loss; it calls no ``backward()``. A tuple of inputs is unpacked, a dict
    too. ``rate`` is the learning rate of gradient descent, or the optimizer itself, of which the rates and the class
    name are kept for the ratio of update to weight. ``steps=2`` takes a plain gradient step of ``rate`` (0.01 where no
    number is given) and measures the gradients again, which tells gradients that are 0 only at first from those that
    stay 0; the parameters are put back.
    """
    _check(model, steps, rate)
    run, path = _step(model, list(step))
    recorder = _Recorder(model, twice=steps == 2)
    with torch.inference_mode(False), _unchanged(model), torch.enable_grad(), _eager(), _checkpoints():
        states = _random_states()
        recorder.step(run)
        if steps == 2:
            recorder.update(rate if isinstance(rate, int | float) else 0.01)
            _set_random_states(states)
            recorder.step(run)
    recording = recorder.recording(rate)
    packed = _packed(recording)
    if path is not None:
        with open(path, "wb") as file:
            file.write(packed)
    return recording


def _check(model: Any, steps: Any, rate: Any) -> None:
    """Raise TypeError or ValueError for what cannot be recorded."""
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be a torch.nn.Module, got {type(model).__name__}")
    if isinstance(model, torch.jit.ScriptModule):
        raise TypeError("model must be the module that was scripted or traced: TorchScript has no hooks for its parts")
    if steps not in (1, 2):
        raise ValueError(f"steps must be 1 or 2, got {steps!r}")
    if isinstance(rate, bool) or not (rate is None or isinstance(rate, int | float | torch.optim.Optimizer)):
        raise TypeError(f"rate must be a number or an optimizer, got {rate!r}")
    for number in [float(group["lr"]) for group in rate.param_groups] if isinstance(
            rate, torch.optim.Optimizer) else [] if rate is None else [rate]:
        if not (math.isfinite(number) and number >= 0):
            raise ValueError(f"rate must be a finite number of at least 0, got {number!r}")
    if any(nn.parameter.is_lazy(tensor) for tensor in (*model.parameters(), *model.buffers())):
        raise ValueError("model has lazy parameters without a shape: call it once, then record it")


def _step(model: nn.Module, given: list[Any]) -> tuple[Callable[[], Tensor], str | None]:
    path = os.fspath(given.pop()) if given and isinstance(given[-1], str | os.PathLike) else None
    if len(given) == 1 and callable(given[0]) and not isinstance(given[0], nn.Module):
        return given[0], path
    if len(given) == 3 and callable(given[2]):
        inputs, targets, loss = given

        def run() -> Tensor:
            if isinstance(inputs, dict):
                return loss(model(**inputs), targets)
            return loss(model(*inputs) if isinstance(inputs, tuple) else model(inputs), targets)
        return run, path
    raise TypeError("after the model must come run, or inputs, targets and loss, then the path of the file")


def _eager() -> Any:
    """What compiled code is run without its compilation in, so that hooks fire."""
    if "torch._dynamo" not in sys.modules or not hasattr(torch.compiler, "set_stance"):
        return nullcontext()
    return torch.compiler.set_stance("force_eager")


@contextmanager
def _checkpoints() -> Iterator[None]:
    """Run reentrant checkpoints as others, whose outputs have a graph that gradients can be asked of."""
    module: Any = sys.modules.get("torch.utils.checkpoint")
    if module is None:
        yield
        return
    reentrant = module.CheckpointFunction

    class Plain:
        @staticmethod
        def apply(function: Callable[..., Any], preserve: bool, *args: Any) -> Any:
            if not any(isinstance(arg, Tensor) and arg.requires_grad for arg in args):  # no gradient arrives inside
                with torch.no_grad():
                    return function(*args)
            return module.checkpoint(function, *args, use_reentrant=False, preserve_rng_state=preserve)

    module.CheckpointFunction = Plain
    try:
        yield
    finally:
        module.CheckpointFunction = reentrant


@contextmanager
def _unchanged(model: nn.Module) -> Iterator[None]:
    """Put back parameters, buffers, attributes that were tensors, gradients, random states and training mode.

    They are put back whatever happened. A tensor is written to only where it has changed, so that what was computed
    from it before can still go backward.
    """
    modules = [module for module in model.modules() if not isinstance(module, torch.jit.ScriptModule)]
    modes = [(module, module.training) for module in model.modules()]
    held: list[tuple[dict[str, Any], dict[str, Any]]] = [
        (part, dict(part)) for module in modules for part in (module._buffers, module._parameters)]
    attributes = [(module, name, value) for module in modules for name, value in module.__dict__.items()
                  if isinstance(value, Tensor)]
    generators = [(value, value.get_state()) for module in modules for value in module.__dict__.values()
                  if isinstance(value, torch.Generator)]
    tensors = {id(t): t for t in (*model.parameters(), *model.buffers(), *(t for *_, t in attributes))}.values()
    values = [(t, t.detach().clone(), _version(t)) for t in tensors]
    gradients = [(p, p.grad, None if p.grad is None else p.grad.detach().clone()) for p in model.parameters()]
    states = _random_states()
    try:
        yield
    finally:
        with torch.no_grad():
            for module, mode in modes:
                module.training = mode
            for part, before in held:
                part.clear()
                part.update(before)
            for module, name, tensor in attributes:
                module.__dict__[name] = tensor
            for tensor, value, version in values:
                if version != _version(tensor) or not torch.equal(tensor, value):  # .data is written to uncounted
                    tensor.copy_(value)
            for parameter, gradient, held_value in gradients:
                parameter.grad = gradient
                if gradient is not None and held_value is not None:
                    gradient.copy_(held_value)
        for generator, state in generators:
            generator.set_state(state)
        _set_random_states(states)


def _random_states() -> tuple[Any, ...]:
    """Of Python, PyTorch, its GPUs, and NumPy where it is imported."""
    numpy: Any = sys.modules.get("numpy")
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() and torch.cuda.is_initialized() else []
    return random.getstate(), torch.get_rng_state(), cuda, numpy.random.get_state() if numpy else None


def _set_random_states(states: tuple[Any, ...]) -> None:
    random.setstate(states[0])
    torch.set_rng_state(states[1])
    if states[2]:
        torch.cuda.set_rng_state_all(states[2])
    if states[3] is not None:
        sys.modules["numpy"].random.set_state(states[3])


# ---------------------------------------------------------------------------------------------- numbers of a tensor

def _rounded(value: float) -> float | str:
    """Seven digits; JSON has no word for what is not finite."""
    return float(f"{value:.7g}") if math.isfinite(value) else "nan" if math.isnan(value) else (
        "inf" if value > 0 else "-inf")


def _sample(tensor: Tensor, most: int = MOST_VALUES) -> Tensor:
    """At most so many values, evenly spaced, as one row."""
    flat = tensor.detach().reshape(-1)
    stride = -(-flat.numel() // most)
    return flat[::stride + (stride > 1 and stride % 2 == 0)] if stride > 1 else flat  # odd: meets every column


def _wide(tensor: Tensor) -> Tensor:
    """In float64, or float32 where the device has no other."""
    return tensor.to(torch.float32 if tensor.device.type == "mps" else torch.float64)


def _plain(tensor: Tensor) -> Tensor:
    """In float32, or float64 where it is."""
    return tensor if tensor.dtype == torch.float64 else tensor.float()


def _moments(tensor: Tensor, most_values: int = MOST_VALUES) -> dict[str, Any]:
    """Moments of a tensor that is not empty, its extremes, share of exact zeros and histogram of log2 magnitudes."""
    values = _sample(tensor, most_values)
    numbers = [_plain(number) for number in (*torch.var_mean(_plain(values), correction=0),
                                             *torch.aminmax(tensor.detach()), torch.count_nonzero(values))]
    variance, mean, least, most, count = torch.stack([_wide(number) for number in numbers]).tolist()
    finite = math.isfinite(least) and math.isfinite(most)
    if finite and least != most and not LEAST_SQUARE < variance < math.inf:  # its squares leave float32
        variance, mean = torch.stack(torch.var_mean(_wide(values), correction=0)).tolist()
    moments = {"rms": math.sqrt(mean * mean + variance) if finite else math.nan if math.isnan(least) else math.inf,
               "mean": mean if finite else math.nan, "std": math.sqrt(variance) if finite else math.nan,
               "least": least, "most": most, "zero_share": 1 - count / values.numel()}
    moments = {name: _rounded(value) for name, value in moments.items()}
    return moments | ({"histogram": _histogram(values)} if finite else {})


def _bound(value: float | str) -> float | str:
    """The next power of 2 away from 0: an extreme of an output that passes its input on is a value of the data."""
    if isinstance(value, str) or not value:
        return value
    mantissa, exponent = math.frexp(value)
    return math.copysign(math.ldexp(1.0, min(exponent - (abs(mantissa) == 0.5), 1023)), value)


def _histogram(values: Tensor) -> list[int]:
    """The least exponent, then the count in thousandths of each power of two from it upwards."""
    mantissas, exponents = torch.frexp(_sample(values, MOST_COUNTED).float())
    exponents = exponents.clamp(LEAST_EXPONENT + 1, MOST_EXPONENT + 1) - LEAST_EXPONENT  # 0 is left for zeros
    counts = torch.bincount(torch.where(mantissas == 0, 0, exponents), minlength=2).tolist()[1:]
    whole = sum(counts)
    if not whole:
        return []
    first = next(place for place, count in enumerate(counts) if count)
    return [first + LEAST_EXPONENT, *(round(1000 * count / whole) for count in counts[first:])]


def _units(tensor: Tensor, axis: int) -> Tensor:
    """A tensor as a matrix (samples and places, units)."""
    return tensor.detach().movedim(axis, -1).reshape(-1, tensor.shape[axis])


def _few(matrix: Tensor, most: int) -> Tensor:
    """At most so many rows, evenly spaced; the odd stride meets every place of an image."""
    stride = -(-len(matrix) // most)
    return matrix[::stride + (stride > 1 and stride % 2 == 0)]


def _copies(matrix: Tensor) -> int:
    """How many columns that are not 0 equal another one to within round-off.

    Such columns are neighbors by their product with a vector.
    """
    part = _few(matrix, 4 * MOST_SAMPLES)
    rounded = ROUND_OFF * torch.finfo(torch.float32).eps if part.dtype in (torch.float32, torch.float64) else 0.0
    part = part.float()
    direction = (0.5 + torch.arange(len(part), device=part.device) * 0.6180339887498949 % 1) / len(part)
    product, order = (direction.to(torch.float32) @ part).sort()
    close = torch.nonzero(product.diff() <= ROUND_OFF * torch.finfo(torch.float32).eps * part.abs().amax())[:, 0]
    if not len(close):
        return 0
    one, other = part[:, order[close]], part[:, order[close + 1]]
    size = torch.maximum(one.abs().amax(0), other.abs().amax(0))
    return int(((size > 0) & ((one - other).abs().amax(0) <= rounded * size)).sum())


def _rank(matrix: Tensor) -> float:
    """Participation ratio tr(K)^2 / |K|^2 of the units' covariance K; 0 where no unit varies."""
    part = _plain(_few(matrix, MOST_SAMPLES)[:, :4096])
    part = part - part.mean(0)
    size = part.abs().max()
    part = (part / torch.where(size > 0, size, 1)).float()
    products = part @ part.T if len(part) < part.shape[1] else part.T @ part
    trace, square = torch.stack([products.diagonal().sum().square(), products.square().sum()]).double().tolist()
    return trace / square if square else 0.0


def _cosine(vectors: Tensor) -> float:
    """Mean cosine between different vectors (groups, vectors, width) of a group."""
    count = vectors.shape[1]
    unit = nn.functional.normalize(vectors.float(), dim=-1, eps=1e-30)
    sums = unit.sum(1).square().sum(-1)
    with_itself = unit.square().sum((1, 2))  # below count where a vector is 0
    return float(((sums - with_itself) / (count * (count - 1))).mean())


def _saturated(tensor: Tensor, kind: str) -> float:
    """The share of values near an end of the range."""
    middle, half = SATURATING[kind]
    return float(((_sample(tensor).float() - middle).abs() > SATURATED * half).float().mean())


def _median_rms(tensor: Tensor, axis: int) -> float:
    """The median over samples, of a sequence over tokens, of the root mean square of each."""
    vectors = tensor.detach().reshape(len(tensor), -1) if axis == 1 and tensor.dim() > 2 else _units(tensor, axis)
    vectors = vectors[::max(1, -(-vectors.numel() // MOST_VALUES))]
    sizes = _wide(vectors).square().mean(1).sqrt().sort().values
    return float(sizes[(len(sizes) - 1) // 2] + sizes[len(sizes) // 2]) / 2


def _units_axis(tensor: Tensor) -> int:
    """The axis of the units where no module says it: channels of images, features of all else."""
    return 1 if tensor.dim() == 4 else -1


def _unit_numbers(tensor: Tensor, axis: int, finite: bool) -> dict[str, Any]:
    """Units that are 0 for every sample, copies, effective rank, and the cosine between samples or tokens."""
    matrix = _units(tensor, axis)
    units = matrix.shape[1]
    every = matrix if matrix.numel() <= MOST_EVERY else matrix[::-(-matrix.numel() // MOST_EVERY)]
    statistics: dict[str, Any] = {"units": units, "zero_units": units - int((every != 0).any(0).sum()),
                                  "median_rms": _rounded(_median_rms(tensor, axis))}
    if units > 1 and len(matrix) > 1 and finite:
        repeated = _copies(matrix[:, :8192]) + max(statistics["zero_units"] - 1, 0)
        statistics |= {"distinct": units - repeated, "rank": _rounded(_rank(matrix))}
        tokens = tensor.dim() == 3 and axis in (-1, 2)
        vectors = tensor.detach()[:8] if tokens else tensor.detach()[:MOST_SAMPLES].reshape(
            1, min(len(tensor), MOST_SAMPLES), -1)
        if vectors.shape[1] > 1:
            statistics["token_cosine" if tokens else "sample_cosine"] = _rounded(_cosine(vectors))
        if tensor.dim() == 4:
            variance, mean = torch.var_mean(matrix.float(), dim=0, correction=0)
            statistics["channel_variance"] = _rounded(float(variance.mean()))
            statistics["channel_mean_square"] = _rounded(float(mean.square().mean()))
    return statistics


def _entropy(scores: Tensor, axis: int = -1) -> dict[str, Any]:
    """Mean entropy of softmax(scores) / ln n, where n counts a row's scores that are not masked, and their std."""
    rows = scores.detach().movedim(axis, -1).reshape(-1, scores.shape[axis]).float()
    rows = rows[::-(-len(rows) // 1024)]
    shares = torch.softmax(rows, -1)
    open_ = shares > 0
    count = open_.sum(-1)
    entropy = torch.special.entr(shares).sum(-1) / count.clamp(min=2).log()
    open_scores = rows[open_]
    statistics = {"entropy": float(entropy[count > 1].mean()), "score_std": float(open_scores.std(correction=0))}
    return {name: _rounded(value) for name, value in statistics.items()}


def _attention(query: Tensor, key: Tensor, mask: Tensor | None = None, causal: bool = False,
               scale: float | None = None) -> dict[str, Any]:
    """The entropy of a few rows of scaled dot-product attention."""
    q, k = query.detach()[:2].float(), key.detach()[:2].float()
    if q.dim() != 4 or q.shape[1] % k.shape[1]:
        return {}
    k = k.repeat_interleave(q.shape[1] // k.shape[1], dim=1)  # grouped queries share a key
    places = torch.arange(0, q.shape[2], max(1, q.shape[2] // 64), device=q.device)
    scores = q[:, :, places] @ k.transpose(-1, -2) * (1 / math.sqrt(q.shape[-1]) if scale is None else scale)
    if causal:
        later = torch.arange(k.shape[2], device=q.device) > places[:, None]
        scores = scores.masked_fill(later, -math.inf)
    if mask is not None:
        mask = mask.detach().expand(*query.shape[:3], key.shape[2])[:2, :, places]
        scores = scores.masked_fill(~mask, -math.inf) if mask.dtype == torch.bool else scores + mask.float()
    return _entropy(scores)


MULTI_HEAD = ("query", "key", "value", "embed_dim_to_check", "num_heads", "in_proj_weight", "in_proj_bias")


def _multi_head(args: Any, kwargs: Any) -> dict[str, Any]:
    """The entropy for the arguments of ``multi_head_attention_forward``, whose tensors are (tokens, samples, width)."""
    arguments = {**dict(zip(MULTI_HEAD, args, strict=False)), **kwargs}
    weight, bias, heads = arguments.get("in_proj_weight"), arguments.get("in_proj_bias"), arguments["num_heads"]
    query, key, mask = arguments["query"], arguments["key"], arguments.get("attn_mask")
    if weight is None or query.dim() != 3 or (mask is not None and mask.dim() != 2):
        return {}
    width = query.shape[-1]
    parts = []
    for place, tensor in enumerate((query, key)):
        part = slice(place * width, (place + 1) * width)
        projected = nn.functional.linear(tensor.detach()[:, :2].float(), weight.detach()[part].float(),
                                         None if bias is None else bias.detach()[part].float())
        parts.append(projected.unflatten(-1, (heads, -1)).permute(1, 2, 0, 3))
    closed = torch.zeros(len(query), len(key), device=query.device)
    padding = arguments.get("key_padding_mask")
    for hidden in (mask, None if padding is None else padding[:2, None, None]):
        if hidden is not None:  # True is closed, and numbers are added
            hidden = hidden.detach()
            closed = closed + (torch.where(hidden, -math.inf, 0.0) if hidden.dtype == torch.bool else hidden.float())
    return _attention(parts[0], parts[1], closed)


def _version(tensor: Tensor) -> int:
    """How often a tensor was changed in place; of an inference tensor PyTorch does not count it."""
    return -1 if tensor.is_inference() else tensor._version


def _is_wrapped(tensor: Tensor) -> bool:
    """Whether a tensor is one that torch.func makes, as within vmap, which has no values of its own."""
    functorch: Any = getattr(torch._C, "_functorch", None)
    return functorch is not None and functorch.is_functorch_wrapped_tensor(tensor)


def _tensor(value: Any) -> Tensor | None:
    """The first tensor of numbers in what a module puts out."""
    if isinstance(value, Tensor):
        return value if value.is_floating_point() and value.numel() and value.dim() and not _is_wrapped(value) else None
    if isinstance(value, dict):
        value = list(value.values())
    elif is_dataclass(value):
        value = [getattr(value, field.name) for field in fields(value)]
    if isinstance(value, list | tuple):
        return next((tensor for tensor in map(_tensor, value) if tensor is not None), None)
    return None


# ---------------------------------------------------------------------------------------------- skips

LEAF = "torch::autograd::AccumulateGrad"  # the name of a parameter's operation


def _ancestors(tensor: Tensor, most: int = 2000) -> set[Any]:
    """The nearest operations that a tensor comes from, parameters left out."""
    ancestors: set[Any] = set()
    front = [tensor.grad_fn]
    while front and len(ancestors) < most:
        following = []
        for node in front:
            if node is not None and node not in ancestors and node.name() != LEAF:
                ancestors.add(node)
                following += [parent for parent, _ in node.next_functions]
        front = following
    return ancestors


def _skip_and_branch(first: Tensor, second: Tensor, inputs: tuple[Any, ...], modules: Container[Any],
                     ) -> tuple[Tensor, Tensor, bool] | None:
    """Of the two terms of a sum the one that passes by and the one that was computed from it; None for other sums.

    Also whether what passes by is unchanged, and no projection of what both were computed from. Sums between which
    nothing is learned are no skips: rotated queries, and polynomials inside an activation. ``modules`` holds the
    operations that made modules' outputs, for branches that are frozen.
    """
    for skip, branch in ((first, second), (second, first)):
        if skip.grad_fn is None and any(skip is value for value in inputs):
            return (skip, branch, True) if branch.grad_fn is not None else None
    if first.grad_fn is None or second.grad_fn is None or first is second:
        return None
    of_first, of_second = _ancestors(first), _ancestors(second)
    if not of_first & of_second or not any(
            node in modules or any(parent is not None and parent.name() == LEAF for parent, _ in node.next_functions)
            for node in of_first ^ of_second):
        return None
    if first.grad_fn in of_second:
        return first, second, True
    if second.grad_fn in of_first:
        return second, first, True
    projected_first = len(of_first - of_second) < len(of_second - of_first)
    return (first, second, False) if projected_first else (second, first, False)


def _skip_numbers(skip: Tensor, branch: Tensor) -> dict[str, Any]:
    a, b = _wide(_sample(skip)), _wide(_sample(branch))
    products = [float(torch.mean(x * y)) for x, y in ((a, a), (b, b), (a, b))]
    size = math.sqrt(max(products[0], 0) * max(products[1], 0)) if all(map(math.isfinite, products)) else 0.0
    return {"skip_rms": _rounded(math.sqrt(products[0])), "branch_rms": _rounded(math.sqrt(products[1])),
            "cosine": _rounded(products[2] / size if size else math.nan)}


# ---------------------------------------------------------------------------------------------- parameters

def _repeated(matrix: Tensor) -> list[int]:
    """How many rows and columns of a matrix repeat another one."""
    return [_copies(part) if min(part.shape) > 3 else 0 for part in (matrix.T, matrix)]


def _isometry(matrix: Tensor) -> float:
    """g where W is g times a matrix with orthonormal rows or columns, else NaN."""
    few = matrix.float() if matrix.shape[0] <= matrix.shape[1] else matrix.T.float()
    probe = torch.cos(torch.arange(len(few), device=few.device).float() * 1.7) + 0.1
    back = few @ (few.T @ probe)
    gain = float(probe @ back) / float(probe @ probe)
    return math.sqrt(gain) if gain > 0 and float((back - gain * probe).abs().max()) <= 0.01 * gain else math.nan


def _hash(tensor: Tensor) -> str:
    """Equal for equal tensors: of the shape, 65,536 values and the sum of all values' bits."""
    flat = tensor.detach().reshape(-1)
    whole = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}[flat.element_size()]
    bits = flat.contiguous().view(whole)
    part = _sample(bits, 1 << 16).cpu().contiguous()
    text = f"{tuple(tensor.shape)} {tensor.dtype} {int(bits.sum())}"
    values = ctypes.string_at(part.data_ptr(), part.numel() * part.element_size())  # a list takes 20 times as long
    return hashlib.blake2b(text.encode() + values, digest_size=8).hexdigest()


def _parameter(parameter: Tensor) -> dict[str, Any]:
    """What is kept of a parameter: its form, moments, structure and hash, no value of it but its extremes."""
    fingerprint: dict[str, Any] = {"shape": list(parameter.shape), "dtype": str(parameter.dtype).removeprefix("torch."),
                                   "trainable": parameter.requires_grad}
    if not parameter.numel() or not parameter.is_floating_point():
        return fingerprint
    fingerprint |= _moments(parameter, MOST_WEIGHTS) | {"hash": _hash(parameter)}
    if isinstance(fingerprint["std"], str) or not fingerprint["std"]:
        return fingerprint
    values = _wide(_sample(parameter, MOST_WEIGHTS))
    centered = (values - values.mean()) / values.std(correction=0)
    fingerprint["measured"] = values.numel()
    fingerprint["kurtosis"] = _rounded(float(centered.pow(4).mean()))
    if parameter.dim() > 1:
        matrix = parameter.detach().reshape(len(parameter), -1)
        if matrix.numel() <= 1 << 22:
            fingerprint |= {"repeated": _repeated(matrix), "isometry": _rounded(_isometry(matrix))}
        if matrix.numel() <= 1 << 12:
            values = torch.linalg.svdvals(matrix.double() if matrix.device.type != "mps" else matrix.float().cpu())
            fingerprint["singular_values"] = [_rounded(value) for value in (float(values[0]), float(values[-1]))]
    return fingerprint


# ---------------------------------------------------------------------------------------------- the recorder

class _Recorder(TorchFunctionMode):
    """Hooks on every module and a look at every function of PyTorch while a step runs."""

    def __init__(self, model: nn.Module, *, twice: bool) -> None:
        super().__init__()
        self.model, self.twice = model, twice
        self.paths = {id(module): name for name, module in model.named_modules()}
        self.rows: list[dict[str, Any]] = []
        self.left_out = 0
        self.calls: dict[tuple[str, str], int] = {}
        self.called: set[int] = set()
        self.stack: list[tuple[nn.Module, tuple[Any, ...]]] = []
        self.axes: dict[tuple[int, ...], int] = {}
        self.latest: tuple[Tensor, int, int] | None = None
        self.made: dict[tuple[Any, int], int] = {}  # operation of the graph and output -> row
        self.nodes: dict[Any, int] = {}  # operation -> its first row
        self.modules: set[Any] = set()  # operations that made the outputs of modules
        self.input: dict[str, Any] | None = None
        self.loss: dict[str, Any] = {"value": math.nan, "kind": None, "classes": None}
        self.autocast = False
        self.busy = False
        self.again = False
        self.first: dict[tuple[str, str, int], tuple[dict[str, Any], Tensor]] = {}
        self.compiled = "OptimizedModule" in {type(m).__name__ for m in model.modules()} or any(
            getattr(m, "_compiled_call_impl", None) is not None for m in model.modules())
        self.gradients: dict[int, list[dict[str, Any] | None]] = {}
        self.parameters = {id(p): _parameter(p) for p in model.parameters()}

    def step(self, run: Callable[[], Tensor]) -> None:
        """Forward and backward with hooks; in the second step only changes and parameters' gradients are measured."""
        handles = []
        self.stack, self.calls = [], {}
        try:
            for module in self.model.modules():
                if isinstance(module, torch.jit.ScriptModule):
                    continue
                handles.append(module.register_forward_pre_hook(self.enter, prepend=True, with_kwargs=True))
                handles.append(module.register_forward_hook(self.leave))
            with self:
                loss = run()
        finally:  # before the backward pass, in which checkpoints call modules again
            for handle in handles:
                handle.remove()
        if not self.again:
            self.loss["value"] = _rounded(float(_scalar(loss).detach()))
        self.backward(_scalar(loss))

    def update(self, rate: float) -> None:
        """A plain gradient step, after which changes are measured."""
        with torch.no_grad():
            for parameter, gradient in zip(self.model.parameters(), self.latest_gradients, strict=True):
                if gradient is not None and parameter.requires_grad:
                    parameter.sub_(gradient.to(parameter.dtype), alpha=rate)
        self.again = True

    def backward(self, loss: Tensor) -> None:
        """The gradient of every parameter, without a look at ``.grad``."""
        parameters = list(self.model.parameters())
        trainable = [p for p in parameters if p.requires_grad]
        if not trainable or not loss.requires_grad:
            gradients: dict[int, Tensor | None] = {}
        else:
            gradients = dict(zip(map(id, trainable), _gradients(loss, trainable), strict=True))
        self.latest_gradients = [gradients.get(id(p)) for p in parameters]
        for parameter, gradient in zip(parameters, self.latest_gradients, strict=True):
            numbers = None
            if gradient is not None and gradient.numel():
                gradient = gradient.coalesce().values() if gradient.is_sparse else gradient
                moments = _moments(gradient.abs() if gradient.is_complex() else gradient)
                numbers = {name: moments[name] for name in ("rms", "zero_share")}
                numbers["exact_zero"] = moments["least"] == moments["most"] == 0
            self.gradients.setdefault(id(parameter), []).append(numbers)

    # ------------------------------------------------------------------------------------------ forward

    def enter(self, module: nn.Module, inputs: tuple[Any, ...], named: dict[str, Any]) -> None:
        if module is self.model and self.input is None:
            self.see_input(_tensor([*inputs, *named.values()]))
        self.stack.append((module, inputs))

    def see_input(self, tensor: Tensor | None) -> None:
        """The scale of the first input of numbers, to three digits: nothing that could be one of its values."""
        if tensor is not None and tensor.dim() > 1:
            with self.measuring():
                sizes = {"rms": _moments(tensor)["rms"], "median_rms": _median_rms(tensor, _units_axis(tensor))}
                self.input = {"shape": list(tensor.shape)} | {
                    name: _rounded(float(f"{float(size):.3g}")) for name, size in sizes.items()}

    def leave(self, module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        while self.stack and self.stack.pop()[0] is not module:  # what raised inside and was caught
            pass
        self.called.add(id(module))
        tensor = _tensor(output)
        if tensor is not None and (tensor.requires_grad or next(module.parameters(), None) is not None):
            scores = {}
            if isinstance(module, nn.Softmax | nn.LogSoftmax) and not self.again and isinstance(inputs[0], Tensor):
                with self.measuring():
                    scores = _entropy(inputs[0], -1 if module.dim is None else module.dim)
            self.row(tensor, self.paths[id(module)], type(module).__name__, container=bool(module._modules), **scores)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Called by PyTorch for each of its functions."""
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        if self.busy or not (name in FUNCTIONS or name in ADDITIONS or name in SOFTMAX or name in LOSSES):
            return func(*args, **kwargs)
        module, inputs = self.stack[-1] if self.stack else (None, ())
        if module is not None and not module._modules and type(module).__module__.startswith("torch.nn"):
            return func(*args, **kwargs)  # its hook measures it
        before = self.before(name, args, kwargs, inputs) if not self.again or name in ADDITIONS else {}
        output = func(*args, **kwargs)
        tensor = _tensor(output)
        if tensor is not None and tensor.requires_grad and (
                name in FUNCTIONS or name == "logsumexp" or "skip" in before):
            path = self.paths[id(module)] if module is not None else ""
            self.row(tensor, path, "add" if name in ADDITIONS else name.strip("_"), function=True, **before)
        return output

    def before(self, name: str, args: Any, kwargs: Any, inputs: tuple[Any, ...]) -> dict[str, Any]:
        """What must be measured before a function runs, since it may change its argument in place."""
        first = args[0] if args and isinstance(args[0], Tensor) else None
        if first is None or not first.is_floating_point() or not first.numel() or _is_wrapped(first):
            return {}
        with self.measuring():
            if name in LOSSES:
                self.see_loss(name, first)
            elif name in ADDITIONS:
                second = args[1] if len(args) > 1 else kwargs.get("other")
                if (isinstance(second, Tensor) and first.dim() > 1 and first.shape == second.shape
                        and not isinstance(first, nn.Parameter) and not isinstance(second, nn.Parameter)):
                    terms = _skip_and_branch(first, second, inputs, self.modules)
                    if terms is None:
                        return {}
                    skip, branch, identity = terms
                    return {"skip": _skip_numbers(skip, branch) | {"identity": identity, "from": self.origin(skip)}}
            elif name == "scaled_dot_product_attention":
                return self.sdpa(args, kwargs)
            elif name == "multi_head_attention_forward":
                return _multi_head(args, kwargs)
            elif name in SOFTMAX:
                axis = kwargs.get("dim", args[1] if len(args) > 1 else -1)
                if isinstance(axis, int) and first.dim() and first.shape[axis] > 1:
                    return _entropy(first, axis)
        return {}

    @staticmethod
    def sdpa(args: Any, kwargs: Any) -> dict[str, Any]:
        """The entropy for the arguments of ``scaled_dot_product_attention``."""
        names = ("query", "key", "value", "attn_mask", "dropout_p", "is_causal")
        arguments = {**dict(zip(names, args, strict=False)), **kwargs}
        return _attention(arguments["query"], arguments["key"], arguments.get("attn_mask"),
                          arguments.get("is_causal", False), arguments.get("scale"))

    def see_loss(self, name: str, output: Tensor) -> None:
        """The kind of the loss, and of classes their number and the logits' variance between them."""
        self.loss["kind"] = name
        if name in ("cross_entropy", "nll_loss"):  # log-probabilities are logits up to a constant
            logits = _units(output, 1 if output.dim() > 1 else 0)
            logits = logits[::-(-len(logits) // MOST_SAMPLES)].float()
            self.loss["classes"] = logits.shape[1]
            self.loss["logit_std"] = _rounded(math.sqrt(float(logits.var(1, correction=0).mean())))

    @contextmanager
    def measuring(self) -> Iterator[None]:
        """Our own products are neither looked at nor part of the graph, and autocast leaves them alone."""
        self.busy = True
        device = "cuda" if torch.cuda.is_available() and torch.is_autocast_enabled("cuda") else "cpu"
        self.autocast |= torch.is_autocast_enabled(device)
        try:
            with torch.no_grad(), torch.autocast(device, enabled=False):
                yield
        finally:
            self.busy = False

    def row(self, tensor: Tensor, path: str, kind: str, **more: Any) -> None:
        """Measure an output, and its gradient when that comes."""
        call = self.calls[path, kind] = self.calls.get((path, kind), 0) + 1
        if self.again:
            self.change(tensor, path, kind, call)
            return
        if len(self.rows) >= MOST_MEASURED:
            self.left_out += 1
            return
        row: dict[str, Any] = {"path": path, "kind": kind, "call": call, "shape": list(tensor.shape),
                               "dtype": str(tensor.dtype).removeprefix("torch.")}
        row |= {name: value for name, value in more.items() if value}
        self.rows.append(row)
        place, made = len(self.rows) - 1, (tensor.grad_fn, tensor.output_nr)
        same = self.made.get(made) if made[0] is not None else None
        if self.latest is not None and self.latest[0] is tensor and self.latest[1] == _version(tensor):
            same = self.latest[2]
        if same is not None:
            row["same_as"] = same
            return
        row["from"] = self.origin(tensor)
        if made[0] is not None:
            self.made[made] = self.nodes.setdefault(made[0], place)
            self.made[made] = place
            if not more.get("function"):
                self.modules.add(made[0])
        with self.measuring():
            if self.twice:
                self.first[path, kind, call] = row, _sample(tensor, MOST_COUNTED).clone()
            moments = _moments(tensor)
            row |= moments | {name: _bound(moments[name]) for name in ("least", "most")}
            axis = self.axis(tensor, kind)
            if axis is not None and "entropy" not in row:
                row |= _unit_numbers(tensor, axis, "histogram" in row)
            if kind.lower() in SATURATING:
                row["saturated_share"] = _rounded(_saturated(tensor, kind.lower()))
        if tensor.requires_grad:
            def backward(gradient: Tensor) -> None:
                row["gradient"] = _moments(gradient)
            tensor.register_hook(backward)
        self.latest = (tensor, _version(tensor), place)

    def change(self, tensor: Tensor, path: str, kind: str, call: int) -> None:
        """How much an output differs from that of the first step."""
        with self.measuring():
            row, before = self.first.get((path, kind, call), ({}, None))
            after = _sample(tensor, MOST_COUNTED)
            if before is not None and before.shape == after.shape:
                difference = _wide(after) - _wide(before)
                row["change_rms"] = _rounded(float(difference.square().mean().sqrt()))

    def origin(self, tensor: Tensor, most: int = 2000) -> list[int]:
        """The rows from which a tensor was computed without another row between."""
        sources: set[int] = set()
        seen: set[Any] = set()
        front = [tensor.grad_fn]
        while front and len(seen) < most:
            node = front.pop()
            if node is None or node in seen:
                continue
            seen.add(node)
            if node in self.nodes:
                sources.add(self.nodes[node])
            else:
                front += [parent for parent, _ in node.next_functions]
        return sorted(sources)

    def axis(self, tensor: Tensor, kind: str) -> int | None:
        """The axis of the units: the module's, else that of the last tensor of this shape."""
        shape = tuple(tensor.shape)
        if tensor.dim() < 2:
            return None
        if kind.startswith(CHANNELS_FIRST):
            self.axes[shape] = 1
        elif kind.startswith(UNITS_LAST) or shape not in self.axes:
            self.axes[shape] = -1 if kind.startswith(UNITS_LAST) else _units_axis(tensor)
        return self.axes[shape]

    # ------------------------------------------------------------------------------------------ the recording

    def uncalled(self) -> list[str]:
        """Modules that were used without a call: by ``m.forward()``, or by a function that takes their weights."""
        seen = {id(p) for module in self.model.modules() if id(module) in self.called
                for p in module._parameters.values()}
        names = []
        for name, module in self.model.named_modules():
            if id(module) in self.called or not name or isinstance(module, NEVER_CALLED) or (
                    type(module).__name__ == INSIDE_ATTENTION):
                continue
            held = [p for p in module._parameters.values() if p is not None and id(p) not in seen]
            within = getattr(type(module).forward, "__name__", "") != "_forward_unimplemented" and any(
                id(child) in self.called for child in module.modules())
            if within or any((self.gradients.get(id(p)) or [None])[0] is not None for p in held):
                names.append(name)
        return names

    def recording(self, rate: float | torch.optim.Optimizer | None) -> dict[str, Any]:
        """All of it, as JSON has it."""
        names: dict[int, list[str]] = {}
        for name, parameter in self.model.named_parameters(remove_duplicate=False):
            names.setdefault(id(parameter), []).append(name)
        kinds = {name: type(module).__name__ for name, module in self.model.named_modules()}
        by_group = isinstance(rate, torch.optim.Optimizer)
        rates = {id(p): float(group["lr"]) for group in rate.param_groups for p in group["params"]} if isinstance(
            rate, torch.optim.Optimizer) else dict.fromkeys(names, rate)
        self.latest, self.made, self.nodes, self.modules, self.first = None, {}, {}, set(), {}
        return {
            "format": "initviz recording", "version": VERSION, "framework": f"PyTorch {torch.__version__}",
            "model": type(getattr(self.model, "_orig_mod", self.model)).__name__, "training": self.model.training,
            "autocast": self.autocast, "compiled": self.compiled, "loss": self.loss,
            "input": self.input,
            "optimizer": None if rate is None else type(rate).__name__ if by_group else "gradient descent",
            "rows": self.rows, "rows_left_out": self.left_out, "parameters_left_out": 0, "uncalled": self.uncalled(),
            "parameters": [{
                "name": its_names[0], "module": kinds.get(its_names[0].rpartition(".")[0], ""), **self.parameters[key],
                "rate": rates.get(key), "gradients": self.gradients.get(key, [])} for key, its_names in names.items()],
            "tied": [its_names for its_names in names.values() if len(its_names) > 1]}


def _scalar(loss: Any) -> Tensor:
    if not isinstance(loss, Tensor) or loss.numel() != 1:
        got = f"a tensor of shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else repr(loss)
        raise ValueError(f"run must return the loss, a tensor of one number, got {got}")
    return loss


def _gradients(loss: Tensor, trainable: list[nn.Parameter]) -> tuple[Tensor | None, ...]:
    try:
        return torch.autograd.grad(loss, trainable, allow_unused=True)
    except RuntimeError as error:
        if "backward through the graph a second time" in str(error):
            raise ValueError("run must return the loss of a forward pass, without a call of backward()") from error
        raise


# ---------------------------------------------------------------------------------------------- the file

def _packed(recording: dict[str, Any]) -> bytes:
    """The file, at most MOST_BYTES: where more would be needed, ``recording`` is made coarser, then shorter.

    Histograms go first, of parameters, gradients and outputs; then digits; then outputs and parameters, evenly, but for
    those at which something is wrong. ``digits``, ``rows_left_out`` and ``parameters_left_out`` say so.
    """
    rows, parameters = recording["rows"], recording["parameters"]
    holders: tuple[list[dict[str, Any]], ...] = ([], parameters, [row.get("gradient", {}) for row in rows], rows)
    for part in holders:
        for held in part:
            held.pop("histogram", None)
        if len(packed := _compressed(recording)) <= MOST_BYTES and len(rows) <= MOST_ROWS and (
                len(parameters) <= MOST_PARAMETERS):
            return packed
    recording |= {"rows": _coarser(rows, FEW_DIGITS), "parameters": _coarser(parameters, SOME_DIGITS),
                  "digits": FEW_DIGITS}
    packed, whole = _compressed(recording), recording | {}
    most, lists = max(len(rows), len(parameters)), max(len(recording["uncalled"]), len(recording["tied"]))
    while len(packed) > MOST_BYTES or len(recording["rows"]) > MOST_ROWS or len(
            recording["parameters"]) > MOST_PARAMETERS:
        most, lists = most * 4 // 5, lists * 4 // 5
        recording |= _shorter(whole, most) | {name: whole[name][:lists] for name in ("uncalled", "tied")}
        packed = _compressed(recording)
    return packed


def _compressed(recording: dict[str, Any]) -> bytes:
    return gzip.compress(json.dumps(recording, separators=(",", ":")).encode(), mtime=0)


def _coarser(part: Any, digits: int) -> Any:
    """The same with so many digits; of cosines all, whose distance from 1 counts."""
    if isinstance(part, dict):
        return {name: value if name.endswith("cosine") else _coarser(value, digits) for name, value in part.items()}
    if isinstance(part, list):
        return [_coarser(value, digits) for value in part]
    return float(f"{part:.{digits}g}") if isinstance(part, float) else part


def _shorter(recording: dict[str, Any], most: int) -> dict[str, Any]:
    """At most so many rows and parameters, the rows with the nearest of those that they were computed from."""
    rows, parameters = recording["rows"], recording["parameters"]
    kept_rows = _kept(rows, most)
    hashes = Counter(parameter.get("hash") for parameter in parameters)
    odd = [_is_odd(parameter) or hashes[parameter.get("hash")] > 1 for parameter in parameters]
    kept_parameters = _spread(odd)[:most]
    nearest: list[list[int]] = []  # of each row itself, or the kept ones behind it, as places in the file
    shorter: list[dict[str, Any]] = []
    for place, row in enumerate(rows):
        def behind(sources: list[int]) -> list[int]:
            return sorted({row for source in sources for row in nearest[source]})[-MOST_SOURCES:]

        same = nearest[row["same_as"]] if "same_as" in row else []
        if "same_as" in row:
            nearest.append(same)
            if place in kept_rows and row["same_as"] in kept_rows:
                shorter.append(row | {"same_as": same[0]})
        elif place in kept_rows:
            nearest.append([len(shorter)])
            skip = {"skip": row["skip"] | {"from": behind(row["skip"]["from"])}} if "skip" in row else {}
            shorter.append(row | {"from": behind(row["from"])} | skip)
        else:  # a sum whose branch is left out is what passes by
            passes = "skip" in row and row["skip"]["identity"] and row["skip"]["from"]
            nearest.append(behind(row["skip"]["from"] if passes else row["from"]))
    return {"rows": shorter, "parameters": [parameters[place] for place in sorted(kept_parameters)],
            "rows_left_out": recording["rows_left_out"] + len(rows) - len(shorter),
            "parameters_left_out": len(parameters) - len(kept_parameters)}


def _spread(odd: list[bool]) -> list[int]:
    """Places, the odd ones first, so that the first of them are evenly spaced: by their bits reversed."""
    return sorted(range(len(odd)), key=lambda place: (not odd[place], f"{place:024b}"[::-1]))


def _kept(rows: list[dict[str, Any]], most: int) -> set[int]:
    """The places of at most so many rows, whole blocks of them, the first and the last block among them."""
    blocks = _blocks(rows)
    odd = [any(map(_is_odd, map(rows.__getitem__, block))) for block in blocks]
    odd[-2:] = [True] * len(odd[-2:])
    kept: set[int] = set()
    for place in _spread(odd):
        if len(kept) + len(blocks[place]) <= most:
            kept.update(blocks[place])
    return kept


def _blocks(rows: list[dict[str, Any]]) -> list[list[int]]:
    """Rows that stay together: from where a skip begins to its sum, and outside of these a layer and what follows."""
    behind: list[int] = []  # of each row those that it was computed from, as the bits of a number
    joined = [False] * len(rows)  # to the row before
    for place, row in enumerate(rows):
        bits = [sum({1 << source for source in sources} | {0}) for sources in (
            row.get("from", ()), row.get("skip", {}).get("from", ()))]
        of_row, of_skip = (_all_behind(part, behind) for part in bits)
        behind.append(of_row)
        if bits[1]:
            passing = of_skip if row["skip"]["identity"] else of_skip & _all_behind(bits[0] & ~bits[1], behind)
            begin = passing.bit_length()  # behind the row that the skip is, or that both terms come from
            joined[begin:place + 1] = [False, *[True] * (place - begin)]
        elif place and not joined[place]:
            joined[place] = not row["kind"].startswith((*CHANNELS_FIRST[:1], *UNITS_LAST[:1]))
    blocks: list[list[int]] = []
    for place, together in enumerate(joined):
        if together and blocks:
            blocks[-1].append(place)
        else:
            blocks.append([place])
    return blocks


def _all_behind(bits: int, behind: list[int]) -> int:
    """The rows of the bits and all that they were computed from."""
    reached, left = bits, bits
    while left:
        place = left.bit_length() - 1
        reached |= behind[place]
        left ^= 1 << place
    return reached


def _is_odd(part: dict[str, Any]) -> bool:
    """Whether an output or a parameter must not be left out: of one value, not finite, with copies or dead units."""
    units = part.get("units", 0)
    return (not part.get("std") or isinstance(part.get("rms"), str)
            or part.get("zero_units", 0) * 2 > units or part.get("distinct", units) < units
            or any(part.get("repeated", ())) or part.get("entropy", 1.0) < 0.5
            or any(gradient and gradient["exact_zero"] for gradient in part.get("gradients", ())))
