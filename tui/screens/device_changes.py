"""What was changed lately on each device, read when the cursor comes to it."""

from __future__ import annotations

from functools import partial

from core.store.queries.log import LogFilter
from tui.i18n.translate import _
from tui.layout import Line
from tui.screens.base import is_very_tall
from tui.screens.list_screen import ListScreen
from tui.view_models.latest_changes import LatestChanges, pane_latest_lines, read_latest
from tui.view_models.pane_columns import Part


class DeviceChanges:
    """The latest changes of devices, as far as they were read."""

    def __init__(self, screen: ListScreen) -> None:
        self._screen = screen
        self._latest: dict[bytes, LatestChanges] = {}

    def clear(self) -> None:
        """Forget them: data has changed."""
        self._latest.clear()

    def follow(self, device: bytes | None) -> None:
        """Read those of the device under the cursor, and show them."""
        if device is not None and self._screen.has_panes and device not in self._latest:
            self._screen.run_task(partial(self._read, device), group="changes")

    async def _read(self, device: bytes) -> None:
        state = self._screen.state
        wanted, is_tall = LogFilter(device=device), is_very_tall(self._screen)
        self._latest[device] = await read_latest(state.view, state.schema, state.names, wanted, is_tall=is_tall)
        self._screen.redraw_details()

    def part(self, device: bytes | None) -> Part:
        """Those of a device as a part of a pane."""
        return partial(self._lines, device)

    def _lines(self, device: bytes | None, width: int, height: int) -> list[Line]:
        state, latest = self._screen.state, self._latest.get(device or b"")
        if latest is None:
            return []
        title, devices = _("Changed on it lately"), state.names.devices
        return pane_latest_lines(latest, state.schema, devices, state.dates, width, height, title)
