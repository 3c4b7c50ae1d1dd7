"""What comes from outside, in an address or a file, is shown as it is on every page: never as markup or as a link."""

from __future__ import annotations

import gzip
import io
import json
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from google.protobuf.message import Message
from pages.test_diagnose import state_dict
from pages.test_pages import PAGES, elements, visit
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Block

from initviz.app.recording.request import FOLDER

HOSTILE = ("**b** :red[c] $x$ :material/home: :rocket: `k` ~~s~~ _u_", "[l](http://e.vil) ![i](http://e.vil/i.png)",
           "<b>t</b><img src=x>", "https://e.vil/x www.e.vil me@e.vil", "a\u202eb\u200fc\u2066d\x07e",
           "# h", "- l", "1. n", "> q", "| t |")
MARKUP = re.compile(r"\*\*b\*\*|:red\[|:material/home|:rocket:|\$x\$|\]\(http://e|<b>t|<img src|https?://e\.vil|www\.e\.vil|"
                    r"me@e|`k`|~~s|_u_|[\u202a-\u202e\u2066-\u2069\u200e\u200f\x07]")
AT_THE_BEGINNING = re.compile(r"^\s*(# h|- l|1\. n|> q|\| t)", re.MULTILINE)
SHOWN_AS_TEXT = {"options", "raw_value", "raw_values", "value", "default", "set_value", "string_value", "url", "id",
                 "placeholder", "query_param_key", "query_param_option_values", "formatted_options"}
OWN_WIDGETS = ("button_group",)  # whose options are Markdown
NO_MARKDOWN = ("arrow_data_frame", "code", "vega_lite_chart", "imgs", "iframe")


def texts_of(message: Message, everything: bool) -> Iterator[str]:
    """The strings in a message, those left out that Streamlit shows as plain text."""
    for field, value in message.ListFields():
        if field.name in SHOWN_AS_TEXT and not everything:
            continue
        for part in value if field.is_repeated else [value]:
            if isinstance(part, str):
                yield part
            elif isinstance(part, Message):
                yield from texts_of(part, everything)


def blocks(block: Block) -> Iterator[Block]:
    for child in block.children.values():
        if isinstance(child, Block):
            yield child
            yield from blocks(child)


def shown_as_markdown(at: AppTest) -> list[str]:
    """Every text of a page that Streamlit reads as Markdown, without what is escaped."""
    said: list[str] = []
    for element in elements(at):
        if element.type not in NO_MARKDOWN and isinstance(element.proto, Message):
            said += [element.value] if element.type in ("markdown", "caption") else texts_of(
                element.proto, element.type in OWN_WIDGETS)
    said += [text for block in blocks(at._tree) if isinstance(block.proto, Message)
             for text in texts_of(block.proto, False)]
    return [re.sub(r"\\.", "", text) for text in said]


def check(at: AppTest) -> None:
    assert not at.exception
    for text in shown_as_markdown(at):
        found = MARKUP.search(text) or AT_THE_BEGINNING.search(text)
        assert not found, (found[0], text)


def upload(at: AppTest, key: str, name: str, data: bytes) -> AppTest:
    return at.file_uploader(key=key).upload(name, data).run()


def npz(**arrays: Any) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def named(text: str, suffix: str) -> str:
    return text.replace("/", "∕") + suffix


def table(text: str) -> bytes:
    cell = '"' + text.replace('"', "") + '"'
    rng = np.random.default_rng(0)
    rows = "".join(f"{a:.3f},{b:.3f},{cell if i % 2 else 'no'},{i}\n" for i, (a, b) in enumerate(
        rng.standard_normal((60, 2))))
    return f"{cell},b,{cell}2,count\n{rows}".encode()


@pytest.mark.parametrize("page", PAGES)
def test_an_address_is_never_markup(page):
    fields = ("architecture", "gains", "biases", "output_bias", "widths", "data", "example", "recipe", "beside", "step",
              "note", "paper", "contender", "search_initializers", "initializer", "wiring", "blocks_of", "target_kind")
    for first in range(0, len(HOSTILE), len(fields) // 3):
        some = (HOSTILE * len(fields))[first:first + len(fields)]
        check(visit(page, depth=3, width=8, batch=8, steps=10, **dict(zip(fields, some, strict=True))
                    | dict.fromkeys(HOSTILE, "x")))


@pytest.mark.parametrize("text", HOSTILE)
def test_a_table_is_never_markup(text):
    at = visit("pages/diagnose.py", data="Your CSV", architecture="2-8-2", batch=32)
    at = upload(at, "data_file", named(text, ".csv"), table(text))
    check(at)
    for target in at.multiselect:
        if target.label == "Target":  # none where the text makes the table another, which is refused
            check(target.set_value([target.options[2]]).run())


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("page", ["diagnose", "training"])
def test_weights_are_never_markup(page, text):
    of = {"architecture": "64-8-8-10"} if page == "diagnose" else {"init": ["he_normal"]}
    at = visit(f"pages/{page}.py", depth=3, width=8, batch=8, steps=10, **of)
    check(upload(at, "weights_file", named(text, ".npz"), state_dict((64, 8, 8, 10))))
    arrays = {f"{text} {net}.{layer}.weight": np.random.default_rng(layer).standard_normal(shape).astype("f")
              for net in ("a", "b") for layer, shape in enumerate(((8, 64), (8, 8), (10, 8)))}
    check(upload(at, "weights_file", named(text, ".npz"), npz(**{f"{text}.alone": np.ones(3, "f")}, **arrays)))


@pytest.mark.parametrize("text", HOSTILE)
def test_an_audit_is_never_markup(text):
    same = np.zeros((64, 64), "f")
    rng = np.random.default_rng(0)
    arrays = {f"{text} {place}.weight": rng.standard_normal((64, 64)).astype("f") for place in range(4)}
    at = upload(visit("pages/audit.py"), "audit_file", named(text, ".npz"),
                npz(**{f"{text} same.weight": same, f"{text} tied.weight": same, f"{text} n": np.arange(3)}, **arrays))
    check(at)
    at.selectbox(key="recipe").set_value("file").run()
    for source in (text, f"https://e.vil/{text}"):
        recipe = "\n".join([f"name = {json.dumps(text)}", f"source = {json.dumps(source)}", "[[tensor]]",
                            f"pattern = {json.dumps(text + '*')}", "law = 'normal'", "std = '0.5'", "[[tensor]]",
                            "pattern = '*'", "law = 'normal'", "std = '0.5'"])
        check(upload(at, "recipe_file", named(text, ".toml"), recipe.encode()))


@pytest.mark.parametrize("text", HOSTILE)
def test_a_recording_is_never_markup(text):
    def spoilt(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {name: spoilt(part, name) for name, part in value.items()}
        if isinstance(value, list):
            return [spoilt(part, key) for part in value]
        return f"{value} {text}" if isinstance(value, str) and key in ("path", "name", "model", "kind") else value

    given = json.loads(gzip.decompress((FOLDER / "resnet.json.gz").read_bytes()))
    at = visit("pages/recording.py", example="resnet")
    for value in (given | {"model": text}, spoilt(given)):
        data = gzip.compress(json.dumps(value).encode())
        at = upload(at, "recording_file", named(text, ".json.gz"), data)
        check(at)
        check(upload(at, "recording_beside", named(text, ".json.gz"), data))
