"""The values that facts state, each once for each property.

A value is found by a few bytes of its digest: an index over the values would hold each a second time. Whoever makes
values of the same digest makes others look at these few, and no more.

All functions run on the store's thread with the plain connection.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from blake3 import blake3

from core.errors import FieldlineError
from core.store.connection import chunks, placeholders

StatedValue = tuple[int, bytes]
"""The row of a property, and a value of it as it is encoded."""
_DIGEST_BYTES = 4
"""Of a million values a hundred share their digest with another one."""
_WRONG_SQL = """
SELECT (SELECT count(*) FROM content_digests d LEFT JOIN contents v ON v.id = d.content
  WHERE v.id IS NULL OR d.digest <> value_digest(v.property, v.value))
+ (SELECT count(*) FROM content_digests d JOIN content_digests o ON o.digest = d.digest AND o.content > d.content
  JOIN contents v ON v.id = d.content JOIN contents w ON w.id = o.content
  WHERE w.property = v.property AND w.value = v.value),
  (SELECT count(*) FROM contents WHERE id NOT IN (SELECT content FROM content_digests))
"""


def define_functions(connection: sqlite3.Connection) -> None:
    """Let SQL look for values on this connection, as `contents_with` does."""
    connection.create_function("value_digest", 2, _value_digest, deterministic=True)


def content_with(prop: str, value: str) -> str:
    """Give the subquery for the row of a value of a property, both SQL expressions."""
    return (
        "(SELECT cv.id FROM content_digests cd CROSS JOIN contents cv ON cv.id = cd.content"
        f" WHERE cd.digest = value_digest({prop}, {value}) AND cv.property = {prop} AND cv.value = {value})"
    )


def find_contents(connection: sqlite3.Connection, stated: Iterable[StatedValue]) -> dict[StatedValue, int]:
    """The rows of those of these values that any fact states."""
    digests = {each: _value_digest(*each) for each in stated}
    found: dict[StatedValue, int] = {}
    for some in chunks(list(digests.values())):
        query = (
            "SELECT v.property, v.value, v.id FROM content_digests d CROSS JOIN contents v ON v.id = d.content"
            f" WHERE d.digest IN ({placeholders(some)})"
        )
        found.update(((prop, value), row) for prop, value, row in connection.execute(query, some))
    return {each: found[each] for each in digests if each in found}


def intern_contents(connection: sqlite3.Connection, stated: Iterable[StatedValue]) -> dict[StatedValue, int]:
    """The rows of these values, made where they are new.

    These are in their order and behind all others.
    """
    wanted = dict.fromkeys(stated)
    found = find_contents(connection, wanted)
    (last,) = connection.execute("SELECT coalesce(max(id), 0) FROM contents").fetchone()
    rows = list(enumerate((each for each in wanted if each not in found), last + 1))
    connection.executemany(
        "INSERT INTO contents (id, property, value) VALUES (?, ?, ?)", [(row, *each) for row, each in rows]
    )
    connection.executemany(
        "INSERT INTO content_digests (digest, content) VALUES (?, ?)",
        [(_value_digest(*each), row) for row, each in rows],
    )
    found.update((each, row) for row, each in rows)
    return found


def find_problems(connection: sqlite3.Connection) -> list[FieldlineError]:
    """What is wrong with the digests by which values are found: a sentence, or none."""
    define_functions(connection)
    wrong, lacking = connection.execute(_WRONG_SQL).fetchone()
    if not wrong and not lacking:
        return []
    return [
        FieldlineError(
            "{table}: {wrong} rows are wrong and {lacking} are missing, by what the changes say.",
            table="content_digests",
            wrong=wrong,
            lacking=lacking,
        )
    ]


def _value_digest(prop: int | None, value: bytes | None) -> int | None:
    if prop is None or value is None:
        return None
    digest = blake3(prop.to_bytes(8, "big") + value).digest(_DIGEST_BYTES)
    return int.from_bytes(digest, "big", signed=True)
