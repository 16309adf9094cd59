"""What the real program writes to a terminal of 80 by 24, byte by byte: somebody may sit at the end of a slow line."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tui.pseudo import Program, started
from tui.cli.demo_fleet import SEEN

QUIET = 0.4
"""Seconds without a byte after which an answer that has begun counts as whole."""
TRIES = 20
DOWN, UP = b"\x1b[B", b"\x1b[A"
LIST, FORM, PLACE = 350, 1_000, 12_000
"""The most bytes for a cursor key in a list and in a form, and for going to another place."""


@pytest.fixture(scope="module")
def program(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """The program, the same for all of these tests."""
    home = shutil.copytree(made / SEEN, tmp_path_factory.mktemp("pty") / SEEN)
    with started(home, "tui", "--no-mouse") as program:
        program.wait_for("TSC")
        program.read(4 * QUIET)
        yield program
        assert program.alive()


def answered(program: Program, key: bytes) -> int:
    """How many bytes a key brings; 0 if nothing comes of it for long."""
    program.send(key)
    return next((len(came) for _ in range(TRIES) if (came := program.read(QUIET))), 0)


def go(program: Program, place: str) -> None:
    """Go to a place, from another one."""
    for key in ("5", place):
        answered(program, key.encode())
        program.read(2 * QUIET)


@pytest.mark.parametrize(("place", "budget"), [("2", LIST), ("3", FORM), ("4", LIST), ("6", LIST)])
def test_a_cursor_key_in_a_list(program: Program, place: str, budget: int) -> None:
    go(program, place)
    costs = [answered(program, key) for key in (DOWN, DOWN, DOWN, UP, b"j", b"k")]
    assert all(costs), f"each key moves the cursor: {costs}"
    assert max(costs) <= budget, costs


def test_a_cursor_key_in_a_form(program: Program) -> None:
    go(program, "2")
    for key in (b"g", b"l", DOWN, b"\r"):
        answered(program, key)
    costs = [answered(program, DOWN) for _ in range(5)]
    assert all(costs), f"each key moves the cursor: {costs}"
    assert max(costs) <= FORM, costs
    answered(program, b"\x1b")


def test_going_to_another_place(program: Program) -> None:
    go(program, "2")
    costs = {key: answered(program, key.encode()) for key in "3456123456"}
    assert max(costs.values()) <= PLACE, costs
    assert min(costs.values()) > 0, costs


def test_nothing_is_written_while_nobody_does_anything(program: Program) -> None:
    go(program, "4")
    assert program.read(5) == b""


def test_the_cursor_of_the_terminal_is_where_the_focus_is(program: Program) -> None:
    assert b"\x1b[?25h" in program.output, "it is shown"
    go(program, "2")
    for key in (b"G", b"g"):
        answered(program, key)
    program.forget()
    answered(program, DOWN)
    moved = program.output
    assert moved.removesuffix(b"\x1b[?2026l").endswith(b"\x1b[5;1H"), moved
