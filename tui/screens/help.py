"""`?`: what the keys do here, from the registry."""

from __future__ import annotations

from collections.abc import Mapping

from textual.app import ComposeResult

from tui import commands
from tui.language.i18n import _
from tui.rows.lines import Line, fit
from tui.screens.dialogs import Dialog
from tui.screens.page import Offering
from tui.widgets.text import Fixed, LineList


class Help(Dialog[None]):
    """All commands of a screen with their keys, then those of lists and those that work everywhere.

    What cannot act now is dimmed, and says why when the cursor is on it.
    """

    def __init__(self, scopes: tuple[str, ...]) -> None:
        super().__init__(_("What the keys do here"))
        self._scopes = scopes

    def body(self) -> ComposeResult:
        yield LineList(Fixed(list(enumerate(line for _reason, line in self._rows()))), id="help")

    def _why_not(self) -> Mapping[str, str]:
        below: object = self.app.screen_stack[-2] if len(self.app.screen_stack) > 1 else None
        return below.unavailable() if isinstance(below, Offering) else {}

    def _rows(self) -> list[tuple[str, Line]]:
        """For each line why its command cannot act now (empty if it can), and its text."""
        why_not = self._why_not()
        rows: list[tuple[str, Line]] = []
        for scope in (*self._scopes, "list", "everywhere"):
            if rows:
                rows.append(("", []))
            for command in commands.of(scope):
                reason = why_not.get(command.name, "") if scope in self._scopes else ""
                keys = " ".join(commands.key_name(key) for key in command.keys) or ":"
                roles = ("dim", "dim") if reason else ("strong", "plain")
                rows.append((reason, [(fit(keys, 10), roles[0]), ("  " + _(command.help), roles[1])]))
        return rows

    def on_line_list_moved(self, event: LineList.Moved) -> None:
        self.message(self._rows()[event.lines.cursor][0])

    def accept(self) -> None:
        self.dismiss(None)
