from dataclasses import replace

import numpy as np
import pytest

from initviz import Architecture, Network, make_batch, propagate, simulate
from initviz.app.presets import PRESETS
from initviz.app.settings import Settings
from initviz.core.wording import number, percent
from initviz.diagnosis.verdict import KINDS, judge


def judged(key, **changes):
    settings = replace(Settings(), **changes)
    batch = make_batch(settings.input, settings.batch, seed=settings.seed, features=settings.width)
    return judge(simulate(settings.network(key), batch))


@pytest.mark.parametrize(("key", "changes", "kind", "words"), [
    ("zeros", {}, "silent", "all 128 neurons are copies"),
    ("constant", {}, "collapsed", "all 128 neurons are copies"),
    ("ones", {"activation": "relu", "depth": 40}, "overflow", "overflows float32"),
    ("normal", {"std": 0.01}, "vanishing", "keeps"),
    ("normal", {"std": 0.01, "activation": "relu", "depth": 100}, "vanishing", "exactly 0"),
    ("normal", {"std": 1.0}, "saturated", "at the ends of their range"),
    ("normal", {"std": 1.0, "activation": "relu"}, "exploding", "multiplies"),
    ("xavier_normal", {"activation": "relu"}, "vanishing", "keeps"),
    ("xavier_normal", {}, "healthy", "keep their scale"), ("he_normal", {}, "healthy", "keep their scale"),
    ("lecun_normal", {}, "healthy", "keep their scale"),
    ("he_normal", {"activation": "relu"}, "healthy", "keep their scale"),
    ("lecun_normal", {"activation": "selu"}, "healthy", "keep their scale"),
    ("he_normal", {"depth": 1}, "shallow", "nothing hidden")])
def test_classic_cases_get_their_verdict(key, changes, kind, words):
    found = judged(key, **changes)
    assert found.key == kind
    assert words in found.words
    assert len(found.numbers) == 3


@pytest.mark.parametrize("kind", ["residual", "pre_norm", "post_norm"])
@pytest.mark.parametrize(("initializer", "verdict"), [("constant", "collapsed"), ("zeros", "silent")])
def test_copies_and_silence_of_blocks_are_judged_as_those_of_plain_layers(kind, initializer, verdict):
    blocks = Architecture(kind=kind, normalization="rms", initializer=initializer)
    judged = judge(simulate(blocks, make_batch("digits", 64)))
    assert (judged.key, judged.findings[0].severity) == (verdict, "error")
    assert "all 128 neurons are copies" in judged.words


@pytest.mark.parametrize(("key", "changes", "kind", "words"), [
    ("zeros", {"bias_std": 0.3}, "alike", "the same for every sample"),
    ("constant", {"bias_std": 0.3, "depth": 3, "constant": 0.02}, "late", "the errors cancel"),
    ("normal", {"std": 2.0, "activation": "softsign", "width": 256, "depth": 100, "batch": 64}, "exploding",
     "the gradient overflows at layer"),
    ("normal", {"std": 1e-9, "depth": 2}, "vanishing", "times the input's"),
    ("normal", {"std": 2.0, "depth": 2, "activation": "relu"}, "exploding", "times the input's")])
def test_nothing_is_healthy_whose_gradient_or_input_is_lost(key, changes, kind, words):
    found = judged(key, **changes)
    assert found.key == kind
    assert words in found.words


def test_every_kind_of_verdict_has_a_badge():
    for key in ("zeros", "constant", "he_normal"):
        assert judged(key).key in KINDS


def test_a_gradient_that_is_only_round_off_is_called_0():
    assert dict(judged("constant").numbers)["Gradient"] == "0 (errors cancel)"


@pytest.mark.parametrize(("value", "said"), [
    (0.0, "0"), (1.0, "1"), (0.4337, "0.434"), (-2.5, "−2.5"), (999.7, "1,000"), (-1234.0, "−1,234"),
    (9999.7, "1.0 × 10⁴"), (1234.5, "1,234"), (1.4e-7, "1.4 × 10⁻⁷"),
    (3.0e12, "3.0 × 10¹²"), (float("nan"), "not defined"), (float("inf"), "overflow"),
    (float("-inf"), "negative overflow")])
def test_numbers_are_said_as_a_person_reads_them(value, said):
    assert number(value) == said


def test_a_small_share_is_not_rounded_to_nothing():
    assert [percent(share) for share in (0, 0.004, 0.01, 0.61, 1)] == ["0 %", "under 1 %", "1 %", "61 %", "100 %"]


def test_presets_name_what_they_show():
    assert all(preset.sentence.endswith(".") for preset in PRESETS.values())


def test_the_signal_of_a_verdict_is_that_of_the_median_sample_beside_the_median_input():
    batch = make_batch("digits", 64, seed=0)
    network = Network((64, *[64] * 9, 10), "gelu", "he_normal")
    passed = propagate(*network.parameters(), batch.x, batch.targets, activation="gelu", loss=batch.loss)
    last, first = (float(np.median(np.sqrt(np.square(x, dtype=float).mean(axis=1))))
                   for x in (passed.activations[8], batch.x))
    assert dict(judge(simulate(network, batch)).numbers)["Signal"] == number(last / first)
