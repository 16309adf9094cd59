"""The fleet as a tree of lines, children read page by page when somebody unfolds them or scrolls to them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from rich.cells import cell_len

from core.schema import Kind, Schema
from core.store.entities import EntityRow
from core.store.view import View
from tui.glyphs import GLYPHS
from tui.i18n.translate import _, language, ngettext
from tui.layout import Column, Line, layout_columns
from tui.view_models.item_counts import ItemCounts

PAGE_LINES = 60
"""Lines: more than a screen shows, and quick to read."""
_MARK_COLUMNS = 24
"""Columns for the states of a line; what needs more takes the room of the key."""


@dataclass(slots=True)
class TreeNode:
    """One line of the tree. `children` is None until it was unfolded for the first time."""

    row: EntityRow
    kind: Kind
    depth: int
    has_children: bool
    is_open: bool = False
    children: list[TreeNode | UnreadLines] = field(default_factory=list)
    is_loaded: bool = False


@dataclass(slots=True)
class UnreadLines:
    """Stands for the lines behind `after` that are not read yet."""

    parent: TreeNode | None
    kind: Kind
    after: EntityRow | None
    depth: int


class FleetTree:
    """The lines that are unfolded, in order; `load` reads those that come into sight."""

    def __init__(
        self,
        view: View,
        schema: Schema,
        edited: Mapping[bytes, int] | None = None,
        marked: Collection[bytes] = (),
        here: bytes | None = None,
        retired: bool = False,
        items: ItemCounts | None = None,
    ) -> None:
        """Make a tree that is folded.

        Args:
            view: the present, or the time that is looked at.
            schema: the kinds and what is placed under what.
            edited: entity to the number of its edits that are not applied.
            marked: the entities that are marked, shared with the screen.
            here: the place where this device is, None if none was chosen.
            retired: whether what is retired is shown, too.
            items: the inbox items of entities and branches; None where the inbox is not known: then conflicts count.
        """
        self._view = view
        self._schema = schema
        self._edited = edited or {}
        self._marked = marked
        self._own_place = here
        self._with_retired = retired
        self._items = items
        self._top: list[TreeNode | UnreadLines] = [UnreadLines(None, kind, None, 0) for kind in schema.roots()]
        self._lines: list[TreeNode | UnreadLines] = list(self._top)

    # --- the rows of a list ------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._lines)

    def key(self, index: int) -> bytes | None:
        """The entity of a line."""
        line = self._lines[index]
        return line.row.entity if isinstance(line, TreeNode) else None

    def is_skipped(self, index: int) -> bool:
        return False

    def line(self, index: int, width: int) -> Line:
        node = self._lines[index]
        indent = "  " * node.depth
        if isinstance(node, UnreadLines):
            return [(indent + "  …", "dim")]
        row = node.row
        fold = ("- " if node.is_open else "+ ") if node.has_children else "  "
        marks = [_("marked")] if row.entity in self._marked else []
        if count := self._item_count(node):
            text = ngettext("{count} to resolve", "{count} to resolve", count)
            marks.append(f"{GLYPHS['conflict']} {text}")
        if edits := self._edited.get(row.entity):
            text = ngettext("{count} edit not applied", "{count} edits not applied", edits)
            marks.append(f"{GLYPHS['edited']} {text}")
        marks_role = "attention" if marks else "dim" if row.retired else "strong"
        if row.retired:
            marks.insert(0, f"{GLYPHS['retired']} " + _("retired"))
        if row.entity == self._own_place:
            marks.insert(0, _("you are here"))
        label = node.kind.label(language()) if node.depth or len(self._schema.roots()) > 1 else ""
        key, marks_text = row.key.rsplit("/", 1)[-1], " ".join(marks)
        room = min(max(_MARK_COLUMNS, cell_len(marks_text)), width // 2) if marks else 0
        role = "dim" if row.retired else "strong" if node.has_children else "plain"
        line = layout_columns(
            width,
            [
                Column(indent + fold + row.title, None, role),
                Column(marks_text, room, marks_role),
                Column(key if key != row.title else "", 16 if width > 60 and room <= _MARK_COLUMNS else 0, "dim"),
                Column(label, 16, "dim"),
            ],
        )
        # The cursor marks the title only, not the blanks behind it: they would be written again with every key.
        (text, role), *rest = line
        title = text.rstrip()
        return [(title + " ", role), (" " * (len(text) - len(title) - 1), "plain"), *rest]

    def _item_count(self, node: TreeNode) -> int:
        """How many items wait on a line; on a folded one also those below it."""
        if self._items is None:
            return node.row.conflict_count
        is_folded = node.has_children and not node.is_open
        return (self._items.branch if is_folded else self._items.own).get(node.row.entity, 0)

    def needs_load(self, first: int, last: int) -> bool:
        return any(isinstance(line, UnreadLines) for line in self._lines[first : last + 1])

    async def load(self, first: int, last: int) -> None:
        for line in self._lines[first : last + 1]:
            if isinstance(line, UnreadLines):
                await self._read(line)
        self._flatten()

    # --- folding -----------------------------------------------------------------------------------------------------

    def node_at(self, index: int) -> TreeNode | None:
        """The entity's line, or None for one that is not read yet."""
        line = self._lines[index] if 0 <= index < len(self._lines) else None
        return line if isinstance(line, TreeNode) else None

    async def unfold(self, node: TreeNode) -> None:
        """Show what is below a line."""
        if not node.is_loaded:
            node.is_loaded = True
            kinds = self._schema.children(node.kind.name)
            node.children = [UnreadLines(node, kind, None, node.depth + 1) for kind in kinds]
            for more in list(node.children):
                if isinstance(more, UnreadLines):
                    await self._read(more)
        node.is_open = True
        self._flatten()

    def fold(self, node: TreeNode) -> None:
        """Hide what is below a line."""
        node.is_open = False
        self._flatten()

    def parent_index(self, index: int) -> int:
        """The line that this one is below of, or the line itself at the top."""
        depth = self._lines[index].depth
        return next((i for i in range(index, -1, -1) if self._lines[i].depth < depth), index)

    def index(self, entity: bytes | None) -> int | None:
        """The line of an entity, if it is unfolded."""
        if entity is None:
            return None
        return next((i for i in range(len(self._lines)) if self.key(i) == entity), None)

    def open_entities(self) -> list[bytes]:
        """The entities that are unfolded, from the top down."""
        return [line.row.entity for line in self._lines if isinstance(line, TreeNode) and line.is_open]

    async def reopen(self, opened: list[bytes], size: int) -> None:
        """Unfold the same lines as another tree had, and read at least `size` lines if there are as many."""
        wanted = set(opened)
        index = 0
        while index < len(self._lines) and (wanted or index < size):
            if self.needs_load(index, index):
                await self.load(index, index)
                continue
            node = self.node_at(index)
            if node is not None and node.row.entity in wanted:
                wanted.discard(node.row.entity)
                await self.unfold(node)
            index += 1

    async def reveal(self, chain: Sequence[bytes]) -> int | None:
        """Unfold what the last of these entities is under, each below the one before; its line, or None if there is
        none: what it was placed under is not here.
        """
        start = 0
        for entity in chain:
            found = await self._find_line(entity, start)
            if found is None:
                return None
            start = found
            node = self.node_at(found)
            if node is not None and not node.is_open and entity != chain[-1]:
                await self.unfold(node)
        return start if chain else None

    async def _find_line(self, entity: bytes, start: int) -> int | None:
        """The line of an entity from a line on, reading what is not read yet."""
        index = start
        while index < len(self._lines):
            if self.needs_load(index, index):
                await self.load(index, index)
            elif self.key(index) == entity:
                return index
            else:
                index += 1
        return None

    async def _read(self, more: UnreadLines) -> None:
        parent = None if more.parent is None or more.kind.parent is None else (more.kind.parent, more.parent.row.entity)
        rows = await self._view.page(
            more.kind.name,
            self._schema,
            parent=parent,
            after_row=more.after,
            limit=PAGE_LINES,
            retired=self._with_retired,
        )
        branches = bool(self._schema.children(more.kind.name))
        nodes: list[TreeNode | UnreadLines] = [TreeNode(row, more.kind, more.depth, branches) for row in rows]
        if len(rows) == PAGE_LINES:
            nodes.append(UnreadLines(more.parent, more.kind, rows[-1], more.depth))
        siblings = self._top if more.parent is None else more.parent.children
        if more in siblings:
            index = siblings.index(more)
            siblings[index : index + 1] = nodes

    def _flatten(self) -> None:
        self._lines = []
        self._add_lines(self._top)

    def _add_lines(self, nodes: list[TreeNode | UnreadLines]) -> None:
        for node in nodes:
            self._lines.append(node)
            if isinstance(node, TreeNode) and node.is_open:
                self._add_lines(node.children)
