"""Complete what a person begins to type.

Names of entities, by a prefix and a few look-ups in the index of values.

Text is stored behind its length, so a prefix is looked for once for each length that a key may have.

All functions run on the store's thread with the plain connection.
"""

from __future__ import annotations

import sqlite3

from core.schema import KIND, Kind, Schema
from core.store.entities import read_names, read_values
from core.store.scope import Scope
from core.value_codec import Ref, encode_value, normalized

MAX_KEY_BYTES = 64
"""Keys that are longer are not offered: each length costs a look-up."""
MAX_COMPLETIONS = 50
"""More than a person looks through, and few enough to be read at once."""
MAX_SCANNED = 2000
"""Keys of one length that are looked at for those of a kind: a few milliseconds."""
MAX_PARENTS = 8
"""Things whose children are offered, while what they are within is not typed to its end."""
_NOW = Scope()


def complete_names(connection: sqlite3.Connection, kind: Kind, prefix: str, schema: Schema) -> list[str]:
    """The keys of a kind that begin with a prefix, those in use only."""
    if kind.within is None or (outer := kind.property(kind.within).refers_to) is None:
        found = _begin_with(connection, kind, prefix, MAX_COMPLETIONS)
    else:
        found = []
        around, slash, inner = prefix.partition("/")
        parents = _with_value(connection, schema.kind(outer).key, around) if slash else []
        for parent in parents or _begin_with(connection, schema.kind(outer), prefix, MAX_PARENTS):
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


def _begin_with(connection: sqlite3.Connection, kind: Kind, prefix: str, limit: int) -> list[bytes]:
    """Entities of a kind whose key is text that begins so."""
    if not prefix:
        return _with_value(connection, KIND, kind.name)[:limit]
    text = normalized(prefix).encode()
    found: list[bytes] = []
    for size in range(len(text), MAX_KEY_BYTES + 1):
        head = encode_value("x" * size)[:-size]
        # Kinds may share the name of their key: those of others are many, and are passed over as they are read.
        rows = connection.execute(
            "SELECT e.entity FROM (SELECT s.entity FROM contents v"
            " CROSS JOIN facts s ON s.property = (SELECT id FROM properties WHERE name = :name) AND s.content = v.id"
            " WHERE v.value >= :low AND v.value < :high AND s.current = 1 LIMIT :scanned) f"
            " JOIN entities e ON e.id = f.entity"
            " WHERE EXISTS (SELECT 1 FROM facts k WHERE k.entity = f.entity AND k.current = 1"
            " AND k.content = (SELECT id FROM contents WHERE value = :kind)"
            " AND k.property = (SELECT id FROM properties WHERE name = :kind_name)) LIMIT :limit",
            {
                "name": kind.key,
                "low": head + text,
                "high": head + text + b"\xff" * (size - len(text) + 1),
                "scanned": MAX_SCANNED,
                "kind": encode_value(kind.name),
                "kind_name": KIND,
                "limit": limit,
            },
        )
        found += [entity for (entity,) in rows]
        if len(found) >= limit:
            break
    return list(dict.fromkeys(found))[:limit]


def _with_value(connection: sqlite3.Connection, name: str, value: str | Ref) -> list[bytes]:
    rows = connection.execute(
        "SELECT e.entity FROM facts f JOIN entities e ON e.id = f.entity"
        " WHERE f.property = (SELECT id FROM properties WHERE name = :name) AND f.current = 1"
        " AND f.content = (SELECT id FROM contents WHERE value = :value)"
        " LIMIT :limit",
        {"name": name, "value": encode_value(value), "limit": MAX_COMPLETIONS},
    )
    return [entity for (entity,) in rows]
