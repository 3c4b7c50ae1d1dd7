import math

import numpy as np
import pytest

from initviz import INPUTS, Batch, make_batch
from initviz.core.batches import digits, make_split

every_input = pytest.mark.parametrize("key", INPUTS)


def test_there_are_1797_standardized_digits_of_ten_classes():
    x, y = digits()
    assert x.shape == (1797, 64)
    assert y.shape == (1797,)
    np.testing.assert_array_equal(np.bincount(y), [178, 182, 177, 183, 181, 182, 181, 179, 174, 180])
    np.testing.assert_allclose(x.mean(axis=0), 0, atol=1e-12)
    constant = [0, 32, 39]  # pixels that no digit uses
    np.testing.assert_array_equal(x[:, constant], 0)
    np.testing.assert_allclose(np.delete(x, constant, axis=1).std(axis=0), 1, rtol=1e-12)
    assert not x.flags.writeable
    assert not y.flags.writeable


def test_a_batch_of_digits_holds_no_digit_twice_and_keeps_pixels_with_their_class():
    x, y = digits()
    batch = make_batch("digits", 1797, dtype="float64")
    assert len(np.unique(x, axis=0)) == 1797
    ours, theirs = np.lexsort(batch.x.T), np.lexsort(x.T)
    np.testing.assert_array_equal(batch.x[ours], x[theirs])
    np.testing.assert_array_equal(batch.targets[ours], y[theirs])


@every_input
def test_a_batch_has_the_described_shape_dtype_and_classes(key):
    source = INPUTS[key]
    batch = make_batch(key, 300)
    assert batch.x.shape == (300, source.features or 64)
    assert batch.features == batch.x.shape[1]
    assert batch.x.dtype == np.float32
    assert make_batch(key, 3, dtype="float64").x.dtype == np.float64
    assert (batch.loss, batch.outputs, batch.name) == ("softmax_ce", source.classes, key)
    np.testing.assert_array_equal(np.unique(batch.targets), np.arange(source.classes))
    assert np.isfinite(batch.x).all()
    assert source.label
    assert source.sentence


@every_input
def test_the_arrays_of_a_batch_are_read_only(key):
    batch = make_batch(key, 5)
    for array in (batch.x, batch.targets):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


@every_input
def test_the_same_seed_gives_the_same_batch_and_another_seed_another(key):
    one, same, other = make_batch(key, 20, seed=1), make_batch(key, 20, seed=1), make_batch(key, 20, seed=2)
    np.testing.assert_array_equal(one.x, same.x)
    np.testing.assert_array_equal(one.targets, same.targets)
    assert not np.array_equal(one.x, other.x)


@every_input
def test_a_large_batch_is_standardized(key):
    x = make_batch(key, INPUTS[key].limit or 20000, dtype="float64").x
    assert np.abs(x.mean(axis=0)).max() < 5 / math.sqrt(len(x))
    varying = x.std(axis=0) > 0
    kurtosis = np.mean(x[:, varying] ** 4, axis=0)
    assert (np.abs(x[:, varying].var(axis=0) - 1) < 5 * np.sqrt(kurtosis / len(x))).all()


@every_input
def test_a_batch_of_one_is_a_signal_too(key):
    batch = make_batch(key, 1)
    assert batch.x.shape[0] == batch.targets.shape[0] == 1
    assert batch.x.any()


def test_features_are_free_only_where_the_input_leaves_them_free():
    assert make_batch("normal", 4, features=7).x.shape == (4, 7)
    assert make_batch("moons", 4, features=7).x.shape == (4, 2)


@every_input
def test_a_split_is_the_batch_and_others_of_its_law_without_repetition(key):
    train, test = make_split(key, 200, 100, seed=5)
    assert (len(train.x), len(test.x)) == (len(train.targets), len(test.targets)) == (200, 100)
    both = np.concatenate([train.x, test.x])
    assert len(np.unique(both, axis=0)) == 300
    np.testing.assert_array_equal(np.unique(test.targets), np.arange(INPUTS[key].classes))


# A link must open the same picture a year later.
def test_the_inputs_of_seed_0_are_pinned():
    normal = make_batch("normal", 3, features=2, dtype="float64")
    want = [[-0.12853466, 1.36646347], [-0.66519467, 0.35151007], [0.90347018, 0.0940123]]
    np.testing.assert_allclose(normal.x, want, rtol=1e-6)
    np.testing.assert_array_equal(normal.targets, [9, 9, 6])
    np.testing.assert_array_equal(make_batch("digits", 8).targets, [6, 6, 6, 2, 5, 6, 6, 2])


@pytest.mark.parametrize(("arguments", "said"), [
    (("mnist", 5), r"input must be one of digits, normal, .*, got 'mnist'"),
    (("digits", 0), "batch must be an integer between 1 and 1797, got 0"),
    (("digits", 1798), "batch must be an integer between 1 and 1797, got 1798"),
    (("digits", 10**9), "batch must be an integer between 1 and 1797, got 1000000000"),
    (("moons", 0), r"batch must be an integer between 1 and 1e\+06, got 0"),
    (("moons", 2.5), r"batch must be an integer between 1 and 1e\+06, got 2.5"),
    (("normal", math.nan), r"batch must be an integer between 1 and 1e\+06, got nan")])
def test_an_unknown_input_or_a_batch_it_cannot_give_raises_value_error(arguments, said):
    with pytest.raises(ValueError, match=said):
        make_batch(*arguments)


@pytest.mark.parametrize(("name", "value"), [("seed", -1), ("seed", "0"), ("features", 0), ("features", 2.5),
                                             ("dtype", "int8"), ("dtype", "float")])
def test_a_bad_option_raises_value_error_naming_it(name, value):
    with pytest.raises(ValueError, match=f"{name} must be .*, got {value!r}"):
        make_batch("normal", 5, **{name: value})


def test_a_batch_counts_its_features():
    assert Batch(np.zeros((2, 9)), np.zeros(2, int)).features == 9
