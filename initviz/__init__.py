"""initviz: what weight initialisation does to a multilayer perceptron, computed.

Names are loaded when they are asked for: a page or a command loads what it needs.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from initviz.activations import ACTIVATIONS
    from initviz.initializers import INITIALIZERS, initialize, variance_scaling
    from initviz.inputs import INPUTS, Batch, make_batch
    from initviz.meanfield import Field, predict
    from initviz.network import Network
    from initviz.propagation import Propagation, propagate
    from initviz.simulation import Run, simulate
    from initviz.sweeps import Outcome, sweep
    from initviz.training import History, Recipe, race, train

__all__ = [
    "ACTIVATIONS", "INITIALIZERS", "INPUTS", "Batch", "Field", "History", "Network", "Outcome", "Propagation", "Recipe",
    "Run", "initialize", "make_batch", "predict", "propagate", "race", "simulate", "sweep", "train",
    "variance_scaling",
]


_HOMES = ("activations", "initializers", "inputs", "meanfield", "network", "propagation", "simulation", "sweeps",
          "training")


def __getattr__(name: str) -> Any:
    """A public name, from the module that has it."""
    if name in __all__:
        found = globals()[name] = next(getattr(module, name) for module in map(import_module, (
            f"initviz.{home}" for home in _HOMES)) if hasattr(module, name))
        return found
    raise AttributeError(f"module 'initviz' has no attribute {name!r}")
