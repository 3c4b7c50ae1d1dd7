"""How weights are drawn: one table of initializers over one generator, ``variance_scaling``."""

from initviz.core.initializers.laws import Rule, variance_scaling
from initviz.core.initializers.table import DTYPES, INITIALIZERS, Initializer, initialize, label_of, rule

__all__ = ["DTYPES", "INITIALIZERS", "Initializer", "Rule", "initialize", "label_of", "rule", "variance_scaling"]
