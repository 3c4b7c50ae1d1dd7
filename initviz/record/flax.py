"""Record what one training step of a Flax Linen model does to its signal and gradient, as of a PyTorch model.

This file needs JAX, Flax and NumPy alone: copy it, or import it where initviz is installed.

    record(lambda params: loss_function(model.apply({"params": params}, inputs), targets), params, "start.json.gz")

The loss is computed three times, none of them under ``jax.jit``: to measure the outputs, to differentiate it by the
parameters and by each output (a 0 is added to it), and to trace what was computed from what. Parameters are never
written. The file holds statistics, module paths and class names: no sample, no target, no weight.

Sums are no calls: where a skip and its branch meet is not seen. What is lifted, by ``nn.scan``, ``nn.remat`` or
``nn.jit``, cannot be recorded: such modules run inside a trace.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import math
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

import flax
import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

Array = np.ndarray[Any, Any]
VERSION, MOST_BYTES = 1, 64_000
PARAMETERS = -1  # in the place of an output
MOST_SAMPLES = 128  # rows of a matrix whose products are taken
LEAST_EXPONENT, MOST_EXPONENT = -64, 64  # of the histogram of log2 magnitudes
FUNCTIONS = ("relu", "relu6", "leaky_relu", "elu", "selu", "celu", "gelu", "silu", "swish", "tanh", "sigmoid",
             "softplus", "hard_tanh", "log_sigmoid", "soft_sign", "glu", "softmax", "log_softmax")
LOSSES = ("softmax_cross_entropy", "softmax_cross_entropy_with_integer_labels")  # of optax


def record(loss: Callable[[Any], Any], params: Any, path: str | None = None, *, rate: float | None = None,
           ) -> dict[str, Any]:
    """Record one step of ``loss``, a function of the parameters that calls the model, and return what was recorded.

    ``params`` is the tree that ``model.init`` gives under "params"; ``rate`` the learning rate of gradient descent.
    """
    recorder = _Recorder()
    try:
        with recorder.watching():
            value = float(loss(params))
    except jax.errors.TracerArrayConversionError:
        raise ValueError("the loss must be computed outside of nn.scan, nn.remat, nn.jit and jax.jit") from None
    measured = [recorder.rows[place] for place in recorder.measured]
    zeros = [jnp.zeros(row["shape"], row["dtype"]) for row in measured]

    def perturbed(params: Any, added: list[Any]) -> Any:
        with recorder.watching(added):
            return loss(params)

    of_params, of_outputs = jax.grad(perturbed, argnums=(0, 1))(params, zeros)
    traced = jax.make_jaxpr(perturbed)(params, zeros).jaxpr
    learned: set[int] = set()  # places of the rows that are computed from a parameter, and not from the data alone
    for place, row, gradient, sources in zip(
            recorder.measured, measured, of_outputs, _sources(traced, len(zeros)), strict=True):
        behind = {PARAMETERS if source == PARAMETERS else recorder.measured[source] for source in sources}
        row["gradient"] = _moments(np.asarray(gradient))
        row["from"] = sorted(behind & learned)
        if PARAMETERS in behind or row["from"]:
            learned.add(place)
    rows = _without_data(recorder.rows, learned)
    named = zip(jax.tree_util.tree_leaves_with_path(params), jax.tree_util.tree_leaves(of_params), strict=True)
    recording = {
        "format": "initviz recording", "version": VERSION, "framework": f"Flax {flax.__version__}",
        "model": rows[-1]["kind"] if rows else "", "loss": {"value": _rounded(value)} | recorder.loss,
        "optimizer": None if rate is None else "gradient descent", "rows": rows, "parameters": [
            _parameter(".".join(str(key.key) for key in keys), np.asarray(values), np.asarray(gradient), rate,
                       recorder.kinds) for (keys, values), gradient in named]}
    if path is not None:
        with open(path, "wb") as file:
            file.write(_packed(recording))
    return recording


class _Recorder:
    """What is looked at while a loss is computed: calls of modules, activations, and optax's losses."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.measured: list[int] = []  # places of the rows that are no other's array
        self.kinds: dict[str, str] = {}
        self.loss: dict[str, Any] = {}
        self.added: list[Any] | None = None
        self.place = 0  # of the next array that is added
        self.calls: dict[tuple[str, str], int] = {}
        self.latest: Any = None  # the output that was seen last
        self.stack: list[list[Any]] = []  # path of a module, and whether another one was called inside
        self.busy = False  # inside a function: swish is silu, which calls sigmoid

    @contextmanager
    def watching(self, added: list[Any] | None = None) -> Iterator[None]:
        """Measure every output, or add to each the array of ``added`` that belongs to it."""
        self.added, self.place, self.calls, self.latest, self.stack = added, 0, {}, None, []
        with ExitStack() as stack:
            stack.enter_context(nn.intercept_methods(self.call))
            for name in FUNCTIONS:
                for room in (nn, jax.nn):
                    if hasattr(room, name):
                        stack.enter_context(mock.patch.object(room, name, self.function(name, getattr(room, name))))
            for name in LOSSES if "optax" in sys.modules else ():
                stack.enter_context(mock.patch.object(sys.modules["optax"], name, self.loss_function(name)))
            yield

    def call(self, following: Any, args: Any, kwargs: Any, context: Any) -> Any:
        """Of a module's method; Flax calls it."""
        if context.method_name != "__call__":
            return following(*args, **kwargs)
        path, kind = ".".join(context.module.path), type(context.module).__name__
        self.kinds[path] = kind
        if self.stack:
            self.stack[-1][1] = True
        self.stack.append([path, False])
        output = following(*args, **kwargs)
        container = self.stack.pop()[1]
        leaves, tree = jax.tree_util.tree_flatten(output)
        for place, leaf in enumerate(leaves):
            if hasattr(leaf, "dtype") and jnp.issubdtype(leaf.dtype, jnp.floating) and leaf.ndim and leaf.size:
                leaves[place] = self.see(leaf, path, kind, container=container)
                return jax.tree_util.tree_unflatten(tree, leaves)
        return output

    def function(self, name: str, original: Any) -> Callable[..., Any]:
        """An activation whose output is seen."""
        def function(x: Any, *args: Any, **kwargs: Any) -> Any:
            busy, self.busy = self.busy, True
            try:
                output = original(x, *args, **kwargs)
            finally:
                self.busy = busy
            return output if busy or not jnp.ndim(output) else self.see(
                output, self.stack[-1][0] if self.stack else "", name, function=True)
        return function

    def loss_function(self, name: str) -> Callable[..., Any]:
        """A loss of which the number of classes and the spread of the logits are kept."""
        original = getattr(sys.modules["optax"], name)

        def function(logits: Any, *args: Any, **kwargs: Any) -> Any:
            if self.added is None:
                values = np.asarray(logits, np.float64)
                self.loss = {"kind": "cross_entropy", "classes": values.shape[-1],
                             "logit_std": _rounded(math.sqrt(values.var(-1).mean()))}
            return original(logits, *args, **kwargs)
        return function

    def see(self, output: Any, path: str, kind: str, **more: Any) -> Any:
        """Measure an output, or add what belongs to it."""
        if output is self.latest:  # of a container: the last output inside it
            if self.added is None:
                self.rows.append(self.row(output, path, kind, more) | {"same_as": self.measured[-1]})
        elif self.added is None:
            self.rows.append(self.row(output, path, kind, more) | _output(np.asarray(output), kind))
            self.measured.append(len(self.rows) - 1)
        else:
            output, self.place = output + self.added[self.place], self.place + 1
        self.latest = output
        return output

    def row(self, output: Any, path: str, kind: str, more: dict[str, Any]) -> dict[str, Any]:
        call = self.calls[path, kind] = self.calls.get((path, kind), 0) + 1
        return {"path": path, "kind": kind, "call": call, "shape": list(output.shape), "dtype": str(output.dtype)} | {
            name: value for name, value in more.items() if value}


def _without_data(rows: list[dict[str, Any]], learned: set[int]) -> list[dict[str, Any]]:
    """The rows but for those that show the data itself, such as a dropout's of the input."""
    kept = [place for place, row in enumerate(rows) if row.get("same_as", place) in learned]
    places = {place: number for number, place in enumerate(kept)}
    return [rows[place] | ({"same_as": places[rows[place]["same_as"]]} if "same_as" in rows[place] else
                           {"from": [places[source] for source in rows[place]["from"]]}) for place in kept]


def _sources(jaxpr: Any, count: int) -> list[frozenset[int]]:
    """Of each array that is added to an output the outputs from which that was computed; PARAMETERS for those."""
    first = len(jaxpr.invars) - count
    places = {id(variable): place for place, variable in enumerate(jaxpr.invars[first:])}
    near = {id(variable): frozenset({PARAMETERS}) for variable in jaxpr.invars[:first]}
    found: list[frozenset[int]] = [frozenset()] * count
    for equation in jaxpr.eqns:
        behind = frozenset().union(*(near.get(id(variable), frozenset()) for variable in equation.invars))
        added = [places[id(variable)] for variable in equation.invars if id(variable) in places]
        if added:
            found[added[0]], behind = behind, frozenset(added)
        near.update((id(variable), behind) for variable in equation.outvars)
    return found


# ---------------------------------------------------------------------------------------------- numbers of an array

def _rounded(value: float) -> float | str:
    return float(f"{value:.7g}") if math.isfinite(value) else "nan" if math.isnan(value) else (
        "inf" if value > 0 else "-inf")


def _moments(values: Array) -> dict[str, Any]:
    """Moments, extremes, share of exact zeros and histogram of log2 magnitudes, as the format's schema says."""
    flat = values.astype(np.float64).ravel()
    least, most = float(flat.min()), float(flat.max())
    finite = math.isfinite(least) and math.isfinite(most)
    mean, std = (float(flat.mean()), float(flat.std())) if finite else (math.nan, math.nan)
    rms = math.hypot(mean, std) if finite else math.nan if math.isnan(least) else math.inf
    found: dict[str, Any] = {name: _rounded(value) for name, value in {
        "rms": rms, "mean": mean, "std": std, "least": least, "most": most, "zero_share": float((flat == 0).mean())
    }.items()}
    exponents = (np.frexp(flat[flat != 0])[1] - 1).clip(LEAST_EXPONENT, MOST_EXPONENT)
    if finite and len(exponents):
        counts = np.bincount(exponents - exponents.min())
        found["histogram"] = [int(exponents.min()), *map(int, (1000 * counts / counts.sum()).round())]
    return found


def _bound(value: float | str) -> float | str:
    """The next power of 2 away from 0: an extreme of an output that passes its input on is a value of the data."""
    if isinstance(value, str) or not value:
        return value
    mantissa, exponent = math.frexp(value)
    return math.copysign(math.ldexp(1.0, min(exponent - (abs(mantissa) == 0.5), 1023)), value)


def _output(values: Array, kind: str) -> dict[str, Any]:
    """Also units that are 0 or copies, effective rank, and the cosine between samples or tokens."""
    found = _moments(values)
    found |= {name: _bound(found[name]) for name in ("least", "most")}
    if values.ndim < 2 or "histogram" not in found:
        return found
    matrix = values.astype(np.float64).reshape(-1, values.shape[-1])  # units are last, channels too
    sizes = np.sqrt(np.square(matrix.reshape(len(values) if values.ndim > 3 else len(matrix), -1)).mean(1))
    zero = int((~matrix.any(0)).sum())
    found |= {"units": matrix.shape[1], "zero_units": zero, "median_rms": _rounded(float(np.median(sizes)))}
    if kind.endswith("softmax"):
        shares = np.exp(matrix) if kind == "log_softmax" else matrix
        logs = np.log(np.where(shares > 0, shares, 1))
        counts = (shares > 0).sum(1)
        open_ = counts > 1
        found["entropy"] = _rounded(float((-(shares * logs).sum(1)[open_] / np.log(counts[open_])).mean()))
    elif matrix.shape[1] > 1 and len(matrix) > 1:
        part = matrix[::-(-len(matrix) // MOST_SAMPLES)]
        centered = part - part.mean(0)
        size = np.abs(centered).max() or 1.0
        products = (centered / size) @ (centered / size).T
        distinct = len(np.unique(part, axis=1).T)
        rank = float(np.trace(products)**2 / (np.square(products).sum() or 1))
        found |= {"distinct": distinct, "rank": _rounded(rank)}
        vectors = values[:8] if values.ndim == 3 else values[:MOST_SAMPLES].reshape(
            1, min(len(values), MOST_SAMPLES), -1)
        unit = vectors / np.maximum(np.linalg.norm(vectors.astype(np.float64), axis=-1, keepdims=True), 1e-30)
        n = vectors.shape[1]
        if n > 1:
            cosine = ((np.square(unit.sum(1)).sum(-1) - np.square(unit).sum((1, 2))) / (n * (n - 1))).mean()
            found["token_cosine" if values.ndim == 3 else "sample_cosine"] = _rounded(float(cosine))
    return found


def _parameter(name: str, values: Array, gradient: Array, rate: float | None, kinds: dict[str, str],
               ) -> dict[str, Any]:
    """Form, moments, structure, hash and gradient of a parameter."""
    found = {"name": name, "module": kinds.get(name.rpartition(".")[0], ""), "shape": list(values.shape),
             "dtype": str(values.dtype), "trainable": True, "rate": rate} | _moments(values)
    found["hash"] = hashlib.blake2b(f"{values.shape}".encode() + values.tobytes(), digest_size=8).hexdigest()
    if isinstance(found["std"], float) and found["std"]:
        wide = values.astype(np.float64)
        centered = wide - wide.mean()
        found["kurtosis"] = _rounded(float((centered**4).mean() / wide.std()**4))
        if values.ndim > 1:
            matrix = values.reshape(-1, values.shape[-1])  # (inputs, outputs)
            found["repeated"] = [len(side) - len(np.unique(side, axis=0)) for side in (matrix, matrix.T)]
    moments = _moments(gradient)
    found["gradients"] = [{"rms": moments["rms"], "zero_share": moments["zero_share"],
                           "exact_zero": not gradient.any()}]
    return found


def _packed(recording: dict[str, Any]) -> bytes:
    """The file; where it would be too large, histograms are left out, then it is refused."""
    packed = b""
    rows, parameters = recording["rows"], recording["parameters"]
    for part in ([], parameters, [row.get("gradient", {}) for row in rows], rows):
        for held in part:
            held.pop("histogram", None)
        packed = gzip.compress(json.dumps(recording, separators=(",", ":")).encode(), mtime=0)
        if len(packed) <= MOST_BYTES:
            return packed
    raise ValueError(f"the recording must be at most {MOST_BYTES:,} bytes, and has {len(packed):,}: record a part of "
                     "the model by itself")
