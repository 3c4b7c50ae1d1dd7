"""Theory of blocks beside what drawn networks do.

Each tolerance is four standard errors of the mean over the test's own independent draws, plus, where the theory is that
of infinite width or batch, the size of the term that it leaves out, which is said beside it.
"""

import math
from dataclasses import replace

import numpy as np
import pytest

from initviz import (
    Activation,
    Architecture,
    BatchNorm,
    Dense,
    LayerNorm,
    Residual,
    RMSNorm,
    draw_parameters,
    expect,
    make_batch,
    propagate_layers,
    simulate,
)
from initviz.core.layers.chain import LayerContext, chain_backward, chain_forward
from initviz.core.layers.passes import LayerObserver
from initviz.theory.mean_field import Field
from initviz.theory.residual import predict_blocks, why_unknown

RELU, TANH = Activation("relu"), Activation("tanh")
SEEDS = 12


def mean_square(array):
    return float(np.mean(np.square(array, dtype=np.float64)))


def measured(layers, width, quantity, seeds=SEEDS, batch=32):
    """Mean and standard error over independent draws of ``quantity(x, propagation, deltas)``."""
    values = []
    for seed in range(seeds):
        x = np.random.default_rng((seed, 1)).standard_normal((batch, width))
        values.append(quantity(*passed(layers, x, seed)))
    values = np.array(values)
    return values.mean(axis=0), values.std(axis=0, ddof=1) / math.sqrt(seeds)


def passed(layers, x, seed):
    """Mean squares at each layer: of its output, and of an independent gradient of its output on its way back."""
    seen = LayerObserver(lambda path, layer, y: mean_square(y), lambda path, layer, dy: mean_square(dy))
    parameters = draw_parameters(layers, x.shape[-1], seed=seed)
    output, saved = chain_forward(layers, parameters, x, LayerContext(observer=seen))
    error = np.random.default_rng((seed, 2)).standard_normal(output.shape)
    chain_backward(layers, parameters, saved, error, LayerContext(observer=seen, overwrite=True))
    return seen.outputs, seen.gradients


def residual(n, inner, outer, phi=RELU, scale=1.0, **more):
    return Residual(Dense(n, **inner), phi, Dense(n, **outer), scale=scale, **more)


HE, LECUN = {"initializer": "he_normal"}, {"initializer": "lecun_normal"}


def agrees(found, expected, left_out=0.0):
    """Whether a mean with its standard error meets what is expected, up to a relative term that theory leaves out."""
    mean, error = found
    return np.all(np.abs(mean - expected) <= 4 * error + left_out * np.abs(expected))


@pytest.mark.parametrize(("blocks", "scale", "growth"), [(10, 1.0, 1024.0), (20, 1 / math.sqrt(20), 1.05**20)])
def test_a_residual_stream_grows_by_1_plus_a_squared_s_a_block(blocks, scale, growth):  # exact at any width
    layers = (residual(256, HE, LECUN, scale=scale),) * blocks
    expected = expect(layers, 256)
    last = str(blocks - 1)
    assert expected[last].signal.square == pytest.approx(growth)
    assert expected["0"].gradient == pytest.approx(growth ** ((blocks - 1) / blocks))
    found = measured(layers, 256, lambda out, back: (out[last], back["0"]))
    assert agrees(found, (growth, expected["0"].gradient))


@pytest.mark.parametrize("norm", [None, LayerNorm(), RMSNorm(), BatchNorm()])
@pytest.mark.parametrize(("bias", "scale"), [(0.5, 1.0), (-0.3, 0.5)])
def test_biases_that_stream_and_branches_have_in_common_add_up(norm, bias, scale):
    n, blocks = 256, 6
    biased = {**LECUN, "bias": bias, "bias_std": 0.1}
    block = Residual(*([norm] if norm else []), Dense(n, **biased), TANH, Dense(n, **biased), scale=scale)
    layers = (Dense(n, **biased), *(block,) * blocks)
    expected, last = expect(layers, n), str(blocks)
    found = measured(layers, n, lambda out, back: (out[last], back["0"]), batch=64)
    # of the stream's growth and of the gradient's, two products of 1 / width a block, and one of 1 / batch
    left_out = 2 * blocks / n + (2 / 64 if isinstance(norm, BatchNorm) else 0)
    assert agrees(found, (expected[last].signal.square, expected["0"].gradient), left_out)


def test_under_batch_norm_branches_the_variance_is_l_plus_1_and_the_gradient_falls_as_it():
    n = batch = 256
    layers = (Dense(n, **LECUN), *(Residual(BatchNorm(eps=0), RELU, Dense(n, **HE)),) * 50)
    expected = expect(layers, n)
    blocks = (1, 10, 25, 50)
    assert [expected[str(block)].signal.square for block in blocks] == pytest.approx([block + 1 for block in blocks])
    found = measured(layers, n, lambda out, back: [(out[str(b)], back[str(b)]) for b in blocks], seeds=8, batch=batch)
    wanted = [(block + 1, expected[str(block)].gradient) for block in blocks]
    # what each branch leaves out, 2 / n + 2 / batch of its share 1 / (l + 1), adds up over the blocks
    assert agrees(found, wanted, left_out=(2 / n + 2 / batch) * math.log(51))


@pytest.mark.parametrize(("norm", "batch", "factor"), [
    (BatchNorm(), 64, math.pi / (math.pi - 1)), (BatchNorm(), 512, math.pi / (math.pi - 1)),
    (LayerNorm(), 64, 1.0), (RMSNorm(), 64, 1.0)])
def test_a_gradient_explodes_under_batch_norm_and_relu_and_not_under_others(norm, batch, factor):
    n, depth = 256, 20
    layers = (Dense(n, **LECUN), norm, RELU) * depth
    last, expected = str(3 * depth - 1), expect(layers, n)
    # behind the first normalization every layer multiplies by the same
    assert expected["2"].gradient == pytest.approx(factor ** (depth - 1), rel=1e-3)
    rate = measured(layers, n, lambda out, back: (back["2"] / back[last]) ** (1 / (depth - 1)), seeds=6, batch=batch)
    assert agrees(rate, factor, left_out=2 / n + 2 / batch)


def test_a_pre_norm_stream_grows_by_a_half_a_block_and_its_gradient_falls_as_that():
    blocks, n = 12, 256
    branch = (LayerNorm(), Dense(n, **LECUN), RELU, Dense(n, **LECUN))
    layers = (Dense(n, **LECUN), LayerNorm(), *(Residual(*branch),) * blocks, LayerNorm())
    expected = expect(layers, n)
    stream = [str(index + 1) for index in range(blocks + 1)]
    wanted = [1 + block / 2 for block in range(blocks + 1)]
    assert [expected[path].signal.square for path in stream] == pytest.approx(wanted, rel=1e-4)
    # the last normalization divides by the stream's size: (1 + L/2)^(-1/2) of a gradient's length
    assert expected[str(blocks + 1)].gradient == pytest.approx(1 / (1 + blocks / 2), rel=1e-4)
    found = measured(layers, n, lambda out, back: [(out[path], back[path]) for path in stream])
    assert agrees(found, [(expected[path].signal.square, expected[path].gradient) for path in stream], left_out=4 / n)


@pytest.mark.parametrize("norm", [LayerNorm(), RMSNorm()])
def test_a_post_norm_sum_has_a_mean_square_of_three_halves_and_the_gradient_keeps_its_size(norm):
    blocks, n = 12, 256
    layers = (Dense(n, **LECUN), norm, *(residual(n, LECUN, LECUN), norm) * blocks)
    expected = expect(layers, n)
    sums = [str(2 * block + 2) for block in range(blocks)]
    assert [expected[path].signal.square for path in sums] == pytest.approx([1.5] * blocks, rel=1e-4)
    assert expected["1"].gradient == pytest.approx(1, rel=1e-4)
    found = measured(layers, n, lambda out, back: [(out[path], back[path]) for path in sums])
    assert agrees(found, [(1.5, 2 / 3)] * blocks, left_out=4 / n)


@pytest.mark.parametrize("blocks", [4, 16, 64])
def test_the_gradient_of_the_last_branch_falls_with_depth_in_pre_norm_and_not_in_post_norm(blocks):
    def last(kind):
        network = Architecture(64, 64, blocks, 10, kind, "layer", initializer="lecun_normal")
        path = network.block_paths[-1][0]
        return expect(network.layers, 64)[path].gradient * 10  # the output layer multiplies by outputs / width

    assert last("pre_norm") * 6.4 == pytest.approx(10 / (1 + blocks / 2), rel=1e-3)
    assert last("post_norm") * 6.4 == pytest.approx(10 * 2 / 3, rel=1e-3)


def test_a_residual_tanh_network_grows_as_yang_and_schoenholz_say():
    n, blocks = 256, 100
    layers = (Dense(n, **LECUN), *(residual(n, LECUN, LECUN, phi=TANH),) * blocks)
    expected = expect(layers, n)
    z = np.linspace(-9, 9, 2001)
    density = np.exp(-z * z / 2)
    density /= density.sum()
    square = 1.0  # p <- p + E tanh(sqrt(p) z)^2; from 0.83 instead of 1 it is 84.0 after 100 blocks
    for _ in range(blocks):
        square += float((np.tanh(math.sqrt(square) * z) ** 2) @ density)
    assert expected["100"].signal.square == pytest.approx(square, rel=1e-6)
    assert expect(layers, n, square=0.83)["100"].signal.square == pytest.approx(84.0, abs=0.05)
    # ln of the gradient's growth goes like the square root of the depth: steps double from 64 to 256 to 1024 blocks
    logs = [math.log(expect((layers[0], *layers[1:2] * depth), n)["0"].gradient) for depth in (64, 256, 1024)]
    assert (logs[2] - logs[1]) / (logs[1] - logs[0]) == pytest.approx(2, rel=0.04)
    # the mean of a growth over draws has the heavier tail the deeper: of each draw the logarithm
    found = measured(layers, n, lambda out, back: (out["100"], math.log(back["0"])), seeds=6)
    assert agrees(found, (expected["100"].signal.square, math.log(expected["0"].gradient)), left_out=4 / n)


def test_an_expected_signal_keeps_bias_and_covariance():
    x = np.random.default_rng(0).standard_normal((64, 128)) + 0.5
    layers = (Dense(256, "lecun_normal", bias=0.3, bias_std=0.2), Activation("sigmoid"), Dense(64, "xavier_normal"))
    expected = expect(layers, 128, square=1.25, covariance=0.25)
    values = []
    for seed in range(40):
        seen = propagate_layers(layers, draw_parameters(layers, 128, seed=seed), x, np.zeros((64, 64)), loss="mse")
        values.append([])
        for path in "012":
            h = seen.activations[path]
            between = h @ h.T / h.shape[1]
            values[-1] += [mean_square(h), h.mean(), (between.sum() - np.trace(between)) / 64 / 63]
    mean, error = np.mean(values, axis=0), np.std(values, axis=0, ddof=1) / math.sqrt(40)
    wanted = [value for path in "012" for value in (
        expected[path].signal.square, expected[path].signal.mean, expected[path].signal.covariance)]
    sample = 4 / math.sqrt(64 * 128)  # of the one batch's mean square and mean
    assert np.all(np.abs(mean - wanted) <= 4 * error + sample)


@pytest.mark.parametrize(("layers", "reason"), [
    ((Dense(4, "constant"),), "Theory does not speak of weights that are not random around 0, as those of layer 0."),
    ((Dense(4), RELU, RELU), "Theory does not speak of an activation whose input is not normal, as that of layer 2."),
    ((Dense(4), Residual(LayerNorm())), "Theory does not speak of a branch without weights, as that of layer 1.")])
def test_where_theory_does_not_speak_it_says_why(layers, reason):
    assert expect(layers, 4) is None
    assert why_unknown(layers, 4) == reason
    assert why_unknown((Dense(4), RELU, Dense(4)), 4) is None


def test_zero_scales_are_expected_exactly():
    for scheme in ("skipinit", "zero_gamma", "fixup"):
        network = Architecture.of(scheme, blocks=5)
        expected = expect(network.layers, 64)
        first, last = network.block_paths[0][0], network.block_paths[-1][-1]
        assert expected[first].signal.square == expected[last].signal.square == expected["0"].signal.square


@pytest.mark.parametrize("network", [
    Architecture(64, 128, 6, 10, "residual", branch_scale="1/sqrt(L)"),
    Architecture(64, 128, 6, 10, "residual", "batch", initializer="lecun_normal"),
    Architecture(64, 128, 6, 10, "pre_norm", "layer", expansion=2, activation="gelu"),
    Architecture(64, 128, 6, 10, "pre_norm", "rms", branch_layers=1),
    Architecture(64, 128, 6, 10, "post_norm", "layer", activation="tanh", initializer="lecun_normal"),
    Architecture(64, 128, 6, 10, "normalized", "batch"),
    Architecture.of("gpt2", width=128, blocks=6), Architecture.of("deepnorm", width=128, blocks=6)],
    ids=lambda network: f"{network.scheme} {network.kind} {network.normalization}")
def test_every_stage_is_predicted(network):
    batch, seeds = make_batch("digits", 256), 10
    columns = ("activation_rms", "activation_std", "preactivation_rms", "delta_rms")
    logs = []
    for seed in range(seeds):
        run = simulate(replace(network, seed=seed), batch, counted=())
        error = float(run.column("delta_rms")[-1])
        predicted = predict_blocks(network, batch.x, error**2)
        logs.append([np.log(run.column(name) / getattr(predicted, name)) for name in columns])
        assert (predicted.expected("activation", "std") == predicted.activation_std).all()
    found = np.mean(logs, axis=0), np.std(logs, axis=0, ddof=1) / math.sqrt(seeds)
    # finite width and batch shift a block's mean square by some 1/128 and 1/256 each, and those of six blocks add up
    assert np.all(np.abs(found[0]) <= 4 * found[1] + 6 * (1 / 128 + 1 / 256))


def test_no_stage_is_predicted_where_theory_does_not_speak():
    assert predict_blocks(Architecture(initializer="constant"), np.ones((4, 64))) is None


def test_a_relu_keeps_its_variance_times_the_square_of_its_gain():
    at = Field("relu").moments(1.0)
    gain = 1 / math.sqrt(float(at.square - at.mean**2))
    assert gain == pytest.approx(1.712859, abs=1e-6)  # sqrt(2 pi / (pi - 1)): Brock et al. 2021, NF-Nets
    z = np.random.default_rng(0).standard_normal(1_000_000)
    assert (gain * np.maximum(z, 0)).std() == pytest.approx(1, abs=5e-3)


@pytest.mark.parametrize(("classes", "width", "std"), [(5000, 768, 0.02), (100, 64, 0.1)])  # the first: GPT-2 small
def test_the_first_loss_is_ln_of_the_classes_and_half_the_logits_variance(classes, width, std):
    layers = (LayerNorm(), Dense(classes, "normal", initializer_params={"std": std}))
    rng = np.random.default_rng(0)
    losses = []
    for seed in range(4):
        parameters = draw_parameters(layers, width, seed=seed)
        x, targets = rng.standard_normal((64, width)), rng.integers(0, classes, 64)
        losses.append(propagate_layers(layers, parameters, x, targets, loss="softmax_ce").loss)
    expected = math.log(classes) + width * std**2 / 2
    error = math.sqrt(width * std**2 / len(losses) / 64)  # of the targets' own logits
    # ln of a sum of C terms is low by (e^(s^2) - 1) / (2 C) of them
    assert np.mean(losses) == pytest.approx(expected, abs=4 * error + (math.exp(width * std**2) - 1) / classes)
