"""Whose arrays these are: biases of two axes, several networks in one file, weights stored as products, strangers."""

from __future__ import annotations

import io
import itertools

import numpy as np
import pytest
import safetensors.numpy

from initviz.files import weights as checkpoints


def npz(arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


FORMATS = {"a.npz": npz, "a.safetensors": safetensors.numpy.save}


def read(arrays, name="a.npz"):
    return checkpoints.read(FORMATS[name](arrays), name)


def layers(**sizes):
    """A PyTorch state dict; two low lines in a name stand for a point, sizes are (fan_in, fan_out)."""
    rng, found = np.random.default_rng(0), {}
    for name, (fan_in, fan_out) in sizes.items():
        dotted = name.replace("__", ".")
        found[f"{dotted}.weight"] = rng.standard_normal((fan_out, fan_in)).astype(np.float32)
        found[f"{dotted}.bias"] = rng.standard_normal(fan_out).astype(np.float32)
    return found


# ---------------------------------------------------------------------------------------------- biases of two axes

@pytest.mark.parametrize("sizes", [(30, 1), (30, 16, 1), (64, 32, 16, 10), (1, 1), (5, 5, 5)])
@pytest.mark.parametrize("row", [True, False])
@pytest.mark.parametrize("layout", ["keras", "torch"])
@pytest.mark.parametrize(("weights", "biases"), [
    ("W{}", "b{}"), ("fc{}.weight", "fc{}.bias"), ("w_{}", "b_{}"), ("coefs_{}", "intercepts_{}"),
    ("arr_{}", "arr_{}")])
@pytest.mark.parametrize("order", ["WbWb", "WWbb", "bbWW"])
def test_biases_of_shape_1_n_or_n_1_are_biases(sizes, row, layout, weights, biases, order):
    rng = np.random.default_rng(0)
    matrices = [rng.standard_normal(pair) for pair in itertools.pairwise(sizes)]
    vectors = [rng.standard_normal((1, n) if row else (n, 1)) for n in sizes[1:]]
    stored = [w.T if layout == "torch" else w for w in matrices]
    named = [(weights.format(place + 1), w) for place, w in enumerate(stored)]
    flat = [(biases.format(place + 1), b) for place, b in enumerate(vectors)]
    if weights == biases:  # positions alone say what is what
        if order == "bbWW" or (order == "WWbb" and row != (layout == "keras")):
            return  # W2 of shape (16, 1) and b1 of shape (16, 1) cannot be told apart
        arrays = [b for pair in zip(stored, vectors, strict=True) for b in pair] if order == "WbWb" else [
            *stored, *vectors]
        given = {f"arr_{place}": array for place, array in enumerate(arrays)}
    else:
        given = dict([*(part for pair in zip(named, flat, strict=True) for part in pair)] if order == "WbWb" else
                     [*named, *flat] if order == "WWbb" else [*flat, *named])
    found = read(given)
    reading = next(reading for reading in found.readings(layout) if len(reading.sizes) == len(sizes))
    assert reading.sizes == sizes
    for w, b, matrix, vector in zip(*found.parameters(reading), matrices, vectors, strict=True):
        np.testing.assert_array_equal(w, matrix)
        np.testing.assert_array_equal(b, vector.ravel())
    written = np.load(io.BytesIO(found.write(*found.parameters(reading), reading)))
    assert {name: array.shape for name, array in written.items()} == {name: a.shape for name, a in given.items()}


def test_a_network_with_one_output_has_no_layer_for_its_bias():
    assert read({"W1": np.ones((30, 1)), "b1": np.ones((1, 1))}).sizes() == "30-1"


# ---------------------------------------------------------------------------------------------- several networks

TWO = {
    "an online and a target network": (
        layers(q_net__q_net__0=(4, 8), q_net__q_net__2=(8, 4), q_net_target__q_net__0=(4, 8),
               q_net_target__q_net__2=(8, 4)), {"q_net.q_net": "4-8-4", "q_net_target.q_net": "4-8-4"}),
    "towers with heads beside them": (
        {"log_std": np.zeros(2, np.float32)} | layers(
            mlp_extractor__policy_net__0=(4, 64), mlp_extractor__policy_net__2=(64, 64),
            mlp_extractor__value_net__0=(4, 64), mlp_extractor__value_net__2=(64, 64), action_net=(64, 2),
            value_net=(64, 1)),
        {"mlp_extractor.policy_net": "4-64-64-2", "mlp_extractor.value_net": "4-64-64-1"}),
    "an actor and critics": (
        layers(actor__0=(4, 8), actor__2=(8, 4), qf1__0=(8, 8), qf1__2=(8, 1), qf2__0=(8, 8), qf2__2=(8, 1)),
        {"actor": "4-8-4", "qf1": "8-8-1", "qf2": "8-8-1"}),
    "two heads on one trunk": (
        layers(fc1=(4, 8), fc2=(8, 8), pi=(8, 2), v=(8, 1)), {"pi": "4-8-8-2", "v": "4-8-8-1"}),
    "towers on one trunk": (
        layers(shared__0=(4, 8), shared__2=(8, 8), actor__0=(8, 8), actor__2=(8, 2), critic__0=(8, 8),
               critic__2=(8, 1)), {"actor": "4-8-8-8-2", "critic": "4-8-8-8-1"}),
    "two heads in the middle": (
        layers(fc1=(20, 10), fc21=(10, 3), fc22=(10, 3), fc3=(3, 10), fc4=(10, 20)),
        {"fc21": "20-10-3-10-20", "fc22": "20-10-3-10-20"}),
    "two heads that would chain": (
        layers(fc1=(20, 10), fc_mu=(10, 10), fc_logvar=(10, 10), fc2=(10, 10), fc3=(10, 20)),
        {"fc_mu": "20-10-10-10-20", "fc_logvar": "20-10-10-10-20"}),
    "an encoder and a decoder": (
        layers(encoder__0=(20, 10), encoder__2=(10, 3), decoder__0=(3, 10), decoder__2=(10, 20)),
        {"encoder": "20-10-3", "decoder": "3-10-20", "encoder+decoder": "20-10-3-10-20"}),
    "an encoder with two heads": (
        layers(encoder__0=(20, 10), encoder__2=(10, 8), mu=(8, 3), logvar=(8, 3), decoder__0=(3, 8),
               decoder__2=(8, 20)),
        {"encoder": "20-10-8-3", "decoder": "3-8-20", "logvar": "20-10-8-3", "encoder+decoder": "20-10-8-3-8-20",
         "encoder+decoder by logvar": "20-10-8-3-8-20"}),
    "a generator and a discriminator": (
        layers(generator__0=(3, 8), generator__2=(8, 20), discriminator__0=(20, 8), discriminator__2=(8, 1)),
        {"generator": "3-8-20", "discriminator": "20-8-1"}),
    "copies without points in their names": (
        layers(q1_fc1=(4, 8), q1_fc2=(8, 4), q2_fc1=(4, 8), q2_fc2=(8, 4)), {"q1": "4-8-4", "q2": "4-8-4"}),
    "an ensemble": (
        layers(models__0__0=(4, 8), models__0__2=(8, 4), models__1__0=(4, 8), models__1__2=(8, 4)),
        {"models.0": "4-8-4", "models.1": "4-8-4"})}


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("case", TWO)
def test_networks_under_two_names_are_two_networks(case, name):
    arrays, wanted = TWO[case]
    found = read(arrays, name).networks()
    if name == "a.npz":
        assert {key: network.sizes() for key, network in found.items()} == wanted
    else:  # in the order of the letters, where of two heads the other may give the encoder's name
        assert sorted(network.sizes() for network in found.values()) == sorted(wanted.values())
    for key, network in found.items():
        assert network.notes()[-1] == f"Of the networks in the file, {key!r} is examined."
        layout = network.layouts()[0]
        reading = network.readings(layout)[0]
        written = checkpoints.read(network.write(*network.parameters(reading), reading), name)
        assert list(written.networks()) == list(found)
        for array, value in written.file.arrays.items():
            np.testing.assert_array_equal(value, arrays[array])


@pytest.mark.parametrize(("arrays", "sizes"), [
    (layers(features__0=(20, 10), features__2=(10, 10), classifier__0=(10, 8), classifier__2=(8, 3)), "20-10-10-8-3"),
    (layers(backbone__0=(20, 10), backbone__2=(10, 9), head=(9, 3)), "20-10-9-3"),
    (layers(layer1__linear=(4, 8), layer2__linear=(8, 7), layer3__linear=(7, 2)), "4-8-7-2"),
    (layers(block1__fc1=(4, 8), block1__fc2=(8, 7), block2__fc1=(7, 6), block2__fc2=(6, 2)), "4-8-7-6-2"),
    (layers(model__net__0=(4, 8), model__net__2=(8, 2)), "4-8-2")])
@pytest.mark.parametrize("name", FORMATS)
def test_parts_of_one_network_are_one_network(arrays, sizes, name):
    found = read(arrays, name).networks()
    assert {key: network.sizes() for key, network in found.items()} == {"": sizes}


def test_a_network_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="network must be one of encoder, decoder, encoder\\+decoder, got 'x'"):
        read(TWO["an encoder and a decoder"][0]).network("x")


def test_an_order_that_no_network_can_have_is_not_offered():
    for network in read(TWO["two heads in the middle"][0]).networks().values():
        assert len(network.readings("torch")) == 1
        assert network.order_is_known("torch")


def test_what_belongs_to_no_layer_is_left_out_and_said():
    arrays = layers(a=(4, 8), b=(8, 2)) | {"log_std": np.zeros(2, np.float32)}
    found = read(arrays).networks()[""]
    assert found.notes() == ["'log_std' (2,) of the file belongs to no layer and is left out."]
    assert found.sizes() == "4-8-2"


def test_square_layers_in_blocks_are_read_as_a_plain_chain_and_said_to_be():
    arrays = layers(stem=(4, 8), block1__fc1=(8, 8), block1__fc2=(8, 8), out=(8, 2))
    assert "may stand in residual blocks, and are read as plain layers" in read(arrays).networks()[""].notes()[0]
    with pytest.raises(ValueError, match=r"'res1.fc1.weight' .* is a residual block's: its connection"):
        read(layers(stem=(4, 8), res1__fc1=(8, 8), out=(8, 2)))
    with pytest.raises(ValueError, match="residual block's"):
        read(layers(a=(4, 8), shortcut=(4, 8), b=(8, 2)))


# ---------------------------------------------------------------------------------------------- products, strangers

@pytest.mark.parametrize(("gain", "direction"), [
    ("{}.weight_g", "{}.weight_v"),
    ("{}.parametrizations.weight.original0", "{}.parametrizations.weight.original1")])
def test_weight_normalization_is_read_as_the_product_and_written_back(gain, direction):
    rng, arrays, wanted = np.random.default_rng(0), {}, []
    for layer, (fan_in, fan_out) in enumerate([(6, 5), (5, 1)]):
        v, g = rng.standard_normal((fan_out, fan_in)), rng.standard_normal((fan_out, 1))
        arrays |= {f"{layer}.bias": np.zeros(fan_out), gain.format(layer): g, direction.format(layer): v}
        wanted.append((g * v / np.linalg.norm(v, axis=1, keepdims=True)).T)
    found = read(arrays)
    reading = found.readings("torch")[0]
    weights, biases = found.parameters(reading)
    for w, exact in zip(weights, wanted, strict=True):
        np.testing.assert_allclose(w, exact, rtol=1e-15)
    again = read(dict(np.load(io.BytesIO(found.write([2 * w for w in weights], biases, reading)))))
    assert list(again.file.arrays) == list(arrays)
    np.testing.assert_allclose(again.parameters(reading)[0][0], 2 * wanted[0], rtol=1e-14)


@pytest.mark.parametrize("dim", [0, 1, None])
def test_weight_normalization_agrees_with_torch(dim):
    torch = pytest.importorskip("torch", reason="tests/requirements.txt brings PyTorch")
    layer = torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(6, 4), dim=dim)
    file = io.BytesIO()
    torch.save(torch.nn.Sequential(layer).state_dict(), file)
    found = checkpoints.read(file.getvalue(), "a.pt")
    weights, _ = found.parameters(found.readings("torch")[0])
    np.testing.assert_allclose(weights[0].T, layer.weight.detach().numpy(), rtol=1e-6)


W, V = np.ones((3, 2), np.float32), np.ones(3, np.float32)


@pytest.mark.parametrize(("arrays", "sentence"), [
    ({"W1": np.ones((8, 5)), "W2": np.ones((3, 9))}, "each takes one more, as where its last column holds the biases"),
    ({"W1": np.ones((5, 8)), "W2": np.ones((9, 3))}, "each takes one more, as where its last row holds the biases"),
    ({"0.weight_orig": W, "0.weight_u": V, "0.weight_v": V[:2]}, "spectral normalization .*remove_spectral_norm"),
    ({"0.parametrizations.weight.original": W, "0.parametrizations.weight.0._u": V}, "remove_parametrizations"),
    ({"0.weight": W, "1.weight": V[:1]}, "learned slope of a PReLU: .* leaky_relu with slope 1"),
    ({"0.weight": W, "1.weight": V}, "learned slopes of a PReLU or the scale of an RMS normalization"),
    ({"0.weight": W, "1.weight": V, "1.bias": V}, "normalization layer or the .*: only .*fuse_linear_bn_eval"),
    ({"0.weight": W, "1.running_mean": V}, "batch normalization's"),
    ({"rnn.weight_ih_l0": W, "rnn.weight_hh_l0": np.ones((3, 3))}, "a recurrent layer's"),
    ({"attn.in_proj_weight": W}, "an attention layer's"), ({"conv.weight": np.ones((3, 2, 3, 3))}, "convolution's"),
    ({"0.weight_g": np.ones((5, 1)), "0.weight_v": W}, "must be the lengths of"),
    ({"0.weight_g": np.ones((3, 1)), "0.weight_v": 0 * W}, "no direction of length 0")])
def test_what_is_no_plain_layer_is_refused_by_name(arrays, sentence):
    with pytest.raises(ValueError, match=sentence) as caught:
        read(arrays).layouts()
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("prefixes", [
    ("q1", "q2"), ("Q1", "Q2"), ("qf1", "qf1_target"), ("critic_1", "critic_2"), ("actor", "critic"),
    ("online", "target"), ("q_network", "target_network"), ("eval_net", "target_net"), ("policy_net", "value_net"),
    ("policy", "policy_old"), ("model", "ema_model"), ("model", "model_ema.module"), ("net", "ema.net"),
    ("layers", "shadow.layers"), ("module.actor", "module.critic"), ("_orig_mod.actor", "_orig_mod.critic"),
    ("policy_net._orig_mod", "value_net._orig_mod"), ("qnetwork_local", "qnetwork_target"), ("teacher", "student"),
    ("models.0", "models.1"), ("encoder_q", "encoder_k"), ("q_net.q_net", "q_net_target.q_net"), ("G", "D"),
    ("netG", "netD"), ("generator", "discriminator"), ("left", "right")])
@pytest.mark.parametrize("name", FORMATS)
def test_two_networks_of_one_shape_are_never_one_whatever_they_are_called(prefixes, name):
    held = layers(**{f"{prefix}.{2 * place}": pair for prefix in prefixes
                     for place, pair in enumerate([(4, 64), (64, 64), (64, 4)])})
    checkpoint = read(held, name)
    assert sorted(checkpoint.networks()) == sorted(prefixes)
    assert {network.sizes() for network in checkpoint.networks().values()} == {"4-64-64-4"}
    with pytest.raises(ValueError, match="network must be chosen, as the file holds 2 networks"):
        checkpoint.layouts()
    with pytest.raises(ValueError, match="network must be chosen"):
        checkpoint.readings("torch")


@pytest.mark.parametrize(("pattern", "names"), [
    (("fc{}", "target_fc{}"), ["fc", "target_fc"]), (("fc{}", "ema_fc{}"), ["fc", "ema_fc"]),
    (("fc{}_a", "fc{}_b"), ["fc_a", "fc_b"]), (("q1_fc{}", "q2_fc{}"), ["q1", "q2"]),
    (("actor{}", "critic{}"), ["actor", "critic"]), (("fc{}_pi", "fc{}_v"), ["fc_pi", "fc_v"])])
@pytest.mark.parametrize("name", FORMATS)
def test_two_networks_in_one_flat_list_of_names_are_told_apart(pattern, names, name):
    held = layers(**{way.format(place + 1): pair for way in pattern for place, pair in enumerate([(4, 64), (64, 4)])})
    networks = read(held, name).networks()
    assert sorted(networks) == sorted(names)
    assert {network.sizes() for network in networks.values()} == {"4-64-4"}


@pytest.mark.parametrize("name", FORMATS)
def test_a_copy_may_be_told_by_what_follows_the_letter_of_its_weights(name):
    rng = np.random.default_rng(0)
    held = {f"{letter}{place}{copy}": rng.standard_normal(shape) for copy in ("", "_target")
            for letter, place, shape in (("W", 1, (4, 8)), ("b", 1, (8,)), ("W", 2, (8, 4)), ("b", 2, (4,)))}
    networks = read(held, name).networks()
    assert sorted(networks) == ["main", "target"]
    assert {network.sizes() for network in networks.values()} == {"4-8-4"}


@pytest.mark.parametrize("name", FORMATS)
def test_two_critics_under_one_numbering_are_two(name):
    sizes = [(6, 64), (64, 64), (64, 1)]
    networks = read(layers(**{f"l{place + 1}": pair for place, pair in enumerate(2 * sizes)}), name).networks()
    assert list(networks) == ["l1 to l3", "l4 to l6"]
    assert {network.sizes() for network in networks.values()} == {"6-64-64-1"}


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "_orig_mod.module.", "params/"])
def test_a_prefix_of_a_wrapper_leaves_one_network(prefix):
    checkpoint = read(layers(**{f"{prefix}fc{place}": pair for place, pair in enumerate([(4, 64), (64, 2)])}))
    assert list(checkpoint.networks()) == [""]
    assert checkpoint.sizes() == "4-64-2"


def test_a_variational_autoencoder_is_offered_by_each_of_its_heads_and_named_for_it():
    networks = read(layers(encoder__fc1=(20, 10), encoder__mu=(10, 3), encoder__logvar=(10, 3), decoder__fc1=(3, 10),
                           decoder__fc2=(10, 20))).networks()
    assert {name: network.sizes() for name, network in networks.items()} == {
        "encoder.mu": "20-10-3", "encoder.logvar": "20-10-3", "decoder": "3-10-20",
        "encoder+decoder by encoder.mu": "20-10-3-10-20", "encoder+decoder by encoder.logvar": "20-10-3-10-20"}


def test_two_parts_that_chain_are_named_in_the_order_in_which_they_do():
    networks = read(layers(**{"predictor.0": (5, 10), "predictor.2": (10, 5), "projector.0": (20, 10),
                              "projector.2": (10, 5)}), "a.safetensors").networks()
    assert networks["projector+predictor"].sizes() == "20-10-5-10-5"
