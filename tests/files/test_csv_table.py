"""The CSV reader: what it takes, what it says of what it does not take, and thousands of damaged files."""

from __future__ import annotations

import random

import numpy as np
import pytest

from initviz.core.batches import Batch
from initviz.files import csv_table

MUTATED = 2_500


def csv(*lines: str) -> bytes:
    return "\n".join(lines).encode()


def numbers(rows: int = 40, columns: int = 3, seed: int = 0) -> list[str]:
    rng = np.random.default_rng(seed)
    return [",".join(f"{value:.3f}" for value in rng.standard_normal(columns)) + f",{row % 3}" for row in range(rows)]


@pytest.mark.parametrize(("data", "columns"), [
    (csv("a,b,c,kind", *numbers()), ["a", "b", "c", "kind"]), (csv(*numbers()), [f"column {i}" for i in (1, 2, 3, 4)]),
    (csv("a;b", "1,5;2,25", "3;4,5"), ["a", "b"]), (csv("a\tb", "1\t2", "3\t4"), ["a", "b"]),
    (b"\xef\xbb\xbfa,b\r\n1,2\r\n3,4\r\n", ["a", "b"]), (b"a,b\r1,2\r3,5\r", ["a", "b"]),
    (csv("a,a, a,", "1,2,3,4", "2,3,4,6"), ["a", "a.1", "a.2", "column 4"]),
    (csv('"first, of all",b', "1,2", "3,4"), ["first, of all", "b"])])
def test_the_separator_and_the_header_are_found(data, columns):
    table = csv_table.read(data)
    assert table.columns == columns
    assert all(column.dtype == float for column in table.values.values())


def test_decimal_commas_are_read_between_semicolons():
    assert csv_table.read(csv("a;b", "1,5;2,25", "3;4,5")).values["b"].tolist() == [2.25, 4.5]


def test_inputs_are_standardized_unless_they_are_to_stay_as_they_are():
    table = csv_table.read(csv("a,b,kind", *(f"{10 * i},{1e6 * (i % 7)},{i % 2}" for i in range(50))))
    batch = table.batch("kind", count=50)
    np.testing.assert_allclose(batch.x.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(batch.x.std(axis=0), 1, atol=1e-5)
    raw = table.batch("kind", count=50, standardize=False)
    assert sorted(raw.x[:, 0]) == [10 * i for i in range(50)]
    assert batch.x.dtype == raw.x.dtype == np.float32
    assert (batch.loss, batch.outputs, sorted(set(batch.targets.tolist()))) == ("softmax_ce", 2, [0, 1])


def test_words_are_classes_and_many_numbers_are_predicted_as_they_are():
    table = csv_table.read(csv("a,price,kind", *(f"{i},{i * i / 7},{'xyz'[i % 3]}" for i in range(50))))
    assert table.batch("kind").outputs == 3
    priced = table.batch("price")
    assert (priced.loss, priced.outputs, priced.targets.shape) == ("mse", 1, (50, 1))
    assert abs(float(priced.targets.mean())) < 1e-6
    assert any("'kind'" in note for note in table.notes)


def test_the_seed_draws_the_rows():
    table = csv_table.read(csv("a,b,c,kind", *numbers(200)))
    first, again, other = (table.batch("kind", count=20, seed=seed).x for seed in (0, 0, 1))
    assert first.shape == (20, 3)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


IRIS = csv("5.1,3.5,1.4,0.2,Iris-setosa", "4.9,3.0,1.4,0.2,Iris-setosa", "7.0,3.2,4.7,1.4,Iris-versicolor",
           "6.3,3.3,6.0,2.5,Iris-virginica")
NAMED, NUMBERED = "The first line is taken for the columns' names.", (
    "The first line is taken for data, and the columns are numbered.")


@pytest.mark.parametrize(("data", "rows", "note"), [
    (IRIS, 4, NUMBERED), (csv("5.1,?,1", "4.9,3,0", "5.0,2,1"), 3, NUMBERED), (csv("?,1", "2,3", "4,6"), 3, NUMBERED),
    (csv("a,b", "1,2", "3,5"), 2, NAMED), (csv("label,0,1", "7,0.5,2", "3,0.25,4"), 2, NAMED),
    (csv("2020-01-01,5", "2020-01-02,6", "2020-01-03,8"), 3, NUMBERED), (csv("a,,c", "1,2,3", "2,3,5"), 2, NAMED),
    (csv("size,kind", "1,x", "2,y"), 2, NAMED), (csv("1,5;2,5", "3;4,5", "5;6"), 3, NUMBERED)])
def test_a_first_line_names_the_columns_only_where_it_cannot_be_data(data, rows, note):
    table = csv_table.read(data)
    assert {len(column) for column in table.values.values()} == {rows}
    assert table.notes[0] == note


def test_iris_as_published_keeps_its_first_row():
    table = csv_table.read(IRIS)
    assert table.columns == [f"column {place}" for place in range(1, 6)]
    assert table.values["column 1"].tolist() == [5.1, 4.9, 7.0, 6.3]
    assert table.batch("column 5").outputs == 3


def test_a_question_mark_is_a_missing_number():
    table = csv_table.read(csv("a,b,kind", "1,?,0", "?,2,1", "3,4,0", "5,6,1"))
    assert all(column.dtype == float for column in table.values.values())
    assert "2 are missing or infinite, in 'a', 'b'" in table.notes[-1]


def test_a_stray_word_among_numbers_is_named_with_its_row():
    table = csv_table.read(csv("a,b,kind", "1,2,x", "3,oops,y", "4,5,x", "6,,y"))
    assert "Column 'b' has numbers, and is one of words for 'oops' in row 2." in table.notes
    assert not any("'kind' has numbers" in note for note in table.notes)


def test_a_column_without_a_number_is_not_called_constant():
    table = csv_table.read(csv("a,none,b", "1,,0", "2,?,1", "3,,0"))
    assert "Columns without a number are left out: 'none'." in table.notes
    assert not any("Constant" in note for note in table.notes)


@pytest.mark.parametrize(("values", "kind", "outputs"), [
    ([i % 26 for i in range(400)], "auto", 26), ([1 + i % 100 for i in range(600)], "auto", 100),
    ([i % 26 for i in range(400)], "numbers", 1), ([20 + i % 60 for i in range(400)], "auto", 1),
    ([20 + i % 60 for i in range(400)], "classes", 60), (list(range(400)), "auto", 1), ([0.5, 1.5] * 9, "auto", 1),
    ([0.5, 1.5] * 9, "classes", 2), ([1, 2, 3] * 9, "numbers", 1), (["a", "b"] * 9, "auto", 2)])
def test_what_the_target_is_can_be_said_and_is_guessed_with_sense(values, kind, outputs):
    table = csv_table.read(csv("x,y", *(f"{i},{value}" for i, value in enumerate(values))))
    batch = table.batch("y", kind=kind)
    assert (batch.outputs, batch.loss) == (outputs, "mse" if outputs == 1 else "softmax_ce")
    said = csv_table.describe_target("y", batch)
    assert said == ("The target 'y' is read as numbers, standardized: squared error." if outputs == 1 else
                    f"The target 'y' is read as {outputs} classes: cross-entropy.")


def test_what_is_left_out_is_said():
    table = csv_table.read(csv("a,b,same,word,kind", "1,,5,x,0", "2,2,5,y,1", "inf,3,5,z,0", "4,4,5,x,1",
                                 "5,7,5,y,0"))
    assert any("Constant columns stay as inputs, of zeros when standardized: 'same'" in note for note in table.notes)
    assert any("2 are missing or infinite, in 'a', 'b'" in note for note in table.notes)
    assert table.batch("kind").x.shape == (3, 3)
    assert not table.batch("kind").x[:, 2].any()


def test_more_rows_or_cells_than_are_read_are_said():
    table = csv_table.read(csv("a,b", *(f"{i},{i % 3}" for i in range(20_100))))
    assert table.notes[:2] == (NAMED, "Only the first 20,000 rows are read.")
    assert table.notes[2].startswith("'a' counts the rows")
    wide = csv_table.read(csv(*(",".join(str((i + j) % 11) for j in range(1000)) for i in range(2_100))))
    assert wide.notes == (NUMBERED, "Only the first 2,000 rows are read.")


@pytest.mark.parametrize(("data", "sentence"), [
    (b"", "is empty"), (b" \n \n", "is empty"), (csv("a,b", *(f"x{i},{i}y{i}" for i in range(60))), "many words only"),
    (csv("a", "1", "2"), "at least two columns"), (b"hello", "at least two columns"),
    (csv("a,b", "1,2", "1,2", "1,2"), "must not be constant"), (csv("a,b", "1,2"), "two rows of data"),
    (b",".join(b"1" for _ in range(1_000_000)), "at most 2,000 columns, got 1,000,000"),
    ("a,b\n1,2\n".encode("utf-16"), "UTF-16"), ("a,b\n1,2\n".encode("utf-16-le"), "zero bytes"),
    (b"\xe9t\xe9,b\n1,2\n", "not UTF-8"), (csv("a,b", "1,2", "1,2,3,4"), "line 3 has 4 cells where 2 are expected"),
    (csv("a,b", "1,2,3", "4,5,6"), "line 2 has 3 cells where 2 are expected"),
    (b"0" * (20 * 10**6 + 1), "at most 20 MB"), (b"\x89PNG\r\n\x1a\n\0\0", "not UTF-8")])
def test_a_bad_file_gets_one_sentence(data, sentence):
    with pytest.raises(ValueError, match=sentence) as caught:
        csv_table.read(data)
    assert len(str(caught.value)) < 300
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("data", "target", "sentence"), [
    (csv("a,id", *(f"{i % 7},k{i}" for i in range(10_000))), "id", "at most 1,000 classes, got 10,000"),
    (csv("a,b", "1,2", "2,2", "3,2"), "b", "two different values"),
    (csv("a,b", "1,2", "2,2", "3,2"), "a", "beside the"),
    (csv("a,b", "x,y", "z,w"), "b", "the same, or of words that are encoded"),
    (csv("a,b,c", "1,,1", ",2,3", "2,,4", ",5,6"), "c", "two rows without a missing"),
    (csv("a,b", "1,0", "2,1"), "z", "target must be one of"), (csv("a,b", "1,0", "2,1"), "b" * 300, "target must be")])
def test_a_bad_target_gets_one_sentence(data, target, sentence):
    with pytest.raises(ValueError, match=sentence):
        csv_table.read(data).batch(target)


def test_ten_thousand_whole_numbers_are_too_many_classes():
    table = csv_table.read(csv("a,id", *(f"{i % 7},{i}" for i in range(10_000))))
    assert table.batch("id").loss == "mse"
    with pytest.raises(ValueError, match=r"target 'id' must have at most 1,000 classes, got 10,000"):
        table.batch("id", kind="classes")
    with pytest.raises(ValueError, match="target_kind must be one of auto, classes, numbers, got 'x'"):
        table.batch("id", kind="x")


def test_words_cannot_be_predicted_as_numbers():
    table = csv_table.read(csv("a,kind", "1,2", "2,red", "3,2"))
    with pytest.raises(ValueError, match="target 'kind' must be of numbers to be predicted as such, and has 'red'"):
        table.batch("kind", kind="numbers")


def test_numbers_beyond_float32_need_to_be_standardized():
    table = csv_table.read(csv("a,b", "1e300,0", "-1e300,1", "5e299,1"))
    with pytest.raises(ValueError, match="need to be standardized"):
        table.batch("b", standardize=False)
    assert np.isfinite(table.batch("b").x).all()


def outcome(data: bytes, rng: random.Random) -> tuple[Batch | None, str]:
    """A batch, or the sentence that says why there is none; any other exception is a failure."""
    try:
        table = csv_table.read(data)
        return table.batch(rng.choice(table.columns), standardize=rng.random() < 0.5), ""
    except ValueError as error:
        return None, str(error)


@pytest.mark.filterwarnings("error")
def test_thousands_of_damaged_files_are_read_or_refused_in_one_sentence():
    rng = random.Random(0)
    seeds = [csv("a,b,c,kind", *numbers(12)), csv("a;b;k", "1,5;2;x", "3;4,5;y", "7;8;x"),
             csv("a\tb", "1\t2", "3\t4"), csv('"q, r",b', '1,"2"', "3,4"), "ä,b\n1,2\n3,5\n".encode()]
    pieces = [b",", b";", b"\t", b"\n", b"\r", b'"', b"\0", b"nan", b"inf", b"1e999", b"-", b"1_0", b"\xff", b"True",
              b"9" * 400, b"''", b"=1+1", b"<b>", b"\xe2\x80\xa8", b"0x1f", b"1+2j", b"2020-01-01", b" "]
    read = 0
    for _ in range(MUTATED):
        data = bytearray(rng.choice(seeds))
        for _ in range(rng.randint(1, 6)):
            at = rng.randrange(len(data) + 1)
            change = rng.randrange(4)
            if change == 0:
                data[at:at] = rng.choice(pieces)
            elif change == 1:
                del data[at:at + rng.randint(1, 20)]
            elif change == 2:
                data[at:at + 1] = bytes([rng.randrange(256)])
            else:
                data[at:at] = data[rng.randrange(len(data) + 1):][:rng.randint(1, 40)]
        batch, sentence = outcome(bytes(data), rng)
        if batch is None:
            assert 10 < len(sentence) < 500, data
            assert "\n" not in sentence, data
        else:
            read += 1
            assert np.isfinite(batch.x).all(), data
            assert len(batch.x) == len(batch.targets) >= 2, data
    assert 100 < read < MUTATED - 100
