"""The fleet as a tree of lines, children read in pages when they are seen."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from rich.cells import cell_len

from core.records import Record
from core.schema import Kind, Schema
from core.sort_order import SortKey, natural_key, sort_key
from core.store.entities import EntityRow
from core.store.view import View
from tui.glyphs import GLYPHS
from tui.i18n.translate import _, language
from tui.layout import Line, fit, fit_line, spread
from tui.view_models.branch_items import BranchItems
from tui.view_models.fleet_columns import (
    KindColumns,
    head_cells,
    main_properties,
    measure_columns,
    property_at,
    value_cells,
    value_text,
)
from tui.view_models.form import NO_NAMES, DisplayNames, value_references

PAGE_LINES = 60
"""Lines: more than a screen shows, and quick to read."""
MAX_SORTED_LINES = 500
"""Lines below the same one that are read at once and put in order: more are shown in the order of the store."""
MAX_FILTERED_LINES = 20_000
"""Lines below the same one that are looked through for those that are shown."""
_MARK_COLUMNS = 4
"""Columns before the fold for what a line is marked with: a blank, a glyph, and how many there are."""
_TYPE_ORDER = ("conflict", "duplicate", "overlap", "retired-edit", "dangling", "invalid")
"""The types of inbox items; of several in a branch the first one lends its glyph."""


@dataclass(frozen=True, slots=True)
class Sorting:
    """The order of lines below the same one.

    By a property of theirs, by their names without one.
    """

    property_name: str | None = None
    is_reverse: bool = False

    def property_of(self, kind: Kind) -> str | None:
        """The property by which lines of a kind are sorted, None where they are by name."""
        return self.property_name if self.property_name in kind.properties else None


@dataclass(slots=True)
class TreeNode:
    """One line of the tree.

    `children` is None until it was unfolded for the first time.
    """

    row: EntityRow
    kind: Kind
    depth: int
    has_children: bool
    record: Record | None = None
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
        items: BranchItems | None = None,
        sorting: Sorting | None = None,
        only: Collection[bytes] | None = None,
    ) -> None:
        """Make a tree that is folded.

        Args:
            view: the present, or the time that is looked at.
            schema: the kinds and what is placed under what.
            edited: entity to the number of its edits that are not applied.
            marked: the entities that are marked, shared with the screen.
            here: the place where this device is, None if none was chosen.
            retired: whether what is retired is shown, too.
            items: entity to the types of inbox items in its branch, and how many there are of each.
            sorting: the order of what is below the same line.
            only: the entities that are shown, with all that they are below of; None for every one.
        """
        self._items = items or {}
        self._sorting = sorting or Sorting()
        self._only = only
        self._names = NO_NAMES
        self._layouts: dict[tuple[str, int], KindColumns] = {}
        self._view = view
        self._schema = schema
        self._edited = edited or {}
        self._marked = marked
        self._own_place = here
        self._with_retired = retired
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
            return [(" " * (_MARK_COLUMNS + 2) + indent + "…", "dim")]
        layout = self._layout(node.kind, width)
        fold = GLYPHS["unfolded" if node.is_open else "folded"] if node.has_children else " "
        is_quiet = node.row.retired
        name_role = "dim" if is_quiet else "strong" if node.has_children else "value"
        value_role = "dim" if is_quiet or node.has_children else "plain"
        name = fit(indent + node.row.title, layout.name_width)
        line: Line = [*self._mark_cells(node), (f"{fold} ", "accent"), (name, name_role)]
        line += value_cells(layout, node.record, value_role, self._names)
        return self._with_end(line, node, width)

    def _mark_cells(self, node: TreeNode) -> Line:
        """What stands left of the name.

        Marked, edited, or the worst of what is to be resolved and how much.
        """
        entity = node.row.entity
        types = self.items_of(node)
        count = sum(types.values())
        if entity in self._marked:
            return [(fit(" " + GLYPHS["marked"], _MARK_COLUMNS), "key")]
        if entity in self._edited:
            return [(fit(" " + GLYPHS["edited"], _MARK_COLUMNS), "alert")]
        if not count:
            return [(" " * _MARK_COLUMNS, "plain")]
        glyph = GLYPHS[min(types, key=_TYPE_ORDER.index)]
        return [(" " + fit(f"{glyph}{count if count > 1 else ''}", _MARK_COLUMNS - 1), "alert")]

    def items_of(self, node: TreeNode) -> Mapping[str, int]:
        """The types of inbox items in the branch of a line, and their numbers."""
        conflicts = node.row.conflict_count
        return self._items.get(node.row.entity) or ({"conflict": conflicts} if conflicts else {})

    def _with_end(self, line: Line, node: TreeNode, width: int) -> Line:
        """The line with what is said of the whole entity at its right end."""
        words: Line = []
        if node.row.retired:
            words.append((f"{GLYPHS['retired']} " + _("retired"), "dim"))
        if node.row.entity == self._own_place:
            words.append((f"{GLYPHS['here']} " + _("you are here"), "accent"))
        return spread(width, line, words) if words else fit_line(line, width)

    def _layout(self, kind: Kind, width: int) -> KindColumns:
        if (kind.name, width) not in self._layouts:
            nodes = [line for line in self._lines if isinstance(line, TreeNode)]
            widths = [2 * node.depth + cell_len(node.row.title) for node in nodes]
            records = [node.record for node in nodes if node.kind.name == kind.name]
            room = width - _MARK_COLUMNS - 2
            self._layouts[kind.name, width] = measure_columns(kind, records, widths, room, self._names)
        return self._layouts[kind.name, width]

    def header(self, index: int, width: int) -> Line:
        """The heads of the columns of the line's kind."""
        line = self._lines[index] if 0 <= index < len(self._lines) else None
        if line is None:
            return []
        lead: Line = [(" " * (_MARK_COLUMNS + 2), "dim")]
        layout = self._layout(line.kind, width)
        heads = head_cells(
            layout, line.kind.label(language()), self._sorting.property_of(line.kind), self._sorting.is_reverse, width
        )
        return fit_line([*lead, *heads], width)

    def head_at(self, index: int, column: int, width: int) -> str | None:
        """The property whose head is in a column of the heads over a line.

        Empty for the names, None beside all.
        """
        return property_at(self._layout(self._lines[index].kind, width), column - _MARK_COLUMNS - 2)

    def needs_load(self, first: int, last: int) -> bool:
        return any(isinstance(line, UnreadLines) for line in self._lines[first : last + 1])

    async def load(self, first: int, last: int) -> None:
        for line in self._lines[first : last + 1]:
            if isinstance(line, UnreadLines):
                await self._read(line)
        self._flatten()

    def set_items(self, items: BranchItems) -> None:
        """Show other counts of what is to be resolved."""
        self._items = items

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
        """Unfold the lines that another tree had, and read at least `size` lines."""
        wanted = set(opened)
        index = 0
        page_lines = min(PAGE_LINES, size + size // 2) or PAGE_LINES
        while index < len(self._lines) and (wanted or index < size):
            if isinstance(line := self._lines[index], UnreadLines):
                await self._read(line, page_lines)
                self._flatten()
                continue
            node = self.node_at(index)
            if node is not None and node.row.entity in wanted:
                wanted.discard(node.row.entity)
                await self.unfold(node)
            index += 1

    async def reveal(self, chain: Sequence[bytes]) -> int | None:
        """Unfold what the last of these entities is under, each below the one before.

        Its line, or None if there is none: what it was placed under is not here.
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

    async def _read(self, more: UnreadLines, page_lines: int = PAGE_LINES) -> None:
        parent = None if more.parent is None or more.kind.parent is None else (more.kind.parent, more.parent.row.entity)
        limit = await self._limit(more, page_lines)
        rows = await self._view.page(
            more.kind.name, self._schema, parent=parent, after_row=more.after, limit=limit, retired=self._with_retired
        )
        is_whole = more.after is None and len(rows) < limit
        if self._only is not None:
            rows, is_whole = [row for row in rows if row.entity in self._only], True
        if not is_whole:
            rows = rows[:page_lines]
        records = await self._view.records_by_id([row.entity for row in rows], self._schema)
        await self._read_names(records.values())
        branches = bool(self._schema.children(more.kind.name))
        read = [TreeNode(row, more.kind, more.depth, branches, records.get(row.entity)) for row in rows]
        # What is there in full is put in order as people count; of more a page at a time is read in the store's order.
        nodes: list[TreeNode | UnreadLines] = [*(self._sorted(more.kind, read) if is_whole else read)]
        if not is_whole and len(rows) == page_lines:
            nodes.append(UnreadLines(more.parent, more.kind, rows[-1], more.depth))
        siblings = self._top if more.parent is None else more.parent.children
        if more in siblings:
            index = siblings.index(more)
            siblings[index : index + 1] = nodes

    async def _limit(self, more: UnreadLines, page_lines: int) -> int:
        """How many lines are read at once, a page where there are too many to do so."""
        if self._only is not None:
            return MAX_FILTERED_LINES
        if more.after is not None:
            return page_lines
        is_top = more.parent is None
        # Where there are too many to put in order, only those are read that are shown.
        is_large = is_top and await self._view.has_many(more.kind.name, self._schema, MAX_SORTED_LINES)
        return page_lines if is_large else MAX_SORTED_LINES

    def _sorted(self, kind: Kind, nodes: list[TreeNode]) -> list[TreeNode]:
        name = self._sorting.property_of(kind)
        if name is None:
            return sorted(nodes, key=lambda node: natural_key(node.row.title), reverse=self._sorting.is_reverse)
        prop = kind.property(name)

        def key(node: TreeNode) -> SortKey:
            value = node.record.value(name) if node.record else None
            return sort_key(prop.type, value, value_text(prop, node.record, self._names))

        having = [node for node in nodes if node.record and node.record.value(name) is not None]
        without = [node for node in nodes if node not in having]
        return [*sorted(having, key=key, reverse=self._sorting.is_reverse), *without]

    async def _read_names(self, records: Iterable[Record]) -> None:
        """Read what the entities are called that the columns of these records refer to."""
        wanted = {
            entity
            for record in records
            for prop in main_properties(self._schema.kind(record.kind))
            if prop.type == "reference"
            for entity in value_references(record.value(prop.name))
        }
        if unknown := wanted - self._names.entities.keys():
            called = await self._view.names(unknown, self._schema)
            known = {entity: name.title for entity, name in called.items()}
            self._names = DisplayNames({**self._names.entities, **known}, self._names.devices)

    def _flatten(self) -> None:
        self._lines = []
        self._layouts.clear()
        self._add_lines(self._top)

    def _add_lines(self, nodes: list[TreeNode | UnreadLines]) -> None:
        for node in nodes:
            self._lines.append(node)
            if isinstance(node, TreeNode) and node.is_open:
                self._add_lines(node.children)
