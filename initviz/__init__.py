"""initviz: what weight initialization does to a multilayer perceptron, computed."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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
    from initviz.diagnosis.audit import audit
    from initviz.theory.mean_field import Field
    from initviz.theory.prediction import predict
    from initviz.theory.residual import expect
    from initviz.training.gradient_descent import History, Recipe, race, train
    from initviz.training.sweeps import Outcome, sweep

# What is imported when its name is first used: a page, a command or a notebook loads what it needs.
_NAMES_OF_MODULES = {
    "core.activations": "ACTIVATIONS",
    "core.architecture": "KINDS Architecture",
    "core.batches": "INPUTS Batch make_batch",
    "core.initializers": "INITIALIZERS initialize variance_scaling",
    "core.layers": "Activation BatchNorm Dense LayerNorm LayerPropagation Residual RMSNorm draw_parameters "
                   "propagate_layers",
    "core.network": "Network",
    "core.propagation": "Propagation propagate",
    "core.schemes": "SCHEMES",
    "core.simulation": "BlockRun Run simulate",
    "diagnosis.audit": "audit",
    "theory.mean_field": "Field",
    "theory.prediction": "predict",
    "theory.residual": "expect",
    "training.gradient_descent": "History Recipe race train",
    "training.sweeps": "Outcome sweep",
}
_MODULE_OF = {name: f"{__name__}.{module}" for module, names in _NAMES_OF_MODULES.items() for name in names.split()}

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
    "audit",
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
    """A public name, from the module that holds it; AttributeError where there is none of that name."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULE_OF[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
