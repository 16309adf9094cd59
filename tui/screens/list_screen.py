"""A list with a cursor, and what is to be said of its current line below: what most pages are."""

from __future__ import annotations

import asyncio

from textual.app import ComposeResult

from tui.command_host import command_bindings
from tui.dialogs.base import PromptDialog
from tui.dialogs.save_to_file import FileContent, SaveProgressDialog, check_path, path_of, plain_texts
from tui.i18n.translate import _
from tui.layout import Line, cut, rule_line, wrap_text
from tui.screens.base import BaseScreen
from tui.widgets.lines import LineList, Lines

MAX_CLIPBOARD_BYTES = 1 << 16
"""Bytes; terminals take no more at a time, many less."""
_MAX_SHOWN_COLUMNS = 30
_FILE_COLUMNS, _FILE_DETAIL_LINES = 100, 1000
"""Columns of what is saved to a file, and lines of the details there."""


class ListScreen(BaseScreen):
    """A page with a list; what matters of its current line can be copied, and all of it saved to a file."""

    BINDINGS = command_bindings("listing")
    AUTO_FOCUS = "LineList"

    def body(self) -> ComposeResult:
        yield LineList(id="list")
        yield Lines(lambda width, _height: [self.caption(width)], id="details-title")
        yield Lines(self.details, id="details")

    @property
    def lines(self) -> LineList:
        """The list on the screen."""
        return self.query_one("#list", LineList)

    # --- for the pages to fill in ------------------------------------------------------------------------------------

    def subject(self) -> Line:
        """What the current line is about."""
        return []

    def caption(self, width: int) -> Line:
        """What stands between the list and the details."""
        return rule_line(width, self.subject())

    def details(self, width: int, height: int) -> list[Line]:
        """What is to be said of the current line."""
        return []

    def empty_lines(self, text: str, width: int) -> list[Line]:
        """What stands below a list in which nothing is."""
        return [[("   ", "plain"), (line, "plain")] for line in wrap_text(self.admission_hint() or text, width - 6)]

    def clipboard_text(self) -> str:
        """What somebody wants of the current line elsewhere; empty if there is nothing."""
        return ""

    # --- the details -------------------------------------------------------------------------------------------------

    def on_line_list_moved(self) -> None:
        self.redraw_details()

    def redraw_details(self) -> None:
        """Draw again what depends on the current line."""
        for name in ("#heading", "#details-title", "#details", "#keys"):
            self.query_one(name, Lines).redraw()

    # --- what is wanted elsewhere ------------------------------------------------------------------------------------

    def disabled_reason(self, name: str) -> str | None:
        if name == "copy":
            return None if self.clipboard_text() else _("There is nothing to copy on this line.")
        return None if name == "save" else super().disabled_reason(name)

    def do_copy(self) -> None:
        """Hand it to the terminal, which may put it on the clipboard, and never says whether it did."""
        text = self.clipboard_text()
        if len(text.encode()) > MAX_CLIPBOARD_BYTES:
            self.show_message(_("This is too long for a terminal to copy: Y saves it to a file."), attention=True)
            return
        self.app.copy_to_clipboard(text)
        said = _("Sent to the terminal: {text} · Y saves to a file")
        self.show_message(said.format(text=cut(text, _MAX_SHOWN_COLUMNS)))

    def do_save(self) -> None:
        """Ask for a file, and save all that is shown there."""
        left, right = self.heading()
        head: list[Line] = [self.status_line(_FILE_COLUMNS), [*left, ("  ", "plain"), *right], []]
        below = [[], self.subject(), *self.details(_FILE_COLUMNS, _FILE_DETAIL_LINES)] if len(self.lines.source) else []
        ask_save_to_file(self, FileContent(self.TAB, self.lines.source, plain_texts(head), plain_texts(below)))


def ask_save_to_file(page: BaseScreen, filing: FileContent) -> None:
    """Ask where to, then save it there."""
    now = page.state.dates.to_local(page.state.dates.clock())
    proposed = f"~/fieldline-{filing.name}-{now:%Y-%m-%d-%H%M}.txt" if now else f"~/fieldline-{filing.name}.txt"

    def answered(text: str | None) -> None:
        if text is not None:
            page.open_dialog(SaveProgressDialog(filing, path_of(text)), on_saved)

    def on_saved(outcome: str | None) -> None:
        page.show_message(outcome or _("Stopped: nothing was saved."))

    async def check(text: str) -> None:
        await asyncio.to_thread(check_path, path_of(text))

    help_text = _("All lines of the list and what is shown of the current one, as text.")
    page.open_dialog(PromptDialog(_("Save to a file"), proposed, help_text, check, _("save")), answered)
