"""What an application still has to do, in words for a test's failure."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from textual._queue import Queue
from textual.app import App
from textual.message_pump import MessagePump
from textual.widget import Widget
from textual.worker import Worker

LASTING = {"watch", "pairing"}
"""The groups of workers that never end by themselves, or only when somebody else has done something."""
_MAX_FRAMES = 4
"""Of what a task waits in, the innermost."""
_QUIET_TURNS = 5
"""Turns of the event loop in which nothing may happen: a message from another thread takes two."""
_EAGER_TURNS = 100
"""Turns without a pause; a handler that takes longer waits for a thread or a timer."""
_TURNS_A_PAUSE = 10
"""After that. A screen below a dialog is drawn sixty times a second: on a busy machine, after each single pause."""
_PAUSE_S = 0.005

_awaited: set[Queue[Any]] = set()
"""The queues of the pumps that wait for their next message."""
_get = Queue.get


async def _get_awaited(queue: Queue[Any]) -> Any:
    _awaited.add(queue)
    try:
        return await _get(queue)
    finally:
        _awaited.discard(queue)


@contextmanager
def watched_pumps() -> Iterator[None]:
    """Know which pumps of applications that start within handle a message."""
    with patch.object(Queue, "get", _get_awaited):
        yield


async def messages_handled(app: App[Any]) -> bool:
    """Wait until the application and the screen on top have handled all messages.

    Their pumps are looked at: a message to each of them and back would cost more than most keys do.

    False if the application failed meanwhile.
    """
    pumps = [app, *app.screen.walk_children(with_self=True)]
    turns = quiet = 0
    while quiet < _QUIET_TURNS:
        if app._exception_event.is_set():
            return False
        await asyncio.sleep(0 if turns < _EAGER_TURNS or turns % _TURNS_A_PAUSE else _PAUSE_S)
        turns += 1
        quiet = 0 if any(map(_is_busy, pumps)) else quiet + 1
    return True


def running_workers(app: App[Any]) -> list[Worker[Any]]:
    """The workers that will end and have not."""
    return [worker for worker in app.workers if worker.group not in LASTING and not worker.is_finished]


def undrawn(app: App[Any]) -> Iterator[str]:
    """What the screen on top, and what is seen below it, wait for.

    Textual draws sixty times a second, and calls back after it.
    """
    screen = app.screen
    if _is_busy(app):
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
        if _is_busy(each):
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
        if _is_busy(pump):
            yield f"messages to {pump}, which is at {_where(pump._task)}"
    yield from undrawn(app)


def _is_busy(pump: MessagePump) -> bool:
    """Whether it handles a message, or has one that it has not begun to handle.

    It takes one out to look at it before.
    """
    if not pump._running or pump._closing or pump._closed:
        return False
    return pump._message_queue not in _awaited or bool(pump.message_queue_size) or pump._pending_message is not None


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
