"""Each built-in recipe finds nothing in a file that follows it, and the one tensor that does not."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from safetensors.numpy import save_file

from initviz.core.schemes import SCHEMES
from initviz.diagnosis.audit import RECIPES, audit, read_recipe
from initviz.diagnosis.audit.recipes import learned

CUT = 0.8796256610342398  # the standard deviation of a unit normal cut at 2
BLOCKS = 4


class Draws:
    """Tensors of each law, as frameworks draw them."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(0)

    def normal(self, *shape, std):
        return (std * self.rng.standard_normal(shape)).astype("f")

    def uniform(self, *shape, end):
        return self.rng.uniform(-end, end, shape).astype("f")

    def orthogonal(self, rows, columns, gain=1.0):
        tall = self.rng.standard_normal((max(rows, columns), min(rows, columns)))
        q = (gain * np.linalg.qr(tall)[0]).astype("f")
        return q if rows >= columns else q.T

    def cut(self, *shape, std):
        values = self.rng.standard_normal(shape)
        while (beyond := np.abs(values) > 2).any():
            values[beyond] = self.rng.standard_normal(beyond.sum())
        return (std / CUT * values).astype("f")


def filled(value, *shape):
    return np.full(shape, value, "f")


def norm(name, width, weight="weight", bias="bias"):
    return {f"{name}.{weight}": filled(1, width), f"{name}.{bias}": filled(0, width)}


def torch_state(d):
    return {"fc.weight": d.uniform(40, 90, end=90**-0.5), "fc.bias": d.uniform(40, end=90**-0.5),
            "conv.weight": d.uniform(32, 8, 3, 3, end=72**-0.5), "embedding.weight": d.normal(100, 32, std=1),
            "attn.in_proj_weight": d.uniform(96, 32, end=math.sqrt(6 / 128)), "attn.in_proj_bias": filled(0, 96),
            "lstm.weight_hh_l0": d.uniform(256, 64, end=1 / 8), "gru.weight_ih_l0": d.uniform(192, 20, end=1 / 8),
            "cell.weight_ih": d.uniform(256, 20, end=1 / 8), "cell.bias_ih": d.uniform(256, end=1 / 8),
            "cross.q_proj_weight": d.uniform(32, 32, end=math.sqrt(6 / 64)),
            "cross.bias_k": d.normal(1, 1, 32, std=0.1), "1.weight": filled(1, 32),
            **norm("norm1", 32)}


def keras_state(d):
    forget = filled(0, 192)
    forget[48:96] = 1
    return {"lstm/lstm_cell/kernel": d.uniform(64, 192, end=math.sqrt(6 / 256)), "lstm/lstm_cell/bias": forget,
            "lstm/lstm_cell/recurrent_kernel": d.orthogonal(48, 192), "gru/gru_cell/bias": filled(0, 2, 96),
            "attention/attention_output/kernel": d.uniform(4, 16, 64, end=math.sqrt(6 / 128)),
            "attention/query/kernel": d.uniform(64, 4, 16, end=math.sqrt(6 / 128)),
            "attention/query/bias": filled(0, 4, 16),
            "dense/kernel": d.uniform(90, 40, end=math.sqrt(6 / 130)), "dense/bias": filled(0, 40),
            "conv/kernel": d.uniform(3, 3, 8, 32, end=math.sqrt(6 / (72 + 288))),
            "embedding/embeddings": d.uniform(100, 32, end=0.05), "norm/gamma": filled(1, 32),
            "norm/beta": filled(0, 32)}


def flax_state(d):
    return {"Dense_0.kernel": d.cut(90, 40, std=90**-0.5), "Dense_0.bias": filled(0, 40),
            "Conv_0.kernel": d.cut(3, 3, 8, 32, std=72**-0.5), "Embed_0.embedding": d.normal(100, 64, std=1 / 8),
            "Attention_0.query.kernel": d.cut(64, 4, 16, std=1 / 8), "Attention_0.query.bias": filled(0, 4, 16),
            "Attention_0.out.kernel": d.cut(4, 16, 64, std=1 / 8),
            "LSTMCell_0.hf.kernel": d.orthogonal(32, 32), "LSTMCell_0.if.kernel": d.cut(16, 32, std=1 / 4),
            "SimpleCell_0/h/kernel": d.orthogonal(24, 24), "BatchNorm_0.mean": filled(0, 16),
            "BatchNorm_0.var": filled(1, 16),
            "LayerNorm_0.scale": filled(1, 40), "LayerNorm_0.bias": filled(0, 40)}


def gpt2_state(d):
    state = {"wte.weight": d.normal(200, 48, std=0.02), "wpe.weight": d.normal(32, 48, std=0.01), **norm("ln_f", 48)}
    for block in range(BLOCKS):
        state |= {f"h.{block}.attn.c_attn.weight": d.normal(48, 144, std=0.02),
                  f"h.{block}.attn.c_proj.weight": d.normal(48, 48, std=0.02 / math.sqrt(2 * BLOCKS)),
                  f"h.{block}.mlp.c_fc.weight": d.normal(48, 192, std=0.02), **norm(f"h.{block}.ln_1", 48),
                  f"h.{block}.mlp.c_proj.weight": d.normal(192, 48, std=0.02 / math.sqrt(2 * BLOCKS))}
    return state


def bert_state(d):
    draw = d.cut if d.rng.random() < 0.5 else d.normal
    std = 0.02 * (CUT if draw == d.cut else 1)
    state = {"embeddings.word_embeddings.weight": draw(200, 48, std=std), **norm("embeddings.LayerNorm", 48)}
    for block in range(BLOCKS):
        at = f"encoder.layer.{block}"
        state |= {f"{at}.attention.self.query.weight": draw(48, 48, std=std),
                  f"{at}.attention.self.query.bias": filled(0, 48),
                  f"{at}.output.dense.weight": draw(48, 192, std=std), **norm(f"{at}.output.LayerNorm", 48)}
    return state


def llama_state(d):
    state = {"model.embed_tokens.weight": d.normal(200, 48, std=0.02), "lm_head.weight": d.normal(200, 48, std=0.02),
             "model.norm.weight": filled(1, 48)}
    for block in range(BLOCKS):
        at = f"model.layers.{block}"
        state |= {f"{at}.self_attn.{name}_proj.weight": d.normal(48, 48, std=0.02) for name in "qkvo"}
        state |= {f"{at}.mlp.gate_proj.weight": d.normal(128, 48, std=0.02),
                  f"{at}.mlp.down_proj.weight": d.normal(48, 128, std=0.02),
                  f"{at}.self_attn.q_proj.bias": filled(0, 48), f"{at}.moe.gate.weight": d.normal(4, 48, std=0.02),
                  **{f"{at}.moe.experts.{n}.w1.weight": d.normal(96, 48, std=0.02) for n in range(4)},
                  f"{at}.input_layernorm.weight": filled(1, 48)}
    return state


def vit_state(d):
    state = {"cls_token": d.normal(1, 1, 48, std=1e-6), "pos_embed": d.normal(1, 50, 48, std=0.02),
             "patch_embed.proj.weight": d.uniform(48, 3, 4, 4, end=48**-0.5), "head.weight": filled(0, 10, 48),
             "head.bias": filled(0, 10), **norm("norm", 48)}
    for block in range(BLOCKS):
        state |= {f"blocks.{block}.attn.qkv.weight": d.normal(144, 48, std=0.02),
                  f"blocks.{block}.attn.qkv.bias": filled(0, 144), **norm(f"blocks.{block}.norm1", 48),
                  f"blocks.{block}.mlp.fc1.weight": d.normal(192, 48, std=0.02)}
    return state


def fixup_state(d):
    he = math.sqrt(2 / (32 * 9))
    state = {"conv1.weight": d.normal(32, 3, 3, 3, std=he), "fc.weight": filled(0, 10, 32), "fc.bias": filled(0, 10)}
    for block in range(BLOCKS):
        state |= {f"layer1.{block}.conv1.weight": d.normal(32, 32, 3, 3, std=he / math.sqrt(BLOCKS)),
                  f"layer1.{block}.conv2.weight": filled(0, 32, 32, 3, 3), f"layer1.{block}.scale": filled(1, 1),
                  f"layer1.{block}.bias1a": filled(0, 1)}
    return state


def deepnorm_state(d):
    state, gain = {}, (8 * BLOCKS) ** -0.25
    for block in range(BLOCKS):
        at = f"layers.{block}"
        state |= {f"{at}.self_attn.{name}.weight": d.normal(48, 48, std=scale * math.sqrt(2 / 96)) for name, scale in (
            ("q_proj", 1), ("k_proj", 1), ("v_proj", gain), ("out_proj", gain))}
        state |= {f"{at}.fc1.weight": d.normal(192, 48, std=gain * math.sqrt(2 / 240)),
                  f"{at}.fc2.weight": d.normal(48, 192, std=gain * math.sqrt(2 / 240)),
                  f"{at}.fc1.bias": filled(0, 192), **norm(f"{at}.final_layer_norm", 48)}
    return state


def lora_state(d):
    return {f"layers.{block}.q_proj.{name}": values for block in range(BLOCKS) for name, values in (
        ("lora_A.weight", d.uniform(8, 256, end=1 / 16)), ("lora_B.weight", filled(0, 256, 8)))}


STATES = {"torch": torch_state, "keras": keras_state, "flax": flax_state, "gpt2": gpt2_state, "bert": bert_state,
          "llama": llama_state, "vit": vit_state, "fixup": fixup_state, "deepnorm": deepnorm_state, "lora": lora_state}
FREE = ("wpe", "pos_embed", "cls_token", "patch_embed", "fc.bias", "lstm_cell/bias", "bias_ih",
        "bias_k")  # of which the recipes say nothing


def found_in(state, tmp_path, recipe):
    save_file({name: np.ascontiguousarray(values) for name, values in state.items()}, tmp_path / "a.safetensors")
    return [finding for finding in audit(tmp_path / "a.safetensors", recipe).findings if finding.key == "recipe"]


@pytest.mark.parametrize("name", RECIPES)
def test_a_file_that_follows_its_recipe_has_no_deviation(tmp_path, name):
    assert [finding.text for finding in found_in(STATES[name](Draws()), tmp_path, name)] == []


@pytest.mark.parametrize("name", RECIPES)
def test_each_tensor_that_deviates_is_one_finding_with_its_ratio(tmp_path, name):
    state = STATES[name](Draws())
    for key in [key for key in state if not any(free in key for free in FREE)][:14]:
        wrong = state | {key: 1.5 * state[key] if state[key].any() else state[key] + np.float32(0.25)}
        finding, = found_in(wrong, tmp_path, name)
        assert (finding.tensors, finding.severity) == ((key,), "error")
        assert finding.ratio > 1.3


def test_the_three_ways_to_begin_lora_are_told_apart(tmp_path):
    torch = pytest.importorskip("torch", reason="needs PyTorch")
    torch.manual_seed(0)
    linear = torch.nn.Linear(64, 8, bias=False).weight.detach()
    zero = torch.zeros(64, 8)
    for a, b, keys in ((linear, zero, set()), (0 * linear, zero, {"both_zero"}),
                       (torch.full_like(linear, 0.1), zero, {"recipe"})):
        torch.save({"q.lora_A.weight": a, "q.lora_B.weight": b}, tmp_path / "lora.pt")
        found = audit(tmp_path / "lora.pt", "lora").findings
        assert {finding.key for finding in found if finding.severity == "error"} == keys
        assert len(found) == len(keys)


def test_a_learned_recipe_holds_the_gains_of_orthogonal_layers(tmp_path):
    def policy(head):
        d = Draws()
        return {"body.0.weight": d.orthogonal(64, 8, math.sqrt(2)), "body.2.weight": d.orthogonal(64, 64, math.sqrt(2)),
                "actor.weight": d.orthogonal(4, 64, head), "critic.weight": d.orthogonal(1, 64)}

    recipe = tmp_path / "recipe.toml"
    save_file({name: np.ascontiguousarray(values) for name, values in policy(0.01).items()}, tmp_path / "a.safetensors")
    recipe.write_text(learned(audit(tmp_path / "a.safetensors").tensors, "policy").to_toml())
    assert 'law = "orthogonal"\nstd = "0.01"' in recipe.read_text()
    assert found_in(policy(0.01), tmp_path, str(recipe)) == []
    finding, = found_in(policy(1.0), tmp_path, str(recipe))
    assert (finding.tensors, finding.ratio) == (("actor.weight",), pytest.approx(100, rel=0.01))


def test_modules_of_pytorch_that_draw_by_laws_of_their_own_follow_the_recipe(tmp_path):
    torch = pytest.importorskip("torch", reason="needs PyTorch")
    torch.manual_seed(0)
    modules = {"whole": torch.nn.Transformer(32, 2, 1, 1, 64), "cell": torch.nn.LSTMCell(16, 64),
               "cross": torch.nn.MultiheadAttention(64, 4, kdim=32, vdim=48, add_bias_kv=True),
               "images": torch.nn.Sequential(torch.nn.Conv2d(3, 32, 3), torch.nn.BatchNorm2d(32))}
    torch.save({f"{name}.{key}": values for name, module in modules.items()
                for key, values in module.state_dict().items()}, tmp_path / "modules.pt")
    assert [finding.text for finding in audit(tmp_path / "modules.pt", "torch").findings] == []


def test_no_law_is_learned_for_biases_that_follow_from_their_weights(tmp_path):
    d = Draws()
    state = {f"{layer}.{part}": d.uniform(*shape, end=fan_in**-0.5) for layer, (fan_in, fan_out) in enumerate(
        [(30, 64), (64, 64), (64, 10)]) for part, shape in (("weight", (fan_out, fan_in)), ("bias", (fan_out,)))}
    save_file(state, tmp_path / "a.safetensors")
    entries = {entry.pattern: entry for entry in learned(audit(tmp_path / "a.safetensors").tensors, "mlp").entries}
    assert (entries["*.bias"].law, entries["*.weight"].std) == ("any", "1 / sqrt(3 * fan_in)")


def test_what_a_recipe_says_nothing_of_is_said(tmp_path):
    d = Draws()
    save_file({"a.kernel": d.normal(64, 64, std=0.1), "b.gain": d.normal(64, 64, std=0.1)}, tmp_path / "a.safetensors")
    finding, = audit(tmp_path / "a.safetensors", "gpt2").findings
    assert (finding.severity, finding.key) == ("warning", "recipe")
    assert "its patterns match no name, as of a.kernel" in finding.text
    found = audit(tmp_path / "a.safetensors", "flax")
    assert found.say_uncovered == "The recipe flax says nothing of 1 of 2 tensors: 'b.gain'"
    assert audit(tmp_path / "a.safetensors").say_uncovered == ""


def test_attention_with_keys_of_their_own_and_a_prelu_are_as_pytorch_makes_them(tmp_path):
    torch = pytest.importorskip("torch", reason="needs PyTorch")
    torch.manual_seed(0)
    modules = {"attention": torch.nn.MultiheadAttention(64, 4, kdim=32, vdim=16), "act": torch.nn.PReLU(8)}
    torch.save({f"{name}.{key}": values for name, module in modules.items()
                for key, values in module.state_dict().items()}, tmp_path / "a.pt")
    assert audit(tmp_path / "a.pt").findings == audit(tmp_path / "a.pt", "torch").findings == ()


@pytest.mark.parametrize(("layout", "outputs_first"), [("Conv1D", False), ("Linear", True)])
def test_gpt2_names_stand_for_either_layout(tmp_path, layout, outputs_first):
    d = Draws()
    state = {}
    for name, fan_in, fan_out in (("attn.c_attn", 48, 144), ("mlp.c_fc", 48, 192), ("mlp.c_proj", 192, 48)):
        shape = (fan_out, fan_in) if outputs_first else (fan_in, fan_out)
        state[f"transformer.h.0.{name}.weight"] = d.uniform(*shape, end=fan_in**-0.5)
    save_file(state, tmp_path / "a.safetensors")
    assert all("PyTorch's Linear" in law for law in audit(tmp_path / "a.safetensors").frame["law"]), layout


def test_a_weight_that_no_draw_reaches_is_named(tmp_path):
    weights = Draws().normal(300, 200, std=0.02)
    weights[7, 9] = -2  # as timm's trunc_normal_ puts one at its cut, about once in 16 million times
    finding, = found_in({"blocks.0.mlp.fc1.weight": weights}, tmp_path, "vit")
    assert "the largest value is 92" in finding.text


def test_a_learned_recipe_holds_each_kind_of_tensor_to_its_own_entry(tmp_path):
    d = Draws()
    state = {f"{at}.weight": d.normal(64, 64, std=0.3) for at in (0, 2, 4)}
    state |= {"head.weight": filled(0, 10, 64), "attention.query.kernel": d.cut(64, 4, 16, std=1 / 8),
              "table.weight": d.cut(300, 70, std=0.037), "z.8.9.weight": filled(1, 64)}
    save_file(state, tmp_path / "a.safetensors")
    recipe = learned(audit(tmp_path / "a.safetensors").tensors, "ours")
    assert "any" not in {entry.law for entry in recipe.entries}
    assert audit(tmp_path / "a.safetensors", recipe).findings == ()
    for name in state:
        finding, = found_in(state | {name: state[name] * 1.5 + np.float32(name == "head.weight")}, tmp_path, recipe)
        assert finding.tensors == (name,)


def test_embeddings_follow_the_recipe_with_a_padding_index_and_as_a_module_alone(tmp_path):
    torch = pytest.importorskip("torch", reason="needs PyTorch")
    torch.manual_seed(0)
    for padding, prefix in ((0, "emb."), (7, "emb."), (None, "")):
        module = torch.nn.Embedding(32, 4096, padding_idx=padding)
        torch.save({f"{prefix}{key}": value for key, value in module.state_dict().items()}, tmp_path / "a.pt")
        found = audit(tmp_path / "a.pt", "torch")
        assert found.findings == ()
        assert found.frame.law[0] == "N(0, 1): PyTorch's Embedding default"


@pytest.mark.parametrize("key", sorted(SCHEMES.keys() & RECIPES.keys()))
def test_a_scheme_and_its_recipe_name_the_same_place_in_the_paper(key):
    place = r"(?:section|figure|table) [\d.]*\d"
    scheme, recipe = (re.findall(place, table[key].source) for table in (SCHEMES, RECIPES))
    assert scheme == recipe != []


def test_what_the_recipe_of_lora_says_of_a_is_what_it_holds_it_to():
    [said] = re.findall(r"N\(0, (.+?)\)", RECIPES["lora"].source)
    [std] = [entry.std for entry in RECIPES["lora"].entries if entry.law == "normal"]
    assert (said, std) == ("1/rank²", "1 / fan_out")  # a variance, as in every N(0, ...), and its standard deviation


def test_a_learned_recipe_holds_layers_that_are_numbered_with_normalizations(tmp_path):
    def net(seed):
        rng = np.random.default_rng(seed)
        shapes = {"0": (32, 3, 3, 3), "3": (64, 32, 3, 3), "6": (10, 64)}
        state = {f"{at}.weight": rng.uniform(-1, 1, shape) / math.sqrt(math.prod(shape[1:]))
                 for at, shape in shapes.items()}
        return {name: values.astype("f") for name, values in (state | {
            f"{at}.weight": np.ones(width) for at, width in ((1, 32), (4, 64))}).items()}

    def saved(state, name):
        save_file(state, tmp_path / name)
        return tmp_path / name

    path = tmp_path / "ours.toml"
    path.write_text(learned(audit(saved(net(0), "a.safetensors")).tensors, "ours").to_toml())
    other = net(1)
    assert audit(saved(other, "b.safetensors"), str(path)).findings == ()
    other |= {"3.weight": 1.5 * other["3.weight"], "4.weight": 0 * other["4.weight"]}
    found = audit(saved(other, "c.safetensors"), str(path)).findings
    assert {finding.tensors for finding in found} == {("3.weight",), ("4.weight",)}


@pytest.mark.parametrize(("entry", "sentence"), [
    ("law = 'normal'\nsdt = '0.02'", "may have a pattern, a law and a std, got 'sdt'"),
    ("law = 'normal'\nstd = '-0.02'", "std of 'a' must be at least 0, got '-0.02'")])
def test_what_an_entry_of_a_recipe_cannot_mean_is_refused(tmp_path, entry, sentence):
    path = tmp_path / "a.toml"
    path.write_text(f"[[tensor]]\npattern = 'a'\n{entry}")
    with pytest.raises(ValueError, match=sentence):
        read_recipe(str(path))


def test_a_recipe_may_begin_with_a_byte_order_mark(tmp_path):
    path = tmp_path / "a.toml"
    path.write_text("[[tensor]]\npattern = 'a'\nlaw = 'normal'\nstd = 0.02", encoding="utf-8-sig")
    assert read_recipe(str(path)).entries[0].std == "0.02"
