"""Commands of the inbox that resolve nothing.

Filter its items, and show more of the selected one.
"""

from __future__ import annotations

from functools import partial

from core.workspace.lazy_inbox import LazyInbox
from tui.dialogs.base import PromptDialog
from tui.dialogs.text_viewer import TextViewer, candidate_texts
from tui.i18n.translate import _, language, ngettext
from tui.layout import Line
from tui.screens.base import ScreenActions
from tui.screens.form import FormScreen
from tui.screens.inbox_list import InboxRows, ItemSelection, RowKey, item_key
from tui.screens.list_screen import ListScreen
from tui.view_models.breadcrumbs import property_breadcrumb
from tui.view_models.inbox import MAX_CANDIDATES, ancestry_lines, item_property
from tui.view_models.inbox_filter import filter_items


class ItemFilter(ScreenActions):
    """Show only the items that match, and step through the last search."""

    screen: ListScreen

    def __init__(self, screen: ListScreen, selection: ItemSelection) -> None:
        super().__init__(screen)
        self.text = ""
        self.shows_accepted = False
        self._selection = selection
        self._match_keys: set[RowKey] = set()

    async def apply(self, items: LazyInbox) -> LazyInbox:
        """Return the items that the filter lets through, open or accepted."""
        if self.shows_accepted:
            items = items.accepted
        if not self.text:
            return items
        state = self.state
        every = await items.load_all()
        found = await filter_items(every, self.text, state.view, state.schema, self._selection.names.known)
        self._match_keys = set(map(item_key, found))
        made = LazyInbox.of_items(found)
        return made.accepted if self.shows_accepted else made

    def do_accepted(self) -> None:
        """Show what is accepted as it is, or what is open again."""
        self.shows_accepted = not self.shows_accepted
        self._selection.marked_keys.clear()
        self.set_text(self.text)

    def count_text(self, count: int) -> str:
        """How many items are listed."""
        if self.shows_accepted:
            return ngettext("{count} item accepted as it is", "{count} items accepted as they are", count)
        return ngettext("{count} item", "{count} items", count)

    def reset(self) -> bool:
        """Show all items again, or, if all are shown, those that are open.

        Return whether anything else was shown.
        """
        is_filtered = bool(self.text or self.shows_accepted)
        if self.text:
            self.set_text("")
        elif self.shows_accepted:
            self.do_accepted()
        return is_filtered

    def set_text(self, text: str) -> None:
        """Show what mentions all words of `text`; everything if it is empty."""
        self.text = " ".join(text.split())
        self._selection.forget_title()
        # Whoever asks for another list looks at what is in it.
        self._selection.see_item()
        self.screen.refresh_data()

    def heading(self) -> Line:
        """The filter, for the heading; empty if there is none."""
        return [(_("filter: {filter}").format(filter=self.text), "strong")] if self.text else []

    def disabled_reason(self, name: str) -> str | None:
        return None if name in ("find", "accepted") or self._match_keys else _("No search yet: / asks for words.")

    def do_find(self) -> None:
        """Ask for words, and show only items that mention them."""

        def chosen(text: str | None) -> None:
            if text is not None:
                self.set_text(text)

        help_text = _(
            "Words in a property, a value, a name, a note or the problem; or the title of something, "
            "for all that is below it."
        )
        self.screen.open_dialog(PromptDialog(_("Show only"), self.text, help_text, accept_label=_("show")), chosen)

    def do_find_next(self) -> None:
        """Go to the next item that mentions the words, also after all are shown again."""
        self._move_to_match(1)

    def do_find_previous(self) -> None:
        """Go to the one before."""
        self._move_to_match(-1)

    def _move_to_match(self, step: int) -> None:
        lines = self.screen.lines
        source, count = lines.source, len(lines.source)
        if isinstance(source, InboxRows):
            ahead = ((lines.cursor + step * distance) % count for distance in range(1, count + 1))
            lines.move_to(next((index for index in ahead if source.key(index) in self._match_keys), lines.cursor))


class ItemViews(ScreenActions):
    """Show more of the selected item.

    Its form, its history, its values in full, and who knew what.
    """

    screen: ListScreen

    def __init__(self, screen: ListScreen, selection: ItemSelection) -> None:
        super().__init__(screen)
        self._selection = selection

    def do_mark(self) -> None:
        """Mark or unmark, and go on to the next."""
        lines = self.screen.lines
        self._selection.marked_keys ^= {lines.key}  # type: ignore[arg-type]  # of InboxRows
        lines.refresh_line(lines.cursor)
        lines.move_to(lines.cursor + 1)
        self.screen.redraw_details()

    def do_open(self) -> None:
        """Open the form at the property; of several entities that of the chosen one."""
        if item := self._selection.item:
            self.screen.open_dialog(FormScreen(self._selection.chosen_entity(item), item.property))

    def do_who_knew(self) -> None:
        """Show the drawing of the ancestry in full."""
        if details := self._selection.details:
            schema, dates = self.state.schema, self.state.dates
            self.screen.open_dialog(
                TextViewer(_("Who knew what"), lambda width: ancestry_lines(details, width, schema, dates))
            )

    def do_whole(self) -> None:
        """Show every candidate's value in full."""
        details = self._selection.details
        if details is None:
            return
        item, prop = details.item, item_property(details.item, self.state.schema)
        draw = partial(candidate_texts, prop, item.candidates[:MAX_CANDIDATES], details.names, self.state.dates)
        title = property_breadcrumb(details.names.entity(item.entity), prop.label(language()))
        self.screen.open_dialog(TextViewer(title, draw))

    def do_history_of(self) -> None:
        """Show the changes of this property."""
        if item := self._selection.item:
            entity = self._selection.chosen_entity(item)
            label = item_property(item, self.state.schema).label(language())
            title = property_breadcrumb(self._selection.names.known.entity(entity), label)
            self.state.show_history(entity, item.property, title)
