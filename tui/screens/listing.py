"""A list with a cursor, and what is to be said of its current line below: what most pages are."""

from __future__ import annotations

import asyncio

from textual.app import ComposeResult

from tui.command_host import bindings
from tui.language.i18n import _
from tui.rows.lines import Line, cut, rule, wrapped
from tui.screens.dialogs import Ask
from tui.screens.page import Page
from tui.screens.saving import Filing, Saving, check_path, path_of, plain
from tui.widgets.text import LineList, Lines

MOST_COPIED = 1 << 16
"""Bytes; terminals take no more at a time, many less."""
_SHOWN = 30
_WIDE, _LONG = 100, 1000
"""Columns of what is saved to a file, and lines of the details there."""


class Listing(Page):
    """A page with a list; what matters of its current line can be copied, and all of it saved to a file."""

    BINDINGS = bindings("listing")
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
        return rule(width, self.subject())

    def details(self, width: int, height: int) -> list[Line]:
        """What is to be said of the current line."""
        return []

    def empty(self, text: str, width: int) -> list[Line]:
        """What stands below a list in which nothing is."""
        return [[("   ", "plain"), (line, "plain")] for line in wrapped(self.beginning() or text, width - 6)]

    def copied(self) -> str:
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

    def why_not(self, name: str) -> str | None:
        if name == "copy":
            return None if self.copied() else _("There is nothing to copy on this line.")
        return None if name == "save" else super().why_not(name)

    def do_copy(self) -> None:
        """Hand it to the terminal, which may put it on the clipboard, and never says whether it did."""
        text = self.copied()
        if len(text.encode()) > MOST_COPIED:
            self.message(_("This is too long for a terminal to copy: Y saves it to a file."), attention=True)
            return
        self.app.copy_to_clipboard(text)
        said = _("Sent to the terminal: {text} · Y saves to a file")
        self.message(said.format(text=cut(text, _SHOWN)))

    def do_save(self) -> None:
        """Ask for a file, and save all that is shown there."""
        left, right = self.heading()
        head: list[Line] = [self.first_line(_WIDE), [*left, ("  ", "plain"), *right], []]
        below = [[], self.subject(), *self.details(_WIDE, _LONG)] if len(self.lines.source) else []
        ask_file(self, Filing(self.PLACE, self.lines.source, plain(head), plain(below)))


def ask_file(page: Page, filing: Filing) -> None:
    """Ask where to, then save it there."""
    now = page.desk.when.local(page.desk.when.clock())
    proposed = f"~/fieldline-{filing.name}-{now:%Y-%m-%d-%H%M}.txt" if now else f"~/fieldline-{filing.name}.txt"

    def answered(text: str | None) -> None:
        if text is not None:
            page.ask(Saving(filing, path_of(text)), told)

    def told(outcome: str | None) -> None:
        page.message(outcome or _("Stopped: nothing was saved."))

    async def check(text: str) -> None:
        await asyncio.to_thread(check_path, path_of(text))

    help_text = _("All lines of the list and what is shown of the current one, as text.")
    page.ask(Ask(_("Save to a file"), proposed, help_text, check, _("save")), answered)
