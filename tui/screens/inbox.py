"""Inbox: what needs a decision.

Below, side by side, the values of the selected item and who knew what.
"""

from __future__ import annotations

from core.inbox import InboxItem
from core.workspace.device_findings import Notices, read_notices
from tui.command_host import command_bindings
from tui.commands import Command
from tui.i18n.translate import _, ngettext
from tui.layout import Line, rule_line
from tui.screens.actions.accept import AcceptActions
from tui.screens.actions.resolve import ResolveActions
from tui.screens.actions.save import stop_preparing
from tui.screens.actions.undo import UndoActions
from tui.screens.inbox_commands import ItemFilter, ItemViews
from tui.screens.inbox_list import InboxRows, ItemSelection
from tui.screens.list_screen import ListScreen
from tui.view_models.form import format_value
from tui.view_models.inbox import item_lines, item_property, item_title
from tui.view_models.inbox_pane import notice_hint, pane_lines, tail_lines
from tui.widgets.lines import Lines

_MIN_TAIL_LINES = 10
"""Lines below the list from which there is room for a summary of it."""


class Inbox(ListScreen):
    """The list of inbox items."""

    TAB = "inbox"
    SCOPES = ("inbox", "listing")
    _notices = Notices()
    BINDINGS = command_bindings("inbox")
    CSS = """
    Inbox #details { height: 7; }
    Inbox.-tall #details { height: 14; }
    Inbox.-wide-panes #left { width: 60; }
    """

    def __init__(self) -> None:
        super().__init__()
        self.selection = ItemSelection(self)
        self.filter = ItemFilter(self, self.selection)
        self._resolve = ResolveActions(self, self.selection)
        self._accept = AcceptActions(self, self.selection)
        self.actions = (
            self._resolve,
            UndoActions(self, self.selection.on_resolve),
            self._accept,
            self.filter,
            ItemViews(self, self.selection),
        )

    @property
    def item(self) -> InboxItem | None:
        """What is under the cursor."""
        return self.selection.item

    async def reload_content(self) -> None:
        selection = self.selection
        selection.names.mark_stale()
        self._notices = await read_notices(self.state.workspace)
        items = await self.filter.apply(self.state.inbox_items)
        old, source = self.lines, InboxRows(self.state, items, selection.names, selection.marked_keys)
        if selection.marked_keys:
            selection.marked_keys &= {source.key(index) for index in range(len(source))}
        cursor, where, old_key, at = -1, -1, None, None
        while where != old.cursor:  # again where somebody moved on meanwhile
            where, old_key, at = old.cursor, old.key, source.index(old.key)
            cursor = where if at is None else at
            top = max(0, min(cursor, len(source) - 1))
            await source.load(max(0, top - old.size.height), top + old.size.height)
        selection.details = None
        selection.names.drop_stale()
        self.lines.show_rows(source, cursor=cursor)
        if at is None:
            selection.on_reloaded(old_key)
        await self._read_details()

    def on_inbox_changed(self) -> None:
        self.refresh_data()

    def on_screen_resume(self) -> None:
        self.selection.forget_title()
        super().on_screen_resume()

    def do_now(self) -> None:
        """Leave the past."""
        self.selection.forget_title()
        super().do_now()

    def breadcrumb(self) -> str:
        return _("Inbox")

    def heading(self) -> tuple[Line, Line]:
        count, marked = len(self.lines.source), len(self.selection.marked_keys)
        left = self.filter.count_text(count) if count else self._empty_text()
        lasting = self.state.viewed_at_us is not None or self.state.readonly
        right = notice_hint(self._notices) or (_("resolve all by rule: R") if count and not lasting else "")
        if self.filter.shows_accepted:
            right = _("what is open: A")
        if marked:
            right = ngettext("{count} marked, resolve: R", "{count} marked, resolve: R", marked)
        role = "strong" if marked else "plain"
        if self.filter.text:
            return [(left, "plain")], [*self.filter.heading(), (f" · {right}" if right else "", role)]
        return [(left, "plain")], [(right, role)]

    # --- details -----------------------------------------------------------------------------------------------------

    def on_line_list_moved(self) -> None:
        self.selection.on_moved()
        self.details_delay.note_moved()
        self.run_task(self._read_details, group="details")

    async def _read_details(self) -> None:
        await self.selection.read_details(self._details_height)
        self.redraw_details()

    def tail(self, width: int, height: int) -> list[Line]:
        if height < _MIN_TAIL_LINES or self.filter.text or self.filter.shows_accepted:
            return []
        items, names = self.state.inbox_items.keys, self.selection.names.known.entities
        return tail_lines(self._notices, items, names, width, height)

    @property
    def _details_height(self) -> int:
        return self.query_one("#details", Lines).size.height

    def caption(self, width: int) -> Line:
        details = self.selection.details
        left, right = item_title(details, self.state.schema) if details else ([], [])
        return rule_line(width, left, right)

    def details(self, width: int, height: int) -> list[Line]:
        details = self.selection.details
        if details is None:
            text = _(
                "What is in conflict stands here as soon as this device knows of it: 5 goes to Sync, to "
                "sync with others."
            )
            return self.empty_lines(text, width) if self._is_empty else []
        chosen, state = self.selection.chosen_index, self.state
        if self.has_panes:
            pane = pane_lines(details, chosen, width - 2, height - 1, state.schema, state.dates)
            return [[], *[[(" ", "plain"), *line] for line in pane]]
        below = item_lines(details, chosen, width - 4, height, state.schema, state.dates)
        return [[(" ", "plain"), *line] for line in below]

    def clipboard_text(self) -> str:
        """The chosen value."""
        item, details = self.item, self.selection.details
        if item is None or details is None or not item.candidates:
            return ""
        value = item.candidates[self.selection.chosen_index].value
        prop = item_property(item, self.state.schema)
        return value if isinstance(value, str) else format_value(prop, value, details.names)

    @property
    def _is_empty(self) -> bool:
        """Whether there is nothing to resolve."""
        is_filtered = self.filter.text or self.filter.shows_accepted
        return not len(self.lines.source) and not is_filtered and not self.state.inbox_loader.is_loading

    def _empty_text(self) -> str:
        if self.filter.text:
            return _("No item mentions this: Esc shows all.")
        if self.state.inbox_loader.is_loading:
            return _("Looking for what needs a decision …")
        if self.filter.shows_accepted:
            return _("Nothing is accepted as it is: A shows what is open.")
        return _("Nothing needs a decision.")

    # --- commands ----------------------------------------------------------------------------------------------------

    def is_row_loaded(self) -> bool:
        return self.item is not None

    def screen_disabled_reason(self, name: str) -> str | None:
        if name in ("undo", "redo", "stop", "accepted"):
            return None
        if name == "find":
            return None if self.state.inbox_items else self._empty_text()
        if name in ("find_next", "find_previous"):
            return self.filter.disabled_reason(name)
        if name == "accept_as_is" and self.item is not None:
            return self._accept.disabled_reason(name)
        return self._empty_text() if self.item is None else self._resolve.item_disabled_reason(name, self.item)

    def available_commands(self) -> list[Command]:
        """The commands; for a single value those for that come first."""
        return self._resolve.sort_commands(super().available_commands())

    async def do_right(self) -> None:
        """Choose the next candidate."""
        await self.selection.move_choice(1, self._details_height)
        self.redraw_details()

    async def do_left(self) -> None:
        """Choose the candidate before."""
        await self.selection.move_choice(-1, self._details_height)
        self.redraw_details()

    def do_stop(self) -> None:
        """Stop the look at a rule's effect, else show all items, else unmark."""
        if stop_preparing(self):
            return
        if not self.filter.reset() and self.selection.marked_keys:
            self.selection.marked_keys.clear()
            self.lines.refresh()
            self.redraw_details()
