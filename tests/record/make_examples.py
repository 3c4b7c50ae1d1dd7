"""Record the examples that the page Recording opens: ``python -m tests.record.make_examples`` writes them anew.

Needs PyTorch. The numbers of the last digits hang on its version and on the processor.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
from record.models import GPT, ActorCritic, LoRA, ResNet

from initviz import make_batch
from initviz.record.pytorch import record

FOLDER = ROOT / "initviz/data/recordings"


def digits(count=64):
    batch = make_batch("digits", count, seed=0)
    return torch.tensor(np.asarray(batch.x), dtype=torch.float32), torch.tensor(np.asarray(batch.targets))


def classifier(model, path):
    x, y = digits()
    record(model, x, y, F.cross_entropy, path, rate=torch.optim.SGD(model.parameters(), 0.1))


def deep(he):
    torch.manual_seed(0)
    sizes = (64, *[128] * 9, 10)
    layers = [part for a, b in zip(sizes[:-1], sizes[1:], strict=True) for part in (nn.Linear(a, b), nn.ReLU())][:-1]
    for layer in layers if he else ():
        if isinstance(layer, nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)
    return nn.Sequential(*layers)


def mlp(path):
    classifier(deep(he=False), path)


def mlp_he(path):
    classifier(deep(he=True), path)


def resnet(path):
    torch.manual_seed(0)
    model = ResNet(16)
    x, y = digits()
    images = F.interpolate(x.reshape(-1, 1, 8, 8), scale_factor=4).expand(-1, 3, -1, -1).contiguous()
    record(model, images, y, F.cross_entropy, path, rate=torch.optim.SGD(model.parameters(), 0.1, momentum=0.9))


def _gpt(path, width):
    """Characters of the license's text as tokens, two sequences of 128."""
    torch.manual_seed(0)
    text = (ROOT / "LICENSE").read_bytes()
    tokens = torch.tensor(list(text[:258])).reshape(2, 129)
    model = GPT(vocabulary=128, tokens=128, width=width, heads=4)

    def run():
        return F.cross_entropy(model(tokens[:, :-1]).flatten(0, 1), tokens[:, 1:].flatten())
    record(model, run, path, steps=2, rate=torch.optim.AdamW(model.parameters(), 3e-4))


def gpt(path):
    _gpt(path, 64)


def gpt_wide(path):
    _gpt(path, 256)


def policy(path):
    """An actor and a critic on standard normals, as normalized observations are."""
    torch.manual_seed(0)
    model = ActorCritic()
    x, returns, advantage = torch.randn(256, 8), torch.randn(256), torch.randn(256)

    def run():
        logits, value = model(x)
        chosen = torch.distributions.Categorical(logits=logits)
        return -(chosen.log_prob(chosen.sample()) * advantage).mean() + F.mse_loss(value[:, 0], returns)
    record(model, run, path, rate=torch.optim.Adam(model.parameters(), 3e-4))


def lora(path):
    torch.manual_seed(0)
    model = deep(he=True)[:7]
    model[6] = nn.Linear(128, 10)
    nn.init.kaiming_normal_(model[6].weight, nonlinearity="relu")
    nn.init.zeros_(model[6].bias)
    adapted = nn.Sequential(*(LoRA(layer) if isinstance(layer, nn.Linear) else layer for layer in model))
    x, y = digits()
    record(adapted, x, y, F.cross_entropy, path, steps=2, rate=0.1)


EXAMPLES = {"mlp": mlp, "mlp_he": mlp_he, "resnet": resnet, "gpt": gpt, "gpt_wide": gpt_wide, "policy": policy,
            "lora": lora}

if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, make in EXAMPLES.items():
        make(str(FOLDER / f"{name}.json.gz"))
        print(name, (FOLDER / f"{name}.json.gz").stat().st_size)
