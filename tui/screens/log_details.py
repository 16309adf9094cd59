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
from tui.view_models.pane_columns import Part, arrange_parts


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
        entry, path = self._selection.detailed_entry, self._selection.path
        if entry is None:
            return []
        if self._screen.has_panes:
            first: list[Part] = [lambda columns, room: self._pane_lines(entry, columns, room)]
            second: list[Part] = [self._selection.life_lines, self._selection.value_lines]
            return [[(" ", "plain"), *line] for line in arrange_parts(first, second, width - 2, height)]
        lines: list[Line] = [[(path, "strong")]] if path else []
        lines += self._selection.lines(width - 6, height - 1 - len(lines))
        return [[("   ", "plain"), *line] for line in [*lines, *self._reach_lines(entry, width - 6)]]

    def _reach_lines(self, entry: LogEntry, width: int) -> list[Line]:
        """How the change reached this device and, if that is asked for, whom else."""
        dates, names = self._screen.state.dates, self._screen.state.names
        texts = []
        if entry.source is not None:
            text = _("reached this device {when} from {device}")
            texts.append(text.format(when=dates.dated(entry.received_at_us), device=names.device(entry.source)))
        source = self._screen.lines.source
        if isinstance(source, LogPages) and source.reach is not None:
            texts.append(source.reach.sentence(entry))
        return [[(line, "dim")] for text in texts for line in wrap_text(text, width)]

    def _pane_lines(self, entry: LogEntry, width: int, height: int) -> list[Line]:
        """Who and why, each value that was changed, and how it came here."""
        who = _("{user} on {device}").format(user=entry.user, device=self._screen.state.names.device(entry.device))
        lines: list[Line] = [[(text, "plain")] for text in wrap_text(who, width)]
        lines += [[(text, "plain")] for text in wrap_text(quote(entry.note), width)]
        if not entry.accepted:
            text = _("not accepted: its author may not write")
            lines += [[(part, "attention")] for part in wrap_text(text, width)]
        lines.append([])
        reached = self._reach_lines(entry, width)
        lines += self._selection.blocks(width, height - len(lines) - len(reached) - 2)
        return [*lines, [], *reached] if reached else lines
