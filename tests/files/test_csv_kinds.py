"""CSV files as people and programs write them: each kind with what it must be read as."""

from __future__ import annotations

import random
import sys
import tracemalloc

import numpy as np
import pandas as pd
import pytest

from initviz.files import csv_numbers, csv_table


def csv(*lines):
    return "\n".join(lines).encode()


def rows(count=30, seed=0):
    rng = np.random.default_rng(seed)
    return [f"{a:.3f},{b:.3f},{place % 2}" for place, (a, b) in enumerate(rng.standard_normal((count, 2)))]


@pytest.mark.parametrize(("data", "columns", "count"), [
    (csv("x1,x2,y", *rows()), ["x1", "x2", "y"], 30),
    (csv("0,1,2", *rows()), ["0", "1", "2"], 30), (csv("1,2,3", *rows()), ["1", "2", "3"], 30),
    (csv(",0,1,2", *(f"{place},{row}" for place, row in enumerate(rows()))), ["column 1", "0", "1", "2"], 30),
    (csv("0,1,2", "3,4,5", "6,7,8"), ["column 1", "column 2", "column 3"], 3),
    (csv("sep=;", "x1;x2;y", *(row.replace(",", ";") for row in rows())), ["x1", "x2", "y"], 30),
    (csv("sep=|", "x1|x2|y", *(row.replace(",", "|") for row in rows())), ["x1", "x2", "y"], 30),
    (csv("# made by X", "# units: m", "x1,x2,y", *rows()), ["x1", "x2", "y"], 30),
    (csv("x1,x2,y", *rows()[:9], "# the second part", *rows()[9:]), ["x1", "x2", "y"], 30),
    (csv("# x1,x2,y", *rows()), ["x1", "x2", "y"], 30), (csv("// a comment", *rows()), ["column 1", "column 2",
                                                                                      "column 3"], 30),
    (csv("x1,x2,y", "m,kg,-", *rows()), ["x1", "x2", "y"], 30),
    (csv("x1,x2,y", "[m],[kg],", *rows()), ["x1", "x2", "y"], 30),
    (csv("x1,x2,y,", *(f"{row}," for row in rows())), ["x1", "x2", "y"], 30),
    (csv("x1,x2,y", *(f"{row}," for row in rows())), ["x1", "x2", "y"], 30),
    (csv("x1,x2,y,", *rows()), ["x1", "x2", "y"], 30),
    (csv("x1 x2 y", *(row.replace(",", "  ") for row in rows())), ["x1", "x2", "y"], 30),
    (csv("", "", "x1,x2,y", *rows()), ["x1", "x2", "y"], 30)])
def test_the_columns_and_rows_are_those_of_the_file(data, columns, count):
    table = csv_table.read(data)
    assert table.columns == columns
    assert {len(column) for column in table.values.values()} == {count}
    assert all(column.dtype == float for column in table.values.values())


@pytest.mark.parametrize(("separator", "cells", "numbers"), [
    (",", ('"1,234"', '"12,345,678"', "5"), (1234, 12345678, 5)), (",", ("$1.50", "$20", "-$3"), (1.5, 20, -3)),
    (",", ('"$1,234.50"', "7", '"(2,000)"'), (1234.5, 7, -2000)), (",", ("45%", "7.5 %", "0%"), (45, 7.5, 0)),
    (",", ('"1,5"', '"2,25"', '"-3,125"'), (1.5, 2.25, -3.125)), (";", ("1,5", "2,25", "3"), (1.5, 2.25, 3)),
    (";", ("1.234,50", "2", "3,5"), (1234.5, 2, 3.5)), (";", ("\u20ac 1,5", "2,25 \u20ac", "3"), (1.5, 2.25, 3)),
    ("\t", ("1,5", "2,25", "3"), (1.5, 2.25, 3)), ("\t", ("1,234.5", "2,345.5", "3"), (1234.5, 2345.5, 3)),
    (",", ("1 234", "2", "3"), (1234, 2, 3)), (",", ("1'234", "2", "3"), (1234, 2, 3)),
    (",", ("\u22121.5", "2", "1e3"), (-1.5, 2, 1000)), (",", ("USD 5", "EUR 6", "7"), (5, 6, 7)),
    (",", ('"$1,234"', "", "3", "?", "4%"), (1234, np.nan, 3, np.nan, 4)),
    (",", ("+5%", "(\u22125)", "- 7"), (5, -5, -7))])
def test_numbers_as_people_write_them_are_numbers(separator, cells, numbers):
    data = csv(separator.join(("a", "b")), *(separator.join((cell, str(place))) for place, cell in enumerate(cells)))
    values = csv_table.read(data).values["a"]
    assert values.dtype == float, values
    np.testing.assert_array_equal(values, numbers)


def test_tables_of_numbers_with_signs_are_the_same_by_their_forms_and_text_by_text(monkeypatch):
    rng, tables = random.Random(0), []
    for _ in range(200):
        decimal, thousands = rng.choice((".,", ",."))

        def cell(decimal=decimal, thousands=thousands):
            number = rng.choice((
                "1", "1234", f"1{thousands}234", "1'234", f"12{decimal}5", f"1{thousands}234{decimal}5e-3"))
            return rng.choice(("", "-", "+", "(", "$", "- $", "\u2212", "EUR ")) + number + rng.choice(
                ("", "%", " EUR", ")", "\u20ac"))

        kinds = [[cell() for _ in range(rng.randint(1, 3))] + [""] * rng.randint(0, 1) for _ in range(3)]
        tables.append(csv("a;b;c;d", *(";".join([*(rng.choice(of) for of in kinds), str(rng.random())])
                                       for _ in range(5))))
    found = [csv_table.read(data).values for data in tables]
    monkeypatch.setattr(csv_numbers, "_by_form", lambda columns, sign: None)
    numbers = 0
    for data, values in zip(tables, found, strict=True):
        for name, column in csv_table.read(data).values.items():
            np.testing.assert_array_equal(values[name], column)
            numbers += column.dtype == float
    assert numbers > 500


def test_without_pyarrow_texts_are_read_one_by_one(monkeypatch):
    column = pd.Series(["$1,234"], dtype="str")
    assert csv_numbers._by_form([column], ".")[0].tolist() == [1234]
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert csv_numbers._by_form([column], ".") is None


@pytest.mark.parametrize("cells", [("1,2,3", "4"), ("12,34", "x"), ("2020-01-01", "2"), ("1.2.3", "4"), ("$", "4"),
                                   ("3 apples", "4"), ("5%5", "1"), ("1,23,45", "2")])
def test_what_is_no_number_stays_words(cells):
    values = csv_table.read(csv("a,b", *(f'"{cell}",{place}' for place, cell in enumerate(cells)))).values["a"]
    assert values.dtype.kind == "O"


@pytest.mark.parametrize(("values", "outputs"), [
    ([3, 1, 4, 15, 9, 2, 6], 1), ([10, 20, 30, 40, 50, 50], 1), ([0, 1, 2, 1, 0], 3), ([0, 1], 2), ([0, 1, 1, 0], 2),
    ([1, 2, 3, 4, 5], 1), ([5, 6, 5, 6], 2)])
def test_few_rows_of_different_numbers_are_a_regression(values, outputs):
    batch = csv_table.read(csv("x,y", *(f"{place * .5},{value}" for place, value in enumerate(values)))).batch("y")
    assert batch.outputs == outputs


def test_blank_pixels_stay_as_inputs_whatever_rows_are_drawn():
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (60, 20)) * (np.arange(20) % 3 > 0)
    table = csv_table.read(csv(",".join(["label", *(f"p{i}" for i in range(20))]), *(
        ",".join(map(str, (place % 10, *row))) for place, row in enumerate(pixels))))
    for count, seed in ((60, 0), (2, 0), (2, 1), (5, 2)):
        batch = table.batch("label", count=count, seed=seed)
        assert batch.features == 20
        assert not batch.x[:, ::3].any()
    assert "Constant columns stay as inputs, of zeros when standardized: 'p0', 'p3'" in table.notes[1]
    assert table.default_target() == "label"
    assert csv_table.read(csv("kind,a,b,same", "0,1,7,5", "1,2,3,5", "0,3,4,5")).default_target() == "b"


def test_a_column_that_counts_the_rows_is_noted_and_can_be_left_out():
    table = csv_table.read(csv("Id,x1,x2,y", *(f"{place + 1},{row}" for place, row in enumerate(rows()))))
    assert table.counting() == ["Id"]
    assert table.notes[-1].startswith("'Id' counts the rows")
    assert table.batch("y").features == 3
    assert table.batch("y", drop=["Id"]).features == table.batch("y", inputs=["x1", "x2"]).features == 2


def test_inputs_keep_the_order_in_which_they_are_named():
    table = csv_table.read(csv("x1,x2,y", *rows()))
    one, other = (table.batch("y", inputs=names).x for names in (("x1", "x2"), ("x2", "x1")))
    np.testing.assert_array_equal(one, other[:, ::-1])


def test_words_of_few_kinds_can_be_inputs():
    table = csv_table.read(csv("color,x,y", *(f"{['red', 'green', 'blue'][place % 3]},{place},{place % 2}"
                                              for place in range(30))))
    assert table.batch("y").features == 1
    batch = table.batch("y", one_hot=True, standardize=False, count=30)
    assert batch.features == 4
    assert {*batch.x[:, :3].sum(axis=1)} == {1}
    assert table.batch("y", one_hot=True, count=2).features == 4
    many = csv_table.read(csv("name,x,y", *(f"n{place},{place * .5},{place % 2}" for place in range(60))))
    assert many.batch("y", one_hot=True).features == 1


def test_several_targets_are_numbers():
    table = csv_table.read(csv("a,b,c", *rows()))
    batch = table.batch(["a", "b"], count=30)
    assert (batch.targets.shape, batch.loss, batch.outputs, batch.features) == ((30, 2), "mse", 2, 1)
    assert csv_table.describe_target(["a", "b"], batch) == (
        "The targets 'a', 'b' are read as numbers, standardized: squared error.")
    with pytest.raises(ValueError, match="several targets must be numbers"):
        table.batch(["a", "b"], kind="classes")


def test_a_target_can_be_left_in_its_own_scale_and_it_is_said():
    table = csv_table.read(csv("x,price", *(f"{place % 7},{1e5 + 1e3 * place * place}" for place in range(40))))
    batch = table.batch("price", count=40, standardize_target=False)
    assert batch.targets.min() == 1e5
    assert csv_table.describe_target("price", batch, False) == (
        "The target 'price' is read as numbers, in their own scale: squared error.")
    assert abs(table.batch("price", count=40).targets.mean()) < 1e-6


def test_names_and_lists_are_cut_in_every_sentence():
    header = [*(f"{'n' * 500}{place}" for place in range(300)), "y"]
    table = csv_table.read(csv(",".join(header), *(",".join(["5"] * 300 + [str(place)]) + "" for place in range(4)),
                               ",".join(["x"] * 300 + ["9"])))
    assert max(map(len, table.notes)) < 1_500
    assert max(map(len, table.columns)) <= 90
    assert any("and 290 more" in note for note in table.notes)
    numbered = csv_table.read(csv(*(",".join(map(str, range(place, place + 785))) for place in (3, 8, 1))))
    with pytest.raises(ValueError, match=r"'column 1' to 'column 785', got 'label'") as caught:
        numbered.batch("label")
    assert len(str(caught.value)) < 200
    with pytest.raises(ValueError, match="and 291 more") as caught:
        table.batch("label")
    assert len(str(caught.value)) < 1_500


# ---------------------------------------------------------------------------------------------- memory

def wide(count, columns, cell):
    return csv(",".join(f"c{place}" for place in range(columns)), *(
        ",".join(cell(row, place) if place else str(row % 3 + 0.5 * row) for place in range(columns))
        for row in range(count)))


@pytest.mark.parametrize("make", [
    lambda: wide(500, 2000, lambda row, place: f"w{(row * place) % 7}"),
    lambda: b"\n" * 15_000_000 + csv("a,b,c", *rows()),
    lambda: wide(10_000, 100, lambda row, place: f"w{row}-{place}"),
    lambda: wide(10_000, 100, lambda row, place: str((row * place) % 97)),
    lambda: wide(4_000, 100, lambda row, place: f'"$1,{(row * place) % 1000:03d}"'),
    lambda: b"# x\n" * 2_000_000 + csv("a,b,c", *rows())],
    ids=["words", "blank", "different", "numbers", "money", "comments"])
def test_a_large_file_is_read_in_little_memory(make):
    data = make()
    csv_table.read(data)
    tracemalloc.start()
    csv_table.read(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak + len(data) < 2.5 * csv_table.MOST_BYTES


@pytest.mark.filterwarnings("error")
def test_tables_of_ill_formed_cells_are_read_or_refused_in_one_sentence():
    rng, read = random.Random(0), 0
    cells = ["1", "2.5", "-3", "1e9", '"1,234"', "$5", "50%", "(7)", "", "?", "x", '"', '"a', "#", "# c", "//", "sep=;",
             "\u22121", "\u0661", "inf", "nan", "1_0", "0x1", "True", "$", "%", ".", "-", "e5", "'", "1'000", "\u20ac",
             "9" * 400, "\u202e", "\x0b", "\u2028", "=1+1"]
    for _ in range(1_500):
        separator, columns = rng.choice(",,,;\t| "), rng.randint(1, 5)
        lines = [separator.join(rng.choice(cells[:8] if rng.random() < 0.8 else cells) for _ in range(
            columns + (rng.random() < 0.05))) for _ in range(rng.randint(1, 9))]
        lines[:0] = rng.choice([[], [], ["a b c d e".replace(" ", separator)], ["# note"], ["sep=" + separator],
                                ["", " "], ["0 1 2 3 4".replace(" ", separator)[:2 * columns - 1]]])
        data = rng.choice(["\n", "\r\n", "\r"]).join(lines).encode()
        sentence = ""
        try:
            table = csv_table.read(data)
            batch = table.batch(rng.choice(table.columns), one_hot=rng.random() < 0.5,
                                standardize_target=rng.random() < 0.5)
        except ValueError as error:
            sentence = str(error)
        read += not sentence
        assert np.isfinite(batch.x).all() if not sentence else 10 < len(sentence) < 2_000, data
        assert "\n" not in sentence, data
    assert 100 < read < 1_400


# ---------------------------------------------------------------------------------------------- as programs write them

BODY = ("0.5,1.5,0", "0.25,2.5,1", "0.75,3.5,0", "0.1,0.2,1", "0.3,0.9,0")


def spaced(*lines):
    return csv(*(line.replace(",", " ") for line in lines))


@pytest.mark.parametrize(("data", "columns", "note"), [
    (csv("Monthly report", "", "a,b,y", *BODY), ["a", "b", "y"], "'Monthly report'"),
    (csv("Monthly report,,", ",,", "a,b,y", *BODY), ["a", "b", "y"], "'Monthly report'"),
    (csv("Report of May, 2020", "a,b,c,y", *(f"{place},{row}" for place, row in enumerate(BODY))),
     ["a", "b", "c", "y"], "'Report of May, 2020'"),
    (csv("% of MATLAB", "a,b,y", *BODY), ["a", "b", "y"], "'% of MATLAB'"),
    (csv("@relation x", "@data", *BODY), ["column 1", "column 2", "column 3"], "'@relation x', '@data'")])
def test_what_stands_above_the_columns_is_left_out_and_said(data, columns, note):
    table = csv_table.read(data)
    assert table.columns == columns
    assert f"What stands above the columns is left out: {note}." in table.notes
    assert [len(column) for column in table.values.values()] == [5] * len(columns)
    assert table.values[columns[-1]].tolist() == [0, 1, 0, 1, 0]


@pytest.mark.parametrize("first", ["# drawn in May", "// drawn in May", "Monthly report", "a,b,y"])
def test_lines_that_end_in_a_carriage_return_alone_are_lines(first):
    data = csv(first, *(["a,b,y"] if first != "a,b,y" else []), *BODY)
    table, wanted = csv_table.read(data.replace(b"\n", b"\r")), csv_table.read(data)
    assert table.columns == wanted.columns == ["a", "b", "y"]
    assert table.values["b"].tolist() == [1.5, 2.5, 3.5, 0.2, 0.9]
    assert table.notes == wanted.notes


def test_rows_with_names_have_one_cell_more_than_the_columns():
    rows_of_r = [f'"{place}",{row}' for place, row in enumerate(BODY, 1)]
    for data in (csv('"a","b","y"', *rows_of_r), spaced('"a","b","y"', *rows_of_r)):
        table = csv_table.read(data)
        assert table.columns == ["column 1", "a", "b", "y"]
        assert table.values["a"].tolist() == [0.5, 0.25, 0.75, 0.1, 0.3]
        assert table.counting() == ["column 1"]
    named = csv_table.read(csv("a,b,y", *(f"row {place},{row}" for place, row in zip("vwxyz", BODY, strict=True))))
    assert named.batch("y").features == 2
    with pytest.raises(ValueError, match="line 2 has 3 cells where 2 are expected"):
        csv_table.read(csv("a,b", "1,2,3", "4,5,6", "9,8,7"))


@pytest.mark.parametrize("header", ["0,1,2", "2019,2020,2021", "10,20,30", "400,450,500"])
def test_whole_numbers_in_equal_steps_above_decimals_are_names(header):
    table = csv_table.read(csv(header, *BODY))
    assert table.columns == header.split(",")
    assert table.batch(table.columns[-1]).outputs == 2
    assert csv_table.read(csv("0,1", *(row.split(",", 1)[1] for row in BODY))).columns == ["0", "1"]


@pytest.mark.parametrize("first", ["10,20,30", "0,1", "5,6,7", "3,2,1"])
def test_whole_numbers_above_whole_numbers_are_data(first):
    count = first.count(",") + 1
    below = [",".join(str((place * row) % 5) for place in range(1, count + 1)) for row in range(6)]
    assert len(csv_table.read(csv(first, *below)).values["column 1"]) == 7


@pytest.mark.parametrize(("cells", "numbers", "beside"), [
    (["R$ 1.50", "R$ 2.25"], [1.5, 2.25], "R$"), (["CHF 3", "CHF 4"], [3, 4], "CHF"),
    (["12 kg", "7 kg"], [12, 7], "kg"),
    (["3k", "5k"], [3, 5], "k"), (["\u20b9 30", "\u20b9 45"], [30, 45], "\u20b9"),
    (["-4 \u00b0C", "21.5 \u00b0C"], [-4, 21.5], "\u00b0C"), (["1,200 kg", "900 kg"], [1200, 900], "kg")])
def test_what_stands_beside_every_number_of_a_column_is_left_out_and_said(cells, numbers, beside):
    table = csv_table.read(csv("a,b", *(f'"{cell}",{place}' for place, cell in enumerate(cells))))
    assert table.values["a"].tolist() == numbers
    assert f"'{beside}' beside the numbers of 'a' is left out." in table.notes


@pytest.mark.parametrize("cells", [("1st", "2nd"), ("k1", "k2"), ("12 kg", "7 lb"), ("3 apples", "4 apples please")])
def test_what_differs_beside_numbers_leaves_words(cells):
    assert csv_table.read(csv("a,b", *(f"{cell},{place}" for place, cell in enumerate(cells)))).values[
        "a"].dtype.kind == "O"


@pytest.mark.parametrize("missing", ["-", "--", ".", "#DIV/0!", "#N/A", "#VALUE!"])
def test_what_programs_write_for_no_number_is_missing(missing):
    table = csv_table.read(csv("a,b,y", f"{missing},1,0", *BODY))
    assert np.isnan(table.values["a"][0])
    assert len(table.values["a"]) == 6
    assert any("1 is missing or infinite, in 'a'" in note for note in table.notes)


def test_true_and_false_are_1_and_0():
    table = csv_table.read(csv("on,a,y", "True,1,0", "False,5,1", "True,3,1"))
    assert table.values["on"].tolist() == [1, 0, 1]


@pytest.mark.parametrize(("name", "numbers"), [
    ("Id", [3, 1, 2, 5]), ("customer_id", [901, 17, 333, 5]), ("PassengerId", [892, 893, 894, 895]),
    ("index", [7, 5, 3, 1])])
def test_a_column_that_numbers_the_rows_by_its_name_is_noted(name, numbers):
    table = csv_table.read(csv(f"{name},a,y", *(f"{number},{place},{place % 2}" for place, number in enumerate(
        numbers))))
    assert name in table.counting()
    assert table.batch("y", drop=[name]).features == 1
    for other in ("width", "paid", "grid"):
        assert csv_table.read(csv(f"{other},a,y", *(f"{number},1.5,{place % 2}" for place, number in enumerate(
            numbers)))).counting() == []


def test_a_table_of_words_alone_is_read_where_they_are_encoded():
    table = csv_table.read(csv("cap,odor,kind", *(f"{'xyz'[i % 3]},{'ab'[i % 2]},{'pe'[i % 5 > 2]}" for i in range(
        20))))
    batch = table.batch("kind", one_hot=True)
    assert (batch.features, batch.outputs) == (5, 2)


def test_a_sep_line_that_names_what_is_not_there_is_refused():
    with pytest.raises(ValueError, match="the line sep=; must name what stands between the cells below it"):
        csv_table.read(csv("sep=;", "a,b", "1,2", "3,5"))


@pytest.mark.parametrize(("separator", "cells", "numbers"), [
    (",", ('"0,942"', '"-0,5"', '"1,234"'), (0.942, -0.5, 1.234)), (",", ('"1,234"', '"2,345"', "7"), (1234, 2345, 7)),
    (";", ("1.234", "5.678", "9.123"), (1234, 5678, 9123)), (";", ("1,234", "0,5", "2"), (1.234, 0.5, 2)),
    ("\t", ("1,234", "5,678", "9"), (1234, 5678, 9)), ("\t", ("1,5", "0,25", "2"), (1.5, 0.25, 2)),
    (",", ('"1,23,456"', '"12,34,56,789"', "5"), (123456, 123456789, 5)),
    (",", ("$(3.50)", "$2", "($1)"), (-3.5, 2, -1))])
def test_commas_are_decimal_signs_or_stand_between_thousands(separator, cells, numbers):
    beside = ("2,5", "0,125", "4,75") if numbers[0] == 1234 and separator == ";" else ("1", "2", "0")
    table = csv_table.read(csv(separator.join("ab"), *(separator.join(row) for row in zip(cells, beside, strict=True))))
    np.testing.assert_array_equal(table.values["a"], numbers)
    assert ("Commas are read as decimal signs." in table.notes) == (separator == ";" or numbers[0] in (0.942, 1.5))


@pytest.mark.parametrize(("lines", "said"), [
    (["s,N,1"], "'s', 'N', '1'"), (["c,c,d", ",,class"], "'c', 'c', 'd'.\nThe line of units is left out: 'class'"),
    (["length,mass,kind", "m,kg,-"], "'length', 'mass', 'kind'.\nThe line of units is left out: 'm', 'kg', '-'")])
def test_lines_below_the_names_that_say_what_stands_below_are_left_out(lines, said):
    table = csv_table.read(csv("a,b,y", *lines, *rows()))
    assert f"The line of units is left out: {said}." in "\n".join(table.notes)
    assert table.batch("y", count=99).x.shape == (len(rows()), 2)


@pytest.mark.parametrize("stray", [["unknown"], ["Total"], ["n.a.", "missing", "TBD"], ["<0.01"]])
def test_few_words_among_many_numbers_are_missing_and_said(stray):
    table = csv_table.read(csv("a,b,y", *rows(), *(f"{word},0.5,1" for word in stray)))
    assert np.isnan(table.values["a"][-len(stray):]).all()
    assert table.batch("y", count=99).x.shape == (len(rows()), 2)
    said = [word for word in stray if word != "n.a."]
    assert any(note == f"Cells of 'a' that are no numbers are taken for missing: {', '.join(map(repr, said))}."
               for note in table.notes)


def test_a_column_of_few_numbers_and_a_word_stays_one_of_words():
    table = csv_table.read(csv("grade,a,y", *(f"{'K123'[place % 4]},{place * 0.5},{place % 2}" for place in range(40))))
    assert table.values["grade"].dtype.kind == "O"


def test_names_of_two_lines_are_names_of_one():
    table = csv_table.read(csv('"mass\n(kg)","a, b",y', *rows()))
    assert table.columns == ["mass (kg)", "a, b", "y"]
    with pytest.raises(ValueError, match="spreadsheet or another archive"):
        csv_table.read(b"PK\x03\x04" + bytes(100))


def test_words_that_were_perhaps_meant_for_numbers_are_shown():
    table = csv_table.read(csv("a,b,c", *(f"{place}.5{'MK'[place % 2]},word,{place}" for place in range(20))))
    assert any(note.endswith(": 'a' ('0.5M'), 'b'.") for note in table.notes)


def lines_of(count, line):
    return "".join(f"{line(place)}\n" for place in range(count))


def test_true_and_false_are_1_and_0_where_some_are_missing():
    truth = {0: "True", 1: "False", 2: ""}
    table = csv_table.read(("a,f,y\n" + lines_of(30, lambda i: f"{i * 7 % 31}.5,{truth[i % 3]},{i % 2}")).encode())
    np.testing.assert_array_equal(table.values["f"][:3], [1, 0, np.nan])
    assert table.batch("y").features == 2


def test_rows_that_miss_a_word_are_said():
    kinds = ("None", "Mild", "Severe")
    table = csv_table.read(("a,b,y\n" + lines_of(30, lambda i: f"{i * 7 % 31}.5,{i}.25,{kinds[i % 3]}")).encode())
    assert "Words are missing, as empty cells, NA or None are, in rows that are left out where the column is used: " \
           "10 of 'y'." in table.notes


def test_words_that_all_differ_are_names_and_no_classes():
    data = ("a,b,name\n" + lines_of(30, lambda i: f"{i * 7 % 31}.5,{i % 7}.25,name {i}")).encode()
    table = csv_table.read(data)
    assert table.default_target() == "b"
    with pytest.raises(ValueError, match=r"'name' must have words that come again, .* 30 different words .* 'name 0'"):
        table.batch("name")
    assert table.batch("name", kind="classes").outputs == 30


def test_a_first_column_without_a_name_numbers_the_rows_in_any_order():
    for first in ("", "Unnamed: 0"):
        data = f"{first},a,y\n" + lines_of(30, lambda i: f"{i * 7 % 30},{i * 7 % 31}.5,{i % 2}")
        assert csv_table.read(data.encode()).counting() == ["column 1"]
    data = lines_of(30, lambda i: f"{i * 7 % 30},{i * 7 % 31}.5,{i % 2}")
    assert csv_table.read(data.encode()).counting() == []


def test_several_sentences_above_the_columns_are_left_out():
    data = "Station: X\nHeight: 3.5\nDepth: 4.5\n\na,b,y\n" + lines_of(9, lambda i: f"{i}.5,{i * i}.25,{i % 2}")
    table = csv_table.read(data.encode())
    assert table.columns == ["a", "b", "y"]
    assert "'Station: X', 'Height: 3.5', 'Depth: 4.5'" in table.notes[1]


@pytest.mark.parametrize(("data", "sentence"), [
    (b'{"a": 1, "b": 2}\n{"a": 2, "b": 3}\n', "the file is JSON"), (b'[{"a": 1, "b": 2}]', "the file is JSON"),
    (b"[[1, 2], [3, 4]]", "the file is JSON"), (b"PK\3\4\xff\xfe", "a spreadsheet or another archive"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1", "a spreadsheet or another archive"), (b"\x1f\x8b\x08\0", "another archive"),
    (b"PAR1\x15\x04", "another archive"), (b"<html><table>", "this is a web page"),
    (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull")])
def test_what_is_no_table_is_named(data, sentence):
    with pytest.raises(ValueError, match=sentence):
        csv_table.read(data)
