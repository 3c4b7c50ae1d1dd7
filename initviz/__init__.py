"""initviz: what weight initialization does to a multilayer perceptron, computed."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from initviz.api import *  # noqa: F403


def __getattr__(name: str) -> Any:
    """A name of ``initviz.api``, imported when the first is asked for: the command line can be interrupted before."""
    return getattr(import_module("initviz.api"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *import_module("initviz.api").__all__})
