"""Copy the current line of a list, and save all that it shows to a file."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from tui.dialogs.base import PromptDialog
from tui.dialogs.save_to_file import FileContent, SaveProgressDialog, check_path, path_of
from tui.i18n.translate import _
from tui.layout import cut
from tui.screens.base import BaseScreen, ScreenActions

MAX_CLIPBOARD_BYTES = 1 << 16
"""Terminals take no more at a time, many less."""
_MAX_SHOWN_COLUMNS = 30
"""Columns of the text that is shown of what was copied, so that the hint behind it fits, too."""


class ListCommands(ScreenActions):
    """Commands that every list offers."""

    def __init__(
        self, screen: BaseScreen, clipboard_text: Callable[[], str], file_content: Callable[[], FileContent]
    ) -> None:
        """Ask `clipboard_text` what to copy, empty for nothing, and `file_content` what to save."""
        super().__init__(screen)
        self._clipboard_text = clipboard_text
        self._file_content = file_content

    def disabled_reason(self, name: str) -> str | None:
        return _("There is nothing to copy on this line.") if name == "copy" and not self._clipboard_text() else None

    def do_copy(self) -> None:
        """Hand the text to the terminal, which may put it on the clipboard, and never reports whether it did."""
        text = self._clipboard_text()
        if len(text.encode()) > MAX_CLIPBOARD_BYTES:
            self.screen.show_message(
                _("This is too long for a terminal to copy: Y saves it to a file."), attention=True
            )
            return
        self.screen.app.copy_to_clipboard(text)
        message = _("Sent to the terminal: {text} · Y saves to a file")
        self.screen.show_message(message.format(text=cut(text, _MAX_SHOWN_COLUMNS)))

    def do_save(self) -> None:
        """Ask for a file, and save all that is shown there."""
        ask_save_to_file(self.screen, self._file_content())


def ask_save_to_file(screen: BaseScreen, content: FileContent) -> None:
    """Ask where to save, then save it there."""
    now = screen.state.dates.to_local(screen.state.dates.clock())
    proposed = f"~/fieldline-{content.name}-{now:%Y-%m-%d-%H%M}.txt" if now else f"~/fieldline-{content.name}.txt"

    def answered(text: str | None) -> None:
        if text is not None:
            screen.open_dialog(SaveProgressDialog(content, path_of(text)), on_saved)

    def on_saved(outcome: str | None) -> None:
        screen.show_message(outcome or _("Stopped: nothing was saved."))

    async def check(text: str) -> None:
        await asyncio.to_thread(check_path, path_of(text))

    help_text = _("All lines of the list and what is shown of the current one, as text.")
    screen.open_dialog(PromptDialog(_("Save to a file"), proposed, help_text, check, _("save")), answered)
