"""Find entities by any piece of a value or of a property's name.

Each pair of property and value is indexed once, with the first fact that said it; which facts say the same, and which
of them are leaves, the tables of facts know already, so the present and the past are searched by the same code. The
index is FTS5 with trigrams (https://sqlite.org/fts5.html#the_trigram_tokenizer); it holds casefolded text, so that
capital letters do not matter in any script.

All functions run on the store's thread with the plain connection.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from core.errors import FieldlineError
from core.fleet_secrets import SECRET_PROPERTIES
from core.schema import SCHEMA_PROPERTY_PREFIX
from core.store.connection import MAX_SQL_VARIABLES, VALUE_SQL, chunks, load_value, placeholders
from core.store.content_table import contents_with
from core.store.scope import Scope
from core.value_codec import Value, encode_value

MAX_PAIRS = 8000
"""Pairs of property and value that a search looks at, the latest first."""
TRIGRAM_CHARS = 3
"""Letters that the index takes together."""
UNINDEXED_PROPERTIES = ("kind", "retired", "member.revoked", "person.name", *SECRET_PROPERTIES)
"""Properties whose values nobody looks for, beside the schema's texts."""

MAX_NEW_TEXTS = 256
"""Texts that wait to be indexed. To take in one by one costs as much as all the rest of a save."""

_SHORT_TEXT_HEADS = frozenset(bytes((0x60 + size,)) for size in range(24))
"""What a text of less than 24 bytes begins with in CBOR (RFC 8949, section 3.1)."""
_NEW_TEXTS_SQL = "CREATE TABLE said_new (fact INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT"
_INDEX_SQL = """
CREATE VIRTUAL TABLE said_index USING fts5(
  text, content = 'said', content_rowid = 'fact', tokenize = 'trigram case_sensitive 1', detail = 'none', columnsize = 0
)
"""
"""Without the sizes of the texts, which only serve to rank."""
TEXTS_VIEW_SQL = """
CREATE VIEW said (fact, text) AS SELECT s.fact, indexed_text(p.name, v.value) FROM said_facts s
  CROSS JOIN facts f ON f.id = s.fact CROSS JOIN properties p ON p.id = f.property
  CROSS JOIN contents v ON v.id = f.content
"""
"""The texts that are indexed, which are made when they are looked at (`define_functions`)."""
_TEXTS_SQL = f"""
CREATE TABLE said_facts (fact INTEGER PRIMARY KEY) STRICT;
{TEXTS_VIEW_SQL}
"""
_TABLES_SQL = f"""
{_NEW_TEXTS_SQL};
{_TEXTS_SQL};
{_INDEX_SQL}
"""
_WRONG_NEW_TEXTS_SQL = f"""
SELECT count(*) FROM said_new s LEFT JOIN facts f ON f.id = s.fact
  WHERE s.text IS NOT indexed_text((SELECT name FROM properties WHERE id = f.property), {VALUE_SQL})
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

    It stands for these properties, too, for their labels have it; and for this boolean, if that is written so.
    """

    text: str
    properties: tuple[str, ...] = ()
    boolean: bool | None = None

    def occurs_in(self, name: str, text: str) -> bool:
        """Whether it occurs in what is looked through for a property."""
        return self.text in text or name in self.properties


def create_tables(connection: sqlite3.Connection) -> None:
    """Make the index of an empty store."""
    for statement in _TABLES_SQL.split(";"):
        connection.execute(statement)


def define_functions(connection: sqlite3.Connection) -> None:
    """Let SQL make the texts that are indexed, on a connection that cannot yet."""
    known = connection.execute("SELECT 1 FROM pragma_function_list WHERE name = 'indexed_text'").fetchone()
    if known is None:
        connection.create_function("indexed_text", 2, _text_in_sql, deterministic=True)


def _text_in_sql(name: str | None, value: bytes | None) -> str:
    """The text of one pair, its value encoded; empty for a damaged one."""
    if name is None or value is None:
        return ""
    try:
        if value[:1] in _SHORT_TEXT_HEADS:  # most are: a search for one or two letters looks at all
            return f"{name} {value[1:].decode()}".casefold()
        return indexed_text(name, load_value(value))
    except (sqlite3.DatabaseError, UnicodeDecodeError):
        return ""


def drop_texts(connection: sqlite3.Connection) -> None:
    """Keep only which facts are indexed, of a table that has their texts, too."""
    connection.execute("ALTER TABLE said RENAME TO said_before")
    for statement in _TEXTS_SQL.split(";"):
        connection.execute(statement)
    connection.execute("INSERT INTO said_facts (fact) SELECT fact FROM said_before ORDER BY fact")
    connection.execute("DROP TABLE said_before")


def rebuild_index(connection: sqlite3.Connection) -> None:
    """Make the index anew from its texts, as it is made now."""
    connection.execute("DROP TABLE said_index")
    connection.execute(_INDEX_SQL)
    connection.execute("INSERT INTO said_index (said_index) VALUES ('rebuild')")


def create_new_texts_table(connection: sqlite3.Connection) -> None:
    """Make the table of the texts that wait to be indexed."""
    connection.execute(_NEW_TEXTS_SQL)


def index_facts(
    connection: sqlite3.Connection,
    slots: Mapping[int, tuple[int, int]],
    stated: Sequence[tuple[int, bytes]],
    properties: Mapping[str, int],
    known_contents: int,
) -> None:
    """Take in facts that are about to be added, behind all others.

    Args:
        connection: the store's.
        slots: entity and property of each fact by their rows, in ascending order.
        stated: for each the row and the bytes of its value.
        properties: the row ids of the properties.
        known_contents: the last row of a value that any fact has stated before.
    """
    names = {
        row: name
        for name, row in properties.items()
        if name not in UNINDEXED_PROPERTIES and not name.startswith(SCHEMA_PROPERTY_PREFIX)
    }
    firsts: dict[tuple[int, int], tuple[int, bytes]] = {}
    for (fact, (_, name)), (content, value) in zip(slots.items(), stated, strict=True):
        if name in names and (name, content) not in firsts:
            firsts[name, content] = fact, value
    for pair in _known_pairs(connection, [pair for pair in firsts if pair[1] <= known_contents]):
        del firsts[pair]
    texts = [(fact, text) for (name, _), (fact, value) in firsts.items() if (text := _text_in_sql(names[name], value))]
    if texts:
        _add_texts(connection, texts)


def _known_pairs(connection: sqlite3.Connection, pairs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Those of these pairs of property and value, by their rows, that a fact states."""
    found: list[tuple[int, int]] = []
    for some in chunks(pairs, MAX_SQL_VARIABLES // 2):
        query = (
            f"WITH pair (property, content) AS (VALUES {','.join(['(?, ?)'] * len(some))}) SELECT * FROM pair"
            " WHERE EXISTS (SELECT 1 FROM facts f WHERE f.property = pair.property AND f.content = pair.content)"
        )
        found += connection.execute(query, [number for pair in some for number in pair]).fetchall()
    return found


def _add_texts(connection: sqlite3.Connection, texts: list[tuple[int, str]]) -> None:
    """Let these texts wait, or index them with those that waited if there are many."""
    waiting = connection.execute("SELECT count(*) FROM said_new").fetchone()[0]
    if waiting + len(texts) < MAX_NEW_TEXTS:
        connection.executemany("INSERT INTO said_new (fact, text) VALUES (?, ?)", texts)
        return
    texts = connection.execute("SELECT fact, text FROM said_new ORDER BY fact").fetchall() + texts
    connection.execute("DELETE FROM said_new")
    connection.executemany("INSERT INTO said_facts (fact) VALUES (?)", ((fact,) for fact, _ in texts))
    connection.executemany("INSERT INTO said_index (rowid, text) VALUES (?, ?)", texts)


def find_problems(connection: sqlite3.Connection) -> list[FieldlineError]:
    """What is wrong with the index, by the texts that it is over."""
    define_functions(connection)
    (wrong,) = connection.execute(_WRONG_NEW_TEXTS_SQL).fetchone()
    if wrong:
        return [FieldlineError("said_new: {count} texts are wrong, by what the facts state.", count=wrong)]
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

    The index gives those that have all the trigrams, the texts decide. Words of less than three letters have none. Of
    the texts that wait to be indexed all are looked at. Booleans are in no text: of those that a word stands for, each
    property has one pair.
    """
    parameters: dict[str, object] = {f"w{place}": word.text for place, word in enumerate(words)}
    if grams := " AND ".join(filter(None, map(_match_expression, words))):
        parameters["grams"] = grams
    conditions, boolean_conditions = [], []
    for place, word in enumerate(words):
        either = [f"instr(s.text, :w{place})"]
        for at, name in enumerate(word.properties):
            parameters[f"w{place}p{at}"] = name.casefold() + " "
            either.append(f"substr(s.text, 1, {len(name) + 1}) = :w{place}p{at}")
        conditions.append(f"({' OR '.join(either)})")
        if word.boolean is not None:
            parameters[f"w{place}b"] = encode_value(word.boolean)
            either.append(f"s.value = :w{place}b")
        boolean_conditions.append(f"({' OR '.join(either)})")
    query = texts_query(" AND ".join(conditions), "grams" if grams else None)
    for boolean in {word.boolean for word in words} - {None}:
        query += f" UNION ALL {_boolean_pairs_query(boolean is True, ' AND '.join(boolean_conditions))}"
    return connection.execute(f"{query} ORDER BY 1 {'DESC' if latest else 'ASC'} LIMIT {limit}", parameters)


def texts_query(condition: str, grams: str | None) -> str:
    """Give the query for the facts with whose texts, `s.text`, a condition holds.

    `grams` names the parameter with what the index is asked for (`quote_grams`), None where it cannot help.
    """
    fact, source = "s.fact", "said s"
    if grams is not None:
        fact = "said_index.rowid"
        source = f"said_index CROSS JOIN said s ON s.fact = said_index.rowid AND said_index MATCH :{grams}"
    return (
        f"SELECT s.fact AS fact FROM said_new s WHERE {condition} UNION ALL SELECT {fact} FROM {source}"
        f" WHERE {condition}"
    )


def _boolean_pairs_query(value: bool, condition: str) -> str:
    """Give the query for the first fact of each property with a boolean.

    Of those where a condition holds.
    """
    return (
        "SELECT s.fact AS fact FROM (SELECT lower(p.name) || ' ' AS text, v.value AS value,"
        " (SELECT min(f.id) FROM facts f WHERE f.property = p.id"
        f" AND f.content IN {contents_with('v.value')}) AS fact"
        f" FROM properties p CROSS JOIN (SELECT x'{encode_value(value).hex()}' AS value) v"
        f" WHERE {indexed_property_condition('p.name')}) s WHERE s.fact IS NOT NULL AND {condition}"
    )


def indexed_property_condition(name: str) -> str:
    """The condition that what a property of this name says is looked for."""
    unindexed = ", ".join(f"'{each}'" for each in UNINDEXED_PROPERTIES)
    return f"({name} NOT IN ({unindexed}) AND instr({name}, '{SCHEMA_PROPERTY_PREFIX}') <> 1)"


def quote_grams(text: str) -> str:
    """What the index is asked for a text; empty if that is too short for trigrams."""
    grams = {text[at : at + TRIGRAM_CHARS] for at in range(len(text) - TRIGRAM_CHARS + 1)}
    return " AND ".join('"' + gram.replace('"', '""') + '"' for gram in sorted(grams))


def _match_expression(word: SearchTerm) -> str:
    """What the index is asked for a word; empty if it does not know such short ones."""
    if len(word.text) < TRIGRAM_CHARS:
        return ""
    either = filter(None, map(quote_grams, (word.text, *word.properties)))
    return "(" + " OR ".join(f"({each})" for each in either) + ")"


def kind_condition(entity: str) -> str:
    """The condition that an entity was ever said to be of the kind `:kind`."""
    return (
        f"EXISTS (SELECT 1 FROM facts k INDEXED BY facts_slot WHERE k.entity = {entity}"
        f" AND k.content IN {contents_with(':kind')}"
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
            f"SELECT DISTINCT s.id, e.entity, p.name, {VALUE_SQL} FROM facts s CROSS JOIN {scope.facts_source}"
            " JOIN entities e ON e.id = f.entity JOIN properties p ON p.id = f.property"
            f" WHERE s.id IN ({','.join(str(pair) for pair in some)}) AND f.property = s.property"
            f" AND f.content = s.content AND {scope.leaves_condition}{wanted}"
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
