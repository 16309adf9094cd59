"""The details of the change that is selected in the log."""

from __future__ import annotations

from core.store.queries.log import LogEntry
from tui.i18n.dates import with_clock_error
from tui.i18n.quotes import quote
from tui.i18n.translate import _
from tui.layout import Line, wrap_text
from tui.screens.list_screen import ListScreen
from tui.screens.log_list import LogSelection
from tui.view_models.log import LogPages


class LogDetails:
    """Draw who made a change, when and why, and what it did."""

    def __init__(self, screen: ListScreen, selection: LogSelection) -> None:
        self._screen = screen
        self._selection = selection

    def subject(self) -> Line:
        """When the change was made; who made it and why where nothing else says so."""
        entry, state = self._selection.detailed_entry, self._screen.state
        if entry is None:
            return []
        if self._screen.has_panes:
            return [(with_clock_error(state.dates.full(entry.at_us), entry.clock), "strong")]
        who = _("{user} on {device}").format(user=entry.user, device=state.names.device(entry.device))
        line: Line = [(f"{with_clock_error(state.dates.full(entry.at_us), entry.clock)} · {who}", "plain")]
        if entry.note:
            line.append((f" · {quote(entry.note)}", "plain"))
        if not entry.accepted:
            line.append((" · " + _("not accepted: its author may not write"), "attention"))
        return line

    def lines(self, width: int, height: int) -> list[Line]:
        """Draw what the change did, and how it reached this device.

        Nothing before it is read.
        """
        entry, path, state = self._selection.detailed_entry, self._selection.path, self._screen.state
        has_panes = self._screen.has_panes
        if entry is None:
            return []
        if has_panes:
            lines = self._pane_lines(entry, width - 2, height)
        else:
            lines = [[(path, "strong")]] if path else []
            lines += self._selection.lines(width - 6, height - 1 - len(lines))
        if entry.source is not None:
            reached = _("reached this device {when} from {device}").format(
                when=state.dates.dated(entry.received_at_us), device=state.names.device(entry.source)
            )
            lines += [[(text, "dim")] for text in wrap_text(reached, width - 6)]
        source = self._screen.lines.source
        if isinstance(source, LogPages) and source.reach is not None:
            lines += [[(text, "dim")] for text in wrap_text(source.reach.sentence(entry), width - 6)]
        if has_panes:
            life = self._selection.life_lines(width - 2, min(9, height - len(lines) - 1))
            lines += [[], *life] if life else []
        indent = " " if has_panes else "   "
        return [[(indent, "plain"), *line] for line in lines]

    def _pane_lines(self, entry: LogEntry, width: int, height: int) -> list[Line]:
        """Who and why, then each value that was changed."""
        who = _("{user} on {device}").format(user=entry.user, device=self._screen.state.names.device(entry.device))
        lines: list[Line] = [[(text, "plain")] for text in wrap_text(who, width)]
        lines += [[(text, "plain")] for text in wrap_text(quote(entry.note), width)]
        if not entry.accepted:
            text = _("not accepted: its author may not write")
            lines += [[(part, "attention")] for part in wrap_text(text, width)]
        lines.append([])
        lines += self._selection.blocks(width, height - len(lines) - 3)
        return [*lines, []]
