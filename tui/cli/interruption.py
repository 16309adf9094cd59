"""Say what is there when SIGINT or SIGTERM stops a verb.

Whatever a verb saves is whole: the store ends a transaction under way before it is closed. What has become of it is
told here, for all verbs in one place.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tui.i18n.translate import _, ngettext

if TYPE_CHECKING:
    from types import FrameType

    from core.store.types import SaveTally
    from tui.cli.context import CliContext


@contextmanager
def explain_stop(context: CliContext) -> Iterator[None]:
    """Print what was saved if a signal stops what is done within.

    SIGTERM stops it as SIGINT does.
    """
    with _terminate_as_interrupt():
        try:
            yield
        except KeyboardInterrupt:
            if text := stop_text(context.tallies):
                context.print_message(text)
            raise


@contextmanager
def _terminate_as_interrupt() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _interrupt(_number: int, frame: FrameType | None) -> None:
    """Do what SIGINT does, also where that is ignored.

    As it is in what a shell runs in the background.
    """
    handler = signal.getsignal(signal.SIGINT)
    if not callable(handler):
        raise KeyboardInterrupt
    handler(signal.SIGINT, frame)


def stop_text(tallies: Sequence[SaveTally]) -> str:
    """What there is, and how to go on; nothing where nothing was to be saved yet."""
    changes = [change for tally in tallies for change in tally.changes]
    received = sum(tally.received_count for tally in tallies)
    if any(tally.ended_count < tally.begun_count for tally in tallies):
        return _("Stopped while something was being saved: `fieldline log --limit 1` shows whether it was.")
    if changes:
        text = _("Stopped, but saved already: change {changes}. `fieldline log --limit 1` shows what is there.")
        return text.format(changes=", ".join(change.hex()[:8] for change in changes))
    if received:
        return ngettext(
            "Stopped. {count} change was taken in, whole, and stays: the same command goes on from there.",
            "Stopped. {count} changes were taken in, whole, and stay: the same command goes on from there.",
            received,
        )
    if any(tally.begun_count for tally in tallies):
        return _("Stopped: nothing was saved.")
    return ""
