"""Taking over what a file holds: an edit history, or a bundle."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from core.importing import Line, read_lines

Progress = Callable[[int, int], None]
"""Told how much is done, of how much; what it raises stops the work, and then nothing of it is kept."""


def is_history(path: Path) -> bool:
    """Whether a file looks like an edit history in JSON lines; raises OSError if it cannot be read."""
    with path.open("rb") as file:
        return file.read(256).removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"{"


def history(path: Path) -> list[Line]:
    """The lines of an edit history; raises Refused with the line's number, OSError if the file cannot be read."""
    with path.open("rb") as file:
        return list(read_lines(file))
