"""Which law drew a tensor: the families of distributions, the scales that formulas give, and how well both fit.

A law is named where the tensor is what it would draw but for one time in a million. All names that fit are given
together: formulas coincide where fan_in equals fan_out, and small tensors tell little.
"""

from __future__ import annotations

import functools
import itertools
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np
from scipy import special

from initviz.core.arrays import Array
from initviz.core.initializers import INITIALIZERS, Law, law_of
from initviz.core.initializers.laws import TRUNCATED_STD
from initviz.diagnosis.audit.expressions import value
from initviz.diagnosis.audit.kinds import TensorRole
from initviz.diagnosis.audit.measures import Measures, measure

RARE = 1e-6  # a law is excluded by what it draws less often than this, in each of a few tests
ROUNDING = 2.0**-8  # of bfloat16, the coarsest format that is read
SPARSE_INCOMING = 15
FEW = 100
CENTERED = 0.3  # share of zeros, a little below that of the smallest kernel, of two places
MOST_SAID = 6  # laws in a line
USUAL: Mapping[str, tuple[float, ...]] = MappingProxyType({  # other values of parameters, looked for where no law fits
    "negative_slope": (0.1, 0.2, 0.25, 0.3, 0.5), "w0": (1, 5, 10, 20, 60, 100)})
PROBES = ((3, 7), (96, 11))  # fans at which two formulas are compared


@dataclass(frozen=True)
class Family:
    """A distribution of mean 0 and variance 1: its kurtosis, sixth and eighth moments, and where it ends.

    ``formula`` is how people write the one of a tensor's own scale, as that was measured.
    """

    kurtosis: float
    sixth: float
    eighth: float
    formula: Callable[[Measures], str]
    end: float = math.inf

    @property
    def kurtosis_error(self) -> float:
        """Standard deviation of the sample kurtosis times the root of the number of values, for many values."""
        return math.sqrt(self.eighth - 4 * self.kurtosis * self.sixth + 4 * self.kurtosis**3 - self.kurtosis**2)


def _number(value: float) -> str:
    return f"{value:.3g}"


def _truncated_moment(power: int) -> float:
    nodes = np.linspace(-2, 2, 40001)
    density = np.exp(-nodes * nodes / 2)
    return float(np.trapezoid(density * (nodes / TRUNCATED_STD)**power) / np.trapezoid(density))


def _uniform_formula(measured: Measures) -> str:
    return f"U(±{_number(max(measured.largest, measured.rms * math.sqrt(3)))})"


FAMILIES: Mapping[str, Family] = MappingProxyType({  # by the key of the initializer that draws them at any scale
    "normal": Family(3, 15, 105, lambda measured: f"N(0, {_number(measured.rms)}²)"),
    "uniform": Family(1.8, 27 / 7, 9, _uniform_formula, math.sqrt(3)),
    "truncated_normal": Family(
        _truncated_moment(4), _truncated_moment(6), _truncated_moment(8),
        lambda measured: f"N(0, {_number(measured.rms / TRUNCATED_STD)}²) cut at 2σ", 2 / TRUNCATED_STD)})


TORCH_DEFAULT = "U(±1/√fan_in)"
SAME = "the same in every draw"


@dataclass(frozen=True)
class KnownLaw:
    """A standard deviation that a framework, a paper or a recipe gives.

    ``formula`` is how people write the law, ``std`` the standard deviation as an expression of fan_in and fan_out;
    ``users`` are who draws by it, where no initializer of the table has that name, and ``source`` says where that is
    written: a paper, or a page's address. ``law`` takes the place of ``std`` where no expression says it.
    """

    formula: str
    family: str
    std: str
    users: tuple[str, ...] = ()
    source: str = ""
    kinds: tuple[str, ...] = ("linear", "convolution", "recurrent", "embedding", "lora")
    law: Law | None = None

    def at(self, fan_in: int, fan_out: int) -> float:
        """The standard deviation for these fans."""
        if self.law is not None:
            return math.sqrt(self.law.variance(fan_in, fan_out))
        return value(self.std, {"fan_in": fan_in, "fan_out": fan_out})


TORCH_DOCS, KERAS_DOCS = "https://docs.pytorch.org/docs/stable", "https://keras.io/api/layers"
KNOWN_LAWS = (
    KnownLaw(TORCH_DEFAULT, "uniform", "1 / sqrt(3 * fan_in)", ("PyTorch's Linear and Conv default",),
             f"{TORCH_DOCS}/generated/torch.nn.Linear.html"),
    KnownLaw("N(0, 0.02²)", "normal", "0.02", ("GPT-2", "BERT", "ViT"),
             "Radford et al. 2018, section 4.1; initializer_range of transformers’ BertConfig"),
    KnownLaw("N(0, 0.02²) cut at 2σ", "truncated_normal", f"0.02 * {TRUNCATED_STD!r}", ("TensorFlow's BERT",),
             "https://github.com/google-research/bert"),
    KnownLaw("N(0, 0.01²)", "normal", "0.01", ("AlexNet",), "Krizhevsky et al. 2012, section 5"),
    KnownLaw("N(0, 1)", "normal", "1", ("PyTorch's Embedding default",),
             f"{TORCH_DOCS}/generated/torch.nn.Embedding.html"),
    KnownLaw("U(±0.05)", "uniform", "0.05 / sqrt(3)", ("Keras' Embedding default",),
             f"{KERAS_DOCS}/core_layers/embedding/"),
    KnownLaw("N(0, 1/fan_in)", "normal", "1 / sqrt(fan_in)"),
    KnownLaw("N(0, 2/fan_in)", "normal", "sqrt(2 / fan_in)"),
    KnownLaw("N(0, 2/(fan_in + fan_out))", "normal", "sqrt(2 / (fan_in + fan_out))"),
    KnownLaw("N(0, 1/fan_out)", "normal", "1 / sqrt(fan_out)", ("PyTorch's kaiming_normal_, fan_out, linear",),
             f"{TORCH_DOCS}/nn.init.html"),
    KnownLaw("N(0, 2/fan_out)", "normal", "sqrt(2 / fan_out)"),
    KnownLaw("U(±√(3/fan_in))", "uniform", "1 / sqrt(fan_in)"),
    KnownLaw("U(±√(6/fan_in))", "uniform", "sqrt(2 / fan_in)"),
    KnownLaw("U(±√(6/fan_out))", "uniform", "sqrt(2 / fan_out)"),
    KnownLaw("U(±√(6/(fan_in + fan_out)))", "uniform", "sqrt(2 / (fan_in + fan_out))"),
    KnownLaw("N(0, 1/fan_in) cut at 2σ", "truncated_normal", "1 / sqrt(fan_in)"),
    KnownLaw("N(0, 2/fan_in) cut at 2σ", "truncated_normal", "sqrt(2 / fan_in)", ("He normal in Keras and JAX",),
             f"{KERAS_DOCS}/initializers/"),
    KnownLaw("N(0, 2/(fan_in + fan_out)) cut at 2σ", "truncated_normal", "sqrt(2 / (fan_in + fan_out))",
             ("Xavier normal in Keras and JAX",), f"{KERAS_DOCS}/initializers/"),
    *(KnownLaw("U(±1/√hidden)", "uniform", f"sqrt({gates} / (3 * fan_out))", (f"PyTorch's {cell} default",),
               f"{TORCH_DOCS}/generated/torch.nn.{cell}.html", ("recurrent",))
      for cell, gates in (("LSTM", 4), ("GRU", 3), ("RNN", 1))))


@dataclass(frozen=True)
class FittingLaw:
    """A law that may have drawn a tensor: its formula, and the names by which it is known.

    ``free`` says that the tensor's own scale was put into the formula; ``random`` that its entries are drawn.
    """

    formula: str
    names: tuple[str, ...]
    free: bool = False
    random: bool = True

    @property
    def known_as(self) -> tuple[str, ...]:
        """The names for people: without an initializer's key, and without one that another name begins with."""
        names = dict.fromkeys(re.sub(r" \([a-z_]+(?:, \w+)?\)$", "", name) for name in self.names)
        return tuple(name for name in names if not any(other.startswith(f"{name} ") for other in names))

    @property
    def text(self) -> str:
        """The formula and who uses it, for people."""
        return self.formula if self.free or not self.random else f"{self.formula}: {' or '.join(self.known_as)}"

    @property
    def entries(self) -> tuple[str, ...]:
        """One string per name, for programs: the formula and the name, an initializer's with its key."""
        return tuple(f"{self.formula}: {name}" for name in self.names)


def _name(key: str) -> str:
    """An initializer's label and key."""
    return f"{INITIALIZERS[key].label} ({key})"


def laws_in_words(laws: Sequence[FittingLaw]) -> str:
    """All laws that fit, in one line; a tensor's own scale is named where no known formula gives it."""
    named = [law for law in laws if not law.free] or list(laws)
    if len(named) > MOST_SAID:
        return f"too few values to tell: {len(named)} laws fit"
    return " or ".join(law.text for law in named)


@functools.cache
def _table() -> tuple[tuple[str, Law], ...]:
    """The initializers by label and key, for every choice among their parameters' words."""
    return tuple(_choices(list(INITIALIZERS), usual=False))


@functools.cache
def _usual() -> tuple[tuple[str, Law], ...]:
    """Initializers by label and key, with their parameters at each of the values in USUAL."""
    return tuple(_choices([key for key, entry in INITIALIZERS.items() if USUAL.keys() & entry.parameters.keys()], True))


def _choices(keys: Sequence[str], usual: bool) -> list[tuple[str, Law]]:
    laws = []
    for key in keys:
        entry = INITIALIZERS[key]
        choices: list[list[tuple[str, Any]]] = [
            [(name, word) for word in parameter.allowed] if isinstance(parameter.allowed, Mapping)
            else [(name, number) for number in (usual and USUAL.get(name)) or (parameter.default,)]
            for name, parameter in entry.parameters.items()]
        for chosen in itertools.product(*choices):
            mode = "".join(f", {word}" for _, word in chosen if isinstance(word, str))
            numbers = "".join(f", {name} {number:g}" for name, number in chosen if usual and name in USUAL)
            laws.append((f"{entry.label}{numbers} ({key}{mode})", law_of(key, **dict(chosen))))
    return laws


@functools.cache
def _known_laws(usual: bool = False) -> tuple[tuple[KnownLaw, tuple[str, ...]], ...]:
    """Every formula with all its names, each formula once: an initializer stands with the formula that it follows.

    ``usual`` asks for those of the table's parameters at USUAL values alone.
    """
    gathered: dict[KnownLaw, list[str]] = {} if usual else {known: list(known.users) for known in KNOWN_LAWS}
    for name, law in _usual() if usual else _table():
        stds = [math.sqrt(law.variance(*fans)) for fans in PROBES]
        if not law.random or law.family not in FAMILIES or len(set(stds)) == 1:  # of one scale: free ones
            continue
        same = next((known for known in gathered if known.family == law.family
                     and np.allclose([known.at(*fans) for fans in PROBES], stds)), None)
        if same is None:  # a formula of the table alone, as a multiple of LeCun's
            family = law.family.replace("_", " ")
            for fan, length in zip(("fan_in", "fan_out"), PROBES[0], strict=True):
                factor = stds[0] * math.sqrt(length)
                same = KnownLaw(f"{family}, std {factor:.3g}/√{fan}", law.family, f"{factor!r} / sqrt({fan})")
                if np.allclose([same.at(*fans) for fans in PROBES], stds):
                    break
            else:
                same = KnownLaw(f"{family}, std by the formula of {name.split(' (')[0]}", law.family, "", law=law)
        gathered.setdefault(same, []).append(name)
    return tuple((known, tuple(names)) for known, names in gathered.items())


def sources_of(law: FittingLaw) -> tuple[str, ...]:
    """Where a law is written down: papers as they are cited, and addresses of pages."""
    sources = [known.source for known in KNOWN_LAWS if known.formula == law.formula and known.source and (
        not set(known.users).isdisjoint(law.names))]
    keys = [re.search(r"\(([a-z_]+)(?:, \w+)?\)$", name) for name in law.names]
    return tuple(dict.fromkeys([*sources, *(INITIALIZERS[key[1]].source for key in keys if key)]))


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
    ratio = measured.largest / measured.rms if measured.rms else math.inf  # whose squares are below float64's least
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
    tolerance = z * law.kurtosis_error / math.sqrt(count) * (1 + 20 / math.sqrt(count)) + (0.02 if count > 1e6 else 0)
    return abs(measured.kurtosis - law.kurtosis) <= tolerance


def fits_scale(measured: Measures, family: str, std: float) -> bool:
    """Whether the root mean square is that of draws of standard deviation ``std``."""
    if not std > 0 or not math.isfinite(std):
        return False
    low, high = _rms_band(measured.count, FAMILIES[family].kurtosis)
    ratio = measured.rms / std
    return bool(low * (1 - ROUNDING / 4) <= ratio <= high * (1 + ROUNDING / 4)
                and measured.largest <= FAMILIES[family].end * std * (1 + ROUNDING))


def _one_value(measured: Measures) -> FittingLaw:
    names = {0.0: (_name("zeros"),), 1.0: (_name("ones"),)}.get(measured.least, ())
    return FittingLaw(f"one value: {_number(measured.least + 0.0)}", (*names, _name("constant")), random=False)


def _fixed(values: Array, measured: Measures, role: TensorRole) -> FittingLaw | None:
    """The table's laws that give this very matrix in every draw."""
    if values.ndim != 2 or measured.zero_share == 1 or measured.count > 2**24:
        return None
    if measured.zero_share < 0.4 and measured.largest > 1.01 * measured.rms and min(values.shape) > 1:
        return None
    weight = values.T if role.outputs_first else values
    fan_in, fan_out = weight.shape
    names = tuple(name for name, law in _table() if not law.random and law.family == "other" and np.allclose(
        weight, law.draw(fan_in, fan_out, np.random.default_rng(0), weight.dtype), rtol=ROUNDING, atol=0))
    return FittingLaw(SAME, names) if names else None


def _state_matrix(measured: Measures, role: TensorRole) -> FittingLaw | None:
    """The logarithms of 1 to n in each row, where a state space model's decays begin (Gu and Dao 2023)."""
    states = math.exp(measured.most) if role.family.endswith("A_log") and measured.most < 16 else 0.0
    if not measured.copies[0] or measured.least or states < 2 or not math.isclose(states, round(states), rel_tol=1e-3):
        return None
    return FittingLaw(f"ln 1 to ln {round(states)} in each row", ("Mamba's A",), random=False)


def _sparse(values: Array, measured: Measures, role: TensorRole) -> FittingLaw | None:
    matrix = role.matrix(values)
    if matrix.ndim != 2:
        return None
    weight = matrix.T if role.outputs_first else matrix
    if weight.shape[0] <= SPARSE_INCOMING:
        fits = fits_family(measured, "normal") and fits_scale(measured, "normal", 1.0)
        return FittingLaw("N(0, 1), every input kept", (_name("sparse"),)) if fits else None
    if not measured.zero_share or not ((weight != 0).sum(axis=0) == SPARSE_INCOMING).all():
        return None
    nonzero = weight[weight != 0]
    low, high = _rms_band(nonzero.size, 3)
    fits = low <= float(np.sqrt(np.mean(np.square(nonzero, dtype=np.float64)))) <= high
    return FittingLaw(f"{SPARSE_INCOMING} weights of N(0, 1) a neuron", (_name("sparse"),)) if fits else None


def _orthogonal(measured: Measures) -> FittingLaw | None:
    if not math.isfinite(measured.isometry) and measured.count > 1:
        return None
    gain = measured.isometry if math.isfinite(measured.isometry) else measured.largest
    return FittingLaw(f"orthogonal, gain {_number(gain)}", (_name("orthogonal"),))


def _at_center(values: Array, measured: Measures, role: TensorRole) -> FittingLaw | None:
    """The law of a kernel whose weights other than 0 stand at its center, as of dirac_ and delta_orthogonal."""
    if role.kernel == 1 or measured.zero_share < CENTERED:
        return None
    middle = tuple(length // 2 for length in (values.shape[2:] if role.outputs_first else values.shape[:-2]))
    center = values[(..., *middle)] if role.outputs_first else values[middle]
    if not center.any() or np.count_nonzero(center) < np.count_nonzero(values):
        return None
    within = measure(center)
    law = _fixed(center, within, role) or _orthogonal(within)
    return None if law is None else replace(law, formula=f"{law.formula}, at the kernel's center")


def laws_of(values: Array | None, measured: Measures, role: TensorRole) -> list[FittingLaw]:
    """All laws that may have drawn a tensor; none where it looks trained.

    ``values`` is the tensor in its file's layout, None where only its Measures, ``measured``, are known.
    """
    if not measured.finite:
        return []
    candidates = [_one_value(measured) if measured.one_value else _gates(values) if role.kind == "bias" else
                  _state_matrix(measured, role)]
    if values is not None and role.fan_in:
        candidates += [_fixed(values, measured, role), _sparse(values, measured, role), _at_center(
            values, measured, role)]
    if role.fan_in and (role.kind != "embedding" or role.fan_out > 1):  # any single vector is its length times one
        candidates.append(_orthogonal(measured))
    laws = [law for law in candidates if law is not None]
    drawn_whole = measured.one_value and measured.count > 1
    if drawn_whole or measured.zero_share > 0.5 or (measured.looks_trained and not laws):
        return laws
    return laws + _independent(measured, role)


def _independent(measured: Measures, role: TensorRole) -> list[FittingLaw]:
    """The laws of independent entries whose distribution fits: known formulas first, then each at its own scale."""
    families = [family for family in FAMILIES if fits_family(measured, family)]
    def matching(known_laws: Sequence[tuple[KnownLaw, tuple[str, ...]]]) -> list[FittingLaw]:
        return [FittingLaw(known.formula, names) for known, names in known_laws
                if known.family in families and role.kind in known.kinds and role.fan_in and names
                and any(fits_scale(measured, known.family, known.at(*fans)) for fans in role.fans)]

    known = matching(_known_laws()) or matching(_known_laws(usual=True))
    return known + [_free(family, measured) for family in families]


def _free(family: str, measured: Measures) -> FittingLaw:
    return FittingLaw(FAMILIES[family].formula(measured), (_name(family),), free=True)


def _gates(values: Array | None) -> FittingLaw | None:
    """The bias of a recurrent cell of four gates whose second one, the forget gate, begins at another value."""
    if values is None or values.ndim != 1 or values.size % 4 or values.size < 8:
        return None
    gates = values.reshape(4, -1)
    if (gates != gates[:, :1]).any() or len({float(gate) for gate in gates[[0, 2, 3], 0]}) > 1:
        return None
    return FittingLaw(f"one value, {_number(float(gates[0, 0]))}, but {_number(float(gates[1, 0]))} at the forget gate",
                      ("Keras' LSTM default",), random=False)


def bias_laws(measured: Measures, weight: TensorRole) -> list[FittingLaw]:
    """All laws that may have drawn the bias beside a weight: PyTorch's follow the weight's fans."""
    if not measured.finite or (measured.one_value and measured.count > 1):
        return [_one_value(measured)] if measured.finite else []
    laws = [_one_value(measured)] if measured.one_value else []
    families = [family for family in FAMILIES if fits_family(measured, family)]
    if "uniform" in families and weight.kind == "recurrent":
        laws += [FittingLaw(known.formula, known.users) for known in KNOWN_LAWS if known.kinds == ("recurrent",)
                 and fits_scale(measured, "uniform", known.at(weight.fan_in, weight.fan_out))]
    elif "uniform" in families and fits_scale(measured, "uniform", 1 / math.sqrt(3 * weight.fan_in)):
        laws.append(FittingLaw(TORCH_DEFAULT, ("PyTorch's Linear and Conv default",)))
    return laws + [_free(family, measured) for family in families]
