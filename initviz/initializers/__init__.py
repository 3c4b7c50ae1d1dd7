"""How weights are drawn: one table of initialisers over one generator, ``variance_scaling``."""

from initviz.initializers.rules import Rule, variance_scaling
from initviz.initializers.table import INITIALIZERS, Initializer, initialize, rule

__all__ = ["INITIALIZERS", "Initializer", "Rule", "initialize", "rule", "variance_scaling"]
