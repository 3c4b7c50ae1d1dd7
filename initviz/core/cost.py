"""Work and memory, estimated before they are spent."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from initviz.core.architecture import Architecture
from initviz.core.layers import Activation, Dense, walk

MOST_OPERATIONS = 100e9  # of one comparison: about two seconds on two cores; a shared server has less
MOST_BYTES = 260e6  # five networks of width 1,024, trained side by side, take 258e6
DIAGNOSED_NETWORKS = 5  # as it is, and the remedies
COVARIANCE_ROWS = 1024  # at once: all of them take 69 MB at 4,160 neurons
OPERATIONS_OF_A_DRAW = 500  # a normal number takes as long as this many operations of a product


def connections(sizes: Sequence[int]) -> int:
    """Number of weights."""
    return sum(a * b for a, b in pairwise(sizes))


def pass_operations(sizes: Sequence[int], batch: int) -> float:
    """Floating-point operations of one simulation: three products a layer, the neurons' covariance, the draws."""
    products = batch * (6 * connections(sizes) + sum(n * n for n in sizes[1:]))
    return products + OPERATIONS_OF_A_DRAW * connections(sizes)


def orthonormal_operations(sizes: Sequence[int]) -> float:
    """Floating-point operations of orthonormal weights: a QR decomposition a layer."""
    return sum(8 * max(pair) * min(pair) ** 2 for pair in pairwise(sizes))


def pass_bytes(sizes: Sequence[int], batch: int) -> float:
    """Memory of one pass in float32: preactivations and activations of every layer, weights and their draws, and of the
    widest layer deltas, what is measured, and rows of the neurons' covariance.
    """
    widest = max(sizes[1:])
    return 8 * (batch * sum(sizes) + connections(sizes)) + 4 * widest * (3 * batch + min(widest, COVARIANCE_ROWS))


def training_bytes(sizes: Sequence[int], batch: int, *, networks: int = 1, at_once: int | None = None,
                   minibatch: int = 0, states: int = 0, held_out: int = 0, itemsize: int = 4) -> float:
    """Memory of training networks of one shape at its peak, of which ``at_once`` (all by default) make a step together.

    Each holds its weights and ``states`` arrays as large of the optimizer; each at work also gradients, the passes of
    the step, of the recorded batch and of the held-out samples, and what the statistics of the largest layer take.
    """
    parameters, widths = connections(sizes) + sum(sizes[1:]), sum(sizes[1:])
    largest = max(a * b for a, b in pairwise(sizes))
    step = minibatch or batch
    at_work = parameters + 2 * (widths + max(sizes[1:])) * step + 2 * held_out * widths + 6 * largest
    if minibatch:
        at_work += parameters + 2 * (widths + max(sizes[1:])) * batch
    inputs = (batch + held_out + (minibatch or 0)) * sizes[0]
    at_once = networks if at_once is None else at_once
    return itemsize * (networks * (1 + states) * parameters + at_once * at_work + inputs)


def block_weights(network: Architecture) -> int:
    """Number of weights of a network of blocks' dense layers."""
    return sum(width * layer.width for _, layer, width in walk(network.layers, network.inputs)
               if isinstance(layer, Dense))


def block_signals(network: Architecture) -> int:
    """Numbers a sample that a pass through a network of blocks keeps: a normalization keeps its output twice."""
    return sum(layer.output_width(width) * (1 if isinstance(layer, Dense | Activation) else 2)
               for _, layer, width in walk(network.layers, network.inputs))


def block_training_bytes(network: Architecture, batch: int, *, networks: int = 1, at_once: int | None = None,
                         minibatch: int = 0, states: int = 0, held_out: int = 0) -> float:
    """``training_bytes`` of networks of blocks."""
    parameters, signals = block_weights(network), block_signals(network)
    largest = max(width * layer.width for _, layer, width in walk(network.layers, network.inputs)
                  if isinstance(layer, Dense))
    at_work = parameters + 2 * signals * ((minibatch or batch) + held_out) + 6 * largest
    if minibatch:
        at_work += parameters + 2 * signals * batch
    inputs = (batch + held_out + (minibatch or 0)) * network.inputs
    at_once = networks if at_once is None else at_once
    itemsize = 8 if network.dtype == "float64" else 4
    return itemsize * (networks * (1 + states) * parameters + at_once * at_work + inputs)


def block_operations(network: Architecture, batch: int) -> float:
    """Floating-point operations of one simulation of a network of blocks, as ``pass_operations`` counts them."""
    weights = block_weights(network)
    neurons = sum(width * width for width in network.sizes[1:])
    return batch * (6 * weights + neurons) + OPERATIONS_OF_A_DRAW * weights


def block_bytes(network: Architecture, batch: int) -> float:
    """Memory of one pass through a network of blocks: every layer's output, which a normalization keeps twice, the
    parameters and their gradients.
    """
    itemsize = 8 if network.dtype == "float64" else 4
    return itemsize * (batch * block_signals(network) + 2 * block_weights(network))


def check_block_simulation(network: Architecture, batch: int, networks: int = 1) -> None:
    """Raise ValueError where simulating so many networks of blocks is too costly for a shared machine."""
    _check(networks * block_operations(network, batch), block_bytes(network, batch), batch)


def _check(work: float, memory: float, batch: int) -> None:
    if work > MOST_OPERATIONS or memory > MOST_BYTES:
        raise ValueError(
            f"these sizes on {batch} samples would take about {work / 1e9:,.0f} billion operations and "
            f"{memory / 1e6:,.0f} MB, where this app allows {MOST_OPERATIONS / 1e9:,.0f} and "
            f"{MOST_BYTES / 1e6:,.0f}: choose narrower or fewer layers, or a smaller batch")


def check_simulation(sizes: Sequence[int], batch: int, networks: int = 1, *, orthonormal: bool = False) -> None:
    """Raise ValueError where simulating so many networks, one after another, is too costly for a shared machine."""
    _check(networks * pass_operations(sizes, batch) + orthonormal * orthonormal_operations(sizes),
           pass_bytes(sizes, batch), batch)


def diagnosis_bytes(sizes: Sequence[int], batch: int) -> float:
    """Memory of a diagnosis: one pass at a time, and the weights of every remedy."""
    return pass_bytes(sizes, batch) + (DIAGNOSED_NETWORKS - 1) * 4 * connections(sizes)


def check_diagnosis(sizes: Sequence[int], batch: int) -> None:
    """Raise ValueError where a diagnosis with its remedies is too costly for a shared machine."""
    _check(DIAGNOSED_NETWORKS * pass_operations(sizes, batch) + orthonormal_operations(sizes),
           diagnosis_bytes(sizes, batch), batch)
