import numpy as np
import pytest

from initviz import KINDS, Architecture, make_batch, propagate_layers
from initviz.core.exchange import branch_places, kinds, layer_places, layers_of_neurons, parts, stream_places

BATCH = make_batch("normal", 32, features=6, dtype="float64")
SKIPPING = [(kind, norm, layers) for kind, record in KINDS.items() if record.skips
            for norm in record.normalizations for layers in (1, 2)]


def network(kind, norm="none", layers=2, **changes):
    return Architecture(**{"kind": kind, "normalization": norm, "branch_layers": layers, "width": 8, "blocks": 3,
                           "expansion": 2, "dtype": "float64", "activation": "tanh", "inputs": 6,
                           "outputs": BATCH.outputs} | changes)


def disturbed(described):
    rng = np.random.default_rng(0)
    return {name: array + 0.1 * rng.standard_normal(array.shape) for name, array in described.draw().items()}


def gradients(described, parameters):
    return propagate_layers(described.layers, parameters, BATCH.x, BATCH.targets, loss=BATCH.loss).gradients


def every_group(described, parameters):
    """The parts of the stream, then those of each branch."""
    return [list(parts(parameters, places)) for places in layers_of_neurons(described, parameters)]


@pytest.mark.parametrize(("kind", "norm", "layers"), SKIPPING)
def test_neurons_with_equal_parts_get_equal_gradients_and_no_others(kind, norm, layers):
    described = network(kind, norm, layers)
    for group in range(described.blocks + 1 if layers == 2 else 1):
        parameters = disturbed(described)
        for part in every_group(described, parameters)[group]:
            part[:, 5] = part[:, 1]
        for part in every_group(described, gradients(described, parameters))[group]:
            np.testing.assert_allclose(part[:, 5], part[:, 1], rtol=1e-9, atol=1e-12)
        assert kinds(parameters, list(layers_of_neurons(described, parameters))[group]) == (8 if group == 0 else 16) - 1
        for part in every_group(described, parameters)[group] if norm != "batch" else ():  # which takes off any bias
            part[0, 5] += 0.1  # one number of each, one after the other
            found = gradients(described, parameters)
            assert any(np.abs(of[:, 5] - of[:, 1]).max() > 1e-6 for of in every_group(described, found)[group])
            part[:, 5] = part[:, 1]


@pytest.mark.parametrize(("kind", "norm", "layers"), SKIPPING)
def test_constants_leave_one_kind_and_draws_as_many_as_there_are_neurons(kind, norm, layers):
    for initializer, of_stream, of_branch in (("constant", 1, 1), ("he_normal", 8, 16)):
        described = network(kind, norm, layers, initializer=initializer)
        parameters = described.draw()
        assert kinds(parameters, stream_places(described, parameters)) == of_stream
        assert kinds(parameters, branch_places(described, parameters, 1)) == (of_branch if layers == 2 else 0)


def test_one_weight_that_reads_or_writes_a_neuron_makes_a_kind_of_it():
    described = network("pre_norm", "layer", initializer="constant")
    drawn = described.draw()
    names = {name: array.shape for name, array in drawn.items()}
    seen = set()
    for name, shape in names.items():
        changed = drawn | {name: drawn[name].copy()}
        changed[name][tuple(0 for _ in shape)] += 0.01
        found = tuple(kinds(changed, places) for places in layers_of_neurons(described, changed))
        assert found.count(2) == {"0.weight": 1, "0.bias": 1, "5.weight": 1, "5.bias": 0}.get(name, found.count(2))
        assert set(found) <= {1, 2}
        seen.add(found)
    assert seen == {(2, 1, 1, 1), (2, 2, 1, 1), (2, 1, 2, 1), (2, 1, 1, 2), (1, 2, 1, 1), (1, 1, 2, 1), (1, 1, 1, 2),
                    (1, 1, 1, 1)}


def test_kinds_of_a_layer_without_skips_are_those_of_its_own_weights_and_the_next():
    described = network("normalized", "batch", initializer="constant")
    parameters = described.draw()
    assert [kinds(parameters, layer_places(described, parameters, stage)) for stage in range(4)] == [1] * 4
    parameters["3.weight"][2, 4] += 1  # the second of the dense layers: its neuron 4, and the first's neuron 2
    assert [kinds(parameters, layer_places(described, parameters, stage)) for stage in range(4)] == [2, 2, 1, 1]
    parameters["10.bias"][3] += 1  # of the last normalization
    assert [kinds(parameters, layer_places(described, parameters, stage)) for stage in range(4)] == [2, 2, 1, 2]


def test_round_off_makes_no_kinds_and_what_is_not_finite_none_at_all():
    described = network("residual", initializer="constant")
    parameters = described.draw()
    parameters["0.weight"][0, 0] *= 1 + 1e-15
    assert kinds(parameters, stream_places(described, parameters)) == 1
    parameters["0.weight"][0, 0] = np.nan
    assert kinds(parameters, stream_places(described, parameters)) == 0
