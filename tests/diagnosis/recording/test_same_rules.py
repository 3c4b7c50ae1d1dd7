"""A recording of a plain network in PyTorch is judged as the package's own run of it is."""

from __future__ import annotations

import pytest

from initviz import Network, make_batch, simulate
from initviz.diagnosis.recording import examine
from initviz.diagnosis.verdict import judge
from initviz.files.recording import read_recording

torch = pytest.importorskip("torch")
from torch import nn
from torch.nn import functional as F  # noqa: N812

from initviz.record import pytorch as recorder

SHARED = {"overflow", "silent", "dead", "copies", "signal", "gradient", "saturated", "preactivations", "loss", "alike"}
ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}
BATCH = make_batch("digits", 128)


def recorded(network):
    """The report on the recording of the same weights, on the same batch, in PyTorch."""
    layers = []
    for weight, bias in zip(*network.parameters(), strict=True):
        layers += [nn.Linear(*weight.shape), ACTIVATIONS[network.activation]()]
        layers[-2].weight.data, layers[-2].bias.data = torch.tensor(weight.T.copy()), torch.tensor(bias)
    x, y = torch.tensor(BATCH.x, dtype=torch.float32), torch.tensor(BATCH.targets)
    recording = recorder.record(nn.Sequential(*layers[:-1]), x, y, F.cross_entropy)
    return examine(read_recording(recorder._packed(recording)))


def judged(findings):
    return sorted((finding.key, finding.severity) for finding in findings if finding.key in SHARED)


@pytest.mark.parametrize("depth", [4, 10])
@pytest.mark.parametrize(("activation", "initializer", "changes"), [
    ("relu", "he_normal", {}), ("relu", "torch_linear", {}), ("relu", "zeros", {}), ("relu", "he_normal", {"gain": 2}),
    ("relu", "normal", {"initializer_params": {"std": 1e-3}}), ("relu", "normal", {"initializer_params": {"std": 1.0}}),
    ("relu", "normal", {"initializer_params": {"std": 1e5}}), ("relu", "he_normal", {"bias": -3.0}),
    ("relu", "constant", {"initializer_params": {"value": 0.01}}),
    ("tanh", "xavier_normal", {}), ("tanh", "normal", {"initializer_params": {"std": 1.0}}),
    ("tanh", "normal", {"initializer_params": {"std": 0.01}}), ("sigmoid", "xavier_normal", {}),
    ("sigmoid", "normal", {"initializer_params": {"std": 1.0}})])
def test_a_recording_has_the_findings_and_the_verdict_of_the_run(activation, initializer, changes, depth):
    network = Network((64, *[96] * (depth - 1), 10), activation, initializer, **changes)
    verdict, report = judge(simulate(network, BATCH)), recorded(network)
    assert judged(report.findings) == judged(verdict.findings)
    if next((f for f in report.findings if f.kind), None) is not None:
        assert report.kind == verdict.kind or report.findings[0].key not in SHARED


def test_the_numbers_of_shared_findings_agree():
    network = Network((64, *[96] * 9, 10), "tanh", "normal", initializer_params={"std": 0.05})
    verdict, report = judge(simulate(network, BATCH)), recorded(network)
    numbers = {finding.key: finding.number for finding in verdict.findings}
    for finding in report.findings:
        if finding.key in SHARED - {"alike"}:  # of samples a recording has the cosine
            assert finding.number == pytest.approx(numbers[finding.key], rel=2e-2 if finding.key == "signal" else 1e-4)


# ---------------------------------------------------------------------------------------------- known faults

class Residual(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.a, self.b = nn.Linear(width, width), nn.Linear(width, width)
        for layer in (self.a, self.b):
            nn.init.kaiming_normal_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x):
        return x + self.b(F.relu(self.a(x)))


def report_of(model, x, y, **options):
    recording = recorder.record(model, x, y, F.cross_entropy, **options)
    return examine(read_recording(recorder._packed(recording)))


def test_a_stream_without_normalization_explodes_and_its_branches_are_to_be_scaled():
    torch.manual_seed(0)
    model = nn.Sequential(*(Residual(128) for _ in range(12)), nn.Linear(128, 10))
    report = report_of(model, torch.randn(64, 128), torch.randint(0, 10, (64,)))
    signal = next(finding for finding in report.findings if finding.key == "signal")
    assert signal.kind == "exploding"
    assert signal.modules[0] == "11 add"
    assert "1/√12" in signal.remedy
    assert 3**6 / 2 < signal.number < 3**6 * 2  # with variances 2/n each block triples the mean square


def test_encoder_layers_that_are_copies_of_one_are_found():
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True)
    model = nn.Sequential(nn.TransformerEncoder(layer, 3), nn.Flatten(), nn.Linear(32 * 6, 5))
    report = report_of(model, torch.randn(16, 6, 32), torch.randint(0, 5, (16,)))
    assert "weights_equal" in [finding.key for finding in report.findings if finding.severity == "error"]


def test_a_read_out_of_zeros_wakes_the_rest_in_the_second_step_and_a_chain_of_zeros_never_does():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 5))
    nn.init.zeros_(model[4].weight)
    x, y = torch.randn(64, 20), torch.randint(0, 5, (64,))
    keys = {f.key: f.severity for f in report_of(model, x, y, steps=2).findings}
    assert keys["late"] == "note"
    assert "no_gradient" not in keys
    for layer in (model[0], model[2], model[4]):
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)
    findings = report_of(model, x, y, steps=2).findings
    never = next(finding for finding in findings if finding.key == "no_gradient")
    assert never.severity == "error"
    assert never.modules == ("0.weight",)


def test_dead_rectifiers_name_the_module():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 5))
    with torch.no_grad():
        model[2].bias[:24] = -50.0
    report = report_of(model, torch.randn(64, 20), torch.randint(0, 5, (64,)))
    dead = next(finding for finding in report.findings if finding.key == "dead")
    assert (dead.severity, dead.modules) == ("warning", ("3 (ReLU)",))
    assert dead.number == pytest.approx(24 / 32, abs=0.1)


def test_copied_channels_of_a_convolution_are_found():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(512, 5))
    nn.init.constant_(model[2].weight, 0.01)
    nn.init.zeros_(model[2].bias)
    report = report_of(model, torch.randn(16, 3, 12, 12), torch.randint(0, 5, (16,)))
    copies = next(finding for finding in report.findings if finding.key == "copies")
    assert (copies.severity, copies.modules[0]) == ("error", "2 (Conv2d)")
