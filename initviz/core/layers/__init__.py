"""Kinds of layers, small frozen records, and passes through any tuple of them."""

from initviz.core.layers.chain import Layer
from initviz.core.layers.kinds import Activation, BatchNorm, Dense, LayerNorm, Norm, RMSNorm
from initviz.core.layers.normalizations import NORMALIZATIONS, Normalization
from initviz.core.layers.passes import LayerPropagation, draw_parameters, layers_of, propagate_layers, walk
from initviz.core.layers.residual import Residual

__all__ = ["NORMALIZATIONS", "Activation", "BatchNorm", "Dense", "Layer", "LayerNorm", "LayerPropagation", "Norm",
           "Normalization", "RMSNorm", "Residual", "draw_parameters", "layers_of", "propagate_layers", "walk"]
