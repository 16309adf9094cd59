"""When did this become so? The changes at which the value in use of one property became another one."""

from __future__ import annotations

from dataclasses import dataclass

from core.changes import Value, encode_value
from core.store.log import LogEntry, LogFilter, Position
from core.store.store import Store

_PAGE = 50


@dataclass(frozen=True, slots=True)
class Became:
    """A change at which the value in use of a property became `new`, having been `old`; at the `first` nobody had said
    anything before.
    """

    entry: LogEntry
    old: Value
    new: Value
    first: bool = False


async def step(
    store: Store, entity: bytes, name: str, position: Position, *, newer: bool, until: int | None = None
) -> Became | None:
    """The nearest change before a position in the log (or behind it) that made the value in use another one.

    Changes that said again what was in use, or something that was not picked, are passed over. With `until` nothing
    later than that moment counts.
    """
    slot = _Slot(store, entity, name, until)
    return await (_newer if newer else _older)(slot, position)


class _Slot:
    """One property of one entity through time."""

    def __init__(self, store: Store, entity: bytes, name: str, until: int | None) -> None:
        self._store = store
        self._entity = entity
        self._name = name
        self._wanted = LogFilter(entity=entity, property=name, until=until)

    async def log(self, after: Position, newest_first: bool) -> list[LogEntry]:
        """The next of its changes."""
        return await self._store.now().log(self._wanted, after=after, limit=_PAGE, newest_first=newest_first)

    async def value(self, moment: int) -> Value:
        """What was in use at a moment."""
        return (await self._store.as_of(moment).slot(self._entity, self._name)).value


async def _newer(slot: _Slot, position: Position) -> Became | None:
    before = await slot.value(position[0])
    after = position
    while entries := await slot.log(after, newest_first=False):
        for entry in entries:
            value = await slot.value(entry.position[0])
            if not _same(value, before):
                return Became(entry, before, value)
            before = value
        after = entries[-1].position
    return None


async def _older(slot: _Slot, position: Position) -> Became | None:
    last: tuple[LogEntry, Value] | None = None
    after = position
    while entries := await slot.log(after, newest_first=True):
        for entry in entries:
            value = await slot.value(entry.position[0])
            if last is not None and not _same(value, last[1]):
                return Became(last[0], value, last[1])
            last = (entry, value)
        after = entries[-1].position
    return Became(last[0], None, last[1], first=True) if last else None


def _same(one: Value, other: Value) -> bool:
    return encode_value(one) == encode_value(other)
