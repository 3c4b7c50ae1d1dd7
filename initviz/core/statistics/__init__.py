"""Statistics of a layer: moments, counted histograms, and how many different neurons there are."""

from initviz.core.statistics.histograms import Bins
from initviz.core.statistics.neurons import (
    Diversity,
    correlation_baseline,
    dead_share,
    distinct_neurons,
    distinct_weights,
    diversity,
    diversity_of_each,
    has_equal_rows,
    participation_baseline,
    saturated_share,
)
from initviz.core.statistics.summary import (
    NAN,
    Moments,
    SampleScales,
    moments,
    moments_of_each,
    ratio,
    sample_scales_of_each,
)

__all__ = [
    "NAN",
    "Bins",
    "Diversity",
    "Moments",
    "SampleScales",
    "correlation_baseline",
    "dead_share",
    "distinct_neurons",
    "distinct_weights",
    "diversity",
    "diversity_of_each",
    "has_equal_rows",
    "moments",
    "moments_of_each",
    "participation_baseline",
    "ratio",
    "sample_scales_of_each",
    "saturated_share",
]
