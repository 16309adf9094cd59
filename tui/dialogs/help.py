"""`?`: what the keys do here, from the registry."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from rich.cells import cell_len
from textual.app import App, ComposeResult
from textual.events import Key
from textual.screen import ModalScreen
from textual.widgets import Input

from tui import commands
from tui.command_host import CommandHost
from tui.commands import Command
from tui.dialogs.base import MOVE_COMMANDS, Dialog
from tui.i18n.translate import N_, _
from tui.layout import Line, fit, spread
from tui.widgets.field import Field
from tui.widgets.lines import LineList, Lines, StaticRows

_LOOK, _CHANGE, _MOVE, _EVERYWHERE = N_("Look"), N_("Change"), N_("Move"), N_("Everywhere")
_COLUMNS = 74
"""Columns of a heading with its rule."""


def show_help(app: App[Any], run_everywhere: Callable[[str], None] | None = None) -> None:
    """Show what the keys do on the screen that is on top; once more takes that away.

    `run_everywhere` carries out a command that is chosen and is none of the screen.
    """
    if isinstance(screen := app.screen, HelpDialog):
        screen.dismiss(None)
    elif isinstance(screen, CommandHost):
        about = screen

        def on_chosen(name: str | None) -> None:
            if name is not None and name != "help":
                is_own = name in {command.name for command in about.available_commands()}
                if is_own:
                    about.action_command(name)
                elif run_everywhere is not None:
                    run_everywhere(name)

        app.push_screen(HelpDialog(screen), on_chosen)


class _FilterField(Field):
    """What the keys are filtered by; the key that opened the help takes it away again."""

    async def _on_key(self, event: Key) -> None:
        if event.key == "question_mark" and isinstance(self.screen, HelpDialog):
            event.stop()
            event.prevent_default()
            self.screen.dismiss(None)
        else:
            await super()._on_key(event)


@dataclass(frozen=True, slots=True)
class _Entry:
    """A command in the help.

    Why it cannot act now (empty if it can), and whether Enter can carry it out.
    """

    command: Command
    reason: str
    is_runnable: bool


class HelpDialog(Dialog[str]):
    """All commands of a screen with their keys, by what they are for.

    What is typed filters them.

    What cannot act now is dimmed, and says why when the cursor is on it. Enter does what the current line says; the
    answer is the name of that command.
    """

    def __init__(self, about: CommandHost) -> None:
        super().__init__(_("Keys"), _("do it"))
        why_not = about.disabled_commands()
        own = {command.name for command in about.available_commands()}
        self._can_run = not about.is_typing and not isinstance(about, ModalScreen)
        self._groups: list[tuple[str, list[_Entry]]] = []
        for title, group in _command_groups(about):
            entries = []
            for command in group:
                is_own = command.name in own
                reason = why_not.get(command.name, "") if is_own else ""
                # What has no key is for the palette, which a kiosk does not have.
                entries.append(_Entry(command, reason, self._can_run and title != _MOVE and bool(command.keys)))
            self._groups.append((_(title), entries))

    def body(self) -> ComposeResult:
        yield _FilterField("")
        yield LineList(StaticRows(self._rows("")), id="help", always=True)
        yield Lines(self._more_lines, id="help-more")

    def _rows(self, typed: str) -> list[tuple[Hashable, Line]]:
        words = typed.casefold().split()
        rows: list[tuple[Hashable, Line]] = []
        for title, entries in self._groups:
            found = [entry for entry in entries if all(word in _searched_text(entry.command) for word in words)]
            if not found:
                continue
            if title:
                rows.append((None, [(title + " ", "accent"), ("─" * max(0, _COLUMNS - cell_len(title) - 1), "line")]))
            rows += [(entry, _command_line(entry.command, bool(entry.reason))) for entry in found]
        return rows

    @property
    def _entry(self) -> _Entry | None:
        key = self.query_one(LineList).key if self.is_mounted else None
        return key if isinstance(key, _Entry) else None

    def _more_lines(self, width: int, _height: int) -> list[Line]:
        """How much there is below what is in sight."""
        lines = self.query_one(LineList)
        last = round(lines.scroll_y) + lines.size.height
        below = sum(not lines.source.is_skipped(row) for row in range(last, len(lines.source)))
        if not below:
            return [[("", "plain")]]
        text = _("{count} more below").format(count=below) + " ▾"
        return [spread(width, [], [(text, "accent")])]

    def on_mount(self) -> None:
        self.call_after_refresh(self._show_reason)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Show only the commands that mention all words."""
        self.query_one(LineList).show_rows(StaticRows(self._rows(event.value)), cursor=0)

    def on_line_list_moved(self, event: LineList.Moved) -> None:
        self._show_reason()

    def _show_reason(self) -> None:
        entry = self._entry
        self.show_message(entry.reason if entry else _("No key does this."))
        self.query_one("#help-more", Lines).redraw()

    def available_commands(self) -> list[Command]:
        return [command for command in super().available_commands() if command.name in ("accept", "cancel")]

    def accept(self) -> None:
        entry = self._entry
        if entry is not None and entry.reason:
            self.show_message(entry.reason)
        else:
            self.dismiss(entry.command.name if entry is not None and entry.is_runnable else None)


def _command_groups(about: CommandHost) -> Iterator[tuple[str, list[Command]]]:
    """The commands that work on a screen, by what they are for.

    Where something is typed, and in a dialog, few.
    """
    if not about.is_typing and not isinstance(about, ModalScreen):
        own = [command for scope in about.SCOPES for command in commands.commands_of(scope)]
        yield _LOOK, [command for command in own if not command.writes]
        yield _CHANGE, [command for command in own if command.writes]
        yield _MOVE, list(commands.commands_of("list"))
        yield _EVERYWHERE, list(commands.commands_of("everywhere"))
        return
    yield "", about.available_commands()
    if about.query(LineList) and not about.is_typing:
        yield _MOVE, list(commands.commands_of("list"))
    elif about.query(LineList) and isinstance(about, ModalScreen):
        moves = [commands.find_command(("list",), name) for name in MOVE_COMMANDS]
        yield _MOVE, [replace(command, keys=command.keys[:1]) for command in moves]
    yield _EVERYWHERE, [commands.find_command(("everywhere",), name) for name in commands.ALWAYS_AVAILABLE]


def _keys_text(command: Command) -> str:
    return " ".join(commands.format_key(key) for key in command.keys) or ":"


def _searched_text(command: Command) -> str:
    return f"{_keys_text(command)} {_(command.label) if command.label else ''} {_(command.help)}".casefold()


def _command_line(command: Command, dimmed: bool) -> Line:
    roles = ("off", "off") if dimmed else ("key", "plain")
    return [(" " + fit(_keys_text(command), 11), roles[0]), ("  " + _(command.help), roles[1])]
