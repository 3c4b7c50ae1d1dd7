"""Containers: tensors described before they are read, PyTorch's files without PyTorch, and ill-formed fields."""

from __future__ import annotations

import argparse
import collections
import datetime
import io
import json
import pickle
import random
import tracemalloc
import zipfile
from pathlib import Path, PureWindowsPath

import numpy as np
import pytest
import safetensors.numpy

from initviz.files import weights as checkpoints
from initviz.files.weights import containers
from initviz.files.weights.tensors import EXAMINED, Limits

GENERATED = 1_500


def npy(header, body=b"", version=1):
    text = header.encode() + b"\n"
    length = len(text).to_bytes(2 if version == 1 else 4, "little")
    return b"\x93NUMPY" + bytes([version, 0]) + length + text + body


def zipped(entries, method=zipfile.ZIP_DEFLATED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return file.getvalue()


def described(data, name, limits=EXAMINED):
    return containers.container(io.BytesIO(data), name, limits)


def opened(data, name):
    return {tensor.name: tensor.load() for tensor in described(data, name)}


# ---------------------------------------------------------------------------------------------- torch.save

def saved(value, **options):
    torch = pytest.importorskip("torch", reason="tests/requirements.txt brings PyTorch")
    file = io.BytesIO()
    torch.save(value, file, **options)
    return file.getvalue()


def mlp(sizes=(6, 5, 4, 3)):
    torch = pytest.importorskip("torch", reason="tests/requirements.txt brings PyTorch")
    torch.manual_seed(0)
    layers = [torch.nn.Linear(a, b) for a, b in zip(sizes[:-1], sizes[1:], strict=True)]
    return torch.nn.Sequential(*[part for layer in layers for part in (layer, torch.nn.ReLU())][:-1])


@pytest.mark.parametrize("wrap", [
    lambda net: net.state_dict(), lambda net: dict(net.named_parameters()),
    lambda net: {"state_dict": net.state_dict(), "epoch": 3, "loss": 0.5},
    lambda net: {"model": net.state_dict(), "note": "as drawn", "flags": [True, None, (1, 2.5)]},
    lambda net: {"epoch": np.float64(1.5), "anything": net.state_dict()}])
@pytest.mark.parametrize("name", ["a.pt", "a.PTH", "a.bin"])
def test_a_state_dict_of_torch_save_is_read_as_torch_reads_it(wrap, name):
    net = mlp()
    found = opened(saved(wrap(net)), name)
    assert list(found) == list(net.state_dict())
    for key, tensor in net.state_dict().items():
        np.testing.assert_array_equal(found[key], tensor.numpy())
    read = checkpoints.read(saved(wrap(net)), name)
    assert read.readings("torch")[0].sizes == (6, 5, 4, 3)


def test_a_checkpoint_with_an_optimizer_holds_its_model():
    torch = pytest.importorskip("torch")
    net = mlp()
    optimizer = torch.optim.Adam(net.parameters())
    net(torch.ones(2, 6)).sum().backward()
    optimizer.step()
    data = saved({"optimizer": optimizer.state_dict(), "net_of_mine": net.state_dict(), "epoch": 1})
    assert list(opened(data, "a.pt")) == list(net.state_dict())


def test_every_number_format_and_stride_is_read_exactly():
    torch = pytest.importorskip("torch")
    base = torch.arange(24, dtype=torch.float32).reshape(4, 6) / 7
    given = {"half": base.half(), "bfloat": base.bfloat16(), "double": base.double(), "turned": base.T,
             "part": base[1:3, 2:5], "stepped": base[::2, ::3], "spread": base[:1, :1].expand(3, 5),
             "number": torch.tensor(2.5), "empty": torch.zeros(0, 3), "shared": base}
    found = opened(saved(given), "a.pt")
    for key, tensor in given.items():
        np.testing.assert_array_equal(found[key], tensor.float().numpy() if key == "bfloat" else tensor.numpy())
        assert found[key].shape == tuple(tensor.shape)


def test_a_small_file_whose_one_value_is_spread_to_a_billion_is_refused():
    torch = pytest.importorskip("torch")
    data = saved({"w": torch.zeros(1).expand(10**9)})
    with pytest.raises(ValueError, match="'w' must lie within its storage"):
        described(data, "a.pt")


def test_what_a_pickle_asks_for_is_named_and_never_run(tmp_path):
    class Trap:
        def __reduce__(self):
            return (tmp_path.joinpath("run").write_text, ("x",))

    for value, sentence in (({"w": Trap()}, "asks for "), (Trap(), "asks for ")):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("a/data.pkl", pickle.dumps(value, 2))
        with pytest.raises(ValueError, match=sentence) as caught:
            described(file.getvalue(), "a.pt")
        assert "save model.state_dict() alone" in str(caught.value)
    assert not tmp_path.joinpath("run").exists()
    with pytest.raises(ValueError, match=r"holds an object .'torch.nn.modules.container.Sequential'"):
        described(saved(mlp()), "a.pt")


def test_what_checkpoints_hold_beside_tensors_is_passed_over():
    torch = pytest.importorskip("torch")
    state = mlp().state_dict()
    beside = [argparse.Namespace(rate=0.1), collections.defaultdict(list, loss=[1.0]), Path("a"), PureWindowsPath("a"),
              {1, 2}, frozenset({1}), 1j, slice(1, 2), bytearray(b"a"), datetime.datetime(2026, 1, 1), {None: 1},
              [torch.bool, torch.uint8, torch.complex64], np.random.RandomState(0).get_state(), np.ones(3)]
    for value in beside:
        for protocol in (2, 4):
            found = opened(saved({"model": state, "beside": value}, pickle_protocol=protocol), "a.pt")
            assert list(found) == list(state), value


def test_the_state_of_an_optimizer_is_passed_over_whatever_it_is_called():
    torch = pytest.importorskip("torch")
    net = mlp()
    optimizer = torch.optim.Adam(net.parameters())
    net(torch.ones(2, 6)).sum().backward()
    optimizer.step()
    state, other = net.state_dict(), optimizer.state_dict()
    for checkpoint in ({"net": state, "adam": other}, {"net": state, "trainer": {"opt": other}},
                       {**state, "solver": other}, {"net": state, "optimizers": [other]}):
        assert list(opened(saved(checkpoint), "a.pt")) == list(state)


def test_a_list_of_parameters_is_read_in_its_order():
    net = mlp()
    found = opened(saved(list(net.parameters())), "a.pt")
    assert list(found) == [f"arr_{place}" for place in range(len(found))]
    for array, parameter in zip(found.values(), net.parameters(), strict=True):
        np.testing.assert_array_equal(array, parameter.detach().numpy())
    assert checkpoints.read(saved(list(net.parameters())), "a.pt").sizes() == "6-5-4-3"


def test_a_view_of_another_sign_is_refused():
    torch = pytest.importorskip("torch")
    with pytest.raises(ValueError, match=r"a view with another sign: save it after .resolve_neg"):
        described(saved({"w": torch._neg_view(torch.ones(2, 2))}), "a.pt")


def test_quantized_tensors_are_named():
    torch = pytest.importorskip("torch")
    with pytest.raises(ValueError, match=r"tensor of another kind .*quantized"):
        described(saved({"w": torch.quantize_per_tensor(torch.ones(2, 2), 0.1, 0, torch.qint8), "type": torch.qint8}),
                  "a.pt")


@pytest.mark.parametrize("name", ["a.npz", "a.safetensors", "a.pt"])
@pytest.mark.parametrize(("data", "sentence"), [
    (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n", "fetch it with git lfs pull"),
    (b"\n<!DOCTYPE html><html lang='en'>", "this is a web page, and not the file itself")])
def test_what_stands_for_a_file_is_named(data, sentence, name):
    with pytest.raises(ValueError, match=sentence):
        described(data, name)


def test_older_files_and_torchscript_are_named():
    torch = pytest.importorskip("torch")
    with pytest.raises(ValueError, match=r"of PyTorch before 1.6.*weights_only=True"):
        described(saved(mlp().state_dict(), _use_new_zipfile_serialization=False), "a.pt")
    file = io.BytesIO()
    torch.jit.save(torch.jit.trace(mlp(), torch.ones(1, 6)), file)
    with pytest.raises(ValueError, match=r"asks for|TorchScript"):
        described(file.getvalue(), "a.pt")


def test_repaired_weights_of_a_pt_file_are_written_as_safetensors():
    net = mlp()
    read = checkpoints.read(saved(net.state_dict()), "a.pt")
    reading = read.readings("torch")[0]
    weights, biases = read.parameters(reading)
    written = safetensors.numpy.load(read.write([2 * w for w in weights], biases, reading))
    for key, tensor in net.state_dict().items():
        np.testing.assert_array_equal(written[key], tensor.numpy() * (2 if key.endswith("weight") else 1))


def test_a_file_that_torch_wrote_is_read_without_torch():
    data = Path(__file__).with_name("mlp.pt").read_bytes()  # of torch 2.13: state_dict of 6-5-4-3, biases 0
    found = opened(data, "mlp.pt")
    assert {key: array.shape for key, array in found.items()} == {
        "0.weight": (5, 6), "0.bias": (5,), "2.weight": (4, 5), "2.bias": (4,), "4.weight": (3, 4), "4.bias": (3,)}
    np.testing.assert_array_equal(found["0.weight"], np.arange(30, dtype=np.float32).reshape(5, 6))


@pytest.mark.filterwarnings("error")
def test_thousands_of_damaged_torch_files_are_read_or_refused_in_one_sentence():
    rng, read = random.Random(0), 0
    files = [path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.pt"))]
    assert len(files) == 2
    pieces = [b"c", b"R", b"\x85", b"os\nsystem\n", b"(", b"}", b"\x8a\xff", b"j\xff\xff\xff\x7f", b"r\xff\xff\xff\x7f",
              b"\xff" * 8, b"K\xff", b"J\xff\xff\xff\x7f", b"Q", b"."]
    for _ in range(GENERATED):
        data = bytearray(rng.choice(files))
        place = data.find(b"data.pkl") if rng.random() < 0.7 else 0
        for _ in range(rng.randint(1, 3)):
            at, piece = rng.randrange(place, min(place + 900, len(data))), rng.choice(pieces)
            if rng.random() < 0.5:
                data[at:at + len(piece)] = piece
            else:
                data[at] = rng.randrange(256)
        sentence = outcome(bytes(data), "a.pt")
        read += not sentence
        assert not sentence or (10 < len(sentence) < 500 and "\n" not in sentence), bytes(data)
    assert 20 < read < GENERATED - 100


# ---------------------------------------------------------------------------------------------- one at a time

def test_tensors_of_shards_are_read_one_by_one(tmp_path):
    arrays = {f"{layer}.weight": np.full((400, 500), layer, np.float32) for layer in range(20)}
    names = list(arrays)
    shards = {"m-00001.safetensors": names[:10], "m-00002.safetensors": names[10:]}
    for shard, held in shards.items():
        (tmp_path / shard).write_bytes(safetensors.numpy.save({name: arrays[name] for name in held}))
    index = tmp_path / "m.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {name: shard for shard, held in shards.items() for name in held}}))
    tracemalloc.start()
    with containers.opened(index) as found:
        assert {tensor.name for tensor in found} == set(names)
        for tensor in found:
            np.testing.assert_array_equal(tensor.load(), arrays[tensor.name])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * arrays[names[0]].nbytes + 2_000_000  # of 16 MB; comparing takes some arrays


@pytest.mark.parametrize(("text", "sentence"), [
    ("{}", "weight_map"), ("[", "weight_map"), ('{"weight_map": [[1, "a.safetensors"], ["b", "a.safetensors"]]}',
                                                "weight_map"),
    (json.dumps({"weight_map": {"a": "gone.safetensors"}}), "must be given too"),
    (json.dumps({"weight_map": {"a": "x" * 5000 + ".safetensors"}}), "must be given too"),
    (json.dumps({"weight_map": {"a": "../a.safetensors"}}), "beside its"),
    (json.dumps({"weight_map": {"a": 3}}), "beside its index")])
def test_an_index_that_points_elsewhere_is_refused(tmp_path, text, sentence):
    (tmp_path / "m.safetensors.index.json").write_text(text)
    with pytest.raises(ValueError, match=sentence), containers.opened(tmp_path / "m.safetensors.index.json"):
        pass


@pytest.mark.parametrize("name", ["a.npz", "a.safetensors", "a.pt"])
def test_a_file_on_disk_is_described_without_its_arrays_being_read(tmp_path, name):
    arrays = {"w": np.ones((1000, 1000), np.float32), "b": np.ones(1000, np.float32)}
    if name == "a.npz":
        np.savez(tmp_path / name, **arrays)
    elif name == "a.pt":
        torch = pytest.importorskip("torch")
        torch.save({key: torch.from_numpy(array) for key, array in arrays.items()}, tmp_path / name)
    else:
        (tmp_path / name).write_bytes(safetensors.numpy.save(arrays))
    limits = Limits(10**6, 10**12, 10**12, 10**8)
    tracemalloc.start()
    with containers.opened(tmp_path / name, limits) as found:
        assert {tensor.name: (tensor.shape, tensor.dtype) for tensor in found} == {
            "w": ((1000, 1000), "float32"), "b": ((1000,), "float32")}
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
        assert next(tensor for tensor in found if tensor.name == "w").load().sum() == 10**6
    tracemalloc.stop()


# ---------------------------------------------------------------------------------------------- ill-formed fields

HEADER = "{{'descr': {}, 'fortran_order': {}, 'shape': {}}}"
DESCRIPTIONS = ["'<f4'", "'<f8'", "'|O'", "'<f3'", "'>f4'", "'=f2'", "'<M8[s]'", "[('a', '<f4')]", "None", "4", "''"]
ORDERS = ["False", "True", "None", "0", "1", "'C'"]
SHAPES = ["(2, 3)", "(3,)", "()", "(True, 32)", "(2L, 3L)", "(4L,)", "(-1, 3)", "(1e3,)", "(2.0, 3)", "(None,)", "'ab'",
          "(99999999999999999999,)", "(9999999999999999999, 9999999999)", "[2, 3]", "((2,), 3)", "(1,) * 10**9",
          f"({'1, ' * 40})", "(0x10,)", "(2_0,)", "(\u0663,)"]


@pytest.mark.filterwarnings("error")
def test_an_npz_whose_header_has_ill_formed_fields_is_read_or_refused_in_one_sentence():
    rng, read = random.Random(0), 0
    for _ in range(GENERATED):
        header = HEADER.format(rng.choice(DESCRIPTIONS[:2] if rng.random() < 0.5 else DESCRIPTIONS),
                               rng.choice(ORDERS[:2] if rng.random() < 0.7 else ORDERS), rng.choice(SHAPES))
        data = zipped({"w.npy": npy(header.encode("utf-8").decode("latin-1"), b"\0" * rng.choice([0, 12, 24, 48])),
                       "v.npy": npy(HEADER.format("'<f4'", "False", "(2, 2)"), b"\0" * 16)})
        sentence = outcome(data, "a.npz")
        read += not sentence
        assert not sentence or (10 < len(sentence) < 400 and "\n" not in sentence), header
    assert read > 20


@pytest.mark.filterwarnings("error")
def test_a_header_in_the_style_of_python_2_is_read():
    data = zipped({"w.npy": npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2L, 4L), }", b"\0" * 32)})
    assert opened(data, "a.npz")["w"].shape == (2, 4)


VALUES = [0, 1, 6, 24, -1, 2**63, 10**30, True, None, 1.5, "6", "", [], [2, 3], [3, 2], {}, {"a": 1}, "F32", "F64",
          "I64", "BF16", [0, 24], [0, 24.0], [24, 0], [0], [True, 24], "x" * 100_000]


@pytest.mark.filterwarnings("error")
def test_a_safetensors_with_ill_formed_fields_is_read_or_refused_in_one_sentence():
    rng, read = random.Random(0), 0
    for _ in range(GENERATED):
        entry = {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}
        header = {"w": entry, "__metadata__": rng.choice([{"format": "pt"}, *VALUES])}
        if rng.random() < 0.7:
            entry[rng.choice(list(entry))] = rng.choice(VALUES)
        if rng.random() < 0.1:
            header["v"] = rng.choice(VALUES)
        if rng.random() < 0.1:
            del entry[rng.choice(list(entry))]
        text = json.dumps(header).encode()
        data = len(text).to_bytes(8, "little") + text + b"\0" * 24
        sentence = outcome(data, "a.safetensors")
        read += not sentence
        assert not sentence or (10 < len(sentence) < 400 and "\n" not in sentence), header
    assert read > 20


@pytest.mark.parametrize("name", ["a.safetensors", "a.pt"])
def test_a_name_with_half_a_letter_is_refused(name):
    text = json.dumps({"\ud800.weight": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).encode()
    data = len(text).to_bytes(8, "little") + text + b"\0" * 8
    if name == "a.pt":
        with zipfile.ZipFile(Path(__file__).with_name("mlp.pt")) as archive:
            entries = {entry: archive.read(entry) for entry in archive.namelist()}
        data = zipped({entry: content.replace(b"0.weight", b"\xed\xa0\x80eight")
                       for entry, content in entries.items()}, zipfile.ZIP_STORED)
    sentence = outcome(data, name)
    assert sentence.startswith("each array's name must be valid Unicode, got '\\ud800")


def outcome(data, name):
    try:
        checkpoints.read(data, name).layouts()
    except ValueError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("data", [
    zipped({"w.npy": b"\x93NUMPY\x02\0" + (200_000_000).to_bytes(4, "little") + b" " * 150_000_000}),
    zipped({f"w{i}.npy": npy(HEADER.format("'<f4'", "False", "(5000, 1000)"), b"\0" * 20_000_000) for i in range(8)}),
    zipped({"a/data.pkl": b"\x80\x02" + b"N" * 100_000_000})], ids=["header", "bomb", "pickle"])
def test_what_is_declared_is_refused_before_it_is_unpacked(data):
    tracemalloc.start()
    for name in ("a.npz", "a.pt"):
        assert outcome(data, name)
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()


@pytest.mark.parametrize("name", ["net.h5", "net.keras", "net.onnx", "net.pkl", "net.joblib", "net.npy",
                                  "net.mat", "a 'quoted\" name.h5"])
def test_other_formats_are_refused_with_the_lines_that_save_the_same_weights(name):
    with pytest.raises(ValueError, match=r"the same weights can be saved by: import ") as caught:
        described(b"x", name)
    assert repr(name) in str(caught.value)
    assert "weights.npz" in str(caught.value)
    compile(str(caught.value).split("saved by: ")[1], name, "exec")


class Fitted:  # as scikit-learn's MLPClassifier
    coefs_, intercepts_ = [np.ones((4, 8)), np.ones((8, 2))], [np.ones(8), np.ones(2)]


@pytest.mark.parametrize("found", [
    {"W1": np.ones((4, 8)), "b1": np.ones(8), "W2": np.ones((8, 2)), "b2": np.ones(2)},
    [np.ones((4, 8)), np.ones(8), np.ones((8, 2)), np.ones(2)], Fitted()])
@pytest.mark.parametrize("suffix", [".pkl", ".npy"])
def test_the_lines_save_the_same_weights(found, suffix, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / f"net{suffix}"
    if suffix == ".pkl":
        path.write_bytes(pickle.dumps(found))
    else:
        np.save(path, np.array(getattr(found, "coefs_", found), object))
    with pytest.raises(ValueError, match="saved by: ") as caught:
        described(path.read_bytes(), path.name)
    exec(str(caught.value).split("saved by: ")[1], {})
    assert checkpoints.read((tmp_path / "weights.npz").read_bytes(), "weights.npz").sizes() == "4-8-2"


@pytest.mark.parametrize("descr", ["'>f8'", "'<f8'"])
def test_numbers_of_either_order_of_bytes_take_no_memory_twice(descr):
    body = np.arange(1_000_000, dtype=np.dtype(descr.strip("'"))).tobytes()
    data = zipped({"w.npy": npy(HEADER.format(descr, "True", "(1000, 1000)"), body)}, zipfile.ZIP_STORED)
    tensor, = described(data, "a.npz")
    tracemalloc.start()
    array = tensor.load()
    assert tracemalloc.get_traced_memory()[1] < 1.5 * len(body)
    tracemalloc.stop()
    assert array.dtype.isnative
    np.testing.assert_array_equal(array, np.arange(1_000_000.0).reshape(1000, 1000, order="F"))
