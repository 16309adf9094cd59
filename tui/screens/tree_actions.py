"""Move about in the tree of Fleet.

Unfold, fold, show what is retired, and go to an entity wherever it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable

from tui.i18n.translate import _, language
from tui.layout import Line
from tui.screens.base import ScreenActions
from tui.screens.list_screen import ListScreen
from tui.view_models.branch_items import count_branch_items
from tui.view_models.breadcrumbs import ancestor_chain, ancestor_chains
from tui.view_models.fleet_columns import main_properties
from tui.view_models.fleet_tree import FleetTree, Sorting, TreeNode


class TreeActions(ScreenActions):
    """The tree of a screen's list."""

    screen: ListScreen

    def __init__(
        self, screen: ListScreen, marked_entities: dict[bytes, None], open_form: Callable[[bytes, int], None]
    ) -> None:
        """`marked_entities` is shared with the screen.

        `open_form` opens what has no place in the tree.
        """
        super().__init__(screen)
        self._marked_entities = marked_entities
        self._open_form = open_form
        self.shows_retired = False
        self.sorting = Sorting()
        self.only: frozenset[bytes] | None = None
        """The entities that are shown, with all that they are below of; None for every one."""
        self._lock = asyncio.Lock()
        """Held while the tree changes: what is unfolded while it is read again would be lost with the old one."""

    @property
    def tree(self) -> FleetTree | None:
        """The rows of the list; None before they are read."""
        source = self.screen.lines.source
        return source if isinstance(source, FleetTree) else None

    @property
    def node(self) -> TreeNode | None:
        """The line under the cursor."""
        return self.tree.node_at(self.screen.lines.cursor) if self.tree is not None else None

    def disabled_reason(self, name: str) -> str | None:
        if name in ("unfold", "fold", "sort") and self.node is None:
            return _("There is nothing on this line.")
        if name == "unfold" and self.node and not self.node.has_children:
            return _("There is nothing below this line.")
        return None

    async def reload(self) -> None:
        """Read the tree again, with the same lines unfolded."""
        async with self._lock:
            await self._reload()

    async def _reload(self) -> None:
        old, lines = self.tree, self.screen.lines
        tree = await self._make_tree()
        await tree.reopen(old.open_entities() if old is not None else [], max(lines.cursor + 1, lines.size.height))
        lines.show_rows(tree, cursor=tree.index(lines.key if old is not None else None))  # type: ignore[arg-type]  # of FleetTree

    async def _make_tree(self) -> FleetTree:
        """A tree that is folded."""
        state = self.state
        edited = {entity: len(draft) for entity, draft in state.drafts.items() if len(draft)}
        items = await count_branch_items(state.inbox_items.keys, state.view, state.schema)
        return FleetTree(
            state.view,
            state.schema,
            edited,
            self._marked_entities,
            state.here,
            self.shows_retired,
            items,
            self.sorting,
            self.only,
        )

    async def update_items(self) -> None:
        """Show again what is to be resolved in each branch."""
        state = self.state
        items = await count_branch_items(state.inbox_items.keys, state.view, state.schema)
        if self.tree is not None:
            self.tree.set_items(items)
            self.screen.lines.refresh()

    async def do_unfold(self) -> None:
        """Show the children, or go to the first of them."""
        async with self._lock:
            tree, node, lines = self.tree, self.node, self.screen.lines
            if tree is None or node is None:
                return
            if node.is_open:
                lines.move_to(lines.cursor + 1)
                return
            await tree.unfold(node)
            lines.show_rows(tree)
            if not node.children:
                self.screen.show_message(_("There is nothing below {title}.").format(title=node.row.title))

    async def do_fold(self) -> None:
        """Hide the children, or go to the parent."""
        async with self._lock:
            tree, node, lines = self.tree, self.node, self.screen.lines
            if tree is None or node is None:
                return
            if node.is_open:
                tree.fold(node)
                lines.show_rows(tree)
            else:
                lines.move_to(tree.parent_index(lines.cursor))

    async def show_only(self, entities: set[bytes] | None) -> None:
        """Show only these entities, unfolded, and what they are below of.

        None shows all again.
        """
        async with self._lock:
            state, lines = self.state, self.screen.lines
            opened = self.tree.open_entities() if self.tree is not None else []
            self.only = None
            if entities is not None:
                chains = await ancestor_chains(entities, state.view, state.schema)
                self.only = frozenset(each for chain in chains.values() for each in chain)
                opened = list({each for chain in chains.values() for each in chain[:-1]})
            tree = await self._make_tree()
            await tree.reopen(opened, lines.size.height)
            lines.show_rows(tree, cursor=tree.index(lines.key) or 0)  # type: ignore[arg-type]  # of FleetTree

    def sort_by(self, name: str) -> None:
        """Sort by a property, by names if it is empty.

        By the one that lines are sorted by the other way round.
        """
        now = self.sorting.property_name or ""
        self.sorting = Sorting(name or None, name == now and not self.sorting.is_reverse)
        self.screen.run_task(self.screen.reload_content, group="sort")

    def do_sort(self) -> None:
        """Choose the column by which lines are sorted.

        The one that they are sorted by turns them round.
        """
        from tui.dialogs.base import ChoiceDialog

        if (node := self.node) is None:
            return
        rows: list[tuple[Hashable, Line]] = [("", [(_("name"), "plain")])]
        rows += [(prop.name, [(prop.label(language()), "plain")]) for prop in main_properties(node.kind)]
        now = self.sorting.property_of(node.kind) or ""

        def chosen(name: object) -> None:
            if isinstance(name, str):
                self.sort_by(name)

        self.screen.open_dialog(ChoiceDialog(_("Sort by"), rows, now), chosen)

    async def do_retired(self) -> None:
        """Show what is retired, or hide it again."""
        self.shows_retired = not self.shows_retired
        await self.screen.reload_content()

    async def move_to_entity(self, entity: bytes) -> None:
        """Put the cursor on an entity, unfolding what it is under.

        What is under nothing opens as a form.
        """
        async with self._lock:
            await self._move_to_entity(entity)

    async def _move_to_entity(self, entity: bytes) -> None:
        if self.tree is None:
            await self._reload()
        tree, lines = self.tree, self.screen.lines
        chain = await ancestor_chain(entity, self.state.view, self.state.schema)
        index = await tree.reveal(chain) if tree is not None else None
        if tree is None or index is None:
            self._open_form(entity, 0)
            return
        lines.show_rows(tree, cursor=index)
        if (parent_index := tree.parent_index(index)) < lines.scroll_y:
            top = max(parent_index, index - lines.size.height + 1)
            lines.scroll_to(y=top, animate=False, force=True)
