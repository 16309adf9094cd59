"""When did this become so? The changes at which the value in use of one property became another one."""

from __future__ import annotations

from dataclasses import dataclass

from core.store.queries.log import LogCursor, LogEntry, LogFilter
from core.store.store import Store
from core.value_codec import Value, encode_value

_ENTRIES_PER_PAGE = 50


@dataclass(frozen=True, slots=True)
class ValueChange:
    """A change at which the value in use of a property became `new`, having been `old`; at the `first` nobody had said
    anything before.
    """

    entry: LogEntry
    old: Value
    new: Value
    is_first: bool = False


async def find_value_change(
    store: Store, entity: bytes, name: str, cursor: LogCursor, *, is_newer: bool, until_us: int | None = None
) -> ValueChange | None:
    """The nearest change before a position in the log (or behind it) that made the value in use another one.

    Changes that said again what was in use, or something that was not picked, are passed over. With `until` nothing
    later than that moment counts.
    """
    slot = _SlotHistory(store, entity, name, until_us)
    return await (_next_change if is_newer else _previous_change)(slot, cursor)


class _SlotHistory:
    """One property of one entity through time."""

    def __init__(self, store: Store, entity: bytes, name: str, until: int | None) -> None:
        self._store = store
        self._entity = entity
        self._name = name
        self._wanted = LogFilter(entity=entity, property=name, until_us=until)

    async def read_page(self, after: LogCursor, newest_first: bool) -> list[LogEntry]:
        """The next of its changes."""
        return await self._store.now().log(
            self._wanted, cursor=after, limit=_ENTRIES_PER_PAGE, newest_first=newest_first
        )

    async def value_before(self, position: LogCursor) -> Value:
        """What was in use after the change at a position, or else after the one before it."""
        order, row = position
        entries = await self._store.now().log(self._wanted, cursor=(order, row + 1), limit=1)
        return await self.value_at(entries[0].moment_us) if entries else None

    async def value_at(self, moment: int) -> Value:
        """What was in use at a moment."""
        return (await self._store.as_of(moment).slot(self._entity, self._name)).value


async def _next_change(slot: _SlotHistory, position: LogCursor) -> ValueChange | None:
    before = await slot.value_before(position)
    after = position
    while entries := await slot.read_page(after, newest_first=False):
        for entry in entries:
            value = await slot.value_at(entry.moment_us)
            if not _is_same_value(value, before):
                return ValueChange(entry, before, value)
            before = value
        after = entries[-1].cursor
    return None


async def _previous_change(slot: _SlotHistory, position: LogCursor) -> ValueChange | None:
    last: tuple[LogEntry, Value] | None = None
    after = position
    while entries := await slot.read_page(after, newest_first=True):
        for entry in entries:
            value = await slot.value_at(entry.moment_us)
            if last is not None and not _is_same_value(value, last[1]):
                return ValueChange(last[0], value, last[1])
            last = (entry, value)
        after = entries[-1].cursor
    return ValueChange(last[0], None, last[1], is_first=True) if last else None


def _is_same_value(one: Value, other: Value) -> bool:
    return encode_value(one) == encode_value(other)
