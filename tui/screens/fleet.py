"""Fleet: everything there is as a tree, what is configured of the current line below, and the way into its form."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from core.records import Record
from core.schema import Kind
from core.slots import ABSENT
from core.value_codec import ID_BYTES, Ref
from tui.command_host import command_bindings
from tui.dialogs.base import ChoiceDialog
from tui.draft import Draft, count_unapplied
from tui.i18n.translate import _, format_number, language, ngettext
from tui.layout import Line
from tui.screens.actions.bulk_edit import BulkEditActions
from tui.screens.actions.retire import ask_retire
from tui.view_models.breadcrumbs import ancestor_chain
from tui.view_models.fleet_tree import FleetTree, TreeNode
from tui.view_models.form import NO_NAMES, DisplayNames, form_rows, referenced_entities, summary_lines

if TYPE_CHECKING:
    from tui.dialogs.search import FoundSlot


class Fleet(BulkEditActions):
    """The tree of the fleet."""

    TAB = "fleet"
    SCOPES = ("fleet", "listing")
    BINDINGS = command_bindings("fleet")

    def __init__(self) -> None:
        super().__init__()
        self._details_record: Record | None = None
        self._names: DisplayNames = NO_NAMES
        self._hits: list[bytes] = []
        self._hit_index = 0
        self._hit_properties: dict[bytes, str] = {}
        self._shows_retired = False
        self._tree_lock = asyncio.Lock()

    @property
    def node(self) -> TreeNode | None:
        """The line under the cursor."""
        source = self.lines.source
        return source.node_at(self.lines.cursor) if isinstance(source, FleetTree) else None

    async def reload_content(self) -> None:
        # What is unfolded while the tree is read anew would be lost with the old one.
        async with self._tree_lock:
            await self._reload_tree()

    async def _reload_tree(self) -> None:
        old = self.lines.source
        edited = {entity: len(draft) for entity, draft in self.state.drafts.items() if len(draft)}
        tree = FleetTree(
            self.state.view, self.state.schema, edited, self.marked_entities, self.state.here, self._shows_retired
        )
        opened = old.open_entities() if isinstance(old, FleetTree) else []
        await tree.reopen(opened, max(self.lines.cursor + 1, self.lines.size.height))
        at = tree.index(self.lines.key if isinstance(old, FleetTree) else None)  # type: ignore[arg-type]
        self.lines.show_rows(tree, cursor=at)
        await self._read_details()

    def breadcrumb(self) -> str:
        return _("Fleet")

    def heading(self) -> tuple[Line, Line]:
        roots = self.state.schema.roots()
        right: Line = [(_("with what is retired"), "dim")] if self._shows_retired else []
        return [(roots[0].plural(language()), "plain")] if roots else [], right

    # --- details -----------------------------------------------------------------------------------------------------

    def on_line_list_moved(self) -> None:
        self.run_task(self._read_details, group="details")

    async def _read_details(self) -> None:
        node = self.node
        if node is None:
            self._details_record = None
        else:
            view, schema = self.state.view, self.state.schema
            record = await view.record(node.row.entity, schema)
            called = await view.names(referenced_entities(record), schema)
            self._names = DisplayNames({e: name.title for e, name in called.items()}, self.state.names.devices)
            self._details_record = record
        self.redraw_details()

    def subject(self) -> Line:
        node = self.node
        return [(node.row.title, "strong")] if node else []

    def details(self, width: int, height: int) -> list[Line]:
        if self._details_record is None:
            empty = isinstance(self.lines.source, FleetTree) and not len(self.lines.source)
            return self.empty_lines(self._empty_text(), width) if empty else []
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
        node = self.node
        if name in ("find_next", "find_previous") and not self._hits:
            return _("No search yet: / searches everything.")
        if name in ("edit_marked", "unmark"):
            return None if self.marked_entities else _("Nothing is marked: Space marks the current line.")
        if name == "drafts":
            return None if count_unapplied(self.state.drafts) else _("Nothing is edited and not applied.")
        if name in ("open", "history_of", "here_now", "unfold", "fold", "mark", "retire") and node is None:
            return _("There is nothing on this line.")
        if name == "unfold" and node and not node.has_children:
            return _("There is nothing below this line.")
        return None

    def do_open(self) -> None:
        """Open the form."""
        if node := self.node:
            self._open_form(node.row.entity)

    async def do_unfold(self) -> None:
        """Show the children, or go to the first of them."""
        async with self._tree_lock:
            await self._unfold()

    async def _unfold(self) -> None:
        tree, node = self.lines.source, self.node
        if not isinstance(tree, FleetTree) or node is None:
            return
        if node.is_open:
            self.lines.move_to(self.lines.cursor + 1)
            return
        await tree.unfold(node)
        self.lines.show_rows(tree)
        if not node.children:
            self.show_message(_("There is nothing below {title}.").format(title=node.row.title))

    async def do_fold(self) -> None:
        """Hide the children, or go to the parent."""
        async with self._tree_lock:
            tree, node = self.lines.source, self.node
            if isinstance(tree, FleetTree) and node is not None:
                if node.is_open:
                    tree.fold(node)
                    self.lines.show_rows(tree)
                else:
                    self.lines.move_to(tree.parent_index(self.lines.cursor))

    def do_find(self) -> None:
        """Search everything, and go to what is chosen."""
        from tui.dialogs.search import SearchDialog

        self.open_dialog(SearchDialog(self.state.view, self.state.schema), self._on_search_done)

    def _on_search_done(self, hits: list[FoundSlot] | None) -> None:
        if hits:
            self.show_hits(hits)

    def show_hits(self, hits: list[FoundSlot]) -> None:
        """Go to the first of what a search found; `n` and `N` go to the others."""
        self._hit_properties = dict(reversed(hits))
        self._hits, self._hit_index = list(dict.fromkeys(entity for entity, _name in hits)), 0
        self.run_task(self._show_hit, group="find")

    def do_find_next(self) -> None:
        """Go to the next one found."""
        self._move_hit(1)

    def do_find_previous(self) -> None:
        """Go to the one found before."""
        self._move_hit(-1)

    def _move_hit(self, by: int) -> None:
        self._hit_index = (self._hit_index + by) % len(self._hits)
        self.run_task(self._show_hit, group="find")

    async def _show_hit(self) -> None:
        await self.move_to_entity(self._hits[self._hit_index])
        if len(self._hits) > 1:
            place, count = format_number(self._hit_index + 1), format_number(len(self._hits))
            self.show_message(_("{index} of {count} found: n next, N previous").format(index=place, count=count))

    async def move_to_entity(self, entity: bytes) -> None:
        """Put the cursor on an entity, unfolding what it is under; what is under nothing opens as a form."""
        async with self._tree_lock:
            await self._move_to_entity(entity)

    async def _move_to_entity(self, entity: bytes) -> None:
        if not isinstance(self.lines.source, FleetTree):
            await self._reload_tree()
        tree = self.lines.source
        chain = await ancestor_chain(entity, self.state.view, self.state.schema)
        at = await tree.reveal(chain) if isinstance(tree, FleetTree) else None
        if at is None or not isinstance(tree, FleetTree):
            self._open_form(entity)
        else:
            self.lines.show_rows(tree, cursor=at)
            if (above_it := tree.parent_index(at)) < self.lines.scroll_y:
                top = max(above_it, at - self.lines.size.height + 1)
                self.lines.scroll_to(y=top, animate=False, force=True)
            await self._read_details()

    # --- editing -----------------------------------------------------------------------------------------------------

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

    async def do_retired(self) -> None:
        """Show what is out of use, or hide it again."""
        self._shows_retired = not self._shows_retired
        await self.reload_content()

    async def do_retire(self) -> None:
        """Ask, and take it out of use."""
        if node := self.node:
            await ask_retire(self, await self.state.view.record(node.row.entity, self.state.schema))

    def do_new(self) -> None:
        """Ask of which kind, if there are several that make sense here."""
        schema, node = self.state.schema, self.node
        below = schema.children(node.kind.name) if node else []
        kinds = list({kind.name: kind for kind in [*below, *([node.kind] if node else []), *schema.roots()]}.values())
        if len(kinds) == 1:
            self._create_draft(kinds[0].name)
            return
        rows = [(kind.name, [(self._new_label(kind), "plain")]) for kind in kinds]
        self.open_dialog(ChoiceDialog(_("New item"), rows), self._create_draft)

    def _parent_for(self, kind: Kind) -> bytes | None:
        """What something new of a kind is placed under: the current line, or what that is under."""
        tree, index = self.lines.source, self.lines.cursor
        while isinstance(tree, FleetTree) and kind.parent is not None and (node := tree.node_at(index)) is not None:
            if kind.property(kind.parent).refers_to == node.kind.name:
                return node.row.entity
            if not node.depth:
                break
            index = tree.parent_index(index)
        return None

    def _new_label(self, kind: Kind) -> str:
        tree, under = self.lines.source, self._parent_for(kind)
        node = tree.node_at(tree.index(under) or 0) if isinstance(tree, FleetTree) and under else None
        if node is None:
            return kind.label(language())
        return _("{kind} in {title}").format(kind=kind.label(language()), title=node.row.title)

    def _create_draft(self, name: object) -> None:
        if not isinstance(name, str):
            return
        kind, entity = self.state.schema.kind(name), self.state.workspace.entropy(ID_BYTES)
        draft = Draft(entity, name)
        if kind.parent is not None and (under := self._parent_for(kind)) is not None:
            draft.edit(kind.parent, ABSENT, Ref(under))
        self.state.drafts[entity] = draft
        self._open_form(entity, prefilled=len(draft))

    def _open_form(self, entity: bytes, prefilled: int = 0) -> None:
        from tui.screens.form import FormScreen

        self.open_dialog(FormScreen(entity, self._hit_properties.get(entity), prefilled))

    async def do_drafts(self) -> None:
        """List what is edited, and open the form of what is chosen."""
        waiting = {entity: draft for entity, draft in self.state.drafts.items() if len(draft)}
        called = await self.state.breadcrumbs_of(waiting)
        rows: list[tuple[bytes, Line]] = []
        for entity, draft in waiting.items():
            kind = self.state.schema.kind(draft.kind)
            new = (
                all(slot.state == "absent" for slot in draft.base_slots.values()) and called[entity] == entity.hex()[:8]
            )
            title = _("New: {kind}").format(kind=kind.label(language())) if new else called[entity]
            count = ngettext("{count} edit", "{count} edits", len(draft))
            rows.append((entity, [("~ ", "attention"), (title, "plain"), (f"  {count}", "dim")]))

        def chosen(entity: object) -> None:
            if isinstance(entity, bytes):
                self._open_form(entity)

        self.open_dialog(ChoiceDialog(_("Edited and not applied"), rows), chosen)

    def do_history_of(self) -> None:
        """The changes of this entity."""
        if node := self.node:
            self.state.show_history(node.row.entity, None, node.row.title)

    async def do_here_now(self) -> None:
        """Remember this place."""
        if node := self.node:
            await self.state.set_here(node.row.entity)
            await self.reload_content()
            self.show_message(_("This device is at {title} from now on.").format(title=node.row.title))
