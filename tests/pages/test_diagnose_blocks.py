"""The page Diagnose for networks of blocks."""

import json
from urllib.parse import parse_qs, urlsplit

import pytest
from pages.test_diagnose import table_of, upload
from pages.test_pages import charts, visit, words

from initviz.app.address import read_address, read_settings
from initviz.app.diagnose.blocks import described
from initviz.app.settings import ARCHITECTURE_LABELS, BRANCH_LABELS, NORMALIZATION_LABELS, Settings
from initviz.core.architecture import Architecture

DIAGNOSE = "pages/diagnose.py"
BLOCKS = {"architecture": "64-16-16-16-16-10", "initializer": "He normal", "activation": "ReLU", "batch": 32}


def kept_report(at):
    return at.session_state["block diagnosis"][1]


def before_and_after(at):
    return next(frame.value for frame in at.dataframe if "Verdict" in frame.value).set_index("Initialization")


@pytest.mark.parametrize("kind", [label for key, label in ARCHITECTURE_LABELS.items() if key != "plain"])
def test_every_architecture_is_examined(kind):
    for normalization in NORMALIZATION_LABELS.values():
        at = visit(DIAGNOSE, **BLOCKS, kind=kind, normalization=normalization)
        report, _ = kept_report(at)
        assert (report.network.width, report.network.blocks, report.network.sizes[0]) == (16, 3, 64)
        assert len(charts(at)) == 2
        assert {"As it is", "LSUV"} <= {*before_and_after(at).index}
        assert "Theory: at most off forward" in words(at)


def test_a_stream_that_explodes_is_told_and_what_mends_it_is_tried():
    at = visit(DIAGNOSE, **BLOCKS | {"architecture": "-".join(["64", *["32"] * 21, "10"])}, kind="Residual")
    report, tried = kept_report(at)
    assert report.verdict.key == "exploding"
    found = before_and_after(at)["Verdict"]
    assert found["As it is"] == "Exploding"
    assert {"Branches × 1/√L", "Branches × 1/L", "Fixup", "SkipInit, ReZero"} <= {*tried} <= {*found.index}
    assert found["Branches × 1/L"] != "Exploding"


@pytest.mark.parametrize("sizes", ["64-32-16-10", "64-32-10", "64-10"])
def test_sizes_that_are_no_blocks_get_one_sentence(sizes):
    at = visit(DIAGNOSE, **BLOCKS | {"architecture": sizes}, kind="Pre-norm")
    (error,) = at.error
    assert error.value.startswith("Layer sizes must be inputs, one width")
    assert sizes in error.value.replace("\\", "")
    assert not charts(at)


def test_a_network_that_costs_too_much_gets_one_sentence():
    at = visit(DIAGNOSE, **BLOCKS | {"architecture": "-".join(["64", *["1024"] * 90, "10"])}, kind="Residual")
    assert "billion operations" in at.error[0].value


def test_an_uploaded_table_goes_through_the_blocks():
    at = visit(DIAGNOSE, **BLOCKS, kind="Residual", data="Your CSV")
    assert not charts(at)
    at = upload(at, "data_file", "mine.csv", table_of())
    report, _ = kept_report(at)
    assert report.network.sizes == (3, 16, 16, 16, 16, 3)
    assert "3-16-16-16-16-3 is examined" in words(at).replace("\\", "")


@pytest.mark.parametrize("changes", [
    {}, {"branch_scale": BRANCH_LABELS["fixup"]}, {"kind": "Pre-norm", "normalization": "RMSNorm"},
    {"initializer": "Constant", "constant": 0.25, "seed": 3}, {"activation": "Leaky ReLU", "slope": 0.3, "gain": 2},
    {"kind": "Normalized, no skip", "bias_std": 0.5}])
def test_its_links_open_exactly_this_network(changes):
    at = visit(DIAGNOSE, **BLOCKS | {"kind": "Residual"} | changes)
    links = [button.proto.url for button in at.get("link_button")]
    assert [urlsplit(link).path for link in links] == ["./", "./training", "./symmetry"]
    for link in links:
        values, notices = read_address(parse_qs(urlsplit(link).query, keep_blank_values=True))
        assert not notices
        (network,) = read_settings(values).networks()
        assert network == kept_report(at)[0].network


def test_where_no_other_page_has_such_data_there_are_no_links():
    at = visit(DIAGNOSE, **BLOCKS | {"architecture": "20-16-16-3"}, kind="Residual", data="Standard normal")
    assert kept_report(at)[0].network.sizes == (20, 16, 16, 3)
    assert not at.get("link_button")


def test_the_sizes_of_blocks_are_read_as_a_network_of_that_depth_and_width():
    network = described(Settings(kind="residual"), "he_normal", (7, 12, 12, 12, 5))
    assert network == Architecture(7, 12, 2, 5, "residual", branch_scale="1", activation="tanh")


def test_the_report_is_json():
    at = visit(DIAGNOSE, **BLOCKS, kind="Residual")
    from initviz.diagnosis.block_report import to_json
    assert json.loads(to_json(kept_report(at)[0]))["kind"] == "residual"
