"""``initviz audit`` as a person or a CI runs it."""

from __future__ import annotations

import json

import numpy as np
import pytest

from initviz.cli import main


@pytest.fixture
def file(tmp_path):
    rng = np.random.default_rng(0)
    path = tmp_path / "state.npz"
    np.savez(path, **{f"layers.{block}.weight": (rng.standard_normal((64, 64)) / 8).astype("f") for block in range(6)})
    return path


def test_a_file_that_is_right_ends_with_0_and_one_line_a_family(file, capsys):
    assert main(["audit", str(file)]) == 0
    out = capsys.readouterr().out
    assert "layers.#.weight  (6)" in out
    assert "Nothing found." in out


def test_a_deviation_from_a_recipe_ends_with_1(file, capsys):
    assert main(["audit", str(file), "--recipe", "torch", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert len(found["findings"]) == len(found["tensors"]) == 6


def test_a_learned_recipe_holds_its_own_file(file, tmp_path, capsys):
    learned = tmp_path / "recipe.toml"
    assert main(["audit", str(file), "--learn", str(learned)]) == 0
    assert main(["audit", str(file), "--recipe", str(learned)]) == 0
    assert "Nothing deviates" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["absent.npz"], ["{file}", "--recipe", "nonsense"], ["{text}"]])
def test_bad_input_is_one_sentence_and_2(file, tmp_path, capsys, arguments):
    text = tmp_path / "text.safetensors"
    text.write_text("not a file of tensors")
    assert main(["audit", *(a.format(file=file, text=text) for a in arguments)]) == 2
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert not captured.out


def test_names_of_a_file_cannot_move_the_cursor(tmp_path, capsys):
    path = tmp_path / "hostile.npz"
    np.savez(path, **{"a\x1b[2J.weight": np.random.default_rng(0).standard_normal((32, 32))})
    assert main(["audit", str(path)]) in (0, 1, 2)
    captured = capsys.readouterr()
    assert "\x1b" not in captured.out + captured.err


def test_blocks_whose_own_scale_no_formula_gives_are_one_row_with_its_range(tmp_path, capsys):
    rng = np.random.default_rng(0)
    path = tmp_path / "state.npz"
    np.savez(path, **{f"layers.{block}.weight": std * rng.standard_normal((64, 64))
                      for block, std in enumerate((0.3, 0.5, 0.4))})
    main(["audit", str(path)])
    row, = (line for line in capsys.readouterr().out.splitlines() if line.startswith("layers.#"))
    least, most = row.partition("64 × 64")[2].split("N(0")[0].split(" to ")
    assert (float(least), float(most)) == (pytest.approx(0.3, rel=0.1), pytest.approx(0.5, rel=0.1))
