"""Keep where this device is, and find what is configured there.

So that this is transferred first.
"""

from __future__ import annotations

from contextlib import suppress
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

from core.value_codec import Ref

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator

    from core.device.context import DeviceContext
    from core.schema import Kind, Property, Schema
    from core.store.view import View
    from core.sync.location_hint import Address
    from core.value_codec import Value

LOCATION_META_KEY, FOUND_LOCATION_META_KEY = "here", "here.found"
"""Keys of this device's own notes, which hold an entity's id: as a person chose, and as the device found out."""

MAX_WITHIN_DEPTH = 4
"""Levels that are followed upwards: facts can state a circle."""
MAX_NEARBY_ENTITIES = 2000
"""Entities that go before others: a locality has some hundred."""


async def read_location(workspace: DeviceContext) -> bytes | None:
    """Read which entity this device is at; None if that is not known.

    As a person chose, else as it found out last.
    """
    found = await read_chosen_location(workspace) or await workspace.store.read_meta(FOUND_LOCATION_META_KEY)
    return bytes(found) if found else None


async def read_chosen_location(workspace: DeviceContext) -> bytes | None:
    """Read which entity this device is at, as a person chose it; None if nobody did."""
    here = await workspace.store.read_meta(LOCATION_META_KEY)
    return bytes(here) if here else None


async def save_location(workspace: DeviceContext, entity: bytes | None) -> None:
    """Keep which entity a person says this device is at, on this device only.

    None forgets it.
    """
    await workspace.store.write_meta(LOCATION_META_KEY, entity or b"")


async def save_found_location(workspace: DeviceContext, entity: bytes | None) -> None:
    """Keep which entity this device found itself at, on this device only.

    None if at none. Writes nothing new.
    """
    if bytes(await workspace.store.read_meta(FOUND_LOCATION_META_KEY) or b"") != (entity or b""):
        await workspace.store.write_meta(FOUND_LOCATION_META_KEY, entity or b"")


async def make_location_hint(workspace: DeviceContext, writer: asyncio.StreamWriter) -> bytes:
    """Encode where this device is for the peer on a link.

    See `core.sync.location_hint`.
    """
    from core.sync import location_hint

    here = await read_location(workspace)
    name = writer.get_extra_info("sockname")
    addresses: list[Address] = []
    if isinstance(name, tuple):
        with suppress(ValueError):
            addresses.append(ip_address(str(name[0]).partition("%")[0]))
    return location_hint.encode_location_hint([here] if here else [], addresses)


async def find_nearby_entities(workspace: DeviceContext, hint: bytes) -> list[bytes]:
    """Find the entities where a peer is: a locality and all that is within.

    Where the hint says nothing, the peer is taken to be where this device is: one at a cable is beside it, and one that
    is far away has sent an address of its own.
    """
    from core.sync import location_hint

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
    """Find the entities whose networks contain one of these addresses."""
    from core.inbox import scalars_of

    found: dict[bytes, None] = {}
    for kind in schema.kinds.values() if addresses else ():
        for prop in kind.properties.values():
            if prop.type == "ip-network" and prop.no_overlap:
                async for entity, value in _stated_networks(view, schema, kind, prop, addresses):
                    networks = [item for item in scalars_of(value) if isinstance(item, str)]
                    if any(_is_in_network(address, text) for address in addresses for text in networks):
                        found[entity] = None
    return list(found)


async def _stated_networks(
    view: View, schema: Schema, kind: Kind, prop: Property, addresses: list[Address]
) -> AsyncIterator[tuple[bytes, Value]]:
    """Give the entities of a kind whose networks may contain one of these addresses.

    With their networks. Of a kind of which that is not known yet it is all of them, some at a time.
    """
    near = await view.network_neighbours(kind, prop, [ip_network(address) for address in addresses], schema)
    if near is not None:
        for record in near:
            yield record.entity, record.value(prop.name)
        return
    ids = await view.entities(kind.name, schema)
    for start in range(0, len(ids), MAX_NEARBY_ENTITIES):
        for entity, value in (await view.values(prop.name, ids[start : start + MAX_NEARBY_ENTITIES])).items():
            yield entity, value


def _is_in_network(address: Address, text: str) -> bool:
    try:
        return address in ip_network(text)
    except ValueError:
        return False


async def _outermost(view: View, schema: Schema, entity: bytes) -> bytes:
    """Follow what an entity is within to the outermost one."""
    for _ in range(MAX_WITHIN_DEPTH):
        record = await view.record(entity, schema)
        kind = schema.kind(record.kind)
        above = record.value(kind.within) if kind.within else None
        if not isinstance(above, Ref):
            break
        entity = above.entity
    return entity


async def _collect_below(view: View, schema: Schema, entity: bytes, found: dict[bytes, None]) -> None:
    """Add an entity and all that is within it to `found`.

    Level by level, as far as there is room.
    """
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
