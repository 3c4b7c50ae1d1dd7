"""The frameworks for which the app writes code."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

FRAMEWORKS = ("NumPy", "PyTorch", "Keras", "JAX")


def code_in(*lines: str) -> Mapping[str, str]:
    """One text for each of FRAMEWORKS, in their order."""
    return MappingProxyType(dict(zip(FRAMEWORKS, lines, strict=True)))
