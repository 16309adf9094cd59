"""Signals that ask a program to end, handed to its event loop.

It leaves the terminal as it found it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import termios
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from textual.app import App

END_SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
"""SIGINT is handled by asyncio itself."""
KEYBOARD_SIGNALS = (signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU)
"""Those that a terminal sends for a key, or to a program that is not in front."""

SIGNAL_EXIT_BASE = 128
"""What a shell adds to the number of the signal that ended a program."""


def handle_end_signals(app: App[Any], numbers: Sequence[int] = END_SIGNALS) -> None:
    """End an application by these signals, in the running loop until it closes."""
    loop = asyncio.get_running_loop()
    for number in numbers:
        with suppress(ValueError, RuntimeError):  # not in the main thread: there are no signals then
            loop.add_signal_handler(number, end_by_signal, app, number)


def end_by_signal(app: App[Any], number: int) -> None:
    """Leave as by the key, without a question.

    The exit code is the one that a shell expects.
    """
    app.exit(return_code=SIGNAL_EXIT_BASE + number)


def ignore_keyboard_signals(app: App[Any]) -> None:
    """Let no signal that a keyboard or a line can cause end or stop an application.

    A terminal that is gone does.
    """
    with suppress(ValueError, RuntimeError):  # not in the main thread: there are no signals then
        for number in KEYBOARD_SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, _end_without_terminal, app)


def _end_without_terminal(app: App[Any]) -> None:
    try:
        termios.tcgetattr(0)
    except (termios.error, OSError):
        end_by_signal(app, signal.SIGHUP)


def suspend(app: App[Any]) -> bool:
    """Stop, as programs do in a shell, until `fg` is typed there.

    Give whether there is a shell to go back to.

    A process stopped whose parent is in another session, such as `ssh host fieldline`, would stand still for ever.
    """
    try:
        has_shell = os.getsid(os.getppid()) == os.getsid(0)
    except OSError:
        has_shell = False
    if has_shell:
        app.action_suspend_process()
    return has_shell
