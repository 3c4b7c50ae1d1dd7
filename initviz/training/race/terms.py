"""What a race depends on: the contenders, the samples, and how they are trained."""

from __future__ import annotations

from dataclasses import dataclass, replace

from initviz.core.architecture import Architecture
from initviz.core.arrays import Array
from initviz.core.batches import INPUTS, Batch, make_split, with_loss
from initviz.core.initializers import label_of
from initviz.core.network import Network
from initviz.training.gradient_descent import Parameters, Recipe

Networks = tuple[Network, ...] | tuple[Architecture, ...]

HELD_OUT = 256


@dataclass(frozen=True, eq=False)
class RaceData:
    """Uploaded samples: those to train on and, if there are enough, those held out."""

    training: Batch
    held_out: Batch | None

    @classmethod
    def of(cls, batch: Batch, count: int) -> RaceData:
        """At most ``count`` samples to train on; the rest, and of few a quarter, is held out."""
        held_out = min(HELD_OUT, max(len(batch.x) - count, len(batch.x) // 4))
        first = min(count, len(batch.x) - held_out)

        def part(rows: slice) -> Batch:
            return replace(batch, x=batch.x[rows], targets=batch.targets[rows])
        return cls(part(slice(0, first)), part(slice(first, first + held_out)) if held_out else None)


@dataclass(frozen=True, eq=False)
class RaceWeights:
    """Uploaded weights and biases, trained beside what initializers draw."""

    label: str
    parameters: Parameters


def with_ends(networks: Networks, inputs: int, outputs: int) -> Networks:
    """These networks with the given numbers of inputs and outputs."""
    if isinstance(networks[0], Architecture):
        return tuple(replace(network, inputs=inputs, outputs=outputs) for network in networks
                     if isinstance(network, Architecture))
    return tuple(replace(network, sizes=(inputs, *network.sizes[1:-1], outputs)) for network in networks
                 if isinstance(network, Network))


@dataclass(frozen=True)
class RaceTerms:
    """What a race depends on; two settings of the same terms share one race.

    ``loss`` is another than that of the data, which are of the table's ``input`` where no ``data`` are given.
    """

    networks: Networks
    input: str
    batch: int
    recipe: Recipe
    tuned: bool
    loss: str | None = None
    data: RaceData | None = None
    weights: RaceWeights | None = None

    @property
    def labels(self) -> list[str]:
        """The contenders' names, uploaded weights first."""
        return [*([self.weights.label] if self.weights else []),
                *(label_of(network.initializer) for network in self.networks)]

    def parameters(self, contender: int, more: int = 0) -> Parameters:
        """The initial parameters of a contender, drawn from the seed plus ``more``; uploaded ones are what they are."""
        if self.weights and contender == 0:
            dtype = self.networks[0].dtype
            weights, biases = self.weights.parameters
            return [w.astype(dtype) for w in weights], [b.astype(dtype) for b in biases]
        network = self.networks[contender - (self.weights is not None)]
        assert isinstance(network, Network)
        return replace(network, seed=network.seed + more).parameters()

    def named_parameters(self, contender: int, more: int = 0) -> dict[str, Array]:
        """The initial parameters of a contender that is a network of blocks, by name."""
        network = self.networks[contender]
        assert isinstance(network, Architecture)
        return network.draw(network.seed + more)

    def batches(self) -> tuple[Batch, Batch | None]:
        """The samples to train on and those that are held out."""
        first, source = self.networks[0], INPUTS[self.input]
        if self.data:
            training, held_out = self.data.training, self.data.held_out
        else:
            most = min(HELD_OUT, source.limit - self.batch) if source.limit else HELD_OUT
            training, held_out = make_split(self.input, self.batch, most, seed=first.seed, features=first.sizes[0])
        if self.loss is None:
            return training, held_out
        return (with_loss(training, self.loss, first.sizes[-1]),
                held_out and with_loss(held_out, self.loss, first.sizes[-1]))
