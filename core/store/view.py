"""The read interface, the same for the present and the past.

For a moment of the past, and for what this device knew at a moment.
"""

from __future__ import annotations

from array import array
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from core.records import Record
from core.schema import RETIRED, Kind, Property, Schema
from core.slots import Candidate, Slot
from core.store import entities, entity_lookup
from core.store.connection import Database
from core.store.entities import EntityName, EntityRow, EntityValues
from core.store.queries import fact_diffs, log, slot_leaves
from core.store.queries.fact_diffs import FactDiff
from core.store.queries.log import NO_FILTER, LogCursor, LogEntry, LogFilter
from core.store.queries.slot_leaves import SlotKey
from core.store.scope import Scope
from core.value_codec import MAX_FACTS, Value

if TYPE_CHECKING:
    from core.conflict_index import IPNetwork
    from core.store.indexes.conflict_index import Suspects
    from core.store.indexes.search_index import SearchHit
    from core.store.queries.differences import Difference


_CHANGES_PER_STEP, _ENTITIES_PER_PAGE = 500, 200
"""How many changes are looked through at once, and of how many entities the values are compared."""


class View:
    """Reads one scope of a store.

    Each method but `differences` is one hop to the store's thread.

    Entities are 16-byte ids. Times are microseconds since 1970 UTC.
    """

    def __init__(self, database: Database, scope: Scope) -> None:
        self._database = database
        self.scope = scope

    @property
    def is_past(self) -> bool:
        """Whether this reads anything but the present; nothing can be edited from there."""
        return self.scope.kind != "now"

    async def record(self, entity: bytes, schema: Schema) -> Record:
        """The typed view of one entity; without any slots if nothing was ever said of it."""
        return (await self._database.run(entities.read_records, self.scope, [entity], schema))[0]

    async def records_by_id(self, ids: Iterable[bytes], schema: Schema) -> dict[bytes, Record]:
        """The typed views of entities by their ids.

        Without any slots where nothing was ever stated.
        """
        found = await self._database.run(entities.read_records, self.scope, list(ids), schema)
        return {record.entity: record for record in found}

    async def records(
        self, kind: str, schema: Schema, *, where: Mapping[str, Value] | None = None, retired: bool = False
    ) -> list[Record]:
        """Read all entities of a kind in the order of their titles.

        Those only whose values in use are as in `where`.
        """
        return await self._database.run(
            entity_lookup.read_records_of_kind, self.scope, kind, schema, where or {}, retired
        )

    async def entities(
        self, kind: str, schema: Schema, *, where: Mapping[str, Value] | None = None, retired: bool = False
    ) -> list[bytes]:
        """Read the ids of what `records` reads, in its order.

        For those who read them piece by piece.
        """
        return await self._database.run(
            entity_lookup.find_entities_of_kind, self.scope, kind, schema, where or {}, retired
        )

    async def values(self, name: str, ids: Iterable[bytes]) -> dict[bytes, Value]:
        """The value in use of one property of these entities.

        Those without one are left out.
        """
        return await self._database.run(entities.read_values, self.scope, name, list(ids))

    async def page(
        self,
        kind: str,
        schema: Schema,
        *,
        parent: tuple[str, bytes] | None = None,
        after_row: EntityRow | None = None,
        limit: int | None = None,
        retired: bool = False,
    ) -> list[EntityRow]:
        """Lines of a kind in the order of their titles, going on behind the line `after`.

        `parent` is a reference property and the entity that it must refer to.
        """
        from core.store.queries import pagination

        return await self._database.run(
            pagination.read_entity_page, self.scope, kind, schema, parent, after_row, limit, retired
        )

    async def has_many(self, kind: str, schema: Schema, count: int) -> bool:
        """Whether a kind has so many entities in use; False where only reading tells."""
        from core.store.queries import pagination

        return await self._database.run(pagination.has_many_entities, self.scope, kind, schema, count)

    async def slot(self, entity: bytes, name: str) -> Slot:
        """One slot of one entity."""
        return await self._database.run(entities.read_slot, self.scope, entity, name)

    async def slot_facts(self, entity: bytes, name: str) -> dict[bytes, Value]:
        """All facts of one slot that are here, current or not: their ids and values."""
        return await self._database.run(entities.read_slot_facts, entity, name)

    async def find(self, text: str, schema: Schema) -> bytes:
        """Find the entity that people call `kind:key`, or by its id.

        An id in hex, or a unique prefix of one (8 digits or more).

        Raises Refused, naming the matches if there are several.
        """
        return await self._database.run(entity_lookup.find_entity, self.scope, text, schema)

    async def search(self, text: str, schema: Schema, *, limit: int = 100, kind: str | None = None) -> list[SearchHit]:
        """Find leaves in whose property and value all words of `text` occur.

        Keys and titles first, then the latest; then leaves of entities whose values and names, and those of what they
        are below, have the words together. Only of entities of a kind if one is given.

        Raises Refused for a text that is too long.
        """
        from core.store.queries import search

        return await self._database.run(search.search_leaves, self.scope, text, schema, limit, kind)

    async def confirmations(self, ids: Iterable[bytes]) -> dict[bytes, dict[str, Candidate]]:
        """Read the latest confirmation of each property of these entities.

        See `core.confirmation`.
        """
        from core.store.queries import confirmations

        return await self._database.run(confirmations.read_confirmations, self.scope, list(ids))

    async def confirmed_facts(self, fact: bytes) -> list[Candidate]:
        """Read the facts that set the value which a fact confirms, latest first.

        The fact itself if it confirms none.
        """
        from core.store.queries import confirmations

        return await self._database.run(confirmations.read_confirmed_facts, fact)

    async def retired(self, ids: Iterable[bytes]) -> set[bytes]:
        """Those of these entities that are retired."""
        values = await self._database.run(entities.read_values, self.scope, RETIRED, list(ids))
        return {entity for entity, value in values.items() if value is True}

    async def entity_values(self, ids: Iterable[bytes]) -> dict[bytes, EntityValues]:
        """All values in use of each of these entities, without who set them."""
        return await self._database.run(entities.read_entity_values, self.scope, list(ids))

    async def conflict_counts(self, ids: Iterable[bytes]) -> dict[bytes, int]:
        """How many slots in conflict each of these entities has, if any."""
        return await self._database.run(entities.count_conflicts, self.scope, list(ids))

    async def names(self, ids: Iterable[bytes], schema: Schema) -> dict[bytes, EntityName]:
        """What people call each of these entities."""
        return await self._database.run(entities.read_names, self.scope, list(ids), schema)

    async def conflicts(self) -> list[tuple[bytes, str]]:
        """Read the slots (entity, property) in conflict, the newest first.

        Those whose leaves have different values.
        """
        return await self._database.run(entities.read_conflicting_slots, self.scope)

    async def suspects(self, schema: Schema) -> Suspects:
        """All entities that may be in the inbox.

        At present those count that `Store.read_clues` has read.
        """
        from core.store.indexes import conflict_index

        return await self._database.run(conflict_index.read_suspects, self.scope, schema)

    async def network_neighbours(
        self, kind: Kind, prop: Property, wished: Sequence[IPNetwork], schema: Schema
    ) -> list[Record] | None:
        """Find what may have a network that overlaps one of these.

        In use, of a kind and with this property. None where that is not known without reading all.
        """
        from core.store.indexes import networks

        return await self._database.run(networks.find_network_neighbours, self.scope, kind, prop, wished, schema)

    async def log(
        self,
        log_filter: LogFilter = NO_FILTER,
        *,
        cursor: LogCursor | None = None,
        limit: int = 100,
        offset: int = 0,
        newest_first: bool = True,
    ) -> list[LogEntry]:
        """Read a page of the log behind a position.

        By time, but nothing before what it was made in knowledge of.
        """
        return await self._database.run(log.read_log_page, self.scope, log_filter, cursor, limit, offset, newest_first)

    async def count_log_entries(self, log_filter: LogFilter = NO_FILTER) -> int:
        """How many changes the filtered log has."""
        return await self._database.run(log.count_log_entries, self.scope, log_filter)

    async def count_newer(self, position: LogCursor, wanted: LogFilter = NO_FILTER) -> int:
        """How many changes of the filtered log are newer than this position."""
        return await self._database.run(log.count_newer_entries, self.scope, wanted, position)

    async def count_log_quarters(self, wanted: LogFilter = NO_FILTER) -> list[tuple[int, int]]:
        """How many changes each quarter of an hour with any has, the newest first.

        (number since 1970 UTC, changes).
        """
        return await self._database.run(log.count_log_quarters, self.scope, wanted)

    async def changed_entities(self, wanted: LogFilter, *, limit: int = 10_000) -> set[bytes]:
        """The entities, at most `limit`, that the filtered changes touched."""
        return await self._database.run(log.find_changed_entities, self.scope, wanted, limit)

    async def first_diffs(
        self, entries: Iterable[LogEntry], limit: int, entity: bytes | None = None
    ) -> dict[bytes, list[FactDiff]]:
        """What the first `limit` facts of each change did, as `fact_diffs` gives it.

        Of one entity if that is given.
        """
        return await self._database.run(fact_diffs.read_first_diffs, list(entries), limit, entity)

    async def fact_diffs(self, change: bytes, limit: int | None = MAX_FACTS) -> list[FactDiff]:
        """Read what the first facts of a change did to what its author saw.

        And those of what was saved at once with it.

        None gives all; it is empty for a change that is not here.
        """
        return await self._database.run(fact_diffs.read_fact_diffs, change, limit)

    async def slots_without(self, withdrawn: Mapping[SlotKey, Collection[bytes]]) -> dict[SlotKey, Slot]:
        """What each of these slots holds at present if these facts of it are withdrawn."""
        return await self._database.run(slot_leaves.read_slots_without, withdrawn)

    async def differences(self, other: View, entity: bytes | None = None) -> list[Difference]:
        """Read where the values in use are not the same as in `other`.

        (entity, property, value here, value in `other`).
        """
        return [each async for some in self.difference_pages(other, entity) for each in some]

    async def difference_pages(self, other: View, entity: bytes | None = None) -> AsyncIterator[list[Difference]]:
        """Read what `differences` reads, in pages.

        What is about one entity is all on one page.

        It is looked for in many pieces, so that others who read need not wait, and nobody for what is wanted no more.
        """
        from core.store.queries import differences

        run, one, two = self._database.run, self.scope, other.scope
        end = await run(differences.end_row)
        step = max(1, end) if entity else _CHANGES_PER_STEP
        rows: set[int] = set()
        for first in range(0, end, step):
            rows |= await run(differences.find_differing_rows, one, two, entity, first, first + step)
        ordered = array("q", sorted(rows))
        rows.clear()
        for first in range(0, len(ordered), _ENTITIES_PER_PAGE):
            if found := await run(differences.read_differences, one, two, ordered[first : first + _ENTITIES_PER_PAGE]):
                yield found
