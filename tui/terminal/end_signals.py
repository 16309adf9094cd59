"""Signals that ask a program to end, handed to its event loop: it leaves the terminal as it found it."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress

END_SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
"""SIGINT is handled by asyncio itself."""

SIGNAL_EXIT_BASE = 128
"""What a shell adds to the number of the signal that ended a program."""


def handle_end_signals(leave: Callable[[int], object], numbers: Sequence[int] = END_SIGNALS) -> None:
    """Call `leave` with the number of a signal that comes, in the running loop and until that is closed."""
    loop = asyncio.get_running_loop()
    for number in numbers:
        with suppress(ValueError, RuntimeError):  # not in the main thread: there are no signals then
            loop.add_signal_handler(number, leave, number)


def has_job_control() -> bool:
    """Whether a shell is there that goes on when this program is stopped, and can let it go on again.

    A process stopped whose parent is in another session, such as `ssh host fieldline`, would stand still for ever.
    """
    try:
        return os.getsid(os.getppid()) == os.getsid(0)
    except OSError:
        return False
