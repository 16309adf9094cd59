"""Find entities by any piece of a value or of a property's name.

Each pair of property and value is indexed once, with the first fact that said it; which facts say the same, and which
of them are leaves, the tables of facts know already, so the present and the past are searched by the same code. The
index is FTS5 with trigrams (https://sqlite.org/fts5.html#the_trigram_tokenizer); it holds casefolded text, so that
capital letters do not matter in any script.

All functions run on the store's thread with the plain connection.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from core.errors import FieldlineError
from core.fleet_secrets import SECRET_PROPERTIES
from core.store.connection import chunks, load_value, placeholders
from core.store.scope import Scope
from core.value_codec import Value, encode_value

MAX_PAIRS = 8000
"""Pairs of property and value that a search looks at, the latest first."""
TRIGRAM_CHARS = 3
"""Letters that the index takes together."""
UNINDEXED_PROPERTIES = ("kind", "retired", "member.revoked", "person.name", *SECRET_PROPERTIES)
"""Properties whose values nobody looks for, beside the schema's texts."""

_TABLES_SQL = """
CREATE TABLE said (fact INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT;
CREATE VIRTUAL TABLE said_index USING fts5(
  text, content = 'said', content_rowid = 'fact', tokenize = 'trigram case_sensitive 1', detail = 'none'
);
"""


@dataclass(frozen=True, slots=True)
class SearchHit:
    """One leaf that a search found."""

    entity: bytes
    property: str
    value: Value


@dataclass(frozen=True, slots=True)
class SearchTerm:
    """A casefolded word that is sought.

    It stands for these properties, too, for their labels have it.
    """

    text: str
    properties: tuple[str, ...] = ()

    def occurs_in(self, name: str, text: str) -> bool:
        """Whether it occurs in what is looked through for a property."""
        return self.text in text or name in self.properties


def create_tables(connection: sqlite3.Connection) -> None:
    """Make the index, and fill it from the facts that are here."""
    for statement in _TABLES_SQL.split(";"):
        connection.execute(statement)
    last = connection.execute("SELECT coalesce(max(id), 0) FROM facts").fetchone()[0]
    index_facts(connection, range(last + 1))


def index_facts(connection: sqlite3.Connection, span: range) -> None:
    """Take in the facts whose row ids are in this span.

    They must lie behind all that were taken in before.
    """
    rows = connection.execute(
        "SELECT min(f.id), p.name, f.value FROM facts f JOIN properties p ON p.id = f.property"
        f" WHERE f.id BETWEEN ? AND ? AND p.name NOT IN ({placeholders(list(UNINDEXED_PROPERTIES))})"
        " AND p.name NOT LIKE 'schema.%'"
        " AND NOT EXISTS (SELECT 1 FROM facts g WHERE g.property = f.property AND g.value = f.value AND g.id < ?)"
        " GROUP BY f.property, f.value ORDER BY 1",
        (span.start, span.stop - 1, *UNINDEXED_PROPERTIES, span.start),
    ).fetchall()
    texts = [(fact, text) for fact, name, value in rows if (text := indexed_text(name, load_value(value)))]
    connection.executemany("INSERT INTO said (fact, text) VALUES (?, ?)", texts)
    connection.executemany("INSERT INTO said_index (rowid, text) VALUES (?, ?)", texts)


def find_problems(connection: sqlite3.Connection) -> list[FieldlineError]:
    """What is wrong with the index, by the texts that it is over."""
    try:
        connection.execute("INSERT INTO said_index (said_index, rank) VALUES ('integrity-check', 1)")
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorname", "").startswith(("SQLITE_READONLY", "SQLITE_FULL")):
            return []  # the check needs a place to write, and what it is over was compared
        return [FieldlineError("said_index: {what}.", what=str(error))]
    return []


def find_pairs(
    connection: sqlite3.Connection, words: Sequence[SearchTerm], limit: int = MAX_PAIRS, latest: bool = True
) -> sqlite3.Cursor:
    """Find the latest or first pairs in whose texts all these words occur.

    At most `limit` facts.

    The index gives those that have all the trigrams, the texts decide. Words of less than three letters have none.
    """
    source, parameters = "said s", {f"w{place}": word.text for place, word in enumerate(words)}
    order = "s.fact"
    if grams := " AND ".join(filter(None, map(_match_expression, words))):
        source = "said_index CROSS JOIN said s ON s.fact = said_index.rowid AND said_index MATCH :grams"
        order, parameters["grams"] = "said_index.rowid", grams
    conditions = []
    for place, word in enumerate(words):
        either = [f"instr(s.text, :w{place})"]
        for at, name in enumerate(word.properties):
            parameters[f"w{place}p{at}"] = name.casefold() + " "
            either.append(f"substr(s.text, 1, {len(name) + 1}) = :w{place}p{at}")
        conditions.append(f"({' OR '.join(either)})")
    query = f"SELECT s.fact FROM {source} WHERE {' AND '.join(conditions)} ORDER BY {order}"
    return connection.execute(f"{query} {'DESC' if latest else 'ASC'} LIMIT {limit}", parameters)


def _match_expression(word: SearchTerm) -> str:
    """What the index is asked for a word; empty if it does not know such short ones."""
    either = [
        " AND ".join('"' + gram.replace('"', '""') + '"' for gram in sorted(grams))
        for text in (word.text, *word.properties)
        if (grams := {text[at : at + TRIGRAM_CHARS] for at in range(len(text) - TRIGRAM_CHARS + 1)})
    ]
    if len(word.text) < TRIGRAM_CHARS:
        return ""
    return "(" + " OR ".join(f"({each})" for each in either) + ")"


def kind_condition(entity: str) -> str:
    """The condition that an entity was ever said to be of the kind `:kind`."""
    return (
        f"EXISTS (SELECT 1 FROM facts k INDEXED BY facts_slot WHERE k.entity = {entity} AND k.value = :kind"
        " AND k.property = (SELECT id FROM properties WHERE name = 'kind'))"
    )


def find_leaves(
    connection: sqlite3.Connection,
    scope: Scope,
    pairs: list[int],
    first: Collection[str],
    limit: int,
    kind: str | None = None,
) -> Iterator[SearchHit]:
    """Find the leaves that say what one of these facts says.

    Those of some properties first, then in the order of the pairs; of each chunk at most `limit`. Only of entities of
    a kind if one is given.
    """
    wanted = f" AND {kind_condition('f.entity')}" if kind is not None else ""
    properties = connection.execute(
        f"SELECT id FROM properties WHERE name IN ({placeholders(list(first))})", list(first)
    )
    listed = ",".join(str(each) for (each,) in properties)
    for some in chunks(pairs):
        query = (
            f"SELECT DISTINCT s.id, e.entity, p.name, f.value FROM facts s CROSS JOIN {scope.facts_source}"
            " JOIN entities e ON e.id = f.entity JOIN properties p ON p.id = f.property"
            f" WHERE s.id IN ({','.join(str(pair) for pair in some)}) AND f.property = s.property"
            f" AND f.value = s.value AND {scope.leaves_condition}{wanted}"
            f" ORDER BY f.property IN ({listed}) DESC, s.id DESC, f.id DESC LIMIT {limit}"
        )
        parameters = {"moment": scope.at_us, "kind": encode_value(kind)}
        for _, entity, name, value in connection.execute(query, parameters):
            yield SearchHit(entity, name, load_value(value))


def indexed_text(name: str, value: Value) -> str:
    """What is looked through for one pair; empty if there is nothing to look for."""
    items = value if isinstance(value, tuple) else (value,)
    words = [str(item) for item in items if isinstance(item, str | int) and not isinstance(item, bool)]
    return f"{name} {' '.join(words)}".casefold() if words else ""
