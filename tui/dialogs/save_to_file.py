"""Save what a list shows to a text file.

All its lines, read as they are needed, and what stands around them.
"""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from textual.app import ComposeResult

from core import temporary_files
from core.errors import FieldlineError, Refused
from tui.commands import Command
from tui.dialogs.base import Dialog
from tui.i18n.translate import _, error_text, format_number
from tui.layout import Line, clean_text
from tui.widgets.lines import Lines, RowSource

_FILE_COLUMNS, _BATCH_ROWS = 120, 50
"""Columns of a line in the file, as a wide screen has, and rows that are read between two looks at the keys."""
_FILE_MODE = 0o666  # less what the umask takes
OnProgress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class FileContent:
    """The content of the file `name`.

    The rows of a list between some lines above and below.
    """

    name: str
    source: RowSource
    above: list[str]
    below: list[str]


class SaveProgressDialog(Dialog[str]):
    """Saves, shows progress, and stops on Esc; answers with a sentence on the outcome."""

    def __init__(self, content: FileContent, path: Path) -> None:
        super().__init__(_("Saving to {path}").format(path=path))
        self._content = content
        self._path = path
        self._done, self._total = 0, len(content.source)

    def body(self) -> ComposeResult:
        yield Lines(lambda width, _height: [[(self._progress_text(), "plain")]], id="far")

    def on_mount(self) -> None:
        self.run_task(self._save_file, group="file")

    async def _save_file(self) -> None:
        try:
            lines = await save_to_file(self._content, self._path, self._on_progress)
        except FieldlineError as error:
            self.dismiss(error_text(error))
            return
        self.dismiss(_("Saved {count} lines to {path}.").format(count=format_number(lines), path=self._path))

    def _on_progress(self, done: int, total: int) -> None:
        self._done, self._total = done, total
        self.query_one("#far", Lines).redraw()

    def _progress_text(self) -> str:
        return _("{done} of {count} lines").format(done=format_number(self._done), count=format_number(self._total))

    def available_commands(self) -> list[Command]:
        word = _("stop")
        return [Command(c.name, c.keys, word, c.help) for c in super().available_commands() if c.name == "cancel"]


async def save_to_file(content: FileContent, path: Path, on_progress: OnProgress) -> int:
    """Write it, whole or not at all; return how many lines it has.

    Raises FieldlineError if it cannot be written.
    """
    lines = list(content.above)
    total = len(content.source)
    for start in range(0, total, _BATCH_ROWS):
        stop = min(total, start + _BATCH_ROWS)
        if content.source.needs_load(start, stop - 1):
            await content.source.load(start, stop - 1)
        lines += plain_texts([content.source.line(index, _FILE_COLUMNS) for index in range(start, stop)])
        on_progress(stop, total)
        await asyncio.sleep(0)
    lines += content.below
    await asyncio.to_thread(partial(_write_file, path, "\n".join(lines).rstrip() + "\n"))
    return len(lines)


def plain_texts(lines: list[Line]) -> list[str]:
    """The lines without their looks."""
    return ["".join(clean_text(text) for text, _role in line).rstrip() for line in lines]


def path_of(text: str) -> Path:
    """The path that a person means.

    A `~` that is nobody's home is part of a name like any other letter.
    """
    name = text.strip().replace("\0", "")
    return Path(os.path.expanduser("~"), os.path.expanduser(name))  # noqa: PTH111


def check_path(path: Path) -> None:
    """Raise Refused if nothing can be saved there."""
    # Asked of the system itself: what pathlib tells for a name that is too long differs from one Python to the next.
    try:
        there = _mode(path) is not None
        folder = _mode(path.parent)
    except OSError:  # too long, or in a folder that is closed to this user
        raise Refused("{path} cannot be used: name another file.", path=str(path)) from None
    if there:
        raise Refused("{path} is there already: name another file.", path=str(path))
    if folder is None or not stat.S_ISDIR(folder):
        raise Refused("There is no folder {path}: name another file.", path=str(path.parent))
    if not os.access(path.parent, os.W_OK):
        raise Refused("This user may not write in {path}: name another file.", path=str(path.parent))


def _mode(path: Path) -> int | None:
    """What there is; None if nothing is. Raises OSError where that is not to be known."""
    try:
        return path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None


def _write_file(path: Path, text: str) -> None:
    try:
        with temporary_files.open_replacement(path, _FILE_MODE) as file:
            file.write(text.encode())
            check_path(path)
    except OSError as error:
        why = error.strerror or str(error)
        raise FieldlineError("{path} could not be written: {why}.", path=str(path), why=why) from None
