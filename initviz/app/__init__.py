"""The only part of the package that imports streamlit: controls, results that sessions share, charts on a page.

What one page alone asks and shows is in the module of its name.
"""

from initviz.app.controls import (
    accept_key,
    control,
    current_settings,
    keep_modules,
    layer_control,
    mark_entrance,
    open_address,
    require_entrance,
    set_controls,
    set_state,
    show_notices,
    sidebar,
    widget,
)
from initviz.app.pictures import download, show
from initviz.app.runs import cached_batch, cached_prediction, cached_runs, compare, refuse_the_unaffordable, watch
from initviz.core.threads import one_thread_a_product

one_thread_a_product()

__all__ = [
    "accept_key", "cached_batch", "cached_prediction", "cached_runs", "compare", "control", "current_settings",
    "download", "keep_modules", "layer_control", "mark_entrance", "open_address", "refuse_the_unaffordable",
    "require_entrance", "set_controls", "set_state", "show", "show_notices", "sidebar", "watch", "widget",
]
