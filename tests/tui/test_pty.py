"""What the real program writes to a terminal of 80 by 24, byte by byte.

Somebody may sit at the end of a slow line.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.pty_app import Program, started
from tui.demo.fleet import DEMO_DEVICE

QUIET = 0.25
"""Seconds without a byte after which an answer that has begun counts as whole."""
TRIES = 30
DOWN, UP, BACK = b"\x1b[B", b"\x1b[A", b"\x1b"
KEY, SLOW_KEY, PLACE = 900, 800, 12_000
"""The most bytes for a cursor key with the details that follow it, the same on a slow line, and for another screen.

What a key writes before the details, at most half of that, is counted in `tests/tui/screens/test_looks.py`.
"""
IDLE = 3.0


@pytest.fixture(scope="module")
def program(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """The program, the same for all of these tests."""
    home = shutil.copytree(made / DEMO_DEVICE, tmp_path_factory.mktemp("pty") / DEMO_DEVICE)
    with started(home, "tui", "--no-mouse") as program:
        program.wait_for("TSC")
        program.read(4 * QUIET)
        yield program
        assert program.alive()


@pytest.fixture(scope="module")
def slow_program(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """The program as it is on a slow line."""
    home = shutil.copytree(made / DEMO_DEVICE, tmp_path_factory.mktemp("slow") / DEMO_DEVICE)
    with started(home, "tui", "--no-mouse", "--slow") as program:
        program.wait_for("TSC")
        program.read(4 * QUIET)
        yield program


def answered(program: Program, key: bytes) -> int:
    """How many bytes a key brings; 0 if nothing comes of it for long."""
    program.send(key)
    return next((len(came) for _ in range(TRIES) if (came := program.read(QUIET))), 0)


def moved(program: Program, *keys: bytes) -> list[int]:
    """How many bytes each cursor key brings, with the details that follow."""
    costs = [answered(program, key) + len(program.read(3 * QUIET)) for key in keys]
    assert all(costs), f"each key moves the cursor: {costs}"
    return costs


def moved_everywhere(program: Program) -> dict[str, list[int]]:
    """What cursor keys bring in each list and in a form."""
    costs: dict[str, list[int]] = {}
    for place in "3462":
        answered(program, place.encode())
        program.read(3 * QUIET)  # where nobody was before is drawn in several goes
        # In the inbox to the last row: each type of item is drawn in another way.
        costs[place] = moved(program, *((DOWN, DOWN, DOWN, DOWN, UP) if place == "3" else (DOWN,)), UP, b"j")
    for key in (b"g", b"l", DOWN, b"\r"):
        answered(program, key)
    program.read(3 * QUIET)
    costs["form"] = moved(program, DOWN, DOWN, UP)
    answered(program, BACK)
    return costs


def test_a_cursor_key_in_a_list_and_in_a_form(program: Program) -> None:
    costs = moved_everywhere(program)
    assert max(map(max, costs.values())) <= KEY, costs


def test_a_cursor_key_on_a_slow_line(slow_program: Program) -> None:
    costs = moved_everywhere(slow_program)
    assert max(map(max, costs.values())) <= SLOW_KEY, costs


def test_going_to_another_place(program: Program) -> None:
    costs = {key: answered(program, key.encode()) for key in "3456123456"}
    assert max(costs.values()) <= PLACE, costs
    assert min(costs.values()) > 0, costs


def test_nothing_is_written_while_nobody_does_anything(program: Program) -> None:
    answered(program, b"4")
    program.read(QUIET)
    assert program.read(IDLE) == b""


def test_the_cursor_of_the_terminal_is_where_the_focus_is(program: Program) -> None:
    assert b"\x1b[?25h" in program.output, "it is shown"
    for key in (b"5", b"2", b"G", b"g"):
        answered(program, key)
    program.forget()
    answered(program, DOWN)
    shown = program.output
    assert shown.removesuffix(b"\x1b[?2026l").endswith(b"\x1b[7;1H"), shown


def test_letters_that_come_with_the_key_that_opens_a_field_are_typed_into_it(program: Program) -> None:
    """On a slow line they come in one piece.

    None of them may be taken for a command of the page.
    """
    answered(program, b"3")
    program.read(3 * QUIET)
    program.send(b"/take all\r")
    program.wait_for("filter: take all")
    answered(program, BACK)
