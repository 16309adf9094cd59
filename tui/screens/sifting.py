"""A list of devices, of which only those are shown that mention what somebody looks for."""

from __future__ import annotations

from tui.command_host import bindings
from tui.language.i18n import _
from tui.rows.lines import Line
from tui.screens.dialogs import Ask
from tui.screens.listing import Listing


class Sifting(Listing):
    """A page whose rows are sifted by words; `sought` are these, empty where all rows are shown."""

    BINDINGS = bindings("sifting")

    def __init__(self) -> None:
        super().__init__()
        self.sought = ""

    def mentioned(self, *texts: str) -> bool:
        """Whether each word that is sought is part of one of these texts."""
        told = " ".join(texts).casefold()
        return all(word in told for word in self.sought.casefold().split())

    def filter_line(self) -> Line:
        """What is sought, for the heading."""
        return [(_("filter: {filter}").format(filter=self.sought), "strong")] if self.sought else []

    def nobody(self) -> str:
        """What is said where nothing mentions it."""
        return _("No device mentions this: Esc shows all.")

    def why_not(self, name: str) -> str | None:
        if name == "all":
            return None if self.sought else _("All devices are shown.")
        return None if name == "find" else super().why_not(name)

    def do_find(self) -> None:
        """Ask for words, and show only what mentions them."""

        def chosen(text: str | None) -> None:
            if text is not None:
                self.sought = " ".join(text.split())
                self.news()

        help_text = _("Words in a device's name, id, role or address.")
        self.app.push_screen(Ask(_("Show only"), self.sought, help_text, word=_("show")), chosen)

    def do_all(self) -> None:
        """Show all devices again."""
        self.sought = ""
        self.news()
