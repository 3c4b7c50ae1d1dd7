"""Diagnose is held to networks of known truth: no error on a sound one, the layer and the cause of a faulty one."""

from dataclasses import replace

import numpy as np
import pytest

from initviz import Batch, Network, make_batch
from initviz.diagnosis.initialization import Initialization, initialization_from, initialization_of
from initviz.diagnosis.report import diagnose

DIGITS = make_batch("digits", 256)
RAW = replace(DIGITS, x=((DIGITS.x - DIGITS.x.min()) / (DIGITS.x.max() - DIGITS.x.min()) * 255).astype(np.float32))


def network(activation, initializer, depth, width=128, **changes):
    return Network((64, *[width] * (depth - 1), 10), activation, initializer, **changes)


def drawn(activation, initializer, depth, width=128, batch=DIGITS, **changes):
    return initialization_of(network(activation, initializer, depth, width, **changes), batch, "drawn")


def given(change, activation="relu", initializer="he_normal", depth=6, batch=DIGITS):
    """A sound network of which ``change`` alters the weights and biases, as from a file."""
    net = network(activation, initializer, depth)
    weights, biases = ([array.copy() for array in arrays] for arrays in net.parameters())
    change(weights, biases)
    return initialization_from(weights, biases, net, batch, "given")


def scaled(layer, factor):
    def change(weights, biases):
        weights[layer - 1] *= np.float32(factor)
    return change


def shifted(layer, by):
    def change(weights, biases):
        biases[layer - 1] += np.float32(by)
    return change


def prior_bias(weights, biases):
    shares = np.bincount(DIGITS.targets, minlength=10) / len(DIGITS.targets)
    biases[-1][:] = np.log(shares)
    weights[-1] *= np.float32(0.01)


def one_sign(weights, biases):
    rng = np.random.default_rng(0)
    for w in weights:
        w[:] = rng.uniform(0, 1, w.shape)


def cloned(weights, biases):
    weights[3] = weights[2].copy()


def regression(scale=1.0, offset=0.0) -> Initialization:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((256, 8)).astype(np.float32)
    y = (scale * np.tanh(x[:, :1] - x[:, 1:2]) + offset).astype(np.float32)
    return initialization_of(Network((8, 64, 64, 1), "relu", "he_normal"), Batch(x, y, "mse", 1), "regression")


SOUND = {
    "He, ReLU, depth 3": lambda: drawn("relu", "he_normal", 3),
    "He, ReLU, depth 20": lambda: drawn("relu", "he_normal", 20),
    "He, ReLU, depth 50": lambda: drawn("relu", "he_normal", 50, 256),
    "Xavier, tanh, depth 5": lambda: drawn("tanh", "xavier_normal", 5),
    "Xavier, tanh, depth 20": lambda: drawn("tanh", "xavier_normal", 20),
    "LeCun, tanh, depth 10": lambda: drawn("tanh", "lecun_normal", 10),
    "orthogonal, tanh, depth 30": lambda: drawn("tanh", "orthogonal", 30, gain=1.05),
    "LeCun, SELU, depth 30": lambda: drawn("selu", "lecun_normal", 30),
    "PyTorch's default, ReLU": lambda: drawn("relu", "torch_linear", 4),
    "PyTorch's default, tanh": lambda: drawn("tanh", "torch_linear", 4),
    "Keras' default, ReLU": lambda: drawn("relu", "keras_dense", 4),
    "Flax's default, ReLU": lambda: drawn("relu", "flax_dense", 4),
    "small head": lambda: given(scaled(6, 0.01)),
    "zero head": lambda: given(scaled(6, 0.0)),
    "prior bias": lambda: given(prior_bias),
    "a zero hidden layer, tanh": lambda: given(scaled(3, 0.0), "tanh", "xavier_normal"),
    "regression": regression,
}
# What is wrong, the key of the verdict, and the layer that the first finding names (None: it is of the whole).
FAULTY = {
    "gain 3": (lambda: drawn("relu", "he_normal", 10, gain=3.0), "exploding", 9),
    "gain 0.2": (lambda: drawn("relu", "he_normal", 10, gain=0.2), "vanishing", 9),
    "PyTorch's default, ReLU, too deep": (lambda: drawn("relu", "torch_linear", 30, 100, seed=11), "vanishing", 1),
    "zeros": (lambda: drawn("relu", "zeros", 6), "silent", 1),
    "constant": (lambda: drawn("tanh", "constant", 6), "collapsed", 1),
    "a dead layer": (lambda: given(shifted(3, -1e3)), "dead", 3),
    "a layer 100 times too large, ReLU": (lambda: given(scaled(4, 100.0)), "uneven", 4),
    "a layer 100 times too large, tanh": (lambda: given(scaled(4, 100.0), "tanh", "xavier_normal"), "uneven", 4),
    "saturated sigmoid": (lambda: drawn("sigmoid", "normal", 6, initializer_params={"std": 5.0}), "saturated", None),
    "inputs 0 to 255": (lambda: drawn("relu", "he_normal", 6, batch=RAW), "inputs", 1),
    "targets of 1e5": (lambda: regression(1e5), "targets", 3),
    "targets of mean 1,000": (lambda: regression(1.0, 1e3), "targets", 3),
    "uniform 0 to 1": (lambda: given(one_sign), "one_sign", 1),
}


@pytest.mark.parametrize("name", SOUND)
def test_a_sound_network_has_no_error(name):
    report = diagnose(SOUND[name](), with_remedies=False)
    assert [finding.text for finding in report.findings if finding.severity == "error"] == []
    assert report.verdict.key in ("healthy", "drifting", "late", "vanishing", "output")


@pytest.mark.parametrize("name", FAULTY)
def test_a_faulty_network_has_an_error_that_names_the_layer_and_the_cause(name):
    make, kind, layer = FAULTY[name]
    report = diagnose(make(), with_remedies=False)
    first = report.findings[0]
    assert first.severity == "error"
    assert report.verdict.key == first.kind == kind
    assert layer is None or first.layer == layer


@pytest.mark.parametrize("make", [
    lambda: drawn("tanh", "orthogonal", 30, gain=1.05), lambda: drawn("relu", "he_normal", 50, 64),
    lambda: drawn("relu", "he_normal", 6)])
def test_a_sound_network_is_offered_no_measured_remedy(make):
    assert not {"lsuv", "rescaled"} & {remedy.key for remedy, _ in diagnose(make()).offered}


@pytest.mark.parametrize("name", [*SOUND, *FAULTY])
def test_no_remedy_that_is_offered_is_worse_than_the_fault(name):
    make = SOUND[name] if name in SOUND else FAULTY[name][0]
    report = diagnose(make())
    for _, after in report.offered:
        assert (after.count("error"), after.count("warning")) <= (report.count("error"), report.count("warning"))
    if name in FAULTY:
        assert report.offered
        assert report.fixed_by(report.findings[0])


def test_equal_layers_are_found():
    report = diagnose(given(cloned), with_remedies=False)
    finding = next(finding for finding in report.findings if finding.key == "equal_layers")
    assert (finding.severity, finding.layer) == ("warning", 4)
    assert "Layers 3 and 4" in finding.text
    assert report.verdict.key == "equal_layers"


def one_seed(scale, turned=False):
    """Layers 3 and 6, of other sizes and scales, each drawn from one seed."""
    def change(weights, biases):
        for place in (2, 5):
            fan_in, fan_out = weights[place].shape
            draws = np.random.default_rng(7).standard_normal((fan_out, fan_in) if turned else (fan_in, fan_out))
            weights[place][:] = (draws.T if turned else draws) * np.sqrt((scale if place == 5 else 2) / fan_in)
    return change


@pytest.mark.parametrize("change", [one_seed(1), one_seed(0.01), one_seed(2, turned=True)])
def test_layers_of_one_seed_are_found_at_other_scales_and_widths(change):
    finding = next(finding for finding in diagnose(given(change), with_remedies=False).findings
                   if finding.key == "equal_layers")
    assert finding.text.startswith("Layers 3 and 6 begin with the same random numbers, at one scale or another")


@pytest.mark.parametrize(("share", "bias", "head", "said"), [
    (0.1, np.log(0.1 / 0.9), 0.01, "the loss begins at their entropy"),
    (0.1, np.log(0.1 / 0.9), 1.0, "with small output weights the loss would begin at their entropy, 0.3"),
    (0.1, 0.05, 0.01, ""), (0.45, 0.05, 0.01, "")])
def test_the_bias_of_one_sigmoid_may_be_the_odds_of_its_classes(share, bias, head, said):
    targets = (np.arange(256) < share * 256).astype(np.float32)[:, None]
    net = Network((64, 32, 1), "relu", "he_normal")
    weights, biases = ([array.copy() for array in arrays] for arrays in net.parameters())
    weights[-1] *= np.float32(head)
    biases[-1][:] = bias
    batch = Batch(DIGITS.x, targets, "bce", 1)
    finding = next(finding for finding in diagnose(initialization_from(weights, biases, net, batch, "given"),
                                                   with_remedies=False).findings if finding.key == "bias")
    assert finding.severity == "note"
    assert (finding.title == "Output bias of class shares") == bool(said)
    assert said in finding.text


@pytest.mark.parametrize(("w0", "depth"), [(30.0, 4), (30.0, 6), (5.0, 4)])
def test_siren_is_sound_and_its_repairs_keep_what_a_sine_reads(w0, depth):
    net = Network((64, *[128] * (depth - 1), 10), "sine", "siren", activation_params={"w0": w0},
                  initializer_params={"w0": w0})
    report = diagnose(initialization_of(net, DIGITS, "drawn"))
    assert not report.count("error") + sum(finding.key == "preactivations" for finding in report.findings)
    for _, after in report.remedies:
        read = after.run.column("preactivation_std")[1:-1] * w0
        assert ((read > 0.5) & (read < 2)).all()
        assert not any(finding.key == "preactivations" for finding in after.findings)


def test_weights_not_made_for_a_sine_are_found_in_radians():
    net = Network((64, 128, 128, 10), "sine", "he_normal")
    report = diagnose(initialization_of(net, DIGITS, "drawn"), with_remedies=False)
    finding = next(finding for finding in report.findings if finding.key == "preactivations")
    assert (finding.layer, finding.title) == (2, "Preactivations large")
    assert "radians of sine" in finding.text
