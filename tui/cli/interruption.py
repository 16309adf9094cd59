"""Say what is there when SIGINT or SIGTERM stops a verb that writes a lot."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from tui.cli.context import CliContext
from tui.i18n.translate import _


@contextmanager
def explain_stop(context: CliContext, sentence: str) -> Iterator[None]:
    """Print a sentence, marked with N_, if a signal stops what is done within.

    SIGTERM stops it as SIGINT does: the store is closed first, so that a change under way is there whole or not at all.
    """
    before = signal.signal(signal.SIGTERM, lambda _number, _frame: signal.raise_signal(signal.SIGINT))
    try:
        yield
    except (asyncio.CancelledError, KeyboardInterrupt):
        context.print_message(_(sentence))
        raise
    finally:
        signal.signal(signal.SIGTERM, before)
