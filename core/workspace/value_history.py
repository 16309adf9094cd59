"""Find the changes at which the value in use of a property became another one."""

from __future__ import annotations

from dataclasses import dataclass

from core.store.queries.log import LogCursor, LogEntry, LogFilter
from core.store.store import Store
from core.value_codec import Value
from core.values import is_same_value

_ENTRIES_PER_PAGE = 50


@dataclass(frozen=True, slots=True)
class ValueChange:
    """A change at which the value in use became `new`, having been `old`.

    `is_first` if the slot was absent before.
    """

    entry: LogEntry
    old: Value
    new: Value
    is_first: bool = False


async def find_value_change(
    store: Store, entity: bytes, name: str, cursor: LogCursor, *, is_newer: bool, until_us: int | None = None
) -> ValueChange | None:
    """Find the nearest older or newer change of the value in use in the log.

    Changes that stated the same value again, or one that was not picked, are skipped. None if there is no such change.

    Args:
        store: where to look.
        entity: the entity, by its id of 16 bytes.
        name: the property.
        cursor: the position in the log from which to look.
        is_newer: whether to look for newer changes.
        until_us: nothing later counts (microseconds since 1970 UTC).
    """
    slot = _SlotHistory(store, entity, name, until_us)
    return await (_next_change if is_newer else _previous_change)(slot, cursor)


class _SlotHistory:
    """Pages of the log, and former values, of one slot."""

    def __init__(self, store: Store, entity: bytes, name: str, until_us: int | None) -> None:
        self._store = store
        self._entity = entity
        self._name = name
        self._filter = LogFilter(entity=entity, property=name, until_us=until_us)

    async def read_page(self, cursor: LogCursor, newest_first: bool) -> list[LogEntry]:
        """Read the next page of the changes of the slot."""
        return await self._store.now().log(
            self._filter, cursor=cursor, limit=_ENTRIES_PER_PAGE, newest_first=newest_first
        )

    async def value_before(self, position: LogCursor) -> Value:
        """Read what was in use after the change at a position, or the one before it."""
        order, row = position
        entries = await self._store.now().log(self._filter, cursor=(order, row + 1), limit=1)
        return await self.value_at(entries[0].moment_us) if entries else None

    async def value_at(self, at_us: int) -> Value:
        """Read the value in use at a time (microseconds since 1970 UTC)."""
        return (await self._store.as_of(at_us).slot(self._entity, self._name)).value


async def _next_change(slot: _SlotHistory, position: LogCursor) -> ValueChange | None:
    before = await slot.value_before(position)
    cursor = position
    while entries := await slot.read_page(cursor, newest_first=False):
        for entry in entries:
            value = await slot.value_at(entry.moment_us)
            if not is_same_value(value, before):
                return ValueChange(entry, before, value)
            before = value
        cursor = entries[-1].cursor
    return None


async def _previous_change(slot: _SlotHistory, position: LogCursor) -> ValueChange | None:
    last: tuple[LogEntry, Value] | None = None
    cursor = position
    while entries := await slot.read_page(cursor, newest_first=True):
        for entry in entries:
            value = await slot.value_at(entry.moment_us)
            if last is not None and not is_same_value(value, last[1]):
                return ValueChange(last[0], value, last[1])
            last = (entry, value)
        cursor = entries[-1].cursor
    return ValueChange(last[0], None, last[1], is_first=True) if last else None
