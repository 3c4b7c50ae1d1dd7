"""What an address asks for and does not get is told once, in one notice."""

import pytest
from pages.test_pages import PAGES, SMALL, value_of, visit

from initviz.app.address import read_settings
from initviz.app.settings import CONTROLS, in_use


def notices(at):
    return [toast.value for toast in at.toast]


@pytest.mark.parametrize(("page", "query", "told"), [
    ("formulas", {"table": "zzz"}, "Table was not one of the choices, so it is Initializers."),
    ("formulas", {"framework": "Fortran"}, "Code for was not one of the choices, so it is NumPy."),
    ("formulas", {"joined": "zzz"}, "Architecture was not one of the choices, so it is Plain."),
    ("diagnose", {"initializer": "zzz"}, "was not one of the choices, so it is PyTorch's Linear (PyTorch by default)."),
    ("diagnose", {"data": "zzz"}, "Data was not one of the choices, so it is Digits."),
    ("notes", {"note": "zzz"}, "was not one of the choices, so it is"),
    ("papers", {"paper": "zzz"}, "was not one of the choices, so it is"),
    ("lesson", {"step": "zzz"}, "Step was not one of the choices, so it is"),
    ("theory", {"show": "zzz"}, "Show was not one of the choices, so it is"),
    ("training", {"contender": "zzz", "steps": "10"}, "was not one of the choices, so it is LeCun normal."),
    ("signal", {"table": "Activations"}, "There is no setting table on this page, so it is left out."),
    ("signal", {"start": "he"}, "There is no setting start on this page, so it is left out."),
    ("signal", {"$$ID-x": "1"}, "There is no setting"),
    ("signal", {"<b>*bold*": "1"}, r"There is no setting \<b\>\*bold\* on this page, so it is left out.")], ids=str)
def test_what_is_dropped_is_told(page, query, told):
    at = visit(f"pages/{page}.py", **SMALL | query)
    (notice,) = notices(at)
    assert told in notice
    at.run()
    assert not at.toast


@pytest.mark.parametrize(("page", "query", "key", "value"), [
    ("formulas", {"framework": "JAX"}, "framework", "JAX"), ("formulas", {"framework": "NumPy"}, "framework", "NumPy"),
    ("formulas", {"table": "Popular pairs"}, "table", "Popular pairs"),
    ("diagnose", {"data": "normal"}, "data", "normal"), ("diagnose", {"data": "Digits"}, "data", "digits"),
    ("lesson", {"step": "zeros"}, "step", "zeros"), ("theory", {"show": "Two inputs"}, "show", "Two inputs")])
def test_what_is_taken_is_not_told(page, query, key, value):
    at = visit(f"pages/{page}.py", **SMALL | query)
    assert value_of(at, key) == value
    assert not at.toast


@pytest.mark.parametrize("page", PAGES)
def test_a_spoilt_address_has_one_notice_that_names_everything(page):
    at = visit(page, **dict.fromkeys(CONTROLS, "zzz") | {"steps": "10"})
    (notice,) = notices(at)
    first, *each = notice.split("\n\n")
    assert first == f"{len(CONTROLS) - 1} settings in this address were not allowed and were changed."
    assert len(each) == len(CONTROLS) - 1
    assert all(any(line.startswith(spec.label) for line in each) for key, spec in CONTROLS.items() if key != "steps")


@pytest.mark.parametrize("page", PAGES)
def test_a_page_shows_the_controls_that_mean_something_on_it(page):
    slug = page.removeprefix("pages/").removesuffix(".py")
    at = visit(page, **SMALL, init=["normal", "he_normal"], activation="leaky_relu")
    settings = read_settings({key: value_of(at, key) for key in CONTROLS if key in at.session_state})
    in_sidebar = {widget.key for kind in (at.sidebar.slider, at.sidebar.selectbox, at.sidebar.multiselect,
                                          at.sidebar.number_input, at.sidebar.segmented_control) for widget in kind}
    expected = {key for key, spec in CONTROLS.items() if spec.place != "page" and in_use(key, slug, settings)}
    if slug == "diagnose":  # there they stand beside the sizes, with a choice of its own among the initializers
        page = {widget.key for kind in (at.slider, at.selectbox, at.number_input) for widget in kind}
        assert {"activation", "gain", "bias", "bias_std", "seed", "batch", "slope"} <= page & expected
        expected = set()
    if slug == "formulas":  # the question above the tables is asked there
        assert at.main.selectbox(key="activation").value == "leaky_relu"
        expected.remove("activation")
    assert {key for key in in_sidebar if key in CONTROLS} == expected
    own = {"constant": False, "std": True, "limit": False, "mode": True, "slope": True, "w0": False}
    for key, chosen in own.items():
        shown = key in in_sidebar
        if slug in ("signal", "symmetry", "training", "theory"):
            assert shown == chosen, key
