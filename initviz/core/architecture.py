"""Architecture: a frozen, hashable description of a network of blocks, with skips and normalizations or without."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any, cast

from initviz.core.arrays import Array
from initviz.core.layers import NORMALIZATIONS, Activation, Dense, Layer, Residual, draw_parameters
from initviz.core.network import SEED, SIZE, NetworkDescription
from initviz.core.schemes import SCHEMES, Scheme
from initviz.core.validation import ANY, Interval, check

BLOCKS = Interval(1, 1000, integer=True)
BRANCH_LAYERS = Interval(1, 2, integer=True)
EXPANSION = Interval(1, 16, integer=True)
WITHOUT_NORM = "none"


@dataclass(frozen=True)
class ArchitectureKind:
    """How blocks are built: whether they have a skip, and which normalizations they may have."""

    label: str
    formula: str
    skips: bool
    normalizations: tuple[str, ...]
    source: str


_NORMS = tuple(NORMALIZATIONS)
KINDS: Mapping[str, ArchitectureKind] = MappingProxyType({
    "plain": ArchitectureKind("Plain", "φ(W x)", False, ("none",), "multilayer perceptron"),
    "residual": ArchitectureKind("Residual", "x + a W₂ φ(W₁ x)", True, ("none", *_NORMS), "He et al. 2016"),
    "pre_norm": ArchitectureKind("Pre-norm", "x + a W₂ φ(W₁ norm(x))", True, _NORMS, "Xiong et al. 2020, figure 1b"),
    "post_norm": ArchitectureKind("Post-norm", "norm(x + a W₂ φ(W₁ x))", True, _NORMS,
                                  "Vaswani et al. 2017, section 3.1"),
    "normalized": ArchitectureKind("Normalized, no skip", "φ(norm(W x))", False, _NORMS, "Ioffe and Szegedy 2015"),
})

# Named scales of a branch, of the number of blocks L; a number may be given as well.
BRANCH_SCALES: Mapping[str, Callable[[int], float]] = MappingProxyType({
    "1": lambda blocks: 1.0,
    "1/sqrt(L)": lambda blocks: 1 / math.sqrt(blocks),
    "1/L": lambda blocks: 1 / blocks,
    "0": lambda blocks: 0.0,
})


@dataclass(frozen=True)
class BlockShape:
    """The shape of a network of equal blocks; an Architecture says what each field means."""

    inputs: int = 64
    width: int = 128
    blocks: int = 8
    outputs: int = 10
    kind: str = "residual"
    normalization: str = "none"
    branch_layers: int = 2
    expansion: int = 1
    branch_scale: float | str = 1.0
    learned_scale: bool = False
    scheme: str = "none"


@dataclass(frozen=True)
class Architecture(NetworkDescription, BlockShape):
    """A network of equal blocks: a dense layer of the inputs, the blocks, a last dense layer.

    ``kind`` is a key of KINDS. A branch of a block is one dense layer after an activation (``branch_layers`` 1), or
    two with an activation between them, the inner one ``expansion`` times as wide. In "pre_norm" a normalization stands
    before the branch and before the last dense layer; in "post_norm" after each sum; in "residual" after each dense
    layer of a branch; in "normalized", which has no skip, after each dense layer. ``branch_scale`` is a number or a
    key of BRANCH_SCALES, trained where ``learned_scale`` says so. ``scheme`` is a key of SCHEMES; what it sets goes
    before the other fields. Where there is no skip ``branch_layers``, ``expansion`` and ``branch_scale`` mean nothing.
    The rest is as in a Network.

    Raises ValueError naming the field, the value and what is allowed.
    """

    def __post_init__(self) -> None:
        put = object.__setattr__
        for name, allowed in (("inputs", SIZE), ("width", SIZE), ("blocks", BLOCKS), ("outputs", SIZE),
                              ("branch_layers", BRANCH_LAYERS), ("expansion", EXPANSION), ("gain", ANY), ("bias", ANY)):
            put(self, name, check(name, getattr(self, name), allowed))
        for name, keys in (("kind", KINDS), ("normalization", (WITHOUT_NORM, *_NORMS)),
                           ("scheme", SCHEMES)):
            check(name, getattr(self, name), tuple(keys))
        if isinstance(self.branch_scale, str):
            check("branch_scale", self.branch_scale, BRANCH_SCALES.keys())
        else:
            put(self, "branch_scale", check("branch_scale", self.branch_scale, ANY))
        put(self, "learned_scale", bool(self.learned_scale))
        self._check_together()
        self._check_description()

    def _check_together(self) -> None:
        """Raise ValueError where kind, normalization and scheme do not fit each other."""
        allowed = KINDS[self.kind].normalizations
        if self.normalization not in allowed:
            raise ValueError(f"normalization must be {_either(allowed)} where kind is {self.kind}, got "
                             f"{self.normalization!r}")
        scheme = SCHEMES[self.scheme]
        if self.kind not in scheme.kinds:
            raise ValueError(f"kind must be {_either(scheme.kinds)} where scheme is {self.scheme}, got {self.kind!r}")
        if self.normalization == "none" and any(change.part == "branch_norm" for change in scheme.changes):
            raise ValueError(f"normalization must be {_either(_NORMS)} where scheme is {self.scheme}, got 'none'")

    @classmethod
    def of(cls, scheme: str, **fields: Any) -> Architecture:
        """The network that a scheme was made for; ``fields`` replace those that the scheme sets and the defaults."""
        check("scheme", scheme, SCHEMES.keys())
        return cls(**dict(SCHEMES[scheme].settings) | {"scheme": scheme} | fields)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Widths of the inputs, of the stream after the first dense layer and after each block, and of the outputs."""
        return (self.inputs, *[self.width] * (self.blocks + 1), self.outputs)

    @property
    def depth(self) -> int:
        """Number of stages: the first dense layer, the blocks, the last dense layer."""
        return self.blocks + 2

    @property
    def scale(self) -> float:
        """The factor of each branch, or its initial value where it is learned."""
        scheme = self._scheme
        if scheme.scale:
            return scheme.scale(self.blocks, self.branch_layers)
        branch_scale = self.branch_scale
        return BRANCH_SCALES[branch_scale](self.blocks) if isinstance(branch_scale, str) else float(branch_scale)

    @property
    def _scheme(self) -> Scheme:
        return SCHEMES[self.scheme]

    def _dense(self, part: str, width: int) -> Dense:
        initializer, params = self.initializer, dict(self.initializer_params)
        gain = cast(float, self.gain)  # one for all layers, as checked
        for change in self._scheme.changes:
            if change.part == part:
                if change.initializer:
                    initializer, params = change.initializer, dict(change.params)
                gain *= change.factor(self.blocks, self.branch_layers)
        return Dense(width, initializer, gain, cast(float, self.bias), self.bias_std, params)

    def _norms(self, part: str = "") -> tuple[Layer, ...]:
        """The normalization as a tuple of one layer, or of none."""
        if self.normalization == WITHOUT_NORM:
            return ()
        weights = [change.factor(self.blocks, self.branch_layers) for change in self._scheme.changes
                   if change.part == part]
        return (NORMALIZATIONS[self.normalization].layer(weight=weights[0] if weights else 1.0),)

    @property
    def _phi(self) -> Activation:
        return Activation(self.activation, **dict(self.activation_params))

    def _branch(self) -> tuple[Layer, ...]:
        before = self._norms("branch_norm") if self.kind == "pre_norm" else ()
        after = self.kind == "residual"
        last = (self._dense("branch_last", self.width), *(self._norms("branch_norm") if after else ()))
        if self.branch_layers == 1:
            return (*before, self._phi, *last)
        inner = (self._dense("branch", self.expansion * self.width), *(self._norms() if after else ()))
        return (*before, *inner, self._phi, *last)

    def _block(self) -> tuple[Layer, ...]:
        if not KINDS[self.kind].skips:
            return (self._dense("branch", self.width), *self._norms(), self._phi)
        residual = Residual(*self._branch(), scale=self.scale, learned=self.learned_scale or self._scheme.learned)
        return (residual, *(self._norms() if self.kind == "post_norm" else ()))

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """All layers: that of the inputs, the blocks, that of the outputs."""
        first: tuple[Layer, ...] = (self._dense("input", self.width),)
        if not KINDS[self.kind].skips:
            first += (*self._norms(), self._phi)
        last = self._norms() if self.kind == "pre_norm" else ()
        return (*first, *self._block() * self.blocks, *last, self._dense("output", self.outputs))

    @property
    def stages(self) -> tuple[tuple[str, ...], ...]:
        """The paths of the layers of each stage: the first dense layer and what follows it, each block, the end."""
        blocks = self.block_paths
        first, last = int(blocks[0][0]), int(blocks[-1][-1]) + 1
        ends = [range(first), range(last, len(self.layers))]
        return (tuple(map(str, ends[0])), *blocks, tuple(map(str, ends[1])))

    @property
    def block_paths(self) -> tuple[tuple[str, ...], ...]:
        """The paths of the layers of each block, first block first."""
        size = len(self._block())
        first = 1 if KINDS[self.kind].skips else len(self._norms()) + 2
        return tuple(tuple(str(first + block * size + index) for index in range(size)) for block in range(self.blocks))

    def draw(self, seed: int | None = None) -> dict[str, Array]:
        """Initial parameters by path, in ``dtype``; ``seed`` stands for the field of that name."""
        return draw_parameters(self.layers, self.inputs, seed=self.seed if seed is None else check("seed", seed, SEED),
                               dtype=self.dtype)


def _either(keys: tuple[str, ...]) -> str:
    return " or ".join(keys)
