"""Fleet: all entities as a tree, what is configured of the current line below, and the way into its form."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from core.confirmation import confirmation_state
from core.records import Record
from tui.command_host import command_bindings
from tui.dialogs.base import ChoiceDialog
from tui.i18n.translate import _, language, ngettext
from tui.layout import Line
from tui.screens.actions.bulk_edit import BulkEditActions
from tui.screens.actions.confirm import confirm_record
from tui.screens.actions.retire import ask_retire
from tui.screens.actions.undo import UndoActions
from tui.screens.fleet_commands import DraftActions, SearchActions
from tui.screens.list_screen import ListScreen
from tui.screens.tree_actions import TreeActions
from tui.view_models.confirmation import confirmation_text
from tui.view_models.fleet_tree import TreeNode
from tui.view_models.form import NO_NAMES, DisplayNames, form_rows, referenced_entities, summary_lines

if TYPE_CHECKING:
    from tui.dialogs.search import FoundSlot


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
        self.actions = (
            self._tree,
            self._search,
            DraftActions(self, self._open_form),
            BulkEditActions(self, self.marked_entities, self.do_open),
            UndoActions(self),
        )
        self._details_record: Record | None = None
        self._names: DisplayNames = NO_NAMES
        self._confirmed = ""

    @property
    def node(self) -> TreeNode | None:
        """The line under the cursor."""
        return self._tree.node

    async def reload_content(self) -> None:
        await self._tree.reload()
        await self._read_details()

    async def move_to_entity(self, entity: bytes) -> None:
        """Put the cursor on an entity, wherever it is."""
        await self._tree.move_to_entity(entity)
        await self._read_details()

    def breadcrumb(self) -> str:
        return _("Fleet")

    def heading(self) -> tuple[Line, Line]:
        roots = self.state.schema.roots()
        right: Line = [(_("with what is retired"), "dim")] if self._tree.shows_retired else []
        return [(roots[0].plural(language()), "plain")] if roots else [], right

    # --- details -----------------------------------------------------------------------------------------------------

    def on_line_list_moved(self) -> None:
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
            confirmations = (await view.confirmations([record.entity]))[record.entity]
            self._confirmed = confirmation_text(confirmation_state(record, confirmations), self.state.dates)
        self.redraw_details()

    def subject(self) -> Line:
        node = self.node
        told: Line = [(f"  {self._confirmed}", "dim")] if self._confirmed else []
        return [(node.row.title, "strong"), *told] if node else []

    def details(self, width: int, height: int) -> list[Line]:
        if self._details_record is None:
            tree = self._tree.tree
            return self.empty_lines(self._empty_text(), width) if tree is not None and not len(tree) else []
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
            return None if self.marked_entities else _("Nothing is marked: Space marks the current line.")
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
        """Take all marks away."""
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
