"""The terminal is asked for its background.

Its answer is understood, late or never, and no key is lost over it.
"""

from __future__ import annotations

import os
import pty
import termios
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.terminal.background import QUESTION, BackgroundQuery, LateAnswerFilter, Rgb, parse_answer
from tui.terminal.profile import read_profile

ANSWER = b"\x1b]11;rgb:fdfd/f6f6/e3e3\x1b\\"


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """Both ends of a pseudo-terminal: what a person has in front, and the program's."""
    outer, inner = pty.openpty()
    yield outer, inner
    os.close(outer)
    os.close(inner)


@pytest.mark.parametrize(
    ("data", "rgb", "rest"),
    [
        (ANSWER, (253, 246, 227), b""),
        (b"\x1b]11;rgb:00/ff/80\x07", (0, 255, 128), b""),
        (b"\x1b]11;rgba:0000/0000/0000/ffff\x07", (0, 0, 0), b""),
        (b"2j" + ANSWER + b"k", (253, 246, 227), b"2jk"),
        (b"\x1b]11;what\x07", None, b"\x1b]11;what\x07"),
        (b"", None, b""),
    ],
)
def test_an_answer_is_taken_out_of_what_came(data: bytes, rgb: Rgb | None, rest: bytes) -> None:
    assert parse_answer(data) == (rgb, rest)


def test_a_terminal_that_answers_is_understood_and_put_back_as_it_was(terminal: tuple[int, int]) -> None:
    outer, inner = terminal
    before = termios.tcgetattr(inner)
    query = BackgroundQuery(inner)
    query.ask()
    assert os.read(outer, 100) == QUESTION
    os.write(outer, b"3" + ANSWER)
    assert query.finish() == ((253, 246, 227), b"3")
    assert termios.tcgetattr(inner) == before


def test_a_terminal_that_is_silent_is_not_waited_for(terminal: tuple[int, int]) -> None:
    outer, inner = terminal
    times = iter((0.0, 0.06, 0.07, 0.08))
    query = BackgroundQuery(inner, lambda: next(times))
    query.ask()
    os.write(outer, b"jk")
    assert query.finish() == (None, b"jk")


def test_what_is_no_terminal_is_not_asked() -> None:
    reader, writer = os.pipe()
    try:
        query = BackgroundQuery(writer)
        query.ask()
        assert query.finish() == (None, b"")
        os.set_blocking(reader, False)
        with pytest.raises(BlockingIOError):
            os.read(reader, 1)
    finally:
        os.close(reader)
        os.close(writer)


@given(st.text("abc\x1b[OA1;]", max_size=12), st.text("abc1;]", max_size=12), st.integers(0, 60), st.integers(0, 60))
def test_a_late_answer_is_no_keys_however_it_is_cut(before: str, after: str, one: int, other: int) -> None:
    whole = before + ANSWER.decode() + after
    first, second = sorted((one, other))
    late = LateAnswerFilter()
    taken = "".join(late.take(part) for part in (whole[:first], whole[first:second], whole[second:]))
    if "\x1b]11;" not in before and not before.endswith("\x1b"):
        keys = taken + late.take_idle()
        # Of one that is cut behind its first character, that is taken for the key that it may be.
        assert keys in (before + after, before + "\x1b" + after)


@given(st.lists(st.text("ab\x1b[O]1", max_size=6), max_size=6))
def test_what_is_no_answer_comes_through(parts: list[str]) -> None:
    late = LateAnswerFilter()
    taken = "".join(late.take(part) for part in parts) + late.take_idle()
    assert taken == "".join(parts)


def test_an_escape_key_does_not_wait() -> None:
    assert LateAnswerFilter().take("\x1b") == "\x1b"


@pytest.mark.parametrize(
    ("environ", "asked", "theme"),
    [
        ({"TERM": "xterm-256color", "LANG": "C.UTF-8"}, True, "light"),
        ({"TERM": "xterm-256color", "NO_COLOR": "1"}, False, "mono"),
        ({"TERM": "linux"}, False, "terminal"),
    ],
)
def test_only_a_terminal_that_could_show_two_grounds_is_asked(
    terminal: tuple[int, int], environ: dict[str, str], asked: bool, theme: str
) -> None:
    outer, inner = terminal

    def answer() -> None:
        if asked:
            os.write(outer, ANSWER)

    profile = read_profile("auto", False, environ, inner, answer)
    assert profile.theme == theme
    os.set_blocking(outer, False)
    try:
        written = os.read(outer, 100)
    except BlockingIOError:
        written = b""
    assert written == (QUESTION if asked else b"")


def test_a_slow_serial_line_is_not_asked_and_has_no_true_colour(terminal: tuple[int, int]) -> None:
    _outer, inner = terminal
    settings = termios.tcgetattr(inner)
    settings[4] = settings[5] = termios.B9600
    termios.tcsetattr(inner, termios.TCSANOW, settings)
    profile = read_profile("auto", False, {"TERM": "xterm-256color", "COLORTERM": "truecolor"}, inner)
    assert (profile.is_slow, profile.colours, profile.theme) == (True, "256", "dark")
