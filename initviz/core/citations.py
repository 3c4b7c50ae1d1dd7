"""Where the papers that this package cites can be read."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Citation:
    """A paper: surname of its first author, year as cited, and its DOI, arXiv number or publisher's page.

    A lecture has no year: its name alone is the citation. ``title``, where the same author and year stand for two
    papers, is the beginning of the title that must follow.
    """

    author: str
    year: int
    url: str
    title: str = ""

    @property
    def pattern(self) -> str:
        """A regular expression of how a text names the paper: "He et al. 2015", "He, Zhang and Sun 2015"."""
        if not self.year:
            return rf"\b{self.author}\b"
        other_authors = r"(?:,? (?:et al\.|and [\w-]+|[\w-]+))*?"
        following = rf"(?=, \"{self.title})" if self.title else ""
        return rf"\b{self.author}{other_authors},? {self.year}\b{following}"


def _arxiv(author: str, year: int, number: str) -> Citation:
    return Citation(author, year, f"https://arxiv.org/abs/{number}")


def _doi(author: str, year: int, number: str, title: str = "") -> Citation:
    return Citation(author, year, f"https://doi.org/{number}", title)


CITATIONS = (
    _arxiv("Andrychowicz", 2021, "2006.05990"),
    _arxiv("Bachlechner", 2021, "2003.04887"),
    _arxiv("Bao", 2022, "2106.08254"),
    Citation("Bergstra", 2009, "https://aclanthology.org/N09-2062/"),
    Citation("Cho", 2009, "https://papers.nips.cc/paper/3628-kernel-methods-for-deep-learning"),
    _arxiv("Clevert", 2016, "1511.07289"),
    _arxiv("Collobert", 2011, "1103.0398"),
    _arxiv("De", 2020, "2002.10444"),
    _arxiv("Dong", 2021, "2103.03404"),
    Citation("Dugas", 2001, "https://papers.nips.cc/paper/1920-incorporating-second-order-functional-knowledge-for-better-option-pricing"),
    _arxiv("Elfwing", 2018, "1702.03118"),
    _doi("Fukumizu", 2000, "10.1016/S0893-6080(00)00009-5"),
    Citation("Glorot", 2010, "https://proceedings.mlr.press/v9/glorot10a.html"),
    Citation("Goodfellow", 2016, "https://www.deeplearningbook.org"),
    _arxiv("Goyal", 2017, "1706.02677"),
    _arxiv("Hanin and Rolnick", 2018, "1803.01719"),
    _arxiv("Hanin and Nica", 2018, "1812.05994"),
    _arxiv("Hanin", 2018, "1801.03744"),
    _arxiv("He", 2015, "1502.01852"),
    _arxiv("He", 2016, "1603.05027"),
    _arxiv("Hendrycks", 2016, "1606.08415"),
    _arxiv("Hu", 2021, "2106.09685"),
    _arxiv("Ioffe", 2015, "1502.03167"),
    _arxiv("Kalamkar", 2019, "1905.12322"),
    _arxiv("Kingma", 2015, "1412.6980"),
    _arxiv("Klambauer", 2017, "1706.02515"),
    _doi("Krizhevsky", 2012, "10.1145/3065386"),
    _arxiv("Le", 2015, "1504.00941"),
    _doi("LeCun", 1998, "10.1109/5.726791", "Gradient-based"),
    _doi("LeCun", 1998, "10.1007/3-540-49430-8_2"),
    _arxiv("Lu", 2020, "1903.06733"),
    _arxiv("Lin", 2017, "1708.02002"),
    Citation("Maas", 2013, "https://ai.stanford.edu/~amaas/papers/relu_hybrid_icml2013_final.pdf"),
    Citation("Martens", 2010, "https://icml.cc/Conferences/2010/papers/458.pdf"),
    _arxiv("Micikevicius", 2022, "2209.05433"),
    _arxiv("Mishkin", 2016, "1511.06422"),
    _arxiv("Misra", 2020, "1908.08681"),
    Citation("Nair", 2010, "https://icml.cc/Conferences/2010/papers/432.pdf"),
    _doi("Nguyen", 1990, "10.1109/IJCNN.1990.137819"),
    _arxiv("Pennington", 2017, "1711.04735"),
    _arxiv("Poole", 2016, "1606.05340"),
    _arxiv("Ramachandran", 2017, "1710.05941"),
    Citation("Radford", 2018, "https://cdn.openai.com/research-covers/language-unsupervised/language_understanding_paper.pdf"),
    Citation("Radford", 2019, "https://cdn.openai.com/better-language-models/language_models_are_unsupervised_multitask_learners.pdf"),
    _doi("Rumelhart", 1986, "10.1038/323533a0"),
    _arxiv("Saxe", 2014, "1312.6120"),
    _arxiv("Schoenholz", 2017, "1611.01232"),
    _arxiv("Sitzmann", 2020, "2006.09661"),
    Citation("Sutskever", 2013, "https://proceedings.mlr.press/v28/sutskever13.html"),
    _arxiv("Vaswani", 2017, "1706.03762"),
    _arxiv("Wang", 2022, "2203.00555"),
    _doi("Williams", 1998, "10.1162/089976698300017412"),
    _arxiv("Xiong", 2020, "2002.04745"),
    _arxiv("Yang and Schoenholz", 2017, "1712.08969"),
    _arxiv("Yang and Hu", 2021, "2011.14522"),
    _arxiv("Yang", 2019, "1902.08129"),
    _arxiv("Yang", 2022, "2203.03466"),
    _arxiv("Zhai", 2023, "2303.06296"),
    _arxiv("Zhang", 2019, "1901.09321"),
    _doi("Zhang", 2021, "10.1109/ICSE43902.2021.00043"),
    _arxiv("Zhao", 2022, "2110.12661"),
    Citation("CS231n", 0, "https://cs231n.github.io/neural-networks-2/"),
    Citation("makemore", 0, "https://github.com/karpathy/nn-zero-to-hero"),
)


@functools.cache
def _any_citation() -> re.Pattern[str]:
    return re.compile("|".join(f"({citation.pattern})" for citation in CITATIONS))


def linked(text: str, between: Callable[[str], str] = str) -> str:
    """The text as Markdown in which every paper of CITATIONS is a link to where it can be read.

    ``between`` is applied to all that is no citation, such as text from outside that must not be Markdown.
    """
    parts, end = [], 0
    for match in _any_citation().finditer(text):
        parts += [between(text[end:match.start()]), f"[{match[0]}]({CITATIONS[(match.lastindex or 1) - 1].url})"]
        end = match.end()
    return "".join([*parts, between(text[end:])])
