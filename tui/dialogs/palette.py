"""The palette: find a command by name.

For those that have no key, or whose key is forgotten.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from textual.app import ComposeResult
from textual.widgets import Input

from tui import commands
from tui.command_host import CommandHost
from tui.commands import Command
from tui.dialogs.base import Dialog
from tui.i18n.translate import _
from tui.layout import Line, fit
from tui.widgets.field import Field
from tui.widgets.lines import LineList, StaticRows

_MAX_RECENT = 5
"""Commands that were found lately, which come first."""


def show_palette(screen: CommandHost, run_everywhere: Callable[[str], None], recent: list[str]) -> None:
    """Show the palette of a screen, and run what is chosen.

    Args:
        screen: whose commands come first.
        run_everywhere: carries out what is no command of the screen.
        recent: the names of those that were chosen lately, the latest first; what is chosen is added.
    """

    def on_chosen(name: str | None) -> None:
        if name is not None:
            recent[:] = [name, *(each for each in recent if each != name)][:_MAX_RECENT]
            is_own = name in {command.name for command in screen.available_commands()}
            (screen.action_command if is_own else run_everywhere)(name)

    dialog = PaletteDialog(screen.available_commands(), screen.disabled_commands(), recent)
    screen.app.push_screen(dialog, on_chosen)


class PaletteDialog(Dialog[str]):
    """The commands whose help contains every word typed.

    Gives the name of the one chosen.
    """

    def __init__(self, available: Sequence[Command], disabled: Mapping[str, str], recent: Sequence[str] = ()) -> None:
        super().__init__(_("Find a command"))
        names = {command.name for command in available}
        known = [*available, *(c for c in commands.commands_of("everywhere") if c.name not in names)]
        order = {name: place for place, name in enumerate(recent)}
        self._commands = sorted(known, key=lambda command: order.get(command.name, len(order)))
        self._recent = set(recent)
        self._disabled = disabled

    def body(self) -> ComposeResult:
        yield Field("")
        yield LineList(StaticRows(self._matching_rows("")), id="found", always=True)

    def on_input_changed(self, event: Input.Changed) -> None:
        rows = self._matching_rows(event.value)
        self.query_one(LineList).show_rows(StaticRows(rows), cursor=0)
        self.show_message("" if rows else _("No command mentions all of these words."))

    def accept(self) -> None:
        name = self.query_one(LineList).key
        if isinstance(name, str) and name in self._disabled:
            self.show_message(self._disabled[name])
        elif isinstance(name, str):
            self.dismiss(name)

    def _matching_rows(self, typed: str) -> list[tuple[str, Line]]:
        words = typed.casefold().split()
        rows: list[tuple[str, Line]] = []
        for command in self._commands:
            text = f"{_(command.label)} {_(command.help)}".casefold()
            if all(word in text for word in words):
                key = commands.format_key(command.keys[0]) if command.keys else ""
                roles = ("off", "off") if command.name in self._disabled else ("key", "plain")
                line: Line = [(fit(key, 6), roles[0]), (" " + _(command.help), roles[1])]
                if command.name in self._recent:
                    line.append(("  " + _("lately"), "dim"))
                rows.append((command.name, line))
        return rows
