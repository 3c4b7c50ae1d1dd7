"""What should happen in a wide network, before anything is computed: mean-field theory and its band."""

from initviz.meanfield.diagram import critical_line, phase_diagram
from initviz.meanfield.dying import born_dead, expected_dead_shares, mean_cosine
from initviz.meanfield.field import Field, FixedPoint, Moments, depth_scale, expectation
from initviz.meanfield.prediction import (
    Prediction,
    can_predict,
    expected_correlations,
    expected_lengths,
    field_of,
    predict,
    sigmas,
)

__all__ = [
    "Field", "FixedPoint", "Moments", "Prediction", "born_dead", "can_predict", "critical_line", "depth_scale",
    "expectation", "expected_correlations", "expected_dead_shares", "expected_lengths", "field_of", "mean_cosine",
    "phase_diagram", "predict", "sigmas",
]
