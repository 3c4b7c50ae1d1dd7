"""initviz: what weight initialization does to a multilayer perceptron, computed."""

from initviz.core.activations import ACTIVATIONS
from initviz.core.batches import INPUTS, Batch, make_batch
from initviz.core.initializers import INITIALIZERS, initialize, variance_scaling
from initviz.core.network import Network
from initviz.core.propagation import Propagation, propagate
from initviz.core.simulation import Run, simulate
from initviz.theory.mean_field import Field
from initviz.theory.prediction import predict
from initviz.training.gradient_descent import History, Recipe, race, train
from initviz.training.sweeps import Outcome, sweep

__all__ = [
    "ACTIVATIONS", "INITIALIZERS", "INPUTS", "Batch", "Field", "History", "Network", "Outcome", "Propagation", "Recipe",
    "Run", "initialize", "make_batch", "predict", "propagate", "race", "simulate", "sweep", "train",
    "variance_scaling",
]
