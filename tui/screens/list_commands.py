"""Copy the current line of a list, and save all that it shows to a file."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, ClassVar, Protocol

from tui.i18n.translate import _
from tui.layout import Line, cut
from tui.screens.base import BaseScreen, ScreenActions
from tui.screens.frame import status_line

if TYPE_CHECKING:
    from tui.app_state import AppState
    from tui.dialogs.save_to_file import FileContent
    from tui.widgets.lines import LineList

MAX_CLIPBOARD_BYTES = 1 << 16
"""Terminals take no more at a time, many less."""
_FILE_COLUMNS, _FILE_DETAIL_LINES = 100, 1000
"""Columns of what is saved to a file, and lines of the details there: more than any screen shows."""
_MAX_SHOWN_COLUMNS = 30
"""Columns of the text that is shown of what was copied, so that the hint behind it fits, too."""


class ListContent(Protocol):
    """What can be copied and saved of a screen with a list."""

    TAB: ClassVar[str]

    @property
    def lines(self) -> LineList: ...

    def breadcrumb(self) -> str: ...

    def heading(self) -> tuple[Line, Line]: ...

    def subject(self) -> Line: ...

    def details(self, width: int, height: int) -> list[Line]: ...

    def clipboard_text(self) -> str: ...


class ListCommands(ScreenActions):
    """Commands that every list offers."""

    def __init__(self, screen: BaseScreen, content: ListContent) -> None:
        super().__init__(screen)
        self._content = content

    def disabled_reason(self, name: str) -> str | None:
        if name != "copy" or self._content.clipboard_text():
            return None
        return _("There is nothing to copy on this line.")

    def do_copy(self) -> None:
        """Hand text to the terminal, which may copy it, and never reports it."""
        text = self._content.clipboard_text()
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
        ask_save_to_file(self.screen, _file_content(self.screen.state, self._content))


def _file_content(state: AppState, screen: ListContent) -> FileContent:
    from tui.dialogs.save_to_file import FileContent, plain_texts

    left, right = screen.heading()
    first = status_line(state, _FILE_COLUMNS, screen.breadcrumb())
    head: list[Line] = [first, [*left, ("  ", "plain"), *right], []]
    rows = screen.lines.source
    below = [[], screen.subject(), *screen.details(_FILE_COLUMNS, _FILE_DETAIL_LINES)] if len(rows) else []
    return FileContent(screen.TAB, rows, plain_texts(head), plain_texts(below))


def ask_save_to_file(screen: BaseScreen, content: FileContent) -> None:
    """Ask where to save, then save it there."""
    from tui.dialogs.base import PromptDialog
    from tui.dialogs.save_to_file import SaveProgressDialog, check_path, path_of

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
