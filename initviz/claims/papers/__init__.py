"""The figures of the papers, remade in seconds: each runs its setting again and holds it against its targets.

A target is a number that the paper prints, or one derived from its theory; each check says which, and what its
tolerance is for. A check that fails is a place where the paper and its setting here disagree, and is left to fail.
"""

from collections.abc import Mapping
from types import MappingProxyType

from initviz.claims.experiment import Experiment
from initviz.claims.papers import (
    finite_width,
    glorot,
    isometry,
    lectures,
    normalization,
    phases,
    residual,
    self_normalizing,
    variances,
    zeros,
)

PAPERS: Mapping[str, Experiment] = MappingProxyType({
    key: experiment
    for part in (variances, glorot, isometry, phases, self_normalizing, finite_width, residual, normalization,
                 lectures, zeros)
    for key, experiment in part.FIGURES.items()})
