"""The painter writes little, and the terminal shows exactly what it should."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tests.support.terminal_screen import Terminal
from tui.terminal.diff_renderer import CellRow, DiffRenderer, patch_row

WIDTH, HEIGHT = 12, 9
CHUNKS: list[CellRow] = [
    [(" ", "")] * 3,
    [("a", ""), ("b", "1"), (" ", "1")],
    [(" ", "7")] * 3,
    [("a", ""), ("b", ""), ("c", "38;5;39")],
    [("界", ""), ("", ""), ("a", "")],
    [("≠", "1"), ("界", "1"), ("", "1")],
    [("a", "1"), (" ", ""), ("b", "1")],
    [(" ", "1;33"), (" ", "38;2;7;7;7"), (" ", "93")],
    [(" ", "48;5;39"), (" ", "4"), (" ", "101")],
    [("a", "1;38;5;231;48;5;24"), ("b", "1;38;5;222;48;5;24"), (" ", "48;5;24")],
    [("a", "2;7"), ("b", "1;2;4"), ("c", "38;5;81;48;5;235")],
]


def rows() -> st.SearchStrategy[CellRow]:
    """Rows of four chunks, so that equal cells and whole equal rows are frequent."""
    chunks = st.lists(st.sampled_from(CHUNKS), min_size=WIDTH // 3, max_size=WIDTH // 3)
    return chunks.map(lambda parts: [cell for part in parts for cell in part])


def seen(picture: list[CellRow]) -> list[CellRow]:
    """What a person sees: of a blank neither the colour of letters nor their weight."""
    return [[(char, on_blank(style) if char == " " else style) for char, style in row] for row in picture]


def on_blank(style: str) -> str:
    """What of a style shows where nothing is written."""
    parts = [part[0] for part in re.finditer(r"[34]8;5;\d+|[34]8;2;\d+;\d+;\d+|\d+", style)]
    return ";".join(part for part in parts if not _is_hidden(part, is_reverse="7" in parts))


def _is_hidden(part: str, *, is_reverse: bool) -> bool:
    return part in ("1", "2") or (not is_reverse and len(part) > 1 and part[0] in "39")


PICTURES = st.lists(rows(), min_size=HEIGHT, max_size=HEIGHT)


def plain(text: str) -> CellRow:
    return [(char, "") for char in text.ljust(WIDTH)]


@given(st.lists(PICTURES, min_size=1, max_size=4))
def test_the_terminal_shows_each_picture(pictures: list[list[CellRow]]) -> None:
    painter, terminal = DiffRenderer(), Terminal(WIDTH, HEIGHT)
    for picture in pictures:
        terminal.write(painter.render(dict(enumerate(picture)), WIDTH, HEIGHT))
        assert seen(terminal.rows) == seen(picture)


@given(PICTURES, st.integers(-4, 4), st.integers(0, 3), st.integers(0, 3), st.dictionaries(st.integers(0, 8), rows()))
def test_a_part_that_scrolls_and_changes_is_shown(
    picture: list[CellRow], by: int, above: int, below: int, changes: dict[int, CellRow]
) -> None:
    painter, terminal = DiffRenderer(), Terminal(WIDTH, HEIGHT)
    terminal.write(painter.render(dict(enumerate(picture)), WIDTH, HEIGHT))
    middle = picture[above : HEIGHT - below]
    moved = middle[by:] + middle[:by]
    wanted = dict(enumerate([*picture[:above], *moved, *picture[HEIGHT - below :]])) | changes
    terminal.write(painter.render(wanted, WIDTH, HEIGHT))
    assert seen(terminal.rows) == seen([wanted[y] for y in range(HEIGHT)])


@given(PICTURES, rows(), st.integers(0, HEIGHT - 1))
def test_only_the_rows_given_change(picture: list[CellRow], row: CellRow, y: int) -> None:
    painter, terminal = DiffRenderer(), Terminal(WIDTH, HEIGHT)
    terminal.write(painter.render(dict(enumerate(picture)), WIDTH, HEIGHT))
    terminal.write(painter.render({y: row}, WIDTH, HEIGHT))
    assert seen(terminal.rows) == seen([row if each == y else old for each, old in enumerate(picture)])


@given(PICTURES)
def test_what_is_shown_already_is_not_written_again(picture: list[CellRow]) -> None:
    painter = DiffRenderer()
    painter.render(dict(enumerate(picture)), WIDTH, HEIGHT)
    assert painter.render(dict(enumerate(picture)), WIDTH, HEIGHT) == ""


@pytest.mark.parametrize("char", ["❤\ufe0f", "👍🏽", "🇩🇪", "x\u0331"])
def test_what_is_right_of_a_character_made_of_several_is_in_its_column_on_every_terminal(char: str) -> None:
    """Terminals do not agree how wide such a character is."""
    painter, terminal = DiffRenderer(), Terminal(WIDTH, HEIGHT)
    size = cell_len(char)
    row: CellRow = [("a", ""), (char, "1"), *[("", "1")] * (size - 1), ("b", "")]
    terminal.write(painter.render({0: [*row, *[(" ", "")] * (WIDTH - len(row))]}, WIDTH, HEIGHT))
    assert [cell[0] for cell in terminal.rows[0][size + 1 :]] == ["b", *" " * (WIDTH - size - 2)]


def test_a_picture_is_written_in_full_after_forgetting_and_after_another_size() -> None:
    picture = {y: plain(f"row {y}") for y in range(HEIGHT)}
    painter = DiffRenderer()
    painter.render(picture, WIDTH, HEIGHT)
    painter.invalidate()
    assert "row 7" in painter.render(picture, WIDTH, HEIGHT)
    smaller = {y: row[:-1] for y, row in picture.items()}
    assert "row 7" in painter.render(smaller, WIDTH - 1, HEIGHT)


def test_rows_that_moved_are_moved_by_the_terminal() -> None:
    painter = DiffRenderer()
    painter.render({y: plain(f"change {y}") for y in range(HEIGHT)}, WIDTH, HEIGHT)
    written = painter.render({y: plain(f"change {y + 1}") for y in range(HEIGHT)}, WIDTH, HEIGHT)
    assert "\x1b[M" in written
    assert written.count("change") == 1


def test_only_the_cells_that_differ_are_written() -> None:
    painter = DiffRenderer()
    painter.render({0: plain("12 of 650")}, WIDTH, HEIGHT)
    assert painter.render({0: plain("13 of 650")}, WIDTH, HEIGHT) == "\x1b[1;2H3"


def test_styles_go_on_over_blanks_and_gaps() -> None:
    painter = DiffRenderer()
    painter.render({0: plain("")}, WIDTH, HEIGHT)
    bold: CellRow = [(char, "" if char == " " else "1") for char in "one two  end"]
    assert painter.render({0: bold}, WIDTH, HEIGHT) == "\x1b[1;1H\x1b[1mone two  end\x1b[m"
    other: CellRow = [(char, "" if char == " " else "1") for char in "ane two  and"]
    assert painter.render({0: other}, WIDTH, HEIGHT) == "\x1b[1;1H\x1b[1ma\x1b[8Ca\x1b[m"


def test_a_blank_whose_style_does_not_show_is_not_new() -> None:
    painter = DiffRenderer()
    painter.render({0: plain("")}, WIDTH, HEIGHT)
    padded = patch_row(plain(""), 0, [(" ", "1"), (" ", "38;5;39"), (" ", "2;93")])
    assert painter.render({0: padded}, WIDTH, HEIGHT) == ""
    marked = patch_row(plain(""), 0, [(" ", "7"), (" ", "48;5;39"), (" ", "4")])
    assert painter.render({0: marked}, WIDTH, HEIGHT) != ""


def test_a_patch_is_cut_at_the_edge() -> None:
    assert patch_row(plain("abc"), WIDTH - 1, plain("xy")) == [*plain("abc")[:-1], ("x", "")]
    assert patch_row(plain("abc"), WIDTH + 3, plain("xy")) == plain("abc")


@pytest.mark.parametrize(
    ("before", "after", "written"),
    [
        ("1;38;5;231;48;5;24", "1;38;5;222;48;5;24", "\x1b[38;5;222m"),
        ("1;38;5;231;48;5;24", "38;5;247", "\x1b[0;38;5;247m"),
        ("1;38;5;81", "38;5;81", "\x1b[22m"),
        ("38;5;81", "1;38;5;81", "\x1b[1m"),
        ("1", "", "\x1b[m"),
    ],
)
def test_only_what_differs_of_a_style_is_written(before: str, after: str, written: str) -> None:
    painter = DiffRenderer()
    painter.render({0: plain("")}, WIDTH, HEIGHT)
    row: CellRow = [("a", before), ("b", after), *plain("")[2:]]
    assert f"a{written}b" in painter.render({0: row}, WIDTH, HEIGHT)
