"""The entity that is selected in Fleet, and what is read of it."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from core.records import Record
from tui.i18n.translate import _, language, ngettext
from tui.layout import Line, rule_line, spread
from tui.screens.base import is_very_tall
from tui.screens.list_screen import ListScreen
from tui.screens.tree_actions import TreeActions
from tui.view_models.fleet_tree import TreeNode
from tui.view_models.form import NO_NAMES, DisplayNames, form_rows, referenced_entities, summary_lines

if TYPE_CHECKING:
    from tui.view_models.fleet_details import EntityDetails


class FleetSelection:
    """The entity under the cursor, and its details as lines."""

    def __init__(self, screen: ListScreen, tree: TreeActions, marked_entities: Collection[bytes]) -> None:
        """`marked_entities` is shared with the screen."""
        self._screen = screen
        self._tree = tree
        self._marked_entities = marked_entities
        self.record: Record | None = None
        """The entity that was read; another one than that under the cursor while that is being read."""
        self._pane: EntityDetails | None = None
        self._names: DisplayNames = NO_NAMES
        self._confirmed = ""

    # --- reading ------------------------------------------------------------------------------------------------------

    async def read_details(self) -> None:
        """Read the entity under the cursor, and what there is room for beside the list."""
        from core.confirmation import confirmation_state
        from tui.view_models.confirmation import confirmation_text

        node, state = self._tree.node, self._screen.state
        if node is None:
            self.record, self._confirmed = None, ""
            return
        view, schema = state.view, state.schema
        record = await view.record(node.row.entity, schema)
        called = await view.names(referenced_entities(record), schema)
        self._names = DisplayNames({e: name.title for e, name in called.items()}, state.names.devices)
        self.record = record
        self._pane = await self._read_pane(node, record) if self._screen.has_panes else None
        confirmations = (await view.confirmations([record.entity]))[record.entity]
        self._confirmed = confirmation_text(confirmation_state(record, confirmations), state.dates)

    async def _read_pane(self, node: TreeNode, record: Record) -> EntityDetails:
        from tui.view_models.entity_life import read_life
        from tui.view_models.fleet_details import EntityDetails, read_children, read_latest_below

        view, schema, tree = self._screen.state.view, self._screen.state.schema, self._tree.tree
        children, records, limit = await read_children(record, view, schema, is_very_tall(self._screen))
        life = await read_life(node.row.entity, view, is_very_tall(self._screen))
        items = tree.items_of(node) if tree is not None else {}
        latest = await read_latest_below(children, view, schema, self._screen.state.names, is_very_tall(self._screen))
        return EntityDetails(record, self._names, items, children, records, limit, life, latest)

    # --- drawing ------------------------------------------------------------------------------------------------------

    def subject(self) -> Line:
        """The title of the entity, and when it was confirmed."""
        node = self._tree.node
        confirmed: Line = [(f"  {self._confirmed}", "dim")] if self._confirmed else []
        return [(node.row.title, "strong"), *confirmed] if node else []

    def caption(self, width: int) -> Line:
        """What stands between the list and the details."""
        node, tree = self._tree.node, self._tree.tree
        if node is None or tree is None:
            return []
        if self._screen.has_panes:
            key = node.row.key.rsplit("/", 1)[-1]
            right: Line = [(node.kind.label(language()), "dim")]
            if key != node.row.title:
                right.append((f"  {key}", "plain"))
            return [*spread(width - 1, [(" ", "plain"), *self.subject()], right)]
        return rule_line(width, self.subject(), self._state_words(node))

    def _state_words(self, node: TreeNode) -> Line:
        """What the glyphs before a line say, in words."""
        words: Line = []
        if self._tree.tree is not None and (count := sum(self._tree.tree.items_of(node).values())):
            words.append((ngettext("{count} to resolve", "{count} to resolve", count), "alert"))
        if (draft := self._screen.state.drafts.get(node.row.entity)) is not None and len(draft):
            words.append((ngettext("{count} edit not applied", "{count} edits not applied", len(draft)), "alert"))
        if node.row.entity in self._marked_entities:
            words.append((_("marked"), "key"))
        return [span for word in words for span in (("  ", "plain"), word)][1:]

    def lines(self, width: int, height: int) -> list[Line]:
        """Draw its values, and beside the list what else was read.

        Without any entity what to do.
        """
        screen, state = self._screen, self._screen.state
        if self.record is None:
            tree = self._tree.tree
            return screen.empty_lines(self._empty_text(), width) if tree is not None and not len(tree) else []
        if self._pane is not None and screen.has_panes:
            from tui.view_models.fleet_details import pane_lines

            lines = pane_lines(self._pane, state.schema, state.dates, width - 2, height - 1)
            return [[], *[[(" ", "plain"), *line] for line in lines]]
        lines = summary_lines(form_rows(self.record, state.schema), width - 4, height, self._names)
        return [[("   ", "plain"), *line] for line in lines]

    def _empty_text(self) -> str:
        if self._screen.state.viewed_at_us is not None:
            return _("Nothing was here then: Esc goes back to now.")
        if self._screen.disabled_reason("new"):
            return _("Nothing is here yet: 5 goes to Sync, to receive what other devices have.")
        return _("Nothing is here yet: a adds a new item; 5 goes to Sync, to receive what others have.")
