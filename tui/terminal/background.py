"""Ask the terminal for the colour of its background (OSC 11).

Not every terminal answers.

The question is sent before the heavy imports and the answer read after them, so that hardly anybody waits for it.
What a person types meanwhile is kept, and given to whoever reads the keys afterwards.
"""

from __future__ import annotations

import os
import re
import select
import termios
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

ANSWER_TIMEOUT_S = 0.05
"""Seconds that a terminal has to answer, from the question on: one that does so does it at once."""
_LATE_TIMEOUT_S = 0.5
"""Seconds for the rest of an answer that has begun, as over a slow line."""
_MAX_BYTES = 4096
"""What is read at most: an answer is 25 bytes, the rest was typed."""
QUESTION = b"\x1b]11;?\x1b\\"
_ANSWER = re.compile(
    rb"\x1b\]11;rgba?:([0-9a-fA-F]{1,4})/([0-9a-fA-F]{1,4})/([0-9a-fA-F]{1,4})[0-9a-fA-F/]{0,5}(?:\x07|\x1b\\)"
)
_LATE_ANSWER = re.compile(r"\x1b\]11;[^\x07\x1b]{0,40}(?:\x07|\x1b\\)")
_BEGUN = re.compile(r"\x1b(?:\](?:1(?:1(?:;[^\x07\x1b]{0,40}\x1b?)?)?)?)?$")

Rgb = tuple[int, int, int]
"""Red, green and blue, 0 to 255 each."""


def parse_answer(data: bytes) -> tuple[Rgb | None, bytes]:
    """The colour that a terminal's answer names, None without one; and what else came."""
    if (found := _ANSWER.search(data)) is None:
        return None, data
    red, green, blue = (int(part, 16) * 255 // (16 ** len(part) - 1) for part in found.groups())
    return (red, green, blue), data[: found.start()] + data[found.end() :]


class BackgroundQuery:
    """One question to a terminal.

    `finish` has to be called, which also puts the terminal back as it was.
    """

    def __init__(self, fileno: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._fileno = fileno
        self._clock = clock
        self._before: list[Any] | None = None
        self._asked_s = 0.0

    def ask(self) -> None:
        """Send the question; the answer must not be echoed.

        Does nothing where that cannot be seen to.
        """
        try:
            self._before = termios.tcgetattr(self._fileno)
            quiet = termios.tcgetattr(self._fileno)
            quiet[3] &= ~(termios.ICANON | termios.ECHO)
            termios.tcsetattr(self._fileno, termios.TCSANOW, quiet)
            os.write(self._fileno, QUESTION)
        except (termios.error, OSError):
            self._before = None
        self._asked_s = self._clock()

    def finish(self) -> tuple[Rgb | None, bytes]:
        """The colour of the background, None if the terminal did not say.

        And what was typed meanwhile.
        """
        if self._before is None:
            return None, b""
        try:
            return parse_answer(self._read())
        finally:
            with suppress(termios.error):
                termios.tcsetattr(self._fileno, termios.TCSANOW, self._before)
            self._before = None

    def _read(self) -> bytes:
        data = b""
        deadline_s = self._asked_s + ANSWER_TIMEOUT_S
        while len(data) < _MAX_BYTES and not _ANSWER.search(data):
            late_s = _LATE_TIMEOUT_S if b"\x1b]11;" in data else 0.0
            left_s = max(0.0, deadline_s + late_s - self._clock())
            if not select.select([self._fileno], [], [], left_s)[0]:
                break
            try:
                came = os.read(self._fileno, 256)
            except OSError:
                break
            if not came:
                break
            data += came
        return data


class LateAnswerFilter:
    """Take late answers out of what is read as keys."""

    def __init__(self) -> None:
        self._held = ""
        self._given = ""
        """An escape character at the start of what is held, which was given already: alone it is a key."""

    def take(self, text: str) -> str:
        """What of a text are keys.

        The beginning of an answer is held back until it ends or turns out to be none.
        """
        whole = self._held + text
        text = _LATE_ANSWER.sub("", whole)
        if self._given and text.startswith(self._given) and not (whole != text and _LATE_ANSWER.match(whole)):
            given = len(self._given)
        else:
            given = 0
        begun = _BEGUN.search(text)
        start = begun.start() if begun else len(text)
        taken = text[given:start] if start >= given else ""
        self._held, self._given = text[start:], self._given if given and start == 0 else ""
        if self._held == "\x1b" and not self._given:
            self._given = "\x1b"
            taken += "\x1b"
        return taken

    def take_idle(self) -> str:
        """What was held back, once nothing more comes."""
        held, self._held = self._held[len(self._given) :], ""
        self._given = ""
        return held
