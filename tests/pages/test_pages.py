"""Every page through Streamlit's own test harness: no browser, the scripts as they run."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Block, Element, Widget

from initviz.app.formulas import quantities
from initviz.app.presets import PRESETS
from initviz.app.settings import CONTROLS, DEFAULTS, QUANTITY_LABELS, SCALE_LABELS, SPREAD_LABELS, Settings
from initviz.core.activations import ACTIVATIONS
from initviz.core.architecture import KINDS
from initviz.core.frameworks import FRAMEWORKS
from initviz.core.initializers import INITIALIZERS
from initviz.core.schemes import SCHEMES
from initviz.core.validation import Choices, Interval

ROOT = Path(__file__).parents[2]
SMALL = {"depth": 3, "width": 8, "batch": 8, "steps": 10}
NOT_SAID = re.compile(r"\b(nan|NaN|inf|Infinity|None)\b")


def page_calls() -> list[ast.Call]:
    """The calls of st.Page in app.py."""
    return [node for node in ast.walk(ast.parse((ROOT / "app.py").read_text()))
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "st.Page"]


PAGES = [ast.literal_eval(call.args[0]) for call in page_calls()]
SIGNAL, FORMULAS = "pages/signal.py", "pages/formulas.py"


def elements(at: AppTest) -> Iterator[Element]:
    """Every element of the page, in order."""
    def walk(block: Block) -> Iterator[Element]:
        for child in block.children.values():
            if isinstance(child, Block):
                yield from walk(child)
            else:
                yield child
    yield from walk(at._tree)


def charts(at: AppTest) -> list[Any]:
    return [chart.proto for chart in at.get("vega_lite_chart")]


def words(at: AppTest) -> str:
    """All that the page says in prose."""
    said = [*at.markdown, *at.caption, *at.info, *at.warning, *at.error, *at.toast, *at.metric, *at.header]
    return "\n".join(str(element.value) for element in said)


def sound(at: AppTest) -> AppTest:
    """The page, which shows no exception and says nothing that a computer would say."""
    assert not at.exception, [(element.message, element.stack_trace) for element in at.exception]
    slip = NOT_SAID.search(words(at))
    assert not slip, words(at)[max(slip.start() - 200, 0):slip.end() + 50]
    return at


def visit(page: str = SIGNAL, **query: Any) -> AppTest:
    """A page as a person sees it who follows a link."""
    at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    for key, value in query.items():
        at.query_params[key] = [str(v) for v in value] if isinstance(value, list | tuple) else str(value)
    return sound(at.switch_page(page).run())


def value_of(at: AppTest, key: str) -> Any:
    return at.session_state[key]


def press(at: AppTest, key: str) -> AppTest:
    return sound(at.get_by_key(key).click().run())


# ---------------------------------------------------------------------------------------------- the pages

@pytest.mark.parametrize("page", PAGES)
def test_every_page_opens_with_the_first_visits_settings(page):
    at = visit(page)
    assert at.header
    assert not at.toast
    for key, default in DEFAULTS.items():
        if key in at.session_state:
            found = value_of(at, key)
            assert (tuple(found) if isinstance(found, list) else found) == default, key


def test_every_page_is_in_the_navigation_and_asks_for_the_entrance_first():
    assert {f"pages/{path.name}" for path in (ROOT / "pages").glob("*.py")} == set(PAGES)
    for call in page_calls():
        assert {"title", "help"} <= {option.arg for option in call.keywords}, ast.unparse(call)
    for page in PAGES:
        body = ast.parse((ROOT / page).read_text()).body
        first = next(node for node in body[1:] if isinstance(node, ast.Expr))
        assert ast.unparse(first) == "app.require_entrance()", page


@pytest.mark.parametrize("page", PAGES)
def test_every_chart_has_an_alt_text_and_every_widget_a_help_text_and_a_key(page):
    at = visit(page, layer=2, **SMALL)
    assert all(len(chart.alt) > 10 for chart in charts(at))
    assert len({chart.alt for chart in charts(at)}) == len(charts(at))
    for element in elements(at):
        if isinstance(element, Widget):
            assert element.proto.help, f"{element.type} {element.proto.label} has no help text"
            assert element.key, f"{element.type} {element.proto.label} has no key"


def test_at_most_five_charts_are_on_a_page():
    for page in PAGES:
        assert len(charts(visit(page, layer=1, **SMALL))) <= 5


# ---------------------------------------------------------------------------------------------- the choices

@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_sets_what_it_says(name):
    at = press(visit(**SMALL, gain=2, bias=0.5), f"preset_{name}")
    for key, value in PRESETS[name].settings.items():
        found = value_of(at, key)
        assert (tuple(found) if isinstance(found, list) else found) == value
    assert len(charts(at)) == 3


@pytest.mark.parametrize("key", ACTIVATIONS)
def test_every_activation_is_drawn(key):
    assert len(charts(visit(activation=key, **SMALL))) == 3


@pytest.mark.parametrize("key", INITIALIZERS)
def test_every_initializer_is_drawn_alone_and_has_its_verdict(key):
    at = visit(init=key, layer=2, **SMALL)
    assert len(charts(at)) == 4
    assert list(at.table[0].value.index) == [INITIALIZERS[key].label]


@pytest.mark.parametrize("key", CONTROLS["input"].allowed)
def test_every_input_is_drawn(key):
    assert len(charts(visit(input=key, **SMALL))) == 3


@pytest.mark.parametrize("sizes", [
    {"depth": 1}, {"depth": 2}, {"depth": 100, "width": 8}, {"width": 2}, {"batch": 8}, {"gain": 0}, {"gain": 4},
    {"depth": 1, "width": 2, "batch": 8}, {"depth": 100, "width": 8, "gain": 4, "activation": "linear"}],
    ids=lambda sizes: "-".join(f"{key}={value}" for key, value in sizes.items()))
@pytest.mark.parametrize("scale", SCALE_LABELS)
def test_the_ends_of_the_sizes_are_drawn(sizes, scale):
    at = visit(**sizes, scale=scale, layer=1, init=list(INITIALIZERS)[:8])
    assert len(charts(at)) == (2 if sizes.get("depth") == 1 else 4)
    assert len(at.info) == (sizes.get("depth") == 1)


@pytest.mark.parametrize("scale", SCALE_LABELS)
@pytest.mark.parametrize("quantity", QUANTITY_LABELS)
def test_every_quantity_is_drawn_on_every_axis(quantity, scale):
    at = visit(quantity=quantity, scale=scale, spread="rms", **SMALL)
    assert len(charts(at)) == 3
    assert QUANTITY_LABELS[quantity] in words(at)


def test_no_initializer_is_said_in_words():
    at = visit(**SMALL)
    sound(at.multiselect(key="init").set_value([]).run())
    assert not charts(at)
    assert len(at.info) == 1
    press(at, "preset_he_relu")
    assert len(charts(at)) == 3


def test_a_chosen_layer_opens_its_heat_map_and_follows_the_depth():
    at = visit(depth=6, width=8, batch=8)
    sound(at.select_slider(key="layer").set_value(5).run())
    assert len(charts(at)) == 4
    sound(at.slider(key="depth").set_value(3).run())
    assert value_of(at, "layer") == 3
    assert len(charts(at)) == 4
    sound(at.select_slider(key="layer").set_value(0).run())
    assert len(charts(at)) == 3


def test_reset_brings_the_first_visits_settings_back():
    at = visit(depth=3, width=8, seed=5, gain=2.5, init="ones", activation="relu", quantity="delta", layer=2)
    press(at, "reset")
    for key, default in DEFAULTS.items():
        if key in at.session_state:
            found = value_of(at, key)
            assert (tuple(found) if isinstance(found, list) else found) == default, key


def test_the_formulas_page_shows_both_tables_and_four_frameworks():
    at = visit(FORMULAS)
    assert list(at.dataframe[0].value.index) == list(INITIALIZERS)
    first = list(at.dataframe[0].value)[:5]
    assert first == ["Name", "Formula", "Variance", "Weights", "Made for"]
    widths = json.loads(at.dataframe[0].proto.columns)
    assert sum(widths[title]["width"] for title in first) <= 530  # beside the boxes: 564 pixels in a window of 1,024
    for framework in FRAMEWORKS:
        sound(at.segmented_control(key="framework").set_value(framework).run())
        for key, entry in INITIALIZERS.items():
            sound(at.selectbox(key="formula").set_value(key).run())
            assert at.latex[0].value.strip("$\n ") == entry.latex
            assert quantities.code(key, framework, Settings()) == at.code[0].value
    at.session_state["table"] = "Activations"
    sound(at.run())
    assert list(at.dataframe[0].value.index) == list(ACTIVATIONS)
    for key, entry in ACTIVATIONS.items():
        sound(at.selectbox(key="function").set_value(key).run())
        assert at.latex[0].value.strip("$\n ") == entry.latex


def test_the_formulas_tables_are_searched_and_what_is_chosen_is_kept_in_the_address():
    at = visit(FORMULAS, search_initializers="saxe", formula="sparse", part="Output")
    assert list(at.dataframe[0].value["Name"]) == ["Orthogonal"]
    assert value_of(at, "formula") == "sparse"
    assert at.latex[0].value.strip("$\n ") == INITIALIZERS["sparse"].latex
    assert at.dataframe[0].value["Variance"].iloc[0] == pytest.approx(1 / 128)
    assert not at.toast


@pytest.mark.parametrize("kind", KINDS)
def test_which_initializer_suits_a_layer_is_answered_for_every_architecture(kind):
    at = visit(FORMULAS, joined=kind, activation="selu")
    if kind == "plain":
        assert "SELU: **LeCun normal**, biases 0." in words(at)
        gelu = words(visit(FORMULAS, activation="gelu"))
        assert "a gain of 1.4082, biases of standard deviation 0.4158." in gelu
        assert "biases 0" not in gelu
        assert "theory makes of a variance of 2.16 one of " in gelu  # of unit inputs: 1.98306 + 0.17292
    else:
        schemes = [scheme.label for scheme in SCHEMES.values() if kind in scheme.kinds and scheme.label != "None"]
        assert [name.strip("*") for name in at.table[0].value["Scheme"]] == schemes


# ---------------------------------------------------------------------------------------------- charts stay in place

def other_values(key: str) -> list[Any]:
    """Values to move a control to: its ends, its choices."""
    allowed = CONTROLS[key].allowed
    if CONTROLS[key].many:
        return [["zeros"], list(allowed)[:8]]
    if isinstance(allowed, Interval):
        kind = int if allowed.integer else float
        return [1, 2] if key == "layer" else [kind(allowed.low), kind(allowed.high)]
    return list(allowed.values[:4]) if isinstance(allowed, Choices) else list(allowed)


def masked_spec(chart: Any) -> str:
    """A chart's spec without what the browser ignores in telling whether it changed."""
    names = {data.name: f"data-{i}" for i, data in enumerate(chart.datasets)}

    def mask(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: mask(v) for k, v in value.items() if k not in ("width", "height")}
        if isinstance(value, list):
            return [mask(item) for item in value]
        return names.get(value, value) if isinstance(value, str) else value

    return json.dumps(mask(json.loads(chart.spec)), sort_keys=True)


# Pages that the shared controls do not reach.
LEAST_MOVED = {"pages/lesson.py": 2, "pages/audit.py": 2, "pages/notes.py": 2, "pages/papers.py": 2,
               "pages/recording.py": 0}
SMALL_DIAGNOSED = {"architecture": "64-8-8-10"}


@pytest.mark.parametrize("page", PAGES)
def test_no_control_changes_the_spec_of_a_chart(page):
    at = visit(page, **SMALL, layer=1, **SMALL_DIAGNOSED if page == "pages/diagnose.py" else {})
    before = {chart.alt: masked_spec(chart) for chart in charts(at)}
    moved = 0
    for key in CONTROLS:
        try:
            widget = at.get_by_key(key)
        except KeyError:
            continue
        first = widget.value
        for value in other_values(key):
            widget = at.get_by_key(key)
            sound(widget.set_value(value).run())
            moved += 1
            found = {chart.alt: masked_spec(chart) for chart in charts(at)}
            rebuilt = [alt for alt in found if before.get(alt, found[alt]) != found[alt]]
            assert not rebuilt, f"{key} = {value} rebuilds {rebuilt}"
        sound(at.get_by_key(key).set_value(first).run())
    assert moved >= LEAST_MOVED.get(page, 20)


# ---------------------------------------------------------------------------------------------- addresses

RUBBISH = "ab%/\\'\";&<>{}[]\x00$π🙂" * 60

MENDED = [
    ({"depth": "-3"}, {"depth": 1}),
    ({"depth": "101", "width": "8"}, {"depth": 100}),
    ({"depth": "3.6"}, {"depth": 4}),
    ({"width": "1e9", "depth": "2"}, {"width": 1024}),
    ({"width": "1e9"}, {"width": 1024}),
    ({"init": "nonsense"}, {"init": list(DEFAULTS["init"])}),
    ({"init": ["he_normal", "nonsense"]}, {"init": ["he_normal"]}),
    ({"init": list(INITIALIZERS)}, {"init": list(INITIALIZERS)[:8]}),
    ({"constant": "nan"}, {"constant": 0.1}),
    ({"seed": "inf"}, {"seed": 9999}),
    ({"seed": "1e400"}, {"seed": 9999}),
    ({"seed": "-inf"}, {"seed": 0}),
    ({"seed": "abc"}, {"seed": 0}),
    ({"batch": "abc"}, {"batch": 128}),
    ({"gain": "1e400"}, {"gain": 4}),
    ({"gain": "1;drop"}, {"gain": 1}),
    ({"activation": "<script>alert(1)</script>"}, {"activation": "tanh"}),
    ({"input": "../../etc/passwd"}, {"input": "digits"}),
    ({"quantity": ""}, {"quantity": "activation"}),
    ({"scale": "LOG"}, {"scale": "linear"}),
    ({"depth": ""}, {"depth": 10}),
    ({"width": "Ωμέγα"}, {"width": 128}),
    ({"mode": "🙂"}, {"mode": "fan_in"}),
    ({"layer": "500"}, {"layer": 10}),
    ({"layer": "-1"}, {"layer": 0}),
    *(({key: RUBBISH}, {key: DEFAULTS[key] if key != "init" else list(DEFAULTS["init"])}) for key in
      ("depth", "seed", "init", "activation", "layer", "scale", "std", "spread")),
]


@pytest.mark.parametrize(("query", "values"), MENDED, ids=lambda value: ascii(value)[:40])
def test_a_malformed_address_opens_with_the_nearest_allowed_value_and_a_notice(query, values):
    at = visit(**query)
    for key, value in values.items():
        assert value_of(at, key) == value
    assert at.toast
    assert all(toast.value.endswith(".") for toast in at.toast)


@pytest.mark.parametrize("query", [
    {"table": "zzz"}, {"framework": "zzz"}, {"unknown": RUBBISH}, {"depth": ["3", "4"]}, {"": "x"}, {"embed": "zzz"},
    {"distributions": "zzz"}, {"notices": "zzz"}, {"reset": "1"}], ids=str)
@pytest.mark.parametrize("page", PAGES)
def test_what_an_address_may_hold_besides_opens_every_page_as_if_it_were_not_there(page, query):
    at = visit(page, **SMALL | query)
    (name,) = query
    assert value_of(at, "depth") == (4 if name == "depth" else 3)
    if name in ("depth", "embed"):
        assert not at.toast
    elif name in ("unknown", ""):
        assert [toast.value for toast in at.toast] == [
            f"There is no setting {name or 'without a name'} on this page, so it is left out."]
    else:
        assert len(at.toast) <= 1


@pytest.mark.parametrize("page", PAGES)
def test_everything_malformed_at_once_opens_every_page(page):
    for rubbish in ("-1e400", RUBBISH):
        at = visit(page, **dict.fromkeys(CONTROLS, rubbish) | {"steps": 10})
        assert value_of(at, "activation") == "tanh"


@pytest.mark.parametrize(("given", "key"), [("He normal", "he_normal"), ("he_normal", "he_normal")])
def test_an_address_names_a_choice_by_its_key_or_by_its_label(given, key):
    at = visit(init=given, **SMALL)
    assert value_of(at, "init") == [key]
    assert not at.toast
    at = visit(activation=ACTIVATIONS["leaky_relu"].label, scale=SCALE_LABELS["symlog"],
               spread=SPREAD_LABELS["rms"], **SMALL)
    assert [value_of(at, name) for name in ("activation", "scale", "spread")] == ["leaky_relu", "symlog", "rms"]
    assert not at.toast


def test_an_address_may_repeat_a_choice_or_choose_none():
    at = visit(init=["zeros", "ones", "Zeros", "ones"], **SMALL)
    assert value_of(at, "init") == ["zeros", "ones"]
    assert not at.toast
    at = visit(init="")
    assert value_of(at, "init") == []
    assert not at.toast


def test_an_address_with_allowed_values_brings_no_notice():
    at = visit(depth=7, width=9, gain=1.25, batch=12, seed=77, constant=-0.5, init=["ones", "sparse"], layer=3)
    assert not at.toast
    assert [value_of(at, key) for key in ("depth", "width", "gain", "batch", "seed", "constant", "layer")] == [
        7, 9, 1.25, 12, 77, -0.5, 3]


def test_what_costs_too_much_is_refused_and_the_nearest_affordable_setting_works(monkeypatch):
    monkeypatch.setattr("initviz.app.affordable.MOST_OPERATIONS", 2e9)
    at = visit(depth=100, width=1024, batch=1024)
    assert not charts(at)
    assert len(at.warning) == 1
    assert "billion operations" in at.warning[0].value
    press(at, "afford")
    assert not at.warning
    assert len(charts(at)) == 3
