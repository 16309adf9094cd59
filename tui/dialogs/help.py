"""`?`: what the keys do here, from the registry."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from textual.app import App, ComposeResult
from textual.screen import ModalScreen

from tui import commands
from tui.command_host import CommandHost
from tui.commands import Command
from tui.dialogs.base import MOVE_COMMANDS, Dialog
from tui.i18n.translate import _
from tui.layout import Line, fit
from tui.widgets.lines import LineList, StaticRows


def show_help(app: App[Any]) -> None:
    """Show what the keys do on the screen that is on top; once more takes that away."""
    if isinstance(screen := app.screen, HelpDialog):
        screen.dismiss(None)
    elif isinstance(screen, CommandHost):
        app.push_screen(HelpDialog(screen))


class HelpDialog(Dialog[None]):
    """All commands of a screen with their keys, then those of lists and those that work everywhere.

    What cannot act now is dimmed, and says why when the cursor is on it.
    """

    def __init__(self, about: CommandHost) -> None:
        super().__init__(_("Keys"), _("close"))
        why_not = about.disabled_commands()
        self._rows: list[tuple[str, Line]] = []
        for number, group in enumerate(_command_groups(about)):
            if self._rows:
                self._rows.append(("", []))
            for command in group:
                reason = "" if number and command not in about.available_commands() else why_not.get(command.name, "")
                self._rows.append((reason, _command_line(command, bool(reason))))

    def body(self) -> ComposeResult:
        yield LineList(StaticRows([(number, line) for number, (_reason, line) in enumerate(self._rows)]), id="help")

    def on_mount(self) -> None:
        self.call_after_refresh(self.show_message, self._rows[0][0])

    def on_line_list_moved(self, event: LineList.Moved) -> None:
        self.show_message(self._rows[event.lines.cursor][0])

    def available_commands(self) -> list[Command]:
        return [command for command in super().available_commands() if command.name == "accept"]

    def accept(self) -> None:
        self.dismiss(None)


def _command_groups(about: CommandHost) -> Iterator[list[Command]]:
    """The commands that work on a screen; where something is typed and in a dialog, those are few."""
    if not about.is_typing and not isinstance(about, ModalScreen):
        yield from (list(commands.commands_of(scope)) for scope in (*about.SCOPES, "list", "everywhere"))
        return
    yield about.available_commands()
    if about.query(LineList) and not about.is_typing:
        yield list(commands.commands_of("list"))
    elif about.query(LineList) and isinstance(about, ModalScreen):
        moves = [commands.find_command(("list",), name) for name in MOVE_COMMANDS]
        yield [replace(command, keys=command.keys[:1]) for command in moves]
    yield [commands.find_command(("everywhere",), name) for name in commands.ALWAYS_AVAILABLE]


def _command_line(command: Command, dimmed: bool) -> Line:
    keys = " ".join(commands.format_key(key) for key in command.keys) or ":"
    roles = ("dim", "dim") if dimmed else ("strong", "plain")
    return [(fit(keys, 10), roles[0]), ("  " + _(command.help), roles[1])]
