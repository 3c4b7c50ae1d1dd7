"""Correctly initialized models of many kinds have no error and no warning; the same with a fault name its module."""

from __future__ import annotations

import pytest

from initviz.diagnosis.recording import examine
from initviz.files.recording import read_recording

torch = pytest.importorskip("torch")
from record.models import gpt, lora, resnet
from torch import nn
from torch.nn import functional as F  # noqa: N812

from initviz.record import pytorch as recorder


def small_gpt():
    return gpt(blocks=5)


def report_of(model, run, **options):
    return examine(read_recording(recorder._packed(recorder.record(model, run, **options))))


def judged(report, *severities):
    return [(finding.key, finding.modules[0]) for finding in report.findings if finding.severity in severities]


def classifier(*layers, x):
    model = nn.Sequential(*layers)
    y = torch.randint(0, 10, (len(x),))
    return model, lambda: F.cross_entropy(model(x), y)


def batch_normalized(depth):
    """BatchNorm and ReLU without a skip, whose gradient grows 1.21-fold a layer (Yang et al. 2019)."""
    layers = [part for _ in range(depth) for part in (nn.Linear(64, 64, bias=False), nn.BatchNorm1d(64), nn.ReLU())]
    return classifier(*layers, nn.Linear(64, 10), x=torch.randn(128, 64))


class Scaled(nn.Module):
    """A branch with LayerScale and a squeeze-and-excitation, as in ConvNeXt and EfficientNet."""

    def __init__(self, width):
        super().__init__()
        self.norm, self.conv = nn.BatchNorm2d(width), nn.Conv2d(width, width, 3, 1, 1)
        self.squeeze, self.excite = nn.Linear(width, 4), nn.Linear(4, width)
        self.layer_scale = nn.Parameter(torch.full((width, 1, 1), 1e-6))

    def forward(self, x):
        y = F.silu(self.conv(self.norm(x)))
        gate = torch.sigmoid(self.excite(F.silu(self.squeeze(y.mean((2, 3))))))
        return x + self.layer_scale * (y * gate[:, :, None, None])


def scaled():
    return classifier(nn.Conv2d(3, 32, 3, 1, 1), *(Scaled(32) for _ in range(4)), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                      nn.Linear(32, 10), x=torch.randn(8, 3, 8, 8))


class Pre(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm, self.up, self.down = nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        return x + self.down(F.gelu(self.up(self.norm(x))))


def zero_head():
    model, run = classifier(nn.Linear(64, 64), *(Pre(64) for _ in range(4)), nn.LayerNorm(64), nn.Linear(64, 10),
                            x=torch.randn(64, 64))
    nn.init.zeros_(model[-1].weight)
    return model, run


class Decays(nn.Module):
    """A state space's decays and an LSTM."""

    def __init__(self):
        super().__init__()
        self.embedding, self.lstm = nn.Embedding(50, 32), nn.LSTM(32, 64, 2, batch_first=True)
        self.A_log = nn.Parameter(torch.log(torch.arange(1.0, 9)).repeat(64, 1))
        self.out = nn.Linear(64, 10)

    def forward(self, x):
        states = self.lstm(self.embedding(x))[0][:, -1]
        return self.out(states * torch.exp(-self.A_log.mean(1)))


def recurrent():
    return classifier(Decays(), x=torch.randint(0, 50, (16, 12)))


SOUND = {"resnet": resnet, "gpt": small_gpt, "lora": lora, "batch normalized, 20 layers": lambda: batch_normalized(20),
         "LayerScale": scaled, "zero head": zero_head, "recurrent": recurrent}


@pytest.mark.parametrize("kind", SOUND)
def test_a_correctly_initialized_model_has_neither_error_nor_warning(kind):
    torch.manual_seed(0)
    assert judged(report_of(*SOUND[kind]()), "error", "warning") == []


def test_a_gradient_that_fifty_batch_normalizations_multiply_is_an_error():
    torch.manual_seed(0)
    assert ("gradient", "2 (ReLU)") in judged(report_of(*batch_normalized(50)), "error")


def zeros(layer):
    nn.init.zeros_(layer.weight)


def constant(layer):
    nn.init.constant_(layer.weight, 0.01)


def hundredfold(layer):
    layer.weight.mul_(100)


def wide(model):
    for parameter in model.parameters():
        if parameter.dim() > 1:
            nn.init.normal_(parameter, std=1.0)


FAULTS = [
    (resnet, "layer2.0.conv1", zeros, "silent"), (small_gpt, "h.3.c_fc", zeros, "silent"),
    (resnet, "layer2.0.conv1", constant, "copies"), (small_gpt, "h.3.c_fc", constant, "weights_copies"),
    (resnet, "layer3.1.conv2", hundredfold, "gain"), (small_gpt, "h.3.c_fc", hundredfold, "weights_scale"),
    (resnet, "", wide, "gain"), (small_gpt, "", wide, "gain"),
    (lambda: classifier(nn.Linear(20, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 10),
                        x=torch.randn(64, 20)), "", wide, "gain")]


@pytest.mark.parametrize(("make", "path", "fault", "key"), FAULTS)
def test_a_fault_is_an_error_that_names_its_module(make, path, fault, key):
    torch.manual_seed(0)
    model, run = make()
    with torch.no_grad():
        fault(model.get_submodule(path))
    errors = judged(report_of(model, run), "error")
    assert key in [found for found, _ in errors]
    if path:
        assert any(module.removesuffix(".weight") == path for _, module in errors)


def test_branches_that_are_not_scaled_are_a_note():
    model, run = small_gpt()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("c_proj.weight"):
                nn.init.normal_(parameter, std=0.02)
    report = report_of(model, run)
    assert judged(report, "error", "warning") == []
    note = next(finding for finding in report.findings if finding.key == "unscaled_branches")
    assert "√10" in note.text
    assert not [f for f in report_of(*small_gpt()).findings if f.key == "unscaled_branches"]
