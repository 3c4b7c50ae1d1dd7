"""Which law drew a tensor: the families of distributions, the scales that formulas give, and how well both fit.

A law is named where the tensor is what it would draw but for one time in a million. All names that fit are given
together: formulas coincide where fan_in equals fan_out, and small tensors tell little.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from scipy import special

from initviz.core.arrays import Array
from initviz.core.initializers import INITIALIZERS, Law, law_of
from initviz.core.initializers.laws import TRUNCATED_STD
from initviz.diagnosis.audit.expressions import value
from initviz.diagnosis.audit.kinds import Place
from initviz.diagnosis.audit.measures import Measures

RARE = 1e-6  # a law is excluded by what it draws less often than this, in each of a few tests
ROUNDING = 2.0**-8  # of bfloat16, the coarsest format that is read
TRAINED_TOP, TRAINED_UNEVENNESS = 1.25, 8.0  # beyond: not independent entries
SPARSE_INCOMING = 15
FEW = 100


@dataclass(frozen=True)
class Family:
    """A distribution of mean 0 and variance 1: its kurtosis, sixth and eighth moments, and where it ends."""

    kurtosis: float
    sixth: float
    eighth: float
    end: float = math.inf

    @property
    def kurtosis_error(self) -> float:
        """Standard deviation of the sample kurtosis times the root of the number of values, for many values."""
        return math.sqrt(self.eighth - 4 * self.kurtosis * self.sixth + 4 * self.kurtosis**3 - self.kurtosis**2)


def _truncated_moment(power: int) -> float:
    nodes = np.linspace(-2, 2, 40001)
    density = np.exp(-nodes * nodes / 2)
    return float(np.trapezoid(density * (nodes / TRUNCATED_STD)**power) / np.trapezoid(density))


FAMILIES: Mapping[str, Family] = MappingProxyType({
    "normal": Family(3, 15, 105),
    "uniform": Family(1.8, 27 / 7, 9, math.sqrt(3)),
    "truncated_normal": Family(_truncated_moment(4), _truncated_moment(6), _truncated_moment(8), 2 / TRUNCATED_STD)})


@dataclass(frozen=True)
class Scale:
    """A standard deviation that a framework or a recipe gives: ``std`` is an expression of fan_in and fan_out."""

    name: str
    family: str
    std: str
    kinds: tuple[str, ...] = ("linear", "convolution", "recurrent", "embedding", "lora")


# Beside the initializers' own: the frameworks' documentation; Radford et al. 2019 for GPT-2.
SCALES = (
    Scale("U(±1/√fan_in): PyTorch's Linear and Conv default", "uniform", "1 / sqrt(3 * fan_in)"),
    Scale("N(0, 0.02²): GPT-2", "normal", "0.02"),
    Scale("N(0, 0.02²) cut at 2σ: BERT and ViT", "truncated_normal", f"0.02 * {TRUNCATED_STD!r}"),
    Scale("N(0, 0.01²)", "normal", "0.01"),
    Scale("N(0, 1): PyTorch's Embedding default", "normal", "1"),
    Scale("U(±0.05): Keras' Embedding default", "uniform", "0.05 / sqrt(3)"),
    Scale("N(0, 1/fan_in): LeCun", "normal", "1 / sqrt(fan_in)"),
    Scale("N(0, 2/fan_in): He", "normal", "sqrt(2 / fan_in)"),
    Scale("N(0, 2/(fan_in + fan_out)): Xavier", "normal", "sqrt(2 / (fan_in + fan_out))"),
    Scale("U(±√(6/(fan_in + fan_out))): Xavier, Keras' Dense default", "uniform", "sqrt(2 / (fan_in + fan_out))"),
    Scale("N(0, 1/fan_out)", "normal", "1 / sqrt(fan_out)"),
    Scale("N(0, 2/fan_out): He, fan_out", "normal", "sqrt(2 / fan_out)"),
    Scale("U(±√(6/fan_in)): He", "uniform", "sqrt(2 / fan_in)"),
    Scale("U(±√(6/fan_out)): He, fan_out", "uniform", "sqrt(2 / fan_out)"),
    Scale("1/fan_in cut at 2σ: Flax's Dense default", "truncated_normal", "1 / sqrt(fan_in)"),
    Scale("2/fan_in cut at 2σ: He in Keras and JAX", "truncated_normal", "sqrt(2 / fan_in)"),
    Scale("2/(fan_in + fan_out) cut at 2σ: Xavier in Keras and JAX", "truncated_normal",
          "sqrt(2 / (fan_in + fan_out))"),
    *(Scale(f"U(±1/√hidden): PyTorch's {cell} default", "uniform", f"sqrt({gates} / (3 * fan_out))", ("recurrent",))
      for cell, gates in (("LSTM", 4), ("GRU", 3), ("RNN", 1))))


@functools.cache
def _table() -> tuple[tuple[str, Law], ...]:
    """The initializers whose entries are independent, by label and key, for every choice among their words."""
    laws = []
    for key, entry in INITIALIZERS.items():
        words = [[(name, word) for word in parameter.allowed] if isinstance(parameter.allowed, Mapping)
                 else [(name, parameter.default)] for name, parameter in entry.parameters.items()]
        for chosen in itertools.product(*words):
            law = law_of(key, **dict(chosen))
            mode = "".join(f", {word}" for _, word in chosen if isinstance(word, str))
            laws.append((f"{entry.label} ({key}{mode})", law))
    return tuple(laws)


def _rms_band(count: int, kurtosis: float) -> tuple[float, float]:
    """Between which the root mean square of so many values lies, in standard deviations."""
    # Of few values the mean square is spread like a normal's at most, and near 0 far more than by its variance.
    freedom = 2 * count / (kurtosis - 1) if count > FEW else float(count)
    low, high = special.chdtri(freedom, (1 - RARE, RARE))
    return math.sqrt(low / freedom), math.sqrt(high / freedom)


def fits_family(measured: Measures, family: str) -> bool:
    """Whether the shape of the distribution, at whatever scale, is the family's."""
    law, count = FAMILIES[family], measured.count
    if measured.one_value:
        return count == 1
    if count < 8:  # nothing is known of the shape
        return True
    z = float(-special.ndtri(RARE))
    if abs(measured.mean) > z * measured.rms / math.sqrt(count) * (1 + ROUNDING):
        return False
    ratio = measured.largest / measured.rms
    if ratio > (math.sqrt(2) * float(special.erfcinv(RARE / count)) if math.isinf(law.end)
                else law.end * (1 + ROUNDING) / _rms_band(count, law.kurtosis)[0]):
        return False
    if math.isinf(law.end) and count > 1000 and ratio < -float(special.ndtri(min(0.5, 14 / count) / 2)) * 0.97:
        return False  # a normal draw of that size reaches further
    if family == "uniform" and count > 100 and (
            ratio < law.end * (1 - 14 / count) * (1 - ROUNDING) / _rms_band(count, law.kurtosis)[1]):
        return False
    if count < 64:
        return True
    # The sample kurtosis is skewed where there are few values.
    room = z * law.kurtosis_error / math.sqrt(count) * (1 + 20 / math.sqrt(count)) + (0.02 if count > 1e6 else 0)
    return abs(measured.kurtosis - law.kurtosis) <= room


def fits_scale(measured: Measures, family: str, std: float) -> bool:
    """Whether the root mean square is that of draws of standard deviation ``std``."""
    if not std > 0 or not math.isfinite(std):
        return False
    low, high = _rms_band(measured.count, FAMILIES[family].kurtosis)
    ratio = measured.rms / std
    return bool(low * (1 - ROUNDING / 4) <= ratio <= high * (1 + ROUNDING / 4)
                and measured.largest <= FAMILIES[family].end * std * (1 + ROUNDING))


def looks_trained(measured: Measures) -> bool:
    """Whether rows, columns or singular values show what independent entries do not."""
    return measured.top > TRAINED_TOP or measured.unevenness > TRAINED_UNEVENNESS


def _number(value: float) -> str:
    return f"{value:.3g}"


def _one_value(measured: Measures) -> Iterator[str]:
    label = {0.0: "Zeros (zeros)", 1.0: "Ones (ones)"}.get(measured.least)
    if label:
        yield f"one value: {_number(measured.least)}: {label}"
    yield f"one value: {_number(measured.least)}: Constant (constant)"


def _fixed(values: Array, measured: Measures, place: Place) -> Iterator[str]:
    """The table's laws without chance that give this very matrix."""
    if values.ndim != 2 or measured.zero_share == 1 or measured.count > 2**24:
        return
    if measured.zero_share < 0.4 and measured.largest > 1.01 * measured.rms and min(values.shape) > 1:
        return
    weight = values.T if place.outputs_first else values
    for name, law in _table():
        if not law.random and law.family == "other":
            fan_in, fan_out = weight.shape
            drawn = law.draw(fan_in, fan_out, np.random.default_rng(0), weight.dtype)
            if np.allclose(weight, drawn, rtol=ROUNDING, atol=0):
                yield f"{name}: no chance in it"


def _sparse(values: Array, measured: Measures, place: Place) -> Iterator[str]:
    weight = values.T if place.outputs_first and values.ndim == 2 else values
    if weight.ndim != 2 or weight.shape[0] <= SPARSE_INCOMING or not measured.zero_share:
        return
    if ((weight != 0).sum(axis=0) == SPARSE_INCOMING).all():
        kept = weight[weight != 0]
        low, high = _rms_band(kept.size, 3)
        if low <= float(np.sqrt(np.mean(np.square(kept, dtype=np.float64)))) <= high:
            yield f"Sparse (sparse): {SPARSE_INCOMING} weights of N(0, 1) a neuron"


def laws_of(values: Array, measured: Measures, place: Place) -> list[str]:
    """The names of all laws that may have drawn a tensor; none where it looks trained.

    ``values`` is the tensor in its file's layout, ``measured`` its Measures.
    """
    if not measured.finite:
        return []
    names = list(_one_value(measured)) if measured.one_value else []
    names += [*_fixed(values, measured, place), *_sparse(values, measured, place)]
    if math.isfinite(measured.isometry) or measured.count == 1:
        gain = measured.isometry if math.isfinite(measured.isometry) else measured.largest
        names.append(f"Orthogonal (orthogonal): gain {_number(gain)}")
    drawn_whole = measured.one_value and measured.count > 1
    if drawn_whole or measured.zero_share > 0.5 or (looks_trained(measured) and not names):
        return names
    families = [family for family in FAMILIES if fits_family(measured, family)]
    names += _scaled(measured, place, families)
    names += [_free(family, measured) for family in families]
    if 0 < place.fan_in <= SPARSE_INCOMING and "normal" in families and fits_scale(measured, "normal", 1.0):
        names.append(f"Sparse (sparse): at most {SPARSE_INCOMING} inputs, all of N(0, 1)")
    return list(dict.fromkeys(names))


def _scaled(measured: Measures, place: Place, families: list[str]) -> Iterator[str]:
    """The laws of these families whose formula gives the tensor's scale for its fans."""
    if not place.fan_in:
        return
    for name, law in _table():
        if law.random and law.family in families and any(
                fits_scale(measured, law.family, math.sqrt(law.variance(*fans))) for fans in place.fans):
            yield f"{name}: {law.family.replace('_', ' ')}"
    for scale in SCALES:
        if scale.family in families and place.kind in scale.kinds and any(
                fits_scale(measured, scale.family, value(scale.std, {"fan_in": fan_in, "fan_out": fan_out}))
                for fan_in, fan_out in place.fans):
            yield scale.name


def _free(family: str, measured: Measures) -> str:
    std = _number(measured.rms)
    if family == "normal":
        return f"Normal (normal): N(0, {std}²)"
    if family == "uniform":
        return f"Uniform (uniform): U(±{_number(max(measured.largest, measured.rms * math.sqrt(3)))})"
    return f"Truncated normal (truncated_normal): N(0, {_number(measured.rms / TRUNCATED_STD)}²) cut at 2σ"
