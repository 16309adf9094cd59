"""Read what a map shows: all entities that have coordinates, and what links them."""

from __future__ import annotations

from collections.abc import Sequence

from core.schema import Kind, Schema
from core.store.indexes.inbox_cache import ItemKey
from core.store.view import View
from core.value_codec import Ref, Value
from tui.view_models.branch_items import count_branch_items
from tui.view_models.breadcrumbs import ancestor_chains
from tui.view_models.map_projection import Site, parse_degrees

LATITUDE, LONGITUDE = "latitude", "longitude"
"""The properties by which a kind has coordinates: decimal degrees north and east."""


def map_kinds(schema: Schema) -> list[Kind]:
    """The kinds whose entities have coordinates."""
    return [kind for kind in schema.kinds.values() if {LATITUDE, LONGITUDE} <= kind.properties.keys()]


async def read_sites(
    view: View, schema: Schema, items: Sequence[ItemKey] = (), differing_place: bytes | None = None
) -> list[Site]:
    """Read the sites of a map in the order of their titles.

    Args:
        view: the time that is looked at.
        schema: the definitions of kinds and properties.
        items: what is to be resolved in the fleet.
        differing_place: the place of this device, if that differs from what is configured.
    """
    found: list[Site] = []
    branches = await count_branch_items(items, view, schema)
    differing = set()
    if differing_place is not None:
        differing = set((await ancestor_chains([differing_place], view, schema))[differing_place])
    kinds = map_kinds(schema)
    names = {kind.name for kind in kinds}
    for kind in kinds:
        ids = await view.entities(kind.name, schema)
        north, east = await view.values(LATITUDE, ids), await view.values(LONGITUDE, ids)
        links = [
            await view.values(prop.name, ids)
            for prop in kind.properties.values()
            if prop.type == "reference" and prop.refers_to in names and prop.name != kind.parent
        ]
        titles = await view.names(north.keys() & east.keys(), schema)
        for entity in ids:
            latitude, longitude = parse_degrees(north.get(entity), 90), parse_degrees(east.get(entity), 180)
            if latitude is None or longitude is None:
                continue
            linked = frozenset(each for values in links for each in _references(values.get(entity)))
            marked = tuple(branches.get(entity, {}).items())
            title = titles[entity].title
            found.append(Site(entity, title, latitude, longitude, marked, entity in differing, linked - {entity}))
    return found


def _references(value: Value) -> list[bytes]:
    """The entities that a value refers to."""
    values = value if isinstance(value, tuple) else (value,)
    return [each.entity for each in values if isinstance(each, Ref)]
