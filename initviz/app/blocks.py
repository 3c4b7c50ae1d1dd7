"""Networks of blocks in the app: what a page says where blocks are chosen."""

from __future__ import annotations

from initviz.app.settings import BORDERS, Settings

LEAST_DEPTH = BORDERS + 1


def too_shallow(settings: Settings) -> str:
    """A sentence where the depth leaves no room for a block; empty where it does."""
    if settings.kind == "plain" or settings.depth >= LEAST_DEPTH:
        return ""
    return ("A network of blocks has at least one between its first and last layer: choose a depth of at least "
            f"{LEAST_DEPTH}.")


def remarks_on_training(settings: Settings) -> str:
    """Remarks on a race between these networks of blocks; empty where there are none."""
    batch_norm = settings.kind != "plain" and settings.used_normalization == "batch"
    return " ".join(filter(None, [settings.unfit_scheme, "Under BatchNorm held-out samples are normalized by their "
                                  "own batch, and points of the plane by all that are drawn." if batch_norm else ""]))
