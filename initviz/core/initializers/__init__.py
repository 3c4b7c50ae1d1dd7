"""How weights are drawn: one table of initializers over one generator, ``variance_scaling``."""

from initviz.core.initializers.laws import Law, variance_scaling
from initviz.core.initializers.table import DTYPES, INITIALIZERS, Initializer, initialize, label_of, law_of

__all__ = ["DTYPES", "INITIALIZERS", "Initializer", "Law", "initialize", "label_of", "law_of", "variance_scaling"]
