"""An application that ends cleanly.

By itself, by a signal, with its terminal, or with a sentence about an error.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual.app import App, ReturnType

from tui.i18n.unexpected import is_traceback_wanted, unexpected_error_text
from tui.terminal.end_signals import END_SIGNALS, handle_end_signals


class CrashSafeApp(App[ReturnType]):
    """Shows what happened and ends with 1.

    Textual's own way shows a traceback with all values in it.
    """

    ALLOW_SELECT = False
    """Terminals select text themselves, with Shift held down; `y` copies the current line."""
    END_SIGNALS: ClassVar[Sequence[int]] = END_SIGNALS

    def on_load(self) -> None:
        """Before the terminal is changed.

        So that no signal finds it changed and nobody to change it back.
        """
        if not self.is_headless:
            handle_end_signals(self, self.END_SIGNALS)

    def _fatal_error(self) -> None:
        error = sys.exc_info()[1] or self._exception
        if error is None or is_traceback_wanted():
            super()._fatal_error()
        else:
            self.panic(Text(unexpected_error_text(error)))
