"""`?`: what the keys do here, from the registry."""

from __future__ import annotations

from textual.app import ComposeResult

from tui import commands
from tui.i18n import _
from tui.lines import Line, fit
from tui.screens.dialogs import Dialog
from tui.widgets.text import Fixed, LineList


class Help(Dialog[None]):
    """All commands of a screen with their keys, then those of lists and those that work everywhere."""

    def __init__(self, scopes: tuple[str, ...]) -> None:
        super().__init__(_("What the keys do here"))
        self._scopes = scopes

    def body(self) -> ComposeResult:
        rows = [(number, line) for number, line in enumerate(self._lines())]
        yield LineList(Fixed(rows), id="help")

    def _lines(self) -> list[Line]:
        lines: list[Line] = []
        for scope in (*self._scopes, "list", "everywhere"):
            if lines:
                lines.append([])
            for command in commands.of(scope):
                keys = " ".join(commands.key_name(key) for key in command.keys) or ":"
                lines.append([(fit(keys, 10), "strong"), ("  " + _(command.help), "plain")])
        return lines

    def accept(self) -> None:
        self.dismiss(None)
