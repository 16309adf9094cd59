"""How far something is: one line of stderr that is rewritten, only on a terminal, and gone in the end."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from shutil import get_terminal_size

import click

from core.sync.events import Event, Progress
from core.sync.pace import Pace
from tui.cli.desk import cut, width
from tui.language.i18n import N_, _, number

SECONDS = 0.2
"""Between two writings of the line."""

LOOK_SECONDS = 0.5


class _Line:
    """The line. What it says is put together only when it is written."""

    def __init__(self) -> None:
        self._next = 0.0
        self._width = 0

    def show(self, text: Callable[[], str]) -> None:
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + SECONDS
        shown = cut(text(), get_terminal_size().columns - 1)
        click.echo("\r" + shown + " " * (self._width - width(shown)), nl=False, err=True)
        self._width = max(self._width, width(shown))

    def clear(self) -> None:
        if self._width:
            click.echo("\r" + " " * self._width + "\r", nl=False, err=True)


@contextmanager
def _line() -> Iterator[_Line | None]:
    if not sys.stderr.isatty():
        yield None
        return
    line = _Line()
    try:
        yield line
    finally:
        line.clear()


@contextmanager
def progress(template: str) -> Iterator[Callable[[int, int], None]]:
    """Tells how many of how many are done; `template` has both as `{done}` and `{total}`, and is marked with N_."""
    with _line() as line:

        def told(done: int, total: int) -> None:
            if line is not None:
                line.show(lambda: _(template).format(done=number(done), total=number(total)))

        yield told


@contextmanager
def meeting(halted: Callable[[], str] = lambda: "") -> Iterator[Callable[[Event], None]]:
    """Tells how far a meeting is, from the events of its session, and how long it takes yet; or why it is `halted`."""
    pace = Pace()
    with _line() as line, _looking(line, halted):

        def told(event: Event) -> None:
            if line is not None and isinstance(event, Progress):
                pace.hear(event, time.monotonic())
                line.show(lambda: how_far(pace, time.monotonic()))

        yield told


@contextmanager
def _looking(line: _Line | None, halted: Callable[[], str]) -> Iterator[None]:
    """Look once in a while, as nothing happens while something is halted."""

    async def look() -> None:
        while line is not None:
            if text := halted():
                line.show(lambda: f"{text} …")
            await asyncio.sleep(LOOK_SECONDS)

    looking = asyncio.ensure_future(look())
    try:
        yield
    finally:
        looking.cancel()


_PHASES = {"hello": N_("greeting"), "reconcile": N_("finding out what differs")}


def how_far(pace: Pace, now: float) -> str:
    """A line about a meeting: changes both ways, the share that is done, the time left."""
    progress = pace.progress
    if progress.phase in _PHASES or pace.total is None:
        return _(_PHASES.get(progress.phase, _PHASES["hello"])) + " …"
    parts = []
    if progress.to_receive:
        done, total = number(progress.received), number(progress.to_receive)
        parts.append(_("{done} of {total} changes received").format(done=done, total=total))
    if progress.to_send:
        done, total = number(progress.sent), number(progress.to_send)
        parts.append(_("{done} of {total} changes sent").format(done=done, total=total))
    if pace.total:
        parts.append(f"{100 * pace.done // pace.total} %")
    left = pace.seconds_left(now)
    if left is not None:
        parts.append(_("{time} left").format(time=duration(left)))
    return ", ".join(parts)


def duration(seconds: float) -> str:
    """A time span for people: seconds, minutes and seconds, or hours and minutes."""
    whole = round(seconds)
    if whole < 60:
        return _("{seconds} s").format(seconds=whole)
    if whole < 3600:
        return _("{minutes} min {seconds} s").format(minutes=whole // 60, seconds=whole % 60)
    return _("{hours} h {minutes} min").format(hours=number(whole // 3600), minutes=whole % 3600 // 60)
