"""Commands of Fleet: search, add a new entity, and list the drafts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from core.schema import Kind
from core.scope_rule import make_entity_id
from core.slots import ABSENT
from core.value_codec import Ref
from tui.draft import Draft, count_unapplied
from tui.glyphs import GLYPHS
from tui.i18n.translate import _, format_number, language, ngettext
from tui.layout import Line
from tui.screens.base import BaseScreen, ScreenActions
from tui.screens.list_screen import ListScreen
from tui.view_models.fleet_tree import FleetTree, TreeNode

if TYPE_CHECKING:
    from tui.dialogs.search import FoundSlot


class SearchActions(ScreenActions):
    """Search everything, and go from one entity that was found to the next."""

    def __init__(self, screen: BaseScreen, go_to: Callable[[bytes], Awaitable[None]]) -> None:
        """`go_to` shows an entity."""
        super().__init__(screen)
        self._go_to = go_to
        self._hits: list[bytes] = []
        self._index = 0
        self._properties: dict[bytes, str] = {}

    def property_of(self, entity: bytes) -> str | None:
        """The property of an entity whose value was found; None if nothing of it was."""
        return self._properties.get(entity)

    def disabled_reason(self, name: str) -> str | None:
        return None if self._hits or name == "find" else _("No search yet: / searches everything.")

    def do_find(self) -> None:
        """Search everything, and go to what is chosen."""
        from tui.dialogs.search import SearchDialog

        self.screen.open_dialog(SearchDialog(self.state.view, self.state.schema), self._on_search_done)

    def _on_search_done(self, hits: list[FoundSlot] | None) -> None:
        if hits:
            self.show_hits(hits)

    def show_hits(self, hits: list[FoundSlot]) -> None:
        """Go to the first of what a search found; the commands below go to the others."""
        self._properties = dict(reversed(hits))
        self._hits, self._index = list(dict.fromkeys(entity for entity, _name in hits)), 0
        self.screen.run_task(self._show_hit, group="find")

    def do_find_next(self) -> None:
        """Go to the next one found."""
        self._move(1)

    def do_find_previous(self) -> None:
        """Go to the one found before."""
        self._move(-1)

    def _move(self, step: int) -> None:
        self._index = (self._index + step) % len(self._hits)
        self.screen.run_task(self._show_hit, group="find")

    async def _show_hit(self) -> None:
        await self._go_to(self._hits[self._index])
        if len(self._hits) > 1:
            index, count = format_number(self._index + 1), format_number(len(self._hits))
            self.screen.show_message(_("{index} of {count} found: n next, N previous").format(index=index, count=count))


class DraftActions(ScreenActions):
    """Begin a new entity as a draft, and go on with drafts that were begun."""

    screen: ListScreen

    def __init__(self, screen: ListScreen, open_form: Callable[[bytes, int], None]) -> None:
        """`open_form` opens the form of an entity, of which so many values were not typed."""
        super().__init__(screen)
        self._open_form = open_form

    def disabled_reason(self, name: str) -> str | None:
        if name == "drafts" and not count_unapplied(self.state.drafts):
            return _("Nothing is edited and not applied.")
        return None

    @property
    def _tree(self) -> FleetTree | None:
        source = self.screen.lines.source
        return source if isinstance(source, FleetTree) else None

    @property
    def _node(self) -> TreeNode | None:
        return self._tree.node_at(self.screen.lines.cursor) if self._tree is not None else None

    def do_new(self) -> None:
        """Ask of which kind, if there are several that make sense here."""
        from tui.dialogs.base import ChoiceDialog

        schema, node = self.state.schema, self._node
        below = schema.children(node.kind.name) if node else []
        above = schema.property(node.kind.name, node.kind.parent).refers_to if node and node.kind.parent else None
        beside = [*([node.kind] if node else []), *(schema.children(above) if above else [])]
        kinds = list({kind.name: kind for kind in [*below, *beside, *schema.roots()]}.values())
        if len(kinds) == 1:
            self._create_draft(kinds[0].name)
            return
        rows = [(kind.name, [(self._new_label(kind), "plain")]) for kind in kinds]
        self.screen.open_dialog(ChoiceDialog(_("New item"), rows), self._create_draft)

    def _parent_for(self, kind: Kind) -> bytes | None:
        """What a new entity of a kind is placed under.

        The current line, or what that is under; None for the top.
        """
        tree, index = self._tree, self.screen.lines.cursor
        while tree is not None and kind.parent is not None and (node := tree.node_at(index)) is not None:
            if kind.property(kind.parent).refers_to == node.kind.name:
                return node.row.entity
            if not node.depth:
                break
            index = tree.parent_index(index)
        return None

    def _new_label(self, kind: Kind) -> str:
        tree, parent = self._tree, self._parent_for(kind)
        node = tree.node_at(tree.index(parent) or 0) if tree is not None and parent else None
        if node is None:
            return kind.label(language())
        return _("{kind} in {title}").format(kind=kind.label(language()), title=node.row.title)

    def _create_draft(self, name: object) -> None:
        if not isinstance(name, str):
            return
        kind, workspace = self.state.schema.kind(name), self.state.workspace
        entity = make_entity_id(self.state.membership, workspace.identity.device, workspace.entropy)
        draft = Draft(entity, name)
        if kind.parent is not None and (parent := self._parent_for(kind)) is not None:
            draft.edit(kind.parent, ABSENT, Ref(parent))
        self.state.drafts[entity] = draft
        self._open_form(entity, len(draft))

    async def do_drafts(self) -> None:
        """List the drafts, and open the form of the one that is chosen."""
        from tui.dialogs.base import ChoiceDialog

        waiting = {entity: draft for entity, draft in self.state.drafts.items() if len(draft)}
        called = await self.state.breadcrumbs_of(waiting)
        rows: list[tuple[bytes, Line]] = []
        for entity, draft in waiting.items():
            kind = self.state.schema.kind(draft.kind)
            is_new = (
                all(slot.state == "absent" for slot in draft.base_slots.values()) and called[entity] == entity.hex()[:8]
            )
            title = _("New: {kind}").format(kind=kind.label(language())) if is_new else called[entity]
            count = ngettext("{count} edit", "{count} edits", len(draft))
            rows.append((entity, [(f"{GLYPHS['edited']} ", "attention"), (title, "plain"), (f"  {count}", "dim")]))

        def chosen(entity: object) -> None:
            if isinstance(entity, bytes):
                self._open_form(entity, 0)

        self.screen.open_dialog(ChoiceDialog(_("Edited and not applied"), rows), chosen)
