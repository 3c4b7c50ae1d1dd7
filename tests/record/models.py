"""The five kinds of models that a recorder must understand, small, each with a step, drawn alike on every device."""

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

torch.set_num_threads(1)  # on a busy machine PyTorch's threads wait for one another longer than they work


def classifier(model, x, classes, device):
    """The model on the device, and a step on x with random classes."""
    model, x, y = model.to(device), x.to(device), torch.randint(0, classes, (len(x),)).to(device)
    return model, lambda: F.cross_entropy(model(x), y)


def mlp(device="cpu"):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 5))
    return classifier(model, torch.randn(64, 20), 5, device)


class Block(nn.Module):
    def __init__(self, before, after, stride):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.BatchNorm2d(after)
        self.conv2, self.bn2 = nn.Conv2d(after, after, 3, 1, 1, bias=False), nn.BatchNorm2d(after)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = None if before == after else nn.Sequential(
            nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))

    def forward(self, x):
        identity = x if self.downsample is None else self.downsample(x)
        out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        out += identity
        return self.relu(out)


class ResNet(nn.Module):
    """ResNet-18 in its shape, narrow."""

    def __init__(self, width=8):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        for stage, (before, after) in enumerate(((1, 1), (1, 2), (2, 4), (4, 8)), 1):
            self.add_module(f"layer{stage}", nn.Sequential(
                Block(width * before, width * after, 1 if before == after else 2),
                Block(width * after, width * after, 1)))
        self.avgpool, self.fc = nn.AdaptiveAvgPool2d(1), nn.Linear(8 * width, 10)

    def forward(self, x):
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(torch.flatten(self.avgpool(x), 1))


def resnet(device="cpu"):
    torch.manual_seed(0)
    model = ResNet().train()
    return classifier(model, torch.randn(16, 3, 16, 16), 10, device)


class Attention(nn.Module):
    def __init__(self, width, heads, fused):
        super().__init__()
        self.c_attn, self.c_proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.heads, self.fused = heads, fused

    def forward(self, x):
        batch, tokens, width = x.shape
        q, k, v = (part.view(batch, tokens, self.heads, -1).transpose(1, 2) for part in self.c_attn(x).split(width, 2))
        if self.fused:
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        else:
            scores = q @ k.transpose(-1, -2) * k.shape[-1] ** -0.5
            later = torch.ones(tokens, tokens, dtype=torch.bool, device=x.device).triu(1)
            y = F.softmax(scores.masked_fill(later, -torch.inf), dim=-1) @ v
        return self.c_proj(y.transpose(1, 2).reshape(batch, tokens, width))


class GPTBlock(nn.Module):
    def __init__(self, width, heads, fused):
        super().__init__()
        self.ln_1, self.attn = nn.LayerNorm(width), Attention(width, heads, fused)
        self.ln_2, self.c_fc = nn.LayerNorm(width), nn.Linear(width, 4 * width)
        self.c_proj = nn.Linear(4 * width, width)

    def forward(self, x):
        x = x + self.attn(self.ln_1(x))
        return x + self.c_proj(F.gelu(self.c_fc(self.ln_2(x))))


class GPT(nn.Module):
    def __init__(self, vocabulary=300, tokens=32, width=64, heads=4, blocks=12):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(vocabulary, width), nn.Embedding(tokens, width)
        self.h = nn.ModuleList(GPTBlock(width, heads, fused=bool(i % 2)) for i in range(blocks))
        self.ln_f, self.lm_head = nn.LayerNorm(width), nn.Linear(width, vocabulary, bias=False)
        self.lm_head.weight = self.wte.weight
        for name, parameter in self.named_parameters():
            if parameter.dim() > 1:
                nn.init.normal_(parameter, std=0.02 / (2 * blocks) ** 0.5 if "c_proj" in name else 0.02)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)

    def forward(self, tokens):
        x = self.wte(tokens) + self.wpe(torch.arange(tokens.shape[1], device=tokens.device))
        for block in self.h:
            x = block(x)
        return self.lm_head(self.ln_f(x))


def gpt(device="cpu", **sizes):
    torch.manual_seed(0)
    model = GPT(**sizes).to(device)
    count, length = model.wte.num_embeddings, model.wpe.num_embeddings
    tokens = torch.randint(0, count, (2, length + 1)).to(device)
    return model, lambda: F.cross_entropy(model(tokens[:, :-1]).flatten(0, 1), tokens[:, 1:].flatten())


class ActorCritic(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(8, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh())
        self.actor, self.critic = nn.Linear(64, 4), nn.Linear(64, 1)
        for layer, gain in ((self.body[0], 2**0.5), (self.body[2], 2**0.5), (self.actor, 0.01), (self.critic, 1.0)):
            nn.init.orthogonal_(layer.weight, gain)
            nn.init.zeros_(layer.bias)

    def forward(self, x):
        hidden = self.body(x)
        return self.actor(hidden), self.critic(hidden)


def actor_critic(device="cpu"):
    torch.manual_seed(0)
    model = ActorCritic().to(device)
    x, returns, advantage = (torch.randn(*shape).to(device) for shape in ((64, 8), (64,), (64,)))

    def run():
        logits, value = model(x)
        policy = torch.distributions.Categorical(logits=logits)
        action = policy.sample()
        return -(policy.log_prob(action) * advantage).mean() + F.mse_loss(value[:, 0], returns)
    return model, run


class LoRA(nn.Module):
    def __init__(self, base, rank=4):
        super().__init__()
        self.base = base.requires_grad_(False)
        self.lora_A = nn.Parameter(torch.randn(rank, base.in_features) / base.in_features**0.5)
        self.lora_B = nn.Parameter(torch.zeros(base.out_features, rank))

    def forward(self, x):
        return self.base(x) + x @ self.lora_A.T @ self.lora_B.T


def lora(device="cpu"):
    torch.manual_seed(0)
    model = nn.Sequential(LoRA(nn.Linear(20, 32)), nn.ReLU(), LoRA(nn.Linear(32, 32)), nn.ReLU(),
                          LoRA(nn.Linear(32, 5)))
    return classifier(model, torch.randn(64, 20), 5, device)


MODELS = {"mlp": mlp, "resnet": resnet, "gpt": gpt, "actor_critic": actor_critic, "lora": lora}
