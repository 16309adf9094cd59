"""Fleet: all entities as a tree, what is configured of the current line below, and the way into its form."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from textual.app import ComposeResult

from core.confirmation import confirmation_state
from core.records import Record
from tui.command_host import command_bindings
from tui.dialogs.base import ChoiceDialog
from tui.i18n.translate import _, language, ngettext
from tui.layout import Line, rule_line, spread
from tui.screens.actions.bulk_edit import BulkEditActions
from tui.screens.actions.confirm import confirm_record
from tui.screens.actions.retire import ask_retire
from tui.screens.actions.undo import UndoActions
from tui.screens.fleet_commands import DraftActions, SearchActions
from tui.screens.fleet_filter import FleetFilterActions
from tui.screens.list_screen import ListScreen
from tui.screens.tree_actions import TreeActions
from tui.view_models.confirmation import confirmation_text
from tui.view_models.entity_life import read_life
from tui.view_models.fleet_details import MAX_CHILDREN, EntityDetails, pane_lines
from tui.view_models.fleet_tree import TreeNode
from tui.view_models.form import NO_NAMES, DisplayNames, form_rows, referenced_entities, summary_lines
from tui.view_models.latest_changes import LatestChanges, latest_lines, read_latest
from tui.widgets.lines import Lines

if TYPE_CHECKING:
    from tui.dialogs.search import FoundSlot


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
        self._search = SearchActions(self, self.move_to_entity)
        self._filter = FleetFilterActions(self, self._tree)
        self.actions = (
            self._tree,
            self._search,
            self._filter,
            DraftActions(self, self._open_form),
            BulkEditActions(self, self.marked_entities, self.do_open),
            UndoActions(self),
        )
        self._details_record: Record | None = None
        self._pane: EntityDetails | None = None
        self._latest = LatestChanges()
        self._names: DisplayNames = NO_NAMES
        self._confirmed = ""

    @property
    def node(self) -> TreeNode | None:
        """The line under the cursor."""
        return self._tree.node

    async def reload_content(self) -> None:
        if self.has_panes:
            self._latest = await read_latest(self.state.view, self.state.schema, self.state.names)
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
            super().on_lines_clicked(event)
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
        self.note_cursor_moved()
        self.run_task(self._read_details, group="details")

    async def _read_details(self) -> None:
        node = self.node
        if node is None:
            self._details_record, self._confirmed = None, ""
        else:
            view, schema = self.state.view, self.state.schema
            record = await view.record(node.row.entity, schema)
            called = await view.names(referenced_entities(record), schema)
            self._names = DisplayNames({e: name.title for e, name in called.items()}, self.state.names.devices)
            self._details_record = record
            self._pane = await self._read_pane(node, record) if self.has_panes else None
            confirmations = (await view.confirmations([record.entity]))[record.entity]
            self._confirmed = confirmation_text(confirmation_state(record, confirmations), self.state.dates)
        self.redraw_details()

    async def _read_pane(self, node: TreeNode, record: Record) -> EntityDetails:
        """Read what there is room for beside the list."""
        view, schema, tree = self.state.view, self.state.schema, self._tree.tree
        children = []
        for kind in schema.children(node.kind.name):
            parent = (kind.parent or "", node.row.entity)
            children.append((kind, await view.page(kind.name, schema, parent=parent, limit=MAX_CHILDREN + 1)))
        below = [row.entity for _kind, rows in children for row in rows]
        life = await read_life(node.row.entity, view)
        items = tree.items_of(node) if tree is not None else {}
        records = await view.records_by_id(below, schema) if below else {}
        return EntityDetails(record, self._names, items, children, records, life)

    def tail(self, width: int, height: int) -> list[Line]:
        state = self.state
        devices = state.names.devices
        is_open = self.has_panes and height >= _MIN_TAIL_LINES
        return latest_lines(self._latest, state.schema, devices, state.dates, width, height) if is_open else []

    def subject(self) -> Line:
        node = self.node
        told: Line = [(f"  {self._confirmed}", "dim")] if self._confirmed else []
        return [(node.row.title, "strong"), *told] if node else []

    def caption(self, width: int) -> Line:
        node, tree = self.node, self._tree.tree
        if node is None or tree is None:
            return []
        if self.has_panes:
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
        if (draft := self.state.drafts.get(node.row.entity)) is not None and len(draft):
            words.append((ngettext("{count} edit not applied", "{count} edits not applied", len(draft)), "alert"))
        if node.row.entity in self.marked_entities:
            words.append((_("marked"), "key"))
        return [span for word in words for span in (("  ", "plain"), word)][1:]

    def details(self, width: int, height: int) -> list[Line]:
        if self._details_record is None:
            tree = self._tree.tree
            return self.empty_lines(self._empty_text(), width) if tree is not None and not len(tree) else []
        if self._pane is not None and self.has_panes:
            state = self.state
            lines = pane_lines(self._pane, state.schema, state.dates, width - 2, height - 1)
            return [[], *[[(" ", "plain"), *line] for line in lines]]
        lines = summary_lines(form_rows(self._details_record, self.state.schema), width - 4, height, self._names)
        return [[("   ", "plain"), *line] for line in lines]

    def _empty_text(self) -> str:
        if self.state.viewed_at_us is not None:
            return _("Nothing was here then: Esc goes back to now.")
        if self.disabled_reason("new"):
            return _("Nothing is here yet: 5 goes to Sync, to receive what other devices have.")
        return _("Nothing is here yet: a adds a new item; 5 goes to Sync, to receive what others have.")

    def clipboard_text(self) -> str:
        """The name that verbs take."""
        node = self.node
        return f"{node.row.kind}:{node.row.key}" if node and node.row.key else ""

    # --- commands ----------------------------------------------------------------------------------------------------

    def screen_disabled_reason(self, name: str) -> str | None:
        if name == "unmark":
            is_needed = self.marked_entities or self._filter.typed
            return None if is_needed else _("Nothing is marked: Space marks the current line.")
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

    def do_mark(self) -> None:
        """Mark the current line or not, and go on to the next."""
        if node := self.node:
            if self.marked_entities.pop(node.row.entity, b"") == b"":
                self.marked_entities[node.row.entity] = None
            self.lines.refresh_line(self.lines.cursor)
            self.lines.move_to(self.lines.cursor + 1)
            count = len(self.marked_entities)
            text = ngettext(
                "{count} marked: e edits it, Esc unmarks", "{count} marked: e edits them, Esc unmarks", count
            )
            self.show_message(text if count else "")

    def do_unmark(self) -> None:
        """Take all marks away; without any show everything again."""
        if not self.marked_entities:
            self._filter.clear()
        self.marked_entities.clear()
        self.lines.refresh()

    async def do_retire(self) -> None:
        """Ask, and retire it."""
        if node := self.node:
            await ask_retire(self, await self.state.view.record(node.row.entity, self.state.schema))

    async def do_confirm(self) -> None:
        """Confirm all values of the current line as they stand below."""
        if node := self.node:
            shown = self._details_record
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
        """Remember the current line as the place where this device is; who chose another one is asked."""
        node, here = self.node, self.state.here
        if node is None:
            return
        if here is None or here == node.row.entity:
            await self._set_here(node.row.entity, node.row.title)
            return

        def answered(choice: object) -> None:
            if choice:
                self.run_task(partial(self._set_here, node.row.entity, node.row.title), group="save")

        rows: list[tuple[bool, Line]] = [
            (True, [(_("{title} from now on").format(title=node.row.title), "plain")]),
            (False, [(_("stay at {title}").format(title=await self.state.breadcrumb_of(here)), "plain")]),
        ]
        self.open_dialog(ChoiceDialog(_("Where is this device?"), rows), answered)

    async def _set_here(self, entity: bytes, title: str) -> None:
        await self.state.set_here(entity)
        await self.reload_content()
        self.show_message(_("This device is at {title} from now on.").format(title=title))
