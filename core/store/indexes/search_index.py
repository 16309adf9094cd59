"""Find entities by any piece of a value or of a property's name.

Each pair of property and value is indexed once, by its row in `contents`; which facts state it, and which of them are
leaves, the tables of facts know already, so the present and the past are searched by the same code. The
index is FTS5 with trigrams (https://sqlite.org/fts5.html#the_trigram_tokenizer); it holds casefolded text, so that
capital letters do not matter in any script.

All functions run on the store's thread with the plain connection.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from core.errors import FieldlineError
from core.fleet_secrets import SECRET_PROPERTIES
from core.schema import SCHEMA_PROPERTY_PREFIX
from core.store.connection import chunks, load_value, placeholders
from core.store.content_table import content_with
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

_KIND_SQL = "(SELECT id FROM properties WHERE name = 'kind')"
_SHORT_TEXT_HEADS = frozenset(bytes((0x60 + size,)) for size in range(24))
"""What a text of less than 24 bytes begins with in CBOR (RFC 8949, section 3.1)."""
_INDEX_SQL = """
CREATE VIRTUAL TABLE said_index USING fts5(
  text, content = 'said', content_rowid = 'content', tokenize = 'trigram case_sensitive 1', detail = 'none',
  columnsize = 0
)
"""
"""Without the sizes of the texts, which only serve to rank."""
_TABLES_SQL = f"""
CREATE TABLE said_new (content INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT;
CREATE VIEW said (content, text) AS SELECT v.id, indexed_text(p.name, v.value) FROM contents v
  CROSS JOIN properties p ON p.id = v.property WHERE v.id NOT IN (SELECT content FROM said_new);
{_INDEX_SQL}
"""
"""The texts that wait, and those that are indexed, which are made when they are looked at (`define_functions`)."""
_WRONG_NEW_TEXTS_SQL = """
SELECT count(*) FROM said_new s LEFT JOIN contents v ON v.id = s.content
  WHERE s.text IS NOT indexed_text((SELECT name FROM properties WHERE id = v.property), v.value)
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
    """The text of one pair, its value encoded.

    Empty for a damaged one, and for what nobody looks for.
    """
    if name is None or value is None or name in UNINDEXED_PROPERTIES or name.startswith(SCHEMA_PROPERTY_PREFIX):
        return ""
    try:
        if value[:1] in _SHORT_TEXT_HEADS:  # most are: a search for one or two letters looks at all
            return f"{name} {value[1:].decode()}".casefold()
        return indexed_text(name, load_value(value))
    except (sqlite3.DatabaseError, UnicodeDecodeError):
        return ""


def rebuild_index(connection: sqlite3.Connection) -> None:
    """Make the index of texts that are in none yet."""
    connection.execute("INSERT INTO said_index (said_index) VALUES ('rebuild')")


def index_contents(connection: sqlite3.Connection, contents: Iterable[tuple[int, str, bytes]]) -> None:
    """Take in values that are stated for the first time.

    As row, name of the property and encoded value, in the order of their rows, behind all others. They wait, or are
    indexed with those that waited if there are many.
    """
    texts = [(row, text) for row, name, value in contents if (text := _text_in_sql(name, value))]
    if not texts:
        return
    waiting = connection.execute("SELECT count(*) FROM said_new").fetchone()[0]
    if waiting + len(texts) < MAX_NEW_TEXTS:
        connection.executemany("INSERT INTO said_new (content, text) VALUES (?, ?)", texts)
        return
    texts = connection.execute("SELECT content, text FROM said_new ORDER BY content").fetchall() + texts
    connection.execute("DELETE FROM said_new")
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

    At most `limit`, by the rows of their contents.

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
    """Give the query for the contents with whose texts, `s.text`, a condition holds.

    `grams` names the parameter with what the index is asked for (`quote_grams`), None where it cannot help.
    """
    content, source = "s.content", "said s"
    if grams is not None:
        content = "said_index.rowid"
        source = f"said_index CROSS JOIN said s ON s.content = said_index.rowid AND said_index MATCH :{grams}"
    return (
        f"SELECT s.content AS content FROM said_new s WHERE {condition} UNION ALL SELECT {content} FROM {source}"
        f" WHERE {condition}"
    )


def _boolean_pairs_query(value: bool, condition: str) -> str:
    """Give the query for the boolean of each property that states it.

    Of those where a condition holds.
    """
    return (
        "SELECT s.content AS content FROM (SELECT lower(p.name) || ' ' AS text, v.value AS value,"
        f" {content_with('p.id', 'v.value')} AS content"
        f" FROM properties p CROSS JOIN (SELECT x'{encode_value(value).hex()}' AS value) v"
        f" WHERE {indexed_property_condition('p.name')}) s WHERE s.content IS NOT NULL AND {condition}"
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
        f" AND k.property = {_KIND_SQL} AND k.content = {content_with(_KIND_SQL, ':kind')})"
    )


def find_leaves(
    connection: sqlite3.Connection,
    scope: Scope,
    pairs: list[int],
    first: Collection[str],
    limit: int,
    kind: str | None = None,
) -> Iterator[SearchHit]:
    """Find the leaves that state one of these contents.

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
            f"SELECT DISTINCT s.id, e.entity, p.name, s.value FROM contents s CROSS JOIN {scope.facts_source}"
            " JOIN entities e ON e.id = f.entity JOIN properties p ON p.id = f.property"
            f" WHERE s.id IN ({','.join(str(pair) for pair in some)})"
            f" AND f.content = s.id AND {scope.leaves_condition}{wanted}"
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
