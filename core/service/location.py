"""Where this device is, and what is configured there: so that a device that lacks much gets first what is needed at its
place.
"""

from __future__ import annotations

from contextlib import suppress
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

from core.changes import Ref
from core.inbox import scalars_of
from core.sync import location_hint
from core.sync.location_hint import Address

if TYPE_CHECKING:
    import asyncio

    from core.device.context import DeviceContext
    from core.schema import Schema
    from core.store.view import View

LOCATION_META_KEY, FOUND_LOCATION_META_KEY = "here", "here.found"
"""The notes in which a device keeps, for itself, which place it is at: as somebody chose, and as it found out."""

MAX_WITHIN_DEPTH = 4
MAX_NEARBY_ENTITIES = 2000
"""Entities around a place that go before others."""


async def read_location(workspace: DeviceContext) -> bytes | None:
    """The place where this device is: as somebody chose it, else where it found itself last; None if nobody knows."""
    found = await read_chosen_location(workspace) or await workspace.store.read_meta(FOUND_LOCATION_META_KEY)
    return bytes(found) if found else None


async def read_chosen_location(workspace: DeviceContext) -> bytes | None:
    """The place where this device is, as somebody chose it; None if nobody did."""
    here = await workspace.store.read_meta(LOCATION_META_KEY)
    return bytes(here) if here else None


async def save_location(workspace: DeviceContext, entity: bytes | None) -> None:
    """Remember the place where this device is, on this device only; None forgets what was chosen."""
    await workspace.store.write_meta(LOCATION_META_KEY, entity or b"")


async def save_found_location(workspace: DeviceContext, entity: bytes | None) -> None:
    """Remember where this device found itself, on this device only. Writes nothing if it is the same."""
    if bytes(await workspace.store.read_meta(FOUND_LOCATION_META_KEY) or b"") != (entity or b""):
        await workspace.store.write_meta(FOUND_LOCATION_META_KEY, entity or b"")


async def make_location_hint(workspace: DeviceContext, writer: asyncio.StreamWriter) -> bytes:
    """What to tell a peer on this link of where this device is (see `core.sync.location_hint`)."""
    here = await read_location(workspace)
    name = writer.get_extra_info("sockname")
    addresses: list[Address] = []
    if isinstance(name, tuple):
        with suppress(ValueError):
            addresses.append(ip_address(str(name[0]).partition("%")[0]))
    return location_hint.encode_location_hint([here] if here else [], addresses)


async def find_nearby_entities(workspace: DeviceContext, hint: bytes) -> list[bytes]:
    """The entities at the place that a peer told, or else where this device is: a locality and all that is within.

    A peer joined by a cable stands beside this device; one that is far away has told an address of its own.
    """
    view, schema = workspace.store.now(), await workspace.schema()
    entities, addresses = location_hint.decode_location_hint(hint)
    starts = [entity for entity in entities if (await view.record(entity, schema)).kind is not None]
    starts += await _entities_of_addresses(view, schema, addresses)
    if not starts and (here := await read_location(workspace)):
        starts = [here]
    found: dict[bytes, None] = {}
    for entity in starts:
        await _collect_below(view, schema, await _outermost(view, schema, entity), found)
    return list(found)


async def _entities_of_addresses(view: View, schema: Schema, addresses: list[Address]) -> list[bytes]:
    """The entities whose networks these addresses are in."""
    kinds = {
        kind.name: names
        for kind in schema.kinds.values()
        if (names := [p.name for p in kind.properties.values() if p.type == "ip-network" and p.no_overlap])
    }
    found: list[bytes] = []
    for kind, names in kinds.items() if addresses else ():
        for record in await view.records(kind, schema):
            said = [item for name in names for item in scalars_of(record.value(name)) if isinstance(item, str)]
            if any(_is_in_network(address, text) for address in addresses for text in said):
                found.append(record.entity)
    return found


def _is_in_network(address: Address, text: str) -> bool:
    try:
        return address in ip_network(text)
    except ValueError:
        return False


async def _outermost(view: View, schema: Schema, entity: bytes) -> bytes:
    """What an entity is within, as far up as its kind is a part of another."""
    for _ in range(MAX_WITHIN_DEPTH):
        record = await view.record(entity, schema)
        kind = schema.kind(record.kind)
        above = record.value(kind.within) if kind.within else None
        if not isinstance(above, Ref):
            break
        entity = above.entity
    return entity


async def _collect_below(view: View, schema: Schema, entity: bytes, found: dict[bytes, None]) -> None:
    """An entity and all that is within it, as far as there is room."""
    level = [entity]
    while level and len(found) < MAX_NEARBY_ENTITIES:
        found.update(dict.fromkeys(level))
        below: list[bytes] = []
        for parent in level:
            for kind in schema.kinds.values():
                if kind.within:
                    rows = await view.page(kind.name, schema, parent=(kind.within, parent), limit=MAX_NEARBY_ENTITIES)
                    below += [row.entity for row in rows if row.entity not in found]
        level = below
