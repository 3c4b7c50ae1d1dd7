"""initviz: what weight initialisation does to a multilayer perceptron, computed."""

from initviz.activations import ACTIVATIONS
from initviz.initializers import INITIALIZERS, initialize, variance_scaling
from initviz.inputs import INPUTS, Batch, make_batch
from initviz.network import Network
from initviz.propagation import Propagation, propagate
from initviz.simulation import Run, simulate

__all__ = ["ACTIVATIONS", "INITIALIZERS", "INPUTS", "Batch", "Network", "Propagation", "Run", "initialize",
           "make_batch", "propagate", "simulate", "variance_scaling"]
