"""How weights are drawn: one table of initialisers over one generator, ``variance_scaling``."""

from initviz.initializers.rules import Rule, variance_scaling
from initviz.initializers.table import DTYPES, INITIALIZERS, Initializer, initialize, rule

__all__ = ["DTYPES", "INITIALIZERS", "Initializer", "Rule", "initialize", "rule", "variance_scaling"]
