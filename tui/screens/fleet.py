"""Fleet: all entities as a tree, details of the current line, and its form."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.app import ComposeResult

from tui.command_host import command_bindings
from tui.i18n.translate import _, language
from tui.layout import Line
from tui.screens.actions.bulk_edit import BulkEditActions
from tui.screens.actions.undo import UndoActions
from tui.screens.base import is_very_tall
from tui.screens.fleet_commands import DraftActions, SearchActions
from tui.screens.fleet_filter import FleetFilterActions
from tui.screens.fleet_marks import MarkActions
from tui.screens.fleet_selection import FleetSelection
from tui.screens.list_screen import ListScreen
from tui.screens.tree_actions import TreeActions
from tui.view_models.fleet_tree import TreeNode
from tui.widgets.lines import Lines

if TYPE_CHECKING:
    from tui.dialogs.search import FoundSlot
    from tui.view_models.latest_changes import LatestChanges


_MIN_TAIL_LINES = 5
"""Lines below the tree from which there is room for what changed lately."""


class Fleet(ListScreen):
    """The tree of the fleet."""

    TAB = "fleet"
    SCOPES = ("fleet", "listing")
    BINDINGS = command_bindings("fleet")

    def __init__(self) -> None:
        super().__init__()
        self.marked_entities: dict[bytes, None] = {}
        """The entities that are marked, in the order of marking."""
        self._tree = TreeActions(self, self.marked_entities, self._open_form)
        self._selection = FleetSelection(self, self._tree, self.marked_entities)
        self._search = SearchActions(self, self.move_to_entity)
        self._filter = FleetFilterActions(self, self._tree)
        self.actions = (
            self._tree,
            self._search,
            self._filter,
            MarkActions(self, self._tree, self._filter, self.marked_entities),
            DraftActions(self, self._open_form),
            BulkEditActions(self, self.marked_entities, self.do_open),
            UndoActions(self),
        )
        self._latest: LatestChanges | None = None

    @property
    def node(self) -> TreeNode | None:
        """The line under the cursor."""
        return self._tree.node

    async def reload_content(self) -> None:
        if self.has_panes:
            from tui.view_models.latest_changes import read_latest

            state = self.state
            self._latest = await read_latest(state.view, state.schema, state.names, is_tall=is_very_tall(self))
        await self._tree.reload()
        await self._read_details()

    def on_inbox_changed(self) -> None:
        self.run_task(self._update_items, group="items")

    async def _update_items(self) -> None:
        await self._tree.update_items()
        await self._read_details()

    async def move_to_entity(self, entity: bytes) -> None:
        """Put the cursor on an entity, wherever it is."""
        await self._tree.move_to_entity(entity)
        await self._read_details()

    def body(self) -> ComposeResult:
        yield Lines(lambda width, _height: [self._header_line(width)], id="heads")
        yield from super().body()

    def redraw_details(self) -> None:
        super().redraw_details()
        self.query_one("#heads", Lines).redraw()

    def on_lines_clicked(self, event: Lines.Clicked) -> None:
        """A click on the head of a column sorts by it."""
        if event.lines.id != "heads":
            return
        event.stop()
        tree = self._tree.tree
        if tree is not None and len(tree):
            name = tree.head_at(self.lines.cursor, event.column - 1, event.lines.size.width - 2)
            if name is not None:
                self._tree.sort_by(name)

    def _header_line(self, width: int) -> Line:
        tree = self._tree.tree
        return [(" ", "dim"), *tree.header(self.lines.cursor, width - 2)] if tree is not None else []

    def breadcrumb(self) -> str:
        return _("Fleet")

    def heading(self) -> tuple[Line, Line]:
        roots = self.state.schema.roots()
        right = self._filter.heading()
        if self._tree.shows_retired:
            right += [(" · " if right else "", "dim"), (_("with what is retired"), "dim")]
        return [(roots[0].plural(language()), "plain")] if roots else [], right

    # --- details -----------------------------------------------------------------------------------------------------

    def on_line_list_moved(self) -> None:
        self.details_delay.note_moved()
        self.run_task(self._read_details, group="details")

    async def _read_details(self) -> None:
        await self._selection.read_details()
        self.redraw_details()

    def tail(self, width: int, height: int) -> list[Line]:
        state = self.state
        devices = state.names.devices
        if self._latest is None or not self.has_panes or height < _MIN_TAIL_LINES:
            return []
        from tui.view_models.latest_changes import latest_lines

        return latest_lines(self._latest, state.schema, devices, state.dates, width, height)

    def subject(self) -> Line:
        return self._selection.subject()

    def caption(self, width: int) -> Line:
        return self._selection.caption(width)

    def details(self, width: int, height: int) -> list[Line]:
        return self._selection.lines(width, height)

    def clipboard_text(self) -> str:
        """The name that verbs take."""
        node = self.node
        return f"{node.row.kind}:{node.row.key}" if node and node.row.key else ""

    # --- commands ----------------------------------------------------------------------------------------------------

    def screen_disabled_reason(self, name: str) -> str | None:
        if name in ("open", "edit_marked", "history_of", "here_now", "mark", "retire", "confirm") and self.node is None:
            return _("There is nothing on this line.")
        return super().screen_disabled_reason(name)

    def do_open(self) -> None:
        """Open the form of the current line."""
        if node := self.node:
            self._open_form(node.row.entity)

    def show_hits(self, hits: list[FoundSlot]) -> None:
        """Go to the first of what a search found."""
        self._search.show_hits(hits)

    async def do_retire(self) -> None:
        """Ask, and retire it."""
        from tui.screens.actions.retire import ask_retire

        if node := self.node:
            await ask_retire(self, await self.state.view.record(node.row.entity, self.state.schema))

    async def do_confirm(self) -> None:
        """Confirm all values of the current line as they stand below."""
        from tui.screens.actions.confirm import confirm_record

        if node := self.node:
            shown = self._selection.record
            if shown is None or shown.entity != node.row.entity:
                shown = await self.state.view.record(node.row.entity, self.state.schema)
            await confirm_record(self, shown)

    def _open_form(self, entity: bytes, prefilled_count: int = 0) -> None:
        from tui.screens.form import FormScreen

        self.open_dialog(FormScreen(entity, self._search.property_of(entity), prefilled_count))

    def do_history_of(self) -> None:
        """Show the changes of this entity."""
        if node := self.node:
            self.state.show_history(node.row.entity, None, node.row.title)

    async def do_here_now(self) -> None:
        """Remember the current line as the place where this device is.

        Who chose another one is asked.
        """
        from tui.screens.actions.device_place import choose_device_place

        if node := self.node:
            await choose_device_place(self, node.row.entity, node.row.title)
