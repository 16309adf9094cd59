"""History: all changes, newest first.

What each of them did below; the ways to look back from there.
"""

from __future__ import annotations

from textual.app import ComposeResult

from core.store.queries.log import LogEntry, LogFilter
from tui.command_host import command_bindings
from tui.i18n.translate import _, format_number
from tui.layout import Line
from tui.screens.actions.time_travel import TimeTravelActions
from tui.screens.actions.undo import UndoActions
from tui.screens.density_bar import DensityBar
from tui.screens.list_screen import ListScreen
from tui.screens.log_details import LogDetails
from tui.screens.log_filter import LogFilterActions
from tui.screens.log_list import LogSelection
from tui.view_models.log import LogPages
from tui.view_models.log_calendar import LogCalendar
from tui.view_models.log_reach import LogReach
from tui.widgets.lines import Lines


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
        self._details = LogDetails(self, self.selection)
        self.density = DensityBar(self)
        self.actions = (
            TimeTravelActions(self, self.selection, self.filter),
            self.filter,
            self.density,
            UndoActions(self),
        )
        self._starts_at_top = True
        self._came_from = ""
        self._shows_reach = False

    @property
    def entry(self) -> LogEntry | None:
        """The change under the cursor."""
        return self.selection.entry

    def show_only(self, wanted: LogFilter, title: str, came_from: str = "") -> None:
        """Show only some changes.

        `title` says of what, and `came_from` where Esc goes back to.
        """
        self.filter.show_only(wanted, title)
        self._came_from = came_from

    def _on_new_list(self) -> None:
        self.selection.detailed_entry, self._starts_at_top = None, True

    async def reload_content(self) -> None:
        view, state, wanted = self.state.view, self.state, self.filter.active
        calendar = LogCalendar(await view.count_log_quarters(wanted), state.dates)
        size = calendar.row_count
        pages = LogPages(view, state.schema, wanted, calendar, state.names, state.dates, self._make_reach())
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
        self.density.show_calendar(calendar)
        await self._read_details()

    def _make_reach(self) -> LogReach | None:
        state = self.state
        me = state.workspace.identity.device
        active = [each.device for each in state.membership.members.values() if each.state == "active"]
        others = [each for each in active if each != me]
        return LogReach(state.workspace, state.names, others) if self._shows_reach else None

    def do_reached(self) -> None:
        """Show in each row which devices the change has reached, or hide it again."""
        self._shows_reach = not self._shows_reach
        self.refresh_data()

    def breadcrumb(self) -> str:
        return _("History")

    def heading(self) -> tuple[Line, Line]:
        title, typed, calendar = self.filter.title, self.filter.typed, self.density.calendar
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
        yield self.density.block()
        yield from super().content()

    def redraw_details(self) -> None:
        super().redraw_details()
        self.density.follow_cursor()

    def on_lines_clicked(self, event: Lines.Clicked) -> None:
        """A click on a bar goes to the newest change in it."""
        if event.lines.id == "density":
            event.stop()
            self.density.move_to_column(event.column - 1)

    # --- details -----------------------------------------------------------------------------------------------------

    def on_line_list_moved(self) -> None:
        self.details_delay.note_moved()
        self.run_task(self._read_details, group="details")

    async def _read_details(self) -> None:
        await self.selection.read_details()
        self.redraw_details()

    def subject(self) -> Line:
        return self._details.subject()

    def details(self, width: int, height: int) -> list[Line]:
        if self.selection.detailed_entry is None:
            hint = (
                _("No change is here: Esc shows those of everything.") if self.filter.is_on else _("No change is here.")
            )
            return self.empty_lines(hint, width)
        return self._details.lines(width, height)

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
        """Drop the mark and what was typed as a filter.

        Then go back where somebody came from, or show all changes.
        """
        is_narrowed = self.selection.marked_entry is not None or bool(self.filter.typed)
        came_from, self._came_from = self._came_from, self._came_from if is_narrowed else ""
        self.selection.marked_entry = None
        self.filter.widen()
        self.refresh_data()
        if came_from and not is_narrowed:
            self.state.action_command(came_from)
