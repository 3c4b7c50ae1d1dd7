"""What the Signal page says of networks of blocks: stream, branch and skip, copies, and theory beside them."""

from __future__ import annotations

from collections.abc import Sequence

from initviz.core.architecture import KINDS, Architecture
from initviz.core.initializers import label_of
from initviz.core.layers import NORMALIZATIONS
from initviz.core.simulation import BlockRun, Run
from initviz.core.wording import listed


def has_skips(run: BlockRun) -> bool:
    """Whether there is a stream with branches."""
    return KINDS[run.network.kind].skips


def gradients(run: Run) -> str:
    """What the chart of the way back shows: of blocks the gradient with respect to their outputs."""
    return f"{'gradients' if isinstance(run, BlockRun) else 'deltas'} {run.delta_symbol}"


def rows_are(network: Architecture) -> str:
    """What the rows of the first picture are, and what each quantity is of them."""
    last = network.depth - 1
    blocks = f"layers 2 to {last} are the {network.blocks} blocks" if network.blocks > 1 else "layer 2 is the block"
    what = ("activations are the stream after a block, preactivations what its branch adds"
            if KINDS[network.kind].skips else
            "activations are what a block puts out, preactivations what goes into its normalization")
    return f"Layer 1 is the first dense layer, {blocks}: {what}."


def copies(runs: Sequence[BlockRun]) -> str:
    """Which initializers leave a stream of copies, and why no block makes them differ; empty where none does."""
    alike = [run for run in runs if (run.column("distinct_neurons")[:-1] == 1).all()]
    if not alike:
        return ""
    network = alike[0].network
    names = listed([label_of(run.network.initializer) for run in alike])
    silent = [run for run in alike if not run.column("activation_rms")[:-1].any()]
    if len(silent) == len(alike):
        return (f"Copies: under {names} the first layer puts out 0, and every block of a stream of zeros adds 0; a "
                "skip passes on what there is, and there is nothing.")
    norm = NORMALIZATIONS.get(network.normalization)
    skip = "a skip passes copies on and a branch with equal weights adds the same to each" if has_skips(
        alike[0]) else "equal weights make equal neurons of them again"
    return (f"Copies: under {names} all neurons stay copies, as {skip}."
            + (f" {norm.label} {norm.of_copies}." if norm else ""))
