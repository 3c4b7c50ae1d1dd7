"""What words in the names of layers and networks say: which part of a model they are, and which exclude each other."""

from __future__ import annotations

import re

TRUNKS = frozenset({"shared", "trunk", "backbone", "base", "body", "features", "feature", "torso", "stem", "common",
                    "extractor", "embedding", "embed"})
HEADS = frozenset({"head", "classifier", "output", "out", "fc", "final", "predictor", "top", "readout", "logits",
                   "projection", "proj", "linear", "last", "tail", "neck"})
LAST = frozenset({"head", "classifier", "out", "output", "final", "predictor", "readout", "logits", "last", "tail"})
LAYERS = frozenset({"fc", "l", "lin", "linear", "dense", "hidden", "h", "layer", "layers", "out", "output", "in",
                    "input", "affine", "w", "weight", "kernel", "theta", "block", "blocks", "stage", "ff", "ffn",
                    "last", "first", "final", "mlp", "head", "connected", "full", "fully"})  # that no network is called
ENSEMBLES = frozenset({"models", "ensemble", "members", "critics", "actors", "nets", "networks", "experts",
                       "estimators", "agents", "qs"})
PARALLEL = frozenset({"heads", "outputs", "towers", "classifiers", "tasks"})  # lists of which one follows the trunk
ENCODERS, DECODERS = frozenset({"encoder", "enc", "encode"}), frozenset({"decoder", "dec", "decode"})
SERIES = re.compile(r"(?:(?:[a-z]*(?:block|layer|stage|module|hidden|dense|linear|fc)s?|h)_?)?[0-9]+", re.IGNORECASE)
COPY = {"target", "ema", "old"}  # what the name of a network's copy has more
# Words for one thing, and pairs of things of which a network has one.
POLICY, VALUE = {"action", "actor", "policy", "pi", "act"}, {"value", "critic", "v", "vf", "q", "qf", "val"}
MEAN, SPREAD = {"mu", "mean", "means", "loc"}, {"logvar", "logstd", "var", "std", "sigma", "logsigma", "variance",
                                                "scale"}
NOISE = {"logstd", "logsigma", "std"}  # a vector of a policy's that is no bias
EXCLUSIVE = ((POLICY, VALUE), (VALUE, {"advantage", "adv"}), (MEAN, SPREAD), ({"online", "local"}, {"target"}),
          ({"teacher"}, {"student"}),
          ({"generator", "gen", "g"}, {"discriminator", "disc", "d"}))


def words(name: str) -> set[str]:
    """The words of a name, in small letters: q_net.valueHead as {q, net, value, head}; log_var is one word."""
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    joined = re.sub(r"(?i)log[_ ]?(var|std|sigma)", r"log\1", apart)
    return {word for word in re.split(r"[^a-z]+", joined.lower()) if word}


def are_exclusive(a: str, b: str) -> bool:
    """Whether two names are of things of which a network has one, such as an actor and a critic."""
    one, other = words(a), words(b)
    if one and other and one ^ other and not (one ^ other) - COPY:
        return True
    only, there = one - other, other - one
    return any((only & first and there & second) or (only & second and there & first) for first, second in EXCLUSIVE)
