"""initviz: what weight initialisation does to a multilayer perceptron, computed."""

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
