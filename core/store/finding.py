"""Find entities by what people call them.

All functions run on the store's thread with the plain connection.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Mapping

from core.changes import ID_SIZE, Ref, Value
from core.errors import Refused
from core.records import Record
from core.schema import Schema
from core.store import reading
from core.store.scope import Scope

_HEX = re.compile(r"[0-9a-fA-F]{8,32}")
MOST_NAMED = 5


def find(connection: sqlite3.Connection, scope: Scope, text: str, schema: Schema) -> bytes:
    """The entity called `kind:key`, or by its id in hex or a unique prefix of it; raises Refused."""
    kind, colon, key = text.partition(":")
    if colon and kind and key:
        return _only(connection, scope, text, _by_key(connection, scope, kind, key, schema), schema)
    if not _HEX.fullmatch(text):
        raise Refused("{text} is not an entity: write kind:key, or at least 8 hex digits of its id.", text=text)
    return _only(connection, scope, text, _by_prefix(connection, text), schema)


def records_of_kind(
    connection: sqlite3.Connection,
    scope: Scope,
    kind: str,
    schema: Schema,
    conditions: Mapping[str, Value],
    retired: bool,
) -> list[Record]:
    """The records of all entities of a kind that meet the conditions, in the order of their titles."""
    # Few commands list a kind: the others are spared the import.
    from core.store import paging

    rows = paging.page(connection, scope, kind, schema, None, None, None, retired)
    entities = reading.where(connection, scope, [row.entity for row in rows], conditions)
    return reading.records(connection, scope, entities, schema)


def _by_key(connection: sqlite3.Connection, scope: Scope, kind_name: str, key: str, schema: Schema) -> list[bytes]:
    kind = schema.kind(kind_name)
    found = _with_key(connection, scope, kind_name, kind.key, key)
    if found or not kind.within or "/" not in key:
        return found
    outer, own = key.split("/", 1)
    inner = _with_key(connection, scope, kind_name, kind.key, own)
    parents = reading.values_of(connection, scope, kind.within, inner)
    refs = {entity: value.entity for entity, value in parents.items() if isinstance(value, Ref)}
    called = reading.names(connection, scope, refs.values(), schema)
    return [entity for entity, parent in refs.items() if called[parent].key == outer]


def _with_key(connection: sqlite3.Connection, scope: Scope, kind: str, name: str, key: str) -> list[bytes]:
    """Entities of the kind whose key in use is this text; a key that is an integer is found by its digits."""
    found = reading.entities_where(connection, scope, name, key)
    if key.lstrip("-").isdecimal() and len(key) < 19:
        found += reading.entities_where(connection, scope, name, int(key))
    kinds = reading.values_of(connection, scope, "kind", found)
    keys = reading.values_of(connection, scope, name, found)
    return [entity for entity in found if kinds.get(entity) == kind and str(keys.get(entity)) == key]


def _by_prefix(connection: sqlite3.Connection, prefix: str) -> list[bytes]:
    low = bytes.fromhex(prefix.ljust(ID_SIZE * 2, "0"))
    high = bytes.fromhex(prefix.ljust(ID_SIZE * 2, "f"))
    query = "SELECT entity FROM entities WHERE entity BETWEEN ? AND ? LIMIT ?"
    return [entity for (entity,) in connection.execute(query, (low, high, MOST_NAMED + 1))]


def _only(connection: sqlite3.Connection, scope: Scope, text: str, found: list[bytes], schema: Schema) -> bytes:
    """The one match; among several those that are not retired count first."""
    if len(found) > 1:
        gone = reading.values_of(connection, scope, "retired", found)
        found = [entity for entity in found if gone.get(entity) is not True] or found
    if not found:
        raise Refused("There is no {text} here: `fieldline list KIND` shows what there is.", text=text)
    if len(found) > 1:
        called = reading.names(connection, scope, found[:MOST_NAMED], schema)
        matches = ", ".join(f"{name.kind}:{name.key} ({entity.hex()[:8]})" for entity, name in called.items())
        raise Refused("{text} could be any of {matches}: name one by its id.", text=text, matches=matches)
    return found[0]
