"""The list of the inbox.

Its rows, the names they need, and the item that is selected.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from core.inbox import InboxItem
from core.store.indexes.inbox_cache import ItemKey
from core.workspace.lazy_inbox import LazyInbox
from core.workspace.lineage import AncestryStep, trace_ancestry
from tui.i18n.translate import _
from tui.layout import Line
from tui.screens.base import is_very_tall
from tui.screens.list_screen import ListScreen
from tui.view_models.entity_life import read_life
from tui.view_models.form import NO_NAMES, DisplayNames, referenced_entities, value_references
from tui.view_models.inbox import MAX_CANDIDATES, MULTI_ENTITY_TYPES, ItemDetails, item_line, item_title

if TYPE_CHECKING:
    from tui.app_state import AppState

RowKey = tuple[bytes, str, str]
"""Entity, property and type of an item: what stays the same about it while others come and go."""


def item_key(item: InboxItem | ItemKey) -> RowKey:
    """The key of an item's row."""
    return (item.entity, item.property_name if isinstance(item, ItemKey) else item.property, item.type)


class ItemNames:
    """What the entities of inbox items are called, read as they come into sight."""

    def __init__(self, state: AppState) -> None:
        self._state = state
        self.known: DisplayNames = NO_NAMES
        self._fresh: set[bytes] = set()
        """Whose names were read since the last `mark_stale`; until then the old ones are shown."""

    def mark_stale(self) -> None:
        """Read the names again when they are needed, and show the old ones until then."""
        self.known, self._fresh = DisplayNames(self.known.entities, self._state.names.devices), set()

    def drop_stale(self) -> None:
        """Forget the names that were not read again."""
        self.known = DisplayNames({e: self.known.entities[e] for e in self._fresh}, self.known.devices)

    async def load(self, items: Sequence[InboxItem], max_entities: int) -> None:
        """Read the names of the first entities of these items, and in their values."""
        entities = {entity for item in items for entity in (item.entity, *item.entities[:max_entities])}
        entities.update(
            e for item in items for leaf in item.candidates[:max_entities] for e in value_references(leaf.value)
        )
        if unknown := entities - self._fresh:
            called = await self._state.breadcrumbs_of(unknown)
            self.known = DisplayNames({**self.known.entities, **called}, self.known.devices)
            self._fresh |= called.keys()


class InboxRows:
    """The rows of the inbox; those of many are worked out when they come into sight."""

    def __init__(self, state: AppState, items: LazyInbox, names: ItemNames, marked_keys: set[RowKey]) -> None:
        """Make rows of `items`.

        Args:
            state: what all screens share.
            items: the items, in the order of the rows.
            names: what their entities are called, shared with the screen.
            marked_keys: the keys of the rows that are marked, shared with the screen.
        """
        self._state = state
        self.items = items
        self._names = names
        self._marked_keys = marked_keys

    def __len__(self) -> int:
        return len(self.items)

    def key(self, index: int) -> RowKey:
        return item_key(self.items.keys[index])

    def index(self, key: object) -> int | None:
        """The row with this key; None if there is none."""
        return next((index for index, each in enumerate(self.items.keys) if item_key(each) == key), None)

    def is_skipped(self, index: int) -> bool:
        return False

    def line(self, index: int, width: int) -> Line:
        item = self.items[index]
        if item is None:
            return []
        marked = item_key(item) in self._marked_keys
        return item_line(item, marked, width, self._state.schema, self._names.known, self._state.dates)

    def needs_load(self, first: int, last: int) -> bool:
        known = self._names.known.entities
        return self.items.has_unloaded(first, last) or any(
            each.entity not in known for each in self.items.keys[first : last + 1]
        )

    async def load(self, first: int, last: int) -> None:
        await self.items.load_range(first, last)
        indexes = range(max(0, first), min(last + 1, len(self)))
        await self._names.load([item for index in indexes if (item := self.items[index])], 2)


class ItemSelection:
    """The item under the cursor, its chosen candidate, and the marked items.

    An item that comes under the cursor because the one before was resolved elsewhere is unseen: the next key that
    resolves is meant for the other one, and must not act on it.
    """

    def __init__(self, screen: ListScreen) -> None:
        self._screen = screen
        self.names = ItemNames(screen.state)
        self.marked_keys: set[RowKey] = set()
        self.details: ItemDetails | None = None
        """What was read of the item under the cursor; None while it is being read."""
        self._chosen_index = 0
        self._last_item: InboxItem | None = None
        self._last_title: tuple[RowKey, str] | None = None
        self._unseen_key: object = None
        self._resolved_key: object = None

    @property
    def item(self) -> InboxItem | None:
        """What is under the cursor; None in an empty list, or while it is not loaded."""
        lines = self._screen.lines
        return lines.source.items[lines.cursor] if isinstance(lines.source, InboxRows) and len(lines.source) else None

    @property
    def chosen_index(self) -> int:
        """The index of the chosen candidate."""
        item = self.item
        return min(self._chosen_index, len(item.candidates) - 1) if item else 0

    def chosen_entity(self, item: InboxItem) -> bytes:
        """The entity that is meant: of several that claim the same, the chosen one."""
        return (
            item.entities[min(self.chosen_index, len(item.entities) - 1)]
            if item.type in MULTI_ENTITY_TYPES
            else item.entity
        )

    async def marked_conflicts(self) -> list[InboxItem]:
        """Return the conflicts that are marked, all if nothing is."""
        return [
            item
            for item in await self._load_all()
            if item.type == "conflict" and (not self.marked_keys or item_key(item) in self.marked_keys)
        ]

    async def marked_items(self) -> list[InboxItem]:
        """Return the items that are marked; if nothing is, the one under the cursor."""
        if self.marked_keys:
            return [item for item in await self._load_all() if item_key(item) in self.marked_keys]
        return [self.item] if self.item is not None else []

    async def _load_all(self) -> list[InboxItem]:
        source = self._screen.lines.source
        return await source.items.load_all() if isinstance(source, InboxRows) else []

    async def move_choice(self, step: int, max_entities: int) -> None:
        """Choose another candidate, and read `max_entities` names beyond it."""
        item, details = self.item, self.details
        if item is None or details is None:
            return
        self._chosen_index = (self.chosen_index + step) % min(len(item.candidates), MAX_CANDIDATES)
        await self.names.load([item], self._visible_candidates(max_entities))
        called = {**details.names.entities, **self.names.known.entities}
        self.details = replace(details, names=DisplayNames(called, details.names.devices))

    def _visible_candidates(self, height: int) -> int:
        """How many candidates fit around the chosen one on `height` lines."""
        return min(MAX_CANDIDATES, self.chosen_index + height)

    # --- what a person has seen ---------------------------------------------------------------------------------------

    def forget_title(self) -> None:
        """Take no notice of another item that comes under the cursor.

        The person asked for another list.
        """
        self._last_title = None

    def on_moved(self) -> None:
        """The cursor has moved: what is under it now is seen."""
        if self._unseen_key != self._screen.lines.key:
            self._unseen_key = None

    def on_resolve(self) -> None:
        """The item under the cursor is about to be resolved from here."""
        self._resolved_key = self._screen.lines.key

    def on_reloaded(self, old_key: object) -> None:
        """The rows are new and that with the old key is gone.

        Say so, unless it was resolved from here.
        """
        if self._last_title is None or old_key != self._last_title[0]:
            return
        (key, title), resolved_key = self._last_title, self._resolved_key
        self._last_title = self._resolved_key = None
        if key != resolved_key:
            self._screen.show_message(_("{what} was resolved meanwhile.").format(what=title), attention=True)
            self._unseen_key = self._screen.lines.key

    def see_item(self) -> bool:
        """Return whether the item under the cursor was unseen; from now on it is seen."""
        unseen_key, self._unseen_key = self._unseen_key, None
        return unseen_key is not None and unseen_key == self._screen.lines.key

    # --- reading ------------------------------------------------------------------------------------------------------

    async def read_details(self, height: int) -> None:
        """Read what stands below the list, if the cursor is on another item."""
        item = self.item
        if item is None:
            self.details = None
        elif self.details is None or self.details.item != item:
            self._chosen_index = self._restore_choice(item)
            self._last_item = item
            self.details = await self._load_details(item, height)
            title = "".join(text for text, _role in item_title(self.details, self._screen.state.schema)[0])
            self._last_title = (item_key(item), title)

    def _restore_choice(self, item: InboxItem) -> int:
        """The index of the candidate that was chosen before.

        A key must not take another one than was chosen.
        """
        before = self._last_item
        if before is None or item_key(before) != item_key(item):
            return 0
        fact = before.candidates[min(self._chosen_index, len(before.candidates) - 1)].fact
        again = next((index for index, leaf in enumerate(item.candidates[:MAX_CANDIDATES]) if leaf.fact == fact), None)
        if again is None and self._resolved_key != item_key(item):
            self._screen.show_message(_("The chosen one was replaced meanwhile."), attention=True)
            self._unseen_key = self._screen.lines.key
        return again or 0

    async def _load_details(self, item: InboxItem, height: int) -> ItemDetails:
        state = self._screen.state
        view, schema = state.view, state.schema
        wanted: list[bytes] = []
        if item.type == "dangling":
            wanted = [e for leaf in item.candidates[:1] for e in value_references(leaf.value)]
        elif item.type == "retired-edit":
            wanted = [item.entity]
        records = {entity: await view.record(entity, schema) for entity in wanted}
        await self.names.load([item], self._visible_candidates(height))
        called = dict(self.names.known.entities)
        if item.type == "retired-edit":
            named = await view.names(referenced_entities(records[item.entity]), schema)
            called |= {entity: name.title for entity, name in named.items()}
        steps: tuple[AncestryStep, ...] = ()
        if item.type == "conflict":
            steps = tuple(await trace_ancestry(state.workspace.store, [leaf.fact for leaf in item.candidates]))
            unknown = {e for step in steps for e in value_references(step.value)} - called.keys()
            called |= {entity: name.title for entity, name in (await view.names(unknown, schema)).items()}
        details = ItemDetails(item, records, steps, DisplayNames(called, self.names.known.devices))
        return await self._with_entity(details) if self._screen.has_panes else details

    async def _with_entity(self, details: ItemDetails) -> ItemDetails:
        """The details with what else there is at the entity, and what happened to it."""
        view, schema = self._screen.state.view, self._screen.state.schema
        record = await view.record(details.item.entity, schema)
        life = await read_life(details.item.entity, view, is_very_tall(self._screen))
        facts = [fact for some in life.diffs.values() for fact in some]
        wanted = {each for fact in facts for value in (fact.old, fact.new) for each in value_references(value)}
        unknown = (wanted | set(referenced_entities(record))) - details.names.entities.keys()
        called = {entity: name.title for entity, name in (await view.names(unknown, schema)).items()}
        names = DisplayNames({**called, **details.names.entities}, details.names.devices)
        return replace(details, record=record, life=life, names=names)
