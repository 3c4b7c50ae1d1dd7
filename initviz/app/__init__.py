"""The only part of the package that imports streamlit: controls, results that sessions share, charts on a page.

What one page alone asks and shows is in the module of its name.
"""

from initviz.app.controls import (
    control,
    current_settings,
    expect,
    expect_choice,
    layer_control,
    open_address,
    set_controls,
    set_state,
    sidebar,
    stop,
    tell_changes,
    widget,
)
from initviz.app.entrance import freeze_modules, mark_entrance, require_entrance
from initviz.app.history import note_choices, write_settings
from initviz.app.pictures import download, more, offer_pictures, say_reasons, show, small_print
from initviz.app.runs import (
    cached_batch,
    cached_block_predictions,
    cached_prediction,
    cached_runs,
    compare,
    refuse_the_unaffordable,
    with_progress,
)
from initviz.core.threads import one_thread_a_product

one_thread_a_product()

__all__ = [
    "cached_batch",
    "cached_block_predictions",
    "cached_prediction",
    "cached_runs",
    "compare",
    "control",
    "current_settings",
    "download",
    "expect",
    "expect_choice",
    "freeze_modules",
    "layer_control",
    "mark_entrance",
    "more",
    "note_choices",
    "offer_pictures",
    "open_address",
    "refuse_the_unaffordable",
    "require_entrance",
    "say_reasons",
    "set_controls",
    "set_state",
    "show",
    "sidebar",
    "small_print",
    "stop",
    "tell_changes",
    "widget",
    "with_progress",
    "write_settings",
]
