"""The section on zeros of the page Symmetry: a guess, its reasons, the table."""

from pages.test_pages import visit
from pages.test_races import SMALL, SYMMETRY

from initviz.training.zero_placement import WIRINGS

ZEROS = SMALL | {"topic": "Where may zeros stand?"}
COPIES = SMALL | {"topic": "Other copies that must part"}


def _texts(elements):
    return " ".join(element.value for element in elements)


def _table(at, column):
    """The table that has this column."""
    return next(table.value for table in at.table if column in table.value)


def test_a_wrong_guess_gets_the_reason_and_the_right_one_is_told_so():
    at = visit(SYMMETRY, **SMALL, wiring=WIRINGS["lora"].label)
    assert "Guess first" in _texts(at.info)
    at.get_by_key("moves_lora").set_value(["B"]).run()
    at.button(key="zeros_compare").click().run()
    assert not at.exception
    assert "it waits one step" in _texts(at.warning)
    at.get_by_key("moves_lora").set_value(["W0", "A", "B"]).run()
    assert "Right." in _texts(at.success)
    answer, copies = _table(at, "Initially"), _table(visit(SYMMETRY, **COPIES), "Because")
    assert list(answer["First gradient, predicted"]) == list(answer["measured"]) == ["0", "1", "0"]
    assert list(answer["Copies, predicted"]) == list(answer["measured "])
    assert list(copies.iloc[:3, 2]) == ["8 of 8", "1 of 8", "0 of 8"]


def test_the_address_holds_the_states_and_nothing_moves_where_both_factors_are_zero():
    at = visit(SYMMETRY, **SMALL, wiring=WIRINGS["lora"].label, lora_A="Zero")
    at.button(key="zeros_compare").click().run()
    assert not at.exception
    table = _table(at, "Initially")
    assert list(table["Initially"]) == ["random", "zero", "zero"]
    assert list(table["measured"]) == ["0", "never", "never"]
    at.button(key="zeros_usual").click().run()
    assert "Guess first" in _texts(at.info)


def test_every_wiring_is_shown_without_a_fault():
    at = visit(SYMMETRY, **ZEROS)
    for key in WIRINGS:
        at.selectbox(key="wiring").set_value(key).run()
        at.button(key="zeros_compare").click().run()
        assert not at.exception
        table = _table(at, "Initially")
        assert list(table["First gradient, predicted"]) == list(table["measured"])


def test_the_section_stands_where_the_whole_network_cannot_be_shown():
    for settings in ({"depth": 1}, {"init": [""]}):
        at = visit(SYMMETRY, **(ZEROS | settings))
        assert not at.exception
        assert at.selectbox(key="wiring").value == "lora"
        assert not at.table
        assert len(visit(SYMMETRY, **(COPIES | settings)).table) == 1


def test_a_link_to_a_wiring_opens_it_and_any_other_topic_can_be_chosen():
    for key in list(WIRINGS)[:2]:
        at = visit(SYMMETRY, **SMALL, wiring=WIRINGS[key].label)
        assert at.selectbox(key="wiring").value == key
        assert not at.toast
    at = visit(SYMMETRY, **SMALL, wiring=WIRINGS[key].label, topic="Break it")
    assert not [box for box in at.selectbox if box.key == "wiring"]
