"""Open the terminal UI in a test, and press keys as a person would.

At a fixed moment and in a fixed zone; each key after the screen has come to rest.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

from textual.app import ScreenStackError
from textual.css.model import RuleSet
from textual.css.stylesheet import Stylesheet
from textual.css.types import CSSLocation
from textual.pilot import Pilot
from textual.worker import WorkerCancelled

from core.service.location import read_location
from core.workspace import Workspace
from tests.support.deadlines import DEADLINE_S, deadline
from tests.support.pending_work import describe, messages_handled, running_workers, undrawn, watched_pumps
from tui.app import FieldlineApp
from tui.app_status import Options
from tui.demo.fleet import DEMO_USER
from tui.widgets.lines import LineList

NOW = int(datetime(2026, 10, 6, 16, 45, tzinfo=UTC).timestamp()) * 1_000_000
SMALL, LARGE = (80, 24), (120, 40)
MAX_WAITS = 10
"""Different things that were waited for which a failure names, the most frequent."""


async def _soon(*_seconds: float) -> None:
    """Wait, instead of Textual's way, until the process has used no time.

    Several times a key.
    """
    await asyncio.sleep(0)


async def _wait_for_messages(pilot: Pilot[Any], timeout: float | None = None) -> bool:
    """Wait, instead of Textual's way, without a message to every widget."""
    try:
        return await messages_handled(pilot.app)
    except ScreenStackError:
        return False


_parse_rules = Stylesheet._parse_rules
_parsed: dict[tuple[object, ...], list[RuleSet]] = {}


def _parse_once(sheet: Stylesheet, css: str, read_from: CSSLocation, *more: Any, **named: Any) -> list[RuleSet]:
    """Parse a style sheet, which no one changes, once for all applications."""
    key = (*sheet._variables.items(), css, read_from, *more, *named.items())
    if key not in _parsed:
        _parsed[key] = _parse_rules(sheet, css, read_from, *more, **named)
    return _parsed[key]


@contextmanager
def patient_pilot() -> Iterator[None]:
    """Let the pilots of tested applications wait for messages alone.

    Without a deadline of their own: on a virtual machine that stood still for half a minute that is over before any
    message could be handled.
    """
    with (
        watched_pumps(),
        patch("textual.app.wait_for_idle", _soon),
        patch("textual.pilot.wait_for_idle", _soon),
        patch.object(Pilot, "_wait_for_screen", _wait_for_messages),
        patch.object(Stylesheet, "_parse_rules", _parse_once),
    ):
        yield


def _noise(count: int) -> bytes:
    return b"\x2a" * count


class Screen:
    """The terminal UI, opened."""

    def __init__(self, pilot: Pilot[None], deadline_s: float = DEADLINE_S) -> None:
        """`deadline_s` is how many seconds it may take to come to rest."""
        self.pilot = pilot
        assert isinstance(pilot.app, FieldlineApp)
        self.app: FieldlineApp = pilot.app
        self.deadline_s = deadline_s

    async def press(self, *keys: str) -> None:
        """Press keys, waiting after each until nothing is under way."""
        for key in keys:
            async with self._deadline():
                await self.pilot.press(key)
            await self.rest()

    async def type(self, text: str) -> None:
        """Type a text into the field that has the focus."""
        async with self._deadline():
            await self.pilot.press(*("space" if char == " " else char for char in text))
        await self.rest()

    async def rest(self) -> None:
        """Wait until no message or ending worker is under way, and all is drawn."""
        waits: Counter[str] = Counter()
        async with self._deadline(waits):
            while reason := await self._wait_once() or next(undrawn(self.app), ""):
                waits[reason] += 1
                self._wake_below()
                await self.pilot.pause(0.002)

    def _wake_below(self) -> None:
        """Have the screens below draw what they wait to draw.

        What lays such a screen out anew stops its timer, so that this would stay as it is until its next message.
        """
        for below in self.app._background_screens:
            if below._dirty_widgets - {below}:
                below.check_idle()

    async def _wait_once(self) -> str:
        """Let messages arrive, and workers end; gives which workers there were."""
        await self.pilot.pause()
        busy = running_workers(self.app)
        for worker in busy:
            # Not `wait` from the start: it would stop the worker, and nothing else, when the time is over.
            if worker._task is not None:
                await asyncio.wait({worker._task})
            with suppress(WorkerCancelled):
                await worker.wait()
        return ", ".join(f"worker {worker.group!r} of {worker.node}" for worker in busy)

    @asynccontextmanager
    async def _deadline(self, waits: Counter[str] | None = None) -> AsyncIterator[None]:
        """Fail with what is under way if it does not end.

        `waits` counts for what was waited so far.
        """
        try:
            async with deadline(self.deadline_s):
                yield
        except TimeoutError:
            before = [f"{count} times before: {what}" for what, count in (waits or Counter()).most_common(MAX_WAITS)]
            why = "\n".join(["It does not come to rest.", *describe(self.app), *before])
            print(why)  # the application may hang when it ends, and then nothing is told but that
            raise AssertionError(why) from None

    async def go_to_item(self, type_name: str, prop: str | None = None) -> None:
        """Go to the first item of a type in the inbox, or about this property."""
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
        async with self._deadline():
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
        with patient_pilot():
            async with app.run_test(size=size) as pilot:
                screen = Screen(pilot)
                await screen.rest()
                await screen.press(*keys)
                yield screen
                await screen.rest()
