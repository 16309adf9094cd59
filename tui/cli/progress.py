"""Progress: one line on a terminal's stderr, rewritten, erased in the end."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from shutil import get_terminal_size

from core.sync.eta import EtaEstimator
from core.sync.events import Event, Progress
from tui.cli.context import print_to_person, text_width, truncate_text
from tui.i18n.translate import N_, _, format_number

MIN_WRITE_INTERVAL_S = 0.2
"""Between two writings of the line."""

HALTED_CHECK_INTERVAL_S = 0.5
"""How often it is looked whether a cable goes on: soon enough for a person."""


class _StatusLine:
    """The line; its text is made only when it is written."""

    def __init__(self) -> None:
        self._next = 0.0
        self._width = 0

    def show(self, text: Callable[[], str]) -> None:
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + MIN_WRITE_INTERVAL_S
        shown = truncate_text(text(), get_terminal_size().columns - 1)
        print_to_person("\r" + shown + " " * (self._width - text_width(shown)), nl=False)
        self._width = max(self._width, text_width(shown))

    def clear(self) -> None:
        if self._width:
            print_to_person("\r" + " " * self._width + "\r", nl=False)


@contextmanager
def _status_line() -> Iterator[_StatusLine | None]:
    if not sys.stderr.isatty():
        yield None
        return
    line = _StatusLine()
    try:
        yield line
    finally:
        line.clear()


@contextmanager
def show_progress(template: str) -> Iterator[Callable[[int, int], None]]:
    """Show how many of how many are done.

    `template` has both as `{done}` and `{total}`, and is marked with N_.
    """
    with _status_line() as line:

        def on_progress(done: int, total: int) -> None:
            if line is not None:
                line.show(lambda: _(template).format(done=format_number(done), total=format_number(total)))

        yield on_progress


@contextmanager
def show_sync_progress(halted: Callable[[], str] = lambda: "") -> Iterator[Callable[[Event], None]]:
    """Show how far a sync is, from the events of its session, and the time left.

    Or why it is `halted`.
    """
    pace = EtaEstimator()
    with _status_line() as line, _watch_halted(line, halted):

        def on_event(event: Event) -> None:
            if line is not None and isinstance(event, Progress):
                pace.update(event, time.monotonic())
                line.show(lambda: sync_progress_text(pace, time.monotonic()))

        yield on_event


@contextmanager
def _watch_halted(line: _StatusLine | None, halted: Callable[[], str]) -> Iterator[None]:
    """Look once in a while, as nothing happens while something is halted."""

    async def look() -> None:
        while line is not None:
            if text := halted():
                line.show(lambda: f"{text} …")
            await asyncio.sleep(HALTED_CHECK_INTERVAL_S)

    looking = asyncio.ensure_future(look())
    try:
        yield
    finally:
        looking.cancel()


_PHASE_LABELS = {"hello": N_("greeting"), "reconcile": N_("finding out what differs")}


def sync_progress_text(pace: EtaEstimator, now: float) -> str:
    """The line of a sync: changes both ways, the share that is done, the time left."""
    progress = pace.progress
    if progress.phase in _PHASE_LABELS or pace.total_count is None:
        return _(_PHASE_LABELS.get(progress.phase, _PHASE_LABELS["hello"])) + " …"
    parts = []
    if progress.to_receive:
        done, total = format_number(progress.received), format_number(progress.to_receive)
        parts.append(_("{done} of {total} changes received").format(done=done, total=total))
    if progress.to_send:
        done, total = format_number(progress.sent), format_number(progress.to_send)
        parts.append(_("{done} of {total} changes sent").format(done=done, total=total))
    if pace.total_count:
        parts.append(f"{100 * pace.done_count // pace.total_count} %")
    left = pace.eta_s(now)
    if left is not None:
        parts.append(_("{time} left").format(time=format_duration(left)))
    return ", ".join(parts)


def format_duration(seconds: float) -> str:
    """A time span for people: seconds, minutes and seconds, or hours and minutes."""
    whole = round(seconds)
    if whole < 60:
        return _("{seconds} s").format(seconds=whole)
    if whole < 3600:
        return _("{minutes} min {seconds} s").format(minutes=whole // 60, seconds=whole % 60)
    return _("{hours} h {minutes} min").format(hours=format_number(whole // 3600), minutes=whole % 3600 // 60)
