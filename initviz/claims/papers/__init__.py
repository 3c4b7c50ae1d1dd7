"""The figures of the papers, remade in seconds: each runs its setting again and holds it against its targets.

A target is a number that the paper prints, or one derived from its theory; each check says which, and what its
tolerance is for. A check that fails is a place where the paper and its setting here disagree, and is left to fail.
"""

from collections.abc import Mapping
from types import MappingProxyType

from initviz.claims.experiment import Experiment
from initviz.claims.papers import finite_width as chance
from initviz.claims.papers import glorot, isometry, lectures, normalization, phases, residual, variances, zeros
from initviz.claims.papers import self_normalizing as normalizing

PAPERS: Mapping[str, Experiment] = MappingProxyType({
    key: experiment
    for part in (variances, glorot, isometry, phases, normalizing, chance, residual, normalization, lectures,
                 zeros)
    for key, experiment in part.FIGURES.items()})
