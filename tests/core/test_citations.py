"""Every paper that the package cites can be read at a link."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from initviz.claims.notes import NOTES
from initviz.claims.papers import PAPERS
from initviz.core.activations import ACTIVATIONS
from initviz.core.architecture import KINDS
from initviz.core.citations import CITATIONS, linked
from initviz.core.initializers import INITIALIZERS
from initviz.core.schemes import SCHEMES
from initviz.training.coordinate_check import PARAMETRIZATIONS

TABLES = (NOTES, PAPERS, INITIALIZERS, ACTIVATIONS, SCHEMES, KINDS, PARAMETRIZATIONS)
SOURCES = [record.source for table in TABLES for record in table.values()]


@pytest.mark.parametrize(("text", "url"), [
    ("He et al. 2015", "https://arxiv.org/abs/1502.01852"),
    ("He, Zhang, Ren and Sun 2015, section 2.2", "https://arxiv.org/abs/1502.01852"),
    ("Hanin and Nica 2018", "https://arxiv.org/abs/1812.05994"),
    ("Hanin and Rolnick 2018", "https://arxiv.org/abs/1803.01719"),
    ("Hanin 2018", "https://arxiv.org/abs/1801.03744"),
    ('LeCun et al. 1998, "Gradient-based learning applied to document recognition"', "https://doi.org/10.1109/5.726791"),
    ("LeCun, Bottou, Orr and Müller 1998", "https://doi.org/10.1007/3-540-49430-8_2"),
    ("Yang and Schoenholz 2017", "https://arxiv.org/abs/1712.08969"),
])
def test_a_citation_becomes_the_link_of_its_paper(text, url):
    assert re.findall(r"\]\((.*?)\)", linked(text)) == [url]


def test_two_papers_in_one_sentence_are_two_links():
    assert linked("Saxe et al. 2014; Pennington et al. 2017").count("](https://") == 2


@pytest.mark.parametrize("source", sorted(set(SOURCES)))
def test_every_author_and_year_of_a_source_is_a_link(source):
    plain = re.sub(r"\[[^]]*\]\([^)]*\)", "", linked(source))
    named = re.findall(r"[A-Z][\w-]+(?:,? (?:et al\.|and [\w-]+))*,? (?:19|20)\d\d\b", plain)
    assert not named, named


def test_no_link_is_given_twice():
    assert len({(citation.author, citation.year, citation.title) for citation in CITATIONS}) == len(CITATIONS)
    assert all(citation.url.startswith("https://") for citation in CITATIONS)


def test_every_citation_in_the_code_is_known():
    package = Path(__file__).parents[2] / "initviz"
    for path in package.rglob("*.py"):
        if path.name == "citations.py":
            continue
        for name in re.findall(r"[A-Z][\w-]+ et al\. (?:19|20)\d\d", path.read_text()):
            assert linked(name) != name, f"{path.name}: {name}"
