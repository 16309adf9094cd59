"""What an application still has to do, in words for a test's failure."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from textual.app import App
from textual.message_pump import MessagePump
from textual.widget import Widget
from textual.worker import Worker

LASTING = {"watch", "pairing"}
"""The groups of workers that never end by themselves, or only when somebody else has done something."""
_MAX_FRAMES = 4
"""Of what a task waits in, the innermost."""


def running_workers(app: App[Any]) -> list[Worker[Any]]:
    """The workers that will end and have not."""
    return [worker for worker in app.workers if worker.group not in LASTING and not worker.is_finished]


def undrawn(app: App[Any]) -> Iterator[str]:
    """What the screen on top, and what is seen below it, wait for.

    Textual draws sixty times a second, and calls back after it.
    """
    screen = app.screen
    if _has_messages(app):
        yield "the application has messages"
    if screen._dirty_widgets:
        yield f"{screen} draws {screen._dirty_widgets}"
    if screen._callbacks:
        yield f"{screen} calls back after it is drawn"
    widgets = [screen, *screen.walk_children(Widget)]
    for below in app._background_screens:
        # It asks again and again to be drawn itself once it was below.
        widgets += below.walk_children(Widget)
        if dirty := below._dirty_widgets - {below}:
            yield f"{below}, below, draws {dirty}"
    for each in widgets:
        if not each.is_mounted:
            yield f"{each} is not mounted"
        if _has_messages(each):
            yield f"{each} has messages"
        if each._layout_required or each._repaint_required or each._scroll_required or each._refresh_styles_required:
            yield f"{each} asks to be drawn"


def describe(app: App[Any]) -> Iterator[str]:
    """All that is still to do, and where in the code it waits."""
    yield f"{app.screen_stack} at {app.size}, updates held back by {app._batch_count}"
    if app._exception is not None:
        yield f"has ended with {app._exception!r}"
    for worker in running_workers(app):
        yield f"worker {worker.group!r} of {worker.node}: {_where(worker._task)}"
    pumps: list[MessagePump] = [app]
    for screen in app.screen_stack:
        pumps += screen.walk_children(Widget, with_self=True)
    for pump in pumps:
        if _has_messages(pump):
            yield f"messages to {pump}, which is at {_where(pump._task)}"
    yield from undrawn(app)


def _has_messages(pump: MessagePump) -> bool:
    """Whether there are messages to it that it has not begun to handle.

    It takes one out to look at it before.
    """
    return bool(pump.message_queue_size) or pump._pending_message is not None


def _where(task: asyncio.Task[Any] | None) -> str:
    """The innermost functions in which a task waits."""
    if task is None or task.done():
        return "its end"
    frames: list[str] = []
    each: Any = task.get_coro()
    while each is not None:
        frame = getattr(each, "cr_frame", None) or getattr(each, "gi_frame", None)
        if frame is not None:
            frames.append(f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno} {frame.f_code.co_name}")
        each = getattr(each, "cr_await", None) or getattr(each, "gi_yieldfrom", None)
    return " > ".join(frames[-_MAX_FRAMES:])
