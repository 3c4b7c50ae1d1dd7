"""The recorder of PyTorch models: what it holds, and that it leaves a model as it was."""

import copy
import gzip
import json
import math
import random
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from initviz import Network, make_batch, simulate

torch = pytest.importorskip("torch")
from record.models import GPT, MODELS, Block, gpt, mlp
from torch import nn
from torch.nn import functional as F  # noqa: N812
from torch.utils.checkpoint import checkpoint

from initviz.diagnosis.recording import examine
from initviz.files.recording import read_recording
from initviz.record.pytorch import MOST_BYTES, record

DEVICES = ["cpu", *["cuda"] * torch.cuda.is_available()]
every_device = pytest.mark.parametrize("device", DEVICES)


def report_on(recording):
    return examine(read_recording(gzip.compress(json.dumps(recording).encode())))


def state(model):
    hooks = [len(held) for m in model.modules() for held in (
        m._forward_hooks, m._forward_pre_hooks, m._backward_hooks, m._forward_hooks_with_kwargs)]
    return {"parameters": {n: p.detach().clone() for n, p in model.named_parameters()},
            "buffers": {n: b.clone() for n, b in model.named_buffers()},
            "gradients": {n: None if p.grad is None else p.grad.clone() for n, p in model.named_parameters()},
            "modes": [m.training for m in model.modules()], "hooks": hooks, "random": torch.get_rng_state(),
            "of GPUs": torch.stack(torch.cuda.get_rng_state_all()) if torch.cuda.is_available() else None,
            "python": random.getstate(), "numpy": np.random.get_state()[1].copy()}


def same(a, b):
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, np.ndarray):
        return np.array_equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    return a == b


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("steps", [1, 2])
@pytest.mark.parametrize("raises", [False, True])
@every_device
def test_a_model_is_afterwards_what_it_was(name, steps, raises, device):
    model, run = MODELS[name](device)
    run().backward()
    next(model.modules())._modules[next(iter(model._modules))].eval()
    before = state(model)

    def fails():  # a step that changes more than a step should, and raises
        loss = run()
        model.train(not model.training)
        random.random()
        np.random.rand()
        torch.rand(1, device=device)
        raise RuntimeError(f"half-way, at a loss of {float(loss.detach()):.3g}")

    if raises:
        with pytest.raises(RuntimeError, match="half-way"):
            record(model, fails, steps=steps)
    else:
        record(model, run, steps=steps)
    after = state(model)
    for part in before:
        assert same(before[part], after[part]), part


class Counting(nn.Module):
    """Has what it put out last, a store that it writes to, and random numbers of its own."""

    def __init__(self):
        super().__init__()
        self.layer, self.last = nn.Linear(20, 5), torch.zeros(5)
        self.store, self.generator = torch.zeros(5), torch.Generator().manual_seed(3)

    def forward(self, x):
        self.last = self.layer(x + torch.randn(x.shape, generator=self.generator))
        self.store += self.last.detach().mean(0)
        return self.last


@pytest.mark.parametrize("raises", [False, True])
def test_tensors_and_generators_that_are_attributes_of_a_model_are_afterwards_what_they_were(raises):
    torch.manual_seed(0)
    model, x, y = Counting(), torch.randn(16, 20), torch.randint(0, 5, (16,))
    store, last, drawn = model.store, model.last, model.generator.get_state()

    def run():
        loss = F.cross_entropy(model(x), y)
        if raises:
            raise RuntimeError("half-way")
        return loss

    if raises:
        with pytest.raises(RuntimeError, match="half-way"):
            record(model, run)
    else:
        record(model, run, steps=2)
    assert (model.store is store, model.last is last) == (True, True)
    assert not store.any()
    assert torch.equal(model.generator.get_state(), drawn)


def test_an_older_spectral_normalization_keeps_the_weight_that_it_computed():
    torch.manual_seed(0)
    model, x, y = nn.utils.spectral_norm(nn.Linear(20, 5)), torch.randn(16, 20), torch.randint(0, 5, (16,))
    F.cross_entropy(model(x), y)
    before = model.weight.detach().clone()
    record(model, x, y, F.cross_entropy)
    assert torch.equal(model.weight, before)


def test_what_was_computed_before_can_still_go_backward():
    torch.manual_seed(0)
    model, x, y = nn.Sequential(nn.Linear(20, 8), nn.Tanh(), nn.Linear(8, 5)), torch.randn(16, 20), torch.zeros(
        16, dtype=torch.int64)
    loss = F.cross_entropy(model(x), y)
    record(model, x, y, F.cross_entropy)
    loss.backward()
    assert model[0].weight.grad is not None


def test_what_torch_func_wraps_is_passed_over():
    torch.manual_seed(0)
    inner, last = nn.Linear(20, 20), nn.Linear(20, 5)
    model = nn.ModuleList([inner, last])
    x, y = torch.randn(16, 20), torch.randint(0, 5, (16,))
    found = record(model, lambda: F.cross_entropy(last(torch.func.vmap(lambda row: inner(row).relu())(x)), y))
    assert [row["path"] for row in found["rows"]] == ["1"]
    assert found["uncalled"] == []


def test_complex_parameters_have_gradients():
    torch.manual_seed(0)
    model = nn.Linear(20, 5)
    model.phases = nn.Parameter(torch.randn(20, 20, dtype=torch.complex64))
    x, y = torch.randn(16, 20), torch.randint(0, 5, (16,))
    found = record(model, lambda: F.cross_entropy(model((x.to(torch.complex64) @ model.phases).abs()), y))
    assert {parameter["name"]: parameter["gradients"][0]["rms"] > 0 for parameter in found["parameters"]} == {
        "weight": True, "bias": True, "phases": True}


@pytest.mark.parametrize("rate", [math.nan, math.inf, -1.0, True])
def test_a_rate_that_is_none_gets_one_sentence(rate):
    with pytest.raises((TypeError, ValueError), match="rate must be a"):
        record(nn.Linear(2, 2), torch.ones(3, 2), torch.zeros(3, 2), F.mse_loss, rate=rate)


class Raising(torch.autograd.Function):
    """Passes its input on, and raises on the way back."""

    @staticmethod
    def forward(ctx, x, error):
        ctx.error = error
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        raise ctx.error


@pytest.mark.parametrize("where", ["forward", "loss", "backward"])
@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
@every_device
def test_a_model_is_as_it_was_after_an_exception_anywhere(where, error, device):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 8), nn.BatchNorm1d(8), nn.Dropout(), nn.Linear(8, 5)).to(device)
    x, y = torch.randn(16, 20, device=device), torch.randint(0, 5, (16,), device=device)
    F.cross_entropy(model(x), y).backward()
    model[3].register_forward_hook(lambda module, given, output: fail(output) if where == "forward" else None)

    def fail(output):
        model.eval()
        raise error("half-way")

    def loss(output, targets):
        if where == "loss":
            fail(output)
        return F.cross_entropy(Raising.apply(output, error("half-way")), targets)

    before = state(model)
    with pytest.raises(error, match="half-way"):
        record(model, x, y, loss)
    after = state(model)
    for part in before:
        assert same(before[part], after[part]), part


@dataclass
class Output:
    logits: torch.Tensor


class Unusual(nn.Module):
    """A block that is called as the name says, between two linear layers."""

    def __init__(self, how):
        super().__init__()
        self.how, self.first, self.last = how, nn.Linear(20, 16), nn.Linear(16, 5)
        self.block = nn.LSTM(16, 16) if how == "recurrent" else nn.Sequential(
            nn.Linear(16, 16), nn.BatchNorm1d(16), nn.ReLU(inplace=True), nn.Dropout(0.3))
        self.register_buffer("count", torch.zeros(1))
        self.extra = nn.ParameterList([torch.zeros(5)])

    def forward(self, x):
        self.count = self.count + 1
        x = self.first(x)
        if self.how.startswith("checkpoint"):
            x = checkpoint(self.block, x, use_reentrant=self.how == "checkpoint, reentrant")
        elif self.how in ("no_grad", "inference_mode"):
            with getattr(torch, self.how)():
                x = self.block(x)
            x = x.clone()
        elif self.how == "recurrent":
            x = self.block(x)[0]
        else:
            x = self.block(self.block(x))
        x = self.last(x) + self.extra[0]
        return Output(x) if self.how == "dataclass" else x


@pytest.mark.parametrize("how", ["checkpoint", "checkpoint, reentrant", "no_grad", "inference_mode", "recurrent",
                                 "dataclass", "called twice"])
@pytest.mark.parametrize("wrapped", [False, True])
def test_unusual_models_are_recorded_and_left_as_they_were(how, wrapped):
    torch.manual_seed(0)
    inside = Unusual(how)
    model = nn.DataParallel(inside) if wrapped else inside
    x, y = torch.randn(16, 20), torch.randint(0, 5, (16,))

    def loss(output, targets):
        return F.cross_entropy(output.logits if how == "dataclass" else output, targets)

    before, held = state(model), [id(buffer) for buffer in model.buffers()]
    recording = record(model, x, y, loss, steps=2)
    after = state(model)
    for part in before:
        assert same(before[part], after[part]), part
    assert [id(buffer) for buffer in model.buffers()] == held
    assert recording["uncalled"] == []
    rows = {(row["path"].removeprefix("module").strip("."), row["call"]): row for row in recording["rows"]}
    assert ("", 1) in rows
    assert (("block", 2) in rows) == (how in ("called twice", "dataclass"))
    without = {path for (path, _), row in rows.items() if "same_as" not in row and "gradient" not in row}
    assert without == ({"first", "block", "block.0", "block.1"} if how in ("no_grad", "inference_mode") else set())
    if how.startswith("checkpoint"):
        torch.manual_seed(0)
        loss(model(x), y).backward()
        torch.manual_seed(0)
        again = record(model, x, y, loss)
        assert [p["gradients"][0]["rms"] for p in again["parameters"]] == pytest.approx(
            [float(p.grad.square().mean().sqrt()) for p in model.parameters()], rel=1e-5, abs=1e-8)


@pytest.mark.parametrize("name", MODELS)
@every_device
def test_every_kind_of_model_is_recorded_in_a_small_file(name, device, tmp_path):
    model, run = MODELS[name](device)
    path = tmp_path / "start.json.gz"
    record(model, run, path)
    recording = json.loads(gzip.decompress(path.read_bytes()))
    assert path.stat().st_size <= MOST_BYTES
    assert recording["version"] == 1
    assert recording["uncalled"] == []
    measured = [row for row in recording["rows"] if "same_as" not in row]
    assert measured
    trainable = {n.rpartition(".")[0] for n, p in model.named_parameters() if p.requires_grad}
    assert all("gradient" in row for row in measured if row["path"] in trainable)


@every_device
def test_skips_are_measured_before_an_in_place_addition(device):
    model, run = MODELS["resnet"](device)
    seen = {}

    def keep(name, output):  # what a hook returns takes the output's place
        seen.setdefault(name, output.detach().clone())

    for name, module in model.named_modules():
        if name in ("relu", "layer1.0.bn2"):
            module.register_forward_hook(lambda m, i, o, name=name: keep(name, o))
    recording = record(model, run)
    skips = [row for row in recording["rows"] if "skip" in row]
    assert [row["path"] for row in skips] == [f"layer{i}.{j}" for i in range(1, 5) for j in range(2)]
    assert skips[0]["skip"]["skip_rms"] == pytest.approx(float(seen["relu"].square().mean().sqrt()), rel=1e-5)
    assert skips[0]["skip"]["branch_rms"] == pytest.approx(float(seen["layer1.0.bn2"].square().mean().sqrt()), rel=1e-5)


@every_device
def test_attention_of_a_gpt_has_its_entropy_and_the_tied_weight_is_counted_once(device):
    model, run = gpt(device)
    recording = record(model, run)
    kinds = [row["kind"] for row in recording["rows"] if "entropy" in row]
    assert kinds == ["softmax", "scaled_dot_product_attention"] * 6
    assert all(0.99 < row["entropy"] <= 1.00001 for row in recording["rows"] if "entropy" in row)
    assert recording["tied"] == [["wte.weight", "lm_head.weight"]]
    assert len(recording["parameters"]) == len(list(model.parameters()))
    assert sum("skip" in row for row in recording["rows"]) == 24
    assert recording["loss"]["classes"] == 300


class Grouped(nn.Module):
    """A block whose four query heads share two keys, with rotated queries and GELU as a polynomial in tanh."""

    def __init__(self, frozen):
        super().__init__()
        self.q, self.kv, self.up = nn.Linear(16, 16), nn.Linear(16, 16), nn.Linear(16, 16)
        if frozen:
            self.requires_grad_(False)
        self.shares = None

    def forward(self, x):
        q, (k, v) = self.heads(self.q(x), 4), (self.heads(part, 2) for part in self.kv(x).chunk(2, -1))
        angle = torch.arange(x.shape[1], dtype=x.dtype)[:, None] * torch.ones(4)
        q = q * angle.cos() + torch.cat((-q[..., 2:], q[..., :2]), -1) * angle.sin()
        self.shares = (q @ k.repeat_interleave(2, 1).transpose(2, 3) / 2).softmax(-1).detach()
        y = F.scaled_dot_product_attention(q, k, v, enable_gqa=True)
        x = x + y.transpose(1, 2).flatten(2)
        z = self.up(x)
        return x + 0.5 * z * (1 + torch.tanh(0.8 * (z + 0.044715 * z**3)))

    @staticmethod
    def heads(x, count):
        return x.unflatten(-1, (count, -1)).transpose(1, 2)


@pytest.mark.parametrize("frozen", [False, True])
def test_sums_within_an_activation_and_rotated_queries_are_no_skips_and_grouped_queries_share_keys(frozen):
    torch.manual_seed(0)
    block = Grouped(frozen)
    model = nn.Sequential(nn.Linear(16, 16), block, nn.Linear(16, 2))
    recording = record(model, torch.randn(4, 10, 16), torch.randn(4, 10, 2), F.mse_loss)
    rows = recording["rows"]
    assert [row["path"] for row in rows if "skip" in row] == ["1", "1"]
    attention, = (row for row in rows if row["kind"] == "scaled_dot_product_attention")
    expected = torch.special.entr(block.shares[:2]).sum(-1).mean() / np.log(10)
    assert attention["entropy"] == pytest.approx(float(expected), rel=1e-5)


class Dropped(GPT):
    """A GPT whose embeddings pass through dropout, as published ones do."""

    def __init__(self):
        super().__init__()
        self.drop = nn.Dropout(0.1)

    def forward(self, tokens):
        x = self.drop(self.wte(tokens) + self.wpe(torch.arange(tokens.shape[1])))
        for block in self.h:
            x = block(x)
        return self.lm_head(self.ln_f(x))


@pytest.mark.parametrize("kind", [GPT, Dropped])
def test_a_stream_that_only_norms_read_may_grow(kind):
    torch.manual_seed(0)
    model = kind()
    with torch.no_grad():
        model.wte.weight *= 0.02
        model.wpe.weight *= 0.02
    tokens = torch.randint(0, 300, (2, 33))
    report = report_on(record(model, lambda: F.cross_entropy(model(tokens[:, :-1]).flatten(0, 1),
                                                             tokens[:, 1:].flatten())))
    trunk = report.trunk
    levels = [trunk.level(place) for place in trunk.levels]
    lengths = [trunk.gradient_length(place) for place in trunk.levels]
    assert levels[-1] > 20 * levels[0]
    assert lengths[0] > 20 * lengths[-1]
    assert not {"signal", "gradient"} & {finding.key for finding in report.findings}


def test_a_zero_gamma_is_known_to_wake_its_branch():
    model, run = MODELS["resnet"]()
    for block in (part for part in model.modules() if isinstance(part, Block)):
        nn.init.zeros_(block.bn2.weight)
    findings = {finding.key: finding for finding in report_on(record(model, run)).findings}
    assert findings["behind_zero"].severity == "note"
    assert "layer1.0.bn2.weight" in findings["behind_zero"].text
    assert "zero_gradient" not in findings
    nn.init.zeros_(model.conv1.weight)  # nothing passes, and no branch is to blame
    assert "zero_gradient" in {finding.key for finding in report_on(record(model, run)).findings}


def test_rows_name_those_that_they_were_computed_from():
    model, run = MODELS["resnet"]()
    rows = record(model, run)["rows"]
    places = {(row["path"], row["kind"], row["call"]): place for place, row in enumerate(rows)}
    assert rows[places["layer1.0.conv1", "Conv2d", 1]]["from"] == [places["relu", "ReLU", 1]]
    addition = rows[places["layer2.0", "add", 1]]
    assert addition["from"] == sorted([places["layer2.0.downsample.1", "BatchNorm2d", 1],
                                       places["layer2.0.bn2", "BatchNorm2d", 1]])
    assert addition["skip"]["from"] == [places["layer2.0.downsample.1", "BatchNorm2d", 1]]
    assert [row["skip"]["identity"] for row in rows if "skip" in row] == [True, True, *[False, True] * 3]
    assert rows[places["layer1", "Sequential", 1]]["same_as"] == places["layer1.1.relu", "ReLU", 2]


def test_a_container_with_two_outputs_is_the_same_as_the_module_inside_that_made_the_first():
    model, run = MODELS["actor_critic"]()
    rows = record(model, run)["rows"]
    whole = next(row for row in rows if row["kind"] == "ActorCritic")
    assert rows[whole["same_as"]]["path"] == "actor"


def test_an_optimizer_gives_each_parameter_its_rate():
    model, run = mlp()
    groups = [{"params": model[0].parameters(), "lr": 0.5}, {"params": model[2].parameters()}]
    recording = record(model, run, rate=torch.optim.Adam(groups, lr=0.25))
    assert recording["optimizer"] == "Adam"
    assert [p["rate"] for p in recording["parameters"]] == [0.5, 0.5, 0.25, 0.25, None, None]


def test_moments_of_values_whose_squares_leave_float32():
    model = nn.Linear(4, 4)
    for scale in (1e-25, 1e25):
        nn.init.constant_(model.weight, scale)
        nn.init.zeros_(model.bias)
        row = record(model, lambda: model(torch.eye(4)).sum())["rows"][0]
        assert row["rms"] == pytest.approx(scale, rel=1e-5)
        assert row["median_rms"] == pytest.approx(scale, rel=1e-5)


@every_device
def test_two_steps_tell_lora_factors_that_wake_from_those_that_are_frozen(device):
    model, run = MODELS["lora"](device)
    found = {p["name"]: p["gradients"] for p in record(model, run, steps=2)["parameters"]}
    assert [step["exact_zero"] for step in found["0.lora_A"]] == [True, False]
    assert [step["exact_zero"] for step in found["0.lora_B"]] == [False, False]
    assert found["0.base.weight"] == [None, None]


def test_an_mlp_has_the_numbers_of_the_package():
    network, batch = Network((64, 48, 32, 10), "relu", "he_normal", dtype="float64"), make_batch("digits", 96)
    run = simulate(network, batch)
    weights, biases = network.parameters()
    layers = []
    for w, b in zip(weights, biases, strict=True):
        layers += [nn.Linear(*w.shape).double(), nn.ReLU()]
        layers[-2].weight.data, layers[-2].bias.data = torch.tensor(w.T.copy()), torch.tensor(b)
    model = nn.Sequential(*layers[:-1])
    x, y = torch.tensor(batch.x, dtype=torch.float64), torch.tensor(batch.targets)
    recording = record(model, x, y, F.cross_entropy)
    rows = {row["path"]: row for row in recording["rows"]}
    assert recording["loss"]["value"] == pytest.approx(run.loss, rel=1e-5)
    for layer in range(3):
        linear = rows[str(2 * layer)]
        assert linear["std"] == pytest.approx(run.column("preactivation_std")[layer], rel=1e-5)
        assert linear["gradient"]["rms"] == pytest.approx(run.column("delta_rms")[layer], rel=1e-5)
        if layer < 2:
            relu = rows[str(2 * layer + 1)]
            assert relu["rms"] == pytest.approx(run.column("activation_rms")[layer], rel=1e-5)
            assert relu["median_rms"] == pytest.approx(run.column("activation_median_rms")[layer], rel=1e-5)
            assert relu["zero_units"] / relu["units"] == pytest.approx(run.column("dead_share")[layer], abs=1e-9)
            assert relu["distinct"] == run.column("distinct_neurons")[layer]
            assert relu["rank"] == pytest.approx(run.column("participation_ratio")[layer], rel=1e-5)


def test_nothing_of_the_data_is_in_a_recording():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))
    x = 1234.5678 + torch.rand(16, 2, 3)
    text = json.dumps(record(model, x, torch.randint(0, 3, (16,)), F.cross_entropy))
    assert not any(f"{value:.5g}" in text for value in x.flatten().tolist())
    assert "Flatten" not in text
    assert "targets" not in text


class PassesOn(nn.Module):
    """Puts out its input, in four ways."""

    def __init__(self, width):
        super().__init__()
        self.drop, self.same, self.zero = nn.Dropout(0.0), nn.Linear(width, width), nn.Linear(width, width)
        nn.init.eye_(self.same.weight)
        for parameter in (self.same.bias, *self.zero.parameters()):
            nn.init.zeros_(parameter)

    def forward(self, x):
        x = self.drop(x)
        return self.same(x) + F.relu(x) + (x + self.zero(x))


@pytest.mark.parametrize("needs_gradient", [False, True])
def test_no_number_of_a_recording_is_a_value_of_the_data(needs_gradient):
    torch.manual_seed(0)
    x = torch.randn(16, 6) * 3
    given = x.clone().requires_grad_(needs_gradient)
    recording = record(nn.Sequential(PassesOn(6), nn.Linear(6, 3)), given, torch.randint(0, 3, (16,)), F.cross_entropy)
    written = [float(word) for word in re.findall(r"-?\d+\.\d+(?:e-?\d+)?", json.dumps(recording["rows"]))]
    assert len(written) > 50
    assert torch.isclose(torch.tensor(written).abs()[:, None], x.flatten().abs(), rtol=1e-6).sum() == 0


@pytest.mark.parametrize("autocast", [False, True])
@every_device
def test_bfloat16_and_autocast_are_recorded(autocast, device):
    model, run = mlp(device)

    def step():
        with torch.autocast(device, torch.bfloat16):
            return run()
    if not autocast:
        model = model.bfloat16()
        x = torch.randn(64, 20, dtype=torch.bfloat16, device=device)
        y = torch.randint(0, 5, (64,), device=device)
    recording = record(model, step) if autocast else record(model, x, y, F.cross_entropy)
    assert recording["rows"][0]["dtype"] == "bfloat16"
    assert recording["autocast"] is autocast
    assert recording["parameters"][0]["dtype"] == ("float32" if autocast else "bfloat16")


def test_a_module_that_is_used_by_its_forward_is_named():
    class Direct(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 2)

        def forward(self, x):
            return self.b(self.a.forward(x))

    model = Direct()
    assert record(model, torch.randn(8, 4), torch.randint(0, 2, (8,)), F.cross_entropy)["uncalled"] == ["a"]


def test_a_sequential_whose_modules_are_called_one_by_one_is_not_named_as_uncalled():
    class Listed(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2))

        def forward(self, x):
            for layer in self.layers:
                x = layer(x)
            return x

    assert record(Listed(), torch.randn(8, 4), torch.randint(0, 2, (8,)), F.cross_entropy)["uncalled"] == []


@every_device
def test_a_compiled_model_is_run_uncompiled_and_said_to_be_compiled(device):
    plain, _ = mlp(device)
    x, y = torch.randn(64, 20, device=device), torch.randint(0, 5, (64,), device=device)
    compiled = torch.compile(copy.deepcopy(plain), backend="eager")
    recording, expected = (record(m, x, y, F.cross_entropy) for m in (compiled, plain))
    assert recording["compiled"]
    assert not expected["compiled"]
    measured = [row for row in recording["rows"] if "same_as" not in row]
    assert [row["rms"] for row in measured] == [row["rms"] for row in expected["rows"] if "same_as" not in row]


@pytest.mark.parametrize(("given", "sentence"), [
    ((), "after the model must come run"), ((lambda: 1.0,), "a tensor of one number"),
    ((lambda: torch.ones(2),), r"one number, got a tensor of shape \(2,\)")])
def test_a_bad_step_gets_one_sentence(given, sentence):
    with pytest.raises((TypeError, ValueError), match=sentence):
        record(mlp()[0], *given)


@pytest.mark.parametrize(("model", "sentence"), [
    (lambda x: x, "model must be a torch.nn.Module, got function"),
    (nn.Sequential(nn.LazyLinear(5)), "lazy parameters without a shape: call it once"),
    (torch.jit.trace(nn.Linear(20, 5), torch.ones(1, 20)), "TorchScript has no hooks")])
def test_a_model_without_hooks_or_shapes_gets_one_sentence(model, sentence):
    with pytest.raises((TypeError, ValueError), match=sentence):
        record(model, torch.ones(2, 20), torch.zeros(2, dtype=torch.long), F.cross_entropy)


def test_a_step_that_goes_back_itself_and_an_unknown_rate_get_one_sentence():
    model, run = mlp()

    def step():
        loss = run()
        loss.backward()
        return loss

    with pytest.raises(ValueError, match=r"without a call of backward\(\)"):
        record(model, step)
    assert all(parameter.grad is None for parameter in model.parameters())
    with pytest.raises(TypeError, match="rate must be a number or an optimizer"):
        record(model, run, rate="fast")


def test_the_recorder_is_one_file_that_stands_alone():
    text = Path(record.__code__.co_filename).read_text("utf-8")
    assert "initviz.core" not in text
    assert "import numpy" not in text


@pytest.mark.parametrize("form", [torch.float32, torch.bool])
def test_attention_inside_modules_of_pytorch_has_the_entropy_of_its_weights(form):
    torch.manual_seed(0)
    attention, soft = nn.MultiheadAttention(16, 2, batch_first=True), nn.Softmax(-1)
    nn.init.normal_(attention.in_proj_weight)
    nn.init.normal_(attention.in_proj_bias)
    x, later = torch.randn(2, 12, 16), torch.ones(12, 12, dtype=torch.bool).triu(1)
    mask = later if form == torch.bool else torch.zeros(12, 12).masked_fill(later, -torch.inf)
    model = nn.ModuleList([attention, soft])
    seen = []

    def run():
        y, weights = attention(x, x, x, attn_mask=mask, average_attn_weights=False)
        seen.append(weights.detach())
        return (soft(y @ y.transpose(1, 2)) @ y).square().mean()

    rows = {row["kind"]: row for row in record(model, run)["rows"]}
    weights = seen[0][:, :, 1:]
    expected = torch.special.entr(weights).sum(-1) / torch.arange(2, 13).log()
    assert rows["multi_head_attention_forward"]["entropy"] == pytest.approx(float(expected.mean()), rel=1e-5)
    assert 0 < rows["Softmax"]["entropy"] < 1


def test_the_lines_of_the_readme_record_a_step(tmp_path, monkeypatch):
    root = Path(__file__).parents[2]
    lines, = re.findall(r"```python3\n(.*?)```", (root / "README.md").read_text(), re.DOTALL)
    (tmp_path / "recorder.py").write_text(Path(record.__code__.co_filename).read_text("utf-8"))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    model, _ = mlp()
    exec(lines, {"model": model, "inputs": torch.randn(64, 20), "targets": torch.randint(0, 5, (64,)),
                 "loss_function": F.cross_entropy})
    assert read_recording((tmp_path / "start.json.gz").read_bytes()).loss.classes == 5
