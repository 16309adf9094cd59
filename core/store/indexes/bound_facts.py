"""What the facts of bound devices depend on (core.scope_rule).

Where entities were ever placed, by what properties, and what lies below them.

All functions run on the store's thread with the plain connection.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from core.chain_links import State
from core.changes import SCHEMA_ENTITY
from core.member_values import WRITING_ROLES
from core.membership import Membership
from core.schema import SCHEMA_PROPERTY_PREFIX
from core.scope_rule import MAX_LEVELS, Placing, is_made_by, parent_of
from core.store.connection import VALUE_SQL, chunks, load_value, placeholders
from core.store.content_table import find_contents
from core.store.indexes.chain_sides import StoredChains
from core.value_codec import MAX_FACTS, Ref, encode_value


def read_parent_properties(connection: sqlite3.Connection) -> dict[int, str]:
    """The properties by which a schema of the fleet ever placed one kind in another.

    By the row ids of those of which there are facts.
    """
    from core.schema_toml import placing_properties

    rows = connection.execute(
        f"SELECT {VALUE_SQL} FROM facts f JOIN properties p ON p.id = f.property"
        " WHERE f.entity = (SELECT id FROM entities WHERE entity = ?) AND f.accepted AND p.name >= ? AND p.name < ?",
        (SCHEMA_ENTITY, SCHEMA_PROPERTY_PREFIX, SCHEMA_PROPERTY_PREFIX + "\U0010ffff"),
    ).fetchall()
    names: set[str] = set()
    for (value,) in rows:
        text = load_value(value)
        if isinstance(text, str):
            names |= placing_properties(text)
    found: dict[int, str] = {}
    for some in chunks(sorted(names)):
        found.update(connection.execute(f"SELECT id, name FROM properties WHERE name IN ({placeholders(some)})", some))
    return found


@dataclass(slots=True)
class StoredPlacings:
    """Where entities were ever placed, as it is in the tables; or where they are now.

    What devices that are not bound say counts if it has effect, so that has to be settled before.
    """

    connection: sqlite3.Connection
    membership: Membership
    chains: StoredChains
    properties: Mapping[int, str]
    is_current: bool = False
    _query: str = field(init=False)

    def __post_init__(self) -> None:
        self._query = (
            f"SELECT {VALUE_SQL}, f.accepted, d.device, c.position, c.hash, c.linked FROM facts f"
            f" JOIN changes c ON c.id = f.id / {MAX_FACTS} JOIN devices d ON d.id = c.device"
            f" WHERE f.entity = (SELECT id FROM entities WHERE entity = ?)"
            f" AND f.property IN ({placeholders(list(self.properties))})"
            + (" AND f.current = 1" if self.is_current else "")
        )

    def placings(self, entity: bytes) -> Collection[Placing]:
        """See `Placings`."""
        found: set[Placing] = set()
        rows = self.connection.execute(self._query, (entity, *self.properties)).fetchall()
        for value, accepted, device, position, change, linked in rows:
            parent = parent_of(load_value(value))
            if parent is None:
                continue
            if device not in self.membership.bound_devices:
                if accepted:
                    found.add(Placing(parent))
                continue
            if linked == State.FAULTY:
                continue
            grant = self.membership.authority(device).grant_at(self.chains, device, position, change)
            if grant.role in WRITING_ROLES and (is_made_by(entity, device) if grant.scopes else accepted):
                found.add(Placing(parent, grant.scopes))
        return found


def read_below(connection: sqlite3.Connection, properties: Iterable[int], entities: Iterable[int]) -> set[int]:
    """The rows of these entities, and of what was ever placed in them."""
    names = list(properties)
    found = wave = set(entities)
    for _level in range(MAX_LEVELS):
        if not wave:
            break
        below: set[int] = set()
        for some in chunks(sorted(wave)):
            rows = connection.execute(f"SELECT entity FROM entities WHERE id IN ({placeholders(some)})", some)
            stated = [(name, encode_value(Ref(entity))) for (entity,) in rows for name in names]
            for content in find_contents(connection, stated).values():
                query = "SELECT entity FROM facts WHERE content = ?"
                below.update(row for (row,) in connection.execute(query, (content,)))
        wave = below - found
        found = found | wave
    return found
