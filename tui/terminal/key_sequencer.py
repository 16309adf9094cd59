"""One key after the other.

What is typed ahead, or comes in one piece over a slow line, is meant for what the key before it brings, such as the
letters behind `/` for the field that it opens.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from contextlib import suppress
from threading import Event
from typing import Any

from textual.app import App
from textual.message_pump import MessagePump

from tui.workers import wait_until_ended

COMMAND_GROUP, REFRESH_GROUP = "command", "news"
"""The groups of the workers that carry out what a key asks for, and that read what a screen shows."""
_POLL_INTERVAL_S, _MAX_POLLS = 0.02, 50
"""Seconds between two looks whether the key before is done, and how many: what takes longer goes on beside the next."""


class KeySequencer:
    """Let the thread of keys wait until the last is done, or the program ends."""

    def __init__(self, app: App[Any], loop: asyncio.AbstractEventLoop, ended: Event) -> None:
        self._app, self._loop, self._exit_event = app, loop, ended
        self._last: Future[None] | None = None

    def wait_for_turn(self) -> None:
        """Return when the next key may be sent."""
        for _look in range(_MAX_POLLS):
            if self._last is None or self._last.done() or self._exit_event.is_set():
                return
            with suppress(Exception):
                self._last.result(_POLL_INTERVAL_S)

    def note_key_sent(self) -> None:
        """A key was sent."""
        with suppress(RuntimeError):  # the loop has ended
            self._last = asyncio.run_coroutine_threadsafe(wait_until_done(self._app), self._loop)


async def wait_until_done(app: App[Any]) -> None:
    """Return when the last key is done, up to the rows of a screen it opened."""
    screen = app.screen
    # A key goes to what has the focus, and up from there until somebody knows it.
    for pump in (app, *(screen.focused or screen).ancestors_with_self, app):
        await _wait_for_queue(pump)
    await _wait_for_group(app, COMMAND_GROUP)
    if app.screen is not screen:
        await _wait_for_queue(app.screen)
        await _wait_for_group(app, REFRESH_GROUP)


async def _wait_for_group(app: App[Any], group: str) -> None:
    """Return when the workers of a group have ended that are under way now."""
    await wait_until_ended(each for each in app.workers if each.group == group and not each.is_finished)


async def _wait_for_queue(pump: MessagePump) -> None:
    """Return when all messages that were sent to a widget before have been handled."""
    done = asyncio.Event()
    if pump.call_later(done.set):
        await done.wait()
