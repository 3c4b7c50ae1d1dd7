"""The study notes that this project grew from, sentence by sentence, each put to the test.

A check is what the sentence itself predicts; the verdict is how many of its predictions the computation bears out.
"""

from collections.abc import Mapping
from types import MappingProxyType

from initviz.claims.experiment import Experiment
from initviz.claims.notes import constants, initializers, local_optima, remedies, zeros

NOTES: Mapping[str, Experiment] = MappingProxyType({
    key: experiment for part in (zeros, constants, local_optima, remedies, initializers)
    for key, experiment in part.CLAIMS.items()})
