"""History: all changes, newest first; what each of them did below; the ways to look back from there."""

from __future__ import annotations

from datetime import date

from textual.app import ComposeResult

from core.store.queries.log import LogEntry, LogFilter
from tui.command_host import command_bindings
from tui.i18n.dates import with_clock_error
from tui.i18n.quotes import quote
from tui.i18n.translate import _, format_number
from tui.layout import Line, wrap_text
from tui.screens.actions.time_travel import TimeTravelActions
from tui.screens.actions.undo import UndoActions
from tui.screens.list_screen import ListScreen
from tui.screens.log_filter import LogFilterActions
from tui.screens.log_list import LogSelection
from tui.view_models.log import LogPages
from tui.view_models.log_calendar import LogCalendar
from tui.view_models.log_density import Density, count_density, day_of_bar, density_block, density_line
from tui.widgets.lines import Lines

DENSITY_ROWS = 6
"""Lines of the picture of the fleet's life, where there is room for more than one."""


class History(ListScreen):
    """The log."""

    TAB = "history"
    SCOPES = ("history", "listing")
    BINDINGS = command_bindings("history")
    CSS = """
    History #density { display: none; }
    History.-full #density, History.-tall #density { display: block; }
    History.-tall.-panes #density, History.-tall.-wide-panes #density { height: 6; }
    History #details { height: 5; }
    History.-tall #details { height: 14; }
    """

    def __init__(self) -> None:
        super().__init__()
        self.selection = LogSelection(self)
        self.filter = LogFilterActions(self, self.selection, self._on_new_list)
        self.actions = (TimeTravelActions(self, self.selection, self.filter), self.filter, UndoActions(self))
        self._starts_at_top = True
        self._density: Density | None = None
        self._marked_day: date | None = None
        self._came_from = ""

    @property
    def entry(self) -> LogEntry | None:
        """The change under the cursor."""
        return self.selection.entry

    def show_only(self, wanted: LogFilter, title: str, came_from: str = "") -> None:
        """Show only some changes; `title` says of what, and `came_from` where Esc goes back to."""
        self.filter.show_only(wanted, title)
        self._came_from = came_from

    def _on_new_list(self) -> None:
        self.selection.detailed_entry, self._starts_at_top = None, True

    async def reload_content(self) -> None:
        view, state, wanted = self.state.view, self.state, self.filter.active
        calendar = LogCalendar(await view.count_log_quarters(wanted), state.dates)
        size = calendar.row_count
        pages = LogPages(view, state.schema, wanted, calendar, state.names, state.dates)
        marked = self.selection.marked_entry
        pages.marked_change = marked.change if marked else None
        cursor = where = -1
        while where != self.lines.cursor:  # again where somebody moved on meanwhile
            where, entry = self.lines.cursor, self.entry
            cursor = 0 if self._starts_at_top else where
            if cursor and entry is not None:
                cursor = calendar.row_of(await view.count_newer(entry.cursor, wanted))
            cursor = min(cursor, max(0, size - 1))
            if size:
                await pages.load(cursor, min(size - 1, cursor + max(1, self.lines.size.height)))
        self._starts_at_top = False
        self.lines.show_rows(pages, cursor=cursor)
        self._draw_density(calendar)
        await self._read_details()

    def breadcrumb(self) -> str:
        return _("History")

    def heading(self) -> tuple[Line, Line]:
        title, typed, calendar = self.filter.title, self.filter.typed, self._calendar
        count = calendar.total if calendar else 0
        left = _("Changes of {what}").format(what=title) if title else _("Changes of everything")
        right: Line = []
        if typed:
            right.append((_("filter: {filter}").format(filter=typed) + " · ", "strong"))
        if count:
            position = _("{index} of {count}").format(
                index=format_number(calendar.entry_index(self.lines.cursor) + 1 if calendar else 0),
                count=format_number(count),
            )
            right.append((position, "plain"))
        elif typed:
            right.append((_("nothing"), "plain"))
        return [(left, "plain")], right

    # --- how busy each time was ---------------------------------------------------------------------------------------

    def content(self) -> ComposeResult:
        yield Lines(self._density_lines, id="density")
        yield from super().content()

    @property
    def _calendar(self) -> LogCalendar | None:
        source = self.lines.source
        return source.calendar if isinstance(source, LogPages) else None

    def _draw_density(self, calendar: LogCalendar) -> None:
        self._density = count_density(calendar, max(1, self.size.width - 3))
        self.query_one("#density", Lines).redraw()

    @property
    def _day(self) -> date | None:
        """The day of the change under the cursor."""
        calendar = self._calendar
        index = calendar.day_at(calendar.entry_index(self.lines.cursor)) if calendar else None
        return calendar.days[index].day if calendar and index is not None else None

    def _density_lines(self, width: int, height: int) -> list[Line]:
        calendar, density = self._calendar, self._density
        if calendar is None or density is None:
            return []
        if height < DENSITY_ROWS:
            return [density_line(density, self._day, width)]
        return density_block(calendar, density, self._day, self.state.dates, width)

    def redraw_details(self) -> None:
        super().redraw_details()
        if self._marked_day != (day := self._day):
            self._marked_day = day
            self.query_one("#density", Lines).redraw()

    def on_lines_clicked(self, event: Lines.Clicked) -> None:
        """A click on a bar goes to the newest change in it."""
        if event.lines.id != "density":
            super().on_lines_clicked(event)
            return
        event.stop()
        calendar, density = self._calendar, self._density
        if calendar and density and (day := day_of_bar(calendar, density, event.column - 1)):
            self.lines.move_to(calendar.row_of(day.newer))

    def do_day_before(self) -> None:
        """Go to the newest change of the day before."""
        self._move_by_days(1)

    def do_day_after(self) -> None:
        """Go to the newest change of the next day."""
        self._move_by_days(-1)

    def _move_by_days(self, step: int) -> None:
        if (calendar := self._calendar) is None or not calendar.days:
            return
        index = calendar.day_at(calendar.entry_index(self.lines.cursor)) or 0
        wanted = calendar.days[max(0, min(index + step, len(calendar.days) - 1))]
        self.lines.move_to(calendar.row_of(wanted.newer))

    # --- details -----------------------------------------------------------------------------------------------------

    def on_line_list_moved(self) -> None:
        self.note_cursor_moved()
        self.run_task(self._read_details, group="details")

    async def _read_details(self) -> None:
        await self.selection.read_details()
        self.redraw_details()

    def subject(self) -> Line:
        entry, state = self.selection.detailed_entry, self.state
        if entry is None:
            return []
        if self.has_panes:
            return [(with_clock_error(state.dates.full(entry.at_us), entry.clock), "strong")]
        who = _("{user} on {device}").format(user=entry.user, device=state.names.device(entry.device))
        line: Line = [(f"{with_clock_error(state.dates.full(entry.at_us), entry.clock)} · {who}", "plain")]
        if entry.note:
            line.append((f" · {quote(entry.note)}", "plain"))
        if not entry.accepted:
            line.append((" · " + _("not accepted: its author may not write"), "attention"))
        return line

    def details(self, width: int, height: int) -> list[Line]:
        entry, path, state = self.selection.detailed_entry, self.selection.path, self.state
        if entry is None:
            hint = (
                _("No change is here: Esc shows those of everything.") if self.filter.is_on else _("No change is here.")
            )
            return self.empty_lines(hint, width)
        if self.has_panes:
            lines = self._pane_lines(entry, width - 2, height)
        else:
            lines = [[(path, "strong")]] if path else []
            lines += self.selection.lines(width - 6, height - 1 - len(lines))
        if entry.source is not None:
            reached = _("reached this device {when} from {device}").format(
                when=state.dates.dated(entry.received_at_us), device=state.names.device(entry.source)
            )
            lines += [[(text, "dim")] for text in wrap_text(reached, width - 6)]
        if self.has_panes:
            life = self.selection.life_lines(width - 2, min(9, height - len(lines) - 1))
            lines += [[], *life] if life else []
        indent = " " if self.has_panes else "   "
        return [[(indent, "plain"), *line] for line in lines]

    def _pane_lines(self, entry: LogEntry, width: int, height: int) -> list[Line]:
        """Who and why, then each value that was changed."""
        who = _("{user} on {device}").format(user=entry.user, device=self.state.names.device(entry.device))
        lines: list[Line] = [[(text, "plain")] for text in wrap_text(who, width)]
        lines += [[(text, "plain")] for text in wrap_text(quote(entry.note), width)]
        if not entry.accepted:
            text = _("not accepted: its author may not write")
            lines += [[(part, "attention")] for part in wrap_text(text, width)]
        lines.append([])
        lines += self.selection.blocks(width, height - len(lines) - 3)
        return [*lines, []]

    def clipboard_text(self) -> str:
        """The id of the change, which verbs take for a time, too."""
        return self.entry.change.hex() if self.entry else ""

    # --- commands ----------------------------------------------------------------------------------------------------

    def is_row_loaded(self) -> bool:
        return self.entry is not None

    def screen_disabled_reason(self, name: str) -> str | None:
        if name == "everything":
            return (
                None if self.filter.is_on or self.selection.marked_entry else _("These are the changes of everything.")
            )
        return super().screen_disabled_reason(name)

    def do_everything(self) -> None:
        """Drop the mark and what was typed as a filter; then go back where somebody came from, or show all changes."""
        is_narrowed = self.selection.marked_entry is not None or bool(self.filter.typed)
        came_from, self._came_from = self._came_from, self._came_from if is_narrowed else ""
        self.selection.marked_entry = None
        self.filter.widen()
        self.refresh_data()
        if came_from and not is_narrowed:
            self.state.action_command(came_from)
