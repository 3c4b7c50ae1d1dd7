"""Pictures as files: each page's say what they show, name their axes and carry the settings that made them."""

from __future__ import annotations

import pytest
from pages.test_diagnose import state_dict, upload
from pages.test_pages import SMALL, visit

from initviz.app import pictures

OFFERED = {  # page: what the files say beside their titles, a set a picture
    "signal": [{"layer 2", "tanh", "depth 3"}],
    "symmetry": [{"layer 2", "tanh", "learning rate 0.1", "after 0 steps"}],
    "training": [{"step", "cross-entropy", "learning rate 0.1", "Finished: 10 steps"},
                 {"step", "share that is right", "Gradient descent", "width 8"}],
    "theory": [{"σ_w", "σ_b", "σ_w 1.5"}, {"layers back", "length of the gradient", "σ_b 0.3"}],
    "diagnose": [{"hidden layer", "root mean square", "64-8-8-10", "PyTorch by default"}] * 2,
    "audit": [{"block", "standard deviation", "recipe gpt2", "148 tensors"}],
    "notes": [{"neuron", "activation tanh", "depth 3", "seed 0"}, {"step"}],
    "papers": [{"x", "layers 40"}, {"layer", "seed 0"}],
    "recording": [{"root mean square", "ReLU network, default"}] * 2 + [{"share of units"}]}


@pytest.fixture
def offered(monkeypatch):
    """What makes each picture's file, by the label of its button."""
    found = {}
    monkeypatch.setattr(pictures, "download", lambda label, name, content, mime, **_: found.update({label: content}))
    return found


@pytest.mark.parametrize("page", OFFERED)
def test_the_pictures_of_a_page_are_saved_with_title_axes_and_settings(page, offered):
    own = {"architecture": "64-8-8-10"} if page == "diagnose" else SMALL
    at = visit(f"pages/{page}.py", **own)
    while page == "training" and at.session_state["race"].value.running:
        at.run()
    files = {label.removesuffix(" (SVG)"): content().decode() for label, content in offered.items() if "(SVG)" in label}
    assert len(files) == len(OFFERED[page])
    for (title, svg), words in zip(files.items(), OFFERED[page], strict=True):
        for said in (title, *words):
            assert f"{said}" in svg, (title, said)
    assert sum("(PNG)" in label for label in offered) == len(files)
    assert next(content for label, content in offered.items() if "(PNG)" in label)().startswith(b"\x89PNG")


def test_a_race_that_runs_offers_no_picture(offered):
    at = visit("pages/training.py", **SMALL | {"steps": 2000, "width": 64})
    assert at.session_state["race"].value.running
    assert not offered


def test_a_race_of_uploaded_weights_is_not_said_to_be_of_the_sidebars_sizes(offered):
    at = upload(visit("pages/training.py", **SMALL, input="Two moons", init=["he_normal"]), "weights_file", "net.npz",
                state_dict((2, 16, 16, 2)))
    while at.session_state["race"].value.running:
        at.run()
    svg = offered["Loss on the training batch, log axis (SVG)"]().decode()
    assert "layer sizes 2-16-16-2" in svg
    assert "width 8" not in svg
