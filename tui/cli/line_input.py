"""Read what a person types at a prompt, line by line, without blocking."""

from __future__ import annotations

import asyncio
import os
import sys
import termios
from contextlib import suppress

from tui.cli.context import print_to_person

MAX_LINE_BYTES = 4096
"""As a terminal has it; what is longer is no answer to any question."""


class LineInput:
    """Standard input as lines.

    What is typed ahead stays for the next question unless it is discarded.
    """

    def __init__(self) -> None:
        self._buffer = b""

    async def ask(self, question: str) -> str | None:
        """Print a question and give the line that answers it, without spaces around.

        None at the end of the input.
        """
        print_to_person(f"{question} ", nl=False)
        while b"\n" not in self._buffer and len(self._buffer) < MAX_LINE_BYTES:
            data = await _read_some(sys.stdin.fileno())
            if not data:
                break
            self._buffer += data
        else:
            line, _, self._buffer = self._buffer.partition(b"\n")
            return line.decode(errors="replace").strip()
        rest, self._buffer = self._buffer, b""
        return rest.decode(errors="replace").strip() if rest else None

    def discard(self) -> None:
        """Forget what was typed before there was anything to answer, on a terminal."""
        with suppress(termios.error, OSError, ValueError):
            if sys.stdin.isatty():
                termios.tcflush(sys.stdin, termios.TCIFLUSH)
                self._buffer = b""


async def _read_some(descriptor: int) -> bytes:
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    try:
        loop.add_reader(descriptor, readable.set)
    except PermissionError:
        # A file, or the null device: it never keeps anybody waiting.
        return os.read(descriptor, MAX_LINE_BYTES)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(descriptor)
    return os.read(descriptor, MAX_LINE_BYTES)
