"""Where zeros may stand: which tensors of a small network get a gradient, and when, predicted and measured.

A network is an expression of products, sums and activations over tensors initialized as zeros, as one constant, or at
random. The prediction follows from the expression alone, without numbers: a product passes nothing on where one of its
factors is zero, and passes nothing back to a factor where the other is. The measurement is gradient descent.
"""

from initviz.training.zero_placement.expressions import (
    Activate,
    Add,
    BatchInput,
    Expression,
    MatMul,
    Multiply,
    NamedTensor,
    Pick,
    Softmax,
    Transpose,
    tensors_of,
)
from initviz.training.zero_placement.measurement import APART, CONSTANT, Measurement, descend, measure
from initviz.training.zero_placement.prediction import Fate, is_zero, passes_at_zero, predict
from initviz.training.zero_placement.wirings import (
    FIRST_WIRING,
    STATES,
    WIRINGS,
    Wiring,
    combinations,
    learned_rank,
    numerical_rank,
)

__all__ = [
    "APART",
    "CONSTANT",
    "FIRST_WIRING",
    "STATES",
    "WIRINGS",
    "Activate",
    "Add",
    "BatchInput",
    "Expression",
    "Fate",
    "MatMul",
    "Measurement",
    "Multiply",
    "NamedTensor",
    "Pick",
    "Softmax",
    "Transpose",
    "Wiring",
    "combinations",
    "descend",
    "is_zero",
    "learned_rank",
    "measure",
    "numerical_rank",
    "passes_at_zero",
    "predict",
    "tensors_of",
]
