"""A list of devices, of which only those are shown that mention what somebody looks for."""

from __future__ import annotations

from tui.command_host import command_bindings
from tui.dialogs.base import PromptDialog
from tui.i18n.translate import _
from tui.layout import Line
from tui.screens.list_screen import ListScreen


class FilterActions(ListScreen):
    """A page whose rows are sifted by words; `sought` are these, empty where all rows are shown."""

    BINDINGS = command_bindings("sifting")

    def __init__(self) -> None:
        super().__init__()
        self.filter_text = ""

    def is_match(self, *texts: str) -> bool:
        """Whether each word that is sought is part of one of these texts."""
        told = " ".join(texts).casefold()
        return all(word in told for word in self.filter_text.casefold().split())

    def filter_line(self) -> Line:
        """What is sought, for the heading."""
        return [(_("filter: {filter}").format(filter=self.filter_text), "strong")] if self.filter_text else []

    def no_match_text(self) -> str:
        """What is said where nothing mentions it."""
        return _("No device mentions this: Esc shows all.")

    def disabled_reason(self, name: str) -> str | None:
        if name == "all":
            return None if self.filter_text else _("All devices are shown.")
        return None if name == "find" else super().disabled_reason(name)

    def do_find(self) -> None:
        """Ask for words, and show only what mentions them."""

        def chosen(text: str | None) -> None:
            if text is not None:
                self.filter_text = " ".join(text.split())
                self.refresh_data()

        help_text = _("Words in a device's name, id, role or address.")
        self.app.push_screen(PromptDialog(_("Show only"), self.filter_text, help_text, accept_label=_("show")), chosen)

    def do_all(self) -> None:
        """Show all devices again."""
        self.filter_text = ""
        self.refresh_data()
