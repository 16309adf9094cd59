"""What Here shows while no place is chosen for this device."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.i18n.translate import N_, _
from tui.layout import Line
from tui.screens.base import is_very_tall
from tui.screens.list_screen import ListScreen
from tui.view_models.equipment import location_lines

if TYPE_CHECKING:
    from tui.view_models.latest_changes import LatestChanges

_MAX_TEXT_COLUMNS = 96
"""Columns of a text, so that its lines can be read."""
_NO_PLACE_TEXT = N_(
    "Which place this device is at has not been chosen. Press c: it goes to Fleet, where you put the cursor "
    "on the place and press c again. The place then stands here with everything that is configured at it, "
    "and is remembered on this device only."
)


class NoPlace:
    """How to choose a place, what this device sees, and what changed lately."""

    def __init__(self, screen: ListScreen) -> None:
        self._screen = screen
        self._latest: LatestChanges | None = None

    async def read(self) -> None:
        """Read the latest changes."""
        from tui.view_models.latest_changes import read_latest

        state = self._screen.state
        self._latest = await read_latest(state.view, state.schema, state.names, is_tall=is_very_tall(self._screen))

    def lines(self, width: int, height: int) -> list[Line]:
        """Draw all of it, as far as there is room."""
        columns, state = min(width, _MAX_TEXT_COLUMNS), self._screen.state
        lines = self._screen.empty_lines(_(_NO_PLACE_TEXT), columns)
        seen = location_lines(state.equipment_monitor.inspection, columns - 6)
        lines += [[("   ", "plain"), *line] for line in seen]
        if self._latest is None:
            return lines
        from tui.view_models.latest_changes import latest_lines

        room, devices = height - len(lines) - 1, state.names.devices
        return [*lines, [], *latest_lines(self._latest, state.schema, devices, state.dates, columns, room)]
