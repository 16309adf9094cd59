"""The context of every verb.

This device's home, its user, and how things are printed.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from functools import lru_cache
from itertools import islice
from pathlib import Path
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Any

import click

from core.errors import FieldlineError, Refused
from core.values import printable
from tui.i18n.dates import DateFormatter

if TYPE_CHECKING:
    from core.store.types import SaveTally
    from core.workspace import Workspace

COLUMN_GAP = "  "
MIN_COLUMN_WIDTH = 16
"""What is left of a column that gives way: enough to recognise a value."""
LINES_AT_ONCE = 1000
MAX_COLUMN_WIDTH = 60
"""What a column that gives way has where there is no terminal: one long value must not make every line long."""

_JOINED = re.compile("[\u200d\ufe0f\U0001f3fb-\U0001f3ff]")
"""What makes one sign of several characters. Few texts have any: the others are spared an import."""
_NOT_ASCII = re.compile("[^\0-\x7f]")


class CliContext:
    """The program's global options, and its output.

    Data to stdout, messages for people to stderr.

    `json` is set by the verb: then its data is one JSON document, and nothing else is on stdout.
    """

    def __init__(self, home: Path | None = None, user: str | None = None, passphrase_file: Path | None = None) -> None:
        self._home = home
        self._user = user
        self.passphrase_file = passphrase_file
        """Where the passphrase of a sealed key is; None: it is asked for."""
        self.json = False
        self.tallies: list[SaveTally] = []
        """What was saved through each store that was opened."""
        self.show_update: Callable[[ExitStack], Callable[[int, int], None]] = lambda stack: lambda done, total: None
        """Gives what shows how far a store is brought to this version, until the stack is closed."""

    @property
    def home(self) -> Path:
        """This device's folder: as given, or the platform's place for a user's data."""
        if self._home is None:
            from platformdirs import user_data_path

            try:
                found = user_data_path("fieldline").expanduser()
            except RuntimeError:
                found = Path()
            if not found.is_absolute():
                raise Refused(
                    "This user has no home folder: name one for this device with --home, or set FIELDLINE_HOME."
                )
            self._home = found
        return self._home

    @property
    def user(self) -> str:
        """The author of what is written: as given, or the login name.

        Empty if there is none.
        """
        if self._user is None:
            import getpass

            try:
                self._user = getpass.getuser()
            except (OSError, KeyError, ImportError):
                self._user = ""
        return self._user

    async def open_workspace(self, *, dry_run: bool = False) -> Workspace:
        """Open this device, to be used as `async with await context.open_workspace()`.

        Nothing is kept in a dry run.
        """
        from core.device.last_change import check_last_change
        from core.workspace import Workspace

        with ExitStack() as stack:
            workspace = await Workspace.open(self.home, user=self.user, on_update=self.show_update(stack))
        self.tallies.append(workspace.store.tally)
        workspace.ask_passphrase = self._read_passphrase
        workspace.on_notice = self._print_notice
        if dry_run:
            workspace.planned = []
        try:
            # Where the store is damaged, the command itself says so.
            with suppress(FieldlineError):
                if restored := await check_last_change(workspace.home, workspace.store):
                    self._print_notice(restored)
        except BaseException:
            await workspace.close()
            raise
        return workspace

    def _print_notice(self, notice: FieldlineError) -> None:
        from tui.i18n.translate import error_text

        self.print_message(error_text(notice))

    def _read_passphrase(self) -> str:
        from tui.cli.passphrase import read_passphrase

        return read_passphrase(self.passphrase_file)

    @property
    def dates(self) -> DateFormatter:
        """The format of times, in this machine's zone."""
        from core.workspace import system_clock

        return DateFormatter(system_clock)

    # --- speaking ----------------------------------------------------------------------------------------------------

    def print_message(self, text: str) -> None:
        """Print a message for people, on stderr."""
        print_to_person(printable(text))

    def print_json(self, data: Any) -> None:
        """Print data as JSON, all in ASCII, so that nothing in it can act on a terminal."""
        import json

        click.echo(json.dumps(data))

    async def print_json_pages(self, pages: AsyncIterator[Sequence[Any]]) -> None:
        """Print one JSON list whose items come in pages, each as it comes."""
        import json

        click.echo("[", nl=False)
        separator = ""
        async for page in pages:
            if page:
                click.echo(separator + json.dumps(page)[1:-1], nl=False)
                separator = ", "
        click.echo("]")

    def print_line(self, text: str = "", bold: bool = False) -> None:
        """Print a line for people on stdout."""
        self.print_lines([self.line(text, bold=bold)])

    def line(self, text: str, *, bold: bool = False) -> str:
        """Make a line for people of a text."""
        text = printable(text).rstrip()
        return bold_text(text) if bold else text

    def print_lines(self, lines: Iterable[str]) -> None:
        """Print lines that `line` or `table_lines` made, by few calls to the system."""
        rest = iter(lines)
        while some := list(islice(rest, LINES_AT_ONCE)):
            click.echo("\n".join(some))

    def columns_left(self, *columns: int) -> int | None:
        """The columns of the terminal beside others of these widths.

        None where nobody looks at one.
        """
        if not sys.stdout.isatty():
            return None
        return get_terminal_size().columns - sum(columns) - len(COLUMN_GAP) * len(columns)

    def print_table(
        self, rows: Sequence[Sequence[str]], header: Sequence[str] | None = None, shrinkable: Sequence[int] = ()
    ) -> None:
        """Print rows in columns; see `table_lines`."""
        self.print_lines(self.table_lines(rows, header, shrinkable))

    def table_lines(
        self, rows: Sequence[Sequence[str]], header: Sequence[str] | None = None, shrinkable: Sequence[int] = ()
    ) -> Iterator[str]:
        """Set rows in columns, as wide as what is in them.

        The last column is not padded.

        The columns `shrinkable` give way: in this order to the width of a terminal, else each to a fixed width, so that
        one long value does not make every line long.
        """
        every = [*([list(header)] if header else []), *([printable(cell) for cell in row] for row in rows)]
        # The last one is as wide as it is, which to find out takes long.
        measured = zip(*(row if shrinkable else row[:-1] for row in every), strict=True)
        widths = [max(map(text_width, column)) for column in measured]
        for column in shrinkable:
            left = self.columns_left(*widths[:column], *widths[column + 1 :])
            most = widths[column]
            if left is not None:
                most = max(MIN_COLUMN_WIDTH, left)
            elif column < len(widths) - 1:
                most = MAX_COLUMN_WIDTH
            if widths[column] > most:
                widths[column] = most
                for row in every:
                    row[column] = truncate_text(row[column], most)
        for index, row in enumerate(every):
            cells = [pad_text(cell, size) for cell, size in zip(row[:-1], widths, strict=False)]
            text = COLUMN_GAP.join([*cells, row[-1]]).rstrip()
            yield bold_text(text) if header and index == 0 else text


def print_to_person(text: str, *, nl: bool = True) -> None:
    """Write to stderr; work goes on even where nobody reads it."""
    with suppress(OSError, ValueError):
        click.echo(text, nl=nl, err=True)


def truncate_text(text: str, columns: int) -> str:
    """Shorten a text to so many columns of a terminal, with an ellipsis."""
    if text_width(text) <= columns:
        return text
    if text.isascii() and columns > 0:
        return text[: columns - 1] + "…"
    if _JOINED.search(text):
        from rich.cells import split_graphemes

        parts = [(text[start:end], width) for start, end, width in split_graphemes(text)[0]]
    else:
        parts = [(char, text_width(char)) for char in text]
    kept, taken = "", 0
    for part, width in parts:
        taken += width
        if taken >= columns:
            break
        kept += part
    return kept + "…"


def pad_text(text: str, columns: int) -> str:
    """Fill a text up to so many columns of a terminal."""
    return text.ljust(columns) if text.isascii() else text + " " * (columns - text_width(text))


def bold_text(text: str) -> str:
    """Text in bold, on a terminal where nobody has asked for no colour."""
    if "NO_COLOR" in os.environ or not sys.stdout.isatty():
        return text
    return click.style(text, bold=True)


def text_width(text: str) -> int:
    """The columns that a text takes on a terminal, as the screens count them."""
    if text.isascii():
        return len(text)
    if _JOINED.search(text):
        from rich.cells import cell_len

        return cell_len(text)
    return len(text) + sum(_width_of(char) - 1 for char in _NOT_ASCII.findall(text))


@lru_cache(4096)
def _width_of(char: str) -> int:
    from unicodedata import category, east_asian_width

    return 0 if category(char) in ("Mn", "Me") else 2 if east_asian_width(char) in "WF" else 1
