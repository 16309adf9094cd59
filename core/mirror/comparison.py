"""Compare a mirror with what the store says, now and at some times of the past."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import LiteralString

from core.device.context import DeviceContext
from core.device.display_names import entities_in_value
from core.fleet_secrets import is_secret
from core.inbox import InboxItem
from core.mirror import row_values
from core.mirror.mirror import Mirror
from core.schema import Schema
from core.slots import Slot
from core.store.entities import EntityName
from core.store.queries import mirror_source
from core.store.types import OnProgress, ignore_progress
from core.store.view import View
from core.timestamps import EPOCH

SAMPLES = (0.1, 0.3, 0.5, 0.7, 0.9)
"""The times of the past that are compared: quantiles of the times of all facts."""
ENTITIES_PER_STEP = 500
_ROWS: LiteralString = (
    "SELECT entity, property, kind, key, value, state, provisional, change, user_name, device_name, at"
    " FROM {} ORDER BY entity"
)

_Key = tuple[bytes, str]
_Row = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """A row that the mirror has otherwise than the store.

    `at_us` is None for the present, None for no such row.
    """

    table: str
    at_us: int | None
    entity: bytes
    property: str
    mirrored: _Row | None
    stored: _Row | None


async def compare(
    mirror: Mirror, device: DeviceContext, items: Iterable[InboxItem], on_progress: OnProgress = ignore_progress
) -> AsyncGenerator[Difference, None]:
    """Compare the inbox, and values now and at some times, entity by entity.

    `items` are those of the store. `on_progress` counts entities, once for each time.
    """
    for each in _diff("inbox", None, await _mirrored_inbox(mirror), _stored_inbox(items)):
        yield each
    times = await _sample_times(mirror)
    total = (1 + len(times)) * await device.store.run(mirror_source.count_entities)
    done = 0
    for at in (None, *times):
        at_us = None if at is None else round((at - EPOCH).total_seconds() * 1_000_000)
        table, source = ("current", "fieldline.current") if at is None else ("as_of", "fieldline.as_of(%s)")
        pages = mirror.read_pages(_ROWS.format(source), () if at is None else (at,))
        async with aclosing(_Reader(pages)) as mirrored:
            after = b""
            while some := await device.store.run(
                partial(mirror_source.read_entities, after=after, limit=ENTITIES_PER_STEP)
            ):
                after = some[-1]
                for each in _diff(
                    table, at_us, await mirrored.read(after), await _stored(device, device.view(at_us), some)
                ):
                    yield each
                done += len(some)
                on_progress(done, total)
            for each in _diff(table, at_us, await mirrored.read(None), {}):
                yield each


class _Reader:
    """Rows of the mirror in the order of entities, read as far as wanted."""

    def __init__(self, pages: AsyncGenerator[list[_Row], None]) -> None:
        self._pages = pages
        self._rest: list[_Row] = []

    async def aclose(self) -> None:
        await self._pages.aclose()

    async def read(self, last: bytes | None) -> dict[_Key, _Row]:
        """Read the rows up to those of an entity, or all that are left."""
        found: dict[_Key, _Row] = {}
        while True:
            for place, (entity, name, *rest) in enumerate(self._rest):
                if not isinstance(entity, bytes):
                    continue
                if last is not None and entity > last:
                    self._rest = self._rest[place:]
                    return found
                found[entity, str(name)] = tuple(rest)
            self._rest = await anext(self._pages, [])
            if not self._rest:
                return found


async def _sample_times(mirror: Mirror) -> list[datetime]:
    rows = await mirror.read(
        "SELECT percentile_disc(%s::float8[]) WITHIN GROUP (ORDER BY effective_at) FROM fieldline.facts",
        (list(SAMPLES),),
    )
    times = rows[0][0]
    # Nobody need look at a time twice.
    return sorted({at for at in times if isinstance(at, datetime)}) if isinstance(times, list) else []


def _diff(table: str, at_us: int | None, one: Mapping[_Key, _Row], other: Mapping[_Key, _Row]) -> list[Difference]:
    return [
        Difference(table, at_us, *key, one.get(key), other.get(key))
        for key in sorted(one.keys() | other.keys())
        if one.get(key) != other.get(key)
    ]


async def _stored(device: DeviceContext, view: View, entities: list[bytes]) -> dict[_Key, _Row]:
    """What the view shows of these entities, in the columns of the mirror."""
    schema = await device.schema()
    members = (await device.membership()).members
    called = {each: member.name for each, member in members.items() if member.name}
    records = await view.records_by_id(entities, schema)
    values = [slot.value for record in records.values() for slot in record.slots.values()]
    names = await _read_names(
        device, view, {*entities, *(e for value in values for e in entities_in_value(value))}, schema
    )
    return {
        (entity, row_values.text(name)): tuple(_row(entity, slot, names, called))
        for entity, record in records.items()
        for name, slot in record.slots.items()
        if slot.leaves and not is_secret(entity, name)
    }


async def _read_names(
    device: DeviceContext, view: View, wanted: Iterable[bytes], schema: Schema
) -> dict[bytes, EntityName]:
    """What entities are called in a view, and those that had no name yet, at present."""
    names = await view.names(wanted, schema)
    if view.is_past and (nameless := [entity for entity, name in names.items() if name.kind is None]):
        names.update(await device.view().names(nameless, schema))
    return names


def _row(entity: bytes, slot: Slot, names: Mapping[bytes, EntityName], called: Mapping[bytes, str]) -> Iterator[object]:
    leaf, name = slot.leaves[0], names[entity]
    yield None if name.kind is None else row_values.text(name.kind)
    yield None if name.key is None else row_values.text(name.key)
    value = row_values.json_text(slot.value, names)
    yield None if value is None else json.loads(value)
    yield slot.state
    yield slot.provisional
    yield leaf.change
    yield row_values.text(leaf.user)
    yield row_values.text(called.get(leaf.device) or leaf.device.hex()[:8])
    yield row_values.timestamp(leaf.at_us)


async def _mirrored_inbox(mirror: Mirror) -> dict[_Key, _Row]:
    rows = await mirror.read("SELECT entity, property, type, candidates FROM fieldline.inbox ORDER BY type, candidates")
    return _grouped(
        (entity, str(name), (kind, facts)) for entity, name, kind, facts in rows if isinstance(entity, bytes)
    )


def _stored_inbox(items: Iterable[InboxItem]) -> dict[_Key, _Row]:
    rows = [(item.entity, item.property, (item.type, [leaf.fact for leaf in item.candidates])) for item in items]
    return _grouped(sorted(rows, key=lambda row: row[2]))


def _grouped(rows: Iterable[tuple[bytes, str, _Row]]) -> dict[_Key, _Row]:
    found: dict[_Key, _Row] = {}
    for entity, name, row in rows:
        found[entity, name] = (*found.get((entity, name), ()), row)
    return found
