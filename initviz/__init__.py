"""initviz: what weight initialization does to a multilayer perceptron, computed."""

import os
import sys
from typing import TYPE_CHECKING, Any

# The command line uses none of these names, and can be interrupted before they are imported.
_SCRIPT = os.path.basename("".join(sys.argv[:1])).removesuffix(".exe")
_IS_COMMAND = _SCRIPT == "initviz" or sys.orig_argv[1:3] == ["-m", "initviz"]

if TYPE_CHECKING or not _IS_COMMAND:
    from initviz.core.activations import ACTIVATIONS
    from initviz.core.architecture import KINDS, Architecture
    from initviz.core.batches import INPUTS, Batch, make_batch
    from initviz.core.initializers import INITIALIZERS, initialize, variance_scaling
    from initviz.core.layers import (
        Activation,
        BatchNorm,
        Dense,
        LayerNorm,
        LayerPropagation,
        Residual,
        RMSNorm,
        draw_parameters,
        propagate_layers,
    )
    from initviz.core.network import Network
    from initviz.core.propagation import Propagation, propagate
    from initviz.core.schemes import SCHEMES
    from initviz.core.simulation import BlockRun, Run, simulate
    from initviz.theory.mean_field import Field
    from initviz.theory.prediction import predict
    from initviz.theory.residual import expect
    from initviz.training.gradient_descent import History, Recipe, race, train
    from initviz.training.sweeps import Outcome, sweep

__all__ = [
    "ACTIVATIONS",
    "INITIALIZERS",
    "INPUTS",
    "KINDS",
    "SCHEMES",
    "Activation",
    "Architecture",
    "Batch",
    "BatchNorm",
    "BlockRun",
    "Dense",
    "Field",
    "History",
    "LayerNorm",
    "LayerPropagation",
    "Network",
    "Outcome",
    "Propagation",
    "RMSNorm",
    "Recipe",
    "Residual",
    "Run",
    "draw_parameters",
    "expect",
    "initialize",
    "make_batch",
    "predict",
    "propagate",
    "propagate_layers",
    "race",
    "simulate",
    "sweep",
    "train",
    "variance_scaling",
]


def __getattr__(name: str) -> Any:
    """``audit``, imported where it is used: it brings pandas and SciPy's special functions."""
    if name == "audit":
        from initviz.diagnosis.audit import audit
        return audit
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
