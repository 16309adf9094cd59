"""The marks in Fleet: mark lines, and take the marks away."""

from __future__ import annotations

from tui.i18n.translate import _, ngettext
from tui.screens.base import ScreenActions
from tui.screens.fleet_filter import FleetFilterActions
from tui.screens.list_screen import ListScreen
from tui.screens.tree_actions import TreeActions


class MarkActions(ScreenActions):
    """Mark the entities that are edited together."""

    screen: ListScreen

    def __init__(
        self, screen: ListScreen, tree: TreeActions, fleet_filter: FleetFilterActions, entities: dict[bytes, None]
    ) -> None:
        """Mark lines of a tree.

        Args:
            screen: where they are.
            tree: the tree.
            fleet_filter: what it is filtered by.
            entities: those that are marked, in the order of marking; it is shared with the screen.
        """
        super().__init__(screen)
        self._tree = tree
        self._filter = fleet_filter
        self._entities = entities

    def disabled_reason(self, name: str) -> str | None:
        is_needed = name != "unmark" or self._entities or self._filter.typed
        return None if is_needed else _("Nothing is marked: Space marks the current line.")

    def do_mark(self) -> None:
        """Mark the current line or not, and go on to the next."""
        if node := self._tree.node:
            if self._entities.pop(node.row.entity, b"") == b"":
                self._entities[node.row.entity] = None
            lines = self.screen.lines
            lines.refresh_line(lines.cursor)
            lines.move_to(lines.cursor + 1)
            count = len(self._entities)
            text = ngettext(
                "{count} marked: e edits it, Esc unmarks", "{count} marked: e edits them, Esc unmarks", count
            )
            self.screen.show_message(text if count else "")

    def do_unmark(self) -> None:
        """Take all marks away; without any show everything again."""
        if not self._entities:
            self._filter.clear()
        self._entities.clear()
        self.screen.lines.refresh()
