"""Find what bound devices said outside their scopes: kept, and without effect.

All functions run on the store's thread with the plain connection.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, replace

from core.chain_links import State
from core.member_values import MEMBER_PROPERTIES, WRITING_ROLES
from core.membership import Membership
from core.schema import KIND
from core.scope_rule import PERSON_NAME
from core.store.indexes.chain_sides import StoredChains
from core.value_codec import MAX_FACTS

_PERSON_PROPERTIES = (KIND, PERSON_NAME)


@dataclass(frozen=True, slots=True)
class OutOfScope:
    """How many changes of a device say something outside its scope.

    And of the one that came last its id, who wrote it, and a property and an entity that it speaks of.
    """

    device: bytes
    change_count: int
    change: bytes
    user: str
    entity: bytes
    property: str


def read_out_of_scope(connection: sqlite3.Connection, membership: Membership) -> list[OutOfScope]:
    """The devices that said something outside their scopes, in order.

    Only the changes of those that are or were bound are looked at: this is read each time that the inbox is.
    """
    chains = StoredChains(connection)
    found = []
    for device in sorted(membership.bound_devices):
        authority = membership.authority(device)
        rows = connection.execute(
            "SELECT c.id, c.hash, c.position, u.name, e.entity, p.name FROM changes c"
            f" JOIN facts f ON f.id BETWEEN c.id * {MAX_FACTS} AND c.id * {MAX_FACTS} + {MAX_FACTS - 1}"
            " JOIN entities e ON e.id = f.entity JOIN properties p ON p.id = f.property"
            " JOIN persons u ON u.entity = c.author"
            " WHERE c.device = (SELECT id FROM devices WHERE device = ?) AND NOT f.accepted"
            f" AND c.linked <> {int(State.FAULTY)} ORDER BY c.id, f.id",
            (device,),
        ).fetchall()
        outside: set[int] = set()
        last: OutOfScope | None = None
        bound: dict[int, bool] = {}
        for row, change, position, user, entity, name in rows:
            if name in MEMBER_PROPERTIES or membership.is_reserved(entity):
                continue
            if row not in bound:
                grant = authority.grant_at(chains, device, position, change)
                bound[row] = bool(grant.scopes) and grant.role in WRITING_ROLES
            if bound[row]:
                outside.add(row)
                # Who somebody is says less than what else was written.
                if last is None or name not in _PERSON_PROPERTIES or last.property in _PERSON_PROPERTIES:
                    last = OutOfScope(device, 0, change, user, entity, name)
        if last is not None:
            found.append(replace(last, change_count=len(outside)))
    return found
