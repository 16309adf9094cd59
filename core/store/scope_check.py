"""See to it that a bound device writes only what has effect.

Runs on the store's thread with the plain connection, in the caller's transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence

from core.changes import Block
from core.errors import Refused
from core.membership import Member, Membership
from core.schema import Schema
from core.scope_rule import ScopeRule
from core.store.entities import EntityName, read_names
from core.store.indexes.bound_facts import StoredPlacings, read_parent_properties
from core.store.indexes.chain_sides import StoredChains
from core.store.row_ids import row_ids_of
from core.store.scope import NOW
from core.value_codec import MAX_FACTS
from core.values import join_names

_MAX_NAMES = 5


def check_in_scope(
    connection: sqlite3.Connection, membership: Membership, member: Member, blocks: Sequence[Block], schema: Schema
) -> None:
    """Raise Refused for what a bound device has written outside its scope.

    Stricter than what others enforce: what was moved out of the scope meanwhile lies outside, too.
    """
    names = read_parent_properties(connection)
    placings = StoredPlacings(connection, membership, StoredChains(connection), names, is_current=True)
    rule = ScopeRule(placings, set(names.values()))
    rows = row_ids_of(connection, [block.id for block in blocks])
    for block in blocks:
        row = rows[block.id]
        for place, fact in enumerate(block.facts):
            query = "SELECT accepted FROM facts WHERE id = ?"
            (accepted,) = connection.execute(query, (row * MAX_FACTS + place,)).fetchone()
            if not accepted or not rule.may_state(member.device, member.scopes, fact.entity, fact.property, fact.value):
                raise _outside(connection, member, fact.entity, schema)


def _outside(connection: sqlite3.Connection, member: Member, entity: bytes, schema: Schema) -> Refused:
    wanted = [entity, *sorted(member.bound_to)]
    found = read_names(connection, NOW, wanted, schema)
    texts = [_text(each, found) for each in wanted]
    return Refused(
        "This device may only write what lies in {scope}, and {entity} does not: ask an admin to do it, or to run"
        " `fieldline admit {device} --role technician --scope …`.",
        scope=join_names(texts[1:], _MAX_NAMES),
        entity=texts[0],
        device=member.device.hex(),
    )


def _text(entity: bytes, names: Mapping[bytes, EntityName]) -> str:
    name = names.get(entity)
    return entity.hex()[:8] if name is None or name.key is None else f"{name.kind}:{name.key}"
