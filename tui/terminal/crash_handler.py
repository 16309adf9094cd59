"""An application that ends with a sentence when something unexpected happens, as every verb does."""

from __future__ import annotations

import sys

from rich.text import Text
from textual.app import App, ReturnType

from tui.i18n.unexpected import is_traceback_wanted, unexpected_error_text


class CrashSafeApp(App[ReturnType]):
    """Shows what happened and ends with 1; Textual's own way shows a traceback with all values in it."""

    ALLOW_SELECT = False
    """Terminals select text themselves, with Shift held down; `y` copies the current line."""

    def _fatal_error(self) -> None:
        error = sys.exc_info()[1] or self._exception
        if error is None or is_traceback_wanted():
            super()._fatal_error()
        else:
            self.panic(Text(unexpected_error_text(error)))
