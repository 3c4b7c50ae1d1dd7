"""Which law drew each tensor, and what an audit finds."""

from __future__ import annotations

import importlib.util
import json
import math

import numpy as np
import pytest
from safetensors.numpy import save_file

from initviz import INITIALIZERS, Network, Recipe, initialize, make_batch
from initviz.core.initializers import law_of
from initviz.core.initializers.laws import variance_scaling
from initviz.diagnosis.audit import RECIPES, audit, examine, read_recipe
from initviz.diagnosis.audit import laws as laws_module
from initviz.diagnosis.audit.kinds import role_of
from initviz.diagnosis.audit.laws import laws_in_words, laws_of
from initviz.diagnosis.audit.measures import measure
from initviz.diagnosis.audit.recipes import learned
from initviz.files.weights.tensors import Container, Tensor
from initviz.training.gradient_descent import race

SHAPES = [(1, 1), (1, 7), (5, 1), (3, 2), (8, 8), (4, 16), (50, 30), (100, 300), (128, 784), (512, 512), (1024, 256),
          (16, 16, 3, 3), (64, 3, 7, 7)]
needs_torch = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="needs PyTorch")


def gpt2(*, scaled=True, width=768, blocks=12, seed=0):
    """A state dict of GPT-2's shape, drawn as it is meant, or without 1/sqrt(2 L)."""
    rng = np.random.default_rng(seed)

    def normal(*shape, std=0.02):
        return rng.standard_normal(shape, dtype=np.float32) * np.float32(std)

    state = {"wte.weight": normal(1000, width), "wpe.weight": normal(64, width, std=0.01),
             "ln_f.weight": np.ones(width, np.float32), "ln_f.bias": np.zeros(width, np.float32)}
    into_stream = 0.02 / math.sqrt(2 * blocks) if scaled else 0.02
    for block in range(blocks):
        for name, outputs, std in (("attn.c_attn", 3 * width, 0.02), ("attn.c_proj", width, into_stream),
                                   ("mlp.c_fc", 4 * width, 0.02), ("mlp.c_proj", width, into_stream)):
            inputs = 4 * width if name == "mlp.c_proj" else width
            state[f"h.{block}.{name}.weight"] = normal(inputs, outputs, std=std)
            state[f"h.{block}.{name}.bias"] = np.zeros(outputs, np.float32)
        for name in ("ln_1", "ln_2"):
            state[f"h.{block}.{name}.weight"] = np.ones(width, np.float32)
            state[f"h.{block}.{name}.bias"] = np.zeros(width, np.float32)
    return state


def saved(state, path):
    save_file({name: np.ascontiguousarray(values) for name, values in state.items()}, path)
    return path


def draw(key, shape, rng):
    """A tensor of PyTorch's layout (out, in, *kernel) as the initializer draws it; a kernel from one matrix."""
    fan_in = math.prod(shape[1:])
    fan_out = shape[0] * math.prod(shape[2:])
    if len(shape) == 2:
        return np.ascontiguousarray(initialize(key, fan_in, shape[0], rng=rng, dtype="float32").T)
    law = law_of(key)  # of a convolution the fans count the kernel on both sides
    whole = law.draw(fan_in, shape[0], rng, np.float32)
    matrices = "orthogonal", "sparse"  # whose laws are of the whole matrix
    gain = 1 if key in matrices else math.sqrt(law.variance(fan_in, fan_out) / law.variance(fan_in, shape[0]))
    return (gain * whole.T).reshape(shape).astype("f")


def test_the_scale_that_was_never_applied_is_24_findings_of_a_ratio_of_4_9(tmp_path):
    path = saved(gpt2(scaled=False), tmp_path / "gpt2.safetensors")
    found = audit(path, "gpt2").findings
    assert len(found) == 24
    assert all(finding.severity == "error" and finding.tensors[0].endswith("c_proj.weight") for finding in found)
    assert [finding.ratio for finding in found] == [pytest.approx(math.sqrt(24), abs=0.05)] * 24


@pytest.mark.parametrize("recipe", [None, "gpt2"])
def test_nothing_is_found_in_a_file_that_follows_its_recipe(tmp_path, recipe):
    assert audit(saved(gpt2(), tmp_path / "gpt2.safetensors"), recipe).findings == ()


@pytest.mark.parametrize("key", [key for key, entry in INITIALIZERS.items()])
def test_the_true_law_is_always_among_those_named(key):
    rng = np.random.default_rng(list(INITIALIZERS).index(key))
    for shape in SHAPES * 3:
        if len(shape) > 2 and (key in ("identity", "zero_identity") or not law_of(key).variance(9, 9)):
            continue  # drawn of matrices alone
        values = draw(key, shape, rng)
        names = laws_of(values, measure(values), role_of("block.weight", shape))
        assert any(f"({key}" in name for law in names for name in law.names), (shape, names)


def test_of_a_thousand_tensors_drawn_correctly_each_law_is_named_and_at_most_one_finding_is_false():
    drawn = [key for key in INITIALIZERS if law_of(key).random]
    rng = np.random.default_rng(0)
    keys = [(key, (4096, 1024)) for key in drawn]
    while len(keys) < 1000:
        keys.append((drawn[rng.integers(len(drawn))], SHAPES[rng.integers(len(SHAPES))]))
    tensors = tuple(Tensor(f"layers.{number}.weight", shape, "float32",
                           lambda number=number, key=key, shape=shape: draw(key, shape, np.random.default_rng(number)))
                    for number, (key, shape) in enumerate(keys))
    found = examine([Container(tensors, {})]).judged()
    unnamed = [(key, record.shape, record.laws) for (key, _), record in zip(keys, found.tensors, strict=True)
               if not any(f"({key}" in name for law in record.laws for name in law.names)]
    assert not unnamed
    assert len(found.findings) <= 1, [finding.text for finding in found.findings]


SMALL = ((1, 1), (2, 2), (1, 64), (64, 1), (7, 5), (10, 10), (2, 16), (31, 33), (64, 64), (10, 256), (300, 100),
         (2048, 2), (33, 3, 3, 3), (8, 8, 1, 1), (64, 32, 5, 5), (4, 128, 3), (128, 1, 3, 3))


@pytest.mark.parametrize("seed", [505, 707])
def test_blocks_that_follow_different_laws_are_named_and_at_most_one_finding_is_false(seed):
    rng = np.random.default_rng(seed)
    drawn = [key for key in INITIALIZERS if law_of(key).random]
    keys = [(drawn[rng.integers(len(drawn))], SMALL[rng.integers(len(SMALL))]) for _ in range(1000)]
    tensors = tuple(Tensor(f"{('layers', 'blocks', 'h')[at % 3]}.{at}.weight", shape, "float32",
                           lambda at=at, key=key, shape=shape: draw(key, shape, np.random.default_rng((seed, at))))
                    for at, (key, shape) in enumerate(keys))
    found = examine([Container(tensors, {})]).judged()
    assert all(any(f"({key}" in name for law in record.laws for name in law.names)
               for (key, _), record in zip(keys, found.tensors, strict=True))
    assert len(found.findings) <= 1, found.findings


@pytest.mark.parametrize(("key", "parameters", "law"), [
    ("he_normal", {"negative_slope": 0.2}, "He normal, negative_slope 0.2"),
    ("he_normal", {"negative_slope": 0.2, "mode": "fan_out"}, "std 1.39/√fan_out: He normal, negative_slope 0.2"),
    ("he_uniform", {"negative_slope": 0.3}, "He uniform, negative_slope 0.3"), ("siren", {"w0": 10.0}, "SIREN, w0 10"),
    ("normal", {"std": 0.037}, "N(0, 0.037²)"), ("uniform", {"limit": 0.3}, "U(±0.3)")])
def test_a_law_is_named_at_the_usual_values_of_its_parameters(key, parameters, law):
    values = law_of(key, **parameters).draw(900, 700, np.random.default_rng(0), np.float32).T.copy()
    named = laws_of(values, measure(values), role_of("a.weight", values.shape))
    assert law in laws_in_words(named)
    assert any(f"({key}" in name for one in named for name in one.names)


@pytest.mark.parametrize("key", ["he_normal", "torch_linear", "orthogonal"])
def test_a_trained_layer_looks_trained_and_is_not_called_faulty(tmp_path, key):
    network = Network((64, 64, 64, 10), "relu", key)
    run = race([network], make_batch("digits", 512), Recipe("adam", 0.003, 400, 64)).advance()
    weights, biases = run.parameters()[0]
    state = {f"{at}.weight": w.T for at, w in enumerate(weights)} | {f"{at}.bias": b for at, b in enumerate(biases)}
    found = audit(saved(state, tmp_path / "trained.safetensors"))
    table = found.frame.set_index("name")
    assert set(table.loc[["0.weight", "1.weight", "2.weight"], "law"]) == {"none of the known: looks trained"}
    assert not any(law.free for record in found.tensors if record.role.kind == "bias" for law in record.laws)
    assert found.severity != "error"


def weights(shape=(64, 32), seed=0):
    return initialize("he_normal", shape[1], shape[0], rng=np.random.default_rng(seed), dtype="float32").T.copy()


def keys(state, tmp_path, recipe=None):
    found = audit(saved(state, tmp_path / "a.safetensors"), recipe).findings
    return [(finding.key, finding.severity) for finding in found]


def test_equal_tensors_are_one_finding_for_blocks_that_are_copies(tmp_path):
    state = {f"layers.{block}.{name}.weight": weights(seed=seed) for block in range(4)
             for seed, name in enumerate(("q", "k"))}
    found, = audit(saved(state, tmp_path / "a.safetensors")).findings
    assert (found.key, found.severity, len(found.tensors)) == ("equal", "error", 8)


@needs_torch
def test_blocks_are_called_copies_only_where_all_that_is_drawn_is_equal(tmp_path):
    import torch
    torch.manual_seed(0)
    torch.save(torch.nn.Transformer(32, 2, 3, 3, 64).state_dict(), tmp_path / "whole.pt")
    found = audit(tmp_path / "whole.pt").findings  # it draws all matrices again, and not the biases
    assert [(finding.key, finding.severity) for finding in found] == [("equal", "warning")] * 2
    assert all("blocks are copies" not in finding.text for finding in found)


def test_a_tied_read_out_is_named_and_not_a_finding(tmp_path):
    state = {"wte.weight": weights((500, 32)), "lm_head.weight": weights((500, 32))}
    found = audit(saved(state, tmp_path / "a.safetensors"))
    assert (found.findings, found.tied) == ((), (("lm_head.weight", "wte.weight"),))


def test_copied_neurons_zeros_and_one_value_are_told_apart(tmp_path):
    copied = weights()
    copied[5] = copied[9]
    assert keys({"a.weight": copied}, tmp_path) == [("copies", "error")]
    assert keys({"a.weight": np.full((8, 8), 0.5, "f")}, tmp_path) == [("copies", "error")]
    assert keys({"a.weight": np.zeros((8, 8), "f")}, tmp_path) == [("zeros", "note")]


def test_both_factors_zero_is_an_error_and_one_is_right(tmp_path):
    a, b = weights((8, 64)), np.zeros((64, 8), "f")
    assert ("both_zero", "error") not in keys({"q.lora_A.weight": a, "q.lora_B.weight": b}, tmp_path)
    assert ("both_zero", "error") in keys({"q.lora_A.weight": 0 * a, "q.lora_B.weight": b}, tmp_path)
    assert keys({"q.lora_A.weight": a * 0 + 1, "q.lora_B.weight": b}, tmp_path, "lora") == [("recipe", "error")]


def test_weights_of_one_sign_and_values_that_are_no_numbers_are_errors(tmp_path):
    rng = np.random.default_rng(0)
    assert ("one_sign", "error") in keys({"a.weight": rng.random((32, 32), "f") + 1e-3}, tmp_path)
    assert keys({"a.weight": np.array([[1, np.nan], [2, 3]], "f")}, tmp_path) == [("not_finite", "error")]


def test_one_of_a_family_with_another_scale_is_found_and_so_is_a_trend(tmp_path):
    state = {f"layers.{block}.weight": weights((64, 64), block) for block in range(8)}
    assert keys(state, tmp_path) == []
    assert keys(state | {"layers.3.weight": 3 * state["layers.3.weight"]}, tmp_path) == [("scale", "error")]
    assert keys({name: 1.2**block * values for block, (name, values) in enumerate(state.items())},
                tmp_path) == [("trend", "warning")]
    assert keys({name: values / math.sqrt(block + 1) for block, (name, values) in enumerate(state.items())},
                tmp_path) == [("trend", "note")]  # as BEiT's


@pytest.mark.parametrize(("place", "severity"), [(4, "warning"), (9, "note")])
def test_a_layer_that_keeps_the_default_is_found_and_the_last_one_is_a_note(tmp_path, place, severity):
    state = {f"layers.{layer}.weight": weights((64, 64), layer) for layer in range(10)}
    drawn = np.random.default_rng(0).uniform(-1, 1, (64, 64)) / 8
    assert ("default", severity) in keys(state | {f"layers.{place}.weight": drawn.astype("f")}, tmp_path)


def test_a_layer_beside_the_blocks_that_keeps_the_default_is_a_note_wherever_the_file_holds_it(tmp_path):
    state = {f"layers.{layer}.weight": weights((64, 64), layer) for layer in range(10)}
    drawn = (np.random.default_rng(0).uniform(-1, 1, (64, 64)) / 8).astype("f")
    for name in ("head.weight", "stem.weight"):
        found, = audit(saved(state | {name: drawn}, tmp_path / "a.safetensors")).findings
        assert (found.severity, found.tensors) == ("note", (name,))
        assert "beside the blocks" in found.text


def test_a_first_convolution_that_keeps_the_default_is_a_note(tmp_path):
    drawn = (np.random.default_rng(0).uniform(-1, 1, (64, 3, 4, 4)) / math.sqrt(48)).astype("f")
    state = {"0.0.weight": drawn} | {f"1.{layer}.weight": weights((64, 64), layer) for layer in range(10)}
    found, = audit(saved(state, tmp_path / "a.safetensors")).findings
    assert (found.severity, found.tensors) == ("note", ("0.0.weight",))


def test_decays_of_a_state_space_are_alike_by_design(tmp_path):
    decays = np.tile(np.log(np.arange(1, 9)), (64, 1)).astype("f")
    assert keys({f"layers.{layer}.A_log": decays for layer in range(4)}, tmp_path) == []


def test_biases_of_forget_gates_are_alike_by_design(tmp_path):
    forget = np.repeat(np.array([0, 1, 0, 0], "f"), 32)
    found = audit(saved({f"layers/{at}/lstm_cell/bias": forget for at in range(4)} | {"b/lstm_cell/bias": forget},
                        tmp_path / "a.safetensors"))
    assert (found.findings, found.equal) == ((), ())


@pytest.mark.parametrize(("name", "shape"), [
    ("a.weight_g", (64, 1)), ("a.parametrizations.weight.original0", (64, 1, 1, 1)), ("a.weight_scale", (64, 1)),
    ("a.weight_scale_inv", (8, 8)), ("a.scales", (8, 64)), ("a.lora_magnitude_vector.default.weight", (64,))])
def test_lengths_and_scales_are_of_one_sign_by_design(tmp_path, name, shape):
    lengths = 0.5 + 0.1 * np.random.default_rng(0).random(shape, "f")
    assert keys({name: lengths}, tmp_path) == []


def test_masks_and_tables_that_a_model_computes_are_alike_by_design(tmp_path):
    mask, waves = np.tril(np.ones((1, 1, 32, 32), "f")), (1e-4 ** (np.arange(32) / 32)).astype("f")
    low = np.where(mask > 0, 0, -1e4).astype("f")
    for name, table in (("attn.bias", mask), ("attn.causal", low), ("rotary_emb.inv_freq", waves)):
        found = audit(saved({f"h.{layer}.{name}": table for layer in range(4)}, tmp_path / "a.safetensors"))
        assert (found.findings, found.equal) == ((), ()), name
    drawn = np.random.default_rng(0).random((32, 32), "f") - 0.5
    assert ("equal", "error") in keys({f"h.{layer}.attn.weight": drawn for layer in range(4)}, tmp_path)


def test_a_matrix_of_one_value_in_a_family_is_one_finding(tmp_path):
    state = {f"layers.{layer}.weight": weights((64, 64), layer) for layer in range(8)}
    assert keys(state | {"layers.3.weight": np.full((64, 64), 0.01, "f")}, tmp_path) == [("copies", "error")]


def test_layers_of_one_width_share_a_scale_whatever_the_first_one_takes(tmp_path):
    rng, most = np.random.default_rng(0), math.sqrt(6 / 256) / 30  # SIREN
    state = {"0.weight": rng.uniform(-0.5, 0.5, (256, 2))} | {
        f"{layer}.weight": rng.uniform(-most, most, (256, 256)) for layer in range(1, 5)}
    assert keys({name: values.astype("f") for name, values in state.items()}, tmp_path) == []


@needs_torch
def test_attention_alone_and_bilinear_layers_follow_pytorchs_defaults(tmp_path):
    import torch
    torch.manual_seed(0)
    torch.save(torch.nn.MultiheadAttention(64, 4, kdim=32, vdim=48).state_dict(), tmp_path / "attention.pt")
    assert audit(tmp_path / "attention.pt").findings == ()
    torch.save({f"bilinear.{name}": values for name, values in torch.nn.Bilinear(16, 24, 32).state_dict().items()},
               tmp_path / "bilinear.pt")
    table = audit(tmp_path / "bilinear.pt").frame.set_index("name")
    assert "U(±1/√fan_in)" in table.loc["bilinear.weight", "law"]


def test_one_scale_for_all_fans_is_found_where_the_signal_cannot_live_with_it(tmp_path):
    rng = np.random.default_rng(0)
    state = {f"{name}.weight": (std * rng.standard_normal(shape)).astype("f") for std in (0.001,)
             for name, shape in (("a", (64, 784)), ("b", (32, 64)), ("c", (10, 32)))}
    assert keys(state, tmp_path) == [("fan", "warning")]


def test_a_recipe_is_learned_from_a_file_and_holds_the_next_one(tmp_path):
    right = audit(saved(gpt2(width=64, blocks=6), tmp_path / "a.safetensors"))
    path = tmp_path / "recipe.toml"
    path.write_text(learned(right.tensors, "ours").to_toml())
    assert audit(saved(gpt2(width=64, blocks=6, seed=1), tmp_path / "b.safetensors"), str(path)).findings == ()
    wrong = audit(saved(gpt2(width=64, blocks=6, scaled=False), tmp_path / "c.safetensors"), str(path)).findings
    assert len(wrong) == 12


@pytest.mark.parametrize("text", [
    "", "x = [", "[[tensor]]\npattern = 3\nlaw = 'normal'", "[[tensor]]\npattern = 'a'\nlaw = 'cauchy'",
    "[[tensor]]\npattern = 'a'\nlaw = 'normal'\nstd = '__import__(\"os\").getcwd()'",
    "[[tensor]]\npattern = 'a'\nlaw = 'normal'\nstd = '9**9**9**9'",
    "[[tensor]]\npattern = 'a'\nlaw = 'normal'\nstd = 'q'"])
def test_a_recipe_that_is_none_is_refused_in_one_sentence(tmp_path, text):
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"^[^\n]+$"):
        read_recipe(str(path))


def test_the_report_as_json_is_one_object(tmp_path):
    state = {"a.weight": weights(), "b.weight": np.array([[np.inf, 1]], "f")}
    read = json.loads(audit(saved(state, tmp_path / "a.safetensors")).to_json())
    assert {"name", "shape", "std", "laws"} <= set(read["tensors"][0])
    assert {"severity", "tensors", "measured", "expected", "rule", "source"} <= set(read["findings"][0])


def test_every_recipe_reads_back_as_it_was_written(tmp_path):
    for recipe in RECIPES.values():
        path = tmp_path / f"{recipe.name}.toml"
        path.write_text(recipe.to_toml())
        assert read_recipe(str(path)) == recipe


@needs_torch
def test_files_of_pytorch_follow_its_defaults_and_cloned_layers_are_found(tmp_path):
    import torch
    torch.manual_seed(0)
    modules = {"linear": torch.nn.Linear(300, 200), "conv": torch.nn.Conv2d(16, 32, 3),
               "emb": torch.nn.Embedding(100, 64), "norm": torch.nn.LayerNorm(64),
               "attention": torch.nn.MultiheadAttention(64, 4)}
    state = {f"{name}.{key}": value for name, module in modules.items() for key, value in module.state_dict().items()}
    torch.save(state, tmp_path / "defaults.pt")
    found = audit(tmp_path / "defaults.pt", "torch")
    assert [finding.text for finding in found.findings if finding.severity == "error"] == []
    torch.save(torch.nn.LSTM(32, 64).state_dict(), tmp_path / "lstm.pt")
    table = audit(tmp_path / "lstm.pt").frame.set_index("name")
    assert "U(±1/√hidden): PyTorch's LSTM default" in table.loc["weight_hh_l0", "law"]
    encoder = torch.nn.TransformerEncoder(torch.nn.TransformerEncoderLayer(32, 2, 64), 6)
    torch.save(encoder.state_dict(), tmp_path / "encoder.pt")
    cloned = [finding for finding in audit(tmp_path / "encoder.pt").findings if finding.key == "equal"]
    assert len(cloned) == 1
    assert "6 blocks are copies" in cloned[0].text


def test_neurons_that_are_nearly_copies_are_found(tmp_path):
    rng = np.random.default_rng(0)
    near = (weights((1, 64)) + 0.001 * rng.standard_normal((48, 64))).astype("f")
    assert ("near_copies", "warning") in keys({"a.weight": near}, tmp_path)


def test_heads_that_are_copies_are_named_with_their_distance(tmp_path):
    heads = np.concatenate([weights((16, 64))] * 4)
    found, = [finding for finding in audit(saved({"q.weight": heads}, tmp_path / "a.safetensors")).findings
              if finding.key == "copies"]
    assert found.measured == 48
    assert "16 apart: whole heads or blocks are copies" in found.text


def test_laws_that_are_not_random_are_named_and_only_true_copies_found(tmp_path):
    rng = np.random.default_rng(0)
    for key, expected in (("zeros", [("zeros", "note")]), ("ones", [("copies", "error")]),
                          ("constant", [("copies", "error")]), ("identity", []), ("zero_identity", [])):
        for shape in ((8, 8), (64, 32), (32, 64), (1024, 256)):
            assert keys({"a.weight": draw(key, shape, rng)}, tmp_path) == expected, (key, shape)


def both_layouts(values):
    """A kernel (out, in, *kernel) as PyTorch has it, and as Keras and Flax have it: (*kernel, in, out)."""
    return {"a.weight": values, "b.kernel": np.moveaxis(values, (0, 1), (-1, -2))}


@pytest.mark.parametrize("key", ["orthogonal", "sparse", "he_normal", "torch_linear"])
def test_a_kernel_is_told_in_either_layout(tmp_path, key):
    for shape in ((64, 16, 3, 3), (16, 64, 5), (8, 40, 1, 3)):
        state = both_layouts(draw(key, shape, np.random.default_rng(0)))
        found = json.loads(audit(saved(state, tmp_path / "a.safetensors")).to_json())
        assert all(any(f"({key}" in law for law in tensor["laws"]) for tensor in found["tensors"]), shape
        assert found["findings"] == []


@pytest.mark.parametrize(("key", "law"), [("identity", "the same in every draw"), ("orthogonal", "orthogonal, gain 1")])
def test_a_kernel_that_is_0_beside_its_center_is_told_by_what_stands_there(tmp_path, key, law):
    kernel = np.zeros((32, 16, 3, 3), np.float32)
    kernel[:, :, 1, 1] = draw(key, (32, 16), np.random.default_rng(0))
    found = audit(saved(both_layouts(kernel), tmp_path / "a.safetensors"))
    assert all(f"{law}, at the kernel's center" in named for named in found.frame["law"])
    assert found.findings == ()


def test_copied_filters_are_counted_in_either_layout(tmp_path):
    kernel = draw("he_normal", (32, 16, 5, 5), np.random.default_rng(0))
    kernel[3] = kernel[7]
    found = audit(saved(both_layouts(kernel), tmp_path / "a.safetensors")).findings
    assert [(finding.key, finding.measured) for finding in found] == [("copies", 1), ("copies", 1)]
    assert "of b.kernel's 32 neurons" in found[1].text


def test_a_matrix_of_few_weights_has_no_copies_by_accident(tmp_path):
    rng = np.random.default_rng(0)
    for seed in range(40):
        assert keys({f"{seed}.weight": draw("sparse", (6, 800), rng)}, tmp_path) == []


def test_a_finding_says_its_expectation_with_its_sampling_error(tmp_path):
    found = audit(saved(gpt2(scaled=False, width=64, blocks=4), tmp_path / "a.safetensors"), "gpt2").findings
    expected = 0.02 / math.sqrt(8)
    assert [finding.expected for finding in found] == [pytest.approx(expected)] * 8
    assert found[0].expected_error == pytest.approx(expected / math.sqrt(2 * 64 * 64))
    assert "±" in found[0].text


def test_one_formula_is_said_once_with_all_its_names(tmp_path):
    rng = np.random.default_rng(0)
    state = {"a.weight": np.zeros(8, "f"), "b.weight": (0.02 * rng.standard_normal((300, 200))).astype("f")}
    found = audit(saved(state, tmp_path / "a.safetensors"))
    assert list(found.frame["law"]) == ["one value: 0", "N(0, 0.02²): GPT-2 or BERT or ViT"]
    laws = json.loads(found.to_json())["tensors"][0]["laws"]
    assert laws == ["one value: 0: Zeros (zeros)", "one value: 0: Constant (constant)"]


def test_what_a_number_format_loses_is_found(tmp_path):
    assert ("format", "warning") in keys({"a.weight": 1e-8 * weights()}, tmp_path)
    outlier = 1e-5 * weights()
    outlier[0, 0] = 100
    found = [finding for finding in audit(saved({"a.weight": outlier}, tmp_path / "b.safetensors")).findings
             if finding.key == "format"]
    assert [finding.text.split(" rounds")[0] for finding in found] == ["fp8 E4M3, scaled so that the largest fits,"]
    assert keys({"a.gamma": np.full(64, 1e-6, "f")}, tmp_path) == []  # fp16 keeps it, as a subnormal number
    assert ("subnormal", "warning") in keys({"a.weight": (1e-5 * weights()).astype(np.float16)}, tmp_path)


@needs_torch
def test_the_biases_of_pytorch_follow_from_the_weight_beside_them(tmp_path):
    import torch
    torch.manual_seed(0)
    torch.save(torch.nn.Linear(300, 200).state_dict(), tmp_path / "linear.pt")
    torch.save(torch.nn.LSTM(32, 64).state_dict(), tmp_path / "lstm.pt")
    assert "U(±1/√fan_in)" in audit(tmp_path / "linear.pt").frame.set_index("name").loc["bias", "law"]
    assert "PyTorch's LSTM default" in audit(tmp_path / "lstm.pt").frame.set_index("name").loc["bias_hh_l0", "law"]


def test_tensors_that_are_not_judged_are_counted_and_an_audit_of_none_has_an_empty_table(tmp_path):
    found = audit(saved({"steps": np.arange(3), "none.weight": np.zeros((0, 4), "f")}, tmp_path / "a.safetensors"))
    assert (found.findings, len(found.frame), "law" in found.frame) == ((), 0, True)
    assert {name for name, _ in found.passed_over} == {"steps", "none.weight"}
    assert "2 tensors" in found.say_passed_over


def test_shards_are_read_with_or_without_their_index_and_never_twice(tmp_path):
    shards = [saved({f"{name}.weight": weights(seed=seed)}, tmp_path / f"{name}.safetensors")
              for seed, name in enumerate("ab")]
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a.weight": "a.safetensors", "b.weight": "b.safetensors"}}))
    assert list(audit(index).frame["name"]) == list(audit(shards).frame["name"]) == ["a.weight", "b.weight"]
    assert list(audit([index, *shards]).frame["name"]) == ["a.weight", "b.weight"]
    with pytest.raises(ValueError, match="stands in two"):
        audit([shards[0], shards[0]])


def test_a_new_initializer_whose_formula_no_scale_writes_down_is_named_by_its_own_variance(monkeypatch):
    law = variance_scaling(1.7, "fan_avg", "uniform")
    monkeypatch.setattr(laws_module, "_table", lambda: (("New (new)", law),))
    laws_module._known_laws.cache_clear()
    try:
        values = law.draw(60, 200, np.random.default_rng(0), np.float32).T
        names = laws_of(values, measure(values), role_of("a.weight", values.shape))
        assert any("New (new)" in entry.names for entry in names)
        half = np.float32(0.5) * values
        names = laws_of(half, measure(half), role_of("a.weight", values.shape))
        assert not any("New (new)" in entry.names for entry in names)
    finally:
        laws_module._known_laws.cache_clear()


@pytest.mark.parametrize(("dtype", "largest"), [("float32", 1e15), ("float32", 3e38), ("float64", 1e100)])
def test_moments_are_right_where_one_late_value_is_huge(dtype, largest):
    values = np.random.default_rng(0).standard_normal(70_000).astype(dtype)
    values[-1] = largest
    measured = measure(values)
    assert measured.most == pytest.approx(largest)
    assert measured.std == pytest.approx(largest * math.sqrt(1 / 70_000 - 1 / 70_000**2))
    assert measured.kurtosis == pytest.approx(70_000, rel=0.01)
