"""The weights reader: formats, layouts, what it says of what it does not take, and thousands of damaged files."""

from __future__ import annotations

import io
import itertools
import json
import random
import sys
import zipfile

import numpy as np
import pytest
import safetensors.numpy

from initviz.files import weights as checkpoints
from initviz.files.weights.orders import chained, find_orders

MUTATED = 2_500
SIZES = (6, 5, 4, 3)


def arrays(sizes=SIZES, layout="torch", dtype="float32", names="{}.weight", biases="{}.bias"):
    """A state dict by name; layers count from 0."""
    rng, found = np.random.default_rng(0), {}
    for layer, (fan_in, fan_out) in enumerate(itertools.pairwise(sizes)):
        w = rng.standard_normal((fan_in, fan_out)).astype(dtype)
        found[names.format(layer)] = np.ascontiguousarray(w.T) if layout == "torch" else w
        if biases:
            found[biases.format(layer)] = rng.standard_normal(fan_out).astype(dtype)
    return found


def npz(found, save=np.savez):
    file = io.BytesIO()
    save(file, **found)
    return file.getvalue()


def first(read, layout=None):
    """The likeliest reading."""
    return read.readings(layout or read.layouts()[0])[0]


def tensors(header, body=b"", length=None):
    """A .safetensors file as its format has it, lies included."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + body


def zipped(entries, method=zipfile.ZIP_DEFLATED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return file.getvalue()


def npy(header, body=b""):
    text = header.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + body


# ---------------------------------------------------------------------------------------------- what is read

@pytest.mark.parametrize("save", [np.savez, np.savez_compressed, None])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("layout", ["torch", "keras"])
def test_a_state_dict_is_read_in_every_format_and_layout(save, dtype, layout):
    given = arrays(layout=layout, dtype=dtype)
    data, name = (npz(given, save), "a.npz") if save else (safetensors.numpy.save(given), "a.SAFETENSORS")
    read = checkpoints.read(data, name)
    assert (read.layouts(), first(read).sizes, read.order_is_known(layout)) == ([layout], SIZES, True)
    weights, biases = read.parameters(first(read))
    assert {w.dtype.name for w in weights + biases} == {"float64" if dtype == "float64" else "float32"}
    for layer, (w, b) in enumerate(zip(weights, biases, strict=True)):
        stored = given[f"{layer}.weight"]
        np.testing.assert_array_equal(w, stored.T if "torch" in read.layouts() else stored)
        np.testing.assert_array_equal(b, given[f"{layer}.bias"])
        assert w.flags.c_contiguous


@pytest.mark.parametrize(("names", "biases"), [
    ("layers.{}.weight", "layers.{}.bias"), ("dense_{}/kernel:0", "dense_{}/bias:0"), ("w{}", "b{}"), ("W{}", None),
    ("a.b.c{}.w", "a.b.c{}.b")])
def test_layers_follow_the_numbers_in_their_names(names, biases):
    sizes = tuple(range(30, 15, -1))  # 14 layers: 2 must not come after 10
    given = arrays(sizes, "keras", names=names, biases=biases)
    shuffled = dict(sorted(given.items()))
    read = checkpoints.read(npz(shuffled), "a.npz")
    assert first(read).sizes == sizes
    weights, found = read.parameters(first(read, "keras"))
    np.testing.assert_array_equal(weights[10], given[names.format(10)])
    np.testing.assert_array_equal(found[10], given[biases.format(10)] if biases else np.zeros(sizes[11]))


def test_the_order_of_the_file_counts_where_names_say_nothing():
    given = {"to": np.ones((3, 5)), "hidden": np.ones((5, 4)), "back": np.ones((4, 2))}
    assert first(checkpoints.read(npz(given), "a.npz")).sizes == (3, 5, 4, 2)


def test_some_layers_may_have_no_bias():
    given = arrays()
    del given["1.bias"]
    read = checkpoints.read(npz(given), "a.npz")
    assert first(read).biases == ("0.bias", None, "2.bias")
    assert not read.parameters(first(read))[1][1].any()


def test_square_layers_fit_both_layouts_and_kernels_are_taken_for_keras():
    for names, found in (("{}.weight", ["torch", "keras"]), ("{}/kernel", ["keras", "torch"])):
        assert checkpoints.read(npz(arrays((4, 4, 4), names=names, biases=None)), "a.npz").layouts() == found


# ---------------------------------------------------------------------------------------------- the order of layers

def named(sizes, dtype="float32"):
    """A PyTorch state dict whose layers have these names and (fan_in, fan_out)."""
    rng, found = np.random.default_rng(1), {}
    for name, (fan_in, fan_out) in sizes.items():
        found[f"{name}.weight"] = rng.standard_normal((fan_out, fan_in)).astype(dtype)
        found[f"{name}.bias"] = rng.standard_normal(fan_out).astype(dtype)
    return found


SQUARE = {"fc1": (9, 6), "fc2": (6, 6), "bottleneck": (6, 6), "out": (6, 3)}


def names_of(reading):
    return [name.removesuffix(".weight") for name in reading.matrices]


def test_an_npz_keeps_the_order_of_definition_though_some_names_have_numbers():
    read = checkpoints.read(npz(named(SQUARE)), "a.npz")
    assert names_of(first(read)) == list(SQUARE)
    assert read.order_is_known("torch")
    assert [names_of(reading) for reading in read.readings("torch")[1:]] == [["fc1", "bottleneck", "fc2", "out"]]


def test_a_safetensors_is_read_in_one_order_every_time_and_one_that_the_shapes_leave_open_is_not_known():
    data = safetensors.numpy.save(named(SQUARE))
    found = [checkpoints.read(data, "a.safetensors") for _ in range(20)]
    assert len({tuple(read.arrays) for read in found}) == 1
    assert len({tuple(read.readings("torch")) for read in found}) == 1
    assert not found[0].order_is_known("torch")
    orders = [names_of(reading) for reading in found[0].readings("torch")]
    assert sorted(orders) == [["fc1", "bottleneck", "fc2", "out"], list(SQUARE)]


def test_the_shapes_alone_may_leave_one_order():
    sizes = {"z": (9, 6), "y": (6, 5), "x": (5, 6), "w": (6, 3)}
    read = checkpoints.read(safetensors.numpy.save(named(sizes)), "a.safetensors")
    assert (names_of(first(read)), read.order_is_known("torch")) == (list("zyxw"), True)


def test_numbers_of_equal_names_stay_in_order_in_a_safetensors():
    sizes = {"in": (9, 6), **{f"h.{layer}": (6, 6) for layer in range(2, 13)}, "out": (6, 3)}
    read = checkpoints.read(safetensors.numpy.save(named(sizes)), "a.safetensors")
    assert (names_of(first(read)), read.order_is_known("torch")) == (list(sizes), True)


def test_numbers_come_before_an_order_that_sorting_by_letters_made():
    sizes = {f"Dense_{layer}": (6, 6) for layer in range(12)}
    read = checkpoints.read(npz(dict(sorted(named(sizes).items()))), "a.npz")
    assert [names_of(reading) for reading in read.readings("torch")] == [list(sizes)]
    assert first(read).biases[10] == "Dense_10.bias"


def test_numbers_that_run_against_the_shapes_do_not_count():
    sizes = {"up3": (3, 5), "up2": (5, 7), "up1": (7, 9)}
    for name, data in (("a.npz", npz(named(sizes))), ("a.safetensors", safetensors.numpy.save(named(sizes)))):
        read = checkpoints.read(data, name)
        assert (names_of(first(read)), read.order_is_known("torch")) == (list(sizes), True)


def test_a_person_may_choose_any_order_that_chains():
    read = checkpoints.read(safetensors.numpy.save(named(SQUARE)), "a.safetensors")
    reading = read.reading("torch", [f"{name}.weight" for name in SQUARE])
    assert reading.sizes == (9, 6, 6, 6, 3)
    weights, biases = read.parameters(reading)
    np.testing.assert_array_equal(weights[1], read.arrays["fc2.weight"].T)
    np.testing.assert_array_equal(biases[2], read.arrays["bottleneck.bias"])
    with pytest.raises(ValueError, match=r"order must name each of .*'fc1.weight'.* once, got 'fc1.weight'"):
        read.reading("torch", ["fc1.weight"])
    with pytest.raises(ValueError, match="order must chain"):
        read.reading("torch", sorted(f"{name}.weight" for name in SQUARE))


def test_what_tells_orders_apart_is_said_by_the_layers_that_differ():
    read = checkpoints.read(npz(named(SQUARE)), "a.npz")
    assert checkpoints.told_apart(read.readings("torch")) == [
        "2 fc2.weight, 3 bottleneck.weight", "2 bottleneck.weight, 3 fc2.weight"]


@pytest.mark.parametrize("sizes", [
    {f"{a}{b}": (6, 6) for a in "abcdefghij" for b in "abcdefghij"},
    {f"{a}.{i}": (6, 6) for a in ("decoder", "encoder") for i in range(50)},
    {f"up{i}": (i + 9, i + 8) for i in range(100, 0, -1)},
    {f"{'abc'[i * i % 3]}{i}": (3 + i * i % 5, 3 + (i + 1) ** 2 % 5) for i in range(100)}], ids=range(4))
@pytest.mark.parametrize("save", [npz, safetensors.numpy.save])
def test_the_search_for_an_order_is_bounded_for_many_layers(sizes, save):
    calls = itertools.count()  # calls and returns: 1 to 6.6 million
    sys.setprofile(lambda *_: next(calls))
    try:
        read = checkpoints.read(save(named(sizes)), "a.npz" if save is npz else "a.safetensors")
        networks = list(read.networks().values())
        found = [network.readings(layout) for network in networks for layout in network.layouts()]
    finally:
        sys.setprofile(None)
    assert next(calls) < 20_000_000
    whole = 100 // len(networks)
    for readings in found:
        assert 1 <= len(readings) <= 25
        assert all(len({*reading.matrices}) == whole for reading in readings)


def test_chains_are_found_by_brute_force_too():
    rng = random.Random(0)
    for _ in range(300):
        shapes = [(rng.randint(1, 3), rng.randint(1, 3)) for _ in range(rng.randint(1, 5))]
        groups = [[i for i in range(len(shapes)) if i % 2 == part] for part in (0, 1)]
        for given in ([[i] for i in range(len(shapes))], groups):
            found, complete = find_orders(shapes, given)
            wanted = [order for order in itertools.permutations(range(len(shapes))) if chained(shapes, order)
                      and all([i for i in order if i in group] == list(group) for group in given)]
            assert (sorted(found), complete) == (wanted, True) or (len(found) == 24 and {*found} < {*wanted})


# ---------------------------------------------------------------------------------------------- formats

def test_bfloat16_is_read_exactly_and_written_to_the_nearest():
    numbers = np.array([[1.0, -2.5, 3e38, 1e-40], [0.0, 1 / 3, -1e-3, 7.0]], np.float32)
    bits = (numbers.view(np.uint32) >> 16).astype("<u2")
    data = tensors({"w": {"dtype": "BF16", "shape": [2, 4], "data_offsets": [0, 16]}}, bits.tobytes())
    read = checkpoints.read(data, "a.safetensors")
    np.testing.assert_array_equal(read.arrays["w"].view(np.uint32), bits.astype(np.uint32) << 16)
    keras = first(read, "keras")
    weights, biases = read.parameters(keras)
    again = checkpoints.read(read.write(weights, biases, keras), "b.safetensors")
    np.testing.assert_array_equal(again.arrays["w"], read.arrays["w"])
    rounded = checkpoints.read(read.write([weights[0] * np.float32(1 / 3)], biases, keras), "b.safetensors")
    np.testing.assert_allclose(rounded.arrays["w"], weights[0] / 3, rtol=2**-8, atol=1e-38)


@pytest.mark.parametrize("name", ["a.npz", "a.safetensors"])
@pytest.mark.parametrize(("layout", "dtype"), [("torch", "float16"), ("keras", "float64"), ("torch", "float32")])
def test_what_is_written_has_the_names_shapes_and_formats_that_came(name, layout, dtype):
    given = arrays(layout=layout, dtype=dtype)
    read = checkpoints.read(npz(given) if name == "a.npz" else safetensors.numpy.save(given), name)
    weights, biases = read.parameters(first(read, layout))
    written = read.write([2 * w for w in weights], [b + 1 for b in biases], first(read, layout))
    loaded = dict(np.load(io.BytesIO(written))) if name == "a.npz" else safetensors.numpy.load(written)
    assert {key: (a.shape, a.dtype) for key, a in loaded.items()} == {
        key: (a.shape, a.dtype) for key, a in given.items()}
    np.testing.assert_array_equal(loaded["1.weight"], 2 * given["1.weight"])
    np.testing.assert_allclose(loaded["1.bias"], given["1.bias"] + 1, rtol=1e-2)


def test_an_array_may_have_the_name_of_an_argument_of_numpys():
    file = io.BytesIO()
    np.save(file, np.ones((3, 2)))
    read = checkpoints.read(zipped({"file.npy": file.getvalue()}), "a.npz")
    written = read.write(*read.parameters(first(read)), first(read))
    np.testing.assert_array_equal(np.load(io.BytesIO(written))["file"], np.ones((3, 2)))


def test_what_a_safetensors_says_of_itself_is_written_back():
    read = checkpoints.read(safetensors.numpy.save(arrays(), metadata={"format": "pt"}), "a.safetensors")
    written = read.write(*read.parameters(first(read)), first(read))
    assert json.loads(written[8:8 + int.from_bytes(written[:8], "little")])["__metadata__"] == {"format": "pt"}
    assert checkpoints.read(written, "a.safetensors").metadata == {"format": "pt"}


# ---------------------------------------------------------------------------------------------- what is refused

ONE = {"w": np.ones((3, 2), np.float32)}
NORMALIZED = arrays(names="net.{}0.weight", biases="net.{}0.bias") | {
    "net.1.weight": np.ones(5, np.float32), "net.1.bias": np.ones(5, np.float32),
    "net.1.running_mean": np.ones(5, np.float32), "net.1.num_batches_tracked": np.array(3)}
HEADER = "{{'descr': '<f4', 'fortran_order': False, 'shape': {}}}"


@pytest.mark.parametrize(("data", "name", "sentence"), [
    (b"", "a.npz", "is empty"), (b"hello", "a.npz", "no .npz file"),
    (npz(ONE), "a.txt", "must end in .npz, .safetensors, .pt, .pth, .bin or .ckpt"),
    (npz(ONE), "a.pt", "no file of torch.save"),
    (npz(ONE)[:-30], "a.npz", "no .npz file"), (npz({"w": np.array([[1, None]], object)}), "a.npz", "Python objects"),
    (npz({"w": np.ones((3, 2), int)}), "a.npz", "must be of float16.*int64"),
    (npz({"w": np.full((3, 2), np.nan)}), "a.npz", "6 of 6 are NaN"),
    (npz(ONE | {"v": np.array([[np.inf, 1.0, 2.0]])}), "a.npz", "1 of 3 are NaN"),
    (npz({"conv.weight": np.ones((8, 3, 3, 3))}), "a.npz", "convolution's weights"),
    (npz(ONE | {"w2": np.float32(3)}), "a.npz", "a single number"), (npz({"b": np.ones(3)}), "a.npz", "one matrix"),
    (npz({"w": np.ones((0, 3))}), "a.npz", "must not be empty"),
    (npz({"a": np.ones((3, 4)), "b": np.ones((5, 2))}), "a.npz",
     r"matrices do not chain: 'a' \(3, 4\), 'b' \(5, 2\): each must take"),
    (npz(ONE | {"b": np.ones(7)}), "a.npz", r"vectors belong to no matrix: 'b' \(7,\): a layer has at most one bias"),
    (npz(arrays() | {"1.bias": np.ones(7)}), "a.npz", r"vectors belong to no matrix: '1.bias' \(7,\): a layer"),
    (npz(arrays() | {"9.bias": np.ones(5)}), "a.npz", r"vectors belong to no matrix: '9.bias' \(5,\): a layer"),
    (npz(NORMALIZED), "a.npz", "'net.1.running_mean' must belong to a layer of weights, and is a batch normalization"),
    (safetensors.numpy.save(NORMALIZED), "a.safetensors", "'net.1.num_batches_tracked' must belong to a layer"),
    (npz({"0.weight": np.ones((64, 32)), "1.weight": np.ones(64), "1.bias": np.ones(64)}), "a.npz",
     r"'1.weight' of shape \(64,\) must be a matrix, and is a row of weights, as in a normalization layer"),
    (npz({"d/kernel": np.ones((3, 2)), "norm/gamma:0": np.ones(2)}), "a.npz", "'norm/gamma:0' of shape"),
    (npz({f"w{i}": np.ones((2, 2)) for i in range(201)}), "a.npz", "at most 200 arrays, got 201"),
    (zipped({f"{i}": b"" for i in range(1500)}), "a.npz", "at most 200 arrays"),
    (zipped({"w.npy": b"\0" * 200_000_000}), "a.npz", "unpack to at most 96 MB"),
    (zipped({f"w{i}.npy": npy(HEADER.format("(5000, 1000)"), b"\0" * 20_000_000) for i in range(9)}), "a.npz",
     "unpack to at most 96 MB"),
    (zipped({"w.npy": npy(HEADER.format("(50000, 50000)"), b"\0" * 8)}), "a.npz",
     "10,000,000,000 bytes that its header"),
    (zipped({"w.npy": npy(HEADER.format("(-2, -4)"), b"\0" * 32)}), "a.npz", "no array that numpy.savez wrote"),
    (zipped({"w.npy": npy("__import__('os').system('true')")}), "a.npz", "no array that numpy.savez wrote"),
    (zipped({"w.npy": npy("(" * 5000)}), "a.npz", "no array that numpy.savez wrote"),
    (zipped({"w.npy": b"hello"}), "a.npz", "no array that numpy.savez wrote"),
    (zipped({"w.npy": npy(HEADER.format("(2, 2)"), b"\0" * 16)}, zipfile.ZIP_LZMA), "a.npz", "stored or deflated"),
    (b"\xff" * 20, "a.safetensors", "no .safetensors file, or a cut one"), (b"ab", "a.safetensors", "cut one"),
    (safetensors.numpy.save(ONE)[:40], "a.safetensors", "cut one"),
    (safetensors.numpy.save(ONE)[:-3], "a.safetensors", "does not fit its data"),
    (tensors({"w": {"dtype": "F32", "shape": [3, 2], "data_offsets": [0, 10**10]}}, b"\0" * 24), "a.safetensors",
     "does not fit its data"),
    (tensors({"w": {"dtype": "F32", "shape": [3, 2], "data_offsets": [24, 0]}}, b"\0" * 24), "a.safetensors",
     "does not fit its data"),
    (tensors({"w": {"dtype": "F32", "shape": [2**62, 8], "data_offsets": [0, 24]}}, b"\0" * 24), "a.safetensors",
     "does not fit its data"),
    (tensors(b"{", length=10**10), "a.safetensors", "10,000,000,000 bytes"),
    (tensors(b"[]"), "a.safetensors", "damaged"),
    (tensors({}), "a.safetensors", "at least one matrix"),
    (tensors({"w": {"dtype": "I64", "shape": [1, 1], "data_offsets": [0, 8]}}, b"\0" * 8), "a.safetensors",
     "must be of float16.*I64")], ids=itertools.count())
def test_a_bad_file_gets_one_sentence(data, name, sentence):
    with pytest.raises(ValueError, match=sentence) as caught:
        checkpoints.read(data, name).layouts()
    assert len(str(caught.value)) < 400
    assert "\n" not in str(caught.value)


def test_a_layout_that_does_not_fit_has_no_reading():
    read = checkpoints.read(npz(arrays()), "a.npz")
    assert read.readings("keras") == []
    with pytest.raises(ValueError, match="layout must be one of"):
        read.readings("rows")


def test_long_names_are_cut_in_sentences():
    with pytest.raises(ValueError, match=r"x{60}") as caught:
        checkpoints.read(npz({"x" * 5000: np.ones((2, 2), int)}), "a.npz")
    assert len(str(caught.value)) < 200


def outcome(data: bytes, name: str) -> str:
    """What is said of a file, "" where it is read; any exception but a ValueError is a failure."""
    try:
        read = checkpoints.read(data, name)
        for layout in read.layouts():
            for reading in read.readings(layout)[:2]:
                weights, biases = read.parameters(reading)
                assert all(np.isfinite(array).all() for array in weights + biases)
                assert checkpoints.read(read.write(weights, biases, reading), name).layouts()
    except ValueError as error:
        return str(error)
    return ""


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", ["a.npz", "a.safetensors"])
def test_thousands_of_damaged_files_are_read_or_refused_in_one_sentence(name):
    rng = random.Random(0)
    some = [arrays(), arrays(layout="keras", dtype="float64"), arrays((3, 2), dtype="float16", biases=None)]
    files = [npz(one) for one in some] + [npz(some[0], np.savez_compressed)] if name == "a.npz" else [
        safetensors.numpy.save(one) for one in some]
    pieces = [b"(99999999999, 9)", b"|O", b"<f8", b"F64", b"BF16", b"-1", b"PK\x05\x06", b"\x93NUMPY", b"{}", b'"',
              b"\0" * 8, b"\xff" * 8, b"[[[[", b"True", b"1e9", b"../../x", b"<b>"]
    read = 0
    for _ in range(MUTATED):
        data = bytearray(rng.choice(files))
        for _ in range(rng.randint(1, 3)):
            at, piece = rng.randrange(len(data)), rng.choice(pieces)
            change = rng.randrange(5)
            if change == 0:
                data[at:at + len(piece)] = piece
            elif change == 1:
                del data[at:at + rng.randint(1, 30)]
            elif change == 2:
                data[at] = rng.randrange(256)
            elif change == 3:
                data[at:at] = piece
            else:
                data[at] ^= 1 << rng.randrange(8)
        sentence = outcome(bytes(data), name)
        read += not sentence
        assert not sentence or (10 < len(sentence) < 500 and "\n" not in sentence), bytes(data)
    assert 50 < read < MUTATED - 100
