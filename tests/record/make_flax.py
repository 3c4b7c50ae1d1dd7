"""Record the Flax models of the tests: ``python tests/record/make_flax.py``, with JAX, Flax and optax installed."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn

FOLDER = Path(__file__).parent / "flax"
KEY = jax.random.PRNGKey(0)


class MLP(nn.Module):
    @nn.compact
    def __call__(self, x):
        for _ in range(3):
            x = nn.relu(nn.Dense(64)(x))
        return nn.Dense(10)(x)


class CNN(nn.Module):
    @nn.compact
    def __call__(self, x):
        for width in (16, 32, 64):
            x = nn.relu(nn.BatchNorm(use_running_average=False)(nn.Conv(width, (3, 3), strides=2, use_bias=False)(x)))
        return nn.Dense(10)(x.mean((1, 2)))


class Block(nn.Module):
    @nn.compact
    def __call__(self, x):
        y = nn.LayerNorm()(x)
        x = x + nn.MultiHeadDotProductAttention(4)(y, y)
        y = nn.gelu(nn.Dense(256)(nn.LayerNorm()(x)))
        return x + nn.Dense(64)(y)


class GPT(nn.Module):
    @nn.compact
    def __call__(self, tokens):
        embedding = nn.Embed(100, 64, embedding_init=nn.initializers.normal(0.02))
        x = embedding(tokens)
        for _ in range(6):
            x = Block()(x)
        return embedding.attend(nn.LayerNorm()(x))


def loss_of(model, x, y):
    variables = model.init(KEY, x)
    rest = {name: values for name, values in variables.items() if name != "params"}

    def loss(params):
        outputs, _ = model.apply({"params": params, **rest}, x, mutable=list(rest))
        return optax.softmax_cross_entropy_with_integer_labels(outputs, y).mean()
    return loss, variables["params"]


def main():
    spec = importlib.util.spec_from_file_location("flax_recorder", Path(__file__).parents[2] / "initviz/record/flax.py")
    recorder = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(recorder)
    y = jax.random.randint(KEY, (64,), 0, 10)
    tokens = jax.random.randint(KEY, (2, 33), 0, 100)
    models = {"mlp": loss_of(MLP(), jax.random.normal(KEY, (64, 20)), y),
              "cnn": loss_of(CNN(), jax.random.normal(KEY, (64, 16, 16, 3)), y),
              "gpt": loss_of(GPT(), tokens[:, :-1], tokens[:, 1:])}
    loss, params = models["gpt"]
    kernel = params["Block_2"]["Dense_0"]["kernel"]
    constant = params | {"Block_2": params["Block_2"] | {
        "Dense_0": params["Block_2"]["Dense_0"] | {"kernel": jnp.full_like(kernel, 0.01)}}}
    for name, (step, start) in (models | {"constant": (loss, constant)}).items():
        recorder.record(step, start, str(FOLDER / f"{name}.json.gz"), rate=0.01 if name == "mlp" else None)


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    main()
