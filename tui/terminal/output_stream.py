"""The terminal's output as the thread that writes uses it.

A terminal that is gone must not end that thread, or whoever hands it the next text would wait for ever.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TextIO


class TerminalOutput:
    """A text stream to a terminal.

    Reports once that nothing can be written any more, and drops what comes then.
    """

    def __init__(self, stream: TextIO, on_lost: Callable[[], None]) -> None:
        self._stream, self._on_lost = stream, on_lost
        self._is_lost = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> None:
        """Write a text, while there is a terminal."""
        if not self._is_lost:
            self._attempt(lambda: self._stream.write(text))

    def flush(self) -> None:
        """Hand on what was written, while there is a terminal."""
        if not self._is_lost:
            self._attempt(self._stream.flush)

    def _attempt(self, act: Callable[[], object]) -> None:
        try:
            act()
        except (OSError, ValueError):
            self._is_lost = True
            # What the stream still holds is flushed when Python ends, and would make that the exit code.
            with suppress(OSError, ValueError):
                null = os.open(os.devnull, os.O_WRONLY)
                os.dup2(null, self._stream.fileno())
                os.close(null)
            self._on_lost()
