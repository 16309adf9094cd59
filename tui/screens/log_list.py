"""The change that is selected in the log, and what is read of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from rich.cells import cell_len

from core.device.display_names import mask_secrets
from core.records import Record
from core.store.entities import EntityName
from core.store.queries.fact_diffs import FactDiff, without_author
from core.store.queries.log import LogEntry
from tui.i18n.translate import _, format_number, language
from tui.layout import Line, cut, fit, rule_line
from tui.screens.base import is_very_tall
from tui.screens.list_screen import ListScreen
from tui.view_models.entity_life import EntityLife, life_lines, read_life
from tui.view_models.fleet_details import EntityDetails, group_lines
from tui.view_models.form import NO_NAMES, DisplayNames, referenced_entities, value_references
from tui.view_models.form_lines import diff_lines
from tui.view_models.log import LogPages, entity_labels
from tui.view_models.value_diff import diff_block

_MAX_LABEL_COLUMNS = 28
"""Columns of an entity's name before its values, so that these have room on the smallest terminal."""


class LogSelection:
    """The change under the cursor, what it did, and what its entities are called."""

    def __init__(self, screen: ListScreen) -> None:
        self._screen = screen
        self.detailed_entry: LogEntry | None = None
        """The change that was read; another one than `entry` while that is being read."""
        self.marked_entry: LogEntry | None = None
        """The change to compare with, None if none is marked."""
        self.edits: list[FactDiff] = []
        self.names: DisplayNames = NO_NAMES
        self.life = EntityLife()
        self._record: Record | None = None
        self._called: Mapping[bytes, str] = {}
        """What the entities are called that the only entity of the change refers to."""
        self.path = ""
        """Where the only entity of the change is in the fleet; empty if there are several."""
        self._entity_names: dict[bytes, EntityName] = {}

    @property
    def entry(self) -> LogEntry | None:
        """The change under the cursor; None in an empty list, or while it is not loaded."""
        lines = self._screen.lines
        return lines.source.entry(lines.cursor) if isinstance(lines.source, LogPages) and len(lines.source) else None

    def entity_name(self, entity: bytes) -> EntityName | None:
        """What is known of the name of an entity of the change."""
        return self._entity_names.get(entity)

    def kind_of(self, entity: bytes) -> str | None:
        """The kind of an entity of the change."""
        name = self._entity_names.get(entity)
        return name.kind if name else None

    async def read_details(self) -> None:
        """Read what the change did, if it was not read yet."""
        entry, read = self.entry, self.detailed_entry
        if entry is not None and (read is None or entry.change != read.change or not self.edits):
            state = self._screen.state
            stated = without_author(entry, await state.view.fact_diffs(entry.change))
            edits = mask_secrets(stated)
            entities = {edit.entity for edit in edits}
            entities.update(e for edit in edits for value in (edit.old, edit.new) for e in value_references(value))
            known = await state.view.names(entities, state.schema)
            order = {entity: index for index, entity in enumerate(dict.fromkeys(edit.entity for edit in edits))}
            edits.sort(key=lambda e: (order[e.entity], state.schema.kind(known[e.entity].kind).rank(e.property)))
            labels = await entity_labels(known, state.view, state.schema, state.names)
            self.names = DisplayNames(labels, state.names.devices)
            self._entity_names = known
            self.path = await state.breadcrumb_of(edits[0].entity) if self._is_single_entity(edits) else ""
            self.life = await self._read_life(edits)
            self.edits = edits
        self.detailed_entry = entry

    async def _read_life(self, edits: Sequence[FactDiff]) -> EntityLife:
        """The life of the only entity of a change, if there is room for it."""
        if not (self._screen.has_panes and self._is_single_entity(edits)):
            return EntityLife()
        state = self._screen.state
        self._record = record = await state.view.record(edits[0].entity, state.schema)
        named = await state.view.names(referenced_entities(record), state.schema)
        self._called = {entity: name.title for entity, name in named.items()}
        return await read_life(edits[0].entity, self._screen.state.view, is_very_tall(self._screen))

    def life_lines(self, width: int, height: int) -> list[Line]:
        """Draw the life of the only entity of the change."""
        state, entity = self._screen.state, self.life.entity
        if not entity:
            return []
        return life_lines(self.life, state.schema.kind(self.kind_of(entity)), self.names, state.dates, width, height)

    def value_lines(self, width: int, height: int) -> list[Line]:
        """Draw what the only entity of the change holds as of the time that is looked at."""
        if self._record is None or self._record.entity != self.life.entity:
            return []
        title: Line = [(_("Its values"), "strong")]
        details = EntityDetails(self._record, DisplayNames(self._called, self.names.devices))
        lines = group_lines(details, self._screen.state.schema, width)
        return [rule_line(width + 1, title)[1:], *lines][:height] if lines else []

    def _is_single_entity(self, edits: Sequence[FactDiff]) -> bool:
        """Whether they are of one entity only, which has a place in the fleet."""
        schema = self._screen.state.schema
        kinds = {edit.entity: self.kind_of(edit.entity) for edit in edits}
        return len(kinds) == 1 and all(schema.kind(kind).is_known for kind in kinds.values())

    def blocks(self, width: int, height: int) -> list[Line]:
        """Draw each edit: its head, old above new, and only what differs set off."""
        schema = self._screen.state.schema
        lines: list[Line] = []
        shown = 0
        counts = Counter(edit.entity for edit in self.edits)
        last: bytes | None = None
        for edit in self.edits:
            prop = schema.property(self.kind_of(edit.entity), edit.property)
            label = prop.label(language())
            block = self._block_head(edit.entity, label, width, counts[edit.entity] == 1, edit.entity == last)
            block += diff_block(prop, edit.old, edit.new, self.names, edit.had_value, width)[: max(3, height // 2)]
            gap: list[Line] = [[]] if lines and edit.entity != last else []
            if lines and len(lines) + len(gap) + len(block) + 1 > height:
                break
            lines += [*gap, *block]
            last = edit.entity
            shown += 1
        if shown < len(self.edits):
            count = format_number(len(self.edits) - shown)
            lines += [[], [(_("… and {count} more: v shows all").format(count=count), "dim")]]
        return lines

    def _block_head(self, entity: bytes, label: str, width: int, is_only: bool, is_continued: bool) -> list[Line]:
        """What an edit is about: the entity once, above the properties that changed.

        Args:
            entity: the entity.
            label: the label of the property.
            width: the columns that a line may take.
            is_only: whether it is the only edit of the entity, which then has one line if both have room.
            is_continued: whether the edit before was of the entity, too.
        """
        name = self.names.entity(entity)
        if is_only and cell_len(name) + 2 + cell_len(label) < width:
            return [rule_line(width + 1, [(name, "strong"), (f"  {label}", "dim")])[1:]]
        about: list[Line] = [] if is_continued else [rule_line(width + 1, [(name, "strong")])[1:]]
        return [*about, [(cut(label, width), "dim")]]

    def lines(self, width: int, height: int) -> list[Line]:
        """Draw old → new for each edit.

        Of too many of several entities, what was changed of each of them.
        """
        edits = self.edits
        entities = list(dict.fromkeys(edit.entity for edit in edits))
        label = min(_MAX_LABEL_COLUMNS, max((len(self.names.entity(entity)) for entity in entities), default=0))
        if len(edits) > height and len(entities) > 1:
            return _with_more_line(self._entity_lines(entities[:height], label, width), len(entities), height)
        if len(entities) <= 1:
            label = 0
        schema = self._screen.state.schema
        items = [(schema.property(self.kind_of(e.entity), e.property), e.old, e.had_value, e.new) for e in edits]
        rows = diff_lines(items[:height], width - label - 2 * bool(label), self.names)
        if label:
            titles = [fit(self.names.entity(edit.entity), label) + "  " for edit in edits]
            rows = [[(title, "plain"), *row] for title, row in zip(titles, rows, strict=False)]
        return _with_more_line(rows, len(edits), height)

    def _entity_lines(self, entities: Sequence[bytes], label: int, width: int) -> list[Line]:
        """A line for each entity with the labels of its properties."""
        schema = self._screen.state.schema
        lines: list[Line] = []
        for entity in entities:
            kind = self.kind_of(entity)
            labels = [schema.property(kind, e.property).label(language()) for e in self.edits if e.entity == entity]
            text = cut(", ".join(labels), width - label - 2)
            lines.append([(fit(self.names.entity(entity), label) + "  " + text, "plain")])
        return lines


def _with_more_line(lines: list[Line], count: int, height: int) -> list[Line]:
    """The lines, the last one for those of `count` that have no room."""
    if count <= len(lines):
        return lines
    shown = lines[: max(0, height - 1)]
    return [*shown, [(_("… and {count} more: v shows all").format(count=format_number(count - len(shown))), "dim")]]
