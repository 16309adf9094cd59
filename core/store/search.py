"""Find entities by what was said of them: any piece of a value or of a property's name.

Each pair of property and value is indexed once, with the first fact that said it; which facts say the same, and which
of them are leaves, the tables of facts know already, so the present and the past are searched by the same code. The
index is FTS5 with trigrams (https://sqlite.org/fts5.html#the_trigram_tokenizer); it holds casefolded text, so that
capital letters do not matter in any script.

All functions run on the store's thread with the plain connection.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from core.changes import Value, decode_value
from core.errors import Refused
from core.schema import Schema
from core.store.database import chunks, marks
from core.store.scope import Scope

MAX_TEXT = 256
"""Characters of a value that are indexed."""
MAX_QUERY = 200
MAX_PAIRS = 8000
"""Pairs of property and value that a search looks at, the latest first."""
_PORTION = 500
UNSEARCHED = ("kind", "retired", "member.revoked", "secret")
"""Properties whose values nobody looks for, beside the schema's texts."""

_TABLES = """
CREATE TABLE said (fact INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT;
CREATE VIRTUAL TABLE said_index USING fts5(
  text, content = 'said', content_rowid = 'fact', tokenize = 'trigram case_sensitive 1', detail = 'none'
);
"""


@dataclass(frozen=True, slots=True)
class Found:
    """One leaf that a search found."""

    entity: bytes
    property: str
    value: Value


def create(connection: sqlite3.Connection) -> None:
    """Make the index, and fill it from the facts that are here."""
    for statement in _TABLES.split(";"):
        connection.execute(statement)
    last = connection.execute("SELECT coalesce(max(id), 0) FROM facts").fetchone()[0]
    index_facts(connection, range(last + 1))


def index_facts(connection: sqlite3.Connection, span: range) -> None:
    """Take in the facts whose row ids are in this span, which must lie behind all that were taken in before."""
    rows = connection.execute(
        "SELECT min(f.id), p.name, f.value FROM facts f JOIN properties p ON p.id = f.property"
        f" WHERE f.id BETWEEN ? AND ? AND p.name NOT IN ({marks(list(UNSEARCHED))}) AND p.name NOT LIKE 'schema.%'"
        " AND NOT EXISTS (SELECT 1 FROM facts g WHERE g.property = f.property AND g.value = f.value AND g.id < ?)"
        " GROUP BY f.property, f.value ORDER BY 1",
        (span.start, span.stop - 1, *UNSEARCHED, span.start),
    ).fetchall()
    texts = [(fact, text) for fact, name, value in rows if (text := _text(name, decode_value(value)))]
    connection.executemany("INSERT INTO said (fact, text) VALUES (?, ?)", texts)
    connection.executemany("INSERT INTO said_index (rowid, text) VALUES (?, ?)", texts)


def rebuild(connection: sqlite3.Connection) -> None:
    """Make the index anew from the texts that it is over."""
    connection.execute("INSERT INTO said_index (said_index) VALUES ('rebuild')")


def check(connection: sqlite3.Connection) -> list[str]:
    """What is wrong with the index, by the texts that it is over."""
    try:
        connection.execute("INSERT INTO said_index (said_index, rank) VALUES ('integrity-check', 1)")
    except sqlite3.DatabaseError as error:
        return [f"said_index: {error}"]
    return []


def search(connection: sqlite3.Connection, scope: Scope, text: str, schema: Schema, limit: int) -> list[Found]:
    """Leaves in whose property and value all the words of `text` occur; keys and titles first, then the latest said.

    A search that finds very much looks at the latest `MAX_PAIRS` only: one word more finds the rest. Raises Refused for
    a text that is too long.
    """
    if len(text) > MAX_QUERY:
        raise Refused("A search may have {limit} characters at most.", limit=MAX_QUERY)
    words = text.replace("\0", " ").casefold().split()
    if not words:
        return []
    called = {name for kind in schema.kinds.values() for name in (kind.key, kind.title)}
    found: list[Found] = []
    pairs = _pairs(connection, words)
    while len(found) < limit and (portion := pairs.fetchmany(_PORTION)):
        found += _leaves(connection, scope, [fact for (fact,) in portion])
    found.sort(key=lambda leaf: leaf.property not in called)
    return found[:limit]


def _pairs(connection: sqlite3.Connection, words: list[str]) -> sqlite3.Cursor:
    """The facts of the latest pairs in whose texts all these words occur.

    The index gives those that have all the trigrams, the texts decide. Words of less than three letters have none.
    """
    grams = {word[at : at + 3] for word in words for at in range(len(word) - 2)}
    source, parameters = "said s", []
    if grams:
        source = "said_index CROSS JOIN said s ON s.fact = said_index.rowid AND said_index MATCH ?"
        parameters.append(" AND ".join('"' + gram.replace('"', '""') + '"' for gram in sorted(grams)))
    order = "said_index.rowid" if grams else "s.fact"
    condition = " AND ".join("instr(s.text, ?)" for _ in words)
    query = f"SELECT s.fact FROM {source} WHERE {condition} ORDER BY {order} DESC LIMIT {MAX_PAIRS}"
    return connection.execute(query, [*parameters, *words])


def _leaves(connection: sqlite3.Connection, scope: Scope, pairs: list[int]) -> Iterable[Found]:
    """The leaves that say what one of these facts says, in the order of the pairs."""
    for some in chunks(pairs):
        query = (
            f"SELECT DISTINCT s.id, e.entity, p.name, f.value FROM facts s CROSS JOIN {scope.facts}"
            " JOIN entities e ON e.id = f.entity JOIN properties p ON p.id = f.property"
            f" WHERE s.id IN ({','.join(str(pair) for pair in some)}) AND f.property = s.property"
            f" AND f.value = s.value AND {scope.leaves} ORDER BY s.id DESC, f.id DESC"
        )
        for _, entity, name, value in connection.execute(query, {"moment": scope.moment}):
            yield Found(entity, name, decode_value(value))


def _text(name: str, value: Value) -> str:
    """What is looked through for one pair; empty if there is nothing to look for."""
    items = value if isinstance(value, tuple) else (value,)
    words = [str(item) for item in items if isinstance(item, str | int) and not isinstance(item, bool)]
    return f"{name} {' '.join(words)}"[:MAX_TEXT].casefold() if words else ""
