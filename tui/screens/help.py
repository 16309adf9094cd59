"""`?`: what the keys do here, from the registry."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from textual.app import App, ComposeResult
from textual.screen import ModalScreen

from tui import commands
from tui.command_host import Offering
from tui.commands import Command
from tui.language.i18n import _
from tui.rows.lines import Line, fit
from tui.screens.dialogs import MOVES, Dialog
from tui.widgets.text import Fixed, LineList


def explain(app: App[Any]) -> None:
    """Show what the keys do on the screen that is on top; once more takes that away."""
    if isinstance(screen := app.screen, Help):
        screen.dismiss(None)
    elif isinstance(screen, Offering):
        app.push_screen(Help(screen))


class Help(Dialog[None]):
    """All commands of a screen with their keys, then those of lists and those that work everywhere.

    What cannot act now is dimmed, and says why when the cursor is on it.
    """

    def __init__(self, about: Offering) -> None:
        super().__init__(_("What the keys do here"), _("close"))
        why_not = about.unavailable()
        self._rows: list[tuple[str, Line]] = []
        for number, group in enumerate(_groups(about)):
            if self._rows:
                self._rows.append(("", []))
            for command in group:
                reason = "" if number and command not in about.offered() else why_not.get(command.name, "")
                self._rows.append((reason, _row(command, bool(reason))))

    def body(self) -> ComposeResult:
        yield LineList(Fixed([(number, line) for number, (_reason, line) in enumerate(self._rows)]), id="help")

    def on_mount(self) -> None:
        self.call_after_refresh(self.message, self._rows[0][0])

    def on_line_list_moved(self, event: LineList.Moved) -> None:
        self.message(self._rows[event.lines.cursor][0])

    def offered(self) -> list[Command]:
        return [command for command in super().offered() if command.name == "accept"]

    def accept(self) -> None:
        self.dismiss(None)


def _groups(about: Offering) -> Iterator[list[Command]]:
    """The commands that work on a screen; where something is typed and in a dialog, those are few."""
    if not about.typing and not isinstance(about, ModalScreen):
        yield from (list(commands.of(scope)) for scope in (*about.SCOPES, "list", "everywhere"))
        return
    yield about.offered()
    if about.query(LineList) and not about.typing:
        yield list(commands.of("list"))
    elif about.query(LineList) and isinstance(about, ModalScreen):
        moves = [commands.find(("list",), name) for name in MOVES]
        yield [replace(command, keys=command.keys[:1]) for command in moves]
    yield [commands.find(("everywhere",), name) for name in commands.HELPING]


def _row(command: Command, dimmed: bool) -> Line:
    keys = " ".join(commands.key_name(key) for key in command.keys) or ":"
    roles = ("dim", "dim") if dimmed else ("strong", "plain")
    return [(fit(keys, 10), roles[0]), ("  " + _(command.help), roles[1])]
