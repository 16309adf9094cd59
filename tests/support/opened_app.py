"""Opens the terminal UI in a test, at a fixed moment and in a fixed zone, and presses keys as a person would: each one
after the screen has come to rest.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import patch

from textual.pilot import Pilot
from textual.widget import Widget
from textual.worker import WorkerCancelled

from core.service.location import read_location
from core.workspace import Workspace
from tests.support.deadlines import PATIENCE
from tui.app import FieldlineApp
from tui.app_status import Options
from tui.demo.fleet import DEMO_USER
from tui.widgets.lines import LineList

NOW = int(datetime(2026, 10, 6, 16, 45, tzinfo=UTC).timestamp()) * 1_000_000
SMALL, LARGE = (80, 24), (120, 40)
LASTING = {"watch"}
"""The groups of workers that never end by themselves."""

HOPS = 3
"""A message may cause another one, from the application to a screen, a widget and back."""


async def _soon(*_seconds: float) -> None:
    """Instead of Textual's way to wait, until the process has used no time for a while, several times a key."""
    await asyncio.sleep(0)


def _noise(count: int) -> bytes:
    return b"\x2a" * count


class Screen:
    """The terminal UI, opened."""

    def __init__(self, pilot: Pilot[None]) -> None:
        self.pilot = pilot
        assert isinstance(pilot.app, FieldlineApp)
        self.app: FieldlineApp = pilot.app

    async def press(self, *keys: str) -> None:
        """Press keys, waiting after each until nothing is under way."""
        for key in keys:
            await self.pilot.press(key)
            await self.rest()

    async def type(self, text: str) -> None:
        """Type a text into the field that has the focus."""
        await self.pilot.press(*("space" if char == " " else char for char in text))
        await self.rest()

    async def rest(self) -> None:
        """Wait until no message and no worker is under way that will end, and everything is drawn."""
        async with asyncio.timeout(PATIENCE):
            while await self._settle() or not self._drawn():
                await self.pilot.pause(0.002)

    def _drawn(self) -> bool:
        """Whether the screen on top, and what is seen below it, wait for nothing: Textual draws sixty times a second,
        and calls back after it.
        """
        screen = self.app.screen
        widgets = [screen, *screen.walk_children(Widget)]
        if self.app.message_queue_size or screen._dirty_widgets or screen._callbacks:
            return False
        for below in self.app._background_screens:
            # It asks again and again to be drawn itself once it was below.
            widgets += below.walk_children(Widget)
            if below._dirty_widgets - {below}:
                # What lays it out anew stops its timer, so that these would stay as they are until its next message.
                below.check_idle()
                return False
        return not any(
            not each.is_mounted
            or each.message_queue_size
            or each._layout_required
            or each._repaint_required
            or each._scroll_required
            or each._refresh_styles_required
            for each in widgets
        )

    async def _settle(self) -> bool:
        """Let messages arrive, and workers end; gives whether there were any of these."""
        for _hop in range(HOPS):
            await self.pilot.pause()
        busy = [worker for worker in self.app.workers if worker.group not in LASTING and not worker.is_finished]
        for worker in busy:
            with suppress(WorkerCancelled):
                await asyncio.wait_for(worker.wait(), PATIENCE)
        return bool(busy)

    async def go_to_item(self, type_name: str, prop: str | None = None) -> None:
        """Put the cursor of the inbox on the first item of a type, or on the first that is about this property."""
        position = next(
            position
            for position, item in enumerate(self.app.inbox_items)
            if item.type == type_name and prop in (None, item.property)
        )
        self.app.screen.query_one(LineList).move_to(position)
        await self.rest()

    async def resize(self, width: int, height: int) -> None:
        """Make the terminal another size."""
        if self.app.size != (width, height):
            await self.pilot.resize_terminal(width, height)
        # The application waits whether more sizes come, then tells its screens.
        async with asyncio.timeout(PATIENCE):
            while self.app._resize_event is not None or self.app.screen.size != (width, height):
                await self.pilot.pause(0.002)
        await self.rest()

    def text(self) -> str:
        """What is on the screen, a line a row."""
        _width, height = self.app.size
        rows = self.app.screen._compositor.render_strips()
        return "\n".join(row.text.rstrip() for row in rows[:height])

    def screenshot(self) -> str:
        """The screen as SVG."""
        return self.app.export_screenshot(title="Fieldline")


@asynccontextmanager
async def opened(
    home: Path, *keys: str, size: tuple[int, int] = SMALL, options: Options | None = None, user: str = DEMO_USER
) -> AsyncIterator[Screen]:
    """The terminal UI on a home, after these keys."""
    async with await Workspace.open(home, user=user, clock=lambda: NOW, entropy=_noise) as workspace:
        app = FieldlineApp(workspace, lambda: NOW, options or Options(zone=UTC), here=await read_location(workspace))
        with patch("textual.app.wait_for_idle", _soon), patch("textual.pilot.wait_for_idle", _soon):
            async with app.run_test(size=size) as pilot:
                screen = Screen(pilot)
                await screen.rest()
                await screen.press(*keys)
                yield screen
                await screen.rest()
