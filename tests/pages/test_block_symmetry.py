"""The page Symmetry for networks of blocks: what stays copies in stream and branch, what does not, and why."""

import pytest
from pages.test_pages import visit
from pages.test_races import SMALL, SYMMETRY, measured, said

from initviz.app.settings import ARCHITECTURE_LABELS, BRANCH_LABELS, NORMALIZATION_LABELS, PART_LABELS

BLOCKS = SMALL | {"depth": 4, "input": "digits", "init": ["constant", "he_normal"]}
BREAK_IT = {"topic": "Break it"}


def table(at):
    return at.dataframe[0].value.set_index(["Initializer", "Neurons"])


@pytest.mark.parametrize("kind", [kind for kind in ARCHITECTURE_LABELS if kind != "plain"])
def test_every_architecture_is_counted_and_drawn(kind):
    for normalization in NORMALIZATION_LABELS:
        at = visit(SYMMETRY, **BLOCKS | {"kind": kind, "normalization": normalization})
        assert len(at.get("vega_lite_chart")) == 3
        counts = table(at)
        assert counts.loc["Constant", "Before training"].str.startswith("1 of").all()
        assert counts.loc["Constant", "After 5 steps"].str.startswith("1 of").all()
        assert counts.loc["He normal", "Can differ at most"].str.startswith("8 of").all()
        assert "stay copies" in said(at)


def test_layer_norm_of_copies_is_said_to_lose_the_sample():
    at = visit(SYMMETRY, **BLOCKS | {"kind": "pre_norm"})
    assert "LayerNorm subtracts the mean over a sample's neurons, which of copies leaves 0" in said(at)
    assert "what it is given is lost: in block 1 it puts out 0" in said(at)
    assert "No weight moves in 5 steps" in said(at)
    at = visit(SYMMETRY, **BLOCKS | {"kind": "pre_norm", "normalization": "rms"})
    assert "of a sample only its sign is kept: in block 1 it puts out 1 (root mean square)" in said(at)


@pytest.mark.parametrize(("scheme", "why"), [
    ("fixup", "as its last weights are 0"), ("skipinit", "as its scale is 0"),
    ("zero_gamma", "as the weight of its last normalization is 0"), ("0", "as its scale is 0")])
def test_a_branch_that_adds_nothing_is_told_why_and_whether_it_parts(scheme, why):
    at = visit(SYMMETRY, **BLOCKS | {"kind": "residual", "branch_scale": scheme})
    assert f"Each branch adds exactly 0 at first, {why}" in said(at)
    added = table(at).loc[("He normal", "What the branches add")]
    assert added["Before training"] == "1 of 8"
    if scheme == "0":  # a fixed scale
        assert added["After 5 steps"] == "1 of 8"
        assert "it still adds the same to every neuron" in said(at)
    else:
        assert added["After 5 steps"] == "8 of 8"


def test_each_part_of_the_blocks_has_its_picture():
    titles = {"stream": "The stream after the first layer", "branch": "the neurons inside each block's branch",
              "added": "What each block's branch adds"}
    for part, title in titles.items():
        at = visit(SYMMETRY, **BLOCKS | {"kind": "residual", "block_part": PART_LABELS[part], "hidden": 2})
        assert title in said(at)
        assert "**Block 2**" in said(at)
        assert measured(at, "Different neurons")["Constant"] == "1 of 8"


def test_a_scheme_that_does_not_fit_and_too_few_layers_get_a_sentence():
    at = visit(SYMMETRY, **BLOCKS | {"kind": "post_norm", "branch_scale": BRANCH_LABELS["fixup"]})
    assert "Fixup is defined for residual networks" in said(at)
    at = visit(SYMMETRY, **BLOCKS | {"kind": "residual", "depth": 2})
    assert "choose a depth of at least 3" in said(at)


def test_blocks_that_diverge_are_told_so():
    at = visit(SYMMETRY, **BLOCKS | {"kind": "residual", "activation": "linear", "rate": 10, "after_steps": 100,
                                     "depth": 30})
    assert "raining has diverged within 100 steps" in said(at)
    assert set(measured(at, "Different neurons").values()) == {"diverged"}


def attempts(at):
    return at.dataframe[1].value.set_index("Attempt")


def test_what_breaks_the_symmetry_of_blocks_is_told_of_the_stream_and_of_the_branches():
    at = visit(SYMMETRY, **BLOCKS | BREAK_IT | {"kind": "residual", "steps": 50})
    found = attempts(at)
    assert list(found.loc["Random output weights", ["Different neurons", "Different neurons inside"]]) == [
        "8 of 8", "1 of 8"]
    assert list(found.loc["One random block", ["Different neurons", "Different neurons inside"]]) == [
        "8 of 8", "8 and 1 of 8"]
    assert "the neurons inside the branches never do**" in said(at)
    assert "Two of these blocks, every weight 0.1" in said(at)
    assert "**Symmetry gap in the stream**" in said(at)
    at = visit(SYMMETRY, **BLOCKS | BREAK_IT | {"kind": "residual", "steps": 50, "depth": 3, "constant": 0,
                                     "block_part": PART_LABELS["branch"]})
    assert "One of these blocks, every weight 0.1" in said(at)
    assert "**Symmetry gap inside the branches**" in said(at)


def test_blocks_without_a_skip_are_broken_as_one_hidden_layer():
    assert "One hidden layer of 8 neurons" in said(visit(SYMMETRY, **BLOCKS | BREAK_IT | {"kind": "normalized"}))
