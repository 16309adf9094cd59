"""What tells a device where it is, and where that puts this device."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import TYPE_CHECKING

from core.equipment import evidence, readers
from core.equipment.location import Evidence, KnownMark, KnownNetwork, Location, locate, normalise_mark, parse_network
from core.equipment.readers import Surroundings
from core.equipment.settings import DMI, DOCKING_STATION, MAC, EquipmentSettings, Reader
from core.errors import FieldlineError
from core.inbox import scalars_of
from core.records import Record
from core.schema import Kind, Property, Schema
from core.service.location import read_chosen_location, save_found_location
from core.value_codec import Ref

if TYPE_CHECKING:
    from core.device.context import DeviceContext

MAX_WITHIN_DEPTH = 4


@dataclass(frozen=True, slots=True)
class Place:
    """Where this device is, and what it saw to find that out."""

    location: Location
    around: Surroundings


class PlaceLookup:
    """Finds where this device is.

    What the fleet says of marks is read again only when something was written.
    """

    def __init__(self, context: DeviceContext) -> None:
        self._context = context
        self._marks: list[KnownMark] = []
        self._marks_of: object = None

    async def find(self, settings: EquipmentSettings) -> Place:
        """Look around, and say where this is.

        By hand where somebody chose, else by evidence. Raises FieldlineError.
        """
        schema = await self._context.schema()
        sources = evidence_sources(schema, settings)
        root = evidence.sysfs_root()
        interfaces = await asyncio.to_thread(evidence.read_interfaces, settings.interfaces)
        usb = await asyncio.to_thread(evidence.read_usb_devices, root)
        seen = [*evidence.address_evidence(interfaces), *evidence.usb_evidence(usb)]
        used = set(sources.values())
        if MAC in used:
            seen += [Evidence(MAC, each.mac, each.name) for each in interfaces if each.mac]
        if DMI in used:
            seen += await asyncio.to_thread(evidence.read_dmi, root)
        for name, source in sources.items():
            if not isinstance(source, str):
                seen += await self._read_source(name, source)
        marks = await self._known_marks(schema, sources)
        addresses = [address for each in interfaces for address in each.addresses]
        networks = await self._known_networks(schema, [ip_network(address.ip) for address in addresses])
        location = locate(seen, addresses, networks, marks)
        docks = frozenset(normalise_mark(m.kind, m.value) for m in marks if m.kind == DOCKING_STATION)
        chosen = await read_chosen_location(self._context)
        if chosen is not None:
            location = await self._chosen_location(chosen, location, schema)
        await save_found_location(self._context, location.place or location.locality)
        return Place(location, Surroundings(tuple(interfaces), tuple(usb), docks))

    async def _chosen_location(self, chosen: bytes, found: Location, schema: Schema) -> Location:
        record = await self._context.view().record(chosen, schema)
        outer = await self._outermost(record, schema)
        place = None if outer == chosen else chosen
        return Location(outer, place, found.evidence, None, is_chosen=True)

    async def _read_source(self, name: str, source: Reader) -> list[Evidence]:
        where = source.path if hasattr(source, "path") else source.argv[0]
        try:
            value = await readers.read_value(source, self._context.home.folder)
        except FieldlineError as problem:
            return [Evidence(name, "", where, problem)]
        return [Evidence(name, value, where)] if value is not None else []

    async def _known_marks(self, schema: Schema, sources: dict[str, str | Reader]) -> list[KnownMark]:
        key = ((await self._context.store.summary()).root, id(schema), tuple(map(str, sources)))
        if key != self._marks_of:
            self._marks = await self._read_marks(schema, sources)
            self._marks_of = key
        return self._marks

    async def _read_marks(self, schema: Schema, sources: dict[str, str | Reader]) -> list[KnownMark]:
        view, found = self._context.view(), list[KnownMark]()
        outermost: dict[bytes, bytes] = {}
        for kind in schema.kinds.values():
            named = [(name, source) for name, source in sources.items() if name in kind.properties]
            for record in await view.records(kind.name, schema) if named else ():
                for name, source in named:
                    evidence_kind = source if isinstance(source, str) else name
                    for value in scalars_of(record.value(name)):
                        if isinstance(value, str | int) and not isinstance(value, bool):
                            near = _above(record, kind) or record.entity
                            if near not in outermost:
                                outermost[near] = await self._outermost(record, schema)
                            found.append(KnownMark(record.entity, outermost[near], evidence_kind, str(value)))
        return found

    async def _outermost(self, record: Record, schema: Schema) -> bytes:
        """What an entity is within, as far up as it goes."""
        view = self._context.view()
        for _ in range(MAX_WITHIN_DEPTH):
            above = _above(record, schema.kind(record.kind))
            if above is None:
                break
            record = await view.record(above, schema)
        return record.entity

    async def _known_networks(self, schema: Schema, wished: Sequence[IPv4Network | IPv6Network]) -> list[KnownNetwork]:
        view, found = self._context.view(), list[KnownNetwork]()
        for kind, prop in network_properties(schema) if wished else ():
            records = await view.network_neighbours(kind, prop, wished, schema)
            if records is None:
                records = await view.records(kind.name, schema)
            for record in records:
                for item in scalars_of(record.value(prop.name)):
                    if isinstance(item, str) and (network := parse_network(item)) is not None:
                        found.append(KnownNetwork(record.entity, network))
        return found


def _above(record: Record, kind: Kind) -> bytes | None:
    """What an entity is within, or else placed under; None if it is at the top."""
    for name in (kind.within, kind.parent):
        if name and isinstance(above := record.value(name), Ref):
            return above.entity
    return None


def network_properties(schema: Schema) -> list[tuple[Kind, Property]]:
    """The properties by whose networks localities are known.

    Those that must not overlap.
    """
    return [
        (kind, prop)
        for kind in schema.kinds.values()
        for prop in kind.properties.values()
        if prop.type == "ip-network" and prop.no_overlap
    ]


def evidence_sources(schema: Schema, settings: EquipmentSettings) -> dict[str, str | Reader]:
    """By property how a place is known.

    As the settings say, else by what the schema's property is.

    A property `docking_station` is one, and a MAC address that is unique is one of an interface.
    """
    found: dict[str, str | Reader] = {}
    for kind in schema.kinds.values():
        for prop in kind.properties.values():
            if prop.name == "docking_station" and prop.type == "text":
                found[prop.name] = DOCKING_STATION
            elif prop.type == "mac" and prop.unique:
                found[prop.name] = MAC
    return {**found, **settings.evidence}
