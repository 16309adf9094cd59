"""Complete what a person begins to type.

Names of entities, by a prefix and a few look-ups in the index of values.

Text is stored behind its length, so a prefix is looked for once for each length that a key may have.

All functions run on the store's thread with the plain connection.
"""

from __future__ import annotations

import sqlite3

from core.schema import Kind, Schema
from core.store.entities import read_names, read_values
from core.store.scope import Scope
from core.value_codec import Ref, encode_value, normalized

MAX_KEY_BYTES = 64
"""Keys that are longer are not offered: each length costs a look-up."""
MAX_COMPLETIONS = 50
"""More than a person looks through, and few enough to be read at once."""
MAX_PARENTS = 8
"""Things whose children are offered, while what they are within is not typed to its end."""
_NOW = Scope()


def complete_names(connection: sqlite3.Connection, kind: Kind, prefix: str, schema: Schema) -> list[str]:
    """The keys of a kind that begin with a prefix, those in use only."""
    if kind.within is None or (outer := kind.property(kind.within).refers_to) is None:
        found = _with_prefix(connection, kind.key, prefix, MAX_COMPLETIONS)
    else:
        found = []
        around, slash, inner = prefix.partition("/")
        parent_key = schema.kind(outer).key
        parents = _with_value(connection, parent_key, around) if slash else []
        for parent in parents or _with_prefix(connection, parent_key, prefix, MAX_PARENTS):
            children = _with_value(connection, kind.within, Ref(parent))
            keys = read_values(connection, _NOW, kind.key, children)
            begin = inner if parents else ""
            found += [child for child, key in keys.items() if str(key).startswith(begin)]
            if len(found) >= MAX_COMPLETIONS:
                break
    gone = read_values(connection, _NOW, "retired", found)
    called = read_names(connection, _NOW, [entity for entity in found if gone.get(entity) is not True], schema)
    names = [name.key for name in called.values() if name.kind == kind.name and name.key is not None]
    return sorted(name for name in dict.fromkeys(names) if name.startswith(prefix))[:MAX_COMPLETIONS]


def _with_prefix(connection: sqlite3.Connection, name: str, prefix: str, limit: int) -> list[bytes]:
    """Entities of which a leaf of a property is text that begins so."""
    text = normalized(prefix).encode()
    found: list[bytes] = []
    for size in range(max(1, len(text)), MAX_KEY_BYTES + 1):
        head = encode_value("x" * size)[:-size]
        rows = connection.execute(
            "SELECT e.entity FROM facts f JOIN entities e ON e.id = f.entity"
            " WHERE f.property = (SELECT id FROM properties WHERE name = :name)"
            " AND f.value >= :low AND f.value < :high AND f.current = 1 LIMIT :limit",
            {"name": name, "low": head + text, "high": head + text + b"\xff" * (size - len(text) + 1), "limit": limit},
        )
        found += [entity for (entity,) in rows]
        if len(found) >= limit:
            break
    return list(dict.fromkeys(found))[:limit]


def _with_value(connection: sqlite3.Connection, name: str, value: str | Ref) -> list[bytes]:
    rows = connection.execute(
        "SELECT e.entity FROM facts f JOIN entities e ON e.id = f.entity"
        " WHERE f.property = (SELECT id FROM properties WHERE name = :name) AND f.value = :value AND f.current = 1"
        " LIMIT :limit",
        {"name": name, "value": encode_value(value), "limit": MAX_COMPLETIONS},
    )
    return [entity for (entity,) in rows]
