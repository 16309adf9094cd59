"""Filter a list of devices by words."""

from __future__ import annotations

from tui.dialogs.base import PromptDialog
from tui.i18n.translate import _
from tui.layout import Line
from tui.screens.base import BaseScreen, ScreenActions


class FilterActions(ScreenActions):
    """Show only the devices that mention all words of `text`; all where it is empty."""

    def __init__(self, screen: BaseScreen) -> None:
        super().__init__(screen)
        self.text = ""

    def is_match(self, *texts: str) -> bool:
        """Whether each word of the filter is part of one of these texts."""
        together = " ".join(texts).casefold()
        return all(word in together for word in self.text.casefold().split())

    def heading(self) -> Line:
        """The filter, for the heading; empty if there is none."""
        return [(_("filter: {filter}").format(filter=self.text), "strong")] if self.text else []

    def no_match_text(self) -> str:
        """The sentence below a list in which nothing matches."""
        return _("No device mentions this: Esc shows all.")

    def disabled_reason(self, name: str) -> str | None:
        return _("All devices are shown.") if name == "all" and not self.text else None

    def do_find(self) -> None:
        """Ask for words, and show only what mentions them."""

        def chosen(text: str | None) -> None:
            if text is not None:
                self.text = " ".join(text.split())
                self.screen.refresh_data()

        help_text = _("Words in a device's name, id, role or address.")
        self.screen.app.push_screen(PromptDialog(_("Show only"), self.text, help_text, accept_label=_("show")), chosen)

    def do_all(self) -> None:
        """Show all devices again."""
        self.text = ""
        self.screen.refresh_data()
