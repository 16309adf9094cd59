"""Complete what a person begins to type.

Names of entities, by a prefix that is looked for in the index of the search.

All functions run on the store's thread with the plain connection.
"""

from __future__ import annotations

import sqlite3

from core.schema import KIND, Kind, Schema
from core.store.connection import load_value
from core.store.content_table import content_with
from core.store.entities import read_names, read_values
from core.store.indexes.search_index import quote_grams, texts_query
from core.store.scope import Scope
from core.value_codec import Ref, encode_value, normalized

MAX_COMPLETIONS = 50
"""More than a person looks through, and few enough to be read at once."""
MAX_SCANNED = 10_000
"""Keys that are looked at for those of a kind: some tens of milliseconds."""
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
    text = normalized(prefix)
    start = f"{kind.key} {text}".casefold()
    of_kind = "(SELECT id FROM properties WHERE name = :kind_name)"
    # Kinds may share the name of their key: those of others are many, and are passed over as they are read.
    rows = connection.execute(
        f"SELECT e.entity, v.value FROM ({texts_query('substr(s.text, 1, :chars) = :start', 'grams')}"
        " LIMIT :scanned) s CROSS JOIN contents v ON v.id = s.content"
        " CROSS JOIN facts f ON f.content = v.id AND f.current = 1"
        " CROSS JOIN entities e ON e.id = f.entity WHERE EXISTS (SELECT 1 FROM facts k INDEXED BY facts_slot"
        f" WHERE k.entity = f.entity AND k.property = {of_kind} AND k.current = 1"
        f" AND k.content = {content_with(of_kind, ':kind')})",
        {
            "chars": len(start),
            "start": start,
            "grams": quote_grams(start),
            "scanned": MAX_SCANNED,
            "kind": encode_value(kind.name),
            "kind_name": KIND,
        },
    )
    keys = [(key, entity) for entity, data in rows if isinstance(key := load_value(data), str) and key.startswith(text)]
    return list(dict.fromkeys(entity for _, entity in sorted(keys, key=lambda each: (len(each[0]), each))))[:limit]


def _with_value(connection: sqlite3.Connection, name: str, value: str | Ref) -> list[bytes]:
    prop = "(SELECT id FROM properties WHERE name = :name)"
    rows = connection.execute(
        "SELECT e.entity FROM facts f JOIN entities e ON e.id = f.entity"
        f" WHERE f.content = {content_with(prop, ':value')} AND f.current = 1"
        " LIMIT :limit",
        {"name": name, "value": encode_value(value), "limit": MAX_COMPLETIONS},
    )
    return [entity for (entity,) in rows]
