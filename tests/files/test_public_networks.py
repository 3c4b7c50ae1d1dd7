"""Names as public programs give them: one network stays one, two are two, and what is beside them is said."""

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


def layers(text):
    """A PyTorch state dict from its layers and their sizes, as in "fc1 4-8, fc2 8-2"."""
    rng, found = np.random.default_rng(0), {}
    for layer, sizes in (part.split() for part in text.split(", ")):
        fan_in, fan_out = map(int, sizes.split("-"))
        found[f"{layer}.weight"] = rng.standard_normal((fan_out, fan_in)).astype(np.float32)
        found[f"{layer}.bias"] = rng.standard_normal(fan_out).astype(np.float32)
    return found


def chains(networks):
    """The layers of each network in the order of its first reading, sorted."""
    return sorted(tuple(name.removesuffix(".weight") for name in network.readings("torch")[0].matrices)
                  for network in networks.values())


# ---------------------------------------------------------------------------------------------- names of arrays

@pytest.mark.parametrize(("weights", "biases", "layout"), [
    ("coefs_.{}", "intercepts_.{}", "keras"), ("coefs_[{}]", "intercepts_[{}]", "keras"),
    ("layers/dense_{}/vars/0", "layers/dense_{}/vars/1", "keras"), ("params/Dense_{}/kernel", "params/Dense_{}/bias",
                                                                    "keras"),
    ("dense_{}/dense_{}/kernel:0", "dense_{}/dense_{}/bias:0", "keras"), ("mlp/~/linear_{}/w", "mlp/~/linear_{}/b",
                                                                          "keras"),
    ("_orig_mod.module.fc{}.weight", "_orig_mod.module.fc{}.bias", "torch"),
    ("model.layers.{}.weight", "model.layers.{}.bias", "torch")])
@pytest.mark.parametrize("sizes", [(30, 1), (30, 16, 1), (5, 5, 5), (1, 8, 1)])
@pytest.mark.parametrize("shape", [(-1,), (1, -1), (-1, 1)])
@pytest.mark.parametrize("name", FORMATS)
def test_each_array_is_what_its_name_says(weights, biases, layout, sizes, shape, name):
    rng, arrays, wanted = np.random.default_rng(0), {}, []
    for place, pair in enumerate(itertools.pairwise(sizes)):
        w, b = rng.standard_normal(pair), rng.standard_normal(pair[1])
        wanted.append((w, b))
        arrays[biases.replace("{}", str(place))] = b.reshape(shape)
        arrays[weights.replace("{}", str(place))] = np.ascontiguousarray(w.T if layout == "torch" else w)
    network = read(arrays, name).networks()[""]
    reading = network.readings(layout)[0]
    assert reading.sizes == sizes
    for weight, bias, (w, b) in zip(*network.parameters(reading), wanted, strict=True):
        np.testing.assert_array_equal(weight, w)
        np.testing.assert_array_equal(bias, b)


@pytest.mark.parametrize(("names", "shape"), [
    (("weights_input_hidden", "bias_hidden", "weights_hidden_output", "bias_output"), (1, -1)),
    (("hidden_weights", "hidden_bias", "output_weights", "output_bias"), (-1, 1)), (("Wh", "bh", "Wo", "bo"), (1, -1)),
    (("W1", "b1", "W2", "b2"), ())])
@pytest.mark.parametrize("name", FORMATS)
def test_a_network_of_one_output_has_its_last_bias_in_any_shape(names, shape, name):
    rng = np.random.default_rng(0)
    values = [rng.standard_normal(size) for size in ((4, 8), 8, (8, 1), 1)]
    arrays = dict(zip(names, values, strict=True))
    arrays[names[1]] = arrays[names[1]].reshape(shape or -1)
    arrays[names[3]] = arrays[names[3]].reshape(shape)
    network = read(arrays, name).networks()[""]
    reading = network.readings("keras")[0]
    assert reading.sizes == (4, 8, 1)
    weights, biases = network.parameters(reading)
    for found, wanted in zip([weights[0], biases[0], weights[1], biases[1]], values, strict=True):
        np.testing.assert_array_equal(found, wanted)
    written = checkpoints.read(network.write(weights, biases, reading), name)
    assert {key: array.shape for key, array in written.file.arrays.items()} == {
        key: array.shape for key, array in arrays.items()}


@pytest.mark.parametrize(("names", "second", "sizes"), [
    (("syn0", "syn1"), (4, 1), "3-4-1"), (("p0", "p1"), (4, 1), "3-4-1"), (("arr_0", "arr_1"), (4, 1), "3-4-1"),
    (("arr_0", "arr_1"), (1, 4), "3-4"), (("arr_0", "arr_1"), (1, 1), None)])
def test_the_second_of_two_arrays_without_names_is_weights_where_its_layout_adds_no_such_bias(names, second, sizes):
    rng = np.random.default_rng(0)
    first = (30, 1) if sizes is None else (3, 4)
    network = read({names[0]: rng.standard_normal(first), names[1]: rng.standard_normal(second)}).networks()[""]
    assert network.sizes() == (sizes or "30-1")


# ---------------------------------------------------------------------------------------------- networks

ONE = {
    "lin1 4-8, lin2 8-6, fc1 6-5, fc2 5-2": "4-8-6-5-2", "layer1 4-8, layer2 8-6, fc1 6-5, fc2 5-2": "4-8-6-5-2",
    "dense_1 4-8, dense_2 8-6, linear_1 6-5, linear_2 5-2": "4-8-6-5-2",
    "body.0 4-8, body.2 8-6, tail.0 6-5, tail.2 5-2": "4-8-6-5-2", "conv0 4-8, lin1 8-6, lin2 6-5, conv3 5-2":
        "4-8-6-5-2",
    "in_layer 4-8, hidden_layers.0 8-8, hidden_layers.1 8-8, out_layer 8-2": "4-8-8-8-2",
    "dense 4-8, dense_1 8-8, dense_2 8-8, dense_3 8-8, dense_4 8-2": "4-8-8-8-8-2",
    "0 4-8, 1.fn.0 8-16, 1.fn.2 16-8, 2.fn.0 8-16, 2.fn.2 16-8, 3 8-2": "4-8-16-8-16-8-2",
    "x.fc1 4-8, x.out 8-8, y.fc 8-8, z 8-2": "4-8-8-8-2",
    "mlp_block0.lin1 8-8, mlp_block0.lin2 8-8, mlp_block1.lin1 8-8, mlp_block1.lin2 8-8, out 8-2": "8-8-8-8-8-2"}


@pytest.mark.parametrize("layers_of_one", ONE)
@pytest.mark.parametrize("before", ["", "module.", "model._orig_mod."])
@pytest.mark.parametrize("name", FORMATS)
def test_layers_with_the_names_of_layers_are_one_network(layers_of_one, before, name):
    held = {f"{before}{key}": array for key, array in layers(layers_of_one).items()}
    networks = read(held, name).networks()
    assert {key: network.sizes() for key, network in networks.items()} == {"": ONE[layers_of_one]}


SEVERAL = {
    "a trunk in an extractor": (
        "x.shared_net.0 4-64, x.policy_net.0 64-64, x.value_net.0 64-64, action_net 64-2, value_net 64-1",
        "x.shared_net.0 x.policy_net.0 action_net, x.shared_net.0 x.value_net.0 value_net"),
    "dueling streams": (
        "feature.0 4-64, value_stream.0 64-32, value_stream.2 32-1, advantage_stream.0 64-32, advantage_stream.2 32-2",
        "feature.0 value_stream.0 value_stream.2, feature.0 advantage_stream.0 advantage_stream.2"),
    "dueling streams without points": ("fc1 4-64, fc_val 64-32, fc_adv 64-32, val 32-1, adv 32-2",
                                       "fc1 fc_val val, fc1 fc_adv adv"),
    "layers named after their network": ("fc1_q1 3-32, fc2_q1 32-1, fc1_q2 3-32, fc2_q2 32-1",
                                         "fc1_q1 fc2_q1, fc1_q2 fc2_q2"),
    "with an output each": ("fc1_pi 3-32, fc2_pi 32-32, pi_out 32-2, fc1_v 3-32, fc2_v 32-32, v_out 32-1",
                            "fc1_pi fc2_pi pi_out, fc1_v fc2_v v_out"),
    "a copy beside layers without a name": (
        "fc1 4-32, fc2 32-32, out 32-4, target_fc1 4-32, target_fc2 32-32, target_out 32-4",
        "fc1 fc2 out, target_fc1 target_fc2 target_out"),
    "a copy in a part of its own": ("fc1 4-32, fc2 32-4, target.fc1 4-32, target.fc2 32-4",
                                    "fc1 fc2, target.fc1 target.fc2"),
    "one numbering for each": ("a1 3-8, a2 8-20, b1 20-8, b2 8-1", "a1 a2, b1 b2, a1 a2 b1 b2"),
    "which do not chain": ("a1 4-8, a2 8-2, b1 4-8, b2 8-1", "a1 a2, b1 b2"),
    "one numbering for both": (
        "Dense_0 4-64, Dense_1 64-64, Dense_2 64-2, Dense_3 4-64, Dense_4 64-64, Dense_5 64-1",
        "Dense_0 Dense_1 Dense_2, Dense_3 Dense_4 Dense_5"),
    "tens for each": ("q11 4-8, q12 8-4, q21 4-8, q22 8-4", "q11 q12, q21 q22"),
    "under a part": ("rnd.predictor_fc1 4-8, rnd.predictor_fc2 8-4, rnd.target_fc1 4-8, rnd.target_fc2 8-4",
                     "rnd.predictor_fc1 rnd.predictor_fc2, rnd.target_fc1 rnd.target_fc2"),
    "of one layer": ("actor 4-2, critic 4-1", "actor, critic"), "of one square layer": ("online 4-4, target 4-4",
                                                                                        "online, target"),
    "one of one layer": ("actor.0 4-8, actor.2 8-2, aux.0 5-8, aux.2 8-6, critic 9-1",
                         "actor.0 actor.2, aux.0 aux.2, critic"),
    "an autoencoder of two layers": ("encoder 20-3, decoder 3-20", "encoder, decoder, encoder decoder"),
    "one hidden layer each": ("x.policy_net.0 4-64, x.value_net.0 4-64, action_net 64-2, value_net 64-1",
                              "x.policy_net.0 action_net, x.value_net.0 value_net"),
    "a list of heads": ("fc1 4-8, fc2 8-8, heads.0 8-8, heads.1 8-8, heads.2 8-1",
                        "fc1 fc2 heads.0, fc1 fc2 heads.1, fc1 fc2 heads.2"),
    "heads by names": ("trunk.0 4-8, trunk.2 8-8, heads.a.0 8-8, heads.a.2 8-3, heads.b.0 8-8, heads.b.2 8-3",
                       "trunk.0 trunk.2 heads.a.0 heads.a.2, trunk.0 trunk.2 heads.b.0 heads.b.2"),
    "heads by a second digit, of one width": ("fc1 20-9, fc21 9-9, fc22 9-9, fc3 9-9, fc4 9-20",
                                              "fc1 fc21 fc3 fc4, fc1 fc22 fc3 fc4"),
    "a decoder of half the encoder's outputs": ("encoder.0 9-8, encoder.2 8-6, decoder.0 3-8, decoder.2 8-9",
                                                "encoder.0 encoder.2, decoder.0 decoder.2"),
    "heads of the width of the layers before": (
        "actor.latent_pi.0 3-8, actor.latent_pi.2 8-8, actor.mu 8-8, actor.log_std 8-8",
        "actor.latent_pi.0 actor.latent_pi.2 actor.mu, actor.latent_pi.0 actor.latent_pi.2 actor.log_std"),
    "a second number for each": ("fc1_1 4-8, fc2_1 8-1, fc1_2 4-8, fc2_2 8-1", "fc1_1 fc2_1, fc1_2 fc2_2"),
    "a second digit for each": ("fc11 4-8, fc21 8-1, fc12 4-8, fc22 8-1", "fc11 fc21, fc12 fc22"),
    "two copies beside layers without a part": (
        "fc1 4-8, fc2 8-4, target.fc1 4-8, target.fc2 8-4, ema.fc1 4-8, ema.fc2 8-4",
        "fc1 fc2, target.fc1 target.fc2, ema.fc1 ema.fc2"),
    "square copies beside layers without a part": (
        "fc1 4-4, fc2 4-4, target.fc1 4-4, target.fc2 4-4, ema.fc1 4-4, ema.fc2 4-4",
        "fc1 fc2, target.fc1 target.fc2, ema.fc1 ema.fc2"),
    "branches of one shape": ("branch1.0 4-4, branch1.2 4-4, branch2.0 4-4, branch2.2 4-4",
                              "branch1.0 branch1.2, branch2.0 branch2.2"),
    "an encoder of one layer": ("encoder 20-3, decoder.0 3-10, decoder.2 10-20",
                                "encoder, decoder.0 decoder.2, encoder decoder.0 decoder.2"),
    "a decoder that takes a label, too": (
        "encoder.0 30-10, mu 10-4, logvar 10-4, decoder.0 14-10, decoder.2 10-20",
        "encoder.0 mu, encoder.0 logvar, decoder.0 decoder.2"),
    "a classifier beside an autoencoder": (
        "encoder.0 20-10, mu 10-4, logvar 10-4, decoder.0 4-10, decoder.2 10-20, classifier 4-3",
        "encoder.0 mu, encoder.0 logvar, decoder.0 decoder.2, classifier, encoder.0 mu decoder.0 decoder.2, "
        "encoder.0 logvar decoder.0 decoder.2"),
    "a trunk of one layer in a part": (
        "feature.f_fc1 20-10, class_classifier.c_fc1 10-8, class_classifier.c_fc2 8-2, domain_classifier.d_fc1 10-8, "
        "domain_classifier.d_fc2 8-2",
        "feature.f_fc1 class_classifier.c_fc1 class_classifier.c_fc2, "
        "feature.f_fc1 domain_classifier.d_fc1 domain_classifier.d_fc2"),
    "square heads that letters put first": (
        "trunk.0 4-4, trunk.2 4-4, head1.0 4-4, head1.2 4-4, head2.0 4-4, head2.2 4-4",
        "trunk.0 trunk.2 head1.0 head1.2, trunk.0 trunk.2 head2.0 head2.2"),
    "two within each numbered block": (
        "layers.0.s_net.0 2-8, layers.0.s_net.2 8-2, layers.0.t_net.0 2-8, layers.0.t_net.2 8-2, layers.1.s_net.0 2-8, "
        "layers.1.s_net.2 8-2, layers.1.t_net.0 2-8, layers.1.t_net.2 8-2",
        "layers.0.s_net.0 layers.0.s_net.2, layers.0.t_net.0 layers.0.t_net.2, layers.1.s_net.0 layers.1.s_net.2, "
        "layers.1.t_net.0 layers.1.t_net.2"),
    "experts of one list": ("experts.0.0 4-8, experts.0.2 8-5, experts.1.0 4-8, experts.1.2 8-4",
                            "experts.0.0 experts.0.2, experts.1.0 experts.1.2"),
    "heads between flat halves": (
        "encoder1 20-10, encoder2 10-8, mu 8-3, logvar 8-3, decoder1 3-8, decoder2 8-20",
        "encoder1 encoder2 mu, encoder1 encoder2 logvar, decoder1 decoder2, encoder1 encoder2 mu decoder1 decoder2, "
        "encoder1 encoder2 logvar decoder1 decoder2")}


@pytest.mark.parametrize("case", SEVERAL)
@pytest.mark.parametrize("before", ["", "module."])
@pytest.mark.parametrize("name", FORMATS)
def test_several_networks_are_each_offered(case, before, name):
    held, wanted = SEVERAL[case]
    networks = read({f"{before}{key}": array for key, array in layers(held).items()}, name).networks()
    assert chains(networks) == sorted(tuple(f"{before}{layer}" for layer in network.split())
                                      for network in wanted.split(", "))


def test_square_layers_are_two_networks_where_the_file_has_one_behind_the_other():
    held = layers("fc1_1 4-4, fc2_1 4-4, fc1_2 4-4, fc2_2 4-4")
    assert chains(read(held).networks()) == [("fc1_1", "fc2_1"), ("fc1_2", "fc2_2")]
    assert read(dict(sorted(held.items()))).sizes() == "4-4-4-4-4"


@pytest.mark.parametrize("name", FORMATS)
def test_a_policys_log_std_beside_its_last_layer_is_no_bias(name):
    rng = np.random.default_rng(0)
    held = {f"model/{key}:0": rng.standard_normal(shape) for key, shape in (
        ("pi_fc0/w", (4, 64)), ("pi_fc0/b", 64), ("vf_fc0/w", (4, 64)), ("vf_fc0/b", 64), ("vf/w", (64, 1)),
        ("vf/b", 1), ("pi/w", (64, 2)), ("pi/b", 2), ("pi/logstd", (1, 2)))}
    networks = read(held, name).networks()
    assert {key: network.sizes() for key, network in networks.items()} == {"model.pi": "4-64-2", "model.vf": "4-64-1"}
    assert networks["model.pi"].notes()[0].startswith("'model/pi/logstd:0' (2,) of the file belongs to no layer")


@pytest.mark.parametrize("name", FORMATS)
def test_no_layer_of_several_networks_goes_unsaid(name):
    rng, heads = np.random.default_rng(1), ("encoder", "decoder", "actor", "critic", "aux", "head", "mu", "logvar")
    for _ in range(200):
        towers = [f"{tower}.{2 * place}" for tower in rng.choice(heads, 3, replace=False) for place in range(2)]
        names = [*towers, *rng.choice(heads, 2, replace=False)]
        held = layers(", ".join(f"{layer} {rng.integers(3, 6)}-{rng.integers(3, 6)}" for layer in names))
        offered = {layer for network in read(held, name).networks().values() for layer in network.arrays}
        assert offered == set(held), names


@pytest.mark.parametrize("held", [
    "l.0 3-8, l.1 8-8, l.2 11-8, l.3 8-8, l.4 8-4", "fc1 3-8, fc2 9-8, fc3 8-1", "state 3-8, action 1-8, out 16-1",
    "fcs 3-8, fca 3-8, fc2 8-8, fc3 8-1"])
@pytest.mark.parametrize("name", FORMATS)
def test_layers_that_join_or_take_the_inputs_again_are_no_chain(held, name):
    with pytest.raises(ValueError, match="do not chain"):
        read(layers(held), name).networks()[""].layouts()


# ---------------------------------------------------------------------------------------------- what is beside layers

@pytest.mark.parametrize(("extra", "said"), [
    ({"step": np.int64(5)}, "'step' () of int64"), ({"epoch": np.float32(3)}, "'epoch' ()"),
    ({"classes_": np.arange(3)}, "'classes_' (3,) of int64"), ({"mask": np.ones((8, 4), bool)}, "'mask' (8, 4) of b1"),
    ({"unused": np.zeros(0, np.float32)}, "'unused' (0,)"), ({"log_std": np.zeros((1, 2))}, "'log_std' (2,)"),
    ({"actor_logstd": np.zeros((1, 2), np.float32)}, "'actor_logstd' (2,)"),
    ({"action_bias": np.zeros((1, 2), np.float32)}, "'action_bias' (2,)"),
    ({"fourier.B": np.ones((2, 2), np.float32)}, "'fourier.B' (2, 2)"), ({"X": np.ones((9, 4))}, "'X' (9, 4)"),
    ({"codebook": np.ones((7, 5), np.float32)}, "'codebook' (7, 5)"),
    ({"tok_embeddings.weight": np.ones((9, 4), np.float32)}, "'tok_embeddings.weight' (9, 4)"),
    ({"wte.weight": np.ones((2, 8), np.float32)}, "'wte.weight' (2, 8)"),
    ({"layers/embedding/vars/0": np.ones((9, 4), np.float32)}, "'layers/embedding/vars/0' (9, 4)"),
    ({"embedding_1/embeddings:0": np.ones((9, 4), np.float32)}, "'embedding_1/embeddings:0' (9, 4)"),
    ({"layers/dropout/seed_generator/vars/0": np.ones(2, np.uint32)},
     "'layers/dropout/seed_generator/vars/0' (2,) of uint32"),
    ({"optimizer/vars/2": np.ones((4, 8), np.float32)}, "'optimizer/vars/2' (4, 8)"),
    ({"opt_state/0/mu/fc1/kernel": np.ones((4, 8), np.float32)}, "'opt_state/0/mu/fc1/kernel' (4, 8)"),
    ({"adam/v/fc1/kernel": np.ones((4, 8), np.float32)}, "'adam/v/fc1/kernel' (4, 8)"),
    ({"criterion.weight": np.ones(2, np.float32)}, "'criterion.weight' (2,)"),
    ({"loss_fn.weight": np.ones(2, np.float32)}, "'loss_fn.weight' (2,)"),
    ({"loss.pos_weight": np.ones(1, np.float32)}, "'loss.pos_weight' (1,)"),
    ({"class_weights": np.ones(2, np.float32)}, "'class_weights' (2,)"),
    ({"running_mean_std.running_var": np.ones(4)}, "'running_mean_std.running_var' (4,)"),
    ({"obs_normalizer.running_mean": np.ones(4)}, "'obs_normalizer.running_mean' (4,)")])
def test_what_is_no_layer_beside_layers_with_names_is_left_out_and_said(extra, said):
    network = read(layers("fc1 4-8, fc2 8-2") | extra).networks()[""]
    assert network.sizes() == "4-8-2"
    assert network.notes() == [f"{said} of the file belongs to no layer and is left out."]


@pytest.mark.parametrize(("arrays", "sentence"), [
    ({"W1": np.ones((4, 8)), "b1": np.ones((1, 8)), "gamma1": np.ones((1, 8)), "W2": np.ones((8, 2))}, "normalization"),
    ({"d/kernel": np.ones((4, 8)), "d/bias": np.ones(8), "ln/beta": np.ones(8)}, "normalization"),
    ({"a.weight": np.ones((8, 4)), "prelu.weight": np.ones((1, 8)), "b.weight": np.ones((2, 8))}, "PReLU"),
    ({"a/kernel": np.ones((4, 8)), "PReLU_0/negative_slope": np.float32(0.25)}, "leaky_relu with slope 0.25"),
    ({"weight_ih": np.ones((32, 4)), "weight_hh": np.ones((32, 8))}, "recurrent"),
    ({"a/kernel": np.ones((4, 8)), "ResidualBlock_1/Dense_0/kernel": np.ones((8, 8))}, "a residual block's"),
    ({"a.weight": np.ones((8, 4)), "lora_A.weight": np.ones((2, 4)), "lora_B.weight": np.ones((8, 2))}, "low-rank"),
    ({"a.weight_mu": np.ones((8, 4)), "a.weight_sigma": np.ones((8, 4))}, "a noisy layer's"),
    ({"a.weight_orig": np.ones((8, 4)), "a.weight_mask": np.ones((8, 4))}, r"prune\.remove"),
    ({"embedding.weight": np.ones((100, 8)), "a.weight": np.ones((6, 8))}, "by its name an embedding"),
    ({"W1": np.ones((4, 8)), "b1": np.ones(8), "bngain": np.ones((1, 8))}, "batch normalization's: .*fuse_linear_bn"),
    ({"a.weight": np.ones((8, 4)), "rms_norm.weight": np.ones(8)}, "as in a normalization layer"),
    ({"a.weight": np.ones((8, 4)), "a.bias": np.ones(8), "gamma_1": np.ones(8)}, "the scale of a residual branch"),
    ({"a.weight": np.ones((8, 4)), "alpha": np.zeros(1)}, "the scale of a residual branch or the learned slope"),
    ({"Wxh": np.ones((8, 4)), "Whh": np.ones((8, 8)), "Why": np.ones((4, 8)), "bh": np.ones((8, 1))}, "recurrent"),
    ({"i2h.weight": np.ones((8, 12)), "h2o.weight": np.ones((4, 8))}, "recurrent"),
    ({"mlp.gate_proj.weight": np.ones((16, 8)), "mlp.up_proj.weight": np.ones((16, 8)),
      "mlp.down_proj.weight": np.ones((8, 16))}, "a gated layer's"),
    ({"Wq": np.ones((8, 8)), "Wk": np.ones((8, 8)), "Wv": np.ones((8, 8))}, "an attention layer's: .*Audit reads any"),
    ({"net.0.weight": np.ones((8, 4)), "net.0.mask": np.ones((8, 4))}, "masked or pruned"),
    ({"state.0.exp_avg": np.ones((8, 4))}, "an optimizer's"),
    ({"fc.mu_weight": np.ones((8, 4)), "fc.rho_weight": np.ones((8, 4))}, "a noisy layer's"),
    ({"w": np.ones(2), "b": np.ones(1)}, r"save it as \(2, 1\) or \(1, 2\)"),
    ({"w": np.ones(1), "b": np.ones(1)}, r"save it as \(1, 1\)$"),
    ({"a.weight": np.ones((8, 4)), "a.bias": np.ones(8), "b.weight": np.ones(8), "b.bias": np.ones(1)},
     r"save it as \(8, 1\) or \(1, 8\)"),
    ({"d/kernel": np.ones((4, 8)), "batch_stats/BatchNorm_0/mean": np.ones(8)}, "a batch normalization's"),
    ({"layers/dense/vars/0": np.ones((4, 8)), "layers/batch_normalization/vars/0": np.ones(8)},
     "a batch normalization's"),
    ({"layers/dense/vars/0": np.ones((4, 8)), "layers/layer_normalization/vars/0": np.ones(8)},
     "as in a normalization layer"),
    ({"layers/dense/vars/0": np.ones((4, 8)), "layers/p_re_lu/vars/0": np.ones(8)}, "learned slopes of a PReLU"),
    ({"d/kernel": np.ones((4, 8)), "batch_stats/SpectralNorm_0/d/kernel/sigma": np.ones(1)}, "a spectral normal"),
    ({"a.weight": np.ones((8, 4)), "lora_down.weight": np.ones((2, 4)), "lora_up.weight": np.ones((8, 2))}, "low-rank"),
    ({"fc.weight_mean": np.ones((8, 4)), "fc.weight_logvar": np.ones((8, 4))}, "a noisy layer's"),
    ({"experts.0.weight": np.ones((8, 4)), "router.weight": np.ones((2, 4))}, "a gated layer's"),
    ({"W1": np.ones((4, 8)), "W2": np.ones(8), "b2": np.ones(1)}, r"save it as \(8, 1\) or \(1, 8\)"),
    ({"W1": np.ones((8, 4)), "b1": np.ones(4), "b2": np.ones(8)}, "belong to no matrix: 'b2'"),
    ({"a.weight": np.ones((8, 4)), "residual1.weight": np.ones((8, 8))}, "a residual block's"),
    ({"a.weight": np.ones((8, 4)), "layers.0.skip_connection.weight": np.ones((8, 8))}, "a residual block's")])
def test_what_is_no_plain_layer_is_named(arrays, sentence):
    with pytest.raises(ValueError, match=sentence):
        read(arrays).networks()[""].layouts()


@pytest.mark.parametrize(("checkpoint", "wanted"), [
    (lambda state, torch: {"model": state, "loss": torch.tensor(0.3), "optimizer": {"state": {0: torch.ones(8, 4)}}},
     {"": "4-8-2"}),
    (lambda state, torch: {"epoch": 3, "agent": state}, {"": "4-8-2"}),
    (lambda state, torch: {"model": state, "model_ema": dict(state)}, {"model": "4-8-2", "model_ema": "4-8-2"}),
    (lambda state, torch: {"actor": state, "critic": dict(state), "actor_opt": {"state": {0: torch.ones(8, 4)}}},
     {"actor": "4-8-2", "critic": "4-8-2"}),
    (lambda state, torch: {"state_dict": {f"model.{name}": array for name, array in state.items()}, "global_step": 7,
                           "callbacks": {"best": {"score": torch.tensor(0.3)}},
                           "optimizer_states": [{"state": {0: {"step": torch.tensor(1.0)}}}]}, {"": "4-8-2"}),
    (lambda state, torch: {"net": state, "target": dict(state)}, {"net": "4-8-2", "target": "4-8-2"})])
def test_a_checkpoint_holds_each_of_its_models_and_no_optimizer(checkpoint, wanted):
    torch = pytest.importorskip("torch", reason="tests/requirements.txt brings PyTorch")
    state = {name: torch.tensor(array) for name, array in layers("0 4-8, 2 8-2").items()}
    file = io.BytesIO()
    torch.save(checkpoint(state, torch), file)
    for name in ("a.pt", "epoch=3-step=7.ckpt"):
        networks = checkpoints.read(file.getvalue(), name).networks()
        assert {name: network.sizes() for name, network in networks.items()} == wanted
        assert not any("to no layer" in note for network in networks.values() for note in network.notes())


@pytest.mark.parametrize(("held", "blocks"), [
    ("a 4-8, blocks.0.fc1 8-32, blocks.0.fc2 32-8, blocks.1.fc1 8-32, blocks.1.fc2 32-8, b 8-2", 4),
    ("a 4-8, layers.0.up 8-32, layers.0.down 32-8, layers.1.up 8-32, layers.1.down 32-8, b 8-2", 4),
    ("0 4-8, 1.fn.0 8-8, 2.fn.0 8-8, 3 8-2", 2), ("a 4-8, branch.0 8-9, branch.2 9-8, b 8-2", 2),
    ("layer1.0 4-8, layer1.2 8-7, layer2.0 7-6, layer2.2 6-2", 0), ("layers.0.lin 8-8, layers.1.lin 8-8, b 8-2", 0),
    ("net.0 4-8, net.2 8-4", 0)])
@pytest.mark.parametrize("name", FORMATS)
def test_what_may_be_a_residual_block_is_never_read_as_a_plain_chain_unsaid(held, blocks, name):
    networks = read(layers(held), name).networks()
    said = [note for note in networks[""].notes() if "may stand in residual blocks" in note]
    assert sum(note.count(".weight'") for note in said) == blocks


def test_biases_named_by_letters_are_those_of_their_weights():
    rng = np.random.default_rng(0)
    held = {f"{letter}{net}{place}": rng.standard_normal((fan_in, fan_out) if letter == "W" else (1, fan_out))
            for net, outputs in (("a", 2), ("c", 1)) for place, fan_in, fan_out in ((1, 4, 8), (2, 8, outputs))
            for letter in "Wb"}
    networks = read(held).networks()
    assert {name: network.sizes() for name, network in networks.items()} == {"a": "4-8-2", "c": "4-8-1"}
    assert networks["c"].readings("keras")[0].biases == ("bc1", "bc2")


# ---------------------------------------------------------------------------------------------- folded biases

@pytest.mark.parametrize("place", checkpoints.PLACES)
@pytest.mark.parametrize("names", ["W{}", "fc{}.weight", "arr_{}", "Theta{}"])
@pytest.mark.parametrize("known", [True, False])
def test_biases_in_a_column_or_row_are_read_and_written_back(place, names, known):
    rng, arrays, wanted = np.random.default_rng(0), {}, []
    for layer, (fan_in, fan_out) in enumerate([(4, 8), (8, 6), (6, 3)], 1):
        w, b = rng.standard_normal((fan_in, fan_out)), np.zeros(fan_out) if known else rng.standard_normal(fan_out)
        wanted.append((w, b))
        parts = [w, b[None]] if place.startswith("last") else [b[None], w]
        arrays[names.format(layer)] = np.vstack(parts) if place.endswith("row") else np.vstack(parts).T
    found = read(arrays)
    assert found.folds() == [place] if known else place in found.folds()
    network = found.unfolded(place).networks()[""]
    assert network.notes() == [f"The biases are the {place.replace('-', ' ')} of each matrix."]
    reading = network.readings("keras" if place.endswith("row") else "torch")[0]
    assert reading.sizes == (4, 8, 6, 3)
    for weight, bias, (w, b) in zip(*network.parameters(reading), wanted, strict=True):
        np.testing.assert_array_equal(weight, w)
        np.testing.assert_array_equal(bias, b)
    doubled = [[2 * array for array in some] for some in network.parameters(reading)]
    written = np.load(io.BytesIO(network.write(*doubled, reading)))
    for name, array in arrays.items():
        np.testing.assert_array_equal(written[name], 2 * array)


def test_each_of_two_networks_may_hold_its_biases():
    rng = np.random.default_rng(0)
    found = read({name: rng.standard_normal(shape) for name, shape in (
        ("pi_W1", (5, 8)), ("pi_W2", (9, 2)), ("v_W1", (5, 8)), ("v_W2", (9, 1)))})
    assert found.folds() == ["last-row", "first-row"]
    networks = found.unfolded("last-row").networks()
    assert {name: network.sizes() for name, network in networks.items()} == {"pi": "4-8-2", "v": "4-8-1"}


def test_matrices_that_chain_or_have_biases_hold_none():
    for arrays in (layers("a 4-8, b 8-2"), {"W1": np.ones((4, 8)), "W2": np.ones((8, 2))}, {"W1": np.ones((5, 8))},
                   {"W1": np.ones((4, 8)), "W2": np.ones((10, 2))}):
        assert read(arrays).folds() == []
        with pytest.raises(ValueError, match="folded biases must not be named, as these matrices hold none"):
            read(arrays).unfolded("last-row")
