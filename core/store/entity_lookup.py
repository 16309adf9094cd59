"""Find entities by what people call them.

All functions run on the store's thread with the plain connection.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Mapping
from unicodedata import normalize

from core.errors import Refused
from core.records import Record
from core.schema import Schema, no_schema_error
from core.store import entities
from core.store.scope import Scope
from core.value_codec import ID_BYTES, Ref, Value, normalized

_HEX_PREFIX_PATTERN = re.compile(r"[0-9a-fA-F]{8,32}")
MAX_MATCHES_SHOWN = 5
_MAX_HITS_LOOKED_AT = 50
"""Values that hold the text of a name which there is not, to find what may be meant."""
MAX_SPLITS = 64
"""Slashes of a name that are looked at: each costs a few look-ups, and no key of a person has so many."""


def find_entity(connection: sqlite3.Connection, scope: Scope, text: str, schema: Schema) -> bytes:
    """The entity called `kind:key`, or by its id in hex or a unique prefix of it.

    Raises Refused.
    """
    kind, colon, key = text.partition(":")
    if colon and kind and key:
        found = _find_by_key(connection, scope, kind, key, schema)
        if not found and (kind_name := schema.kind_name(kind)) != kind:
            found = _find_by_key(connection, scope, kind_name, key, schema)
        if not found and (meant := _find_other_case(connection, scope, schema.kind_name(kind), key, schema)):
            raise Refused("There is no {text} here: is it {meant}?", text=text, meant=meant)
        return _single_match(connection, scope, text, found, schema)
    if not _HEX_PREFIX_PATTERN.fullmatch(text):
        if not schema.kinds:
            raise no_schema_error()
        raise Refused("{text} is not an entity: write kind:key, or at least 8 hex digits of its id.", text=text)
    return _single_match(connection, scope, text, _find_by_id_prefix(connection, text), schema)


def find_entities_of_kind(
    connection: sqlite3.Connection,
    scope: Scope,
    kind: str,
    schema: Schema,
    conditions: Mapping[str, Value],
    retired: bool,
) -> list[bytes]:
    """The entities of a kind that meet the conditions, in the order of their titles."""
    # Few commands list a kind: the others are spared the import.
    from core.store.queries import pagination

    if not conditions:
        return pagination.read_entities_of_kind(connection, scope, kind, schema, retired)
    found = entities.find_entities_of_kind(connection, scope, kind, conditions=conditions)
    return pagination.sort_by_title(connection, scope, found, schema, retired)


def read_records_of_kind(
    connection: sqlite3.Connection,
    scope: Scope,
    kind: str,
    schema: Schema,
    conditions: Mapping[str, Value],
    retired: bool,
) -> list[Record]:
    """Read the records of a kind that meet the conditions, in title order."""
    found = find_entities_of_kind(connection, scope, kind, schema, conditions, retired)
    return entities.read_records(connection, scope, found, schema)


def _find_by_key(connection: sqlite3.Connection, scope: Scope, kind_name: str, key: str, schema: Schema) -> list[bytes]:
    """Find all that may be meant by a key.

    Both a key and the key around it may hold a slash, so that every split counts.
    """
    kind = schema.kind(kind_name)
    found = _find_by_own_key(connection, scope, kind_name, kind.key, key)
    slashes = [at for at, char in enumerate(key) if char == "/"] if kind.within else []
    for at in slashes[:MAX_SPLITS]:
        inner = _find_by_own_key(connection, scope, kind_name, kind.key, key[at + 1 :])
        parents = entities.read_values(connection, scope, kind.within or "", inner)
        refs = {entity: value.entity for entity, value in parents.items() if isinstance(value, Ref)}
        called = entities.read_names(connection, scope, refs.values(), schema)
        found += [entity for entity, parent in refs.items() if called[parent].key == key[:at]]
    return list(dict.fromkeys(found))


def _find_other_case(connection: sqlite3.Connection, scope: Scope, kind: str, key: str, schema: Schema) -> str | None:
    """What is called so in other letters, capital or small; None if nothing is."""
    from core.store.queries import search

    own = key.rsplit("/", 1)[-1]
    if not own.strip() or len(own) > search.MAX_QUERY_CHARS:
        return None
    hits = search.search_leaves(connection, scope, own, schema, _MAX_HITS_LOOKED_AT, kind)
    called = entities.read_names(connection, scope, {hit.entity for hit in hits}, schema)
    wanted = normalized(key).casefold()
    return next((f"{n.kind}:{n.key}" for n in called.values() if n.key and n.key.casefold() == wanted), None)


def _find_by_own_key(connection: sqlite3.Connection, scope: Scope, kind: str, name: str, key: str) -> list[bytes]:
    """Entities of the kind whose key in use is this text.

    A key that is an integer is found by its digits.

    Text that was written before it was brought to one normalization form is found as it was written.
    """
    written = key
    key = normalized(key)
    found = entities.find_entities_with_value(connection, scope, name, key)
    for other in {written, normalize("NFD", key)} - {key}:
        found += entities.find_entities_with_value(connection, scope, name, other)
    if key.lstrip("-").isdecimal() and len(key) < 19:
        found += entities.find_entities_with_value(connection, scope, name, int(key))
    kinds = entities.read_values(connection, scope, "kind", found)
    keys = entities.read_values(connection, scope, name, found)
    return [entity for entity in found if kinds.get(entity) == kind and normalized(str(keys.get(entity))) == key]


def _find_by_id_prefix(connection: sqlite3.Connection, prefix: str) -> list[bytes]:
    low = bytes.fromhex(prefix.ljust(ID_BYTES * 2, "0"))
    high = bytes.fromhex(prefix.ljust(ID_BYTES * 2, "f"))
    query = "SELECT entity FROM entities WHERE entity BETWEEN ? AND ? LIMIT ?"
    return [entity for (entity,) in connection.execute(query, (low, high, MAX_MATCHES_SHOWN + 1))]


def _single_match(connection: sqlite3.Connection, scope: Scope, text: str, found: list[bytes], schema: Schema) -> bytes:
    """The one match; among several those that are not retired count first."""
    if len(found) > 1:
        gone = entities.read_values(connection, scope, "retired", found)
        found = [entity for entity in found if gone.get(entity) is not True] or found
    if not found and not schema.kinds:
        raise no_schema_error()
    if not found:
        raise Refused("There is no {text} here: `fieldline list KIND` shows what there is.", text=text)
    if len(found) > 1:
        called = entities.read_names(connection, scope, found[:MAX_MATCHES_SHOWN], schema)
        matches = ", ".join(f"{name.kind}:{name.key} ({entity.hex()[:8]})" for entity, name in called.items())
        raise Refused("{text} could be any of {matches}: name one by its id.", text=text, matches=matches)
    return found[0]
