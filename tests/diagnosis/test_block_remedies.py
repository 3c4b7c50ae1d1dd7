import numpy as np
import pytest

from initviz import KINDS, Architecture, make_batch, propagate_layers
from initviz.core.layers import Dense, walk
from initviz.diagnosis.block_remedies import lsuv_blocks, rescale_blocks
from initviz.diagnosis.remedies import TOLERANCE

BATCH = make_batch("digits", 128)


def outputs(network, parameters):
    """The output of each dense layer, by path."""
    passed = propagate_layers(network.layers, parameters, BATCH.x, BATCH.targets, loss=BATCH.loss)
    return {path: passed.activations[path] for path, layer, _ in walk(network.layers, network.inputs)
            if isinstance(layer, Dense)}


@pytest.mark.parametrize("kind", KINDS)
def test_after_lsuv_every_dense_layer_of_every_kind_has_unit_variance_on_the_batch(kind):
    for norm in KINDS[kind].normalizations:
        network = Architecture(64, 32, 4, 10, kind, norm, branch_scale="1/sqrt(L)", expansion=2, gain=3, seed=1)
        parameters = lsuv_blocks(network, BATCH)
        for path, values in outputs(network, parameters).items():
            assert abs(values.var() - 1) < TOLERANCE * 1.01, (norm, path)  # the passes add in another order
            assert not parameters[f"{path}.bias"].any()


def test_rescaling_keeps_directions_copies_and_what_is_zero():
    network = Architecture.of("fixup", width=32, blocks=3, initializer="constant")
    before, after = network.draw(), rescale_blocks(network.draw(), network, BATCH)
    assert after.keys() == before.keys()
    for name, array in after.items():
        assert array.shape == before[name].shape
        if name.endswith(".2.weight"):
            assert (array == 0).all()
        elif array.ndim == 2:
            assert np.ptp(array) == 0
        else:
            assert (array == before[name]).all()


def test_a_batch_that_does_not_fit_is_refused_in_words():
    with pytest.raises(ValueError, match="sizes must begin with 64"):
        lsuv_blocks(Architecture(inputs=3), BATCH)
    with pytest.raises(ValueError, match="tolerance must be a number between 0 and 1, got 2"):
        lsuv_blocks(Architecture(), BATCH, tolerance=2)
