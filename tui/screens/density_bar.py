"""The bars over the log: how busy each time was, and the moves from day to day."""

from __future__ import annotations

from datetime import date

from tui.layout import Line
from tui.screens.base import ScreenActions
from tui.screens.list_screen import ListScreen
from tui.view_models.log import LogPages
from tui.view_models.log_calendar import LogCalendar
from tui.view_models.log_density import Density, count_density, day_of_bar, density_block, density_line
from tui.widgets.lines import Lines

DENSITY_ROWS = 6
"""Lines of the picture of the fleet's life, where there is room for more than one."""


class DensityBar(ScreenActions):
    """Draw how busy each time of the log was, and move in it by days."""

    screen: ListScreen

    def __init__(self, screen: ListScreen) -> None:
        super().__init__(screen)
        self._density: Density | None = None
        self._marked_day: date | None = None

    def block(self) -> Lines:
        """The block of lines that shows it."""
        return Lines(self._draw, id="density")

    @property
    def calendar(self) -> LogCalendar | None:
        """The days of the log; None before they are read."""
        source = self.screen.lines.source
        return source.calendar if isinstance(source, LogPages) else None

    @property
    def day(self) -> date | None:
        """The day of the change under the cursor."""
        calendar = self.calendar
        index = calendar.day_at(calendar.entry_index(self.screen.lines.cursor)) if calendar else None
        return calendar.days[index].day if calendar and index is not None else None

    def _draw(self, width: int, height: int) -> list[Line]:
        calendar, density = self.calendar, self._density
        if calendar is None or density is None:
            return []
        if height < DENSITY_ROWS:
            return [density_line(density, self.day, width)]
        return density_block(calendar, density, self.day, self.state.dates, width)

    def show_calendar(self, calendar: LogCalendar) -> None:
        """Count the changes of a log, and draw them."""
        self._density = count_density(calendar, max(1, self.screen.size.width - 3))
        self._redraw()

    def follow_cursor(self) -> None:
        """Draw again if the cursor is on another day."""
        if self._marked_day != (day := self.day):
            self._marked_day = day
            self._redraw()

    def _redraw(self) -> None:
        self.screen.query_one("#density", Lines).redraw()

    def move_to_column(self, column: int) -> None:
        """Go to the newest change in the bar of a column."""
        calendar, density = self.calendar, self._density
        if calendar and density and (day := day_of_bar(calendar, density, column // density.columns)):
            self.screen.lines.move_to(calendar.row_of(day.newer))

    def do_day_before(self) -> None:
        """Go to the newest change of the day before."""
        self._move_by_days(1)

    def do_day_after(self) -> None:
        """Go to the newest change of the next day."""
        self._move_by_days(-1)

    def _move_by_days(self, step: int) -> None:
        if (calendar := self.calendar) is None or not calendar.days:
            return
        index = calendar.day_at(calendar.entry_index(self.screen.lines.cursor)) or 0
        wanted = calendar.days[max(0, min(index + step, len(calendar.days) - 1))]
        self.screen.lines.move_to(calendar.row_of(wanted.newer))
